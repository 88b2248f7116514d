"""Certificates made by the openssl command, and the client side of TLS."""

import os
import ssl
import subprocess


class Certificates:
    """A small authority; one certificate for 127.0.0.1 and localhost, for servers and clients."""

    def __init__(self, directory):
        self.dir = str(directory)
        self.ca, self.cert, self.key = (os.path.join(self.dir, name)
                                        for name in ("ca.crt", "node.crt", "node.key"))
        ca_key, request = os.path.join(self.dir, "ca.key"), os.path.join(self.dir, "node.csr")
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                  "/CN=spec authority", "-keyout", ca_key, "-out", self.ca)
        self._run("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout",
                  self.key, "-out", request)
        extensions = os.path.join(self.dir, "node.ext")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        self._run("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                  "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", self.cert)

    def _run(self, *args):
        done = subprocess.run(["openssl"] + list(args), capture_output=True, text=True,
                              cwd=self.dir, check=False)
        assert done.returncode == 0, done.stderr

    def directives(self, auth_clients="yes"):
        return (f"tls-ca-cert-file {self.ca}\ntls-cert-file {self.cert}\n"
                f"tls-key-file {self.key}\ntls-replication yes\ntls-auth-clients {auth_clients}\n")

    def context(self, with_certificate=True):
        context = ssl.create_default_context(cafile=self.ca)
        context.check_hostname = False
        if with_certificate:
            context.load_cert_chain(self.cert, self.key)
        return context
