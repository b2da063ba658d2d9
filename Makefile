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

objs	 = $(patsubst %.c,$O/obj/%.o,$(wildcard $(1)/*.c))
core	 = $(filter-out %/codec.o %/frame.o %/lex.o,$(call objs,protocol))
codec	 = $O/obj/protocol/codec.o $O/obj/protocol/frame.o
lex	 = $O/obj/protocol/lex.o
rules	 = $(call objs,policy) $(lex)
room	 = $(call objs,vaultd/base) $(core) $(call objs,vaultd/$(1))

ROOMS	 = gate keeper ledger courier dialer
BINS	 = $O/bin/vaultd $O/bin/vaultctl $(addprefix $O/libexec/vaultd/,$(ROOMS))
LIBS_O	 = $O/lib/libvaultclient.a $O/lib/libvaultclient.so

all: $(BINS) $(LIBS_O) catalog

# The processes.  Read the right-hand sides: they are the privileges.
$O/bin/vaultd:		    $(call room,supervisor) $(lex)
$O/libexec/vaultd/gate:	    $(call room,gate) $(codec)
$O/libexec/vaultd/keeper:   $(call room,keeper) $(rules)
$O/libexec/vaultd/ledger:   $(call room,ledger)
$O/libexec/vaultd/courier:  $(call room,courier)
$O/libexec/vaultd/dialer:   $(call room,dialer) $O/obj/policy/network.o
$O/bin/vaultctl:	    $(call objs,client/vaultctl) $(call objs,client) \
			    $(core) $(codec) $(rules)

$O/bin/vaultd:		    LIBS = -lseccomp
$O/libexec/vaultd/gate:	    LIBS = -lseccomp -ltpl -ljansson
$O/libexec/vaultd/keeper:   LIBS = -lseccomp -lsodium -lcrypto -lpthread
$O/libexec/vaultd/ledger:   LIBS = -lseccomp -lsqlite3
$O/libexec/vaultd/courier:  LIBS = -lseccomp -lcurl -lssl -lcrypto -ljansson
$O/libexec/vaultd/dialer:   LIBS = -lseccomp -lcares
$O/bin/vaultctl:	    LIBS = -ltpl -ljansson -lsodium
$(BINS):
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ $(LIBS)

$O/lib/libvaultclient.a: $(call objs,client) $(core) $(codec)
	@mkdir -p $(@D)
	@echo "  AR	$@"
	@rm -f $@ && $(AR) rcs $@ $^

$O/lib/libvaultclient.so: $(patsubst $O/obj/%,$O/pic/%,$(call objs,client) $(core) $(codec))
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) -shared $(filter-out -pie,$(LINK)) -o $@ $^ -ltpl -lsodium

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
fuzz_names	= vaultd/keeper vaultd/supervisor
fuzz_options	= client/vaultctl
fuzz_origin	= vaultd/gate
fuzz_path	= vaultd/courier
fuzz_profile	= vaultd/keeper
fuzz_render	= vaultd/keeper vaultd/courier
fuzz_request	= vaultd/courier
fuzz_route	= vaultd/gate
fuzz_rows	= client/vaultctl
fuzzed	 = $(patsubst %,$O/fuzz/%.a,$(fuzz_$(1)) vaultd/base policy protocol)

$O/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZCC $<"
	@$(FUZZCC) -c -o $@ $<
$O/fuzz/%.a: $$(filter-out %/main.o %/zerofree.o %/allowlist.o, \
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
	@$(CC) $(OPT) $(LINK) -o $@ $^ -ltpl
$O/tests/fuzz/seeds/made: $(SEEDERS) $(wildcard tests/fuzz/seeds/*/*)
	@rm -rf $(@D) && mkdir -p $(@D)
	@cp -r tests/fuzz/seeds/* $(@D)
	@for s in $(SEEDERS); do $$s $(@D) || exit 1; done
	@touch $@

tests: all $(UNITS) $(WALLS) $(FUZZERS) $O/tests/fuzz/seeds/made $O/tests/support/oldkernel
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
bench: all $O/tests/bench/loadgen
	@packaging/install-deps build demo bench
	@$(if $(filter load,$B),,tests/bench/run --build $O $(if $B,--only $B))
	@$(if $(filter-out load,$B),,tests/bench/load.py --build $O)
$O/tests/bench/loadgen: $O/obj/tests/bench/loadgen.o $(core) $(codec)
	@mkdir -p $(@D)
	@echo "  LINK	$@"
	@$(CC) $(OPT) $(LINK) -o $@ $^ -ltpl
fuzz: $(FUZZERS) $O/tests/fuzz/seeds/made
	@tests/fuzz/run --build $O --seconds $(or $T,60)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/vaultd \
	    $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include \
	    $(DESTDIR)$(PREFIX)/share/vaultd/catalog $(DESTDIR)/etc/vaultd
	install $O/bin/vaultd $O/bin/vaultctl $(DESTDIR)$(PREFIX)/bin
	install $(addprefix $O/libexec/vaultd/,$(ROOMS)) \
	    $(DESTDIR)$(PREFIX)/libexec/vaultd
	install -m 644 $O/lib/libvaultclient.* $(DESTDIR)$(PREFIX)/lib
	install -m 644 client/vaultclient.h $(DESTDIR)$(PREFIX)/include
	install -m 644 vaultd/catalog/*.conf \
	    $(DESTDIR)$(PREFIX)/share/vaultd/catalog
	install -m 644 packaging/vaultd.conf $(DESTDIR)/etc/vaultd

clean:
	rm -rf $O

.PHONY: all catalog tests check check-long demo lint bench fuzz mutant install \
    clean
.SECONDARY:
-include $(shell find $O -name '*.d' 2>/dev/null)
