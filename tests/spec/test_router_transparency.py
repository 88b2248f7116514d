"""A client of the router sees what a client of Redis sees."""

import os
import random
import re
import select
import threading
import time

import pytest

from lib import router_differential as differential
from lib.resp import NIL_ARRAY, NIL_BULK, NULL, Push, RespError, encode
from lib.router_differential import Routed, memory_kb
from lib.wait import wait_until

log_places = []
CLIENTS = 6
QUICK_S = float(os.environ.get("ROUTER_DIFFERENTIAL_S", "8"))


@pytest.fixture(scope="module")
def routed(module_table, tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("routed")
    request.module.log_places = [directory]
    return Routed(module_table, directory)


def tell_all(routed, seed, **options):
    results = [None] * CLIENTS

    def one(number):
        results[number] = differential.compare_many(routed, seed, number, **options)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results), "a client died"
    wrong = [what for _, what in results if what]
    assert not wrong, "\n\n".join(wrong)
    return sum(count for count, _ in results)


def seed_of(request):
    given = request.config.getoption("--seed") or os.environ.get("ROUTER_SEED")
    seed = int(given) if given else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: replay with ROUTER_SEED={seed}")
    return seed


def test_generated_conversations(routed, request):
    """Several clients at once, each told straight and through the router."""
    requests = tell_all(routed, seed_of(request), within_s=QUICK_S)
    print(f"{requests} requests told twice")
    assert requests > 200


def test_generated_conversations_of_a_client_that_caches(routed, request):
    """Tracking is told of the databases others flush, so these stand alone."""
    seed = seed_of(request)
    requests, what = differential.compare_many(routed, seed, 0, within_s=QUICK_S / 4, alone=True)
    assert what is None, what
    assert requests > 50


@pytest.mark.slow
def test_generated_conversations_with_large_values(routed, request):
    tell_all(routed, seed_of(request), within_s=QUICK_S, heavy=True)


# ---- told one by one -----------------------------------------------------------------------------


def raw_line(client, data):
    """Sends while it reads, so that neither side waits for the other; returns the frames' count."""
    sender = threading.Thread(target=client.sock.sendall, args=(data,))
    sender.start()
    return sender


def test_a_hundred_thousand_requests_in_one_pipeline_are_answered_in_order(routed):
    count = 100_000
    with routed.router.connect(timeout_s=30) as client:
        sender = raw_line(client, b"".join(encode(["ECHO", n]) if n % 3 else
                                           encode(["INCR", "order"]) for n in range(count)))
        expected = 0
        for n in range(count):
            reply = client.read()
            if n % 3:
                assert reply == str(n)
            else:
                expected += 1
                assert reply == expected
        sender.join()
    assert routed.redis.call("DEL", "order") == 1


def exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        chunk = sock.recv(min(1 << 20, count - len(got)))
        assert chunk, "closed"
        got += chunk
    return bytes(got)


@pytest.mark.slow
def test_a_value_of_512_mb_passes_without_being_held(table, tmp_path):
    """The hold is longer than Redis may take to find memory for that, during which it is silent."""
    routed = Routed(table, tmp_path, args=["--hold", "20s"])
    size, piece = 512 * 1024 * 1024, os.urandom(1 << 20)
    with routed.router.connect(timeout_s=60) as client:
        sock = client.sock
        sock.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n$%d\r\n" % size)
        for _ in range(size // len(piece)):
            sock.sendall(piece)
        sock.sendall(b"\r\n")
        assert client.read() == "OK"
        sent_kb = memory_kb(routed.router.process, "VmHWM")
        client.send("GET", "huge")
        head = b"$%d\r\n" % size
        assert exactly(sock, len(head)) == head
        for _ in range(size // len(piece)):
            assert exactly(sock, len(piece)) == piece
        assert exactly(sock, 2) == b"\r\n"
        assert client.call("DEL", "huge") == 1
    assert sent_kb < 64 * 1024, f"SET took {sent_kb} kB"
    assert memory_kb(routed.router.process, "VmHWM") < 64 * 1024


def answered_meanwhile(routed, for_s, at_most_s):
    """Another client's requests all this while; the longest may take at_most_s."""
    slowest, end = 0.0, time.monotonic() + for_s
    with routed.router.connect(timeout_s=10) as other:
        while time.monotonic() < end:
            began = time.monotonic()
            assert other.call("SET", "meanwhile", "x") == "OK"
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < at_most_s, f"one took {slowest:.3f} s"


@pytest.mark.parametrize("size,count", [(1000, 200_000), (60_000, 3000), (1_000_000, 200)])
def test_a_client_that_does_not_read_is_not_read_and_stalls_nobody(routed, size, count):
    """Its replies would be 180 MB; it gets them in order when it reads at last."""
    value = os.urandom(size // 2).hex()
    assert routed.redis.call("SET", "unread", value) == "OK"
    before_kb = memory_kb(routed.router.process)
    request = encode(["GET", "unread"])
    with routed.router.connect(timeout_s=30) as client:
        client.sock.setblocking(False)
        sent, data = 0, request * count
        while True:  # until the router takes no more
            try:
                sent += client.sock.send(data[sent:sent + (1 << 20)])
            except BlockingIOError:
                if not select.select([], [client.sock], [], 0.3)[1]:
                    break
            if sent == len(data):
                break
        answered_meanwhile(routed, 1.0, 1.6)
        grown_kb = memory_kb(routed.router.process) - before_kb
        # A thousand requests that were under way are answered; each may be just too short to be
        # passed on in pieces.
        assert grown_kb < (80 << 10), f"{grown_kb} kB more"
        client.sock.settimeout(30)
        sender = raw_line(client, data[sent:])
        for _ in range(count):
            assert client.read() == value
        sender.join()
    assert routed.redis.call("DEL", "unread") == 1


def test_a_huge_reply_to_a_slow_reader_does_not_stall_others(routed):
    """Those that come later go another way; the slow one gets all of it in the end."""
    assert routed.redis.call("SET", "big", "x" * 50_000_000) == "OK"
    with routed.router.connect(timeout_s=30) as slow:
        slow.send("GET", "big")
        assert exactly(slow.sock, 11) == b"$50000000\r\n"
        answered_meanwhile(routed, 1.5, 0.5)
        assert exactly(slow.sock, 50_000_002) == b"x" * 50_000_000 + b"\r\n"
        assert slow.call("PING") == "PONG"
    routed.redis.call("DEL", "big")


def test_a_huge_reply_has_a_connection_for_itself(routed):
    """A small one does not: its connection is shared on."""
    assert routed.redis.call("MSET", "big", "x" * 30_000_000, "small", "x" * 300_000) == "OK"
    with routed.router.connect(timeout_s=30) as client:
        assert client.call("GET", "nothing") == NIL_BULK
        opened = routed.router.count("backends_total")
        assert len(client.call("GET", "small")) == 300_000
        assert client.call("GET", "nothing") == NIL_BULK
        assert routed.router.count("backends_total") == opened
        assert len(client.call("GET", "big")) == 30_000_000
        assert client.call("GET", "nothing") == NIL_BULK
        assert routed.router.count("backends_total") == opened + 1
        assert client.call("DEL", "big", "small") == 2


def test_who_stands_behind_a_huge_reply_waits_a_second_at_most(routed):
    """What was sent on the same connection before the reply was seen to be huge cannot be moved; who
    reads nothing while others wait for that is closed."""
    assert routed.redis.call("SET", "big", "x" * 50_000_000) == "OK"
    with routed.router.connect(timeout_s=30) as slow, routed.router.connect(timeout_s=10) as other:
        assert other.call("GET", "nothing") == NIL_BULK
        slow.send("GET", "big")
        began = time.monotonic()
        other.send_raw(encode(["SET", "behind", "1"]) * 100)
        for _ in range(100):
            assert other.read() == "OK"
        assert time.monotonic() - began < 2.0
    routed.redis.call("DEL", "big")


def test_a_huge_request_of_a_slow_writer_does_not_stall_others(routed):
    with routed.router.connect(timeout_s=30) as slow:
        slow.send_raw(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$5000000\r\n" + b"x" * 2_000_000)
        answered_meanwhile(routed, 0.5, 0.4)
        slow.send_raw(b"x" * 3_000_000 + b"\r\n")
        assert slow.read() == "OK"
        assert slow.call("STRLEN", "big") == 5_000_000
        assert slow.call("DEL", "big") == 1


def test_a_blocked_client_is_freed_by_the_push_of_another(routed):
    with routed.router.connect() as waits, routed.router.connect() as pushes:
        waits.send_raw(encode(["BLPOP", "freed", "0"]) + encode(["ECHO", "behind"]))
        wait_until(lambda: " cmd=blpop" in routed.redis.call("CLIENT", "LIST"), 5)
        assert pushes.call("RPUSH", "freed", "now") == 1
        assert waits.read() == ["freed", "now"]
        assert waits.read() == "behind"


def test_client_unblock_frees_a_blocked_client(routed):
    with routed.router.connect() as waits, routed.router.connect() as frees:
        number = waits.call("CLIENT", "ID")
        waits.send("BLPOP", "nothing", "0")
        wait_until(lambda: " cmd=blpop" in routed.redis.call("CLIENT", "LIST"), 5)
        assert frees.call("CLIENT", "UNBLOCK", number) == 1
        assert not waits.read()
        waits.send("BLPOP", "nothing", "0")
        wait_until(lambda: frees.call("CLIENT", "UNBLOCK", number, "ERROR") == 1, 5)
        assert waits.read().startswith("UNBLOCKED")
        assert waits.call("PING") == "PONG"


def test_a_client_that_leaves_takes_its_blocked_request_with_it(routed):
    client = routed.router.connect()
    client.send("BLPOP", "left", "0")
    wait_until(lambda: " cmd=blpop" in routed.redis.call("CLIENT", "LIST"), 5)
    client.close()
    wait_until(lambda: " cmd=blpop" not in routed.redis.call("CLIENT", "LIST"), 5)
    assert routed.router.call("RPUSH", "left", "1") == 1
    assert routed.router.call("DEL", "left") == 1


@pytest.mark.parametrize("mode", [[], ["BCAST", "PREFIX", "track:"], ["OPTIN"]])
def test_a_client_that_caches_is_told_of_what_others_write(routed, mode):
    with routed.router.connect(hello=3) as caches, routed.router.connect() as writes:
        assert caches.call("CLIENT", "TRACKING", "ON", *mode) == "OK"
        if "OPTIN" in mode:
            assert caches.call("CLIENT", "CACHING", "YES") == "OK"
        caches.call("GET", "track:1")
        for key in ("other:1", "track:1"):
            assert writes.call("SET", key, "new") == "OK"
        assert caches.read() == Push(["invalidate", ["track:1"]])
        assert caches.call("GET", "track:1") == "new"
        assert caches.call("CLIENT", "TRACKING", "OFF") == "OK"
        assert writes.call("DEL", "track:1", "other:1") == 2
        assert caches.call("PING") == "PONG"


def test_monitor_shows_what_others_ask(routed):
    with routed.router.connect() as watches, routed.router.connect() as asks:
        assert watches.call("MONITOR") == "OK"
        assert asks.call("SET", "seen", "by monitor") == "OK"
        wait_until(lambda: '"SET" "seen" "by monitor"' in watches.read(), 5)
        assert watches.call("RESET") == "RESET" or watches.read() == "RESET"


def test_a_watched_key_that_another_changed_makes_exec_nil(routed):
    for version, nothing in ((2, NIL_ARRAY), (3, NULL)):
        with routed.router.connect(hello=version) as client, routed.router.connect() as other:
            assert client.call("WATCH", "watched") == "OK"
            assert other.call("SET", "watched", "by another") == "OK"
            assert client.call("MULTI") == "OK"
            assert client.call("SET", "watched", "mine") == "QUEUED"
            assert client.call("EXEC") == nothing
            assert client.call("GET", "watched") == "by another"


def test_a_wrong_request_in_a_transaction_aborts_it(routed):
    with routed.router.connect() as client:
        assert client.call("MULTI") == "OK"
        assert client.call("nosuch").startswith("ERR unknown command")
        assert client.call("SET", "aborted", "x") == "QUEUED"
        assert client.call("EXEC").startswith("EXECABORT")
        assert not client.call("GET", "aborted")


@pytest.mark.parametrize("words", [["REPLICAOF", "NO", "ONE"], ["AUTH", "x"], ["HELLO", "3"],
                                   ["SUBSCRIBE", "a", "b"], ["CLIENT", "REPLY", "OFF"],
                                   ["CLIENT", "TRACKING", "ON"], ["MONITOR"]])
def test_what_a_transaction_may_not_hold_aborts_it(routed, words):
    with routed.router.connect() as client:
        client.send_raw(encode(["MULTI"]) + encode(["SET", "aborted", "x"]) + encode(words)
                        + encode(["EXEC"]) + encode(["GET", "aborted"]))
        assert [client.read(), client.read()] == ["OK", "QUEUED"]
        assert client.read().startswith(f"ERR holdfast: {words[0]}")
        assert client.read().startswith("EXECABORT")
        assert not client.read()


def test_a_connection_with_an_open_transaction_is_nobody_elses(routed):
    """DISCARD of the wrong form ends nothing; neither does a nested MULTI."""
    for odd in (["DISCARD", "x"], ["MULTI"], ["MULTI", "x"], ["WATCH"]):
        with routed.router.connect() as client:
            assert client.call("MULTI") == "OK"
            assert isinstance(client.call(*odd), RespError)
            assert client.call("SET", "odd", "x") == "QUEUED", odd
            with routed.router.connect() as other:
                other.send_raw(encode(["WATCH", "k"]) + encode(["UNWATCH"]))
                assert [other.read(), other.read()] == ["OK", "OK"], odd
    for odd in (["UNWATCH", "x"], ["WATCH"], ["EXEC"], ["DISCARD"]):
        with routed.router.connect() as client:
            assert client.call("WATCH", "odd") == "OK"
            assert isinstance(client.call(*odd), RespError)
            assert routed.router.call("SET", "odd", "changed") == "OK"
            client.send_raw(encode(["MULTI"]) + encode(["PING"]) + encode(["EXEC"]))
            assert [client.read(), client.read(), client.read()] == ["OK", "QUEUED", NIL_ARRAY], odd


def connections(routed, database=None):
    """Those of the router at Redis that carry requests of its clients."""
    lines = [dict(word.split("=", 1) for word in line.split())
             for line in routed.redis.call("CLIENT", "LIST").splitlines()]
    return [line for line in lines if line["name"] == "holdfast-router"
            and (database is None or line["db"] == str(database))]


def test_fifty_clients_share_two_connections_and_a_transaction_takes_its_own(routed):
    database = 30
    clients = [routed.router.connect() for _ in range(50)]
    try:
        for client in clients:
            assert client.call("SELECT", database) == "OK"
        for round_ in range(20):
            for client in clients:
                client.send("SET", f"shared:{round_}", "x")
            for client in clients:
                assert client.read() == "OK"
        assert 1 <= len(connections(routed, database)) <= 2
        shared = len(connections(routed, database))
        for client in clients[:3]:
            assert client.call("MULTI") == "OK"
        assert len(connections(routed, database)) == shared + 3
        for client in clients[:3]:
            assert client.call("EXEC") == []
        for client in clients:  # the next transactions take those that are free again
            assert client.call("MULTI") == "OK"
            assert client.call("DISCARD") == "OK"
        assert len(connections(routed, database)) <= shared + 3
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("engine", ["SCRIPT", "FUNCTION"])
def test_a_script_that_runs_on_the_shared_connection_is_killed(routed, engine):
    with routed.router.connect(timeout_s=20) as runs, routed.router.connect(timeout_s=20) as kills:
        if engine == "FUNCTION":
            code = "#!lua name=spin\nredis.register_function('spin', function() while true do end end)"
            assert kills.call("FUNCTION", "LOAD", "REPLACE", code) == "spin"
            runs.send("FCALL", "spin", "0")
        else:
            runs.send("EVAL", "while true do end", "0")
        wait_until(lambda: routed.redis.call("PING").startswith("BUSY"), 10)
        assert kills.call(engine, "KILL") == "OK"
        assert "killed" in runs.read()
        assert runs.call("PING") == "PONG"
        assert kills.call("FUNCTION", "FLUSH") == "OK"


@pytest.mark.parametrize("words", [["REPLICAOF", "NO", "ONE"], ["SLAVEOF", "127.0.0.1", "1"],
                                   ["PSYNC", "?", "-1"], ["SYNC"], ["REPLCONF", "ACK", "1"],
                                   ["FAILOVER"]])
def test_what_cannot_be_carried_is_refused_with_the_reason(routed, words):
    with routed.router.connect() as client:
        reply = client.call(*words)
        assert isinstance(reply, RespError) and reply.startswith(f"ERR holdfast: {words[0]} "), reply
        assert len(reply) > 40
        assert client.call("PING") == "PONG"
    assert routed.redis.is_master()


def test_info_is_answered_from_a_copy(table, tmp_path):
    routed = Routed(table, tmp_path, args=["--info-cache", "1s"])
    asked = lambda: int(re.search(r"calls=(\d+)", routed.redis.info("commandstats").get(  # noqa: E731
        "cmdstat_info", "calls=0"))[1])
    routed.router.call("INFO")
    before, began = asked(), time.monotonic()
    for _ in range(500):
        assert "redis_version" in routed.router.call("INFO")
    took_s = time.monotonic() - began
    # One a second for each thread, and the two of asked().
    assert asked() - before <= (took_s + 1) * int(os.environ.get("ROUTER_THREADS", "1")) + 2
