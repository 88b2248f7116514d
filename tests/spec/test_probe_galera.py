"""What the database probes say of a real MariaDB with Galera, and how soon."""

import os
import pwd
import shutil
import ssl
import subprocess
import tempfile

import pytest

from lib import procs
from lib.ports import free_port
from lib.probe import EVERY_MS, NOTICED_S, PASSWORD, TIMEOUT_MS, USER, Liar, Watch
from lib.tls import Certificates
from lib.wait import wait_until

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
START_S = 120    # a first start on a busy machine

pytestmark = pytest.mark.skipif(shutil.which("mariadbd") is None or not os.path.exists(PROVIDER),
                                reason="mariadb-server and galera-4 are not installed")
log_places = []


class Node:
    """One mariadbd: a Galera cluster of its own, or a plain server."""

    def __init__(self, table, directory, *, name, galera=True, certificates=None):
        self.table, self.name, self.galera = table, name, galera
        self.dir = os.path.join(directory, name)
        self.data = os.path.join(self.dir, "data")
        os.makedirs(self.dir)
        self.port = free_port()
        self.certificates = certificates
        self.process = None
        self.starts = 0
        self._write()
        user = ["--user=mysql"] if os.getuid() == 0 else []
        done = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
             "--auth-root-authentication-method=normal", "--skip-test-db", *user],
            capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        self._own()

    def _own(self):
        """mariadbd does not run as root: all that it writes is its user's."""
        if os.getuid() == 0:
            mysql = pwd.getpwnam("mysql")
            for folder, _, names in os.walk(self.dir):
                for path in [folder] + [os.path.join(folder, name) for name in names]:
                    os.chown(path, mysql.pw_uid, mysql.pw_gid)

    def _write(self):
        lines = ["[mariadbd]", f"datadir={self.data}", "bind-address=127.0.0.1",
                 f"port={self.port}", f"socket={self.dir}/sql.sock",
                 f"pid-file={self.dir}/pid", "skip-name-resolve", "binlog_format=ROW",
                 "default_storage_engine=InnoDB", "innodb_autoinc_lock_mode=2",
                 "innodb_buffer_pool_size=16M", "innodb_log_file_size=8M",
                 "innodb_flush_log_at_trx_commit=0", "max_connections=20",
                 "performance_schema=OFF"]
        if os.getuid() == 0:
            lines.append("user=mysql")
        if self.certificates is not None:
            lines += [f"ssl-ca={self.certificates.ca}", f"ssl-cert={self.certificates.cert}",
                      f"ssl-key={self.certificates.key}"]
        if self.galera:
            group = free_port()
            lines += ["wsrep_on=ON", f"wsrep_provider={PROVIDER}", "wsrep_cluster_address=gcomm://",
                      f"wsrep_cluster_name={self.name}", f"wsrep_node_address=127.0.0.1:{group}",
                      'wsrep_provider_options="gcache.size=8M;'
                      f'gmcast.listen_addr=tcp://127.0.0.1:{group};'
                      f'ist.recv_addr=127.0.0.1:{free_port()}"']
        with open(os.path.join(self.dir, "my.cnf"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    def start(self):
        self.starts += 1
        new = ["--wsrep-new-cluster"] if self.galera else []
        state = os.path.join(self.data, "grastate.dat")
        if os.path.exists(state):  # the last one of its cluster: it may bootstrap
            with open(state, encoding="utf-8") as file:
                text = file.read().replace("safe_to_bootstrap: 0", "safe_to_bootstrap: 1")
            with open(state, "w", encoding="utf-8") as file:
                file.write(text)
        # Galera gives its threads the priority they have, which an idle process may not do.
        idle = os.sched_getscheduler(0) == os.SCHED_IDLE
        self.process = self.table.spawn(
            [*(["chrt", "-o", "0", "nice", "-n", "19"] if idle else []), "mariadbd",
             f"--defaults-file={self.dir}/my.cnf", *new], cwd=self.dir,
            name=f"mariadbd-{self.starts}")
        wait_until(self._answers, START_S, "mariadbd answers")
        return self

    def _answers(self):
        assert self.process.alive(), self.process.output()[-3000:]
        return self.sql("SELECT 1", check=False) == "1"

    def sql(self, text, check=True):
        done = subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.dir}/sql.sock", "-uroot", "-BN", "-e",
             text], capture_output=True, text=True, check=False, timeout=60)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def address(self):
        return f"127.0.0.1:{self.port}"


def grant(node, user=USER, password=PASSWORD):
    node.sql(f"CREATE OR REPLACE USER '{user}'@'127.0.0.1' IDENTIFIED BY '{password}'")


@pytest.fixture(scope="module", name="place")
def place_fixture():
    directory = tempfile.mkdtemp(prefix="probe-galera-")
    os.chmod(directory, 0o755)
    log_places.append(directory)
    yield directory
    log_places.remove(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module", name="servers")
def servers_fixture():
    table = procs.ProcessTable()
    yield table
    table.close()


@pytest.fixture(scope="module", name="certificates")
def certificates_fixture(place):
    os.makedirs(os.path.join(place, "tls"))
    made = Certificates(os.path.join(place, "tls"))
    if os.getuid() == 0:
        os.chown(made.key, pwd.getpwnam("mysql").pw_uid, -1)
    return made


@pytest.fixture(scope="module", name="node")
def node_fixture(servers, place, certificates):
    node = Node(servers, place, name="n1", certificates=certificates).start()
    grant(node)
    return node


@pytest.fixture(scope="module", name="plain")
def plain_fixture(servers, place):
    node = Node(servers, place, name="plain", galera=False).start()
    grant(node)
    return node


@pytest.fixture(name="table")
def table_fixture():
    table = procs.ProcessTable()
    yield table
    table.close()


# ---- what a node says ----

def test_a_synced_node_is_ready(table, node, tmp_path):
    said = Watch(table, tmp_path, "galera", node.address()).wait("ready")
    assert said["reason"] == "Synced (wsrep_local_state 4), cluster of 1"
    assert said["can_read"] and said["galera"]["cluster_status"] == "Primary"
    assert said["galera"]["cluster_uuid"] == node.sql(
        "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
        "WHERE VARIABLE_NAME='wsrep_cluster_state_uuid'")
    assert "MariaDB" in said["server_version"]


def test_read_only_is_not_ready_but_may_be_read(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address())
    watch.wait("ready")
    node.sql("SET GLOBAL read_only=ON")
    try:
        assert watch.wait("not-ready", "read_only is ON")["can_read"]
    finally:
        node.sql("SET GLOBAL read_only=OFF")
    assert watch.wait("ready")["connects"] == 1


@pytest.mark.parametrize("donor, verdict", [("avoid", "avoid"), ("not-ready", "not-ready")])
def test_a_desynced_node_is_judged_by_the_operators_rule(table, node, tmp_path, donor, verdict):
    watch = Watch(table, tmp_path, "galera", node.address(), donor=donor)
    watch.wait("ready")
    node.sql("SET GLOBAL wsrep_desync=ON")
    try:
        said = watch.wait(verdict, "Donor/Desynced (wsrep_local_state 2, wsrep_desync is ON)")
        assert said["can_read"] == (donor == "avoid")
    finally:
        node.sql("SET GLOBAL wsrep_desync=OFF")
    watch.wait("ready", "Synced")


def test_a_desynced_node_is_ready_when_the_operator_says_so(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address(), donor="ready")
    watch.wait("ready")
    node.sql("SET GLOBAL wsrep_desync=ON")
    try:
        watch.wait("ready", "Donor/Desynced (wsrep_local_state 2)")
    finally:
        node.sql("SET GLOBAL wsrep_desync=OFF")
    watch.wait("ready", "Synced")


def test_rejected_queries_are_not_ready(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address())
    watch.wait("ready")
    node.sql("SET GLOBAL wsrep_reject_queries=ALL")
    try:
        watch.wait("not-ready", "wsrep_reject_queries is ALL")
    finally:
        node.sql("SET GLOBAL wsrep_reject_queries=NONE")
    watch.wait("ready")


def test_a_node_that_loses_its_primary_component(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address())
    watch.wait("ready")
    node.sql("SET GLOBAL wsrep_provider_options='pc.weight=0'")
    node.sql("SET GLOBAL wsrep_cluster_address='gcomm://127.0.0.1:1'")
    try:
        watch.wait("not-ready", "component")
    finally:
        node.sql("SET GLOBAL wsrep_cluster_address='gcomm://'")
        node.sql("SET GLOBAL wsrep_provider_options='pc.weight=1'", check=False)
    watch.wait("ready", within_s=60)


def test_another_cluster_is_told_apart(table, node, tmp_path):
    other = "11111111-2222-3333-4444-555555555555"
    said = Watch(table, tmp_path, "galera", node.address(), cluster=other).wait("not-ready")
    assert "belongs to another cluster" in said["reason"] and other in said["reason"]


def test_a_plain_server_is_no_galera_node(table, plain, tmp_path):
    said = Watch(table, tmp_path, "galera", plain.address()).wait("not-ready")
    assert "wsrep is off" in said["reason"] and "kind mysql" in said["reason"]


def test_a_plain_server(table, plain, tmp_path):
    watch = Watch(table, tmp_path, "mysql", plain.address())
    assert watch.wait("ready")["can_read"]
    plain.sql("SET GLOBAL read_only=ON")
    try:
        assert watch.wait("not-ready", "read_only is ON")["can_read"]
    finally:
        plain.sql("SET GLOBAL read_only=OFF")
    watch.wait("ready")


# ---- logins ----

def test_a_wrong_password_says_how_to_mend_it(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address(), password="wrong-3399", all=1)
    said = watch.wait("not-ready", "Access denied for user 'holdfast'")
    assert "GRANT USAGE ON *.* TO 'holdfast'@'HOST'" in said["reason"]
    assert "wrong-3399" not in said["reason"]
    # Each attempt is a line in the server's log: they become fewer.
    wait_until(lambda: len(watch.lines) >= 5, NOTICED_S, "five attempts")
    gaps = [b["at_ms"] - a["at_ms"] for a, b in zip(watch.lines, watch.lines[1:5])]
    assert gaps[3] > gaps[0] and gaps[3] >= 4 * EVERY_MS, gaps
    node.sql(f"ALTER USER '{USER}'@'127.0.0.1' IDENTIFIED BY 'wrong-3399'")
    try:
        watch.wait("ready")
    finally:
        grant(node)


def test_no_connection_left_is_to_be_avoided(table, node, tmp_path):
    node.sql(f"ALTER USER '{USER}'@'127.0.0.1' WITH MAX_USER_CONNECTIONS 1")
    try:
        Watch(table, tmp_path, "galera", node.address(), name="first").wait("ready")
        said = Watch(table, tmp_path, "galera", node.address()).wait("avoid")
        assert "max_user_connections" in said["reason"]
    finally:
        node.sql(f"ALTER USER '{USER}'@'127.0.0.1' WITH MAX_USER_CONNECTIONS 0")


def test_a_killed_connection_is_made_again_without_a_word(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address(), all=1)
    watch.wait("ready")
    node.sql(f"KILL USER '{USER}'@'127.0.0.1'")
    wait_until(lambda: watch.last().get("connects") == 2, NOTICED_S, "a second connection")
    assert {line["verdict"] for line in watch.lines} == {"ready"}


# ---- TLS ----

def test_tls_with_the_right_authority(table, node, certificates, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address(), tls=1, sql_ca=certificates.ca,
                  check_name=1)
    node.sql(f"ALTER USER '{USER}'@'127.0.0.1' REQUIRE SSL")
    try:
        watch.wait("ready")
        Watch(table, tmp_path, "galera", node.address(), name="bare").wait("not-ready", "denied")
    finally:
        node.sql(f"ALTER USER '{USER}'@'127.0.0.1' REQUIRE NONE")


@pytest.mark.parametrize("check_name", [0, 1])
def test_tls_with_the_wrong_authority(table, node, tmp_path, check_name):
    other = Certificates(tmp_path)
    said = Watch(table, tmp_path, "galera", node.address(), tls=1, sql_ca=other.ca,
                 check_name=check_name).wait("not-ready")
    assert "certificate not trusted" in said["reason"]


def test_tls_is_not_fallen_back_from(table, plain, tmp_path):
    said = Watch(table, tmp_path, "mysql", plain.address(), tls=1).wait("not-ready")
    assert "TLS" in said["reason"] or "SSL" in said["reason"]


# ---- servers that die, hang and lie ----

@pytest.mark.parametrize("tls", [0, 1])
def test_a_hung_server_is_unreachable_and_comes_back(table, node, tmp_path, tls):
    watch = Watch(table, tmp_path, "galera", node.address(), tls=tls, all=1)
    watch.wait("ready")
    node.process.stop()
    try:
        said = watch.wait("unreachable", "no answer within 1000 ms (connected")
        assert said["is_timeout"] and TIMEOUT_MS <= said["took_ms"] < TIMEOUT_MS + 500
        # The kernel still accepts: the next ones hang in the login.
        said = watch.wait("unreachable", "no answer within 1000 ms (waiting for the connection")
        assert TIMEOUT_MS <= said["took_ms"] < TIMEOUT_MS + 500
    finally:
        node.process.cont()
    watch.wait("ready")


def test_sigkill_is_noticed_at_once_and_recovery_too(table, node, tmp_path):
    watch = Watch(table, tmp_path, "galera", node.address(), every=5000, timeout=3000)
    ready = watch.wait("ready")
    node.process.kill()
    said = watch.wait("unreachable", "connection refused")
    # Long before the next poll: the closing connection was seen.
    assert said["at_ms"] - ready["at_ms"] < 5000
    node.start()
    watch.wait("ready", within_s=60)


GREETING = (b"\x0a" b"5.5.5-10.11.6-MariaDB\0" b"\x01\0\0\0" b"abcdefgh\0" b"\xfe\xff" b"\x2d"
            b"\x02\0" b"\xff\x81" b"\x15" + b"\0" * 10 + b"ijklmnopqrst\0" b"mysql_native_password\0")


def packet(number, body):
    return len(body).to_bytes(3, "little") + bytes([number]) + body


@pytest.mark.parametrize("first", [
    b"", packet(0, GREETING)[:20], packet(0, GREETING), b"HTTP/1.1 400 Bad Request\r\n",
    packet(0, b"\xff\xff"), b"\xff\xff\xff\x00" + b"x" * 4096],
    ids=["silent", "half", "greeting", "http", "error", "huge"])
@pytest.mark.parametrize("tls", [0, 1])
def test_liars_neither_hang_nor_crash_it(table, tmp_path, first, tls):
    liar = Liar(table, first)
    watch = Watch(table, tmp_path, "galera", liar.address(), tls=tls, timeout=300, all=1)
    wait_until(lambda: len(watch.lines) >= 3, NOTICED_S, "three verdicts")
    for line in watch.lines:
        assert line["verdict"] in ("unreachable", "not-ready"), line
        assert line["took_ms"] < 1300, line


def test_one_that_hangs_in_a_login_over_tls(table, certificates, tmp_path):
    """libmariadb's socket blocks from the end of the handshake on: the probe must not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.cert, certificates.key)
    liar = Liar(table, packet(0, GREETING), tls=context)
    watch = Watch(table, tmp_path, "galera", liar.address(), tls=1, all=1)
    wait_until(lambda: len(watch.lines) >= 3 and liar.logins, NOTICED_S, "three verdicts")
    for line in watch.lines:
        assert line["verdict"] == "unreachable" and line["took_ms"] < TIMEOUT_MS + 500, line


def test_one_that_accepts_and_closes(table, tmp_path):
    liar = Liar(table, closes=True)
    watch = Watch(table, tmp_path, "galera", liar.address(), all=1)
    wait_until(lambda: len(watch.lines) >= 3, NOTICED_S, "three verdicts")
    assert {line["verdict"] for line in watch.lines} == {"unreachable"}


def test_a_port_of_nobody(table, tmp_path):
    said = Watch(table, tmp_path, "galera", f"127.0.0.1:{free_port()}").wait("unreachable")
    assert said["reason"] == "connection refused" and not said["is_timeout"]
