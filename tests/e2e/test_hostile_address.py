"""Every spelling of an address that is not public, written into a profile or
come by from the DNS: no connection is made."""
import socket
import subprocess
import tempfile
from pathlib import Path

from harness import Skip, World, need_root
from support.cases import PRIVATE, URLS
from support.names import A, AAAA, CNAME, Names
from support.upstream import Listener

# Refused where they are written down; the others by the dialer.
UNWRITABLE = {
    "127.1", "127.0.1", "0x7f000001", "0x7f.1", "2130706433",
    "017700000001", "0177.0.0.1", "0", "[0:0:0:0:0:0:0:1]",
    "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[fe80::1%25lo]",
}
NEVER = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "240.0.0.1",
         "255.255.255.255", "[fe80::1]", "[fec0::1]", "[ff02::1]",
         "[2002:7f00:1::]", "[2001:0:7f00:1::]"]


def not_dialled(world, profile, what):
    """Refused by the rules on addresses, and not because nobody answers."""
    answer = world.get("/echo", profile)
    assert (answer.status, answer.error) == (502, "upstream-failed"), (
        what, answer)
    assert "address" in answer.json()["detail"], (what, answer)


def plain(world, profile, url, network=None, check=False):
    return world.add(profile, network=network, health=False, account=None,
                     url=url, check=check)


def hostile_urls_cannot_be_configured():
    """5.1: the origin is sealed in one spelling or not at all."""
    with World(profile=False) as w:
        for name, url in URLS.items():
            done = plain(w, "acme/url", url)
            assert done.status == 2, (name, url, done)
            assert "bad-request" in done.err, (name, done)
        assert w.vault.rows("profile", "list") == []
        # A name in another script's ASCII form is a name like any other.
        assert plain(w, "acme/url", "https://xn--bcher-kva.test").status == 0
        print(len(URLS), "rows")


def hostile_addresses_are_not_dialled():
    with World(profile=False) as w, Listener() as trap:
        for number, host in enumerate(PRIVATE):
            done = plain(w, f"acme/p{number}",
                         f"https://{host}:{trap.port}")
            assert done.status == (2 if host in UNWRITABLE else 0), (host,
                                                                     done)
            if done.status == 0:
                not_dialled(w, f"acme/p{number}", host)
        # What no profile can permit.
        for number, host in enumerate(NEVER):
            done = plain(w, f"acme/n{number}", f"https://{host}:{trap.port}",
                         "public, private, 127.0.0.0/8, 169.254.0.0/16, "
                         "224.0.0.0/8, 240.0.0.0/8, fe80::/16, ff02::/16, "
                         "2002::/16, 2001::/16, fec0::/16")
            assert done.status == 0, (host, done)
            not_dialled(w, f"acme/n{number}", host)
        assert trap.connections == 0, trap.connections
        print(len(PRIVATE) + len(NEVER), "rows")


class Trap:
    """Listens on another loopback address, on the upstream's own port."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.2", port))
        self.socket.setblocking(False)

    def sprung(self):
        try:
            self.socket.accept()
            return True
        except BlockingIOError:
            return False


OTHER = "127.0.0.2"
GOOD = "127.0.0.1"

# name: what is answered each time that it is asked for.
PUBLIC_ONLY = {
    "loopback.test": [[(A, OTHER)]],
    "mapped.test": [[(AAAA, f"::ffff:{OTHER}")]],
    "nat64.test": [[(AAAA, "64:ff9b::7f00:2")]],
    "sixtofour.test": [[(AAAA, "2002:7f00:2::1")]],
    "teredo.test": [[(AAAA, "2001:0:7f00:2::1")]],
    "compatible.test": [[(AAAA, f"::{OTHER}")]],
    "six.test": [[(AAAA, "::1")]],
    "private.test": [[(A, "10.1.2.3")]],
    "metadata.test": [[(A, "169.254.169.254")]],
    "zero.test": [[(A, "0.0.0.0")]],
    "cname.test": [[(CNAME, "localhost"), (A, OTHER)]],
    "chain.test": [[(CNAME, "a.test"), (CNAME, "b.test"), (A, OTHER)]],
}
PERMITTED = {
    # One address that the profile permits, one that it does not.
    "mixed.test": [[(A, OTHER), (A, GOOD)]],
    # Checked once, another the next time.
    "rebound.test": [[(A, GOOD)], [(A, OTHER)]],
}


def can_mount():
    done = subprocess.run(["unshare", "--mount", "true"],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise Skip(f"no mount namespace: {done.stderr.strip()}")


class NamedWorld(World):
    """A world whose vault asks our name server."""

    def __init__(self):
        need_root()
        can_mount()
        self.files = tempfile.TemporaryDirectory()
        Path(self.files.name).chmod(0o755)
        self.names = Names(Path(self.files.name),
                           {**PUBLIC_ONLY, **PERMITTED},
                           hosts=f"127.0.0.1 localhost\n"
                                 f"{OTHER} listed.test\n")
        super().__init__(profile=False, under=self.names.under)

    def __enter__(self):
        super().__enter__()
        self.upstream.tls.load_cert_chain(*self.ca.issue(
            ["localhost", *PUBLIC_ONLY, *PERMITTED, "listed.test"]))
        self.trap = Trap(self.upstream.port)
        return self

    def __exit__(self, *details):
        super().__exit__(*details)
        self.trap.socket.close()
        self.names.close()
        self.files.cleanup()

    def url(self, name):
        return f"https://{name}:{self.upstream.port}"


def hostile_names_lead_to_no_private_address():
    with NamedWorld() as w:
        for number, name in enumerate([*PUBLIC_ONLY, "listed.test"]):
            profile = f"acme/p{number}"
            plain(w, profile, w.url(name), check=True)
            not_dialled(w, profile, name)
        assert not w.trap.sprung() and w.upstream.connections == 0
        # No SRV, no HTTPS record, nothing but addresses is asked for.
        assert {kind for _, kind in w.names.asked} == {A, AAAA}
        assert {name for name, _ in w.names.asked} == set(PUBLIC_ONLY)


def hostile_names_are_judged_by_the_address_that_is_dialled():
    with NamedWorld() as w:
        w.upstream.raw["/end"] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" \
            b"Alt-Svc: http/1.1=\"127.0.0.2:%d\"; ma=9999\r\n\r\n" \
            % w.upstream.port
        # Of two addresses the one that is permitted, if any.
        plain(w, "acme/mixed", w.url("mixed.test"), "127.0.0.1/32", True)
        for _ in range(4):
            assert w.get("/end", "acme/mixed").status == 200
        plain(w, "acme/rebound", w.url("rebound.test"), "127.0.0.1/32", True)
        assert w.get("/end", "acme/rebound").status == 200
        seen = w.upstream.connections
        not_dialled(w, "acme/rebound", "the second answer")
        assert w.upstream.connections == seen
        assert not w.trap.sprung()
