"""How `holdfast router` finds the master: whom it believes, when it holds writes, and what it says.

What the route is comes from its control socket; that traffic follows it is told elsewhere."""

import json
import os
import signal
import socket
import threading

import pytest

from lib.monitor import holdfast_path
from lib.ports import free_port
from lib.redis_server import RedisServer
from lib.site import Site
from lib.tls import Certificates
from lib.wait import stays_true, wait_until

FOUND_S = 10
FAILOVER_S = 30
SILENT_S = 3    # FINDER_SILENT_MS
HOLD_MAX_S = 5  # FINDER_HOLD_MAX_MS


class Router:
    def __init__(self, table, directory, monitors, *args, name="router"):
        directory = os.path.join(str(directory), name)
        os.makedirs(directory)
        self.control = os.path.join(directory, "control.sock")
        self.log_path = os.path.join(directory, f"{name}.log")
        self.port = free_port()
        self.process = table.spawn(
            [holdfast_path(), "router", "--master", "mymaster", "--sentinels", ",".join(monitors),
             "--listen", f"127.0.0.1:{self.port}", "--control", self.control, "--log-file",
             self.log_path, *args], cwd=directory, name=name)
        wait_until(self.status, FOUND_S, "the router's control socket answers")

    def status(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(3)
            sock.connect(self.control)
            sock.sendall(b"status\n")
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := sock.recv(65536):
                answer += chunk
        return json.loads(answer)

    def master(self):
        return self.status()["master"]["address"]

    def state(self):
        return self.status()["master"]["state"]

    def log_lines(self, containing):
        with open(self.log_path, encoding="utf-8") as file:
            return [line for line in file if containing in line]

    def wait_open(self, node, within_s=FOUND_S):
        return wait_until(lambda: (s := self.status())["master"]["state"] == "open"
                          and s["master"]["address"] == at(node) and s, within_s,
                          f"the route is open to {node}", every_s=0.002)

    def wait_moved(self, node, within_s=FAILOVER_S):
        """Until the route is open to anybody but node; returns the status."""
        return wait_until(lambda: (s := self.status())["master"]["state"] == "open"
                          and s["master"]["address"] != at(node) and s, within_s,
                          f"the route has left {node}", every_s=0.002)


def at(server):
    return f"{server.host}:{server.port}"


def addresses(site):
    return [at(monitor) for monitor in site.monitors]


def open_router(table, tmp_path, site, *args, monitors=None, name="router"):
    router = Router(table, tmp_path, monitors or addresses(site), *args, name=name)
    router.wait_open(site.master)
    return router


def announced(site):
    return [event for monitor in site.monitors for event in monitor.recorder.find("+switch-master")]


def failover(monitor):
    wait_until(lambda: monitor.call("SENTINEL", "FAILOVER", "mymaster") == "OK", FAILOVER_S,
               f"{monitor} begins a failover", every_s=0.1)


# ---- failovers ----


def test_a_failover_is_followed_before_it_is_announced(site, table, tmp_path, kind):
    s = site()
    router = open_router(table, tmp_path, s)
    failover(s.monitors[0])
    status = router.wait_moved(s.master)
    if kind == "redis":
        assert not announced(s), "it takes redis-sentinel a second to see what it has done"
        assert not s.monitors[0].recorder.find("+promoted-slave")
    assert status["holds"] == 1 and status["switches"] == 1
    new = s.wait_converged(FAILOVER_S, not_=s.master)
    status = wait_until(lambda: (t := router.status())["master"]["epoch"] > 0 and t, FOUND_S,
                        "a majority has confirmed it")
    assert status["master"]["address"] == at(new)
    assert status["holds"] == 1 and status["switches"] == 1 and status["has_majority"]
    assert len(router.log_lines("writes are held")) == 1
    assert len(router.log_lines(f"master {at(new)} instead of {at(s.master)}")) == 1


def test_there_and_back(site, table, tmp_path):
    s = site(replicas=1)
    router = open_router(table, tmp_path, s)
    failover(s.monitors[0])
    router.wait_moved(s.nodes[0])
    s.wait_converged(FAILOVER_S, want=s.nodes[1])
    failover(s.monitors[1])
    router.wait_moved(s.nodes[1])
    s.wait_converged(FAILOVER_S, want=s.nodes[0])
    assert router.wait_open(s.nodes[0])["switches"] == 2


def test_a_killed_master_that_comes_back_is_not_used(site, table, tmp_path):
    s = site()
    router = open_router(table, tmp_path, s)
    old = s.master
    old.kill()
    status = router.wait_moved(old)
    old.restart()
    old.wait_ready()
    new = status["master"]["address"]

    def is_replica():
        assert router.master() == new, "the route has left the new master"
        return not old.is_master()
    wait_until(is_replica, FAILOVER_S, "the monitors make the old master a replica")
    assert router.status()["switches"] == 1


def test_a_paused_master_is_left(site, table, tmp_path):
    s = site()
    router = open_router(table, tmp_path, s)
    old = s.master
    old.stop()
    router.wait_moved(old)
    old.cont()
    s.wait_converged(FAILOVER_S, not_=old)
    assert router.master() == at(s.node_at(s.agreed_master()))


def test_a_failover_that_is_given_up_lets_writes_go_on(site, table, tmp_path):
    s = site(kinds=["redis"] * 3, down_after_ms=60000, failover_timeout_ms=2000)
    router = open_router(table, tmp_path, s)
    for node in s.nodes[1:]:
        node.stop()
    failover(s.monitors[0])
    wait_until(lambda: router.state() == "holding writes", FOUND_S, "writes are held")
    assert router.master() == at(s.master), "reads go on meanwhile"
    s.monitors[0].recorder.wait("-failover-abort-slave-timeout", within_s=HOLD_MAX_S)
    router.wait_open(s.master, 1)
    assert router.log_lines("writes go on: the failover was given up")
    for node in s.nodes[1:]:
        node.cont()


def test_a_hold_has_an_end_and_a_late_promotion_is_followed(site, table, tmp_path):
    s = site(kinds=["redis"] * 3, down_after_ms=60000, failover_timeout_ms=30000)
    router = open_router(table, tmp_path, s)
    for node in s.nodes[1:]:
        node.stop()
    failover(s.monitors[0])
    wait_until(lambda: router.state() == "holding writes", FOUND_S, "writes are held")
    router.wait_open(s.master, HOLD_MAX_S + 1)
    assert router.log_lines("nothing came of the failover in time")
    for node in s.nodes[1:]:
        node.cont()
    router.wait_moved(s.master)


# ---- monitors that do not answer ----


def test_with_a_minority_it_goes_on_and_says_so_once(site, table, tmp_path):
    s = site(record=False)
    router = open_router(table, tmp_path, s)
    for monitor in s.monitors[1:]:
        monitor.kill()
    status = wait_until(lambda: not (t := router.status())["has_majority"] and t, SILENT_S + 3,
                        "the majority is missed")
    assert status["master"]["address"] == at(s.master) and status["master"]["state"] == "open"
    assert status["monitors_answering"] == 1
    wait_until(lambda: router.log_lines("no majority of the 3 monitors"), SILENT_S + 3, "told")
    s.monitors[0].kill()
    wait_until(lambda: router.status()["monitors_answering"] == 0, SILENT_S + 3, "nobody answers")
    assert router.state() == "open"
    for monitor in s.monitors:
        monitor.start()
    wait_until(lambda: router.status()["has_majority"], FOUND_S, "a majority again")
    assert len(router.log_lines("no majority of the 3 monitors")) == 1
    wait_until(lambda: router.log_lines("names one master again"), 1, "told that it is over")
    assert router.status()["switches"] == 0


def test_paused_monitors_count_as_silent(site, table, tmp_path):
    s = site(record=False)
    router = open_router(table, tmp_path, s)
    for monitor in s.monitors[1:]:
        monitor.stop()
    wait_until(lambda: router.status()["monitors_answering"] == 1, SILENT_S + 3, "two are silent")
    assert router.master() == at(s.master)
    for monitor in s.monitors[1:]:
        monitor.cont()
    wait_until(lambda: router.status()["monitors_answering"] == 3, FOUND_S, "all answer")


def test_with_a_minority_a_failover_is_still_followed(site, table, tmp_path):
    """The monitors reach each other; the router reaches one of them."""
    s = site()
    nobody = [f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"]
    relays = [Front(s.monitors[1]), Front(s.monitors[2])]
    table.on_close(lambda: [relay.close() for relay in relays])
    router = open_router(table, tmp_path, s,
                         monitors=[at(s.monitors[0])] + [relay.address for relay in relays])
    for relay in relays:
        relay.close()
    wait_until(lambda: router.status()["monitors_answering"] == 1, SILENT_S + 3, "one answers")
    failover(s.monitors[0])
    router.wait_moved(s.master)
    late = Router(table, tmp_path, [at(s.monitors[0])] + nobody, name="late")
    wait_until(lambda: late.log_lines("no majority of the 3 monitors"), FOUND_S, "told")
    assert late.master() is None, "at the start a majority must agree"
    line = late.log_lines("no majority of the 3 monitors")[0]
    assert f"{at(s.monitors[0])} says" in line and f"{nobody[0]} refused" in line, line


class Front:
    """A port before a monitor that can be shut."""

    def __init__(self, monitor):
        self.target = monitor.addr
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        try:
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        except OSError:
            pass

    def close(self):
        for sock in [self.listener] + self.sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


# ---- a monitor that lies ----


class Liar:
    """Answers as a monitor does, but what the test wants."""

    def __init__(self, addr, epoch):
        self.says, self.epoch = addr, epoch
        self.subscribers = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    @staticmethod
    def bulks(*words):
        return b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, words))

    def _serve(self, sock):
        file = sock.makefile("rb")
        try:
            while head := file.readline():
                words = []
                for _ in range(int(head[1:])):
                    length = int(file.readline()[1:])
                    words.append(file.read(length + 2)[:-2].decode())
                sock.sendall(self._answer(sock, words))
        except (OSError, ValueError):
            pass

    def _answer(self, sock, words):
        host, port = self.says
        command = " ".join(words[:2]).upper()
        if command == "SENTINEL MASTER":
            return self.bulks("name", "mymaster", "ip", host, "port", str(port), "flags", "master",
                              "config-epoch", str(self.epoch))
        if command == "SENTINEL GET-MASTER-ADDR-BY-NAME":
            return self.bulks(host, str(port))
        if words[0].upper() == "SUBSCRIBE":
            self.subscribers.append(sock)
            return b"".join(b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n" %
                            (len(channel), channel.encode(), number)
                            for number, channel in enumerate(words[1:], start=1))
        if words[0].upper() == "PING":
            return self.bulks("pong", "")
        return b"+OK\r\n"

    def publish(self, channel, payload):
        for sock in self.subscribers:
            sock.sendall(self.bulks("message", channel, payload))

    def close(self):
        self.listener.close()
        for sock in self.subscribers:
            sock.close()


def test_one_monitor_that_lies_moves_nothing(site, table, tmp_path):
    s = site(kinds=["redis"] * 2, record=False)
    liar = Liar(s.nodes[1].addr, 1000)
    table.on_close(liar.close)
    router = open_router(table, tmp_path, s, monitors=addresses(s) + [liar.address])
    wait_until(lambda: router.status()["monitors_answering"] == 3 and liar.subscribers, FOUND_S, "heard")
    stays_true(lambda: router.master() == at(s.master) and router.state() == "open", 1)
    (host, port), (old_host, old_port) = s.nodes[1].addr, s.master.addr
    liar.publish("+switch-master", f"another {old_host} {old_port} {host} {port}")
    liar.publish("+selected-slave", f"slave {host}:{port} {host} {port} @ mymaster 127.0.0.1 1")
    liar.publish("+selected-slave", f"slave {host}:{port} {host} {port} @ mymaster {old_host}")
    liar.publish("-failover-abort-slave-timeout", "master")
    stays_true(lambda: router.master() == at(s.master) and router.state() == "open", 1)
    selected = f"slave {host}:{port} {host} {port} @ mymaster {old_host} {old_port}"
    liar.publish("+selected-slave", selected)
    wait_until(lambda: router.state() == "holding writes", FOUND_S, "that one is heard")
    router.wait_open(s.master, HOLD_MAX_S + 1)
    liar.publish("-failover-abort-slave-timeout", f"master mymaster {old_host} {old_port}")
    liar.publish("+selected-slave", selected)
    stays_true(lambda: router.state() == "open", 1, "writes are held again on its word")
    assert router.status()["switches"] == 0 and router.status()["holds"] == 1


# ---- how it asks ----


def test_a_master_that_says_it_is_a_replica_is_not_used(site, table, tmp_path):
    s = site(kinds=["redis"], quorum=1, record=False)
    router = open_router(table, tmp_path, s)
    s.monitors[0].stop()
    s.master.call("REPLICAOF", *map(str, s.nodes[1].addr))
    wait_until(lambda: router.state() == "no master", FOUND_S, "it is left")
    assert router.master() is None
    s.master.call("REPLICAOF", "NO", "ONE")
    router.wait_open(s.master)
    s.monitors[0].cont()


def test_with_passwords(site, table, tmp_path):
    s = site(password="sesame", record=False)
    secret = tmp_path / "password"
    secret.write_text("sesame\n")
    secret.chmod(0o600)
    stranger = Router(table, tmp_path, addresses(s), name="stranger")
    wait_until(lambda: stranger.log_lines("NOAUTH"), FOUND_S, "it says why it finds none")
    assert stranger.master() is None
    assert len(stranger.log_lines("NOAUTH")) == 1
    router = open_router(table, tmp_path, s, "--redis-password-file", str(secret))
    assert not router.log_lines("sesame") and not router.log_lines("NOAUTH")


def test_over_tls(table, tmp_path, kind):
    made = Certificates(tmp_path)
    s = Site(table, tmp_path, kinds=[kind] * 3, tls=made, redis_tls=made,
             redis_extra=[made.directives()], monitor_extra=made.directives()).start()
    tls = [word for to in ("redis", "sentinel")
           for word in (f"--{to}-tls", f"--{to}-tls-ca", made.ca, f"--{to}-tls-cert", made.cert,
                        f"--{to}-tls-key", made.key)]
    router = open_router(table, tmp_path, s, *tls)
    failover(s.monitors[0])
    router.wait_moved(s.master)


def test_monitors_by_name(site, table, tmp_path):
    s = site(record=False)
    names = [f"localhost:{monitor.port}" for monitor in s.monitors[:2]]
    router = open_router(table, tmp_path, s, monitors=names + ["no-such-host.invalid:26379"])
    assert [one["address"] for one in router.status()["monitors"][:2]] == names
    wait_until(lambda: router.log_lines("its name has no address"), FOUND_S, "told")


def test_servers_by_name(table, tmp_path):
    """A monitor that speaks of names, as with announce-hostnames."""
    if socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0][4][0] != "127.0.0.1":
        pytest.skip("localhost is not 127.0.0.1 here")
    old = RedisServer(table, tmp_path, name="old").start().wait_ready()
    new = RedisServer(table, tmp_path, name="new", replicaof=old).start().wait_ready()
    wait_until(lambda: new.follows(old.addr), FOUND_S, "in sync")
    # the master is known by its number: the name is first heard of in the event
    monitor = Liar(old.addr, 1)
    table.on_close(monitor.close)
    router = Router(table, tmp_path, [monitor.address])
    router.wait_open(old)
    wait_until(lambda: monitor.subscribers, FOUND_S, "it listens")
    monitor.publish("+selected-slave", f"slave localhost:{new.port} localhost {new.port} @ mymaster "
                                       f"localhost {old.port}")
    wait_until(lambda: router.state() == "holding writes", 1, "writes are held")
    new.call("REPLICAOF", "NO", "ONE")
    router.wait_open(new)
    monitor.says, monitor.epoch = ("localhost", new.port), 2
    wait_until(lambda: router.status()["master"]["epoch"] == 2, FOUND_S, "confirmed")


def test_replicas_that_may_serve(site, table, tmp_path):
    s = site(kinds=["holdfast"] * 3, record=False)
    router = open_router(table, tmp_path, s, "--listen-replicas", f"127.0.0.1:{free_port()}")

    def serving(*nodes):
        return sorted(router.status()["replicas"]) == sorted(at(node) for node in nodes)
    wait_until(lambda: serving(*s.nodes[1:]), FOUND_S, "both serve")
    s.nodes[1].stop()
    wait_until(lambda: serving(s.nodes[2]), FOUND_S, "the paused one does not")
    s.nodes[1].cont()
    wait_until(lambda: serving(*s.nodes[1:]), FOUND_S, "both serve again")


def test_replicas_that_do_not_hear_of_their_master_serve_nobody(site, table, tmp_path):
    s = site(kinds=["holdfast"], quorum=1, down_after_ms=60000, record=False)
    router = open_router(table, tmp_path, s, "--listen-replicas", f"127.0.0.1:{free_port()}",
                         "--replica-max-silence", "2s")
    wait_until(lambda: len(router.status()["replicas"]) == 2, FOUND_S, "both serve")
    s.master.stop()
    wait_until(lambda: not router.status()["replicas"], FOUND_S, "none does")
    assert router.log_lines("does not hear of its master")
    s.master.cont()
    wait_until(lambda: len(router.status()["replicas"]) == 2, FOUND_S, "both serve again")
    assert router.status()["switches"] == 0


def test_it_ends_in_the_middle_of_a_failover(site, table, tmp_path):
    s = site(record=False)
    router = open_router(table, tmp_path, s)
    s.master.kill()
    for monitor in s.monitors:
        monitor.kill()
    wait_until(lambda: all(one["last_error"] for one in router.status()["monitors"]), FOUND_S, "felt")
    router.process.signal(signal.SIGTERM)
    assert router.process.wait(10) == 0


@pytest.mark.parametrize("words, why", [
    ("", "closed"), ("+OK\r\n" * 3, "without an epoch"), ("*-1\r\n" * 99, ""),
    ("$99999999999\r\n", "protocol"), ("*2\r\n+a\r\n", "silent"), ("\0\0\0\r\n", "protocol"),
    ("+OK\r\n" + "-NOAUTH who\r\n" * 2, "NOAUTH"), ("+OK\r\n" * 9, "nobody asked")])
def test_a_monitor_that_talks_nonsense(site, table, tmp_path, words, why):
    s = site(kinds=["holdfast"] * 2, replicas=1, record=False)
    listener = socket.create_server(("127.0.0.1", 0))
    table.on_close(listener.close)
    open_sockets = []

    def serve():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.sendall(words.encode())
            if words:
                open_sockets.append(sock)
            else:
                sock.close()
    threading.Thread(target=serve, daemon=True).start()
    router = open_router(table, tmp_path, s,
                         monitors=addresses(s) + [f"127.0.0.1:{listener.getsockname()[1]}"])

    def seen():
        error = router.status()["monitors"][2]["last_error"]
        return error and why in error
    wait_until(seen, FOUND_S, f"it is not well: {why}", every_s=0.001)
    assert router.status()["monitors_answering"] == 2 and router.status()["has_majority"]
