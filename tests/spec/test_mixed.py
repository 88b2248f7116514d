"""One quorum of redis-sentinel and holdfast. With `--monitor redis` the same stories run with
redis-sentinel in every place, which proves the stories.

down-after 2000 and failover-timeout 3000: at 1000 redis-sentinel sometimes deposes a healthy new
master, which would fail these at random.
"""

import pytest

from lib.conf import ConfState
from lib.wait import stays_true, wait_until

MIXED = {"down_after_ms": 2000, "failover_timeout_ms": 3000}
FAILOVER_S = 20
HEAL_S = 25


def mix(kind, pattern):
    """'hrr' -> kinds; h is the tested monitor, r the real redis-sentinel."""
    return [kind if letter == "h" else "redis" for letter in pattern]


def told_later(monitor, site, by_ms):
    """Let this monitor see the master down later than the others do."""
    reply = monitor.call("SENTINEL", "SET", site.name, "down-after-milliseconds",
                         site.down_after_ms + by_ms)
    assert reply == "OK"


def elected(site):
    return [m for m in site.monitors if m.recorder.find("+elected-leader")]


def crash_and_agree(site):
    old = site.master
    old.kill()
    new = site.wait_switched(old, FAILOVER_S + site.failover_timeout_ms * 2 / 1000)
    site.wait_converged(HEAL_S, want=new)
    for monitor in site.monitors:
        switch = monitor.recorder.wait("+switch-master", site.name, 10)
        assert switch.payload == f"{site.name} {old.host} {old.port} {new.host} {new.port}"
        assert len(monitor.recorder.find("+switch-master")) == 1, "one switch, not two"
    states = [m.state() for m in site.monitors]
    assert len({s.config_epoch[site.name] for s in states}) == 1, "one configuration epoch"
    return old, new


@pytest.mark.parametrize("pattern", ["hrr", "hhr"])
def test_they_find_each_other_and_agree(site, kind, pattern):
    """Hello both ways and is-master-down both ways: nobody was told of anybody."""
    s = site(kinds=mix(kind, pattern), learned=False, **MIXED)
    ids = {m.call("SENTINEL", "MYID") for m in s.monitors}
    for monitor in s.monitors:
        peers = {p["runid"]: p for p in monitor.sentinels(s.name)}
        assert set(peers) == ids - {monitor.call("SENTINEL", "MYID")}
        assert monitor.call("SENTINEL", "CKQUORUM", s.name) == \
            "OK 3 usable Sentinels. Quorum and failover authorization can be reached"
    crash_and_agree(s)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["hrr", "hhr"])
def test_crash_of_the_master(site, kind, pattern):
    s = site(kinds=mix(kind, pattern), **MIXED)
    crash_and_agree(s)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", ["hrr", "hhr"])
def test_hung_master_comes_back_as_a_replica(site, kind, pattern):
    s = site(kinds=mix(kind, pattern), **MIXED)
    old = s.master
    old.stop()
    new = s.wait_switched(old, FAILOVER_S)
    s.wait_converged(HEAL_S, want=new)
    old.cont()
    wait_until(lambda: old.follows(new.addr), HEAL_S, "the old master follows the new one")
    s.wait_converged(HEAL_S, want=new)


@pytest.mark.slow
@pytest.mark.parametrize("pattern, winner", [("hrr", "h"), ("hhr", "h"), ("hrr", "r"),
                                             ("hhr", "r")])
def test_election_is_won_by_the_side_that_sees_it_first(site, kind, pattern, winner):
    """Only the monitors of one kind see the master down in time to stand; the others vote."""
    s = site(kinds=mix(kind, pattern), quorum=1, **MIXED)
    for letter, monitor in zip(pattern, s.monitors):
        if letter != winner:
            told_later(monitor, s, 8000)
    crash_and_agree(s)
    leaders = elected(s)
    assert len(leaders) == 1
    assert pattern[s.monitors.index(leaders[0])] == winner, f"won by {leaders[0]}"
    runid = leaders[0].call("SENTINEL", "MYID")
    for monitor in s.monitors:
        assert monitor.recorder.find("+vote-for-leader", runid) or monitor.recorder.find(
            "+config-update-from", runid), f"{monitor} neither voted for nor heard of the leader"


@pytest.mark.slow
@pytest.mark.parametrize("pattern, commander", [("hrr", 0), ("hrr", 1)])
def test_manual_failover_is_followed_by_the_other_kind(site, kind, pattern, commander):
    s = site(kinds=mix(kind, pattern), **MIXED)
    old = s.master
    assert s.monitors[commander].call("SENTINEL", "FAILOVER", s.name) == "OK"
    new = s.wait_switched(old, FAILOVER_S)
    s.wait_converged(HEAL_S, want=new)
    stays_true(lambda: s.agreed_master() == new.addr, 3)


@pytest.mark.slow
@pytest.mark.parametrize("pattern, away", [("hrr", 0), ("hrr", 1), ("hhr", 0), ("hhr", 2)])
def test_one_dead_monitor_of_either_kind(site, kind, pattern, away):
    s = site(kinds=mix(kind, pattern), **MIXED)
    s.monitors[away].kill()
    old = s.master
    old.kill()
    new = s.wait_switched(old, FAILOVER_S + 2 * s.failover_timeout_ms / 1000)
    s.monitors[away].start().wait_ready()
    s.wait_converged(HEAL_S, want=new)


@pytest.mark.slow
def test_two_failovers_in_a_row_in_a_mixed_quorum(site, kind):
    s = site(kinds=mix(kind, "hrr"), **MIXED)
    old, new = crash_and_agree(s)
    old.restart().wait_ready()
    s.wait_converged(HEAL_S, want=new)
    new.kill()
    third = s.wait_switched(new, FAILOVER_S + 2 * s.failover_timeout_ms / 1000)
    s.wait_converged(HEAL_S, want=third)
    assert {m.state().config_epoch[s.name] >= 2 for m in s.monitors} == {True}


@pytest.mark.slow
@pytest.mark.parametrize("first, then", [("r", "h"), ("h", "r")])
def test_rolling_replacement_without_a_failover(site, kind, first, then):
    """Stop one, start the other kind on the same file, wait; three times; nothing else moves."""
    s = site(kinds=mix(kind, first * 3), **MIXED)
    ids = [m.state().myid for m in s.monitors]
    epochs = [m.state().current_epoch for m in s.monitors]
    for monitor in s.monitors:
        assert monitor.terminate() == 0
        monitor.start(kind=mix(kind, then)[0]).wait_ready()
        s.wait_discovered()
        assert s.converged(s.master)
    for monitor, myid, epoch in zip(s.monitors, ids, epochs):
        state = monitor.state()
        assert (state.myid, state.current_epoch) == (myid, epoch)
        assert set(state.sentinels[s.name]) == set(ids) - {myid}
        assert not monitor.recorder.find("+switch-master")
        assert not monitor.recorder.find("+sdown", f"master {s.name}")
    crash_and_agree(s)


def test_forged_down_reports_alone_do_not_move_a_master(site, kind):
    """A peer that only claims the master is down, in a quorum of one real witness less."""
    s = site(kinds=mix(kind, "hrr"), **MIXED)
    for monitor in s.monitors:
        reply = monitor.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", s.master.host, s.master.port,
                             0, "*")
        assert reply == [0, "*", 0]
    stays_true(lambda: s.agreed_master() == s.master.addr, 1)


def test_epochs_travel_both_ways(site, kind):
    """An epoch known to one kind is adopted and written by the other, by hello."""
    s = site(kinds=mix(kind, "hr"), replicas=1, quorum=1, **MIXED)
    for teller, listener, epoch in ((0, 1, 5), (1, 0, 9)):
        s.monitors[teller].call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", s.master.host,
                                s.master.port, epoch, "f" * 40)
        wait_until(lambda at=listener, e=epoch: ConfState(
            s.monitors[at].conf_text()).current_epoch == e, 10, f"epoch {epoch} has travelled")
        event = s.monitors[listener].recorder.wait("+new-epoch", str(epoch), 5)
        assert event.payload == str(epoch)


@pytest.mark.slow
def test_votes_for_an_epoch_agree_on_disk_after_the_election(site, kind):
    s = site(kinds=mix(kind, "hhr"), **MIXED)
    crash_and_agree(s)
    for monitor in s.monitors:
        state = monitor.state()
        assert state.leader_epoch[s.name] <= state.current_epoch
        told = [int(e.payload.split()[1]) for e in monitor.recorder.find("+vote-for-leader")]
        assert told == sorted(set(told)), "one vote an epoch, ever rising"
        assert not told or state.leader_epoch[s.name] >= told[-1]
