"""vaultctl: the life of a profile, exit statuses, and how secrets come in."""
import json
import os
import re
import pty
import select
import subprocess
import time

from harness import ADMIN, STRANGER, World, need_root
from support.leaks import canary
from support.upstream import Listener, pattern
from support.vault import CLEAN, ROOMS, Vault, build


def cli_request_prints_the_body():
    with World() as w:
        done = w.vault.ctl("request", "acme/demo", "GET", "/echo?x=1")
        assert json.loads(done.out)["target"] == "/echo?x=1"
        assert done.err == ""


def cli_request_sends_headers_and_data():
    with World() as w:
        body = w.folder / "body"
        body.write_bytes(pattern(100000))
        for data, given in (f"@{body}", None), ("-", "from stdin"):
            done = w.vault.ctl("request", "acme/demo", "PUT", "/upload",
                               "-H", "X-One: 1", "-H", "X-Two: 2",
                               "--data", data, input=given)
            size = 100000 if given is None else len(given)
            assert json.loads(done.out)["bytes"] == size
        for request in w.arrived("/upload"):
            assert request.header("x-one") == "1"
            assert request.header("x-two") == "2"
            assert request.method == "PUT"


def cli_request_shows_the_head_and_writes_a_file():
    with World() as w:
        done = w.vault.ctl("request", "acme/demo", "GET", "/echo", "-i")
        head, _, body = done.out.replace("\r\n", "\n").partition("\n\n")
        assert head.startswith("HTTP/1.1 200"), head
        assert json.loads(body)["method"] == "GET"
        file = w.folder / "out"
        done = w.vault.ctl("request", "acme/demo", "GET",
                           "/stream?bytes=300000", "-o", file)
        assert done.out == ""
        assert file.read_bytes() == pattern(300000)


def cli_request_of_every_size():
    with World() as w:
        for size in 0, 1, 65536, 8 << 20:
            file = w.folder / "body"
            file.write_bytes(pattern(size))
            done = w.vault.ctl("request", "acme/demo", "POST", "/upload",
                               "--data", f"@{file}")
            assert json.loads(done.out)["bytes"] == size
            w.vault.ctl("request", "acme/demo", "GET",
                        f"/chunked?bytes={size}", "-o", file)
            assert file.read_bytes() == pattern(size), size


def cli_profile_lifecycle():
    with World() as w:
        ctl = w.vault.ctl
        profile, = w.vault.rows("profile", "list")
        assert profile["profile"] == "acme/demo"
        assert profile["status"] == "active"
        shown, = w.vault.rows("profile", "show", "acme/demo")
        assert shown["system"] == "custom-rest"
        assert w.upstream.url in json.dumps(shown)

        w.add("globex/other")
        assert len(w.vault.rows("profile", "list")) == 2
        only, = w.vault.rows("profile", "list", "--customer", "globex")
        assert only["profile"] == "globex/other"

        ctl("profile", "set", "acme/demo", "--title", "The demo")
        assert "The demo" in ctl("profile", "show", "acme/demo").out
        ctl("profile", "verify", "acme/demo")

        ctl("profile", "disable", "acme/demo")
        assert ctl("request", "acme/demo", "GET", "/echo",
                   check=False).status == 7
        assert w.get("/echo").error == "credential-not-usable"
        assert w.get("/echo", "globex/other").status == 200
        ctl("profile", "enable", "acme/demo")
        ctl("request", "acme/demo", "GET", "/echo")

        ctl("profile", "remove", "acme/demo")
        for act in "show", "verify", "enable", "disable", "remove":
            done = ctl("profile", act, "acme/demo", check=False)
            assert done.status == 4, (act, done)
        assert w.get("/echo").error == "no-such-profile"


def cli_exit_statuses():
    with Listener() as gone:
        port = gone.port
    with World() as w:
        w.add("acme/gone", url=f"https://localhost:{port}", health=False,
              account=None)
        w.add("acme/off")
        w.vault.ctl("profile", "disable", "acme/off")
        w.vault.set_policy(
            ADMIN + "deny admin to request on acme/demo { method DELETE }\n",
            lambda: w.vault.http("DELETE", "/acme/demo/x").status == 403)
        request = ["request", "acme/demo", "GET", "/echo"]
        expected = [
            (0, request),
            (1, ["catalog", "check", "/nonexistent"]),
            (2, []),
            (2, ["no-such-command"]),
            (2, ["request", "acme/demo"]),
            (2, ["profile", "list", "--no-such-option"]),
            (2, ["profile", "show", "Not An Id"]),
            (3, ["request", "acme/demo", "DELETE", "/echo"]),
            (4, ["request", "acme/nothing", "GET", "/echo"]),
            (4, ["profile", "show", "acme/nothing"]),
            (4, ["catalog", "show", "no-such-system"]),
            (6, ["request", "acme/gone", "GET", "/echo"]),
            (7, ["request", "acme/off", "GET", "/echo"]),
        ]
        for status, arguments in expected:
            done = w.vault.ctl(*arguments, check=False)
            assert done.status == status, (arguments, status, done)
            assert status == 0 or done.err, arguments
        assert w.add(check=False).status == 1       # it exists already
        w.vault.stop()
        assert w.vault.ctl(*request, check=False).status == 5


def cli_secret_comes_from_stdin_or_a_file_alone():
    with World() as w:
        w.upstream.accounts.update({"from-a-file": "acct-1"})
        file = w.folder / "secret"
        file.write_text("from-a-file\n")
        w.vault.ctl("rotate", "acme/demo", "--file", file)
        w.get("/echo")
        assert (w.arrived("/echo")[0].header("authorization") ==
                "Bearer from-a-file")
        done = w.vault.ctl("rotate", "acme/demo", "in-an-argument",
                           check=False)
        assert done.status == 2, done


def cli_secret_prompt_does_not_echo():
    with World() as w:
        fresh = canary()
        w.upstream.accounts[fresh] = "acct-1"
        pid, terminal = pty.fork()
        if pid == 0:
            program = str(build() / "bin/vaultctl")
            os.execve(program, [program, "--socket", str(w.vault.socket),
                                "rotate", "acme/demo"], CLEAN)
        shown = typed = b""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 0.3)[0]:
                if shown and not typed:         # it has asked, and waits
                    typed = fresh.encode() + b"\n"
                    os.write(terminal, typed)
                continue
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                break
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0, shown
        assert fresh.encode() not in shown
        w.get("/echo")
        assert (w.arrived("/echo")[0].header("authorization") ==
                f"Bearer {fresh}")


def cli_no_secret_is_ever_displayed():
    with World() as w:
        for arguments in (["profile", "show", "acme/demo"],
                          ["profile", "list"], ["status"],
                          ["audit", "show"], ["whoami"]):
            for json_too in [], ["--json"]:
                done = w.vault.ctl(*arguments, *json_too)
                assert w.secret not in done.out + done.err, arguments


def cli_whoami_says_what_the_vault_sees():
    with Vault() as vault:
        me, = vault.rows("whoami")
        assert me["uid"] == os.getuid()


def cli_status_shows_rooms_and_walls():
    with World() as w:
        w.get("/echo")
        text = w.vault.ctl("status").out
        for room in ROOMS:
            assert room in text, text
        for wall in "seccomp", "landlock":
            assert wall in text.lower(), text
        assert w.vault.rows("status")


def cli_no_colour_off_a_terminal():
    with World() as w:
        for command in "status", "catalog list", "profile list":
            assert "\x1b" not in w.vault.ctl(*command.split()).out


def cli_stranger_is_told_nothing():
    need_root()
    with World() as w:
        told = [w.vault.ctl("request", profile, "GET", "/echo",
                            user=STRANGER, check=False)
                for profile in ("acme/demo", "acme/nothing")]
        assert [d.status for d in told] == [3, 3]
        # The one difference is which record of the log has the matter.
        same = [re.sub(r"acme/\w+|audit \d+", "X", d.err) for d in told]
        assert same[0] == same[1], same
        assert w.arrived("/echo") == []
        done = w.vault.ctl("profile", "list", user=STRANGER, check=False)
        assert "acme" not in done.out + done.err


def cli_vaultd_check_points_at_the_mistake():
    def check(config):
        return subprocess.run([build() / "bin/vaultd", "--check",
                               "--config", config], env=CLEAN,
                              capture_output=True, text=True, timeout=30)

    with Vault() as vault:
        config = vault.dir / "vaultd.conf"
        assert check(config).returncode == 0
        bad = vault.home / "bad.conf"
        bad.write_text(config.read_text() + "\nno-such-key yes\n")
        done = check(bad)
        line = len(bad.read_text().splitlines())
        assert done.returncode == 2, done
        assert f"bad.conf:{line}" in done.stderr, done
