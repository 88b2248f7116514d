"""Where the state lives: users in the file, and --state-file for a file that may only be read."""

import os
import re

import pytest
from lib.monitor import Monitor, command_for
from lib.ports import free_port
from lib.site import Site
from lib.wait import wait_until

NAME = "mymaster"
ENDS_S = 5


def lone(table, tmp_path, kind, extra="", **options):
    return Monitor(table, tmp_path, f"sentinel monitor {NAME} 127.0.0.1 {free_port()} 1\n" + extra,
                   kind=kind, **options)


def epochs(path):
    """Of a state file: the current one, that of the configuration, that of the last vote."""
    lines = [line.split() for line in path.read_text().splitlines()]
    master = next(words for words in lines if words[0] == "master")
    return [int(next(words[1] for words in lines if words[0] == "current-epoch")),
            int(master[10]), int(master[11])]


def start_bound(monitor, *args):
    """Start it so that the modes of files bind it, which they do not when it runs as root."""
    bound = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    monitor.process = monitor.table.spawn(
        bound + command_for(monitor.kind) + [monitor.conf_path, *args],
        cwd=monitor.dir, name=monitor.name)
    return monitor


def test_users_made_at_run_time_survive_a_restart(table, tmp_path, kind):
    m = lone(table, tmp_path, kind, "user reader on >letmein ~* &* -@all +ping\n")
    m.start().wait_ready()
    assert m.call("ACL", "SETUSER", "extra", "on", ">made-later", "+ping") == "OK"
    assert m.call("SENTINEL", "FLUSHCONFIG") == "OK"
    assert "\nuser extra on " in m.conf_text()
    assert m.call("ACL", "DELUSER", "reader") == 1
    assert m.call("SENTINEL", "FLUSHCONFIG") == "OK"
    assert "made-later" not in m.conf_text(), "only its hash is written"
    m.terminate(ENDS_S)
    m.start().wait_ready()
    with m.connect() as client:
        assert client.call("AUTH", "extra", "made-later") == "OK"
        assert str(client.call("AUTH", "reader", "letmein")).startswith("WRONGPASS")


@pytest.mark.holdfast_only(reason="redis-sentinel knows one place for its state")
class TestStateFile:
    """The operator's file is read, and nothing else."""

    def site(self, table, tmp_path, kind):
        site = Site(table, tmp_path, kinds=[kind], replicas=1, quorum=1, down_after_ms=1000)
        monitor = site.monitors[0]
        monitor.args = ["--state-file", str(tmp_path / "monitor.state")]
        # What it calls itself shall be in no other place than its state.
        monitor.write_conf(re.sub("sentinel myid .*\n", "", monitor.conf_text()))
        return site

    def test_a_failover_is_remembered_beside_an_untouched_file(self, table, tmp_path, kind):
        site = self.site(table, tmp_path, kind)
        monitor = site.monitors[0]
        site.start()
        before = monitor.conf_text()
        old = site.master
        old.kill()
        monitor.recorder.wait("+switch-master", site.name, 20)
        want = monitor.master_addr(site.name)
        myid = monitor.call("SENTINEL", "MYID")
        assert want != old.addr
        wait_until(lambda: "replica" in (tmp_path / "monitor.state").read_text(), 5)
        monitor.terminate(ENDS_S)
        assert monitor.conf_text() == before
        left = epochs(tmp_path / "monitor.state")
        assert min(left) >= 1
        monitor.start().wait_ready()
        assert monitor.master_addr(site.name) == want
        assert monitor.call("SENTINEL", "MYID") == myid
        assert epochs(tmp_path / "monitor.state") == left, "it is written anew at the start"
        # Nobody but the state can tell of it: it is down, and its successor does not know it.
        assert [(r["ip"], int(r["port"])) for r in monitor.replicas(site.name)] == [old.addr]

    def test_a_state_file_that_was_altered_stops_the_start_and_says_what_to_do(
            self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        path = tmp_path / "monitor.state"
        monitor.args = ["--state-file", str(path)]
        monitor.start().wait_ready()
        monitor.terminate(ENDS_S)
        path.write_text(path.read_text().replace("current-epoch 0", "current-epoch 9"))
        monitor.start()
        assert monitor.process.wait(ENDS_S) == 1
        said = monitor.log_text() + monitor.process.output()
        assert str(path) in said and "checksum" in said
        assert "put back a copy" in said and "remove it" in said

    def test_what_will_not_last_is_said(self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        monitor.args = ["--state-file", str(tmp_path / "monitor.state")]
        monitor.start().wait_ready()
        warnings = lambda: monitor.log_text().count("lasts until the end of the process")
        for number, words in enumerate((("SET", NAME, "quorum", "2"),
                                        ("CONFIG", "SET", "announce-port", "12345"),
                                        ("MONITOR", "other", "127.0.0.1", "1", "1"),
                                        ("REMOVE", "other")), start=1):
            assert monitor.call("SENTINEL", *words) == "OK"
            assert warnings() == number, words

    def test_a_file_that_may_only_be_read_is_enough(self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        os.chmod(monitor.conf_path, 0o444)
        before = monitor.conf_text()
        assert start_bound(monitor).process.wait(ENDS_S) == 1, "it may not be written"
        start_bound(monitor, "--state-file", str(tmp_path / "monitor.state")).wait_ready()
        assert (tmp_path / "monitor.state").read_text().startswith("holdfast-state 1 ")
        assert monitor.conf_text() == before
