"""Rooms that a test plays itself.

    with Stage("gate") as stage, World() as w:
        stage.play("gate")                  # from the next birth on
        client = w.vault.connect()
        gate = stage.puppet("gate")         # the one that was born
        gate.say("supervisor", "HELLO")
        session = gate.hear("supervisor", "CONNECTION").session
        gate.say("keeper", "ASK", session=session, number=1, what=0)
        gate.raw("keeper", b"\\xff" * 8)
        assert gate.gone()

or stands between the real room and those that it speaks with:

        def lie(record):                    # in a thread of the stage's
            record.fields["error"] = 0      # change it: it goes on
            return None                     # or return what goes instead
        stage.between("ledger", lambda room: room.on("COMMITTED", lie))

A Stage is entered before any vault is started: it puts a copy of the build
in the build's place (VAULTD_BUILD), where the programs of the rooms it was
given are tests/support/puppet.c.  Until told otherwise these run the real one.
"""
import array
import os
import queue
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from support import records
from support.records import ROOMS
from support.vault import build

PATIENCE = 20           # seconds that anything may take


class Channel:
    """One end of a channel, a lane or a stream: records and descriptors."""

    def __init__(self, sock):
        self.socket = (sock if isinstance(sock, socket.socket)
                       else socket.socket(fileno=sock))
        self.socket.setblocking(True)
        self._writing = threading.Lock()
        self._bytes, self._fds, self._heard = b"", [], []

    def say(self, name, fd=None, **fields):
        """A record that is as room.def has it, but for what it says."""
        self.raw(records.encode(name, fd is not None, **fields),
                 () if fd is None else (fd,))

    def raw(self, data, fds=(), timeout=PATIENCE):
        """Any bytes, with any descriptors.  TimeoutError if nobody reads;
        that the peer has gone is no error: it may have by right."""
        end = time.monotonic() + timeout
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", list(fds)))] if fds else []
        with self._writing:
            while data:
                left = end - time.monotonic()
                if not select.select([], [self.socket], [], max(left, 0))[1]:
                    raise TimeoutError("the peer does not read")
                try:
                    sent = self.socket.sendmsg([data], control,
                                               socket.MSG_DONTWAIT)
                except BlockingIOError:
                    time.sleep(0.001)
                    continue
                except (BrokenPipeError, ConnectionResetError):
                    return
                data, control = data[sent:], []

    def read(self, timeout=PATIENCE):
        """The next record, or None at the end."""
        while (record := self._parse()) is None:
            if not select.select([self.socket], [], [], timeout)[0]:
                raise TimeoutError("nothing was said")
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 1 << 16, 16)
            except ConnectionResetError:
                data, fds = b"", []
            if not data:
                return None
            self._bytes += data
            self._fds += fds
        return record

    def _parse(self):
        if len(self._bytes) < records.HEADER.size:
            return None
        length, kind, nfds = records.HEADER.unpack_from(self._bytes)
        end = records.HEADER.size + length
        if len(self._bytes) < end:
            return None
        body, self._bytes = self._bytes[8:end], self._bytes[end:]
        return records.decode(kind, body, self._fds.pop(0) if nfds else None)

    def hear(self, name, timeout=PATIENCE, **match):
        """The first record of this name whose fields are these.  Others stay
        to be heard later; AssertionError if it does not come."""
        wanted = (lambda r: r.name == name and
                  match.items() <= r.fields.items())
        end = time.monotonic() + timeout
        for record in self._heard:
            if wanted(record):
                self._heard.remove(record)
                return record
        while True:
            try:
                record = self.read(max(0, end - time.monotonic()))
            except TimeoutError:
                record = None
            if record is None:
                raise AssertionError(f"no {name} {match or ''}; heard "
                                     f"{self._heard}")
            if wanted(record):
                return record
            self._heard.append(record)

    def heard(self, quiet=0.3):
        """All that has come and was not taken, until it is quiet."""
        try:
            while (record := self.read(quiet)) is not None:
                self._heard.append(record)
        except TimeoutError:
            pass
        return self._heard

    def ended(self, timeout=PATIENCE):
        """Does the peer close it, whatever it says before?"""
        end = time.monotonic() + timeout
        try:
            while self.read(max(0, end - time.monotonic())) is not None:
                pass
            return True
        except TimeoutError:
            return False

    def shut(self):
        """End-of-file for the peer; what it has said can still be read."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def let_go(self):
        """The same, and wait until the peer has closed its end."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            end = select.poll()
            end.register(self.socket, 0)
            end.poll(PATIENCE * 1000)
        except (OSError, ValueError):
            pass        # closed here: a real room has it

    def close(self):
        self.shut()
        self.socket.close()


class Puppet:
    """A room of the vault, from its birth to its death: its channels
    "supervisor" and "keeper", its log pipe, its process and number."""

    def __init__(self, room, control):
        _, fds, _, _ = socket.recv_fds(control, 1, 3)
        self.room = room
        self.control = control
        supervisor, self.log_pipe, keeper = fds
        self.channels = {"supervisor": Channel(supervisor)}
        if room == "keeper":
            self.key_file = keeper
        else:
            self.channels["keeper"] = Channel(keeper)
        credentials = control.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        self.pid = int.from_bytes(credentials[:4], "little")
        self.pidfd = os.pidfd_open(self.pid)
        number = Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")[1]
        self.number = int(number)
        # As the log has it.
        self.who = f"{room} {self.number}" if self.number else room
        self.passed = []                # records that went through, in order
        self._hooks = {}
        self._inner = {}
        self._buried = threading.Event()

    # Being the room.

    def say(self, channel, name, fd=None, **fields):
        self.channels[channel].say(name, fd, **fields)

    def raw(self, channel, data, fds=(), timeout=PATIENCE):
        self.channels[channel].raw(data, fds, timeout)

    def hear(self, channel, name, timeout=PATIENCE, **match):
        return self.channels[channel].hear(name, timeout, **match)

    def joined(self, room, timeout=PATIENCE):
        """The channel that the supervisor gives it to another room."""
        peer = self.hear("supervisor", "PEER", timeout,
                         room=ROOMS.index(room))
        return Channel(peer.fd)

    # Standing between.

    def on(self, name, function):
        """function(record) for each such record that passes, either way:
        what it returns, a list of Records or of bytes, goes on in its place;
        None lets the record go on as it is by then."""
        self._hooks[name] = function

    def tell(self, channel, name, fd=None, **fields):
        """Say something to the real room, as the one at "channel"."""
        self._inner[channel].say(name, fd, **fields)

    def saw(self, name, **match):
        """The records of this name that have passed."""
        return [r for r in list(self.passed) if r.name == name and
                match.items() <= r.fields.items()]

    def run_real(self, between):
        """Let the process be the real room, by its own channels or ours."""
        inner_ends = []
        if between:
            for name, outer in self.channels.items():
                ours, theirs = socket.socketpair()
                self._inner[name] = Channel(ours)
                inner_ends.append(theirs)
                for ends in ((outer, self._inner[name]),
                             (self._inner[name], outer)):
                    in_background(self._pump, *ends)
        socket.send_fds(self.control, [b"r"],
                        [end.fileno() for end in inner_ends])
        for end in inner_ends:
            end.close()

    def _pump(self, source, sink):
        while (record := source.read(None)) is not None:
            hook = self._hooks.get(record.name)
            instead = hook(record) if hook else None
            self.passed.append(record)
            for item in [record] if instead is None else instead:
                if isinstance(item, bytes):
                    sink.raw(item)
                else:
                    fds = () if item.fd is None else (item.fd,)
                    sink.raw(item.encode(), fds)
            if record.fd is not None:
                os.close(record.fd)
        sink.shut()

    # Its end.

    def gone(self, timeout=PATIENCE):
        """Is its process, or will it be?  Of one that is played the others
        have noticed when this is true."""
        return (bool(select.select([self.pidfd], [], [], timeout)[0]) and
                self._buried.wait(PATIENCE))

    def quit(self):
        """End it as a room does that has nothing more to do."""
        self.control.close()
        assert self.gone()

    def bury(self):
        """When the process is gone its descriptors end with it, as if they
        had been its alone."""
        select.select([self.pidfd], [], [])
        os.close(self.log_pipe)
        if not self._inner:
            for channel in self.channels.values():
                channel.let_go()
        self._buried.set()


def in_background(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


class Stage:
    """A copy of the build in which the test may play the rooms named."""

    def __init__(self, *rooms):
        self.original = build()
        self.home = Path(tempfile.mkdtemp(prefix="stage-", dir="/tmp"))
        self.home.chmod(0o755)
        self.born = {room: queue.Queue() for room in rooms}
        self._roles = dict.fromkeys(rooms, self._be_real)
        self._played = []
        for folder in "bin", "libexec", "share":
            shutil.copytree(self.original / folder, self.home / folder)
        subprocess.run(["cc", "-D_GNU_SOURCE", "-o", self.home / "puppet",
                        Path(__file__).with_name("puppet.c")], check=True)
        self._listeners = [self._replace(room) for room in rooms]

    def __enter__(self):
        os.environ["VAULTD_BUILD"] = str(self.home)
        return self

    def __exit__(self, *_):
        os.environ["VAULTD_BUILD"] = str(self.original)
        for listener in self._listeners:
            listener.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def _replace(self, room):
        program = self.home / "libexec/vaultd" / room
        program.rename(program.with_suffix(".real"))
        shutil.copy(self.home / "puppet", program)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(program.with_suffix(".sock")))
        program.with_suffix(".sock").chmod(0o777)
        listener.listen()
        in_background(self._listen, listener, room)
        return listener

    def _listen(self, listener, room):
        while True:
            try:
                control, _ = listener.accept()
            except OSError:
                return
            puppet = Puppet(room, control)
            in_background(puppet.bury)
            self._roles[room](puppet)

    # What becomes of the rooms of a kind that are born from now on.

    def real(self, room):
        """The real ones."""
        self._roles[room] = self._be_real

    def play(self, room):
        """The test's: puppet() gives each."""
        def role(puppet):
            self._played.append(puppet)
            self.born[room].put(puppet)
        self._roles[room] = role

    def between(self, room, prepare=lambda puppet: None):
        """Real ones with the test between them and the others.  "prepare"
        gets each before it runs, to say with on() what is changed."""
        def role(puppet):
            prepare(puppet)
            puppet.run_real(between=True)
            self.born[room].put(puppet)
        self._roles[room] = role

    def puppet(self, room, timeout=PATIENCE):
        """The next room of this kind that is played or stood beside."""
        try:
            return self.born[room].get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"no {room} was born") from None

    def dismiss(self):
        """End those that are played: a vault does not stop while it waits
        for rooms that do not go by themselves."""
        for puppet in self._played:
            puppet.control.close()

    def _be_real(self, puppet):
        puppet.run_real(between=False)
        for channel in puppet.channels.values():
            channel.socket.close()
