"""The policy as its clients meet it."""
from harness import ADMIN, WORKER, World, need_root

WORKER_MAY_READ = ADMIN + f"""
client worker {{
    uid {WORKER}
}}
permit worker to request on acme/* {{
    method GET HEAD
    path   /echo /api/**
}}
"""


def policy_reader_of_one_customer_sees_its_profiles():
    need_root()
    with World() as w:
        w.add("globex/other")

        def show(profile):
            return w.vault.ctl("profile", "show", profile, user=WORKER,
                               check=False).status

        w.vault.set_policy(ADMIN + f"""
client reader {{ uid {WORKER} }}
permit reader to read on acme/*
""", lambda: show("acme/demo") == 0)
        assert show("globex/other") == 3
        listed = w.vault.ctl("profile", "list", "--json", user=WORKER).out
        assert "acme/demo" in listed and "globex" not in listed


def policy_denied_request_never_reaches_the_upstream():
    need_root()
    with World() as w:
        w.add("globex/other")
        ctl = w.vault.ctl

        def worker(*request):
            return ctl("request", *request, user=WORKER, check=False)

        assert worker("acme/demo", "GET", "/echo").status == 3
        w.vault.set_policy(WORKER_MAY_READ, lambda: worker(
            "acme/demo", "GET", "/echo").status == 0)
        refused = [("acme/demo", "POST", "/echo"),
                   ("acme/demo", "DELETE", "/echo"),
                   ("acme/demo", "GET", "/upload"),
                   ("acme/demo", "GET", "/echo/"),
                   ("acme/demo", "GET", "/Echo"),
                   ("acme/demo", "GET", "/api"),
                   ("globex/other", "GET", "/echo")]
        before = len(w.upstream.requests)
        for request in refused:
            assert worker(*request).status == 3, request
        assert len(w.upstream.requests) == before
        assert worker("acme/demo", "GET", "/%65cho").status == 0
        assert w.upstream.requests[-1].target == "/echo"
        for command in (["profile", "list"], ["audit", "show"],
                        ["rotate", "acme/demo", "--stdin"],
                        ["profile", "remove", "acme/demo"]):
            done = ctl(*command, user=WORKER, check=False, input="x\n")
            assert done.status == 3 or "acme" not in done.out, (command, done)
        w.get("/echo")
        assert w.upstream.requests[-1].account == "acct-1"


def policy_deny_beats_permit_in_any_order():
    deny = "deny admin to request on acme/demo {\n    method DELETE\n}\n"
    for text in ADMIN + deny, deny + ADMIN:
        with World() as w:
            w.vault.set_policy(text, lambda: w.vault.http(
                "DELETE", "/acme/demo/echo").status == 403)
            assert w.get("/echo").status == 200
            answer = w.vault.http("DELETE", "/acme/demo/echo")
            assert answer.error == "denied"
            methods = {r.method for r in w.arrived("/echo")}
            assert methods <= {"GET"}, methods


def policy_deny_holds_for_every_spelling_of_a_path():
    deny = "deny admin to request on ** {\n    path /account\n}\n"
    with World() as w:
        w.vault.set_policy(ADMIN + deny,
                           lambda: w.get("/account").status == 403)
        before = len(w.arrived("/account"))
        for path in ("/%61ccount", "/a%63count", "/account?x", "/ACCOUNT",
                     "/account;v=1", "/account%3Bv"):
            assert w.get(path).status == 403, path
        for path in ("//account", "/x/../account", "/./account",
                     "/%2e/account", "/%2faccount", "/account%00"):
            assert w.get(path).status == 400, path
        assert len(w.arrived("/account")) == before


def policy_explain_names_the_line():
    deny = "deny admin to request on acme/demo { method DELETE }\n"
    with World() as w:
        w.vault.set_policy(ADMIN + deny, lambda: w.vault.http(
            "DELETE", "/acme/demo/echo").status == 403)
        line = len((ADMIN + deny).splitlines())
        done = w.vault.ctl("policy", "explain", "acme/demo", "request",
                           "DELETE", "/echo", check=False)
        assert str(line) in done.out and "deny" in done.out.lower(), done
        done = w.vault.ctl("policy", "explain", "acme/demo", "request",
                           "GET", "/echo")
        assert "permit" in done.out.lower(), done


def policy_check_points_at_the_mistake():
    mistakes = {
        "permit nobody to request on **\n": (1, "nobody"),
        ADMIN + "permit admin to fly on **\n": (None, "fly"),
        "client a {\n    uid 1\n    uid 2\n}\n": (3, "uid"),
        "client a {\n    colour red\n}\n": (2, "colour"),
        "client a {\n": (None, ""),
        "client A! { uid 1 }\n": (1, ""),
    }
    with World(profile=False) as w:
        file = w.folder / "try.conf"
        file.write_text(ADMIN)
        assert w.vault.ctl("policy", "check", file).status == 0
        for text, (line, word) in mistakes.items():
            file.write_text(text)
            done = w.vault.ctl("policy", "check", file, check=False)
            line = line or len(text.splitlines())
            assert done.status in (1, 2), (text, done)
            assert f"try.conf:{line}:" in done.err + done.out, (text, done)
            assert "^" in done.err + done.out, (text, done)
            assert word in done.err + done.out, (text, done)


def policy_guarded_paths_must_be_named_literally():
    with World(profile=False) as w:
        entry, = w.vault.rows("catalog", "show", "stripe")
        guarded = next(p for p in entry["guarded"] if "*" not in p)
        w.vault.ctl("profile", "add", "acme/stripe", "--system", "stripe",
                    "--stdin", input="rk_test_" + "a" * 24 + "\n",
                    check=False)
        answer = w.vault.http("GET", f"/acme/stripe{guarded}")
        assert (answer.status, answer.error) == (403, "denied"), answer
