"""HTTP/1.1 over a Unix socket, made by hand so that a test can send any
bytes at all and see exactly what comes back."""
import json
import socket


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers          # [(lower-case name, value)]
        self.body = body

    def get(self, name):
        return next((v for n, v in self.headers if n == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The vault's own error code, or None."""
        return self.get("Vaultd-Error")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


def chunks(body, size=4096):
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b""])


def compose(method, target, headers=(), body=None, chunked=False):
    lines = [f"{method} {target} HTTP/1.1", "Host: vaultd"]
    lines += [f"{name}: {value}" for name, value in headers]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    elif body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return head + (chunks(body) if chunked else body or b"")


class Peer:
    """A client's socket, and a file to read from."""

    def __init__(self, path, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX)
        # Without a limit: one that is set makes a full queue an error.
        self.socket.connect(str(path))
        self.socket.settimeout(timeout)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        """Send; a peer that has already answered and closed is no error."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass


class Connection(Peer):
    def ask(self, method, target, headers=(), body=None, chunked=False):
        self.send(compose(method, target, headers, body, chunked))
        return self.read(method)

    def read(self, method="GET"):
        """Read one whole answer; ConnectionError if it is cut short."""
        status = 100
        while status == 100:
            first = self._line()
            if not first.startswith("HTTP/1.1 "):
                raise ConnectionError(f"not an answer: {first!r}")
            status = int(first.split(" ")[1])
            headers = []
            while line := self._line():
                name, _, value = line.partition(":")
                headers.append((name.lower(), value.strip()))
        answer = Answer(status, headers, b"")
        if method != "HEAD" and status not in (204, 304):
            answer.body = self._body(answer)
        return answer

    def at_end(self):
        """True if the peer has closed and there is nothing more to read."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True

    def _line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError(f"cut short at {line!r}")
        return line[:-2].decode("latin-1")

    def _exactly(self, size):
        data = b""
        while part := self.file.read(min(size - len(data), 1 << 24)):
            data += part
        if len(data) != size:
            raise ConnectionError(f"{len(data)} of {size} bytes of a body")
        return data

    def _body(self, answer):
        if answer.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self._line(), 16):
                parts.append(self._exactly(size))
                self._line()
            while self._line():
                pass
            return b"".join(parts)
        if answer.get("Content-Length") is not None:
            return self._exactly(int(answer.get("Content-Length")))
        return self.file.read()
