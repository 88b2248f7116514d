"""A real redis-sentinel and the tested monitor side by side on the same data nodes, and the masks
that make their replies comparable."""

import re

from lib.monitor import Monitor
from lib.redis_server import RedisServer, start_all
from lib.resp import (Bulk, Nil, Push, RespError, RespMap, RespSet, Status, pairs, shape)
from lib.wait import wait_until

NAME = "mymaster"

CONF = """
sentinel monitor {name} 127.0.0.1 {port} 2
sentinel down-after-milliseconds {name} 5000
sentinel failover-timeout {name} 60000
sentinel monitor lonely 127.0.0.1 {lonely} 1
sentinel down-after-milliseconds lonely 5000
"""


class Pair:
    """The reference and the tested monitor on the same data nodes."""

    def __init__(self, table, directory, kind):
        self.master = RedisServer(table, directory, name="master")
        self.replica = RedisServer(table, directory, name="replica", replicaof=self.master)
        self.lonely = RedisServer(table, directory, name="lonely")
        start_all([self.master, self.replica, self.lonely])
        wait_until(lambda: self.replica.follows(self.master.addr), 10)
        conf = CONF.format(name=NAME, port=self.master.port, lonely=self.lonely.port)
        self.reference = Monitor(table, directory, conf, kind="redis", name="reference")
        self.tested = Monitor(table, directory, conf, kind=kind, name="tested")
        self.both = [self.reference, self.tested]
        for monitor in self.both:
            monitor.start()
        for monitor in self.both:
            monitor.wait_ready()
            monitor.record()
        for monitor in self.both:
            wait_until(lambda m=monitor: self.settled(m), 20, f"{monitor} has discovered all")

    @staticmethod
    def settled(monitor):
        master = monitor.master(NAME)
        sentinels = monitor.sentinels(NAME)
        return (master["flags"] == "master" and master["num-slaves"] == "1"
                and master["num-other-sentinels"] == "1"
                and monitor.replicas(NAME)[0]["flags"] == "slave"
                and monitor.replicas(NAME)[0]["master-link-status"] == "ok"
                and monitor.master("lonely")["num-other-sentinels"] == "1"
                and len(sentinels) == 1 and sentinels[0]["flags"] == "sentinel")

    def ask(self, monitor, args, protocol):
        with monitor.connect() as client:
            if protocol == 3:
                assert not isinstance(client.call("HELLO", 3), RespError)
            return client.call(*args)

    def compare(self, args, protocol, mask=None):
        mask = mask or masked
        want = mask(self.ask(self.reference, args, protocol))
        got = mask(self.ask(self.tested, args, protocol))
        assert got == want, f"{args}: got {got!r}, redis-sentinel says {want!r}"
        assert shape(got) == shape(want), f"{args}: {shape(got)} is not {shape(want)}"
        return got


def masked(value):
    """Run ids and the client's own address cannot be the same on both."""
    if isinstance(value, Nil) or isinstance(value, (int, float)):
        return value
    if isinstance(value, RespMap):
        return RespMap((masked(key), masked(item)) for key, item in value)
    if isinstance(value, (list, RespSet, Push)):
        return type(value)(masked(item) for item in value)
    return type(value)(re.sub(r"\b[0-9a-f]{40}\b", "<runid>", value))


def only_shape(value):
    """The shape as a value, so that compare() works on it."""
    return Status(repr(shape(value)))


def any_order(value):
    """What redis keeps in a hash table: it comes in another order from every process."""
    if isinstance(value, (list, RespSet)):
        return type(value)(sorted(value))
    return value


def rules_in_any_order(value):
    """The same for the command rules within an ACL user's description."""
    if isinstance(value, RespMap):
        return RespMap((key, rules_in_any_order(item)) for key, item in value)
    if isinstance(value, (list, RespSet)):
        return type(value)(rules_in_any_order(item) for item in value)
    if isinstance(value, Bulk) and "@all" in value:
        return Bulk(" ".join(sorted(value.split())))
    return value


def keys_of(value):
    return [str(key) for key, _ in pairs(value)]
