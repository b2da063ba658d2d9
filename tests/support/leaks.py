"""Looks for secrets where none may be: memory, files, arguments."""
import base64
import json
import os
import secrets
import string
from pathlib import Path
from urllib.parse import quote

CHUNK = 16 << 20


def canary():
    """A secret that is nowhere by chance, and differs in each encoding."""
    letters = string.ascii_letters + string.digits
    return ("cnry+" + "".join(secrets.choice(letters) for _ in range(24)) +
            "/%~")


def encodings(secret):
    """Every form in which a secret is looked for: {bytes: name}."""
    raw = secret.encode()
    forms = {raw: "raw", raw.hex().encode(): "hex",
             raw.hex().upper().encode(): "HEX",
             quote(secret, safe="").encode(): "percent",
             json.dumps(secret)[1:-1].encode(): "json",
             json.dumps(secret)[1:-1].replace("/", "\\/").encode(): "json /"}
    for lead in range(3):
        # Only the characters that the neighbours' bits do not reach.
        first = (lead * 8 + 5) // 6
        last = (lead + len(raw)) * 8 // 6
        for encode in base64.b64encode, base64.urlsafe_b64encode:
            text = encode(bytes(lead) + raw)[first:last]
            forms[text] = f"{encode.__name__}, alignment {lead}"
    return forms


class Scanner:
    """Scans for the secrets it is given; each hit is a line of text."""

    def __init__(self, *known):
        self.forms = {form: f"secret {number} ({name})"
                      for number, secret in enumerate(known)
                      for form, name in encodings(secret).items()}
        self.overlap = max(map(len, self.forms)) - 1

    def bytes(self, data, where):
        return [f"{name} in {where}" for form, name in self.forms.items()
                if form in data]

    def tree(self, folder):
        """Every file below a folder, its names too."""
        hits = []
        for path in sorted(Path(folder).rglob("*")):
            hits += self.bytes(os.fsencode(path), f"the name {path}")
            if path.is_file():
                hits += self.bytes(path.read_bytes(), path)
        return hits

    def process(self, pid):
        """All that another process could read of this one, as root."""
        hits = []
        for name in "cmdline", "environ":
            data = Path(f"/proc/{pid}/{name}").read_bytes()
            hits += self.bytes(data, f"/proc/{pid}/{name}")
        return hits + self.memory(pid)

    def memory(self, pid):
        hits = []
        file = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        try:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                span, mode, *_, = line.split()
                if mode[0] == "r":
                    first, end = (int(n, 16) for n in span.split("-"))
                    hits += self._region(file, first, end, f"{pid}: {line}")
        finally:
            os.close(file)
        return hits

    def _region(self, file, at, end, where):
        hits, carry = [], b""
        while at < end:
            try:
                data = os.pread(file, min(CHUNK, end - at), at)
            except (OSError, OverflowError):
                break       # memfd_secret, [vvar], [vsyscall]: not readable
            if not data:
                break
            hits += self.bytes(carry + data, where)
            carry = data[-self.overlap:]
            at += len(data)
        return sorted(set(hits))
