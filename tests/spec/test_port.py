"""The commands of the Sentinel port, told differentially: the same ones go to a real redis-sentinel
and to the tested monitor, which watch the same master, and the replies are compared.

Values that must differ (run ids, ports of the two, times) are masked; everything else is compared
as it stands: type, order of fields, text of errors.
"""

import re

import pytest

from lib.pair import (NAME, any_order, keys_of, masked, only_shape)
from lib.resp import (NIL_ARRAY, NULL, Bulk, Push, RespClient, RespError, RespMap, Status, as_dict,
                      pairs, shape)

HELLO = "__sentinel__:hello"

MASTER_FIELDS = """name ip port runid flags link-pending-commands link-refcount last-ping-sent
last-ok-ping-reply last-ping-reply down-after-milliseconds info-refresh role-reported
role-reported-time config-epoch num-slaves num-other-sentinels quorum failover-timeout
parallel-syncs""".split()
REPLICA_FIELDS = """name ip port runid flags link-pending-commands link-refcount last-ping-sent
last-ok-ping-reply last-ping-reply down-after-milliseconds info-refresh role-reported
role-reported-time master-link-down-time master-link-status master-host master-port slave-priority
slave-repl-offset replica-announced""".split()
SENTINEL_FIELDS = """name ip port runid flags link-pending-commands link-refcount last-ping-sent
last-ok-ping-reply last-ping-reply down-after-milliseconds last-hello-message voted-leader
voted-leader-epoch""".split()
VOLATILE = {"link-pending-commands", "last-ping-sent", "last-ok-ping-reply", "last-ping-reply",
            "info-refresh", "role-reported-time", "slave-repl-offset", "last-hello-message",
            "master-link-down-time"}


def instance_map(value):
    """Keys and their order as they are; values that move with time masked."""
    masks = [(key, Bulk("<volatile>") if key in VOLATILE else masked(item))
             for key, item in pairs(value)]
    return RespMap(masks) if isinstance(value, RespMap) else [x for pair_ in masks for x in pair_]


def instance_maps(value):
    return sorted((instance_map(item) for item in value), key=repr)


def peer_maps(value):
    """SENTINELS: the one entry is the other monitor, so who it is differs."""
    hidden = {"name", "ip", "port", "runid", "voted-leader", "voted-leader-epoch"}
    out = []
    for item in value:
        fields = [(key, Bulk("<peer>") if key in hidden else text)
                  for key, text in pairs(instance_map(item))]
        out.append(RespMap(fields) if isinstance(item, RespMap)
                   else [x for pair_ in fields for x in pair_])
    return out


def show(args):
    return " ".join(str(arg) for arg in args)[:60] or "(empty)"


# Commands whose reply must be the same to the byte (run ids masked) in both protocols.
SAME = [
    # --- every connection ---
    ("PING",), ("ping",), ("PING", "hello"), ("PING", "a", "b"),
    ("AUTH",), ("AUTH", "secret"), ("AUTH", "default", "x"), ("AUTH", "nobody", "x"),
    ("AUTH", "a", "b", "c"),
    ("HELLO", "4"), ("HELLO", "1"), ("HELLO", "abc"), ("HELLO", "3", "AUTH", "default"),
    ("HELLO", "3", "AUTH", "nobody", "x"), ("HELLO", "2", "SETNAME", "with space"),
    ("HELLO", "2", "NONSENSE"),
    ("ROLE", "x"),
    # --- commands a monitor does not have ---
    ("GET", "x"), ("SET", "a", "b"), ("CONFIG", "GET", "*"), ("SELECT", "0"), ("ECHO", "a"),
    ("MULTI",), ("DEBUG", "SLEEP", "0"), ("TIME",), ("SLOWLOG", "GET"),
    ("LATENCY", "LATEST"), ("MEMORY", "USAGE", "x"), ("MONITOR",), ("PUBSUB", "CHANNELS"),
    ("SSUBSCRIBE", "a"), ("get",), ("FLUSHALL",), ("REPLICAOF", "NO", "ONE"),
    ("x" * 200, "y" * 200, "z"), ("GET", "a\r\nb", "c\nd"), ("WAIT", "1", "1"), ("EVAL", "1", "0"),
    # --- PUBLISH ---
    ("PUBLISH", "channel", "x"), ("PUBLISH", HELLO), ("PUBLISH", HELLO, "garbage"),
    ("PUBLISH", HELLO, ""), ("PUBLISH", HELLO, ",,,,,,,"),
    ("PUBLISH", HELLO, "127.0.0.1,1," + "a" * 40 + ",0,unknown,127.0.0.1,2,0"),
    ("PUBLISH", HELLO, "1,2,3,4,5,6,7,8,9,10"), ("PUBLISH",),
    # --- CLIENT ---
    ("CLIENT",), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "abc"),
    ("CLIENT", "SETNAME", "a b"), ("CLIENT", "SETNAME"), ("CLIENT", "GETREDIR"),
    ("CLIENT", "NO-EVICT", "on"), ("CLIENT", "NO-EVICT", "x"), ("CLIENT", "NONSENSE"),
    ("CLIENT", "NO-TOUCH", "on"), ("CLIENT", "KILL", "1.2.3.4:5"),
    ("CLIENT", "KILL", "ID", "999999"), ("CLIENT", "KILL", "ID", "x"),
    ("CLIENT", "KILL", "TYPE", "nonsense"), ("CLIENT", "KILL", "NONSENSE", "x"),
    ("CLIENT", "KILL", "ADDR"), ("CLIENT", "LIST", "TYPE", "nonsense"),
    ("CLIENT", "LIST", "NONSENSE"), ("CLIENT", "LIST", "ID", "x"), ("CLIENT", "UNPAUSE"),
    ("CLIENT", "PAUSE", "x"), ("CLIENT", "PAUSE", "0"), ("CLIENT", "PAUSE", "1", "NONSENSE"),
    ("CLIENT", "UNBLOCK", "999999"), ("CLIENT", "UNBLOCK", "x"), ("CLIENT", "CACHING", "yes"),
    ("CLIENT", "TRACKINGINFO"), ("CLIENT", "TRACKING", "nonsense"), ("CLIENT", "REPLY", "ON"),
    ("CLIENT", "REPLY", "NONSENSE"), ("CLIENT", "ID", "x"),
    # --- COMMAND ---
    ("COMMAND", "COUNT"), ("COMMAND", "NONSENSE"), ("COMMAND", "INFO", "nonsense"),
    ("COMMAND", "INFO", "ping"), ("COMMAND", "INFO", "subscribe", "get"),
    ("COMMAND", "DOCS", "nonsense"), ("COMMAND", "GETKEYS", "ping"),
    ("COMMAND", "GETKEYS", "nonsense", "x"), ("COMMAND", "GETKEYS"),
    ("COMMAND", "LIST", "FILTERBY", "NONSENSE", "x"),
    # --- ACL ---
    ("ACL",), ("ACL", "WHOAMI"), ("ACL", "USERS"), ("ACL", "LIST"), ("ACL", "CAT"),
    ("ACL", "CAT", "nonsense"), ("ACL", "GETUSER", "default"), ("ACL", "GETUSER", "nobody"),
    ("ACL", "GENPASS", "0"), ("ACL", "GENPASS", "x"), ("ACL", "NONSENSE"),
    ("ACL", "SETUSER", "u", "nonsense"), ("ACL", "SETUSER", "u", "+nonsense"),
    ("ACL", "DELUSER", "default"), ("ACL", "DELUSER", "nobody"), ("ACL", "LOAD"),
    ("ACL", "SAVE"), ("ACL", "LOG", "RESET"), ("ACL", "LOG"), ("ACL", "LOG", "x"),
    ("ACL", "DRYRUN", "default", "ping"), ("ACL", "DRYRUN", "nobody", "ping"),
    ("ACL", "DRYRUN", "default", "nonsense"),
    # --- INFO ---
    ("INFO", "nonsense"), ("INFO", "memory"), ("INFO", "replication"), ("INFO", "keyspace"),
    # --- SENTINEL: what reads ---
    ("SENTINEL",), ("SENTINEL", "NONSENSE"), ("SENTINEL", "nonsense", "a", "b"),
    ("SENTINEL", "MASTER"), ("SENTINEL", "MASTER", "unknown"), ("SENTINEL", "MASTER", "a", "b"),
    ("SENTINEL", "MASTERS", "x"), ("SENTINEL", "REPLICAS"), ("SENTINEL", "REPLICAS", "unknown"),
    ("SENTINEL", "SLAVES", "unknown"), ("SENTINEL", "SENTINELS", "unknown"),
    ("SENTINEL", "SENTINELS"), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME),
    ("SENTINEL", "get-master-addr-by-name", NAME),
    ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "unknown"), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME"),
    ("SENTINEL", "CKQUORUM", NAME), ("SENTINEL", "CKQUORUM", "unknown"),
    ("SENTINEL", "CKQUORUM"), ("SENTINEL", "PENDING-SCRIPTS"), ("SENTINEL", "PENDING-SCRIPTS", "x"),
    ("SENTINEL", "MYID", "x"), ("SENTINEL", "INFO-CACHE", "unknown"), ("SENTINEL", "INFO-CACHE"),
    ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "1", "0", "*"),
    ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "x", "0", "*"),
    ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "1", "x", "*"),
    ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", "1", "0"),
    ("SENTINEL", "DEBUG", "nonsense", "1"), ("SENTINEL", "DEBUG", "PING-PERIOD"),
    ("SENTINEL", "DEBUG", "PING-PERIOD", "x"), ("SENTINEL", "DEBUG", "PING-PERIOD", "0"),
    ("SENTINEL", "SIMULATE-FAILURE"), ("SENTINEL", "SIMULATE-FAILURE", "help"),
    ("SENTINEL", "SIMULATE-FAILURE", "nonsense"), ("SENTINEL", "FLUSHCONFIG"),
    ("SENTINEL", "FLUSHCONFIG", "x"),
    # --- SENTINEL: what changes ---
    ("SENTINEL", "FAILOVER", "unknown"), ("SENTINEL", "FAILOVER"),
    ("SENTINEL", "FAILOVER", "lonely"), ("SENTINEL", "RESET", "nothing*"), ("SENTINEL", "RESET"),
    ("SENTINEL", "REMOVE", "unknown"), ("SENTINEL", "REMOVE"),
    ("SENTINEL", "MONITOR", NAME, "127.0.0.1", "6379", "2"),
    ("SENTINEL", "MONITOR", "new", "not an ip", "6379", "2"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "x", "2"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "70000", "2"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "6379", "x"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "6379", "0"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "6379", "-1"),
    ("SENTINEL", "MONITOR", "new", "127.0.0.1", "6379"),
    ("SENTINEL", "SET", NAME), ("SENTINEL", "SET", "unknown", "quorum", "2"),
    ("SENTINEL", "SET", NAME, "quorum"), ("SENTINEL", "SET", NAME, "quorum", "x"),
    ("SENTINEL", "SET", NAME, "quorum", "0"), ("SENTINEL", "SET", NAME, "nonsense", "1"),
    ("SENTINEL", "SET", NAME, "down-after-milliseconds", "0"),
    ("SENTINEL", "SET", NAME, "down-after-milliseconds", "x"),
    ("SENTINEL", "SET", NAME, "failover-timeout", "-1"),
    ("SENTINEL", "SET", NAME, "parallel-syncs", "0"),
    ("SENTINEL", "SET", NAME, "notification-script", "/bin/true"),
    ("SENTINEL", "SET", NAME, "client-reconfig-script", "/bin/true"),
    ("SENTINEL", "SET", NAME, "rename-command", "x"),
    ("SENTINEL", "SET", NAME, "master-reboot-down-after-period", "x"),
    ("SENTINEL", "SET", NAME, "quorum", "2", "failover-timeout", "60000"),
    ("SENTINEL", "CONFIG"),
    ("SENTINEL", "CONFIG", "NONSENSE", "x"), ("SENTINEL", "CONFIG", "GET", "nonsense"),
    ("SENTINEL", "CONFIG", "GET", "announce-*"),
    ("SENTINEL", "CONFIG", "SET", "nonsense", "x"),
    ("SENTINEL", "CONFIG", "SET", "announce-port", "x"),
    ("SENTINEL", "CONFIG", "SET", "announce-port", "70000"),
    ("SENTINEL", "CONFIG", "SET", "resolve-hostnames", "maybe"),
    ("SHUTDOWN", "nonsense"), ("SHUTDOWN", "ABORT"), ("SHUTDOWN", "NOSAVE", "SAVE"),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("args", SAME, ids=show)
def test_same_reply_as_redis_sentinel(pair, args, protocol):
    got = pair.compare(args, protocol)
    assert not isinstance(got, Push)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("args, mask", [
    (("SENTINEL", "MASTER", NAME), instance_map),
    (("SENTINEL", "MASTERS"), instance_maps),
    (("SENTINEL", "REPLICAS", NAME), instance_maps),
    (("SENTINEL", "SLAVES", NAME), instance_maps),
    (("SENTINEL", "SENTINELS", NAME), peer_maps),
    (("SENTINEL", "INFO-CACHE", NAME), only_shape),
    (("SENTINEL", "MYID"), only_shape),
    (("SENTINEL", "DEBUG"), only_shape),
    (("CLIENT", "ID"), only_shape),
    (("CLIENT", "INFO"), only_shape),
    (("CLIENT", "LIST"), only_shape),
    (("ACL", "GENPASS"), only_shape),
    (("HELLO",), only_shape),
    (("HELLO", "2"), only_shape),
    (("HELLO", "3"), only_shape),
    (("INFO",), only_shape),
    (("INFO", "sentinel", "server"), only_shape),
    (("COMMAND", "LIST", "FILTERBY", "PATTERN", "p*"), any_order),
    (("COMMAND", "LIST", "FILTERBY", "ACLCAT", "pubsub"), any_order),
    (("COMMAND", "LIST", "FILTERBY", "MODULE", "none"), any_order),
    (("ROLE",), only_shape),
    (("COMMAND", "DOCS", "ping"), lambda v: only_shape(pairs(v)[0][0])),
], ids=lambda v: show(v) if isinstance(v, tuple) else "")
def test_same_form_as_redis_sentinel(pair, args, mask, protocol):
    assert pair.compare(args, protocol, mask) is not None


@pytest.mark.parametrize("protocol", [2, 3])
def test_instance_maps_have_their_fields_in_order(pair, protocol):
    """Old clients read by position: ip 3, port 5, flags 9, master-link-status 31."""
    ask = lambda *args: pair.ask(pair.tested, args, protocol)
    master = ask("SENTINEL", "MASTER", NAME)
    replica = ask("SENTINEL", "REPLICAS", NAME)[0]
    sentinel = ask("SENTINEL", "SENTINELS", NAME)[0]
    assert keys_of(master) == MASTER_FIELDS
    assert keys_of(replica) == REPLICA_FIELDS
    assert keys_of(sentinel) == SENTINEL_FIELDS
    for item in (master, replica, sentinel):
        assert isinstance(item, RespMap) == (protocol == 3)
        assert all(isinstance(text, Bulk) for _, text in pairs(item)), "all values are bulk"
    if protocol == 2:
        assert (master[3], master[5], master[9]) == ("127.0.0.1", str(pair.master.port), "master")
        assert (replica[5], replica[31]) == (str(pair.replica.port), "ok")


def test_unknown_master_is_the_nil_that_clients_expect(pair):
    args = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "unknown")
    assert pair.ask(pair.tested, args, 2) == NIL_ARRAY
    assert pair.ask(pair.tested, args, 3) == NULL


def test_error_texts_that_scripts_match(pair):
    ask = lambda *args: pair.ask(pair.tested, args, 2)
    assert ask("SENTINEL", "MASTER", "nope") == "ERR No such master with that name"
    assert ask("SENTINEL", "MASTER") == \
        "ERR wrong number of arguments for 'sentinel|master' command"
    assert ask("SENTINEL", "X") == "ERR unknown subcommand 'X'. Try SENTINEL HELP."
    assert ask("GET", "x") == "ERR unknown command 'GET', with args beginning with: 'x' "
    assert ask("SENTINEL", "FAILOVER", "lonely") == "NOGOODSLAVE No suitable replica to promote"
    assert ask("PUBLISH", "a", "b") == \
        "ERR Only HELLO messages are accepted by Sentinel instances."


def test_ckquorum_says_what_is_missing(pair):
    ask = lambda *args: pair.ask(pair.tested, args, 2)
    good = ask("SENTINEL", "CKQUORUM", NAME)
    assert isinstance(good, Status)
    assert good == "OK 2 usable Sentinels. Quorum and failover authorization can be reached"
    for monitor in pair.both:
        assert monitor.call("SENTINEL", "SET", NAME, "quorum", "5") == "OK"
    try:
        bad = pair.compare(("SENTINEL", "CKQUORUM", NAME), 2)
        assert isinstance(bad, RespError) and bad.startswith("NOQUORUM 2 usable Sentinels. ")
    finally:
        for monitor in pair.both:
            assert monitor.call("SENTINEL", "SET", NAME, "quorum", "2") == "OK"


def test_hello_maps_have_no_role_and_say_sentinel(pair):
    with pair.tested.connect() as client:
        first = client.call("HELLO", "3")
        assert isinstance(first, RespMap)
        assert keys_of(first) == ["server", "version", "proto", "id", "mode", "modules"]
        fields = as_dict(first)
        assert (fields["proto"], fields["mode"], fields["modules"]) == (3, "sentinel", [])
        assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
        back = client.call("HELLO", "2", "SETNAME", "me")
        assert isinstance(back, list) and not isinstance(back, RespMap)
        assert client.call("CLIENT", "GETNAME") == "me"


def info_lines(text):
    sections, current = {}, None
    for line in text.splitlines():
        if line.startswith("# "):
            current = sections.setdefault(line[2:], [])
        elif ":" in line:
            current.append(tuple(line.split(":", 1)))
    return sections


@pytest.mark.parametrize("section", ["", "default", "all", "everything"])
def test_info_has_the_five_sections_and_every_field(pair, section):
    args = ("INFO", section) if section else ("INFO",)
    want = info_lines(pair.ask(pair.reference, args, 2))
    got = info_lines(pair.ask(pair.tested, args, 2))
    assert list(got) == list(want) == ["Server", "Clients", "Stats", "CPU", "Sentinel"]
    for name, fields in want.items():
        missing = [key for key, _ in fields if key not in dict(got[name])]
        assert not missing, f"INFO {name} lacks {missing}"


def test_info_values_are_of_the_same_kind(pair):
    """A field that is a number there is a number here."""
    want = info_lines(pair.ask(pair.reference, ("INFO",), 2))
    got = info_lines(pair.ask(pair.tested, ("INFO",), 2))
    for name, fields in want.items():
        for key, value in fields:
            if re.fullmatch(r"-?[0-9.]+", value) and key != "redis_version":
                assert re.fullmatch(r"-?[0-9.]+", dict(got[name])[key]), f"{name} {key}"


def test_info_server_and_sentinel_tell_the_truth(pair):
    fields = pair.tested.info()
    assert fields["redis_mode"] == "sentinel"
    assert fields["tcp_port"] == str(pair.tested.port)
    assert fields["process_id"] == str(pair.tested.process.pid)
    assert re.fullmatch("[0-9a-f]{40}", fields["run_id"])
    assert fields["config_file"].endswith("sentinel.conf")
    assert fields["sentinel_masters"] == "2"
    assert fields["sentinel_tilt"] == "0"
    assert fields["sentinel_tilt_since_seconds"] == "-1"
    rows = {fields["master0"], fields["master1"]}
    assert rows == {
        f"name={NAME},status=ok,address=127.0.0.1:{pair.master.port},slaves=1,sentinels=2",
        f"name=lonely,status=ok,address=127.0.0.1:{pair.lonely.port},slaves=0,sentinels=2"}


def test_info_sections_can_be_combined(pair):
    both = info_lines(pair.ask(pair.tested, ("INFO", "sentinel", "server"), 2))
    assert sorted(both) == ["Sentinel", "Server"]
    for protocol in (2, 3):
        assert isinstance(pair.ask(pair.tested, ("INFO", "server"), protocol), Bulk), \
            "a data node says verbatim in RESP3, a monitor does not"


def test_role_lists_the_masters(pair):
    assert pair.ask(pair.tested, ("ROLE",), 2)[0] == "sentinel"
    assert sorted(pair.ask(pair.tested, ("ROLE",), 2)[1]) == ["lonely", NAME]


def test_info_cache_holds_each_nodes_info(pair):
    reply = pair.ask(pair.tested, ("SENTINEL", "INFO-CACHE", NAME), 2)
    assert reply[0] == NAME and len(reply[1]) == 2
    for age_ms, text in reply[1]:
        assert isinstance(age_ms, int) and 0 <= age_ms < 60000
        assert "role:" in text


def test_myid_is_the_id_of_the_file(pair):
    myid = pair.ask(pair.tested, ("SENTINEL", "MYID"), 2)
    assert re.fullmatch("[0-9a-f]{40}", myid)
    assert pair.tested.state().myid == myid


def test_debug_lists_its_thirteen_parameters(pair):
    want = keys_of(pair.ask(pair.reference, ("SENTINEL", "DEBUG"), 2))
    got = keys_of(pair.ask(pair.tested, ("SENTINEL", "DEBUG"), 2))
    assert got == want and len(got) == 13


def helped(lines):
    """The names that a HELP reply explains (its lines that are not indented)."""
    return {line.split()[0].upper() for line in lines[1:] if line[:1].strip()}


@pytest.mark.parametrize("command", ["SENTINEL", "CLIENT", "COMMAND", "ACL"])
def test_help_explains_every_subcommand(pair, command):
    want = pair.ask(pair.reference, (command, "HELP"), 2)
    got = pair.ask(pair.tested, (command, "HELP"), 2)
    assert all(isinstance(line, Status) for line in got)
    assert got[0].startswith(f"{command} <subcommand>")
    assert helped(want) <= helped(got), f"not explained: {helped(want) - helped(got)}"


def test_command_list_holds_all_of_redis_sentinel(pair):
    want = set(pair.ask(pair.reference, ("COMMAND", "LIST"), 2))
    got = set(pair.ask(pair.tested, ("COMMAND", "LIST"), 2))
    assert want <= got, f"missing: {sorted(want - got)}"
    assert {name for name in got if "|" not in name} == {n for n in want if "|" not in n}


def test_command_info_gives_arity_and_flags(pair):
    """Arity of each command and subcommand as redis-sentinel has it."""
    def arities(monitor):
        found = {}
        for row in monitor.call("COMMAND"):
            found[str(row[0])] = row[1]
            for sub in row[9]:
                found[str(sub[0])] = sub[1]
        return found
    want, got = arities(pair.reference), arities(pair.tested)
    # 7.0 has -3; since 7.2 several pairs may be set at once and it is -4.
    assert {want.pop("sentinel|config"), got["sentinel|config"]} <= {-3, -4}
    # FAILOVER name [COORDINATED], as Valkey 9.
    assert {want.pop("sentinel|failover"), got["sentinel|failover"]} <= {3, -3}
    assert {name: got.get(name) for name in want} == want


def test_quit_and_reset_are_answered_where_clients_send_them(pair):
    """Redis refuses both on a sentinel; client libraries send them all the same."""
    if pair.tested.kind != "holdfast":
        pytest.skip("redis-sentinel calls them unknown")
    with pair.tested.connect() as client:
        client.call("SUBSCRIBE", "a")
        assert client.call("RESET") == "RESET"
        assert client.call("SENTINEL", "MYID") == pair.tested.call("SENTINEL", "MYID")
        assert client.call("QUIT") == "OK"
        with pytest.raises((EOFError, ConnectionError)):
            client.call("PING")


def test_acl_cat_of_a_category(pair):
    for category in ("dangerous", "pubsub", "connection"):
        want = set(pair.ask(pair.reference, ("ACL", "CAT", category), 2))
        got = set(pair.ask(pair.tested, ("ACL", "CAT", category), 2))
        assert want <= got, f"{category} lacks {sorted(want - got)}"


def client_keys(line):
    return [field.split("=", 1)[0] for field in line.split()]


def test_client_list_lines_have_the_known_keys(pair):
    want = client_keys(pair.ask(pair.reference, ("CLIENT", "LIST"), 2).splitlines()[0])
    got = client_keys(pair.ask(pair.tested, ("CLIENT", "LIST"), 2).splitlines()[0])
    assert [key for key in got if key in want] == want


def test_client_list_shows_names_and_kill_ends_a_client(pair):
    with pair.tested.connect() as victim, pair.tested.connect() as other:
        assert victim.call("CLIENT", "SETNAME", "victim") == "OK"
        victim_id = victim.call("CLIENT", "ID")
        listed = [line for line in other.call("CLIENT", "LIST").splitlines()
                  if "name=victim " in line]
        assert len(listed) == 1 and listed[0].startswith(f"id={victim_id} ")
        assert other.call("CLIENT", "KILL", "ID", victim_id) == 1
        assert victim.closed_by_peer()
        assert other.call("PING") == "PONG"


def test_client_reply_off_silences_until_on(pair):
    with pair.tested.connect() as client:
        client.send("CLIENT", "REPLY", "OFF")
        client.send("PING", "unheard")
        client.send("CLIENT", "REPLY", "ON")
        assert client.read() == "OK"
        client.send("CLIENT", "REPLY", "SKIP")
        client.send("PING", "skipped")
        assert client.call("PING", "heard") == "heard"


@pytest.mark.parametrize("protocol", [2, 3])
def test_config_get_all_starts_with_the_known_keys(pair, protocol):
    """loglevel came later than 7.0 and stands last."""
    args = ("SENTINEL", "CONFIG", "GET", "*")
    want, got = (pair.ask(monitor, args, protocol) for monitor in pair.both)
    assert isinstance(got, RespMap) == (protocol == 3)
    assert pairs(got)[:len(pairs(want))] == pairs(want)
    assert keys_of(got)[:6] == ["resolve-hostnames", "announce-hostnames", "announce-ip",
                                "announce-port", "sentinel-user", "sentinel-pass"]


@pytest.mark.holdfast_only(reason="several pairs at once and loglevel came with Redis 7.2")
def test_config_of_redis_72_takes_several_pairs_or_none(pair):
    ask = lambda *args: pair.ask(pair.tested, ("SENTINEL", "CONFIG") + args, 2)
    assert ask("GET", "loglevel", "resolve-hostnames", "loglevel") == [
        "loglevel", "notice", "resolve-hostnames", "no"]
    assert ask("SET", "announce-port") == "ERR Missing argument 'announce-port' value"
    assert ask("SET", "loglevel", "loud") == \
        "ERR Invalid value 'loud' to SENTINEL CONFIG SET 'loglevel'"
    assert ask("SET", "loglevel", "notice", "loglevel", "notice").startswith(
        "ERR Duplicate argument")
    assert isinstance(ask("SET", "sentinel-pass", "a", "announce-port", "x"), RespError)
    assert ask("GET", "sentinel-pass") == ["sentinel-pass", ""], "all or nothing was set"
    assert ask("SET", "loglevel", "verbose", "resolve-hostnames", "no") == "OK"
    assert ask("SET", "loglevel", "notice") == "OK"


@pytest.mark.holdfast_only(reason="valkey's names for the same commands")
def test_valkey_aliases_answer_like_the_old_names(pair):
    for alias, name in (("PRIMARIES", "MASTERS"), ("PRIMARY", "MASTER"),
                        ("GET-PRIMARY-ADDR-BY-NAME", "GET-MASTER-ADDR-BY-NAME")):
        rest = () if name == "MASTERS" else (NAME,)
        want = pair.ask(pair.tested, ("SENTINEL", name) + rest, 2)
        got = pair.ask(pair.tested, ("SENTINEL", alias) + rest, 2)
        assert shape(got) == shape(want)
    assert pair.tested.call("SENTINEL", "IS-PRIMARY-DOWN-BY-ADDR", "127.0.0.1", "1", "0",
                            "*") == [0, "*", 0]


@pytest.mark.holdfast_only(reason="client|setinfo came with Redis 7.2")
def test_client_setinfo_is_accepted(pair):
    with RespClient(pair.tested.addr) as client:
        assert client.call("CLIENT", "SETINFO", "LIB-NAME", "redis-py") == "OK"
        assert client.call("CLIENT", "SETINFO", "LIB-VER", "5.0") == "OK"
        assert isinstance(client.call("CLIENT", "SETINFO", "LIB-NAME", "a b"), RespError)
        assert "lib-name=redis-py lib-ver=5.0" in client.call("CLIENT", "INFO")
