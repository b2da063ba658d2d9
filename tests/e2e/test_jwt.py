"""JWTs: keys made in the vault or brought to it, signatures that others
verify, bounds that no client leaves, keys that change without a gap."""
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from support.vault import Vault, eventually
from support.jwt import openssl_verifies, parts, unbase64, verify

ISSUER, AUDIENCE = "https://issuer.example.com", "https://api.example.com"
ALGS = ("RS256", "ES256", "EdDSA")
WORKER = 60001
POLICY = f"""
client admin {{
    uid {os.getuid()}
}}
client worker {{
    uid {WORKER}
}}
permit admin to sign, token, request, read, manage, audit, operate on **
permit worker to sign on acme/es256
permit worker to read on acme/es256
"""


def add(vault, name, *options, input=None):
    return vault.ctl("profile", "add", name, "--system", "custom-jwt",
                     "--set", f"issuer={ISSUER}",
                     "--set", f"audience={AUDIENCE}", *options, input=input)


def signed(vault, name, *options, **how):
    return vault.ctl("sign", name, *options, **how).out.strip()


def key_set(vault, *names):
    return json.loads(vault.ctl("jwks", *names).out)


def openssl(*arguments, input=None, check=True):
    return subprocess.run(["openssl", *map(str, arguments)], input=input,
                          capture_output=True, check=check).stdout


def jwt_of_each_algorithm_is_verified_by_jose_and_openssl():
    with Vault() as vault:
        for alg in ALGS:
            name = f"acme/{alg.lower()}"
            add(vault, name, "--generate", "--alg", alg, "--set",
                "claims=scope count admin groups")
            token = signed(vault, name, "--claim", "scope=read write",
                         "--claim", "count:=-5", "--claim", "admin:=true",
                         "--claim", 'groups:=["a","b\\"c"]')
            found = verify(token, key_set(vault, name), alg, ISSUER, AUDIENCE)
            assert "payload" in found, found
            payload = found["payload"]
            assert payload["scope"] == "read write"
            assert payload["count"] == -5 and payload["admin"] is True
            assert payload["groups"] == ["a", 'b"c'], payload
            assert payload["exp"] - payload["iat"] == 300
            assert abs(payload["iat"] - time.time()) < 30
            pem = vault.ctl("pubkey", name).out
            assert openssl_verifies(token, pem, alg), alg
            changed = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA"
                                    else "BBBBBB")
            assert not openssl_verifies(changed, pem, alg)


def jwt_is_never_the_same_twice():
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "EdDSA")
        ids = {parts(signed(vault, "acme/k"))[1]["jti"] for _ in range(20)}
        assert len(ids) == 20


def jwt_public_half_in_every_format():
    with Vault() as vault:
        for alg in ALGS:
            name = f"acme/{alg.lower()}"
            add(vault, name, "--generate", "--alg", alg, "--bits", "2048")
            spki = openssl("pkey", "-pubin", "-outform", "DER",
                           input=vault.ctl("pubkey", name).out.encode())
            certificate = vault.ctl(
                "pubkey", name, "--format", "x509").out.encode()
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "certificate.pem"
                file.write_bytes(certificate)
                # Self-signed, by the key that is in it.
                openssl("verify", "-check_ss_sig", "-CAfile", file, file)
            key = openssl("x509", "-pubkey", "-noout", input=certificate)
            assert openssl("pkey", "-pubin", "-outform", "DER",
                           input=key) == spki
            request = vault.ctl("pubkey", name, "--format", "csr").out.encode()
            openssl("req", "-verify", "-noout", input=request)
            jwk = json.loads(vault.ctl("pubkey", name, "--format",
                                       "jwk").out)
            assert jwk["alg"] == alg and jwk["use"] == "sig"
            assert not set(jwk) & {"d", "p", "q", "dp", "dq", "qi", "k"}, jwk
            line = vault.ctl("pubkey", name, "--format", "ssh").out
            done = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=line,
                                  capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        assert vault.ctl("pubkey", "acme/rs256", "--format", "der",
                         check=False).status == 2


def jwt_keys_come_from_the_usual_files():
    """PKCS#8, PKCS#1, SEC1, PKCS#12 and JWK, by the OpenSSL command."""
    with Vault() as vault, tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def made(file, *arguments):
            openssl(*arguments, "-out", folder / file)
            return folder / file

        rsa = made("rsa.pem", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                   "rsa_keygen_bits:2048")
        ec = made("ec.pem", "ecparam", "-name", "prime256v1", "-genkey",
                  "-noout")
        ed = made("ed.pem", "genpkey", "-algorithm", "ED25519")
        files = {
            "pkcs8": (ed, "EdDSA"), "sec1": (ec, "ES256"),
            "pkcs1": (made("rsa1.pem", "rsa", "-in", rsa, "-traditional"),
                      "RS256"),
            "der": (made("ec.der", "pkcs8", "-topk8", "-nocrypt", "-in", ec,
                         "-outform", "DER"), "ES256")}
        for form, (file, alg) in files.items():
            add(vault, f"acme/{form}", "--file", file)
            public = openssl("pkey", "-pubout", *(
                ("-inform", "DER") if form == "der" else ()), "-in", file)
            assert vault.ctl("pubkey", f"acme/{form}").out.encode() == public
            token = signed(vault, f"acme/{form}")
            assert openssl_verifies(token, public.decode(), alg), form
            assert parts(token)[0]["alg"] == alg


def jwt_unfit_keys_are_refused_by_name():
    with Vault() as vault, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = (
            ("2048", ("genrsa", "1024")),
            ("P-256", ("ecparam", "-name", "secp384r1", "-genkey", "-noout")),
            ("P-256", ("ecparam", "-name", "secp256k1", "-genkey", "-noout")),
            ("", ("genpkey", "-algorithm", "X25519")),
        )
        for word, arguments in cases:
            file = folder / "key.pem"
            file.write_bytes(openssl(*arguments))
            done = vault.ctl("profile", "add", "acme/k", "--system",
                             "custom-jwt", "--set", f"issuer={ISSUER}",
                             "--set", f"audience={AUDIENCE}", "--file", file,
                             check=False)
            assert done.status == 2 and word in done.err, (arguments, done)
        (folder / "key.pem").write_text("no key at all\n")
        assert vault.ctl("profile", "add", "acme/k", "--system", "custom-jwt",
                         "--set", f"issuer={ISSUER}", "--set",
                         f"audience={AUDIENCE}", "--file", folder / "key.pem",
                         check=False).status == 2
        assert vault.rows("profile", "list") == []


def jwt_claims_stay_inside_the_profile():
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "EdDSA", "--set",
            "claims=scope", "--set", "subject=robot")
        refused = ("iss=evil", "sub=admin", "aud=elsewhere", "exp:=9999999999",
                   "iat:=1", "nbf:=1", "jti=mine", "alg=none", "kid=other",
                   "jku=https://evil.example", "x5u=x", "typ=x", "crit=x",
                   "unheard=of", "scope:=1.5", "scope:={}", "scope:=null")
        for claim in refused:
            done = vault.ctl("sign", "acme/k", "--claim", claim, check=False)
            assert done.status == 2, (claim, done)
        for options in (("--lifetime", "301"), ("--lifetime", "0"),
                        ("--lifetime", "-5"), ("--lifetime", "1e3"),
                        ("--claim", "scope=" + "x" * 9000),
                        ("--claim", "scope=a", "--claim", "scope=b"),
                        ("--scheme", "none"), ("--scheme", "HS256")):
            done = vault.ctl("sign", "acme/k", *options, check=False)
            assert done.status != 0 and done.out == "", (options, done)
        header, claims, _ = parts(signed(vault, "acme/k", "--lifetime", "60"))
        assert set(header) == {"alg", "typ", "kid"} and header["typ"] == "JWT"
        assert claims["exp"] - claims["iat"] == 60
        assert claims["sub"] == "robot" and claims["iss"] == ISSUER


def jwt_by_http_is_the_same():
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "ES256", "--set",
            "claims=scope n")
        body = json.dumps({"profile": "acme/k", "scheme": "jwt",
                           "lifetime": 30,
                           "claims": {"scope": "a b", "n": 7}}).encode()
        answer = vault.http("POST", "/-/sign", body=body)
        assert answer.status == 200, answer
        found = json.loads(answer.body)
        payload = verify(found["jwt"], key_set(vault, "acme/k"), "ES256",
                         ISSUER, AUDIENCE)["payload"]
        assert payload["n"] == 7 and payload["exp"] - payload["iat"] == 30
        for wrong in (b"", b"[]", b"{", b'{"profile":"acme/k","profile":"x"}',
                      b'{"profile":"acme/k","alg":"none"}',
                      b'{"profile":"acme/k","claims":{"n":1.5}}',
                      b'{"profile":"acme/k","claims":[]}',
                      b'{"profile":"../k"}', b'{"profile":7}',
                      b'{"profile":"acme/k","lifetime":-1}'):
            assert vault.http("POST", "/-/sign", body=wrong).status == 400
        big = b'{"profile":"' + b"x" * 20000 + b'"}'
        assert vault.http("POST", "/-/sign", body=big).status == 413
        assert vault.http("GET", "/-/sign").status == 404
        with vault.connect() as connection:     # and the connection goes on
            assert connection.ask("POST", "/-/sign", (), big).status == 413
            assert connection.ask("POST", "/-/sign", (), body).status == 200


def jwt_needs_the_verb_of_what_it_is():
    """A JWT that lets in whoever has it takes "token", any other "sign"."""
    with Vault() as vault:
        for name in ("acme/es256", "acme/other"):
            add(vault, name, "--generate", "--alg", "ES256")
        vault.set_policy(
            POLICY, lambda: vault.ctl("sign", "acme/es256", user=WORKER,
                                      check=False).status == 0)
        assert vault.ctl("sign", "acme/other", user=WORKER,
                         check=False).status == 3
        assert vault.ctl("sign", "acme/nobody", user=WORKER,
                         check=False).status == 3
        assert vault.ctl("pubkey", "acme/es256", user=WORKER).out
        vault.ctl("profile", "set", "acme/es256", "--set", "output=token",
                  "--generate")
        assert vault.ctl("sign", "acme/es256", user=WORKER,
                         check=False).status == 3
        assert signed(vault, "acme/es256")
        last = [r for r in vault.decisions() if r.get("act") == "jwt"]
        assert last[-1]["verb"] == "token", last[-1]


def jwt_staged_key_overlaps():
    """The old key's JWTs verify by the key set before and after the change,
    and so do the new one's."""
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "ES256")
        old = signed(vault, "acme/k")
        staged = vault.ctl("rotate", "acme/k", "--stage", "--generate")
        assert "BEGIN PUBLIC KEY" in staged.out
        assert vault.ctl("pubkey", "acme/k", "--staged").out in staged.out
        assert "BEGIN CERTIFICATE" in vault.ctl(
            "pubkey", "acme/k", "--staged", "--format", "x509").out
        before = key_set(vault, "acme/k")
        assert len(before["keys"]) == 2
        assert parts(signed(vault, "acme/k"))[0]["kid"] == parts(old)[0]["kid"]
        assert vault.ctl("rotate", "acme/k", "--stage", "--generate",
                         check=False).status == 1
        vault.stop()
        vault.start()
        vault.ctl("rotate", "acme/k", "--activate")
        new = signed(vault, "acme/k")
        assert parts(new)[0]["kid"] != parts(old)[0]["kid"]
        after = key_set(vault, "acme/k")
        for keys in (before, after):
            for token in (old, new):
                assert "payload" in verify(token, keys, "ES256", ISSUER,
                                           AUDIENCE)
        assert vault.ctl("rotate", "acme/k", "--activate",
                         check=False).status == 4


def jwt_staged_key_can_be_given_up():
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "EdDSA")
        kid = parts(signed(vault, "acme/k"))[0]["kid"]
        vault.ctl("rotate", "acme/k", "--stage", "--generate")
        vault.ctl("rotate", "acme/k", "--abort")
        assert len(key_set(vault, "acme/k")["keys"]) == 1
        assert parts(signed(vault, "acme/k"))[0]["kid"] == kid
        assert vault.ctl("rotate", "acme/k", "--abort",
                         check=False).status == 4
        done = vault.ctl("rotate", "acme/k", "--abort", "--stage",
                         check=False)
        assert done.status == 2 and "alternatives" in done.err


def jwt_key_is_neither_sent_nor_shown():
    with Vault() as vault, tempfile.TemporaryDirectory() as name:
        file = Path(name) / "key.pem"
        openssl("genpkey", "-algorithm", "ED25519", "-out", file)
        seed = openssl("pkey", "-in", file, "-outform", "DER")[-32:]
        add(vault, "acme/k", "--file", file)
        done = vault.ctl("request", "acme/k", "GET", "/x", check=False)
        assert done.status == 7 and "never sent" in done.err
        out = vault.ctl("profile", "show", "acme/k").out
        assert re.search(r"algorithm\s+EdDSA", out), out
        shown = out + json.dumps(vault.rows("profile", "show", "acme/k"))
        assert seed.hex() not in shown
        for form in ("jwk", "pem", "x509", "csr", "ssh"):
            text = vault.ctl("pubkey", "acme/k", "--format", form).out
            for word in re.findall(r"[A-Za-z0-9_+/=-]{20,}", text):
                raw = unbase64(word.replace("+", "-").replace("/", "_")
                               .rstrip("="))
                assert seed not in raw
        stored = (vault.state / "store.db").read_bytes()
        assert seed not in stored


def jwt_outlives_disable_and_restart():
    with Vault() as vault:
        add(vault, "acme/k", "--generate", "--alg", "RS256", "--bits", "2048")
        first = signed(vault, "acme/k")
        vault.ctl("profile", "disable", "acme/k")
        assert vault.ctl("sign", "acme/k", check=False).status == 7
        vault.ctl("profile", "enable", "acme/k")
        os.kill(vault.rooms()["keeper"][0], 9)
        eventually(lambda: vault.ctl("sign", "acme/k", check=False)
                   .status == 0, what="signing again")
        again = signed(vault, "acme/k")
        assert parts(again)[0]["kid"] == parts(first)[0]["kid"]
        vault.ctl("profile", "remove", "acme/k")
        assert vault.ctl("sign", "acme/k", check=False).status == 4
