"""CLIENT, pub/sub and client-side caching through the router, beside a connection of Redis' own: the same
answers word for word, and all of it again after the master was killed."""

import itertools
import os

import pytest

from lib.monitor import holdfast_path
from lib.resp import NIL_ARRAY, NIL_BULK, NULL, Push, RespError
from lib.site import Site
from lib.wait import wait_until

FAILOVER_S = 15
INVALIDATE = "__redis__:invalidate"

pytestmark = pytest.mark.skipif(not os.access(holdfast_path(), os.X_OK),
                                reason="holdfast is not built")

# Answered by the router or by Redis, and in the same words.
SAME = """
CLIENT
CLIENT FOO
CLIENT FOO BAR
CLIENT ID x
CLIENT GETNAME
CLIENT GETNAME x
CLIENT SETNAME
CLIENT SETNAME a|b
CLIENT GETNAME
CLIENT SETNAME a\tb
CLIENT INFO x
CLIENT LIST x
CLIENT LIST TYPE
CLIENT LIST TYPE foo
CLIENT LIST TYPE normal x
CLIENT LIST ID
CLIENT LIST ID x
CLIENT LIST ID 0 -1 99999
CLIENT KILL
CLIENT KILL 1.1.1.1:1
CLIENT KILL ID
CLIENT KILL ID 0
CLIENT KILL ID x
CLIENT KILL ID 99999
CLIENT KILL ADDR 1.1.1.1:1 LADDR
CLIENT KILL TYPE foo
CLIENT KILL TYPE master
CLIENT KILL USER foo
CLIENT KILL FOO x
CLIENT KILL SKIPME maybe
CLIENT REPLY
CLIENT REPLY foo
CLIENT REPLY on
CLIENT UNBLOCK
CLIENT UNBLOCK x
CLIENT UNBLOCK 1 foo
CLIENT UNBLOCK 1 timeout error
CLIENT UNBLOCK 99999
CLIENT UNBLOCK -1
CLIENT NO-EVICT
CLIENT NO-EVICT foo
CLIENT NO-EVICT on
CLIENT NO-EVICT off
CLIENT TRACKING
CLIENT TRACKING foo
CLIENT TRACKING OFF foo
CLIENT TRACKING ON REDIRECT
CLIENT TRACKING ON REDIRECT x
CLIENT TRACKING ON REDIRECT 0
CLIENT TRACKING OFF REDIRECT 99999
CLIENT TRACKING ON PREFIX a
CLIENT TRACKING ON BCAST PREFIX a PREFIX ab
CLIENT TRACKING ON BCAST PREFIX a PREFIX b
CLIENT TRACKINGINFO
CLIENT TRACKING ON BCAST PREFIX bc
CLIENT TRACKING ON BCAST PREFIX c
CLIENT TRACKING ON BCAST
CLIENT TRACKINGINFO
CLIENT TRACKING ON
CLIENT TRACKING OFF
CLIENT TRACKINGINFO
CLIENT TRACKING ON BCAST OPTIN
CLIENT TRACKING ON OPTIN OPTOUT
CLIENT TRACKING ON OPTIN
CLIENT TRACKING ON OPTOUT
CLIENT TRACKING ON BCAST
CLIENT CACHING no
CLIENT CACHING foo
CLIENT CACHING yes
CLIENT TRACKINGINFO
CLIENT TRACKING ON NOLOOP
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT TRACKING OFF
CLIENT CACHING yes
CLIENT GETREDIR
CLIENT PAUSE
CLIENT PAUSE x
CLIENT PAUSE 0 foo
CLIENT PAUSE 0 ALL x
CLIENT UNPAUSE
CLIENT HELP x
"""

# Each line is one pipeline of pub/sub requests; all that comes back is compared. UNSUBSCRIBE of all has
# at most one channel: Redis confirms several in no certain order.
PUBSUB = [
    "SUBSCRIBE a b c | SUBSCRIBE a | PSUBSCRIBE a* a* | SSUBSCRIBE s t",
    "UNSUBSCRIBE x a | PUNSUBSCRIBE x | SUNSUBSCRIBE t u",
    "UNSUBSCRIBE c | UNSUBSCRIBE b | UNSUBSCRIBE zz | PING | SUBSCRIBE",
    "PUNSUBSCRIBE a* | PUNSUBSCRIBE none | SUNSUBSCRIBE s | UNSUBSCRIBE none",
    "UNSUBSCRIBE | PUNSUBSCRIBE | SUNSUBSCRIBE | PING",
    "SUBSCRIBE a a | UNSUBSCRIBE | GET nothing | SUBSCRIBE b | PSUBSCRIBE p q | PUNSUBSCRIBE",
    "UNSUBSCRIBE | PING hello | GET nothing",
]


@pytest.fixture(scope="module")
def calm(request, module_table, tmp_path_factory):
    """A small site with a router, which nothing happens to."""
    directory = tmp_path_factory.mktemp("calm")
    request.module.log_places = getattr(request.module, "log_places", []) + [directory]
    return Site(module_table, directory, kinds=["holdfast"], replicas=0, quorum=1,
                router={"args": ["--threads", "1"]}).start(record=False)  # CLIENT LIST is a thread's


@pytest.fixture
def stormy(table, tmp_path):
    """A site whose master can go."""
    return Site(table, tmp_path, kinds=["holdfast"] * 3, replicas=1, refused_after_ms=100,
                router={"args": ["--hold", "10s"]}).start(record=False)


def both(calm, version):
    clients = [calm.router.connect(hello=version), calm.master.connect()]
    if version:
        clients[1].call("HELLO", version)
    return clients


def fail_over(site):
    site.master.kill()
    new = site.nodes[1]
    site.router.wait_follows(new, FAILOVER_S)
    return new


def next_push(client):
    """The next frame that is told, not answered."""
    while not isinstance(frame := client.read(), (Push, list)):
        pass
    return list(frame)


@pytest.mark.parametrize("version", [None, 3])
def test_client_answers_in_redis_words(calm, version):
    ours, theirs = both(calm, version)
    with ours, theirs:
        for line in SAME.strip("\n").split("\n"):
            words = line.split(" ")
            got, wanted = ours.call(*words), theirs.call(*words)
            assert (type(got), got) == (type(wanted), wanted), line


@pytest.mark.parametrize("version", [None, 3])
def test_each_subscription_is_confirmed_as_by_redis(calm, version):
    ours, theirs = both(calm, version)
    with ours, theirs:
        for line in PUBSUB:
            frames = []
            for client in (ours, theirs):
                for request in line.split(" | "):
                    client.send(*request.split(" "))
                client.send("PING", "end")
                got = []
                while (frame := client.read()) not in ("end", ["pong", "end"]):
                    got.append((type(frame), frame))
                frames.append(got)
            assert frames[0] == frames[1], line


@pytest.mark.parametrize("version", [None, 3])
def test_a_subscription_that_is_refused_leaves_nothing(table, tmp_path, version):
    site = Site(table, tmp_path, kinds=["holdfast"], replicas=0, quorum=1, password="x",
                router={"args": ["--client-auth", "pass"], "password": "x"}).start(record=False)
    site.master.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "~*", "&ok")
    answers = []
    for client in (site.router.connect(), site.master.connect()):
        with client:
            assert client.call("AUTH", "bob", "pw") == "OK"
            if version:
                client.call("HELLO", version)
            answers.append([client.call(*line.split()) for line in (
                "SUBSCRIBE ok no other", "GET x", "SUBSCRIBE ok", "PSUBSCRIBE x*", "UNSUBSCRIBE",
                "PUNSUBSCRIBE", "PING", "GET x", "SET a b", "CLIENT GETNAME")])
    assert answers[0] == answers[1]


def test_info_and_list_are_of_the_router(calm):
    with calm.router.connect() as one, calm.router.connect(hello=3) as two:
        ids = [client.call("CLIENT", "ID") for client in (one, two)]
        one.call("CLIENT", "SETNAME", "first")
        one.call("CLIENT", "SETINFO", "LIB-NAME", "mine")
        line = str(one.call("CLIENT", "INFO"))
        assert line.startswith(f"id={ids[0]} addr=127.0.0.1:") and " name=first " in line
        assert f" laddr=127.0.0.1:{calm.router.port} " in line and " lib-name=mine " in line
        listed = str(two.call("CLIENT", "LIST")).removeprefix("txt:")
        assert [int(row.split()[0][3:]) for row in listed.splitlines()] == sorted(ids)
        assert " name=first " in listed and " resp=3 " in listed
        assert two.call("CLIENT", "KILL", "ID", ids[0]) == 1
        assert one.closed_by_peer()
        assert two.call("CLIENT", "KILL", "ID", ids[1], "SKIPME", "no") == 1
        assert two.closed_by_peer()


@pytest.mark.parametrize("reason, answer", [("TIMEOUT", NIL_ARRAY), ("ERROR", None)])
def test_a_client_that_waits_is_unblocked(calm, reason, answer):
    with calm.router.connect() as waiting, calm.router.connect() as other:
        number = waiting.call("CLIENT", "ID")
        assert other.call("CLIENT", "UNBLOCK", number) == 0
        waiting.send("BLMOVE", "empty", "there", "LEFT", "RIGHT", 0)
        wait_until(lambda: other.call("CLIENT", "UNBLOCK", number, reason) == 1, 5, "it waits")
        got = waiting.read()
        if answer is None:
            assert isinstance(got, RespError) and got.startswith("UNBLOCKED "), got
        else:
            assert got == answer
        assert waiting.call("ECHO", "again") == "again"


@pytest.mark.parametrize("version", [None, 3])
def test_subscriptions_outlive_the_master(stormy, version):
    with stormy.router.connect(hello=version, timeout_s=10) as client:
        for words in ("SUBSCRIBE a b", "PSUBSCRIBE p*", "SSUBSCRIBE s", "UNSUBSCRIBE b"):
            client.send(*words.split())
        for _ in range(5):
            client.read()
        new = fail_over(stormy)
        counts = [1, 0, 1]
        wait_until(lambda: [new.call("PUBSUB", "NUMSUB", "a")[1], new.call("PUBSUB", "NUMSUB", "b")[1],
                            new.call("PUBSUB", "NUMPAT")] == counts, 10, "subscribed again")
        wait_until(lambda: new.call("PUBSUB", "SHARDNUMSUB", "s")[1] == 1, 10, "the shard channel too")
        new.call("PUBLISH", "b", "for nobody")
        new.call("PUBLISH", "a", "one")
        new.call("PUBLISH", "pq", "two")
        new.call("SPUBLISH", "s", "three")
        told = [next_push(client) for _ in range(3)]
        assert sorted(map(str, told)) == sorted(map(str, [["message", "a", "one"],
                                                          ["pmessage", "p*", "pq", "two"],
                                                          ["smessage", "s", "three"]]))
        client.send("UNSUBSCRIBE")
        assert list(client.read()) == ["unsubscribe", "a", 1]


def test_client_side_caching_outlives_the_master(stormy):
    with stormy.router.connect(hello=3, timeout_s=10) as client:
        assert client.call("CLIENT", "TRACKING", "ON") == "OK"
        client.call("GET", "cached")
        stormy.master.call("SET", "cached", "1")
        assert next_push(client) == ["invalidate", ["cached"]]
        client.call("GET", "cached")
        new = fail_over(stormy)
        assert next_push(client) == ["invalidate", NULL]  # whatever it has may be old
        client.call("GET", "cached")
        new.call("SET", "cached", "2")
        assert next_push(client) == ["invalidate", ["cached"]]


def test_redirected_invalidations_outlive_the_master(stormy):
    with stormy.router.connect(timeout_s=10) as hears, stormy.router.connect(timeout_s=10) as reads:
        number = hears.call("CLIENT", "ID")
        assert str(reads.call("CLIENT", "TRACKING", "ON", "REDIRECT", number)).startswith("ERR The client ID")
        hears.call("SUBSCRIBE", INVALIDATE)
        assert reads.call("CLIENT", "TRACKING", "ON", "REDIRECT", number) == "OK"
        assert reads.call("CLIENT", "GETREDIR") == number
        reads.call("GET", "cached")
        stormy.master.call("SET", "cached", "1")
        assert next_push(hears) == ["message", INVALIDATE, ["cached"]]
        reads.call("GET", "cached")
        new = fail_over(stormy)
        assert next_push(hears) == ["message", INVALIDATE, NIL_BULK]

        def heard():
            reads.call("GET", "cached")
            new.call("SET", "cached", "2")
            hears.sock.settimeout(0.5)
            return next_push(hears)[2] == ["cached"]
        wait_until(heard, 10, "heard again, from the new master")


def test_who_asked_for_it_is_told_of_the_failover(stormy):
    with stormy.router.connect(hello=3, timeout_s=10) as client, stormy.router.connect() as old:
        assert client.call("CLIENT", "MAINT_NOTIFICATIONS", "ON", "moving-endpoint-type", "none") == "OK"
        assert isinstance(old.call("CLIENT", "MAINT_NOTIFICATIONS", "ON"), RespError)
        stormy.master.kill()
        told = []
        for number in itertools.count():
            client.send("GET", f"key{number}")
            frame = client.read()
            while isinstance(frame, Push):
                told.append(frame)
                frame = client.read()
            assert frame == NULL, frame
            if told and told[-1][0] == "FAILED_OVER":
                break
        assert [push[0] for push in told] == ["FAILING_OVER", "FAILED_OVER"], told
        assert isinstance(told[0][1], int) and told[0][2] == 10
