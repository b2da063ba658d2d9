"""http.sock: a worker's request and the upstream's true answer."""
import hashlib

from harness import World
from support.rawhttp import compose
from support.upstream import pattern
from support.vault import eventually

SIZES = (0, 1, 1023, 4096, 65535, 65536, 65537, 1 << 20, 8 << 20)


def http_request_returns_upstream_answer():
    with World() as w:
        answer = w.vault.http("POST", "/acme/demo/echo?a=1&b=%20x",
                              [("X-Flow", "orders"),
                               ("Content-Type", "text/plain")], b"hello")
        assert answer.status == 200, answer
        seen = answer.json()
        assert seen["method"] == "POST"
        assert seen["target"] == "/echo?a=1&b=%20x"
        assert seen["bytes"] == 5
        assert seen["sha256"] == hashlib.sha256(b"hello").hexdigest()
        assert ["x-flow", "orders"] in seen["headers"]
        assert ["content-type", "text/plain"] in seen["headers"]
        assert answer.get("Vaultd-Request"), answer


def http_credential_injected_and_never_seen():
    with World() as w:
        answer = w.get("/echo")
        sent, = w.arrived("/echo")
        assert sent.all("authorization") == [f"Bearer {w.secret}"]
        assert w.secret not in repr(answer)
        assert sent.header("host") == f"localhost:{w.upstream.port}"


def http_credential_goes_where_the_profile_says():
    with World(profile=False) as w:
        kinds = {
            "acme/header": "header X-Api-Key: {secret}",
            "acme/template": "header Authorization: Klaviyo {secret}",
            "acme/query": "query api_key",
            "acme/basic": "basic robot",
        }
        for profile, inject in kinds.items():
            w.add(profile, inject=inject)
            assert w.get("/echo?x=1", profile).status == 200, profile
        header, template, query, basic = w.arrived("/echo")
        assert header.all("x-api-key") == [w.secret]
        assert header.all("authorization") == []
        assert template.all("authorization") == [f"Klaviyo {w.secret}"]
        assert query.query == {"x": ["1"], "api_key": [w.secret]}
        assert query.all("authorization") == []
        assert basic.header("authorization").startswith("Basic ")
        assert basic.account == "acct-1"


def http_bodies_of_every_size_both_ways():
    with World() as w, w.vault.connect() as c:
        for size in SIZES:
            body = pattern(size)
            expected = {"bytes": size,
                        "sha256": hashlib.sha256(body).hexdigest()}
            for chunked in False, True:
                answer = c.ask("POST", "/acme/demo/upload", body=body,
                               chunked=chunked)
                assert answer.json() == expected, (size, chunked, answer)
            for route in "stream", "chunked":
                answer = c.ask("GET", f"/acme/demo/{route}?bytes={size}")
                assert answer.status == 200, (size, route, answer)
                assert answer.body == body, (size, route)


def http_keep_alive_and_pipelining():
    with World() as w, w.vault.connect() as c:
        for number in range(20):
            assert c.ask("GET", f"/acme/demo/echo?n={number}").status == 200
        paths = [f"/acme/demo/echo?n={number}" for number in range(20)]
        c.send(b"".join(compose("GET", path) for path in paths))
        for number in range(20):
            assert c.read().json()["target"] == f"/echo?n={number}"


def http_connection_close_is_honoured():
    with World() as w, w.vault.connect() as c:
        answer = c.ask("GET", "/acme/demo/echo", [("Connection", "close")])
        assert answer.status == 200
        assert c.at_end()


def http_upstream_connection_is_reused():
    with World() as w:
        for _ in range(10):
            assert w.get("/echo").status == 200
        assert len({r.connection for r in w.arrived("/echo")}) == 1


def http_new_credential_gets_a_new_connection():
    with World() as w:
        w.get("/echo?old")
        w.upstream.accounts["second-key"] = "acct-1"
        w.rotate("second-key")
        w.get("/echo?new")
        old, new = w.arrived("/echo")
        assert old.connection != new.connection


def http_head_and_answers_without_a_body():
    with World() as w, w.vault.connect() as c:
        answer = c.ask("HEAD", "/acme/demo/stream?bytes=500")
        assert (answer.status, answer.get("Content-Length")) == (200, "500")
        assert c.ask("GET", "/acme/demo/status/204").status == 204
        assert c.ask("GET", "/acme/demo/status/304").status == 304
        assert c.ask("DELETE", "/acme/demo/echo").json()["bytes"] == 0


def http_upstream_errors_are_the_upstreams():
    with World() as w:
        for status in 400, 401, 403, 404, 418, 429, 500, 503:
            answer = w.get(f"/status/{status}")
            assert answer.status == status
            assert answer.error is None, answer
            assert answer.body == b"as asked\n"


def http_expect_continue():
    with World() as w, w.vault.connect() as c:
        head = compose("POST", "/acme/demo/upload",
                       [("Expect", "100-continue"), ("Content-Length", 5)])
        c.send(head)
        assert c.socket.recv(4096).startswith(b"HTTP/1.1 100 ")
        c.send(b"hello")
        assert c.read().json()["bytes"] == 5
        assert w.arrived("/upload")[0].header("expect") is None


def http_vault_headers_of_an_upstream_are_removed():
    with World() as w:
        answer = w.get("/claims")
        ids = [v for n, v in answer.headers if n == "vaultd-request"]
        assert len(ids) == 1 and ids != ["forged"], answer
        assert answer.error is None
        assert answer.get("Set-Cookie") is None, answer
        assert answer.get("X-Hop") is None, answer
        assert answer.get("X-Kept") == "yes"


def http_errors_are_problem_documents():
    with World() as w:
        answer = w.get("/echo", "acme/nothing")
        assert (answer.status, answer.error) == (404, "no-such-profile")
        assert answer.get("Content-Type") == "application/problem+json"
        assert answer.json()["status"] == 404
        assert answer.get("Vaultd-Request")


def http_disconnect_cancels_the_request():
    with World() as w:
        with w.vault.connect() as c:
            c.send(compose("GET", "/acme/demo/hold"))
            eventually(lambda: w.arrived("/hold"))
        eventually(lambda: w.upstream.abandoned == 1)
        assert w.get("/echo").status == 200


def http_many_clients_at_once():
    with World() as w:
        connections = [w.vault.connect() for _ in range(32)]
        for number, c in enumerate(connections):
            c.send(compose("GET", f"/acme/demo/slow?ms=200&n={number}"))
        for c in connections:
            assert c.read().json() == {"slept": True}
            c.close()
