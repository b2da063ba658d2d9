"""A vault of 20,000 profiles, as it is after years."""
import random
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from harness import LOOPBACK, World
from support.many import make_many, name_of
from support.usage import resident
from support.vault import Vault, build, eventually

PROFILES, CUSTOMERS = 20000, 50
KEEPER_ROW = 200    # bytes of memory for one of two rows that a profile has
LEDGER_MORE = 4096  # KiB, however many rows there are
LIST_MORE = 4096    # KiB for a list on its way, keeper, ledger and gate


@contextmanager
def stocked(world, profiles):
    """A running vault with so many profiles for the world's upstream."""
    vault = make_many(Vault(), profiles, CUSTOMERS, url=world.upstream.url,
                      ca=world.ca.pem, network=LOOPBACK, secret=world.secret)
    with vault.start():
        yield vault


def room(vault, name):
    return resident(vault.rooms()[name])


def is_idle(vault):
    """Has the keeper come to rest?"""
    task = Path(f"/proc/{vault.rooms()['keeper'][0]}/schedstat")
    before = task.read_text()
    time.sleep(0.3)
    return task.read_text() == before


def keys_many_profiles_are_found_and_used():
    with World(profile=False) as w, stocked(w, PROFILES) as vault:
        assert vault.rows("status")[0]["profiles"] == PROFILES
        names = {r["profile"] for r in vault.rows("profile", "list")}
        assert names == {name_of(i, CUSTOMERS) for i in range(PROFILES)}
        for i in random.Random(4).sample(range(PROFILES), 5):
            name = name_of(i, CUSTOMERS)
            answer = vault.http("GET", f"/{name}/echo")
            assert answer.status == 200, (name, answer)
            vault.ctl("profile", "set", name, "--title", f"title of {i}")
        vault.stop()
        vault.start()
        shown, = vault.rows("profile", "show", name)
        assert shown["title"] == f"title of {i}", shown


def keys_many_profiles_take_little_memory():
    with World(profile=False) as w, stocked(w, CUSTOMERS) as few, \
            stocked(w, PROFILES) as many:
        for vault in few, many:
            vault.ctl("status")
        rows = 2 * (PROFILES - CUSTOMERS)
        assert (room(many, "keeper") - room(few, "keeper")) * 1024 < \
            rows * KEEPER_ROW
        assert room(many, "ledger") - room(few, "ledger") < LEDGER_MORE


def keys_many_profiles_are_listed_as_they_are_read():
    """A client that stops reading keeps no list in anybody's memory."""
    with World(profile=False) as w, stocked(w, PROFILES) as vault:
        vault.ctl("status")

        def rooms():
            return sum(room(vault, r) for r in ("gate", "keeper", "ledger"))

        before = rooms()
        lister = subprocess.Popen(
            [build() / "bin/vaultctl", "--socket", vault.socket, "profile",
             "list", "--json"], stdout=subprocess.PIPE)
        try:
            size = len(lister.stdout.read(64 << 10))
            eventually(lambda: is_idle(vault), what="the list held up")
            assert rooms() < before + LIST_MORE, (before, rooms())
            while part := lister.stdout.read(64 << 10):
                size += len(part)
            assert rooms() < before + LIST_MORE
            assert lister.wait(20) == 0 and size > PROFILES * 200, size
        finally:
            lister.kill()
            lister.stdout.close()
            lister.wait()
