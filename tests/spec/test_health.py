"""The health endpoints as a load balancer sees them, over real sockets."""

import http.client
import json
import select
import socket
import time

import pytest

from lib.health_run import HealthRun, shop
from lib.wait import wait_until

CLIENTS_MAX = 512  # HTTP_CLIENTS_MAX
GIVE_UP_S = 20


@pytest.fixture
def run(table, tmp_path):
    return HealthRun(table, tmp_path).start()


def connect(run):
    return socket.create_connection(("127.0.0.1", run.port), 10)


def read_all(sock):
    sock.settimeout(GIVE_UP_S)
    got = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return got
        if not piece:
            return got
        got += piece


def test_answers_follow_the_site(run):
    status, body = run.ask_json("/healthz")
    assert (status, body["ok"], body["node"]) == (200, True, "w1")
    run.set_member("web", "w1", verdict="unreachable", reason="connection refused")
    status, body = run.ask_json("/healthz")
    assert status == 503 and "w1 is unreachable: connection refused" in body["reason"]
    status, body = run.ask_json("/healthz/web")
    assert status == 503 and body["service"]["members"][0]["verdict"] == "unreachable"
    assert run.ask("/healthz/db")[0] == 200
    run.apply(shop())
    assert run.ask("/healthz")[0] == 200


def test_a_shared_service_that_is_down_does_not_empty_the_pool(run):
    site = shop()
    site["services"][1]["endpoint"].update(serves=False, reason="no writer")
    run.apply(site)
    status, body = run.ask_json("/healthz")
    db = next(row for row in body["services"] if row["name"] == "db")
    assert status == 200 and db["ok"] is False and "no writer" in db["reason"]
    assert run.ask("/healthz?strict")[0] == 503
    assert run.ask("/healthz/db")[0] == 503


def test_a_drained_node(run):
    run.apply(dict(shop(), is_drained=True))
    status, body = run.ask_json("/healthz")
    assert (status, body["reason"]) == (503, "drained by the operator")
    assert run.ask("/readyz")[0] == 200


def test_readyz_while_the_state_is_not_known(run):
    run.apply(dict(shop(), is_known=False))
    assert run.ask("/readyz")[0] == 503
    run.apply(shop())
    assert run.ask("/readyz")[0] == 200


def test_headers_and_methods(run):
    status, headers, body = run.ask("/healthz")
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    head_status, head, nothing = run.ask("/healthz", "HEAD")
    assert (head_status, nothing) == (status, "") and head["Content-Length"] == str(len(body))
    with connect(run) as raw:
        raw.sendall(b"HEAD /healthz HTTP/1.0\r\n\r\n")
        assert read_all(raw).endswith(b"\r\n\r\n")  # no body behind the head
    status, headers, _ = run.ask("/healthz", "POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    status, body = run.ask_json("/healthz/nope")
    assert status == 404 and body["services"] == ["web", "db"]
    assert run.ask("/etc/passwd")[0] == 404


def test_connections_are_kept_and_closed_as_asked(run):
    kept = http.client.HTTPConnection("127.0.0.1", run.port, timeout=10)
    for _ in range(50):
        kept.request("GET", "/readyz")
        assert kept.getresponse().read()
        sock = kept.sock
    assert sock is not None and kept.sock is sock
    kept.close()
    with connect(run) as old:
        old.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        answer = read_all(old)  # ends: the server closes
        assert answer.startswith(b"HTTP/1.1 200 ") and b"Connection: close" in answer
    with connect(run) as many:
        many.sendall(b"GET /readyz HTTP/1.1\r\n\r\n" * 100)
        assert read_all(many).count(b"HTTP/1.1 200 ") == 16  # HTTP_PIPELINE_MAX, then it closes


@pytest.mark.parametrize("request_bytes, status", [
    (b"\x16\x03\x01\x00\xa5\n\n", 400),
    (b"GET /healthz HTTP/3.0\r\n\r\n", 505),
    (b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 413),
    (b"GET /" + b"a" * 300 + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000, 431),
])
def test_bad_requests(run, request_bytes, status):
    with connect(run) as sock:
        sock.sendall(request_bytes)
        assert read_all(sock).startswith(f"HTTP/1.1 {status} ".encode())
    assert run.ask("/readyz")[0] == 200


def test_a_request_that_trickles_in_is_ended(run):
    """Each byte comes in time, the request does not (health_run allows 1 s)."""
    with connect(run) as sock:
        began = time.monotonic()
        sock.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        while not select.select([sock], [], [], 0.05)[0]:
            assert time.monotonic() - began < GIVE_UP_S, "it is still waited for"
            sock.sendall(b"a")
        assert read_all(sock).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began > 0.9


def test_a_flood_of_idle_clients_does_not_keep_the_check_out(run):
    """They asked once and stay, which is allowed for 75 s: those that waited longest make place."""
    idle = []
    try:
        for _ in range(CLIENTS_MAX + 40):
            idle.append(connect(run))
            idle[-1].sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            assert idle[-1].recv(4096).startswith(b"HTTP/1.1 200 ")
        assert run.ask("/readyz")[0] == 200
        wait_until(lambda: select.select([idle[0]], [], [], 0)[0], GIVE_UP_S)
        assert read_all(idle[0]) == b""
        assert not select.select([idle[-1]], [], [], 0)[0]
    finally:
        for sock in idle:
            sock.close()


def test_the_cluster_check_port(run):
    site = shop()
    site["services"][1]["members"][0]["is_here"] = True
    run.apply(site)
    for method in ("GET", "OPTIONS"):
        status, _, body = run.ask("/", method, port=run.check_port)
        assert status == 200 and "d1 is ready" in body
    run.set_member("db", "d1", verdict="not ready", reason="Joiner")
    status, _, body = run.ask("/whatever", port=run.check_port)
    assert status == 503 and "Joiner" in body


def test_json_of_hostile_reasons(run):
    run.set_member("web", "w2", verdict="not ready", reason='"\u0007\u00e4\n</script>')
    status, body = run.ask_json("/healthz")
    assert status == 200 and json.dumps(body).isascii()
    assert body["services"][0]["members"][1]["reason"] == '"???' + "?</script>"
