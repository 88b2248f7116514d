"""TLS on the monitor's port, to the data nodes and between monitors."""

import ssl

import pytest

from lib.monitor import Monitor
from lib.ports import free_port
from lib.redis_server import RedisServer
from lib.resp import RespClient
from lib.site import Site
from lib.tls import Certificates
from lib.wait import wait_until

NAME = "mymaster"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def tls_site(table, tmp_path, kind, certificates, **options):
    return Site(table, tmp_path, kinds=[kind] * 3, down_after_ms=1500, tls=certificates,
                redis_tls=certificates, redis_extra=[certificates.directives()],
                monitor_extra=certificates.directives(), **options)


def test_failover_where_everything_is_tls(table, tmp_path, kind, certificates):
    s = tls_site(table, tmp_path, kind, certificates, learned=False).start()
    old = s.master
    old.kill()
    new = s.wait_switched(old, 20)
    s.wait_converged(25, want=new)
    for monitor in s.monitors:
        monitor.recorder.wait("+switch-master", NAME, 5)


def alone(table, tmp_path, kind, extra, **options):
    return Monitor(table, tmp_path, f"sentinel monitor {NAME} 127.0.0.1 {free_port()} 1\n" + extra,
                   kind=kind, **options)


def test_plain_text_on_the_tls_port_is_refused_and_harms_nobody(table, tmp_path, kind,
                                                                certificates):
    m = alone(table, tmp_path, kind, certificates.directives(), tls=certificates)
    m.start().wait_ready()
    with RespClient(m.addr) as client:
        client.send("PING")
        assert client.closed_by_peer()
    assert m.call("PING") == "PONG"


def test_client_without_a_certificate_is_refused(table, tmp_path, kind, certificates):
    m = alone(table, tmp_path, kind, certificates.directives(), tls=certificates)
    m.start().wait_ready()
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
        # In TLS 1.3 the refusal arrives with the first read.
        with RespClient(m.addr, tls=certificates.context(with_certificate=False)) as client:
            client.call("PING")
    assert m.call("PING") == "PONG"


def test_certificates_of_clients_can_be_optional(table, tmp_path, kind, certificates):
    m = alone(table, tmp_path, kind, certificates.directives("no"), tls=certificates)
    m.start().wait_ready()
    with RespClient(m.addr, tls=certificates.context(with_certificate=False)) as client:
        assert client.call("PING") == "PONG"


def test_plain_and_tls_ports_side_by_side(table, tmp_path, kind, certificates):
    tls_port = free_port()
    m = alone(table, tmp_path, kind, certificates.directives().replace(
        "tls-replication yes\n", "") + f"tls-port {tls_port}\n")
    m.start().wait_ready()
    with RespClient(("127.0.0.1", tls_port), tls=certificates.context()) as client:
        assert client.call("SENTINEL", "MYID") == m.call("SENTINEL", "MYID")


def test_tls_to_the_nodes_alone_announces_the_plain_port(table, tmp_path, kind, certificates):
    master = RedisServer(table, tmp_path, tls=certificates,
                         extra=[certificates.directives()]).start().wait_ready()
    m = Monitor(table, tmp_path, f"sentinel monitor {NAME} 127.0.0.1 {master.port} 1\n"
                + certificates.directives(), kind=kind)
    with master.connect(timeout_s=10) as client:
        assert client.call("SUBSCRIBE", "__sentinel__:hello")[0] == "subscribe"
        m.start().wait_ready()
        hello = client.read()[2].split(",")
    assert hello[1] == str(m.port)


def test_wrong_files_are_refused_at_the_start(table, tmp_path, kind, certificates):
    text = certificates.directives().replace(certificates.cert, str(tmp_path / "none.crt"))
    m = alone(table, tmp_path, kind, text, tls=certificates).start()
    assert m.process.wait(10) == 1
    assert "none.crt" in m.log_text() + m.process.output() or \
        "TLS" in m.log_text() + m.process.output()


def test_large_replies_and_pipelines_over_tls(table, tmp_path, kind, certificates):
    m = alone(table, tmp_path, kind, certificates.directives(), tls=certificates)
    m.start().wait_ready()
    with m.connect(timeout_s=10) as client:
        for _ in range(50):
            client.send("COMMAND")
        replies = [client.read() for _ in range(50)]
        assert len({len(reply) for reply in replies}) == 1
        client.send_raw(b"PING\r\n" * 1000)
        assert [client.read() for _ in range(1000)] == ["PONG"] * 1000


def test_half_a_handshake_holds_nobody_up(table, tmp_path, kind, certificates):
    m = alone(table, tmp_path, kind, certificates.directives(), tls=certificates)
    m.start().wait_ready()
    held = [RespClient(m.addr) for _ in range(20)]
    for client in held:
        client.send_raw(b"\x16\x03\x01")
    wait_until(lambda: m.call("PING") == "PONG", 2)
    for client in held:
        client.close()
