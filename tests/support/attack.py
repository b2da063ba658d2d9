"""Clients that take without giving, each attack in processes of its own.

An attack is a function that is given the path of http.sock and says ready()
when it has reached its full size; then it goes on until it is ended.
"""
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress

from support.rawhttp import compose


class Attack:
    """Runs "how" in a child, as another user if there is one."""

    def __init__(self, how, path, user=None, seconds=30):
        ready, done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(ready)
                if user is not None:
                    os.setgroups([])
                    os.setgid(user)
                    os.setuid(user)
                how(str(path), lambda: os.write(done, b"!"))
                status = 0
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)
        os.close(done)
        with selectors.DefaultSelector() as selector, open(ready, "rb") as r:
            selector.register(r, selectors.EVENT_READ)
            if not selector.select(seconds) or r.read(1) != b"!":
                self.end()
                raise AssertionError(f"{how} did not get going")

    def alive(self):
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)

    def end(self):
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def connect(path, number):
    """That many connections, as soon as there is room for them."""
    made = []
    while len(made) < number:
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(path)
        peer.settimeout(20)
        made.append(peer)
    return made


def idle(path, ready, number=1000):
    """Connections that never say a word."""
    connections = connect(path, number)
    ready()
    while True:
        time.sleep(60)
        assert connections


def slow_readers(path, ready, number=256, target="/acme/demo/big"):
    """Great answers, of which a few bytes are taken now and then."""
    connections = connect(path, number)
    for peer in connections:
        peer.sendall(compose("GET", target))
        peer.setblocking(False)
    ready()
    while True:
        for peer in connections:
            with suppress(OSError):
                peer.recv(512)
        time.sleep(0.5)


def slow_writers(path, ready, number=256, target="/acme/demo/upload"):
    """Bodies that come a byte at a time and never end."""
    connections = connect(path, number)
    for peer in connections:
        with suppress(OSError):     # it may have been refused already
            peer.sendall(compose("POST", target,
                                 [("Content-Length", 1 << 20)]))
        peer.setblocking(False)
    ready()
    while True:
        for peer in connections:
            with suppress(OSError):
                peer.send(b"x")
        time.sleep(0.5)


def flood(path, ready, number=64, deep=32, target="/acme/demo/small"):
    """As many requests as there is room for, and all answers read."""
    selector = selectors.DefaultSelector()
    request = compose("GET", target) * deep

    def begin():
        peer = connect(path, 1)[0]
        peer.setblocking(False)
        selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)

    for _ in range(number):
        begin()
    ready()
    while True:
        for key, events in selector.select():
            try:
                if events & selectors.EVENT_READ:
                    if not key.fileobj.recv(1 << 16):
                        raise ConnectionError
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(request)
            except BlockingIOError:
                pass
            except OSError:
                selector.unregister(key.fileobj)
                key.fileobj.close()
                begin()
