#!/usr/bin/python3
"""How long a failover takes, holdfast and redis-sentinel side by side.

    tests/bench/failover.py [--rounds N] [--json] [--seed S] [--down-after 1000,5000]

Three monitors, quorum 2, one master, two replicas, all on loopback. Every round runs each case
once, in turn (so that a slow minute of the machine hits all alike); the master gets SIGKILL or
SIGSTOP at a random phase. Times are milliseconds after the signal:

    +sdown          the first monitor says that the master is down for it
    +odown          the first one says that the quorum agrees
    client write    a client that asks the monitors has its first write taken by the new master
    +switch first   the first monitor announces the new master
    +switch all     every monitor has announced it
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time

from common import available_kinds, end_on_sigterm, ratio, spread

from lib import procs
from lib.site import Site
from lib.wait import wait_until
from lib.writer import Writer

METRICS = ["+sdown", "+odown", "client write", "+switch first", "+switch all"]
SETTLE_S = (1.5, 3.0)
DEADLINE_S = 25


class Case:
    """One column: which monitor, which signal, which settings."""

    def __init__(self, kind, number, down_after_ms, refused_after_ms=None):
        self.kind, self.number = kind, number
        self.down_after_ms, self.refused_after_ms = down_after_ms, refused_after_ms
        self.samples = {metric: [] for metric in METRICS}
        self.failures = []

    @property
    def label(self):
        refused = f" refused-after {self.refused_after_ms}" if self.refused_after_ms else ""
        return f"{self.kind}{refused}"

    @property
    def group(self):
        return f"{self.number.name} of the master, down-after {self.down_after_ms} ms"

    def as_json(self):
        return {"monitor": self.kind, "signal": self.number.name,
                "down_after_ms": self.down_after_ms, "refused_after_ms": self.refused_after_ms,
                "samples_ms": self.samples, "failures": self.failures}


def measure(case, chance):
    """One failover; returns {metric: ms}."""
    table = procs.ProcessTable()
    directory = tempfile.mkdtemp(prefix="holdfast-bench-")
    try:
        site = Site(table, directory, kinds=[case.kind] * 3, down_after_ms=case.down_after_ms,
                    failover_timeout_ms=10000, refused_after_ms=case.refused_after_ms).start()
        writer = Writer([m.addr for m in site.monitors]).start()
        table.on_close(writer.close)
        at = time.monotonic() + chance.uniform(*SETTLE_S)
        wait_until(lambda: time.monotonic() >= at and writer.acked(), 10, every_s=0.001)
        old = site.master
        struck_at = time.monotonic()
        old.process.signal(case.number)
        within_s = case.down_after_ms / 1000 + DEADLINE_S
        recorders = [m.recorder for m in site.monitors]
        switches = [r.wait("+switch-master", site.name, within_s).at for r in recorders]
        wait_until(lambda: writer.acked(not_at=old.addr), within_s, "the client writes again")
        first = {name: min(e.at for r in recorders for e in r.find(name, f"master {site.name}"))
                 for name in ("+sdown", "+odown")}
        seen = {"+sdown": first["+sdown"], "+odown": first["+odown"],
                "client write": writer.acked(not_at=old.addr)[0].done_at,
                "+switch first": min(switches), "+switch all": max(switches)}
        return {metric: round((when - struck_at) * 1000, 1) for metric, when in seen.items()}
    finally:
        table.close()
        shutil.rmtree(directory, ignore_errors=True)


def cases_for(kinds, down_afters):
    cases = []
    for number in (signal.SIGKILL, signal.SIGSTOP):
        for down_after_ms in down_afters:
            cases += [Case(kind, number, down_after_ms) for kind in kinds]
            if "holdfast" in kinds:
                cases.append(Case("holdfast", number, down_after_ms, refused_after_ms=100))
    return cases


def print_table(cases):
    for group in dict.fromkeys(case.group for case in cases):
        columns = [case for case in cases if case.group == group]
        reference = next((c for c in columns if c.kind == "redis"), None)
        print(f"\n{group}   (ms after the signal: min / median / max)")
        for case in columns:
            runs = len(case.samples["+switch all"])
            against = "" if case is reference or reference is None else "   ratio to redis"
            print(f"  {case.label}, {runs} runs" + (f", {len(case.failures)} FAILED"
                                                     if case.failures else "") + against)
            for metric in METRICS:
                values = spread(case.samples[metric])
                if values is None:
                    continue
                text = " / ".join(f"{value:7.0f}" for value in values)
                compared = "" if not against else \
                    f"   {ratio(case.samples[metric], reference.samples[metric])}"
                print(f"    {metric:14} {text}{compared}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="all samples, for a program")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--down-after", default="1000,5000", help="milliseconds, comma separated")
    args = parser.parse_args()
    end_on_sigterm()
    procs.become_subreaper()
    chance = random.Random(args.seed)
    cases = cases_for(available_kinds(), [int(ms) for ms in args.down_after.split(",")])
    for number in range(args.rounds):
        for case in cases:
            try:
                for metric, ms in measure(case, chance).items():
                    case.samples[metric].append(ms)
            except AssertionError as error:
                case.failures.append(str(error))
            last = case.samples["+switch all"][-1:] or ["failed"]
            print(f"round {number + 1}: {case.group}: {case.label}: {last[0]}", file=sys.stderr)
    if args.json:
        print(json.dumps({"seed": args.seed, "cases": [case.as_json() for case in cases]},
                         indent=1))
    else:
        print_table(cases)
        print(f"\nseed {args.seed}")
    return 1 if any(case.failures for case in cases) else 0


if __name__ == "__main__":
    sys.exit(main())
