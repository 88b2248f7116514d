"""Conversations on the Sentinel port: subscribing, inline and broken requests, votes and hellos as
peers send them, passwords and users, the end. Where it can be, told differentially."""

import pytest

from lib.monitor import Monitor
from lib.pair import CONF, NAME, masked, rules_in_any_order
from lib.ports import free_port
from lib.procs import ProcessTable
from lib.resp import Push, pairs, shape
from lib.wait import wait_until

HELLO = "__sentinel__:hello"
log_places = []


def subscribe_story(monitor, protocol):
    """What a subscriber sees, message for message."""
    said = []
    with monitor.connect(hello=3 if protocol == 3 else None) as client:
        for args in (("SUBSCRIBE", "a", "b"), ("PSUBSCRIBE", "c*"), ("SUBSCRIBE", "a")):
            client.send(*args)
            said += [client.read() for _ in args[1:]]
        for args in (("PING",), ("PING", "x"), ("SENTINEL", "MYID"), ("GET", "x"),
                     ("PUBLISH", "a", "b")):
            said.append(masked(client.call(*args)))
        client.send("UNSUBSCRIBE", "a")
        said.append(client.read())
        client.send("UNSUBSCRIBE", "never")
        said.append(client.read())
        client.send("UNSUBSCRIBE")
        said.append(client.read())
        client.send("PUNSUBSCRIBE")
        said.append(client.read())
        client.send("PUNSUBSCRIBE")
        said.append(client.read())
        said.append(client.call("PING"))
        said.append(masked(client.call("SUBSCRIBE")))
    return said


@pytest.mark.parametrize("protocol", [2, 3])
def test_subscribers_see_the_same_story(pair, protocol):
    want = subscribe_story(pair.reference, protocol)
    got = subscribe_story(pair.tested, protocol)
    assert got == want
    assert [shape(item) for item in got] == [shape(item) for item in want]
    assert isinstance(got[0], Push) == (protocol == 3)


@pytest.mark.parametrize("protocol", [2, 3])
def test_events_reach_channels_and_patterns(pair, protocol):
    """A +set: by its channel, by *, and by a pattern with a class, once each."""
    name = "eventmaster"
    with pair.tested.connect(hello=protocol) as client:
        for args in (("SUBSCRIBE", "+set"), ("PSUBSCRIBE", "*"), ("PSUBSCRIBE", "[-+]s?t")):
            client.call(*args)
        assert pair.tested.call("SENTINEL", "MONITOR", name, "127.0.0.1", pair.lonely.port,
                                1) == "OK"
        try:
            assert pair.tested.call("SENTINEL", "SET", name, "parallel-syncs", 3) == "OK"
            payload = f"master {name} 127.0.0.1 {pair.lonely.port} parallel-syncs 3"
            seen = set()
            while len(seen) < 3:
                message = client.read()
                if payload in message:
                    assert isinstance(message, Push) == (protocol == 3)
                    seen.add(tuple(str(part) for part in message))
            assert seen == {("message", "+set", payload), ("pmessage", "*", "+set", payload),
                            ("pmessage", "[-+]s?t", "+set", payload)}
        finally:
            assert pair.tested.call("SENTINEL", "REMOVE", name) == "OK"


def test_monitor_and_remove_tell_the_same_events(pair):
    told = []
    for monitor in pair.both:
        mark = monitor.recorder.mark()
        script = [("SENTINEL", "MONITOR", "told", "127.0.0.1", pair.lonely.port, 1),
                  ("SENTINEL", "SET", "told", "auth-pass", "hidden", "auth-user", "someone"),
                  ("SENTINEL", "SET", "told", "rename-command", "SLAVEOF", "guarded"),
                  ("SENTINEL", "RESET", "told"), ("SENTINEL", "REMOVE", "told")]
        assert [str(monitor.call(*args)) for args in script] == ["OK", "OK", "OK", "1", "OK"]
        monitor.recorder.wait("-monitor", "told", 5, mark)
        told.append([(e.channel, e.payload) for e in monitor.recorder.events[mark:]
                     if " told " in e.payload and not e.channel.endswith("sentinel")])
    assert told[1] == told[0]
    assert "hidden" not in repr(told)
    assert ("+set", f"master told 127.0.0.1 {pair.lonely.port} auth-pass ******") in told[1]


def test_inline_commands_work_and_quotes_are_understood(pair):
    answers = []
    for monitor in pair.both:
        with monitor.connect() as client:
            replies = []
            for raw in (b"PING\r\n", b"ping hello\n", b'PING "a b"\r\n', b"PING 'a b'\r\n",
                        b'PING "\\x41\\n"\r\n', b"sentinel get-master-addr-by-name unknown\r\n",
                        b"GET x\r\n"):
                client.send_raw(raw)
                replies.append(client.read())
            client.send_raw(b"\r\n\r\nPING\r\n")
            replies.append(client.read())
            client.send_raw(b'PING "unbalanced\r\n')
            replies.append(client.read())
            answers.append((replies, client.closed_by_peer()))
    assert answers[1] == answers[0]
    assert answers[1][0][2] == "a b"


@pytest.mark.parametrize("raw", [
    b"*1\r\n:4\r\n", b"*-5\r\nPING\r\n", b"*x\r\n", b"*1\r\n$x\r\n", b"*1\r\n$-1\r\n",
    b"*99999999999\r\n", b"*1\r\n$9999999999\r\n", b"*0\r\nPING\r\n", b"*2147483648\r\n",
    b"*1\r\n+PING\r\n"], ids=repr)
def test_broken_frames_get_the_same_error_and_end(pair, raw):
    answers = []
    for monitor in pair.both:
        with monitor.connect() as client:
            client.send_raw(raw)
            client.sock.shutdown(1)
            try:
                reply = client.read()
            except EOFError:
                reply = "closed"
            answers.append((str(reply), client.closed_by_peer()))
    assert answers[1] == answers[0]
    assert answers[1][1], "the connection is closed"
    assert pair.tested.call("PING") == "PONG"


def test_pipelined_commands_are_answered_in_order(pair):
    with pair.tested.connect() as client:
        for number in range(500):
            client.send("PING", f"n{number}")
        assert [client.read() for _ in range(500)] == [f"n{n}" for n in range(500)]


def test_byte_by_byte_is_a_command_too(pair):
    with pair.tested.connect() as client:
        for byte in b"*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n":
            client.send_raw(bytes([byte]))
        assert client.read() == "hello"


def test_is_master_down_votes_once_an_epoch(table, tmp_path, pair, kind):
    """Asked with a run id it votes; the first candidate of an epoch keeps the vote."""
    master = pair.master
    told = []
    for which in ("redis", kind):
        name = f"voter-{which}-{len(told)}"
        voter = Monitor(table, tmp_path, CONF.format(name="voted", port=master.port,
                                                     lonely=pair.lonely.port)
                        + "sentinel known-sentinel voted 127.0.0.1 1 " + "c" * 40 + "\n",
                        kind=which, name=name).start().wait_ready()
        ask = lambda epoch, runid, v=voter: v.call(
            "SENTINEL", "IS-MASTER-DOWN-BY-ADDR", master.host, master.port, epoch, runid)
        told.append([ask(0, "*"), ask(5, "a" * 40), ask(5, "b" * 40), ask(4, "b" * 40),
                     ask(5, "*"), ask(6, "b" * 40)])
        state = voter.state()
        assert (state.current_epoch, state.leader_epoch["voted"]) == (6, 6)
        voter.terminate()
    assert told[1] == told[0] == [
        [0, "*", 0], [0, "a" * 40, 5], [0, "a" * 40, 5], [0, "a" * 40, 5], [0, "*", 0],
        [0, "b" * 40, 6]]


def test_hello_published_to_it_makes_a_peer(table, tmp_path, pair, kind):
    """A hello of an unknown peer: listed, written, its epoch adopted; a bad one changes nothing."""
    monitor = Monitor(table, tmp_path, CONF.format(name=NAME, port=pair.lonely.port,
                                                   lonely=free_port()),
                      kind=kind, name="greeted").start().wait_ready()
    recorder = monitor.record()
    peer = "d" * 40
    hello = f"127.0.0.1,1,{peer},7,{NAME},127.0.0.1,{pair.lonely.port},0"
    for bad in ("", "x", hello.replace(NAME, "unknown"), hello.rsplit(",", 1)[0]):
        assert monitor.call("PUBLISH", HELLO, bad) == 1
    assert monitor.sentinels(NAME) == [] or all(
        item["runid"] != peer for item in monitor.sentinels(NAME))
    assert monitor.call("PUBLISH", HELLO, hello) == 1
    assert recorder.wait("+sentinel", peer, 5).payload == \
        f"sentinel {peer} 127.0.0.1 1 @ {NAME} 127.0.0.1 {pair.lonely.port}"
    assert recorder.wait("+new-epoch", "", 5).payload == "7"
    wait_until(lambda: monitor.state().current_epoch == 7
               and peer in monitor.state().sentinels[NAME], 5, "peer and epoch are on disk")
    moved = hello.replace(",1,", ",2,", 1)
    assert monitor.call("PUBLISH", HELLO, moved) == 1
    assert recorder.wait("+sentinel-address-switch", "", 5).payload == \
        f"master {NAME} 127.0.0.1 {pair.lonely.port} ip 127.0.0.1 port 2 for {peer}"


def test_hello_of_a_newer_configuration_switches_the_master(table, tmp_path, pair, kind):
    name = "moved"  # not the pair's: its monitors hear this one at the lonely master
    monitor = Monitor(table, tmp_path, CONF.format(name=name, port=free_port(),
                                                   lonely=free_port()),
                      kind=kind, name="switched").start().wait_ready()
    recorder = monitor.record()
    old = monitor.master_addr(name)
    hello = f"127.0.0.1,1,{'e' * 40},9,{name},127.0.0.1,{pair.lonely.port},9"
    assert monitor.call("PUBLISH", HELLO, hello) == 1
    switch = recorder.wait("+switch-master", name, 5)
    assert switch.payload == f"{name} {old[0]} {old[1]} 127.0.0.1 {pair.lonely.port}"
    recorder.in_order(["+sentinel", "+new-epoch", "+config-update-from", "+switch-master"])
    assert monitor.master_addr(name) == pair.lonely.addr
    wait_until(lambda: monitor.state().config_epoch[name] == 9, 5)


def test_its_hello_has_eight_fields(pair):
    """Heard at the master: ip,port,runid,epoch,name,master ip,master port,config epoch."""
    with pair.master.connect(timeout_s=6) as client:
        client.call("SUBSCRIBE", HELLO)
        while True:
            fields = client.read()[2].split(",")
            if fields[1] == str(pair.tested.port) and fields[4] == NAME:
                break
    assert len(fields) == 8
    assert fields[0] == "127.0.0.1" and fields[2] == pair.tested.call("SENTINEL", "MYID")
    assert fields[4:7] == [NAME, "127.0.0.1", str(pair.master.port)]


def test_links_to_data_nodes_carry_their_names(pair):
    """CLIENT SETNAME sentinel-<8 of myid>-cmd and -pubsub, as operators know them."""
    myid = pair.tested.call("SENTINEL", "MYID")
    names = {field.split("=")[1] for line in pair.replica.call("CLIENT", "LIST").splitlines()
             for field in line.split() if field.startswith("name=")}
    assert {f"sentinel-{myid[:8]}-cmd", f"sentinel-{myid[:8]}-pubsub"} <= names


class Locked:
    """A pair of monitors that ask for a password and know an ACL user."""

    def __init__(self, table, directory, kind):
        conf = (f"requirepass sesame\nuser reader on >letmein ~* &* -@all +ping +role "
                f"+sentinel|masters\nsentinel monitor {NAME} 127.0.0.1 {free_port()} 2\n")
        self.both = [Monitor(table, directory, conf, kind=which, name=name)
                     for which, name in (("redis", "locked-reference"), (kind, "locked-tested"))]
        for monitor in self.both:
            monitor.start()
        for monitor in self.both:
            wait_until(lambda m=monitor: m.call("PING").startswith("NOAUTH"), 10)

    def story(self, monitor, protocol):
        said = []
        with monitor.connect() as client:
            for args in (("PING",), ("SENTINEL", "MASTERS"), ("HELLO", protocol),
                         ("HELLO", protocol, "AUTH", "default", "wrong"),
                         ("AUTH", "wrong"), ("AUTH", "default", "wrong"),
                         ("AUTH", "sesame"), ("PING",), ("ACL", "WHOAMI"), ("ACL", "LIST"),
                         ("ACL", "GETUSER", "reader"),
                         ("ACL", "DRYRUN", "reader", "sentinel", "failover", "x"),
                         ("ACL", "DRYRUN", "reader", "ping"),
                         ("AUTH", "reader", "letmein"), ("PING",), ("ACL", "WHOAMI"),
                         ("SENTINEL", "FAILOVER", NAME), ("SUBSCRIBE", "a"),
                         ("HELLO", protocol, "AUTH", "default", "sesame"),
                         ("ACL", "SETUSER", "extra", "on", "nopass", "+ping"),
                         ("ACL", "USERS"), ("ACL", "DELUSER", "extra")):
                reply = client.call(*args)
                said.append((args, "hello" if "server" in str(reply)[:20]
                             else rules_in_any_order(masked(reply))))
        return said


@pytest.fixture(scope="module")
def locked(tmp_path_factory, kind):
    directory = tmp_path_factory.mktemp("locked")
    log_places.append(directory)
    processes = ProcessTable()
    yield Locked(processes, directory, kind)
    processes.close()


@pytest.mark.parametrize("protocol", [2, 3])
def test_password_and_users_tell_the_same_story(locked, protocol):
    want = locked.story(locked.both[0], protocol)
    got = locked.story(locked.both[1], protocol)
    for mine, theirs in zip(got, want):
        assert mine == theirs
    assert got[0][1].startswith("NOAUTH")


@pytest.mark.holdfast_only(reason="valkey's names for the same commands")
def test_no_vote_by_another_name_than_the_one_that_was_denied(table, tmp_path, kind):
    port = free_port()
    monitor = Monitor(table, tmp_path, f"user watcher on nopass ~* &* +@all "
                      f"-sentinel|is-master-down-by-addr -sentinel|primary\n"
                      f"sentinel monitor {NAME} 127.0.0.1 {port} 2\n",
                      kind=kind, name="guarded").start().wait_ready()
    with monitor.connect() as client:
        assert client.call("AUTH", "watcher", "x") == "OK"
        for name in ("IS-MASTER-DOWN-BY-ADDR", "IS-PRIMARY-DOWN-BY-ADDR"):
            said = client.call("SENTINEL", name, "127.0.0.1", port, 5, "a" * 40)
            assert str(said) == ("NOPERM this user has no permissions to run the "
                                 "'sentinel|is-master-down-by-addr' command")
        assert str(client.call("SENTINEL", "MASTER", NAME)).startswith("NOPERM")
        assert client.call("SENTINEL", "PRIMARIES")
    rules = next(line for line in monitor.call("ACL", "LIST") if line.startswith("user watcher "))
    assert rules.endswith("+@all -sentinel|is-master-down-by-addr -sentinel|master")
    assert monitor.state().leader_epoch.get(NAME, 0) == 0


def test_acl_log_remembers_denials(locked):
    entries = []
    for monitor in locked.both:
        with monitor.connect() as client:
            assert client.call("AUTH", "sesame") == "OK"
            client.call("ACL", "LOG", "RESET")
            assert client.call("AUTH", "reader", "wrong").startswith("WRONGPASS")
            with monitor.connect() as other:
                assert other.call("AUTH", "reader", "letmein") == "OK"
                assert other.call("SENTINEL", "RESET", "x").startswith("NOPERM")
            log = client.call("ACL", "LOG")
            entries.append([[(k, v) for k, v in pairs(item)
                             if k in ("reason", "context", "object", "username", "count")]
                            for item in log])
            assert len(log) == 2
    assert entries[1] == entries[0]


@pytest.mark.parametrize("how", [("SHUTDOWN",), ("SHUTDOWN", "NOSAVE"), ("SHUTDOWN", "SAVE"),
                                 ("SHUTDOWN", "NOSAVE", "NOW", "FORCE")],
                         ids=" ".join)
def test_shutdown_ends_with_status_0(table, tmp_path, kind, how):
    monitor = Monitor(table, tmp_path, f"sentinel monitor {NAME} 127.0.0.1 {free_port()} 2",
                      kind=kind).start().wait_ready()
    with monitor.connect() as client:
        client.send(*how)
        assert client.closed_by_peer(5)
    assert monitor.process.wait(5) == 0


def test_simulated_crash_after_promotion_exits_99(table, tmp_path, pair, kind):
    """SIMULATE-FAILURE is how peers' tests crash a leader at the worst time."""
    monitor = Monitor(table, tmp_path, CONF.format(name=NAME, port=pair.lonely.port,
                                                   lonely=free_port()),
                      kind=kind, name="crasher").start().wait_ready()
    assert monitor.call("SENTINEL", "SIMULATE-FAILURE", "crash-after-election",
                        "crash-after-promotion") == "OK"
    assert monitor.info("sentinel")["sentinel_simulate_failure_flags"] == "3"
