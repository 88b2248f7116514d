#!/usr/bin/python3
"""What clients see of a failover: through the router, with discovery of their own, through HAProxy.

    tests/bench/failover_errors.py [--rounds N] [--json] [--ways router,sentinel,haproxy]
                                   [--monitors redis,holdfast] [--faults killed,...] [--clients N]

Fifty clients (PHP pages of WordPress with phpredis and Predis, PHP sessions with locks, W3 Total
Cache's WATCH and MULTI, redis-py, ioredis, node-redis) while the master is killed, stopped, killed
and started again, partitioned, shut down, and switched by SENTINEL FAILOVER. Every round runs each
case once, in turn. Down-after is 1000 ms for ours and 2000 ms for redis-sentinel, which at 1000
sometimes deposes the new master again.

The router holds requests as long as --hold says (10 s here, so that it outlasts any of the
failovers) with --retry-writes idempotent, and its clients wait for 15 s; those of the other ways
wait for 1 s as the WordPress plugin does, since nobody holds anything for them. HAProxy asks every
second for role:master, as the usual recipe has it.

A gap is the time a client went without one success, its own pauses left out; beyond the promotion
is how much of the gap was left when the new master said that it is one.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time

from common import available_kinds, end_on_sigterm

from lib import netns, procs
from lib.ports import free_port
from lib.resp import RespClient
from lib.router_traffic import SiteRouter, preload
from lib.site import Site
from lib.wait import wait_until

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients")
WAYS = ["router", "sentinel", "haproxy"]
FAULTS = ["killed", "stopped", "restarted", "partitioned", "shut down", "switched"]
MIX = [("wordpress", 24), ("predis", 6), ("session", 6), ("w3tc", 4), ("redis_py", 4),
       ("ioredis", 3), ("node_redis", 3)]
PROGRAMS = {"redis_py": [sys.executable, "load.py"], "ioredis": ["node", "load.js"],
            "node_redis": ["node", "load.js"]}
DATA, MONITORS = ["data1", "data2", "data3"], ["mon1", "mon2", "mon3"]
DOWN_AFTER_MS = {"redis": 2000, "holdfast": 1000}
START_S, FAILOVER_S, RECOVER_S, END_S = 40, 20, 12, 40
BEFORE_S, AFTER_S, ZOMBIE_S = 1.5, 1.0, 5.0
SUMS = ["reads", "reads_failed", "writes", "writes_failed", "others", "others_failed", "aborted",
        "pages", "pages_failed", "foreign", "closed", "acked"]

HAPROXY = """
global
    maxconn 1000
    nbthread 1
defaults
    mode tcp
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout check 1s
listen redis
    bind 127.0.0.1:{port}
    option tcp-check
    tcp-check connect
    tcp-check send PING\\r\\n
    tcp-check expect string +PONG
    tcp-check send info\\ replication\\r\\n
    tcp-check expect string role:master
    tcp-check send QUIT\\r\\n
    tcp-check expect string +OK
{servers}
"""


def pass_time(seconds):
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 5, "time passes")


class Promotion(threading.Thread):
    """Asks the replicas for their role, and notes when the first one is a master."""

    def __init__(self, nodes):
        super().__init__(daemon=True)
        self.nodes, self.at_ms = nodes, None
        self.end = threading.Event()

    def run(self):
        clients = {}
        while self.at_ms is None and not self.end.wait(0.005):
            for node in self.nodes:
                try:
                    if node not in clients:
                        clients[node] = node.connect()
                    is_master = clients[node].call("ROLE")[0] == "master"
                except (OSError, EOFError):  # who is promoted has its clients closed
                    clients.pop(node, None)
                    continue
                if is_master and self.at_ms is None:
                    self.at_ms = time.time() * 1000
        for client in clients.values():
            client.close()


class Load:
    """The clients of one run."""

    def __init__(self, site, way, address, clients, timeout_s, net):
        self.stop = os.path.join(site.dir, "stop")
        self.began = time.time() * 1000
        self.programs = []
        scale = clients / sum(count for _, count in MIX)
        kinds = [kind for kind, count in MIX for _ in range(max(1, round(count * scale)))]
        for number, kind in enumerate(kinds):
            program = PROGRAMS.get(kind, ["php", "load.php"])
            if program[0] == "php" and shutil.which("php") is None:
                continue
            self.programs.append(site.table.spawn(
                [program[0], os.path.join(HERE, program[1]), kind, str(number), address,
                 str(timeout_s), self.stop], cwd=site.dir, name=f"client{number}", netns=net))

    def last_success(self, program):
        with open(program.output_path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 400))
            lines = [line for line in file.read().split(b"\n") if line.startswith(b"T ")]
        return float(lines[-1][2:]) if lines and lines[-1][2:].isdigit() else 0.0

    def all_since(self, moment_ms):
        for program in self.programs:
            if not program.alive():
                raise AssertionError(f"{program.name} ended: {program.output()[-600:]}")
        return all(self.last_success(program) > moment_ms for program in self.programs)

    def wait_all(self, within_s):
        """Every client succeeds from now on; False when one does not in time."""
        now = time.time() * 1000
        try:
            wait_until(lambda: self.all_since(now), within_s, every_s=0.1)
            return True
        except AssertionError:
            return False

    def finish(self):
        with open(self.stop, "w", encoding="utf-8"):
            pass
        said = []
        for program in self.programs:
            program.wait(END_S)
            last = program.output().strip().splitlines()[-1:]
            assert last and last[0].startswith("{"), f"{program.name}: {program.output()[-600:]}"
            said.append(json.loads(last[0]))
        return said


class Case:
    """One way to the master, one kind of monitor, one fault."""

    def __init__(self, way, kind, fault, clients):
        self.way, self.kind, self.fault, self.clients = way, kind, fault, clients
        self.results, self.failures = [], []

    @property
    def label(self):
        return f"{self.fault}, {self.kind}: {self.way}"

    def run(self):
        table = procs.ProcessTable()
        directory = tempfile.mkdtemp(prefix="holdfast-bench-")
        net = netns.Network(DATA + MONITORS + ["app"]) if self.fault == "partitioned" else None
        try:
            where = {"network": net, "hosts": (DATA, MONITORS)} if net else {}
            site = Site(table, directory, kinds=[self.kind] * 3, failover_timeout_ms=10000,
                        down_after_ms=DOWN_AFTER_MS[self.kind], **where).start(record=False)
            self.results.append(self.measure(site, net))
        finally:
            table.close()
            if net:
                net.close()
            shutil.rmtree(directory, ignore_errors=True)

    def address(self, site, net):
        if self.way == "router":
            router = SiteRouter(site, "--hold", "10s", "--retry-writes", "idempotent",
                                host="app" if net else None).start()
            return f"127.0.0.1:{router.port}"
        if self.way == "sentinel":
            return f"{site.name}@" + ",".join(f"{m.host}:{m.port}" for m in site.monitors)
        port, path = free_port(), os.path.join(site.dir, "haproxy.cfg")
        servers = "\n".join(f"    server r{i} {node.host}:{node.port} check inter 1s fall 2 rise 1 "
                            "on-marked-down shutdown-sessions" for i, node in enumerate(site.nodes))
        with open(path, "w", encoding="utf-8") as file:
            file.write(HAPROXY.format(port=port, servers=servers))
        space = net["app"].name if net else None
        site.table.spawn(["haproxy", "-db", "-f", path], cwd=site.dir, name="haproxy", netns=space)

        def answers():
            with RespClient(("127.0.0.1", port), timeout_s=1, netns=space) as client:
                return client.call("PING") == "PONG"
        wait_until(answers, 10, "HAProxy has a master")
        return f"127.0.0.1:{port}"

    def strike(self, site, net):
        master = site.master
        if self.fault in ("killed", "restarted"):
            master.kill()
        elif self.fault == "stopped":
            master.stop()
        elif self.fault == "partitioned":
            net.block("app", "data1")  # before the replicas: a cut parts all at once
            net.cut(["data1"])
        elif self.fault == "shut down":
            threading.Thread(target=master.shutdown, daemon=True).start()
        else:
            site.monitors[0].ok("SENTINEL", "FAILOVER", site.name)

    def return_of_the_old(self, site, net):
        """What was away comes back, as a master of before."""
        if self.fault == "restarted":
            site.master.restart().wait_ready()
        elif self.fault == "stopped":
            site.master.cont()
        elif self.fault == "partitioned":
            net.heal()
        elif self.fault != "switched":
            return
        pass_time(ZOMBIE_S)

    def measure(self, site, net):
        preload(site.master)
        for node in site.nodes[1:]:
            wait_until(lambda n=node: n.call("DBSIZE") == site.master.call("DBSIZE"), 5)
        timeout_s = 15 if self.way == "router" else 1
        load = Load(site, self.way, self.address(site, net), self.clients, timeout_s,
                    net["app"].name if net else None)
        wait_until(lambda: load.all_since(load.began), START_S, "every client has begun",
                   every_s=0.1)
        pass_time(BEFORE_S)
        promotion = Promotion(site.nodes[1:])
        promotion.start()
        struck_ms = time.time() * 1000
        self.strike(site, net)
        wait_until(lambda: promotion.at_ms, FAILOVER_S, "somebody is promoted")
        has_recovered = load.wait_all(RECOVER_S)
        self.return_of_the_old(site, net)
        pass_time(AFTER_S)
        said = load.finish()
        new = wait_until(lambda: site.agreed_master(), FAILOVER_S, "the monitors agree")
        return self.judge(said, site.node_at(new), struck_ms, promotion.at_ms, has_recovered)

    def judge(self, said, master, struck_ms, promoted_ms, has_recovered):
        result = {name: sum(one[name] for one in said) for name in SUMS}
        gaps = [(begin, end) for one in said for begin, end in one["gaps"] if end > struck_ms]
        result["promoted_ms"] = round(promoted_ms - struck_ms)
        result["longest_ms"] = round(max([end - begin for begin, end in gaps], default=0))
        result["beyond_ms"] = round(max([end - max(begin, promoted_ms) for begin, end in gaps],
                                        default=0))
        result["recovered"] = has_recovered
        result["lost"] = 0
        for one in said:
            if one["acked"]:
                held = int(master.call("GET", f"count:{one['id']}") or 0)
                result["lost"] += max(0, one["acked"] - held)
        errors = {}
        for one in said:
            for text, times in one["errors"].items():
                name = f"{one['kind']}: {text}"
                errors[name] = errors.get(name, 0) + times
        result["errors"] = errors
        return result

    def as_json(self):
        return {"way": self.way, "monitors": self.kind, "fault": self.fault,
                "rounds": self.results, "failures": self.failures}


def worst(case, name):
    return max(result[name] for result in case.results)


def total(case, name):
    return sum(result[name] for result in case.results)


COLUMNS = [("pages", total, "pages"), ("failed", total, "pages_failed"),
           ("reads failed", total, "reads_failed"), ("idempotent", total, "writes_failed"),
           ("others", total, "others_failed"), ("lost INCR", total, "lost"),
           ("foreign", total, "foreign"), ("closed", total, "closed"),
           ("promoted ms", worst, "promoted_ms"), ("longest ms", worst, "longest_ms"),
           ("beyond ms", worst, "beyond_ms")]


def print_table(cases):
    for group in dict.fromkeys((case.fault, case.kind) for case in cases):
        columns = [case for case in cases if (case.fault, case.kind) == group]
        print(f"\nmaster {group[0]}, {group[1]} monitors   (sums of all rounds; times: the worst)")
        print(f"  {'':9}" + "".join(f"{title:>13}" for title, _, _ in COLUMNS))
        for case in columns:
            note = f"   {len(case.failures)} RUNS FAILED" if case.failures else ""
            if any(not result["recovered"] for result in case.results):
                note += "   some clients did not come back"
            if case.results:
                print(f"  {case.way:9}" + "".join(
                    f"{how(case, name):>13}" for _, how, name in COLUMNS) + note)
            else:
                print(f"  {case.way:9}{note}")


def broken_promises(case):
    """What the router says and this run contradicts. Replication is asynchronous: what a master that
    is cut off or killed had acknowledged a moment before may be lost with it."""
    if case.way != "router" or not case.results:
        return []
    wanted = {"reads_failed": 0, "writes_failed": 0, "foreign": 0, "closed": 0, "beyond_ms": 200}
    if case.fault in ("restarted", "switched"):
        wanted["lost"] = 0
    return [f"{case.label}: {name} {worst(case, name)}" for name, most in wanted.items()
            if worst(case, name) > most]


def show_errors(case):
    for result in case.results[-1:]:
        for text, times in sorted(result["errors"].items(), key=lambda item: -item[1])[:6]:
            print(f"    {times} x {text[:150]}", file=sys.stderr)


def chosen_cases(args):
    kinds = [kind for kind in available_kinds() if kind in args.monitors.split(",")]
    ways = [way for way in args.ways.split(",") if way != "haproxy" or shutil.which("haproxy")]
    faults = args.faults.split(",")
    if netns.unavailable() and "partitioned" in faults:
        print(f"no partitions: {netns.unavailable()}", file=sys.stderr)
        faults.remove("partitioned")
    return [Case(way, kind, fault, args.clients) for fault in faults for kind in kinds
            for way in ways]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="all results, for a program")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--monitors", default="redis,holdfast")
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--clients", type=int, default=50)
    args = parser.parse_args()
    end_on_sigterm()
    procs.become_subreaper()
    cases = chosen_cases(args)
    for number in range(args.rounds):
        for case in cases:
            try:
                case.run()
                result = case.results[-1]
                print(f"round {number + 1}: {case.label}: " + ", ".join(
                    f"{title} {result[name]}" for title, _, name in COLUMNS), file=sys.stderr)
                show_errors(case)
            except AssertionError as error:
                case.failures.append(str(error))
                print(f"round {number + 1}: {case.label}: {error}", file=sys.stderr)
    broken = [line for case in cases for line in broken_promises(case)]
    if args.json:
        print(json.dumps({"cases": [case.as_json() for case in cases], "broken": broken},
                         indent=1))
    else:
        print_table(cases)
        print("\n" + ("\n".join(["the router broke its promise:"] + broken) if broken
                      else "the router kept its promises"))
    return 1 if broken or any(case.failures for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
