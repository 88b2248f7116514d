#!/usr/bin/python3
"""What one monitor costs: CPU seconds and memory with 100 masters and 200 replicas.

    tests/bench/monitor_cost.py [--masters 100] [--replicas 2] [--seconds 30] [--rounds 2] [--json]

The redis-servers are started once. The monitors watch the same ones in turn (together they would
find each other and talk), each with a fresh file, measured after discovery has settled.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time

from common import available_kinds, end_on_sigterm, ratio, spread

from lib import procs
from lib.monitor import Monitor
from lib.redis_server import RedisServer
from lib.wait import wait_until

SETTLE_S = 12  # One INFO period of 10 s, so that every node was asked at least once.
SMALL = ["hz 1", "activerehashing no", "io-threads 1", "repl-backlog-size 16kb",
         "client-output-buffer-limit replica 1mb 1mb 60", "maxclients 64"]


def start_servers(table, directory, masters, replicas):
    """Groups of one master and its replicas, started side by side."""
    groups = []
    for number in range(masters):
        group = [RedisServer(table, directory, name=f"m{number}", extra=SMALL)]
        group += [RedisServer(table, directory, name=f"m{number}r{index}", replicaof=group[0],
                              extra=SMALL) for index in range(replicas)]
        for server in group:
            server.start()
        groups.append(group)
    for group in groups:
        for server in group:
            server.wait_ready(60)
    for group in groups:
        for server in group[1:]:
            wait_until(lambda s=server, m=group[0]: s.follows(m.addr), 120, f"{server} in sync")
    return groups


def cpu_seconds(pid):
    """CPU time of all threads, to the nanosecond where the kernel has schedstat."""
    total_ns = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total_ns += int(file.read().split()[0])
        return total_ns / 1e9
    except FileNotFoundError:
        return procs.proc_stat(pid)[2] / os.sysconf("SC_CLK_TCK")


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def measure(kind, groups, directory, seconds):
    table = procs.ProcessTable()
    try:
        conf = "".join(f"sentinel monitor m{number} {group[0].host} {group[0].port} 1\n"
                       f"sentinel down-after-milliseconds m{number} 5000\n"
                       for number, group in enumerate(groups))
        place = tempfile.mkdtemp(dir=directory)
        monitor = Monitor(table, place, conf, kind=kind).start().wait_ready()

        def complete():
            info = monitor.info("sentinel")
            return all("status=ok," in info[f"master{n}"]
                       and f"slaves={len(groups[0]) - 1}," in info[f"master{n}"]
                       for n in range(len(groups)))
        wait_until(complete, 60, f"{monitor} has discovered everything")
        settled = time.monotonic() + SETTLE_S
        wait_until(lambda: time.monotonic() >= settled, SETTLE_S + 5, every_s=0.2)
        pid = monitor.process.pid
        began, before = time.monotonic(), cpu_seconds(pid)
        wait_until(lambda: time.monotonic() - began >= seconds, seconds + 5, every_s=0.2)
        took_s, used_s = time.monotonic() - began, cpu_seconds(pid) - before
        assert complete(), "a node was lost while measuring"
        return {"cpu_percent": used_s / took_s * 100, "cpu_s": used_s,
                "rss_mb": memory_kb(pid) / 1024, "fds": len(os.listdir(f"/proc/{pid}/fd"))}
    finally:
        table.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masters", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=2, help="of each master")
    parser.add_argument("--seconds", type=float, default=30, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    end_on_sigterm()
    procs.become_subreaper()
    kinds = available_kinds()
    samples = {kind: [] for kind in kinds}
    table = procs.ProcessTable()
    directory = tempfile.mkdtemp(prefix="holdfast-cost-")
    try:
        groups = start_servers(table, directory, args.masters, args.replicas)
        for number in range(args.rounds):
            for kind in kinds:
                samples[kind].append(measure(kind, groups, directory, args.seconds))
                print(f"round {number + 1}: {kind}: {samples[kind][-1]}", file=sys.stderr)
    finally:
        table.close()
        shutil.rmtree(directory, ignore_errors=True)
    if args.json:
        print(json.dumps({"masters": args.masters, "replicas": args.replicas,
                          "seconds": args.seconds, "samples": samples}, indent=1))
        return 0
    print(f"{args.masters} masters, {args.masters * args.replicas} replicas, one monitor, "
          f"{args.rounds} rounds of {args.seconds:g} s (min / median / max)")
    for kind in kinds:
        for metric in ("cpu_s", "cpu_percent", "rss_mb", "fds"):
            values = [sample[metric] for sample in samples[kind]]
            print(f"  {kind:9} {metric:12} " + " / ".join(f"{v:8.2f}" for v in spread(values)))
    if {"holdfast", "redis"} <= set(kinds):
        for metric in ("cpu_s", "rss_mb"):
            ours, theirs = ([s[metric] for s in samples[k]] for k in ("holdfast", "redis"))
            print(f"  ratio holdfast/redis {metric}: {ratio(ours, theirs)}   (to reach: 0.5)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
