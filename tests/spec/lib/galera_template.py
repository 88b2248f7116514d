"""A MariaDB data directory that is made once in a test process and copied for every node.

It has been a cluster of one and was shut down cleanly: all copies share one state UUID and
position, so the nodes of a new cluster join each other by a handful of events (IST) instead of a
full copy.
"""

import atexit
import os
import shutil
import subprocess
import tempfile

import pymysql

from lib.ports import free_port
from lib.procs import ProcessTable
from lib.wait import wait_until

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
PROBE_USER, PROBE_PASSWORD = "holdfast", "change-me"
APP_USER, APP_PASSWORD, APP_DATABASE = "app", "app-secret", "app"
ADMIN_USER, ADMIN_PASSWORD = "tester", "tester-secret"
HAPROXY_USER = "haproxy_check"
MAKE_S = 120

_TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
PROBE_USER_SQL = os.path.normpath(os.path.join(_TOP, "packaging", "galera", "probe-user.sql"))

# Small and quick to start; nothing that changes what a commit promises.
COMMON = """[mariadbd]
user=root
skip-name-resolve
skip-log-bin
character-set-server=utf8mb4
max_connections=100
performance_schema=OFF
innodb_buffer_pool_size=32M
innodb_log_file_size=8M
innodb_flush_log_at_trx_commit=1
innodb_autoinc_lock_mode=2
innodb_fast_shutdown=1
aria_pagecache_buffer_size=1M
key_buffer_size=1M
binlog_format=ROW
default_storage_engine=InnoDB
wsrep_on=ON
wsrep_provider={provider}
wsrep_slave_threads=2
"""

TABLES = f"""
CREATE DATABASE {APP_DATABASE};
CREATE TABLE {APP_DATABASE}.options (name VARCHAR(64) PRIMARY KEY, value TEXT);
INSERT INTO {APP_DATABASE}.options VALUES ('siteurl', 'http://shop'), ('cron', ''), ('theme', 'x');
CREATE TABLE {APP_DATABASE}.written (id VARCHAR(64) PRIMARY KEY, server_id INT NOT NULL,
                                     filler VARCHAR(200) NOT NULL);
CREATE USER '{ADMIN_USER}'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';
GRANT ALL PRIVILEGES ON *.* TO '{ADMIN_USER}'@'%' WITH GRANT OPTION;
CREATE USER '{APP_USER}'@'%' IDENTIFIED BY '{APP_PASSWORD}';
GRANT SELECT, INSERT, UPDATE, DELETE ON {APP_DATABASE}.* TO '{APP_USER}'@'%';
CREATE USER '{HAPROXY_USER}'@'%';
"""

_made = {}


def unavailable():
    """Why no Galera cluster can be started here, or None."""
    for tool in ("mariadbd", "mariadb-install-db", "rsync", "lsof"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None if os.path.exists(PROVIDER) else f"{PROVIDER} is not there: install galera-4"


def common_config():
    return COMMON.format(provider=PROVIDER)


def statements(text):
    """The statements of an SQL file without its comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";") if part.strip()]


def template():
    """The path of the finished data directory; the first call takes a few seconds."""
    if "path" not in _made:
        folder = tempfile.mkdtemp(prefix="holdfast-galera-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _make(folder)
        _made["path"] = os.path.join(folder, "data")
    return _made["path"]


def copy_template(to):
    """What a node starts from: everything but what belongs to the run of the template."""
    shutil.copytree(template(), to,
                    ignore=shutil.ignore_patterns("galera.cache", "gvwstate.dat", "*.pid"))


def _make(folder):
    data = os.path.join(folder, "data")
    conf = os.path.join(folder, "template.cnf")
    sock, port, group = os.path.join(folder, "s"), free_port(), free_port()
    with open(conf, "w", encoding="utf-8") as file:
        file.write(common_config() + f"""datadir={data}
socket={sock}
pid-file={folder}/pid
bind-address=127.0.0.1
port={port}
wsrep_cluster_name=holdfast_test
wsrep_cluster_address=gcomm://
wsrep_node_address=127.0.0.1:{group}
wsrep_provider_options="gcache.size=1M;gmcast.listen_addr=tcp://127.0.0.1:{group}"
""")
    done = subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
         "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
         "--innodb-log-file-size=8M"], capture_output=True, text=True, check=False, timeout=MAKE_S)
    assert done.returncode == 0, f"mariadb-install-db: {done.stdout}{done.stderr}"
    table = ProcessTable()
    try:
        server = table.spawn(["mariadbd", f"--defaults-file={conf}", "--wsrep-new-cluster"],
                             cwd=folder, name="template")
        try:
            _fill(server, sock)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{server.output()[-3000:]}") from error
        assert server.terminate(MAKE_S) == 0, server.output()[-3000:]
    finally:
        table.close()


def _fill(server, sock):
    def connected():
        assert server.alive(), "the template's server ended"
        try:
            return pymysql.connect(unix_socket=sock, user="root", autocommit=True)
        except pymysql.MySQLError:
            return None
    connection = wait_until(connected, MAKE_S, "the template's server answers")
    with open(PROBE_USER_SQL, encoding="utf-8") as file:
        probe_user = file.read()
    with connection, connection.cursor() as cursor:
        wait_until(lambda: cursor.execute("SHOW STATUS LIKE 'wsrep_ready'") and
                   cursor.fetchone()[1] == "ON", MAKE_S, "the template's server is Primary")
        for statement in statements(TABLES + probe_user):
            cursor.execute(statement)
