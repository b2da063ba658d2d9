"""Who speaks on a connection: it is its one process, of its one user, and
nobody who was handed it or came to the same number."""
import array
import os
import shutil
import signal
import socket
import subprocess

from harness import ADMIN, STRANGER, WORKER, Skip, World, need_root
from support.framed import REFUSED, Framed, refusal, request
from support.rawhttp import Connection, compose
from support.vault import build, eventually

SPOKE = "spoke on another's connection"
BOTH = f"""
client these {{
    uid {WORKER} {STRANGER}
}}
permit these to request on **
"""

# Asks on descriptor FD, and says what came of it.
ASK = r"""
import os, socket, sys
def ask(s):
    try:
        s.settimeout(10)
        s.sendall(b"GET /acme/demo/echo HTTP/1.1\r\nHost: v\r\n\r\n")
        lines = s.makefile("rb")
        first = lines.readline()
        head = dict(line.strip().lower().split(b": ", 1)
                    for line in iter(lines.readline, b"\r\n"))
        lines.read(int(head[b"content-length"]))
    except (OSError, KeyError, ValueError):
        return "closed"
    return (head.get(b"vaultd-error") or first.split()[1]).decode()
"""

# Connects and asks, and then is another program in the same process.
EXEC = ASK + r"""
path, program, code = sys.argv[1:]
s = socket.socket(socket.AF_UNIX)
s.connect(path)
print(ask(s), flush=True)
os.set_inheritable(s.fileno(), True)
os.execv(program, [program, "-c", code, str(s.fileno())])
"""
AFTER = ASK + r"""
s = socket.socket(fileno=int(sys.argv[1]))
print(ask(s), os.getresuid())
"""
BECOME = "import os\nuid = os.geteuid()\nos.setresuid(uid, uid, uid)\n"


def python():
    """One that every user can run."""
    return os.path.realpath("/usr/bin/python3")


def said(arguments, uid):
    """What a program of another user prints, as lines."""
    done = subprocess.run(
        [python(), "-c", *map(str, arguments)], cwd="/", text=True,
        capture_output=True, timeout=60, user=uid, group=uid,
        extra_groups=[])
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def open_to(world, *uids):
    """The policy permits these users."""
    world.vault.set_policy(ADMIN + BOTH, lambda: all(world.vault.ctl(
        "request", "acme/demo", "GET", "/echo", user=uid, check=False)
        .status == 0 for uid in uids))


def hostile_connection_handed_to_another_process():
    """By fork or in a message, to the same user or another."""
    uids = [os.getuid()] + ([STRANGER] if os.getuid() == 0 else [])
    with World() as w:
        for number, uid in enumerate([u for u in uids for _ in range(2)]):
            before = len(w.upstream.requests)
            if number % 2:
                with Framed(w.vault.socket, 10) as c:
                    speak_as(uid, c, request(1, "acme/demo", "GET", "/echo"))
                    kind, about, body = c.read()
                    assert (kind, about) == (REFUSED, 0)
                    assert refusal(body).error == "speaker-changed"
                    assert c.read() is None
            else:
                with w.vault.connect(10) as c:
                    speak_as(uid, c, compose("GET", "/acme/demo/echo"))
                    answer = c.read()
                    assert answer.error == "speaker-changed", answer
                    assert c.at_end()
            assert len(w.upstream.requests) == before
            eventually(lambda: w.vault.log().count(SPOKE) == number + 1)
        assert w.get("/echo").status == 200


def speak_as(uid, connection, data):
    """Another process says it, to which the socket was sent."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(uid)
            _, control, _, _ = there.recvmsg(1, socket.CMSG_SPACE(4))
            got = array.array("i", control[0][2])[0]
            socket.socket(fileno=got).sendall(data)
        finally:
            os._exit(0)
    here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", [connection.socket.fileno()]))])
    os.waitpid(child, 0)
    here.close()
    there.close()


def hostile_answer_in_flight_is_cut_when_another_speaks():
    """What a second speaker brings does not reach the first's request."""
    with World() as w, w.vault.connect(10) as c:
        c.send(compose("POST", "/acme/demo/upload",
                       [("Content-Length", 10)]) + b"hello")
        speak_as(os.getuid(), c, b"world")
        answer = c.read()
        assert answer.error == "speaker-changed", answer
        assert w.get("/echo").status == 200
        assert w.arrived("/upload") == []


def hostile_speaker_that_execs_is_the_same():
    """Same process, same user: another program is no other speaker."""
    with World() as w:
        done = subprocess.run(
            [python(), "-c", EXEC, w.vault.http_socket, python(), AFTER],
            cwd="/", text=True, capture_output=True, timeout=60)
        first, second = done.stdout.splitlines()
        assert first == "200" and second.startswith("200 "), done
        assert SPOKE not in w.vault.log()


def hostile_speaker_that_becomes_another_user_is_another():
    """It runs a setuid program, which becomes its owner."""
    need_root()
    with World() as w:
        open_to(w, WORKER, STRANGER)
        program = w.vault.home / "setuid"
        shutil.copy(python(), program)
        os.chown(program, STRANGER, STRANGER)
        program.chmod(0o4755)
        if os.statvfs(program).f_flag & os.ST_NOSUID:
            raise Skip("/tmp takes no setuid programs")
        before = len(w.arrived("/echo"))
        first, second = said([EXEC, w.vault.http_socket, program,
                              BECOME + AFTER], WORKER)
        assert first == "200", first
        assert second == f"speaker-changed {(STRANGER,) * 3}", second
        assert len(w.arrived("/echo")) == before + 1
        assert SPOKE in w.vault.log()
        # Effective alone: the kernel names the real user, and so do we.
        first, second = said([EXEC, w.vault.http_socket, program, AFTER],
                             WORKER)
        assert second == f"200 ({WORKER}, {STRANGER}, {STRANGER})", second
        last = w.vault.decisions()[-1]
        assert last["principal"]["uid"] == WORKER, last
        program.unlink()


# A process connects and asks; its connection is kept by another while it
# ends; then a third, that has its number, asks on it.
RECYCLE = ASK + r"""
import array, ctypes, struct, time
path, first_uid, second_uid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
CLONE3 = 435

def clone_as(pid):
    wanted = ctypes.c_int(pid)
    arguments = ctypes.create_string_buffer(struct.pack(
        "11Q", 0, 0, 0, 0, 17, 0, 0, 0, ctypes.addressof(wanted), 1, 0))
    return ctypes.CDLL(None, use_errno=True).syscall(
        CLONE3, arguments, ctypes.c_size_t(88))

def become(uid):
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)

here, there = socket.socketpair()
old = os.fork()
if old == 0:
    become(first_uid)
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    there.sendall(ask(s).encode().ljust(20))
    there.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                            array.array("i", [s.fileno()]))])
    os._exit(0)
print(here.recv(20).decode().strip(), flush=True)
_, control, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
s = socket.socket(fileno=array.array("i", control[0][2])[0])
os.waitpid(old, 0)
s.settimeout(2)
try:
    print("ended" if s.recv(1) == b"" else "said something", flush=True)
except TimeoutError:
    print("goes on", flush=True)
new = clone_as(old)
if new == 0:
    assert os.getpid() != 0
    become(second_uid)
    os.write(1, (ask(s) + "\n").encode())
    os._exit(0)
if new != old:
    print("no such number", ctypes.get_errno())
else:
    os.waitpid(new, 0)
"""


def recycled(world, first, second):
    done = subprocess.run(
        [python(), "-c", RECYCLE, world.vault.http_socket, str(first),
         str(second)], cwd="/", text=True, capture_output=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done
    if lines[2].startswith("no such number"):
        raise Skip(f"this kernel lets nobody choose a process id: {lines}")
    return lines


def hostile_recycled_process_is_another():
    """Same number, same user even: the connection ended with its process."""
    need_root()
    with World() as w:
        open_to(w, WORKER, STRANGER)
        before = len(w.arrived("/echo"))
        for second in WORKER, STRANGER, 0:
            lines = recycled(w, WORKER, second)
            assert lines == ["200", "ended", "closed"], (second, lines)
        assert len(w.arrived("/echo")) == before + 3


def hostile_recycled_process_of_another_user_on_an_old_kernel():
    """Without pidfds the number may be another's; the user is not."""
    need_root()
    with World(under=[build() / "tests/support/oldkernel"]) as w:
        open_to(w, WORKER, STRANGER)
        before = len(w.arrived("/echo"))
        for second in STRANGER, 0:
            first, held, last = recycled(w, WORKER, second)
            assert (first, held) == ("200", "goes on"), (first, held)
            assert last == "speaker-changed", (second, last)
        assert len(w.arrived("/echo")) == before + 2


def hostile_connection_ends_with_its_process():
    """Somebody else still holds it: no session is left for him."""
    with World() as w:
        here, there = socket.socketpair()
        child = os.fork()
        if child == 0:
            c = Connection(w.vault.http_socket)
            c.ask("GET", "/acme/demo/echo")
            there.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    array.array("i", [c.socket.fileno()]))])
            signal.pause()
        _, control, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
        held = socket.socket(fileno=array.array("i", control[0][2])[0])
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        held.settimeout(10)
        assert held.recv(1) == b""
        held.close()
        assert w.get("/echo").status == 200
