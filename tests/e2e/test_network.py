"""Where a request can go: the sealed origin, by verified TLS, and to no
address that the profile does not permit."""
import ssl

from harness import World
from support.ca import Authority
from support.leaks import Scanner
from support.upstream import Listener, Upstream


def refused(world, profile, path="/echo"):
    """The vault's own 502, without the secret in it."""
    answer = world.get(path, profile)
    assert (answer.status, answer.error) == (502, "upstream-failed"), answer
    assert Scanner(world.secret).bytes(repr(answer).encode(), "it") == []
    return answer


def http_private_addresses_are_not_dialled():
    hosts = ("localhost", "127.0.0.1", "127.1", "0x7f000001", "2130706433",
             "017700000001", "0", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]",
             "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]")
    with World(profile=False) as w, Listener() as trap:
        for number, host in enumerate(hosts):
            added = w.add(f"acme/p{number}", network=None, health=False,
                          account=None, url=f"https://{host}:{trap.port}",
                          check=False)
            # An address may be refused already where it is written down.
            if added.status == 0:
                refused(w, f"acme/p{number}")
        assert trap.connections == 0, trap.connections


def http_permitted_network_is_no_wider_than_it_says():
    with World(profile=False) as w, Listener() as trap:
        w.add("acme/other", network="127.0.0.2/32", health=False,
              account=None, url=f"https://127.0.0.1:{trap.port}")
        w.add("acme/private", network="private", health=False,
              account=None, url=f"https://127.0.0.1:{trap.port}")
        refused(w, "acme/other")
        refused(w, "acme/private")
        assert trap.connections == 0


def http_redirects_are_not_followed():
    with World() as w, Listener() as trap:
        for status in 301, 302, 303, 307, 308:
            for to in (f"https://localhost:{trap.port}/x",
                       f"http://localhost:{trap.port}/x", "/echo"):
                answer = w.get(f"/redirect?status={status}&to={to}")
                assert answer.status == status, answer
        assert trap.connections == 0
        assert w.arrived("/echo") == []


def http_bad_certificates_get_no_secret():
    with World(profile=False) as w:
        stranger = Authority(w.folder / "stranger")
        bad = {
            "expired": w.ca.issue(days=-1),
            "wrong-host": w.ca.issue(["other.test"]),
            "wrong-ca": stranger.issue(),
        }
        for name, pair in bad.items():
            with Upstream(*pair, {w.secret: "acct-1"}) as upstream:
                w.add(f"acme/{name}", url=upstream.url, health=False,
                      account=None)
                refused(w, f"acme/{name}")
                assert upstream.connections > 0, name
                assert upstream.requests == [], name


def http_old_tls_is_refused():
    with World(profile=False) as w:
        with Upstream(*w.ca.issue(), {w.secret: "acct-1"}) as upstream:
            upstream.tls.minimum_version = ssl.TLSVersion.TLSv1
            upstream.tls.maximum_version = ssl.TLSVersion.TLSv1_1
            upstream.tls.set_ciphers("ALL:@SECLEVEL=0")
            w.add(url=upstream.url, health=False, account=None)
            refused(w, "acme/demo")
            assert upstream.requests == []


def http_private_ca_counts_for_its_profile_alone():
    with World() as w:
        w.add("acme/public", ca=None, health=False, account=None)
        assert w.get("/echo").status == 200
        refused(w, "acme/public")
        assert len(w.arrived("/echo")) == 1


def http_plain_http_cannot_be_configured():
    with World(profile=False) as w:
        for url in ("http://localhost:1", "ftp://localhost", "localhost",
                    "https://u:p@localhost", "https://localhost/#x",
                    "https://", "https://local_host\\@x", "file:///etc"):
            done = w.add(url=url, check=False, health=False, account=None)
            assert done.status in (1, 2), (url, done)


def http_hostile_answers_of_an_upstream_are_refused():
    ok = b"HTTP/1.1 200 OK\r\n"
    with World() as w:
        hostile = {
            "/lengths": ok + b"Content-Length: 3\r\nContent-Length: 5\r\n"
                             b"\r\nabcde",
            "/headers": ok + b"X: y\r\n" * 200000 + b"\r\n",
            "/garbage": b"\x00\x01\x02 not http\r\n\r\n",
            "/http09": b"just text\n",
            "/nothing": b"",
        }
        w.upstream.raw.update(hostile)
        for path in hostile:
            answer = w.get(path)
            assert answer.status == 502, (path, answer)
        assert w.get("/echo").status == 200


def http_a_body_cut_short_is_not_taken_for_whole():
    ok = b"HTTP/1.1 200 OK\r\n"
    with World() as w:
        w.upstream.raw["/length"] = ok + b"Content-Length: 10\r\n\r\nabc"
        w.upstream.raw["/chunks"] = (ok + b"Transfer-Encoding: chunked\r\n"
                                     b"\r\na\r\nabc")
        for path in "/length", "/chunks":
            try:
                answer = w.get(path)
            except ConnectionError:
                continue
            assert answer.status == 502, (path, answer)


def http_unreachable_upstream_is_said_plainly():
    with Listener() as gone:
        port = gone.port
    with World(profile=False) as w:
        w.add("acme/gone", url=f"https://localhost:{port}", health=False,
              account=None)
        w.add("acme/nowhere", url="https://no-such-host.invalid",
              health=False, account=None)
        refused(w, "acme/gone")
        refused(w, "acme/nowhere")
