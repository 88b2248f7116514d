"""tests/probe/health_run: this node's health endpoints and the HAProxy side, on a site that a test
writes down."""

import copy
import http.client
import json
import os

from lib.monitor import TOP
from lib.ports import free_port
from lib.procs import Server
from lib.wait import wait_until

START_S = 20


def health_run_path():
    return os.path.abspath(os.environ.get(
        "HEALTH_RUN", os.path.join(TOP, "build", "tests", "probe", "health_run")))


def member(name, verdict="ready", **more):
    return dict({"name": name, "verdict": verdict, "address": f"{name}:80", "reason": ""}, **more)


def shop():
    """A web node of a shop: two web servers, this node runs the first; a database for all."""
    return {
        "node": "w1", "is_started": True, "is_known": True, "has_majority": True,
        "services": [
            {"name": "web", "kind": "http",
             "members": [member("w1", is_here=True), member("w2")]},
            {"name": "db", "kind": "galera", "is_shared": True,
             "endpoint": {"address": "127.0.0.1:3306", "serves": True},
             "members": [member("d1"), member("d2")]}]}


class HealthRun(Server):
    """servers: rows of "[+]SERVICE/MEMBER=BACKEND/SERVER" for the Runtime API at haproxy_socket."""

    def __init__(self, table, directory, *, name="health", haproxy_socket=None, servers=()):
        self.table, self.name = table, name
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir, exist_ok=True)
        self.port, self.check_port, self.agent_port = free_port(), free_port(), free_port()
        self.args = [self.port, self.check_port, self.agent_port]
        if haproxy_socket:
            self.args += [haproxy_socket, *servers]
        self.fifo = os.path.join(self.dir, "input")
        os.mkfifo(self.fifo)
        self.applied = 0
        self.site = shop()
        self._input = None

    def start(self, site=None):
        self.process = self.table.spawn(
            ["/bin/sh", "-c", f'exec "$0" "$@" <{self.fifo}', health_run_path(), *self.args],
            cwd=self.dir, name=self.name)
        self._input = open(self.fifo, "wb", buffering=0)  # waits until it is read
        self.table.on_close(self._input.close)
        wait_until(lambda: "ready\n" in self.process.output(), START_S, "health_run listens")
        self.applied = 0
        self.apply(site or self.site)
        return self

    def apply(self, site):
        """Returns when the site is served."""
        self.site = copy.deepcopy(site)
        self._input.write(json.dumps(site).encode() + b"\n")
        self.applied += 1
        wait_until(lambda: self.process.output().count("applied\n") >= self.applied, START_S,
                   "the site is applied", every_s=0.001)

    def set_member(self, service, name, **fields):
        site = copy.deepcopy(self.site)
        for row in site["services"]:
            for one in row["members"]:
                if row["name"] == service and one["name"] == name:
                    one.update(fields)
        self.apply(site)

    def release(self):
        """In order: hands HAProxy back and ends."""
        self._input.write(b"release\n")
        assert self.process.wait(START_S) == 0, self.process.output()

    def ask(self, path, method="GET", port=None):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=10)
        try:
            connection.request(method, path)
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read().decode()
        finally:
            connection.close()

    def ask_json(self, path):
        status, _, body = self.ask(path)
        return status, json.loads(body)
