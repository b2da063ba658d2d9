"""The protocol of vaultd.sock, made by hand from protocol/PROTOCOL.md, so
that a test can send any bytes at all."""
import struct

from support.rawhttp import Answer, Peer

WHOAMI, STATUS, CATALOG, PROFILES, EXPLAIN = 1, 2, 3, 4, 5
AUDIT, NONCE, ACT, REQUEST, CANCEL = 6, 7, 8, 9, 10
BACKUP, RESTORE = 11, 12
DATA, END, WINDOW = 32, 33, 34
REFUSED, ROW, DONE, NONCE_IS, RESPONSE = 64, 65, 66, 67, 68

HEADER = struct.Struct("<4sHHHHQI")
DATA_MAX = 16384


def frame(kind, number=1, body=b"", *, magic=b"VLTD", size=24, version=1,
          zero=0, length=None):
    """A frame; every part of its header can be another than it should."""
    length = len(body) if length is None else length
    return HEADER.pack(magic, size, version, kind, zero, number,
                       length) + body


def packed(form, *values):
    """The fields of an image, one letter of "form" for each."""
    parts = []
    for letter, value in zip(form, values, strict=True):
        if letter in "uU":
            parts.append(struct.pack("<I" if letter == "u" else "<Q", value))
            continue
        value = value.encode() if isinstance(value, str) else value
        parts.append(struct.pack("<I", len(value) + (letter == "s")) + value)
    return b"".join(parts)


def image(form, fields, flags=None, length=None):
    """tpl's image of "fields", which are bytes already."""
    flags = (2 if "s" in form else 0) if flags is None else flags
    body = form.encode() + b"\0" + fields
    length = 8 + len(body) if length is None else length
    return b"tpl" + struct.pack("<BI", flags, length) + body


def request(number, profile, method, target, headers=b"", body=None):
    """All frames of a request; a body is sent with its length."""
    kind, length = (0, 0) if body is None else (1, len(body))
    data = frame(REQUEST, number, image("ssssuU", packed(
        "ssssuU", profile, method, target, headers, kind, length)))
    if body is None:
        return data
    for at in range(0, len(body), DATA_MAX):
        data += frame(DATA, number, body[at:at + DATA_MAX])
    return data + frame(END, number)


class Fields:
    """Takes the fields of an image off its front."""

    def __init__(self, body):
        self.rest = body[body.index(b"\0", 8) + 1:]

    def take(self, size):
        part, self.rest = self.rest[:size], self.rest[size:]
        return part

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def u64(self):
        return struct.unpack("<Q", self.take(8))[0]

    def text(self):
        return self.take(self.u32() - 1).decode()

    def blob(self):
        return self.take(self.u32())


def refusal(body):
    """A REFUSED in http.sock's words."""
    fields = Fields(body)
    code, http, exit_status = fields.text(), fields.u32(), fields.u32()
    retry, sentence, audit = fields.u32(), fields.text(), fields.u64()
    assert exit_status in range(1, 8) and retry < 3600, (exit_status, retry)
    return Answer(http, [("vaultd-error", code),
                         ("vaultd-request", str(audit))], sentence.encode())


class Framed(Peer):
    def __init__(self, path, timeout=30):
        super().__init__(path, timeout)
        self.last = 0

    def read(self):
        """The next frame as (type, id, body), or None at the end."""
        try:
            head = self.file.read(HEADER.size)
        except ConnectionResetError:
            head = b""
        if not head:
            return None
        magic, size, version, kind, zero, number, length = HEADER.unpack(head)
        assert (magic, size, version, zero) == (b"VLTD", 24, 1, 0), head
        body = self.file.read(length)
        assert len(body) == length, "cut short"
        return kind, number, body

    def ask(self, method, target, headers=b"", body=None,
            profile="acme/demo"):
        self.last += 1
        self.send(request(self.last, profile, method, target, headers, body))
        return self.answer(self.last)

    def answer(self, wanted):
        """The whole answer to a request, or what the connection ends with."""
        found = None
        while (got := self.read()) is not None:
            kind, number, body = got
            if number not in (0, wanted):
                continue
            if kind == REFUSED:
                return refusal(body)
            if kind == RESPONSE:
                found = self._head(body)
            elif kind == DATA:
                found.body += body
                self.send(frame(WINDOW, wanted,
                                image("u", packed("u", len(body)))))
            elif kind == END:
                return found
        raise ConnectionError("the connection ended without an answer")

    def _head(self, body):
        fields = Fields(body)
        status, lines = fields.u32(), fields.blob().decode("latin-1")
        headers = [(n.lower(), v.strip()) for n, _, v in
                   (line.partition(":") for line in lines.splitlines())]
        return Answer(status, [*headers, ("vaultd-request",
                                          str(fields.u64()))], b"")
