"""Upstreams that send what they should not, and the verdict on each.

WHOLE	the answer is the upstream's, and complete.
FAILED	502 upstream-failed, in the vault's own words.
CUT	a head has come, and then the stream breaks: nobody can take what
	there is for the whole answer.

Whatever comes, the courier lives, and the log has one decision and one
outcome of every request.
"""
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

from harness import LONG, World
from support.ca import Authority
from support.leaks import Scanner
from support.rawhttp import compose
from support.scripted import Scripted, reset
from support.upstream import Listener
from support.usage import house, resident
from support.vault import eventually

WHOLE, FAILED, CUT = "whole", "failed", "cut"
OK = b"HTTP/1.1 200 OK\r\n"
TWO = b"Content-Length: 2\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"

STATUS_LINES = {
    "HTTP/2.0 200 OK": FAILED,
    "HTTP/1.2 200 OK": FAILED,
    "HTTP/3 200": FAILED,
    "http/1.1 200 OK": FAILED,
    "HTTP/1.1 99 Low": FAILED,
    "HTTP/1.1 099 Low": FAILED,
    "HTTP/1.1 1000 High": FAILED,
    "HTTP/1.1 600 High": FAILED,
    "HTTP/1.1 000 None": FAILED,
    "HTTP/1.1 -200 OK": FAILED,
    "HTTP/1.1 2OO OK": FAILED,
    "HTTP/1.1  200 OK": FAILED,
    "HTTP/1.1\t200 OK": FAILED,
    "HTTP/1.1 200OK": FAILED,
    "HTTP/1.1": FAILED,
    "ICY 200 OK": FAILED,
    "RTSP/1.0 200 OK": FAILED,
    "HTTP/1.1 200 O\0K": FAILED,
    "HTTP/1.1 200 O\x01K": FAILED,
    "HTTP/1.1 200 OK\rX: y": FAILED,
    " HTTP/1.1 200 OK": FAILED,
    "\r\nHTTP/1.1 200 OK": FAILED,
    "PRI * HTTP/2.0": FAILED,
    "HTTP/1.1 200 ": WHOLE,
    "HTTP/1.1 200": WHOLE,
    "HTTP/1.0 200 OK": WHOLE,
    "HTTP/1.1 200 " + "long " * 2000: WHOLE,
}

FIELDS = {
    "X: a\0b": FAILED,
    "X: a\rb": FAILED,
    "X: a\r b": FAILED,
    "X: a\x08b": FAILED,
    "X: a\x7fb": FAILED,
    "X: a\r\n\tfolded": FAILED,
    " X: folded into the status line": FAILED,
    "X : a": FAILED,
    "X\t: a": FAILED,
    "X Y: a": FAILED,
    "X(): a": FAILED,
    "X\xe9: a": FAILED,
    ": a": FAILED,
    "no colon": FAILED,
    "HTTP/1.1 200 OK": FAILED,
    "HTTP/1.1 200 : OK": FAILED,
    "HTTP/1.1 100 : Continue": FAILED,
    "X:": WHOLE,
    "X: \xe9": WHOLE,
}

LENGTHS = {
    b"Content-Length: +2\r\n": FAILED,
    b"Content-Length: 0x2\r\n": FAILED,
    b"Content-Length: 2;\r\n": FAILED,
    b"Content-Length: 2 2\r\n": FAILED,
    b"Content-Length: 2.0\r\n": FAILED,
    b"Content-Length: \r\n": FAILED,
    b"Content-Length: two\r\n": FAILED,
    b"Content-Length: 18446744073709551616\r\n": FAILED,
    b"Content-Length: 9223372036854775808\r\n": FAILED,
    b"Content-Length: 9223372036854775807\r\n": FAILED,
    b"Content-Length: 18446744073709551618\r\n": FAILED,
    TWO + TWO: FAILED,
    TWO + b"CONTENT-LENGTH: 3\r\n": FAILED,
    TWO + b"Transfer-Encoding: chunked\r\n": FAILED,
    b"Transfer-Encoding: chunked\r\n" + TWO: FAILED,
    TWO + b"Transfer-Encoding: identity\r\n": FAILED,
    b"Transfer-Encoding: identity\r\n": FAILED,
    b"Transfer-Encoding: chunked, gzip\r\n": FAILED,
    b"Transfer-Encoding: chunked, chunked\r\n": FAILED,
    b"Transfer-Encoding: \x0bchunked\r\n": FAILED,
    b"Transfer-Encoding: xchunked\r\n": FAILED,
    b"Content-Length: 999999999999999999\r\n": CUT,
    b"Content-Length: 3\r\n": CUT,
    b"Content-Length: 1\r\n": WHOLE,        # and the rest is nobody's
    b"Content-Length: 0\r\n": WHOLE,
    b"Content-Length: 0000002\r\n": WHOLE,
    b"": WHOLE,                             # until TLS says that it ends
}

CHUNKS = {
    b"2;a=b;c=\"d\"\r\nok\r\n" + END: WHOLE,
    b"2 \r\nok\r\n" + END: WHOLE,
    b"0002\r\nok\r\n" + END: WHOLE,
    b"1\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n": WHOLE,
    b"2\r\nok\r\n": CUT,
    b"2\r\nok\r\n0": CUT,
    b"2\r\no": CUT,
    b"g\r\nok\r\n" + END: CUT,
    b"0x2\r\nok\r\n" + END: CUT,
    b"+2\r\nok\r\n" + END: CUT,
    b"-2\r\nok\r\n" + END: CUT,
    b"\r\nok\r\n" + END: CUT,
    b";2\r\nok\r\n" + END: CUT,
    b"2\r\nokay\r\n" + END: CUT,
    b"2\r\nok" + END: CUT,
    b"fffffffffffffffff\r\nok\r\n" + END: CUT,
    b"ffffffffffffffff\r\nok\r\n" + END: CUT,
    b"8000000000000000\r\nok\r\n" + END: CUT,
    b"7fffffffffffffff\r\nok\r\n" + END: CUT,
    b"2\r\nok\r\n0\r\n" + b"X: y\r\n" * 20000 + b"\r\n": CUT,
    b"2\r\nok\r\n0\r\nX: " + b"y" * 70000 + b"\r\n\r\n": CUT,
}


def fine(stream):
    """What a sound server does, again and again."""
    stream.sendall(OK + TWO + b"\r\nok")
    return True


@contextmanager
def against(scripts=(), **server):
    """A vault, and a scripted upstream of its profile acme/demo."""
    with World(profile=False) as w:
        scripts = {"/fine": fine, **dict(scripts)}
        with Scripted(w.ca.issue(), scripts, **server) as s:
            w.add(url=s.url, account=None, health=False)
            w.server = s
            assert verdict(w, "/fine") == WHOLE
            before = w.vault.rooms()["courier"]
            yield w
            assert verdict(w, "/fine") == WHOLE
            assert w.vault.rooms()["courier"] == before, "the courier died"
            settled(w)


def settled(w):
    """One decision and one outcome of every request."""
    eventually(lambda: w.vault.unsettled() == [], what="every outcome")
    of = [r["of"] for r in w.vault.audit() if "outcome" in r]
    assert len(of) == len(set(of)), of


def verdict(w, target, profile="acme/demo", method="GET"):
    """What a client of http.sock makes of the answer."""
    try:
        answer = w.vault.http(method, f"/{profile}{target}")
    except ConnectionError:
        return CUT
    assert Scanner(w.secret).bytes(repr(answer).encode(), target) == []
    if answer.error is None:
        w.answer = answer
        return WHOLE
    assert (answer.status, answer.error) == (502, "upstream-failed"), answer
    return FAILED


def framed(w, target):
    """What a client of vaultd.sock makes of it."""
    done = w.vault.ctl("request", "acme/demo", "GET", target, check=False)
    return {0: WHOLE, 6: "refused"}[done.status]


def judge(w, rows):
    """Each of {name: (script, verdict)}, on both faces."""
    wrong = []
    for number, (name, (script, expected)) in enumerate(rows.items()):
        path = f"/row/{number}"
        w.server.scripts[path] = script
        found = verdict(w, path)
        # A head of which the end follows at once may never have left.
        if found != expected and (expected, found) != (CUT, FAILED):
            wrong.append(f"{name!r}: {found}, not {expected}")
        refused = "refused" if expected != WHOLE else WHOLE
        if (found := framed(w, path)) != refused:
            wrong.append(f"{name!r}: {found} in frames, not {refused}")
    assert wrong == [], "\n".join(["verdicts:", *wrong])


def hostile_upstream_status_lines():
    with against() as w:
        judge(w, {line: (line.encode("latin-1") + b"\r\n" + TWO + b"\r\nok",
                         expected)
                  for line, expected in STATUS_LINES.items()})


def hostile_upstream_fields():
    with against() as w:
        judge(w, {line: (OK + line.encode("latin-1") + b"\r\n" + TWO
                         + b"\r\nok", expected)
                  for line, expected in FIELDS.items()})


def hostile_upstream_lengths():
    with against() as w:
        judge(w, {line: (OK + line + b"\r\nok", expected)
                  for line, expected in LENGTHS.items()})


def hostile_upstream_chunks():
    with against() as w:
        judge(w, {body[:40]: (CHUNKED + body, expected)
                  for body, expected in CHUNKS.items()})


def hostile_upstream_bodies_where_none_may_be():
    """What follows an answer is not the beginning of the next one."""
    with against() as w:
        judge(w, {
            "204": (b"HTTP/1.1 204 None\r\n" + TWO + b"\r\nok", WHOLE),
            "304": (b"HTTP/1.1 304 Same\r\n" + TWO + b"\r\nok", WHOLE),
            "1.0, chunked": (CHUNKED.replace(b"1.1", b"1.0") + b"2\r\nok\r\n"
                             + END, WHOLE),
            "1.0, no end of TLS": (cut_off(b"HTTP/1.0 200 OK\r\n\r\nok"),
                                   CUT),
            "1.1, no end of TLS": (cut_off(OK + b"\r\nok"), CUT),
            "nothing, no end of TLS": (cut_off(OK + b"\r\n"), CUT),
            "whole, no end of TLS": (cut_off(OK + TWO + b"\r\nok"), WHOLE),
        })
        forged = OK + b"X-Forged: yes\r\n" + TWO + b"\r\nno"

        def twice(stream):
            stream.sendall(OK + TWO + b"\r\nok" + forged)
            return True

        w.server.scripts["/twice"] = twice
        for target in "/twice", "/fine", "/twice", "/fine":
            assert verdict(w, target) == WHOLE
            assert w.answer.body == b"ok", w.answer
            assert w.answer.get("X-Forged") is None
        assert verdict(w, "/twice", method="HEAD") == WHOLE
        assert verdict(w, "/fine") == WHOLE and w.answer.body == b"ok"


def cut_off(data):
    """Send that, and close TCP where TLS should have been closed."""
    def script(stream):
        stream.sendall(data)
        stream.close()
        return False
    return script


def hostile_upstream_header_bombs():
    with against() as w:
        fields = b"X: " + b"y" * 1000 + b"\r\n"
        judge(w, {
            "50 KB": (OK + 50 * fields + TWO + b"\r\nok", WHOLE),
            "many": (OK + 2000 * b"X: y\r\n" + TWO + b"\r\nok", WHOLE),
            "too long": (OK + b"X: " + b"y" * 65600 + b"\r\n" + TWO
                         + b"\r\nok", FAILED),
            "too long a name": (OK + b"X" * 65600 + b": y\r\n" + TWO
                                + b"\r\nok", FAILED),
            "too long a status": (OK[:-2] + b"y" * 65600 + b"\r\n" + TWO
                                  + b"\r\nok", FAILED),
        })
        bombs = {"/fields": (OK, 100 * fields), "/field": (OK, b"y" * 65536),
                 "/blanks": (b"", b" " * 65536), "/lines": (b"", b"\r\n" * 9)}
        for path, (head, part) in bombs.items():
            w.server.endless(path, head, part)
            assert verdict(w, path) == FAILED, path
            stopped(w, path)


def stopped(w, path, most=16 << 20):
    """The endless answer was hung up on before it was much."""
    last = [-1]

    def still():
        last.append(w.server.written[path])
        return last[-1] == last[-2]

    eventually(still, what=f"the end of {path}")
    assert w.server.written[path] < most, (path, w.server.written[path])


def hostile_upstream_interim_floods():
    early = b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\n"
    final = OK + TWO + b"\r\nok"
    with against() as w:
        judge(w, {
            "sixteen": (16 * early + final, WHOLE),
            "seventeen": (17 * early + final, FAILED),
            "102, then none": (b"HTTP/1.1 102 Wait\r\n\r\n", FAILED),
            "a long one": (b"HTTP/1.1 103 Early\r\n" + 70000 * b"X: y\r\n"
                           + b"\r\n" + final, FAILED),
            "101": (b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\n"
                    b"Connection: Upgrade\r\n\r\n" + final, FAILED),
            "a length in passing": (b"HTTP/1.1 103 Early\r\n"
                                    b"Content-Length: 9\r\n\r\n" + final,
                                    WHOLE),
        })
        assert w.answer.get("Link") is None
        for status in 100, 102, 103, 199:
            path = f"/flood/{status}"
            w.server.endless(path, b"", b"HTTP/1.1 %d Go on\r\n\r\n" % status)
            assert verdict(w, path) == FAILED
            stopped(w, path)


def hostile_upstream_encoded_bombs():
    """Nothing is unpacked: what was not asked for is refused."""
    bomb = b"\x1f\x8b\x08" + bytes(65533)
    with against() as w:
        for number, coding in enumerate((
                b"gzip", b"x-gzip", b"GZIP", b"br", b"zstd", b"deflate",
                b"compress", b"gzip, gzip", b"identity, gzip", b"gzip;q=1")):
            for field in b"Content-Encoding: ", b"Transfer-Encoding: ":
                path = f"/{number}/{field[:1].decode()}"
                w.server.endless(path, OK + field + coding + b"\r\n\r\n",
                                 bomb)
                assert verdict(w, path) == FAILED, (field, coding)
                stopped(w, path)
        for head in w.server.heard:
            assert head.lower().count(b"accept-encoding: identity\r\n") == 1


def hostile_upstream_challenges_are_not_answered():
    challenges = ("Negotiate", "NTLM", "Basic realm=\"x\"", "Digest realm=\"x"
                  "\", nonce=\"n\", algorithm=MD5", "Bearer", "AWS4-HMAC")
    with against() as w:
        for number, challenge in enumerate(challenges):
            for status, field in ((401, "WWW-Authenticate"),
                                  (407, "Proxy-Authenticate")):
                path = f"/{status}/{number}"
                w.server.scripts[path] = (
                    f"HTTP/1.1 {status} No\r\n{field}: {challenge}\r\n"
                    "Content-Length: 0\r\n\r\n").encode()
                assert verdict(w, path) == WHOLE
                assert w.answer.status == status
                assert len(w.server.asked(path)) == 1, challenge
        for head in w.server.heard:
            assert head.count(f"Authorization: Bearer {w.secret}\r\n"
                              .encode()) == 1, head


def hostile_upstream_leaves_nothing_behind():
    """No cookie, no other service, no memory of what an answer wished."""
    with Listener() as trap, against() as w:
        there = f"localhost:{trap.port}"
        fields = (f'Alt-Svc: h2="{there}", http/1.1="{there}"; ma=9999',
                  "Strict-Transport-Security: max-age=99999999",
                  "Set-Cookie: a=b; Path=/", "SET-COOKIE2: a=b",
                  f"Refresh: 0; url=https://{there}/",
                  f"Link: <https://{there}/x>; rel=preload",
                  f"Content-Location: https://{there}/",
                  "VAULTD-REQUEST: forged", "vaultd-error: forged",
                  "Proxy-Connection: keep-alive", "Upgrade: h2c",
                  "Keep-Alive: timeout=99999, max=99999",
                  "Connection: keep-alive, upgrade")
        answer = (OK + "\r\n".join(fields).encode() + b"\r\n" + TWO
                  + b"\r\nok")
        statuses = 300, 301, 305, 306, 307, 421, 426, 511
        w.server.scripts["/state"] = answer
        for status in statuses:
            w.server.scripts[f"/{status}"] = answer.replace(
                b"200 OK", f"{status} Go\r\nLocation: //{there}/".encode())
        for target in "/state", *(f"/{s}" for s in statuses):
            assert verdict(w, target) == WHOLE
            names = [n for n, _ in w.answer.headers]
            for name in "set-cookie", "set-cookie2", "upgrade", "keep-alive":
                assert name not in names, w.answer
            assert names.count("vaultd-request") == 1
            assert "forged" not in repr(w.answer)
            assert verdict(w, "/fine") == WHOLE
        for head in w.server.heard:
            assert b"cookie" not in head.lower(), head
        assert trap.connections == 0
        assert len(w.server.asked("/state")) == 1


def hostile_upstream_endless_bodies_cost_no_memory():
    with against() as w:
        for path, head in (("/close", OK + b"\r\n"),
                           ("/long", OK + b"Content-Length: "
                            + b"9" * 18 + b"\r\n\r\n")):
            w.server.endless(path, head, bytes(65536))
        w.server.endless("/chunked", CHUNKED,
                         b"10000\r\n" + bytes(65536) + b"\r\n")
        pids = house(w.vault)
        before = resident(pids)
        for path in "/close", "/long", "/chunked":
            with w.vault.connect() as c:            # one that reads
                c.send(compose("GET", f"/acme/demo{path}"))
                for _ in range(1000):
                    assert len(c.socket.recv(65536, socket.MSG_WAITALL)) > 0
                assert resident(pids) < before + 8192
            stopped(w, path, 1 << 30)
        readers = [w.vault.connect() for _ in range(12)]
        for number, c in enumerate(readers):        # some that do not
            path = ("/close", "/long", "/chunked")[number % 3]
            c.send(compose("GET", f"/acme/demo{path}"))
        for path in "/close", "/long", "/chunked":
            stopped(w, path)
        assert resident(pids) < before + 12 * 1024 + 8192
        assert verdict(w, "/fine") == WHOLE
        for c in readers:
            c.close()


def hostile_upstream_resets():
    """A connection that dies, at every stage of it."""
    half = OK + b"Content-Length: 4\r\n\r\nok"

    def after(data):
        def script(stream):
            stream.sendall(data)
            time.sleep(0.1)     # a reset throws away what is not yet sent
            reset(stream)
            return False
        return script

    with against() as w:
        judge(w, {
            "after the request": (after(b""), FAILED),
            "in the status line": (after(b"HTTP/1."), FAILED),
            "in the head": (after(OK + b"X-Half: "), FAILED),
            "before the body": (after(OK + TWO + b"\r\n"), CUT),
            "in the body": (after(half), CUT),
            "in a chunk": (after(CHUNKED + b"4\r\nok"), CUT),
            "between chunks": (after(CHUNKED + b"2\r\nok\r\n"), CUT),
            "in the last chunk": (after(CHUNKED + b"2\r\nok\r\n0\r\n"), CUT),
            "where only the end says so": (after(OK + b"\r\nok"), CUT),
            "after it all": (after(OK + TWO + b"\r\nok"), WHOLE),
        })


def hostile_upstream_resets_before_the_request():
    def hello(peer):
        peer.recv(5, socket.MSG_WAITALL)
        reset(peer)

    def half(peer):
        peer.recv(1000)
        peer.sendall(bytes.fromhex("160303007a0200007603"))
        reset(peer)

    def silent_end(peer):
        peer.recv(1000)
        peer.close()

    class Gone(Scripted):
        def _exchange(self, stream):
            reset(stream)
            return False

    with World(profile=False) as w:
        stages = [Scripted(w.ca.issue(), greet=greet)
                  for greet in (reset, hello, half, silent_end)]
        for number, server in enumerate([*stages, Gone(w.ca.issue())]):
            with server:
                w.add(f"acme/s{number}", url=server.url, account=None,
                      health=False)
                assert verdict(w, "/x", f"acme/s{number}") == FAILED
                assert verdict(w, "/x", f"acme/s{number}") == FAILED
                assert server.heard == []
        assert len(w.vault.rooms()["courier"]) == 1
        settled(w)


def hostile_upstream_sees_a_post_once():
    """A kept connection that dies under a request: only what may be done
    twice is asked again."""
    with against() as w:
        def die(stream):
            reset(stream)
            return False

        def die_once(stream):
            if len(w.server.asked("/once")) == 1:
                return die(stream)
            return fine(stream)

        w.server.scripts.update({"/die": die, "/once": die_once})
        assert verdict(w, "/die", method="POST") == FAILED
        assert len(w.server.asked("/die")) == 1
        assert verdict(w, "/fine") == WHOLE
        assert verdict(w, "/once") in (WHOLE, FAILED)
        assert 1 <= len(w.server.asked("/once")) <= 2


def identities(w):
    """Servers that do not prove who they are: {name: (certificate, key)}."""
    ca = w.ca
    own = Authority(w.folder / "own")
    return {
        "itself": (own.pem, own.key),
        "not yet": ca.issue(start="20990101000000Z"),
        "by a server": ca.issue(by=ca.issue()),
        "a client": ca.issue(usage="clientAuth"),
        "a host below": ca.issue(["localhost.evil.test"]),
        "a host above": ca.issue(["host.localhost"]),
        "everybody": ca.issue(["*"]),
        "an address": ca.issue(["127.0.0.1"]),
        "RSA 1024": ca.issue(key=("rsa:1024",)),
        "SHA-1": ca.issue(digest="sha1"),
    }


def server_tls(**settings):
    """A server's side of TLS as lax as OpenSSL can be."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    for name, value in settings.items():
        setattr(tls, name, value)
    return tls


def hostile_upstream_identities():
    """Who does not prove his name hears no request, and no credential."""
    with World(profile=False) as w:
        old = Authority(w.folder / "old", key=("rsa:2048",))
        nobody(w, "acme/md5", "MD5", Scripted(
            old.issue(digest="md5"), {"/x": fine}, server_tls()), ca=old.pem)
        for number, (name, pair) in enumerate(identities(w).items()):
            nobody(w, f"acme/s{number}", name,
                   Scripted(pair, {"/x": fine}, server_tls()))
        assert len(w.vault.rooms()["courier"]) == 1
        settled(w)


def nobody(w, profile, name, server, **settings):
    """The server is refused before it hears anything."""
    with server:
        w.add(profile, url=server.url, account=None, health=False, **settings)
        found = verdict(w, "/x", profile)
        assert found == FAILED, f"{name}: {found}"
        assert server.connections > 0, name
        assert server.heard == [], (name, server.heard)


def hostile_upstream_weak_tls():
    def only(version, ciphers="ALL:@SECLEVEL=0"):
        tls = server_tls(minimum_version=version, maximum_version=version)
        tls.set_ciphers(ciphers)
        return tls

    tls12 = ssl.TLSVersion.TLSv1_2
    with World(profile=False) as w:
        pair = w.ca.issue()
        rsa = w.ca.issue(key=("rsa:2048",))
        weak = {
            "TLS 1.0": (pair, only(ssl.TLSVersion.TLSv1)),
            "TLS 1.1": (pair, only(ssl.TLSVersion.TLSv1_1)),
            "anonymous": (pair, only(tls12, "aNULL:@SECLEVEL=0")),
            "unencrypted": (rsa, only(tls12, "eNULL:@SECLEVEL=0")),
        }
        for number, (name, (identity, tls)) in enumerate(weak.items()):
            nobody(w, f"acme/s{number}", name,
                   Scripted(identity, {"/x": fine}, tls))
        with Scripted(pair, {"/x": fine}, only(tls12)) as server:
            w.add("acme/sound", url=server.url, account=None, health=False)
            assert verdict(w, "/x", "acme/sound") == WHOLE


def hostile_upstream_that_speaks_no_tls():
    """Nothing but a ClientHello comes to who does not speak TLS."""
    class Plain(Scripted):
        def serve(self, peer, _number):
            peer.settimeout(60)
            with suppress(OSError):
                peer.sendall(self.greeting)
            with suppress(OSError):
                while part := peer.recv(65536):
                    self.heard.append(part)
            peer.close()

    greetings = {
        "http": OK + TWO + b"\r\nok",
        "ssh": b"SSH-2.0-x\r\n", "smtp": b"220 ready to start TLS\r\n",
        "zeros": bytes(1 << 20), "an alert": bytes.fromhex("15030300020228"),
        "a great record": bytes.fromhex("160303ffff") + bytes(65535),
        "a hello": bytes.fromhex("160303002c02000028") + bytes(40),
        "many records": bytes.fromhex("16030300010e") * 50000,
    }
    with World(profile=False) as w:
        scan = Scanner(w.secret)
        for number, (name, greeting) in enumerate(greetings.items()):
            with Plain() as server:
                server.greeting = greeting
                w.add(f"acme/s{number}", url=server.url, account=None,
                      health=False)
                assert verdict(w, "/x", f"acme/s{number}") == FAILED, name
                heard = b"".join(server.heard)
                assert scan.bytes(heard, name) == []
                assert b"HTTP/1.1" not in heard
        assert len(w.vault.rooms()["courier"]) == 1
        settled(w)


def hostile_upstream_wants_more_than_a_request():
    """A certificate of ours, great chains, other protocols, new handshakes."""
    with World(profile=False) as w:
        pair = w.ca.issue()
        wants = server_tls(verify_mode=ssl.CERT_REQUIRED)
        wants.load_verify_locations(w.ca.pem)
        chain = w.folder / "chain.pem"
        chain.write_bytes(pair[0].read_bytes()
                          + w.ca.pem.read_bytes() * 300)
        names = w.ca.issue(["localhost", *(f"n{n}.{'x' * 50}.test"
                                           for n in range(2000))])
        nobody(w, "acme/wants", "a certificate",
               Scripted(pair, {"/x": fine}, wants))
        nobody(w, "acme/chain", "a chain",
               Scripted((chain, pair[1]), {"/x": fine}))
        nobody(w, "acme/names", "many names",
               Scripted(names, {"/x": fine}))
        h2 = b"\0\0\0\4\0\0\0\0\0" * 1000
        tls = server_tls()
        tls.set_alpn_protocols(["h2"])
        with Scripted(pair, {"/x": h2}, tls) as server:
            w.add("acme/h2", url=server.url, account=None, health=False)
            assert verdict(w, "/x", "acme/h2") == FAILED
        settled(w)


def hostile_upstream_shakes_hands_again():
    """Renegotiation: with the same identity, or not at all."""
    with World(profile=False) as w:
        certificate, key = w.ca.issue()
        with Listener() as free:
            port = free.port
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", str(port), "-cert",
             certificate, "-key", key, "-tls1_2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        try:
            assert server.stdout.readline()
            w.add(url=f"https://localhost:{port}", account=None,
                  health=False)
            found = []
            asking = threading.Thread(
                target=lambda: found.append(verdict(w, "/x")))
            asking.start()
            said = b""
            while b"\r\n\r\n" not in said:
                said += server.stdout.readline()
            server.stdin.write(b"R\n")
            server.stdin.flush()
            time.sleep(0.5)
            server.stdin.write(OK + TWO + b"\r\nok")
            server.stdin.flush()
            server.stdin.close()
            asking.join(20)
            assert found and found[0] in (WHOLE, FAILED), found
        finally:
            server.kill()
            server.wait()
        settled(w)


def hostile_upstream_silence_ends():
    """Time limits: who never answers holds nothing for ever."""
    with World(profile=False) as w:
        release = threading.Event()
        silent = Scripted(w.ca.issue(),
                          greet=lambda peer: release.wait(100))
        drips = Scripted(w.ca.issue(), greet=drip)
        profiles = {"acme/silent": silent, "acme/drips": drips}
        with silent, drips:
            for profile, server in profiles.items():
                w.add(profile, url=server.url, account=None, health=False)
            connections = {p: w.vault.connect(60) for p in profiles}
            for profile, c in connections.items():
                c.send(compose("GET", f"/{profile}/x"))
            for profile, c in connections.items():
                answer = c.read()
                assert (answer.status, answer.error) == (
                    504, "upstream-timeout"), (profile, answer)
            release.set()
            assert silent.heard == drips.heard == []
        settled(w)


def drip(peer):
    """A TLS record that never comes to its end."""
    for byte in bytes.fromhex("160303400002003ffc0303") + bytes(16000):
        peer.sendall(bytes([byte]))
        time.sleep(0.2)


def dripping(data, seconds, at_once=b""):
    """A script that sends "data" a byte at a time."""
    def script(stream):
        stream.sendall(at_once)
        for byte in data:
            stream.sendall(bytes([byte]))
            time.sleep(seconds)
        return False
    return script


def hostile_upstream_drips():
    """Slow is not wrong; too slow is: a head has 120 s, a body a byte/s."""
    late, length = "late", b"Content-Length: %d\r\n\r\n"
    rows = {
        "/head": (dripping(OK + TWO + b"\r\nok", 0.02), WHOLE),
        "/body": (dripping(b"x" * 50, 0.02, OK + length % 50), WHOLE),
        "/chunks": (dripping(b"1\r\nx\r\n" * 9 + END, 0.02, CHUNKED), WHOLE),
    }
    if LONG:
        rows |= {
            "/pace": (dripping(b"x" * 180, 0.5, OK + length % 180), WHOLE),
            "/slow": (dripping(b"x" * 60, 3, OK + length % 60), CUT),
            "/extension": (dripping(b"1;" + b"x" * 90, 1, CHUNKED), CUT),
            "/trailer": (dripping(b"0\r\nX: " + b"y" * 90, 1, CHUNKED), CUT),
            "/late": (dripping(OK + b"X: " + b"y" * 99, 2), late),
            "/never": (lambda stream: time.sleep(140), late),
            "/interim": (dripping(b"HTTP/1.1 103 Early\r\n\r\n" * 9, 2), late),
        }
    with against({path: script for path, (script, _) in rows.items()}) as w:
        waiting = {path: w.vault.connect(200) for path in rows}
        for path, c in waiting.items():
            c.send(compose("GET", f"/acme/demo{path}"))
        for path, c in waiting.items():
            with c:
                try:
                    answer = c.read()
                    found = {None: WHOLE, "upstream-timeout": late,
                             "upstream-failed": FAILED}[answer.error]
                except ConnectionError:
                    found = CUT
            assert found == rows[path][1], (path, found)
