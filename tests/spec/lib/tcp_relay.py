"""The TCP relay (tests/probe/tcp_relay_run.c) and members for it, as processes of a test."""

import json
import os
import select
import socket
import subprocess
import sys
import time

from lib import procs
from lib.monitor import holdfast_path
from lib.ports import free_port
from lib.wait import wait_until

ANSWER_S = 30  # generous: sanitizers on a busy machine
HERE = os.path.dirname(os.path.abspath(__file__))


def relay_path():
    """$TCP_RELAY_RUN, or where the build of $HOLDFAST has it."""
    build = os.path.dirname(os.path.abspath(holdfast_path()))
    return os.environ.get("TCP_RELAY_RUN",
                          os.path.join(build, "tests", "unit", "router", "tcp_relay_run"))


class Member(procs.Server):
    """tcp_member.py: its modes are told there."""

    def __init__(self, table, directory, name, mode="echo", count=0, port=None):
        self.table, self.directory, self.name = table, directory, name
        self.mode, self.count = mode, count
        self.port = port or free_port()
        self.addr = ("127.0.0.1", self.port)

    def start(self):
        self.process = self.table.spawn(
            [sys.executable, os.path.join(HERE, "tcp_member.py"), self.port, self.name, self.mode,
             self.count], cwd=self.directory, name=f"{self.name}-{self.port}")
        wait_until(lambda: socket.create_connection(self.addr, 1).close() is None, ANSWER_S,
                   f"{self.name} listens")
        return self


class Relay:
    """One endpoint. tell() is what the choice decides; stats() what the relay counted."""

    def __init__(self, table, directory, members, *options, listens=("127.0.0.1:0",)):
        argv = [relay_path(), *map(str, options)]
        for listen in listens:
            argv += ["--listen", listen]
        argv += [f"{m.name}=127.0.0.1:{m.port}" for m in members]
        self.errors_path = os.path.join(str(directory), "tcp-relay.log")
        with open(self.errors_path, "ab") as errors:
            self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                          stderr=errors, start_new_session=True)
        self.pid = self.popen.pid
        self.heard = b""
        table.on_close(self.close)
        self.ports = [int(self.line().split()[1]) for _ in listens]
        self.addr = ("127.0.0.1", self.ports[0])

    def line(self):
        deadline = time.monotonic() + ANSWER_S
        while b"\n" not in self.heard:
            left = deadline - time.monotonic()
            ready = select.select([self.popen.stdout], [], [], max(0, left))[0]
            chunk = os.read(self.popen.stdout.fileno(), 65536) if ready else b""
            assert chunk, f"no answer; {self.errors()}"
            self.heard += chunk
        line, _, self.heard = self.heard.partition(b"\n")
        return line.decode()

    def ask(self, *words):
        self.popen.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.popen.stdin.flush()
        return self.line()

    def tell(self, *words):
        assert self.ask(*words) == "ok"

    def stats(self):
        return json.loads(self.ask("stats"))

    def member(self, name):
        return self.stats()["members"][name]

    def connect(self, timeout_s=ANSWER_S):
        sock = socket.create_connection(self.addr, timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def errors(self):
        with open(self.errors_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def close(self):
        """Its end in order: a sanitizer's finding is an exit status."""
        if self.popen.poll() is None:
            try:
                self.popen.stdin.close()
                self.popen.wait(ANSWER_S)
            except (subprocess.TimeoutExpired, OSError):
                self.popen.kill()
                self.popen.wait(ANSWER_S)
        self.popen.stdout.close()
        assert self.popen.returncode == 0, f"{self.popen.returncode}: {self.errors()}"
