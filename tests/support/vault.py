"""A vault of the test's own, from the shipped binaries, in a folder that
goes away with it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import namedtuple
from pathlib import Path

from support.rawhttp import Connection

ROOMS = ("gate", "keeper", "ledger", "courier", "dialer")
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

Done = namedtuple("Done", "status out err")


def build():
    """The build under test, as tests/run says."""
    return Path(os.environ["VAULTD_BUILD"])


def eventually(condition, seconds=20, what="the condition"):
    """Wait until the condition gives something true, and return that."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def children(pid):
    """Every descendant of a process, as {pid: name of its program}."""
    parents, names = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
            first = (entry / "cmdline").read_bytes().split(b"\0")[0]
        except OSError:
            continue
        after = stat.rpartition(")")[2].split()
        if after[0] != "Z":
            parents[int(entry.name)] = int(after[1])
            names[int(entry.name)] = (os.path.basename(first.decode()) or
                                      stat.partition("(")[2].split(")")[0])
    found, fresh = {}, {pid}
    while fresh:
        fresh = {p for p, up in parents.items() if up in fresh}
        found.update((p, names[p]) for p in fresh)
    return found


class Vault:
    """`vaultd --dev` in the foreground of a folder of its own.

    The path is short (a socket's name has 107 bytes) and open to other
    users, as the sockets are.
    """

    started = []        # all of a test's vaults, for their logs

    def __init__(self, home=None, under=()):
        self.under = under      # a program that runs vaultd, if any
        self.home = Path(home or tempfile.mkdtemp(prefix="vault-", dir="/tmp"))
        self.home.chmod(0o755)
        self.dir = self.home / "v"
        self.log_file = self.home / "vaultd.log"
        self.policy_file = self.dir / "policy.conf"
        self.state = self.dir / "state"
        self.socket = self.dir / "vaultd.sock"
        self.http_socket = self.dir / "http.sock"
        self.process = None
        self.last_log = ""
        Vault.started.append(self)

    def __enter__(self):
        if self.process is None:
            self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.last_log = self.log()
        shutil.rmtree(self.home, ignore_errors=True)

    # The life of vaultd.

    def spawn(self):
        """Start vaultd and do not wait for it."""
        notify = self.home / "notify"
        notify.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(notify))
        self.notify.setblocking(False)
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [*self.under, build() / "bin/vaultd", "--dev", self.dir],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**CLEAN, "NOTIFY_SOCKET": str(notify)})
        return self

    def start(self):
        """Start vaultd and wait for its READY=1."""
        self.spawn()
        eventually(self._ready, 30, "vaultd ready")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"vaultd exited {self.process.returncode}:"
                                 f"\n{self.log()}")
        try:
            return b"READY=1" in self.notify.recv(4096).split(b"\n")
        except BlockingIOError:
            return False

    def stop(self):
        """SIGTERM, and the exit status (None if it was not running)."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.notify.close()

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def log(self):
        if not self.log_file.exists():
            return self.last_log
        return self.log_file.read_text(errors="replace")

    def rooms(self):
        """The running rooms: {"gate": [pids], "keeper": [pid], ...}."""
        found = {}
        for pid, name in children(self.process.pid).items():
            for room in ROOMS:
                if name.removeprefix("vaultd-") == room:
                    found.setdefault(room, []).append(pid)
        return found

    # What people and programs do with it.

    def ctl(self, *arguments, input=None, user=None, check=True):
        """Run vaultctl, as another uid if one is given."""
        program = build() / "bin/vaultctl"
        identity = {}
        if user is not None:
            identity = {"user": user, "group": user, "extra_groups": []}
            program = self._copy(program)
        done = subprocess.run(
            [program, "--socket", self.socket, *map(str, arguments)],
            input=input or "", capture_output=True, text=True, timeout=60,
            env=CLEAN, cwd="/", errors="replace", **identity)
        if check and done.returncode != 0:
            raise AssertionError(
                f"vaultctl {' '.join(map(str, arguments))}: exit status "
                f"{done.returncode}\n{done.stdout}{done.stderr}")
        return Done(done.returncode, done.stdout, done.stderr)

    def _copy(self, program):
        """A copy where every user can run it, wherever the build is."""
        copy = self.home / program.name
        if not copy.exists():
            shutil.copy(program, copy)
            copy.chmod(0o755)
        return copy

    def rows(self, *arguments):
        """What a command prints with --json: an object on each line."""
        out = self.ctl(*arguments, "--json").out
        return [json.loads(line) for line in out.splitlines()]

    def connect(self, timeout=30):
        return Connection(self.http_socket, timeout)

    def http(self, method, target, headers=(), body=None, chunked=False):
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.ask(method, target, headers, body, chunked)

    def audit(self):
        """Every record of the audit log, in order."""
        lines = []
        for segment in sorted((self.state / "audit").glob("*.jsonl")):
            lines += segment.read_text().splitlines()
        return [json.loads(line) for line in lines]

    def decisions(self):
        return [r for r in self.audit() if "decision" in r]

    def unsettled(self):
        """The decisions without an outcome, by number."""
        settled = {r["of"] for r in self.audit() if "outcome" in r}
        return [r["seq"] for r in self.audit()
                if r["event"] == "decision" and r["seq"] not in settled]

    def set_policy(self, text, probe):
        """Put a policy in force; "probe" turns true when it is."""
        self.policy_file.write_text(text)
        self.hang_up()
        eventually(probe, what="the new policy in force")
