# vaultd: one folder, one binary; what a process may do is what it links.

O	?= build
CC	?= gcc
PREFIX	?= /usr
SHELL	 = /bin/sh
.DEFAULT_GOAL := all

OPT	?= -O2 -g
WARN	 = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Werror
HARDEN	 = -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	   -fstack-clash-protection -fcf-protection -fPIE
BUILD	 = -std=gnu11 -D_GNU_SOURCE -I. -MMD -MP $(WARN)
LINK	 = -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code \
	   -Wl,-z,ibtplt,-z,shstk,--as-needed

objs	 = $(patsubst %.c,$O/obj/%.o,$(filter-out %/example.c,$(wildcard $(1)/*.c)))
core	 = $(filter-out %/codec.o %/frame.o %/lex.o,$(call objs,protocol))
codec	 = $O/obj/protocol/codec.o $O/obj/protocol/frame.o
lex	 = $O/obj/protocol/lex.o
rules	 = $(call objs,policy) $(lex)
room	 = $(call objs,vaultd/base) $(core) $(call objs,vaultd/$(1))

ROOMS	 = gate keeper ledger courier dialer
BINS	 = $O/bin/vaultd $O/bin/vaultctl $(addprefix $O/libexec/vaultd/,$(ROOMS))
VERSION	:= $(shell sed -n 's/.define VAULTCLIENT_VERSION "\(.*\)"/\1/p' client/vaultclient.h)
SONAME	 = libvaultclient.so.0
LIBS_O	 = $O/lib/libvaultclient.a $O/lib/libvaultclient.so \
	   $O/lib/pkgconfig/vaultclient.pc $O/obj/client/example.o

all: $(BINS) $(LIBS_O) catalog

# The processes.  Read the right-hand sides: they are the privileges.
$O/bin/vaultd:		    $(call room,supervisor) $(lex)
$O/libexec/vaultd/gate:	    $(call room,gate) $(codec)
$O/libexec/vaultd/keeper:   $(call room,keeper) $(rules)
$O/libexec/vaultd/ledger:   $(call room,ledger)
$O/libexec/vaultd/courier:  $(call room,courier)
$O/libexec/vaultd/dialer:   $(call room,dialer) $O/obj/policy/network.o
$O/bin/vaultctl:	    $(call objs,client/vaultctl) $(core) $(rules) \
			    $O/obj/vaultd/base/zerofree.o \
			    $O/lib/libvaultclient.a

$O/bin/vaultd:		    LIBS = -lseccomp
$O/libexec/vaultd/gate:	    LIBS = -lseccomp -ltpl -ljansson
$O/libexec/vaultd/keeper:   LIBS = -lseccomp -lsodium -lcrypto -lpthread
$O/libexec/vaultd/ledger:   LIBS = -lseccomp -lsqlite3
$O/libexec/vaultd/courier:  LIBS = -lseccomp -lcurl -lssl -lcrypto -ljansson
$O/libexec/vaultd/dialer:   LIBS = -lseccomp -lcares
$O/bin/vaultctl:	    LIBS = -ltpl -ljansson -lsodium -lcrypto
$(BINS):
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ $(LIBS)

# The library is one object in which only the names of the map can be seen,
# so that a program that is linked with it, as vaultctl is, finds nothing else.
$O/lib/libvaultclient.a: $(call objs,client) $(core) $(codec) client/vaultclient.map
	@mkdir -p $(@D)
	@echo "  AR	$@"
	@sed -n 's/^	\(vault_[a-z_]*\);/\1/p' client/vaultclient.map >$(@:.a=.names)
	@$(LD) -r -o $(@:.a=.o) $(filter %.o,$^)
	@objcopy --keep-global-symbols=$(@:.a=.names) $(@:.a=.o)
	@rm -f $@ && $(AR) rcs $@ $(@:.a=.o) && rm $(@:.a=.o) $(@:.a=.names)

$O/lib/libvaultclient.so: $(patsubst $O/obj/%,$O/pic/%,$(call objs,client) $(core) $(codec)) \
    client/vaultclient.map
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) -shared $(filter-out -pie,$(LINK)) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script=client/vaultclient.map \
	    -o $@.$(VERSION) $(filter %.o,$^) -ltpl -lsodium
	@ln -sf $(@F).$(VERSION) $(@D)/$(SONAME) && ln -sf $(SONAME) $@

# PREFIX and the folder of the header, as this build or as installed.
pc	 = sed 's|@PREFIX@|$(1)|; s|@INCLUDE@|$(2)|; s|@VERSION@|$(VERSION)|' \
	   client/vaultclient.pc.in
$O/lib/pkgconfig/vaultclient.pc: client/vaultclient.pc.in client/vaultclient.h
	@mkdir -p $(@D)
	@$(call pc,$(abspath $O),$(CURDIR)/client) >$@
$O/obj/client/example.o: BUILD += -Iclient

catalog: $(patsubst %,$O/share/%,$(wildcard vaultd/catalog/*.conf))
$O/share/vaultd/catalog/%.conf: vaultd/catalog/%.conf
	@mkdir -p $(@D)
	@cp $< $@

$O/obj/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC	$<"
	@$(CC) $(OPT) $(HARDEN) $(BUILD) -c -o $@ $<
$O/pic/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(OPT) $(HARDEN:-fPIE=-fPIC) $(BUILD) -c -o $@ $<

# Tests: the units under sanitizers, the walls and the whole as shipped.
SAN	 = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
$O/san/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(SAN) $(BUILD) -c -o $@ $<

san	 = $(patsubst $O/obj/%,$O/san/%,$(1))
parts	 = $(filter-out %/main.o %/zerofree.o,$(call san,$(1)))
UNITS	 = $(patsubst %.c,$O/%,$(wildcard tests/unit/*/test_*.c))
WALLS	 = $(patsubst %.c,$O/%,$(wildcard tests/sandbox/test_*.c))
FUZZERS	 = $(patsubst %.c,$O/%,$(wildcard tests/fuzz/fuzz_*.c))
UNITLIBS = -lcmocka -lseccomp -lsodium -lcrypto -lssl -lcurl -lsqlite3 \
	   -lcares -ljansson -ltpl -lhttp_parser -lpthread
below	 = $(call parts,$(core) $(codec) $(rules) $(call objs,vaultd/base))
of_protocol =
of_policy   =
of_base	    =
of_client   = $(call parts,$(call objs,client) $(call objs,client/vaultctl))
of_keeper   = $(call parts,$(call objs,vaultd/keeper))
of_ledger   = $(call parts,$(call objs,vaultd/ledger))
of_courier  = $(call parts,$(call objs,vaultd/courier))
of_dialer   = $(call parts,$(call objs,vaultd/dialer))
of_gate	    = $(call parts,$(call objs,vaultd/gate))
of_supervisor = $(call parts,$(call objs,vaultd/supervisor))
.SECONDEXPANSION:
$(UNITS): $O/tests/unit/%: $O/san/tests/unit/%.o $O/san/tests/support/unit.o \
    $$(of_$$(notdir $$(@D))) $(below)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(SAN) -o $@ $^ $(UNITLIBS)
$(WALLS): $O/tests/sandbox/test_%: $O/obj/tests/sandbox/test_%.o \
    $O/obj/tests/support/unit.o $(call objs,vaultd/base) $(core) \
    $(foreach r,supervisor $(ROOMS),$O/obj/vaultd/$r/allowlist.o)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -lcmocka -lseccomp -lsodium

# Every folder is instrumented once, as an archive from which a target takes
# what it needs: base, policy and protocol, and what is named here.
FSAN	 = -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZCC	 = clang $(FSAN) -fsanitize=fuzzer-no-link $(BUILD)
FUZZLINK = clang $(FSAN) -fsanitize=fuzzer -Wl,--as-needed
fuzz_account	= vaultd/courier
fuzz_act	= vaultd/keeper vaultd/courier
fuzz_answer	= vaultd/courier
fuzz_audit	= vaultd/keeper
fuzz_backup	= client/vaultctl client
fuzz_config	= vaultd/supervisor
fuzz_date	= vaultd/keeper client/vaultctl
fuzz_filter	= vaultd/ledger
fuzz_head	= vaultd/courier vaultd/gate
fuzz_http	= vaultd/gate
fuzz_index	= vaultd/keeper
fuzz_injection	= vaultd/courier
fuzz_intake	= client/vaultctl client
fuzz_json	= vaultd/keeper
fuzz_keeperkey	= client vaultd/supervisor
fuzz_keyfile	= client/vaultctl client vaultd/keeper
fuzz_names	= vaultd/keeper vaultd/supervisor
fuzz_options	= client/vaultctl
fuzz_origin	= vaultd/gate
fuzz_path	= vaultd/courier
fuzz_pkey	= vaultd/keeper
fuzz_profile	= vaultd/keeper
fuzz_render	= vaultd/keeper vaultd/courier
fuzz_request	= vaultd/courier
fuzz_route	= vaultd/gate
fuzz_rows	= client/vaultctl
fuzz_wish	= vaultd/gate
fuzzed	 = $(patsubst %,$O/fuzz/%.a,$(fuzz_$(1)) vaultd/base policy protocol)

$O/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZCC $<"
	@$(FUZZCC) -c -o $@ $<
$O/fuzz/%.a: $$(filter-out %/main.o %/zerofree.o %/allowlist.o %/example.o, \
    $$(patsubst %.c,$O/fuzz/%.o,$$(wildcard $$*/*.c)))
	@rm -f $@ && ar rcs $@ $^
$O/tests/fuzz/fuzz_%: $O/fuzz/tests/fuzz/fuzz_%.o $$(call fuzzed,$$*)
	@mkdir -p $(@D)
	@echo "  FUZZ	$@"
	@$(FUZZLINK) -o $@ $^ $(filter-out -lcmocka,$(UNITLIBS))

# For tests/fuzz/mutate: the target TARGET with FILE in place of the file that
# it is a changed copy of.
mutant:
	@$(FUZZCC) -w -MF $(OUT).d -c -o $(OUT).o $(FILE)
	@$(FUZZLINK) -o $(OUT) $O/fuzz/tests/fuzz/fuzz_$(TARGET).o $(OUT).o \
	    $(call fuzzed,$(TARGET)) $(filter-out -lcmocka,$(UNITLIBS))

# Seeds that are text lie in the tree; the others follow from the declarations.
SEEDERS	 = $(patsubst %.c,$O/%,$(wildcard tests/fuzz/seed_*.c))
$(SEEDERS): $O/tests/fuzz/%: $O/obj/tests/fuzz/%.o $(core) $(codec)
	@mkdir -p $(@D)
	@$(CC) $(OPT) $(LINK) -o $@ $^ -ltpl -lsodium
$O/tests/fuzz/seeds/made: $(SEEDERS) $(wildcard tests/fuzz/seeds/*/*)
	@rm -rf $(@D) && mkdir -p $(@D)
	@cp -r tests/fuzz/seeds/* $(@D)
	@for s in $(SEEDERS); do $$s $(@D) || exit 1; done
	@touch $@

# Peers from npm, by the lock file, with a Node.js that runs them all.
$O/npm/made: tests/npm/package.json tests/npm/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests: $O/npm/made all $(UNITS) $(WALLS) $(FUZZERS) $O/tests/fuzz/seeds/made $O/tests/support/oldkernel \
    $O/tests/bench/mkstore
$O/tests/support/oldkernel: tests/support/oldkernel.c
	@mkdir -p $(@D)
	@$(CC) $(OPT) -D_GNU_SOURCE $(WARN) -o $@ $< -lseccomp

check:
	@packaging/install-deps build test
	@$(MAKE) -s tests
	@tests/run --build $O $(if $T,--match $T)
check-long:
	@packaging/install-deps build test
	@$(MAKE) -s tests
	@tests/run --build $O $(if $T,--match $T) --long
demo:
	@packaging/install-deps build demo
	@$(MAKE) -s all
	@tests/demo --build $O
lint:
	@packaging/install-deps build lint
	@tests/lint
BENCH	 = $(addprefix $O/tests/bench/,loadgen signgen mkstore readrows updates)
bench: all $(BENCH)
	@packaging/install-deps build demo bench
	@$(if $(filter load,$B),,tests/bench/run --build $O $(if $B,--only $B))
	@$(if $(filter-out load,$B),,tests/bench/load.py --build $O)
$O/tests/bench/%gen: $O/obj/tests/bench/%gen.o $(core) $(codec)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -ltpl -lsodium -lcrypto
# What seals in the keeper, and what stores in the ledger.
sealing	 = $(addprefix keeper/,keys slot index super tree profile json when \
	   pubkey der pkey)
$O/tests/bench/mkstore: $O/obj/tests/bench/mkstore.o \
    $(patsubst %,$O/obj/vaultd/%.o,$(sealing) ledger/store ledger/scrub) \
    $(call objs,vaultd/base) $(core) $(rules)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -lseccomp -lsodium -lcrypto -lsqlite3
$O/tests/bench/readrows: $O/obj/tests/bench/readrows.o $(core)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -lsodium
$O/tests/bench/updates: $O/obj/tests/bench/updates.o $O/lib/libvaultclient.a
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -ltpl -lsodium
fuzz: $(FUZZERS) $O/tests/fuzz/seeds/made
	@tests/fuzz/run --build $O --seconds $(or $T,60)

D	 = $(DESTDIR)$(PREFIX)
SHARE	 = $D/share
install: all
	install -d $D/bin $D/libexec/vaultd $D/lib/pkgconfig $D/include \
	    $D/lib/systemd/system $D/lib/sysusers.d $D/lib/tmpfiles.d \
	    $(SHARE)/vaultd/catalog $(SHARE)/man/man1 $(SHARE)/man/man3 \
	    $(SHARE)/man/man5 $(SHARE)/man/man8 \
	    $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
	    $(SHARE)/fish/vendor_completions.d $(DESTDIR)/etc/vaultd
	install $O/bin/vaultd $O/bin/vaultctl $D/bin
	install $(addprefix $O/libexec/vaultd/,$(ROOMS)) $D/libexec/vaultd
	install -m 644 $O/lib/libvaultclient.a \
	    $O/lib/libvaultclient.so.$(VERSION) $D/lib
	ln -sf libvaultclient.so.$(VERSION) $D/lib/$(SONAME)
	ln -sf $(SONAME) $D/lib/libvaultclient.so
	install -m 644 client/vaultclient.h $D/include
	$(call pc,$(PREFIX),$(PREFIX)/include) >$D/lib/pkgconfig/vaultclient.pc
	install -m 644 vaultd/catalog/*.conf $(SHARE)/vaultd/catalog
	sed 's|/usr/bin/vaultd|$(PREFIX)/bin/vaultd|' packaging/vaultd.service \
	    >$D/lib/systemd/system/vaultd.service
	install -m 644 packaging/*.socket $D/lib/systemd/system
	install -m 644 packaging/sysusers.conf $D/lib/sysusers.d/vaultd.conf
	install -m 644 packaging/tmpfiles.conf $D/lib/tmpfiles.d/vaultd.conf
	for n in 1 3 5 8; do \
		install -m 644 docs/man/*.$$n $(SHARE)/man/man$$n || exit 1; done
	$O/bin/vaultctl completion bash \
	    >$(SHARE)/bash-completion/completions/vaultctl
	$O/bin/vaultctl completion zsh >$(SHARE)/zsh/site-functions/_vaultctl
	$O/bin/vaultctl completion fish \
	    >$(SHARE)/fish/vendor_completions.d/vaultctl.fish
	test -e $(DESTDIR)/etc/vaultd/vaultd.conf || \
	    install -m 644 packaging/vaultd.conf $(DESTDIR)/etc/vaultd

clean:
	rm -rf $O

.PHONY: all catalog tests check check-long demo lint bench fuzz mutant install \
    clean
.SECONDARY:
-include $(shell find $O -name '*.d' 2>/dev/null)
