"""`holdfast router` as a process: its options and their mistakes, the control socket and `holdfast status`,
signals, and a new process in the place of one that runs."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading

import pytest

from lib.monitor import TOP, holdfast_path
from lib.ports import free_port, is_free
from lib.resp import RespClient, RespError
from lib.site import Site
from lib.wait import stays_true, wait_until

NAME = "mymaster"
START_S = 10
ENOUGH = ["--master", NAME, "--sentinels", "127.0.0.1:1", "--listen"]

OPTION = re.compile(r'^(TEXT|FLAG|ONCE|NUMBER|TIME|BYTES|CHOICE|SPECIAL)\([\w.]+, "([a-z-]+)"', re.M)
METRIC = re.compile(r'^holdfast_router_[a-z0-9_]+\{master="[^"]*"(,[a-z]+="[^"]*")?\} [0-9.]+$')


def holdfast(*args, within_s=20):
    return subprocess.run([holdfast_path(), *args], capture_output=True, text=True, check=False,
                          timeout=within_s)


def read(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


def option_names():
    names = [name for _, name in OPTION.findall(read("src", "config", "router_options.def"))]
    assert len(names) > 40
    return names


# ---- what is said and then ends ----


def test_help_manual_and_completion_have_every_option():
    shown = holdfast("router", "--help")
    assert shown.returncode == 0 and not shown.stderr
    manual = read("man", "holdfast-router.8").replace("\\-", "-")
    completion = read("packaging", "completion", "holdfast.bash")
    for name in option_names():
        word = re.compile(rf"(?<![\w-])--{name}(?![\w-])")
        assert word.search(shown.stdout), f"--help lacks --{name}"
        assert word.search(manual), f"the manual lacks --{name}"
        assert word.search(completion), f"the completion lacks --{name}"


def test_the_manual_has_the_defaults_of_the_help():
    manual = re.sub(r"\\f[RIB]", "", read("man", "holdfast-router.8")).replace("\\-", "-")
    rows = re.findall(r"^  --([a-z-]+) .*\((\w+)\)$", holdfast("router", "--help").stdout, re.M)
    assert len(rows) > 12, rows
    for name, default in rows:
        assert re.search(rf"--{name}\b[^\n]*\({default}\)", manual), (name, default)


def test_the_manual_knows_no_other_option():
    manual = read("man", "holdfast-router.8").replace("\\-", "-")
    known = set(option_names()) | {"config"}
    shown = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", manual))
    assert shown <= known, shown - known


def test_all_mistakes_are_told_at_once():
    done = holdfast("router", "--hold", "5", "--mastr", "m", "--sentinels", "a:b", "--listen", "6379")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 5, lines
    for wanted in ("--hold: \"5\" is not a time", "did you mean --master?", "--sentinels: \"a:b\"",
                   "write 127.0.0.1:6379", "--master is missing"):
        assert wanted in done.stderr, done.stderr


def test_mistakes_of_a_file_have_their_lines(tmp_path):
    conf = tmp_path / "router.conf"
    conf.write_text(f"master {NAME}\nsentinels 127.0.0.1:1\n# why\nlisten 127.0.0.1:{free_port()}\n"
                    "threads 1000\nhodl 1s\n")
    done = holdfast("router", "--config", str(conf), "--check")
    assert done.returncode == 2
    assert f"{conf}:5: threads: 1000 is out of range; write 1 to 64" in done.stderr
    assert f"{conf}:6: there is no option hodl; did you mean hold?" in done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr


def test_check_starts_nothing(tmp_path):
    port, control = free_port(), tmp_path / "c.sock"
    done = holdfast("router", *ENOUGH, f"127.0.0.1:{port}", "--hold", "1s", "--check",
                    "--control", str(control))
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert f"127.0.0.1:{port}" in done.stdout and NAME in done.stdout and "1s of" in done.stdout
    assert is_free(port) and not control.exists()


def test_check_reads_the_files_that_are_named(tmp_path):
    secret = tmp_path / "password"
    call = ["router", *ENOUGH, f"127.0.0.1:{free_port()}", "--redis-password-file", str(secret), "--check"]
    done = holdfast(*call)
    assert done.returncode == 1 and f"{secret}: No such file" in done.stderr
    secret.write_text("\n")
    secret.chmod(0o600)
    done = holdfast(*call)
    assert done.returncode == 1 and "is empty" in done.stderr
    secret.write_text("hunter2\n")
    done = holdfast(*call)
    assert done.returncode == 0 and not done.stderr, done.stderr
    secret.chmod(0o644)
    done = holdfast(*call)
    assert done.returncode == 0 and "chmod 600" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    done = holdfast(*call, "--redis-tls", "--redis-tls-ca", str(tmp_path / "ca.pem"))
    assert done.returncode == 1 and "ca.pem" in done.stderr, done.stderr


def test_strangers_are_kept_out():
    call = ["router", "--master", NAME, "--sentinels", "10.0.0.1", "--listen", "0.0.0.0:6379", "--check"]
    done = holdfast(*call)
    assert done.returncode == 2
    for remedy in ("--client-auth own", "--client-auth pass", "127.0.0.1", "--allow-open"):
        assert remedy in done.stderr, done.stderr
    assert holdfast(*call, "--allow-open").returncode == 0
    assert holdfast(*call, "--client-auth", "pass").returncode == 0


def test_commands_as_text_and_as_json():
    text, as_json = holdfast("router", "--commands"), holdfast("router", "--commands", "--json")
    assert text.returncode == 0 and as_json.returncode == 0
    rows = [line.split("\t")[0] for line in text.stdout.splitlines()]
    assert len(rows) > 200 and "GET" in rows
    assert [row["name"] for row in json.loads(as_json.stdout)] == rows


def test_an_address_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = holdfast("router", *ENOUGH, f"127.0.0.1:{port}", "--control", "none")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr, done.stderr


def test_status_of_nobody(tmp_path):
    done = holdfast("status", "--control", str(tmp_path / "none.sock"))
    assert done.returncode == 1 and "none.sock" in done.stderr
    assert holdfast("status", "--jsn").returncode == 2
    assert holdfast("status", "--control").returncode == 2
    assert holdfast("status", "--json", "--metrics").returncode == 2
    assert "--control PATH" in holdfast("status", "--help").stdout


def test_the_unit_of_systemd_is_accepted(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    unit = read("packaging", "systemd", "holdfast-router.service")
    # installed it is elsewhere, and so is its manual
    unit = unit.replace("/usr/bin/holdfast", holdfast_path()).replace("Documentation=man:", "#")
    (tmp_path / "holdfast-router.service").write_text(unit)
    done = subprocess.run(["systemd-analyze", "verify", str(tmp_path / "holdfast-router.service")],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


# ---- a router that runs ----


class Router:
    """One router process; others may take over with the same arguments."""

    def __init__(self, table, directory, sentinels, *args, name="router"):
        self.table, self.dir, self.name = table, str(directory), name
        self.port = free_port()
        self.unix = os.path.join(self.dir, f"{name}.sock")
        self.control = os.path.join(self.dir, name, "control.sock")
        self.log_path = os.path.join(self.dir, f"{name}.log")
        self.args = ["--master", NAME, "--sentinels", ",".join(f"{h}:{p}" for h, p in sentinels),
                     "--listen", f"127.0.0.1:{self.port}", "--listen", f"unix:{self.unix}",
                     "--control", self.control, "--log-file", self.log_path, *args]
        self.starts = 0
        self.process = None

    @property
    def addr(self):
        return ("127.0.0.1", self.port)

    def spawn(self, *args):
        self.starts += 1
        return self.table.spawn([holdfast_path(), "router", *self.args, *args], cwd=self.dir,
                                name=f"{self.name}-{self.starts}")

    def start(self, *args):
        self.process = self.spawn(*args)
        wait_until(lambda: self.status()["pid"] == self.process.pid, START_S, f"{self.name} serves")
        return self

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(3)
            sock.connect(self.control)
            sock.sendall(request.encode() + b"\n")
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        return answer.decode()

    def status(self):
        return json.loads(self.ask("status"))

    def log(self):
        with open(self.log_path, encoding="utf-8") as file:
            return file.read()

    def is_open(self):
        return self.status()["master"]["is_known"]


@pytest.fixture
def small_site(table, tmp_path):
    """One monitor, one master, one replica: enough to be routed to."""
    return Site(table, tmp_path, kinds=["holdfast"], replicas=1, quorum=1).start(record=False)


@pytest.fixture
def router(table, tmp_path, small_site):
    made = Router(table, tmp_path, [m.addr for m in small_site.monitors]).start()
    wait_until(made.is_open, START_S, "it has found the master")
    made.site = small_site
    return made


@pytest.fixture
def lonely(table, tmp_path):
    """A router whose monitors do not exist."""
    return Router(table, tmp_path, [("127.0.0.1", 1)], name="lonely").start()


def test_status_as_json_and_as_a_table(router):
    master = router.site.master
    for addr in (router.addr, router.unix):
        with RespClient(addr) as client:
            assert client.call("SET", "key", "value") == "OK"
            assert client.call("GET", "key") == "value"
    status = wait_until(lambda: (s := router.status())["counts"]["requests_read"] >= 2 and s, 5, "counted")
    assert status["name"] == NAME and status["is_draining"] is False
    assert status["master"]["address"] == f"{master.host}:{master.port}"
    assert status["master"]["state"] == "open"
    assert 0 <= status["master"]["age_ms"] <= status["uptime_ms"]
    assert status["monitors_answering"] == 1 and status["has_majority"] is True
    assert status["monitors"][0]["master"] == status["master"]["address"]
    assert [one["address"] for one in status["listens"]] == [f"127.0.0.1:{router.port}",
                                                             f"unix:{router.unix}"]
    counts, latency = status["counts"], status["latency"]
    assert counts["requests_write"] >= 2 and counts["bytes_in"] > 0 and counts["clients_total"] >= 2
    assert latency["count"] == sum(bucket["count"] for bucket in latency["buckets"]) >= 4
    assert latency["p50_below_us"] <= latency["p99_below_us"] <= latency["max_below_us"]

    shown = holdfast("status", "--control", router.control)
    assert shown.returncode == 0 and not shown.stderr
    assert f"router for {NAME}, process {router.process.pid}" in shown.stdout
    assert f"{master.host}:{master.port}, open since 20" in shown.stdout
    assert "1 of 1 answer, a majority agrees" in shown.stdout
    assert "\x1b" not in shown.stdout
    as_json = holdfast("status", "--json", "--control", router.control)
    assert as_json.returncode == 0
    assert set(json.loads(as_json.stdout)) == set(status)


def test_metrics_are_text_for_prometheus(router):
    with RespClient(router.addr) as client:
        for number in range(20):
            client.call("INCR", "number")
    shown = holdfast("status", "--metrics", "--control", router.control)
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert lines[-1] == "# EOF"
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    values = {}
    for line in lines:
        if not line.startswith("#"):
            assert METRIC.match(line), line
            name = line.split("{")[0]
            family = re.sub(r"_(bucket|sum|count)$", "", name) if "latency" in name else name
            assert family in typed, line
            assert (typed[family] == "counter") == name.endswith("_total"), line
            values.setdefault(name, []).append(float(line.rsplit(" ", 1)[1]))
    assert len(values) > 40
    assert values["holdfast_router_master_known"] == [1]
    assert values["holdfast_router_requests_write_total"][0] >= 20
    buckets = values["holdfast_router_latency_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values["holdfast_router_latency_seconds_count"][0] >= 20


def test_status_without_a_master_is_a_finding(lonely):
    shown = holdfast("status", "--control", lonely.control)
    assert shown.returncode == 1
    assert "no master" in shown.stdout and "0 of 1 answer" in shown.stdout
    assert holdfast("status", "--json", "--control", lonely.control).returncode == 1


def test_the_control_socket_is_for_its_user(lonely):
    assert stat.S_IMODE(os.stat(lonely.control).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(lonely.control)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(lonely.control)) == ["control.sock"]


def test_the_control_socket_bears_nonsense(lonely):
    assert "error" in json.loads(lonely.ask("statuss"))
    assert "error" in json.loads(lonely.ask(""))
    two = lonely.ask("status\r\nmetrics")
    assert json.loads(two.splitlines()[0])["name"] == NAME and two.endswith("# EOF\n")
    crowd = []
    with socket.socket(socket.AF_UNIX) as endless:
        endless.settimeout(3)
        endless.connect(lonely.control)
        endless.sendall(b"x" * 5000)
        assert endless.recv(100) == b"", "a line without end is closed"
    try:
        for _ in range(40):
            crowd.append(socket.socket(socket.AF_UNIX))
            crowd[-1].settimeout(3)
            crowd[-1].connect(lonely.control)
        assert b"too many" in crowd[-1].recv(1000)
        crowd[0].sendall(b"status\n")
        assert crowd[0].recv(10) == b'{"version"'
    finally:
        for one in crowd:
            one.close()
    wait_until(lambda: lonely.status()["name"] == NAME, 5, "the crowd has gone")


def test_sigterm_ends_it_and_removes_its_sockets(lonely):
    with RespClient(lonely.addr) as client:
        assert client.call("PING") == "PONG"
        lonely.process.signal(signal.SIGTERM)
        assert client.closed_by_peer(10)
    assert lonely.process.wait(15) == 0
    assert not os.path.exists(lonely.control) and not os.path.exists(lonely.unix)
    assert is_free(lonely.port)
    assert "told to end" in lonely.log()


def test_sigterm_lets_a_request_finish_and_the_second_does_not(router):
    with RespClient(router.addr, timeout_s=15) as blocked, RespClient(router.addr) as other:
        blocked.send("BLPOP", "list", 0)
        wait_until(lambda: router.site.master.info("clients")["blocked_clients"] == "1", 5, "it blocks")
        router.process.signal(signal.SIGTERM)
        assert other.closed_by_peer(10)
        stays_true(router.process.alive, 0.3, "it waits for the request")
        router.site.master.call("RPUSH", "list", "item")
        assert blocked.read() == ["list", "item"]
        assert router.process.wait(15) == 0
    router.start()
    with RespClient(router.addr, timeout_s=15) as blocked:
        blocked.send("BLPOP", "list", 0)
        wait_until(lambda: router.site.master.info("clients")["blocked_clients"] == "1", 5, "it blocks")
        router.process.signal(signal.SIGINT)
        wait_until(lambda: router.status()["is_draining"], 5, "it drains")
        router.process.signal(signal.SIGINT)
        assert router.process.wait(3) == 0
        assert blocked.closed_by_peer()


def test_sighup_reads_the_passwords_again(table, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    secret.chmod(0o600)
    router = Router(table, tmp_path, [("127.0.0.1", 1)], "--client-auth", "own",
                    "--client-password-file", secret).start()

    def may_enter(password):
        with RespClient(router.addr) as client:
            return not isinstance(client.call("AUTH", password), RespError)

    assert may_enter("first") and not may_enter("second")
    secret.write_text("second\n")
    router.process.signal(signal.SIGHUP)
    wait_until(lambda: may_enter("second"), 5, "the new password counts")
    assert not may_enter("first")
    secret.unlink()
    os.rename(router.log_path, router.log_path + ".1")
    router.process.signal(signal.SIGHUP)
    wait_until(lambda: "the old passwords stay" in router.log(), 5, "it says so in a new log file")
    assert may_enter("second")
    with open(router.log_path + ".1", encoding="utf-8") as file:
        assert "first" not in file.read() + router.log()


# ---- a new process in its place ----


class Load:
    """Short connections, as PHP's, and one that asks the control socket, until closed. Before each
    request a client thinks for up to pause_s."""

    def __init__(self, router, pause_s, chance):
        self.router, self.pause_s, self.chance = router, pause_s, chance
        self.done, self.failures = 0, []
        self.end = threading.Event()
        places = [router.addr, router.unix] * 3
        self.threads = [threading.Thread(target=self._run, args=(place,), daemon=True) for place in places]
        self.threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        wait_until(lambda: self.done > 50, START_S, "the load runs")
        return self

    def __exit__(self, *_):
        self.end.set()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive(), "a client hangs"

    def _run(self, place):
        while not self.end.is_set():
            try:
                with RespClient(place, timeout_s=5) as client:
                    self.end.wait(self.pause_s * self.chance.random())
                    assert client.call("PING") == "PONG"
                    self.end.wait(self.pause_s * self.chance.random())
                    assert client.call("ECHO", "x") == "x"
                self.done += 1
            except (OSError, EOFError, AssertionError) as error:
                self.failures.append(f"{place}: {error!r}")

    def _watch(self):
        while not self.end.wait(0.002):
            try:
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.connect(self.router.control)
            except OSError as error:
                self.failures.append(f"control: {error!r}")


@pytest.mark.parametrize("pause_s", [0, 0.005])
def test_taking_over_refuses_no_connection(lonely, chance, pause_s):
    rounds = 5
    with Load(lonely, pause_s, chance) as load:
        for _ in range(rounds):
            old, done = lonely.process, load.done
            lonely.start()
            assert lonely.process.pid != old.pid
            assert old.wait(15) == 0
            wait_until(lambda n=done: load.done > n + 100, START_S, "requests go on")
    assert load.failures == []
    assert stat.S_ISSOCK(os.stat(lonely.unix).st_mode)
    log = lonely.log()
    assert log.count("takes over from process") == log.count("2 of 2 listening sockets") == rounds


def test_a_request_under_way_is_finished_by_the_old_process(router):
    with RespClient(router.addr, timeout_s=15) as blocked:
        blocked.send("BLPOP", "list", 0)
        wait_until(lambda: router.site.master.info("clients")["blocked_clients"] == "1", 5, "it blocks")
        old = router.process
        router.start()
        stays_true(old.alive, 0.3, "the old process waits for its client")
        with RespClient(router.addr) as client:
            wait_until(router.is_open, START_S, "the new one has found the master")
            assert client.call("RPUSH", "list", "item") == 1
        assert blocked.read() == ["list", "item"]
    assert old.wait(15) == 0
    assert router.process.alive()


def test_more_and_fewer_addresses_can_be_taken_over(lonely):
    old, port = lonely.process, free_port()
    lonely.args[lonely.args.index(f"unix:{lonely.unix}")] = f"127.0.0.1:{port}"
    lonely.start()
    assert old.wait(15) == 0
    assert "1 of 2 listening sockets" in lonely.log()
    assert not os.path.exists(lonely.unix)
    for addr in (lonely.addr, ("127.0.0.1", port)):
        with RespClient(addr) as client:
            assert client.call("PING") == "PONG"


def test_a_mode_that_changed_is_set_on_a_socket_taken_over(lonely):
    old = lonely.process
    lonely.args[lonely.args.index(f"unix:{lonely.unix}")] = f"unix:{lonely.unix},mode=0660"
    assert stat.S_IMODE(os.stat(lonely.unix).st_mode) != 0o660
    lonely.start()
    assert old.wait(15) == 0
    assert "2 of 2 listening sockets" in lonely.log()
    assert stat.S_IMODE(os.stat(lonely.unix).st_mode) == 0o660


def test_a_start_that_fails_leaves_the_old_process_its_addresses(lonely):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        second = lonely.spawn("--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        assert second.wait(START_S) == 1
    assert "in use" in second.output()
    for addr in (lonely.addr, lonely.unix):
        with RespClient(addr) as client:
            assert client.call("PING") == "PONG"
    assert lonely.status()["pid"] == lonely.process.pid


def test_no_takeover_leaves_it_alone(lonely):
    second = lonely.spawn("--no-takeover")
    assert second.wait(START_S) == 1
    assert f"as process {lonely.process.pid}" in second.output()
    with RespClient(lonely.unix) as client:
        assert client.call("PING") == "PONG"
    assert lonely.status()["pid"] == lonely.process.pid


def test_the_control_socket_of_another_router_is_not_taken(lonely, table, tmp_path):
    other = Router(table, tmp_path, [("127.0.0.1", 1)], "--control", lonely.control, name="other")
    process = other.spawn()
    assert process.wait(START_S) == 1
    assert "belongs to another router" in process.output()
    assert f"process {lonely.process.pid}" in process.output()
    assert lonely.status()["pid"] == lonely.process.pid


def test_a_process_that_hangs_is_not_taken_over(lonely):
    lonely.process.stop()
    second = lonely.spawn()
    assert second.wait(START_S) == 1
    assert "no answer within" in second.output()
    lonely.process.cont()
    assert lonely.status()["pid"] == lonely.process.pid


def test_a_socket_that_nobody_serves_is_replaced(lonely):
    lonely.process.kill()
    assert os.path.exists(lonely.control) and os.path.exists(lonely.unix)
    lonely.start()
    with RespClient(lonely.unix) as client:
        assert client.call("PING") == "PONG"


def test_a_file_in_the_place_of_the_control_socket_stays(lonely, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    process = lonely.spawn("--control", str(precious), "--listen", f"127.0.0.1:{free_port()}")
    assert process.wait(START_S) == 1
    assert precious.read_text() == "mine"


def test_the_sockets_come_with_their_names(lonely):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(3)
        sock.connect(lonely.control)
        sock.sendall(b"sockets\n")
        line, fds, _, _ = socket.recv_fds(sock, 65536, 32)
        try:
            answer = json.loads(line)
            assert answer["pid"] == lonely.process.pid and answer["master"] == NAME
            assert [one["address"] for one in answer["sockets"]] == [f"127.0.0.1:{lonely.port}",
                                                                     f"unix:{lonely.unix}"]
            assert len(fds) == 2
            with socket.socket(fileno=os.dup(fds[0])) as listener:
                assert listener.getsockname() == lonely.addr
        finally:
            for fd in fds:
                os.close(fd)
    # who only looked has not taken over: the files go with the router
    lonely.process.signal(signal.SIGTERM)
    assert lonely.process.wait(15) == 0
    assert not os.path.exists(lonely.unix)
    assert not os.path.exists(lonely.control)
