"""A dialer that hands out the wrong sockets, or says what it may not."""
import os
import signal
import socket
import tempfile
import time
from contextlib import contextmanager
from functools import partial

from harness import World
from support import records
from support.ca import Authority
from support.leaks import canary
from support.lies import in_thread
from support.puppet import Channel, Stage, in_background
from support.records import ROOMS, VERR
from support.upstream import Listener, Upstream
from support.vault import eventually

OTHER = "globex/other"
BROKE = "says that dialer broke the protocol: "


class Dialers:
    """Every dialer that is born, played by the test: it connects where the
    keeper says, but for the ports of which "lie" has something else."""

    def __init__(self, stage):
        self.lie = {}           # port -> what to do with a DIAL for it
        self.tickets = {}
        self.puppet = None
        self.kept = []          # what stays open as long as the test
        stage.play("dialer")
        in_background(self._be_born, stage)

    def _be_born(self, stage):
        while True:
            dialer = stage.puppet("dialer", timeout=None)
            self.tickets = {}
            dialer.say("supervisor", "HELLO")
            in_background(self._hear_keeper, dialer)
            in_background(self._hear_supervisor,
                          dialer.channels["supervisor"])

            self.puppet = dialer

    def next(self, was):
        """The one that comes after "was"."""
        return eventually(lambda: self.puppet is not was and self.puppet,
                          what="another dialer")

    def _hear_keeper(self, dialer):
        while (record := dialer.channels["keeper"].read(None)) is not None:
            if record.name == "TICKET":
                self.tickets[record.ticket] = record
        dialer.quit()

    def _hear_supervisor(self, channel):
        while (record := channel.read(None)) is not None:
            self.courier = Channel(record.fd)
            in_background(self._hear_courier, self.courier)

    def _hear_courier(self, channel):
        while (record := channel.read(None)) is not None:
            in_background(self._dial, channel, record)

    def _dial(self, channel, dial):
        ticket = eventually(lambda: self.tickets.get(dial.ticket))
        self.lie.get(ticket.port, honest)(
            Dial(self, channel, ticket, dial.attempt))


class Dial:
    def __init__(self, dialers, channel, ticket, attempt):
        self.dialers = dialers
        self.channel = channel
        self.ticket = ticket
        self.attempt = attempt

    def answer(self, fd=None, **fields):
        """Say DIALED; the descriptor stays ours."""
        fields = {"ticket": self.ticket.ticket, "attempt": self.attempt,
                  **fields}
        self.channel.say("DIALED", fd, **fields)

    def connected(self, port):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            self.answer(sock.fileno())


def honest(dial):
    dial.connected(dial.ticket.port)


def to(port):
    return lambda dial: dial.connected(port)


def with_fd(make):
    """The descriptor that "make" gives, and its other end, kept open."""
    def lie(dial):
        one, *others = make()
        dial.answer(one.fileno())
        one.close()
        dial.dialers.kept += others
    return lie


class Wrong(Listener):
    """A server that is none of ours: it keeps what it was sent, and answers
    with these bytes or not at all."""

    def __init__(self, reply=b""):
        self.reply = reply
        self.got = b""
        super().__init__()

    def serve(self, peer, _number):
        with peer:
            peer.sendall(self.reply)
            try:
                while data := peer.recv(1 << 16):
                    self.got += data
            except ConnectionError:
                pass


@contextmanager
def dialled():
    """A vault of two customers, and its dialers."""
    with Stage("dialer") as stage:
        dialers = Dialers(stage)
        with World() as w:
            w.add(OTHER)
            dialers.w = w
            yield dialers, w


def add_at(w, profile, port):
    w.add(profile, url=f"https://localhost:{port}", health=False)


def pair(kind):
    return lambda: socket.socketpair(socket.AF_UNIX, kind)


def pipe(end):
    def make():
        ends = [os.fdopen(fd, mode, buffering=0)
                for fd, mode in zip(os.pipe(), ("rb", "wb"))]
        return ends[end], ends[1 - end]
    return make


def listening():
    return [socket.create_server(("127.0.0.1", 0))]


def unconnected():
    return [socket.socket()]


def datagram(sink):
    def make():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.connect(sink.getsockname())
        return [sock]
    return make


def opened(path, mode="r+b"):
    return lambda: [open(path, mode, buffering=0)]


def hostile_dialer_hands_out_wrong_descriptors():
    """Nothing but the vendor's server, by its certificate, gets a request;
    the others get a greeting that says a name at most."""
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.bind(("127.0.0.1", 0))
    sink.setblocking(False)
    file = tempfile.NamedTemporaryFile()
    file.write(b"x" * 8192)
    file.flush()
    with dialled() as (dialers, w):
        foreign = Authority(w.folder / "foreign")
        wrong = {
            "another authority's": Upstream(*foreign.issue(), w.upstream
                                            .accounts),
            "another name's": Upstream(*w.ca.issue(("else.test",)),
                                       w.upstream.accounts),
            "no TLS": Wrong(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "noise": Wrong(os.urandom(4096)),
            "silence": Wrong(),
        }
        cases = {
            **{name: to(server.port) for name, server in wrong.items()},
            "no descriptor": lambda dial: dial.answer(),
            "a pipe to read": with_fd(pipe(0)),
            "a pipe to write": with_fd(pipe(1)),
            "a stream of the host's": with_fd(pair(socket.SOCK_STREAM)),
            "packets of the host's": with_fd(pair(socket.SOCK_SEQPACKET)),
            "datagrams": with_fd(datagram(sink)),
            "a listener": with_fd(listening),
            "a socket without a peer": with_fd(unconnected),
            "a file": with_fd(opened(file.name)),
            "a file to read": with_fd(opened(file.name, "rb")),
            "nothing": with_fd(opened("/dev/null")),
            "a terminal": with_fd(opened("/dev/ptmx")),
        }
        keeper = w.vault.rooms()["keeper"]
        asked = {}
        for port, (name, lie) in enumerate(cases.items(), 1000):
            dialers.lie[port] = lie
            add_at(w, f"c{port}/case", port)
            asked[name] = port, in_thread(partial(
                w.get, "/echo", f"c{port}/case"))
        assert w.get("/account", OTHER).status == 200
        for name, (port, (thread, answers)) in asked.items():
            thread.join(40)
            assert answers, f"{name}: no answer"
            assert answers[0].error in ("upstream-failed",
                                        "upstream-timeout"), (name, answers)
        assert w.arrived("/echo") == []
        for server in wrong.values():
            assert not getattr(server, "requests", []), server.requests
        read = [getattr(server, "got", b"") for server in wrong.values()]
        file.seek(0)
        read += [file.read(), everything(sink)]
        read += [everything(end) for end in dialers.kept]
        assert not any(w.secret.encode() in data for data in read)
        assert any(b"localhost" in data for data in read)   # the greetings
        for name, (port, _) in asked.items():
            dialers.lie[port] = to(w.upstream.port)
            answer = w.get("/echo", f"c{port}/case")
            assert answer.status == 200, (name, answer)
        assert w.vault.rooms()["keeper"] == keeper
        assert "wall" not in w.vault.log(), w.vault.log()
        for server in wrong.values():
            server.close()


def everything(end):
    """All that can be read there without waiting."""
    os.set_blocking(end.fileno(), False)
    data = b""
    try:
        while part := os.read(end.fileno(), 1 << 16):
            data += part
    except OSError:
        pass
    return data


def hostile_dialer_answers_with_errors():
    """One that there is fails the request; one that is none ends the courier,
    whose word is not enough to end the dialer, and the next one serves."""
    with dialled() as (dialers, w):
        keeper = w.vault.rooms()["keeper"]
        number = 1000
        for error, codes in (
                (VERR["UNREACHABLE"], {"upstream-failed"}),
                (VERR["NOTFOUND"], {"upstream-failed"}),
                (VERR["FORBIDDEN"], {"upstream-failed"}),
                (VERR["TIMEOUT"], {"upstream-timeout"}),
                (VERR["BUSY"], {"budget"}),
                (VERR["VERSION"], {"upstream-failed"}),
                (77, {"upstream-failed"}),
                (101, {"upstream-failed", "restarting"}),
                (2 ** 31, {"upstream-failed", "restarting"}),
                (2 ** 32 - 1, {"upstream-failed", "restarting"})):
            for fd in None, 0:
                number += 1
                add_at(w, "acme/case", number)
                dialers.lie[number] = partial(Dial.answer, fd=fd, error=error)
                answer = w.get("/echo", "acme/case")
                assert answer.error in codes, (error, fd, answer)
                assert (w.vault.log().count(BROKE) > 0) == (error > 100)
                assert w.get("/account", OTHER).status == 200, error
                eventually(lambda: w.get("/account").status == 200)
                w.vault.ctl("profile", "remove", "acme/case")
        assert w.arrived("/echo") == []
        assert w.vault.rooms()["keeper"] == keeper


def hostile_dialer_breaks_the_protocol_to_a_courier():
    kind, good = records.LAYOUTS["DIALED"].type, bytes(16)
    null = os.open("/dev/null", os.O_RDWR)
    cases = [
        ("two descriptors", (records.raw(kind, good, 1), (null, null)),
         "FORMAT"),
        ("a descriptor too few", (records.raw(kind, good, 1),), "FORMAT"),
        ("a descriptor too many", (records.raw(kind, good, 0), (null,)),
         "FORMAT"),
        ("two announced", (records.raw(kind, good, 2), (null,)), "FORMAT"),
        ("too short", (records.raw(kind, good[1:]),), "TRUNCATED"),
        ("too long", (records.raw(kind, good + b"x"),), "TOOBIG"),
        ("much too long", (records.raw(kind, length=2 ** 32 - 1),),
         "TOOBIG"),
        ("no such type", (records.raw(0xffff),), "UNKNOWN"),
        ("an order", (records.encode("ORDER"),), "FORBIDDEN"),
        ("a body", (records.encode("DATA"),), "FORBIDDEN"),
        ("a join", (records.encode("PEER"),), "FORBIDDEN"),
        ("noise", (b"\xa5" * 64,), "UNKNOWN"),
    ]
    with dialled() as (dialers, w):
        keeper = w.vault.rooms()["keeper"]
        for number, (name, item, error) in enumerate(cases, 1000):
            add_at(w, "acme/case", number)
            dialers.lie[number] = partial(
                lambda item, dial: dial.channel.raw(*item), item)
            before = len(w.vault.log())
            answer = w.get("/echo", "acme/case")
            assert answer.error in ("upstream-failed", "restarting"), (
                name, answer)
            words = BROKE + records.VERR_TEXT[VERR[error]]
            eventually(lambda: words in w.vault.log()[before:],
                       what=f"{name}: {words}")
            assert w.get("/account", OTHER).status == 200, name
            eventually(lambda: w.get("/account").status == 200, what=name)
            w.vault.ctl("profile", "remove", "acme/case")
        assert w.arrived("/echo") == []
        assert w.vault.rooms()["keeper"] == keeper
    os.close(null)


def hostile_dialer_answers_what_was_not_asked():
    """Passed over, and what came with it is closed."""
    def too_much(dial):
        for ticket, attempt in ((dial.ticket.ticket + 1, 1), (0, 0),
                                (2 ** 64 - 1, 2 ** 32 - 1),
                                (dial.ticket.ticket, dial.attempt + 1),
                                (dial.ticket.ticket, 0)):
            for end in traps:
                dial.answer(end.fileno(), ticket=ticket, attempt=attempt)
        honest(dial)
        for end in traps:               # and once more, when it has one
            dial.answer(end.fileno())
        honest(dial)

    with dialled() as (dialers, w):
        courier = w.vault.rooms()["courier"]
        traps, others = zip(*(socket.socketpair() for _ in range(8)))
        dialers.lie[w.upstream.port] = too_much
        secret = canary()
        w.upstream.accounts[secret] = "acct-1"
        w.rotate(secret)                # and so a connection of its own
        for _ in range(20):
            assert w.get("/echo").status == 200
        for end in traps:
            end.close()
        for end in others:
            end.settimeout(10)
            assert end.recv(1) == b""   # nobody holds it, or ever wrote
        assert w.vault.rooms()["courier"] == courier
        assert BROKE not in w.vault.log()


def hostile_dialer_never_answers():
    with dialled() as (dialers, w):
        add_at(w, "acme/case", 1000)
        dialers.lie[1000] = lambda dial: None
        began = time.monotonic()
        thread, answers = in_thread(partial(w.get, "/echo", "acme/case"))
        while thread.is_alive() and time.monotonic() < began + 30:
            for profile in "acme/demo", OTHER:
                assert w.get("/account", profile).status == 200
            time.sleep(0.1)
        thread.join(10)
        assert answers[0].error == "upstream-timeout", answers
        assert w.arrived("/echo") == []


def hostile_dialer_speaks_to_the_keeper():
    """It has nothing to say there: whatever it is, it is its last word."""
    with dialled() as (dialers, w):
        keeper = w.vault.rooms()["keeper"]
        for name, data, error in (
                ("a row", records.encode("FETCHED"), "FORBIDDEN"),
                ("an order's end", records.encode("ORDER_DONE"), "FORBIDDEN"),
                ("its answer", records.encode("DIALED"), "FORBIDDEN"),
                ("noise", b"\xa5" * 64, "UNKNOWN")):
            w.vault.stop()
            was = dialers.puppet
            w.vault.start()
            dialer = dialers.next(was)
            keeper = w.vault.rooms()["keeper"]
            dialer.raw("keeper", data)
            assert dialer.gone(), name
            words = "keeper: " + BROKE + records.VERR_TEXT[VERR[error]]
            eventually(lambda: words in w.vault.log(), what=name)
            for profile in "acme/demo", OTHER:
                assert w.get("/account", profile).status == 200, name
            assert w.vault.rooms()["keeper"] == keeper


def hostile_dialer_hands_out_its_own_channels():
    """What a courier writes there is heard as the dialer's own word."""
    with dialled() as (dialers, w):
        keeper = w.vault.rooms()["keeper"]
        for number, channel in enumerate(("keeper", "supervisor"), 1000):
            add_at(w, "acme/case", number)
            was = dialers.puppet
            dialers.lie[number] = lambda dial: dial.answer(
                was.channels[channel].socket.fileno())
            answer = w.get("/echo", "acme/case")
            assert answer.error == "upstream-failed", (channel, answer)
            assert was.gone(), channel
            dialers.next(was)
            dialers.lie[number] = to(w.upstream.port)
            assert w.get("/account", "acme/case").status == 200, channel
            w.vault.ctl("profile", "remove", "acme/case")
        assert w.arrived("/echo") == []
        assert w.vault.rooms()["keeper"] == keeper


def hostile_dialer_lies_to_the_supervisor():
    broke = "dialer: broke the protocol: "
    keeper, ledger, gate, courier = map(
        ROOMS.index, ("keeper", "ledger", "gate", "courier"))
    cases = [
        ("it greets again", "HELLO", {}, broke),
        ("it is the keeper", "KEEPER_READY", {}, broke),
        ("it stops the vault", "KEEPER_REFUSES", {"sentence": "x"}, broke),
        ("it wants couriers", "COURIER_WANT", {"want": 1}, broke),
        ("of the supervisor", "OFFENCE", {"room": 0}, broke),
        ("of the keeper", "OFFENCE", {"room": keeper, "error": 8},
         "dialer: says that keeper broke the protocol"),
        ("of the ledger", "OFFENCE", {"room": ledger, "error": 8},
         "dialer: complains of ledger, which it was never joined to"),
        ("of a gate", "OFFENCE", {"room": gate, "number": 1, "error": 8},
         "dialer: complains of gate 1, which it was never joined to"),
    ]
    with dialled() as (dialers, w):
        for name, record, fields, words in cases:
            w.vault.stop()
            was = dialers.puppet
            w.vault.start()
            dialer = dialers.next(was)
            assert w.get("/account").status == 200  # gate 1 and courier 1
            rooms = w.vault.rooms()
            before = len(w.vault.log())
            dialer.say("supervisor", record, **fields)
            assert dialer.gone(), name
            eventually(lambda: words in w.vault.log()[before:], what=name)
            assert w.get("/echo").status == 200, name
            after = w.vault.rooms()
            assert all(after[r] == rooms[r] for r in
                       ("keeper", "ledger", "gate", "courier")), name
        # Of a courier, which it serves, it is believed; the next one serves.
        rooms = w.vault.rooms()
        dialers.next(dialer).say("supervisor", "OFFENCE", room=courier,
                                 number=1, error=8)
        eventually(lambda: "dialer: says that courier 1 broke" in
                   w.vault.log())
        eventually(lambda: w.get("/echo").status == 200)
        after = w.vault.rooms()
        assert after["courier"] != rooms["courier"]
        assert after["keeper"] == rooms["keeper"]


def hostile_dialer_leaves_its_ends_with_another_room():
    """That its channel and its log do not end is no reason to wait."""
    with dialled() as (dialers, w):
        keeper = w.vault.rooms()["keeper"]
        for end in ("log", "supervisor"):
            was = dialers.puppet
            held = os.dup(was.log_pipe if end == "log" else
                          was.channels["supervisor"].socket.fileno())
            if end == "supervisor":
                was.channels["supervisor"].shut = lambda: None
            os.kill(was.pid, signal.SIGKILL)
            dialers.next(was)
            add_at(w, f"acme/{end}", w.upstream.port)
            assert w.get("/account", f"acme/{end}").status == 200, end
            os.close(held)
        assert w.vault.rooms()["keeper"] == keeper
