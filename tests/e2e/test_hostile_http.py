"""Clients of http.sock that send what they should not.  Each case has its
verdict, and the upstream shows that nothing slipped through."""
from harness import World
from support.cases import (BAD, CREDENTIAL, LARGE, PRIVATE, STATUS, URLS,
                           ask_http, forwarded, head, judge_fields,
                           judge_methods, judge_targets, refused)
from support.rawhttp import compose
from support.upstream import Listener

GET = b"GET /acme/demo/echo HTTP/1.1\r\n"
POST = b"POST /acme/demo/upload HTTP/1.1\r\n"
HOST = b"Host: vaultd\r\n"

# Whole requests after which the connection has no defined next byte.
MALFORMED = {
    "bare LF": b"GET /acme/demo/echo HTTP/1.1\nHost: vaultd\n\n",
    "bare LF in the head": GET + b"Host: vaultd\nX: y\r\n\r\n",
    "bare CR ends a line": GET + b"Host: vaultd\rX: y\r\n\r\n",
    "blank line first": b"\r\n" + GET + HOST + b"\r\n",
    "folded first line": GET + b" X: a\r\n" + HOST + b"\r\n",
    "two hosts alike": GET + HOST + HOST + b"\r\n",
    "no host": GET + b"\r\n",
    "HTTP/0.9": b"GET /acme/demo/echo\r\n\r\n",
    "HTTP/1.0": b"GET /acme/demo/echo HTTP/1.0\r\n" + HOST + b"\r\n",
    "HTTP/1.9": b"GET /acme/demo/echo HTTP/1.9\r\n" + HOST + b"\r\n",
    "HTTP/1.1 and more": b"GET /acme/demo/echo HTTP/1.1x\r\n" + HOST
                         + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http/1.1": b"GET /acme/demo/echo http/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /acme/demo/echo \r\n" + HOST + b"\r\n",
    "two blanks": b"GET  /acme/demo/echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank first": b" GET /acme/demo/echo HTTP/1.1\r\n" + HOST + b"\r\n",
    "blank at the end": b"GET /acme/demo/echo HTTP/1.1 \r\n" + HOST
                        + b"\r\n",
    "tab for a blank": b"GET\t/acme/demo/echo HTTP/1.1\r\n" + HOST
                       + b"\r\n",
    "asterisk form": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "authority form": b"CONNECT evil.test:443 HTTP/1.1\r\n" + HOST
                      + b"\r\n",
    "authority form, GET": b"GET evil.test:443 HTTP/1.1\r\n" + HOST
                           + b"\r\n",
    "endless head": GET + HOST + b"X: y\r\n" * 20000,
    "endless line": b"GET /acme/demo/" + b"a" * 70000,
    "endless value": GET + b"X: " + b"y" * 70000,
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(500)
           + b"\r\n\r\n",
}

# Chunked bodies that have no one length.
CHUNKS = {
    "not hex": b"g\r\nx\r\n0\r\n\r\n", "blank": b"1 \r\nx\r\n0\r\n\r\n",
    "blank first": b" 1\r\nx\r\n0\r\n\r\n",
    "0x": b"0x1\r\nx\r\n0\r\n\r\n", "signed": b"+1\r\nx\r\n0\r\n\r\n",
    "negative": b"-1\r\n\r\n", "bare LF": b"1\nx\n0\n\n",
    "longer": b"1\r\nxy\r\n0\r\n\r\n", "shorter": b"3\r\nxy\r\n0\r\n\r\n",
    "17 digits": b"ffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    "no size": b"\r\nx\r\n0\r\n\r\n", "extension":
    b"1;a=b\r\nx\r\n0\r\n\r\n", "quoted extension":
    b"1;a=\"\r\n\"\r\nx\r\n0\r\n\r\n",
    "endless extension": b"1;" + b"e" * 70000 + b"\r\nx\r\n",
    "trailer": b"1\r\nx\r\n0\r\nX-A: b\r\n\r\n",
    "bare CR": b"1\rx\r0\r\r",
}

# 5.1 and 5.2 in the one place where a client names a host.
BAD_HOSTS = [
    "", " ", "a b", "u@evil.test", "u:p@evil.test", "evil.test/x",
    "evil.test\\x", "api%2etest", "a,b", "a#b", "a?b", "a:443x", "a:",
    "a: 443", "a:+443", "a:443:443", "a:655360", "[::1", "[]", "[::g]",
    "[::1]x", "[fe80::1%25lo]", "https://evil.test", "b\xfccher.test",
    "api\uff0etest", "api\u200b.test", "\u2460.test", "a\tb", "a\0b",
]
IGNORED_HOSTS = [
    "evil.test", "EVIL.TEST", "evil.test.", "evil.test:443",
    "evil.test:0", "evil.test:65536", "under_score.test",
    "xn--bcher-kva.test", "a" * 64 + ".test", "vaultd.evil.test",
    *(host for host in PRIVATE if "%" not in host),
]
OUR_HOSTS = ["demo.acme.vaultd", "DEMO.Acme.VAULTD", "demo.acme.vaultd:80"]
NOT_OUR_HOSTS = [
    "vaultd", ".vaultd", "demo.vaultd", "demo..vaultd", ".acme.vaultd",
    ".demo.acme.vaultd", "demo.acme.x.vaultd", "demo_x.acme.vaultd",
    "-demo.acme.vaultd", "demo.acme.vaultd.", "demo.acme.vaultd.evil.test",
    "a" * 64 + ".acme.vaultd", "xn--dem-1na.acme_.vaultd",
]


def send(world, data):
    with world.vault.connect(10) as c:
        c.send(data)
        return c.read()


def breached(world, name, data):
    """It is refused, and with it the connection."""
    before = len(world.upstream.requests)
    with world.vault.connect(10) as c:
        c.send(data)
        answer = c.read()
        assert c.at_end(), f"{name}: the connection goes on"
    assert answer.error in (BAD, LARGE), (name, answer)
    assert answer.status == STATUS[answer.error], (name, answer)
    assert len(world.upstream.requests) == before, (name, "arrived")


def hostile_malformed_requests_are_refused():
    with World() as w:
        for name, data in MALFORMED.items():
            breached(w, name, data)
        assert w.get("/echo").status == 200


def hostile_chunks_never_arrive_as_a_whole_body():
    with World() as w:
        for name, body in CHUNKS.items():
            breached(w, name, POST + HOST + b"Transfer-Encoding: "
                       b"chunked\r\n\r\n" + body)


def hostile_urls_name_no_origin_in_http():
    """5.1: no target, no host and no header leads anywhere else."""
    with World() as w, Listener() as trap:
        urls = {**URLS, **{host: f"https://{host}:{trap.port}/echo"
                           for host in PRIVATE}}
        for name, url in urls.items():
            line = f"GET {url} HTTP/1.1\r\nHost: vaultd\r\n\r\n"
            refused(w, BAD, name, lambda: send(w, line.encode()))
            refused(w, BAD, name, lambda: ask_http(
                w, "GET", "/echo", f"Vaultd-Url: {url}\r\n"))
        assert w.get("/echo").status == 200
        assert trap.connections == 0
        print(2 * len(urls), "rows")


def hostile_hosts_lead_nowhere_else():
    with World() as w, Listener() as trap:
        expected = head(w, "GET", "/echo", [])

        def ask(host):
            return ask_http(w, "GET", "/echo", host=host)
        for host in BAD_HOSTS:
            refused(w, BAD, host, lambda: ask(host))
        for host in IGNORED_HOSTS + [f"localhost:{trap.port}"]:
            forwarded(w, host, lambda: ask(host), expected)
        for host in OUR_HOSTS:
            forwarded(w, host, lambda: send(w, (
                f"GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n").encode()),
                expected)
        for host in NOT_OUR_HOSTS:
            refused(w, BAD, host, lambda: send(w, (
                f"GET /echo HTTP/1.1\r\nHost: {host}\r\n\r\n").encode()))
        # The host decides, and the path is the path.
        forwarded(w, "both", lambda: ask_http(
            w, "GET", "/echo", host="demo.acme.vaultd"),
            head(w, "GET", "/acme/demo/echo", []))
        assert trap.connections == 0


def hostile_methods_and_targets_are_refused():
    with World() as w:
        print(judge_targets(w, ask_http) + judge_methods(w, ask_http),
              "rows")


def hostile_headers_are_refused_or_dropped():
    with World() as w:
        print(judge_fields(w, ask_http), "rows")


def hostile_injected_header_cannot_be_sent_by_the_client():
    with World(profile=False) as w:
        w.add(inject="header X-Api-Key: {secret}")
        for name in "X-Api-Key", "x-api-key", "X-API-KEY", "X_Api_Key":
            refused(w, CREDENTIAL, name, lambda: ask_http(
                w, "GET", "/echo", f"{name}: mine\r\n"))
        w.add("acme/query", inject="query api_key")
        for query in ("api_key=mine", "a=1&api_key=mine", "api%5Fkey=m",
                      "api_key", "api_key=", "api_key=vaultd&api_key=m",
                      "api_key=vaultd&api_key=vaultd", "a=1;api_key=mine",
                      "a=1&amp;api_key=mine", "%61pi_key=%76aultd1"):
            refused(w, CREDENTIAL, query, lambda: ask_http(
                w, "GET", f"/echo?{query}", profile="acme/query"))


def hostile_body_cut_short_is_not_delivered():
    with World() as w:
        for framing in (b"Content-Length: 100\r\n",
                        b"Transfer-Encoding: chunked\r\n"):
            with w.vault.connect() as c:
                c.send(POST + HOST + framing + b"\r\n5\r\nhello\r\n")
        assert w.get("/echo").status == 200
        assert w.arrived("/upload") == []


def hostile_smuggled_request_is_a_body_or_nothing():
    """What hides in a body is never a request of its own."""
    hidden = compose("DELETE", "/acme/demo/account")
    with World() as w, w.vault.connect() as c:
        for chunked in False, True:
            answer = c.ask("POST", "/acme/demo/upload", body=hidden,
                           chunked=chunked)
            assert answer.json()["bytes"] == len(hidden)
        form = b"_method=DELETE&a=b"
        assert c.ask("POST", "/acme/demo/upload", body=form).status == 200
        assert w.arrived("/upload")[-1].body == form
        assert {r.method for r in w.upstream.requests} == {"GET", "POST"}


def hostile_profiles_are_ids():
    """What stands where CUSTOMER/PROFILE should."""
    with World() as w:
        for profile in ("Acme/demo", "acme/Demo", "acme/de_mo", "-a/demo",
                        "acme/-d", "acme%2fdemo", "acme/%64emo", "acme;x/demo",
                        "acme/demo;x", "../acme", "acme/..", "./demo",
                        "acme//demo", "/acme/demo", "a" * 64 + "/demo",
                        "acme/" + "d" * 64, "acme/demo%00", "*/*", "acme/*"):
            refused(w, BAD, profile, lambda: ask_http(
                w, "GET", "/echo", "Connection: close\r\n",
                profile=profile))
