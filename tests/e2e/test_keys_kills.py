"""Rooms die at any moment under a mixed load, and nothing that was
acknowledged is lost, and no credential but the right one is used.

A profile is changed by one client alone, and asked for by all.  What is known
of it is the set of states in which it may be: one after an answer, two while a
change is under way or when its answer was lost.
"""
import os
import random
import shutil
import tempfile
import threading
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import LONG, LOOPBACK
from support.ca import Authority
from support.upstream import Upstream
from support.vault import Vault, eventually

SEED = int(os.environ.get("VAULTD_SEED", "1"))
CLIENTS = 64
VICTIMS = (["gate", "ledger", "courier", "dialer"] * 3 + ["keeper"] * 2 +
           ["vaultd"])
# Killed how often; profiles; customers; what a client waits between two acts.
Size = namedtuple("Size", "kills profiles customers pause")
SIZE = Size(1000, 1000, 50, 1.5) if LONG else Size(20, 60, 6, 0.3)
HEALTHY = 20        # seconds in which the vault serves again

ACTIVE, DISABLED, PENDING, ABSENT = "active", "disabled", "pending", "absent"
State = namedtuple("State", "status version")
# What an answer other than 200 says of the profile; the others say nothing.
TELLING = {"no-such-profile": {ABSENT},
           "credential-not-usable": {DISABLED, PENDING}}
PASSING = {"stale", "upstream-failed", "upstream-timeout", "not-ready",
           "restarting"}


class Profile:
    def __init__(self, name):
        self.name = name
        self.version = 0        # the last that was tried
        self.known = [frozenset([State(ABSENT, 0)])]

    @property
    def now(self):
        return self.known[-1]

    def may_become(self, *states):
        self.known.append(self.now | frozenset(states))

    def is_now(self, state):
        self.known.append(frozenset([state]))

    def since(self, then):
        """Every state in which it may have been since then."""
        return frozenset().union(*self.known[then:])

    def mark(self):
        return len(self.known) - 1

    def secret(self, version):
        return f"key-of-{self.name}-{version}-{SEED:020}"

    def oldest(self, then):
        """The oldest version that may be used from then on."""
        return min((s.version for s in self.known[then]
                    if s.status != ABSENT), default=self.version)


class Checking(Upstream):
    """Knows each key by its text, keeps no requests, and holds what arrives
    against what its path says: whose it is, and since which version."""

    def __init__(self, *arguments):
        self.wrong, self.served = [], 0
        super().__init__(*arguments)
        self.requests = self

    def append(self, request):
        wanted = request.query.get("of")
        if wanted is None:
            return                  # a health check
        self.served += 1
        name, version = request.account or ("nobody", 0)
        if name != wanted[0] or version < request.number("since", 0):
            self.wrong.append((request.target, name, version))

    def _account(self, request):
        value = request.header("authorization") or ""
        return self.accounts.get(value.removeprefix("Bearer "))


class Load:
    """The clients, each a thread."""

    def __init__(self, vault, upstream, ca):
        self.vault, self.upstream, self.ca = vault, upstream, ca
        names = [f"customer{n % SIZE.customers}/p{n}"
                 for n in range(SIZE.profiles)]
        self.profiles = {name: Profile(name) for name in names}
        self.wrong = []
        self.stopping = threading.Event()
        self.answered = self.changed = 0
        self.threads = []

    def start(self):
        owned = list(self.profiles.values())
        self.threads = [threading.Thread(target=self._client, daemon=True,
                                         args=(n, owned[n::CLIENTS]))
                        for n in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(120)
            assert not thread.is_alive(), "a client hangs"

    def _client(self, number, owned):
        luck = random.Random(SEED * 1000 + number)
        everyone = list(self.profiles.values())
        connection = None
        try:
            while not self.stopping.is_set():
                act = luck.random()
                if act < 0.08 and owned:
                    self.change(luck.choice(owned), luck)
                elif act < 0.11:
                    self.look(luck.choice(everyone), luck)
                else:
                    connection = self.ask(luck.choice(everyone), connection)
                self.stopping.wait(luck.random() * SIZE.pause)
        except Exception as failure:        # for who stops the load to see
            self.wrong.append(repr(failure))

    # Requests.

    def ask(self, profile, connection=None):
        """A request; its connection, if that can be used again."""
        then = profile.mark()
        target = (f"/{profile.name}/account?of={profile.name}"
                  f"&since={profile.oldest(then)}")
        try:
            connection = connection or self.vault.connect()
            answer = connection.ask("GET", target)
        except (OSError, ValueError):
            if connection is not None:
                connection.close()
            return None
        self.judge(profile, then, answer)
        if answer.get("Connection") == "close":
            connection.close()
            return None
        return connection

    def judge(self, profile, then, answer):
        states = profile.since(then)
        if answer.status == 200:
            name, version = answer.json()["id"]
            good = (name == profile.name and
                    State(ACTIVE, version) in states)
            self.answered += 1
        elif answer.error in TELLING:
            good = any(s.status in TELLING[answer.error] for s in states)
        else:
            good = answer.error in PASSING
        if not good:
            self.wrong.append((profile.name, answer, sorted(states)))

    # Changes, each tried until it is acknowledged.

    def change(self, profile, luck):
        """Whatever may follow on the state that it is in."""
        state, = profile.now
        if state.status == ABSENT:
            self.add(profile)
        elif state.status == DISABLED:
            self.turn(profile, "enable", ACTIVE)
        else:
            luck.choice((self.rotate, self.rotate, self.rotate, self.disable,
                         self.remove))(profile)

    def next_version(self, profile):
        profile.version += 1
        secret = profile.secret(profile.version)
        self.upstream.accounts[secret] = profile.name, profile.version
        return secret + "\n"

    def add(self, profile):
        secret = self.next_version(profile)
        profile.may_become(State(ACTIVE, profile.version),
                           State(PENDING, profile.version))
        health = int(profile.name.rpartition("p")[2]) % 2 == 0
        done = self.vault.ctl(
            "profile", "add", profile.name, "--system", "custom-rest",
            "--set", f"url={self.upstream.url}", "--set", f"ca={self.ca.pem}",
            "--set", f"network={LOOPBACK}",
            *(["--health", "GET /account"] if health else []), "--stdin",
            input=secret, check=False)
        if done.status == 0 and "pending" not in done.out:
            profile.is_now(State(ACTIVE, profile.version))
        else:
            self.remove(profile)

    def until_done(self, profile, arguments, good=(0,), input=None):
        """Nobody else changes the profile, so that what is so already was
        done by the last try."""
        first, end = True, time.monotonic() + 2 * HEALTHY
        while time.monotonic() < end:
            done = self.vault.ctl(*arguments, input=input, check=False)
            if done.status in good or not first and "(exists" in done.err:
                self.changed += 1
                return
            assert done.status in (1, 5, 6), (arguments, done)
            first = False
            time.sleep(0.05)
        raise AssertionError(f"{arguments}: never done: {done}")

    def rotate(self, profile):
        secret = self.next_version(profile)
        profile.may_become(State(ACTIVE, profile.version))
        self.until_done(profile, ["rotate", profile.name, "--stdin"],
                        input=secret)
        profile.is_now(State(ACTIVE, profile.version))

    def turn(self, profile, word, status):
        after = State(status, profile.version)
        profile.may_become(after)
        self.until_done(profile, ["profile", word, profile.name])
        profile.is_now(after)

    def disable(self, profile):
        self.turn(profile, "disable", DISABLED)

    def remove(self, profile):
        after = State(ABSENT, profile.version)
        profile.may_become(after)
        self.until_done(profile, ["profile", "remove", profile.name], (0, 4))
        profile.is_now(after)

    # Looking.

    def look(self, profile, luck):
        if luck.random() < 0.3:
            self.vault.ctl("audit", "show", "--profile", profile.name,
                           "--json", check=False)
        elif luck.random() < 0.5:
            self.list(profile.name.split("/")[0])
        else:
            then = profile.mark()
            done = self.vault.ctl("profile", "show", profile.name,
                                  check=False)
            states = {s.status for s in profile.since(then)}
            if (done.status == 4 and ABSENT not in states or
                    done.status == 0 and states == {ABSENT}):
                self.wrong.append((profile.name, done, states))

    def list(self, customer=None):
        """Hold "profile list" against what is known; False if it failed."""
        then = {name: p.mark() for name, p in self.profiles.items()
                if customer in (None, name.split("/")[0])}
        try:
            rows = self.vault.rows("profile", "list", *(
                ["--customer", customer] if customer else []))
        except AssertionError:
            return False
        found = {row["profile"]: row["status"] for row in rows}
        for name, mark in then.items():
            states = {s.status for s in self.profiles[name].since(mark)}
            if found.pop(name, ABSENT) not in states:
                self.wrong.append((name, rows, states))
        if found:
            self.wrong.append(("strangers", found))
        return True


class House:
    """The vault, the moments at which a part of it dies, and what must hold
    after each."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="upstream-"))
        self.folder.chmod(0o755)
        ca = Authority(self.folder)
        self.upstream = Checking(*ca.issue())
        self.vault = Vault().start()
        self.load = Load(self.vault, self.upstream, ca)
        self.luck = random.Random(SEED)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.load.stopping.set()
        self.vault.__exit__()
        self.upstream.release.set()
        self.upstream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.load.add, self.load.profiles.values()))
        self.holds()

    def kill(self):
        """Whom, and when, follows from the seed alone."""
        victim = self.luck.choice(VICTIMS)
        which = self.luck.random()
        time.sleep(self.luck.random() * 0.4)
        if victim == "vaultd":
            rooms = [pid for pids in self.vault.rooms().values()
                     for pid in pids]
            self.vault.kill()
            eventually(lambda: not any(map(lives, rooms)), HEALTHY,
                       "the end of vaultd's rooms")
            self.vault.start()
            return victim
        pids = eventually(lambda: sorted(self.vault.rooms().get(victim, ())),
                          HEALTHY, f"a {victim}")
        os.kill(pids[int(which * len(pids))], 9)
        return victim

    def serves(self):
        """An answer that tells something, and a list that is right."""
        answered = self.load.answered
        profile = self.luck.choice(list(self.load.profiles.values()))
        connection = self.load.ask(profile)
        if connection is not None:
            connection.close()
        return self.load.answered > answered and self.load.list()

    def healthy(self):
        assert self.vault.process.poll() is None, "vaultd has ended"
        eventually(self.serves, HEALTHY, "the vault serves")
        eventually(lambda: self.vault.ctl("status", check=False).out.split()
                   [:2] == ["state", "ready"], HEALTHY, "ready")
        self.holds()

    def holds(self):
        assert not self.load.wrong, self.load.wrong[:3]
        assert not self.upstream.wrong, self.upstream.wrong[:3]

    def all_are_there(self):
        """Nothing is under way: each profile is in one state, and its key is
        the last that was acknowledged."""
        for profile in self.load.profiles.values():
            state, = profile.now
            answered = self.load.answered
            eventually(lambda: (self.load.ask(profile) or
                                state.status != ACTIVE), HEALTHY)
            assert (self.load.answered > answered) == (
                state.status == ACTIVE), profile.name
        assert self.load.list()
        self.holds()

    def log_is_whole(self):
        eventually(lambda: self.vault.unsettled() == [], HEALTHY,
                   "an outcome of each decision")
        numbers = [r["seq"] for r in self.vault.audit()]
        assert numbers == list(range(len(numbers)))


def lives(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def keys_survive_kills_of_any_room():
    try:
        with House() as house:
            suffer(house)
    except Exception:
        print(f"seed {SEED} (VAULTD_SEED)")
        raise


def suffer(house):
    house.fill()
    house.load.start()
    for n in range(SIZE.kills):
        victim = house.kill()
        try:
            house.healthy()
        except AssertionError as failure:
            raise AssertionError(f"kill {n}, of {victim}") from failure
    house.load.stop()
    assert house.load.answered > SIZE.kills and house.load.changed > 0
    house.all_are_there()
    house.log_is_whole()
    assert house.vault.stop() == 0
    house.vault.start()
    house.all_are_there()
    house.log_is_whole()
