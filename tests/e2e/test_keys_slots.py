"""Key slots; a sealed vault; the rotation and destruction of keys."""
import os
import pty
import select
import shutil
import subprocess
import threading
import time

from harness import Skip, World
from support.leaks import canary
from support.vault import CLEAN, build, eventually
from test_keys import stored_blobs

PASS = "correct horse battery staple"
CHEAP = ["--memory", "64", "--passes", "2"]     # the least that is taken


def add_passphrase(vault, name="ops"):
    vault.ctl("key", "slot", "add", "passphrase", "--name", name, *CHEAP,
              "--stdin", input=PASS + "\n")


def slots(vault):
    return {s["slot"]: s for s in vault.rows("key", "slot", "list")}


def number(vault, kind):
    """The number of the only slot of this kind."""
    found, = [n for n, s in slots(vault).items() if s["kind"] == kind]
    return found


def state(vault):
    return next(r["state"] for r in vault.rows("status")
                if r["kind"] == "vault")


def unseal(vault, *options, secret=PASS):
    """Unseal, waiting for as long as an earlier mistake makes us."""
    def try_it():
        done = vault.ctl("unseal", *options, check=False,
                         input="" if "--file" in options else secret + "\n")
        assert done.status == 0 or "(budget" in done.err, done
        return done.status == 0

    eventually(try_it, what="unsealed")


def take_key(vault):
    """The key file, away from where vaultd looks for it."""
    away = vault.home / "key.away"
    (vault.dir / "key").rename(away)
    return away


def restart_sealed(vault):
    assert vault.stop() == 0
    away = take_key(vault)
    vault.start()
    assert state(vault) == "sealed"
    return away


def keys_sealed_vault_refuses_all_but_what_opens_it():
    with World() as w:
        ctl = w.vault.ctl
        assert w.vault.http("GET", "/-/readyz").body == b"ready\n"
        add_passphrase(w.vault)
        restart_sealed(w.vault)

        for arguments in (["profile", "list"], ["profile", "show", "acme/demo"],
                          ["profile", "verify", "acme/demo"],
                          ["profile", "remove", "acme/demo"],
                          ["request", "acme/demo", "GET", "/echo"], ["seal"],
                          ["key", "slot", "remove", "0", "--yes"],
                          ["key", "rotate", "--customer", "acme"],
                          ["key", "destroy", "--customer", "acme", "--yes"]):
            done = ctl(*arguments, check=False)
            assert done.status == 5, (arguments, done)
            assert "the vault is sealed (vaultctl unseal)" in done.err, done
        for arguments in ["whoami"], ["status"], ["key", "slot", "list"]:
            ctl(*arguments)
        assert "vaultctl unseal" in ctl("status").out

        eventually(lambda: w.get("/echo").error == "sealed")
        refused = w.get("/echo")
        assert refused.status == 503, refused
        assert int(refused.get("retry-after")) > 0
        assert w.vault.http("GET", "/-/healthz").status == 200
        refused = w.vault.http("GET", "/-/readyz")
        assert (refused.status, refused.error) == (503, "sealed"), refused
        assert not w.arrived("/echo")

        unseal(w.vault, "--stdin")
        assert state(w.vault) == "ready"
        assert w.vault.http("GET", "/-/readyz").status == 200
        assert w.get("/echo").status == 200
        done = ctl("unseal", "--stdin", input=PASS + "\n", check=False)
        assert done.status == 1 and "not sealed" in done.err, done


def keys_wrong_passphrase_is_slowed_and_audited():
    with World() as w:
        add_passphrase(w.vault)
        restart_sealed(w.vault)
        wrong = canary()
        done = w.vault.ctl("unseal", "--stdin", input=wrong + "\n",
                           check=False)
        assert done.status == 3 and "unseal-failed" in done.err, done
        # even the right one waits now
        done = w.vault.ctl("unseal", "--stdin", input=PASS + "\n",
                           check=False)
        assert done.status == 1 and "try again in" in done.err, done
        assert state(w.vault) == "sealed"
        unseal(w.vault, "--stdin")
        shown = w.vault.ctl("audit", "show", "--json").out
        assert "unseal-failed" in shown and '"unseal"' in shown
        assert wrong not in shown and PASS not in shown
        assert wrong not in w.vault.log()


def keys_slots_are_added_listed_and_removed():
    with World() as w:
        ctl = w.vault.ctl
        first, = slots(w.vault).values()
        assert first["kind"] == "keyfile" and first["unattended"]
        add_passphrase(w.vault, "for the safe")
        made = w.folder / "second"
        ctl("key", "slot", "add", "keyfile", "--file", made, "--generate")
        assert made.stat().st_mode & 0o777 == 0o600
        assert made.stat().st_size == 32
        listed = slots(w.vault)
        assert sorted(s["kind"] for s in listed.values()) == [
            "keyfile", "keyfile", "passphrase"]
        safe = listed[number(w.vault, "passphrase")]
        assert safe["name"] == "for the safe"
        assert (safe["opslimit"], safe["memlimit"]) == (2, 65536)
        assert not safe["unattended"]
        shown = ctl("key", "slot", "list").out
        assert "for the safe" in shown and "passphrase" in shown

        for left in 2, 1:
            gone = min(slots(w.vault))
            done = ctl("key", "slot", "remove", gone, check=False)
            assert done.status == 2, done       # no terminal, and no --yes
            ctl("key", "slot", "remove", gone, "--yes")
            assert len(slots(w.vault)) == left
        last, = slots(w.vault)
        done = ctl("key", "slot", "remove", last, "--yes", check=False)
        assert done.status == 1 and "last" in done.err, done

        # what the removed slot was opened by opens nothing
        assert slots(w.vault)[last]["kind"] == "keyfile"
        assert w.vault.stop() == 0
        take_key(w.vault)
        shutil.copy(made, w.vault.dir / "key")
        w.vault.start()
        assert w.get("/echo").status == 200


def keys_removed_slot_opens_nothing():
    with World() as w:
        add_passphrase(w.vault)
        file = number(w.vault, "keyfile")
        w.vault.ctl("key", "slot", "remove", file, "--yes")
        assert w.vault.stop() == 0
        w.vault.start()                         # its key file is still there
        assert state(w.vault) == "sealed"
        key = w.vault.dir / "key"
        done = w.vault.ctl("unseal", "--file", key, check=False)
        assert done.status == 2, done           # no slot is opened by a file
        done = w.vault.ctl("unseal", "--slot", file, "--file", key,
                           check=False)
        assert done.status == 4, done
        unseal(w.vault, "--stdin")
        assert w.get("/echo").status == 200


def keys_seal_and_unseal_by_file():
    with World() as w:
        done = w.vault.ctl("seal")
        assert "sealed" in done.out, done
        eventually(lambda: w.get("/echo").error == "sealed")
        eventually(lambda: w.vault.ctl("status", check=False).status == 0)
        arrived = len(w.arrived("/echo"))       # before it took effect
        assert state(w.vault) == "sealed"
        short = w.folder / "short"
        short.write_bytes(b"x" * 31)
        short.chmod(0o600)
        for wrong, status in (short, 1), (w.folder / "nothing", 1):
            done = w.vault.ctl("unseal", "--file", wrong, check=False)
            assert done.status == status, done
        assert state(w.vault) == "sealed"
        unseal(w.vault, "--file", w.vault.dir / "key")
        assert w.get("/echo").status == 200
        assert len(w.arrived("/echo")) == arrived + 1


class Load:
    """Requests, one after the other, until the end of the block."""

    def __init__(self, world, profiles):
        self.world, self.profiles = world, profiles
        self.answers, self.over = [], threading.Event()

    def __enter__(self):
        self.threads = [threading.Thread(target=self.ask, args=(p,))
                        for p in self.profiles]
        for thread in self.threads:
            thread.start()
        eventually(lambda: len(self.answers) >= len(self.profiles))
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(60)
            assert not thread.is_alive()

    def ask(self, profile):
        while not self.over.is_set():
            try:
                answer = self.world.get("/echo", profile)
                self.answers.append((answer.status, answer.error))
            except Exception as error:
                self.answers.append(error)
                return

    def none_failed(self):
        assert set(self.answers) == {(200, None)}, set(self.answers)


def many_profiles(w, customers=("acme", "globex"), each=12):
    names = ["acme/demo"]
    for customer in customers:
        for n in range(each):
            names.append(f"{customer}/p{n}")
            w.add(names[-1], health=False, account=None)
    return names


def jobs(vault):
    return [r for r in vault.rows("status") if r["kind"] == "job"]


def keys_root_rotates_while_requests_go_on():
    with World() as w:
        names = many_profiles(w)
        add_passphrase(w.vault)
        before = stored_blobs(w.vault.state, w.folder / "before")
        with Load(w, names[:2] + names[-2:]) as load:
            done = w.vault.ctl("key", "rotate", "--root")
        load.none_failed()
        assert done.err == "", done             # no progress without terminal
        assert not jobs(w.vault)
        for name in names:
            assert w.get("/echo", name).status == 200, name

        # nothing that the old root sealed is left, not even a slot
        after = stored_blobs(w.vault.state, w.folder / "after")
        kept = {b for b in before & after if len(b) > 64}
        assert len(kept) < len(before) / 2, (len(kept), len(before))

        # both slots open the new root
        restart_sealed(w.vault)
        unseal(w.vault, "--stdin")
        assert w.get("/echo").status == 200
        assert w.vault.stop() == 0
        (w.vault.home / "key.away").rename(w.vault.dir / "key")
        w.vault.start()
        assert state(w.vault) == "ready"
        for name in names:
            assert w.get("/echo", name).status == 200, name


def keys_root_rotation_needs_each_slot_or_leaves_it():
    with World() as w:
        add_passphrase(w.vault)
        assert w.vault.stop() == 0
        w.vault.start()                         # it does not know PASS now
        ctl, safe = w.vault.ctl, number(w.vault, "passphrase")
        assert not slots(w.vault)[safe]["unlocked"]
        done = ctl("key", "rotate", "--root", check=False)
        assert done.status == 2, done           # nowhere to ask for it
        file = w.folder / "passphrase"
        file.touch(0o600)
        file.write_text("not " + PASS + "\n")
        done = ctl("key", "rotate", "--root", "--slot-file",
                   f"{safe}={file}", check=False)
        assert done.status == 3 and "unseal-failed" in done.err, done
        file.write_text(PASS + "\n")
        ctl("key", "rotate", "--root", "--slot-file", f"{safe}={file}")
        assert safe in slots(w.vault)
        ctl("key", "rotate", "--root", "--drop-slot", safe)
        assert safe not in slots(w.vault)
        assert w.get("/echo").status == 200
        assert w.vault.stop() == 0
        w.vault.start()
        assert w.get("/echo").status == 200


def keys_customer_key_rotates_while_requests_go_on():
    with World() as w:
        names = many_profiles(w)
        with Load(w, names[:2] + names[-2:]) as load:
            w.vault.ctl("key", "rotate", "--customer", "acme")
            w.vault.ctl("key", "rotate", "--customer", "acme")
        load.none_failed()
        assert not jobs(w.vault)
        assert w.vault.stop() == 0
        w.vault.start()
        for name in names:
            assert w.get("/echo", name).status == 200, name


def keys_destroyed_customer_is_gone_and_its_name_free():
    with World() as w:
        many_profiles(w, each=4)
        done = w.vault.ctl("key", "destroy", "--customer", "acme",
                           check=False)
        assert done.status == 2, done           # no terminal, and no --yes
        assert len(w.vault.rows("profile", "list", "--customer",
                                "acme")) == 5
        before = stored_blobs(w.vault.state, w.folder / "before")
        done = w.vault.ctl("key", "destroy", "--customer", "acme", "--yes")
        # which level holds, and what the other takes
        assert "live" in done.out and "everywhere" in done.out, done
        assert "rotate --root" in done.out, done
        assert w.vault.rows("profile", "list", "--customer", "acme") == []
        assert w.get("/echo").error == "no-such-profile"
        gone = before - stored_blobs(w.vault.state, w.folder / "after")
        assert len(gone) > 5
        everything = b"".join(f.read_bytes() for f in
                              w.vault.state.rglob("*") if f.is_file())
        assert not any(blob in everything for blob in gone)

        assert len(w.vault.rows("profile", "list", "--customer",
                                "globex")) == 4
        assert w.get("/echo", "globex/p0").status == 200
        w.add()
        assert w.get("/echo").status == 200
        assert w.vault.stop() == 0
        w.vault.start()
        for name in "acme/demo", "globex/p3":
            assert w.get("/echo", name).status == 200, name


def keys_wrong_ways_change_nothing():
    with World() as w:
        short, loose, good = (w.folder / n for n in ("short", "loose", "good"))
        for file, size, mode in ((short, 31, 0o600), (loose, 32, 0o644),
                                 (good, 32, 0o600)):
            file.write_bytes(os.urandom(size))
            file.chmod(mode)
        add = ["key", "slot", "add"]
        for arguments, given, status in (
                ([*add, "keyfile", "--file", short], "", 1),
                ([*add, "keyfile", "--file", loose], "", 1),
                ([*add, "keyfile", "--file", w.folder / "none"], "", 1),
                ([*add, "keyfile", "--file", good, "--generate"], "", 1),
                ([*add, "keyfile"], "", 2),
                ([*add, "passphrase", "--stdin"], "\n", 2),
                ([*add, "passphrase", "--stdin"], "too short\n", 1),
                ([*add, "passphrase", "--memory", "8", "--stdin"], PASS, 2),
                ([*add, "passphrase"], "", 2),
                ([*add, "tpm"], "", 2),
                (["key", "slot", "remove", "7", "--yes"], "", 4),
                (["key", "slot", "remove", "no", "--yes"], "", 2),
                (["key"], "", 2),
                (["key", "slot"], "", 2),
                (["key", "slot", "lst"], "", 2),
                (["key", "rotate"], "", 2),
                (["key", "rotate", "--root", "--drop-slot", "0"], "", 2),
                (["key", "rotate", "--customer", "nobody"], "", 4),
                (["key", "destroy", "--customer", "nobody", "--yes"], "", 4),
                (["key", "destroy", "--customer", "Acme", "--yes"], "", 2),
                (["unseal", "--file", w.vault.dir / "key"], "", 1)):
            done = w.vault.ctl(*arguments, input=given, check=False)
            assert done.status == status, (arguments, done)
            assert done.err, arguments
        assert len(slots(w.vault)) == 1
        assert w.get("/echo").status == 200


def keys_need_the_verb_operate():
    with World() as w:
        w.vault.set_policy(
            f"client admin {{ uid {os.getuid()} }}\n"
            "permit admin to request, read, manage, audit on **\n",
            lambda: w.vault.ctl("key", "slot", "list",
                                check=False).status == 3)
        for arguments in (["seal"], ["key", "rotate", "--customer", "acme"],
                          ["key", "destroy", "--customer", "acme", "--yes"],
                          ["key", "slot", "add", "keyfile", "--file",
                           w.folder / "made", "--generate"]):
            done = w.vault.ctl(*arguments, check=False)
            assert done.status == 3, (arguments, done)
        assert not (w.folder / "made").exists()
        assert state(w.vault) == "ready"
        assert w.get("/echo").status == 200


def keys_verb_operate_is_enough():
    with World() as w:
        w.vault.set_policy(
            f"client admin {{ uid {os.getuid()} }}\n"
            "permit admin to request, operate on **\n",
            lambda: w.vault.ctl("status", check=False).status == 3)
        done = w.vault.ctl("key", "rotate", "--customer", "acme")
        assert "was replaced" in done.out, done
        assert "goes on with it by itself" in done.err, done
        eventually(lambda: w.vault.ctl("key", "rotate", "--root", "--no-wait",
                                       check=False).status == 0)
        assert w.get("/echo").status == 200


def credentials(*arguments):
    """systemd-creds, with a host key of the test's own."""
    return subprocess.run(
        ["systemd-creds", *map(str, arguments)], capture_output=True,
        env={**CLEAN, "SYSTEMD_CREDENTIAL_SECRET": os.environ["HOST_KEY"]},
        check=True, timeout=60).stdout


def keys_credential_of_systemd_opens_the_vault():
    if shutil.which("systemd-creds") is None:
        raise Skip("systemd-creds is not installed")
    with World() as w:
        os.environ["HOST_KEY"] = str(w.folder / "host.secret")
        plain, sealed = w.folder / "plain", w.folder / "sealed"
        try:
            credentials("setup")
        except subprocess.CalledProcessError as error:
            raise Skip(f"systemd-creds: {error.stderr}") from None
        w.vault.ctl("key", "slot", "add", "credential", "--name",
                    "vaultd.key", "--file", plain, "--generate")
        credentials("encrypt", "--with-key=host", "--name=vaultd.key", plain,
                    sealed)
        assert plain.read_bytes() not in sealed.read_bytes()
        given = w.vault.home / "credentials"
        given.mkdir(0o700)
        file = given / "vaultd.key"
        file.touch(0o600)
        file.write_bytes(credentials("decrypt", "--name=vaultd.key", sealed,
                                     "-"))
        file.chmod(0o400)
        assert file.read_bytes() == plain.read_bytes()
        plain.unlink()

        with open(w.vault.dir / "vaultd.conf", "a") as config:
            config.write("credential vaultd.key\n")
        assert w.vault.stop() == 0
        take_key(w.vault)
        CLEAN["CREDENTIALS_DIRECTORY"] = str(given)
        w.vault.start()
        assert state(w.vault) == "ready"
        assert w.get("/echo").status == 200
        own = slots(w.vault)[number(w.vault, "credential")]
        assert own["unlocked"] and own["unattended"], own

        # another machine's, or a damaged one
        assert w.vault.stop() == 0
        file.chmod(0o600)
        file.write_bytes(os.urandom(32))
        w.vault.spawn()
        assert w.vault.process.wait(30) == 3, w.vault.log()


class Terminal:
    """vaultctl at a terminal of its own."""

    def __init__(self, vault, *arguments):
        program = str(build() / "bin/vaultctl")
        self.shown = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, "--socket", str(vault.socket),
                                *map(str, arguments)], CLEAN)

    def read(self):
        """Some more; False at the end."""
        if not select.select([self.fd], [], [], 0.2)[0]:
            return True
        try:
            more = os.read(self.fd, 4096)
        except OSError:
            more = b""
        self.shown += more.decode(errors="replace")
        return bool(more)

    def type(self, question, text):
        """Wait for a question that was not there yet, and answer it."""
        seen = self.shown.count(question)
        eventually(lambda: self.read() and self.shown.count(question) > seen,
                   what=question)
        time.sleep(0.1)
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        limit = time.monotonic() + 30
        while self.read():
            assert time.monotonic() < limit, self.shown
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def keys_terminal_asks_and_does_not_echo():
    with World() as w:
        add = ["key", "slot", "add", "passphrase", *CHEAP]
        t = Terminal(w.vault, *add)
        t.type("New passphrase: ", PASS)
        t.type("The same again: ", PASS + "r")
        assert t.end() == 1 and "two different" in t.shown, t.shown
        assert len(slots(w.vault)) == 1
        t = Terminal(w.vault, *add, "--name", "ops")
        t.type("New passphrase: ", PASS)
        t.type("The same again: ", PASS)
        assert t.end() == 0, t.shown
        assert PASS not in t.shown
        restart_sealed(w.vault)
        t = Terminal(w.vault, "unseal")
        t.type("Passphrase of slot ", PASS)
        assert t.end() == 0 and PASS not in t.shown, t.shown
        assert w.get("/echo").status == 200

        file = number(w.vault, "keyfile")
        t = Terminal(w.vault, "key", "slot", "remove", file)
        t.type("Type yes: ", "y")
        assert t.end() == 1 and file in slots(w.vault), t.shown
        t = Terminal(w.vault, "key", "slot", "remove", file)
        t.type("Type yes: ", "yes")
        assert t.end() == 0 and file not in slots(w.vault), t.shown
        t = Terminal(w.vault, "key", "destroy", "--customer", "acme")
        t.type("its name: ", "acme/demo")
        assert t.end() == 1, t.shown
        assert w.get("/echo").status == 200
        t = Terminal(w.vault, "key", "destroy", "--customer", "acme")
        t.type("its name: ", "acme")
        assert t.end() == 0, t.shown
        assert w.get("/echo").error == "no-such-profile"
