"""A courier that was taken over: it has its customer's credential for the
orders it gets, and may waste that.  It reaches no origin but its orders', and
neither the keeper, nor a gate and its client, nor another customer is the
worse for what it says."""
import os
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from harness import need_root
from siege import PROMPT, Caller, Siege, Watch
from support import records
from support.puppet import Channel
from support.rawhttp import compose
from support.records import (LAYOUTS, REFUSED, ROOMS, VERR, VERR_TEXT,
                             may_say)
from support.usage import resident
from support.vault import eventually
from test_hostile_gate import BROKEN

EVIL = "evil/demo"


class Customer(Siege):
    """acme is innocent; the couriers of "evil" are played, each with an
    order and its client's request."""

    def __init__(self):
        super().__init__("courier", rules=f"permit crowd to request on {EVIL}")

    def __enter__(self):
        super().__enter__()
        self.world.add(EVIL, health=False)
        return self

    def courier(self, path="/echo"):
        """A courier, its order, and the request that waits for it."""
        self.stage.play("courier")
        asking = self.ask_of(EVIL, path)
        courier = self.stage.puppet("courier")
        self.stage.real("courier")
        return courier, courier.hear("keeper", "ORDER"), asking

    def gate(self):
        return f"gate {self.world.vault.rows('whoami')[0]['gate']}"

    def lane(self):
        """A courier whose order is another user's, its lane to that one's
        gate and its stream."""
        self.stage.play("courier")
        self.callers.append(Caller(self.vault.http_socket, next(self.uids),
                                   compose("GET", f"/{EVIL}/echo")))
        courier = self.stage.puppet("courier")
        self.stage.real("courier")
        lane = courier.joined("gate")
        return courier, lane, Channel(lane.hear("OPEN").fd)

    def denounced(self, courier, error):
        """The gate says so, and is believed."""
        self.told(f"says that {courier.who} broke the protocol: "
                  + VERR_TEXT[VERR[error]])
        assert courier.gone()
        self.stands()       # and the keeper knows that it is gone
        self.callers[-1].close()

    def stream(self, path="/echo"):
        """The same with its stream to the gate in place of the order."""
        courier, order, asking = self.courier(path)
        lane = courier.joined("gate")
        return courier, Channel(lane.hear("OPEN", number=order.number).fd
                                ), asking

    def failed(self, asking, *codes):
        """What its client hears at the end."""
        answer = asking.answer()
        assert answer.error in (codes or ("upstream-failed", "restarting")), (
            answer)
        asking.close()


def fail(courier, order):
    """Do as a courier may whose upstream is down."""
    lane = courier.joined("gate")
    stream = Channel(lane.hear("OPEN", number=order.number).fd)
    stream.say("FAIL", refusal=REFUSED["upstream-failed"])
    stream.close()
    courier.say("keeper", "ORDER_DONE", order=order.order,
                refusal=REFUSED["upstream-failed"])
    return lane


def each_record_in(phase):
    """Every record that a courier may not say, to each that hears it."""
    with Customer() as s:
        for hearer in "keeper", "supervisor", "dialer":
            for name in LAYOUTS:
                if may_say("courier", name, hearer):
                    continue
                courier, order, asking = s.courier()
                phase(courier, order)
                if hearer == "dialer":
                    courier.joined("dialer").say(name)
                else:
                    courier.say(hearer, name)
                s.ended(courier, "FORBIDDEN",
                        None if hearer == "supervisor" else hearer)
                s.failed(asking)
            s.stands()
        s.untouched()


def hostile_courier_says_every_record_before_hello():
    each_record_in(lambda courier, order: None)


def hostile_courier_says_every_record_during_an_order():
    each_record_in(lambda courier, order: courier.say("supervisor", "HELLO"))


def hostile_courier_says_every_record_after_an_order():
    each_record_in(fail)


def hostile_courier_sends_what_is_no_record():
    done = LAYOUTS["ORDER_DONE"].type
    body = records.body_of("ORDER_DONE")
    dial = LAYOUTS["DIAL"].type
    at_keeper = {
        **BROKEN,
        "endless": (records.raw(done, length=0xffffffff), "TOOBIG"),
        "no body": (records.raw(done), "TRUNCATED"),
        "a byte short": (records.raw(done, body[:-1]), "TRUNCATED"),
        "a byte more": (records.raw(done, body + b"x"), "FORMAT"),
        "a descriptor announced": (records.raw(done, body, 1), "FORMAT"),
        "a long account": (records.encode("ORDER_DONE", account="a" * 257),
                           "TOOBIG"),
        "control in an account": (records.encode("ORDER_DONE", account="\n"),
                                  "FORMAT")}
    at_dialer = {
        **BROKEN,
        "endless": (records.raw(dial, length=0xffffffff), "TOOBIG"),
        "a byte short": (records.raw(dial, bytes(11)), "TRUNCATED"),
        "a byte more": (records.raw(dial, bytes(13)), "TOOBIG"),
        "a descriptor announced": (records.raw(dial, bytes(12), 1),
                                   "FORMAT")}
    with Customer() as s:
        for data, error in at_keeper.values():
            courier, _, asking = s.courier()
            courier.raw("keeper", data)
            s.ended(courier, error, "keeper")
            s.failed(asking)
        for data, error in BROKEN.values():
            courier, _, asking = s.courier()
            courier.raw("supervisor", data)
            s.ended(courier, error)
            s.failed(asking)
        for data, error in at_dialer.values():
            courier, _, asking = s.courier()
            courier.joined("dialer").raw(data)
            s.ended(courier, error, "dialer")
            s.failed(asking)
        s.stands()
        s.untouched()


def hostile_courier_ends_orders_that_it_has_not():
    """Another's, none, its own twice: each is the end of the courier alone."""
    with Customer() as s:
        for lie in (lambda o: dict(order=o - 1), lambda o: dict(order=o + 1),
                    lambda o: dict(order=0), lambda o: dict(order=1 << 63),
                    lambda o: dict(order=o, refusal=99),
                    lambda o: dict(order=o, refusal=0xffffffff),
                    lambda o: dict(order=o, error=101),
                    lambda o: dict(order=o, status=1000)):
            slow = len(s.world.arrived("/slow"))
            victim = s.ask_of("acme/demo", "/slow?ms=500")
            eventually(lambda: len(s.world.arrived("/slow")) > slow)
            courier, order, asking = s.courier()
            courier.say("keeper", "ORDER_DONE", **lie(order.order))
            s.ended(courier, "FORMAT", "keeper")
            s.failed(asking)
            assert victim.answer().status == 200
            victim.close()
        courier, order, asking = s.courier()
        fail(courier, order)
        s.failed(asking)
        courier.say("keeper", "ORDER_DONE", order=order.order)
        s.ended(courier, "FORMAT", "keeper")
        s.stands()
        s.untouched(but=["/slow"])


def hostile_courier_learns_nothing_of_others():
    """It hears of its customer's orders; of nobody's else, whatever is done
    for them, and of no client."""
    with Customer() as s:
        courier, order, asking = s.courier("/echo?mine=1")
        s.stands()
        s.world.rotate(s.world.secret)
        s.vault.ctl("profile", "disable", "acme/demo")
        s.vault.ctl("profile", "enable", "acme/demo")
        s.stands()
        assert courier.channels["keeper"].heard() == []
        heard = courier.channels["supervisor"].heard()
        assert sorted((r.name, r.room) for r in heard) == [
            ("PEER", ROOMS.index("gate")), ("PEER", ROOMS.index("dialer"))]
        courier.quit()
        s.failed(asking)
        s.untouched(but=["/account"])


def pairs(*items):
    return records.encode("HEAD", status=200, headers=records.pairs(items))


HEAD = pairs(("Content-Type", "text/plain"))
DATA = records.encode("DATA", bytes=b"some")
END = records.encode("END")
SECOND = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
MORE = records.encode("DATA", bytes=SECOND)


def hostile_courier_says_anything_on_a_stream():
    """What breaks the order of an answer is no answer."""
    need_root()
    cases = [([records.encode(name)], "FORBIDDEN") for name in LAYOUTS
             if not may_say("courier", name, "gate")]
    cases += [([data], error) for data, error in BROKEN.values()]
    cases += [
        ([DATA], "FORMAT"), ([END], "FORMAT"), ([HEAD, HEAD], "FORMAT"),
        ([HEAD, DATA, HEAD], "FORMAT"),
        ([HEAD, records.encode("FAIL", refusal=0)], "FORMAT"),
        ([records.encode("FAIL", refusal=99)], "FORMAT"),
        ([records.encode("FAIL", refusal=1, sentence="\x1b[2J")], "FORMAT"),
        ([records.encode("FAIL", refusal=1, sentence="a" * 1025)], "TOOBIG"),
        ([records.encode("HEAD", status=200, headers=bytes(65537))],
         "TOOBIG"),
        ([records.raw(LAYOUTS["HEAD"].type, length=1 << 31)], "TOOBIG"),
        ([HEAD, records.encode("DATA", bytes=bytes(16385))], "TOOBIG"),
        ([HEAD, records.raw(LAYOUTS["DATA"].type, bytes(4), 1)], "FORMAT")]
    cases += [([records.encode("HEAD", status=status)], "FORMAT")
              for status in (0, 100, 199, 600, 999, 0xffffffff)]
    with Customer() as s:
        for data, error in cases:
            courier, _, stream = s.lane()
            for piece in data:
                stream.raw(piece)
            s.denounced(courier, error)
        s.stands()
        s.untouched()


def hostile_courier_answers_with_hostile_headers():
    """Nothing that is no header becomes bytes of the client's."""
    cases = [("X", "a\r\nSet-Cookie: b"), ("X", "a\nb"), ("X", "a\rb"),
             ("X", "a\0b"), ("X", "a\x01"), ("X", "a\x7fb"), ("", "a"),
             ("X Y", "a"), ("X:", "a"), ("X\r\nY", "a"), ("X\0", "a"),
             ("X\n", "a"), (" X", "a"), ("X(", "a"), ("\u00e9", "a")]
    raw = [b"\x01", b"\x01\0X\xff\xff\xff\xff", b"\xff\xff" + b"a" * 100]
    with Customer() as s:
        for headers in [records.pairs([case]) for case in cases] + raw:
            courier, stream, asking = s.stream()
            stream.say("HEAD", status=200, headers=headers)
            stream.raw(DATA + END)
            s.failed(asking, "upstream-failed")
            courier.quit()
        # The other protocol's clients do not get them, either.
        with ThreadPoolExecutor(1) as pool:
            s.stage.play("courier")
            asked = pool.submit(s.vault.ctl, "request", EVIL, "GET", "/echo",
                                check=False)
            courier = s.stage.puppet("courier")
            stream = Channel(courier.joined("gate").hear("OPEN").fd)
            stream.raw(pairs(("X", "a\r\nSet-Cookie: b")) + DATA + END)
            done = asked.result()
            assert done.status == 6 and "Cookie" not in done.out + done.err
            courier.quit()
        courier, stream, asking = s.stream()
        stream.raw(pairs(("Vaultd-Error", "denied"), ("VAULTD-REQUEST", "1"),
                         ("Connection", "X-Hop"), ("X-Hop", "no"),
                         ("Transfer-Encoding", "chunked"), ("X-Kept", "yes"),
                         ("Content-Length", "4")) + DATA + END)
        answer = asking.answer()
        assert (answer.status, answer.body) == (200, b"some"), answer
        assert answer.error is None and answer.get("X-Kept") == "yes"
        assert [n for n, _ in answer.headers].count("vaultd-request") == 1
        assert answer.get("Vaultd-Request") != "1"
        assert answer.get("X-Hop") is None and answer.get(
            "Transfer-Encoding") is None, answer
        s.stands()
        s.untouched()


def hostile_courier_answers_more_than_once():
    """However the length and the data disagree, the client never takes a
    part of one answer for the next: it gets that, or the connection ends."""
    def length(value):
        return pairs(("Content-Length", value))

    two = pairs(("Content-Length", "4"), ("Content-Length", "44"))
    cases = [("GET", [length("4"), DATA, MORE, END]),
             ("GET", [length("4"), MORE, END]),
             ("GET", [length("400"), DATA, END, MORE]),
             ("GET", [length("0"), MORE, END]),
             ("GET", [two, DATA, MORE, END]),
             ("GET", [length("4, 4"), DATA, MORE, END]),
             ("GET", [length("-1"), MORE, END]),
             ("GET", [length("+4"), MORE, END]),
             ("GET", [length("99999999999999999999"), MORE, END]),
             ("GET", [records.encode("HEAD", status=204), MORE, END]),
             ("GET", [records.encode("HEAD", status=304), MORE, END]),
             ("HEAD", [length("4"), MORE, END]),
             ("GET", [length("4"), DATA, END, HEAD, MORE, END])]
    with Customer() as s:
        for method, data in cases:
            with s.vault.connect(2 * PROMPT) as client:
                s.stage.play("courier")
                client.send(f"{method} /{EVIL}/echo HTTP/1.1\r\n"
                            "Host: vaultd\r\n\r\n".encode())
                courier = s.stage.puppet("courier")
                s.stage.real("courier")
                order = courier.hear("keeper", "ORDER")
                lane = courier.joined("gate")
                stream = Channel(lane.hear("OPEN", number=order.number).fd)
                for piece in data:
                    stream.raw(piece)
                try:
                    client.read(method)
                    answer = client.ask("GET", "/acme/demo/echo")
                except ConnectionError:
                    answer = None
                else:
                    s.served += 1
                assert answer is None or b'"target"' in answer.body, (
                    method, data, answer)
                courier.quit()
        s.stands()
        s.untouched()


def hostile_courier_answers_without_end():
    """To a client that does not read: the gate takes no more than it can
    hold for him."""
    with Customer() as s, Watch(s):
        _, stream, asking = s.stream()
        stream.raw(HEAD)
        piece = records.encode("DATA", bytes=bytes(16384)) * 16
        sent = 0
        try:
            while sent < 64 << 20:
                stream.raw(piece, timeout=1)
                sent += len(piece)
        except TimeoutError:
            pass
        assert sent < 8 << 20, sent
        asking.close()


def hostile_courier_says_anything_down_a_lane():
    """A gate hears nothing there."""
    need_root()
    with Customer() as s, open("/dev/null") as file:
        cases = [(records.encode(name), (), "FORBIDDEN") for name in LAYOUTS]
        cases += [(data, (), error) for data, error in BROKEN.values()]
        cases += [(records.encode("OPEN", True, number=1), (file.fileno(),),
                   "FORBIDDEN")]
        for data, fds, error in cases:
            courier, lane, _ = s.lane()
            lane.raw(data, fds)
            s.denounced(courier, error)
        s.stands()
        s.untouched()


def wants(courier, order):
    """Have the dialer told of the order's ticket."""
    courier.say("keeper", "TICKET_WANT", order=order.order)


def dialled(dialer, ticket, attempt=1):
    """What becomes of a DIAL: the number of the port it leads to, or the
    error's."""
    dialer.say("DIAL", ticket=ticket, attempt=attempt)
    answer = dialer.hear("DIALED", ticket=ticket, attempt=attempt)
    if answer.fd is None:
        return -answer.error
    assert answer.error == 0
    with socket.socket(fileno=answer.fd) as peer:
        return peer.getpeername()[1]


def hostile_courier_dials_with_its_own_tickets():
    """As often as an order may need it, while there is the order."""
    with Customer() as s:
        before = s.upstream.connections
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        wants(courier, order)
        for attempt in 1, 0xffffffff, 0, 1:
            assert dialled(dialer, order.ticket, attempt) == s.upstream.port
        dialer.say("DIAL", ticket=order.ticket, attempt=5)
        s.ended(courier, "FORBIDDEN", "dialer")
        s.failed(asking)
        # It may not have taken all of them yet.
        eventually(lambda: s.upstream.connections == before + 4)
        # An order that has ended takes its ticket with it.
        courier, order, asking = s.courier()
        fail(courier, order)
        s.failed(asking)
        s.stands()
        dialer = courier.joined("dialer")
        assert dialled(dialer, order.ticket) == -VERR["NOTFOUND"]
        assert s.upstream.connections == before + 4
        s.stands()
        s.untouched()


def hostile_courier_dials_with_tickets_of_others():
    with Customer() as s:
        # A connection that is kept needs no ticket; there is but one.
        victims = [s.ask_of("acme/demo", "/hold") for _ in range(3)]
        eventually(lambda: len(s.world.arrived("/hold")) == 3)
        before = s.upstream.connections
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        # Tickets are counted up: the one before is a victim's.
        dialer.say("DIAL", ticket=order.ticket - 1, attempt=1)
        s.ended(courier, "FORBIDDEN", "dialer")
        s.failed(asking)
        assert dialer.heard(0.1) == []
        # Guessed, before it is another's.
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        for ticket in range(order.ticket + 1, order.ticket + 5):
            dialer.say("DIAL", ticket=ticket, attempt=1)
        victims += [s.ask_of("acme/demo", "/hold") for _ in range(2)]
        s.ended(courier, "FORBIDDEN", "dialer")
        s.failed(asking)
        assert dialer.heard(0.1) == []
        # Of nobody at all: it waits, and is told that there is none.
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        assert dialled(dialer, 1 << 60) == -VERR["NOTFOUND"]
        assert not courier.gone(0)
        eventually(lambda: len(s.world.arrived("/hold")) == 5)
        assert s.upstream.connections <= before + 2
        s.upstream.release.set()
        for victim in victims:
            assert victim.answer().status == 200
        s.stands()
        s.untouched(but=["/hold"])


def hostile_courier_dials_without_end():
    """The dialer has places left for the others."""
    with Customer() as s:
        s.world.add("globex/demo", health=False)
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        before = s.upstream.connections
        for ticket in range(1 << 40, (1 << 40) + 1500):
            dialer.say("DIAL", ticket=ticket, attempt=1)
        answer = s.ask_of("globex/demo").answer()
        assert answer.status == 200, answer
        s.served += 1
        assert s.upstream.connections == before + 1
        s.stands()
        s.untouched()


def hostile_courier_does_not_hear_what_it_dialled():
    """The dialer does not keep answers without end for it."""
    with Customer() as s, Watch(s):
        courier, order, asking = s.courier()
        dialer = courier.joined("dialer")
        most = resident(s.before["dialer"]) + (8 << 10)
        flood = records.encode("DIAL", ticket=1 << 50) * 2000
        try:
            for _ in range(1000):
                dialer.raw(flood, timeout=1)
                assert resident(s.before["dialer"]) < most
            raise AssertionError("it is always heard")
        except TimeoutError:
            pass
        courier.quit()
        s.failed(asking)


def hostile_courier_complains_of_the_innocent():
    """Only a gate that it was joined to pays for that, whose clients get
    another one; everybody else lives, and it does not."""
    with Customer() as s:
        innocent = int(s.vault.log().split("courier ")[1].split(":")[0])
        gate = int(s.gate().split()[1])
        for room, number, dies in (
                ("keeper", 0, True), ("ledger", 0, True),
                ("dialer", 0, True), ("courier", innocent, True),
                ("gate", gate + 1000, False), ("courier", 999, False),
                ("supervisor", 0, True), ("gate", gate, False)):
            courier, order, asking = s.courier()
            courier.joined("dialer")
            if room == "gate":
                courier.joined("gate")
            if dearest := (room, number) == ("gate", gate):
                s.innocent.close()
            courier.say("supervisor", "OFFENCE", room=ROOMS.index(room),
                        number=number, error=VERR["FORMAT"])
            assert courier.gone(PROMPT if dies else 0.1) == dies, room
            if not dearest:
                s.stands()
            if not dies:
                courier.quit()
            asking.close()
        s.told(f"says that gate {gate} broke the protocol")
        s.innocent = s.vault.connect(2 * PROMPT)
        s.stands(but=["gate"])
        s.untouched()


def hostile_courier_complains_of_a_gate_that_it_never_met():
    need_root()
    with Customer() as s:
        courier, _, _ = s.lane()
        courier.say("supervisor", "OFFENCE", room=ROOMS.index("gate"),
                    number=int(s.gate().split()[1]), error=VERR["FORMAT"])
        s.ended(courier, "FORBIDDEN")
        s.told(f"{courier.who}: complains of {s.gate()}, which it was never")
        s.stands()
        s.untouched()


def hostile_courier_sends_descriptors_to_those_who_take_none():
    with Customer() as s:
        for hearer in "keeper", "supervisor", "dialer", "lane", "stream":
            courier, order, asking = s.courier()
            reader, writer = os.pipe()
            lane = courier.joined("gate")
            to = {"keeper": courier.channels["keeper"],
                  "supervisor": courier.channels["supervisor"],
                  "dialer": courier.joined("dialer"), "lane": lane,
                  "stream": Channel(lane.hear("OPEN").fd)}[hearer]
            to.raw(records.HEADER.pack(12, LAYOUTS["DIAL"].type, 0)[:5],
                   [writer] * 100)
            os.close(writer)
            assert select.select([reader], [], [], PROMPT)[0], hearer
            assert os.read(reader, 1) == b""
            os.close(reader)
            courier.quit()
            s.failed(asking)
        s.stands()
        s.untouched()


def hostile_courier_hangs():
    """It takes orders, says nothing and reads nothing.  Other customers do
    not notice; when a client gives up, it is replaced."""
    with Customer() as s:
        with Watch(s):
            courier, _, first = s.courier()
            more = [s.ask_of(EVIL, "/echo", [("X-Long", "y" * 8000)])
                    for _ in range(60)]
            first.close()
            assert courier.gone(2 * PROMPT + PROMPT), "nobody ends it"
        s.told(f"keeper: says that {courier.who} broke the protocol: timed")
        for asking in more:
            s.failed(asking)
        answer = s.ask_of(EVIL).answer()
        assert answer.status == 200, answer
        s.served += 1
        s.stands()
        s.untouched()


def hostile_courier_says_too_much():
    """Complaints of nobody, as fast as it can."""
    with Customer() as s, Watch(s):
        courier, _, asking = s.courier()
        flood = records.encode("OFFENCE", room=ROOMS.index("gate"),
                               number=9999) * 500
        until = time.monotonic() + 2
        while time.monotonic() < until:
            courier.raw("supervisor", flood)
        courier.quit()
        s.failed(asking)
