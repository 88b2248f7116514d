"""Clients that are slow, silent, huge, malformed or too many get an error or are closed; a client
that behaves, and the watch over the master, do not notice."""

import socket
import time

import pytest

from lib.monitor import Monitor
from lib.redis_server import RedisServer
from lib.resp import RespClient, RespError
from lib.wait import stays_true, wait_until

NAME = "mymaster"
OTHERS_LATENCY_S = 0.5


@pytest.fixture
def monitor(table, tmp_path, kind):
    master = RedisServer(table, tmp_path).start().wait_ready()

    def build(extra=""):
        made = Monitor(table, tmp_path, f"sentinel monitor {NAME} {master.host} {master.port} 1\n"
                       f"sentinel down-after-milliseconds {NAME} 1000\n" + extra, kind=kind)
        made.start().wait_ready()
        made.record()
        wait_until(lambda: made.master(NAME)["flags"] == "master", 5)
        return made
    return build


def unharmed(monitor):
    """Others are answered in time and the master was never thought down."""
    began = time.monotonic()
    assert monitor.call("PING") == "PONG"
    assert monitor.master(NAME)["flags"] == "master"
    took_s = time.monotonic() - began
    assert took_s < OTHERS_LATENCY_S, f"an ordinary client waited {took_s:.2f} s"
    assert not monitor.recorder.find("+sdown")
    return True


def rss_kb(monitor):
    with open(f"/proc/{monitor.process.pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def keep_busy(monitor, count):
    """Pipelined commands with a reply of some size."""
    with monitor.connect(timeout_s=10) as client:
        for _ in range(count // 100):
            for _ in range(100):
                client.send("SENTINEL", "DEBUG")
            for _ in range(100):
                client.read()


def test_subscriber_that_does_not_read_is_closed_not_buffered(monitor):
    """client-output-buffer-limit pubsub: what it does not read must not grow the monitor."""
    m = monitor("client-output-buffer-limit pubsub 64kb 32kb 1\n")
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(m.addr)
    lazy.settimeout(1)
    lazy.sendall(b"SUBSCRIBE news\r\n")
    before_kb = rss_kb(m)
    try:
        for _ in range(20000):
            lazy.sendall(b"PING " + b"c" * 4000 + b"\r\n")
    except (TimeoutError, ConnectionError):
        pass
    wait_until(lambda: unharmed(m), 5)

    def gone():
        return not any(f"addr=127.0.0.1:{lazy.getsockname()[1]} " in line
                       for line in m.call("CLIENT", "LIST").splitlines())
    wait_until(gone, 10, "the lazy subscriber is closed")
    lazy.close()
    assert rss_kb(m) - before_kb < 50 * 1024
    assert unharmed(m)


def test_pipeline_whose_replies_nobody_reads_is_bounded(monitor):
    """A client that sends and never reads: stopped, closed or served, but not without bound."""
    m = monitor("client-output-buffer-limit normal 1mb 512kb 1\n")
    before_kb = rss_kb(m)
    with socket.socket() as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.connect(m.addr)
        greedy.settimeout(0.5)
        try:
            for _ in range(2000):
                greedy.sendall(b"COMMAND\r\n" * 10)
        except (TimeoutError, ConnectionError):
            pass
        wait_until(lambda: unharmed(m), 10)
        assert rss_kb(m) - before_kb < 100 * 1024
    assert unharmed(m)


@pytest.mark.parametrize("raw", [b"x" * (70 * 1024), b"PING " + b"y" * (70 * 1024)],
                         ids=["one word", "with a command"])
def test_inline_without_an_end_is_refused(monitor, raw):
    m = monitor()
    with m.connect() as client:
        client.send_raw(raw)
        assert client.read() == "ERR Protocol error: too big inline request"
        assert client.closed_by_peer()
    assert unharmed(m)


def test_count_line_without_an_end_is_refused(monitor):
    m = monitor()
    with m.connect() as client:
        client.send_raw(b"*" + b"1" * (70 * 1024))
        assert client.read() == "ERR Protocol error: too big mbulk count string"
        assert client.closed_by_peer()
    assert unharmed(m)


def test_huge_query_neither_stops_nor_grows_the_monitor(monitor):
    """An argument is announced with 512 MB and comes in forever: it is cut off, or refused at
    once, long before that is in memory; unauthenticated clients get far less."""
    m = monitor("client-query-buffer-limit 4mb\n")
    before_kb = rss_kb(m)
    with m.connect(timeout_s=2) as client:
        client.send_raw(b"*2\r\n$4\r\nPING\r\n$%d\r\n" % (512 * 1024 * 1024))
        refused = False
        try:
            for _ in range(64):
                client.send_raw(b"z" * (1024 * 1024))
        except (TimeoutError, ConnectionError):
            refused = True
        assert refused or client.closed_by_peer(), "64 MB were taken under a limit of 4 MB"
    assert rss_kb(m) - before_kb < 64 * 1024
    assert unharmed(m)


def test_strangers_without_a_password_cannot_send_much(monitor, tmp_path, table, kind):
    """Before AUTH: at most 10 arguments of at most 16 kB."""
    m = Monitor(table, tmp_path, f"requirepass sesame\nsentinel monitor {NAME} 127.0.0.1 1 1\n",
                kind=kind, name="strict", password="sesame").start().wait_ready()
    for raw, text in ((b"*11\r\n", "ERR Protocol error: unauthenticated multibulk length"),
                      (b"*1\r\n$16385\r\n", "ERR Protocol error: unauthenticated bulk length")):
        with RespClient(m.addr) as client:
            client.send_raw(raw)
            assert client.read() == text
            assert client.closed_by_peer()
    assert m.call("PING") == "PONG"


def test_garbage_is_answered_or_closed(monitor, chance):
    m = monitor()
    for _ in range(200):
        with m.connect() as client:
            try:
                client.send_raw(chance.randbytes(chance.randint(1, 4000)))
                client.sock.shutdown(socket.SHUT_WR)
            except ConnectionError:
                pass
            assert client.closed_by_peer(5)
    assert unharmed(m)


def test_almost_commands_are_answered_or_closed(monitor, chance):
    """Valid frames with bytes flipped: nearer to the parser's heart than noise."""
    m = monitor()
    good = b"*3\r\n$8\r\nSENTINEL\r\n$6\r\nMASTER\r\n$8\r\nmymaster\r\n*1\r\n$4\r\nPING\r\n"
    for _ in range(300):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with m.connect() as client:
            try:
                client.send_raw(bytes(broken))
                client.sock.shutdown(socket.SHUT_WR)
            except ConnectionError:
                pass
            assert client.closed_by_peer(5)
    assert unharmed(m)


def test_hostile_hellos_change_nothing(monitor):
    m = monitor()
    port = m.master_addr(NAME)[1]
    bad = ["", ",", ",,,,,,,", "a,b,c,d,e,f,g,h", "1" * 100000, "\0\0\0", "127.0.0.1,99999,"
           + "a" * 40 + f",0,{NAME},127.0.0.1,{port},0", f"127.0.0.1,-1,{'b' * 40},0,{NAME},"
           f"127.0.0.1,{port},0", f"not an ip,1,{'c' * 40},0,{NAME},127.0.0.1,{port},0"]
    for text in bad:
        reply = m.call("PUBLISH", "__sentinel__:hello", text)
        assert reply == 1 or isinstance(reply, RespError)
    assert m.master_addr(NAME)[1] == port
    assert unharmed(m)


def test_maxclients_refuses_the_next_and_serves_again(monitor):
    """Leave room for the monitor's own needs: only incoming connections count."""
    m = monitor("maxclients 20\n")
    held = []
    try:
        for _ in range(40):
            client = RespClient(m.addr)
            client.send("PING")
            try:
                reply = client.read()
            except (ConnectionError, EOFError):
                reply = "closed"
            held.append(client)
            if reply != "PONG":
                break
        assert reply == "ERR max number of clients reached"
        assert len(held) <= 21
        assert held[0].call("PING") == "PONG"
        assert not m.recorder.find("+sdown"), "the monitor's own links do not starve"
    finally:
        for client in held:
            client.close()
    wait_until(lambda: m.call("PING") == "PONG", 5, "there is room again")
    assert unharmed(m)


def test_silent_client_is_closed_after_timeout_and_a_subscriber_is_not(monitor):
    m = monitor("timeout 1\n")
    with m.connect() as silent, m.connect(timeout_s=10) as subscriber:
        subscriber.call("SUBSCRIBE", "never")
        assert silent.closed_by_peer(6)
        assert subscriber.call("PING") == ["pong", ""]


def test_half_sent_commands_hold_nobody_up(monitor):
    """Fifty clients stop in the middle of a command and stay."""
    m = monitor()
    held = []
    for _ in range(50):
        client = m.connect()
        client.send_raw(b"*2\r\n$4\r\nPING\r\n$100\r\nabc")
        held.append(client)
    stays_true(lambda: unharmed(m), 1.5)
    for client in held:
        client.close()


def test_half_open_and_reset_connections(monitor):
    """Clients that shut down one side, or reset with a reply on its way."""
    m = monitor()
    with m.connect() as client:
        client.send("SENTINEL", "MASTERS")
        client.sock.shutdown(socket.SHUT_WR)
        assert isinstance(client.read(), list) or client.closed_by_peer()
    for _ in range(50):
        client = m.connect()
        client.send("SENTINEL", "MASTERS")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
    wait_until(lambda: unharmed(m), 5)


def test_a_thousand_connections_come_and_go(monitor):
    m = monitor()
    for _ in range(1000):
        assert m.call("PING") == "PONG"
    wait_until(lambda: int(m.info("clients")["connected_clients"]) <= 3, 5,
               "closed clients are forgotten")
    assert unharmed(m)


def test_busy_clients_do_not_delay_the_watch(monitor):
    m = monitor()
    began = time.monotonic()
    while time.monotonic() - began < 2:
        keep_busy(m, 1000)
    assert unharmed(m)


def test_long_names_are_kept_or_refused_but_never_cut(monitor):
    m = monitor()
    name = "n" * 5000
    port = m.master_addr(NAME)[1]
    reply = m.call("SENTINEL", "MONITOR", name, "127.0.0.1", port, 1)
    if not isinstance(reply, RespError):
        assert m.master(name)["name"] == name
        assert name in m.state().masters
        assert m.call("SENTINEL", "REMOVE", name) == "OK"
    assert unharmed(m)
