"""Records every event that a monitor publishes, with the time it was seen."""

import threading
import time

from lib.resp import RespClient
from lib.wait import wait_until


class Event:
    def __init__(self, at, channel, payload):
        self.at, self.channel, self.payload = at, channel, payload

    def __repr__(self):
        return f"{self.at:.3f} {self.channel} {self.payload}"


class EventRecorder:
    """PSUBSCRIBEs * on a thread of its own; comes back by itself when the monitor restarts."""

    def __init__(self, addr, *, netns=None, password=None, tls=None):
        self.addr, self.netns, self.password, self.tls = addr, netns, password, tls
        self.events = []
        self._ready = threading.Event()
        self._end = threading.Event()
        self._client = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait_ready(self, within_s=5):
        assert self._ready.wait(within_s), f"could not subscribe to {self.addr}"
        return self

    def close(self):
        self._end.set()
        self._thread.join(5)
        assert not self._thread.is_alive(), "event recorder does not end"

    def mark(self):
        """A place in the story: wait() and order() can be told to look only after it."""
        return len(self.events)

    def find(self, channel, containing="", after=0):
        return [event for event in self.events[after:]
                if event.channel == channel and containing in event.payload]

    def wait(self, channel, containing="", within_s=10, after=0):
        """The first such event after the mark."""
        found = wait_until(lambda: self.find(channel, containing, after), within_s,
                           f"event {channel} {containing} at {self.addr}", every_s=0.005)
        return found[0]

    def in_order(self, channels, after=0):
        """Assert that the channels occur as a subsequence."""
        seen = [event.channel for event in self.events[after:]]
        place = iter(seen)
        for channel in channels:
            assert channel in place, f"{channel} not in its place of {channels}; seen {seen}"

    def _run(self):
        while not self._end.is_set():
            try:
                self._listen()
            except (OSError, EOFError, ValueError):
                self._ready.clear()
                self._end.wait(0.01)

    def _listen(self):
        with RespClient(self.addr, timeout_s=1.0, netns=self.netns, tls=self.tls) as client:
            if self.password:
                client.call("AUTH", self.password)
            client.call("PSUBSCRIBE", "*")
            self._ready.set()
            client.sock.settimeout(0.1)
            while not self._end.is_set():
                try:
                    message = client.read()
                except TimeoutError:
                    continue
                if isinstance(message, list) and message[0] == "pmessage":
                    self.events.append(Event(time.monotonic(), str(message[2]), str(message[3])))
