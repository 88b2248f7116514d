"""A whole site: one master, its replicas, and the monitors that watch them."""

import os

from lib.monitor import Monitor
from lib.ports import free_port
from lib.redis_server import RedisServer, start_all
from lib.router import Router
from lib.wait import wait_until

DISCOVERY_S = 15


def new_id():
    return os.urandom(20).hex()


class Site:
    """Data nodes and monitors of one master name.

    kinds         the kind of each monitor, in order
    learned       write the state lines of peers and replicas into the files, so that a story starts
                  without the seconds of discovery (which has tests of its own)
    ids           the run ids of the monitors, else new ones
    hosts         labels of a netns.Network for (data nodes, monitors), else all on loopback
    router        True, or the options of a Router, for one in front of the site: .router, on loopback
    """

    def __init__(self, table, directory, *, kinds, replicas=2, quorum=2, down_after_ms=1000,
                 failover_timeout_ms=3000, refused_after_ms=None, parallel_syncs=1,
                 name="mymaster", learned=True, appendonly=False, password=None, priorities=(),
                 redis_extra=(), monitor_extra="", network=None, hosts=None, tls=None,
                 redis_tls=None, router=None, ids=None):
        self.table, self.dir, self.name, self.quorum = table, str(directory), name, quorum
        self.down_after_ms, self.failover_timeout_ms = down_after_ms, failover_timeout_ms
        self.refused_after_ms, self.parallel_syncs = refused_after_ms, parallel_syncs
        self.learned, self.password, self.monitor_extra = learned, password, monitor_extra
        self.network = network
        data_hosts, monitor_hosts = hosts or ([None] * (replicas + 1), [None] * len(kinds))
        self.nodes = []
        for index in range(replicas + 1):
            where = self._place(data_hosts[index])
            self.nodes.append(RedisServer(
                table, directory, name=f"{name}-redis{index + 1}",
                replicaof=self.nodes[0] if index else None, appendonly=appendonly,
                password=password, extra=redis_extra, tls=redis_tls,
                priority=dict(enumerate(priorities)).get(index), **where))
        self.ids = ids or [new_id() for _ in kinds]
        places = [dict(self._place(host), port=free_port()) for host in monitor_hosts]
        self.monitors = [
            Monitor(table, directory, self._conf(index, places), kind=kind, tls=tls,
                    name=f"{name}-monitor{index + 1}", **places[index])
            for index, kind in enumerate(kinds)]
        self.router = self.add_router(**(router if isinstance(router, dict) else {})) \
            if router else None

    def add_router(self, **options):
        """A router in front of this site, not started; options as those of Router."""
        options.setdefault("redis_password", self.password)
        return Router(self.table, self.dir, self.monitors, master=self.name,
                      **{"name": f"{self.name}-router", **options})

    def _place(self, label):
        if label is None:
            return {"host": "127.0.0.1", "netns": None}
        host = self.network[label]
        return {"host": host.ip, "netns": host.name}

    def _conf(self, index, places):
        master = self.nodes[0]
        lines = [f"sentinel monitor {self.name} {master.host} {master.port} {self.quorum}",
                 f"sentinel down-after-milliseconds {self.name} {self.down_after_ms}",
                 f"sentinel failover-timeout {self.name} {self.failover_timeout_ms}",
                 f"sentinel parallel-syncs {self.name} {self.parallel_syncs}",
                 f"sentinel myid {self.ids[index]}"]
        if self.refused_after_ms is not None:
            lines.append(f"sentinel refused-after-milliseconds {self.name} "
                         f"{self.refused_after_ms}")
        if self.password:
            lines.append(f"sentinel auth-pass {self.name} {self.password}")
        if self.learned:
            lines += [f"sentinel known-replica {self.name} {node.host} {node.port}"
                      for node in self.nodes[1:]]
            lines += [f"sentinel known-sentinel {self.name} {place['host']} {place['port']} {myid}"
                      for other, (place, myid) in enumerate(zip(places, self.ids))
                      if other != index]
        extra = self.monitor_extra
        return "\n".join(lines) + "\n" + (extra(index) if callable(extra) else extra)

    def start(self, record=True):
        start_all(self.nodes)
        for node in self.nodes[1:]:
            wait_until(lambda n=node: n.follows(self.master.addr), DISCOVERY_S, f"{node} in sync")
        for monitor in self.monitors:
            monitor.start()
        for monitor in self.monitors:
            monitor.wait_ready()
            if record:
                monitor.record()
        self.wait_discovered()
        if self.router:
            self.router.start().wait_routes()
        return self

    @property
    def master(self):
        return self.nodes[0]

    def node_at(self, addr):
        for node in self.nodes:
            if node.addr == tuple(addr):
                return node
        raise LookupError(f"nobody has the address {addr}")

    def wait_discovered(self, within_s=DISCOVERY_S):
        for monitor in self.monitors:
            wait_until(lambda m=monitor: self.discovered_by(m), within_s,
                       f"{monitor} has discovered all of {self.name}")

    def discovered_by(self, monitor):
        master = monitor.master(self.name)
        replicas, sentinels = monitor.replicas(self.name), monitor.sentinels(self.name)
        return (master["flags"] == "master"
                and len(replicas) == len(self.nodes) - 1
                and len(sentinels) == len(self.monitors) - 1
                and all(r["flags"] == "slave" and r["master-link-status"] == "ok"
                        for r in replicas)
                and all(s["flags"] == "sentinel" for s in sentinels))

    def agreed_master(self, monitors=None):
        """The address that every running monitor gives, or None."""
        answers = {monitor.master_addr(self.name)
                   for monitor in (monitors or self.running_monitors())}
        return answers.pop() if len(answers) == 1 else None

    def running_monitors(self):
        return [monitor for monitor in self.monitors if monitor.running()]

    def converged(self, want=None):
        """The master's address once monitors and data nodes all agree on it, else None."""
        addr = self.agreed_master()
        if addr is None or (want is not None and addr != want.addr):
            return None
        master = self.node_at(addr)
        if not master.running() or not master.is_master():
            return None
        others = [node for node in self.nodes if node is not master and node.running()]
        return addr if all(node.follows(addr) for node in others) else None

    def wait_converged(self, within_s, want=None, not_=None):
        """Wait until all agree (on want, or on anyone but not_); returns the master node."""
        def agreed():
            addr = self.converged(want)
            return addr is not None and (not_ is None or addr != not_.addr) and addr
        wait_until(agreed, within_s, f"{self.name}: all monitors and nodes agree on one master")
        return self.node_at(self.agreed_master())

    def wait_switched(self, old, within_s, monitors=None):
        """Wait until the monitors agree on another master than old; returns its node."""
        def switched():
            addr = self.agreed_master(monitors)
            return addr is not None and addr != old.addr and addr
        addr = wait_until(switched, within_s, f"{self.name}: monitors agree on a new master")
        return self.node_at(addr)
