"""`holdfast run`: the services of a site file on one node, with real web servers, Redis and Galera."""

import collections
import http.client
import json
import os
import shutil
import signal
import sys
import threading

import pytest

from lib.galera import GaleraCluster, audit_rows, unavailable
from lib.galera_load import missing_clients
from lib.ports import free_port
from lib.redis_server import RedisServer
from lib.resp import RespClient
from lib.site_run import SiteRun, secret
from lib.wait import stays_true, wait_until

WEB = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = sys.argv[2].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""


class Web:
    """A web server that says its name."""

    def __init__(self, table, directory, name):
        self.table, self.dir, self.name, self.port = table, str(directory), name, free_port()
        self.start()

    def start(self):
        self.process = self.table.spawn([sys.executable, "-c", WEB, self.port, self.name],
                                        cwd=self.dir, name=self.name)


def fetch(port, timeout_s=5):
    """The body of a page, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def web_site(webs, port, more=""):
    members = "".join(f"      {web.name}: {{address: 127.0.0.1, port: {web.port}}}\n"
                      for web in webs)
    return (f"site: shop\nnodes:\n  one: 127.0.0.1\nservices:\n  web:\n    kind: http\n"
            f"    members:\n{members}    probe: {{every: 100ms, timeout: 500ms, rise: 1, fall: 1}}\n"
            f"    endpoint: 127.0.0.1:{port}\n{more}")


# ---- the call ------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, says", [
    ("site: shop\nnodes: {a: 10.0.0.1}\nservices:\n  web: {kind: htpp}\n", "http"),
    ("site: [\n", "error"),
])
def test_a_wrong_file_starts_nothing(table, tmp_path, text, says):
    site = SiteRun(table, tmp_path, text, node="a")
    assert site.spawn().wait(10) == 2
    assert says in site.log_text() and ":" in site.log_text()


def test_a_node_that_is_not_in_the_file(table, tmp_path):
    site = SiteRun(table, tmp_path, web_site([], free_port()).replace("    members:\n", ""),
                   node="three")
    assert site.spawn().wait(10) == 2


def test_a_missing_file_and_wrong_words(table, tmp_path):
    site = SiteRun(table, tmp_path, "site: shop\n")
    os.remove(site.path)
    assert site.spawn().wait(10) == 2
    assert "no such file" in site.log_text()


# ---- web servers ---------------------------------------------------------------------------------

@pytest.fixture
def webs(table, tmp_path):
    return [Web(table, tmp_path, name) for name in ("red", "blue", "green")]


def wait_serves(port, names):
    def serves():
        return set(fetch(port) for _ in range(3 * len(names))) == set(names)
    wait_until(serves, 10, f"{names} serve")


def test_pages_come_from_all_that_work(table, tmp_path, webs):
    port = free_port()
    site = SiteRun(table, tmp_path, web_site(webs, port)).start()
    wait_serves(port, ["red", "blue", "green"])
    webs[1].process.kill()
    site.wait_said("web: blue is unreachable, was ready")
    assert "blue" not in {fetch(port) for _ in range(30)}
    webs[1].start()
    wait_serves(port, ["red", "blue", "green"])
    assert site.terminate() == 0


def test_no_page_fails_while_a_server_dies(table, tmp_path, webs):
    port = free_port()
    SiteRun(table, tmp_path, web_site(webs, port)).start()
    wait_serves(port, ["red", "blue", "green"])
    seen, failed, done = collections.Counter(), [], threading.Event()

    def visit():
        while not done.is_set():
            try:
                seen[fetch(port)] += 1
            except OSError as error:
                failed.append(error)
    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        wait_until(lambda: sum(seen.values()) > 100, 10, "pages are seen")
        webs[0].process.kill()
        before = sum(seen.values())
        wait_until(lambda: sum(seen.values()) > before + 200, 10, "pages go on")
    finally:
        done.set()
        for visitor in visitors:
            visitor.join()
    assert len(failed) <= len(visitors)  # what the dead server had begun to answer, no more


def test_nobody_serves_and_somebody_comes_back(table, tmp_path, webs):
    port = free_port()
    site = SiteRun(table, tmp_path, web_site(webs[:1], port)).start()
    wait_serves(port, ["red"])
    webs[0].process.kill()
    site.wait_said("web: red is unreachable")
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(fetch(port, 10)))
    waiting.start()
    webs[0].start()
    waiting.join()
    assert answers == ["red"] or site.log_text().count("red is ready") >= 1


# ---- what is told ---------------------------------------------------------------------------------

def ask(port, path):
    """(status, JSON) of a health endpoint."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_health_follows_the_members(table, tmp_path, webs):
    port, health = free_port(), free_port()
    SiteRun(table, tmp_path, web_site(webs[:2], port, f"health: 127.0.0.1:{health}\n")).start()
    wait_serves(port, ["red", "blue"])
    wait_until(lambda: ask(health, "/readyz")[0] == 200, 10, "all is known")
    assert ask(health, "/healthz")[0] == 200 and ask(health, "/healthz/web")[0] == 200
    assert ask(health, "/healthz/shop")[0] == 404
    webs[0].process.kill()
    wait_until(lambda: "unreachable" in str(ask(health, "/healthz/web")[1]), 10, "red is seen")
    assert ask(health, "/healthz/web")[0] == 200
    webs[1].process.kill()
    wait_until(lambda: ask(health, "/healthz/web")[0] == 503, 10, "nobody serves")
    webs[1].start()
    wait_until(lambda: ask(health, "/healthz/web")[0] == 200, 10, "blue serves again")


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_sends_nothing_to_a_server_that_died(table, tmp_path, webs):
    port, front, socket_path = free_port(), free_port(), str(tmp_path / "admin.sock")
    agent = free_port()
    conf = tmp_path / "haproxy.cfg"
    servers = "".join(f"    server {web.name} 127.0.0.1:{web.port} check inter 5s fall 3 weight 100 "
                      f"agent-check agent-inter 100ms agent-addr 127.0.0.1 agent-port {agent} "
                      f"agent-send web/{web.name}\\n\n" for web in webs)
    conf.write_text(f"global\n    stats socket {socket_path} level admin\n"
                    "defaults\n    mode http\n    timeout connect 1s\n    timeout client 5s\n"
                    f"    timeout server 5s\nlisten web\n    bind 127.0.0.1:{front}\n"
                    f"    option redispatch\n{servers}")
    table.spawn(["haproxy", "-f", str(conf), "-db"], cwd=str(tmp_path), name="haproxy")
    wait_until(lambda: os.path.exists(socket_path), 10, "HAProxy runs")
    site = SiteRun(table, tmp_path, web_site(webs, port) +
                   f"haproxy: {{socket: {socket_path}, agent_listen: 127.0.0.1:{agent}}}\n").start()
    wait_serves(front, ["red", "blue", "green"])
    webs[0].process.kill()
    site.wait_said("web: red is unreachable")
    assert "red" not in {fetch(front) for _ in range(30)}  # its own check would need 15 s
    webs[0].start()
    wait_serves(front, ["red", "blue", "green"])
    assert site.terminate() == 0


# ---- redis ---------------------------------------------------------------------------------------

def redis_site(servers, port, monitor_port, directory):
    members = "".join(f"      {name}: {{node: one, port: {server.port}}}\n"
                      for name, server in servers.items())
    return (f"site: shop\nnodes:\n  one: 127.0.0.1\nmonitors: {{nodes: [one], port: {monitor_port}}}\n"
            f"state_directory: {directory}\nservices:\n  cache:\n    kind: redis\n    use: sessions\n"
            f"    members:\n{members}    refused_after: 100ms\n    endpoint: 127.0.0.1:{port}\n")


def test_redis_fails_over_behind_one_address(table, tmp_path):
    first = RedisServer(table, tmp_path, name="first").start().wait_ready()
    second = RedisServer(table, tmp_path, name="second", replicaof=first).start()
    second.wait_ready()
    port, state = free_port(), tmp_path / "state"
    state.mkdir()
    site = SiteRun(table, tmp_path, redis_site({"r1": first, "r2": second}, port, free_port(),
                                               state)).start()
    site.wait_said("cache: master 127.0.0.1")
    with RespClient(("127.0.0.1", port), timeout_s=15) as client:
        assert client.call("SET", "cart", "full") == "OK"
        wait_until(lambda: str(second.call("GET", "cart")) == "full", 10, "the replica has it")
        wait_until(lambda: "+slave" in site.log_text(), 15, "the monitor knows the replica")
        first.kill()
        wait_until(lambda: client.call("SET", "cart", "paid") == "OK", 15, "the other is master")
    assert str(second.call("GET", "cart")) == "paid"
    assert os.path.exists(state / "monitor.state")
    assert site.terminate() == 0


# ---- galera --------------------------------------------------------------------------------------

def galera_site(cluster, port, read_port, password_file):
    members = "".join(f"      {node.name}: {{address: {node.host}, port: {node.port}}}\n"
                      for node in cluster.nodes)
    return (f"site: shop\nnodes:\n  one: 127.0.0.1\nservices:\n  db:\n    kind: galera\n"
            f"    members:\n{members}    probe: {{user: holdfast, password_file: {password_file}}}\n"
            f"    endpoint: 127.0.0.1:{port}\n    read_endpoint: 127.0.0.1:{read_port}\n")


@pytest.mark.slow
@pytest.mark.skipif(unavailable() is not None or missing_clients() is not None,
                    reason="MariaDB Galera or PHP is not installed")
def test_galera_has_one_writer_and_loses_nothing(table, tmp_path):
    from lib.galera_template import PROBE_PASSWORD
    cluster = GaleraCluster(table, tmp_path)
    cluster.start()
    port, read_port = free_port(), free_port()
    site = SiteRun(table, tmp_path, galera_site(cluster, port, read_port,
                                                secret(tmp_path, "probe", PROBE_PASSWORD))).start()
    site.wait_said("db: writer: db1", 20)
    load = cluster.load(("127.0.0.1", port)).wait_all_succeed()

    cluster.kill(1)
    site.wait_said("db: writer: db2", 20)
    load.wait_all_succeed()
    cluster.read_only(2)
    site.wait_said("db: writer: db3", 20)
    load.wait_all_succeed()
    cluster.read_only(2, False)
    site.wait_said("db2 is ready", 20, times=2)
    stays_true(lambda: site.log_text().count("db: writer: db2") == 1, 1,
               "a better one that is back changes nothing")
    cluster.node(3).stop()
    site.wait_said("db: writer: db2", 20, times=2)
    cluster.node(3).cont()
    lines = load.wait_all_succeed(60).finish()
    audit = audit_rows(cluster, lines)
    print(audit)
    assert audit.lost == [] and audit.acknowledged > 100
    assert site.process.signal(signal.SIGTERM) is None and site.process.wait(20) == 0
