#!/usr/bin/python3
"""What clients see of a Galera node that is up and not fit to serve, behind HAProxy's mysql-check.

    tests/bench/galera_haproxy.py [--cases joiner,donor,desynced,non-primary,read-only]
                                  [--ways roundrobin,backup] [--hold S] [--ballast-mb N] [--json]
                                  [--endpoint HOST:PORT [--endpoint-command CMD]]

Three MariaDB nodes and HAProxy 2.6 as the how-tos set it up (mode tcp, option mysql-check, inter 2s
fall 3 rise 2), round robin over the three or the first with two backups. Five clients (PHP pages, a
PHP and a python connection that last) write through it, while the first node

    joiner       has lost its data and comes back by a full state transfer
    donor        gives a full state transfer (mariadb-backup) to the third
    desynced     has wsrep_desync=ON for --hold seconds
    non-primary  is cut off from the others, not from the clients, for --hold seconds
    read-only    has read_only=ON for --hold seconds

A request counts as sent to an unfit node when the node said of itself, at the look before the
request and at the one after, that it was not Synced, not Primary, not ready, or read-only. The
errors are those of the whole case. Requests to a donor or a desynced node can succeed: the account
says where they went, the errors say what it cost.

--endpoint adds a column for holdfast: its address as the clients' host sees it (10.77.0.4, where
127.0.0.1 is its own). --endpoint-command is run there first; {nodes} in it becomes the nodes as
HOST:PORT,HOST:PORT,HOST:PORT, {dir} a directory that is removed at the end.
"""

import argparse
import collections
import json
import os
import shlex
import shutil
import sys
import tempfile
import threading

from common import end_on_sigterm

from lib import netns, procs
from lib.galera import STATE_TRANSFER_S, GaleraCluster, audit_rows, unavailable
from lib.galera_load import missing_clients, now_ms
from lib.wait import wait_until

CASES = ["joiner", "donor", "desynced", "non-primary", "read-only"]
WAYS = ["roundrobin", "backup"]
TARGET, OTHER = 1, 3
KINDS = {"page": 3, "persistent": 1, "python": 1}
HAPROXY_PORT = 3307
LOOK_S = 0.01
BEFORE_S, AFTER_S, READY_S, ENDPOINT_S = 1.0, 1.0, 60, 60
CLIENT_TIMEOUT_S = 10
BALLAST_ROW_BYTES = 200

HAPROXY = """
global
    maxconn 1000
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen galera
    bind 127.0.0.1:{port}
    balance roundrobin
    option mysql-check user haproxy_check
    default-server check inter 2s fall 3 rise 2
{servers}
"""


def pass_time(seconds):
    until = now_ms() + seconds * 1000
    wait_until(lambda: now_ms() >= until, seconds + 5, "time passes")


class Watcher(threading.Thread):
    """Asks one node all the time what it is; looks holds (time in ms, what is wrong or None)."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node, self.looks, self.connection = node, [], None
        self.end = threading.Event()

    def run(self):
        while not self.end.wait(LOOK_S):
            began = now_ms()
            try:
                wrong = self.look()
            except OSError:
                wrong, self.connection = "away", None
            self.looks.append((began, wrong))

    def look(self):
        if self.connection is None:
            self.connection = self.node.connect(timeout_s=1)
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_state', "
                               "'wsrep_cluster_status', 'wsrep_ready')")
                status = dict(cursor.fetchall())
                cursor.execute("SELECT @@global.read_only")
                read_only = cursor.fetchone()[0]
        except Exception as error:  # of pymysql or of the socket: the node does not answer
            raise OSError(str(error)) from error
        if status["wsrep_cluster_status"] != "Primary":
            return "non-primary"
        if status["wsrep_local_state"] != "4":
            return f"state {status['wsrep_local_state']}"
        if status["wsrep_ready"] != "ON":
            return "not ready"
        return "read-only" if read_only else None

    def close(self):
        self.end.set()
        if self.ident is not None:
            self.join(10)

    def unfit_at(self, moment_ms):
        before = after = None
        for at, wrong in self.looks:
            if at <= moment_ms:
                before = wrong
            else:
                after = wrong
                break
        return before is not None and after is not None

    def unfit_s(self):
        """How long it answered and was unfit."""
        pairs = zip(self.looks, self.looks[1:])
        return sum(later - at for (at, wrong), (later, _) in pairs
                   if wrong not in (None, "away")) / 1000


class Case:
    """One fault, one way to the nodes."""

    def __init__(self, args, fault, way):
        self.args, self.fault, self.way = args, fault, way

    def run(self):
        table = procs.ProcessTable()
        directory = tempfile.mkdtemp(prefix="holdfast-galera-bench-")
        try:
            method = "mariabackup" if self.fault == "donor" else "rsync"
            extra = {"wsrep_sst_donor": f"db{TARGET},"} if self.fault == "donor" else {}
            cluster = GaleraCluster(table, directory, namespaces=True, sst_method=method,
                                    extra=extra).start()
            if self.fault in ("joiner", "donor"):
                self.fatten(cluster)
            return self.measure(cluster, self.address(cluster, table, directory))
        finally:
            table.close()
            shutil.rmtree(directory, ignore_errors=True)

    def fatten(self, cluster):
        cluster.sql(2, "CREATE TABLE app.ballast (id INT PRIMARY KEY, filler CHAR(200))")
        rows = self.args.ballast_mb * (1 << 20) // BALLAST_ROW_BYTES
        for first in range(1, rows, 50000):
            last = min(rows, first + 49999)
            cluster.sql(2, "INSERT INTO ballast SELECT seq, REPEAT('x', 200) "
                        f"FROM seq_{first}_to_{last}", timeout_s=120, database="app")
        cluster.wait_synced()

    def address(self, cluster, table, directory):
        nodes = [f"{node.host}:{node.port}" for node in cluster.nodes]
        if self.way == "holdfast":
            if self.args.endpoint_command:
                command = self.args.endpoint_command.format(nodes=",".join(nodes), dir=directory)
                table.spawn(shlex.split(command), cwd=directory, name="endpoint",
                            netns=cluster.clients_netns)
            host, port = self.args.endpoint.rsplit(":", 1)
            address = (host, int(port))
        else:
            spare = " backup" if self.way == "backup" else ""
            servers = "\n".join(f"    server db{index} {node}{spare if index > 1 else ''}"
                                for index, node in enumerate(nodes, 1))
            path = os.path.join(directory, "haproxy.cfg")
            with open(path, "w", encoding="utf-8") as file:
                file.write(HAPROXY.format(port=HAPROXY_PORT, servers=servers))
            table.spawn(["haproxy", "-db", "-f", path], cwd=directory, name="haproxy",
                        netns=cluster.clients_netns)
            address = ("127.0.0.1", HAPROXY_PORT)
        wait_until(lambda: netns.connect(address, 1, cluster.clients_netns).close() is None,
                   ENDPOINT_S, f"{self.way} listens")
        return address

    def measure(self, cluster, address):
        load = cluster.load(address, kinds=KINDS, timeout_s=CLIENT_TIMEOUT_S)
        watchers = {node.index: Watcher(node) for node in cluster.nodes}
        for watcher in watchers.values():
            cluster.table.on_close(watcher.close)
            watcher.start()
        load.wait_all_succeed(READY_S)
        pass_time(BEFORE_S)
        struck_ms = now_ms()
        self.strike(cluster)
        cluster.wait_synced()
        load.wait_all_succeed(READY_S)
        pass_time(AFTER_S)
        lines = [line for line in load.finish() if line["done_ms"] >= struck_ms]
        for watcher in watchers.values():
            watcher.close()
        return self.judge(lines, watchers, audit_rows(cluster, lines))

    def strike(self, cluster):
        hold = {"desynced": cluster.desync, "read-only": cluster.read_only}
        if self.fault in hold:
            hold[self.fault](TARGET, True)
            pass_time(self.args.hold)
            hold[self.fault](TARGET, False)
        elif self.fault == "non-primary":
            cluster.partition(TARGET, with_clients=True)
            wait_until(lambda: not cluster.node(TARGET).is_primary(), READY_S, "it is alone")
            pass_time(self.args.hold)
            cluster.heal()
        else:
            who = TARGET if self.fault == "joiner" else OTHER
            cluster.node(who).terminate(STATE_TRANSFER_S)
            cluster.wait_synced()
            cluster.restart(who, with_data=False)

    def judge(self, lines, watchers, audit):
        sent = [line for line in lines if line["node"] is not None
                and watchers[line["node"]].unfit_at(line["write_ms"] or line["sent_ms"])]
        return {"case": self.fault, "way": self.way, "requests": len(lines),
                "unfit_s": round(watchers[TARGET].unfit_s(), 2),
                "sent_to_unfit": len(sent), "failed_there": sum(not x["ok"] for x in sent),
                "failed": sum(audit.errors.values()),
                "errors": {str(code): count for code, count in sorted(audit.errors.items())},
                "states": dict(collections.Counter(
                    wrong for watcher in watchers.values() for _, wrong in watcher.looks if wrong)),
                "longest_stall_ms": round(audit.longest_stall_ms), "lost": len(audit.lost),
                "overlaps": audit.overlaps}


def print_table(results, ways):
    columns = ["requests", "sent_to_unfit", "failed", "longest_stall_ms", "lost", "overlaps"]
    print(f"{'case':12} {'what':18}" + "".join(f"{way:>14}" for way in ways))
    for fault in dict.fromkeys(result["case"] for result in results):
        of_way = {result["way"]: result for result in results if result["case"] == fault}
        for column in ["unfit_s"] + columns:
            print(f"{fault:12} {column:18}"
                  + "".join(f"{of_way[way][column] if way in of_way else '-':>14}" for way in ways))
        for way, result in of_way.items():
            print(f"{fault:12} errors, {way}: {result['errors'] or 'none'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--hold", type=float, default=10.0, help="seconds a state is held")
    parser.add_argument("--ballast-mb", type=int, default=200, help="data of a state transfer")
    parser.add_argument("--endpoint", help="HOST:PORT of holdfast: adds its column")
    parser.add_argument("--endpoint-command", help="starts it on the clients' host")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    for reason in (unavailable(), missing_clients(), netns.unavailable()):
        if reason:
            sys.exit(f"this cannot run here: {reason}")
    ways = args.ways.split(",") + (["holdfast"] if args.endpoint else [])
    cases = args.cases.split(",")
    wrong = set(cases) - set(CASES) | set(ways) - set(WAYS) - {"holdfast"}
    if wrong:
        parser.error(f"{', '.join(sorted(wrong))}: cases are {', '.join(CASES)}; ways are "
                     f"{', '.join(WAYS)}")
    end_on_sigterm()
    procs.become_subreaper()
    results = []
    for fault in cases:
        for way in ways:
            results.append(Case(args, fault, way).run())
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps(results, indent=1))
    else:
        print_table(results, ways)


if __name__ == "__main__":
    main()
