"""Runs a program under the capabilities and the system calls that a unit
leaves to its service, as systemd would.

    asunit.py UNIT PROGRAM [ARGUMENT]...
"""
import ctypes
import os
import re
import subprocess
import sys

ALLOW, EPERM, ENOSYS = 0x7fff0000, 0x00050001, 0x00050026
NAMESPACES = {"cgroup": 0x02000000, "ipc": 0x08000000, "net": 0x40000000,
              "mnt": 0x00020000, "pid": 0x20000000, "user": 0x10000000,
              "uts": 0x04000000}
MASKED_EQ = 7


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def setting(text, name):
    """The words of all lines "NAME=..."."""
    return " ".join(re.findall(rf"^{name}=(.*)", text, re.MULTILINE)).split()


def expand(words):
    """System calls, with the groups of systemd taken apart."""
    for word in words:
        if not word.startswith("@"):
            yield word
            continue
        out = subprocess.run(["systemd-analyze", "syscall-filter", word],
                             check=True, capture_output=True, text=True)
        lines = [line.strip() for line in out.stdout.splitlines()[1:]]
        yield from expand(w for w in lines if w and w[0] != "#")


def confine(text):
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(lib.seccomp_init(EPERM))
    refused = set(NAMESPACES) - set(setting(text, "RestrictNamespaces"))
    mask = sum(NAMESPACES[name] for name in refused)
    for name in sorted(set(expand(setting(text, "SystemCallFilter")))):
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            continue
        if name == "clone":
            compare = (Compare * 1)(Compare(0, MASKED_EQ, mask, 0))
            lib.seccomp_rule_add_array(context, ALLOW, number, 1, compare)
        else:
            # The flags of clone3 are in memory: systemd does the same, so
            # that libc takes clone.
            lib.seccomp_rule_add_array(
                context, ENOSYS if name == "clone3" else ALLOW, number, 0,
                None)
    if lib.seccomp_load(context) != 0:
        sys.exit("the filter could not be loaded")


def main():
    with open(sys.argv[1]) as file:
        text = file.read()
    caps = [c.removeprefix("CAP_").lower()
            for c in setting(text, "CapabilityBoundingSet")]
    bound = ",".join(["-all", *(f"+{cap}" for cap in caps)])
    command = ["setpriv", f"--bounding-set={bound}", "--inh-caps=-all",
               *sys.argv[2:]]
    if os.environ.get("ASUNIT_CONFINED") != "1":
        # Capabilities first: setpriv itself may need what the filter denies.
        os.environ["ASUNIT_CONFINED"] = "1"
        os.execvp("setpriv", [*command[:3], sys.executable, __file__,
                              *sys.argv[1:]])
    confine(text)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
