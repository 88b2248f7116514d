"""A failover behind the router, and clients that do not notice: no failed read, no failed write
that may be done twice, no reply that belongs to somebody else, no connection closed, nothing
acknowledged lost; in front of redis-sentinels and of ours."""

import os
import shutil
import subprocess
import threading
import time

import pytest

from lib.resp import Nil, Push, RespError, encode
from lib.router_traffic import UNKNOWN, SiteRouter, Traffic, Transaction, preload
from lib.site import Site
from lib.wait import stays_true, wait_until

PHP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients", "router_errors.php")
FAILOVER_S = 20
HEAL_S = 30
KINDS = ["holdfast", pytest.param("redis", marks=pytest.mark.slow)]
NEVER_SEEN = ("READONLY", "LOADING", "MASTERDOWN", "NOREPLICAS", "TRYAGAIN", "UNBLOCKED")


def down_after_ms(kind):
    return 2000 if kind == "redis" else 1000


@pytest.fixture
def routed(table, tmp_path):
    """Builds a site and a router in front of it."""
    def build(kind="holdfast", *args, app=None, **options):
        options.setdefault("kinds", [kind] * 3)
        options.setdefault("down_after_ms", down_after_ms(kind))
        s = Site(table, tmp_path, **options).start()
        preload(s.master)
        for node in s.nodes[1:]:
            wait_until(lambda n=node: n.call("DBSIZE") == s.master.call("DBSIZE"), 5)
        args = args or ("--hold", "10s", "--retry-writes", "idempotent")
        s.router = SiteRouter(s, *args, host=app).start()
        return s
    return build


def start_traffic(s, **options):
    traffic = Traffic(s.router.addr, netns=s.router.netns, **options).start()
    s.table.on_close(traffic.close)
    wait_turned(traffic)
    return traffic


def wait_turned(traffic, within_s=15):
    """Until every client has done its round from now on."""
    now = time.monotonic()
    wait_until(lambda: traffic.turned_after(now), within_s, "every client goes on")


def assert_invisible(s, traffic, master):
    traffic.close()
    assert traffic.requests > 100, "they asked something"
    assert not traffic.all("foreign")
    assert not traffic.all("closed")
    assert not traffic.all("failed_reads")
    assert not traffic.all("failed_writes")
    assert not traffic.lost_at(master), f"acknowledged INCR lost; {s.router.log_text()}"


# ---- the ways a master goes ----


@pytest.mark.parametrize("monitors", KINDS)
def test_killed(routed, monitors):
    s = routed(monitors)
    traffic = start_traffic(s)
    old = s.master
    old.kill()
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


@pytest.mark.parametrize("monitors", KINDS)
def test_killed_and_comes_back_as_a_master_of_before(routed, monitors):
    """Clients of the old address would write to it until a monitor demotes it."""
    s = routed(monitors)
    traffic = start_traffic(s)
    old = s.master
    old.kill()
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    old.restart().wait_ready()
    s.wait_converged(HEAL_S, want=new)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


@pytest.mark.parametrize("monitors", KINDS)
def test_stopped_and_goes_on(routed, monitors):
    s = routed(monitors)
    traffic = start_traffic(s)
    old = s.master
    old.stop()
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    old.cont()
    s.wait_converged(HEAL_S, want=new)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


@pytest.mark.parametrize("monitors", KINDS)
def test_shut_down(routed, monitors):
    s = routed(monitors)
    traffic = start_traffic(s)
    old = s.master
    old.shutdown()
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


@pytest.mark.parametrize("monitors", ["holdfast", "redis"])
def test_switched_by_the_operator(routed, monitors):
    """A stock Sentinel leaves the old master writable for ten seconds: nobody may write there."""
    s = routed(monitors)
    traffic = start_traffic(s)
    old = s.master
    assert s.monitors[0].ok("SENTINEL", "FAILOVER", s.name) == "OK"
    new = s.wait_switched(old, FAILOVER_S)
    s.wait_converged(HEAL_S, want=new)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)
    assert not traffic.all("in_doubt"), "those in flight were let finish"


@pytest.mark.parametrize("monitors", KINDS)
def test_partitioned(routed, network, monitors):
    """The old master goes on alone in its part, and returns."""
    net = network(["data1", "data2", "data3", "mon1", "mon2", "mon3", "app"])
    s = routed(monitors, network=net, app="app",
               hosts=(["data1", "data2", "data3"], ["mon1", "mon2", "mon3"]))
    traffic = start_traffic(s)
    old = s.master
    net.block("app", "data1")  # first of all: a cut parts all at once, and this takes its time
    net.cut(["data1"])
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    net.heal()
    s.wait_converged(HEAL_S, want=new)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


# ---- what was under way ----


class Ask(threading.Thread):
    """One request in a thread of its own, and what came."""

    def __init__(self, client, *request):
        super().__init__(daemon=True)
        self.client, self.request, self.reply = client, request, None
        self.began, self.took_s = time.monotonic(), None
        self.start()

    def run(self):
        try:
            self.reply = self.client.call(*self.request)
        except (OSError, EOFError) as error:
            self.reply = error
        self.took_s = time.monotonic() - self.began

    def answer(self, within_s=20):
        self.join(within_s)
        assert not self.is_alive(), f"{self.request}: no answer"
        return self.reply


def test_a_write_in_flight_is_not_known_and_a_read_is_asked_again(routed):
    s = routed("holdfast", "--hold", "10s", "--retry-writes", "none")
    writer, reader, idle = (s.router.connect() for _ in range(3))
    assert writer.call("INCR", "n") == 1 and reader.call("GET", "tag:1") and idle.call("PING")
    old = s.master
    old.stop()
    asked = [Ask(writer, "INCR", "n"), Ask(reader, "GET", "tag:1")]
    new = s.wait_switched(old, FAILOVER_S)
    assert isinstance(asked[0].answer(), RespError) and UNKNOWN in asked[0].reply
    assert asked[1].answer() == "value of tag:1"
    assert writer.call("INCR", "n") in (1, 2), "its connection goes on"
    assert idle.call("GET", "tag:2") == "value of tag:2"
    assert new.call("GET", "tag:1")


def test_a_pipeline_keeps_its_order_over_a_failover(routed):
    s = routed()
    client = s.router.connect()
    assert client.call("PING") == "PONG"
    s.master.stop()
    requests = [("GET", "tag:1"), ("SET", "a", "1"), ("INCR", "n"), ("GET", "a"), ("ECHO", "here"),
                ("APPEND", "b", "x"), ("MGET", "tag:2", "tag:3")]
    client.send_raw(b"".join(encode(request) for request in requests))
    replies = [client.read() for _ in requests]
    assert replies[0] == "value of tag:1" and replies[1] == "OK" and replies[3] == "1"
    assert replies[4] == "here" and replies[6] == ["value of tag:2", "value of tag:3"]
    for unsure in (replies[2], replies[5]):
        assert unsure == 1 or (isinstance(unsure, RespError) and UNKNOWN in unsure)


@pytest.mark.parametrize("watches", [False, True])
def test_a_transaction_in_flight_is_an_error_and_its_connection_goes_on(routed, watches):
    s = routed()
    client = s.router.connect()
    if watches:
        assert client.call("WATCH", "k") == "OK"
    assert client.call("MULTI") == "OK"
    assert client.call("SET", "k", "v") == "QUEUED"
    old = s.master
    old.kill()
    s.wait_switched(old, FAILOVER_S)
    assert client.call("SET", "k", "w") == "QUEUED"
    reply = client.call("EXEC")
    assert isinstance(reply, Nil), "as when a watched key changed"
    assert client.call("GET", "k") == Nil("bulk"), "nothing of it was done"
    assert client.call("MULTI") == "OK" and client.call("SET", "k", "x") == "QUEUED"
    assert client.call("EXEC") == ["OK"]


def test_an_exec_in_flight_is_an_error_of_each_of_its_requests(routed):
    """phpredis waits until its read times out when EXEC itself is answered with an error."""
    s = routed()
    client = s.router.connect()
    for request in (("MULTI",), ("SET", "k", "v"), ("INCR", "n")):
        assert not isinstance(client.call(*request), RespError)
    s.master.stop()
    reply = client.call("EXEC")
    assert isinstance(reply, list) and len(reply) == 2
    assert all(isinstance(one, RespError) and UNKNOWN in one for one in reply)
    assert client.call("GET", "tag:1") == "value of tag:1"


def test_transactions_under_load(routed):
    s = routed()
    traffic = start_traffic(s, mix=((Transaction, 4),))
    old = s.master
    old.kill()
    new = s.wait_switched(old, FAILOVER_S)
    wait_turned(traffic)
    assert_invisible(s, traffic, new)


def test_a_failover_between_watch_and_multi_is_a_conflict(routed):
    s = routed()
    client = s.router.connect()
    assert client.call("WATCH", "k") == "OK"
    assert client.call("GET", "k") == Nil("bulk")
    old = s.master
    old.kill()
    s.wait_switched(old, FAILOVER_S)
    assert client.call("MULTI") == "OK"
    assert client.call("SET", "k", "mine") == "QUEUED"
    assert isinstance(client.call("EXEC"), Nil)
    assert client.call("GET", "k") == Nil("bulk")


# ---- connections with a state ----


@pytest.mark.parametrize("resp", [2, 3])
def test_subscribers_are_subscribed_again(routed, resp):
    s = routed()
    subscriber, publisher = s.router.connect(hello=resp), s.router.connect()
    for request in (("SUBSCRIBE", "news"), ("PSUBSCRIBE", "n*"), ("SSUBSCRIBE", "shard")):
        assert list(subscriber.call(*request))[1] == request[1]
    old = s.master
    old.kill()
    s.wait_switched(old, FAILOVER_S)
    wait_until(lambda: publisher.call("PUBLISH", "news", "hello") == 2, FAILOVER_S,
               "both subscriptions are there again")
    first, second = subscriber.read(), subscriber.read()
    assert {first[0], second[0]} == {"message", "pmessage"}
    assert first[-1] == second[-1] == "hello"
    wait_until(lambda: publisher.call("SPUBLISH", "shard", "there") == 1, FAILOVER_S)
    assert list(subscriber.read()) == ["smessage", "shard", "there"]
    assert list(subscriber.call("UNSUBSCRIBE", "news"))[:2] == ["unsubscribe", "news"]


def test_tracking_clients_drop_what_they_have_cached(routed):
    s = routed()
    client = s.router.connect(hello=3)
    assert client.call("CLIENT", "TRACKING", "ON") == "OK"
    assert client.call("GET", "tag:5") == "value of tag:5"
    old = s.master
    old.kill()
    s.wait_switched(old, FAILOVER_S)
    pushed = client.read()
    assert isinstance(pushed, Push) and pushed[0] == "invalidate" and isinstance(pushed[1], Nil)
    assert client.call("GET", "tag:5") == "value of tag:5"
    assert s.router.call("SET", "tag:5", "other") == "OK"
    pushed = client.read()
    assert isinstance(pushed, Push) and list(pushed) == ["invalidate", ["tag:5"]]


def test_a_blocking_pop_goes_on_or_is_an_error(routed):
    s = routed()
    waiting, other = s.router.connect(timeout_s=30), s.router.connect()
    asked = Ask(waiting, "BLPOP", "queue", "0")
    wait_until(lambda: int(s.master.info("clients")["blocked_clients"]) == 1, 5)
    old = s.master
    old.kill()
    s.wait_switched(old, FAILOVER_S)
    assert other.call("RPUSH", "queue", "job") == 1
    reply = asked.answer()
    assert reply == ["queue", "job"] or (isinstance(reply, RespError) and UNKNOWN in reply)
    other.call("RPUSH", "queue", "next")
    assert waiting.call("BLPOP", "queue", "5")[0] == "queue"


def test_a_blocked_client_of_a_demoted_master_is_not_told_so(routed):
    """Redis says UNBLOCKED to it; the list is on the new master."""
    s = routed()
    waiting, other = s.router.connect(timeout_s=30), s.router.connect()
    asked = Ask(waiting, "BLPOP", "queue", "0")
    wait_until(lambda: int(s.master.info("clients")["blocked_clients"]) == 1, 5)
    old = s.master
    assert s.monitors[0].ok("SENTINEL", "FAILOVER", s.name) == "OK"
    new = s.wait_switched(old, FAILOVER_S)
    s.wait_converged(HEAL_S, want=new)
    assert other.call("RPUSH", "queue", "job") in (0, 1)
    reply = asked.answer()
    assert reply == ["queue", "job"] or (isinstance(reply, RespError) and UNKNOWN in reply)


def test_clients_that_asked_are_told_of_the_failover(routed):
    s = routed()
    client, silent = s.router.connect(hello=3), s.router.connect(hello=3)
    assert client.call("CLIENT", "MAINT_NOTIFICATIONS", "ON") == "OK"
    old = s.master
    old.kill()
    first, second = client.read(), client.read()
    assert isinstance(first, Push) and first[0] == "FAILING_OVER" and len(first) == 3
    assert isinstance(second, Push) and second[0] == "FAILED_OVER" and len(second) == 2
    s.wait_switched(old, FAILOVER_S)
    assert client.call("GET", "tag:1") == "value of tag:1"
    assert silent.call("GET", "tag:1") == "value of tag:1", "and not who did not ask"


# ---- replies that say that nothing happened ----


@pytest.fixture
def alone(routed):
    """One monitor that will not act: what happens to the master is the test's."""
    def build(*args, **options):
        options.setdefault("replicas", 1)
        return routed("holdfast", *(args or ("--hold", "10s")), kinds=["holdfast"], quorum=1,
                      down_after_ms=60000, **options)
    return build


def held_then(s, request, reason, mend, node=None):
    """The request waits while Redis refuses it, and is answered when it is mended."""
    node = node or s.master
    with node.connect() as direct:
        refused = direct.call(*request)
    assert isinstance(refused, RespError) and refused.startswith(reason), refused
    with s.router.connect() as client:
        asked = Ask(client, *request)
        wait_until(lambda: s.router.count("held") >= 1, 5, "it is held")
        stays_true(asked.is_alive, 0.3, "it waits")
        mend()
        reply = asked.answer()
    assert not isinstance(reply, RespError), reply
    return reply


def test_readonly_is_never_seen(alone):
    s = alone()
    assert s.router.call("SET", "a", 1) == "OK"
    s.master.call("REPLICAOF", s.nodes[1].host, s.nodes[1].port)
    assert held_then(s, ("SET", "a", 2), "READONLY",
                     lambda: s.master.call("REPLICAOF", "NO", "ONE")) == "OK"
    assert s.router.call("GET", "a") == "2"


def test_readonly_in_a_pipeline_and_from_a_script(alone):
    s = alone()
    clients = [s.router.connect() for _ in range(2)]
    for client in clients:
        assert client.call("GET", "tag:1")
    s.master.call("REPLICAOF", s.nodes[1].host, s.nodes[1].port)
    clients[0].send_raw(b"".join(encode(r) for r in (
        ("GET", "tag:1"), ("SET", "a", 1), ("GET", "a"), ("INCR", "a"), ("GET", "tag:2"))))
    script = Ask(clients[1], "EVAL", "return redis.call('incr', KEYS[1])", 1, "scripted")
    wait_until(lambda: s.router.count("held") >= 2, 5)
    s.master.call("REPLICAOF", "NO", "ONE")
    assert [clients[0].read() for _ in range(5)] == ["value of tag:1", "OK", "1", 2,
                                                    "value of tag:2"]
    assert script.answer() == 1


def test_masterdown_is_never_seen(alone):
    s = alone(redis_extra=["replica-serve-stale-data no"])
    s.master.call("REPLICAOF", "127.0.0.1", 1)
    assert held_then(s, ("GET", "tag:7"), "MASTERDOWN",
                     lambda: s.master.call("REPLICAOF", "NO", "ONE")) == "value of tag:7"


def test_noreplicas_is_never_seen(alone):
    s = alone(redis_extra=["min-replicas-max-lag 1"])
    s.nodes[1].stop()
    assert s.master.call("CONFIG", "SET", "min-replicas-to-write", 1) == "OK"
    wait_until(lambda: isinstance(s.master.call("SET", "probe", 1), RespError), 10)
    assert held_then(s, ("SET", "a", 1), "NOREPLICAS", s.nodes[1].cont) == "OK"
    assert s.router.call("GET", "tag:1") == "value of tag:1"


def test_loading_is_never_seen(alone):
    """The master restarts and takes seconds to read its file."""
    s = alone(redis_extra=["key-load-delay 10000", "loading-process-events-interval-bytes 1024"])
    for number in range(5):
        s.master.call("MSET", *[f"{word}:{number}:{i}" for i in range(40) for word in ("k", "v")])
    assert s.master.call("SAVE") == "OK"
    client = s.router.connect()
    assert client.call("GET", "tag:9") == "value of tag:9"
    s.master.kill()
    s.master.restart()
    wait_until(lambda: str(s.master.call("GET", "tag:9")).startswith("LOADING"), 5, every_s=0.005)
    assert client.call("GET", "tag:9") == "value of tag:9"
    assert client.call("SET", "tag:9", "new") == "OK"


def test_tryagain_is_never_seen(alone):
    s = alone()
    script = ("if redis.call('exists', KEYS[1]) == 0 then "
              "return redis.error_reply('TRYAGAIN not yet') end return redis.status_reply('OK')")
    assert held_then(s, ("EVAL", script, 1, "here"), "TRYAGAIN",
                     lambda: s.master.call("SET", "here", 1)) == "OK"


# ---- the hold runs out ----


def down(s):
    """No master any more, and none to come."""
    for node in s.nodes:
        node.kill()
    wait_until(lambda: not s.nodes[0].alive(), 5)


def test_hung_master_blocks_nobody_beyond_the_hold(alone):
    s = alone("--hold", "500ms")
    clients = [s.router.connect() for _ in range(3)]
    for client in clients:
        assert client.call("GET", "tag:1")
    own = s.router.connect()
    assert own.call("WATCH", "x") == "OK"
    s.master.stop()
    asked = [Ask(clients[0], "GET", "tag:1"), Ask(clients[1], "SET", "a", 1),
             Ask(clients[2], "INCR", "b"), Ask(own, "GET", "x"),
             Ask(s.router.connect(), "GET", "tag:2")]
    for one in asked:
        reply = one.answer(5)
        assert isinstance(reply, RespError) and reply.startswith("ERR holdfast: "), reply
        assert one.took_s < 1.5, f"{one.request} took {one.took_s:.2f} s"
    began = time.monotonic()
    assert isinstance(clients[0].call("GET", "tag:1"), RespError)
    assert time.monotonic() - began < 1.0, "a client waits once, or as long as the hold again"
    s.master.cont()
    wait_until(lambda: clients[0].call("GET", "tag:1") == "value of tag:1", 10)
    wait_until(lambda: clients[1].call("SET", "a", 1) == "OK", 10)
    wait_until(lambda: own.call("GET", "tag:3") == "value of tag:3", 10)


def test_when_down_error(alone):
    s = alone("--hold", "300ms")
    client = s.router.connect()
    assert client.call("SET", "a", 1) == "OK"
    down(s)
    for request in (("GET", "a"), ("SET", "a", 2), ("MGET", "a", "b")):
        reply = client.call(*request)
        assert isinstance(reply, RespError) and reply.startswith("ERR holdfast: "), reply
    s.master.restart().wait_ready()
    wait_until(lambda: client.call("SET", "a", 3) == "OK", 10)


def test_a_transaction_without_a_master_fails_at_its_end(alone):
    """phpredis goes on with what MULTI returned, whatever that is, and cannot bear an error of
    EXEC."""
    s = alone("--hold", "300ms")
    client = s.router.connect()
    assert client.call("SET", "a", 1) == "OK"
    down(s)
    assert client.call("MULTI") == "OK"
    assert client.call("SET", "a", 2) == "QUEUED"
    assert isinstance(client.call("EXEC"), Nil)
    assert client.call("GET", "a").startswith("ERR holdfast: ")
    s.master.restart().wait_ready()
    wait_until(lambda: client.call("SET", "a", 3) == "OK", 10)
    assert client.call("MULTI") == "OK" and client.call("GET", "a") == "QUEUED"
    assert client.call("EXEC") == ["3"]


def test_when_down_miss(alone):
    s = alone("--hold", "300ms", "--when-down", "miss", "--sessions-db", "1")
    cache, sessions = s.router.connect(), s.router.connect()
    assert cache.call("SET", "a", 1) == "OK"
    assert sessions.call("SELECT", 1) == "OK" and sessions.call("SET", "sess", "x") == "OK"
    down(s)
    assert cache.call("GET", "a") == Nil("bulk")
    assert cache.call("MGET", "a", "b") == [Nil("bulk"), Nil("bulk")]
    assert cache.call("SET", "a", 2) == "OK" and cache.call("SETEX", "a", 5, 2) == "OK"
    assert cache.call("DEL", "a") == 0 and cache.call("INCR", "n") in (0, 1)
    for request in (("GET", "sess"), ("SETEX", "sess", 5, "x"), ("DEL", "sess")):
        reply = sessions.call(*request)
        assert isinstance(reply, RespError) and reply.startswith("ERR holdfast: "), reply


def test_when_down_close(alone):
    s = alone("--hold", "300ms", "--when-down", "close")
    client = s.router.connect()
    assert client.call("SET", "a", 1) == "OK"
    down(s)
    began = time.monotonic()
    client.send("GET", "a")
    assert client.closed_by_peer(5)
    assert 0.2 < time.monotonic() - began < 2


def test_hold_max_bytes(alone):
    """What would be too much to hold is answered at once."""
    s = alone("--hold", "5s", "--hold-max-bytes", "64kb")
    first, second = s.router.connect(), s.router.connect()
    assert first.call("PING") == second.call("PING") == "PONG"
    down(s)
    wait_until(lambda: s.router.count("backends") == 0, 5)
    asked = Ask(first, "SET", "a", "x" * 50000)
    wait_until(lambda: s.router.count("held") == 1, 5)
    began = time.monotonic()
    reply = second.call("SET", "b", "x" * 50000)
    assert isinstance(reply, RespError) and time.monotonic() - began < 1
    assert asked.is_alive(), "the first one waits"
    s.master.restart().wait_ready()
    assert asked.answer() == "OK"


def test_phpredis_gets_false_and_no_exception(alone):
    if shutil.which("php") is None or subprocess.run(
            ["php", "-r", "exit(class_exists('Redis') ? 0 : 1);"], check=False).returncode != 0:
        pytest.skip("php with redis is missing")
    s = alone("--hold", "300ms")
    assert s.router.call("SET", "a", 1) == "OK"

    def page():
        done = subprocess.run(["php", PHP, str(s.router.port)], capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()
    assert page() == ["get=1", "set=true", "mget=array", "exec=array", "incr=1", "again=1"]
    down(s)
    assert page() == ["get=false", "set=false", "mget=false", "exec=false", "incr=false",
                      "again=false"]
