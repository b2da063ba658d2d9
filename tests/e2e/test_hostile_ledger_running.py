"""A ledger that was believed at its start, and then lies."""
import os
import time
from contextlib import ExitStack
from functools import partial

from harness import LONG
from support import records
from support.leaks import canary
from support.lies import (OTHER, Lies, first, in_thread, lies, like, offence,
                          then, with_fields)
from support.puppet import Channel, Stage
from support.records import LAYOUTS, ROOMS, VERR, Record
from support.vault import eventually

ROW_CUSTOMER, ROW_PROFILE, ROW_CREDENTIAL = 3, 4, 5
OTHER_STORE = "the store is not the one that was served a moment ago"
OLD_STORE = "the store is older than the audit log says"


def given(row):
    """This row as the answer, under the number that was asked for."""
    def lie(record):
        record.fields.update(
            {k: row.fields[k] for k in ("error", "kind", "generation",
                                        "body")})
    return lie


def flip(record):
    body = bytearray(record.body)
    body[len(body) // 2] ^= 1
    record.fields["body"] = bytes(body)


def fetched(lying, profile):
    """The rows of a profile, as a request made the ledger tell them."""
    seen = len(lying.ledger.saw("FETCHED"))
    assert lying.w.get("/echo", profile).status == 200
    return {r.kind: r for r in lying.ledger.saw("FETCHED")[seen:]}


def hostile_ledger_answers_with_rows_that_are_not_current():
    with lies() as lying:
        w = lying.w
        other_secret = canary()
        w.upstream.accounts[other_secret] = "acct-2"
        w.add("globex/third", secret=other_secret)
        old, others = fetched(lying, "acme/demo"), fetched(lying, OTHER)
        new = canary()
        w.upstream.accounts[new] = "acct-1"
        w.rotate(new)
        cases = [
            ("the credential before", ROW_CREDENTIAL,
             given(old[ROW_CREDENTIAL])),
            ("the profile before", ROW_PROFILE, given(old[ROW_PROFILE])),
            ("another's profile", ROW_PROFILE, given(others[ROW_PROFILE])),
            ("another's credential", ROW_CREDENTIAL,
             given(others[ROW_CREDENTIAL])),
            ("another customer's key", ROW_CUSTOMER,
             given(others[ROW_CUSTOMER])),
            ("a bit of the credential", ROW_CREDENTIAL, flip),
            ("a bit of the profile", ROW_PROFILE, flip),
            ("a bit of the customer's key", ROW_CUSTOMER, flip),
            ("a later generation", ROW_CREDENTIAL,
             lambda r: r.fields.update(generation=r.generation + 1)),
            ("another kind", ROW_CREDENTIAL, with_fields(kind=ROW_PROFILE)),
            ("an empty row", ROW_CREDENTIAL, with_fields(body=b"")),
            ("not there", ROW_CREDENTIAL,
             with_fields(error=VERR["NOTFOUND"])),
            ("an error that is none", ROW_PROFILE, with_fields(error=101)),
            ("a number that is no error", ROW_PROFILE,
             with_fields(error=2 ** 32 - 1)),
            ("the answer to another question", ROW_PROFILE,
             lambda r: r.fields.update(fetch=r.fetch + 1)),
            ("the same answer twice", ROW_PROFILE,
             then(lambda r: like(r))),
            ("an answer to no question", ROW_PROFILE,
             first(lambda r: like(r, fetch=0))),
        ]
        for name, kind, lie in cases:
            lying.anew()
            count = len(w.arrived("/echo"))
            told = lying.once("FETCHED", lie, kind=kind)
            answer = w.get("/echo")
            assert told and answer.status == 200, (name, answer)
            lying.caught(name, offence("FORMAT"))
            assert len(w.arrived("/echo")) == count + 1, name
            assert new in w.arrived("/echo")[-1].header("authorization"), name


def hostile_ledger_brings_back_what_was_removed():
    with lies() as lying:
        w = lying.w
        w.add("acme/gone")
        rows = fetched(lying, "acme/gone")
        w.vault.ctl("profile", "remove", "acme/gone")
        for name, lies_of in (
                ("the profile", {ROW_PROFILE}),
                ("profile and credential", {ROW_PROFILE, ROW_CREDENTIAL})):
            lying.anew()
            count = len(w.arrived("/echo"))
            asked = []

            def raise_the_dead(record):
                if record.error == VERR["NOTFOUND"]:
                    asked.append(record)
                    kinds = sorted(lies_of)
                    given(rows[kinds[(len(asked) - 1) % len(kinds)]])(record)
            lying.ledger.on("FETCHED", raise_the_dead)
            answer = w.get("/echo", "acme/gone")
            assert answer.error == "no-such-profile", (name, answer)
            assert asked, name
            lying.caught(name, offence("FORMAT"))
            assert len(w.arrived("/echo")) == count, name


def forget_rows(w):
    """Have the keeper ask the ledger again for what it has kept."""
    loads = w.vault.log().count("catalog reloaded")
    w.vault.hang_up()
    eventually(lambda: w.vault.log().count("catalog reloaded") > loads)


def hostile_ledger_cannot_read_a_row():
    """An error is no lie; nor does it pass for a profile's absence."""
    with lies() as lying:
        w = lying.w
        for error in "IO", "NOSPACE", "FORMAT", "CLOSED":
            lying.ledger.on("FETCHED", with_fields(
                error=VERR[error], kind=0, generation=0, body=b""))
            count = len(w.arrived("/echo"))
            forget_rows(w)
            answer = w.get("/echo")
            assert answer.error == "store-unavailable", (error, answer)
            for command in (["profile", "show", "acme/demo"],
                            ["profile", "list"],
                            ["profile", "disable", "acme/demo"]):
                done = w.vault.ctl(*command, check=False)
                assert done.status != 0, (error, command, done)
                assert "cannot be read" in done.err, (error, command, done)
            assert len(w.arrived("/echo")) == count
            lying.ledger.on("FETCHED", None)
            lying.well(error)
        assert not lying.ledger.gone(0)


def hostile_ledger_confirms_commits_falsely():
    with lies() as lying:
        w = lying.w
        cases = [
            ("twice", then(lambda r: like(r))),
            ("another one", lambda r: r.fields.update(commit=r.commit + 1)),
            ("one from before", with_fields(commit=0)),
            ("an error that is none", with_fields(error=101)),
            ("a number that is no error", with_fields(error=2 ** 32 - 1)),
        ]
        for name, lie in cases:
            lying.anew()
            new = canary()
            w.upstream.accounts[new] = "acct-1"
            told = lying.once("COMMITTED", lie)
            done = w.rotate(new)
            assert told and "replaces" in done.out, (name, done)
            lying.caught(name, offence("FORMAT"))
            assert w.get("/echo").status == 200
            assert new in w.arrived("/echo")[-1].header("authorization"), name
        lying.anew()
        lying.ledger.say("keeper", "COMMITTED", commit=1)
        lying.caught("unasked", offence("FORMAT"))


def vault_stops(lying, name):
    """A later ledger tells what the first lied about."""
    assert lying.w.vault.process.wait(20) == 3, name
    assert OTHER_STORE in lying.log(), (name, lying.log())


def serves(w):
    try:
        return w.get("/echo").status == 200
    except ConnectionError:
        return False


def hostile_ledger_denies_a_commit_that_it_made():
    with lies() as lying:
        w, new = lying.w, canary()
        w.upstream.accounts[new] = "acct-1"
        lying.once("COMMITTED", with_fields(error=VERR["IO"]))
        done = w.rotate(new, check=False)
        assert done.status != 0 and "store cannot be written" in done.err
        # What was replaced, as the admin was told that it was not, is used
        # while the keeper has its row, and no longer.
        count = len(w.arrived("/echo"))
        forget_rows(w)
        assert not serves(w)
        vault_stops(lying, "denied")
        assert len(w.arrived("/echo")) == count
        w.vault.start()                     # the log does not contradict it
        assert w.get("/echo").status == 200
        assert new in w.arrived("/echo")[-1].header("authorization")


def hostile_ledger_confirms_a_commit_that_it_did_not_make():
    with lies() as lying:
        w, new = lying.w, canary()
        w.upstream.accounts[new] = "acct-1"

        def swallow(record):
            lying.ledger.say("keeper", "COMMITTED", commit=record.commit)
            return []
        lying.once("COMMIT", swallow)
        w.rotate(new)
        assert not serves(w)
        vault_stops(lying, "not made")
        assert w.arrived("/echo") == []     # the old one was not used again
        w.vault.spawn()
        assert w.vault.process.wait(20) == 3
        assert OLD_STORE in w.vault.log()


def hostile_ledger_never_answers():
    """It is replaced, and what waited for it is done: nothing is lost, and
    nothing is done twice."""
    new = canary()
    cases = [
        ("FETCHED", lambda w: w.get("/echo").status, 200),
        ("COMMITTED", lambda w: w.rotate(new).status, 0),
        ("APPENDED", lambda w: w.get("/echo").status, 200),
    ]
    with Stage("ledger") as stage, ExitStack() as stack:
        deaf = []
        for name, act, good in cases:
            lying = stack.enter_context(Lies(stage))
            lying.w.upstream.accounts[new] = "acct-1"
            lying.ledger.on(name, lambda r: [])
            thread, told = in_thread(partial(act, lying.w))
            deaf.append((name, lying, thread, told, good))
        for name, lying, thread, told, good in deaf:
            # Who needs no ledger is served meanwhile.
            assert lying.w.vault.ctl("whoami").status == 0
            thread.join(40)
            assert told == [good], (name, told)
            lying.caught(name, offence("TIMEOUT"))
            assert len(lying.w.arrived("/echo")) == (name != "COMMITTED")
            eventually(lambda: lying.w.vault.unsettled() == [])
            numbers = [r["seq"] for r in lying.w.vault.audit()]
            assert numbers == list(range(len(numbers))), (name, numbers)


def held(w, what):
    """Nothing has come to the upstream, and will not by itself."""
    time.sleep(0.4)
    assert w.arrived("/echo") == [], what


def decisions(ledger):
    return [r for r in ledger.saw("APPEND")
            if b'"event":"decision"' in r.line]


def hostile_ledger_that_holds_a_record_holds_the_act():
    """What is asked of the upstream is on record before; a confirmation for
    another record, or of another time, does not count."""
    cases = [
        ("nothing said", None),
        ("one number short", lambda r: like(r, next=r.next - 1, synced=0)),
        ("back to the first", lambda r: like(r, next=0, synced=0)),
        ("of an earlier epoch", lambda r: like(r, epoch=r.epoch - 1)),
        ("of a later epoch", lambda r: like(r, epoch=r.epoch + 1)),
        ("a failure of an earlier epoch", lambda r: Record(
            "APPEND_FAILED", {"epoch": r.epoch - 1, "seq": r.next - 1,
                              "error": VERR["IO"]})),
    ]
    with Stage("ledger") as stage:
        for name, lie in cases:
            with Lies(stage) as lying:
                w, kept = lying.w, []

                def keep(record):
                    decision = decisions(lying.ledger)
                    if not decision or record.next <= decision[0].seq:
                        return None
                    kept.append(record)
                    return [] if lie is None or kept[1:] else [lie(record)]
                lying.ledger.passed.clear()
                lying.ledger.on("APPENDED", keep)
                thread, answers = in_thread(lambda: w.get("/echo"))
                eventually(lambda: kept, what=name)
                held(w, name)
                lying.ledger.on("APPENDED", None)
                lying.ledger.say("keeper", "APPENDED", **kept[-1].fields)
                thread.join(20)
                assert answers and answers[0].status == 200, (name, answers)
                lying.well(name)
                assert not lying.ledger.gone(0), name


def hostile_ledger_confirms_records_falsely():
    cases = [
        ("more than was sent", lambda r: r.fields.update(next=r.next + 5)),
        ("countless", with_fields(next=2 ** 64 - 1, synced=2 ** 64 - 1)),
        ("synced before written",
         lambda r: r.fields.update(synced=r.next + 1)),
        ("failed, and another record", lambda r: [Record(
            "APPEND_FAILED", {"epoch": r.epoch, "seq": r.next + 1,
                              "error": VERR["IO"]})]),
        ("failed for no reason", lambda r: [Record(
            "APPEND_FAILED", {"epoch": r.epoch, "seq": r.next - 1})]),
        ("failed with no error that there is", lambda r: [Record(
            "APPEND_FAILED", {"epoch": r.epoch, "seq": r.next - 1,
                              "error": 101})]),
    ]
    with lies() as lying:
        w = lying.w
        for name, lie in cases:
            lying.anew()
            count = len(w.arrived("/echo"))
            told = lying.once("APPENDED", lie)
            answer = w.get("/echo")
            assert told and answer.status == 200, (name, answer)
            lying.caught(name, offence("FORMAT"))
            assert len(w.arrived("/echo")) == count + 1
            eventually(lambda: w.vault.unsettled() == [], what=name)
            numbers = [r["seq"] for r in w.vault.audit()]
            assert numbers == list(range(len(numbers))), (name, numbers)


def hostile_ledger_writes_no_record():
    """Nothing is done that cannot be recorded; what was under way is settled
    as soon as it can be."""
    with lies() as lying:
        w = lying.w
        thread, answers = in_thread(lambda: w.get("/hold"))
        eventually(lambda: w.arrived("/hold"))
        said = []

        def fail(record):
            said.append(record)
            lying.ledger.say("keeper", "APPEND_FAILED", epoch=record.epoch,
                             seq=said[0].seq, error=VERR["NOSPACE"])
            return []
        lying.ledger.on("APPEND", fail)
        for _ in range(5):
            assert w.get("/echo").error == "audit-unavailable"
        w.upstream.release.set()
        thread.join(20)
        assert answers[0].status == 200     # its place was kept; its outcome:
        eventually(lambda: b'"event":"outcome"' in said[-1].line)
        for _ in range(5):
            assert w.get("/echo").error == "audit-unavailable"
        done = w.rotate(canary(), "--no-verify", check=False)
        assert done.status != 0 and "audit" in done.err, done
        assert w.vault.ctl("whoami").status == 0
        assert w.arrived("/echo") == []
        lying.ledger.on("APPEND", None)
        eventually(lambda: w.get("/echo").status == 200)
        eventually(lambda: w.vault.unsettled() == [])
        lying.well("after it")
        assert not lying.ledger.gone(0)


# Of a ledger that serves, and so not what only one that loads may say.
MAY_SAY = {"COMMITTED", "FETCHED", "APPENDED", "APPEND_FAILED", "QUERY_DONE",
           "SNAPSHOT_DONE"}


LOADING = ["STORE_ROW", "STORE_END", "AUDIT_LINE", "REPLAY_END"]


def not_a_ledgers():
    """What it may not say to the keeper, or not any more."""
    others = [n for n in LAYOUTS if n not in MAY_SAY and n not in LOADING]
    return [(name, records.encode(name), "FORBIDDEN")
            for name in LOADING + others[::1 if LONG else 8]]


def malformed():
    good = records.encode("QUERY_DONE")
    kind = LAYOUTS["QUERY_DONE"].type
    return [
        ("no such type", records.raw(0xffff), "UNKNOWN"),
        ("type 0", records.raw(0), "UNKNOWN"),
        ("longer than it may be",
         records.raw(kind, length=len(good)), "TOOBIG"),
        ("longer than anything", records.raw(kind, length=2 ** 32 - 1),
         "TOOBIG"),
        ("without its last byte", records.raw(kind, good[8:-1]),
         "TRUNCATED"),
        ("empty", records.raw(kind), "TRUNCATED"),
        ("a row's length beyond its end", records.raw(
            LAYOUTS["FETCHED"].type, bytes(24) + b"\x64\0\0\0"),
         "TRUNCATED"),
        ("a row longer than any", records.raw(
            LAYOUTS["FETCHED"].type, bytes(24) + b"\xff" * 4), "TOOBIG"),
        ("a descriptor where none belongs",
         records.raw(kind, good[8:], descriptors=1), "FORMAT"),
        ("many of them", records.raw(kind, good[8:], descriptors=0xffff),
         "FORMAT"),
        ("noise", b"\xa5" * 4096, "UNKNOWN"),
    ]


def hostile_ledger_says_what_it_may_not():
    with lies() as lying:
        for n, (name, data, error) in enumerate(
                [*malformed(), *not_a_ledgers()]):
            lying.anew()
            lying.ledger.raw("keeper", data)
            assert lying.ledger.gone(), name
            eventually(lambda: offence(error) in lying.log(),
                       what=f"{name}: {offence(error)}")
            if n % 8 == 0:
                lying.well(name)
            assert lying.w.vault.rooms()["keeper"] == lying.keeper, name


def hostile_ledger_sends_descriptors():
    """They reach nobody: the keeper reads in a way that drops them."""
    with lies() as lying:
        folder = f"/proc/{lying.keeper[0]}/fd"
        before = len(os.listdir(folder))
        for _ in range(100):
            theirs, ours = os.pipe()
            lying.ledger.raw("keeper", records.encode("QUERY_DONE"), (ours,))
            os.close(ours)
            eventually(lambda: os.read(theirs, 1) == b"")
            os.close(theirs)
        assert len(os.listdir(folder)) == before
        lying.well("descriptors")
        assert not lying.ledger.gone(0)


def hostile_ledger_lies_to_the_supervisor():
    broke = "ledger: broke the protocol: "
    keeper, gate, courier = map(ROOMS.index, ("keeper", "gate", "courier"))
    cases = [
        ("it greets again", "HELLO", {}, broke),
        ("it is the keeper", "KEEPER_READY", {}, broke),
        ("it stops the vault", "KEEPER_REFUSES", {"sentence": "x"}, broke),
        ("it wants couriers", "COURIER_WANT", {"want": 1}, broke),
        ("it wants a lane", "LANE_WANT", {"room": courier, "number": 1,
                                          "gate": 1}, broke),
        ("it closes a session", "CLOSED", {"session": 1}, broke),
        ("it complains of the supervisor", "OFFENCE", {"room": 0}, broke),
        ("of a room that is none", "OFFENCE", {"room": 77}, broke),
        ("of the keeper", "OFFENCE", {"room": keeper, "error": 8},
         "ledger: says that keeper broke the protocol"),
        ("of a gate that it never met", "OFFENCE",
         {"room": gate, "number": 1, "error": 8},
         "ledger: complains of gate 1, which it was never joined to"),
        ("of a courier", "OFFENCE",
         {"room": courier, "number": 1, "error": 8},
         "ledger: complains of courier 1, which it was never joined to"),
    ]
    with lies() as lying:
        for name, record, fields, words in cases:
            lying.anew()
            lying.well(name)                # gate 1 and courier 1 are there
            lying.ledger.say("supervisor", record, **fields)
            lying.caught(name, words)
            rooms = lying.w.vault.rooms()
            assert len(rooms["courier"]) == 2, (name, rooms)
        lying.anew()
        lying.ledger.raw("supervisor", b"\xa5" * 64)
        lying.caught("noise", broke + records.VERR_TEXT[VERR["UNKNOWN"]])


# What a terminal would act on.
CONTROLS = {chr(c) for c in [*range(32), *range(127, 160)]} - set("\n\t")


def asked_for_lines(lying):
    """Somebody asks for the log, and the test is who answers: the stream,
    and the list that will hold what vaultctl did."""
    lanes = []

    def keep(record):
        if record.room != ROOMS.index("gate"):
            return None
        lanes.append(Channel(os.dup(record.fd)))
        return []
    lying.ledger.on("PEER", keep)
    thread, done = in_thread(lambda: lying.w.vault.ctl(
        "audit", "show", check=False))
    lane = eventually(lambda: lanes)[0]
    return Channel(lane.hear("OPEN").fd), lane, thread, done


def hostile_ledger_answers_a_question_for_the_log():
    """What is shown is its word, and it can show lines that never were; but
    no more comes of it than text, and who asked is told of what is not."""
    line = (b'{"seq":1,"time":"2020-01-01T00:00:00.000Z","event":"access",'
            b'"verb":"%s"}\n')
    forged, escape = line % b"forged", line % b"\\u001b]0;x\\u0007\\u009b2J"
    cases = [
        ("what never was", [("DATA", {"bytes": forged}), ("END", {})], 0),
        ("a terminal's codes", [("DATA", {"bytes": escape}), ("END", {})], 0),
        ("codes as they are",
         [("DATA", {"bytes": line % b"\x1b[2J\x9b2J"}), ("END", {})], 1),
        ("no JSON", [("DATA", {"bytes": b"\xff\xfe\n"}), ("END", {})], 1),
        ("no line", [("DATA", {"bytes": b"{}"}), ("END", {})], 1),
        ("a head", [("HEAD", {"status": 200}), ("END", {})], 1),
        ("a body's part", [("BODY", {"bytes": b"x"})], 1),
        ("failed for no reason", [("FAIL", {"refusal": 0})], 1),
        ("failed with no refusal", [("FAIL", {"refusal": 99})], 1),
        ("failed as another room does",
         [("FAIL", {"refusal": records.REFUSED["denied"],
                    "sentence": "x"})], 1),
        ("noise", [b"\xa5" * 64], 1),
        ("the end of the stream", [], 1),
    ]
    with lies() as lying:
        for name, said, bad in cases:
            lying.anew()
            stream, lane, thread, done = asked_for_lines(lying)
            for item in said:
                if isinstance(item, bytes):
                    stream.raw(item)
                else:
                    stream.say(item[0], **item[1])
            stream.close()
            thread.join(20)
            lane.close()
            assert len(done) == 1, name
            assert (done[0].status != 0) == bad, (name, done)
            assert not set(done[0].out + done[0].err) & CONTROLS, (name, done)
            # Where the gate itself was given up, a next one is started.
            eventually(partial(serves, lying.w))
            lying.well(name)
