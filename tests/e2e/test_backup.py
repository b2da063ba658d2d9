"""Backups: one encrypted file, taken while the vault works, and put back into
the same vault, an empty one, or, where that is said, another."""
import os
import threading
from pathlib import Path

from harness import World
from support.leaks import canary
from support.vault import Vault, eventually

PASSPHRASE = "correct horse battery staple\n"


def take(vault, file, *options, input=PASSPHRASE, check=True):
    if not any(o in options for o in ("--to", "--stdin", "--file")):
        options = ("--stdin", *options)
    return vault.ctl("backup", file, *options, input=input, check=check)


def restore(vault, file, *options, input=PASSPHRASE, check=True):
    if not any(o in options for o in ("--key", "--stdin", "--file")):
        options = ("--stdin", *options)
    return vault.ctl("restore", file, *options, input=input, check=check)


def works(world, profile="acme/demo"):
    return world.vault.http("GET", f"/{profile}/echo").status == 200


def names(vault):
    return sorted(row["profile"] for row in vault.rows("profile", "list"))


def backup_comes_back_into_the_same_vault():
    with World() as w:
        file = w.folder / "backup"
        w.add("acme/second")
        take(w.vault, file)
        assert file.stat().st_mode & 0o777 == 0o600
        before = w.vault.rows("status")[0]
        w.vault.ctl("profile", "remove", "acme/second")
        w.vault.ctl("profile", "disable", "acme/demo")
        assert names(w.vault) == ["acme/demo"]
        said = restore(w.vault, file).out
        assert "restored" in said, said
        assert names(w.vault) == ["acme/demo", "acme/second"]
        assert works(w) and works(w, "acme/second")
        after = w.vault.rows("status")[0]
        assert after["vault"] == before["vault"]
        assert after["generation"] > before["generation"]
        w.vault.stop()
        w.vault.start()
        assert works(w) and works(w, "acme/second")
        acts = [r for r in w.vault.audit() if r.get("act") == "restore"]
        assert [r.get("outcome") for r in acts] == [None, "ok"], acts


def backup_comes_back_on_an_empty_machine():
    """Its key file opens it there, and then the machine's own does, too."""
    with World() as w, Vault() as other:
        file, key = w.folder / "backup", w.folder / "key"
        take(w.vault, file)
        key.write_bytes((w.vault.dir / "key").read_bytes())
        key.chmod(0o600)
        done = restore(other, file, check=False)
        assert done.status == 3 and "--slot-file" in done.err, done
        assert names(other) == []
        restore(other, file, "--slot-file", f"0={key}")
        assert names(other) == ["acme/demo"]
        assert other.http("GET", "/acme/demo/echo").status == 200
        other.stop()
        other.start()
        assert other.http("GET", "/acme/demo/echo").status == 200
        assert len(other.rows("key", "slot", "list")) == 2
        assert (other.rows("status")[0]["vault"] ==
                w.vault.rows("status")[0]["vault"])


def backup_of_another_vault_needs_a_word():
    with World() as w, World() as other:
        file, key = w.folder / "backup", w.vault.dir / "key"
        take(w.vault, file)
        slot = ("--slot-file", f"0={key}")
        done = restore(other.vault, file, *slot, check=False)
        assert done.status == 1 and "--replace-vault" in done.err, done
        assert works(other)
        wrong = restore(other.vault, file, *slot, "--replace-vault", "00" * 16,
                        check=False)
        assert wrong.status == 1, wrong
        vault = other.vault.rows("status")[0]["vault"]
        restore(other.vault, file, *slot, "--replace-vault", vault)
        assert names(other.vault) == ["acme/demo"]


def backup_is_of_one_moment_while_the_vault_works():
    with World() as w:
        key = w.folder / "pair"
        public = w.vault.ctl("backup", "--keygen", key).out.split()[-1]
        stop = threading.Event()
        failures = []

        def change():
            number = 0
            while not stop.is_set():
                number += 1
                done = w.vault.ctl("profile", "set", "acme/demo", "--title",
                                   f"number {number}", check=False)
                if done.status != 0:
                    failures.append(done)
                if not works(w):
                    failures.append("request")

        worker = threading.Thread(target=change)
        worker.start()
        files = []
        for number in range(3):
            files.append(w.folder / f"backup{number}")
            take(w.vault, files[-1], "--to", public, input="")
        stop.set()
        worker.join()
        assert not failures, failures[:3]
        for file in files:
            restore(w.vault, file, "--key", key, input="")
            assert works(w)


def backup_to_a_public_key():
    with World() as w:
        file, key = w.folder / "backup", w.folder / "pair"
        public = w.vault.ctl("backup", "--keygen", key).out.split()[-1]
        assert key.stat().st_mode & 0o777 == 0o600
        take(w.vault, file, "--to", public, input="")
        assert restore(w.vault, file, check=False).status != 0
        restore(w.vault, file, "--key", key, input="")
        assert works(w)
        other = w.folder / "other"
        w.vault.ctl("backup", "--keygen", other)
        assert restore(w.vault, file, "--key", other, input="",
                       check=False).status != 0


def backup_says_what_is_wrong_with_a_file():
    with World() as w:
        file, bad, key = (w.folder / n for n in ("backup", "bad", "pair"))
        public = w.vault.ctl("backup", "--keygen", key).out.split()[-1]
        take(w.vault, file, "--to", public, input="")
        good = file.read_bytes()
        restore(w.vault, file, "--verify", "--key", key, input="")
        cases = {
            "cut short": good[:-1],
            "cut to half": good[:len(good) // 2],
            "more at its end": good + b"x",
            "no backup": b"hello\n" * 100,
            "empty": b"",
            "a newer format": good[:8] + b"\x09" + good[9:],
        }
        for place in (12, 30, 50, 70, 190, 300, len(good) // 2,
                      len(good) - 5):
            flipped = bytearray(good)
            flipped[place] ^= 1
            cases[f"byte {place}"] = bytes(flipped)
        generation = w.vault.rows("status")[0]["generation"]
        for what, content in cases.items():
            bad.write_bytes(content)
            done = restore(w.vault, bad, "--key", key, input="", check=False)
            assert done.status not in (0, 5) and done.err, (what, done)
            assert "bad" in done.err, (what, done)
        assert w.vault.rows("status")[0]["generation"] == generation
        assert works(w)


def backup_passphrase_must_be_the_one():
    with World() as w:
        file = w.folder / "backup"
        take(w.vault, file)
        done = restore(w.vault, file, input="wrong wrong wrong\n",
                       check=False)
        assert done.status not in (0, 5) and "passphrase" in done.err, done
        short = take(w.vault, w.folder / "second", input="short\n",
                       check=False)
        assert short.status != 0, short


def backup_shows_nothing():
    """Neither names nor secrets, with or without what opens its outer seal."""
    with World() as w:
        secret = canary()
        w.vault.ctl("profile", "add", "acme/hidden", "--system",
                    "custom-rest", "--set", "url=https://hidden.example",
                    "--stdin", input=secret + "\n")
        file = w.folder / "backup"
        take(w.vault, file)
        content = file.read_bytes()
        for word in (secret, w.secret, "acme", "hidden", "custom-rest"):
            assert word.encode() not in content, word


def backup_needs_the_right_to_it():
    with World() as w:
        file = Path("/tmp") / f"backup-{os.getpid()}"
        for command in ("backup", "restore"):
            w.vault.ctl(command, "--help")
        take(w.vault, w.folder / "backup")
        done = w.vault.ctl("backup", file, "--stdin", input=PASSPHRASE,
                           user=60001, check=False)
        assert done.status == 3, done
        assert not file.exists()
        again = take(w.vault, w.folder / "backup", check=False)
        assert again.status != 0 and "--force" in again.err, again
        take(w.vault, w.folder / "backup", "--force")
        refused = [r for r in w.vault.audit()
                   if r.get("verb") == "operate" and
                   r.get("decision") == "deny"]
        assert refused, "the refusal is not on record"


def backup_survives_a_ledger_that_dies():
    with World() as w:
        file, key = w.folder / "backup", w.folder / "pair"
        public = w.vault.ctl("backup", "--keygen", key).out.split()[-1]
        take(w.vault, file, "--to", public, input="")
        for _ in range(5):
            thread = threading.Thread(target=lambda: restore(
                w.vault, file, "--key", key, input="", check=False))
            thread.start()
            for ledger in w.vault.rooms().get("ledger", []):
                os.kill(ledger, 9)
            thread.join()
            eventually(lambda: works(w), what="the vault works again")
        assert names(w.vault) == ["acme/demo"]
