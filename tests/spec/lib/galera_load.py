"""Clients that write to a Galera cluster, and the account of what came of their rows."""

import collections
import dataclasses
import json
import os
import shutil
import sys
import time

from lib.galera_template import APP_DATABASE
from lib.wait import wait_until

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "galera_clients")
PROGRAMS = {"page": ["php", "writer.php"], "persistent": ["php", "writer.php"],
            "python": [sys.executable, "writer.py"]}
END_S = 90
TAIL_BYTES = 4000


def missing_clients():
    """Why the clients cannot run here, or None."""
    return None if shutil.which("php") else "php is not installed"


def now_ms():
    """The clock of the clients' times."""
    return time.monotonic() * 1000


class Load:
    """Running clients. kinds: how many of each; the logs are read by finish()."""

    def __init__(self, table, directory, address, *, namespace=None, kinds=None, timeout_s=10,
                 pause_ms=10, name="load"):
        kinds = kinds or {"page": 2, "persistent": 1, "python": 1}
        self.stop_path = os.path.join(directory, f"{name}.stop")
        self.programs = []
        for kind, count in kinds.items():
            program, script = PROGRAMS[kind]
            for number in range(count):
                client = f"{name}-{kind}{number}"
                self.programs.append(table.spawn(
                    [program, os.path.join(CLIENTS, script), kind, client,
                     f"{address[0]}:{address[1]}", timeout_s, pause_ms, self.stop_path],
                    cwd=directory, name=client, netns=namespace))

    def wait_all_succeed(self, within_s=30):
        """Every client has a success that began after this call."""
        now = now_ms()
        wait_until(lambda: all(self._last_success(p) > now for p in self.programs), within_s,
                   "every client succeeds")
        return self

    def wait_some_fail(self, within_s=30):
        now = now_ms()
        wait_until(lambda: any(not line["ok"] and line["done_ms"] > now
                               for program in self.programs for line in self._tail(program)),
                   within_s, "a client fails")

    def finish(self):
        """Ends the clients; every line they wrote, by time sent."""
        with open(self.stop_path, "w", encoding="utf-8"):
            pass
        lines = []
        for program in self.programs:
            assert program.wait(END_S) == 0, f"{program.name}: {program.output()[-600:]}"
            lines += parse_log(program.output(), program.name)
        return sorted(lines, key=lambda line: line["sent_ms"])

    @staticmethod
    def _tail(program):
        assert program.alive(), f"{program.name} ended: {program.output()[-600:]}"
        with open(program.output_path, "rb") as file:
            file.seek(0, os.SEEK_END)
            start = max(0, file.tell() - TAIL_BYTES)
            file.seek(start)
            text = file.read().decode(errors="replace")
        whole = text[:text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in (whole[1:] if start else whole)]

    def _last_success(self, program):
        return max((line["sent_ms"] for line in self._tail(program) if line["ok"]), default=0.0)


def parse_log(text, name):
    lines = []
    for line in text.splitlines():
        assert line.startswith("{"), f"{name} said: {line}"
        lines.append(json.loads(line))
    assert lines, f"{name} has written nothing"
    return lines


@dataclasses.dataclass
class Audit:
    """What came of a load.

    errors             by MariaDB's code; stages where they happened
    longest_stall_ms   the longest time in which one client got nothing acknowledged
    lost               ids that were acknowledged and that a node does not hold
    differing          ids that some nodes hold and others do not
    unacknowledged     rows that are there though their client got an error
    overlaps           pairs of kept rows of two nodes whose writes ran at the same time
    """

    acknowledged: int
    errors: dict
    stages: dict
    longest_stall_ms: float
    lost: list
    differing: list
    unacknowledged: int
    overlaps: int
    by_node: dict

    def __str__(self):
        return (f"{self.acknowledged} acknowledged, errors {self.errors or 'none'}, longest stall "
                f"{self.longest_stall_ms:.0f} ms, {len(self.lost)} lost, {len(self.differing)} "
                f"differing, {self.unacknowledged} kept without an answer, {self.overlaps} "
                f"overlaps, rows by node {self.by_node}")


def audit_rows(cluster, logs):
    """Compares the logs of finished loads with what every running, Synced node holds."""
    held = {node: dict(node.sql(f"SELECT id, server_id FROM {APP_DATABASE}.written", timeout_s=30,
                               is_current=True))
            for node in cluster.nodes if node.running() and node.is_synced()}
    assert held, "no node is Synced: nobody can say what is there"
    return account(logs, list(held.values()))


def account(logs, tables):
    """The audit of logs against the tables of the nodes, each {id: server_id}."""
    everywhere = set.intersection(*(set(rows) for rows in tables))
    somewhere = {id_: node for rows in tables for id_, node in rows.items()}
    acknowledged = [line for line in logs if line["ok"]]
    failed = [line for line in logs if not line["ok"]]
    kept = [line for line in logs if line["write_ms"] is not None
            and (line["ok"] or line["id"] in somewhere)]
    return Audit(
        acknowledged=len(acknowledged),
        errors=dict(collections.Counter(line["code"] for line in failed)),
        stages=dict(collections.Counter(line["stage"] for line in failed)),
        longest_stall_ms=longest_stall_ms(logs),
        lost=sorted(line["id"] for line in acknowledged if line["id"] not in everywhere),
        differing=sorted(set(somewhere) - everywhere),
        unacknowledged=sum(line["id"] in somewhere for line in failed),
        overlaps=overlaps(kept, somewhere),
        by_node=dict(collections.Counter(somewhere.get(line["id"], line["node"])
                                         for line in kept)))


def longest_stall_ms(logs):
    """From one success of a client (or its first attempt) to its next (or its last answer)."""
    longest, last = 0.0, {}
    for line in sorted(logs, key=lambda line: line["done_ms"]):
        client = line["client"]
        last.setdefault(client, line["sent_ms"])
        longest = max(longest, line["done_ms"] - last[client])
        if line["ok"]:
            last[client] = line["done_ms"]
    return longest


def overlaps(kept, nodes):
    """Pairs of rows written on two nodes, each while the other was being written."""
    pairs, open_writes = 0, []
    for line in sorted(kept, key=lambda line: line["write_ms"]):
        node = nodes.get(line["id"], line["node"])
        open_writes = [other for other in open_writes if other[0] > line["write_ms"]]
        pairs += sum(other[1] != node for other in open_writes)
        open_writes.append((line["done_ms"], node))
    return pairs
