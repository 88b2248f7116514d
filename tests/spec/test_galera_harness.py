"""The Galera cluster of the tests does what it says: each fault is made and seen in the nodes."""

import os

import pytest

from lib import netns
from lib.galera import GaleraCluster, SqlError, audit_rows, tuned_provider, unavailable
from lib.galera_load import account, missing_clients
from lib.galera_template import (APP_DATABASE, APP_PASSWORD, APP_USER, PROBE_PASSWORD, PROBE_USER)
from lib.wait import stays_true, wait_until

UNKNOWN_COMMAND, READ_ONLY, TABLE_DENIED, DISK_FULL = 1047, 1290, 1142, 1114
APP = {"user": APP_USER, "password": APP_PASSWORD, "database": APP_DATABASE}
PROBE = {"user": PROBE_USER, "password": PROBE_PASSWORD}
SEEN_S = 30
DISK_MB = 160
INSERT = "INSERT INTO written VALUES (UUID(), @@server_id, 'x')"

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@pytest.fixture(scope="module")
def galera(request, module_table, tmp_path_factory):
    """One cluster for the file; what a test does to it, it undoes."""
    directory = tmp_path_factory.mktemp("galera")
    request.module.log_places = [directory]
    return GaleraCluster(module_table, directory, namespaces=netns.unavailable() is None,
                         provider=tuned_provider(), disk_mb={3: DISK_MB}).start()


@pytest.fixture
def load(galera):
    """Starts clients; skips where they cannot run. Each load has a name of its own."""
    if missing_clients():
        pytest.skip(missing_clients())

    def build(name, **options):
        return galera.load(name=name, **options).wait_all_succeed()
    return build


def assert_nothing_lost(galera, clients):
    audit = audit_rows(galera, clients.finish())
    print(audit)
    assert audit.acknowledged > 0
    assert not audit.lost and not audit.differing and audit.overlaps == 0, str(audit)
    return audit


# --- the account of rows ---

def line(client, number, start, end, node=1, is_ok=True, code=0):
    return {"client": client, "id": f"{client}-{number}", "sent_ms": start, "write_ms": start,
            "done_ms": end, "node": node, "ok": is_ok, "code": code, "stage": "write", "error": ""}


def test_the_account_finds_what_is_missing():
    logs = [line("a", 1, 0, 10), line("a", 2, 20, 30), line("b", 1, 5, 50, is_ok=False, code=2013)]
    audit = account(logs, [{"a-1": 1, "b-1": 1}, {"a-1": 1, "a-2": 1, "b-1": 1}])
    assert audit.lost == ["a-2"] and audit.differing == ["a-2"]
    assert audit.acknowledged == 2 and audit.errors == {2013: 1} and audit.unacknowledged == 1


def test_the_account_finds_two_writers_and_stalls():
    logs = [line("a", 1, 0, 100, node=1), line("b", 1, 50, 60, node=2),
            line("b", 2, 150, 160, node=2), line("a", 2, 700, 900, node=1, is_ok=False)]
    rows = {"a-1": 1, "b-1": 2, "b-2": 2}
    audit = account(logs, [rows])
    assert audit.overlaps == 1 and audit.longest_stall_ms == 800
    assert audit.by_node == {1: 1, 2: 2}
    rows["a-2"] = 1
    assert account(logs + [line("b", 3, 800, 801, node=2)], [rows]).overlaps == 2


# --- the cluster ---

def test_three_nodes_are_one_cluster(galera):
    states = [galera.status(index) for index in (1, 2, 3)]
    assert {state["wsrep_cluster_size"] for state in states} == {"3"}
    assert len({state["wsrep_cluster_state_uuid"] for state in states}) == 1
    assert [galera.sql(i, "SELECT @@server_id")[0][0] for i in (1, 2, 3)] == [1, 2, 3]
    galera.sql(1, INSERT.replace("UUID()", "'first'"), **APP)
    seen = "SELECT COUNT(*) FROM written WHERE id = 'first'"
    assert galera.sql(3, seen, is_current=True, **APP)[0][0] == 1


def test_the_probe_needs_no_privilege(galera):
    grants = [row[0] for row in galera.sql(1, "SHOW GRANTS FOR CURRENT_USER()", **PROBE)]
    assert len(grants) == 1 and grants[0].startswith("GRANT USAGE ON *.*")
    status = dict(galera.sql(2, "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'", **PROBE))
    assert status["wsrep_local_state"] == "4" and status["wsrep_ready"] == "ON"
    row = galera.sql(2, "SELECT @@global.read_only, @@global.wsrep_desync, "
                     "@@global.wsrep_reject_queries, @@global.wsrep_on, @@server_id, "
                     "@@global.wsrep_sst_donor_rejects_queries, @@version", **PROBE)[0]
    assert row[:5] == (0, 0, "NONE", 1, 2)
    assert galera.node(2).error_of(f"SELECT 1 FROM {APP_DATABASE}.written", **PROBE) == TABLE_DENIED


def test_read_only(galera):
    galera.read_only(2)
    try:
        assert galera.node(2).error_of(INSERT, **APP) == READ_ONLY
        assert galera.node(1).error_of(INSERT, **APP) is None
        assert galera.node(2).is_synced(3), "wsrep says nothing of it"
    finally:
        galera.read_only(2, False)
    assert galera.node(2).error_of(INSERT, **APP) is None


def test_desync(galera):
    galera.desync(2)
    try:
        wait_until(lambda: galera.status(2)["wsrep_local_state"] == "2", SEEN_S, "desynced")
        assert galera.status(2)["wsrep_ready"] == "ON"
        assert galera.node(2).error_of(INSERT, **APP) is None, "it serves all the same"
        assert galera.node(1).is_synced(3)
    finally:
        galera.desync(2, False)
    galera.wait_synced()


def test_one_is_killed(galera, load):
    clients = load("killed")
    galera.kill(3)
    wait_until(lambda: galera.status(1)["wsrep_cluster_size"] == "2", SEEN_S, "3 is put out")
    galera.wait_synced()
    clients.wait_all_succeed()
    galera.restart(3)
    galera.wait_synced()
    clients.wait_all_succeed()
    audit = assert_nothing_lost(galera, clients)
    assert not audit.errors and audit.longest_stall_ms > 300, "the group waits for the dead one"


def test_one_is_stopped(galera):
    galera.stop_signal(3)
    try:
        wait_until(lambda: galera.status(1)["wsrep_cluster_size"] == "2", SEEN_S, "3 is put out")
        with pytest.raises((SqlError, OSError)):
            galera.node(3).sql("SELECT 1", timeout_s=0.5)
    finally:
        galera.cont(3)
    galera.wait_synced()


def test_a_partition(galera, load):
    if galera.network is None:
        pytest.skip(netns.unavailable())
    clients = load("cut")
    galera.partition(3)
    wait_until(lambda: not galera.node(3).is_primary(), SEEN_S, "3 is not Primary")
    assert galera.node(3).error_of(INSERT, **APP) == UNKNOWN_COMMAND
    assert galera.node(3).error_of("SELECT COUNT(*) FROM options", **APP) == UNKNOWN_COMMAND
    assert galera.node(3).error_of("SELECT 1", **APP) is None, "what a simple check asks"
    status = dict(galera.sql(3, "SHOW GLOBAL STATUS LIKE 'wsrep\\_%'", **PROBE))
    assert (status["wsrep_cluster_status"], status["wsrep_ready"]) == ("non-Primary", "OFF")
    wait_until(lambda: galera.node(1).is_synced(2), SEEN_S, "the others go on")
    clients.wait_all_succeed()
    galera.heal()
    galera.wait_synced()
    assert_nothing_lost(galera, clients)


@pytest.mark.slow
def test_two_are_killed_and_the_last_is_bootstrapped(galera):
    galera.kill(2)
    galera.kill(3)
    wait_until(lambda: not galera.node(1).is_primary(), SEEN_S, "1 has no quorum")
    assert galera.node(1).error_of(INSERT, **APP) == UNKNOWN_COMMAND
    stays_true(lambda: not galera.node(1).is_primary(), 1)
    galera.bootstrap_again(1)
    galera.wait_synced()
    assert galera.node(1).error_of(INSERT, **APP) is None
    for index in (2, 3):
        galera.restart(index)
        galera.wait_synced()


@pytest.mark.slow
def test_a_full_state_transfer(galera):
    uuid = galera.status(1)["wsrep_cluster_state_uuid"]
    donors, system_file = galera.nodes[:2], os.path.join(galera.node(3).data, "mariadb", "ibdata1")
    galera.kill(3)
    inode = os.stat(system_file).st_ino
    galera.wait_synced()
    galera.restart(3, with_data=False)
    wait_until(lambda: any(n.status()["wsrep_local_state"] == "2" for n in donors), SEEN_S,
               "a donor is desynced", every_s=0.01)
    galera.wait_synced()
    assert galera.status(3)["wsrep_cluster_state_uuid"] == uuid
    assert os.stat(system_file).st_ino != inode, "its files came from the donor"
    counts = {node.sql(f"SELECT COUNT(*) FROM {APP_DATABASE}.written", is_current=True)
              for node in galera.nodes}
    assert len(counts) == 1, counts


@pytest.mark.slow
def test_all_are_killed_and_nothing_acknowledged_is_lost(galera, load):
    clients = load("all", timeout_s=5)
    for index in (1, 2, 3):
        galera.kill(index)
    clients.wait_some_fail()
    galera.revive()
    clients.wait_all_succeed()
    audit = assert_nothing_lost(galera, clients)
    assert audit.errors, "they noticed"


@pytest.mark.slow
def test_a_full_disk(galera):
    """The node that is full looks well until it must apply what another wrote: then it leaves."""
    # More rows than the pages that are free in the table's file.
    many = "INSERT INTO written SELECT UUID(), @@server_id, REPEAT('x', 200) FROM seq_1_to_20000"
    galera.fill_disk(3)
    assert galera.node(3).error_of(many, timeout_s=SEEN_S, **APP) == DISK_FULL
    assert galera.node(3).is_synced(3), "no wsrep value tells of it"
    galera.sql(1, many, timeout_s=SEEN_S, **APP)
    wait_until(lambda: galera.status(3)["wsrep_cluster_status"] == "Disconnected", SEEN_S, "3 left")
    status = galera.status(3)
    assert (status["wsrep_local_state"], status["wsrep_ready"]) == ("5", "OFF")
    assert status["wsrep_local_state_comment"] == "Inconsistent"
    assert galera.node(3).error_of(INSERT, **APP) == UNKNOWN_COMMAND
    wait_until(lambda: galera.node(1).is_synced(2), SEEN_S, "the others go on")
    galera.kill(3)
    galera.free_disk(3)
    galera.restart(3, with_data=False)
    galera.wait_synced()
