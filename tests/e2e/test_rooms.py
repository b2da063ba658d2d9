"""The rooms' lives and deaths, under load and without."""
import os
import signal
import socket
import threading
import time

from harness import ADMIN, LONG, World
from support.rawhttp import Connection, compose
from support.vault import Vault, children, eventually

CLIENTS = 16
KILLS = 20 if LONG else 2
# What a request in flight may be told when a room dies.
CLEAR = {"upstream-failed", "restarting", "not-ready", "audit-unavailable",
         "store-unavailable", "upstream-timeout"}


class Load:
    """Workers that ask without pause and keep what they were told."""

    def __init__(self, world):
        self.world = world
        self.stopping = False
        self.good = 0
        self.refused = []
        self.closed = 0
        self.wrong = []
        self.threads = [threading.Thread(target=self._work, daemon=True)
                        for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        eventually(lambda: self.good > CLIENTS)
        return self

    def __exit__(self, *_):
        self.stopping = True
        for thread in self.threads:
            thread.join(60)
        stuck = [t for t in self.threads if t.is_alive()]
        assert not stuck, f"{len(stuck)} requests without an end"

    def _work(self):
        while not self.stopping:
            try:
                with self.world.vault.connect() as connection:
                    self._ask(connection)
            except TimeoutError:
                self.wrong.append("no answer at all")
            except (ConnectionError, OSError):
                self.closed += 1
                time.sleep(0.02)

    def _ask(self, connection):
        while not self.stopping:
            answer = connection.ask("POST", "/acme/demo/upload",
                                    body=b"x" * 1000)
            if answer.status == 200 and answer.json()["bytes"] == 1000:
                self.good += 1
            elif answer.error in CLEAR and answer.status in (502, 503, 504):
                self.refused.append(answer.error)
                time.sleep(0.01)
                if answer.get("Connection") == "close":
                    return
            else:
                self.wrong.append(answer)


def kill_each_under_load(room):
    with World() as w:
        with Load(w) as load:
            for _ in range(KILLS):
                victim = eventually(lambda: w.vault.rooms().get(room))[0]
                os.kill(victim, signal.SIGKILL)
                eventually(lambda: [p for p in w.vault.rooms().get(room, [])
                                    if p != victim], what=f"a new {room}")
                before = load.good
                eventually(lambda: load.good > before + CLIENTS,
                           what="work after the kill")
        assert load.wrong == [], load.wrong[:3]
        assert w.vault.process.poll() is None
        eventually(lambda: w.get("/echo").status == 200)
        w.vault.ctl("request", "acme/demo", "GET", "/echo")
        w.vault.ctl("profile", "verify", "acme/demo")
        eventually(lambda: w.vault.unsettled() == [],
                   what="an outcome for each decision")
        assert w.vault.stop() == 0


def rooms_kill_gate_under_load():
    kill_each_under_load("gate")


def rooms_kill_keeper_under_load():
    kill_each_under_load("keeper")


def rooms_kill_ledger_under_load():
    kill_each_under_load("ledger")


def rooms_kill_courier_under_load():
    kill_each_under_load("courier")


def rooms_kill_dialer_under_load():
    kill_each_under_load("dialer")


def rooms_kill_supervisor_under_load():
    with World() as w:
        with Load(w) as load:
            family = children(w.vault.process.pid)
            assert len(family) >= 5, family
            w.vault.kill()
            eventually(lambda: not any(os.path.exists(f"/proc/{p}")
                                       for p in family),
                       what="the end of every room")
            w.vault.start()
            before = load.good
            eventually(lambda: load.good > before + CLIENTS)
        assert load.wrong == [], load.wrong[:3]
        eventually(lambda: w.vault.unsettled() == [])
        assert w.vault.stop() == 0


def rooms_death_is_told_to_what_is_in_flight():
    with World() as w:
        for room, codes in (("courier", {"upstream-failed", "restarting"}),
                            ("keeper", {"restarting"})):
            with w.vault.connect() as c:
                count = len(w.arrived("/hold"))
                c.send(compose("GET", "/acme/demo/hold"))
                eventually(lambda: len(w.arrived("/hold")) > count)
                for pid in w.vault.rooms()[room]:
                    os.kill(pid, signal.SIGKILL)
                answer = c.read()
                assert answer.error in codes, (room, answer)
            eventually(lambda: w.get("/echo").status == 200)


def rooms_sigterm_drains():
    with World() as w:
        with w.vault.connect() as c:
            c.send(compose("GET", "/acme/demo/hold"))
            eventually(lambda: w.arrived("/hold"))
            w.vault.process.terminate()
            time.sleep(0.3)
            assert w.vault.process.poll() is None
            w.upstream.release.set()
            answer = c.read()
            assert (answer.status, answer.json()) == (200, {"held": True})
        assert w.vault.process.wait(20) == 0, w.vault.log()
        assert w.vault.unsettled() == []
        # An orderly end is no crash: the next start has nothing to mend.
        w.vault.start()
        assert w.get("/echo").status == 200


def rooms_sighup_bad_policy_keeps_the_old():
    with World() as w:
        deny = "deny admin to request on acme/demo { method DELETE }\n"
        w.vault.set_policy(ADMIN + deny, lambda: w.vault.http(
            "DELETE", "/acme/demo/echo").status == 403)
        w.vault.policy_file.write_text(ADMIN + "permit admin to fly on **\n")
        w.vault.hang_up()
        line = len(ADMIN.splitlines()) + 1
        eventually(lambda: f"policy.conf:{line}" in w.vault.log())
        assert w.get("/echo").status == 200
        assert w.vault.http("DELETE", "/acme/demo/echo").status == 403
        w.vault.set_policy(ADMIN, lambda: w.vault.http(
            "DELETE", "/acme/demo/echo").status == 200)


def rooms_old_policy_holds_for_a_new_keeper_too():
    """A keeper that comes back gets what was last accepted."""
    with World() as w:
        w.vault.policy_file.write_text("nonsense\n")
        w.vault.hang_up()
        eventually(lambda: "policy.conf:1" in w.vault.log())
        os.kill(w.vault.rooms()["keeper"][0], signal.SIGKILL)
        eventually(lambda: w.get("/echo").status == 200)


def rooms_early_client_is_told_not_ready():
    """Told, and never reset: over ten starts, from the first socket on."""
    told = 0
    with World() as w:
        for _ in range(10):
            w.vault.stop()
            w.vault.http_socket.unlink(missing_ok=True)
            w.vault.spawn()
            answer = first_answer(w.vault)
            assert answer.status == 200 or (
                answer.status == 503 and answer.error == "not-ready"
                and answer.get("Retry-After")), answer
            told += answer.status == 503
            eventually(lambda: w.get("/echo").status == 200)
        assert told > 0, "no client was early enough to try it"


def first_answer(vault):
    request = compose("POST", "/acme/demo/upload", body=b"x" * 50000)
    while True:
        try:
            connection = Connection(vault.http_socket)
        except (FileNotFoundError, ConnectionRefusedError):
            continue
        with connection:
            connection.send(request)
            return connection.read()


def rooms_second_vaultd_in_one_folder_is_refused():
    with World() as w:
        second = Vault(w.vault.home).spawn()
        assert second.process.wait(20) == 3, second.log()
        assert w.get("/echo").status == 200


def rooms_announce_their_state():
    """sd_notify: READY was seen by every start; here the end."""
    with World(profile=False) as w:
        seen = b""
        w.vault.process.terminate()
        w.vault.process.wait(20)
        try:
            while True:
                seen += w.vault.notify.recv(4096) + b"\n"
        except BlockingIOError:
            pass
        assert b"STOPPING=1" in seen.split(b"\n"), seen


def rooms_idle_clients_do_not_stop_the_others():
    with World() as w:
        idle = [w.vault.connect() for _ in range(200)]
        half = w.vault.connect()
        half.send(b"GET /acme/demo/echo HTT")
        assert w.get("/echo").status == 200
        for connection in [*idle, half]:
            connection.close()
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(str(w.vault.socket))
        assert w.vault.ctl("whoami").status == 0
        raw.close()
