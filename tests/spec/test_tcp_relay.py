"""The TCP relay among real sockets: what is carried, what happens when members go, and its limits."""

import hashlib
import os
import resource
import socket
import struct
import threading
import time

import pytest

from lib.ports import free_port
from lib.tcp_member import push_bytes
from lib.tcp_relay import ANSWER_S, Member, Relay
from lib.wait import stays_true, wait_until

IDLE, OPEN_FILES = 2000, 4096
SOON_S = 15  # for what takes a turn or two; a busy machine with sanitizers


@pytest.fixture
def pair_of(table, tmp_path):
    """Builds members a and b of one mode and a relay in front of them."""
    def build(*options, mode="echo", count=0, **more):
        members = [Member(table, tmp_path, name, mode, count).start() for name in ("a", "b")]
        return members, Relay(table, tmp_path, members, *options, **more)
    return build


def recv_exactly(sock, count):
    got = bytearray()
    while len(got) < count:
        chunk = sock.recv(min(65536, count - len(got)))
        assert chunk, f"ended after {len(got)} of {count} bytes"
        got += chunk
    return bytes(got)


def recv_all(sock):
    """Until the other side ends."""
    got = bytearray()
    while chunk := sock.recv(65536):
        got += chunk
    return bytes(got)


def name_of(sock):
    """What a greeting member says first."""
    return recv_exactly(sock, 2).decode().strip()


def is_reset(sock, within_s=SOON_S):
    """Whether it is reset, not ended in order."""
    sock.settimeout(within_s)
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False


def is_turned_away(relay):
    """Accepted and reset, which may come before connect() returns."""
    try:
        with relay.connect() as sock:
            return is_reset(sock)
    except ConnectionResetError:
        return True


def is_refused(relay):
    try:
        relay.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def send_all(sock, block, failures):
    try:
        sock.sendall(block)
    except OSError as error:
        failures.append(error)


def exchange(sock, rounds, size):
    """Echoes with a check of every byte; what is sent next depends on what came. A reset is told by
    the kernel once, to who reads or to who writes: to the caller it is the same."""
    seed = os.urandom(32)
    for _ in range(rounds):
        seed = hashlib.sha256(seed).digest()
        block = (seed * (size // len(seed) + 1))[:size]
        failures = []
        sender = threading.Thread(target=send_all, args=(sock, block, failures))
        sender.start()
        try:
            assert recv_exactly(sock, size) == block
        except AssertionError:
            sender.join(ANSWER_S)
            if failures:
                raise failures[0] from None
            raise
        sender.join()


def in_threads(count, work):
    errors = []

    def one(number):
        try:
            work(number)
        except Exception as error:  # told below, with its number
            errors.append((number, repr(error)))
    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


def wait_nobody(relay, descriptors):
    wait_until(lambda: relay.stats()["connections"] == 0, SOON_S, "all connections are gone")
    assert relay.stats()["held"] == 0
    assert all(m["open"] == 0 for m in relay.stats()["members"].values())
    wait_until(lambda: relay.descriptors() == descriptors, SOON_S,
               f"{descriptors} descriptors again, not {relay.descriptors()}")


# ---- carrying ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_many_streams_carry_every_byte(pair_of, threads):
    _, relay = pair_of("--threads", threads)
    descriptors = relay.descriptors()

    def stream(number):
        with relay.connect() as sock:
            exchange(sock, 20, 100 + number)
            exchange(sock, 2, 300_000 + number)
    in_threads(24, stream)
    wait_nobody(relay, descriptors)
    stats = relay.stats()
    want = sum(20 * (100 + n) + 2 * (300_000 + n) for n in range(24))
    assert sum(m["bytes_up"] for m in stats["members"].values()) == want
    assert sum(m["bytes_down"] for m in stats["members"].values()) == want
    assert all(m["connected"] > 0 for m in stats["members"].values()), "both took some"
    assert stats["accepted"] == 24 and stats["broken"] == 0


def test_a_client_that_ends_its_half_gets_the_answer(pair_of):
    _, relay = pair_of(mode="sum")
    said = push_bytes(3_000_000)
    with relay.connect() as sock:
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)
        assert recv_all(sock).decode() == hashlib.sha256(said).hexdigest()
    wait_until(lambda: relay.stats()["connections"] == 0, SOON_S)
    assert relay.stats()["broken"] == 0


def test_a_member_that_ends_its_half_still_hears(pair_of):
    members, relay = pair_of(mode="push", count=2_000_000)
    with relay.connect() as sock:
        assert recv_all(sock) == push_bytes(2_000_000)
        sock.sendall(b"x" * 1_000_000)
    wait_until(lambda: any("heard 1000000" in m.process.output() for m in members), SOON_S)
    wait_until(lambda: relay.stats()["connections"] == 0, SOON_S)
    assert relay.stats()["broken"] == 0


def memory_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def test_who_does_not_read_costs_no_memory(pair_of):
    _, relay = pair_of(mode="flood")
    socks = [relay.connect() for _ in range(8)]
    try:
        for sock in socks:
            assert recv_exactly(sock, 10)
        before = None
        while before != (before := sum(m["bytes_down"] for m in relay.stats()["members"].values())):
            stays_true(lambda: True, 0.3)  # until it stands still
        assert memory_kb(relay.pid) < 150_000, "8 readers hold at most 64 KiB each"
        for sock in socks:
            assert recv_exactly(sock, 1_000_000) == (push_bytes(65536) * 16)[10:1_000_010]
        for _ in range(300):  # more than all buffers hold: it goes on
            assert recv_exactly(socks[0], 65536) == (push_bytes(65536) * 2)[16970:16970 + 65536]
    finally:
        for sock in socks:
            reset(sock)


@pytest.fixture
def many_descriptors():
    """For this process and those it starts meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < OPEN_FILES:
        pytest.skip(f"{OPEN_FILES} open files are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_idle_connections_are_cheap_and_stay(many_descriptors, pair_of):
    _, relay = pair_of(mode="greet")
    descriptors, before_kb = relay.descriptors(), memory_kb(relay.pid)
    socks = [relay.connect() for _ in range(IDLE)]
    try:
        for sock in socks:
            assert name_of(sock) in ("a", "b")
        assert relay.descriptors() == descriptors + 2 * IDLE, "two descriptors for each"
        per_kb = (memory_kb(relay.pid) - before_kb) / len(socks)
        assert per_kb < 8, f"{per_kb:.1f} KiB for each idle connection"
        for sock in socks:
            sock.sendall(b"still there")
        for sock in socks:
            assert recv_exactly(sock, 11) == b"still there"
    finally:
        for sock in socks:
            sock.close()
    wait_nobody(relay, descriptors)


def test_a_unix_socket_is_listened_on_too(table, tmp_path, pair_of):
    path = os.path.join(str(tmp_path), "relay.sock")
    _, relay = pair_of(listens=("127.0.0.1:0", f"unix:{path}"))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect(path)
        exchange(sock, 3, 100_000)
    relay.close()
    assert not os.path.exists(path)


# ---- members go ----------------------------------------------------------------------------------


def test_a_refused_member_is_passed_over(pair_of):
    members, relay = pair_of(mode="greet")
    members[0].kill()
    for _ in range(8):
        with relay.connect() as sock:
            assert name_of(sock) == "b"
    assert relay.member("a")["failed"] > 0


def test_a_client_waits_for_a_member_that_starts_again(table, tmp_path):
    member = Member(table, tmp_path, "a", "greet")
    relay = Relay(table, tmp_path, [member], "--hold", 20000)
    with relay.connect() as sock:
        wait_until(lambda: relay.member("a")["failed"] >= 2, SOON_S, "it is tried again and again")
        member.start()
        assert name_of(sock) == "a"
    assert relay.stats()["held_longest_ms"] > 0


def test_a_cut_resets_the_idle_and_the_busy(pair_of):
    _, relay = pair_of(mode="greet")
    relay.tell("writer", "a")
    idle, busy = relay.connect(), relay.connect()
    assert name_of(idle) == "a" and name_of(busy) == "a"
    busy.sendall(b"x" * 200_000)
    began = time.monotonic()
    relay.tell("writer", "b")
    assert is_reset(idle) and is_reset(busy)
    assert time.monotonic() - began < SOON_S
    with relay.connect() as sock:
        assert name_of(sock) == "b"
    assert relay.stats()["cut"] == 2 and relay.member("a")["cut"] == 2
    assert relay.member("a")["open"] == 0


def test_a_killed_member_resets_its_clients_only(pair_of):
    members, relay = pair_of(mode="greet")
    socks = [relay.connect() for _ in range(6)]
    names = [name_of(sock) for sock in socks]
    assert set(names) == {"a", "b"}
    members[0].kill()
    for name, sock in zip(names, socks):
        if name == "b":
            exchange(sock, 2, 5000)
        sock.close()
    with relay.connect() as sock:
        assert name_of(sock) == "b"


def test_a_planned_move_lets_connections_end(pair_of):
    _, relay = pair_of(mode="greet")
    relay.tell("down", "b")
    old, longer = relay.connect(), relay.connect()
    assert name_of(old) == "a" and name_of(longer) == "a"
    relay.tell("ready", "b")
    relay.tell("drain", "a", 3000)
    began = time.monotonic()
    with relay.connect() as sock:
        assert name_of(sock) == "b", "new ones go to the other at once"
    exchange(old, 3, 10_000)
    old.close()
    wait_until(lambda: relay.member("a")["open"] == 1, SOON_S)
    assert is_reset(longer), "and is cut when the time is over"
    assert time.monotonic() - began >= 2.9
    assert relay.stats()["cut"] == 1


def test_a_member_that_hangs_is_left_unseen(pair_of):
    """The kernel of a stopped process accepts for it; the client only sees a slow greeting."""
    members, relay = pair_of(mode="greet")
    relay.tell("writer", "a")
    members[0].stop()
    with relay.connect() as sock:
        wait_until(lambda: relay.member("a")["connected"] == 1, SOON_S)
        relay.tell("writer", "b")
        assert name_of(sock) == "b"
        exchange(sock, 2, 1000)
    assert relay.stats()["moved"] == 1 and relay.stats()["cut"] == 0
    members[0].cont()


def test_a_member_that_answers_no_connect_is_passed_over(table, tmp_path):
    """A full backlog: the handshake is never completed."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        hung = Member(table, tmp_path, "a", port=full.getsockname()[1])
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(hung.addr)
            waiting.append(one)
        good = Member(table, tmp_path, "b", "greet").start()
        relay = Relay(table, tmp_path, [hung, good], "--connect-timeout", 300)
        for _ in range(2):
            with relay.connect() as sock:
                assert name_of(sock) == "b"
        assert relay.member("a")["failed"] >= 1
        for one in waiting:
            one.close()


def test_a_backup_serves_only_when_no_other_does(pair_of):
    _, relay = pair_of(mode="greet")
    relay.tell("backup", "a")
    for _ in range(3):
        with relay.connect() as sock:
            assert name_of(sock) == "b"
    relay.tell("down", "b")
    with relay.connect() as sock:
        assert name_of(sock) == "a"


def test_the_least_loaded_member_gets_the_next(pair_of):
    _, relay = pair_of("--rule", 1, "--threads", 2, mode="greet")
    relay.tell("down", "b")
    socks = [relay.connect() for _ in range(4)]
    assert [name_of(sock) for sock in socks] == ["a"] * 4
    relay.tell("ready", "b")
    more = [relay.connect() for _ in range(4)]
    assert [name_of(sock) for sock in more] == ["b"] * 4
    for sock in socks + more:
        sock.close()


def test_a_source_keeps_its_member(pair_of):
    _, relay = pair_of("--rule", 2, mode="greet")

    def asked_from(source):
        with socket.create_connection(relay.addr, ANSWER_S, source_address=(source, 0)) as sock:
            return name_of(sock)
    sources = [f"127.0.0.{number}" for number in range(2, 18)]
    first = [asked_from(source) for source in sources]
    assert set(first) == {"a", "b"}
    for source, name in zip(sources, first):
        assert [asked_from(source), asked_from(source)] == [name, name]


def test_a_backup_serves_when_the_others_refuse(pair_of):
    members, relay = pair_of("--hold", 20000, mode="greet")
    relay.tell("backup", "b")
    members[0].kill()
    with relay.connect() as sock:
        assert name_of(sock) == "b"
    assert relay.member("a")["failed"] == 1 and relay.stats()["held_total"] == 0


# ---- waiting -------------------------------------------------------------------------------------


def test_clients_wait_for_a_member_within_bounds(pair_of):
    _, relay = pair_of("--hold", 60000, "--held", 5, mode="greet")
    relay.tell("down", "a")
    relay.tell("down", "b")
    held = [relay.connect() for _ in range(5)]
    wait_until(lambda: relay.stats()["held"] == 5, SOON_S)
    assert is_turned_away(relay), "one more is refused"
    assert relay.stats()["refused"] == 1
    held.pop().close()
    wait_until(lambda: relay.stats()["held"] == 4, SOON_S, "one that leaves is forgotten")
    relay.tell("ready", "b")
    for sock in held:
        assert name_of(sock) == "b"
        sock.close()
    stats = relay.stats()
    assert stats["held_total"] == 5 and stats["held_expired"] == 0 and stats["held"] == 0


def test_a_client_does_not_wait_longer_than_the_hold(pair_of):
    _, relay = pair_of("--hold", 400)
    relay.tell("down", "a")
    relay.tell("down", "b")
    began = time.monotonic()
    with relay.connect() as sock:
        sock.sendall(b"a request")
        assert is_reset(sock)
    assert 0.35 < time.monotonic() - began < SOON_S
    assert relay.stats()["held_expired"] == 1


# ---- limits --------------------------------------------------------------------------------------


def test_a_flood_above_the_limit_is_refused_and_the_others_served(pair_of):
    _, relay = pair_of("--connections", 20)
    descriptors = relay.descriptors()
    good = [relay.connect() for _ in range(20)]
    for sock in good:
        exchange(sock, 1, 100)
    for _ in range(200):
        assert is_turned_away(relay)
    for sock in good:
        exchange(sock, 1, 100_000)
        sock.close()
    wait_nobody(relay, descriptors)
    assert relay.stats()["refused"] == 200
    with relay.connect() as sock:
        exchange(sock, 1, 100)


def test_who_is_silent_for_too_long_is_closed(pair_of):
    _, relay = pair_of("--idle", 700, mode="greet")
    with relay.connect() as sock:
        assert name_of(sock) in ("a", "b")
        assert recv_all(sock) == b""
    assert relay.stats()["idle"] == 1


def test_half_a_connection_does_not_stay_for_ever(pair_of):
    members, relay = pair_of("--half-closed", 500, mode="greet")
    whole, half = relay.connect(), relay.connect()
    assert {name_of(whole), name_of(half)} == {"a", "b"}
    for member in members:
        member.stop()  # it does not end its half
    half.close()
    wait_until(lambda: relay.stats()["idle"] == 1, SOON_S)
    assert relay.stats()["connections"] == 1, "the whole one stays"
    for member in members:
        member.cont()
    exchange(whole, 1, 1000)
    whole.close()


# ---- the end -------------------------------------------------------------------------------------


def test_a_stop_lets_connections_end_until_the_drain_is_over(pair_of):
    _, relay = pair_of("--drain", 2500)
    early, late = relay.connect(), relay.connect()
    exchange(early, 1, 100)
    exchange(late, 1, 100)
    relay.tell("stop")
    began = time.monotonic()
    wait_until(lambda: is_refused(relay), SOON_S, "nobody listens")
    exchange(early, 1, 100_000)
    early.close()
    assert is_reset(late)
    assert time.monotonic() - began > 2
    assert relay.line() == "drained"


def test_both_sides_may_vanish_at_once(table, tmp_path, chance):
    relay_port, descriptors, relay = free_port(), None, None
    for _ in range(6):
        member = Member(table, tmp_path, "a", port=relay_port).start()
        relay = relay or Relay(table, tmp_path, [member], "--hold", 500)
        descriptors = descriptors or relay.descriptors()
        socks = [relay.connect() for _ in range(30)]
        for sock in socks:
            sock.sendall(os.urandom(chance.randrange(1, 50_000)))
        killer = threading.Thread(target=member.kill)
        killer.start()
        for sock in socks:
            if chance.random() < 0.5:
                reset(sock)
            else:
                sock.close()
        killer.join()
        wait_nobody(relay, descriptors)
    assert relay.stats()["accepted"] == 180


def test_what_arrives_is_never_wrong_while_members_come_and_go(pair_of, chance):
    """A stream ends with a reset or carries on; no byte is lost, doubled or another's before that."""
    _, relay = pair_of("--hold", 20000, "--threads", 2)
    descriptors, stop, done = relay.descriptors(), threading.Event(), []

    def stream(number):
        rounds = 0
        while not stop.is_set():
            try:
                with relay.connect() as sock:
                    for _ in range(30):
                        exchange(sock, 1, 1000 * number + 17)
                        rounds += 1
            except ConnectionError:
                continue
        done.append(rounds)

    def upset():
        for _ in range(100):
            name = chance.choice("ab")
            other = "b" if name == "a" else "a"
            relay.tell("ready", other)
            relay.tell(*chance.choice([("down", name), ("drain", name, 30), ("writer", name)]))
            served = sum(m["bytes_down"] for m in relay.stats()["members"].values())
            wait_until(lambda n=served: sum(m["bytes_down"] for m in
                                            relay.stats()["members"].values()) > n + 50_000, SOON_S)
        stop.set()

    def work(number):
        if number:
            stream(number)
            return
        try:
            upset()
        finally:
            stop.set()
    in_threads(9, work)
    assert len(done) == 8 and all(done), done
    wait_nobody(relay, descriptors)


# ---- the PROXY protocol --------------------------------------------------------------------------


@pytest.fixture
def nginx(table, tmp_path):
    """Says who the client is, as the PROXY protocol told it."""
    port = free_port()
    conf = tmp_path / "nginx.conf"
    conf.write_text(f"daemon off;\nmaster_process off;\npid {tmp_path}/nginx.pid;\n"
                    f"error_log {tmp_path}/nginx-error.log;\nevents {{}}\nhttp {{\n"
                    f"access_log off;\nclient_body_temp_path {tmp_path}/b;\n"
                    f"proxy_temp_path {tmp_path}/p;\nfastcgi_temp_path {tmp_path}/f;\n"
                    f"uwsgi_temp_path {tmp_path}/u;\nscgi_temp_path {tmp_path}/s;\n"
                    f"server {{ listen 127.0.0.1:{port} proxy_protocol;\nlocation / {{\n"
                    'return 200 "$proxy_protocol_addr $proxy_protocol_port";\n}}}\n')
    table.spawn(["nginx", "-c", conf, "-e", tmp_path / "nginx-start.log"], cwd=tmp_path,
                name="nginx")
    wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1).close() is None, ANSWER_S)
    return port


@pytest.mark.parametrize("version", [1, 2])
def test_a_member_is_told_who_the_client_is(table, tmp_path, nginx, version):
    member = Member(table, tmp_path, "a", port=nginx)
    path = os.path.join(str(tmp_path), "relay.sock")
    relay = Relay(table, tmp_path, [member], "--proxy", version,
                  listens=("127.0.0.1:0", f"unix:{path}"))
    request = b"GET / HTTP/1.0\r\n\r\n"
    with relay.connect() as sock:
        sock.sendall(request)
        host, port = sock.getsockname()
        answer = recv_all(sock).decode()
    assert answer.startswith("HTTP/1.1 200") and answer.endswith(f"\r\n\r\n{host} {port}"), answer
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect(path)
        sock.sendall(request)
        assert recv_all(sock).decode().startswith("HTTP/1.1 200"), "unknown, but served"
