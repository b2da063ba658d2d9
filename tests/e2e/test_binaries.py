"""The shipped programs: how they were compiled and linked."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from support.vault import ROOMS, build

PROGRAMS = ["bin/vaultd", "bin/vaultctl",
            *(f"libexec/vaultd/{room}" for room in ROOMS)]
LIBRARY = "lib/libvaultclient.so"


def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *arguments], check=True,
                          capture_output=True, text=True).stdout


def segment_flags(path, kind):
    """The flags of a program header, or None without one."""
    match = re.search(rf"^ +{kind} .* ([R ][W ][E ]) 0x", readelf("-l", path),
                      re.MULTILINE)
    return match and match[1]


def cet_notes(path):
    found = re.search(r"x86 feature: (.*)", readelf("-n", path))
    return set(re.split(r",\s*", found[1].strip())) if found else set()


def toolchain_cet(*options):
    """The notes that this toolchain can give at all."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "empty"
        subprocess.run(["cc", "-fcf-protection", *options, "-x", "c", "-",
                        "-o", out], input="int main(void) { return 0; }",
                       text=True, check=True)
        return cet_notes(out)


def rooms_objects_have_control_flow_notes():
    """A libc whose own start files lack the notes (Debian 12's) takes them
    from every program; the vault's own objects have them."""
    cet = toolchain_cet("-c")
    objects = [path for top in ("protocol", "policy", "vaultd", "client")
               for path in (build() / "obj" / top).rglob("*.o")]
    assert len(objects) > 50, objects
    for path in objects:
        assert cet_notes(path) >= cet, path


def rooms_binaries_are_hardened():
    cet = toolchain_cet()
    for name in [*PROGRAMS, LIBRARY]:
        path = build() / name
        dynamic = readelf("-d", path)
        # A position-independent executable, not a mere shared object.
        assert re.search(r"Type: +DYN", readelf("-h", path)), name
        if name != LIBRARY:
            assert "INTERP" in readelf("-l", path), name
            assert re.search(r"FLAGS_1.*\bPIE\b", dynamic), name
        # Full RELRO.
        assert segment_flags(path, "GNU_RELRO") is not None, name
        assert re.search(r"FLAGS_1.*\bNOW\b", dynamic), name
        # No memory that is both written and run; no run path; no text
        # relocations.
        assert segment_flags(path, "GNU_STACK") == "RW ", name
        loads = re.findall(r"^ +LOAD .* ([R ][W ][E ]) 0x",
                           readelf("-l", path), re.MULTILINE)
        assert loads and "RWE" not in loads, (name, loads)
        assert " WE" not in loads, (name, loads)
        for tag in "RPATH", "RUNPATH", "TEXTREL":
            assert f"({tag})" not in dynamic, (name, tag)
        # Canaries and _FORTIFY_SOURCE.
        symbols = readelf("--dyn-syms", path)
        assert "__stack_chk_fail" in symbols, name
        assert re.search(r"__\w+_chk\b(?<!__stack_chk)", symbols), name
        assert cet_notes(path) >= cet, (name, cet_notes(path), cet)


def rooms_boundary_check_catches_what_it_should():
    script = Path(__file__).resolve().parent.parent / "check-boundaries"
    done = subprocess.run([sys.executable, script, "--self-test", build()],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
