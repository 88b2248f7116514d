"""Networks that part and heal: one namespace a host; a delay relay where packets must be late."""

import pytest

from lib.ports import free_port
from lib.monitor import Monitor
from lib.redis_server import RedisServer, start_all
from lib.relay import DelayRelay
from lib.wait import stays_true, wait_until
from lib.writer import Writer

DATA = ["data1", "data2", "data3"]
MONITORS = ["mon1", "mon2", "mon3"]
FAILOVER_S = 20
HEAL_S = 40


@pytest.fixture
def spread(network, site):
    """Six hosts: a data node or a monitor on each."""
    def build(**options):
        net = network(DATA + MONITORS)
        options.setdefault("down_after_ms", 1500)
        return site(network=net, hosts=(DATA, MONITORS), **options)
    return build


def assert_all_agree_after_healing(s, want=None):
    s.network.heal()
    master = s.wait_converged(HEAL_S, want=want)
    wait_until(lambda: all(m.master(s.name)["flags"] == "master" for m in s.monitors), HEAL_S,
               "every monitor sees the master well")
    assert sum(node.is_master() for node in s.nodes) == 1
    stays_true(lambda: s.agreed_master() == master.addr, 1)
    return master


def test_master_alone_is_cut_off(spread):
    s = spread()
    old = s.master
    s.network.cut(["data1"])
    new = s.wait_switched(old, FAILOVER_S)
    assert old.is_master(), "nobody could tell it"
    assert_all_agree_after_healing(s, want=new)
    assert not old.is_master()


@pytest.mark.slow
def test_master_is_cut_off_with_one_monitor(spread):
    """The minority's monitor keeps the old master and elects nobody; then it learns."""
    s = spread()
    old, lonely = s.master, s.monitors[0]
    s.network.cut(["data1", "mon1"])
    new = s.wait_switched(old, FAILOVER_S, monitors=s.monitors[1:])
    stays_true(lambda: lonely.master_addr(s.name) == old.addr, 3)
    assert not lonely.recorder.find("+elected-leader")
    assert not lonely.recorder.find("+odown"), "it sees a healthy master"
    assert_all_agree_after_healing(s, want=new)
    assert lonely.recorder.find("+switch-master")


@pytest.mark.slow
def test_a_monitor_is_cut_off(spread):
    """It sees everything down and can do nothing; the site does not notice."""
    s = spread()
    s.network.cut(["mon1"])
    s.monitors[0].recorder.wait("+sdown", f"master {s.name}", 10)
    stays_true(lambda: s.agreed_master(s.monitors[1:]) == s.master.addr, 4)
    assert not s.monitors[0].recorder.find("+elected-leader")
    assert_all_agree_after_healing(s, want=s.master)
    assert not any(m.recorder.find("+switch-master") for m in s.monitors)


@pytest.mark.slow
def test_a_replica_is_cut_off_and_is_not_promoted(spread):
    s = spread()
    s.network.cut(["data2"])
    for monitor in s.monitors:
        monitor.recorder.wait("+sdown", f"slave {s.nodes[1].host}:{s.nodes[1].port}", 10)
    old = s.master
    old.kill()
    new = s.wait_switched(old, FAILOVER_S)
    assert new is s.nodes[2]
    s.network.heal()
    wait_until(lambda: s.nodes[1].follows(new.addr), HEAL_S + s.failover_timeout_ms / 1000)


@pytest.mark.slow
def test_one_way_cut_from_the_master(spread):
    """What the master says does not arrive anywhere; what it is told does."""
    s = spread()
    old = s.master
    for other in DATA[1:] + MONITORS:
        s.network.block("data1", other)
    new = s.wait_switched(old, FAILOVER_S)
    assert_all_agree_after_healing(s, want=new)


@pytest.mark.slow
def test_one_way_cut_towards_the_master(spread):
    s = spread()
    old = s.master
    for other in DATA[1:] + MONITORS:
        s.network.block(other, "data1")
    new = s.wait_switched(old, FAILOVER_S)
    assert_all_agree_after_healing(s, want=new)


@pytest.mark.slow
def test_one_way_cut_between_one_monitor_and_the_master(spread):
    """One monitor's opinion is no quorum."""
    s = spread()
    s.network.block("data1", "mon1")
    s.monitors[0].recorder.wait("+sdown", f"master {s.name}", 10)
    stays_true(lambda: s.agreed_master() == s.master.addr, 4)
    assert not any(m.recorder.find("+switch-master") for m in s.monitors)
    assert_all_agree_after_healing(s, want=s.master)


@pytest.mark.slow
def test_monitors_cannot_hear_each_other(spread):
    """Each sees the dead master, none can collect votes: nobody is promoted until it heals."""
    s = spread(failover_timeout_ms=1500)
    for monitor in MONITORS:
        for other in MONITORS:
            if monitor != other:
                s.network.block(monitor, other)
    for monitor in s.monitors:
        for peer in s.monitors:
            if peer is not monitor:
                monitor.recorder.wait("+sdown", f"sentinel {s.ids[s.monitors.index(peer)]}", 15)
    old = s.master
    old.kill()
    for monitor in s.monitors:
        monitor.recorder.wait("+sdown", f"master {s.name}", 15)
    stays_true(lambda: s.agreed_master() == old.addr, 3)
    assert not any(node.is_master() for node in s.nodes[1:])
    s.network.heal()
    new = s.wait_switched(old, HEAL_S)
    s.wait_converged(HEAL_S, want=new)


@pytest.mark.slow
def test_short_cut_is_no_failover(spread):
    """Shorter than down-after: everything goes on."""
    s = spread(down_after_ms=4000)
    s.network.cut(["data1"])
    stays_true(lambda: s.agreed_master() == s.master.addr, 1.5)
    assert_all_agree_after_healing(s, want=s.master)
    assert not any(m.recorder.find("+odown") for m in s.monitors)


@pytest.mark.slow
def test_writer_beside_the_majority_goes_on(spread):
    s = spread()
    writer = Writer([m.addr for m in s.monitors[1:]], netns=s.network["mon2"].name).start()
    s.table.on_close(writer.close)
    wait_until(lambda: len(writer.acked()) > 20, 10, "writes are acknowledged")
    old = s.master
    s.network.cut(["data1", "mon1"])
    wait_until(lambda: writer.acked(not_at=old.addr), FAILOVER_S, "it writes to the new master")
    s.network.heal()
    new = s.wait_converged(HEAL_S, not_=old)
    writer.close()
    in_doubt = {op.number for op in writer.ops if op.addr == old.addr}
    assert set(writer.lost_on(new)) <= in_doubt, "nothing acknowledged by the new master is lost"


@pytest.mark.slow
def test_slow_network_still_fails_over_and_never_for_nothing(table, tmp_path, kind):
    """80 ms each way to every data node and 40 ms to every monitor, by relays that the
    instances announce as their own addresses."""
    relayed, relays = {}, []

    def relay_to(port, delay_ms):
        relays.append(DelayRelay(free_port(), ("127.0.0.1", port), delay_ms))
        table.on_close(relays[-1].close)
        return relays[-1].listen_port

    nodes = []
    for index in range(3):
        port = free_port()
        relayed[index] = relay_to(port, 80)
        extra = [f"replica-announce-ip 127.0.0.1\nreplica-announce-port {relayed[index]}"]
        if index:
            extra.append(f"replicaof 127.0.0.1 {relayed[0]}")
        nodes.append(RedisServer(table, tmp_path, name=f"far{index}", port=port, extra=extra))
    start_all(nodes)
    wait_until(lambda: all(n.info("replication").get("master_link_status") == "up"
                           for n in nodes[1:]), 15)
    monitors = []
    for index in range(3):
        port = free_port()
        announced = relay_to(port, 40)
        monitors.append(Monitor(
            table, tmp_path, f"sentinel announce-ip 127.0.0.1\nsentinel announce-port {announced}\n"
            f"sentinel monitor far 127.0.0.1 {relayed[0]} 2\n"
            "sentinel down-after-milliseconds far 2000\nsentinel failover-timeout far 5000\n",
            kind=kind, name=f"far-monitor{index}", port=port).start())
    for monitor in monitors:
        monitor.wait_ready()
        monitor.record()
    for monitor in monitors:
        wait_until(lambda m=monitor: len(m.sentinels("far")) == 2 and len(m.replicas("far")) == 2
                   and m.master("far")["flags"] == "master", 20, "all are discovered")
    stays_true(lambda: {m.master_addr("far")[1] for m in monitors} == {relayed[0]}, 3)
    assert not any(m.recorder.find("+sdown") for m in monitors), "late is not dead"
    nodes[0].kill()
    wait_until(lambda: len({m.master_addr("far") for m in monitors}) == 1
               and monitors[0].master_addr("far")[1] != relayed[0], FAILOVER_S + 10)
    new_port = monitors[0].master_addr("far")[1]
    new = next(nodes[i] for i, port in relayed.items() if port == new_port)
    assert new.is_master()
    other = next(n for n in nodes[1:] if n is not new)
    wait_until(lambda: other.info("replication")["master_port"] == str(new_port), HEAL_S)
