"""A throw-away certificate authority (EC P-256), made with openssl."""
import subprocess
from pathlib import Path

EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split()


class Authority:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pem = self.folder / "ca.pem"
        self._openssl("req", "-x509", *EC, "-days", "2",
                      "-keyout", "ca.key", "-out", "ca.pem",
                      "-subj", "/CN=throw-away test CA",
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, names=("localhost", "demo.test", "127.0.0.1"), days=2):
        """Return (certificate, key) for a server; days=-1 is expired."""
        stem = f"server-{len(list(self.folder.glob('*.csr')))}"
        hosts = ",".join(("IP:" if n[0].isdigit() else "DNS:") + n
                         for n in names)
        (self.folder / f"{stem}.ext").write_text(
            "basicConstraints=CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\n"
            f"subjectAltName={hosts}\n")
        self._openssl("req", "-new", *EC, "-keyout", f"{stem}.key",
                      "-out", f"{stem}.csr", "-subj", f"/CN={names[0]}")
        self._openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", "ca.pem",
                      "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", str(days), "-extfile", f"{stem}.ext",
                      "-out", f"{stem}.pem")
        return self.folder / f"{stem}.pem", self.folder / f"{stem}.key"

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
