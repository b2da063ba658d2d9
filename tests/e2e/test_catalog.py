"""The catalog as an admin reads it."""
from pathlib import Path

from support.vault import Vault

SHIPPED = Path(__file__).resolve().parents[2] / "vaultd" / "catalog"


def catalog_lists_and_shows_its_systems():
    with Vault() as vault:
        text = vault.ctl("catalog", "list").out
        for system in "custom-rest", "stripe":
            assert system in text, text
        assert "https://api.stripe.com" in vault.ctl(
            "catalog", "show", "stripe").out
        shown = vault.ctl("catalog", "show", "custom-rest").out
        for setting in "url", "inject", "account", "ca", "pin", "network":
            assert setting in shown, shown


def catalog_check_accepts_what_is_shipped():
    with Vault() as vault:
        entries = [f for f in SHIPPED.iterdir()
                   if f.read_text().lstrip("# \n").startswith("system") or
                   "\nsystem " in f.read_text()]
        assert len(entries) >= 2
        for entry in entries:
            vault.ctl("catalog", "check", entry)


def catalog_check_points_at_the_mistake():
    with Vault() as vault:
        entry = vault.home / "bad.conf"
        entry.write_text("system bad {\n    colour red\n}\n")
        done = vault.ctl("catalog", "check", entry, check=False)
        assert done.status in (1, 2), done
        assert "bad.conf:2:" in done.out + done.err, done
