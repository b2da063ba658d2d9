"""The audit log: one record per decision, one per outcome, none lost."""
import json
import os
import subprocess

from harness import ADMIN, Skip, World
from support.leaks import Scanner
from support.vault import Vault, eventually


def audit_every_decision_has_its_outcome():
    with World() as w:
        w.vault.set_policy(
            ADMIN + "deny admin to request on ** { method DELETE }\n",
            lambda: w.vault.http("DELETE", "/acme/demo/x").status == 403)
        answers = [w.get("/echo?token=very-private"), w.get("/status/500"),
                   w.vault.http("DELETE", "/acme/demo/echo")]
        # An answer does not wait for its outcome's record.
        eventually(lambda: w.vault.unsettled() == [])
        records = w.vault.audit()
        assert [r["seq"] for r in records] == list(range(
            records[0]["seq"], records[0]["seq"] + len(records)))
        by_seq = {str(r["seq"]): r for r in records}
        for answer in answers:
            record = by_seq[answer.get("Vaultd-Request")]
            assert record["profile"] == "acme/demo"
            assert record["verb"] == "request"
            assert str(os.getuid()) in json.dumps(record)
            assert "very-private" not in json.dumps(record)
        decisions = [by_seq[a.get("Vaultd-Request")]["decision"]
                     for a in answers]
        assert decisions[0] == decisions[1] != decisions[2], decisions


def audit_records_changes_without_their_secrets():
    with World() as w:
        w.upstream.accounts["second-key-0123456789"] = "acct-1"
        w.rotate("second-key-0123456789")
        w.vault.ctl("profile", "disable", "acme/demo")
        w.vault.ctl("profile", "remove", "acme/demo")
        text = "".join(f.read_text() for f in
                       (w.vault.state / "audit").glob("*.jsonl"))
        for act in "add", "rotate", "disable", "remove":
            assert act in text, act
        assert Scanner(w.secret, "second-key-0123456789").bytes(
            text.encode(), "the audit log") == []


def audit_show_filters():
    with World() as w:
        w.add("globex/other")
        w.get("/echo")
        w.get("/echo", "globex/other")
        everything = w.vault.rows("audit", "show")
        some = w.vault.rows("audit", "show", "--profile", "acme/demo")
        assert 0 < len(some) < len(everything)
        assert all(r["profile"] == "acme/demo" for r in some
                   if "profile" in r)
        assert "acme/demo" in w.vault.ctl("audit", "show").out
        # What finds nothing because it is misspelt looks like an answer.
        for option, value in ("--verb", "reqest"), ("--decision", "no"):
            done = w.vault.ctl("audit", "show", option, value, check=False)
            assert done.status == 2 and option in done.err, done


def audit_continues_over_a_restart():
    with World() as w:
        w.get("/echo")
        before = w.vault.audit()
        assert w.vault.stop() == 0
        w.vault.start()
        w.get("/echo")
        after = w.vault.audit()
        assert after[:len(before)] == before
        assert [r["seq"] for r in after] == list(range(
            after[0]["seq"], after[0]["seq"] + len(after)))


def audit_clients_that_leave_with_their_answer_are_no_cancellations():
    with World() as w:
        for _ in range(40):
            subprocess.run(["curl", "-sf", "-o", "/dev/null", "--unix-socket",
                            w.vault.http_socket, "http://vaultd/acme/demo/echo"],
                           check=True)
        eventually(lambda: w.vault.unsettled() == [])
        outcomes = [r["outcome"] for r in w.vault.audit()
                    if r["event"] == "outcome" and r["verb"] == "request"]
        assert outcomes == ["ok"] * 40, outcomes


def audit_changed_record_is_noticed_at_start():
    with World() as w:
        for _ in range(5):
            w.get("/echo")
        w.vault.stop()
        segment = sorted((w.vault.state / "audit").glob("*.jsonl"))[0]
        text = segment.read_text()
        assert "acme/demo" in text
        segment.write_text(text.replace("acme/demo", "acme/dem0", 1))
        w.vault.spawn()
        assert w.vault.process.wait(30) == 3, w.vault.log()


def audit_full_disk_refuses_before_the_upstream():
    """Also: it works again once there is room."""
    with World(profile=False) as w:
        small = w.folder / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=755",
                           "vaultd-test", small],
                          capture_output=True).returncode != 0:
            raise Skip("may not mount a small file system")
        try:
            fill(w, Vault(small))
        finally:
            w.vault.last_log = w.vault.log()
            subprocess.run(["umount", "-l", small], check=True)


def fill(w, vault):
    w.vault.__exit__()
    w.vault = vault.start()
    w.add()
    assert w.get("/echo").status == 200
    ballast = vault.home / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    for _ in range(20000):          # what was set aside may serve a while
        before = len(w.arrived("/echo"))
        answer = w.get("/echo")
        if answer.status != 200:
            break
    assert (answer.status, answer.error) == (503, "audit-unavailable")
    assert answer.get("Retry-After")
    assert len(w.arrived("/echo")) == before
    ballast.unlink()
    eventually(lambda: w.get("/echo").status == 200)
    eventually(lambda: vault.unsettled() == [])
    vault.stop()
