"""Being run: what `make install` puts where, the unit, the man pages, the
library for other programs, completion, and vaultctl doctor."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from harness import ADMIN, Skip, World, need_root
from support.vault import CLEAN, Vault, build

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "packaging/vaultd.service"
MAN = ROOT / "docs/man"


def run(*command, check=True, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True,
                          text=True, timeout=100, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit status {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def need(program):
    if shutil.which(program) is None:
        raise Skip(f"there is no {program}")


@contextmanager
def folder():
    path = Path(tempfile.mkdtemp(prefix="run-", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def installed(prefix="/usr"):
    with folder() as path:
        run("make", "-s", "-C", ROOT, f"O={build()}", "install",
            f"DESTDIR={path}", f"PREFIX={prefix}")
        yield path


def functions():
    """Those that the header declares."""
    header = (ROOT / "client/vaultclient.h").read_text()
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    return set(re.findall(r"^(?:int|void|size_t) (vault_\w+)\(", header,
                          re.MULTILINE))


# The library.

def cli_library_exports_its_header_and_nothing_else():
    shared = run("nm", "-D", "--defined-only",
                 build() / "lib/libvaultclient.so").stdout
    names = set(re.findall(r" T (\w+)@@VAULTCLIENT_0\.1$", shared, re.M))
    assert names == functions(), names ^ functions()
    assert not re.findall(r" [TDBR] (?!vault_)\w+", shared), shared
    static = run("nm", "-g", "--defined-only",
                 build() / "lib/libvaultclient.a").stdout
    assert set(re.findall(r" [A-Z] (\w+)$", static, re.M)) == functions()
    dynamic = run("readelf", "-d", build() / "lib/libvaultclient.so").stdout
    assert "soname: [libvaultclient.so.0]" in dynamic
    manual = (MAN / "vaultclient.3").read_text()
    assert set(re.findall(r"^\.F[no] (vault_\w+) ?.*\"|^\.Fo (vault_\w+)",
                          manual, re.M)) and all(
        f" {name}" in manual for name in functions())


def cli_library_serves_an_installed_program():
    with World() as w, installed("/opt/vaultd") as dest:
        environment = {**CLEAN, "PKG_CONFIG_SYSROOT_DIR": str(dest),
                       "PKG_CONFIG_PATH": f"{dest}/opt/vaultd/lib/pkgconfig"}

        def flags(*options):
            return run("pkg-config", *options, "vaultclient",
                       env=environment).stdout.split()

        assert flags("--modversion") == ["0.1.0"]
        ways = {"shared": flags("--libs"),
                "static": ["-l:libvaultclient.a" if f == "-lvaultclient" else
                           f for f in flags("--libs", "--static")]}
        for name, libs in ways.items():
            program = w.folder / name
            run("cc", "-Wall", "-Wextra", "-Werror", "-o", program,
                *flags("--cflags"), ROOT / "client/example.c", *libs)
            needed = run("readelf", "-d", program).stdout
            assert ("libvaultclient.so.0" in needed) == (name == "shared")
            env = {**CLEAN, "VAULTD_SOCKET": str(w.vault.socket),
                   "LD_LIBRARY_PATH": f"{dest}/opt/vaultd/lib"}
            done = run(program, "acme/demo", "GET", "/echo", env=env)
            head, _, body = done.stdout.partition("\n")
            assert head.startswith("200 (record "), head
            assert json.loads(body)["target"] == "/echo"
            done = run(program, "acme/none", "GET", "/", env=env, check=False)
            assert done.returncode == 4, done
            assert "(no-such-profile)" in done.stderr
            env["VAULTD_SOCKET"] = str(w.folder / "none")
            done = run(program, "acme/demo", "GET", "/", env=env, check=False)
            assert done.returncode == 5 and "not-reachable" in done.stderr


def cli_library_is_all_that_vaultctl_takes_of_it():
    mine = [build() / "obj" / p.relative_to(ROOT).with_suffix(".o")
            for p in (ROOT / "client/vaultctl").glob("*.c")]
    wanted = set(re.findall(r" U (\w+)", run("nm", "-u", *mine).stdout))
    own = [build() / "obj" / p.relative_to(ROOT).with_suffix(".o")
           for p in (ROOT / "client").glob("*.c")]
    given = set(re.findall(r" [TDBR] (\w+)", run(
        "nm", "-g", "--defined-only", *own).stdout)) - {"main"}
    assert wanted & given, "vaultctl does not stand on the library"
    assert wanted & given <= functions(), wanted & given - functions()


# The unit.

def cli_unit_is_sound():
    need("systemd-analyze")
    with installed() as dest, folder() as place:
        unit = place / "vaultd.service"
        text = (dest / "usr/lib/systemd/system/vaultd.service").read_text()
        text = text.replace("/usr/bin/vaultd", f"{dest}/usr/bin/vaultd")
        unit.write_text("\n".join(
            line for line in text.splitlines()
            if not line.startswith("Documentation=")))
        for name, file in (("vaultd", "vaultd.sock"),
                           ("vaultd-http", "http.sock")):
            shutil.copy(dest / f"usr/lib/systemd/system/{name}.socket", place)
            text = (place / f"{name}.socket").read_text()
            for line in (f"ListenStream=/run/vaultd/{file}",
                         f"FileDescriptorName={file}", "PassCredentials=yes"):
                assert line in text, line
        done = run("systemd-analyze", "verify", "--man=no",
                   *place.iterdir(), check=False,
                   env={**CLEAN, "SYSTEMD_UNIT_PATH": f"{place}:"})
        said = [line for line in done.stderr.splitlines() if "vaultd" in line]
        assert not said, said
        # It starts as root, to give each room a user of its own: that alone
        # costs the better part of this.
        done = run("systemd-analyze", "security", "--offline=true",
                   "--threshold=32", unit, check=False)
        assert done.returncode == 0, done.stdout


def cli_unit_leaves_what_vaultd_needs():
    need("systemd-analyze")
    need_root()
    under = (sys.executable, ROOT / "tests/support/asunit.py", UNIT)
    with World(under=under) as w:
        assert w.get("/echo").status == 200
        for row in w.vault.rows("status"):
            if row["kind"] == "room" and row["room"] != "supervisor":
                assert "own-uid" in row["walls"], row
                assert "namespaces" in row["walls"], row
                assert row["uid"] != 0
        pid = w.vault.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        assert int(re.search(r"CapEff:\s*(\w+)", status)[1], 16) == 1 << 5
        w.rotate(w.secret, "--no-verify")
        assert w.vault.stop() == 0


def cli_unit_users_and_folders():
    need("systemd-sysusers")
    need_root()
    with installed() as dest:
        done = run("systemd-sysusers", f"--root={dest}", "vaultd.conf")
        assert "not valid" not in done.stderr, done.stderr
        users = (dest / "etc/passwd").read_text()
        for room in "gate", "keeper", "ledger", "courier", "dialer":
            assert re.search(rf"^_vaultd-{room}:", users, re.M), users
        assert re.search("^vault:", (dest / "etc/group").read_text(), re.M)
        run("systemd-tmpfiles", "--create", f"--root={dest}", "vaultd.conf")
        for path in "run/vaultd", "var/lib/vaultd", "etc/vaultd/catalog.d":
            assert (dest / path).stat().st_mode & 0o777 == 0o755, path
        made = {p.name for p in (dest / "etc/vaultd").iterdir()}
        assert made == {"vaultd.conf", "catalog.d"}, made


def listen(path, credentials=True):
    made = socket.socket(socket.AF_UNIX)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, credentials)
    made.bind(str(path))
    path.chmod(0o666)
    made.listen(64)
    return made


INHERIT = """
import os, sys
fds = [int(fd) for fd in sys.argv[2].split(",")]
high = [os.dup(fd) for fd in fds]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
    os.set_inheritable(3 + number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=sys.argv[1])
os.execv(sys.argv[3], sys.argv[3:])
"""


def start_with(vault, sockets, names="vaultd.sock:http.sock"):
    """vaultd with sockets that were made for it, as systemd would."""
    numbers = ",".join(str(s.fileno()) for s in sockets)
    with open(vault.log_file, "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", INHERIT, names, numbers,
             build() / "bin/vaultd", "--dev", vault.dir],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=CLEAN,
            pass_fds=[s.fileno() for s in sockets])


def cli_unit_socket_waits_for_the_vault():
    with Vault() as v:
        v.stop()
        sockets = [listen(v.socket), listen(v.http_socket)]
        for _ in range(2):      # a restart loses nobody
            asked = subprocess.Popen(
                [build() / "bin/vaultctl", "--socket", v.socket, "whoami",
                 "--json"], stdout=subprocess.PIPE, text=True)
            process = start_with(v, sockets)
            try:
                out, _ = asked.communicate(timeout=60)
                assert json.loads(out)["uid"] == os.getuid(), v.log()
                assert v.http("GET", "/-/healthz").status == 200
            finally:
                process.terminate()
                assert process.wait(30) == 0, v.log()
            assert v.socket.exists() and v.http_socket.exists()
        for made in sockets:
            made.close()


def cli_unit_socket_that_will_not_do_is_refused():
    with Vault() as v:
        v.stop()
        good, nameless = listen(v.socket), listen(v.http_socket, False)
        away = listen(v.home / "http.sock")
        cases = (((good, nameless), "passes no credentials"),
                 ((good, away), "lies elsewhere"),
                 ((good,), "is not among the inherited"))
        for sockets, sentence in cases:
            process = start_with(v, sockets)
            assert process.wait(30) == 3, v.log()
            assert sentence in v.log(), v.log()
        for made in good, nameless, away:
            made.close()


# The manuals.

def cli_manuals_are_clean():
    need("mandoc")
    pages = sorted(MAN.glob("*.[1-8]"))
    assert len(pages) == 5
    done = run("mandoc", "-Tlint", "-W", "style", *pages, check=False)
    said = [line for line in done.stdout.splitlines()
            if "referenced manual not found" not in line]
    assert not said, said


def cli_manual_has_every_command_and_option():
    text = (MAN / "vaultctl.1").read_text()
    blocks = re.split(r"^\.It Ic ", text.partition(".Sh COMMANDS")[2]
                      .partition(".Sh ENV")[0], flags=re.M)[1:]
    manual = {}
    for block in blocks:
        name = re.match(r"([a-z]+(?: [a-z]+){0,2})(?: Ar|\n)", block)[1]
        manual[name] = set(re.findall(r"^\.It .*?Fl Fl (\S+)", block, re.M))
    ctl = build() / "bin/vaultctl"
    listing = run(ctl, "help").stdout.partition("with every")[0]
    names = re.findall(r"^  ([a-z]+(?: [a-z]+){0,2})  ", listing, re.M)
    assert set(manual) == set(names), set(manual) ^ set(names)
    for name, options in manual.items():
        help_text = run(ctl, "help", *name.split()).stdout
        own = help_text.partition("with every command:")[0]
        given = set(re.findall(r"^  (?:-\w, )?--([\w-]+)", own, re.M))
        assert options == given, (name, options ^ given)


def words_of(path, pattern):
    return set(re.findall(pattern, (ROOT / path).read_text(), re.M))


def cli_manual_has_every_key_of_the_config():
    keys = words_of("vaultd/supervisor/config.c", r'\[KEY_\w+\] = \{"([\w-]+)"')
    text = (MAN / "vaultd.conf.5").read_text()
    manual = set(re.findall(r"^\.It Cm ([\w-]+)", text, re.M))
    assert len(keys) > 10 and keys == manual, keys ^ manual


def cli_manual_has_every_word_of_the_policy():
    words = words_of("policy/policy_parse.c", r'\{"(\w+)", \d')
    words |= words_of("policy/policy_parse.c", r'lex_is\(w, "(\w+)"\)')
    text = (MAN / "policy.conf.5").read_text()
    manual = set(re.findall(r"^\.It Cm (\w+)", text, re.M))
    verbs = words_of("policy/policy.c",
                     r'^\s*\[VERB_\w+\] = "(\w+)"') or set(
        "request sign verify token read manage audit operate".split())
    assert len(words) > 8
    assert words | verbs == manual, (words | verbs) ^ manual


# Completion.

def complete_bash(shell_path, line):
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    return (f"source <('{shell_path}' completion bash); "
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
            "_vaultctl; printf '%s\\n' \"${COMPREPLY[@]}\"")


def cli_completion_in_bash():
    need("bash")
    with World() as w:
        path = f"{build()}/bin:{CLEAN['PATH']}"
        env = {**CLEAN, "PATH": path, "VAULTD_SOCKET": str(w.vault.socket)}

        def ask(line):
            return run("bash", "-c", complete_bash(
                build() / "bin/vaultctl", line), env=env).stdout.split()

        assert "profile" in ask("vaultctl pro") and "doctor" in ask(
            "vaultctl ")
        assert ask("vaultctl profile sh") == ["show"]
        assert ask("vaultctl profile show a") == ["acme/demo"]
        assert ask("vaultctl --json profile show ") == ["acme/demo"]
        assert ask("vaultctl profile list --cu") == ["--customer"]
        assert "stripe" in ask("vaultctl profile add x/y --system ")
        assert ask("vaultctl completion ") == ["bash", "zsh", "fish"]
        assert ask("vaultctl request acme/demo GE") == []


def cli_completion_in_zsh():
    need("zsh")
    with World() as w:
        path = f"{build()}/bin:{CLEAN['PATH']}"
        env = {**CLEAN, "PATH": path, "VAULTD_SOCKET": str(w.vault.socket),
               "HOME": str(w.folder)}

        def ask(*words):
            quoted = " ".join(f"'{word}'" for word in words)
            script = ("source <(vaultctl completion zsh); emulate -L sh; "
                      "setopt kshglob noshglob braceexpand ksharrays; "
                      f"COMP_WORDS=({quoted}); "
                      f"COMP_CWORD={len(words) - 1}; _vaultctl; "
                      "printf '%s\\n' \"${COMPREPLY[@]}\"")
            offered = run("zsh", "-fc", script, env=env).stdout.split()
            # Within a completion it is zsh that holds them to the prefix.
            return [w for w in offered if w.startswith(words[-1])]

        assert ask("vaultctl", "profile", "sh") == ["show"]
        assert ask("vaultctl", "profile", "show", "a") == ["acme/demo"]
        assert ask("vaultctl", "profile", "list", "--cu") == ["--customer"]


def cli_completion_in_fish():
    need("fish")
    with World() as w:
        path = f"{build()}/bin:{CLEAN['PATH']}"
        env = {**CLEAN, "PATH": path, "VAULTD_SOCKET": str(w.vault.socket),
               "HOME": str(w.folder)}

        def ask(line):
            out = run("fish", "-c", "vaultctl completion fish | source; "
                      f"complete -C '{line}'", env=env).stdout
            return [row.split("\t")[0] for row in out.splitlines()]

        assert ask("vaultctl pro") == ["profile"]
        assert ask("vaultctl profile sh") == ["show"]
        assert ask("vaultctl profile show a") == ["acme/demo"]
        assert ask("vaultctl profile list --cu") == ["--customer"]
        assert ask("vaultctl completion ") == ["bash", "fish", "zsh"]


# The doctor.

def findings(vault, *options, user=None):
    """{check: [rows]} and the exit status."""
    done = vault.ctl("doctor", "--json", *options, check=False, user=user)
    found = {}
    for line in done.out.splitlines():
        row = json.loads(line)
        found.setdefault(row["check"], []).append(row)
    return found, done.status


def failed(found):
    return {name for name, rows in found.items()
            if any(row["result"] == "fail" for row in rows)}


def cli_doctor_finds_a_healthy_vault():
    with World() as w:
        found, status = findings(w.vault)
        assert failed(found) == set() and status == 0, found
        assert len(found) == 14
        text = w.vault.ctl("doctor").out
        assert re.search(r"^ok +vault +the vault is ready$", text, re.M)


def cli_doctor_works_without_a_vault():
    with Vault() as v:
        v.stop()
        v.socket.unlink(missing_ok=True)
        found, status = findings(v)
        assert status == 1
        assert failed(found) == {"socket", "vault"}, found
        assert all(row["mend"] for rows in found.values() for row in rows
                   if row["result"] != "ok")


def cli_doctor_names_what_is_broken():
    with Vault() as v:
        key, config = v.dir / "key", v.dir / "vaultd.conf"
        good = key.read_bytes()
        breaks = (
            ("key", lambda: key.chmod(0o644), lambda: key.chmod(0o600),
             "chmod 600"),
            ("key", lambda: key.write_bytes(good[:-1]),
             lambda: key.write_bytes(good), "cp -p"),
            ("files", lambda: v.policy_file.chmod(0o666),
             lambda: v.policy_file.chmod(0o644), "chmod go-w"),
            ("config", lambda: config.write_text(config.read_text() + "x {"),
             lambda: config.write_text(config.read_text()[:-3]),
             "vaultd --check"),
            ("socket", lambda: v.dir.chmod(0o777),
             lambda: v.dir.chmod(0o755), "chmod go-w"),
            ("keeper.pub", lambda: (v.dir / "keeper.pub").chmod(0o666),
             lambda: (v.dir / "keeper.pub").chmod(0o644), "vaultd"),
            ("users", lambda: config.write_text(
                config.read_text() + "socket-group no-such-group\n"),
             lambda: config.write_text(
                 config.read_text().replace("socket-group no-such-group\n",
                                            "")), "groupadd"),
        )
        for name, spoil, mend, command in breaks:
            spoil()
            found, status = findings(v)
            assert status == 1 and name in failed(found), (name, found)
            assert any(command in row.get("mend", "") for row in found[name]
                       ), found[name]
            mend()
        assert findings(v)[1] == 0


def cli_doctor_warns_of_profiles():
    with World() as w:
        w.vault.ctl("profile", "set", "acme/demo", "--expires", "2020-01-01")
        w.add("acme/off")
        w.vault.ctl("profile", "disable", "acme/off")
        found, status = findings(w.vault)
        assert status == 1
        mends = {row["mend"] for row in found["profiles"]}
        assert mends == {"vaultctl rotate acme/demo",
                         "vaultctl profile enable acme/off"}, mends


def cli_doctor_warns_of_key_slots():
    with Vault() as v:
        def slots(user=None):
            return [(row["result"], row.get("mend"))
                    for row in findings(v, user=user)[0]["key slots"]]

        alone = ("warn", "vaultctl key slot add passphrase")
        attended = ("warn", "vaultctl key slot add keyfile|credential")
        assert slots() == [alone]
        v.ctl("key", "slot", "add", "passphrase", "--stdin", "--memory", "64",
              "--passes", "2", input="correct horse battery staple\n")
        assert slots() == [("ok", None)]
        if os.getuid() == 0:
            assert slots(user=60002) == [("ok", None)]
        assert v.stop() == 0
        key = v.dir / "key"
        key.rename(v.home / "key.away")
        v.start()
        assert slots() == [attended]
        v.ctl("unseal", "--file", v.home / "key.away")
        assert slots() == [attended]
        v.ctl("key", "slot", "remove", "0", "--yes")
        assert slots() == [attended, alone]
        v.stop()
        v.socket.unlink(missing_ok=True)
        assert slots() == [("ok", None)]


def cli_doctor_serves_strangers():
    need_root()
    with World() as w:
        found, _ = findings(w.vault, user=60002)
        vault, = found["vault"]
        assert vault["result"] == "ok" and "answers" in vault["text"], found
        assert w.secret not in json.dumps(found)
