"""How many may come, and why the vault ends."""
import os
import signal
import subprocess

from harness import STRANGER, WORKER, World, need_root
from support.vault import children, eventually

# With so few descriptors the vault has 128 sessions, 64 of them for admins.
FEW = ("prlimit", "--nofile=2000:2000")
ONE_USER = 32
NOT_ADMINS = 64

# Connects as often as it can, says how often, and holds what it has.
HOLD = r"""
import select, socket, sys, time
held = []
while len(held) < 200:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    if select.select([s], [], [], 0.2)[0]:
        assert b"not-ready" in s.recv(4096)
        break
    held.append(s)
print(len(held), flush=True)
time.sleep(60)
"""


class Holder:
    def __init__(self, vault, uid):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-c", HOLD, str(vault.socket)], cwd="/",
            stdout=subprocess.PIPE, user=uid, group=uid, extra_groups=[])
        self.count = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def rooms_sessions_are_shared_between_users():
    need_root()
    with World(profile=False, under=FEW) as w:
        with Holder(w.vault, WORKER) as first:
            assert first.count == ONE_USER, first.count
            with Holder(w.vault, STRANGER) as second:
                assert second.count == NOT_ADMINS - ONE_USER, second.count
                with Holder(w.vault, STRANGER + 1) as third:
                    assert third.count == 0, third.count
                assert w.vault.ctl("status").status == 0
        # What they held is free again.
        eventually(lambda: w.vault.ctl("whoami", user=STRANGER + 1,
                                       check=False).status == 0)


def rooms_stop_says_who_asked():
    with World(profile=False) as w:
        assert w.vault.stop() == 0
        log = w.vault.log()
        assert (f"stopping: SIGTERM from pid {os.getpid()} of uid "
                f"{os.getuid()}\n") in log, log
        assert log.endswith("vaultd: ends: all rooms have ended\n"), log


def rooms_stop_says_that_the_starter_is_gone():
    with World(profile=False) as w:
        # It has run no program of its own: it bears the supervisor's name.
        found = [pid for pid in children(w.vault.process.pid)
                 if open(f"/proc/{pid}/comm").read() == "vaultd-starter\n"]
        os.kill(found[0], signal.SIGKILL)
        assert w.vault.process.wait(20) == 1
        assert "stopping: the starter of rooms is gone" in w.vault.log()


def rooms_keeper_restart_does_not_need_to_write_keeper_pub():
    """The file is there; a full disk is no reason to end."""
    with World() as w:
        published = (w.vault.dir / "keeper.pub").read_bytes()
        (w.vault.dir / ".keeper.pub").mkdir()
        os.kill(w.vault.rooms()["keeper"][0], signal.SIGKILL)
        eventually(lambda: "keeper.pub: " in w.vault.log())
        eventually(lambda: w.get("/echo").status == 200)
        assert w.vault.process.poll() is None
        assert (w.vault.dir / "keeper.pub").read_bytes() == published
        (w.vault.dir / ".keeper.pub").rmdir()
