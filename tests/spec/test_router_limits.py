"""Clients that mean harm, or do it: the router bounds what they take and serves the others."""

import os
import select
import socket
import struct
import subprocess
import time

import pytest

from lib.resp import RespError, encode
from lib.router import Router
from lib.router_differential import NAME, Routed, memory_kb
from lib.wait import wait_until

log_places = []


@pytest.fixture(scope="module")
def routed(module_table, tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("routed")
    request.module.log_places = request.module.log_places + [directory]
    return Routed(module_table, directory, args=["--request-timeout", "600ms"])


def another(table, tmp_path, routed, *args, name="another", **options):
    """A router of its own limits in front of the same Redis."""
    return Router(table, tmp_path, [routed.monitor], master=NAME, name=name, args=args,
                  **options).start().wait_routes()


@pytest.fixture
def guarded(table, tmp_path, routed):
    path = os.path.join(str(tmp_path), "client.secret")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.write("our own\n")
    return another(table, tmp_path, routed, "--client-auth", "own", "--client-password-file", path,
                   "--strangers", "4", "--clients", "12", "--request-timeout", "600ms",
                   password="our own")


def served(routed, router=None):
    """What a client that does no harm must see all the time."""
    value = os.urandom(6).hex()
    with (router or routed.router).connect() as client:
        assert client.call("SET", "served", value) == "OK"
        assert client.call("GET", "served") == value


def plain(addr):
    sock = socket.create_connection(addr, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_all(sock, within_s=5):
    """Until the other side closes."""
    got, deadline = b"", time.monotonic() + within_s
    while time.monotonic() < deadline:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            chunk = sock.recv(65536)
        except ConnectionError:
            return got
        if not chunk:
            return got
        got += chunk
    raise AssertionError(f"not closed within {within_s} s; said {got[:200]!r}")


# ---- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [b"*2\r\n$3\r\nGET\r\n", b"*", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\n1234",
                                   b"GET", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5000000\r\nxxxx"])
def test_a_request_that_does_not_end_is_ended(routed, begin):
    with plain(routed.router.addr) as slow:
        slow.sendall(begin)
        began = time.monotonic()
        assert read_all(slow, 6) == b""
        assert time.monotonic() - began > 0.4
    served(routed)


def test_one_byte_at_a_time_is_no_way_around(routed):
    request = encode(["SET", "slow", "x" * 100])
    with plain(routed.router.addr) as slow:
        deadline = time.monotonic() + 6
        with pytest.raises((ConnectionError, AssertionError)):
            for at in range(len(request)):
                slow.sendall(request[at:at + 1])
                ready, _, _ = select.select([slow], [], [], 0.1)
                assert not ready or slow.recv(100), "closed"
        assert time.monotonic() < deadline
    served(routed)


def test_one_that_says_nothing_may_stay_when_it_is_let_in_and_not_before(routed, guarded):
    with plain(guarded.addr) as stranger, routed.router.connect() as quiet:
        assert read_all(stranger, 6) == b""
        assert quiet.call("PING") == "PONG"


# ---- size and number -----------------------------------------------------------------------------


@pytest.mark.parametrize("request_bytes,error", [
    (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
    (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
])
def test_a_stranger_may_not_say_much(routed, guarded, request_bytes, error):
    with plain(guarded.addr) as stranger:
        stranger.sendall(request_bytes)
        assert read_all(stranger) == error
    served(routed, guarded)


@pytest.mark.parametrize("request_bytes,error", [
    (b"*2147483648\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    (b"*1\r\n$536870913\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
    (b"*1\r\n$99999999999999999999999999999999999\r\n",
     b"-ERR Protocol error: invalid bulk length\r\n"),
    (b"x" * 70000, b"-ERR Protocol error: too big inline request\r\n"),
    (b"*1" + b"1" * 70000, b"-ERR Protocol error: too big mbulk count string\r\n"),
    (b"*1\r\n$1" + b"1" * 70000, b"-ERR Protocol error: too big bulk count string\r\n"),
])
def test_what_is_no_request_is_answered_as_redis_does(routed, request_bytes, error):
    for addr in (routed.redis.addr, routed.router.addr):
        with plain(addr) as client:
            client.sendall(encode(["ECHO", "before"]) + request_bytes)
            got = read_all(client)
            assert got == b"$6\r\nbefore\r\n" + error, (addr, got)
    served(routed)


def test_an_argument_above_the_bound_is_refused(table, tmp_path, routed):
    router = another(table, tmp_path, routed, "--request-max-bytes", "1mb")
    with plain(router.addr) as client:
        client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1048577\r\n")
        assert read_all(client) == b"-ERR Protocol error: invalid bulk length\r\n"
    with router.connect() as client:
        assert client.call("SET", "k", "x" * (1 << 20)) == "OK"
        assert client.call("STRLEN", "k") == 1 << 20


def test_a_request_of_a_million_arguments_is_carried(routed):
    with routed.router.connect(timeout_s=20) as client:
        client.send_raw(encode(["SADD", "many"] + list(range(300_000))))
        assert client.read() == 300_000
        assert client.call("DEL", "many") == 1
    assert memory_kb(routed.router.process) < 64 << 10


@pytest.mark.parametrize("words", [["CLIENT", "SETNAME", "x" * 3_000_000],
                                   ["SUBSCRIBE", "x" * 3_000_000], ["AUTH", "x" * 3_000_000],
                                   ["x" * 3_000_000], ["MULTI", "x" * 3_000_000]])
def test_what_must_be_seen_whole_may_not_be_huge(routed, words):
    with plain(routed.router.addr) as client:
        client.settimeout(5)
        try:
            client.sendall(encode(words))
        except ConnectionError:
            pass
        assert read_all(client)[:1] in (b"-", b"")
    assert memory_kb(routed.router.process) < 64 << 10
    served(routed)


def test_the_number_of_clients_is_bounded(guarded):
    inside = [guarded.connect() for _ in range(11)]
    last = guarded.connect()
    with plain(guarded.addr) as more:
        assert read_all(more) == b"-ERR max number of clients reached\r\n"
    last.close()
    wait_until(lambda: guarded.call("PING") == "PONG", 5)
    for client in inside:
        assert client.call("PING") == "PONG"
        client.close()


def test_strangers_cannot_take_all_places(guarded):
    strangers = [plain(guarded.addr) for _ in range(4)]
    try:
        wait_until(lambda: guarded.status()["counts"]["clients"] == 4, 3)
        with plain(guarded.addr) as more:
            assert read_all(more) == \
                b"-ERR holdfast: too many clients that are not authenticated\r\n"
    finally:
        for sock in strangers:
            sock.close()
    wait_until(lambda: guarded.call("PING") == "PONG", 5)


def test_a_reply_nested_deeply_passes(routed):
    script = ("local t = {'bottom'} for i = 1, 120 do t = {i, t} end return t")
    for version in (2, 3):
        with routed.router.connect(hello=version) as client, routed.redis.connect() as straight:
            straight.call("HELLO", version)
            assert client.call("EVAL", script, "0") == straight.call("EVAL", script, "0")


# ---- disorder ------------------------------------------------------------------------------------


def test_garbage_harms_nobody(routed, chance):
    pieces = [b"*", b"$", b"\r\n", b"\n", b"\0", b"3", b"-1", b"GET", b"SET x y\r\n", b'"', b"'",
              b"*1\r\n$4\r\nPING\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n", b":1\r\n", b"+OK\r\n",
              b"%1\r\n", b"MULTI\r\n", b"EXEC\r\n", b"SUBSCRIBE x\r\n", b"HELLO 3\r\n", b"RESET\r\n"]
    for _ in range(300):
        with plain(routed.router.addr) as client:
            data = b"".join(chance.choice(pieces) if chance.random() < 0.8 else
                            chance.randbytes(chance.randint(1, 40))
                            for _ in range(chance.randint(1, 30)))
            try:
                client.sendall(data)
                if chance.random() < 0.5:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except ConnectionError:
                pass
    served(routed)
    wait_until(lambda: routed.router.count("clients") == 0, 5)


@pytest.mark.parametrize("last", [["GET", "half"], ["INCR", "half"], ["BLPOP", "halflist", "0.2"],
                                  ["PING"]])
def test_half_closed_connections_get_their_answers(routed, last):
    """As `echo GET x | nc` expects."""
    for addr in (routed.redis.addr, routed.router.addr):
        routed.redis.call("DEL", "half")
        with plain(addr) as client:
            client.sendall(encode(["SET", "half", "1"]) + encode(["GET", "half"]) + encode(last))
            client.shutdown(socket.SHUT_WR)
            got = read_all(client)
            if addr == routed.redis.addr:
                want = got
    if last[0] != "BLPOP":  # there a direct one is just closed
        assert got == want


def test_a_thousand_connections_that_end_in_the_middle(routed, chance):
    """Opened and cut at any byte; meanwhile others get their own replies and no others'."""
    good = [routed.router.connect(timeout_s=10) for _ in range(4)]
    blocks = encode(["BLPOP", "midlist", "0"])
    requests = (encode(["SET", "mid", "x" * 200]), encode(["GET", "mid"]), encode(["MULTI"]),
                blocks, encode(["SUBSCRIBE", "mid"]),
                encode(["SET", "midbig", "y" * 200_000]), encode(["GET", "midbig"]),
                encode(["WATCH", "mid"]), encode(["MONITOR"]), encode(["HELLO", "3"]),
                encode(["CLIENT", "TRACKING", "ON"]), encode(["EVAL", "return 1", "0"]),
                encode(["CLIENT", "REPLY", "OFF"]), encode(["QUIT"]), encode(["SELECT", "3"]))
    bad = []
    for number in range(1000):
        sock = plain(routed.router.addr)
        data = b"".join(chance.choice(requests) for _ in range(chance.randint(1, 6)))
        # More behind than the kernel holds would hide from the router that a blocked client left:
        # it reads no more of one.
        if blocks in data:
            data = data[:data.index(blocks) + len(blocks) + 64]
        sock.setblocking(False)
        try:
            sock.send(data[:chance.randint(1, len(data))])
        except OSError:
            pass
        bad.append(sock)
        if len(bad) > 40 or number == 999:
            chance.shuffle(bad)
            while len(bad) > (15 if number < 999 else 0):
                victim = bad.pop()
                if chance.random() < 0.5:
                    victim.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                victim.close()
        if number % 5 == 0:
            for index, client in enumerate(good):
                tag = f"{index}:{number}"
                client.send_raw(encode(["SET", f"good{index}", tag]) + encode(["GET", f"good{index}"])
                                + encode(["ECHO", tag]))
            for index, client in enumerate(good):
                tag = f"{index}:{number}"
                assert [client.read(), client.read(), client.read()] == ["OK", tag, tag]
    for client in good:
        client.close()
    wait_until(lambda: routed.router.count("clients") == 0, 8, "all have gone")
    wait_until(lambda: " cmd=blpop" not in routed.redis.call("CLIENT", "LIST"), 5)


@pytest.mark.parametrize("behind", [0, 1, 1000])
def test_one_that_leaves_while_it_is_blocked_leaves_nothing_behind(routed, behind):
    """Also with requests behind, when the router reads no more of it."""
    with plain(routed.router.addr) as client:
        client.sendall(encode(["BLPOP", "nobody pushes", "0"]) + encode(["GET", "x"]) * behind)
        wait_until(lambda: " cmd=blpop" in routed.redis.call("CLIENT", "LIST"), 5)
    wait_until(lambda: " cmd=blpop" not in routed.redis.call("CLIENT", "LIST"), 5)


def test_without_descriptors_those_who_are_in_are_served(table, tmp_path, routed):
    router = another(table, tmp_path, routed)
    before = len(os.listdir(f"/proc/{router.process.pid}/fd"))
    inside = router.connect(timeout_s=5)
    assert inside.call("SET", "inside", "x") == "OK"
    subprocess.run(["prlimit", "--pid", str(router.process.pid), f"--nofile={before + 20}"],
                   check=True)
    outside = []
    try:
        for _ in range(100):
            outside.append(plain(router.addr))
        for _ in range(50):
            assert inside.call("GET", "inside") == "x"
        cpu = os.times()
        assert inside.call("ECHO", "still") == "still"
        assert cpu is not None
    finally:
        for sock in outside:
            sock.close()
    wait_until(lambda: router.call("PING") == "PONG", 10)
    served(routed, router)
    wait_until(lambda: len(os.listdir(f"/proc/{router.process.pid}/fd")) <= before + 2, 10)
    inside.close()


def test_a_flood_of_short_connections_leaves_nothing_behind(routed):
    before = len(os.listdir(f"/proc/{routed.router.process.pid}/fd"))
    for number in range(500):
        with routed.router.connect() as client:
            assert client.call("ECHO", number) == str(number)
            assert not isinstance(client.call("SELECT", number % 4), RespError)
    wait_until(lambda: len(os.listdir(f"/proc/{routed.router.process.pid}/fd")) <= before + 12, 10)
