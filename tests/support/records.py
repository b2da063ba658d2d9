"""The records between rooms, encoded and decoded by protocol/room.def itself:
well-formed ones by name, and broken ones."""
import re
import struct
from collections import namedtuple
from pathlib import Path

PROTOCOL = Path(__file__).resolve().parents[2] / "protocol"
# In the order of enum room: the place in the list is the number.
ROOMS = ("supervisor", "gate", "keeper", "ledger", "courier", "dialer")
HEADER = struct.Struct("<IHH")          # body length, type, descriptors

Field = namedtuple("Field", "kind name limit")
Layout = namedtuple("Layout", "name type senders hearers descriptor fields")


def _rows(file, macro):
    """The arguments of each MACRO(...) of a .def file, on a line each."""
    text = (PROTOCOL / file).read_text()
    return re.findall(rf"^{macro}\((.*)\)\s*$", text, re.MULTILINE)


def _rooms(text):
    """The names in "R_GATE | R_COURIER"."""
    names = {part.strip().removeprefix("R_").lower()
             for part in text.split("|")}
    return set(ROOMS[1:]) if names == {"any"} else names


def _layout(row):
    name, number, senders, hearers, descriptor, fields = (
        part.strip() for part in row.split(",", 5))
    found = [Field(kind, field, int(limit or 0)) for kind, field, limit in
             re.findall(r"(U32|U64|FIX|STR|BLOB)\((\w+)(?:, (\d+))?\)",
                        fields)]
    return Layout(name, int(number, 16), _rooms(senders), _rooms(hearers),
                  int(descriptor), found)


LAYOUTS = {layout.name: layout
           for layout in map(_layout, _rows("room.def", "RECORD"))}
NAMES = {layout.type: name for name, layout in LAYOUTS.items()}
# VERR["FORMAT"] is the number that travels, VERR_TEXT[8] what the log says.
VERR, VERR_TEXT = {}, {}
for _row in _rows("verr.def", "VERR"):
    _name, _number, _text = (part.strip() for part in _row.split(",", 2))
    VERR[_name.removeprefix("VERR_")] = -int(_number)
    VERR_TEXT[-int(_number)] = _text.strip('"')
# The numbers of refusals are their places in the list; 0 is none.
REFUSED = {row.split(",")[1].strip().strip('"'): number for number, row in
           enumerate(_rows("refusal.def", "REFUSAL"), 1)}


def may_say(room, name, hearer):
    """Does room.def let "room" say this to "hearer"?"""
    layout = LAYOUTS[name]
    return room in layout.senders and hearer in layout.hearers


class Record:
    """One that was received: its fields are attributes, "fd" a descriptor
    that came with it or None."""

    def __init__(self, name, fields, fd=None):
        self.name = name
        self.fields = fields
        self.fd = fd

    def __getattr__(self, name):
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(f"{self.name} has no {name}") from None

    def __repr__(self):
        shown = ", ".join(f"{n}={v!r:.60}" for n, v in self.fields.items())
        return f"{self.name}({shown}){'' if self.fd is None else ' + fd'}"

    def encode(self):
        return encode(self.name, self.fd is not None, **self.fields)


def raw(kind, body=b"", descriptors=0, length=None):
    """A record of any type and body, and of the length that it claims."""
    return HEADER.pack(len(body) if length is None else length, kind,
                       descriptors) + body


def body_of(name, **given):
    """The fields in their order.  Those not given are 0 or empty; one may be
    longer than room.def allows."""
    body = b""
    for kind, field, limit in LAYOUTS[name].fields:
        value = given.pop(field, None)
        if kind in ("U32", "U64"):
            body += (value or 0).to_bytes(4 if kind == "U32" else 8, "little")
            continue
        value = value or b""
        value = value.encode() if isinstance(value, str) else bytes(value)
        if kind == "FIX":
            body += value or bytes(limit)
        else:
            body += len(value).to_bytes(4, "little") + value
    if given:
        raise TypeError(f"{name} has no {', '.join(given)}")
    return body


def encode(name, descriptor=False, **fields):
    return raw(LAYOUTS[name].type, body_of(name, **fields), int(descriptor))


def decode(kind, body, fd=None):
    """A body that another room sent, and so a good one."""
    layout, fields, at = LAYOUTS[NAMES[kind]], {}, 0
    for form, name, limit in layout.fields:
        if form in ("U32", "U64"):
            size = 4 if form == "U32" else 8
            fields[name] = int.from_bytes(body[at:at + size], "little")
        else:
            size = limit
            if form != "FIX":
                size = int.from_bytes(body[at:at + 4], "little")
                at += 4
            fields[name] = bytes(body[at:at + size])
        at += size
    assert at == len(body), (layout.name, at, len(body))
    return Record(layout.name, fields, fd)


def pairs(items):
    """Names and values in one BLOB, as protocol/pairs.h has them."""
    out = b""
    for name, value in items:
        name, value = name.encode(), (value if isinstance(value, bytes)
                                      else value.encode())
        out += struct.pack("<H", len(name)) + name
        out += struct.pack("<I", len(value)) + value
    return out
