"""Real clients find the master through the monitors and follow a failover, without a change in
their code. Each client writes in a loop and prints "OK <port of the master>" or "ERR <why>"."""

import json
import os
import pty
import select
import shutil
import subprocess
import threading

import pytest
import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from lib.resp import Bulk, as_dict, pairs
from lib.wait import wait_until

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
FOLLOWS_S = 30


def php_runs(code):
    return (shutil.which("php") is not None and
            subprocess.run(["php", "-r", code], capture_output=True, check=False).returncode == 0)


def node_has(module):
    return os.path.isdir(os.path.join(HERE, "node_modules", module))


def need(condition, why):
    if not condition:
        pytest.skip(why)


class Program:
    """A client program and the lines it has printed."""

    def __init__(self, site, argv):
        monitors = [f"{m.host}:{m.port}" for m in site.monitors]
        self.process = site.table.spawn(argv + [site.name] + monitors, cwd=site.dir,
                                        name=os.path.basename(argv[-1]).replace(".", "-"))

    def lines(self):
        return self.process.output().splitlines()

    def wrote_to(self, node, after=0):
        assert self.process.alive(), f"the client ended: {self.lines()[-5:]}"
        return f"OK {node.port}" in self.lines()[after:]


def follows_a_failover(site, program):
    wait_until(lambda: program.wrote_to(site.master), FOLLOWS_S, "the client writes to the master")
    old = site.master
    old.kill()
    new = site.wait_switched(old, FOLLOWS_S)
    mark = len(program.lines())
    wait_until(lambda: program.wrote_to(new, mark), FOLLOWS_S,
               "the client writes to the new master")
    mark = len(program.lines())
    wait_until(lambda: program.lines()[mark:].count(f"OK {new.port}") >= 5, FOLLOWS_S,
               "and goes on writing")


def test_phpredis_follows_a_failover(site):
    need(php_runs("exit(class_exists('RedisSentinel') ? 0 : 1);"), "php with redis is missing")
    s = site()
    follows_a_failover(s, Program(s, ["php", os.path.join(HERE, "phpredis.php")]))


def test_phpredis_understands_every_answer(site):
    need(php_runs("exit(class_exists('RedisSentinel') ? 0 : 1);"), "php with redis is missing")
    s = site()
    done = subprocess.run(["php", os.path.join(HERE, "phpredis_calls.php"), s.monitors[0].host,
                           str(s.monitors[0].port), s.name], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["ping"] is True
    assert said["addr"] == [s.master.host, str(s.master.port)]
    assert said["unknown"] in (False, [], None)
    assert said["master"]["flags"] == "master" and said["master"]["num-slaves"] == "2"
    assert [m["name"] for m in said["masters"]] == [s.name]
    assert {r["port"] for r in said["slaves"]} == {str(n.port) for n in s.nodes[1:]}
    assert {p["runid"] for p in said["sentinels"]} == set(s.ids[1:])
    assert said["ckquorum"] is True and said["flushconfig"] is True


def test_predis_follows_a_failover(site):
    need(php_runs("exit((include 'Predis/autoload.php') !== false ? 0 : 1);"),
         "php or Predis is missing")
    s = site()
    follows_a_failover(s, Program(s, ["php", os.path.join(HERE, "predis.php")]))


def test_ioredis_follows_a_failover(site):
    need(node_has("ioredis"), "run npm ci in tests/spec/clients")
    s = site()
    follows_a_failover(s, Program(s, ["node", os.path.join(HERE, "ioredis.js")]))


def test_node_redis_follows_a_failover(site):
    need(node_has("redis"), "run npm ci in tests/spec/clients")
    s = site()
    follows_a_failover(s, Program(s, ["node", os.path.join(HERE, "node_redis.js")]))


class RedisPyLoop:
    """The same loop with redis-py, in this process."""

    def __init__(self, site):
        self.sentinel = Sentinel([(m.host, m.port) for m in site.monitors], socket_timeout=0.5)
        self.client = self.sentinel.master_for(site.name, socket_timeout=0.5)
        self.replica = self.sentinel.slave_for(site.name, socket_timeout=0.5)
        self.said = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def lines(self):
        return list(self.said)

    def wrote_to(self, node, after=0):
        return f"OK {node.port}" in self.lines()[after:]

    def close(self):
        self._end.set()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self):
        number = 0
        while not self._end.wait(0.05):
            number += 1
            try:
                self.client.set("redis-py", number)
                port = self.client.connection_pool.master_address[1]
                self.said.append(f"OK {port}")
            except (redis.RedisError, MasterNotFoundError) as error:
                self.said.append(f"ERR {error}")


def test_redis_py_follows_a_failover(site):
    s = site()
    program = RedisPyLoop(s)
    s.table.on_close(program.close)
    assert program.sentinel.discover_master(s.name) == s.master.addr
    assert sorted(program.sentinel.discover_slaves(s.name)) == sorted(n.addr for n in s.nodes[1:])
    follows_a_failover(s, program)


def test_redis_py_reads_every_answer(site):
    s = site()
    client = redis.Redis(s.monitors[0].host, s.monitors[0].port, socket_timeout=2)
    assert client.ping()
    masters = client.sentinel_masters()
    assert masters[s.name]["is_master"] and masters[s.name]["num-other-sentinels"] == 2
    assert not masters[s.name]["is_sdown"]
    assert {r["port"] for r in client.sentinel_slaves(s.name)} == {n.port for n in s.nodes[1:]}
    assert len(client.sentinel_sentinels(s.name)) == 2
    host, port = client.sentinel_get_master_addr_by_name(s.name)
    assert (host.decode(), port) == s.master.addr
    assert client.sentinel_get_master_addr_by_name("unknown") is None
    assert client.info("sentinel")["sentinel_masters"] == 1
    assert client.role()[0] == b"sentinel"
    client.close()


def cli(monitor, *args, resp3=False):
    done = subprocess.run(["redis-cli", "-h", monitor.host, "-p", str(monitor.port)]
                          + (["-3"] if resp3 else []) + list(args), capture_output=True, text=True,
                          timeout=10, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_redis_cli_asks_and_is_answered(site):
    s = site(record=False)
    monitor = s.monitors[0]
    addr = [s.master.host, str(s.master.port)]
    assert cli(monitor, "sentinel", "get-master-addr-by-name", s.name) == addr
    for resp3 in (False, True):
        lines = cli(monitor, "sentinel", "master", s.name, resp3=resp3)
        assert "quorum" in " ".join(lines)
    assert cli(monitor, "role")[0] == "sentinel"
    assert any(line.startswith("master0:name=") for line in cli(monitor, "info", "sentinel"))
    old = s.master
    old.kill()
    new = s.wait_switched(old, FOLLOWS_S)
    assert cli(monitor, "sentinel", "get-master-addr-by-name", s.name) == [new.host, str(new.port)]


def test_redis_cli_at_a_terminal(site):
    """At a terminal redis-cli asks for COMMAND DOCS first, and must not stumble over the answer."""
    s = site(record=False)
    ours, theirs = pty.openpty()
    said = b""

    def heard(text):
        nonlocal said
        while select.select([ours], [], [], 0)[0]:
            said += os.read(ours, 65536)
        return text.encode() in said
    with subprocess.Popen(["redis-cli", "-p", str(s.monitors[0].port)], stdin=theirs,
                          stdout=theirs, stderr=theirs, start_new_session=True,
                          env=dict(os.environ, TERM="dumb")) as process:
        try:
            for command, answer in (("help sentinel", "SENTINEL"), ("ping", "PONG"),
                                    ("sentinel myid", s.ids[0])):
                os.write(ours, command.encode() + b"\n")
                wait_until(lambda text=answer: heard(text), 5, f"{answer} in {said!r}")
        finally:
            process.kill()
    os.close(ours)
    os.close(theirs)


def test_clients_that_read_by_position_find_their_fields(site):
    """Predis: name 1, ip 3, port 5, flags 9, master-link-status 31."""
    s = site(record=False)
    row = s.monitors[0].call("SENTINEL", "SLAVES", s.name)[0]
    assert all(isinstance(item, Bulk) for item in row)
    fields = as_dict(row)
    assert (row[1], row[3], row[5], row[9], row[31]) == tuple(
        fields[key] for key in ("name", "ip", "port", "flags", "master-link-status"))


def test_modern_handshakes_are_understood(site):
    """What redis-py 8, Predis 3 and node-redis 6 send in one write before the first question;
    errors are allowed for what came later than 7.0, closing is not."""
    s = site(record=False)
    with s.monitors[0].connect() as client:
        for args in (("HELLO", "3", "SETNAME", "modern"),
                     ("CLIENT", "SETINFO", "LIB-NAME", "x"), ("CLIENT", "SETINFO", "LIB-VER", "1"),
                     ("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "internal-ip"),
                     ("SENTINEL", "SENTINELS", s.name), ("SENTINEL", "MASTER", s.name),
                     ("SENTINEL", "REPLICAS", s.name)):
            client.send(*args)
        hello, *optional, sentinels, master, replicas = [client.read() for _ in range(7)]
        assert as_dict(hello)["proto"] == 3
        assert all(reply == "OK" or reply.startswith("ERR ") for reply in optional)
        assert len(sentinels) == 2 and dict(pairs(master))["name"] == s.name
        assert len(replicas) == 2
