"""One probe on the command line (tests/probe/probe_watch), and servers that lie to it."""

import json
import os
import socket
import subprocess
import threading

from lib.wait import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
WATCH = os.environ.get("PROBE_WATCH",
                       os.path.join(TOP, "build", "tests", "probe", "probe_watch"))
USER, PASSWORD = "holdfast", "sesame-7731"
NOTICED_S = 20
EVERY_MS = 100
TIMEOUT_MS = 1000


class Watch:
    """A running probe_watch, and the lines it has printed."""

    def __init__(self, table, directory, kind, address, *options, name="watch", **more):
        words = {"every": EVERY_MS, "timeout": TIMEOUT_MS, **more}
        if kind in ("galera", "mysql"):
            words = {"user": USER, "password": PASSWORD, **words}
        self.lines = []
        self.popen = subprocess.Popen(
            [WATCH, kind, address, *options,
             *(f"{key.replace('_', '-')}={value}" for key, value in words.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(os.path.join(str(directory), f"{name}.err.log"), "ab"), text=True)
        self.errors = os.path.join(str(directory), f"{name}.err.log")
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        table.on_close(self.close)

    def _read(self):
        for line in self.popen.stdout:
            self.lines.append(json.loads(line))

    def last(self):
        return self.lines[-1] if self.lines else {"verdict": "none", "reason": ""}

    def wait(self, verdict, reason="", within_s=NOTICED_S):
        def said():
            last = self.last()
            return last if last["verdict"] == verdict and reason in last["reason"] else None
        try:
            return wait_until(said, within_s, f"{verdict} because of {reason!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}; said: {self.lines[-3:]}") from None

    def close(self):
        """Ends it the orderly way: a leak or a fault of memory is an exit status."""
        if self.popen.poll() is None:
            self.popen.stdin.close()
        status = self.popen.wait(30)
        self.reader.join(10)
        with open(self.errors, encoding="utf-8") as file:
            assert status == 0, file.read()


class Liar:
    """A server that plays a script: bytes to send on accept, then silence, or an end."""

    def __init__(self, table, first=b"", closes=False, tls=None, waits=False):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(64)
        self.port = self.sock.getsockname()[1]
        self.first, self.closes, self.kept, self.ended = first, closes, [], False
        self.waits = waits  # for the client's first bytes
        self.tls, self.logins = tls, 0  # tls: a context to wrap each client with after its request
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        table.on_close(self.close)

    def _run(self):
        while not self.ended:
            try:
                client, _ = self.sock.accept()
            except OSError:
                return
            if self.waits:
                client.recv(4096)
            client.sendall(self.first)
            if self.tls is not None:
                client = self._login(client)
            if self.closes:
                client.close()
            else:
                self.kept.append(client)

    def _login(self, client):
        client.recv(36)
        try:
            client = self.tls.wrap_socket(client, server_side=True)
            self.logins += bool(client.recv(4096))
        except OSError:
            pass  # it gave up before
        return client

    def close(self):
        self.ended = True
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for client in self.kept:
            client.close()

    def address(self):
        return f"127.0.0.1:{self.port}"
