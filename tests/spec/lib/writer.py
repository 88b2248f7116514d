"""A client that asks the monitors who is master and writes to it, noting every outcome."""

import threading
import time

from lib.resp import RespClient, RespError


class Op:
    def __init__(self, number, sent_at, done_at, addr, error):
        self.number, self.sent_at, self.done_at = number, sent_at, done_at
        self.addr, self.error = addr, error

    @property
    def acked(self):
        return self.error is None

    def __repr__(self):
        return f"op {self.number} {self.addr} {'acked' if self.acked else self.error}"


class Writer:
    """SADDs ever new numbers to one key; after any error it asks the monitors again at once.

    monitors: (host, port) of each; netns the namespace it lives in.
    """

    def __init__(self, monitors, name="mymaster", *, key="writes", pause_s=0.01, timeout_s=0.3,
                 netns=None):
        self.monitors, self.name, self.key = list(monitors), name, key
        self.pause_s, self.timeout_s, self.netns = pause_s, timeout_s, netns
        self.ops = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def close(self):
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(10)
            assert not self._thread.is_alive(), "writer does not end"

    def acked(self, after_s=0.0, not_at=None):
        """Acknowledged ops sent after a time, leaving out those at one address."""
        return [op for op in list(self.ops)
                if op.acked and op.sent_at >= after_s and op.addr != not_at]

    def lost_on(self, node):
        """Numbers that were acknowledged and that the node does not hold."""
        held = {int(item) for item in node.call("SMEMBERS", self.key)}
        return sorted({op.number for op in self.ops if op.acked} - held)

    def _run(self):
        number, client, addr = 0, None, None
        while not self._end.is_set():
            number += 1
            sent_at, error = time.monotonic(), None
            try:
                if client is None:
                    addr = self._ask()
                    client = RespClient(addr, timeout_s=self.timeout_s, netns=self.netns)
                reply = client.call("SADD", self.key, number)
                error = str(reply) if isinstance(reply, RespError) else None
            except (OSError, EOFError, LookupError, ValueError) as failure:
                error = repr(failure)
            self.ops.append(Op(number, sent_at, time.monotonic(), addr, error))
            if error is not None and client is not None:
                client.close()
                client = None
            self._end.wait(self.pause_s)
        if client is not None:
            client.close()

    def _ask(self):
        failure = None
        for monitor in self.monitors:
            try:
                with RespClient(monitor, timeout_s=self.timeout_s, netns=self.netns) as client:
                    reply = client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name)
                if isinstance(reply, list):
                    return (str(reply[0]), int(reply[1]))
            except (OSError, EOFError) as error:
                failure = error
        raise LookupError(f"no monitor knows {self.name}: {failure}")
