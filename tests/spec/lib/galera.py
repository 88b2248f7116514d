"""A real MariaDB Galera cluster under the hand of a test: what happens to a node, and its state."""

import os
import re
import shutil
import signal
import subprocess

import pymysql

from lib import netns
from lib.galera_load import CLIENTS, Load, audit_rows  # noqa: F401  (a face for its users)
from lib.galera_template import (ADMIN_PASSWORD, ADMIN_USER, PROBE_USER_SQL, common_config,
                                 copy_template, unavailable)  # noqa: F401
from lib.ports import free_port
from lib.procs import Server
from lib.wait import wait_until

START_S = 60
STATE_TRANSFER_S = 120
SYNCED = "4"
CLIENTS_HOST = "app"
RECOVERED = re.compile(r"WSREP: Recovered position:?\s*([0-9a-f-]{36}):(-?\d+)")


TUNED_CONFIG = os.path.join(os.path.dirname(PROBE_USER_SQL), "holdfast.cnf")


def tuned_provider():
    """The provider options that we recommend, read from the file that we ship."""
    with open(TUNED_CONFIG, encoding="utf-8") as file:
        value = re.search(r'^wsrep_provider_options="(.*)"$', file.read(), re.MULTILINE)[1]
    return dict(option.split("=", 1) for option in value.split(";"))


class SqlError(OSError):
    """An answer of the server that is an error, or no answer; errno is MariaDB's code."""


class GaleraNode(Server):
    """One mariadbd; index counts from 1, and is its server_id."""

    def __init__(self, cluster, index, *, host, namespace, disk_mb):
        self.cluster, self.index, self.name = cluster, index, f"db{index}"
        self.host, self.netns, self.disk_mb = host, namespace, disk_mb
        self.dir = os.path.join(cluster.dir, self.name)
        self.data = os.path.join(self.dir, "data")
        self.conf_path = os.path.join(self.dir, "my.cnf")
        self.log_path = os.path.join(self.dir, f"{self.name}.log")
        ports = (3306, 4567, 4568, 4444) if namespace else [free_port() for _ in range(4)]
        self.port, self.group_port, self.ist_port, self.sst_port = ports
        self.process = None
        self.is_mounted = False

    def __repr__(self):
        return f"{self.name}@{self.host}:{self.port}"

    @property
    def addr(self):
        return (self.host, self.port)

    # --- its files ---

    def prepare(self):
        os.makedirs(self.data)
        if self.disk_mb:
            _run("mount", "-t", "tmpfs", "-o", f"size={self.disk_mb}m", "tmpfs", self.data)
            self.is_mounted = True
        copy_template(os.path.join(self.data, "mariadb"))
        self.write_config()

    def write_config(self):
        cluster, options = self.cluster, dict(self.cluster.provider_options)
        options["gmcast.listen_addr"] = f"tcp://{self.host}:{self.group_port}"
        options["ist.recv_addr"] = f"{self.host}:{self.ist_port}"
        lines = {
            "datadir": os.path.join(self.data, "mariadb"),
            "socket": os.path.join(self.data, "s"),
            "pid-file": os.path.join(self.dir, "pid"),
            "log-error": self.log_path,
            "bind-address": self.host,
            "port": self.port,
            "server_id": self.index,
            "wsrep_cluster_name": "holdfast_test",
            "wsrep_node_name": self.name,
            "wsrep_cluster_address": cluster.group_address(),
            "wsrep_node_address": f"{self.host}:{self.group_port}",
            "wsrep_sst_receive_address": f"{self.host}:{self.sst_port}",
            "wsrep_sst_method": cluster.sst_method,
            "wsrep_sst_auth": f"{ADMIN_USER}:{ADMIN_PASSWORD}",
            "wsrep_provider_options":
                '"' + ";".join(f"{key}={value}" for key, value in options.items()) + '"',
        }
        lines.update(cluster.extra)
        with open(self.conf_path, "w", encoding="utf-8") as file:
            file.write(common_config() + "".join(f"{k}={v}\n" for k, v in lines.items()))

    def remove_files(self):
        """Ends the disk; the logs stay."""
        if self.is_mounted:
            _run("umount", "-l", self.data)
            self.is_mounted = False
        shutil.rmtree(self.data, ignore_errors=True)

    # --- its process ---

    def start(self, *options):
        assert not self.alive(), f"{self} still runs"
        self.process = self.cluster.table.spawn(
            ["mariadbd", f"--defaults-file={self.conf_path}", *options], cwd=self.dir,
            name=f"{self.name}-{len(self.cluster.table.processes)}", netns=self.netns,
            env={"BASH_ENV": os.path.join(CLIENTS, "rsync.bash")})
        return self

    def kill(self):
        """SIGKILL, also for the scripts of a state transfer, which would hold its ports."""
        self.process.kill()
        for pid in _session(self.process.pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def recovered_position(self):
        """(state UUID, seqno) that InnoDB holds, as galera_recovery finds it; the node is down."""
        log = os.path.join(self.dir, "recover.log")
        if os.path.exists(log):
            os.unlink(log)
        done = subprocess.run(
            ["mariadbd", f"--defaults-file={self.conf_path}", "--wsrep-recover",
             f"--log-error={log}"], capture_output=True, text=True, check=False, timeout=START_S)
        with open(log, encoding="utf-8", errors="replace") as file:
            found = RECOVERED.search(file.read())
        assert done.returncode == 0 and found, f"{self}: no position recovered, see {log}"
        return found[1], int(found[2])

    def restart(self, with_data=True):
        """Start again from its recovered position; without data it needs a full state transfer."""
        assert not self.alive(), f"{self} still runs"
        if not with_data:
            shutil.rmtree(os.path.join(self.data, "mariadb"))
            os.makedirs(os.path.join(self.data, "mariadb"))
            return self.start()
        uuid, seqno = self.recovered_position()
        return self.start(f"--wsrep_start_position={uuid}:{seqno}")

    # --- what it is told and asked ---

    def connect(self, user=ADMIN_USER, password=ADMIN_PASSWORD, database=None, timeout_s=5.0):
        """A connection from the node's own host, so that a node that is cut off can be asked."""
        connection = pymysql.Connection(
            host=self.host, port=self.port, user=user, password=password, database=database,
            connect_timeout=timeout_s, read_timeout=timeout_s, write_timeout=timeout_s,
            autocommit=True, defer_connect=True)
        plain = netns.connect(self.addr, timeout_s, self.netns)
        try:
            connection.connect(plain)
        except pymysql.MySQLError as error:
            plain.close()
            raise _sql_error(error) from error
        return connection

    def sql(self, statement, *args, timeout_s=5.0, is_current=False, **who):
        """The rows of one statement over a new connection; raises SqlError. is_current: only after
        the node has applied everything that was committed before, wherever that was."""
        connection = self.connect(timeout_s=timeout_s, **who)
        try:
            with connection.cursor() as cursor:
                if is_current:
                    cursor.execute("SET SESSION wsrep_sync_wait = 1")
                cursor.execute(statement, args or None)
                return cursor.fetchall()
        except pymysql.MySQLError as error:
            raise _sql_error(error) from error
        finally:
            connection.close()

    def error_of(self, statement, *args, **options):
        """The error number that a statement gets, or None when it succeeds."""
        try:
            self.sql(statement, *args, **options)
        except SqlError as error:
            return error.errno
        return None

    def status(self):
        """Every wsrep_* status value, as text."""
        return dict(self.sql("SHOW GLOBAL STATUS LIKE 'wsrep\\_%'"))

    def is_synced(self, size=None):
        status = self.status()
        return (status["wsrep_local_state"] == SYNCED and status["wsrep_ready"] == "ON"
                and status["wsrep_cluster_status"] == "Primary"
                and (size is None or int(status["wsrep_cluster_size"]) == size))

    def is_primary(self):
        return self.status()["wsrep_cluster_status"] == "Primary"

    def set_global(self, name, value):
        self.sql(f"SET GLOBAL {name} = %s", value, timeout_s=30)

    # --- its disk ---

    def fill_disk(self):
        """Nothing more fits on the node's disk (which is of its own: give disk_mb)."""
        assert self.is_mounted, f"{self} has no disk of its own"
        with open(os.path.join(self.data, "ballast"), "ab", buffering=0) as file:
            for chunk in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * chunk) == chunk:
                        pass
                except OSError:  # full for pieces of this size
                    continue

    def free_disk(self):
        os.unlink(os.path.join(self.data, "ballast"))


class GaleraCluster:
    """nodes mariadbd of one cluster on loopback, or each in a namespace of its own.

    table             what is started ends with it; the data directories are removed then too
    namespaces        a Network of db1, db2, ... and "app" for clients: partition() can be told
    extra             lines of every my.cnf, by name; provider: options of wsrep_provider_options
    disk_mb           {index: size} of the nodes whose disk can be filled
    """

    def __init__(self, table, directory, nodes=3, namespaces=False, extra=None, *, provider=None,
                 sst_method="rsync", disk_mb=None):
        self.table, self.dir = table, os.path.join(str(directory), "galera")
        self.extra, self.sst_method = dict(extra or {}), sst_method
        self.provider_options = {"gcache.size": "16M", **(provider or {})}
        os.makedirs(self.dir)
        labels = [f"db{index}" for index in range(1, nodes + 1)]
        table.on_close(self.close)
        self.nodes, self.network = [], None
        if namespaces:
            self.network = netns.Network(labels + [CLIENTS_HOST])
        for index, label in enumerate(labels, 1):
            host = self.network[label] if namespaces else None
            self.nodes.append(GaleraNode(
                self, index, host=host.ip if host else "127.0.0.1",
                namespace=host.name if host else None, disk_mb=(disk_mb or {}).get(index)))

    def close(self):
        """Ends every node with its scripts, and removes what they stored."""
        for node in self.nodes:
            if node.process is not None:
                node.kill()
            node.remove_files()
        if self.network is not None:
            self.network.close()

    def node(self, index):
        return self.nodes[index - 1]

    def group_address(self):
        return "gcomm://" + ",".join(f"{n.host}:{n.group_port}" for n in self.nodes)

    @property
    def clients_netns(self):
        """The namespace clients live in, or None on loopback."""
        return self.network[CLIENTS_HOST].name if self.network else None

    # --- starting ---

    def start(self):
        for node in self.nodes:
            node.prepare()
        self._bootstrap(self.nodes[0], [node.start for node in self.nodes[1:]])
        return self

    def revive(self):
        """All are down: the most advanced begins a new component, the others join it."""
        positions = {node: node.recovered_position() for node in self.nodes}
        first = max(self.nodes, key=lambda node: positions[node][1])
        state = os.path.join(first.data, "mariadb", "grastate.dat")
        with open(state, encoding="utf-8") as file:
            text = file.read().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1")
        with open(state, "w", encoding="utf-8") as file:
            file.write(text)
        self._bootstrap(first, [node.restart for node in self.nodes if node is not first],
                        "--wsrep_start_position={}:{}".format(*positions[first]))
        return first

    def _bootstrap(self, first, joins, *options):
        first.start("--wsrep-new-cluster", *options)
        self._wait(first, first.is_synced, START_S, "has begun the cluster")
        for size, join in enumerate(joins, 2):
            join()
            # Two that knock at the same time wait five seconds for each other.
            self._wait(first, lambda n=size: first.status()["wsrep_cluster_size"] == str(n),
                       START_S, f"sees {size} members")
        self.wait_synced()

    def wait_synced(self, index=None, within_s=STATE_TRANSFER_S):
        """The node, or every running one, is Synced in a component of all that run."""
        size = sum(node.running() for node in self.nodes)
        for node in [self.node(index)] if index else self.nodes:
            if node.running():
                self._wait(node, lambda n=node: n.is_synced(size), within_s,
                           f"is Synced in a cluster of {size}")

    def _wait(self, node, condition, within_s, what):
        """As wait_until, and fails at once when a node dies on the way."""
        alive = [node for node in self.nodes if node.alive()]

        def looked():
            for one in alive:
                assert one.alive(), f"{one} ended, see {one.log_path}"
            return condition()
        wait_until(looked, within_s, f"{node} {what}")

    # --- what happens to a node ---

    def sql(self, index, statement, *args, **options):
        return self.node(index).sql(statement, *args, **options)

    def status(self, index):
        return self.node(index).status()

    def kill(self, index):
        self.node(index).kill()

    def stop_signal(self, index):
        self.node(index).stop()

    def cont(self, index):
        self.node(index).cont()

    def restart(self, index, with_data=True):
        self.node(index).restart(with_data)

    def partition(self, index, with_clients=False):
        """Cut one node off from the others; with_clients leaves it to the clients' host."""
        label = f"db{index}"
        for other in self.network.hosts:
            if other != label and not (with_clients and other == CLIENTS_HOST):
                self.network.block(label, other)
                self.network.block(other, label)

    def heal(self):
        self.network.heal()

    def desync(self, index, on=True):
        self.node(index).set_global("wsrep_desync", "ON" if on else "OFF")

    def read_only(self, index, on=True):
        self.node(index).set_global("read_only", "ON" if on else "OFF")

    def bootstrap_again(self, index):
        """Make a primary component of a running node that lost it."""
        self.node(index).set_global("wsrep_provider_options", "pc.bootstrap=YES")

    def fill_disk(self, index):
        self.node(index).fill_disk()

    def free_disk(self, index):
        self.node(index).free_disk()

    def load(self, address=None, **options):
        """Clients that write through address (default: straight to the first node)."""
        return Load(self.table, self.dir, address or self.nodes[0].addr,
                    namespace=self.clients_netns, **options)


def _sql_error(error):
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return SqlError(code, str(error.args[-1] if error.args else error))


def _session(leader):
    """Pids of the session that a process began; scripts of mariadbd make groups of their own."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if os.getsid(int(entry)) == leader:
                    found.append(int(entry))
            except ProcessLookupError:
                continue
    return found


def _run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"
