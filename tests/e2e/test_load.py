"""A user who takes all he can get, and another one who goes on working."""
import os
import statistics
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from harness import ADMIN, LONG, STRANGER, World, need_root
from support import attack
from support.attack import Attack, connect
from support.rawhttp import compose
from support.scripted import Scripted
from support.usage import descriptors, house, resident
from support.vault import eventually

ATTACKS = {
    "slow readers": partial(attack.slow_readers, target="/acme/demo/endless"),
    "slow writers": partial(attack.slow_writers, target="/acme/demo/sink"),
    "idle": attack.idle,
    "flood": partial(attack.flood, number=64, deep=8,
                     target="/acme/demo/fine"),
}

# Of all rooms together, more than without the attack.
ONE_ATTACK = 224 << 10      # KiB
ALL_ATTACKS = 320 << 10
DESCRIPTORS = 6000
PATIENCE = 10               # seconds, on a machine busy with the attack


def fine(stream):
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


def sink(stream):
    """Take a body that does not end."""
    with suppress(OSError):
        while stream.recv(65536):
            pass
    return False


@contextmanager
def besieged():
    """A vault whose policy lets the attacker in, and its upstream."""
    policy = ADMIN + f"""
client attacker {{
    uid {STRANGER}
}}
permit attacker to request on **
"""
    with World(profile=False) as w:
        with Scripted(w.ca.issue(), {"/fine": fine, "/sink": sink}) as s:
            s.endless("/endless", b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536))
            w.add(url=s.url, account=None, health=False)
            question = ("policy", "explain", "acme/demo", "request", "GET",
                        "/fine")
            w.vault.set_policy(policy, lambda: "permit" in w.vault.ctl(
                *question, user=attacker(), check=False).out)
            assert w.get("/fine").status == 200
            yield w


def attacker():
    """Another user where there can be one."""
    return STRANGER if os.getuid() == 0 else None


def times(w, number):
    """How long each of so many requests took, all of them answered."""
    found = []
    for _ in range(number):
        began = time.monotonic()
        answer = w.get("/fine")
        found.append(time.monotonic() - began)
        assert answer.body == b"ok", answer
        time.sleep(0.02)
    return found


def survives(*names, most=ONE_ATTACK):
    with besieged() as w:
        rooms = {room: pids for room, pids in w.vault.rooms().items()
                 if room != "gate"}
        before = resident(house(w.vault))
        for _ in range(5 if LONG else 1):
            with ExitStack() as stack:
                siege = [stack.enter_context(Attack(
                    ATTACKS[name], w.vault.http_socket, attacker()))
                    for name in names]
                took = times(w, 20)
                assert max(took) < PATIENCE, took
                assert statistics.median(took) < PATIENCE / 5, took
                assert resident(house(w.vault)) < before + most
                if os.getuid() == 0:
                    assert descriptors(house(w.vault)) < DESCRIPTORS
                for one in siege:
                    assert one.alive(), "the attack has failed"
            assert max(times(w, 5)) < PATIENCE
        eventually(lambda: w.vault.unsettled() == [], what="every outcome")
        if os.getuid() == 0:
            eventually(lambda: descriptors(house(w.vault)) < 500,
                       what="the attacker's descriptors closed")
        assert "broke the protocol" not in w.vault.log()
        now = w.vault.rooms()
        for room in "keeper", "ledger", "dialer":
            assert now[room] == rooms[room], f"the {room} died"


def hostile_load_of_slow_readers():
    survives("slow readers")


def hostile_load_of_slow_writers():
    survives("slow writers")


def hostile_load_of_idle_connections():
    survives("idle")


def hostile_load_of_a_flood():
    survives("flood")


def hostile_load_of_everything_at_once():
    survives(*ATTACKS, most=ALL_ATTACKS)


def hostile_load_of_requests_given_up():
    """A fleet that vanishes in the middle of its requests, and comes back."""
    with besieged() as w:
        for _ in range(3):
            crowd = connect(str(w.vault.http_socket), 300)
            for peer in crowd:
                peer.sendall(compose("GET", "/acme/demo/fine"))
            for peer in crowd:
                peer.close()
            assert max(times(w, 3)) < PATIENCE
        eventually(lambda: w.vault.unsettled() == [], what="every outcome")


def hostile_load_of_more_connections_than_there_are():
    """Who has all that one may have is refused; others come in."""
    need_root()
    with besieged() as w:
        with Attack(partial(attack.idle, number=4000), w.vault.http_socket,
                    attacker()) as crowd:
            assert max(times(w, 20)) < PATIENCE
            assert w.vault.ctl("whoami").status == 0
            refused = w.vault.ctl("request", "acme/demo", "GET", "/fine",
                                  user=attacker(), check=False)
            assert refused.status != 0
            assert crowd.alive()
        eventually(lambda: w.vault.ctl("request", "acme/demo", "GET", "/fine",
                                       user=attacker(),
                                       check=False).status == 0,
                   what="the attacker's own place again")
