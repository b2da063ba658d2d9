"""Damage to the store and to the key file: any byte changed, rows swapped,
doubled, removed, or another vault's.  The vault says no, by name, or is what
it was; it does not crash, and gives no wrong answer."""
import os
import random
import re
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from harness import LONG, World
from support.leaks import canary
from support.vault import Vault, eventually

SEED = int(os.environ.get("VAULTD_SEED", "1"))
SAMPLE = 120        # flips that a plain run tries
OTHERS = 400        # and a long run, of those that no row's content has
AT_ONCE = 3
PROFILES = {"acme/demo": "acct-1", "globex/other": "acct-2",
            "acme/second": "acct-3"}
NAMED = re.compile("|".join((
    r"the store's super row is damaged, or another vault's",
    r"rows of the store were changed, removed or added",
    r"the store has no super row or no key slot",
    r"the store has a second super row",
    r"a key slot of the store is damaged",
    r"the key file does not open this store's key slot",
    r"the store is empty, but the audit log is not",
    r"the store is older than the audit log says",
    r"ledger: cannot start: step (10|23)",
    r"key: ",
)))
# Signal 9 is how vaultd ends a room that it gives up.
CRASHED = re.compile(r"ended by signal (?!9 )|the wall stopped|Sanitizer")


class Damage:
    """A vault that was stopped, and what becomes of its copies."""

    def __init__(self):
        self.world = World().__enter__()
        self.settle()

    def settle(self):
        w = self.world
        for profile, account in PROFILES.items():
            if profile != "acme/demo":
                secret = canary()
                w.upstream.accounts[secret] = account
                w.add(profile, secret=secret)
        assert w.vault.stop() == 0
        self.store = (w.vault.state / "store.db").read_bytes()
        self.key = (w.vault.dir / "key").read_bytes()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.world.__exit__(*failure)

    def copy(self):
        """The stopped vault again, elsewhere."""
        vault = Vault()
        shutil.copytree(self.world.vault.dir, vault.dir,
                        ignore=lambda *_: ["vaultd.sock", "http.sock"])
        for path in vault.dir.rglob("*"):
            told = (self.world.vault.dir /
                    path.relative_to(vault.dir)).stat()
            os.chown(path, told.st_uid, told.st_gid)
        state = self.world.vault.state.stat()
        os.chown(vault.state, state.st_uid, state.st_gid)
        return vault

    def judge(self, damage, what):
        """Let "damage" loose on a copy; "refused", or "as before"."""
        vault = self.copy()
        try:
            damage(vault)
            return self.verdict(vault, what)
        finally:
            if vault.process is not None:
                vault.kill()
            shutil.rmtree(vault.home, ignore_errors=True)
            Vault.started.remove(vault)

    def verdict(self, vault, what):
        vault.spawn()
        eventually(lambda: vault.process.poll() is not None or ready(vault),
                   30, f"{what}: an end")
        log = vault.log()
        assert not CRASHED.search(log), (what, log)
        if vault.process.poll() is not None:
            assert vault.process.returncode == 3, (what, log)
            assert NAMED.search(log), (what, log)
            return "refused"
        for profile, account in PROFILES.items():
            answer = vault.http("GET", f"/{profile}/account")
            assert answer.status == 200, (what, profile, answer, vault.log())
            assert answer.json() == {"id": account}, (what, profile, answer)
        rows = vault.rows("profile", "list")
        assert {r["profile"] for r in rows} == set(PROFILES), (what, rows)
        assert vault.ctl("profile", "disable", "acme/second").status == 0
        return "as before"

    def all(self, named):
        """Every damage of (damage, what), some at the same time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda one: self.judge(*one), named))


def ready(vault):
    try:
        return b"READY=1" in vault.notify.recv(4096).split(b"\n")
    except BlockingIOError:
        return False


def flip(name, at, bit):
    def damage(vault):
        with open(vault.dir / name, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1 << bit]))
    return damage, f"{name}: bit {bit} of byte {at} (seed {SEED})"


def sql(*statements):
    """Statements on the store, after which nothing is left in its log."""
    def damage(vault):
        store = sqlite3.connect(vault.state / "store.db")
        for statement in statements:
            store.execute(statement)
        store.commit()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()
        for end in "-wal", "-shm":
            (vault.state / f"store.db{end}").unlink(missing_ok=True)
    return damage, "; ".join(statements)


def content(file):
    """All rows of a store, or None if it cannot be read."""
    try:
        store = sqlite3.connect(f"file:{file}?immutable=1", uri=True)
        rows = store.execute("SELECT * FROM rows ORDER BY id").fetchall()
        store.close()
        return rows
    except (sqlite3.DatabaseError, UnicodeDecodeError, OverflowError):
        return None


def bytes_of_rows(store, scratch):
    """The bytes of a store whose change is one of a row that can be read."""
    scratch.write_bytes(store)
    whole = content(scratch)
    found = []
    for at in range(len(store)):
        with open(scratch, "r+b") as file:
            file.seek(at)
            file.write(bytes([store[at] ^ 1]))
        if content(scratch) not in (None, whole):
            found.append(at)
        with open(scratch, "r+b") as file:
            file.seek(at)
            file.write(store[at:at + 1])
    return found


def keys_flipped_byte_of_the_store_is_refused_or_of_no_matter():
    luck = random.Random(SEED)
    with Damage() as d:
        everywhere = range(len(d.store))
        if LONG:
            places = bytes_of_rows(d.store, d.world.folder / "scratch.db")
            assert len(places) > 2000, len(places)
            places += luck.sample(everywhere, OTHERS)
        else:
            places = luck.sample(everywhere, SAMPLE)
        found = d.all(flip("state/store.db", at, luck.randrange(8))
                      for at in places)
        assert {"refused", "as before"} == set(found), found


def keys_flipped_byte_of_the_key_file_is_refused():
    luck = random.Random(SEED)
    with Damage() as d:
        found = d.all(flip("key", at, luck.randrange(8))
                      for at in range(len(d.key)))
        assert set(found) == {"refused"}, found


def keys_rows_swapped_doubled_or_removed_are_refused():
    """Each row against each, whatever is in them."""
    with Damage() as d:
        ids = [row[0].hex() for row in
               content(d.world.vault.state / "store.db")]
        damages = [sql("DELETE FROM rows")]
        for n, one in enumerate(ids):
            other = ids[n - 1]
            damages.append(sql(f"DELETE FROM rows WHERE id = x'{one}'"))
            damages.append(sql(
                "INSERT INTO rows SELECT randomblob(16), kind, generation, "
                f"body FROM rows WHERE id = x'{one}'"))
            damages.append(sql(
                "CREATE TABLE t AS SELECT * FROM rows",
                "UPDATE rows SET (kind, generation, body) = (SELECT kind, "
                f"generation, body FROM t WHERE id = x'{other}') "
                f"WHERE id = x'{one}'",
                "UPDATE rows SET (kind, generation, body) = (SELECT kind, "
                f"generation, body FROM t WHERE id = x'{one}') "
                f"WHERE id = x'{other}'", "DROP TABLE t"))
        found = d.all(damages)
        assert set(found) == {"refused"}, found
        assert d.judge(*sql("CREATE TABLE t (x)", "DROP TABLE t")) == \
            "as before"


def keys_rows_of_another_vault_are_refused():
    """One at a time, in the place of its like, and beside it."""
    with Damage() as d, Damage() as stranger:
        theirs = content(stranger.world.vault.state / "store.db")
        ours = content(d.world.vault.state / "store.db")
        damages = []
        for row, kind, generation, body in theirs:
            mine = next(r[0] for r in ours if r[1] == kind)
            damages.append(sql(
                f"UPDATE rows SET generation = {generation}, "
                f"body = x'{body.hex()}' WHERE id = x'{mine.hex()}'"))
            if row in [r[0] for r in ours]:
                continue            # a slot has the same id everywhere
            damages.append(sql(
                f"INSERT INTO rows VALUES (x'{row.hex()}', {kind}, "
                f"{generation}, x'{body.hex()}')"))
        found = d.all(damages)
        assert set(found) == {"refused"}, found
