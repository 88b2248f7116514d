"""What the http and tcp probes say of a real nginx, and of servers that lie."""

import os
import shutil
import signal
import tempfile

import pytest

from lib import procs
from lib.ports import free_port
from lib.probe import TIMEOUT_MS, Liar, Watch
from lib.tls import Certificates

log_places = []

CONF = """
daemon off;
pid {dir}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        root {dir}/www;
        location = /busy {{ return 503 "busy"; }}
        location = /moved {{ return 302 http://127.0.0.1:{port}/busy; }}
        location = /host {{ return 200 "you asked $host by $request_method"; }}
        location / {{ }}
    }}
}}
"""


class Nginx:
    def __init__(self, table, directory, certificates):
        self.table, self.dir = table, directory
        self.port, self.tls_port = free_port(), free_port()
        self.starts, self.process = 0, None
        os.makedirs(os.path.join(directory, "www"))
        self.page("health", "all is well")
        with open(os.path.join(directory, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(CONF.format(dir=directory, port=self.port, tls_port=self.tls_port,
                                   cert=certificates.cert, key=certificates.key))

    def page(self, name, text):
        path = os.path.join(self.dir, "www", name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def start(self):
        self.starts += 1
        self.process = self.table.spawn(
            ["nginx", "-c", f"{self.dir}/nginx.conf", "-e", "stderr"], cwd=self.dir,
            name=f"nginx-{self.starts}")
        return self

    def pids(self):
        """The master and its workers."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="utf-8") as file:
            return [self.process.pid] + [int(word) for word in file.read().split()]

    def signal(self, number):
        for pid in self.pids():
            os.kill(pid, number)

    def address(self):
        return f"127.0.0.1:{self.port}"

    def tls_address(self):
        return f"127.0.0.1:{self.tls_port}"


@pytest.fixture(scope="module", name="site")
def site_fixture():
    table = procs.ProcessTable()
    directory = tempfile.mkdtemp(prefix="probe-http-")
    os.chmod(directory, 0o755)
    log_places.append(directory)
    nginx = Nginx(table, directory, Certificates(directory)).start()
    yield nginx
    nginx.signal(signal.SIGKILL)
    table.close()
    log_places.remove(directory)
    shutil.rmtree(directory)


@pytest.fixture(name="table")
def table_fixture():
    table = procs.ProcessTable()
    yield table
    table.close()


def probe(table, tmp_path, address, kind="http", **options):
    return Watch(table, tmp_path, kind, address, timeout=options.pop("timeout", TIMEOUT_MS),
                 **options)


def test_a_page_that_is_there(table, site, tmp_path):
    said = probe(table, tmp_path, site.address(), path="/health", body="all is well").wait("ready")
    assert said["reason"] == "HTTP 200" and said["http_status"] == 200


def test_503_is_not_ready(table, site, tmp_path):
    said = probe(table, tmp_path, site.address(), path="/busy").wait("not-ready")
    assert said["reason"] == "HTTP 503, expected 200-399"


def test_a_status_may_be_expected(table, site, tmp_path):
    probe(table, tmp_path, site.address(), path="/busy", status=503).wait("ready", "HTTP 503")


def test_a_redirect_is_not_followed(table, site, tmp_path):
    probe(table, tmp_path, site.address(), path="/moved").wait("ready", "HTTP 302")
    said = probe(table, tmp_path, site.address(), path="/moved", status=200,
                 name="strict").wait("not-ready")
    assert said["reason"] == "HTTP 302, expected 200"


def test_host_and_method_are_sent(table, site, tmp_path):
    probe(table, tmp_path, site.address(), path="/host", host="shop.example",
          body="you asked shop.example by OPTIONS", method="OPTIONS").wait("ready")
    probe(table, tmp_path, site.address(), path="/host", method="HEAD", name="head").wait("ready")


def test_a_wrong_body(table, site, tmp_path):
    watch = probe(table, tmp_path, site.address(), path="/health", body="all is well")
    watch.wait("ready")
    site.page("health", "Error establishing a database connection")
    try:
        said = watch.wait("not-ready")
        assert said["reason"] == 'HTTP 200, but the body has no "all is well"'
    finally:
        site.page("health", "all is well")
    watch.wait("ready")


def test_only_the_begin_of_a_body_is_looked_at(table, site, tmp_path):
    site.page("long", "x" * (1 << 20) + "needle")
    said = probe(table, tmp_path, site.address(), path="/long", body="needle").wait("not-ready")
    assert "first 64 KiB" in said["reason"]
    probe(table, tmp_path, site.address(), path="/long", name="any").wait("ready")


def test_a_hung_server_and_its_recovery(table, site, tmp_path):
    watch = probe(table, tmp_path, site.address(), path="/health", all=1)
    watch.wait("ready")
    site.signal(signal.SIGSTOP)
    try:
        said = watch.wait("unreachable", "no answer within 1000 ms")
        assert said["is_timeout"] and TIMEOUT_MS <= said["took_ms"] < TIMEOUT_MS + 500
    finally:
        site.signal(signal.SIGCONT)
    watch.wait("ready")


def test_a_dead_server_and_its_recovery(table, site, tmp_path):
    watch = probe(table, tmp_path, site.address(), path="/health")
    watch.wait("ready")
    site.signal(signal.SIGKILL)
    site.process.wait(10)
    assert watch.wait("unreachable", "connection refused")["took_ms"] < TIMEOUT_MS
    site.start()
    watch.wait("ready")


def test_tls(table, site, tmp_path):
    ca = os.path.join(site.dir, "ca.crt")
    probe(table, tmp_path, site.tls_address(), "https", ca=ca, path="/health").wait("ready")
    other = Certificates(tmp_path)
    said = probe(table, tmp_path, site.tls_address(), "https", ca=other.ca,
                 name="other").wait("not-ready")
    assert "certificate not trusted: " in said["reason"]
    said = probe(table, tmp_path, site.address(), "https", ca=ca, name="plain").wait("not-ready")
    assert "TLS failed" in said["reason"]


@pytest.mark.parametrize("first, closes, verdict, reason", [
    (b"", False, "unreachable", "no answer within 300 ms (connected, waiting for the answer)"),
    (b"", True, "unreachable", "before the answer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", False, "unreachable",
     "in the middle of the answer"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", True, "not-ready",
     "closed in the middle of the body"),
    (b"SSH-2.0-OpenSSH_9.2\r\n", False, "not-ready", "no HTTP"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000, False, "not-ready", "too long"),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, "ready", "HTTP 200"),
], ids=["silent", "closed", "slow", "cut", "ssh", "endless-head", "until-end"])
def test_liars(table, tmp_path, first, closes, verdict, reason):
    """The answer is sent once the request has come, or the close would be a reset."""
    liar = Liar(table, first, closes=closes, waits=True)
    said = probe(table, tmp_path, liar.address(), timeout=300).wait(verdict, reason)
    assert said["took_ms"] < 1300


# ---- tcp ----

def test_tcp_connects(table, site, tmp_path):
    port = free_port()
    probe(table, tmp_path, site.address(), "tcp").wait("ready", "it accepts connections")
    probe(table, tmp_path, f"127.0.0.1:{port}", "tcp", name="nobody").wait(
        "unreachable", "connection refused")


def test_tcp_sends_and_expects(table, site, tmp_path):
    request = "GET /health HTTP/1.0\r\n\r\n"
    probe(table, tmp_path, site.address(), "tcp", send=request,
          expect="HTTP/1.1 200 OK\r\n").wait("ready", "it answers as expected")
    probe(table, tmp_path, site.address(), "tcp", send=request, expect="HTTP/1.1 500",
          name="wrong").wait("not-ready", "something else")
    said = probe(table, tmp_path, site.address(), "tcp", expect="220 ", timeout=300,
                 name="silent").wait("unreachable", "waiting for what is expected")
    assert said["is_timeout"]
