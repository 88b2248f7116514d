#!/usr/bin/python3
"""What the router costs, beside a direct connection and HAProxy (tcp mode), one thread each.

    tests/bench/router.py [--rounds N] [--requests N] [--pages N] [--only REGEX] [--quick] [--json]

Everything runs in a network namespace of its own, without TIME_WAIT (what a connection for each
request leaves behind is what makes such figures swing). Load generator, proxy and server share the
machine's cores, so what a proxy costs shows as less throughput for all; the CPU time of proxy and
server is told beside it. In every round each case runs once with each candidate, in turn.

    GET, SET      redis-benchmark; every request is counted at the server (INFO commandstats)
    reconnect     the same with a connection for each request (-k 0)
      unix        to the proxies by their unix sockets, as programs on the same machine may; direct
                  is TCP, as Redis is elsewhere
    page          PHP, 8 workers: connect, AUTH, SELECT, 60 reads, 10 writes, close; every value
                  names its key, so a reply that belongs to another request is seen
      single      each command waits for its answer
      batch       the reads in one pipeline, the writes in another
      unix        to the proxies by their unix sockets
      far         0.5 ms each way in front of Redis: delay_relay.c (also for the direct connection,
                  whose handshake then costs a round trip too)
    idle          10,000 clients that asked once and stay: memory of each
    busy          1,000 clients at once, among the idle ones

HOLDFAST names the binary: take a release build (meson setup --buildtype=release).
"""

import argparse
import ctypes
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from common import end_on_sigterm
from monitor_cost import cpu_seconds, memory_kb

from lib import procs
from lib.monitor import Monitor, holdfast_path
from lib.ports import free_port
from lib.redis_server import RedisServer
from lib.resp import RespClient
from lib.wait import wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORD = "of-the-benchmark"
DELAY_US = 500  # each way
KEYS = 1000
WORKERS = 8
IDLE_CLIENTS = 10_000
BUSY_CLIENTS = 1_000
OPEN_FILES = 30_000  # wanted; what is allowed is taken
CLONE_NEWNET = 0x40000000
CANDIDATES = ["direct", "router", "haproxy"]
IDLE_MAX_BYTES = 4096


def enter_own_network():
    """A namespace with nothing but loopback, for this process and all it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        sys.exit(f"a network namespace needs root: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name, value in (("tcp_max_tw_buckets", "0"), ("ip_local_port_range", "32768 65000")):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
            file.write(value)


# ---- what is compared ----

class Place:
    """One Redis and the ways to it: address by candidate, and the processes of the proxies."""

    def __init__(self, name, redis, monitor, addrs):
        self.name, self.redis, self.monitor, self.addrs = name, redis, monitor, addrs
        self.proxies = {}
        self.unix_paths = {}


def start_router(table, directory, place, extra=()):
    port, path = free_port(), os.path.join(directory, f"router-{place.name}.sock")
    argv = [holdfast_path(), "router", "--master", place.name, "--sentinels",
            f"127.0.0.1:{place.monitor.port}", "--listen", f"127.0.0.1:{port}", "--listen",
            f"unix:{path}", "--clients",
            str(IDLE_CLIENTS + 2 * BUSY_CLIENTS), "--control", "none", *extra]
    process = table.spawn(argv, cwd=directory, name=f"router-{place.name}")
    place.proxies["router"], place.addrs["router"] = process, ("127.0.0.1", port)
    place.unix_paths["router"] = path


def start_haproxy(table, directory, place):
    port, target = free_port(), place.addrs["direct"][1]
    path = os.path.join(directory, f"haproxy-{place.name}.cfg")
    unix_path = os.path.join(directory, f"haproxy-{place.name}.sock")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"global\n    nbthread 1\n    maxconn {crowd_of('haproxy') + 2 * BUSY_CLIENTS - 100}\n"
                   "defaults\n    mode tcp\n    timeout connect 1s\n"
                   "    timeout client 1h\n    timeout server 1h\n"
                   f"listen redis\n    bind 127.0.0.1:{port}\n    bind unix@{unix_path}\n"
                   f"    server master 127.0.0.1:{target}\n")
    process = table.spawn(["haproxy", "-f", path], cwd=directory, name=f"haproxy-{place.name}")
    place.proxies["haproxy"], place.addrs["haproxy"] = process, ("127.0.0.1", port)
    place.unix_paths["haproxy"] = unix_path


def start_delay(table, directory, target):
    program = os.path.join(directory, "delay_relay")
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", program,
                    os.path.join(HERE, "delay_relay.c")], check=True)
    port = free_port()
    table.spawn([program, port, target, DELAY_US], cwd=directory, name="delay_relay")
    return ("127.0.0.1", port)


def start_places(table, directory, candidates):
    """near: no password. near-auth and far: one Redis with a password, at once and with delay."""
    large = [f"maxclients {IDLE_CLIENTS + 3 * BUSY_CLIENTS}", "tcp-backlog 4096"]
    plain = RedisServer(table, directory, name="plain", extra=large).start()
    locked = RedisServer(table, directory, name="locked", password=PASSWORD, extra=large).start()
    for server in (plain, locked):
        server.wait_ready()
    names = {"near": plain.addr, "near-auth": locked.addr,
             "far": start_delay(table, directory, locked.port)}
    conf = "".join(f"sentinel monitor {name} 127.0.0.1 {addr[1]} 1\n"
                   f"sentinel down-after-milliseconds {name} 5000\n"
                   + (f"sentinel auth-pass {name} {PASSWORD}\n" if name != "near" else "")
                   for name, addr in names.items())
    monitor = Monitor(table, directory, conf, kind="holdfast").start().wait_ready()
    places = [Place(name, plain if name == "near" else locked, monitor, {"direct": addr})
              for name, addr in names.items()]
    secret = os.path.join(directory, "secret")
    with open(secret, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as file:
        file.write(PASSWORD + "\n")
    for place in places:
        extra = ["--redis-password-file", secret] if place.redis is locked else []
        if "router" in candidates:
            start_router(table, directory, place, extra)
        if "haproxy" in candidates:
            start_haproxy(table, directory, place)
    for place in places:
        for candidate in candidates:
            wait_until(lambda p=place, c=candidate: answers(p, c), 15,
                       f"{candidate} serves {place.name}")
    return {place.name: place for place in places}


def connect(place, candidate):
    client = RespClient(place.addrs[candidate], timeout_s=10)
    if place.redis.password:
        assert client.call("AUTH", place.redis.password) == "OK"
    return client


def answers(place, candidate):
    with connect(place, candidate) as client:
        return client.call("SET", "probe", "1") == "OK" and str(client.call("GET", "probe")) == "1"


def server_facts(redis):
    """Calls by command, error replies and missed keys, as the server counts them."""
    calls = {name[8:]: int(re.match(r"calls=(\d+)", text).group(1))
             for name, text in redis.info("commandstats").items()}
    stats = redis.info("stats")
    return calls, int(stats["total_error_replies"]), int(stats["keyspace_misses"])


class Meter:
    """What a run cost and whether its work reached the server."""

    def __init__(self, place, candidate):
        self.place, self.candidate = place, candidate
        self.before = self.look()

    def look(self):
        proxy = self.place.proxies.get(self.candidate)
        return (server_facts(self.place.redis), cpu_seconds(proxy.pid) if proxy else 0.0,
                cpu_seconds(self.place.redis.process.pid))

    def finish(self, want, slack=0):
        """want: {command: calls}, which may be slack more; returns the CPU µs of each call."""
        after = self.look()
        (calls0, errors0, misses0), (calls1, errors1, misses1) = self.before[0], after[0]
        for command, least in want.items():
            done = calls1.get(command, 0) - calls0.get(command, 0)
            assert least <= done <= least + slack, \
                f"{self.candidate}: {done} {command} reached the server, not {least}"
        assert errors1 == errors0, f"{self.candidate}: {errors1 - errors0} error replies"
        assert misses1 == misses0, f"{self.candidate}: {misses1 - misses0} keys were not there"
        total = sum(want.values())
        return {"proxy_cpu_us": (after[1] - self.before[1]) / total * 1e6,
                "server_cpu_us": (after[2] - self.before[2]) / total * 1e6}


# ---- the cases ----

class Case:
    """One row of the table. Samples are dicts; `metric` is what is compared."""

    metric, less_is_better = "per_second", False

    def __init__(self, name, place):
        self.name, self.place = name, place
        self.samples = {candidate: [] for candidate in CANDIDATES}
        self.failures = []

    def measure(self, place, candidate, args):
        raise NotImplementedError

    def median(self, candidate, metric=None):
        values = [sample[metric or self.metric] for sample in self.samples[candidate]]
        return statistics.median(values) if values else None

    def gain(self, ours, theirs):
        """How many times as good, by median: throughput, or time the other way round."""
        a, b = self.median(ours), self.median(theirs)
        if not a or not b:
            return None
        return b / a if self.less_is_better else a / b


class BenchmarkCase(Case):
    """redis-benchmark. SET comes before GET in the list of cases, so every key is there."""

    def __init__(self, command, clients, pipeline, size, reconnect=False, by_unix=False):
        what = "reconnect" if reconnect else f"pipeline {pipeline}"
        what = "unix" if by_unix else what
        super().__init__(f"{command} {clients} clients, {what}, "
                         + (f"{size >> 10} kB" if size >= 1024 else f"{size} B"), "near")
        self.command, self.clients, self.pipeline = command, clients, pipeline
        self.size, self.reconnect, self.by_unix = size, reconnect, by_unix

    def where(self, place, candidate):
        if self.by_unix and candidate in place.unix_paths:
            return ["-s", place.unix_paths[candidate]]
        host, port = place.addrs[candidate]
        return ["-h", host, "-p", str(port)]

    def measure(self, place, candidate, args):
        with place.redis.connect(10) as client:
            client.call("DEL", *[f"key:{number:012}" for number in range(KEYS)])
            for number in range(KEYS):
                client.call("SET", f"key:{number:012}", b"x" * self.size)
        meter = Meter(place, candidate)
        argv = ["redis-benchmark", *self.where(place, candidate), "-c", str(self.clients), "-P",
                str(self.pipeline), "-d", str(self.size), "-n", str(args.requests),
                "-r", str(KEYS), "-t", self.command.lower(), "--csv"]
        done = subprocess.run(argv + (["-k", "0"] if self.reconnect else []), check=False,
                              capture_output=True, text=True, timeout=300)
        rows = [line.strip('"').split('","') for line in done.stdout.splitlines()
                if line.startswith(f'"{self.command}"')]
        said = "".join(line for line in done.stderr.splitlines()
                       if "Keepalive disabled" not in line).strip()
        assert done.returncode == 0 and len(rows) == 1 and not said, \
            f"{candidate}: {done.stdout[-300:]} {done.stderr[-300:]}"
        sample = meter.finish({self.command.lower(): args.requests},
                              slack=2 * self.clients * self.pipeline)
        return dict(sample, per_second=float(rows[0][1]), p50_ms=float(rows[0][4]),
                    p99_ms=float(rows[0][6]))


class PageCase(Case):
    metric, less_is_better = "page_ms", True

    def __init__(self, place, shape, by_unix=False):
        super().__init__(f"page {shape}{', unix' if by_unix else ''}, {place}", place)
        self.shape, self.by_unix = shape, by_unix

    def measure(self, place, candidate, args):
        with place.redis.connect(10) as client:
            assert client.call("SELECT", 1) == "OK"
            for number in range(KEYS):
                text = f"value of page:{number};"
                assert client.call("SET", f"page:{number}", text.ljust(256, ".")) == "OK"
        table = procs.ProcessTable()
        directory = tempfile.mkdtemp(prefix="holdfast-bench-page-")
        meter = Meter(place, candidate)
        try:
            is_path = self.by_unix and candidate in place.unix_paths
            host, port = (place.unix_paths[candidate], 0) if is_path else place.addrs[candidate]
            begin_at = time.time() + 1
            workers = [table.spawn(["php", os.path.join(HERE, "clients", "page.php"), host, port,
                                    PASSWORD, self.shape, args.pages, begin_at, number],
                                   cwd=directory, name=f"worker-{number}")
                       for number in range(WORKERS)]
            for worker in workers:
                assert worker.wait(300) == 0, worker.output()
            told = [json.loads(worker.output()) for worker in workers]
        finally:
            table.close()
            shutil.rmtree(directory, ignore_errors=True)
        for one in told:
            assert not one["failed"] and not one["wrong"] and one["error"] is None, \
                f"{candidate}: {one['failed']} failed, {one['wrong']} wrong, {one['error']}"
        sample = meter.finish({"get": sum(one["reads"] for one in told),
                               "setex": sum(one["writes"] for one in told)})
        times = [ms for one in told for ms in one["ms"]]
        busy_s = max(sum(one["ms"]) for one in told) / 1000
        return dict(sample, page_ms=statistics.median(times), per_second=len(times) / busy_s,
                    p99_ms=statistics.quantiles(times, n=100)[98])


def crowd_of(candidate):
    """HAProxy needs two descriptors for a client: it gets as many clients as may be."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(IDLE_CLIENTS, allowed // 2 - 2 * BUSY_CLIENTS) if candidate == "haproxy" \
        else IDLE_CLIENTS


class CrowdCase(Case):
    """10,000 clients that are idle, then 1,000 busy ones among them."""

    metric, less_is_better = "bytes_per_client", True

    def __init__(self):
        super().__init__(f"{IDLE_CLIENTS:,} idle clients", "near")

    def measure(self, place, candidate, args):
        """With a proxy of its own: one that was busy before would have memory to spare."""
        table = procs.ProcessTable()
        directory = tempfile.mkdtemp(prefix="holdfast-bench-crowd-")
        fresh = Place(place.name, place.redis, place.monitor, {"direct": place.redis.addr})
        try:
            if candidate == "router":
                start_router(table, directory, fresh)
            elif candidate == "haproxy":
                start_haproxy(table, directory, fresh)
            wait_until(lambda: answers(fresh, candidate), 15, f"{candidate} serves")
            return self.crowd(fresh, candidate, args)
        finally:
            table.close()
            shutil.rmtree(directory, ignore_errors=True)

    @staticmethod
    def crowd(place, candidate, args):
        process = place.proxies.get(candidate) or place.redis.process
        before_kb = memory_kb(process.pid)
        clients = []
        try:
            for _ in range(crowd_of(candidate)):
                clients.append(socket.create_connection(place.addrs[candidate], 10))
            for client in clients:
                client.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n")
            for client in clients:
                assert client.recv(100) == b"$1\r\n1\r\n", candidate
            used_kb = memory_kb(process.pid) - before_kb
            busy = BenchmarkCase("GET", BUSY_CLIENTS, 1, 256).measure(place, candidate, args)
            for client in clients:
                client.sendall(b"PING\r\n")
            for client in clients:
                assert client.recv(100) == b"+PONG\r\n", f"{candidate}: an idle client was lost"
        finally:
            for client in clients:
                client.close()
        return dict(busy, bytes_per_client=used_kb * 1024 / len(clients))


def all_cases():
    cases = [BenchmarkCase(command, clients, pipeline, size)
             for size in (256, 16384) for pipeline in (1, 16) for clients in (50, 500)
             for command in ("SET", "GET")]
    cases += [BenchmarkCase("GET", clients, 1, 256, reconnect=True, by_unix=by_unix)
              for by_unix in (False, True) for clients in (50, 500)]
    cases += [PageCase(place, shape, by_unix) for place in ("near-auth", "far")
              for shape in ("single", "batch") for by_unix in (False, True)]
    return cases + [CrowdCase()]


# ---- telling ----

def is_plain(case):
    return isinstance(case, BenchmarkCase) and not case.reconnect


def targets(cases):
    """(what, value, reached) for each thing that the router is to reach."""
    rows = []

    def add(case, what, value, bound, at_most=False):
        if value is not None:
            rows.append((f"{case.name}: {what} {'<=' if at_most else '>='} {bound}", value,
                         value <= bound if at_most else value >= bound))
    for case in cases:
        direct = case.gain("router", "direct")
        if is_plain(case) and case.clients == 50 and case.pipeline == 1:
            add(case, "of direct", direct, 0.95)
        if isinstance(case, BenchmarkCase) and case.reconnect:
            add(case, "of direct", direct, 1.0)
        if isinstance(case, PageCase) and case.place == "far" and direct:
            add(case, "of the direct time", 1 / direct, 0.6, at_most=True)
        if isinstance(case, CrowdCase):
            add(case, "bytes for each", case.median("router"), IDLE_MAX_BYTES, at_most=True)
        add(case, "of HAProxy", case.gain("router", "haproxy"), 1.0)
    return rows


def cell(value, width=9, digits=0):
    return f"{'-' if value is None else format(value, f',.{digits}f'):>{width}}"


def print_table(cases, args):
    print(f"{args.rounds} rounds, {args.requests:,} requests each, medians; ratios are the gain: "
          "above 1 is better than the other")
    print(f"{'':38}{'direct':>9}{'router':>9}{'haproxy':>9}  {'r/direct':>8} {'h/direct':>8} "
          f"{'r/haproxy':>9}   CPU µs of a request: router, haproxy; Redis direct, router")
    for case in cases:
        digits = 2 if case.metric == "page_ms" else 0
        unit = {"per_second": "/s", "page_ms": "ms", "bytes_per_client": "B"}[case.metric]
        print(f"{case.name + ', ' + unit:38}"
              + "".join(cell(case.median(name), 9, digits) for name in CANDIDATES) + "  "
              + cell(case.gain("router", "direct"), 8, 2) + " "
              + cell(case.gain("haproxy", "direct"), 8, 2) + " "
              + cell(case.gain("router", "haproxy"), 9, 2) + "   "
              + cell(case.median("router", "proxy_cpu_us"), 6, 1)
              + cell(case.median("haproxy", "proxy_cpu_us"), 6, 1)
              + cell(case.median("direct", "server_cpu_us"), 8, 1)
              + cell(case.median("router", "server_cpu_us"), 6, 1)
              + (f"   {len(case.failures)} FAILED" if case.failures else ""))
        for failure in case.failures:
            print(f"    {failure}")
    print("\nto reach:")
    for what, value, reached in targets(cases):
        print(f"  {'reached    ' if reached else 'NOT REACHED'}  {what}: {value:,.2f}")


def as_json(cases, args):
    return {"rounds": args.rounds, "requests": args.requests, "pages": args.pages,
            "cases": [{"name": case.name, "metric": case.metric, "samples": case.samples,
                       "failures": case.failures} for case in cases],
            "targets": [{"what": what, "value": value, "reached": reached}
                        for what, value, reached in targets(cases)]}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200_000, help="of a redis-benchmark run")
    parser.add_argument("--pages", type=int, default=200, help="of each of the 8 workers")
    parser.add_argument("--only", default="", help="cases whose name has this regular expression")
    parser.add_argument("--candidates", default=",".join(CANDIDATES))
    parser.add_argument("--quick", action="store_true", help="one short round, to try it")
    parser.add_argument("--json", action="store_true", help="all samples, for a program")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.requests, args.pages = 1, 20_000, 20
    return args


def run(cases, places, candidates, args):
    for number in range(args.rounds):
        for case in cases:
            for candidate in candidates:
                try:
                    sample = case.measure(places[case.place], candidate, args)
                    case.samples[candidate].append(sample)
                    text = f"{sample[case.metric]:,.2f}"
                except (AssertionError, OSError) as error:
                    case.failures.append(f"round {number + 1}: {error}")
                    text = f"FAILED: {error}"
                print(f"round {number + 1}: {case.name}: {candidate}: {text}", file=sys.stderr)


def main():
    args = parse_args()
    candidates = [name for name in CANDIDATES if name in args.candidates.split(",")]
    if "haproxy" in candidates and shutil.which("haproxy") is None:
        print("haproxy is not installed: its column is left out", file=sys.stderr)
        candidates.remove("haproxy")
    end_on_sigterm()
    procs.become_subreaper()
    enter_own_network()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    cases = [case for case in all_cases() if re.search(args.only, case.name)]
    table = procs.ProcessTable()
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    try:
        run(cases, start_places(table, directory, candidates), candidates, args)
    finally:  # one that is ended early tells what it has
        table.close()
        shutil.rmtree(directory, ignore_errors=True)
        if args.json:
            print(json.dumps(as_json(cases, args), indent=1))
        else:
            print_table(cases, args)
    return 1 if any(case.failures for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
