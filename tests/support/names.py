"""A name server for one vault: vaultd runs with its own /etc/resolv.conf and
/etc/hosts, and every question is kept."""
import os
import random
import socket
import struct
import threading

A, CNAME, AAAA = 1, 5, 28


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".")) + b"\0"


def read_name(data, at):
    labels = []
    while size := data[at]:
        labels.append(data[at + 1:at + 1 + size].decode())
        at += 1 + size
    return ".".join(labels), at + 1


def record(name, kind, value, ttl=0):
    if kind == CNAME:
        data = wire_name(value)
    else:
        data = socket.inet_pton(
            socket.AF_INET if kind == A else socket.AF_INET6, value)
    return wire_name(name) + struct.pack(">HHIH", kind, 1, ttl,
                                         len(data)) + data


class Names:
    """`answers`: {name: [a list of (kind, value) for each time asked]}; the
    last is given from then on.  A CNAME's own records come with it."""

    def __init__(self, folder, answers, hosts=""):
        self.answers = {name: list(turns) for name, turns in answers.items()}
        self.asked = []
        self.turn = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.53.{os.getpid() % 250}." \
                       f"{random.randrange(1, 250)}"
        self.socket.bind((self.address, 53))
        resolv = folder / "resolv.conf"
        resolv.write_text(f"nameserver {self.address}\n"
                          "options timeout:2 attempts:2\n")
        hosts_file = folder / "hosts"
        hosts_file.write_text(hosts)
        script = ('mount --bind "$1" "$(realpath /etc/resolv.conf)" && '
                  'mount --bind "$2" /etc/hosts && shift 2 && exec "$@"')
        self.under = ["unshare", "--mount", "--propagation", "private",
                      "sh", "-c", script, "sh", str(resolv),
                      str(hosts_file)]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.socket.close()

    def _serve(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self._answer(data), peer)

    def _answer(self, data):
        name, at = read_name(data, 12)
        kind, = struct.unpack_from(">H", data, at)
        self.asked.append((name, kind))
        found = self._records(name, kind)
        flags = 0x8580 if name in self.answers else 0x8583
        return (data[:2] + struct.pack(">HHHHH", flags, 1, len(found), 0, 0)
                + data[12:at + 4] + b"".join(found))

    def _records(self, name, kind):
        turns = self.answers.get(name, [[]])
        turn = self.turn[name, kind] = self.turn.get((name, kind), -1) + 1
        found, owner = [], name
        for what, value in turns[min(turn, len(turns) - 1)]:
            if what in (kind, CNAME):
                found.append(record(owner, what, value))
            if what == CNAME:
                owner = value
        return found
