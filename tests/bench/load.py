#!/usr/bin/python3
"""load.py - what a client notices while another attacks.

A probe of its own user asks 50 times a second on a fixed schedule; its
latency counts from when a request was due.  Phases without and with the
attack take turns, the attack's beginning included; the table has the medians
of their 99th percentiles in milliseconds, the memory and the descriptors of
all rooms at the end of the worst phase, and how many of the probe's requests
failed.  The bar is max(2 x unloaded, unloaded + 10 ms), and none failed.

usage: load.py --build DIR [--only WORD] [--rounds N] [--seconds S]
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent),
                str(Path(__file__).resolve().parent.parent)]

from sides import BODY, SECRET, free_port, nginx                # noqa: E402
from support import attack                                      # noqa: E402
from support.attack import Attack                               # noqa: E402
from support.ca import Authority                                # noqa: E402
from support.usage import descriptors, house, resident          # noqa: E402
from support.vault import Vault, eventually                     # noqa: E402

PROBE, ATTACKER = 60001, 60002
POLICY = f"""
client admin {{
    uid {os.getuid()}
}}
client worker {{
    uid {PROBE} {ATTACKER}
}}
permit admin to request, read, manage, audit, operate on **
permit worker to request on **
"""


# What the attacks ask for has a server of its own, so that the probe's is not
# what slows it down: the bar is vaultd's.
SMALL = f"""
        location / {{ return 200 '{BODY}'; }}"""
BODIES = """
        location /big { alias FOLDER/big; }
        location /upload { proxy_pass http://unix:FOLDER/inner; }"""


class Upstream:
    def __init__(self, folder, ca, locations):
        folder.mkdir()
        self.port = free_port()
        certificate, key = ca.issue()
        with open(folder / "big", "wb") as big:
            big.truncate(64 << 20)
        self.program = nginx(folder, f"""
    client_max_body_size 0;
    client_body_timeout 3600s;
    send_timeout 3600s;
    server {{ listen unix:{folder}/inner; location / {{ return 200; }} }}
    server {{
        listen 127.0.0.1:{self.port} ssl backlog=4096 sndbuf=64k;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        if ($http_authorization != "Bearer {SECRET}") {{ return 401; }}
{locations.replace("FOLDER", str(folder))}
    }}""")


class House:
    """A vault, its upstreams, two customers and two users."""

    def __init__(self, folder):
        self.ca = Authority(folder / "ca")
        self.small = Upstream(folder / "small", self.ca, SMALL)
        self.other = Upstream(folder / "other", self.ca, SMALL + BODIES)
        self.vault = Vault().start()
        for profile, server in (("acme/demo", self.small),
                                ("acme/files", self.other),
                                ("globex/demo", self.other)):
            self.vault.ctl("profile", "add", profile,
                           "--system", "custom-rest",
                           "--set", f"url=https://localhost:{server.port}",
                           "--set", f"ca={self.ca.pem}",
                           "--set", "network=127.0.0.0/8", "--stdin",
                           input=SECRET + "\n")
        self.vault.set_policy(POLICY, self._policy_is_in_force)

    def _policy_is_in_force(self):
        done = self.vault.ctl("request", "acme/demo", "GET", "/small",
                              user=PROBE, check=False)
        return done.status == 0

    def close(self):
        self.vault.__exit__()
        self.small.program.stop()
        self.other.program.stop()


def probe(options, world, ms):
    """One phase: the figures that loadgen prints."""
    done = subprocess.run(
        [options.loadgen, f"to={world.vault.http_socket}", "rate=50",
         "conns=32", "target=/acme/demo/small", "warm=300", f"ms={ms}"],
        capture_output=True, text=True, check=True, user=PROBE, group=PROBE,
        extra_groups=[])
    return {k: float(v) for k, v in
            (pair.split("=") for pair in done.stdout.split())}


def flooding(options, conns, profile):
    """loadgen as fast as it goes, in place of the child."""
    def run(path, ready):
        ready()
        os.execv(options.loadgen,
                 [str(options.loadgen), f"to={path}", f"conns={conns}",
                  f"target=/{profile}/small", "ms=3600000"])

    return run


def attacks(options):
    slow = {
        "slow-readers": partial(attack.slow_readers, target="/acme/files/big"),
        "slow-writers": partial(attack.slow_writers,
                                target="/acme/files/upload"),
        "idle": attack.idle,
    }
    found = {name: [how] for name, how in slow.items()}
    for conns in 8, 64, 512:
        found[f"flood-{conns}"] = [flooding(options, conns, "acme/files")]
    found["flood-elsewhere"] = [flooding(options, 64, "globex/demo")]
    found["pipelines"] = [partial(attack.flood, target="/acme/files/small")]
    found["same-profile"] = [
        partial(attack.slow_readers, target="/acme/demo/small"),
        partial(attack.slow_writers, target="/acme/demo/upload"),
        flooding(options, 64, "acme/demo")]
    found["all"] = [*slow.values(), flooding(options, 64, "acme/files")]
    return found


def measure(options, world, name, hows):
    free, loaded = [], []
    memory = files = 0
    for _ in range(options.rounds):
        free.append(probe(options, world, options.seconds * 1000))
        with ExitStack() as stack:
            for how in hows:
                stack.enter_context(Attack(how, world.vault.http_socket,
                                           ATTACKER))
            loaded.append(probe(options, world, options.seconds * 1000))
            pids = house(world.vault)
            memory = max(memory, resident(pids))
            files = max(files, descriptors(pids))
        eventually(lambda: probe(options, world, 200)["bad"] == 0)
    ours, without = (statistics.median(p["p99"] for p in phases) / 1000
                     for phases in (loaded, free))
    bar = max(2 * without, without + 10)
    ratios = [max(2 * f["p99"], f["p99"] + 10000) / p["p99"]
              for f, p in zip(free, loaded)]
    quarters = statistics.quantiles(ratios, n=4)
    spread = (quarters[2] - quarters[0]) / statistics.median(ratios)
    bad = int(sum(p["bad"] for p in loaded))
    met = ours <= bar and bad == 0
    print(f"{name:16} {without:9.2f} {ours:9.2f} {ours / without:7.1f} "
          f"{bar:9.2f} {memory / 1024:8.0f} {files:7} {bad:5}  "
          f"{'met' if met else 'MISSED'}", flush=True)
    return (f"load-{name}", f"{ours:.4g}", "limit", f"{bar:.4g}",
            f"{bar / ours:.3f}", f"{spread:.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    options.build = options.build.resolve()
    os.environ["VAULTD_BUILD"] = str(options.build)
    if os.getuid() != 0:
        raise SystemExit("load.py: needs root, for other users")
    folder = Path(tempfile.mkdtemp(prefix="load-", dir="/tmp"))
    folder.chmod(0o755)
    options.loadgen = folder / "loadgen"    # where every user can run it
    shutil.copy(options.build / "tests/bench/loadgen", options.loadgen)
    world = House(folder)
    rows = []
    print(f"{'attack':16} {'p99 free':>9} {'p99 load':>9} {'ratio':>7} "
          f"{'bar ms':>9} {'MiB':>8} {'files':>7} {'bad':>5}")
    try:
        for name, hows in attacks(options).items():
            if options.only in name:
                rows.append(measure(options, world, name, hows))
    finally:
        world.close()
        shutil.rmtree(folder)
        with open(options.build / "bench.tsv", "a") as table:
            table.writelines("\t".join(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
