"""Where a secret is, and above all where it is not."""
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from harness import World, need_root
from support.leaks import Scanner, canary, encodings
from support.lies import in_thread
from support.rawhttp import compose
from support.vault import Vault, children, eventually

KINDS = {
    "acme/bearer": {},
    "acme/header": {"inject": "header X-Api-Key: {secret}"},
    "acme/query": {"inject": "query api_key"},
    "acme/basic": {"inject": "basic robot"},
}


def stored_blobs(state, scratch):
    """Every binary value in the store, read from a copy of its files."""
    shutil.copytree(state, scratch, dirs_exist_ok=True)
    store = sqlite3.connect(scratch / "store.db")
    blobs = set()
    for table, in store.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for row in store.execute(f'SELECT * FROM "{table}"'):
            blobs.update(v for v in row if isinstance(v, bytes)
                         and len(v) >= 32)
    store.close()
    return blobs


def keys_rotate_uses_the_new_and_destroys_the_old():
    with World() as w:
        w.get("/echo")
        before = stored_blobs(w.vault.state, w.folder / "before")
        fresh = canary()
        w.upstream.accounts[fresh] = "acct-1"
        w.rotate(fresh)
        w.get("/echo")
        old, new = w.arrived("/echo")
        assert old.header("authorization") == f"Bearer {w.secret}"
        assert new.header("authorization") == f"Bearer {fresh}"

        gone = before - stored_blobs(w.vault.state, w.folder / "after")
        assert gone, "rotate replaced nothing in the store"
        for file in w.vault.state.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                for blob in gone:
                    middle = blob[len(blob) // 2 - 8:][:16]
                    assert middle not in data, (file, len(blob))


def keys_remove_leaves_no_sealed_bytes():
    with World() as w:
        before = stored_blobs(w.vault.state, w.folder / "before")
        w.vault.ctl("profile", "remove", "acme/demo")
        gone = before - stored_blobs(w.vault.state, w.folder / "after")
        assert gone, "remove removed nothing from the store"
        everything = b"".join(f.read_bytes() for f in
                              w.vault.state.rglob("*") if f.is_file())
        assert not any(blob in everything for blob in gone)


def keys_rotate_proves_the_new_key_first():
    with World() as w:
        done = w.rotate("refused-by-the-upstream", check=False)
        assert done.status == 7, done
        assert "refused-by-the-upstream" not in done.out + done.err
        assert w.get("/account").json() == {"id": "acct-1"}


def keys_rotate_to_another_account_needs_a_word():
    with World() as w:
        w.upstream.accounts["somebody-elses"] = "acct-2"
        w.vault.ctl("profile", "verify", "acme/demo")
        done = w.rotate("somebody-elses", check=False)
        assert done.status == 1, done
        assert w.get("/account").json() == {"id": "acct-1"}
        w.rotate("somebody-elses", "--new-account")
        assert w.get("/account").json() == {"id": "acct-2"}
        done = w.rotate(w.secret, check=False)
        assert done.status == 1, done


def keys_account_is_never_swapped_by_a_check():
    """The key itself may come to answer for somebody else."""
    with World() as w:
        def account():
            return w.vault.rows("profile", "show", "acme/demo")[0]["account"]

        assert account() == "acct-1"
        w.upstream.accounts[w.secret] = "acct-2"
        done = w.vault.ctl("profile", "verify", "acme/demo", check=False)
        assert done.status == 1 and "another" in done.err, done
        assert account() == "acct-1"


def keys_new_key_whose_account_is_not_told_needs_a_word():
    with World() as w:
        w.upstream.accounts["new-key"] = "acct-1"
        w.vault.ctl("profile", "set", "acme/demo", "--health", "GET /echo")
        w.vault.ctl("profile", "verify", "acme/demo")
        done = w.rotate("new-key", check=False)
        assert done.status == 1 and "whose" in done.err, done
        w.rotate("new-key", "--new-account")


def keys_first_profiles_of_a_customer_added_at_once():
    """They share the customer's key that was made first: a second one in its
    place would be the end of what the first has sealed."""
    with World() as w:
        for customer in range(8):
            names = [f"new{customer}/p{n}" for n in range(2)]
            threads = [in_thread(partial(w.add, name)) for name in names]
            for name, (thread, done) in zip(names, threads):
                thread.join(60)
                assert done and done[0].status == 0, (name, done)
            for name in names:
                assert w.get("/account", name).status == 200, name


def keys_profile_survives_a_restart():
    with World() as w:
        assert w.vault.stop() == 0
        w.vault.start()
        assert w.get("/account").json() == {"id": "acct-1"}


def keys_loose_or_missing_key_file_is_refused():
    with World() as w:
        key = w.vault.dir / "key"
        assert key.stat().st_mode & 0o777 == 0o600
        w.vault.stop()
        key.chmod(0o644)
        w.vault.spawn()
        assert w.vault.process.wait(30) == 3, w.vault.log()
        key.chmod(0o600)
        key.rename(key.with_suffix(".away"))
        key.write_bytes(os.urandom(key.with_suffix(".away").stat().st_size))
        key.chmod(0o600)
        w.vault.spawn()
        assert w.vault.process.wait(30) == 3, w.vault.log()


def keys_older_store_is_refused():
    """An older copy of the store is authentic, and the log knows better."""
    with World() as w:
        w.vault.stop()
        store = w.vault.state / "store.db"
        older = store.read_bytes()
        w.vault.start()
        w.vault.ctl("profile", "disable", "acme/demo")
        w.vault.stop()
        store.write_bytes(older)
        w.vault.spawn()
        assert w.vault.process.wait(30) == 3, w.vault.log()
        assert "older than the audit log" in w.vault.log()


def keys_swapped_rows_are_refused():
    """A row under another's id is authentic, and still not that row."""
    with World() as w:
        other = canary()
        w.upstream.accounts[other] = "acct-2"
        w.add("globex/other", secret=other)
        w.vault.stop()
        swap_bodies(w.vault.state / "store.db")
        w.vault.spawn()
        try:
            status = w.vault.process.wait(3)
        except subprocess.TimeoutExpired:
            status = None
        if status is None:                      # it runs, without those rows
            for profile in "acme/demo", "globex/other":
                assert w.get("/account", profile).status != 200
        else:
            assert status == 3, w.vault.log()


def swap_bodies(file):
    """Exchange the two longest blobs of equal length in one column."""
    store = sqlite3.connect(file)
    for table, in store.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        for column in [c[1] for c in
                       store.execute(f'PRAGMA table_info("{table}")')]:
            rows = store.execute(
                f'SELECT rowid, "{column}" FROM "{table}" '
                f'WHERE typeof("{column}") = \'blob\' '
                f'AND length("{column}") >= 256 '
                f'ORDER BY length("{column}") DESC').fetchall()
            for (one, a), (two, b) in zip(rows, rows[1:]):
                if len(a) == len(b) and a != b:
                    store.execute(f'UPDATE "{table}" SET "{column}" = ? '
                                  'WHERE rowid = ?', (b, one))
                    store.execute(f'UPDATE "{table}" SET "{column}" = ? '
                                  'WHERE rowid = ?', (a, two))
                    store.commit()
                    store.close()
                    return
    raise AssertionError("no two rows of one length in the store")


def keys_scanner_finds_a_deliberate_leak():
    """Each place and encoding that the canary test relies on."""
    need_root()
    secret = canary()
    scanner = Scanner(secret)
    for form, name in encodings(secret).items():
        assert scanner.bytes(b"x" + form + b"y", "it"), name
    assert scanner.bytes(secret[:-1].encode(), "it") == []

    script = ("import sys, base64\n"
              "kept = base64.b64encode(b'ab' + sys.stdin.buffer.read())\n"
              "print(len(kept), flush=True)\n"
              "import time; time.sleep(60)\n")
    leaky = subprocess.Popen([sys.executable, "-c", script],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    leaky.stdin.write(secret.encode())
    leaky.stdin.close()
    leaky.stdout.readline()
    assert any("alignment 2" in hit for hit in scanner.process(leaky.pid))
    leaky.kill()
    leaky.wait()

    careless = subprocess.Popen(["sleep", "60"], env={"LEAK": secret})
    eventually(lambda: any("environ" in hit for hit in
                           scanner.process(careless.pid)), 5)
    careless.kill()
    careless.wait()

    page = mmap.mmap(-1, 4 << 20)
    page[(2 << 20) - 5:(2 << 20) - 5 + len(secret)] = secret.encode()
    assert scanner.memory(os.getpid())
    with Vault() as vault:
        (vault.state / "leak.txt").write_text(f"key={secret}\n")
        assert scanner.tree(vault.dir)


def keys_canary_is_nowhere():
    need_root()
    with World(profile=False) as w:
        secrets = {profile: canary() for profile in KINDS}
        later = {profile: canary() for profile in KINDS}
        w.upstream.accounts.update((s, "acct-1") for s in
                                   [*secrets.values(), *later.values()])
        scanner = Scanner(*secrets.values(), *later.values())
        said = []
        for profile, settings in KINDS.items():
            said.append(w.add(profile, secret=secrets[profile], **settings))
        exercise(w, said)
        kill_a_courier_at_work(w, said)
        for profile in KINDS:
            said.append(w.vault.ctl(
                "rotate", profile, "--stdin", input=later[profile] + "\n"))
            said.append(w.get("/echo", profile))
        exercise(w, said)
        used = {r.account for r in w.arrived("/echo")}
        assert used == {"acct-1"}, "the canaries were not in use"

        assert scanner.bytes(repr(said).encode(), "replies") == []
        assert scanner.tree(w.vault.home) == []
        for profile in KINDS:           # the couriers have just been at work
            w.get("/echo", profile)
        time.sleep(2)
        rooms = w.vault.rooms()
        assert {"gate", "ledger", "courier", "dialer"} <= set(rooms), rooms
        watched = children(w.vault.process.pid) | {w.vault.process.pid: ""}
        for pid, name in watched.items():
            if pid in rooms["keeper"]:
                for place in "cmdline", "environ":
                    data = Path(f"/proc/{pid}/{place}").read_bytes()
                    assert scanner.bytes(data, place) == []
                continue
            assert scanner.process(pid) == [], name


def exercise(w, said):
    """Success and every error a worker can meet, for each profile."""
    for profile in KINDS:
        for path in "/echo", "/account", "/status/500", "/stream?bytes=70000":
            said.append(w.get(path, profile))
        said.append(w.vault.http("POST", f"/{profile}/upload", body=b"x",
                                 chunked=True))
        said.append(w.get("/../x", profile))
        said.append(w.vault.http("TRACE", f"/{profile}/echo"))
        w.upstream.raw["/broken"] = b"not http\r\n\r\n"
        said.append(w.get("/broken", profile))
        for command in (["profile", "show", profile],
                        ["profile", "verify", profile],
                        ["request", profile, "GET", "/echo", "-i"],
                        ["audit", "show", "--json"], ["status"]):
            said.append(w.vault.ctl(*command))
    bad = w.vault.ctl("rotate", "acme/bearer", "--stdin", check=False,
                      input="not-accepted-by-anyone\n")
    assert bad.status == 7, bad
    said.append(bad)


def kill_a_courier_at_work(w, said):
    with w.vault.connect() as c:
        c.send(compose("GET", "/acme/bearer/hold"))
        eventually(lambda: w.arrived("/hold"))
        for pid in w.vault.rooms()["courier"]:
            os.kill(pid, 9)
        answer = c.read()
        assert answer.status in (502, 503), answer
        said.append(answer)
    eventually(lambda: w.get("/echo", "acme/bearer").status == 200)
