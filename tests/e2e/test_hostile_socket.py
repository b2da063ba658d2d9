"""What can be done with a socket before a word of any protocol is judged:
stalling, flooding, descriptors, names in the file system."""
import array
import contextlib
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from harness import LONG, STRANGER, WORKER, World, need_root
from support.cases import Unchanged, ask_framed
from support.framed import (REFUSED, RESPONSE, WHOAMI, Framed, frame,
                            refusal, request)
from support.rawhttp import Connection, compose
from support.upstream import Listener, pattern
from support.usage import resident
from support.vault import CLEAN, build, eventually

GET = compose("GET", "/acme/demo/echo")
ACT = frame(8, 1, length=61454)      # the longest frame there is
REQUEST = request(1, "acme/demo", "POST", "/upload", "", b"hello")

# (the face, what comes, whether the rest drips, or nothing more does)
STALLS = {
    "one byte of a head": ("http", b"G", False),
    "half a head": ("http", GET[:-2], False),
    "a dripping head": ("http", GET[:5], True),
    "a length, and no body": ("http", compose(
        "POST", "/acme/demo/upload", [("Content-Length", 9)]), False),
    "half a chunk": ("http", compose(
        "POST", "/acme/demo/upload", [("Transfer-Encoding", "chunked")])
        + b"9\r\nx", False),
    "one byte of a frame": ("framed", b"V", False),
    "half a frame's header": ("framed", ACT[:12], False),
    "half a length": ("framed", ACT[:22], False),
    "the longest frame, and nothing": ("framed", ACT, False),
    "half an image": ("framed", REQUEST[:60], False),
    "a dripping frame": ("framed", REQUEST[:10], True),
    "a body that does not come": ("framed", REQUEST[:-29], False),
}


def descriptors(pid):
    """What a process has open, as {descriptor: what it is}."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found[name] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def gate_of(world):
    """The gate that serves whoever runs this."""
    assert world.get("/echo").status == 200
    gate, = world.vault.rooms()["gate"]
    return gate


def hostile_stalled_clients_hold_up_nobody():
    """Forty of each kind, on both sockets; in the long run they are told.
    That they are, and when, test_patience shows by a clock of its own."""
    with World() as w, Unchanged(w):
        held = []
        for name, (face, data, drips) in STALLS.items():
            for _ in range(40):
                path = (w.vault.http_socket if face == "http"
                        else w.vault.socket)
                c = Connection(path) if face == "http" else Framed(path)
                c.send(data)
                held.append((name, face, drips, c))
        rest = {"http": GET[5:], "framed": REQUEST[10:]}
        for at in range(32 if LONG else 3):
            for _, face, drips, c in held:
                if drips:
                    c.send(rest[face][at:at + 1])
            began = time.monotonic()
            for _ in range(20):
                assert w.get("/echo").status == 200
                assert ask_framed(w, "GET", "/echo").status == 200
            assert time.monotonic() - began < 5
            time.sleep(1 if LONG else 0.1)
        if LONG:
            for name, face, _, c in held:
                if "body" not in name and "chunk" not in name:
                    answer = c.read() if face == "http" else refusal(
                        c.read()[2])
                    assert answer.error == "bad-request", (name, answer)
        for *_, c in held:
            c.close()
        assert w.arrived("/upload") == []


def peak_of(gate, work):
    """Do it, and return by how much the gate was larger meanwhile."""
    before, peak, done = resident([gate]), 0, threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, resident([gate]))
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return max(peak, resident([gate])) - before


def hostile_ten_thousand_pipelined_requests():
    """Sent at once and read late; answered in order, in little memory."""
    count = 10000

    def pipelined():
        with w.vault.connect(60) as c:
            data = b"".join(
                compose("GET", f"/acme/demo/echo?n={number}")
                if number % 10 == 0 else
                compose("GET", f"/acme/demo/x//{number}")
                for number in range(count))
            writer = threading.Thread(target=c.send, args=(data,))
            writer.start()
            time.sleep(0.5)
            for number in range(count):
                answer = c.read()
                if number % 10 == 0:
                    assert answer.json()["target"] == f"/echo?n={number}"
                else:
                    assert answer.status == 400, answer
            writer.join()

    with World() as w, Unchanged(w):
        grown = peak_of(gate_of(w), pipelined)
        assert grown < 8 << 10, f"{grown} KiB more"


def hostile_ten_thousand_frames_at_once():
    """Each has its one answer, or is refused for there being too many."""
    count = 10000

    def flood():
        with Framed(w.vault.socket, 60) as c:
            data = b"".join(request(number, "acme/demo", "GET", "/echo")
                            for number in range(1, count + 1))
            writer = threading.Thread(target=c.send, args=(data,))
            writer.start()
            time.sleep(0.5)
            while len(closed) < count:
                kind, number, body = c.read()
                if kind == REFUSED:
                    assert refusal(body).error == "budget", refusal(body)
                    assert number not in closed
                    closed[number] = "refused"
                elif kind == RESPONSE:
                    assert number not in closed
                    closed[number] = "answered"
            writer.join()

    closed = {}
    with World() as w, Unchanged(w):
        gate = gate_of(w)
        before = len(w.arrived("/echo"))
        grown = peak_of(gate, flood)
        assert grown < 8 << 10, f"{grown} KiB more"
        assert set(closed) == set(range(1, count + 1))
        answered = list(closed.values()).count("answered")
        assert len(w.arrived("/echo")) - before == answered >= 64


def pushed(peer, data, most):
    """How many bytes are taken of one who sends and does not read."""
    peer.setblocking(False)
    sent = 0
    while sent < most and select.select([], [peer], [], 1)[1]:
        with contextlib.suppress(BlockingIOError):
            sent += peer.send(data[sent % len(data):])
    return sent


def hostile_flood_is_left_in_its_socket():
    """Of what a client sends without end, little is taken: no more than fits
    beside a request that waits, or answers that nobody reads."""
    floods = {
        "requests behind one that waits":
        ("http", compose("GET", "/acme/demo/hold"), GET),
        "answers that are not read":
        ("http", b"", compose("GET", "/acme/demo/x//y")),
        "large answers that are not read":
        ("http", b"", compose("GET", "/acme/demo/stream?bytes=1000000")),
        "a body that the upstream does not read":
        ("http", compose("POST", "/acme/demo/stuck",
                         [("Content-Length", 1 << 30)]), b"x" * 65536),
        "questions": ("framed", b"", b"".join(
            frame(WHOAMI, n) for n in range(1, 200000))),
        "requests": ("framed", b"", b"".join(
            request(n, "acme/demo", "GET", "/stream?bytes=99999")
            for n in range(1, 50000))),
    }
    with World() as w, Unchanged(w), Hole() as hole:
        w.add("acme/hole", url=f"https://127.0.0.1:{hole.port}",
              health=False, account=None)
        gate = gate_of(w)
        for name, (face, first, then) in floods.items():
            first = first.replace(b"/demo/stuck", b"/hole/stuck")
            path = w.vault.http_socket if face == "http" else w.vault.socket
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(str(path))
                peer.sendall(first)
                sent = 0

                def flood():
                    nonlocal sent
                    sent = pushed(peer, then, len(then) if face == "framed"
                                  else 64 << 20)
                grown = peak_of(gate, flood)
                assert sent < 4 << 20, (name, sent)
                # Sixty-four answers, 128 KiB of each, is the most.
                assert grown < 16 << 10, (name, f"{grown} KiB more")
                began = time.monotonic()
                assert w.get("/echo").status == 200, name
                assert ask_framed(w, "GET", "/echo").status == 200, name
                assert time.monotonic() - began < 5, name
            w.upstream.release.set()
            w.upstream.release.clear()


class Hole(Listener):
    """Takes connections and reads nothing."""

    def serve(self, peer, _number):
        self.held = [*getattr(self, "held", []), peer]


def hostile_half_closed_connections():
    """Who says no more still hears; who cannot hear is let go."""
    with World() as w, Unchanged(w):
        with w.vault.connect(10) as c:
            c.send(GET * 3)
            c.socket.shutdown(socket.SHUT_WR)
            assert [c.read().status for _ in range(3)] == [200] * 3
            assert c.at_end()
        with Framed(w.vault.socket, 10) as c:
            c.send(REQUEST)
            c.socket.shutdown(socket.SHUT_WR)
            assert c.answer(1).json()["bytes"] == 5
            assert c.read() is None
        # In the middle of something: it is not done.
        arrived = len(w.arrived("/upload"))
        for face, data, _ in STALLS.values():
            c = (Connection(w.vault.http_socket, 10) if face == "http"
                 else Framed(w.vault.socket, 10))
            c.send(data)
            c.socket.shutdown(socket.SHUT_WR)
            if face == "http":
                assert c.at_end(), data
            else:
                while c.read() is not None:
                    pass
            c.close()
        assert len(w.arrived("/upload")) == arrived
        # It hears no more, and asks for much.
        for path, data in ((w.vault.http_socket, GET * 100),
                           (w.vault.socket, frame(WHOAMI))):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(path))
                s.shutdown(socket.SHUT_RD)
                with contextlib.suppress(BrokenPipeError):
                    s.sendall(data)


def with_rights(path, data, fds):
    """Send them, and return a connection that is still open."""
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(str(path))
    peer.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                           array.array("i", fds))])
    return peer


def hostile_descriptors_are_not_kept():
    """253 of them, the socket itself, another connection, a directory: both
    sockets close what they are sent, and the connection with it."""
    need_root()
    with World() as w, Unchanged(w):
        pids = [gate_of(w), w.vault.process.pid]
        before = {pid: sorted(descriptors(pid).values()) for pid in pids}

        def as_before():
            return all(sorted(descriptors(pid).values()) == had
                       for pid, had in before.items())
        eventually(as_before)
        for path, data in ((w.vault.http_socket, GET),
                           (w.vault.socket, REQUEST)):
            upstream = len(w.upstream.requests)
            reader, writer = os.pipe()
            other = socket.socket(socket.AF_UNIX)
            other.connect(str(path))
            folder = os.open("/", os.O_PATH)
            for fds in ([writer] * 253, [writer], [folder, writer],
                        [other.fileno(), writer]):
                peer = with_rights(path, data, fds)
                assert ends(peer), fds
                peer.close()
            # In the middle of a request, and without a byte of one.
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(10)
            peer.connect(str(path))
            peer.sendall(data[:9])
            peer.sendmsg([data[9:]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                       array.array("i", [writer] * 9))])
            assert ends(peer)
            peer.close()
            other.close()
            os.close(writer)
            os.close(folder)
            os.set_blocking(reader, False)
            eventually(lambda: os.read(reader, 1) == b"", 5,
                       "every copy of the descriptor closed")
            os.close(reader)
            # A cycle: the socket travels through itself.
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(path))
            peer.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   array.array("i", [peer.fileno()]))])
            peer.close()
            eventually(as_before, 5, f"no descriptor left: {before}")
            assert len(w.upstream.requests) == upstream
        eventually(lambda: w.vault.log().count("descriptors are not taken")
                   == 12, what="each of them in the log")


def ends(peer):
    """The connection is closed, without an answer to what was asked."""
    try:
        return peer.recv(65536) == b""
    except ConnectionResetError:
        return True


# Connects COUNT times, says how often it may stay, and waits.
HOLD = r"""
import resource, select, socket, sys, time
path, count = sys.argv[1], int(sys.argv[2])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
held = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    held.append(s)
poll = select.poll()
for s in held:
    poll.register(s, select.POLLIN)
gone = set()
quiet = time.monotonic() + 2
while time.monotonic() < quiet:
    for fd, _ in poll.poll(100):
        poll.unregister(fd)
        gone.add(fd)
        quiet = time.monotonic() + 2
print(len(held) - len(gone), flush=True)
sys.stdin.read()
"""


class Holders:
    def __init__(self, path, uid, processes, count):
        self.all = [subprocess.Popen(
            ["/usr/bin/python3", "-c", HOLD, str(path), str(count)],
            cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=uid,
            group=uid, extra_groups=[]) for _ in range(processes)]

    def __enter__(self):
        self.held = sum(int(p.stdout.readline()) for p in self.all)
        return self

    def __exit__(self, *_):
        for p in self.all:
            p.kill()
            p.wait()
            p.stdin.close()
            p.stdout.close()


def hostile_ten_thousand_connections_are_bounded():
    need_root()
    with World() as w:
        gate_of(w)
        supervisor = w.vault.process.pid
        before = len(descriptors(supervisor))
        grown = resident([supervisor])
        with Holders(w.vault.http_socket, WORKER, 4, 2500) as these:
            # A gate has 2,048, and all these are of one class.
            assert 0 < these.held <= 2048, these.held
            began = time.monotonic()
            for _ in range(20):
                assert w.get("/echo").status == 200
            assert w.vault.ctl("whoami", user=STRANGER).status == 0
            assert time.monotonic() - began < 5
            for pids in w.vault.rooms().values():
                for pid in pids:
                    assert len(descriptors(pid)) < 2200, pid
            assert resident([supervisor]) - grown < 16 << 10
        eventually(lambda: len(descriptors(supervisor)) <= before + 8, 20,
                   "the descriptors closed")
        assert w.vault.ctl("whoami", user=WORKER).status == 0


@contextlib.contextmanager
def no_more_descriptors(pid, spare=0):
    """The process may open "spare" more, and then none."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    had = next(line.split()[3] for line in lines
               if line.startswith("Max open files"))
    used = set(map(int, descriptors(pid)))
    free = [n for n in range(1000) if n not in used]
    limit(pid, free[spare])
    try:
        yield
    finally:
        # It may have gone.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError,
                                 subprocess.CalledProcessError):
            limit(pid, had)


def limit(pid, soft):
    """Set it as the process's own user, for want of CAP_SYS_RESOURCE."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    uid = next(int(line.split()[1]) for line in lines
               if line.startswith("Uid:"))
    subprocess.run(["prlimit", f"--pid={pid}", f"--nofile={soft}:"],
                   check=True, user=uid, group=uid, extra_groups=[], cwd="/")


def hostile_supervisor_without_descriptors_recovers():
    """Who comes waits in the queue; who is there is served."""
    need_root()
    with World() as w, Unchanged(w), w.vault.connect() as old:
        assert old.ask("GET", "/acme/demo/echo").status == 200
        for spare in 0, 1, 2, 3:
            with no_more_descriptors(w.vault.process.pid, spare):
                waiting = [w.vault.connect() for _ in range(40)]
                for c in waiting:
                    c.send(GET)
                for _ in range(5):
                    assert old.ask("GET", "/acme/demo/echo").status == 200
                spent = cpu(w.vault.process.pid)
                time.sleep(0.5)
                assert cpu(w.vault.process.pid) - spent < 0.2, "it spins"
            came = 0
            for c in waiting:
                # One for which there is a descriptor, and none to see who
                # it is, is told to come again.
                answer = c.read()
                came += answer.status == 200
                assert answer.status == 200 or (
                    answer.error == "not-ready"), answer
                c.close()
            assert came >= 25, (spare, came)
            eventually(lambda: w.get("/echo").status == 200)


def cpu(pid):
    """Seconds of processor that it has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hostile_gate_without_descriptors_recovers():
    need_root()
    with World() as w, Unchanged(w):
        gate = gate_of(w)
        for spare in 0, 1, 2, 3:
            with w.vault.connect() as old, w.vault.connect() as busy:
                assert old.ask("GET", "/acme/demo/echo").status == 200
                # Its stream was kept; who takes it leaves none for others.
                busy.send(compose("GET", "/acme/demo/hold"))
                eventually(lambda: len(w.arrived("/hold")) == spare + 1)
                with no_more_descriptors(gate, spare):
                    if spare < 2:
                        answer = old.ask("GET", "/acme/demo/echo")
                        assert answer.error == "budget", answer
                assert old.ask("GET", "/acme/demo/echo").status == 200
        w.upstream.release.set()
    with World() as w:
        # A connection that it cannot take may end it; others come after.
        with no_more_descriptors(gate_of(w)), w.vault.connect(10) as c:
            c.send(GET)
            assert ends(c.socket)
        eventually(lambda: w.get("/echo").status == 200)
        assert ask_framed(w, "GET", "/echo").status == 200


def hostile_socket_names_in_the_way():
    """A link or a file where a socket is to be is not followed; a socket that
    is renamed is still this vault's."""
    with World() as w:
        victim = w.vault.home / "victim"
        victim.write_text("precious")
        away = w.vault.dir / "renamed.sock"
        w.vault.http_socket.rename(away)
        with Connection(away) as c:
            assert c.ask("GET", "/acme/demo/echo").status == 200
        link = w.vault.home / "link.sock"
        link.symlink_to(away)
        with Connection(link) as c:
            assert c.ask("GET", "/acme/demo/echo").status == 200
        assert w.vault.stop() == 0
        for make in (lambda p: p.symlink_to(victim), lambda p: p.mkdir(),
                     lambda p: p.write_text("x"), os.mkfifo):
            make(w.vault.http_socket)
            w.vault.spawn()
            assert w.vault.process.wait(20) == 3, w.vault.log()
            assert "is in the way" in w.vault.log().splitlines()[-1]
            assert victim.read_text() == "precious"
            if w.vault.http_socket.is_dir():
                w.vault.http_socket.rmdir()
            else:
                w.vault.http_socket.unlink()
        # The name that it is made under is cleared, never followed.
        temporary = w.vault.dir / ".http.sock"
        temporary.symlink_to(victim)
        away.unlink()
        w.vault.start()
        assert w.get("/echo").status == 200
        assert victim.read_text() == "precious"
        assert not temporary.is_symlink()


def hostile_abstract_names_are_not_connected_to():
    """Anybody can take one: no client of ours looks for the vault there."""
    with World() as w, contextlib.ExitStack() as stack:
        path = str(w.vault.socket)
        squatters = []
        for name in (path, "@" + path, "vaultd.sock", "@vaultd.sock",
                     "/run/vaultd/vaultd.sock"):
            s = stack.enter_context(socket.socket(socket.AF_UNIX))
            try:
                s.bind("\0" + name)
            except OSError:
                continue        # another run of this test has it
            s.listen()
            squatters.append(s)
        assert len(squatters) >= 2
        assert w.vault.ctl("whoami").status == 0
        assert w.vault.stop() == 0
        for asked in (path, "@" + path, "@vaultd.sock", "vaultd.sock", "@",
                      "\\0vaultd.sock", ""):
            done = subprocess.run(
                [build() / "bin/vaultctl", "--socket", asked, "whoami"],
                cwd=w.vault.home, env=CLEAN, capture_output=True, timeout=20)
            assert done.returncode in (2, 5), (asked, done)
        done = subprocess.run(
            [build() / "bin/vaultctl", "whoami"], cwd=w.vault.home,
            env={**CLEAN, "VAULTD_SOCKET": "@vaultd.sock"},
            capture_output=True, timeout=20)
        assert done.returncode == 5, done
        assert select.select(squatters, [], [], 0)[0] == []


# Asks for COUNT large answers, stops itself with all of them unread, and
# reads them once it may go on.
STOPPED = r"""
import os, signal, socket, sys
path, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held = []
for _ in range(count):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.sendall(b"GET /acme/demo/stream?bytes=%d HTTP/1.1\r\nHost: v\r\n\r\n"
              % size)
    held.append(s)
os.kill(os.getpid(), signal.SIGSTOP)
for s in held:
    lines = s.makefile("rb")
    while lines.readline().strip():
        pass
    assert len(lines.read(size)) == size
print("all", flush=True)
"""


def hostile_stopped_client_holds_up_nobody():
    """Its buffers are full and it is SIGSTOPped; the gate serves others, and
    grows by no more than it keeps for each stream."""
    count, size = 16, 8 << 20

    def stopped():
        client = subprocess.Popen(
            ["/usr/bin/python3", "-c", STOPPED, str(w.vault.http_socket),
             str(count), str(size)], cwd="/", stdout=subprocess.PIPE)
        try:
            os.waitid(os.P_PID, client.pid, os.WSTOPPED | os.WNOWAIT)
            time.sleep(0.5)
            for _ in range(50):
                assert w.get("/echo").status == 200
            with Framed(w.vault.socket) as c:
                assert c.ask("GET", "/echo").status == 200
            os.kill(client.pid, signal.SIGCONT)
            assert client.stdout.read() == b"all\n"
            assert client.wait(30) == 0
        finally:
            client.kill()
            client.wait()
            client.stdout.close()

    with World() as w, Unchanged(w):
        assert len(pattern(size)) == size
        grown = peak_of(gate_of(w), stopped)
        assert grown < count * 512, f"{grown} KiB more"


def hostile_slow_reader_holds_up_nobody():
    with World() as w:
        slow = [w.vault.connect() for _ in range(8)]
        for connection in slow:
            connection.send(compose("GET",
                                    "/acme/demo/stream?bytes=8000000"))
        for _ in range(20):
            assert w.get("/echo").status == 200
        for connection in slow:
            assert len(connection.read().body) == 8000000
            connection.close()
