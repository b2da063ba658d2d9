"""Good requests, spoiled at random: ten thousand for each socket, from one
seed.  Nothing ends, nothing grows, and what arrives is what may."""
import itertools
import random
import select
import socket

from harness import LONG, ADMIN, World
from support.cases import Unchanged
from support.framed import (ACT, AUDIT, CANCEL, CATALOG, DATA, END, EXPLAIN,
                            HEADER, NONCE, PROFILES, REQUEST, WHOAMI, WINDOW,
                            frame, image, packed, request)
from support.rawhttp import compose
from support.usage import resident
from support.vault import eventually

COUNT = 30000 if LONG else 10000
AT_ONCE = 64
GROWTH = (4 if LONG else 1) << 10       # KiB that a gate may be larger by

POLICY = ADMIN.replace(
    "permit admin to request,", "permit admin to") + """
permit admin to request on acme/demo {
    method GET POST
    path   /echo /upload
}
"""

GOOD_HTTP = [
    compose("GET", "/acme/demo/echo", [("X-Flow", "orders")]),
    compose("GET", "/acme/demo/echo?a=%20b&c=d", [("Accept", "x/y")]),
    compose("POST", "/acme/demo/upload", [("Content-Type", "a/b")],
            b"hello, world"),
    compose("POST", "/acme/demo/upload", body=b"x" * 300, chunked=True),
    compose("POST", "/acme/demo/upload", [("Expect", "100-continue")], b"z"),
    compose("GET", "/acme/demo/echo", [("Authorization", "Bearer vaultd"),
                                       ("Connection", "keep-alive, x-a"),
                                       ("X-A", "b")]),
    b"GET /echo HTTP/1.1\r\nHost: demo.acme.vaultd\r\n\r\n",
    b"GET /-/healthz HTTP/1.1\r\nHost: vaultd\r\n\r\n",
    b"GET /-/profiles HTTP/1.1\r\nHost: vaultd\r\n\r\n",
]
GOOD_FRAMES = [
    request(1, "acme/demo", "GET", "/echo", "X-Flow: orders\r\n"),
    request(1, "acme/demo", "POST", "/upload", "", b"hello, world"),
    request(1, "acme/demo", "POST", "/upload", "A: b\r\n", b"x" * 300)
    + frame(WINDOW, 1, image("u", packed("u", 4096))),
    request(1, "acme/demo", "GET", "/echo") + frame(CANCEL, 1)
    + request(2, "acme/demo", "GET", "/echo?a"),
    frame(WHOAMI, 1) + frame(NONCE, 2),
    frame(CATALOG, 1, image("s", packed("s", "custom-rest"))),
    frame(PROFILES, 1, image("ssss", packed("ssss", "", "", "", ""))),
    frame(EXPLAIN, 1, image("sssss", packed(
        "sssss", "request", "acme/demo", "GET", "/echo", ""))),
    frame(AUDIT, 1, image("B", packed("B", b"\4\0verb\7\0\0\0request"))),
    frame(ACT, 1, image("B", packed("B", b"s" * 80))),
    frame(REQUEST, 1, image("ssssuU", packed(
        "ssssuU", "acme/demo", "POST", "/upload", "", 2, 0)))
    + frame(DATA, 1, b"abc") + frame(END, 1),
]


def flip(noise, data, _):
    at = noise.randrange(len(data))
    data[at] ^= 1 << noise.randrange(8)


def change(noise, data, _):
    data[noise.randrange(len(data))] = noise.randrange(256)


def insert(noise, data, _):
    data.insert(noise.randrange(len(data) + 1), noise.randrange(256))


def delete(noise, data, _):
    del data[noise.randrange(len(data))]


def duplicate(noise, data, _):
    at = noise.randrange(len(data))
    part = data[at:at + noise.randrange(1, 40)]
    data[at:at] = part


def truncate(noise, data, _):
    del data[noise.randrange(1, len(data)):]


def splice(noise, data, other):
    data[noise.randrange(1, len(data)):] = \
        other[noise.randrange(len(other)):]


def lengthen_http(noise, data, _):
    """Another number where a length is."""
    at = data.find(b"Length: ")
    if at < 0:
        return change(noise, data, _)
    data[at + 8:at + 9] = b"%d" % noise.choice(
        [0, 1, 11, 13, 99, 65536, 2**31, 2**32, 2**63 - 1, 2**64])
    return None


def lengthen_frame(noise, data, _):
    """Another number in one of the fields that are lengths."""
    size = len(data)
    at = noise.choice([20, 28, *range(HEADER.size + 8, size)])
    if at + 4 <= size:
        value = noise.choice([0, 1, 7, 8, 9, size, 0xffff, 0x10000,
                              2**31 - 1, 2**31, 2**32 - 1,
                              noise.randrange(2 * size)])
        data[at:at + 4] = value.to_bytes(4, "little")


MUTATIONS = [flip, flip, change, insert, delete, duplicate, truncate, splice]


def mutants(good, lengthen, seed):
    noise = random.Random(seed)
    for _ in range(COUNT):
        data = bytearray(noise.choice(good))
        for _ in range(noise.choice([1, 1, 1, 2, 4])):
            mutate = noise.choice([*MUTATIONS, lengthen])
            if len(data) > 1:
                mutate(noise, data, noise.choice(good))
        yield bytes(data)


def talk(path, batch):
    """Send each on a connection of its own, with no more to come; return
    what was answered when all have ended."""
    heard, poll = {}, select.poll()
    for data in batch:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(10)
        s.connect(str(path))
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        poll.register(s, select.POLLIN)
        heard[s.fileno()] = [s, b""]
    left = len(batch)
    while left:
        ready = poll.poll(20000)
        assert ready, "a connection has neither an answer nor an end"
        for fd, _ in ready:
            try:
                part = heard[fd][0].recv(65536)
            except ConnectionResetError:
                part = b""
            heard[fd][1] += part
            if not part:
                poll.unregister(fd)
                left -= 1
    for s, _ in heard.values():
        s.close()
    return [answer for _, answer in heard.values()]


def nothing_else_arrived(world, since):
    """All that came is permitted, and bears what each request bears."""
    for r in world.upstream.requests[since:]:
        assert r.method in ("GET", "POST"), r.head
        assert r.path in ("/echo", "/upload"), r.head
        assert r.version == "HTTP/1.1", r.head
        assert r.all("authorization") == [f"Bearer {world.secret}"], r.head
        assert r.all("host") == [f"localhost:{world.upstream.port}"], r.head
        assert r.all("accept-encoding") == ["identity"], r.head
        framing = r.all("content-length") + r.all("transfer-encoding")
        assert len(framing) <= 1, r.head
        if r.header("content-length"):
            assert r.size == int(r.header("content-length")), r.head
        names = [line.split(b":")[0] for line in r.head.split(b"\r\n")[1:-2]]
        assert all(name.strip() == name != b"" for name in names), r.head


def storm(path_of, good, lengthen, seed, well_formed):
    with World() as w:
        w.vault.set_policy(POLICY, lambda: w.get("/account").status == 403)
        with Unchanged(w):
            gate, = w.vault.rooms()["gate"]
            before, size = len(w.upstream.requests), resident([gate])
            heard = 0
            source = mutants(good, lengthen, seed)
            while batch := list(itertools.islice(source, AT_ONCE)):
                for answer in talk(path_of(w.vault), batch):
                    well_formed(answer)
                    assert b"not-ready" not in answer, answer
                    heard += answer != b""
            grown = resident([gate]) - size
            assert grown < GROWTH, f"{grown} KiB more"
        arrived = len(w.upstream.requests) - before
        # Most are judged, and some pass: else this would mean little.
        assert heard > COUNT // 2 and arrived > COUNT // 50, (heard, arrived)
        nothing_else_arrived(w, before)
        eventually(lambda: w.vault.unsettled() == [],
                   what="an outcome for each decision")
        print(f"{COUNT} requests, {heard} answered, {arrived} arrived, "
              f"{grown} KiB")


def is_http(answer):
    """Nothing, or something that begins as an answer does."""
    assert answer[:9] in (b"", b"HTTP/1.1 "), answer[:80]


def is_frames(answer):
    """Whole frames that the vault may send, and nothing else."""
    while answer:
        magic, size, version, kind, zero, _, length = HEADER.unpack_from(
            answer)
        assert (magic, size, version, zero) == (b"VLTD", 24, 1, 0), answer
        assert kind >= 64 or kind in (DATA, END, WINDOW), kind
        assert len(answer) >= 24 + length, "cut short"
        answer = answer[24 + length:]


def hostile_mutated_requests_change_nothing():
    storm(lambda vault: vault.http_socket, GOOD_HTTP, lengthen_http, 2,
          is_http)


def hostile_mutated_frames_change_nothing():
    storm(lambda vault: vault.socket, GOOD_FRAMES, lengthen_frame, 3,
          is_frames)
