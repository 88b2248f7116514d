"""A real redis-server under the hand of a test."""

import os
import shutil
import time

from lib.ports import free_port
from lib.procs import Server
from lib.resp import RespClient, RespError
from lib.wait import wait_until

START_S = 10


class RedisServer(Server):
    """One data node. start() does not wait (start many, then wait_ready() each)."""

    def __init__(self, table, directory, *, name="redis", host="127.0.0.1", port=None, netns=None,
                 replicaof=None, appendonly=False, password=None, priority=None, extra=(),
                 tls=None, plain_port=None):
        self.table, self.name, self.host, self.netns = table, name, host, netns
        self.port = port or free_port()
        self.password, self.tls = password, tls
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir, exist_ok=True)
        self.conf_path = os.path.join(self.dir, "redis.conf")
        self.log_path = os.path.join(self.dir, f"{name}.log")
        self.process = None
        lines = [f"bind {host}" + ("" if host.startswith("127.") else " 127.0.0.1"),
                 f"dir {self.dir}", f"logfile {self.log_path}", 'save ""',
                 f"appendonly {'yes' if appendonly else 'no'}", "protected-mode no",
                 "repl-diskless-sync yes", "repl-diskless-sync-delay 0",
                 "repl-ping-replica-period 1", "databases 2"]
        lines.append(f"port {plain_port or 0}\ntls-port {self.port}" if tls else
                     f"port {self.port}")
        if password:
            lines += [f"requirepass {password}", f"masterauth {password}"]
        if priority is not None:
            lines.append(f"replica-priority {priority}")
        if replicaof is not None:
            lines.append(f"replicaof {replicaof.host} {replicaof.port}")
        with open(self.conf_path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines + list(extra)) + "\n")

    @property
    def addr(self):
        return (self.host, self.port)

    def __repr__(self):
        return f"{self.name}@{self.host}:{self.port}"

    def start(self):
        self.process = self.table.spawn(["redis-server", self.conf_path], cwd=self.dir,
                                        name=self.name, netns=self.netns)
        return self

    def wait_ready(self, within_s=START_S):
        wait_until(lambda: self.call("PING") == "PONG", within_s, f"{self} answers PING")
        return self

    def connect(self, timeout_s=2.0):
        client = RespClient(self.addr, timeout_s=timeout_s, netns=self.netns,
                            tls=self.tls.context() if self.tls else None)
        if self.password:
            reply = client.call("AUTH", self.password)
            assert reply == "OK", reply
        return client

    def call(self, *args, timeout_s=2.0):
        with self.connect(timeout_s) as client:
            return client.call(*args)

    def info(self, section):
        reply = self.call("INFO", section)
        if isinstance(reply, RespError):
            raise ValueError(reply)
        return dict(line.split(":", 1) for line in reply.splitlines() if ":" in line)

    def is_master(self):
        return self.info("replication")["role"] == "master"

    def follows(self, addr):
        """True when it replicates from addr and the link is up."""
        info = self.info("replication")
        return (info["role"] == "slave" and info["master_link_status"] == "up"
                and (info["master_host"], int(info["master_port"])) == tuple(addr))

    def shutdown(self):
        """A clean SHUTDOWN, as an operator does it."""
        with self.connect() as client:
            client.send("SHUTDOWN", "NOSAVE")
        self.process.wait(10)

    def restart(self, with_data=True):
        """Start again after the end; without data its directory is emptied, conf kept."""
        assert not self.alive(), f"{self} still runs"
        if not with_data:
            for name in os.listdir(self.dir):
                if name.endswith(".rdb"):
                    os.unlink(os.path.join(self.dir, name))
            shutil.rmtree(os.path.join(self.dir, "appendonlydir"), ignore_errors=True)
        return self.start()


def start_all(servers):
    """Start servers side by side and wait until each answers."""
    for server in servers:
        server.start()
    deadline = time.monotonic() + START_S
    for server in servers:
        server.wait_ready(max(0.1, deadline - time.monotonic()))
    return servers
