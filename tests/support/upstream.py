"""An HTTPS server that plays the vendor's API, and records what it is sent.

It runs in threads of the test's own process, so a test reads and changes it
directly: `accounts` says which keys are accepted and for whom, `requests`
holds what arrived, byte for byte, with the number of its connection.
"""
import base64
import hashlib
import json
import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import parse_qs, quote, unquote, urlsplit

BODY_KEPT = 1 << 20


def pattern(size):
    """The body that /stream and /chunked send."""
    return hashlib.shake_128(b"vaultd").digest(size)


class Request:
    """One request: "head" and "body" are the exact bytes received."""

    def __init__(self, connection, head):
        self.connection = connection
        self.head = head
        first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.method, self.target, self.version = first.split(" ", 2)
        self.headers = [(n.lower(), v.strip()) for n, _, v in
                        (line.partition(":") for line in lines)]
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = parse_qs(parts.query, keep_blank_values=True)
        self.body = b""
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.account = None

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    def header(self, name):
        return (self.all(name) or [None])[0]

    def number(self, name, default):
        return int(self.query.get(name, [default])[0])

    def take(self, data):
        self.size += len(data)
        self.sha256.update(data)
        self.body += data[:max(0, BODY_KEPT - len(self.body))]


class Listener:
    """A TCP server on a free loopback port; each connection has a thread."""

    def __init__(self, host="127.0.0.1"):
        self.connections = 0
        self._socket = socket.create_server((host, 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)     # wakes accept()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, daemon=True,
                             args=(peer, self.connections)).start()

    def serve(self, peer, _number):
        """A trap: whoever comes is counted and sent away."""
        peer.close()


class Upstream(Listener):
    def __init__(self, certificate, key, accounts=None):
        self.accounts = dict(accounts or {})    # secret -> account
        self.requests = []
        self.tls_failures = []
        self.raw = {}                           # path -> bytes to answer with
        self.release = threading.Event()        # ends every /hold
        self.abandoned = 0                      # /hold not waited for
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate, key)
        super().__init__()
        self.url = f"https://localhost:{self.port}"

    def serve(self, peer, number):
        peer.settimeout(60)
        try:
            with self.tls.wrap_socket(peer, server_side=True) as stream:
                with stream.makefile("rb") as lines:
                    while self._exchange(stream, lines, number):
                        pass
        except ssl.SSLError as failure:
            self.tls_failures.append(str(failure))
        except (OSError, ValueError):
            peer.close()

    def _exchange(self, stream, lines, number):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = lines.readline(1 << 16)
            if not line:
                return False
            head += line
        request = Request(number, head)
        request.stream = stream
        if request.header("expect"):
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        for part in self._body(request, lines):
            request.take(part)
        request.account = self._account(request)
        self.requests.append(request)
        if request.path in self.raw:
            stream.sendall(self.raw[request.path])
            stream.settimeout(2)
            with suppress(OSError):
                stream.unwrap()     # says that this was all
            return False
        return self._answer(stream, request)

    def _body(self, request, lines):
        if "chunked" in (request.header("transfer-encoding") or ""):
            while size := int(lines.readline().split(b";")[0], 16):
                yield lines.read(size)
                lines.readline()
            while lines.readline() not in (b"\r\n", b""):
                pass
            return
        left = int(request.header("content-length") or 0)
        while left > 0:
            part = lines.read(min(left, 1 << 16))
            if not part:
                raise ConnectionError("the body ended early")
            left -= len(part)
            yield part

    def _answer(self, stream, request):
        route = ROUTES.get(request.path.split("/")[1], missing)
        status, headers, body = route(self, request)
        head = f"HTTP/1.1 {status} Answer\r\n"
        if isinstance(body, bytes):
            # These have no body and no length (RFC 9110, 8.6).
            if status >= 200 and status != 204:
                headers = {"Content-Length": len(body), **headers}
            parts = [body]
        else:
            headers = {"Transfer-Encoding": "chunked", **headers}
            parts = (b"%x\r\n%s\r\n" % (len(p), p) for p in [*body, b""])
        head += "".join(f"{n}: {v}\r\n" for n, v in headers.items())
        stream.sendall(head.encode("latin-1") + b"\r\n")
        if request.method != "HEAD" and status not in (204, 304):
            for part in parts:
                stream.sendall(part)
        return True

    def _account(self, request):
        """Whose key came: in a header, in the query, or as Basic."""
        seen = unquote(request.head.decode("latin-1"))
        for value in request.all("authorization"):
            scheme, _, rest = value.partition(" ")
            if scheme.lower() == "basic":
                seen += base64.b64decode(rest).decode("latin-1")
        return next((account for secret, account in self.accounts.items()
                     if secret in seen), None)


def as_json(document, status=200):
    body = json.dumps(document).encode()
    return status, {"Content-Type": "application/json"}, body


def echo(upstream, request):
    """What arrived, without the credential: not every API reflects."""
    def hide(text):
        for secret in upstream.accounts:
            for form in secret, quote(secret, safe=""):
                text = text.replace(form, "(credential)")
        return text

    return as_json({
        "method": request.method, "target": hide(request.target),
        "headers": [(n, "(credential)" if n == "authorization" else hide(v))
                    for n, v in request.headers],
        "bytes": request.size, "sha256": request.sha256.hexdigest()})


def account(_upstream, request):
    if request.account is None:
        return as_json({"error": "unknown key"}, 401)
    return as_json({"id": request.account})


def status(_upstream, request):
    return int(request.path.split("/")[2]), {}, b"as asked\n"


def stream(_upstream, request):
    return 200, {}, pattern(request.number("bytes", 1024))


def chunked(_upstream, request):
    body = pattern(request.number("bytes", 1024))
    size = request.number("size", 4096)
    return 200, {}, (body[i:i + size] for i in range(0, len(body), size))


def upload(_upstream, request):
    return as_json({"bytes": request.size,
                    "sha256": request.sha256.hexdigest()})


def slow(_upstream, request):
    time.sleep(request.number("ms", 1000) / 1000)
    return as_json({"slept": True})


def hold(upstream, request):
    """Answers when released; counts who does not wait for that."""
    while not upstream.release.wait(0.02):
        if select.select([request.stream], [], [], 0)[0]:
            upstream.abandoned += 1
            raise ConnectionError("the client has gone")
    return as_json({"held": True})


def redirect(_upstream, request):
    return (request.number("status", 302),
            {"Location": request.query["to"][0]}, b"")


def claims(_upstream, _request):
    """Headers that only the vault itself may send."""
    return 200, {"Vaultd-Request": "forged", "Vaultd-Error": "forged",
                 "Set-Cookie": "session=1", "X-Kept": "yes",
                 "Connection": "keep-alive, X-Hop", "X-Hop": "no"}, b"ok\n"


def missing(_upstream, _request):
    return 404, {}, b"no such route\n"


ROUTES = {f.__name__: f for f in (echo, account, status, stream, chunked,
                                  upload, slow, hold, redirect, claims)}
