"""What every end-to-end test stands on: a vault, an upstream with its own
CA, and the profile acme/demo that joins them."""
import os
import shutil
import tempfile
from pathlib import Path

from support.ca import Authority
from support.leaks import canary
from support.upstream import Upstream
from support.vault import Vault

LONG = os.environ.get("VAULTD_LONG") == "1"
WORKER = 60001          # a uid without a name, for a flow worker
STRANGER = 60002        # a uid that no policy names
LOOPBACK = "127.0.0.0/8"

# A policy for a test to build on: whoever runs it may do everything.
ADMIN = f"""
client admin {{
    uid {os.getuid()}
}}
permit admin to request, read, manage, audit, operate on **
"""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


def need_root():
    if os.getuid() != 0:
        raise Skip("needs root: other users, and other processes' memory")


class World:
    """A running vault beside an upstream that accepts one secret."""

    def __init__(self, profile=True, under=()):
        self.profile = profile
        self.under = under
        self.secret = canary()

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="upstream-"))
        self.folder.chmod(0o755)
        self.ca = Authority(self.folder)
        self.upstream = Upstream(*self.ca.issue(),
                                 {self.secret: "acct-1"})
        self.vault = Vault(under=self.under).start()
        if self.profile:
            self.add()
        return self

    def __exit__(self, *_):
        self.vault.__exit__()
        self.upstream.release.set()
        self.upstream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, profile="acme/demo", secret=None, check=True, health=True,
            **settings):
        """`profile add` for the upstream; a setting of None is left out."""
        settings = {"url": self.upstream.url, "ca": self.ca.pem,
                    "network": LOOPBACK, "account": "/id", **settings}
        arguments = ["profile", "add", profile, "--system", "custom-rest"]
        for name, value in settings.items():
            if value is not None:
                arguments += ["--set", f"{name}={value}"]
        if health:
            arguments += ["--health", "GET /account"]
        return self.vault.ctl(*arguments, "--stdin", check=check,
                              input=(secret or self.secret) + "\n")

    def get(self, path, profile="acme/demo", **more):
        """A worker's GET over http.sock."""
        return self.vault.http("GET", f"/{profile}{path}", **more)

    def rotate(self, secret, *options, check=True):
        return self.vault.ctl("rotate", "acme/demo", "--stdin", *options,
                              input=secret + "\n", check=check)

    def arrived(self, path):
        """The requests for a path that the upstream has seen."""
        return [r for r in self.upstream.requests if r.path == path]
