"""Clients of vaultd.sock that send what they should not: frames, images, and
the cases of http.sock in frames."""
import random
import struct

from harness import World
from support.cases import (BAD, CREDENTIAL, PRIVATE, STATUS, URLS,
                           Unchanged, ask_framed, judge_fields,
                           judge_methods, judge_targets, refused)
from support.framed import (ACT, AUDIT, CANCEL, CATALOG, DATA, DATA_MAX,
                            DONE, END, EXPLAIN, NONCE, PROFILES, REFUSED,
                            REQUEST, RESPONSE, ROW, STATUS as STATUS_TYPE,
                            WHOAMI, WINDOW, Framed, frame, image, packed,
                            refusal, request)
from support.upstream import Listener

FORMS = {CATALOG: "s", PROFILES: "ssss", EXPLAIN: "sssss", AUDIT: "B",
         ACT: "B", REQUEST: "ssssuU", WINDOW: "u"}
VERSION = "unknown-version"

# A good request's fields, one by one, for a test to spoil.
GOOD = {"profile": "acme/demo", "method": "GET", "target": "/echo",
        "headers": "", "body": 0, "length": 0}


def spoiled(number=1, **changes):
    return frame(REQUEST, number, image("ssssuU", packed(
        "ssssuU", *{**GOOD, **changes}.values())))


def raw_string(length, data):
    return struct.pack("<I", length) + data


def with_target(field):
    """A REQUEST whose third field is these bytes."""
    return frame(REQUEST, 1, image("ssssuU", packed("ss", "acme/demo", "GET")
                 + field + packed("suU", "", 0, 0)))


WHOLE = packed("ssssuU", *GOOD.values())

# Each ends the connection with one fixed error, about the connection (id 0).
BREACHES = {
    "bad magic": frame(WHOAMI, magic=b"GET "),
    "magic in lower case": frame(WHOAMI, magic=b"vltd"),
    "size 0": frame(WHOAMI, size=0), "size 23": frame(WHOAMI, size=23),
    "size 32": frame(WHOAMI, size=32), "size 65535":
    frame(WHOAMI, size=65535), "reserved": frame(WHOAMI, zero=1),
    "reserved, high": frame(WHOAMI, zero=0x8000),
    "type 0": frame(0), "type 17": frame(17), "type 999": frame(999),
    "type 65535": frame(65535), "big-endian type": frame(0x0100),
    "REFUSED": frame(REFUSED, body=image("suuusU", packed(
        "suuusU", "x", 400, 1, 0, "x", 0))),
    "ROW": frame(ROW, body=image("s", packed("s", "{}"))),
    "DONE": frame(DONE, body=image("Us", packed("Us", 0, ""))),
    "RESPONSE": frame(RESPONSE, body=image("uBU", packed("uBU", 200, "",
                                                         0))),
    "id 0": frame(WHOAMI, 0), "id 0, DATA": frame(DATA, 0, b"x"),
    "DATA of a later id": frame(DATA, 77, b"x"),
    "END of a later id": frame(END, 77), "CANCEL of a later id":
    frame(CANCEL, 77), "WINDOW of a later id":
    frame(WINDOW, 77, image("u", packed("u", 1))),
    "id twice": frame(WHOAMI, 5) + frame(WHOAMI, 5),
    "id falls": frame(WHOAMI, 5) + frame(WHOAMI, 4),
    "id wraps": frame(WHOAMI, 2**64 - 1) + frame(WHOAMI, 1),
    "too long": frame(REQUEST, length=65537),
    "endless": frame(REQUEST, length=0xffffffff),
    "negative": frame(REQUEST, length=0x80000000),
    "body where none is": frame(WHOAMI, body=b"x"),
    "body in STATUS": frame(STATUS_TYPE, body=image("", b"")),
    "no image": frame(REQUEST), "NONCE with a body": frame(NONCE, body=b"x"),
    "too much DATA": frame(DATA, 1, b"x" * (DATA_MAX + 1)),
    "DATA of nothing": frame(DATA, 1, b""),
    "not an image": frame(REQUEST, body=b"x" * 60),
    "WINDOW of 0": frame(WHOAMI, 1) + frame(WINDOW, 1, image(
        "u", packed("u", 0))),
    "WINDOW of 2^31": frame(WHOAMI, 1) + frame(WINDOW, 1, image(
        "u", packed("u", 2**31))),
    "flags 0": frame(REQUEST, body=image("ssssuU", WHOLE, flags=0)),
    "flags 1": frame(REQUEST, body=image("ssssuU", WHOLE, flags=1)),
    "flags 3": frame(REQUEST, body=image("ssssuU", WHOLE, flags=3)),
    "flags 255": frame(REQUEST, body=image("ssssuU", WHOLE, flags=255)),
    "length 0": frame(REQUEST, body=image("ssssuU", WHOLE, length=0)),
    "length 7": frame(REQUEST, body=image("ssssuU", WHOLE, length=7)),
    "length, big-endian": frame(REQUEST, body=image(
        "ssssuU", WHOLE, length=0x4b000000)),
    "length, endless": frame(REQUEST, body=image(
        "ssssuU", WHOLE, length=2**32 - 1)),
    "byte left over": frame(REQUEST, body=image("ssssuU", WHOLE + b"\0")),
    "byte too few": frame(REQUEST, body=image("ssssuU", WHOLE[:-1])),
    "another format": frame(REQUEST, body=image("sssssU", WHOLE)),
    "format of an array": frame(REQUEST, body=image("A(s)", WHOLE)),
    "format with #": frame(REQUEST, body=image("ssssuU#", WHOLE)),
    "format without end": frame(REQUEST, body=b"tpl\2" + struct.pack(
        "<I", 14) + b"ssssuU"),
    "NULL string": with_target(raw_string(0, b"")),
    "string of 2^32": with_target(raw_string(2**32 - 1, b"/echo")),
    "string of 2^31": with_target(raw_string(2**31, b"/echo")),
    "string past the end": with_target(raw_string(100, b"/echo")),
    "NUL in a string": with_target(raw_string(6, b"/ec\0o")),
    "NUL ends a string": with_target(raw_string(7, b"/echo\0")),
    "bad UTF-8": with_target(raw_string(6, b"/ech\xff")),
    "overlong UTF-8": with_target(raw_string(7, b"/ech\xc0\xaf")),
    "surrogate": with_target(raw_string(8, b"/ech\xed\xa0\x80")),
    "empty target": with_target(raw_string(1, b"")),
    "target of 8193": spoiled(target="/" + "a" * 8192),
    "method of 33": spoiled(method="A" * 33),
    "empty method": spoiled(method=""), "empty profile": spoiled(profile=""),
    "profile of 128": spoiled(profile="a" * 128),
    "headers of 32769": spoiled(headers="X" * 32769),
    "body 3": spoiled(body=3), "body 2^32": spoiled(body=2**32 - 1),
    "length 2^63": spoiled(body=1, length=2**63),
    "DATA unannounced": spoiled() + frame(DATA, 1, b"x"),
    "END unannounced": spoiled() + frame(END, 1),
    "DATA too long": spoiled(body=1, length=2) + frame(DATA, 1, b"xyz"),
    "END too early": spoiled(body=1, length=2) + frame(DATA, 1, b"x")
                     + frame(END, 1),
    "sealed of 61441": frame(ACT, body=image("B", packed(
        "B", b"x" * 61441))),
    "sealed of nothing": frame(ACT, body=image("B", packed("B", b""))),
}

VERSIONS = {"version 0": frame(WHOAMI, version=0),
            "version 2": frame(WHOAMI, version=2),
            "version 65535": frame(WHOAMI, version=65535),
            "big-endian version": frame(WHOAMI, version=0x0100),
            "version 2, another header": frame(WHOAMI, version=2, size=64,
                                               zero=1, length=2**32 - 1)}

# Each is refused alone, and the connection goes on.
REFUSALS = {
    "length without body": spoiled(body=0, length=1),
    "length of a stream": spoiled(body=2, length=1),
    "one word": spoiled(profile="acme"), "three words":
    spoiled(profile="acme/demo/x"), "upper case":
    spoiled(profile="Acme/demo"), "no name": spoiled(profile="acme/"),
    "no customer": spoiled(profile="/demo"), "dots":
    spoiled(profile="acme/.."), "escape": spoiled(profile="acme/%64emo"),
    "star": spoiled(profile="acme/*"), "dash": spoiled(profile="acme/-d"),
    "64 letters": spoiled(profile="acme/" + "d" * 64),
    "filters": frame(AUDIT, body=image("B", packed("B", b"x"))),
    "filters, endless": frame(AUDIT, body=image("B", packed(
        "B", b"\1\0a\xff\xff\xff\xff"))),
}
# A control character in any argument of a question.
for _kind, _form in (CATALOG, "s"), (PROFILES, "ssss"), (EXPLAIN, "sssss"):
    for _at in range(len(_form)):
        for _bad in "\1", "\n", "\x7f":
            _words = ["a"] * len(_form)
            _words[_at] += _bad
            REFUSALS[f"{_bad!r} in argument {_at} of {_kind}"] = frame(
                _kind, body=image(_form, packed(_form, *_words)))
for _bad in b"\1", b"\n", b"\x7f", b"\0":
    REFUSALS[f"{_bad!r} in a filter"] = frame(AUDIT, body=image(
        "B", packed("B", b"\4\0verb\1\0\0\0" + _bad)))


def heard(path, data):
    """All frames that come back, with nothing more to be sent."""
    with Framed(path, 10) as c:
        c.send(data)
        frames = []
        while (got := c.read()) is not None:
            frames.append(got)
            if got[0] == REFUSED and got[1] == 0:
                break
        else:
            return frames, True
        return frames, c.read() is None


def breached(world, name, data, code=BAD):
    """One fixed error about the connection, and its end."""
    before = len(world.arrived("/upload"))
    frames, ended = heard(world.vault.socket, data)
    errors = [refusal(body) for kind, number, body in frames
              if kind == REFUSED and number == 0]
    assert [e.error for e in errors] == [code], (name, frames)
    assert errors[0].status == STATUS[code], (name, errors)
    assert ended, f"{name}: the connection goes on"
    assert len(world.arrived("/upload")) == before, name
    return errors[0].body


def hostile_frames_are_answered_or_dropped():
    with World() as w, Unchanged(w):
        sentences = {breached(w, name, data)
                     for name, data in BREACHES.items()}
        assert len(sentences) <= 8, sentences
        for name, data in VERSIONS.items():
            assert b"version 1" in breached(w, name, data, VERSION), name
        for name, data in REFUSALS.items():
            with Framed(w.vault.socket, 10) as c:
                c.send(data + request(2, "acme/demo", "GET", "/echo"))
                kind, number, body = c.read()
                assert (kind, number) == (REFUSED, 1), (name, kind, number)
                assert refusal(body).error == BAD, (name, body)
                assert c.answer(2).status == 200, name
        print(len(BREACHES) + len(VERSIONS) + len(REFUSALS), "rows")


def hostile_half_a_frame_is_no_frame():
    """Cut short anywhere, nothing is done."""
    whole = request(1, "acme/demo", "POST", "/upload", "", b"hello")
    with World() as w, Unchanged(w):
        for cut in [*range(0, len(whole), 5), len(whole) - 1]:
            with Framed(w.vault.socket) as c:
                c.send(whole[:cut])
        # In two parts, at every place where it might be taken wrongly.
        for cut in 1, 4, 23, 24, 25, 40, len(whole) - 25, len(whole) - 1:
            with Framed(w.vault.socket) as c:
                c.send(whole[:cut])
                assert ask_framed(w, "GET", "/echo").status == 200
                c.send(whole[cut:])
                assert c.answer(1).json()["bytes"] == 5, cut
        assert [r.size for r in w.arrived("/upload")] == [5] * 8


# The images that break libtpl 1.6.1, and how.
BREAK_TPL = {
    "over-read: 2^31 elements pass for none":
    image("A(s)", struct.pack("<I", 2**31)),
    "over-read: without the flag, lengths have two meanings":
    image("ss", packed("BB", b"aaa@", b"bbbb"), flags=0),
    "exit in load": image("sA(s)", packed("B", b"aaaa") + struct.pack(
        "<I", 1) + packed("B", b"bbbb"), flags=0),
    "exit in unpack": image("A(A(u))", struct.pack("<I", 2**31)),
    "over-write: a length below that of the header":
    b"tpl\0" + struct.pack("<I", 1) + b"A" * 2000,
    "leak: a string past the end": image("s", struct.pack("<I", 100)),
    "hang: a length of 0": b"tpl\0" + struct.pack("<I", 0) + b"x",
    "crash: big-endian lengths after a big-endian image":
    b"tpl\0\0\0\0\x19BB\0" + struct.pack(">I", 4) + b"aaaa"
    + struct.pack(">I", 2) + b"bb",
    "over-read: elements kept from an image before":
    image("S(uu)#", struct.pack("<7I", 8, *range(6))),
    "leak: the second string too long":
    image("ss", packed("s", "leak") + struct.pack("<I", 999)),
}


def like(form):
    """The same tricks played with the format of one of our messages."""
    fields = b"".join({"s": packed("s", "a"), "B": packed("B", "a"),
                       "u": packed("u", 1), "U": packed("U", 1)}[letter]
                      for letter in form)
    yield image(form, fields, flags=0 if "s" in form else 2)
    yield image(form, fields, flags=1)
    yield image(form, fields, length=0)
    yield image(form, fields, length=1)
    if form[0] in "sB":
        for count in 0, 2**31, 2**32 - 1, 0x02000000:
            yield image(form, struct.pack("<I", count) + fields[4:])
    yield image(form + "#", fields)
    yield image("A(" + form + ")", struct.pack("<I", 2**31))


def hostile_images_that_break_tpl_restart_nothing():
    images = list(BREAK_TPL.values())
    with World() as w, Unchanged(w):
        count = 0
        for data in images:
            for kind in FORMS:
                breached(w, data, frame(kind, 1, data))
                count += 1
            # A client that takes the protocol for bare images.
            breached(w, data, data + bytes(24))
        # One after the other: what the first leaves behind.
        for first, second in zip(images, images[1:] + images[:1]):
            breached(w, first, frame(CATALOG, 1, first)
                     + frame(CATALOG, 2, second))
        for kind, form in FORMS.items():
            opened = frame(WHOAMI, 1) if kind == WINDOW else b""
            for data in like(form):
                breached(w, (kind, data), opened + frame(
                    kind, 1 if opened else 2, data))
                count += 1
        print(count + 2 * len(images), "rows")


def hostile_noise_in_frames():
    noise = random.Random(1)
    kinds = [*FORMS, WHOAMI, STATUS_TYPE, NONCE, CANCEL, DATA, END]
    with World() as w, Unchanged(w):
        for _ in range(300):
            data = frame(noise.choice(kinds), noise.randrange(1, 9),
                         noise.randbytes(noise.randrange(200)))
            if data[8] in (DATA, END, WINDOW, CANCEL):
                breached(w, data, data)
                continue
            with Framed(w.vault.socket) as c:
                c.send(data)
        assert not w.arrived("/upload")


def hostile_urls_name_no_origin_in_frames():
    """5.1 and 5.2: an absolute URL as target, and in the headers."""
    with World() as w, Listener() as trap:
        urls = {**URLS, **{host: f"https://{host}:{trap.port}/echo"
                           for host in PRIVATE}}
        for name, url in urls.items():
            for target, headers in ((url, ""),
                                    ("/echo", f"Vaultd-Url: {url}\r\n")):
                refused(w, BAD, name, lambda: ask_framed(
                    w, "GET", target, headers))
        refused(w, BAD, "NUL", lambda: ask_framed(
            w, "GET", "https://api.test\0.evil.test"))
        assert ask_framed(w, "GET", "/echo",
                          f"Host: localhost:{trap.port}\r\n").status == 200
        assert trap.connections == 0
        print(2 * len(urls) + 2, "rows")


def hostile_framed_methods_and_targets_are_refused():
    with World() as w:
        print(judge_targets(w, ask_framed) + judge_methods(w, ask_framed),
              "rows")


def hostile_framed_headers_are_refused_or_dropped():
    with World() as w:
        print(judge_fields(w, ask_framed), "rows")


def hostile_framed_credentials_cannot_be_sent_by_the_client():
    with World(profile=False) as w:
        w.add(inject="header X-Api-Key: {secret}")
        for name in "X-Api-Key", "x-api-key", "X-API-KEY", "X_Api_Key":
            refused(w, CREDENTIAL, name, lambda: ask_framed(
                w, "GET", "/echo", f"{name}: mine\r\n"))
        w.add("acme/query", inject="query api_key")
        for query in "api_key=mine", "a=1&api%5Fkey=m", "a=1;api_key=mine":
            refused(w, CREDENTIAL, query, lambda: ask_framed(
                w, "GET", f"/echo?{query}", profile="acme/query"))
