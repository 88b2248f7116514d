"""Clients that go through a router while a master fails, each noting what it was told.

A Traffic is a set of threads, one client each. Every reply can be told from every other (it carries
the key, or a number of its own), so that one that belongs to somebody else is seen. Nothing is
forgiven: who wants to know whether a failover was invisible reads the lists at the end.
"""

import threading
import time

from lib.resp import Nil, RespClient, RespError, encode
from lib.router import Router

KEYS = 64  # preloaded, each with its own name as value
UNKNOWN = "is not known"


def preload(node, keys=KEYS):
    with node.connect() as client:
        for number in range(keys):
            assert client.call("SET", f"tag:{number}", f"value of tag:{number}") == "OK"


class Client(threading.Thread):
    """One connection that asks until it is told to end. A subclass has a turn()."""

    def __init__(self, addr, number, *, netns=None, timeout_s=15.0):
        super().__init__(daemon=True)
        self.addr, self.number, self.netns, self.timeout_s = addr, number, netns, timeout_s
        self.requests = 0
        self.failed_reads, self.failed_writes, self.foreign, self.closed = [], [], [], []
        self.in_doubt = []
        self.longest_s, self.longest_at = 0.0, 0.0
        self.ended_at = 0.0  # of the last turn
        self.end = threading.Event()
        self.client = None

    def setup(self):
        """On every new connection."""

    def turn(self, number):
        raise NotImplementedError

    def run(self):
        number = 0
        while not self.end.is_set():
            number += 1
            try:
                if self.client is None:
                    self.client = RespClient(self.addr, timeout_s=self.timeout_s, netns=self.netns)
                    self.setup()
                self.turn(number)
                self.ended_at = time.monotonic()
            except TimeoutError as error:
                self.failed_reads.append(f"{self.name}: no answer: {error!r}")
                self.drop()
            except (OSError, EOFError, ValueError) as error:
                self.closed.append(f"{self.name}: {error!r}")
                self.drop()
            self.end.wait(0.004)
        self.drop()

    def drop(self):
        if self.client is not None:
            self.client.close()
        self.client = None

    def many(self, *requests):
        """All in one write; the replies, in order."""
        began = time.monotonic()
        self.client.send_raw(b"".join(encode(request) for request in requests))
        replies = [self.client.read() for _ in requests]
        took = time.monotonic() - began
        self.requests += len(requests)
        if took > self.longest_s:
            self.longest_s, self.longest_at = took, began
        return replies

    def ask(self, *request):
        return self.many(request)[0]

    def want_read(self, request, reply, wanted):
        if isinstance(reply, RespError):
            self.failed_reads.append(f"{self.name}: {request}: {reply}")
        elif reply != wanted:
            self.foreign.append(f"{self.name}: {request}: {reply!r}, not {wanted!r}")

    def want_write(self, request, reply, *wanted):
        if isinstance(reply, RespError):
            self.failed_writes.append(f"{self.name}: {request}: {reply}")
        elif reply not in wanted:
            self.foreign.append(f"{self.name}: {request}: {reply!r}, not one of {wanted!r}")


class Reader(Client):
    def turn(self, number):
        key = f"tag:{(number * 7 + self.number) % KEYS}"
        self.want_read(("GET", key), self.ask("GET", key), f"value of {key}")


class PipelineReader(Client):
    def turn(self, number):
        keys = [f"tag:{(number + i * (self.number + 1)) % KEYS}" for i in range(25)]
        replies = self.many(*[("GET", key) for key in keys], ("MGET", *keys[:5]))
        for key, reply in zip(keys, replies):
            self.want_read(("GET", key), reply, f"value of {key}")
        self.want_read(("MGET", *keys[:5]), replies[-1], [f"value of {key}" for key in keys[:5]])


class Setter(Client):
    """Writes that may be done twice, and the reads that show whose answer came."""

    def turn(self, number):
        key = f"set:{self.number}:{number % 8}"
        tag = f"{key} at {number}"
        for request, wanted in ((("SET", key, tag), ("OK",)),
                                (("SETEX", key + ":ex", 600, tag), ("OK",)),
                                (("EXPIRE", key, 600), (0, 1)),
                                (("HSET", key + ":h", f"f{number}", tag), (0, 1)),
                                (("DEL", key + ":ex"), (0, 1))):
            self.want_write(request, self.ask(*request), *wanted)
        reply = self.ask("GET", key)
        if isinstance(reply, RespError):
            self.failed_reads.append(f"{self.name}: GET {key}: {reply}")
        elif reply and not str(reply).startswith(f"{key} at "):
            self.foreign.append(f"{self.name}: GET {key}: {reply!r}")


class SetPipeline(Client):
    """The same ones in one write, with reads between them."""

    def turn(self, number):
        key = f"pipe:{self.number}:{number % 8}"
        tag = f"{key} at {number}"
        requests = [("SET", key, tag), ("GET", "tag:3"), ("EXPIRE", key, 600), ("GET", key),
                    ("HSET", key + ":h", "f", tag), ("GET", "tag:4"), ("DEL", key + ":h")]
        replies = self.many(*requests)
        for i, wanted in ((0, ("OK",)), (2, (0, 1)), (4, (0, 1)), (6, (0, 1))):
            self.want_write(requests[i], replies[i], *wanted)
        self.want_read(requests[1], replies[1], "value of tag:3")
        self.want_read(requests[3], replies[3], tag)
        self.want_read(requests[5], replies[5], "value of tag:4")


class Counter(Client):
    """INCR may not be done twice: an error that says that nobody knows is in doubt, any other
    failed. What was acknowledged must be there at the end."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.acked, self.last = 0, 0
        self.key = f"count:{self.number}"

    def turn(self, number):
        reply = self.ask("INCR", self.key)
        if isinstance(reply, RespError):
            where = self.in_doubt if UNKNOWN in reply else self.failed_writes
            where.append(f"{self.name}: INCR: {reply}")
        elif not isinstance(reply, int):
            self.foreign.append(f"{self.name}: INCR: {reply!r}")
        else:
            self.acked += 1
            self.last = reply

    def lost_at(self, node):
        """How many acknowledged ones the node does not have."""
        return max(0, self.acked - int(node.call("GET", self.key) or 0))


class Transaction(Client):
    """MULTI, two writes, EXEC; a lost one is an error of EXEC, and the connection goes on."""

    def __init__(self, *args, watches=False, **options):
        super().__init__(*args, **options)
        self.watches = watches
        self.done, self.aborted = 0, []

    def turn(self, number):
        key = f"tx:{self.number}"
        if self.watches:
            self.want_write(("WATCH", key), self.ask("WATCH", key), "OK")
            self.ask("GET", key)
        self.want_write(("MULTI",), self.ask("MULTI"), "OK")
        self.want_write(("SET", key), self.ask("SET", key, number), "QUEUED")
        self.want_write(("INCR", key), self.ask("INCR", key + ":n"), "QUEUED")
        reply = self.ask("EXEC")
        if isinstance(reply, RespError) and reply.startswith("EXECABORT"):
            self.aborted.append(reply)
        elif isinstance(reply, list) and all(UNKNOWN in str(one) for one in reply):
            self.in_doubt.append(f"{self.name}: {reply}")
        elif isinstance(reply, Nil):
            self.aborted.append("nil")
        elif isinstance(reply, list) and len(reply) == 2 and reply[0] == "OK":
            self.done += 1
        else:
            self.foreign.append(f"{self.name}: EXEC: {reply!r}")
        self.want_read(("GET", "tag:1"), self.ask("GET", "tag:1"), "value of tag:1")


class Traffic:
    """Some of each, at one address."""

    MIX = ((Reader, 3), (PipelineReader, 2), (Setter, 2), (SetPipeline, 1), (Counter, 3),
           (Transaction, 1))

    def __init__(self, addr, *, netns=None, mix=MIX):
        self.clients = []
        for kind, count in mix:
            for _ in range(count):
                self.clients.append(kind(addr, len(self.clients), netns=netns))
                self.clients[-1].name = f"{kind.__name__} {len(self.clients) - 1}"

    def start(self):
        for client in self.clients:
            client.start()
        return self

    def close(self):
        for client in self.clients:
            client.end.set()
        for client in self.clients:
            if client.ident is not None:
                client.join(20)
                assert not client.is_alive(), f"{client.name} does not end"

    def all(self, what):
        return [entry for client in self.clients for entry in getattr(client, what)]

    def of(self, kind):
        return [client for client in self.clients if isinstance(client, kind)]

    @property
    def requests(self):
        return sum(client.requests for client in self.clients)

    def turned_after(self, moment):
        """Every client has done a turn since then."""
        return all(client.ended_at > moment for client in self.clients)

    def lost_at(self, node):
        return {client.name: client.lost_at(node) for client in self.of(Counter)
                if client.lost_at(node)}

    @property
    def longest_s(self):
        return max(client.longest_s for client in self.clients)


class SiteRouter(Router):
    """A router in front of a site; host is the label of where it runs in the site's network."""

    def __init__(self, site, *args, name="router", host=None):
        netns = site.network[host].name if host else None
        super().__init__(site.table, site.dir, site.monitors, master=site.name, name=name,
                         netns=netns, args=args)

    def start(self, *more):
        super().start(*more)
        return self.wait_routes()

    def connect(self, timeout_s=15.0, hello=None, addr=None):
        return super().connect(timeout_s, hello, addr)

    def call(self, *args, timeout_s=15.0):
        return super().call(*args, timeout_s=timeout_s)
