"""One monitor process of either kind, its configuration file and what it says."""

import os
import shutil

from lib.conf import ConfState
from lib.events import EventRecorder
from lib.ports import free_port
from lib.procs import Server
from lib.resp import RespClient, RespError, as_dict
from lib.wait import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
START_S = 10


def holdfast_path():
    return os.path.abspath(os.environ.get("HOLDFAST", os.path.join(TOP, "build", "holdfast")))


def command_for(kind):
    """The argv before the configuration file."""
    if kind == "holdfast":
        return [holdfast_path(), "sentinel"]
    assert kind == "redis", kind
    return [os.environ.get("REDIS_SENTINEL") or shutil.which("redis-sentinel")]


class Monitor(Server):
    """A sentinel.conf and the process that runs on it; kind may change between two starts."""

    def __init__(self, table, directory, conf, *, kind, name="monitor", host="127.0.0.1",
                 port=None, netns=None, password=None, tls=None, args=()):
        self.table, self.kind, self.name, self.host = table, kind, name, host
        self.port, self.netns, self.args = port or free_port(), netns, list(args)
        self.password, self.tls = password, tls
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir, exist_ok=True)
        self.conf_path = os.path.join(self.dir, "sentinel.conf")
        self.log_path = os.path.join(self.dir, f"{name}.log")
        self.process = None
        self.recorder = None
        head = [f"tls-port {self.port}\nport 0" if tls else f"port {self.port}",
                f"dir {self.dir}", f"logfile {self.log_path}"]
        if not host.startswith("127."):
            head.append(f"bind {host} 127.0.0.1")
        self.write_conf("\n".join(head) + "\n" + conf)

    def __repr__(self):
        return f"{self.name}({self.kind})@{self.host}:{self.port}"

    @property
    def addr(self):
        return (self.host, self.port)

    def write_conf(self, text):
        with open(self.conf_path, "w", encoding="utf-8") as file:
            file.write(text if text.endswith("\n") else text + "\n")

    def conf_text(self):
        with open(self.conf_path, encoding="utf-8") as file:
            return file.read()

    def state(self):
        return ConfState(self.conf_text())

    def log_text(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def start(self, kind=None):
        assert not self.alive(), f"{self} runs already"
        self.kind = kind or self.kind
        self.process = self.table.spawn(command_for(self.kind) + [self.conf_path] + self.args,
                                        cwd=self.dir, name=self.name, netns=self.netns)
        return self

    def wait_ready(self, within_s=START_S):
        wait_until(lambda: self.call("PING") == "PONG", within_s, f"{self} answers PING")
        return self

    def connect(self, timeout_s=2.0, hello=None):
        client = RespClient(self.addr, timeout_s=timeout_s, netns=self.netns,
                            tls=self.tls.context() if self.tls else None)
        if self.password:
            client.call("AUTH", self.password)
        if hello is not None:
            reply = client.call("HELLO", hello)
            assert not isinstance(reply, RespError), reply
        return client

    def call(self, *args, timeout_s=2.0):
        with self.connect(timeout_s) as client:
            return client.call(*args)

    def ok(self, *args):
        """A command that must not be answered with an error."""
        reply = self.call(*args)
        assert not isinstance(reply, RespError), f"{self}: {args}: {reply}"
        return reply

    def record(self):
        """Start recording its events (once); the recorder ends with the process table."""
        if self.recorder is None:
            self.recorder = EventRecorder(self.addr, netns=self.netns, password=self.password,
                                          tls=self.tls.context() if self.tls else None)
            self.table.on_close(self.recorder.close)
        return self.recorder.wait_ready()

    def master_addr(self, name):
        reply = self.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        return (str(reply[0]), int(reply[1])) if isinstance(reply, list) else None

    def master(self, name):
        reply = self.call("SENTINEL", "MASTER", name)
        if isinstance(reply, RespError):
            raise ValueError(reply)
        return as_dict(reply)

    def _instances(self, what, name):
        reply = self.call("SENTINEL", what, name)
        if isinstance(reply, RespError):
            raise ValueError(reply)
        return [as_dict(item) for item in reply]

    def replicas(self, name):
        return self._instances("REPLICAS", name)

    def sentinels(self, name):
        return self._instances("SENTINELS", name)

    def info(self, section="everything"):
        return dict(line.split(":", 1) for line in self.call("INFO", section).splitlines()
                    if ":" in line)
