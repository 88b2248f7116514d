"""One `holdfast router` process: its options, its ports, and what it says of itself."""

import json
import os
import subprocess

from lib.monitor import holdfast_path
from lib.ports import free_port
from lib.procs import Server
from lib.resp import RespClient, RespError
from lib.wait import wait_until

START_S = 10
FIND_S = 10
STATUS_S = 10


class Router(Server):
    """Listens on a free port (and on .unix when asked), in front of the monitors it is given.

    sentinels       monitors, or (host, port) pairs
    args            more options, as they are written: "--hold", "2s", "--cache"
    reads_replicas  also opens .replica_port with --listen-replicas
    redis_password, sentinel_password
                    put into files for the router to read
    user, password  what our own connections to it say first; not an option of the router
    """

    def __init__(self, table, directory, sentinels, *, master="mymaster", name="router",
                 host="127.0.0.1", port=None, netns=None, args=(), unix=False,
                 reads_replicas=False, redis_user=None, redis_password=None, sentinel_user=None,
                 sentinel_password=None, user=None, password=None, env=None):
        self.table, self.name, self.host, self.netns, self.env = table, name, host, netns, env
        self.user, self.password = user, password
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir, exist_ok=True)
        self.port = port or free_port()
        self.replica_port = free_port() if reads_replicas else None
        self.unix = os.path.join(self.dir, "redis.sock") if unix else None
        self.control = os.path.join(self.dir, "control.sock")
        self.log_path = os.path.join(self.dir, f"{name}.log")
        self.process = None
        self.starts = 0
        addrs = [getattr(sentinel, "addr", sentinel) for sentinel in sentinels]
        self.args = ["--master", master, "--sentinels", ",".join(f"{h}:{p}" for h, p in addrs),
                     "--listen", f"{host}:{self.port}", "--control", self.control,
                     "--log-file", self.log_path]
        if self.unix:
            self.args += ["--listen", f"unix:{self.unix}"]
        if self.replica_port:
            self.args += ["--listen-replicas", f"{host}:{self.replica_port}"]
        self._add_login("redis", redis_user, redis_password)
        self._add_login("sentinel", sentinel_user, sentinel_password)
        self.args += [str(arg) for arg in args]
        threads = os.environ.get("HOLDFAST_ROUTER_THREADS")  # ./check --soak, with ThreadSanitizer
        if threads and "--threads" not in self.args:
            self.args += ["--threads", threads]

    def __repr__(self):
        return f"{self.name}@{self.host}:{self.port}"

    def _add_login(self, where, user, password):
        if user:
            self.args += [f"--{where}-user", user]
        if password:
            self.args += [f"--{where}-password-file", self.write_secret(where, password)]

    def write_secret(self, name, text):
        """A file that only its owner reads; returns its path."""
        path = os.path.join(self.dir, f"{name}.secret")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                  encoding="utf-8") as file:
            file.write(text + "\n")
        return path

    @property
    def addr(self):
        return (self.host, self.port)

    @property
    def replica_addr(self):
        return (self.host, self.replica_port)

    # ---- the process ----

    def spawn(self, *more):
        """A process with the same arguments: the first one, or one that takes over."""
        self.starts += 1
        self.process = self.table.spawn([holdfast_path(), "router", *self.args, *more],
                                        cwd=self.dir, name=f"{self.name}-{self.starts}",
                                        netns=self.netns, env=self.env)
        return self.process

    def start(self, *more):
        assert not self.alive(), f"{self} runs already"
        self.spawn(*more)
        return self

    def wait_ready(self, within_s=START_S):
        """It answers PING, with or without a master."""
        def answers():
            assert self.alive(), f"{self} ended: {self.process.output()}{self.log_text()}"
            return self.call("PING") == "PONG"
        wait_until(answers, within_s, f"{self} answers PING")
        return self

    def wait_routes(self, within_s=FIND_S):
        """A request reaches Redis and its answer comes back."""
        self.wait_ready()

        def routes():
            reply = self.call("GET", "holdfast-router-is-ready")
            if isinstance(reply, RespError):
                raise ValueError(reply)
            return True
        wait_until(routes, within_s, f"{self} reaches a master")
        return self

    def log_text(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # ---- a client ----

    def connect(self, timeout_s=3.0, hello=None, addr=None):
        """A connection, logged in; addr is .addr, or .unix, or .replica_addr."""
        client = RespClient(addr or self.addr, timeout_s=timeout_s, netns=self.netns)
        login = [word for word in (self.user, self.password) if word]
        first = [["AUTH", *login]] if login else []
        first += [["HELLO", hello]] if hello is not None else []
        for words in first:
            reply = client.call(*words)
            if isinstance(reply, RespError):
                client.close()
                raise ValueError(reply)
        return client

    def call(self, *args, timeout_s=3.0):
        with self.connect(timeout_s) as client:
            return client.call(*args)

    def ok(self, *args):
        """A command that must not be answered with an error."""
        reply = self.call(*args)
        assert not isinstance(reply, RespError), f"{self}: {args}: {reply}"
        return reply

    # ---- what it says ----

    def _status(self, form):
        done = subprocess.run([holdfast_path(), "status", form, "--control", self.control],
                              capture_output=True, text=True, check=False, timeout=STATUS_S)
        if not done.stdout:  # it is not there (yet), and wait_until() takes that as "not true"
            raise ValueError(done.stderr.strip())
        return done.stdout

    def status(self):
        """As `holdfast status --json` prints it, also while there is no master."""
        return json.loads(self._status("--json"))

    def metrics(self):
        """{name with its labels: value} of `holdfast status --metrics`."""
        lines = (line.rsplit(" ", 1) for line in self._status("--metrics").splitlines()
                 if line and not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def count(self, name):
        return self.status()["counts"][name]

    def master_addr(self):
        """Where it sends requests, as (host, port); None while it knows of no master."""
        master = self.status()["master"]
        if not master["is_known"]:
            return None
        host, _, port = master["address"].rpartition(":")
        return (host.strip("[]"), int(port))

    def wait_follows(self, node, within_s=FIND_S):
        wait_until(lambda: self.master_addr() == node.addr, within_s, f"{self} follows {node}")
        return self
