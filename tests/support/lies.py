"""A vault whose ledger says what the test wants: the real one, with the test
between it and the others (support/puppet.py)."""
import threading
from contextlib import contextmanager

from harness import World
from support import records
from support.puppet import Stage
from support.records import VERR, Record
from support.vault import eventually

OTHER = "globex/other"


def offence(error):
    return ("keeper: says that ledger broke the protocol: " +
            records.VERR_TEXT[VERR[error]])


class Lies:
    """A vault of two customers whose ledgers say what the test wants."""

    def __init__(self, stage):
        self.stage = stage
        stage.between("ledger")
        self.world = World()

    def __enter__(self):
        self.w = self.world.__enter__()
        self._know()
        self.w.add(OTHER)
        return self

    def __exit__(self, *what):
        self.world.__exit__(*what)

    def _know(self):
        self.ledger = self.stage.puppet("ledger")
        self.keeper = self.w.vault.rooms()["keeper"]
        self.log_start = len(self.w.vault.log())

    def anew(self):
        """Start everything again, so that no restart of a ledger is put off
        for those before it."""
        self.w.vault.stop()
        while not self.stage.born["ledger"].empty():
            self.stage.puppet("ledger")
        self.w.vault.start()
        self._know()

    def log(self):
        return self.w.vault.log()[self.log_start:]

    def once(self, name, lie, **match):
        """Change the first such record, and only that."""
        told = []

        def hook(record):
            if told or not match.items() <= record.fields.items():
                return None
            told.append(record)
            return lie(record)
        self.ledger.on(name, hook)
        return told

    def caught(self, name, words):
        """The ledger was ended for it, and nothing else was."""
        assert self.ledger.gone(), name
        eventually(lambda: words in self.log(), what=f"{name}: {words}")
        self.well(name)

    def well(self, name):
        """Everybody is served, by the keeper that there was."""
        for profile in "acme/demo", OTHER:
            answer = self.w.get("/account", profile)
            assert answer.status == 200, (name, profile, answer)
        assert self.w.vault.rooms()["keeper"] == self.keeper, name


@contextmanager
def lies():
    with Stage("ledger") as stage, Lies(stage) as lying:
        yield lying


def with_fields(**fields):
    def lie(record):
        record.fields.update(fields)
    return lie


def then(more):
    """The truth, and after it what "more" makes of it."""
    return lambda record: [record, more(record)]


def first(more):
    return lambda record: [more(record), record]


def like(record, **fields):
    return Record(record.name, {**record.fields, **fields})


def in_thread(function):
    """Call it beside the test: its result is in the list in the end."""
    told = []
    thread = threading.Thread(target=lambda: told.append(function()))
    thread.start()
    return thread, told
