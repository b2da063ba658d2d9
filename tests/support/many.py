"""A vault that has many profiles before it starts: cN/pI for I from 0, where
N is I modulo the number of customers."""
import os
import shutil
import subprocess

from support.vault import build


def name_of(number, customers):
    return f"c{number % customers}/p{number}"


def make_many(vault, profiles, customers, **settings):
    """Put another store in the place of a new vault's; leaves it stopped."""
    vault.start()
    vault.stop()
    store = vault.state / "store.db"
    owner = store.stat()
    for old in vault.state.glob("store.db*"):
        old.unlink()
    shutil.rmtree(vault.state / "audit")
    system = build() / "share/vaultd/catalog/custom-rest.conf"
    settings = {"store": store, "key": vault.dir / "key", "system": system,
                "profiles": profiles, "customers": customers, **settings}
    subprocess.run([build() / "tests/bench/mkstore",
                    *(f"{k}={v}" for k, v in settings.items())], check=True)
    for new in vault.state.glob("store.db*"):
        os.chown(new, owner.st_uid, owner.st_gid)
        new.chmod(owner.st_mode & 0o777)
    return vault
