"""A throw-away certificate authority (EC P-256), made with openssl."""
import subprocess
from pathlib import Path

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
HOSTS = ("localhost", "demo.test", "127.0.0.1")
FOR_DATES = """
[ca]
default_ca = this
[this]
database = index.txt
new_certs_dir = .
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""


class Authority:
    def __init__(self, folder, key=EC):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem = self.folder / "ca.pem"
        self.key = self.folder / "ca.key"
        self._openssl("req", "-x509", "-newkey", *key, "-nodes",
                      "-days", "2", "-keyout", self.key, "-out", self.pem,
                      "-subj", "/CN=throw-away test CA",
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "subjectAltName=DNS:localhost",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, names=HOSTS, days=2, start=None, key=EC, digest="sha256",
              usage="serverAuth", by=None):
        """Return (certificate, key) for a server; days=-1 is expired,
        "start" is YYYYMMDDHHMMSSZ, "by" another such pair that signs."""
        stem = f"server-{len(list(self.folder.glob('*.csr')))}"
        csr, pem, own, ext = (self.folder / f"{stem}.{end}"
                              for end in ("csr", "pem", "key", "ext"))
        hosts = "".join(f"{'IP' if n[0].isdigit() else 'DNS'}.{i} = {n}\n"
                        for i, n in enumerate(names))
        ext.write_text("basicConstraints=CA:FALSE\n"
                       "keyUsage=critical,digitalSignature\n"
                       f"extendedKeyUsage={usage}\n"
                       f"subjectAltName=@hosts\n[hosts]\n{hosts}")
        self._openssl("req", "-new", "-newkey", *key, "-nodes", "-keyout",
                      own, "-out", csr, "-subj", f"/CN={names[0]}")
        signer, its_key = by or (self.pem, self.key)
        if start is None:
            self._openssl("x509", "-req", "-in", csr, "-CA", signer,
                          "-CAkey", its_key, "-CAcreateserial",
                          "-days", str(days), f"-{digest}",
                          "-extfile", ext, "-out", pem)
        else:
            (self.folder / "dates.conf").write_text(FOR_DATES)
            (self.folder / "index.txt").touch()
            self._openssl("ca", "-batch", "-config", "dates.conf",
                          "-cert", signer, "-keyfile", its_key, "-in", csr,
                          "-startdate", start, "-days", str(days),
                          "-extfile", ext, "-out", pem, "-notext")
        if by is not None:
            pem.write_bytes(pem.read_bytes() + by[0].read_bytes())
        return pem, own

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
