"""Who may come in and how: passwords, users, TLS, unix sockets, the address that only reads."""

import os
import re
import stat

import pytest

from lib.monitor import Monitor
from lib.redis_server import RedisServer
from lib.resp import NIL_BULK, RespClient, RespError, as_dict, encode
from lib.router import Router
from lib.router_differential import Routed
from lib.site import Site
from lib.tls import Certificates
from lib.wait import wait_until

NAME = "mymaster"
WRONG = "WRONGPASS invalid username-password pair or user is disabled."
log_places = []


class Guarded:
    """A Redis with users, a monitor that may use it, and routers in front."""

    def __init__(self, table, directory):
        self.table, self.dir = table, str(directory)
        self.redis = RedisServer(table, directory, password="redis-secret",
                                 extra=['user alice on >wonder ~a:* +@all -@dangerous +info',
                                        'user reader on >reads-only ~* +get +ping +select',
                                        'user gone off >gone ~* +@all'])
        self.redis.start()
        wait_until(lambda: self.ask("PING") == "PONG", 10)
        self.monitor = Monitor(table, directory, f"sentinel monitor {NAME} 127.0.0.1 "
                               f"{self.redis.port} 1\nsentinel auth-pass {NAME} redis-secret\n",
                               kind="holdfast")
        self.monitor.start().wait_ready()

    def ask(self, *words):
        with RespClient(self.redis.addr) as client:
            client.call("AUTH", "redis-secret")
            return client.call(*words)

    def router(self, name, **options):
        router = Router(self.table, self.dir, [self.monitor], name=name, **options)
        return router.start().wait_routes()


@pytest.fixture(scope="module")
def guarded(module_table, tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("guarded")
    request.module.log_places = request.module.log_places + [directory]
    return Guarded(module_table, directory)


def secret_file(directory, text):
    path = os.path.join(str(directory), "client.secret")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
              encoding="utf-8") as file:
        file.write(text + "\n")
    return path


# ---- passwords -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def none_router(guarded):
    return guarded.router("none", redis_password="redis-secret")


@pytest.fixture(scope="module")
def own_router(guarded):
    path = secret_file(guarded.dir, "our own")
    return guarded.router("own", redis_password="redis-secret", password="our own", user="web",
                          args=["--client-auth", "own", "--client-user", "web",
                                "--client-password-file", path])


@pytest.fixture(scope="module")
def pass_router(guarded):
    return guarded.router("pass", redis_password="redis-secret", password="redis-secret",
                          args=["--client-auth", "pass"])


def raw(router):
    return RespClient(router.addr)


def test_with_none_clients_give_nothing_and_act_as_the_router(none_router):
    with raw(none_router) as client:
        assert client.call("SET", "none", "1") == "OK"
        assert client.call("ACL", "WHOAMI") == "default"
        assert client.call("DEL", "none") == 1


def test_with_own_the_password_is_ours(own_router):
    with raw(own_router) as client:
        assert client.call("GET", "x").startswith("NOAUTH")
        assert client.call("PING").startswith("NOAUTH")
        assert client.call("AUTH", "web", "redis-secret") == WRONG
        assert client.call("AUTH", "our own") == WRONG
        assert client.call("AUTH", "web", "our ow") == WRONG
        assert client.call("AUTH", "web", "our own2") == WRONG
        assert client.call("GET", "x").startswith("NOAUTH")
        assert client.call("AUTH", "web", "our own") == "OK"
        assert client.call("GET", "x") == NIL_BULK
        assert client.call("AUTH", "web", "wrong") == WRONG  # who was in stays in, as with Redis
        assert client.call("GET", "x") == NIL_BULK
        assert client.call("RESET") == "RESET"
        assert client.call("GET", "x").startswith("NOAUTH")


def test_hello_with_auth(own_router, pass_router):
    for router, user, password in ((own_router, "web", "our own"),
                                   (pass_router, "default", "redis-secret"),
                                   (pass_router, "alice", "wonder")):
        with raw(router) as client:
            assert client.call("HELLO", "3").startswith("NOAUTH")
            assert client.call("HELLO", "3", "AUTH", user, "nonsense") == WRONG
            hello = as_dict(client.call("HELLO", "3", "AUTH", user, password, "SETNAME", "named"))
            assert hello["proto"] == 3 and hello["role"] == "master"
            assert client.call("CLIENT", "GETNAME") == "named"
            assert client.call("GET", "a:x") is not None


def test_with_pass_clients_are_who_they_are_at_redis(guarded, pass_router):
    with raw(pass_router) as client:
        assert client.call("GET", "a:x").startswith("NOAUTH")
        assert client.call("AUTH", "nonsense") == WRONG
        assert client.call("AUTH", "nobody", "nonsense") == WRONG
        assert client.call("AUTH", "gone", "gone") == WRONG
        assert client.call("AUTH", "alice", "wonder") == "OK"
        assert client.call("SET", "a:x", "1") == "OK"
        assert client.call("SET", "b:x", "1").startswith("NOPERM")
        assert client.call("CONFIG", "GET", "dir").startswith("NOPERM")
        assert client.call("AUTH", "default", "redis-secret") == "OK"
        assert client.call("ACL", "WHOAMI") == "default"
        assert client.call("DEL", "a:x") == 1
    with raw(pass_router) as client:
        assert client.call("AUTH", "reader", "reads-only") == "OK"
        with RespClient(guarded.redis.addr) as straight:
            straight.call("AUTH", "reader", "reads-only")
            for words in (["GET", "a:x"], ["SET", "a:x", "1"], ["DEL", "a:x"], ["MULTI"], ["EXEC"],
                          ["DISCARD"], ["WATCH", "a:x"], ["BLPOP", "a:x", "0.01"], ["GET", "a:x"],
                          ["SUBSCRIBE", "x"], ["EVAL", "return 1", "0"], ["GET", "a:x"],
                          ["SELECT", "1"], ["GET", "a:x"], ["SELECT", "0"], ["KEYS", "*"]):
                assert client.call(*words) == straight.call(*words), words


def test_a_user_removed_from_redis_is_not_let_in_again(guarded, pass_router):
    assert guarded.ask("ACL", "SETUSER", "temp", "on", ">temp", "~*", "+@all") == "OK"
    with raw(pass_router) as client:
        assert client.call("AUTH", "temp", "temp") == "OK"
        assert client.call("SET", "temp", "1") == "OK"
    assert guarded.ask("ACL", "DELUSER", "temp") == 1

    def is_out():
        with raw(pass_router) as client:
            return client.call("AUTH", "temp", "temp") == WRONG or \
                isinstance(client.call("GET", "temp"), RespError)
    wait_until(is_out, 12, every_s=0.3)


def test_wrong_passwords_do_not_open_connections_without_bound(guarded, pass_router):
    before = len(guarded.ask("CLIENT", "LIST").splitlines())
    with raw(pass_router) as client:
        for number in range(30):
            assert client.call("AUTH", f"wrong {number}") == WRONG
    assert len(guarded.ask("CLIENT", "LIST").splitlines()) <= before + 4


def test_passwords_of_any_bytes(guarded, pass_router):
    strange = b"p\0\r\n\xff"
    assert guarded.ask("ACL", "SETUSER", "odd", "on", b">" + strange, "~*", "+@all") == "OK"
    with raw(pass_router) as client, RespClient(guarded.redis.addr) as straight:
        for password in (b"p", strange[:-1], b"", strange + b"x"):
            assert client.call("AUTH", "odd", password) == straight.call("AUTH", "odd", password)
        # A password with a zero byte cannot be carried; it must not count as its beginning.
        assert guarded.ask("ACL", "SETUSER", "short", "on", ">p", "~*", "+@all") == "OK"
        assert isinstance(client.call("AUTH", "short", b"p\0more"), RespError)
        assert client.call("GET", "x").startswith("NOAUTH")


def test_own_password_with_a_zero_byte_is_wrong(own_router):
    with raw(own_router) as client:
        assert client.call("AUTH", "web", b"our own\0") == WRONG
        assert client.call("AUTH", "web", b"") == WRONG
        assert client.call("AUTH", b"web\0", "our own") == WRONG


# ---- TLS and unix sockets ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def tls_options(certificates):
    return [word for where in ("redis", "sentinel")
            for word in (f"--{where}-tls", f"--{where}-tls-ca", certificates.ca,
                         f"--{where}-tls-cert", certificates.cert,
                         f"--{where}-tls-key", certificates.key)]


def test_tls_to_redis_and_to_the_monitors(table, tmp_path, certificates):
    site = Site(table, tmp_path, kinds=["holdfast"] * 3, replicas=1, tls=certificates,
                redis_tls=certificates, redis_extra=[certificates.directives()],
                monitor_extra=certificates.directives(),
                router={"args": tls_options(certificates)}).start(record=False)
    with site.router.connect(hello=3) as client:
        value = os.urandom(100000).hex()
        assert client.call("SET", "secret", value) == "OK"
        assert client.call("GET", "secret") == value
        client.send_raw(encode(["MULTI"]) + encode(["GET", "secret"]) + encode(["EXEC"]))
        assert [client.read(), client.read(), client.read()] == ["OK", "QUEUED", [value]]
    for index in range(20):
        assert site.router.call("INCR", "counter") == index + 1


def test_a_redis_of_another_authority_is_not_used(table, tmp_path, certificates):
    other = Certificates(tmp_path)
    site = Site(table, tmp_path, kinds=["holdfast"], quorum=1, replicas=0, tls=certificates,
                redis_tls=certificates, redis_extra=[certificates.directives()],
                monitor_extra=certificates.directives()).start(record=False)
    options = tls_options(certificates)
    options[options.index("--redis-tls-ca") + 1] = other.ca
    router = site.add_router(args=options + ["--hold", "300ms"]).start().wait_ready()
    assert "holdfast" in router.call("GET", "x")


@pytest.fixture(scope="module")
def replicated(module_table, tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("replicated")
    request.module.log_places = request.module.log_places + [directory]
    return Site(module_table, directory, kinds=["holdfast"] * 3, replicas=2,
                down_after_ms=5000).start(record=False)


def test_a_unix_socket(replicated):
    router = replicated.add_router(name="unix", unix=True).start().wait_routes()
    assert stat.S_ISSOCK(os.stat(router.unix).st_mode)
    with router.connect(addr=router.unix) as client:
        assert client.call("SET", "unix", "x") == "OK"
        assert client.call("GET", "unix") == "x"
        assert "addr=" in client.call("CLIENT", "INFO")
    path = router.unix
    assert router.terminate() == 0
    assert not os.path.exists(path)


def test_wait_counts_the_replicas_that_have_a_write_of_a_shared_connection(replicated):
    router = replicated.add_router(name="waits").start().wait_routes()
    with router.connect() as client:
        for number in range(20):
            assert client.call("SET", "waited", number) == "OK"
            assert client.call("WAIT", "2", "3000") == 2
            for node in replicated.nodes[1:]:
                assert node.call("GET", "waited") == str(number)
        client.send_raw(encode(["SET", "waited", "x"]) + encode(["WAIT", "1", "3000"])
                        + encode(["GET", "waited"]))
        assert client.read() == "OK"
        assert client.read() >= 1
        assert client.read() == "x"


# ---- the address that only reads -----------------------------------------------------------------


def gets(node):
    return int(re.search(r"calls=(\d+)", node.info("commandstats").get("cmdstat_get",
                                                                       "calls=0"))[1])


@pytest.fixture(scope="module")
def reading(replicated):
    router = replicated.add_router(name="reads", reads_replicas=True,
                                   args=["--replica-max-lag", "64kb"]).start().wait_routes()
    wait_until(lambda: len(router.status()["replicas"]) == 2, 10, "two replicas serve")
    return router


def test_reads_go_to_the_replicas_and_to_all_of_them(replicated, reading):
    assert reading.call("SET", "spread", "x") == "OK"
    wait_until(lambda: all(node.call("GET", "spread") == "x" for node in replicated.nodes), 5)
    before = [gets(node) for node in replicated.nodes]
    clients = [reading.connect(addr=reading.replica_addr) for _ in range(20)]
    for _ in range(20):
        for client in clients:
            assert client.call("GET", "spread") == "x"
    for client in clients:
        client.close()
    grown = [gets(node) - was for node, was in zip(replicated.nodes, before)]
    assert grown[0] == 0
    assert sum(grown) == 400 and min(grown[1:]) > 40, grown


@pytest.mark.parametrize("words", [["SET", "x", "1"], ["DEL", "x"], ["EVAL", "return 1", "0"],
                                   ["PUBLISH", "x", "1"], ["FLUSHALL"], ["WAIT", "1", "1"],
                                   ["BLPOP", "x", "1"], ["SET", "x", "y" * 200000]])
def test_writes_are_refused_where_only_reads_are_served(reading, words):
    with reading.connect(addr=reading.replica_addr) as client:
        client.send_raw(encode(["GET", "a"]) + encode(words) + encode(["GET", "b"]))
        assert client.read() == NIL_BULK
        assert client.read().startswith("ERR holdfast: ")
        assert client.read() == NIL_BULK


def test_a_transaction_of_reads_is_carried_there(reading):
    with reading.connect(addr=reading.replica_addr) as client:
        client.send_raw(encode(["MULTI"]) + encode(["GET", "nothing"]) + encode(["EXEC"]))
        assert [client.read(), client.read(), client.read()] == ["OK", "QUEUED", [NIL_BULK]]
        client.send_raw(encode(["MULTI"]) + encode(["SET", "x", "1"]) + encode(["EXEC"]))
        assert client.read() == "OK"
        assert client.read().startswith("ERR holdfast")
        assert client.read().startswith("EXECABORT")


def test_a_replica_that_lags_serves_nobody_until_it_has_caught_up(replicated, reading):
    lagging, other = replicated.nodes[1:]
    assert replicated.master.call("SET", "lag", "old") == "OK"
    wait_until(lambda: lagging.call("GET", "lag") == "old", 5)
    lagging.stop()
    try:
        assert replicated.master.call("SET", "lag", "new" * 100000) == "OK"
        wait_until(lambda: reading.status()["replicas"] == [f"127.0.0.1:{other.port}"], 15,
                   "only the other serves")
        with reading.connect(addr=reading.replica_addr) as client:
            for _ in range(50):
                assert client.call("GET", "lag").startswith("new")
    finally:
        lagging.cont()
    wait_until(lambda: len(reading.status()["replicas"]) == 2, 15, "both serve again")


@pytest.mark.parametrize("only", [False, True])
def test_without_a_replica_the_master_serves_or_not_as_asked(table, tmp_path, only):
    routed = Routed(table, tmp_path, reads_replicas=True,
                    args=["--hold", "300ms"] + (["--replicas-only"] if only else []))
    assert routed.router.call("SET", "x", "1") == "OK"
    with routed.router.connect(addr=routed.router.replica_addr) as client:
        reply = client.call("GET", "x")
        assert reply.startswith("ERR holdfast") if only else reply == "1"
