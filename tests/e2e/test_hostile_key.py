"""A keeper.pub that is not the keeper's: what is sealed to it must not be
sent, or not be readable to who is in between."""
import base64
import os
import shutil
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from harness import STRANGER, World, need_root
from support.leaks import canary
from support.vault import eventually

DISTRUSTED = "is not to be trusted: "


class Between:
    """A folder of our own with a socket that leads to the vault's, and keeps
    what was sent to it."""

    def __init__(self, vault):
        self.vault = vault
        self.folder = Path(tempfile.mkdtemp(prefix="key-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.key = self.folder / "keeper.pub"
        self.sent = b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.folder / "vaultd.sock"))
        (self.folder / "vaultd.sock").chmod(0o666)
        self.listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            vault = socket.socket(socket.AF_UNIX)
            vault.connect(str(self.vault.dir / "vaultd.sock"))
            for ends in (client, vault), (vault, client):
                threading.Thread(target=self._carry, daemon=True,
                                 args=(*ends, ends[0] is client)).start()

    def _carry(self, source, sink, keep):
        try:
            while data := source.recv(1 << 16):
                if keep:
                    self.sent += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def lay(self, content, mode=0o644, owner=0, folder_mode=0o755):
        """Put this in the key's place: bytes, or a function of its path."""
        if self.key.is_dir() and not self.key.is_symlink():
            self.key.rmdir()
        self.key.unlink(missing_ok=True)
        self.folder.chmod(folder_mode)
        if callable(content):
            content(self.key)
        elif content is not None:
            self.key.write_bytes(content)
            self.key.chmod(mode)
            os.chown(self.key, owner, owner)


@contextmanager
def between(w):
    true = w.vault.socket
    b = Between(w.vault)
    w.vault.socket = b.folder / "vaultd.sock"
    try:
        yield b
    finally:
        w.vault.socket = true
        b.listener.close()
        shutil.rmtree(b.folder, ignore_errors=True)


def forms(secret):
    """How it could be read on the way."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw)[:-4]]


def line(key):
    return base64.b64encode(key) + b"\n"


def hostile_key_in_the_place_of_keeper_pub():
    with World() as w, between(w) as b:
        true = (w.vault.dir / "keeper.pub").read_bytes()
        somebody = w.folder / "true.pub"
        somebody.write_bytes(true)
        raw = base64.b64decode(true)
        no_key = "does not hold one line with a key"
        cases = [
            ("none", None, {}, "No such file"),
            ("empty", b"", {}, no_key),
            ("long", true * 100, {}, no_key),
            ("two lines", true + true, {}, no_key),
            ("a line and a byte", true + b"x", {}, no_key),
            ("a byte short", line(raw[:-1]), {}, no_key),
            ("a byte long", line(raw + b"x"), {}, no_key),
            ("without its end", true[:-5], {}, no_key),
            ("no base64", b"!" * 43 + b"=\n", {}, no_key),
            ("the other base64", b"-_" * 21 + b"A=\n", {}, no_key),
            ("space before it", b" " + true[:-1], {}, no_key),
            ("a carriage return", true[:-1] + b"\r\n", {}, no_key),
            ("the bytes themselves", raw, {}, no_key),
            ("a key of low order", line(bytes(32)), {},
             "does not hold a key that can be sealed to"),
            ("its group can write it", true, {"mode": 0o664},
             "others than its owner can write it"),
            ("all can write it", true, {"mode": 0o646},
             "others than its owner can write it"),
            ("all can write its folder", true, {"folder_mode": 0o757},
             "others than its owner can write its folder"),
            ("a group can write its folder", true, {"folder_mode": 0o775},
             "others than its owner can write its folder"),
            ("a link to the true one", lambda p: p.symlink_to(somebody), {},
             "it is a symbolic link"),
            ("a link to nothing", lambda p: p.symlink_to("nowhere"), {},
             "it is a symbolic link"),
            ("a folder", lambda p: p.mkdir(), {}, "it is not a plain file"),
            ("a pipe", lambda p: os.mkfifo(p), {}, "it is not a plain file"),
        ]
        if os.getuid() == 0:
            cases.append(("another user's", true, {"owner": STRANGER},
                          "it belongs neither to root nor to its folder's"))
        keeper = w.vault.rooms()["keeper"]
        for name, content, more, words in cases:
            b.lay(content, **more)
            b.sent, secret = b"", canary()
            for act in (lambda: w.rotate(secret, check=False),
                        lambda: w.add("acme/new", secret, check=False)):
                done = act()
                assert done.status == 1, (name, done)
                assert words in done.err, (name, done)
                assert DISTRUSTED not in done.err or (
                    "keeper.pub" in done.err and
                    "nothing was sent" in done.err), (name, done)
            assert not any(form in b.sent for form in forms(secret)), name
            assert len(b.sent) < 512, (name, b.sent)
        b.lay(true)
        assert "acme/new" not in w.vault.ctl("profile", "list").out
        secret = canary()
        w.upstream.accounts[secret] = "acct-1"
        w.rotate(secret)                # and by the same way with the true one
        assert not any(form in b.sent for form in forms(secret))
        assert len(b.sent) > 512
        assert w.vault.rooms()["keeper"] == keeper


def hostile_key_of_somebody_else():
    """Well-formed, and well kept: the keeper cannot open what comes, and says
    so; who could has to be in between, and is root or the vault's owner."""
    with World() as w, between(w) as b:
        b.lay((w.vault.dir / "keeper.pub").read_bytes())
        earlier = b.key.read_bytes()
        os.kill(w.vault.rooms()["keeper"][0], 9)
        eventually(lambda: (w.vault.dir / "keeper.pub").read_bytes() !=
                   earlier)
        eventually(lambda: w.get("/echo").status == 200)
        keeper = w.vault.rooms()["keeper"]
        records = len(w.vault.audit())
        for name, key in (("another's", line(os.urandom(32))),
                          ("the keeper's before this one", earlier)):
            b.lay(key)
            b.sent, secret = b"", canary()
            for act in (lambda: w.rotate(secret, check=False),
                        lambda: w.add("acme/new", secret, check=False)):
                done = act()
                assert done.status == 1, (name, done)
                assert "not sealed for this keeper" in done.err, (name, done)
            assert not any(form in b.sent for form in forms(secret)), name
        b.lay((w.vault.dir / "keeper.pub").read_bytes())
        assert "acme/new" not in w.vault.ctl("profile", "list").out
        assert w.get("/account").status == 200
        # Each was refused, and that is on record.
        stale = [r for r in w.vault.audit()[records:]
                 if r.get("refusal") == "stale"]
        assert len(stale) == 4, stale
        assert w.vault.rooms()["keeper"] == keeper


def hostile_key_that_cannot_be_read():
    need_root()
    with World() as w, between(w) as b:
        b.lay((w.vault.dir / "keeper.pub").read_bytes(), mode=0o600)
        done = w.vault.ctl("rotate", "acme/demo", "--stdin", user=STRANGER,
                           input=canary() + "\n", check=False)
        assert done.status == 1, done
        assert "Permission denied; nothing was sent" in done.err, done
