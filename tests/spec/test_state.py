"""Where the state lives: users in the file, and --state-file for a file that may only be read."""

import os
import re

import pytest
from lib.monitor import Monitor, command_for
from lib.ports import free_port
from lib.site import Site
from lib.wait import wait_until

NAME = "mymaster"
HELLO = "__sentinel__:hello"
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

    def spell(self, monitor, with_state):
        """End it and start it with or without its state file."""
        path = str(os.path.join(monitor.dir, "monitor.state"))
        if monitor.process:
            monitor.terminate(ENDS_S)
        monitor.args = ["--state-file", path] if with_state else []
        return monitor.start().wait_ready()

    def vote(self, monitor, port, epoch, candidate):
        return monitor.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, epoch,
                            candidate * 40)

    def configure(self, monitor, epoch, port):
        """A peer says where the master is since that epoch."""
        hello = f"127.0.0.1,1,{'e' * 40},{epoch},{NAME},127.0.0.1,{port},{epoch}"
        assert monitor.call("PUBLISH", HELLO, hello) == 1
        wait_until(lambda: monitor.master_addr(NAME) == ("127.0.0.1", port), 5)

    def test_the_vote_and_for_whom_it_was_outlive_a_restart(self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        port = monitor.state().masters[NAME][1]
        self.spell(monitor, True)
        assert self.vote(monitor, port, 5, "a") == [0, "a" * 40, 5]
        self.spell(monitor, True)
        assert self.vote(monitor, port, 5, "b") == [0, "a" * 40, 5]
        assert self.vote(monitor, port, 5, "a") == [0, "a" * 40, 5]

    def test_no_second_vote_after_a_spell_without_the_state_file(self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        port = monitor.state().masters[NAME][1]
        self.spell(monitor, True)
        assert self.vote(monitor, port, 5, "a") == [0, "a" * 40, 5]
        self.spell(monitor, False)
        assert self.vote(monitor, port, 9, "b") == [0, "b" * 40, 9]
        self.spell(monitor, True)
        assert epochs(tmp_path / "monitor" / "monitor.state") == [9, 0, 9]
        for epoch in (6, 9):
            assert self.vote(monitor, port, epoch, "c") == [0, "*", 9], \
                "for whom it voted is not in sentinel.conf; that it did is"
        assert self.vote(monitor, port, 10, "c") == [0, "c" * 40, 10]

    def test_the_newer_configuration_of_the_two_files_wins(self, table, tmp_path, kind):
        monitor = lone(table, tmp_path, kind)
        first = monitor.state().masters[NAME][1]
        second, third, fourth = free_port(), free_port(), free_port()
        self.spell(monitor, True)
        self.configure(monitor, 3, second)
        assert self.vote(monitor, second, 8, "a") == [0, "a" * 40, 8]
        self.spell(monitor, False)
        assert monitor.master_addr(NAME) == ("127.0.0.1", first)
        self.configure(monitor, 5, third)
        self.spell(monitor, True)
        assert monitor.master_addr(NAME) == ("127.0.0.1", third)
        assert {int(r["port"]) for r in monitor.replicas(NAME)} == {first}, \
            "the replicas of that configuration, not of the older one"
        assert epochs(tmp_path / "monitor" / "monitor.state") == [8, 5, 8], "each the newer one"
        assert self.vote(monitor, third, 8, "b") == [0, "a" * 40, 8]
        self.configure(monitor, 9, fourth)
        self.spell(monitor, True)
        assert monitor.master_addr(NAME) == ("127.0.0.1", fourth), "now the state is the newer"
