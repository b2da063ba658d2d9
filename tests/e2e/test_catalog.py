"""The catalog as an admin reads it, and as the vendors' APIs see it."""
import base64
import json
import os
import re
import shutil
import tempfile
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

from harness import ADMIN, LOOPBACK
from support.ca import Authority
from support.upstream import Upstream
from support.vault import Vault, build

SHIPPED = Path(__file__).resolve().parents[2] / "vaultd" / "catalog"

HEX = "0123456789abcdef" * 2
SENDGRID = f"SG.{HEX[:22]}.{(HEX + HEX)[:43]}"
MAILCHIMP = f"{HEX}-us6"
TWILIO = f"/2010-04-01/Accounts/AC{HEX}"


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# What a vendor documents: where it is, what a profile is told, the header
# that a request must come with, the health check, the account in its answer;
# and two paths, the second of which hands out credentials.
Vendor = namedtuple("Vendor", "origin settings given header health account "
                    "path guarded")
VENDORS = {
    "sendgrid": Vendor(
        "https://api{region}.sendgrid.com", {"region": ".eu"}, SENDGRID,
        ("Authorization", f"Bearer {SENDGRID}"), "/v3/user/username",
        {"username": "blue", "user_id": 7}, "/v3/mail/send", "/v3/api_keys"),
    "mailchimp": Vendor(
        "https://{dc}.api.mailchimp.com", {"dc": "us6"}, MAILCHIMP,
        ("Authorization", basic("anystring", MAILCHIMP)),
        "/3.0/?fields=account_id", {"account_id": "8d3a"}, "/3.0/lists",
        "/3.0/batches"),
    "twilio": Vendor(
        "https://api{region}.twilio.com", {"account": f"AC{HEX}"},
        f"username=SK{HEX}\npassword={HEX}\n",
        ("Authorization", basic(f"SK{HEX}", HEX)), f"{TWILIO}/Balance.json",
        {"account_sid": f"AC{HEX}"}, f"{TWILIO}/Messages.json",
        f"{TWILIO}.json"),
    "shipstation": Vendor(
        "https://api.shipstation.com", {}, HEX, ("API-Key", HEX),
        "/v2/users?page_size=1", {"users": []}, "/v2/labels",
        "/v2/tokens/ephemeral"),
    "shipstation-v1": Vendor(
        "https://ssapi.shipstation.com", {}, f"username=ab\npassword={HEX}\n",
        ("Authorization", basic("ab", HEX)), "/users", [], "/orders",
        "/accounts/registeraccount"),
    "woocommerce": Vendor(
        "{url}", {"path": "/shop"},
        f"username=ck_{HEX}01234567\npassword=cs_{HEX}01234567\n",
        ("Authorization", basic(f"ck_{HEX}01234567", f"cs_{HEX}01234567")),
        "/shop/wp-json/wc/v3/system_status?_fields=environment.home_url",
        {"environment": {"home_url": "https://shop.example/shop"}},
        "/shop/wp-json/wc/v3/orders",
        "/shop/wp-json/wc/v3/payment_gateways"),
}


def catalog_lists_and_shows_its_systems():
    with Vault() as vault:
        text = vault.ctl("catalog", "list").out
        for system in "custom-rest", "stripe", *VENDORS:
            assert system in text, text
        assert "https://api.stripe.com" in vault.ctl(
            "catalog", "show", "stripe").out
        for system, vendor in VENDORS.items():
            shown = vault.ctl("catalog", "show", system).out
            path = vendor.health.replace("/shop", "{path}").replace(
                f"AC{HEX}", "{account}")
            for text in vendor.origin, path, *vendor.settings:
                assert text in shown, (system, text, shown)
        shown = vault.ctl("catalog", "show", "custom-rest").out
        for setting in "url", "inject", "account", "ca", "pin", "network":
            assert setting in shown, shown


def catalog_check_accepts_what_is_shipped():
    with Vault() as vault:
        entries = [f for f in SHIPPED.iterdir()
                   if f.read_text().lstrip("# \n").startswith("system") or
                   "\nsystem " in f.read_text()]
        assert len(entries) >= 2 + len(VENDORS)
        for entry in entries:
            vault.ctl("catalog", "check", entry)


def catalog_check_points_at_the_mistake():
    with Vault() as vault:
        entry = vault.home / "bad.conf"
        entry.write_text("system bad {\n    colour red\n}\n")
        done = vault.ctl("catalog", "check", entry, check=False)
        assert done.status in (1, 2), done
        assert "bad.conf:2:" in done.out + done.err, done


def lead_here(entry, origin, url):
    """The entry with the test's server in the vendor's place."""
    text = entry.read_text()
    here = (f'origin "{url}"\nnetwork {LOOPBACK}\nca "{{ca}}"\n'
            f'input ca {{ sealed; type pem; what "of the test" }}')
    found = re.subn(r'^\torigin +"' + re.escape(origin) + '"$',
                    lambda _: here, text, flags=re.MULTILINE)
    assert found[1] == 1, entry
    entry.write_text(found[0])


@contextmanager
def vendors():
    """A vault whose entries lead to one server that plays them all."""
    with tempfile.TemporaryDirectory(prefix="vendors-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        ca = Authority(folder)
        upstream = Upstream(*ca.issue())
        for part in "bin", "libexec", "share":
            shutil.copytree(build() / part, folder / part)
        for system, vendor in VENDORS.items():
            if "url" not in vendor.origin:
                lead_here(folder / f"share/vaultd/catalog/{system}.conf",
                          vendor.origin, upstream.url)
            body = json.dumps(vendor.account)
            upstream.raw[vendor.health.partition("?")[0]] = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()
        os.environ["VAULTD_BUILD"] = name   # of this test's own process
        try:
            with Vault() as vault:
                yield vault, upstream, ca
        finally:
            upstream.close()


def add(vault, upstream, ca, system):
    vendor = VENDORS[system]
    settings = {"ca": ca.pem, **vendor.settings}
    if "url" in vendor.origin:
        settings |= {"url": upstream.url, "network": LOOPBACK}
    vault.ctl("profile", "add", f"acme/{system}", "--system", system,
              *(word for name, value in settings.items()
                for word in ("--set", f"{name}={value}")),
              "--stdin", input=vendor.given)


def came(upstream, target):
    """The credential's header of each request for a target."""
    names = {"authorization", "api-key"}
    return [[(n, v) for n, v in r.headers if n in names]
            for r in upstream.requests if r.target == target]


def catalog_vendors_get_what_they_document():
    with vendors() as (vault, upstream, ca):
        for system, vendor in VENDORS.items():
            add(vault, upstream, ca, system)
            name, value = vendor.header
            expected = [(name.lower(), value)]
            assert came(upstream, vendor.health) == [expected], system
            assert vault.http("GET", f"/acme/{system}{vendor.path}"
                              ).status == 404
            assert came(upstream, vendor.path) == [expected], system


def policy_vendors_paths_that_mint_credentials_take_a_literal_permit():
    with vendors() as (vault, upstream, ca):
        for system in VENDORS:
            add(vault, upstream, ca, system)

        def ask(system):
            return vault.http("POST",
                              f"/acme/{system}{VENDORS[system].guarded}")

        for system, vendor in VENDORS.items():
            assert ask(system).status == 403, system
            assert not came(upstream, vendor.guarded), system
        literal = " ".join(vendor.guarded for vendor in VENDORS.values())
        vault.set_policy(
            f"{ADMIN}permit admin to request on ** {{ path {literal} }}\n",
            lambda: ask("sendgrid").status == 404)
        for system, vendor in VENDORS.items():
            assert ask(system).status == 404, system
            assert came(upstream, vendor.guarded), system
