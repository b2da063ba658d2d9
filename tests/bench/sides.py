"""The sides of a comparison: vaultd as shipped, and the proxies that add the
same header on the way to the same TLS upstream.  Each runs in one process
group of the bench's own and tells its processes, so that their CPU time can
be counted."""
import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from support.ca import Authority
from support.vault import CLEAN, Vault, build, children, eventually

SECRET = "bench-0123456789abcdef0123456789abcdef"
FIRST_USER = 61000
BODY = '{"data":"' + "x" * 1013 + '"}'      # 1 KiB


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connects(path):
    with socket.socket(socket.AF_UNIX) as s:
        return s.connect_ex(path) == 0


class Program:
    """A server in the foreground, until stop()."""

    def __init__(self, folder, *command):
        self.log = open(folder / "log", "ab")
        self.process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, cwd=folder)

    def pids(self):
        return [self.process.pid, *children(self.process.pid)]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


def nginx(folder, http):
    """One worker in one process, as little around it as nginx allows."""
    (folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
{http}
}}
""")
    return Program(folder, "nginx", "-p", folder, "-c", "nginx.conf",
                   "-e", folder / "error.log")


class Bench:
    """An upstream, and beside it nginx, haproxy and vaultd."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.ca = Authority(self.folder / "ca")
        self.port = free_port()
        self.running = []
        self.upstream = self._start("upstream", self._serve)

    def _folder(self, name):
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _start(self, name, how):
        program = how(self._folder(name))
        self.running.append(program)
        return program

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.running):
            program.stop()
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def _serve(self, folder):
        certificate, key = self.ca.issue()
        program = nginx(folder, f"""
    server {{
        listen 127.0.0.1:{self.port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        default_type application/json;
        location / {{
            if ($http_authorization != "Bearer {SECRET}") {{ return 401; }}
            return 200 '{BODY}';
        }}
    }}""")
        eventually(self._listening, what="the upstream")
        return program

    def _listening(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def nginx(self):
        """A socket where nginx adds the header."""
        path = self.folder / "nginx.sock"
        self.nginx_side = self._start("nginx", lambda folder: nginx(folder, f"""
    upstream api {{
        server 127.0.0.1:{self.port};
        keepalive 64;
        keepalive_requests 100000000;
        keepalive_time 24h;
    }}
    server {{
        listen unix:{path} backlog=4096;
        location / {{
            proxy_pass https://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost:{self.port};
            proxy_set_header Authorization "Bearer {SECRET}";
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {self.ca.pem};
            proxy_ssl_server_name on;
            proxy_ssl_name localhost;
        }}
    }}"""))
        eventually(path.exists, what="nginx")
        return path

    def haproxy(self):
        """A socket where haproxy adds the header."""
        path = self.folder / "haproxy.sock"

        def start(folder):
            (folder / "haproxy.cfg").write_text(f"""
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    http-reuse always
frontend clients
    bind unix@{path} mode 666
    default_backend api
backend api
    http-request set-header Host localhost:{self.port}
    http-request set-header Authorization "Bearer {SECRET}"
    server one 127.0.0.1:{self.port} ssl verify required ca-file {self.ca.pem} sni str(localhost) verifyhost localhost pool-max-conn 64
""")
            return Program(folder, "haproxy", "-db", "-f", "haproxy.cfg")

        self.haproxy_side = self._start("haproxy", start)
        eventually(path.exists, what="haproxy")
        return path

    def vault(self):
        """A running vault with the profile acme/demo for the upstream."""
        vault = Vault(home=self._folder("vault")).start()
        vault.pids = lambda: [vault.process.pid,
                              *children(vault.process.pid)]
        self.running.append(vault)
        self._add(vault, "acme/demo")
        return vault

    def _add(self, vault, profile, *options):
        vault.ctl("profile", "add", profile, "--system", "custom-rest",
                  "--set", f"url=https://localhost:{self.port}",
                  "--set", f"ca={self.ca.pem}",
                  "--set", "network=127.0.0.0/8", *options,
                  "--stdin", input=SECRET + "\n")

    def new_class(self, vault, number):
        """Milliseconds of two requests from a class that has no gate."""
        if number == 0:
            users = " ".join(str(FIRST_USER + i) for i in range(100))
            vault.set_policy(
                f"client bench {{\n    uid 0 {users}\n}}\n"
                "permit bench to request, read, manage on **\n",
                lambda: self._as_user(vault, FIRST_USER + 99))
        return self._as_user(vault, FIRST_USER + number)

    def new_customer(self, vault, number):
        """The same for a customer that has no courier."""
        customer = f"customer-{number}"
        self._add(vault, f"{customer}/demo")
        with vault.connect() as connection:
            return two_requests(connection, f"/{customer}/demo/v1/orders")

    def _as_user(self, vault, uid):
        """Two requests of a process of another user, if they succeed."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(uid)
                os.setuid(uid)
                with vault.connect() as connection:
                    times = two_requests(connection, "/acme/demo/v1/orders")
                os.write(writer, struct.pack("<dd", *times))
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as pipe:
            times = pipe.read()
        os.waitpid(child, 0)
        return struct.unpack("<dd", times) if times else None


def two_requests(connection, target):
    """The milliseconds that each of two requests takes."""
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        if connection.ask("GET", target).status != 200:
            raise ConnectionError("refused")
        times.append((time.perf_counter() - begin) * 1e3)
    return times


STATUS = struct.pack("<4sHHHHQI", b"VLTD", 24, 1, 2, 0, 1, 0)
REFUSED = 64        # protocol/client.def


def has_status(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(path))
            s.sendall(STATUS)
            head = s.recv(24)
    except OSError:
        return False
    return len(head) == 24 and struct.unpack_from("<H", head, 8)[0] != REFUSED


def first_status(folder):
    """Milliseconds from the command to the first framed `status`; the store is
    opened by a key file."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [build() / "bin/vaultd", "--dev", folder], env=CLEAN,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        while not has_status(folder / "vaultd.sock"):
            assert process.poll() is None, "vaultd did not start"
            time.sleep(0.0005)
        return (time.perf_counter() - begin) * 1e3
    finally:
        process.terminate()
        process.wait()


class Starts:
    """Programs started until they answer; returns milliseconds."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.vaultd()       # makes the store
        return self

    def __exit__(self, *_):
        subprocess.run(["rm", "-rf", self.folder], check=True)

    def vaultd(self):
        return first_status(self.folder / "v")

    def oidc_agent(self):
        """To the first connection that it takes."""
        begin = time.perf_counter()
        process = subprocess.Popen(
            ["oidc-agent", "--no-autoload"],
            env={**CLEAN, "HOME": str(self.folder)}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        said = {}
        while len(said) < 2:
            name, _, value = process.stdout.readline().partition("=")
            said[name] = value.partition(";")[0]
        try:
            while not connects(said["OIDC_SOCK"]):
                time.sleep(0.0005)
            return (time.perf_counter() - begin) * 1e3
        finally:
            os.kill(int(said["OIDCD_PID"]), signal.SIGTERM)
            process.stdout.close()
            process.wait()


class Signers:
    """A vault with a key of each algorithm, and an ssh-agent for each."""

    KEYS = {"EdDSA": ("-t", "ed25519"), "ES256": ("-t", "ecdsa", "-b", "256"),
            "RS256": ("-t", "rsa", "-b", "2048")}

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
        self.vault = Vault().start()
        self.agents = {}
        for alg, kind in self.KEYS.items():
            self._make(alg, kind)

    def _make(self, alg, kind):
        """The same key in the vault, in an agent, and in a file."""
        pem, ssh = self.folder / f"{alg}.pem", self.folder / alg
        subprocess.run(["openssl", "genpkey", "-out", pem, *{
            "EdDSA": ("-algorithm", "ED25519"),
            "ES256": ("-algorithm", "EC", "-pkeyopt",
                      "ec_paramgen_curve:P-256"),
            "RS256": ("-algorithm", "RSA", "-pkeyopt",
                      "rsa_keygen_bits:2048")}[alg]],
            check=True, capture_output=True)
        subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-f", ssh],
                       check=True)
        self.vault.ctl("profile", "add", f"bench/{alg.lower()}", "--system",
                       "custom-jwt", "--set", "issuer=https://i.example",
                       "--set", "audience=https://a.example", "--file", pem)
        socket_path = self.folder / f"{alg}.sock"
        self.agents[alg] = Program(self._own(alg), "ssh-agent", "-D", "-a",
                                   socket_path)
        eventually(lambda: connects(str(socket_path)), what="ssh-agent")
        subprocess.run(["ssh-add", "-q", ssh], check=True,
                       env={**CLEAN, "SSH_AUTH_SOCK": str(socket_path)})

    def _own(self, name):
        folder = self.folder / f"{name}.d"
        folder.mkdir()
        return folder

    def sides(self, alg):
        """Name and arguments of signgen, for each side."""
        vault = ("what=vault", f"to={self.vault.socket}",
                 f"profile=bench/{alg.lower()}")
        return [
            ("vaultd", (*vault, "depth=1")),
            ("deep", (*vault, "depth=16")),
            ("raw", ("what=raw", f"alg={alg}",
                     f"key={self.folder / (alg + '.pem')}")),
            ("ssh-agent", ("what=agent",
                           f"to={self.folder / (alg + '.sock')}")),
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self.agents.values():
            agent.stop()
        self.vault.__exit__()
        subprocess.run(["rm", "-rf", self.folder], check=True)
