"""A gate that was taken over: it says whatever it likes to the keeper, to the
supervisor and down its lanes.  Its class's clients are as bad as it; nobody
else may notice, and it gets nothing that its class may not have."""
import os
import select
import socket
import struct
import tempfile
import time

from harness import need_root
from siege import CROWD, PROMPT, Caller, Siege, Watch
from support import records
from support.puppet import Channel
from support.records import LAYOUTS, REFUSED, ROOMS, VERR, may_say
from support.usage import descriptors, resident
from support.vault import eventually

RULES = "permit crowd to request, read, audit on **\n"
WHOAMI, STATUS, CATALOG, PROFILES, EXPLAIN, AUDIT, NONCE = range(7)
BACKUP, NO_ASK = 9, 12
NO_BODY, LENGTH, STREAMED = range(3)


def ask(gate, session, number, what, **arguments):
    gate.say("keeper", "ASK", session=session, number=number, what=what,
             pairs=records.pairs(arguments.items()))


def request(gate, session, number, target="/echo", profile="acme/demo",
            method="GET", **more):
    gate.say("keeper", "REQUEST", session=session, number=number,
             profile=profile, method=method, target=target, **more)


def answers(gate, number):
    """What the keeper says to this number, to its end."""
    heard = []
    while not heard or heard[-1].name not in ("DONE", "REFUSE", "NONCE",
                                              "STREAM"):
        heard.append(gate.channels["keeper"].read(PROMPT))
        assert heard[-1].number == number, heard
    return heard


def opened(lane, number):
    """The gate's end of a stream, the other one sent down the lane."""
    ours, theirs = socket.socketpair()
    with theirs:
        lane.say("OPEN", fd=theirs.fileno(), number=number)
    return Channel(ours)


def at_upstream(gate, session, number, target="/hold", **more):
    """Make a request and its stream.  Returns lane and stream."""
    request(gate, session, number, target, **more)
    assert answers(gate, number)[-1].name == "STREAM"
    lane = gate.joined("courier")
    return lane, opened(lane, number)


# When in its life a gate says what it may not.

def unborn(_gate, _session):
    """Before its HELLO."""


def serving(gate, _session):
    gate.say("supervisor", "HELLO")


def asking(gate, session):
    """While a request of its own is at the upstream."""
    serving(gate, session)
    at_upstream(gate, session, 1)


def answered(gate, session):
    serving(gate, session)
    ask(gate, session, 1, WHOAMI)
    gate.hear("keeper", "DONE", number=1)


def each_record_in(phase):
    """Every record that a gate may not say, to the keeper and to the
    supervisor; nor a second HELLO."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        for channel in "keeper", "supervisor":
            by = "keeper" if channel == "keeper" else None
            for name in LAYOUTS:
                again = name == "HELLO" and phase is not unborn
                if may_say("gate", name, channel) and not again:
                    continue
                gate, session = s.gate()
                phase(gate, session)
                gate.say(channel, name)
                s.ended(gate, "FORBIDDEN", by)
            s.stands()
        s.untouched(but=["/hold"])


def hostile_gate_says_every_record_before_hello():
    each_record_in(unborn)


def hostile_gate_says_every_record_after_hello():
    each_record_in(serving)


def hostile_gate_says_every_record_during_a_request():
    each_record_in(asking)


def hostile_gate_says_every_record_after_a_request():
    each_record_in(answered)


ASK_BODY = records.body_of("ASK")
ASK_TYPE, REQUEST_TYPE = LAYOUTS["ASK"].type, LAYOUTS["REQUEST"].type
# What is no record at all, on whatever channel: bytes, and the reason logged.
BROKEN = {
    "type 0": (records.raw(0), "UNKNOWN"),
    "a type between": (records.raw(0x1f), "UNKNOWN"),
    "type 65535": (records.raw(0xffff), "UNKNOWN"),
    "TLS": (bytes.fromhex("160301020001000001fc0303"), "UNKNOWN"),
}
# And what is none of those that a keeper hears from a gate.
MALFORMED = {
    **BROKEN,
    "endless": (records.raw(ASK_TYPE, length=0xffffffff), "TOOBIG"),
    "one longer than its fields": (
        records.raw(ASK_TYPE, length=24 + 16384 + 1), "TOOBIG"),
    "a descriptor announced": (records.raw(ASK_TYPE, ASK_BODY, 1), "FORMAT"),
    "65535 descriptors": (records.raw(ASK_TYPE, ASK_BODY, 65535), "FORMAT"),
    "no body": (records.raw(ASK_TYPE), "TRUNCATED"),
    "a byte short": (records.raw(ASK_TYPE, ASK_BODY[:-1]), "TRUNCATED"),
    "a byte more": (records.raw(ASK_TYPE, ASK_BODY + b"x"), "FORMAT"),
    "a field beyond the end": (
        records.raw(ASK_TYPE, ASK_BODY[:-4] + b"\xff\x3f\0\0"), "TRUNCATED"),
    "a field of 4 GiB": (
        records.raw(ASK_TYPE, ASK_BODY[:-4] + b"\xff" * 4), "TOOBIG"),
    "a long profile": (records.encode("REQUEST", profile="a" * 128),
                       "TOOBIG"),
    "a long method": (records.encode("REQUEST", method="A" * 21), "TOOBIG"),
    "a long target": (records.encode("REQUEST", target="/" * 8193),
                      "TOOBIG"),
    "a long act": (records.encode("ACT", sealed=bytes(61441)), "TOOBIG"),
    "control in a profile": (records.encode("REQUEST", profile="a/\x01"),
                             "FORMAT"),
}


def hostile_gate_sends_what_is_no_record():
    need_root()
    with Siege("gate") as s:
        for channel, by, table in (("keeper", "keeper", MALFORMED),
                                   ("supervisor", None, BROKEN)):
            for data, error in table.values():
                gate, session = s.gate()
                gate.raw(channel, data)
                s.ended(gate, error, by)
            s.stands()
        s.untouched()


def hostile_gate_asks_what_is_no_question():
    """Well-formed records with fields that no gate of ours would send."""
    need_root()
    cases = [(dict(what=NO_ASK), "FORMAT"),
             (dict(what=0xffffffff), "FORMAT"),
             (dict(pairs=b"\x05"), "FORMAT"),
             (dict(pairs=struct.pack("<H", 65535) + b"x"), "FORMAT"),
             (dict(pairs=records.pairs([("profile", b"a\0b")])), "FORMAT"),
             (dict(session=1 << 63), "FORBIDDEN")]
    with Siege("gate") as s:
        for fields, error in cases:
            gate, session = s.gate()
            gate.say("keeper", "ASK", **{"session": session, "number": 1,
                                         **fields})
            s.ended(gate, error, "keeper")
        s.stands()
        # These are a client's to get wrong: refused, and the gate lives.
        gate, session = s.gate()
        for number, more in enumerate([
                dict(profile="acme"), dict(profile="../x"), dict(method="get"),
                dict(target="/../x"), dict(target="x"), dict(body=3),
                dict(length=5)], 1):
            request(gate, session, number, **more)
            assert (answers(gate, number)[-1].refusal ==
                    REFUSED["bad-request"]), more
        assert not gate.gone(0)
        s.untouched()


def hostile_gate_fills_every_field():
    """The longest and oddest that room.def lets through: each is answered,
    and the audit log stays what it is."""
    need_root()
    odd = records.pairs([("", "")] * 6000)[:36000]
    long = records.pairs([("x-long", "y" * 8000)] * 5)
    with Siege("gate", rules=RULES) as s:
        gate, session = s.gate()
        number = 0
        for target in ("/" + "a" * 8191, "/" + "%22" * 2700, "/?" + "a&" * 4095,
                       "/x?" + "%22=&" * 1600, "/" + "\\" * 8191):
            for headers in b"", odd, long, b"\x01\0":
                number += 1
                request(gate, session, number, target, headers=headers)
                answers(gate, number)
        for profile in "acme/" + "x" * 63, '"' * 127, "\u00e9" * 60:
            for method in b"GET", b'"' * 20, bytes(20), b"\xff" * 20, b"":
                number += 1
                request(gate, session, number, profile=profile, method=method)
                assert answers(gate, number)[-1].name == "REFUSE"
        for name, value in (("profile", "x" * 16000), ("system", '"' * 8000),
                            ("profile", b"\xff" * 100), ("id", "9" * 40),
                            ("since", "9" * 40), ("verb", '"' * 200)):
            for what in range(NO_ASK):
                number += 1
                ask(gate, session, number, what, **{name: value})
                answers(gate, number)
        assert not gate.gone(0)
        s.stands()
        assert len(s.vault.audit()) > number / 2
        s.untouched()


def hostile_gate_stops_in_the_middle_of_a_record():
    """The keeper waits for the rest without anybody's noticing."""
    need_root()
    whole = records.encode("ASK", number=1)
    with Siege("gate") as s:
        for size in 1, records.HEADER.size, len(whole) - 1:
            gate, session = s.gate()
            gate.raw("keeper", whole[:size])
            gate.raw("supervisor", records.encode("HELLO")[:size])
            s.stands()
            assert not gate.gone(0)
            gate.quit()
        s.stands()
        s.untouched()


def hostile_gate_numbers_that_come_again():
    """A request's number is said once; twice would join what is not one."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        for what, first, second in (
                ("requests", request, request),
                ("a question and a request",
                 lambda *a: ask(*a, WHOAMI), request),
                ("audit shown", lambda *a: ask(*a, AUDIT),
                 lambda *a: ask(*a, AUDIT))):
            for number in 7, 6, 0:
                gate, session = s.gate()
                first(gate, session, 7)
                second(gate, session, number)
                s.ended(gate, "FORBIDDEN", "keeper")
            s.stands()
        s.untouched()


def hostile_gate_speaks_of_foreign_sessions():
    need_root()
    with Siege("gate", rules=RULES) as s:
        victim, session = s.gate()
        _, stream = at_upstream(victim, session, 7)
        eventually(lambda: s.world.arrived("/hold"))
        for name, fields in (("ASK", {}), ("ASK", {"what": NONCE}),
                             ("ACT", {"sealed": bytes(100)}),
                             ("REQUEST", {"profile": "acme/demo",
                                          "method": "GET", "target": "/"})):
            gate, own = s.gate()
            gate.say("keeper", name, session=session, number=1, **fields)
            s.ended(gate, "FORBIDDEN", "keeper")
        # Its cancellations reach nobody else's requests.
        gate, own = s.gate()
        for number in range(20):
            gate.say("keeper", "CANCEL", session=session, number=number)
            gate.say("keeper", "CANCEL", session=own, number=number)
        ask(gate, own, 1, WHOAMI)
        assert answers(gate, 1)[-1].name == "DONE"
        # It says that the other's connection is closed.
        gate.say("supervisor", "CLOSED", session=session)
        s.ended(gate, "FORBIDDEN")
        s.stands()
        assert s.upstream.abandoned == 0
        ask(victim, session, 8, WHOAMI)
        assert answers(victim, 8)[-1].name == "DONE"
        s.upstream.release.set()
        stream.hear("END")
        s.untouched(but=["/hold"])


def hostile_gate_speaks_of_ended_sessions():
    """It is told so, and learns and does nothing."""
    need_root()
    with Siege("gate", rules=RULES + "permit crowd to manage on acme/*\n"
               ) as s:
        gate, session = s.gate()
        ask(gate, session, 1, NONCE)
        assert answers(gate, 1)[-1].name == "NONCE"
        s.callers[-1].close()
        gate.hear("supervisor", "SESSION_END", session=session)
        s.stands()      # and the keeper has heard of it, too
        for number, name in enumerate(("ASK", "ACT", "REQUEST"), 2):
            gate.say("keeper", name, session=session, number=number)
            heard = answers(gate, number)
            assert len(heard) == 1, heard
            assert heard[0].refusal == REFUSED["speaker-changed"]
        # What it says of it to the supervisor is old news.
        gate.say("supervisor", "CLOSED", session=session)
        s.stands()
        assert not gate.gone(0)
        s.untouched()


def hostile_gate_learns_nothing_that_its_class_may_not():
    need_root()
    with Siege("gate") as s:
        gate, session = s.gate()
        gate.say("supervisor", "HELLO")
        refused = []
        for number, (what, arguments) in enumerate([
                (STATUS, {}), (CATALOG, {}), (AUDIT, {}),
                (CATALOG, {"system": "custom-rest"}),
                (PROFILES, {"profile": "acme/demo"}),
                (PROFILES, {"profile": "acme/none"}),
                (EXPLAIN, {"user": "root", "verb": "request",
                           "profile": "acme/demo"})], 1):
            ask(gate, session, number, what, **arguments)
            heard = answers(gate, number)
            assert len(heard) == 1, heard
            refused.append((heard[0].refusal, heard[0].sentence))
        # The same word for what there is and what there is not.
        assert set(refused) == {(REFUSED["denied"], refused[0][1])}, refused
        words = set()
        for number, profile in enumerate(("acme/demo", "acme/none"), 20):
            request(gate, session, number, profile=profile)
            heard = answers(gate, number)
            words.add((heard[0].refusal, heard[0].sentence))
        assert len(words) == 1 and REFUSED["denied"] in words.pop(), words
        ask(gate, session, 30, PROFILES)
        assert [r.name for r in answers(gate, 30)] == ["DONE"]
        ask(gate, session, 31, WHOAMI)
        row, _ = answers(gate, 31)
        assert b'"session":%d' % session in row.json, row
        # No lane comes of it, and no word about anybody else.
        assert gate.channels["keeper"].heard() == []
        assert gate.channels["supervisor"].heard() == []
        assert not gate.gone(0)
        s.stands()
        s.untouched()


def hostile_gate_acts_without_the_right_to():
    """An act as an admin sealed it, from a class that may not manage: neither
    his nonce nor its own makes it one."""
    need_root()
    with Siege("gate", rules="permit crowd to manage on acme/*\n") as s:
        sealed = []

        def twice(record):
            sealed.append(record.sealed)
            again = records.Record("ACT", {**record.fields,
                                           "number": record.number + 1000})
            return [record, again]

        s.stage.between("gate", lambda gate: gate.on("ACT", twice))
        # Two threads open them: either may be the first.
        s.vault.ctl("profile", "disable", "acme/demo", user=CROWD,
                    check=False)
        gate = s.stage.puppet("gate")
        eventually(lambda: gate.saw("REFUSE") and gate.saw("DONE"))
        (refusal,) = gate.saw("REFUSE")
        assert refusal.refusal == REFUSED["stale"], refusal
        # Once more, on another session of the same class.
        s.callers.append(Caller(s.vault.http_socket, CROWD))
        eventually(lambda: len(gate.saw("CONNECTION")) == 2)
        session = gate.saw("CONNECTION")[1].session
        gate.say("keeper", "ACT", session=session, number=9000,
                 sealed=sealed[0])
        eventually(lambda: gate.saw("REFUSE", number=9000))
        assert (gate.saw("REFUSE", number=9000)[0].refusal ==
                REFUSED["stale"])
        # And from another class.
        other, session = s.gate()
        for number, act in enumerate((sealed[0], sealed[0][:-1], b"",
                                      os.urandom(200), bytes(61440)), 1):
            other.say("keeper", "ACT", session=session, number=number,
                      sealed=act)
            assert answers(other, number)[-1].refusal in (
                REFUSED["stale"], REFUSED["budget"])
        done = [r for r in s.vault.audit() if r.get("act") == "disable"
                and r.get("decision") == "permit"]
        assert len(done) == 1, done
        s.vault.ctl("profile", "enable", "acme/demo")
        s.stands()
        s.untouched(but=["/account"])


def hostile_gate_bends_an_act():
    """Each bit of it belongs to the seal."""
    need_root()
    with Siege("gate", rules="permit crowd to manage on acme/*\n") as s:
        bends = [lambda a: bytes([a[0] ^ 1]) + a[1:],
                 lambda a: a[:60] + bytes([a[60] ^ 0x80]) + a[61:],
                 lambda a: a[:-1] + bytes([a[-1] ^ 1]),
                 lambda a: a[:-1], lambda a: a + b"\0", lambda a: a[:48]]
        turn = iter(bends)

        def bend(record):
            record.fields["sealed"] = next(turn)(record.sealed)

        s.stage.between("gate", lambda gate: gate.on("ACT", bend))
        for _ in bends:
            done = s.vault.ctl("profile", "disable", "acme/demo", user=CROWD,
                               check=False)
            assert done.status != 0, done
        assert "disable" not in [r.get("act") for r in s.vault.audit()
                                 if r.get("decision") == "permit"]
        s.stands()
        s.untouched()


def hostile_gate_sends_descriptors_to_those_who_take_none():
    """They are closed where they come in, announced or not."""
    need_root()
    with Siege("gate") as s:
        kept = {room: descriptors(s.before[room])
                for room in ("keeper", "ledger")}
        for channel, name in (("keeper", "ASK"), ("supervisor", "CLOSED")):
            gate, session = s.gate()
            reader, writer = os.pipe()
            gate.raw(channel, records.encode(name)[:5], [writer] * 100)
            os.close(writer)
            assert select.select([reader], [], [], PROMPT)[0], "it is kept"
            assert os.read(reader, 1) == b""
            os.close(reader)
            gate.quit()
        for channel, by in (("keeper", "keeper"), ("supervisor", None)):
            gate, session = s.gate()
            kind = LAYOUTS["ASK" if by else "OFFENCE"].type
            with tempfile.TemporaryFile() as file:
                gate.raw(channel, records.raw(kind, bytes(12), 1),
                         [file.fileno()])
            s.ended(gate, "FORMAT", by)
        s.stands()
        for room, count in kept.items():
            eventually(lambda: descriptors(s.before[room]) <= count, PROMPT,
                       f"the {room} without them")
        s.untouched()


def hostile_gate_complains_of_the_innocent():
    """Whoever it says has broken the rules lives, but for a courier that it
    had to do with; of those a few, and their customers get others."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        courier = int(s.vault.log().split("courier ")[1].split(":")[0])
        victim, session = s.gate()
        for room, number in (
                ("keeper", 0), ("ledger", 0), ("dialer", 0),
                ("courier", courier), ("gate", victim.number),
                ("supervisor", 0)):
            gate, own = s.gate()
            gate.say("supervisor", "OFFENCE", room=ROOMS.index(room),
                     number=number, error=VERR["FORMAT"])
            assert gate.gone(PROMPT), room
            s.stands()
        # Of nobody, and of itself: nothing comes of it.
        gate, own = s.gate()
        for room, number in ((1, 9999), (4, 9999), (1, gate.number)):
            gate.say("supervisor", "OFFENCE", room=room, number=number)
        ask(gate, own, 1, WHOAMI)
        assert answers(gate, 1)[-1].name == "DONE"
        ask(victim, session, 1, WHOAMI)
        assert answers(victim, 1)[-1].name == "DONE"
        s.stands()
        at_upstream(gate, own, 2, "/echo")[1].hear("END")
        gate.say("supervisor", "OFFENCE", room=ROOMS.index("courier"),
                 number=courier, error=VERR["FORMAT"])
        s.told(f"courier {courier}: ended by signal 9 (SIGKILL)")
        ask(gate, own, 3, WHOAMI)
        gate.hear("keeper", "DONE", number=3)
        eventually(lambda: s.innocent.ask(
            "GET", "/acme/demo/echo").status == 200)


def hostile_gate_writes_nonsense_to_the_log():
    """The pipe is for codes and numbers: no text comes through it."""
    need_root()
    big = (1 << 64) - 1
    with Siege("gate") as s:
        gate, session = s.gate()
        for code in [*range(64), 1 << 32, big]:
            for value in 0, 1 << 31, big:
                os.write(gate.log_pipe,
                         struct.pack("<QQQQ", code, value, value, value))
        os.write(gate.log_pipe, b"keeper: says that all is well\n" * 32)
        os.write(gate.log_pipe, b"half")
        s.stands()
        gate.quit()
        s.stands()
        lines = s.vault.log().splitlines()
        assert not [l for l in lines if l.startswith("keeper: says")], lines
        assert len([l for l in lines if l.startswith(gate.who)]) > 60


def hostile_gate_floods_the_log():
    """So that nobody sees what else is in it, or the disk is full."""
    need_root()
    record = struct.pack("<QQQQ", 11, 1, 2, 3) * 100
    with Siege("gate") as s:
        gate, session = s.gate()
        with Watch(s):
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if select.select([], [gate.log_pipe], [], 0.1)[1]:
                    os.write(gate.log_pipe, record)
        assert len(s.vault.log()) < 256 << 10
        # What another says of it is still there.
        gate.say("keeper", "HELLO")
        s.ended(gate, "FORBIDDEN", "keeper")
        s.stands()
        s.untouched()


def hostile_gate_says_too_much():
    """Floods of what is ignored or answered, on both channels, and nothing
    read: others are served meanwhile, and no room grows."""
    need_root()
    floods = [("supervisor", records.encode("OFFENCE", room=1, number=9999)),
              ("supervisor", records.encode("CLOSED", session=1)),
              ("keeper", records.encode("CANCEL", session=1, number=1))]
    with Siege("gate", rules=RULES) as s, Watch(s):
        small = resident(s.before["keeper"])
        for channel, record in floods:
            gate, session = s.gate()
            until = time.monotonic() + 1
            while time.monotonic() < until:
                gate.raw(channel, record * 500)
            assert not gate.gone(0)
        for what in WHOAMI, CATALOG, PROFILES, NONCE:
            gate, session = s.gate()
            try:
                for number in range(1, 20000):
                    gate.raw("keeper", records.encode(
                        "ASK", session=session, number=number, what=what),
                        timeout=0.5)
            except TimeoutError:
                pass        # it is not heard before it has read
        assert resident(s.before["keeper"]) < small + (16 << 10)


def hostile_gate_asks_for_more_than_it_may_have():
    """Requests and streams by the thousand: the keeper and the courier have
    places left for others."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        gate, session = s.gate()
        for number in range(1, 1101):
            request(gate, session, number, "/hold")
        refused = gate.hear("keeper", "REFUSE", number=1100)
        assert refused.refusal == REFUSED["budget"]
        s.stands()
        lane = gate.joined("courier")
        streams = socket.socketpair()
        try:
            for number in range(5000, 10000):
                lane.raw(records.encode("OPEN", True, number=number),
                         [streams[0].fileno()], timeout=0.5)
        except TimeoutError:
            pass        # it is not heard before some have had their time
        assert descriptors(s.before["courier"]) < 400
        s.stands()
        assert not gate.gone(0)
        s.untouched()


def hostile_gate_says_anything_down_a_lane():
    need_root()
    open_type = LAYOUTS["OPEN"].type
    body = records.body_of("OPEN", number=99)
    with Siege("gate", rules=RULES) as s, tempfile.TemporaryFile() as file:
        some = file.fileno()
        cases = [(records.encode(name), (), "FORBIDDEN") for name in LAYOUTS
                 if name != "OPEN"]
        cases += [(data, (), error) for data, error in BROKEN.values()]
        cases += [
            (records.raw(open_type, body), (), "FORMAT"),
            (records.raw(open_type, body, 1), (), "FORMAT"),
            (records.raw(open_type, body, 1), (some, some), "FORMAT"),
            (records.raw(open_type, body, 2), (some, some), "FORMAT"),
            (records.raw(open_type, body), (some,), "FORMAT"),
            (records.raw(open_type, body[:-1], 1), (some,), "TRUNCATED"),
            (records.raw(open_type, body + b"x", 1), (some,), "TOOBIG"),
            (records.raw(open_type, length=1 << 31), (some,), "TOOBIG"),
            (records.raw(open_type, body), [some] * 50, "FORMAT")]
        gate = courier = None
        for data, fds, error in cases:
            gate, session = s.gate()
            request(gate, session, 1, "/hold")
            courier = answers(gate, 1)[-1].peer
            gate.joined("courier").raw(data, fds)
            s.ended(gate, error, f"courier {courier}")
        # One descriptor more than the records have, each part with one.
        gate, session = s.gate()
        request(gate, session, 1, "/hold")
        assert answers(gate, 1)[-1].peer == courier
        lane = gate.joined("courier")
        whole = records.raw(open_type, body, 1)
        lane.raw(whole[:4], (some,))
        lane.raw(whole[4:], (some,))
        s.ended(gate, "FORMAT", f"courier {courier}")
        s.stands()
        s.untouched()


def hostile_gate_opens_streams_that_are_not_its_own():
    """One is for the gate whose order it is, whatever number another says."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        victim, session = s.gate()
        thief, own = s.gate()
        lane, stream = at_upstream(thief, own, 1)
        request(victim, session, 7, "/stream?bytes=100")
        assert answers(victim, 7)[-1].name == "STREAM"
        stolen = [opened(lane, number) for number in range(2, 40)]
        s.stands()
        theirs = opened(victim.joined("courier"), 7)
        assert theirs.hear("HEAD").status == 200
        theirs.hear("END")
        s.upstream.release.set()
        stream.hear("END")
        for channel in stolen:
            assert channel.heard(0.01) == []
        s.stands()
        # The same number twice is an offence.
        opened(lane, 2)
        assert thief.gone(PROMPT)
        s.stands()
        s.untouched(but=["/hold", "/stream"])


def hostile_gate_says_anything_on_a_stream():
    need_root()
    post = dict(method="POST", target="/upload")
    with Siege("gate", rules=RULES) as s:
        cases = [({}, [records.encode(name)], "FORBIDDEN")
                 for name in LAYOUTS if not may_say("gate", name, "courier")]
        cases += [({}, [data], error) for data, error in BROKEN.values()]
        body, end = records.encode("BODY", bytes=b"abcd"), records.encode(
            "BODY_END")
        cases += [
            ({}, [body], "FORBIDDEN"), ({}, [end], "FORBIDDEN"),
            (dict(post, body=LENGTH, length=3), [body], "FORBIDDEN"),
            (dict(post, body=LENGTH, length=6), [body, body], "FORBIDDEN"),
            (dict(post, body=STREAMED, target="/hold"), [end, end],
             "FORBIDDEN"),
            (dict(post, body=STREAMED),
             [records.encode("BODY", bytes=bytes(16385))], "TOOBIG"),
            (dict(post, body=STREAMED),
             [records.raw(LAYOUTS["BODY"].type, length=1 << 31)], "TOOBIG"),
            (dict(post, body=STREAMED),
             [records.raw(LAYOUTS["BODY"].type, bytes(4), 1)], "FORMAT")]
        for more, data, error in cases:
            gate, session = s.gate()
            _, stream = at_upstream(gate, session, 1,
                                    **{"target": "/hold", **more})
            for piece in data:
                stream.raw(piece)
            assert gate.gone(PROMPT), (more, data)
            s.told(f"says that {gate.who} broke the protocol: ")
        s.stands()
        # Too short is no offence: it fails, and nothing of it is a request.
        gate, session = s.gate()
        _, stream = at_upstream(gate, session, 1, body=LENGTH, length=6,
                                **post)
        stream.raw(body + end)
        stream.hear("FAIL")
        s.stands()
        s.untouched(but=["/hold"])


def hostile_gate_opens_what_is_no_stream():
    """Whatever the descriptor is, the courier is none the worse for it."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        gates = []
        for number in range(12):
            gate, session = s.gate()
            gates.append(gate)
            request(gate, session, 1, "/echo")
            assert answers(gate, 1)[-1].name == "STREAM"
            lane = gate.joined("courier")
            fds = strange_descriptors(gate, lane)
            lane.say("OPEN", fd=fds[number % len(fds)], number=1)
            for fd in fds[:-3]:
                os.close(fd)
            s.stands()
        # Two orders that were given the two ends of one stream.
        gate, session = s.gate()
        lane = None
        ends = socket.socketpair()
        for number, end in enumerate(ends, 1):
            request(gate, session, number, "/echo")
            assert answers(gate, number)[-1].name == "STREAM"
            lane = lane or gate.joined("courier")
            lane.say("OPEN", fd=end.fileno(), number=number)
            end.close()
        assert gate.gone(PROMPT), "the courier talks to itself"
        s.stands()


def strange_descriptors(gate, lane):
    """The last three are the gate's own channels."""
    reader, writer = os.pipe()
    with select.epoll() as some:
        epoll = os.dup(some.fileno())
    return [reader, writer, socket.socket(socket.AF_INET).detach(),
            os.open("/dev/zero", os.O_RDWR), os.open("/dev/null", os.O_RDWR),
            os.open("/", os.O_RDONLY), os.open("/", os.O_PATH),
            os.memfd_create("x"), epoll,
            gate.channels["keeper"].socket.fileno(),
            gate.channels["supervisor"].socket.fileno(),
            lane.socket.fileno()]


def stalling(lane, number):
    """A stream with something to read, where reading waits for more: only
    who never waits gets away.  Returns both ends."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1 << 20)
    ours.send(records.encode("BODY_END")[:4])
    lane.say("OPEN", fd=theirs.fileno(), number=number)
    return ours, theirs


def hostile_gate_stalls_no_courier_by_its_stream():
    need_root()
    with Siege("gate", rules=RULES) as s:
        gate, session = s.gate()
        request(gate, session, 1, "/hold")
        assert answers(gate, 1)[-1].name == "STREAM"
        ends = stalling(gate.joined("courier"), 1)
        eventually(lambda: s.world.arrived("/hold"))
        s.stands()
        assert ends
        s.untouched(but=["/hold"])


def hostile_gate_stalls_no_ledger_by_its_stream():
    """Which it opens before it asks: the ledger waits for the question."""
    need_root()
    with Siege("gate", rules=RULES) as s:
        gate, session = s.gate()
        ask(gate, session, 1, AUDIT)
        assert answers(gate, 1)[-1].name == "STREAM"
        lane = gate.joined("ledger")
        ends = stalling(lane, 2)
        opened(lane, 1).hear("END")
        s.stands()
        assert ends
        s.untouched()
