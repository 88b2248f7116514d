"""HAProxy told the truth: the real one, in front of real nginx servers, while verdicts change."""

import http.client
import os
import socket
import time

import pytest

from lib.health_run import HealthRun, member
from lib.ports import free_port
from lib.procs import Server
from lib.wait import stays_true, wait_until

GIVE_UP_S = 30
SRV_ADMIN_MAINT = 0x01  # srv_admin_state: forced maintenance
SRV_ADMIN_DRAIN = 0x08

NGINX = """
worker_processes 1; daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
    fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{name}"; }} }}
}}
"""

HAPROXY = """
global
    stats socket {socket} mode 600 level {level}
defaults
    mode {mode}
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    timeout check 1s
    default-server weight 100 inter 2s fall 3 rise 2
frontend front
    bind 127.0.0.1:{port}
    default_backend web
backend web
    balance roundrobin
    server w1 127.0.0.1:{w1} check {agent1}
    server w2 127.0.0.1:{w2} check {agent2}
"""
AGENT = 'agent-check agent-addr 127.0.0.1 agent-port {port} agent-inter 100ms agent-send "{name}\\n"'
ROWS = ["web/w1=web/w1", "web/w2=web/w2"]


class Nginx(Server):
    def __init__(self, table, directory, name):
        self.table, self.name, self.port = table, name, free_port()
        self.dir = os.path.join(str(directory), name)
        os.makedirs(self.dir)
        self.conf = os.path.join(self.dir, "nginx.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(NGINX.format(dir=self.dir, port=self.port, name=name))

    def start(self):
        self.process = self.table.spawn(["nginx", "-c", self.conf, "-e", f"{self.dir}/error.log"],
                                        cwd=self.dir, name=self.name)
        wait_until(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() or True,
                   GIVE_UP_S, f"{self.name} listens")
        return self


class Haproxy(Server):
    """agents: the agent-send of w1 and w2, asked at agent_port; None is no agent-check."""

    def __init__(self, table, directory, servers):
        self.table, self.port = table, free_port()
        self.dir = os.path.join(str(directory), "haproxy")
        os.makedirs(self.dir)
        self.socket = os.path.join(self.dir, "admin.sock")
        self.servers = servers

    def start(self, *, agent_port=None, agents=("web/w1", "web/w2"), mode="http", level="admin"):
        words = [AGENT.format(port=agent_port, name=name) if agent_port else "" for name in agents]
        conf = os.path.join(self.dir, "haproxy.cfg")
        with open(conf, "w", encoding="utf-8") as file:
            file.write(HAPROXY.format(socket=self.socket, level=level, mode=mode, port=self.port,
                                      w1=self.servers[0].port, w2=self.servers[1].port,
                                      agent1=words[0], agent2=words[1]))
        self.process = self.table.spawn(["haproxy", "-db", "-f", conf], cwd=self.dir,
                                        name="haproxy")
        wait_until(lambda: self.state("w1") is not None, GIVE_UP_S, "HAProxy answers")
        return self

    def reload(self):
        """A new process takes the sockets over; the old one ends when its sessions do."""
        old = self.process
        self.process = self.table.spawn(
            ["haproxy", "-db", "-f", os.path.join(self.dir, "haproxy.cfg"), "-sf", old.pid],
            cwd=self.dir, name="haproxy-reloaded")
        old.wait(GIVE_UP_S)

    def command(self, text):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(self.socket)
            sock.sendall(text.encode() + b"\n")
            got = b""
            while True:
                piece = sock.recv(65536)
                if not piece:
                    return got.decode()
                got += piece

    def _row(self, command, name, separator, first):
        lines = [line for line in self.command(command).splitlines() if line]
        head = next(line for line in lines if line.startswith(first))[len(first):]
        for line in lines:
            row = dict(zip(head.strip().split(separator), line.split(separator)))
            if row.get("srv_name") == name or row.get("svname") == name:
                return row
        raise LookupError(name)

    def state(self, name):
        """Of "show servers state"."""
        return self._row("show servers state web", name, " ", "#")

    def stat(self, name):
        return self._row("show stat web 4 -1", name, ",", "# ")

    def admin(self, name):
        return int(self.state(name)["srv_admin_state"])

    def fetch(self):
        """Which server answers; "" when none does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/")
            reply = connection.getresponse()
            body = reply.read().decode()
            return body if reply.status == 200 else ""
        except (http.client.HTTPException, OSError):
            return ""
        finally:
            connection.close()

    def serves(self, names):
        return {self.fetch() for _ in range(8)} == set(names)


def site_of(*members):
    return {"node": "lb", "is_started": True, "is_known": True, "has_majority": True,
            "services": [{"name": "web", "kind": "http", "members": list(members)}]}


BOTH = site_of(member("w1"), member("w2"))


@pytest.fixture
def webs(table, tmp_path):
    return [Nginx(table, tmp_path, name).start() for name in ("w1", "w2")]


@pytest.fixture
def haproxy(table, tmp_path, webs):
    return Haproxy(table, tmp_path, webs)


@pytest.fixture
def tell(table, tmp_path, haproxy):
    """health_run, with the Runtime API unless rows is empty."""
    def build(rows=ROWS, site=BOTH):
        return HealthRun(table, tmp_path, haproxy_socket=haproxy.socket if rows else None,
                         servers=rows).start(site)
    return build


def until_gone(haproxy, name, began):
    """Milliseconds from began to the last answer of name, once it has been silent for 20 others."""
    last, silent = began, 0
    while silent < 20:
        got = haproxy.fetch()
        silent += 1
        if got == name:
            last, silent = time.monotonic(), 0
        assert time.monotonic() - began < GIVE_UP_S, f"{name} still answers"
    return (last - began) * 1000


def test_time_until_no_request_reaches_the_member(haproxy, webs, tell):
    """The Runtime API, the agent alone, and HAProxy's own checks alone (inter 2s fall 3)."""
    run = tell()
    haproxy.start(agent_port=run.agent_port)
    wait_until(lambda: haproxy.serves(["w1", "w2"]), GIVE_UP_S)
    wait_until(lambda: "agent" in haproxy.stat("w1").get("last_agt", ""), GIVE_UP_S)
    took = {}

    wait_until(lambda: haproxy.state("w1")["srv_agent_state"] != "0", GIVE_UP_S)
    began = time.monotonic()
    run.set_member("web", "w1", verdict="not ready", reason="HTTP 500")
    took["Runtime API and agent"] = until_gone(haproxy, "w1", began)
    assert haproxy.admin("w1") & SRV_ADMIN_MAINT
    run.apply(BOTH)
    wait_until(lambda: haproxy.serves(["w1", "w2"]), GIVE_UP_S)
    run.terminate()
    haproxy.kill()

    haproxy.start()
    wait_until(lambda: haproxy.serves(["w1", "w2"]), GIVE_UP_S)
    began = time.monotonic()
    webs[0].kill()
    wait_until(lambda: haproxy.stat("w1")["status"] == "DOWN", GIVE_UP_S)
    took["HAProxy's own checks"] = (time.monotonic() - began) * 1000

    for way, ms in took.items():
        print(f"{way}: {ms:.0f} ms")
    assert took["HAProxy's own checks"] > 2000
    assert took["Runtime API and agent"] < 1000 < took["HAProxy's own checks"] / 2


def test_the_agent_alone(haproxy, tell):
    run = tell(rows=[])
    haproxy.start(agent_port=run.agent_port)
    wait_until(lambda: "via agent : up" in haproxy.stat("w1")["last_agt"]
               or "Layer7 check passed" in haproxy.stat("w1")["last_agt"], GIVE_UP_S)
    began = time.monotonic()
    run.set_member("web", "w1", verdict="not ready", reason="HTTP 500")
    ms = until_gone(haproxy, "w1", began)
    print(f"agent alone: {ms:.0f} ms")
    assert ms < 2000
    assert "HTTP 500" in haproxy.stat("w1")["last_agt"]
    run.set_member("web", "w1", verdict="ready", is_drained=True)
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_DRAIN, GIVE_UP_S)
    run.set_member("web", "w1", is_drained=False, weight_permille=500)
    wait_until(lambda: not haproxy.admin("w1") & SRV_ADMIN_DRAIN, GIVE_UP_S)
    wait_until(lambda: haproxy.serves(["w1", "w2"]), GIVE_UP_S)


def test_an_agent_that_knows_nothing_changes_nothing(haproxy, tell):
    run = tell(rows=[], site=site_of(member("w1", "not probed yet"), member("w2")))
    haproxy.start(agent_port=run.agent_port, agents=("web/w1", "web/w9"))
    wait_until(lambda: haproxy.stat("w2")["status"].startswith("DOWN"), GIVE_UP_S)
    assert "unknown member" in haproxy.stat("w2")["last_agt"]
    stays_true(lambda: haproxy.stat("w1")["status"].startswith("UP"), 1)
    wait_until(lambda: haproxy.serves(["w1"]), GIVE_UP_S)
    assert run.process.output().count('"web/w9"') == 1


def test_open_sessions_of_a_lost_member_are_cut(haproxy, tell):
    tell_run = tell()
    haproxy.start(mode="tcp")
    clients = [socket.create_connection(("127.0.0.1", haproxy.port), 10) for _ in range(2)]
    by_name = {}
    for client in clients:
        client.settimeout(GIVE_UP_S)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        by_name[client.recv(4096)[-2:]] = client
    assert set(by_name) == {b"w1", b"w2"}
    tell_run.set_member("web", "w1", verdict="unreachable", reason="silent")
    assert by_name[b"w1"].recv(4096) == b""
    by_name[b"w2"].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert by_name[b"w2"].recv(4096).endswith(b"w2")
    for client in clients:
        client.close()


def test_a_restarted_haproxy_is_told_everything_again(haproxy, tell):
    haproxy.start()
    run = tell()
    run.set_member("web", "w1", verdict="not ready", reason="HTTP 500")
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    haproxy.kill()
    haproxy.start()
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    assert not haproxy.admin("w2")
    wait_until(lambda: haproxy.serves(["w2"]), GIVE_UP_S)


def test_a_reloaded_haproxy_is_told_everything_again(haproxy, tell):
    """The socket is never gone: only the pid is another."""
    haproxy.start()
    run = tell()
    run.set_member("web", "w1", verdict="not ready", reason="HTTP 500")
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    haproxy.reload()
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    assert "HAProxy is another process" in run.process.output()
    assert "cannot be told" not in run.process.output()


def test_a_change_while_the_socket_is_gone(haproxy, tell):
    haproxy.start()
    run = tell()
    haproxy.kill()
    wait_until(lambda: "cannot be told of changes" in run.process.output(), GIVE_UP_S)
    run.set_member("web", "w2", verdict="unreachable", reason="refused")
    run.set_member("web", "w1", is_drained=True)
    haproxy.start()
    wait_until(lambda: haproxy.admin("w2") & SRV_ADMIN_MAINT, GIVE_UP_S)
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_DRAIN, GIVE_UP_S)
    assert run.process.output().count("cannot be told of changes") == 1
    wait_until(lambda: "answers again" in run.process.output(), GIVE_UP_S)


def test_what_haproxy_refuses_is_told_with_its_remedy(haproxy, tell):
    haproxy.start()
    run = tell(rows=ROWS + ["web/w1=web/w7"])
    wait_until(lambda: "web/w7: No such server" in run.process.output(), GIVE_UP_S)
    run.set_member("web", "w1", verdict="not ready")
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    assert "names in the site file and in haproxy.cfg must be the same" in run.process.output()


def test_a_socket_that_lacks_the_level(haproxy, tell):
    haproxy.start(level="operator")
    run = tell()
    wait_until(lambda: "must have `level admin`" in run.process.output(), GIVE_UP_S)


def test_a_clean_stop_hands_the_servers_back(haproxy, tell):
    haproxy.start()
    run = tell()
    run.set_member("web", "w1", verdict="not ready", reason="HTTP 500")
    run.set_member("web", "w2", is_drained=True)
    wait_until(lambda: haproxy.admin("w1") & SRV_ADMIN_MAINT, GIVE_UP_S)
    wait_until(lambda: haproxy.admin("w2") & SRV_ADMIN_DRAIN, GIVE_UP_S)
    run.release()
    assert haproxy.admin("w1") == 0  # its own check decides again
    assert haproxy.admin("w2") & SRV_ADMIN_DRAIN  # the operator's word stays
    assert haproxy.serves(["w1"])


def test_haproxy_goes_on_by_itself_when_holdfast_is_killed(haproxy, webs, tell):
    haproxy.start()
    run = tell()
    wait_until(lambda: haproxy.serves(["w1", "w2"]), GIVE_UP_S)
    run.kill()
    webs[0].kill()
    wait_until(lambda: haproxy.stat("w1")["status"] == "DOWN", GIVE_UP_S)
    assert haproxy.serves(["w2"])
