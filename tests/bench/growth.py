"""What a vault of 100,000 profiles costs beside small ones: the same machine,
the same ten customers, and stores that mkstore made."""
import statistics
import subprocess
import time

from sides import SECRET, Bench, first_status
from support.many import make_many
from support.vault import Vault, build, children

SIZES = (10, 1000, 100000)
CUSTOMERS = 10
PSS_MAX = 110.0     # MB, all rooms together
WRITERS = 32


def run(*command):
    """Run it; the milliseconds that takes, and what it prints."""
    begin = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True,
                          text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: {command[0]}: {done.stderr}")
    return (time.perf_counter() - begin) * 1e3, done.stdout


def pss(pids):
    """MB of the processes' proportional shares of memory."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            total += next(int(line.split()[1]) for line in file
                          if line.startswith("Pss:"))
    return total * 1024 / 1e6


class Ground(Bench):
    """The vaults, all stopped, beside the upstream of their profiles."""

    def __enter__(self):
        self.rows = self.folder / "rows"
        self.vaults = {}
        for size in SIZES:
            self.vaults[size] = make_many(
                Vault(home=self._folder(f"v{size}")), size, CUSTOMERS,
                url=f"https://localhost:{self.port}", ca=self.ca.pem,
                network="127.0.0.0/8", secret=SECRET, rows=self.rows)
        return self

    def start(self, size):
        """Milliseconds from the command to the first framed status."""
        return first_status(self.vaults[size].dir)

    def begin(self, *sizes):
        for size in sizes:
            vault = self.vaults[size].start()
            vault.pids = lambda v=vault: [v.process.pid,
                                          *children(v.process.pid)]
            self.running.append(vault)

    def end(self, *sizes):
        for size in sizes:
            self.running.remove(self.vaults[size])
            self.vaults[size].stop()


def measure(options, table, load):
    with Ground() as ground:
        compare_starts(ground, options, table)
        ground.begin(*SIZES)
        compare_requests(ground, options, table, load)
        ground.end(10, 1000)
        compare_updates(ground, options, table)


def compare_starts(ground, options, table):
    rounds = []
    for number in range(options.rounds // 2 + 1):
        turn = {size: lambda s=size: ground.start(s) for size in SIZES}
        turn["least"] = lambda: run(build() / "tests/bench/readrows",
                                    ground.rows)[0]
        names = list(turn) if number % 2 else list(turn)[::-1]
        rounds.append({name: turn[name]() for name in names})

    def middle(key):
        return statistics.median(key(r) for r in rounds)

    def opening(r):
        return max(r[100000] - r[10], 1)

    table.add("start-100k", middle(lambda r: r[100000]), "start-1k",
              middle(lambda r: r[1000]),
              [r[1000] / r[100000] for r in rounds])
    table.add("store-open-100k", middle(opening), "read+index+hash",
              middle(lambda r: r["least"]),
              [r["least"] / opening(r) for r in rounds])


def side(vault, size, **more):
    return {"name": f"{size} profiles", "to": vault.http_socket,
            "face": "http", "target": "/v1/orders", "pids": vault.pids,
            "profiles": size, "customers": CUSTOMERS, **more}


def compare_requests(ground, options, table, load):
    """Ten profiles in use, among ten and among 100,000; beside them nginx, to
    tell a slow vault from a slow machine.  Then each request for a profile
    that was not in use: its rows are fetched, and connections are made."""
    nginx = {"name": "nginx", "to": ground.nginx(), "face": "http",
             "target": "/v1/orders", "pids": lambda: ground.nginx_side.pids()}

    def compare(name, least, ms, more):
        few, many = (side(ground.vaults[n], n) for n in (least, SIZES[-1]))
        for one in few, many, nginx:
            load(options.loadgen, {**one, "pick": 10}, 1, 3000)
        rounds = []
        for number in range(options.rounds):
            sides = [{**few, **more(number)}, nginx, {**many, **more(number)}]
            got = {s["name"]: load(options.loadgen, s, 1, ms)
                   for s in (sides if number % 2 else sides[::-1])}
            rounds.append([got[s["name"]]["p50"] for s in sides])
        small, peer, large = (statistics.median(c) for c in zip(*rounds))
        table.add(name, large, f"growth-{least}", small,
                  [r[0] / r[2] for r in rounds])
        table.add(name, large, "nginx", peer, [r[1] / r[2] for r in rounds])

    def weigh(name):
        used = pss(ground.vaults[SIZES[-1]].pids())
        table.add(name, used, "110MB", PSS_MAX, [PSS_MAX / used])

    compare("growth-100k", 10, 150, lambda _: {"pick": 10})
    weigh("pss-100k")
    # A courier keeps the connections of 256 profiles for a minute.
    compare("growth-100k-unused", 1000, 300, lambda n: {"seed": n + 1})
    weigh("pss-100k-unused")


def compare_updates(ground, options, table):
    vault = ground.vaults[100000]
    tool, path = build() / "tests/bench/updates", ground.folder / "updates"

    def by(writers):
        return float(run(tool, "vault", vault.socket, CUSTOMERS, writers,
                         150)[1])

    rounds = []
    for number in range(options.rounds):
        turn = {"one": lambda: by(1), "all": lambda: by(WRITERS),
                "file": lambda: float(run(tool, "file", path, 150)[1])}
        names = list(turn) if number % 2 else list(turn)[::-1]
        rounds.append({name: turn[name]() for name in names})
    one, many, file = (statistics.median(r[k] for r in rounds)
                       for k in ("one", "all", "file"))
    table.add("durable-update", one, "pwrite+fdatasync", file,
              [r["one"] / r["file"] for r in rounds])
    table.add(f"durable-update-{WRITERS}", many, "one-writer", one,
              [r["all"] / r["one"] for r in rounds])
