"""The shipped programs: how they were compiled and linked, read off them.

faults() says what a file lacks.  It is tried on a small program, whole and
with one switch taken away at a time, and then asked about what is shipped.
"""
import re
import subprocess
import sys
import tempfile
from functools import cached_property
from pathlib import Path

from support.vault import ROOMS, build

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ["bin/vaultd", "bin/vaultctl",
            *(f"libexec/vaultd/{room}" for room in ROOMS)]
LIBRARY = "lib/libvaultclient.so"

# What the C library and gcc link into each program of theirs.
FOREIGN = {"_start", "_init", "_fini", "_dl_relocate_static_pie",
           "deregister_tm_clones", "register_tm_clones",
           "__do_global_dtors_aux", "frame_dummy"}
PAGE = 4096
FRAME = 256         # a frame as large as this has an array or the like in it
# By what they are all called; of several the last one counts.
SWITCHES = {"stack-protector": "-fstack-protector-strong",
            "stack-clash": "-fstack-clash-protection",
            "cf-protection": "-fcf-protection=full"}


def run(*command, check=True):
    return subprocess.run(command, check=check, capture_output=True,
                          text=True).stdout


class Binary:
    """A program or shared library; every table is read once."""

    def __init__(self, path):
        self.path = path

    def readelf(self, *options):
        return run("readelf", "-W", *options, self.path)

    @cached_property
    def header(self):
        return self.readelf("-h")

    @cached_property
    def segments(self):
        """[(kind, flags)], flags as in "R E"."""
        return re.findall(r"^ +(\w+) +(?:0x\w+ +){5}(...) ",
                          self.readelf("-l"), re.MULTILINE)

    @cached_property
    def dynamic(self):
        return self.readelf("-d")

    @cached_property
    def imports(self):
        return set(re.findall(r" UND (\w+)", self.readelf("--dyn-syms")))

    @cached_property
    def functions(self):
        """{address: (names, are any global)} of our own functions."""
        found = {}
        for value, binding, name in re.findall(
                r": (\w+) +\d+ FUNC +(\w+) +\w+ +\d+ ([\w.]+)",
                self.readelf("-s")):
            names, public = found.get(int(value, 16), (set(), False))
            found[int(value, 16)] = (names | {name},
                                     public or binding == "GLOBAL")
        return {at: f for at, f in found.items() if not f[0] & FOREIGN}

    @cached_property
    def code(self):
        """{address: instructions} of every symbol, the PLT's among them."""
        found, lines = {}, None
        for line in run("objdump", "-d", "--no-show-raw-insn",
                        self.path).splitlines():
            if match := re.match(r"(\w+) <[^>]*>:$", line):
                lines = found.setdefault(int(match[1], 16), [])
            elif match := re.match(r" +\w+:\t(.*)", line):
                lines.append(match[1].strip())
        return found

    @cached_property
    def plt(self):
        """The instructions of each entry that calls go through."""
        text = run("objdump", "-d", "--no-show-raw-insn", "-j", ".plt.sec",
                   "-j", ".plt.got", self.path, check=False)
        return re.findall(r"<[^>]*@plt>:\n +\w+:\t(\w+)", text)

    @cached_property
    def addresses(self):
        """What code and tables take the address of."""
        found = {int(a, 16) for a in re.findall(
            r"R_X86_64_RELATIVE +(\w+)", self.readelf("-r"))}
        for lines in self.code.values():
            for line in lines:
                if match := re.match(r"lea .*# (\w+) <", line):
                    found.add(int(match[1], 16))
        return found

    @cached_property
    def cet(self):
        return cet_notes(self.path)

    @cached_property
    def units(self):
        """The compiler and its switches, of each source."""
        text = run("objdump", "--dwarf=info", "--dwarf-depth=1", self.path)
        return re.findall(r"DW_AT_producer.*: (.*)", text)


def cet_notes(path):
    found = re.search(r"x86 feature: (.*)", run("readelf", "-nW", path))
    return set(re.split(r",\s*", found[1].strip())) if found else set()


def layout_faults(b):
    """Of the file: what is at a random place, and what may be written."""
    if "ELF64" not in b.header or "little endian" not in b.header:
        yield "kind"
    # A position-independent executable, or a shared library.
    if "DYN" not in re.search(r"Type: +(\w+)", b.header)[1]:
        yield "pie"
    elif "INTERP" in dict(b.segments) and not re.search(
            r"FLAGS_1.*\bPIE\b", b.dynamic):
        yield "pie"
    if "GNU_RELRO" not in dict(b.segments):
        yield "relro"
    if not re.search(r"FLAGS_1.*\bNOW\b", b.dynamic):
        yield "now"
    if dict(b.segments).get("GNU_STACK") != "RW ":
        yield "stack"
    if any("W" in flags and "E" in flags for _, flags in b.segments):
        yield "written and run"
    if re.search(r"\((RPATH|RUNPATH)\)", b.dynamic):
        yield "path"
    if re.search(r"\(TEXTREL\)|FLAGS.*\bTEXTREL\b", b.dynamic):
        yield "text relocations"


def room_made(line):
    """How much an instruction takes off the stack pointer."""
    match = re.match(r"sub +\$0x(\w+),%rsp", line)
    size = int(match[1], 16) if match else 0
    return size if size < 1 << 63 else 0        # a negative one gives back


def is_probe(line):
    return re.match(r"or[lq] +\$0x0,\(%rsp\)", line)


def probes_missing(lines):
    """Does the stack grow by more than a page that is not touched?"""
    return any(room_made(line) > PAGE or
               (room_made(line) == PAGE and not is_probe(after))
               for line, after in zip(lines, [*lines[1:], ""]))


def canary_missing(lines):
    """Has a function with a large frame no canary?"""
    return (any(room_made(line) >= FRAME for line in lines) and
            not any("%fs:0x28" in line for line in lines))


def code_faults(b):
    """Of the instructions themselves."""
    if "__stack_chk_fail" not in b.imports:
        yield "canary"
    if not any(re.fullmatch(r"__\w+_chk", name) for name in b.imports):
        yield "fortify"
    for at, (names, public) in b.functions.items():
        lines = b.code.get(at, [])
        if canary_missing(lines):
            yield "canary", *names
        if probes_missing(lines):
            yield "clash", *names
        if (public or at in b.addresses) and lines[:1] != ["endbr64"]:
            yield "endbr", *names
    if not b.plt or set(b.plt) != {"endbr64"}:
        yield "plt"


def faults(path):
    """What the file lacks: names, some with those of functions."""
    b = Binary(path)
    found = [*layout_faults(b), *code_faults(b)]
    if not b.units:
        found.append("switches")
    for unit in b.units:
        given = unit.split()
        found += [("switches", unit, switch)
                  for kind, switch in SWITCHES.items()
                  if [g for g in given if kind in g][-1:] != [switch]]
    # The other note, IBT, takes a C library whose own start files have it.
    if "SHSTK" not in b.cet:
        found.append("shadow stack")
    return found


SMALL = """
#include <stdio.h>
#include <string.h>

#ifdef MIXED	/* a section to be written and run */
__attribute__((section(".mixed,\\"awx\\",@progbits#"))) int mixed = 1;
#endif
int (*volatile called)(const char *, ...);

static int
said(const char *format, ...)
{
	return puts(format);
}

int
main(int argc, char **argv)
{
	char text[3 * 4096], copy[300];

	called = said;
	memset(text, argc, (size_t)argc * 100);
	strncpy(copy, argv[0], (size_t)argc * 10);
	return called(text) + called(copy);
}
"""
COMPILED = ("-O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong "
            "-fstack-clash-protection -fcf-protection -fPIE").split()
LINKED = ("-pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code "
          "-Wl,-z,ibtplt -Wl,-z,shstk").split()

# The fault that must be seen, and switches to add for it, of which the last
# counts; or to take away, where they are among those above.
WITHOUT = (
    ("pie", ["-fno-pie"], ["-no-pie"]),
    ("relro", [], ["-Wl,-z,norelro"]),
    ("now", [], ["-Wl,-z,lazy"]),
    ("stack", [], ["-Wl,-z,execstack"]),
    ("written and run", ["-DMIXED"], []),
    ("path", [], ["-Wl,-rpath,/tmp"]),
    ("path", [], ["-Wl,-rpath,/tmp,--disable-new-dtags"]),
    ("text relocations", ["-fno-pie", "-mcmodel=large"], ["-Wl,-z,notext"]),
    ("canary", ["-fno-stack-protector"], []),
    ("switches", ["-fstack-protector"], []),
    ("fortify", ["-U_FORTIFY_SOURCE"], []),
    ("clash", ["-fno-stack-clash-protection"], []),
    ("endbr", ["-fcf-protection=none"], []),
    ("plt", [], ["-Wl,-z,ibtplt"]),
    ("shadow stack", [], ["-Wl,-z,shstk"]),
    ("switches", ["-fcf-protection=branch"], []),
    ("switches", ["-g0"], []),
)


def compile_small(folder, compiled=(), linked=()):
    source, made = folder / "small.c", folder / "small"
    source.write_text(SMALL)
    links = [*(switch for switch in LINKED if switch not in linked),
             *(switch for switch in linked if switch not in LINKED)]
    run("cc", *COMPILED, *compiled, source, *links, "-o", made)
    return made


def names_of(found):
    return {f if isinstance(f, str) else f[0] for f in found}


def rooms_hardening_is_missed_where_it_is_missing():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert not faults(compile_small(folder))
        for fault, compiled, linked in WITHOUT:
            found = faults(compile_small(folder, compiled, linked))
            assert fault in names_of(found), (fault, compiled, linked, found)


def rooms_binaries_are_hardened():
    found = {name: faults(build() / name) for name in [*PROGRAMS, LIBRARY]}
    assert not any(found.values()), found
    for name in PROGRAMS:
        assert "INTERP" in dict(Binary(build() / name).segments), name


def rooms_large_frames_are_probed():
    """There are some, so that the lack of faults above says something."""
    probed = [line for name in PROGRAMS
              for lines in Binary(build() / name).code.values()
              for line in lines if is_probe(line)]
    assert probed


def rooms_fortified_at_level_three():
    """Level 3 checks lengths that are known only when the program runs."""
    source = ROOT / "vaultd/base/buf.c"
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "buf.o"
        checks = {}
        for level in 2, 3:
            run("cc", "-std=gnu11", "-D_GNU_SOURCE", f"-I{ROOT}", *COMPILED,
                "-U_FORTIFY_SOURCE", f"-D_FORTIFY_SOURCE={level}", "-c",
                source, "-o", made)
            checks[level] = set(re.findall(r"U (__\w+_chk)",
                                           run("nm", "-u", made)))
    assert checks[2] < checks[3], checks
    shipped = run("nm", "-u", build() / "obj/vaultd/base/buf.o")
    assert set(re.findall(r"U (__\w+_chk)", shipped)) == checks[3], shipped


def rooms_objects_have_control_flow_notes():
    """A libc whose own start files lack the notes (Debian 12's) takes IBT
    from every program; the vault's own objects have it."""
    objects = [path for top in ("protocol", "policy", "vaultd", "client")
               for path in (build() / "obj" / top).rglob("*.o")]
    assert len(objects) > 50, objects
    for path in objects:
        assert cet_notes(path) >= {"IBT", "SHSTK"}, path


def rooms_machines_that_tpl_would_misread_are_refused():
    """32 bits and big-endian ones, when they compile."""
    def preprocess(*options):
        return subprocess.run(
            ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-E", "-o", "/dev/null",
             f"-I{ROOT}", *options, ROOT / "protocol/codec.c"],
            capture_output=True, text=True)

    assert preprocess().returncode == 0
    with tempfile.TemporaryDirectory() as name:
        stubs = Path(name) / "gnu"
        stubs.mkdir()
        (stubs / "stubs-x32.h").touch()
        for options in (["-D__ILP32__", f"-I{name}"],
                        ["-U__BYTE_ORDER__",
                         "-D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__"]):
            done = preprocess(*options)
            assert "64-bit little-endian" in done.stderr, done


def rooms_boundary_check_catches_what_it_should():
    script = ROOT / "tests/check-boundaries"
    done = subprocess.run([sys.executable, script, "--self-test", build()],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
