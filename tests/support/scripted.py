"""A TLS server that does what a test's script says, byte for byte.

A script is the bytes to answer a request with, or a function that is given
the stream.  The connection ends with the script: an end of TLS is said
unless the script has reset it.
"""
import socket
import ssl
import struct
from contextlib import suppress

from support.upstream import Listener


def reset(stream):
    """End a connection by a TCP reset, without a word of TLS."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 0))
    stream.close()


class Scripted(Listener):
    """`scripts` says what happens on a path, `greet` what is done with each
    connection before TLS; `heard` is all that was readable here: decrypted,
    or in the clear where no TLS was spoken."""

    def __init__(self, pair=None, scripts=None, tls=None, greet=None):
        self.scripts = dict(scripts or {})
        self.greet = greet
        self.heard = []         # request heads, or whatever came instead
        self.failures = []      # handshakes that came to nothing
        self.written = {}       # path -> bytes that an endless answer got out
        self.tls = tls or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if pair is not None:
            self.tls.load_cert_chain(*pair)
        super().__init__()
        self.url = f"https://localhost:{self.port}"

    def serve(self, peer, _number):
        peer.settimeout(150)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        with suppress(OSError, ValueError):
            if self.greet is not None:
                self.greet(peer)
            try:
                stream = self.tls.wrap_socket(peer, server_side=True)
            except OSError as failure:
                self.failures.append(str(failure))
                raise
            while self._exchange(stream):
                pass
            stream.settimeout(2)
            with suppress(OSError, ValueError):
                stream.unwrap()
            stream.close()
        peer.close()

    def _exchange(self, stream):
        """Serve one request; true if the script wants another."""
        head = b""
        while b"\r\n\r\n" not in head:
            part = stream.recv(65536)
            if not part:
                return False
            head += part
        self.heard.append(head)
        path = head.split(b" ")[1].decode().partition("?")[0]
        script = self.scripts[path]
        if callable(script):
            return script(stream)
        with suppress(OSError):
            stream.sendall(script)
        return False

    def asked(self, path):
        """The requests for a path, whatever their query."""
        return [h for h in self.heard
                if h.split(b" ")[1].decode().partition("?")[0] == path]

    def endless(self, path, head, part):
        """Answer a path with "head", then "part" until nobody listens."""
        def script(stream):
            self.written[path] = 0
            with suppress(OSError):
                stream.sendall(head)
                while True:
                    stream.sendall(part)
                    self.written[path] += len(part)
            reset(stream)
            return False

        self.scripts[path] = script
