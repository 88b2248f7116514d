"""`holdfast router --commands`: the table by which the router treats every command, held against a
running server: nothing is missing, and what the server says of its commands is what the table says.

What the server cannot tell (what may be done twice, what an empty cache answers) is tried out on it.
"""

import json
import os
import random
import subprocess

import pytest

from lib.monitor import holdfast_path
from lib.redis_server import RedisServer
from lib.resp import (NIL_ARRAY, NIL_BULK, NULL, RespError, RespMap, RespSet, Status, as_dict)

COLUMNS = ("name class flags first_key last_key key_step miss layout numkeys_at twice reads why").split()
NUMBERS = ("first_key", "last_key", "key_step", "numkeys_at")
SAMPLES = 25
SEED = 20

pytestmark = pytest.mark.skipif(not os.access(holdfast_path(), os.X_OK),
                                reason="holdfast is not built")

# What Redis 7.2 to 8.4 and Valkey 7.2 to 9 added; also CLIENT MAINT_NOTIFICATIONS, which clients send.
LATER = set("""
CLIENT|CAPA CLIENT|IMPORT-SOURCE CLIENT|MAINT_NOTIFICATIONS CLIENT|NO-TOUCH CLIENT|SETINFO
CLUSTER|CANCELSLOTMIGRATIONS CLUSTER|FLUSHSLOT CLUSTER|GETSLOTMIGRATIONS CLUSTER|MIGRATESLOTS
CLUSTER|MIGRATION CLUSTER|MYSHARDID CLUSTER|SLOT-STATS CLUSTER|SYNCSLOTS COMMANDLOG COMMANDLOG|GET
COMMANDLOG|HELP COMMANDLOG|LEN COMMANDLOG|RESET DELEX DELIFEQ DIGEST HEXPIRE HEXPIREAT HEXPIRETIME
HGETDEL HGETEX HPERSIST HPEXPIRE HPEXPIREAT HPEXPIRETIME HPTTL HSETEX HTTL MSETEX SCRIPT|SHOW SFLUSH
VADD VCARD VDIM VEMB VGETATTR VINFO VISMEMBER VLINKS VRANDMEMBER VRANGE VREM VSETATTR VSIM WAITAOF
XACKDEL XCFGSET XDELEX
""".split())

# Writes of ours that the server does not flag, and why.
MORE_WRITES = {
    "may write, the server finds out by running it": "EVAL EVALSHA FCALL",
    "would be lost with the old master, or done to the next one too": "ACL|DELUSER ACL|LOAD ACL|SAVE "
    "ACL|SETUSER CLIENT|PAUSE CLIENT|UNPAUSE CONFIG|REWRITE CONFIG|SET MODULE|LOAD MODULE|LOADEX "
    "MODULE|UNLOAD SHUTDOWN CLUSTER|ADDSLOTS CLUSTER|ADDSLOTSRANGE CLUSTER|BUMPEPOCH CLUSTER|DELSLOTS "
    "CLUSTER|DELSLOTSRANGE CLUSTER|FAILOVER CLUSTER|FLUSHSLOTS CLUSTER|FORGET CLUSTER|MEET "
    "CLUSTER|REPLICATE CLUSTER|RESET CLUSTER|SAVECONFIG CLUSTER|SET-CONFIG-EPOCH CLUSTER|SETSLOT",
    "speaks of the writes on this master": "WAIT",
    "reaches somebody": "PUBLISH SPUBLISH",
    "has subcommands that write, and one that is not known may": "ACL CLUSTER CONFIG FUNCTION MODULE XGROUP",
    "does anything": "DEBUG",
    "refused before it matters": "FAILOVER PSYNC REPLCONF REPLICAOF SLAVEOF SYNC",
}

# Admin commands that may share a connection: they answer at once and need not pass anybody.
SHARED_ADMIN = set("""
ACL|DELUSER ACL|DRYRUN ACL|GETUSER ACL|LIST ACL|LOAD ACL|LOG ACL|SAVE ACL|SETUSER ACL|USERS
BGREWRITEAOF BGSAVE CLUSTER|ADDSLOTS CLUSTER|ADDSLOTSRANGE CLUSTER|BUMPEPOCH
CLUSTER|COUNT-FAILURE-REPORTS CLUSTER|DELSLOTS CLUSTER|DELSLOTSRANGE CLUSTER|FAILOVER
CLUSTER|FLUSHSLOTS CLUSTER|FORGET CLUSTER|MEET CLUSTER|REPLICAS CLUSTER|REPLICATE CLUSTER|RESET
CLUSTER|SAVECONFIG CLUSTER|SET-CONFIG-EPOCH CLUSTER|SETSLOT CLUSTER|SLAVES CONFIG|GET
CONFIG|RESETSTAT CONFIG|REWRITE CONFIG|SET LATENCY|DOCTOR LATENCY|GRAPH LATENCY|HISTOGRAM
LATENCY|HISTORY LATENCY|LATEST LATENCY|RESET MODULE|LIST PFDEBUG PFSELFTEST SAVE SLOWLOG|GET
SLOWLOG|LEN SLOWLOG|RESET
""".split())

# The group of the server's documentation by which our classes go, and where they differ.
LOCAL = set("AUTH CLIENT ECHO HELLO PING QUIT RESET SELECT".split())
REFUSED = set("FAILOVER PSYNC REPLCONF REPLICAOF SLAVEOF SYNC".split())
SUBSCRIBES = set("PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE".split())


# ---- the table ----

def run_commands(*args):
    done = subprocess.run([holdfast_path(), "router", "--commands", *args], capture_output=True,
                          text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_row(line):
    row = dict(zip(COLUMNS, line.split("\t"), strict=True))
    row.update({name: int(row[name]) for name in NUMBERS})
    row["flags"] = [] if row["flags"] == "-" else row["flags"].split(",")
    row["why"] = None if row["why"] == "-" else row["why"]
    return row


@pytest.fixture(scope="module")
def rows():
    read = [read_row(line) for line in run_commands().splitlines()]
    by_name = {row["name"]: row for row in read}
    assert len(by_name) == len(read), "a name stands there twice"
    return by_name


# ---- the server ----

class Spec:
    """What a server says of one command."""

    def __init__(self, reply, doc):
        self.name = str(reply[0]).upper()
        self.arity = reply[1]
        self.flags = {str(flag) for flag in reply[2]}
        self.specs = [as_dict(spec) for spec in reply[8]]
        self.is_container = bool(reply[9])
        self.arguments, self.group = doc.get("arguments", []), doc.get("group")
        self.has_keys = any("not_key" not in spec["flags"] for spec in self.specs)


@pytest.fixture(scope="module")
def server(module_table, tmp_path_factory):
    return RedisServer(module_table, tmp_path_factory.mktemp("commands"),
                       extra=["enable-debug-command yes"]).start().wait_ready()


@pytest.fixture
def client(server):
    with server.connect() as one:
        assert one.call("HELLO", 3)
        assert one.call("FLUSHALL") == "OK"
        yield one


@pytest.fixture(scope="module")
def specs(server):
    with server.connect() as one:
        one.call("HELLO", 3)
        docs = {}
        for name, doc in one.call("COMMAND", "DOCS"):
            docs[str(name)] = as_dict(doc)
            for sub, sub_doc in docs[str(name)].get("subcommands", []):
                docs[str(sub)] = as_dict(sub_doc)
        found = {}
        todo = list(one.call("COMMAND"))
        while todo:
            reply = todo.pop()
            todo += reply[9]
            found[str(reply[0]).upper()] = Spec(reply, docs.get(str(reply[0]), {}))
        listed = {str(name).upper() for name in one.call("COMMAND", "LIST")}
    assert listed <= set(found) and {name.upper() for name in docs} <= set(found)
    assert len(found) > 300
    return found


def words_of(mapping):
    return {word for words in mapping.values() for word in words.split()}


def differing(specs, rows, wrong):
    """Names of the rows that the server knows too and that are wrong; none is what we want."""
    return sorted(name for name in specs if name in rows and wrong(specs[name], rows[name]))


# ---- is it complete, does it agree ----

def test_every_command_has_a_row(specs, rows):
    assert sorted(set(specs) - set(rows)) == []


def test_every_row_is_a_command(specs, rows):
    assert sorted(set(rows) - set(specs) - LATER) == []
    assert sorted(name for name in LATER if name not in rows) == []


def test_json_says_the_same(rows):
    said = json.loads(run_commands("--json"))
    assert said == list(rows.values())


def test_writes_are_those_of_the_server(specs, rows):
    more = words_of(MORE_WRITES)
    assert differing(specs, rows, lambda spec, row: "write" in spec.flags
                     and "writes" not in row["flags"]) == []
    assert differing(specs, rows, lambda spec, row: "writes" in row["flags"]
                     and "write" not in spec.flags) == sorted(more)
    assert differing(specs, rows, lambda spec, row: "readonly" in spec.flags
                     and "writes" in row["flags"]) == []


def test_no_write_is_for_a_replica(rows):
    assert [name for name, row in rows.items()
            if "writes" in row["flags"] and "denied-on-replicas" not in row["flags"]] == []


def test_what_blocks_is_what_blocks_the_server(specs, rows):
    assert differing(specs, rows, lambda spec, row: ("blocking" in spec.flags)
                     != (row["class"] == "blocking")) == ["WAIT"]  # it does, and has no flag


def test_classes_follow_the_server(specs, rows):
    def of_class(name):
        return {row["name"] for row in rows.values() if row["class"] == name}
    assert {name for name in of_class("transaction")} == {
        name for name, spec in specs.items() if spec.group == "transactions"}
    assert of_class("pubsub") == SUBSCRIBES
    assert of_class("refused") == REFUSED
    assert all(rows[name]["why"] for name in REFUSED)
    assert of_class("pinning") == {"MONITOR", "SCRIPT|DEBUG"}
    assert {name.split("|")[0] for name in of_class("local")} == LOCAL
    assert {name for name in rows if name.split("|")[0] in LOCAL} - of_class("local") == {
        "CLIENT|PAUSE", "CLIENT|UNPAUSE"}
    assert of_class("transaction") | SUBSCRIBES <= {
        name for name, spec in specs.items() if "noscript" in spec.flags} | {"WATCH", "UNWATCH"}


def test_what_works_during_a_script_passes_others(specs, rows):
    """The server answers it while a script runs: it must not stand behind that script."""
    assert differing(specs, rows, lambda spec, row: "allow_busy" in spec.flags and row["class"]
                     not in ("administrative", "local", "transaction", "refused")) == []


def test_admin_commands_are_judged_one_by_one(specs, rows):
    assert differing(specs, rows, lambda spec, row: "admin" in spec.flags
                     and row["class"] == "stateless") == sorted(SHARED_ADMIN)
    assert differing(specs, rows, lambda spec, row: row["class"] == "administrative"
                     and not spec.flags & {"admin", "allow_busy"}) == ["MODULE"]


def test_containers_are_those_of_the_server(specs, rows):
    assert differing(specs, rows, lambda spec, row: spec.is_container
                     != ("container" in row["flags"])) == []


def test_idempotent_is_said_in_two_columns(rows):
    assert [name for name, row in rows.items()
            if ("idempotent" in row["flags"]) != (row["twice"] != "never")] == []


# ---- samples: requests as the documentation of a command describes them ----

VALUES = {  # by command and argument, or by argument; else by type
    "bit": "1", "cursor": "0", "unit": "m", "element": "m", "member": "m", "member1": "m",
    "member2": "n", "field": "f", "longitude": "13", "latitude": "52", "milliseconds": "1000000",
    "timeout": "1", "start": "0", "stop": "-1", "id": "5-1", "group": "g", "consumer": "c",
    "groupname": "g", "consumername": "c", "BITOP operation": "AND", "ZRANGESTORE min": "0",
    "ZRANGESTORE max": "-1", "unix-time-seconds": "9999999999", "unix-time-milliseconds": "9999999999999",
    "LTRIM stop": "1", "LREM count": "0", "XRANGE start": "-", "XRANGE end": "+",
    "XREVRANGE start": "-", "XREVRANGE end": "+", "ZLEXCOUNT min": "-", "ZLEXCOUNT max": "+",
    "ZRANGEBYLEX min": "-", "ZRANGEBYLEX max": "+", "ZREMRANGEBYLEX min": "-",
    "ZREMRANGEBYLEX max": "[m", "ZREVRANGEBYLEX min": "-", "ZREVRANGEBYLEX max": "+",
    "XADD id": "*", "XTRIM threshold": "1",
}
TYPES = {"integer": "1", "double": "1.5", "string": "v", "pattern": "*", "unix-time": "9999999999"}


class Sampler:
    """Makes requests; how often an argument that need not be there is there is `options`."""

    def __init__(self, chance, keys, options):
        self.chance, self.keys, self.options = chance, keys, options
        self.command, self.numkeys = None, None

    def sample(self, spec):
        self.command, self.numkeys = spec.name, None
        return spec.name.split("|") + self._all(spec.arguments)

    def _all(self, arguments):
        words = []
        for argument in map(as_dict, arguments):
            words += self._argument(argument)
        return words

    def _argument(self, argument):
        flags = set(map(str, argument.get("flags", [])))
        count = 1
        if "multiple" in flags:
            count = self.chance.randint(1, 3)
            if argument["type"] == "key" and self.numkeys is not None:
                count, self.numkeys = self.numkeys, None
                flags.discard("optional")
        if "optional" in flags and self.chance.random() >= self.options:
            return []
        token = [str(argument["token"])] if "token" in argument else []
        once = [] if "multiple_token" in flags else token
        each = token if "multiple_token" in flags else []
        if argument["type"] == "pure-token":
            return token
        if self._pairs_up(argument):
            return once + self._streams(argument)
        return once + [word for _ in range(count) for word in each + self._value(argument)]

    @staticmethod
    def _pairs_up(argument):
        inner = [as_dict(one) for one in argument.get("arguments", [])]
        return argument["type"] == "block" and len(inner) == 2 and all(
            "multiple" in set(map(str, one.get("flags", []))) for one in inner)

    def _streams(self, argument):
        """XREAD's keys, and as many ids."""
        inner = [as_dict(one) for one in argument["arguments"]]
        count = self.chance.randint(1, 3)
        return [word for one in inner for _ in range(count) for word in self._value(one)]

    def _value(self, argument):
        kind, name = argument["type"], str(argument["name"])
        if kind == "key":
            return [self.chance.choice(self.keys)]
        if kind == "block":
            return self._all(argument["arguments"])
        if kind == "oneof":
            return self._argument(as_dict(self.chance.choice(argument["arguments"])))
        if name == "numkeys":
            self.numkeys = self.chance.randint(1, 3)
            return [str(self.numkeys)]
        return [VALUES.get(f"{self.command} {name}") or VALUES.get(name) or TYPES[kind]]


# ---- keys ----

def stored_key(row, request):
    """The last STORE of SORT, the last STORE or STOREDIST of GEORADIUS."""
    is_sort, found = row["layout"] == "sort", []
    at = 2 if is_sort else 5
    while at < len(request):
        word = request[at].upper()
        if word == "STORE" or (word == "STOREDIST" and not is_sort):
            found = [request[at + 1]]
        takes = {"STORE": 1, "STOREDIST": 1}
        takes.update({"BY": 1, "GET": 1, "LIMIT": 2} if is_sort else {})
        at += 1 + takes.get(word, 0)
    return found


def keys_of(row, request):
    """The keys of a request as the row's columns tell them."""
    keys, layout = [], row["layout"]
    if row["first_key"]:
        last = row["last_key"] + (len(request) if row["last_key"] < 0 else 0)
        keys = request[row["first_key"]:last + 1:row["key_step"]]
    if layout == "numkeys":
        at, step = row["numkeys_at"], row["key_step"]
        keys += request[at + 1:at + 1 + int(request[at]) * step:step]
    elif layout == "streams":
        rest = request[request.index("STREAMS") + 1:]
        keys += rest[:len(rest) // 2]
    elif layout in ("sort", "geo"):
        keys += stored_key(row, request)
    elif layout == "migrate":
        keys += [request[3]] if request[3] else request[request.index("KEYS") + 1:]
    return keys


def written_of(row, request, keys):
    if row["reads"] == "bits" and not {"SET", "INCRBY"} & set(request):
        return []
    if row["layout"] in ("sort", "geo"):
        return stored_key(row, request)
    if "writes-first" in row["flags"]:
        return keys[:1]
    return keys[-1:] if "writes-last" in row["flags"] else keys


def make_samples(spec, options=(0, 0.5, 0.5, 1), keys=tuple("abcdefgh")):
    chance = random.Random(f"{SEED} {spec.name}")
    return [Sampler(chance, keys, options[i % len(options)]).sample(spec) for i in range(SAMPLES)]


def test_rows_have_keys_where_the_server_has(specs, rows):
    def has_keys(row):
        return row["first_key"] != 0 or row["layout"] != "range"
    assert differing(specs, rows, lambda spec, row: spec.has_keys != has_keys(row)) == []


def is_ambiguous(request):
    """MIGRATE wants one key or KEYS; of STORE and STOREDIST the last counts, the server's
    description of GEORADIUS names both."""
    return (request[0] == "MIGRATE" and (request[3] == "") != ("KEYS" in request)
            or "STORE" in request and "STOREDIST" in request)


def test_keys_are_where_the_server_finds_them(specs, rows, client):
    """And those that it writes are those that the table calls written."""
    tried = 0
    for name, spec in specs.items():
        for request in make_samples(spec) if spec.has_keys else []:
            if is_ambiguous(request):
                continue
            reply = client.call("COMMAND", "GETKEYSANDFLAGS", *request)
            assert not isinstance(reply, RespError), f"{request}: {reply}"
            keys = keys_of(rows[name], request)
            assert sorted(keys) == sorted(str(key) for key, _ in reply), request
            if "write" in spec.flags and name != "XREADGROUP":  # it writes what the group has seen
                written = sorted(str(key) for key, flags in reply if "RO" not in flags)
                assert sorted(written_of(rows[name], request, keys)) == written, request
            tried += 1
    assert tried > 2000


# ---- what may be done twice is done twice ----

FILL = {
    "string": ("SET", "{}", "value"),
    "bitmap": ("SET", "{}", "value"),
    "list": ("RPUSH", "{}", "m", "x", "v", "m", "y"),
    "set": ("SADD", "{}", "m", "n", "v"),
    "sorted-set": ("ZADD", "{}", "1", "m", "2", "n", "3", "v"),
    "hash": ("HSET", "{}", "f", "1", "g", "2"),
    "stream": ("XADD", "{}", "5-1", "f", "v"),
    "geo": ("GEOADD", "{}", "13", "52", "m"),
    "hyperloglog": ("PFADD", "{}", "m", "x"),
    "generic": ("RPUSH", "{}", "3", "1", "2"),
}
OPTIONS = {"replace": ["REPLACE"], "store": []}
NOT_TRIED = {"RESTORE", "RESTORE-ASKING"}  # their payload is not made up


def fill(client, group):
    assert client.call("FLUSHALL") == "OK"
    for key in "abc":
        reply = client.call(*[word.format(key) for word in FILL[group]])
        assert not isinstance(reply, RespError), reply
        assert group == "stream" or client.call("EXPIRE", key, 1000) == 1
    if group == "stream":
        assert client.call("XGROUP", "CREATE", "a", "g", "0") == "OK"


def stored_elsewhere(row, request):
    keys = keys_of(row, request)
    written = written_of(row, request, keys)
    return row["twice"] != "store" or (len(written) == 1 and keys.count(written[0]) == 1)


def twice_samples(spec, row):
    """Requests without an option that the table calls harmless; d is a key that is not there."""
    for request in make_samples(spec, options=(0,), keys=tuple("abcd")):
        request += ["REPLACE"] if row["twice"] == "replace" else []
        if spec.name.startswith("GEORADIUS") or spec.name == "SORT":
            request += ["STORE", "d"]
        if stored_elsewhere(row, request):
            yield request


def test_what_may_be_done_twice_leaves_the_same(specs, rows, client):
    done = set()
    for name, spec in specs.items():
        if rows[name]["twice"] == "never" or name in NOT_TRIED:
            continue
        for request in twice_samples(spec, rows[name]):
            fill(client, spec.group)
            first = client.call(*request)
            if isinstance(first, RespError):
                continue  # what was done twice did nothing twice
            once = client.call("DEBUG", "DIGEST")
            second = client.call(*request)
            assert not isinstance(second, RespError), f"{request}: {second}"
            assert client.call("DEBUG", "DIGEST") == once, f"{request}: {first}, then {second}"
            done.add(name)
    wanted = {name for name in specs if rows[name]["twice"] != "never"} - NOT_TRIED
    assert sorted(wanted - done) == []


# ---- what an empty cache answers is what an empty server answers ----

def all_are(reply, value):
    return isinstance(reply, list) and len(reply) > 0 and all(one == value for one in reply)


def null(protocol):
    return NULL if protocol == 3 else NIL_BULK


def null_array(protocol):
    return NULL if protocol == 3 else NIL_ARRAY


def empty_set(protocol):
    return RespSet() if protocol == 3 else []


# kind: is this a reply of that kind (reply, protocol)? Of writes only the type is looked at.
MISSES = {
    "null": lambda r, p: r == null(p),
    "null-array": lambda r, p: r == null_array(p),
    "ok": lambda r, p: r == "OK" and isinstance(r, Status),
    "zero": lambda r, p: r == 0 and isinstance(r, int),
    "minus-one": lambda r, p: r == -1,
    "minus-two": lambda r, p: r == -2,
    "double": lambda r, p: isinstance(r, float if p == 3 else str) and float(r) == 1,
    "zero-text": lambda r, p: isinstance(r, str) and float(r) == 1.5,
    "empty-text": lambda r, p: r == "",
    "none": lambda r, p: r == "none" and isinstance(r, Status),
    "empty": lambda r, p: type(r) is list and r == [],
    "empty-set": lambda r, p: type(r) is type(empty_set(p)) and r == [],
    "map": lambda r, p: type(r) is (RespMap if p == 3 else list),
    "cursor": lambda r, p: r == ["0", []],
    "info": lambda r, p: "redis_version:" in r and "loading:0" in r and "role:master" in r,
    "nulls": lambda r, p: all_are(r, null(p)),
    "null-fields": lambda r, p: all_are(r, null(p)),
    "null-points": lambda r, p: all_are(r, null_array(p)),
    "zero-fields": lambda r, p: all_are(r, 0),
    "set": lambda r, p: r == "OK" and isinstance(r, Status),
    "zadd": lambda r, p: r == 1,
    "pop": lambda r, p: r == null(p),
    "pick": lambda r, p: r == null(p),
    "pick-set": lambda r, p: r == null(p),
    "positions": lambda r, p: r == null(p),
    "stored": lambda r, p: r == [],
}
WITH_COUNT = {"pop": null_array, "pick": lambda protocol: [], "pick-set": empty_set}
NOT_ASKED = NOT_TRIED | {"CONFIG|GET"}  # no server is without a configuration


def test_misses_are_answers_of_an_empty_server(specs, rows, server):
    asked = set()
    for protocol in (2, 3):
        with server.connect() as client:
            client.call("HELLO", protocol)
            for name, spec in specs.items():
                kind = rows[name]["miss"]
                if kind == "error" or name in NOT_ASKED:
                    continue
                request = make_samples(spec, options=(0,))[0]
                reply = ask_empty(client, request)
                assert not isinstance(reply, RespError), f"{request}: {reply}"
                is_counter = "write" in spec.flags and kind == "zero" and isinstance(reply, int)
                assert is_counter or MISSES[kind](reply, protocol), f"{request}: {reply!r}: {kind}"
                if kind in WITH_COUNT:
                    reply = ask_empty(client, request + ["2"])
                    want = WITH_COUNT[kind](protocol)
                    assert type(reply) is type(want) and reply == want, f"{request} 2: {reply!r}"
                asked.add(kind)
    assert sorted(set(MISSES) - asked) == []


def ask_empty(client, request):
    assert client.call("FLUSHALL") == "OK"
    return client.call(*request)
