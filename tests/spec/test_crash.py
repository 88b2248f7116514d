"""A monitor is killed with SIGKILL at random moments while votes are asked of it and elections run:
no vote and no epoch ever goes back, and no epoch gets two votes of one monitor.

    pytest tests/spec/test_crash.py --crash-rounds 1000 --seed 7
"""

import re
import threading
import time

import pytest

from lib.monitor import Monitor
from lib.ports import free_port
from lib.resp import RespClient
from lib.site import Site, new_id
from lib.wait import wait_until

NAME = "mymaster"
QUICK_ROUNDS = 15


class Ballot:
    """All votes that one monitor was ever heard to give; a contradiction fails at once."""

    def __init__(self):
        self.vote_of_epoch = {}
        self.highest_epoch = 0

    def heard(self, leader, epoch):
        if leader == "*":
            return
        before = self.vote_of_epoch.setdefault(epoch, leader)
        assert before == leader, f"two votes in epoch {epoch}: {before} and {leader}"
        self.highest_epoch = max(self.highest_epoch, epoch)


class Candidate(threading.Thread):
    """Asks for votes in ever new epochs under ever new names until the monitor dies."""

    def __init__(self, monitor, master, first_epoch, chance):
        super().__init__(daemon=True)
        self.monitor, self.master, self.epoch = monitor, master, first_epoch
        self.names = [new_id() for _ in range(3)]
        self.steps = [chance.choice([0, 0, 1, 1, 2, 5]) for _ in range(64)]
        self.answers = []

    def run(self):
        turn = 0
        try:
            with RespClient(self.monitor.addr, timeout_s=2) as client:
                while True:
                    self.epoch += self.steps[turn % len(self.steps)]
                    reply = client.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", *self.master,
                                        self.epoch, self.names[turn % 3])
                    if isinstance(reply, list):
                        self.answers.append((str(reply[1]), reply[2]))
                    turn += 1
        except (OSError, EOFError):
            pass


def hammer(table, tmp_path, kind, rounds, chance):
    master = ("127.0.0.1", free_port())
    monitor = Monitor(table, tmp_path, f"sentinel monitor {NAME} {master[0]} {master[1]} 2\n"
                      f"sentinel known-sentinel {NAME} 127.0.0.1 1 {new_id()}\n", kind=kind)
    ballot, answered = Ballot(), 0
    epoch_on_disk = 0
    for number in range(rounds):
        monitor.start().wait_ready()
        # The epoch of the last answer, asked again under another name: the old vote must hold.
        if ballot.highest_epoch:
            reply = monitor.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", *master,
                                 ballot.highest_epoch, "f" * 40)
            ballot.heard(str(reply[1]), reply[2])
        candidate = Candidate(monitor, master, ballot.highest_epoch, chance)
        candidate.start()
        pause_s = chance.uniform(0.0, 0.05)
        died_at = time.monotonic() + pause_s
        wait_until(lambda at=died_at: time.monotonic() >= at, 1, every_s=0.001)
        monitor.kill()
        candidate.join(5)
        for leader, epoch in candidate.answers:
            ballot.heard(leader, epoch)
        answered += len(candidate.answers)
        state = monitor.state()
        assert state.current_epoch >= max(ballot.highest_epoch, epoch_on_disk), \
            f"round {number}: current-epoch went back"
        assert state.leader_epoch[NAME] >= ballot.highest_epoch, \
            f"round {number}: the vote for {ballot.highest_epoch} is not on disk"
        assert state.myid is not None and NAME in state.masters
        epoch_on_disk = state.current_epoch
    assert answered >= rounds, f"only {answered} votes in {rounds} rounds"


def test_votes_survive_a_crash(table, tmp_path, kind, chance):
    hammer(table, tmp_path, kind, QUICK_ROUNDS, chance)


@pytest.mark.slow
def test_votes_survive_hundreds_of_crashes(table, tmp_path, kind, chance, request):
    hammer(table, tmp_path, kind, request.config.getoption("--crash-rounds"), chance)


VOTE = re.compile(r"\+vote-for-leader ([0-9a-f]{40}) (\d+)")


def logged_votes(monitor):
    """epoch -> names, as the monitor's own log has them over all its lives."""
    votes = {}
    for runid, epoch in VOTE.findall(monitor.log_text()):
        votes.setdefault(int(epoch), set()).add(runid)
    return votes


@pytest.mark.slow
def test_monitors_die_at_random_while_they_elect(table, tmp_path, kind, chance, request):
    """The master is dead for good and its replica may not be promoted, so elections never end;
    monitors are killed and restarted all the while."""
    rounds = max(10, request.config.getoption("--crash-rounds") // 3)
    site = Site(table, tmp_path, kinds=[kind] * 3, replicas=1, down_after_ms=200,
                failover_timeout_ms=200, priorities=[100, 0]).start(record=False)
    ballots = {monitor: Ballot() for monitor in site.monitors}
    epochs = {monitor: 0 for monitor in site.monitors}
    site.master.kill()
    wait_until(lambda: any(m.state().current_epoch > 0 for m in site.monitors), 20,
               "elections have begun")
    for number in range(rounds):
        victim = chance.choice(site.monitors)
        at = time.monotonic() + chance.uniform(0.0, 0.8)
        wait_until(lambda t=at: time.monotonic() >= t, 2, every_s=0.001)
        victim.kill()
        state = victim.state()
        assert state.current_epoch >= epochs[victim], f"round {number}: {victim} went back"
        assert state.leader_epoch[NAME] <= state.current_epoch
        epochs[victim] = state.current_epoch
        for epoch, names in logged_votes(victim).items():
            assert len(names) == 1, f"{victim} voted for {names} in epoch {epoch}"
            ballots[victim].heard(next(iter(names)), epoch)
        victim.start().wait_ready()
    for monitor in site.monitors:
        assert logged_votes(monitor), f"{monitor} never voted: the story did not happen"
    assert max(m.state().current_epoch for m in site.monitors) > 3
    site.master.restart().wait_ready()
    site.wait_converged(40, want=site.master)


def leaders_by_epoch(monitors):
    """epoch -> who counted themselves elected in it, from the logs."""
    leaders = {}
    for monitor in monitors:
        epoch = None
        for line in monitor.log_text().splitlines():
            fresh = re.search(r"\+new-epoch (\d+)", line)
            epoch = int(fresh.group(1)) if fresh else epoch
            if "+elected-leader" in line:
                leaders.setdefault(epoch, set()).add(monitor.name)
    return leaders


@pytest.mark.slow
def test_no_epoch_has_two_leaders_while_monitors_die(table, tmp_path, kind, chance):
    site = Site(table, tmp_path, kinds=[kind] * 3, replicas=1, down_after_ms=200,
                failover_timeout_ms=200, priorities=[100, 0]).start(record=False)
    site.master.kill()
    for _ in range(20):
        victim = chance.choice(site.monitors)
        wait_until(lambda: any("+elected-leader" in m.log_text() for m in site.monitors), 20)
        at = time.monotonic() + chance.uniform(0.05, 0.4)
        wait_until(lambda t=at: time.monotonic() >= t, 2, every_s=0.005)
        victim.kill()
        victim.start().wait_ready()
    twice = {epoch: who for epoch, who in leaders_by_epoch(site.monitors).items() if len(who) > 1}
    assert not twice, f"two leaders: {twice}"
