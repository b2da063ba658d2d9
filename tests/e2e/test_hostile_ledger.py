"""A ledger that lies: while it tells what it has, and later on."""
import itertools
from contextlib import contextmanager
from pathlib import Path

from harness import World
from support import records
from support.leaks import canary
from support.lies import OTHER, offence
from support.puppet import Stage
from support.records import Record
from support.vault import Vault, eventually

ROW_SLOT, ROW_SUPER, ROW_CUSTOMER, ROW_PROFILE, ROW_CREDENTIAL = range(1, 6)

# What the vault says before it exits with 3.
ROOT = "they do not match the sealed root"
NO_VAULT = "no super row or no key slot"
DAMAGED = "super row is damaged, or another vault's"
OLD_STORE = "the store is older than the audit log says"
SHORT_LOG = "the audit log is shorter than the store says"
CHANGED_LOG = "the audit log is not what was written"
GAP = "the audit log has a gap, or a damaged record"
EMPTY = "the store is empty, but the audit log is not"
TOO_MANY = "the store has more rows than any vault"


class Tale:
    """What a ledger tells at its start, collected to be told otherwise."""

    def __init__(self, rows=None, lines=None):
        self.rows, self.lines = [], []
        self.change_rows, self.change_lines = rows, lines

    def __call__(self, ledger):
        ledger.on("STORE_ROW", lambda r: self.rows.append(r) or [])
        ledger.on("AUDIT_LINE", lambda r: self.lines.append(r) or [])
        ledger.on("STORE_END", self._end_rows)
        ledger.on("REPLAY_END", self._end_lines)

    def _end_rows(self, end):
        return self._told(self.change_rows, list(map(copy, self.rows)), end)

    def _end_lines(self, end):
        return self._told(self.change_lines, list(map(copy, self.lines)), end)

    def _told(self, change, items, end):
        """What "change" makes of it; None: as it is."""
        return [*items, end] if change is None else change(items, end)


def copy(record):
    return Record(record.name, dict(record.fields))


def of_kind(rows, kind):
    return next(r for r in rows if r.kind == kind)


def without(rows, row):
    return [r for r in rows if r is not row]


def flipped(value, bit=0):
    data = bytearray(value)
    data[len(data) // 2] ^= 1 << bit
    return bytes(data)


# Each takes all rows and STORE_END, and gives what is told.

def missing(kind, honest=True):
    def tell(rows, end):
        end.fields["rows"] -= honest
        return [*without(rows, of_kind(rows, kind)), end]
    return tell


def twice(kind):
    def tell(rows, end):
        end.fields["rows"] += 1
        return [*rows, of_kind(rows, kind), end]
    return tell


def changed(kind, field, change):
    def tell(rows, end):
        row = of_kind(rows, kind)
        row.fields[field] = change(row.fields[field])
        return [*rows, end]
    return tell


def swapped(kind, *fields):
    """Two rows of a kind, of two customers, change places."""
    def tell(rows, end):
        a, b = [r for r in rows if r.kind == kind][:2]
        for field in fields:
            a.fields[field], b.fields[field] = b.fields[field], a.fields[field]
        return [*rows, end]
    return tell


def replaced(kinds, others):
    """Rows of these kinds as another moment or another vault had them."""
    def tell(rows, end):
        told = [r for r in rows if r.kind not in kinds]
        told += [copy(r) for r in others if r.kind in kinds]
        end.fields["rows"] = len(told)
        return [*told, end]
    return tell


def closing(field, change):
    """As it is, but for the record that ends it."""
    def tell(items, end):
        end.fields[field] = change(end.fields[field])
        return [*items, end]
    return tell


def more(n):
    return n + 1


def less(n):
    return n - 1


def none(_):
    return 0


def countless(_):
    return 2 ** 64 - 1


def nothing(next_):
    return lambda rows, end: [
        Record("STORE_END", {"rows": 0, "next": next_ and end.next})]


def refused_start(stage, world, name, tale, words):
    """A start over this tale ends with 3 and these words, and the same start
    with the truth is none the worse for it."""
    before = len(world.vault.log())
    stage.between("ledger", tale)
    world.vault.spawn()
    status = world.vault.process.wait(20)
    said = world.vault.log()[before:]
    words = words if isinstance(words, tuple) else (words,)
    assert status == 3 and any(w in said for w in words), (name, status, said)
    assert "refuse" in said.splitlines()[-1], (name, said)


@contextmanager
def two_customers(stage):
    """A stopped vault of two customers, and what its ledger told before the
    last changes and after them."""
    first = Tale()
    with World() as w:
        w.add(OTHER)
        assert w.get("/echo").status == 200
        w.vault.stop()
        stage.between("ledger", first)
        w.vault.start()
        new = canary()
        w.upstream.accounts[new] = "acct-1"
        w.rotate(new)
        assert w.get("/echo").status == 200
        # A change, whose record is synced, and so under the last seal.
        w.vault.ctl("profile", "disable", OTHER)
        w.vault.stop()
        yield w, first
        stage.real("ledger")
        w.vault.start()
        assert w.get("/echo").status == 200
        assert w.get("/echo", OTHER).error == "credential-not-usable"


def hostile_ledger_tells_false_rows():
    with Stage("ledger") as stage, two_customers(stage) as (w, old):
        cases = [
            ("no slot", missing(ROW_SLOT), NO_VAULT),
            ("no super row", missing(ROW_SUPER), NO_VAULT),
            ("no customer", missing(ROW_CUSTOMER), ROOT),
            ("no profile", missing(ROW_PROFILE), ROOT),
            ("no credential", missing(ROW_CREDENTIAL), ROOT),
            ("a row not told but counted", missing(ROW_PROFILE, False),
             offence("FORMAT")),
            ("a profile twice", twice(ROW_PROFILE), offence("EXISTS")),
            ("two super rows", twice(ROW_SUPER), offence("FORMAT")),
            ("old profiles", replaced([ROW_PROFILE], old.rows), ROOT),
            ("old credentials", replaced([ROW_CREDENTIAL], old.rows), ROOT),
            ("old super row", replaced([ROW_SUPER], old.rows), ROOT),
            ("all rows old", replaced(range(9), old.rows), OLD_STORE),
            ("credentials swapped", swapped(ROW_CREDENTIAL, "body"), ROOT),
            ("profiles swapped", swapped(ROW_PROFILE, "body", "generation"),
             ROOT),
            ("customers' keys swapped", swapped(ROW_CUSTOMER, "id"), ROOT),
            ("a profile's row said to be a credential's",
             changed(ROW_PROFILE, "kind", lambda k: ROW_CREDENTIAL), ROOT),
            ("a generation changed",
             changed(ROW_CREDENTIAL, "generation", more), ROOT),
            ("super row's generation changed",
             changed(ROW_SUPER, "generation", more), DAMAGED),
            ("super row under another id",
             changed(ROW_SUPER, "id", flipped), DAMAGED),
            ("a row of generation 0",
             changed(ROW_PROFILE, "generation", none),
             offence("FORBIDDEN")),
            ("super row's bit", changed(ROW_SUPER, "body", flipped), DAMAGED),
            ("slot's bit", changed(ROW_SLOT, "body", flipped),
             "the key file does not open"),
            ("credential's bit", changed(ROW_CREDENTIAL, "body", flipped),
             ROOT),
            ("customer's bit", changed(ROW_CUSTOMER, "body", flipped), ROOT),
        ]
        for name, rows, words in cases:
            refused_start(stage, w, name, Tale(rows=rows), words)


def hostile_ledger_tells_another_vaults_rows():
    with Stage("ledger") as stage:
        theirs = Tale()
        with World() as w:
            w.vault.stop()
            stage.between("ledger", theirs)
            w.vault.start()
        stage.real("ledger")
        with two_customers(stage) as (w, _):
            for name, kinds, words in (
                    ("all", range(9), "the key file does not open"),
                    ("super row", [ROW_SUPER], DAMAGED),
                    ("super row and slot", [ROW_SUPER, ROW_SLOT],
                     "the key file does not open"),
                    ("profiles", [ROW_PROFILE], ROOT),
                    ("credentials", [ROW_CREDENTIAL], ROOT)):
                refused_start(stage, w, name,
                              Tale(rows=replaced(kinds, theirs.rows)), words)


def hostile_ledger_counts_falsely():
    with Stage("ledger") as stage, two_customers(stage) as (w, _):
        for name, rows, lines, words in (
                ("a row more", closing("rows", more), None, offence("FORMAT")),
                ("a row less", closing("rows", less), None,
                 offence("FORMAT")),
                ("no rows", closing("rows", none), None, offence("FORMAT")),
                ("countless rows", closing("rows", countless), None,
                 offence("FORMAT")),
                ("nothing but a log", nothing(True), None, EMPTY),
                ("nothing at all", nothing(False), None,
                 "the new store could not be written"),
                ("a record more", closing("next", more), None, GAP),
                # Behind the last sealed root it is a record that is missing.
                ("a record less", closing("next", less), None,
                 (SHORT_LOG, CHANGED_LOG)),
                ("no record", closing("next", none), None, SHORT_LOG),
                ("countless records", closing("next", countless), None, GAP),
                ("replay ends earlier", None, closing("next", less), GAP),
                ("replay ends later", None, closing("next", more), GAP),
                ("replay ends nowhere", None, closing("next", countless),
                 GAP)):
            refused_start(stage, w, name, Tale(rows, lines), words)


# Each takes all lines and REPLAY_END, and gives what is told.

def rewritten(before, after):
    def tell(lines, end):
        line = next(r for r in lines if before in r.line)
        line.fields["line"] = line.line.replace(before, after)
        return [*lines, end]
    return tell


def reordered(lines, end):
    a, b = lines[2], lines[3]
    a.fields["line"], b.fields["line"] = b.line, a.line
    return [*lines, end]


def reordered_and_renumbered(lines, end):
    a, b = lines[2], lines[3]
    first, second = b'{"seq":2,', b'{"seq":3,'
    a.fields["line"], b.fields["line"] = (b.line.replace(second, first),
                                          a.line.replace(first, second))
    return [*lines, end]


def inserted(lines, end):
    """One that never was, and all behind it with the next number."""
    more = copy(lines[2])
    for line in lines[2:]:
        head = b'{"seq":%d,' % line.seq
        line.fields["seq"] += 1
        line.fields["line"] = line.line.replace(
            head, b'{"seq":%d,' % line.seq)
    return [*lines[:2], more, *lines[2:-1], end]


def gone(at):
    def tell(lines, end):
        del lines[at]
        return [*lines, end]
    return tell


def endless(lines, end):
    """Lines that follow each other well, and no end."""
    line, n = lines[-1].line, lines[-1].seq
    head = b'{"seq":%d,' % n
    return [*lines, *(Record("AUDIT_LINE", {
        "seq": i, "line": line.replace(head, b'{"seq":%d,' % i)})
        for i in range(n + 1, n + 20000)), end]


def hostile_ledger_tells_a_false_log():
    with Stage("ledger") as stage, two_customers(stage) as (w, old):
        def shorter(rows, end):
            end.fields["next"] = len(old.lines)
            return [*rows, end]
        for name, rows, lines, words in (
                ("changed", None, rewritten(b"acme/demo", b"acme/dem0"),
                 CHANGED_LOG),
                ("a verdict changed", None,
                 rewritten(b'"decision":"permit"', b'"decision":"deny"'),
                 CHANGED_LOG),
                ("reordered", None, reordered, CHANGED_LOG),
                ("reordered with new numbers", None,
                 reordered_and_renumbered, CHANGED_LOG),
                ("inserted", None, inserted, CHANGED_LOG),
                ("first missing", None, gone(0), CHANGED_LOG),
                ("one missing", None, gone(2), CHANGED_LOG),
                ("last missing", None, gone(-1), GAP),
                ("as it was once", shorter,
                 lambda lines, end: [*old.lines, end], SHORT_LOG),
                ("none", None, lambda lines, end: [end], GAP),
                ("without end", None, endless, CHANGED_LOG)):
            refused_start(stage, w, name, Tale(rows, lines), words)


def flood(stage, words, blocks):
    """Tell rows without end to a keeper of its own; give the most memory, in
    bytes, that it had before it said these words and was gone."""
    stage.play("ledger")
    most = 0
    with Vault().spawn() as vault:
        ledger = stage.puppet("ledger")
        ledger.say("supervisor", "HELLO")
        keeper = eventually(lambda: vault.rooms().get("keeper"))[0]
        for block in blocks:
            ledger.raw("keeper", block)
            most = max(most, memory(keeper))
            if vault.process.poll() is not None:
                break
        assert vault.process.wait(30) == 3, vault.log()
        assert words in vault.log(), vault.log()
    return most


def memory(pid):
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines()
                 if line.startswith("VmRSS:")), 0)


def rows_told(ids):
    """Small rows of these ids, in blocks."""
    row = records.encode("STORE_ROW", id=bytes(16), kind=ROW_PROFILE,
                         generation=1, body=b"x" * 64)
    while block := b"".join(row[:8] + n + row[24:]
                            for n in itertools.islice(ids, 4096)):
        yield block


def hostile_ledger_tells_rows_without_end():
    with Stage("ledger") as stage:
        numbers = range(2 ** 40)
        spread = flood(stage, TOO_MANY, rows_told(
            (n * 0x9e3779b97f4a7c15 % 2 ** 128).to_bytes(16, "little")
            for n in numbers))
        assert spread < 400 << 20, spread
        # All in one place, where each is harder to put than the one before.
        crowded = flood(stage, TOO_MANY, rows_told(
            n.to_bytes(16, "big") for n in numbers))
        assert crowded < 64 << 20, crowded
