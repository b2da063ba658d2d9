"""What the tests of hostile rooms share: a vault in which rooms are played,
and what has to hold whatever they do."""
import os
import signal
import socket
import threading
import time

from harness import ADMIN, World
from support.puppet import Stage
from support.records import VERR, VERR_TEXT
from support.rawhttp import compose
from support.vault import eventually

PROMPT = 5      # seconds in which another client is answered, at the most
CROWD = 61000   # the group, and first user, of those whose gates are played
POLICY = ADMIN + """
deny admin to request on ** { method DELETE }
client crowd {
    gid 61000
}
"""


class Siege:
    """A vault with "rooms" to be played, an innocent client (the test's own
    user), and as many users of one group as there are gates wanted: they may
    do what "rules" permit the client "crowd"."""

    def __init__(self, *rooms, rules=""):
        self.stage = Stage(*rooms)
        self.rules = rules
        self.callers = []
        self.uids = iter(range(CROWD + 1, CROWD + 4000))

    def __enter__(self):
        self.stage.__enter__()
        self.world = World().__enter__()
        self.vault, self.upstream = self.world.vault, self.world.upstream
        self.vault.set_policy(POLICY + self.rules, lambda: self.vault.http(
            "DELETE", "/acme/demo/x").status == 403)
        # Held: a gate without connections may make room for another one.
        self.innocent = self.vault.connect(2 * PROMPT)
        assert self.innocent.ask("GET", "/acme/demo/echo").status == 200
        self.before = self.vault.rooms()
        self.start, self.served = len(self.upstream.requests), 0
        return self

    def __exit__(self, *failure):
        for caller in self.callers:
            caller.close()
        self.innocent.close()
        self.stage.dismiss()
        self.world.__exit__(*failure)
        self.stage.__exit__(*failure)

    # The house.

    def stands(self, but=()):
        """Every innocent room is the process that it was, and an innocent
        client is served, at once."""
        began = time.monotonic()
        answer = self.innocent.ask("GET", "/acme/demo/echo")
        assert answer.status == 200, answer
        assert time.monotonic() - began < PROMPT, "the house stalls"
        self.served += 1
        now = self.vault.rooms()
        for room, pids in self.before.items():
            if room not in but:
                assert set(pids) <= set(now.get(room, ())), (
                    room, self.before, now)

    def untouched(self, but=()):
        """The upstream has heard nobody but the innocent, paths aside that
        were asked for by right."""
        heard = [r.path for r in self.upstream.requests[self.start:]
                 if r.path not in but]
        assert len(heard) == self.served, heard

    def told(self, words):
        eventually(lambda: words in self.vault.log(), PROMPT,
                   f"{words!r} in the log")

    def ended(self, puppet, error, by=None):
        """The room was ended, and the log has the reason.  "by": who
        complained; none if it was the supervisor itself."""
        reason = "broke the protocol: " + VERR_TEXT[VERR[error]]
        assert puppet.gone(PROMPT), f"{puppet.who} goes on: {reason}"
        if by is None:
            self.told(f"{puppet.who}: {reason}")
        else:
            self.told(f"{by}: says that {puppet.who} {reason}")

    # Its rooms.

    def gate(self, uid=None):
        """A gate that the test plays, its client and their session."""
        self.stage.play("gate")
        caller = Caller(self.vault.http_socket, uid or next(self.uids))
        self.callers.append(caller)
        gate = self.stage.puppet("gate")
        self.stage.real("gate")
        return gate, self.session_of(gate)

    def session_of(self, gate):
        connection = gate.hear("supervisor", "CONNECTION")
        os.close(connection.fd)
        return connection.session

    def ask_of(self, profile, path="/echo", head=()):
        """An innocent request whose answer is waited for later."""
        return Asking(self.vault, f"/{profile}{path}", head)


class Caller:
    """A process of some user that makes a connection, and says at most what
    it is told to."""

    def __init__(self, path, uid, words=b""):
        self.child = os.fork()
        if self.child == 0:
            os.closerange(3, 1 << 16)       # the played rooms' descriptors
            os.setgroups([])
            os.setgid(CROWD)
            os.setuid(uid)
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(path))
            peer.sendall(words)
            signal.pause()
            os._exit(0)

    def close(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0


class Asking:
    """A GET on its way; answer() is what came of it."""

    def __init__(self, vault, target, head=()):
        self.connection = vault.connect()
        self.connection.send(compose("GET", target, head))

    def answer(self):
        """The answer, or the text of what went wrong."""
        try:
            return self.connection.read()
        except (OSError, ValueError) as failure:
            return failure

    def close(self):
        self.connection.close()


class Watch:
    """Measures, in a thread, how long an innocent client has to wait."""

    def __init__(self, siege):
        self.siege = siege
        self.stopping = False
        self.longest, self.served, self.failed = 0, 0, []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join(60)
        self.siege.served += self.served
        assert self.served > 0 and not self.failed, self.failed[:3]
        assert self.longest < PROMPT, f"waited {self.longest:.1f} s"

    def _run(self):
        while not self.stopping:
            began = time.monotonic()
            answer = self.siege.world.get("/echo")
            self.longest = max(self.longest, time.monotonic() - began)
            if answer.status == 200:
                self.served += 1
            else:
                self.failed.append(answer)
            time.sleep(0.01)
