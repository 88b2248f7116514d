#!/usr/bin/python3
"""What the TCP relay costs, beside a direct connection and HAProxy (tcp mode), one thread each.

    tests/bench/tcp.py [--rounds N] [--requests N] [--only REGEX] [--quick] [--json]

The relay does not look at what it carries, so redis-benchmark in front of a redis-server is the
load: it is the quickest there is. Everything runs in a network namespace of its own, without
TIME_WAIT. Load generator, proxy and server share the machine's cores, so what a proxy costs shows as
less throughput for all; the CPU time of the proxy is told beside it. In every round each case runs
once with each candidate, in turn.

    query       256 bytes, a request at a time on each connection, as MySQL has it
    reply       16 kB and 1 MB
    reconnect   a connection for each request, as PHP without pconnect
    idle        connections that asked once and stay: memory of each

TCP_RELAY_RUN or HOLDFAST names the build: take a release one (meson setup --buildtype=release).
"""

import argparse
import json
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

from common import end_on_sigterm
from monitor_cost import cpu_seconds, memory_kb
from router import cell, enter_own_network

from lib import procs
from lib.ports import free_port
from lib.redis_server import RedisServer
from lib.tcp_relay import Relay
from lib.wait import wait_until

CANDIDATES = ["direct", "relay", "haproxy"]
IDLE_CLIENTS = 2000
OPEN_FILES = 20_000
TIMEOUT_S = 300


class Site:
    """One Redis, and by candidate where it is reached and the pid of the proxy."""

    def __init__(self, table, directory):
        self.table, self.directory = table, directory
        self.redis = RedisServer(table, directory, name="redis",
                                 extra=["maxclients 10000", "tcp-backlog 4096"]).start()
        self.redis.wait_ready()

    def start(self, candidate):
        """(address, pid or None, function that ends it) of a fresh one."""
        if candidate == "direct":
            return self.redis.addr, None, lambda: None
        table = procs.ProcessTable()
        if candidate == "relay":
            relay = Relay(table, self.directory, [Target(self.redis.port)], "--connections", 10000)
            return relay.addr, relay.pid, table.close
        port, path = free_port(), f"{self.directory}/haproxy.cfg"
        with open(path, "w", encoding="ascii") as file:
            file.write("global\n    nbthread 1\n    maxconn 9000\ndefaults\n    mode tcp\n"
                       "    timeout connect 1s\n    timeout client 1h\n    timeout server 1h\n"
                       f"listen redis\n    bind 127.0.0.1:{port} backlog 4096\n"
                       f"    server redis 127.0.0.1:{self.redis.port}\n")
        process = table.spawn(["haproxy", "-f", path], cwd=self.directory, name="haproxy")
        addr = ("127.0.0.1", port)
        wait_until(lambda: socket.create_connection(addr, 1).close() is None, 15, "haproxy listens")
        return addr, process.pid, table.close


class Target:
    """A member as the relay's command line names it."""

    def __init__(self, port):
        self.name, self.port = "redis", port


class LoadCase:
    metric, less_is_better = "per_second", False

    def __init__(self, name, clients, size, share=1.0, reconnect=False):
        self.name, self.clients, self.size = name, clients, size
        self.share, self.reconnect = share, reconnect
        self.samples = {candidate: [] for candidate in CANDIDATES}
        self.failures = []

    def measure(self, site, candidate, args):
        requests = max(100, int(args.requests * self.share))
        with site.redis.connect(10) as client:
            client.call("SET", "key:__rand_int__", b"x" * self.size)
        addr, pid, end = site.start(candidate)
        try:
            before = cpu_seconds(pid) if pid else 0.0
            argv = ["redis-benchmark", "-h", addr[0], "-p", str(addr[1]), "-c", str(self.clients),
                    "-n", str(requests), "-t", "get", "--csv"]
            done = subprocess.run(argv + (["-k", "0"] if self.reconnect else []), check=False,
                                  capture_output=True, text=True, timeout=TIMEOUT_S)
            rows = [line.strip('"').split('","') for line in done.stdout.splitlines()
                    if line.startswith('"GET"')]
            assert done.returncode == 0 and len(rows) == 1, f"{candidate}: {done.stderr[-300:]}"
            used = (cpu_seconds(pid) if pid else 0.0) - before
            return {"per_second": float(rows[0][1]), "p99_ms": float(rows[0][6]),
                    "proxy_cpu_us": used / requests * 1e6}
        finally:
            end()


class IdleCase:
    metric, less_is_better = "bytes_per_client", True

    def __init__(self):
        self.name = f"idle {IDLE_CLIENTS:,}"
        self.samples = {candidate: [] for candidate in CANDIDATES}
        self.failures = []

    @staticmethod
    def measure(site, candidate, _args):
        addr, pid, end = site.start(candidate)
        clients, pid = [], pid or site.redis.process.pid
        try:
            before_kb = memory_kb(pid)
            for _ in range(IDLE_CLIENTS):
                clients.append(socket.create_connection(addr, 10))
            for client in clients:
                client.sendall(b"PING\r\n")
            for client in clients:
                assert client.recv(100) == b"+PONG\r\n", candidate
            return {"bytes_per_client": (memory_kb(pid) - before_kb) * 1024 / IDLE_CLIENTS}
        finally:
            for client in clients:
                client.close()
            end()


def all_cases():
    return [LoadCase("query 1 client", 1, 256, 0.3), LoadCase("query 50 clients", 50, 256),
            LoadCase("query 500 clients", 500, 256), LoadCase("reply 16 kB", 50, 16384, 0.5),
            LoadCase("reply 1 MB", 10, 1 << 20, 0.02),
            LoadCase("reconnect 10 clients", 10, 256, 0.3, reconnect=True),
            LoadCase("reconnect 100 clients", 100, 256, 0.3, reconnect=True), IdleCase()]


def median(case, candidate, metric=None):
    values = [sample[metric or case.metric] for sample in case.samples[candidate]
              if (metric or case.metric) in sample]
    return statistics.median(values) if values else None


def gain(case, ours, theirs):
    """How many times as good: above 1 is better."""
    a, b = median(case, ours), median(case, theirs)
    if not a or not b:
        return None
    return b / a if case.less_is_better else a / b


def print_table(cases, args):
    print(f"{args.rounds} rounds, {args.requests:,} requests at most, medians; above 1 is better")
    print(f"{'':30}{'direct':>9}{'relay':>9}{'haproxy':>9}  {'r/direct':>8} {'r/haproxy':>9}"
          "   CPU µs of a request: relay, haproxy")
    for case in cases:
        unit = "B" if case.less_is_better else "/s"
        print(f"{case.name + ', ' + unit:30}" + "".join(cell(median(case, c)) for c in CANDIDATES)
              + "  " + cell(gain(case, "relay", "direct"), 8, 2) + " "
              + cell(gain(case, "relay", "haproxy"), 9, 2) + "   "
              + cell(median(case, "relay", "proxy_cpu_us"), 6, 1)
              + cell(median(case, "haproxy", "proxy_cpu_us"), 8, 1)
              + (f"   {len(case.failures)} FAILED" if case.failures else ""))
        for failure in case.failures:
            print(f"    {failure}")
    print("\nto reach:")
    for case in cases:
        value = gain(case, "relay", "haproxy")
        if value is not None:
            print(f"  {'reached    ' if value >= 1 else 'NOT REACHED'}  "
                  f"{case.name}: of HAProxy >= 1: {value:.2f}")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--only", default="", help="cases whose name has this regular expression")
    parser.add_argument("--quick", action="store_true", help="one short round, to try it")
    parser.add_argument("--json", action="store_true", help="all samples, for a program")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.requests = 1, 20_000
    return args


def run(cases, site, candidates, args):
    for number in range(args.rounds):
        for case in cases:
            for candidate in candidates:
                try:
                    sample = case.measure(site, candidate, args)
                    case.samples[candidate].append(sample)
                    text = f"{sample[case.metric]:,.0f}"
                except (AssertionError, OSError) as error:
                    case.failures.append(f"round {number + 1}: {candidate}: {error}")
                    text = f"FAILED: {error}"
                print(f"round {number + 1}: {case.name}: {candidate}: {text}", file=sys.stderr)


def main():
    args = parse_args()
    candidates = [c for c in CANDIDATES if c != "haproxy" or shutil.which("haproxy")]
    end_on_sigterm()
    procs.become_subreaper()
    enter_own_network()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    cases = [case for case in all_cases() if re.search(args.only, case.name)]
    table = procs.ProcessTable()
    directory = tempfile.mkdtemp(prefix="holdfast-bench-tcp-")
    try:
        run(cases, Site(table, directory), candidates, args)
    finally:  # one that is ended early tells what it has
        table.close()
        shutil.rmtree(directory, ignore_errors=True)
        if args.json:
            print(json.dumps([{"name": c.name, "metric": c.metric, "samples": c.samples,
                               "failures": c.failures} for c in cases], indent=1))
        else:
            print_table(cases, args)
    return 1 if any(case.failures for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
