#!/usr/bin/python3
"""one.py FILE TEST - run one end-to-end test, as tests/run does.

Exit status 0 passed, 1 failed (with the log of each vault that it started),
77 this machine cannot run it.
"""
import importlib.util
import sys
import traceback
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "e2e")]

from harness import Skip                    # noqa: E402
from support.vault import Vault             # noqa: E402

LOG_LINES = 200


def load(file):
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(file, name):
    try:
        getattr(load(file), name)()
        return 0
    except Skip as reason:
        print(reason)
        return 77
    except Exception:
        traceback.print_exc()
        for vault in Vault.started:
            lines = vault.log().splitlines()[-LOG_LINES:]
            print(f"--- the log of {vault.home}:", *lines, sep="\n",
                  file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
