"""Clients that send what they should not.  Each case has its verdict, and
the upstream shows that nothing slipped through."""
import array
import os
import random
import socket
import struct

from harness import LONG, STRANGER, WORKER, World, need_root
from support.rawhttp import compose
from support.vault import eventually

GET = b"GET /acme/demo/echo HTTP/1.1\r\n"
POST = b"POST /acme/demo/upload HTTP/1.1\r\n"
HOST = b"Host: vaultd\r\n"

# Whole requests that are answered 400 (or 413) and the connection closed.
MALFORMED = {
    "bare LF": b"GET /acme/demo/echo HTTP/1.1\nHost: vaultd\n\n",
    "bare LF in the head": GET + b"Host: vaultd\nX: y\r\n\r\n",
    "bare CR": GET + HOST + b"X: a\rb\r\n\r\n",
    "NUL in a value": GET + HOST + b"X: a\0b\r\n\r\n",
    "control in a value": GET + HOST + b"X: a\x01b\r\n\r\n",
    "DEL in a value": GET + HOST + b"X: a\x7fb\r\n\r\n",
    "folded line": GET + HOST + b"X: a\r\n b\r\n\r\n",
    "folded first line": GET + b" X: a\r\n" + HOST + b"\r\n",
    "blank before the colon": GET + HOST + b"X : a\r\n\r\n",
    "blank in a name": GET + HOST + b"X Y: a\r\n\r\n",
    "no name": GET + HOST + b": a\r\n\r\n",
    "no colon": GET + HOST + b"Xa\r\n\r\n",
    "high byte in a name": GET + HOST + b"X\xe9: a\r\n\r\n",
    "two hosts": GET + HOST + b"Host: other\r\n\r\n",
    "no host": GET + b"\r\n",
    "two lengths": POST + HOST + b"Content-Length: 1\r\n"
                   b"Content-Length: 2\r\n\r\nab",
    "list of lengths": POST + HOST + b"Content-Length: 1, 1\r\n\r\na",
    "signed length": POST + HOST + b"Content-Length: +1\r\n\r\na",
    "negative length": POST + HOST + b"Content-Length: -1\r\n\r\n",
    "hex length": POST + HOST + b"Content-Length: 0x1\r\n\r\na",
    "empty length": POST + HOST + b"Content-Length: \r\n\r\n",
    "endless length": POST + HOST + b"Content-Length: "
                      b"99999999999999999999\r\n\r\n",
    "length and chunked": POST + HOST + b"Content-Length: 3\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + HOST + b"Transfer-Encoding: chunked\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + HOST + b"Transfer-Encoding: chunked, "
                        b"identity\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + HOST + b"Transfer-Encoding: gzip, chunked"
                     b"\r\n\r\n0\r\n\r\n",
    "xchunked": POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n"
                b"0\r\n\r\n",
    "HTTP/0.9": b"GET /acme/demo/echo\r\n\r\n",
    "HTTP/1.9": b"GET /acme/demo/echo HTTP/1.9\r\n" + HOST + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/1.1": b"GET /acme/demo/echo http/1.1\r\n" + HOST + b"\r\n",
    "two blanks": b"GET  /acme/demo/echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank at the end": b"GET /acme/demo/echo HTTP/1.1 \r\n" + HOST
                        + b"\r\n",
    "tab for a blank": b"GET\t/acme/demo/echo HTTP/1.1\r\n" + HOST
                       + b"\r\n",
    "absolute form": b"GET https://evil.test/echo HTTP/1.1\r\n" + HOST
                     + b"\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"CONNECT evil.test:443 HTTP/1.1\r\n" + HOST
                      + b"\r\n",
    "65 headers": GET + HOST + b"".join(b"X-%d: y\r\n" % n
                                        for n in range(65)) + b"\r\n",
    "long value": GET + HOST + b"X: " + b"y" * 9000 + b"\r\n\r\n",
    "long head": GET + HOST + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 8000)
                                       for n in range(5)) + b"\r\n",
    "long target": b"GET /acme/demo/" + b"a" * 9000 + b" HTTP/1.1\r\n"
                   + HOST + b"\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(500)
           + b"\r\n\r\n",
}

# Methods, paths and headers that a well-formed request may not have.
METHODS = ["TRACE", "TRACK", "CONNECT", "PRI", "get", "Get", "G@T"]
TARGETS = ["/../account", "/x/../account", "/%2e%2e/account", "/.%2e/x",
           "/%2E%2E/x", "/./x", "//x", "/x//y", "/x%2fy", "/x%2Fy",
           "/x%5cy", "/x\\y", "/x%00", "/x%0d%0aX:y", "/%252e%252e/x",
           "/..;/x", "/%c0%ae%c0%ae/x", "/%ff", "/%zz", "/%", "/x#y",
           "/x\xe9", "/x\"", "/x<y", "/x\x7f"]
HEADERS = ["Cookie: a=b", "X-HTTP-Method-Override: DELETE",
           "X-HTTP-Method: DELETE", "X-Method-Override: DELETE",
           "X-Original-URL: /account", "X-Rewrite-URL: /account"]
OWN_CREDENTIALS = ["Authorization: Bearer mine", "AUTHORIZATION: Bearer x",
                   "authorization: Basic dTpw",
                   "Proxy-Authorization: Basic dTpw"]
DROPPED = {"Accept-Encoding": "gzip", "Forwarded": "for=1.2.3.4",
           "X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil.test",
           "X-Forwarded-Proto": "http", "Keep-Alive": "timeout=5",
           "TE": "trailers", "Proxy-Connection": "keep-alive",
           "Connection": "X-Hop", "X-Hop": "no"}


def untouched(world, call):
    """Do it, and see that the upstream heard nothing of it."""
    before = len(world.upstream.requests)
    answer = call()
    assert len(world.upstream.requests) == before
    return answer


def hostile_malformed_requests_are_refused():
    with World() as w:
        for name, data in MALFORMED.items():
            with w.vault.connect(10) as c:
                c.send(data)
                answer = untouched(w, c.read)
                assert answer.status in (400, 413), (name, answer)
                assert answer.error in ("bad-request", "too-large"), name
                assert c.at_end(), f"{name}: the connection goes on"
        assert w.get("/echo").status == 200


def hostile_methods_and_targets_are_refused():
    with World() as w:
        for method in METHODS:
            answer = untouched(w, lambda: w.vault.http(
                method, "/acme/demo/echo"))
            assert answer.status == 400, (method, answer)
        for target in TARGETS:
            answer = untouched(w, lambda: w.get(target))
            assert answer.status == 400, (target, answer)


def hostile_query_cannot_override_the_method():
    with World() as w:
        for query in ("_method=DELETE", "a=1&_METHOD=DELETE", "_method",
                      "%5Fmethod=DELETE", "_method%5B%5D=x", "_method[]=x"):
            answer = untouched(w, lambda: w.get(f"/echo?{query}"))
            assert answer.status == 400, (query, answer)
        assert w.get("/echo?my_method=DELETE").status == 200


def hostile_headers_are_refused_or_dropped():
    with World() as w:
        for line in HEADERS + OWN_CREDENTIALS:
            name, value = line.split(": ")
            answer = untouched(w, lambda: w.get(
                "/echo", headers=[(name, value)]))
            assert answer.status == 400, (line, answer)
            if line in OWN_CREDENTIALS:
                assert answer.error == "credential-in-request", line
        answer = w.get("/echo", headers=list(DROPPED.items()))
        assert answer.status == 200, answer
        sent = w.arrived("/echo")[0]
        for name, value in DROPPED.items():
            assert value not in sent.all(name), (name, sent.head)
        assert sent.header("accept-encoding") in (None, "identity")
        assert len(sent.all("host")) == 1
        assert len(sent.all("authorization")) == 1


def hostile_injected_header_cannot_be_sent_by_the_client():
    with World(profile=False) as w:
        w.add(inject="header X-Api-Key: {secret}")
        for name in "X-Api-Key", "x-api-key", "X-API-KEY", "X_Api_Key":
            answer = untouched(w, lambda: w.get(
                "/echo", headers=[(name, "mine")]))
            assert answer.status == 400, (name, answer)
        w.add("acme/query", inject="query api_key")
        for query in "?api_key=mine", "?a=1&api_key=mine", "?api%5Fkey=m":
            answer = untouched(w, lambda: w.get(f"/echo{query}",
                                                "acme/query"))
            assert answer.status == 400, (query, answer)


def hostile_chunks_never_arrive_as_a_whole_body():
    bad = [b"g\r\nx\r\n0\r\n\r\n", b"1 \r\nx\r\n0\r\n\r\n",
           b"0x1\r\nx\r\n0\r\n\r\n", b"+1\r\nx\r\n0\r\n\r\n",
           b"-1\r\n\r\n", b"1\nx\n0\n\n", b"1\r\nxy\r\n0\r\n\r\n",
           b"ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
           b"\r\nx\r\n0\r\n\r\n", b"1;" + b"e" * 70000 + b"\r\nx\r\n"]
    with World() as w:
        for body in bad:
            with w.vault.connect(10) as c:
                c.send(POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                       + body)
                answer = untouched(w, c.read)
                assert answer.status in (400, 413), (body[:40], answer)
                assert c.at_end()


def hostile_body_cut_short_is_not_delivered():
    with World() as w:
        for head in (b"Content-Length: 100\r\n",
                     b"Transfer-Encoding: chunked\r\n"):
            with w.vault.connect() as c:
                c.send(POST + HOST + head + b"\r\n5\r\nhello\r\n")
        assert w.get("/echo").status == 200
        assert w.arrived("/upload") == []


def hostile_smuggled_request_is_a_body_or_nothing():
    """What hides in a body is never a request of its own."""
    hidden = compose("DELETE", "/acme/demo/account")
    with World() as w, w.vault.connect() as c:
        for chunked in False, True:
            answer = c.ask("POST", "/acme/demo/upload", body=hidden,
                           chunked=chunked)
            assert answer.json()["bytes"] == len(hidden)
        assert not [r for r in w.upstream.requests if r.method == "DELETE"]


def hostile_descriptor_is_not_kept():
    """A pipe's writing end sent along is closed at once by whoever got it."""
    with World() as w:
        for path in w.vault.http_socket, w.vault.socket:
            reader, writer = os.pipe()
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(10)
            peer.connect(str(path))
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS,
                      array.array("i", [writer] * 100))
            peer.sendmsg([compose("GET", "/acme/demo/echo")], [rights])
            os.close(writer)
            os.set_blocking(reader, False)
            eventually(lambda: at_end(reader), 5, "the descriptor closed")
            os.close(reader)
            peer.close()
        assert w.get("/echo").status == 200


def at_end(reader):
    try:
        return os.read(reader, 1) == b""
    except BlockingIOError:
        return False


def hostile_connection_handed_to_another_process():
    with World() as w:
        for uid in [os.getuid()] + ([STRANGER] if os.getuid() == 0 else []):
            with w.vault.connect(10) as c:
                before = len(w.upstream.requests)
                child = os.fork()
                if child == 0:
                    os.setuid(uid)
                    c.socket.sendall(compose("GET", "/acme/demo/echo"))
                    os._exit(0)
                os.waitpid(child, 0)
                try:
                    answer = c.read()
                    assert answer.error == "speaker-changed", answer
                except ConnectionError:
                    pass
                assert len(w.upstream.requests) == before
        assert w.get("/echo").status == 200


def hostile_frames_are_answered_or_dropped():
    """On vaultd.sock; the frame is described in protocol/frame.h."""
    def frame(magic=b"VLTD", size=24, version=1, kind=1, zero=0, number=1,
              length=0, body=b""):
        return struct.pack("<4sHHHHQI", magic, size, version, kind, zero,
                           number, length) + body

    cases = {
        "bad magic": frame(magic=b"GET "),
        "bad size": frame(size=32),
        "reserved not zero": frame(zero=1),
        "unknown type": frame(kind=999, length=0),
        "an answer's type": frame(kind=64, length=4, body=b"tpl\0"),
        "too long": frame(kind=9, length=65537),
        "endless": frame(kind=9, length=0xffffffff),
        "no image": frame(kind=9, length=0),
        "not an image": frame(kind=9, length=30, body=b"x" * 30),
        "data of no request": frame(kind=32, number=77, length=3, body=b"abc"),
        "half a header": frame()[:11],
    }
    with World() as w:
        gates = w.vault.ctl("whoami") and w.vault.rooms()["gate"]
        for name, data in cases.items():
            untouched(w, lambda: talk(w.vault.socket, data))
        assert b"unknown-version" in talk(w.vault.socket, frame(version=9))
        noise = random.Random(1)
        for _ in range(2000 if LONG else 100):
            data = frame(kind=noise.choice([1, 3, 4, 5, 6, 8, 9, 32]),
                         length=200, body=noise.randbytes(200))
            untouched(w, lambda: talk(w.vault.socket, data))
        assert w.vault.ctl("whoami").status == 0
        assert w.vault.rooms()["gate"] == gates, "a gate did not survive"


def talk(path, data):
    """Send, say that this was all, and return what was answered."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        answer = b""
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while part := peer.recv(65536):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            pass
        return answer


def hostile_mutated_requests_change_nothing():
    """Seeded: one to four bytes of a good request are others."""
    noise = random.Random(2)
    good = compose("GET", "/acme/demo/echo", [("X-Flow", "orders")])
    with World() as w:
        gates = w.get("/echo") and w.vault.rooms()["gate"]
        for _ in range(10000 if LONG else 500):
            data = bytearray(good)
            for _ in range(noise.randint(1, 4)):
                data[noise.randrange(len(data))] = noise.randrange(256)
            talk(w.vault.http_socket, bytes(data))
        assert w.vault.rooms()["gate"] == gates
        for request in w.upstream.requests:
            assert request.all("authorization") == [f"Bearer {w.secret}"]
            assert len(request.all("host")) == 1
        assert w.get("/echo").status == 200


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


def hostile_other_users_cannot_touch_the_rooms():
    """ptrace and its kin need the same uid and a dumpable process."""
    need_root()
    with World() as w:
        w.get("/echo")
        for room, pids in w.vault.rooms().items():
            with open(f"/proc/{pids[0]}/status") as file:
                own = next(int(line.split()[1]) for line in file
                           if line.startswith("Uid:"))
            for uid in own, WORKER:
                for name in "mem", "environ", "maps":
                    assert not can_open(uid, f"/proc/{pids[0]}/{name}"), (
                        room, uid, name)


def can_open(uid, path):
    """As another user: True if the file opens and gives a byte."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            with open(path, "rb") as file:
                os._exit(1 if file.name.endswith("mem") or file.read(1)
                         else 0)
        except OSError:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
