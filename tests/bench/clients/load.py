#!/usr/bin/python3
"""One redis-py client of failover_errors.py, a connection that lasts, until the file STOP is there:

    load.py KIND ID WAY TIMEOUT STOP        (as load.php; KIND is redis_py)

Half of what it asks goes in pipelines, some of it as a transaction."""

import json
import os
import sys
import time

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

KEYS = 64
PAUSE_S = 0.02


class Load:
    def __init__(self, kind, number, way, timeout_s, stop):
        self.kind, self.id, self.stop = kind, number, stop
        self.counts = dict.fromkeys(
            ["reads", "reads_failed", "writes", "writes_failed", "others", "others_failed",
             "aborted", "pages", "pages_failed", "foreign", "closed", "acked"], 0)
        self.errors, self.gaps = {}, []
        self.last_ok, self.told = self.now_ms(), 0
        if "@" in way:
            name, monitors = way.split("@")
            addrs = [(at.split(":")[0], int(at.split(":")[1])) for at in monitors.split(",")]
            self.client = Sentinel(addrs, socket_timeout=0.5).master_for(
                name, socket_timeout=timeout_s)
        else:
            host, port = way.split(":")
            self.client = redis.Redis(host, int(port), socket_timeout=timeout_s)

    @staticmethod
    def now_ms():
        return time.time() * 1000

    def note(self, what, error=None, times=1):
        self.counts[what] += times
        if error is not None:
            self.counts[f"{what}_failed"] += times
            text = f"{what}: {error}"
            self.errors[text] = self.errors.get(text, 0) + 1
            return
        now = self.now_ms()
        if now - self.last_ok > 100:
            self.gaps.append((self.last_ok, now))
        self.last_ok = now
        if now - self.told > 100:
            print(f"T {int(now)}", flush=True)
            self.told = now

    def foreign(self, key, value):
        if value != f"value of {key}".encode():
            self.counts["foreign"] += 1
            self.errors[f"foreign: {key}: {value!r}"] = 1

    def attempt(self, what, times, call):
        try:
            call()
            self.note(what, times=times)
        except (redis.ConnectionError, redis.TimeoutError, MasterNotFoundError) as error:
            self.counts["closed"] += 1
            self.note(what, type(error).__name__, times)
        except (redis.WatchError, redis.exceptions.ExecAbortError):
            self.counts["aborted"] += 1
        except redis.RedisError as error:
            self.note(what, error, times)

    def reads(self, number):
        keys = [f"tag:{(i * 7 + number) % KEYS}" for i in range(20)]
        pipe = self.client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
        for key, value in zip(keys, pipe.execute()):
            self.foreign(key, value)

    def transaction(self, number):
        pipe = self.client.pipeline(transaction=True)
        pipe.set(f"py:{self.id}:tx", number)
        pipe.expire(f"py:{self.id}:tx", 600)
        assert len(pipe.execute()) == 2

    def count(self):
        self.client.incr(f"count:{self.id}")
        self.counts["acked"] += 1

    def run(self):
        number = 0
        while not os.path.exists(self.stop):
            number += 1
            self.counts["pages"] += 1
            key = f"py:{self.id}:{number % 8}"
            self.attempt("reads", 20, lambda: self.reads(number))
            self.attempt("writes", 1, lambda: self.client.set(key, number, ex=600))
            self.attempt("writes", 1, lambda: self.client.hset(key + ":h", "f", number))
            self.attempt("writes", 1, lambda: self.client.delete(key))
            self.attempt("others", 1, self.count)
            self.attempt("others", 1, lambda: self.transaction(number))
            time.sleep(PAUSE_S)
        print(json.dumps({"kind": self.kind, "id": self.id, "errors": self.errors,
                          "gaps": self.gaps, **self.counts}), flush=True)


def main():
    kind, number, way, timeout_s, stop = sys.argv[1:]
    Load(kind, number, way, float(timeout_s), stop).run()


if __name__ == "__main__":
    main()
