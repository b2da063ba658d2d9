"""The walls of a running vault, as the kernel shows them and as an attacker
finds them."""
import ctypes
import glob
import json
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

from harness import WORKER, World, need_root
from support.vault import build, eventually

REQUIRED = {"seccomp", "no-new-privs", "landlock", "not-dumpable",
            "locked-memory", "limits"}
# What oldkernel takes away.
NEWER = {"memfd-secret", "landlock-net", "landlock-scope", "namespaces",
         "peer-pidfd"}
HAS_OWN_MEMORY = {"keeper"}         # the one room with an arena

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
SYS_KCMP = 312
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD = 434, 438


def proc_status(pid):
    """/proc/PID/status as {name: text}."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def every_room(vault):
    for room, pids in vault.rooms().items():
        for pid in pids:
            yield room, pid


def rooms_walls_of_a_running_vault():
    with World() as w:
        assert w.get("/echo").status == 200
        rooms = list(every_room(w.vault))
        assert {room for room, _ in rooms} == {
            "gate", "keeper", "ledger", "courier", "dialer"}
        uids = {}
        for room, pid in rooms:
            has = proc_status(pid)
            assert has["Seccomp"] == "2", room
            assert has["NoNewPrivs"] == "1", room
            for caps in "CapInh", "CapPrm", "CapEff", "CapAmb":
                assert int(has[caps], 16) == 0, (room, caps)
            uids.setdefault(room, has["Uid"].split())
            if os.getuid() == 0:
                assert int(has["CapBnd"], 16) == 0, room
                assert has["Groups"].split() == [], (room, has["Groups"])
                assert len(set(has["Uid"].split() + has["Gid"].split())
                           & {"0"}) == 0, room
        for room, four in uids.items():
            assert len(set(four)) == 1, (room, four)
        if os.getuid() == 0:
            assert len({u[0] for u in uids.values()}) == len(uids), uids
        # The supervisor keeps CAP_KILL at most.
        has = proc_status(w.vault.process.pid)
        assert has["Seccomp"] == "2" and has["NoNewPrivs"] == "1"
        assert int(has["CapEff"], 16) & ~(1 << 5) == 0, has["CapEff"]
        assert int(has["CapBnd"], 16) & ~(1 << 5) == 0, has["CapBnd"]


def rooms_status_tells_of_every_wall():
    with World() as w:
        w.get("/echo")
        rows = [r for r in w.vault.rows("status") if r["kind"] == "room"]
        assert len(rows) >= 6, rows
        for row in rows:
            assert REQUIRED <= set(row["walls"]), row
            assert row["proofs"] >= 30, row
            if os.getuid() == 0:
                assert "own-uid" in row["walls"], row


def rooms_know_no_environment_and_no_secret_argument():
    need_root()
    with World() as w:
        w.get("/echo")
        harmless = re.compile(rb"[a-z]+|[0-9]+|" +
                              re.escape(os.fsencode(w.vault.state)))
        for room, pid in every_room(w.vault):
            assert Path(f"/proc/{pid}/environ").read_bytes() == b"", room
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            assert words.pop() == b"", room
            assert words[0] == room.encode(), words
            for word in words:
                assert harmless.fullmatch(word), (room, word)


def kinds_of_descriptors(pid):
    """What a process has open: {kind: how many}."""
    sockets = {}
    for name, column in (("unix", 6), ("tcp", 9), ("tcp6", 9), ("udp", 9)):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            sockets[line.split()[column]] = name
    kinds = Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if match := re.fullmatch(r"socket:\[(\d+)\]", target):
            target = sockets.get(match[1], "another socket")
        else:
            target = re.sub(r"^(pipe|anon_inode):(\[\d+\]$)?", "", target)
        kinds[target or "pipe"] += 1
    return kinds


def rooms_hold_exactly_their_descriptors():
    """One gate, one courier: so many channels and lanes, and nothing that
    came from whoever started vaultd."""
    need_root()
    stray = ["sh", "-c", 'exec 7</etc/passwd 9<&0 && exec "$@"', "sh"]
    with World(under=stray) as w:
        assert w.get("/echo").status == 200
        rooms = dict(every_room(w.vault))
        every = {"/dev/null": 3, "pipe": 1, "[eventpoll]": 1}
        state = w.vault.state
        expected = {
            # The supervisor, the ledger, the dialer, the gate, the courier.
            "keeper": {"unix": 5, "[eventfd]": 1},
            "ledger": {"unix": 2, f"{state}/audit": 1,
                       f"{state}/audit/{0:020}.jsonl": 1,
                       f"{state}/store.db": 1, f"{state}/store.db-wal": 1},
            # The supervisor, the keeper, the courier.
            "dialer": {"unix": 3},
            # The supervisor, the keeper, the courier's lane, a stream to it.
            "gate": {"unix": 4},
            # The supervisor, the keeper, the dialer, the gate's lane, and
            # the stream, which is idle now.
            "courier": {"unix": 5},
        }
        for room, pid in rooms.items():
            wanted = every | expected[room]

            def as_wanted():
                has = kinds_of_descriptors(pid)
                # The gate makes streams in a namespace of its own.
                has["unix"] += has.pop("another socket", 0)
                if room == "courier" and has["tcp"] <= 1:
                    del has["tcp"]      # a connection kept for the next
                return dict(has) == wanted
            eventually(as_wanted, 5, f"{room}: {kinds_of_descriptors(pid)} "
                                     f"to be {wanted}")


def rooms_leave_no_core():
    need_root()
    with World() as w:
        w.get("/echo")
        places = ["/", str(w.vault.home), str(w.vault.dir),
                  str(w.vault.state), os.getcwd()]
        before = {p: set(glob.glob(f"{p}/*core*")) for p in places}
        for room, pid in every_room(w.vault):
            limits = Path(f"/proc/{pid}/limits").read_text()
            core = next(line.split() for line in limits.splitlines()
                        if line.startswith("Max core file size"))
            assert core[4:6] == ["0", "0"], (room, core)
        (keeper,) = w.vault.rooms()["keeper"]
        os.kill(keeper, signal.SIGSEGV)
        eventually(lambda: w.vault.rooms().get("keeper", [keeper])
                   != [keeper])
        eventually(lambda: w.get("/echo").status == 200)
        for place, had in before.items():
            assert set(glob.glob(f"{place}/*core*")) == had, place


# What one process can try on another; each raises OSError if it fails.

def call(function, *arguments):
    result = function(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def trace(pid):
    call(LIBC.ptrace, PTRACE_ATTACH, pid, None, None)
    os.waitpid(pid, 0x40000000)     # __WALL
    call(LIBC.ptrace, PTRACE_DETACH, pid, None, None)


def open_memory(pid):
    os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))


def read_file(name):
    def attack(pid):
        with open(f"/proc/{pid}/{name}", "rb") as file:
            file.read(1)
    attack.__name__ = f"read {name}"
    return attack


def list_descriptors(pid):
    os.listdir(f"/proc/{pid}/fd")


def vm(function):
    def attack(pid):
        # An address that nobody maps: EFAULT shows that it was permitted.
        byte = ctypes.create_string_buffer(1)
        local = (ctypes.c_void_p * 2)(ctypes.addressof(byte), 1)
        remote = (ctypes.c_void_p * 2)(8, 1)
        try:
            call(function, pid, local, ctypes.c_ulong(1), remote,
                 ctypes.c_ulong(1), ctypes.c_ulong(0))
        except OSError as error:
            if error.errno != 14:
                raise
    attack.__name__ = function.__name__
    return attack


def take_descriptor(pid):
    pidfd = call(LIBC.syscall, SYS_PIDFD_OPEN, pid, 0)
    os.close(call(LIBC.syscall, SYS_PIDFD_GETFD, pidfd, 0, 0))


def compare(pid):
    call(LIBC.syscall, SYS_KCMP, pid, os.getpid(), 1, 0, 0)


ATTACKS = (trace, open_memory, read_file("environ"), read_file("maps"),
           read_file("auxv"), read_file("stack"), read_file("syscall"),
           list_descriptors, vm(LIBC.process_vm_readv),
           vm(LIBC.process_vm_writev), take_descriptor, compare)
# Not even to one's own process: they ask for CAP_SYS_ADMIN.
NEVER = {"read stack"}


def succeed_as(uid, pid):
    """The attacks on a process that succeed for a user without rights."""
    pipe = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            done = []
            for attack in ATTACKS:
                try:
                    attack(pid)
                    done.append(attack.__name__)
                except OSError:
                    pass
            os.write(pipe[1], json.dumps(done).encode())
        finally:
            os._exit(0)
    os.close(pipe[1])
    with os.fdopen(pipe[0]) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def yama():
    try:
        scope = Path("/proc/sys/kernel/yama/ptrace_scope").read_text()
        return int(scope)
    except OSError:
        return 0


def rooms_withstand_their_own_user():
    """Whoever is the room's user, or another, can neither trace it, nor read
    its memory, nor take its descriptors."""
    need_root()
    with World() as w:
        w.get("/echo")
        for room, pid in every_room(w.vault):
            own = int(proc_status(pid)["Uid"].split()[0])
            for uid in own, WORKER:
                done = succeed_as(uid, pid)
                assert done == [], (room, uid, done)
        # The same attacks do work on a process that has no walls.
        plain = subprocess.Popen(["sleep", "60"], user=WORKER, group=WORKER,
                                 extra_groups=[])
        try:
            eventually(lambda: Path(f"/proc/{plain.pid}/cmdline")
                       .read_bytes().startswith(b"sleep"))
            done = set(succeed_as(WORKER, plain.pid))
        finally:
            plain.kill()
            plain.wait()
        every = {attack.__name__ for attack in ATTACKS} - NEVER
        assert "read environ" in done, done
        assert yama() or done >= every, every - done


def rooms_main_job_on_an_old_kernel():
    """Without what newer kernels have: the same answers, and `status` says
    what is absent."""
    with World(under=[build() / "tests/support/oldkernel"]) as w:
        answer = w.get("/echo")
        assert answer.status == 200
        assert w.upstream.requests[-1].all("authorization") == [
            f"Bearer {w.secret}"]
        big = w.vault.http("POST", "/acme/demo/upload", body=b"x" * 300000)
        assert big.status == 200 and big.json()["bytes"] == 300000
        assert w.vault.ctl("request", "acme/demo", "GET", "/echo").status == 0
        w.rotate(w.secret)
        rows = [r for r in w.vault.rows("status") if r["kind"] == "room"]
        assert len(rows) >= 6, rows
        for row in rows:
            assert REQUIRED <= set(row["walls"]), row
            assert not NEWER & set(row["walls"]), row
            absent = {"landlock-net", "landlock-scope"}
            if row["room"] in HAS_OWN_MEMORY:
                absent.add("memfd-secret")
            if row["room"] == "supervisor":
                absent.add("peer-pidfd")
            else:
                absent.add("namespaces")
            assert absent <= set(row["absent"]), row
        assert "ABSENT" in w.vault.ctl("status").out
        for _, pid in every_room(w.vault):
            assert proc_status(pid)["Seccomp"] == "2"
        assert w.vault.stop() == 0
