"""The same conversation held with a Redis server directly and through the router, byte for byte.

A Writer makes conversations from a seed: lists of raw requests, in pieces as a network might deliver
them. Each is told twice to the same server, first straight and then through the router, with the
databases of its writer emptied before; the same process serves both, so the order of sets and hashes
is the same and nothing has to be sorted. Left out is what no two runs agree on (random members, times
to live, ids). What follows a difference is cut away until the shortest conversation that shows it is
left.
"""

import hashlib
import os
import random
import re
import select
import socket
import time

from lib.monitor import Monitor
from lib.redis_server import RedisServer
from lib.resp import RespClient, encode
from lib.router import Router

NAME = "mymaster"
DATABASES_EACH = 2
TALK_S = 20.0
SANITIZED_KB = 1 << 30  # of address space: shadow memory takes terabytes


class Routed:
    """One Redis, one monitor, one router: the smallest site. ROUTER_THREADS gives it more threads,
    which the thread sanitizer wants."""

    def __init__(self, table, directory, *, redis_extra=(), **router_options):
        self.redis = RedisServer(table, directory, extra=["databases 32", "activerehashing no",
                                                          *redis_extra])
        self.redis.start().wait_ready()
        self.monitor = Monitor(table, directory,
                               f"sentinel monitor {NAME} 127.0.0.1 {self.redis.port} 1\n",
                               kind="holdfast")
        self.monitor.start().wait_ready()
        threads = os.environ.get("ROUTER_THREADS", "1")
        # A busy machine must not look like a master that is gone: the last of the same options counts.
        router_options["args"] = ["--threads", threads, "--hold", "5s",
                                  *router_options.get("args", [])]
        self.router = Router(table, directory, [self.monitor], **router_options)
        self.router.start().wait_routes()


def memory_kb(process, field="VmRSS"):
    """VmRSS is what it holds now, VmHWM the most it ever held. A sanitizer's own memory makes the
    numbers of such a build meaningless: 0."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        text = file.read()
    size, value = (int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1])
                   for name in ("VmSize", field))
    return 0 if size > SANITIZED_KB else value


# ---- conversations -------------------------------------------------------------------------------


class Talk:
    """One conversation: requests, how they are cut into writes, and how it ends."""

    def __init__(self, requests, cuts, end, quiet=False):
        self.requests, self.cuts, self.end, self.quiet = requests, cuts, end, quiet

    def first(self, count):
        is_whole = count == len(self.requests)
        return Talk(self.requests[:count], self.cuts, self.end if is_whole else "reset", self.quiet)

    def without(self, at):
        return Talk(self.requests[:at] + self.requests[at + 1:], self.cuts, self.end, self.quiet)

    def pieces(self, tail):
        """The bytes of all writes. What one write holds is random, and the same for both."""
        data = b"".join(self.requests) + tail
        chance = random.Random(self.cuts)
        style = chance.random()
        at = 0
        while at < len(data):
            if style < 0.3:
                size = len(data)
            elif style < 0.6 or len(data) > 60000:
                size = chance.choice((1, 7, 100, 1000, 16384, 70000, 300000))
                size = max(size, len(data) // 40)
            else:
                size = chance.randint(1, max(2, len(data) // 8))
            yield data[at:at + size]
            at += size


class Line:
    """A socket that is written and read at once: neither side may have to wait for the other."""

    def __init__(self, addr):
        self.sock = socket.create_connection(addr, TALK_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)

    def close(self):
        self.sock.close()

    def talk(self, pieces, is_over):
        """Writes all pieces, reads until is_over(what came) or the end; returns what came."""
        came, pieces = bytearray(), iter(pieces)
        piece, at = next(pieces, None), 0
        deadline = time.monotonic() + TALK_S
        while not is_over(came, piece is None):
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(came) + b"<no more within %d s>" % TALK_S
            reads, writes, _ = select.select([self.sock], [self.sock] if piece is not None else [],
                                             [], left)
            try:
                if writes:
                    at += self.sock.send(piece[at:])
                    if at == len(piece):
                        piece, at = next(pieces, None), 0
                if reads:
                    chunk = self.sock.recv(1 << 18)
                    if not chunk:
                        return bytes(came) + b"<closed>"
                    came += chunk
            except ConnectionError:
                return bytes(came) + b"<closed>"
        return bytes(came)


def hold(line, talk, tag):
    """Tells one conversation; what came back, without the tail that marks its end."""
    if talk.end == "close":
        return line.talk(talk.pieces(b""), lambda came, sent: False)
    tail = encode(["RESET"]) + encode(["ECHO", tag])
    if talk.quiet:
        tail = encode(["DISCARD"]) + encode(["CLIENT", "REPLY", "ON"]) + tail
    mark = b"+RESET\r\n$%d\r\n%s\r\n" % (len(tag), tag)
    return line.talk(talk.pieces(tail), lambda came, sent: sent and came.endswith(mark))


# A FLUSHDB of anybody tells all clients that cache; ids are each server's own.
MASKS = [(re.compile(rb"(\$2\r\nid\r\n):\d+"), rb"\1:<id>"),
         (re.compile(rb">2\r\n\$10\r\ninvalidate\r\n_\r\n"), b"")]


def masked(raw):
    for pattern, instead in MASKS:
        raw = pattern.sub(instead, raw)
    return raw


class Comparison:
    """Tells conversations to the server and through the router, and says where they differ."""

    def __init__(self, server_addr, router_addr, databases, library):
        self.addrs = (server_addr, router_addr)
        self.databases, self.library = databases, library
        self.lines = [None, None]
        self.admin = RespClient(server_addr, timeout_s=TALK_S)

    def close(self):
        self.admin.close()
        for line in filter(None, self.lines):
            line.close()

    def empty(self):
        for database in self.databases:
            self.admin.call("SELECT", database)
            self.admin.call("FLUSHDB")
        self.admin.call("FUNCTION", "DELETE", self.library)

    def tell(self, which, talk, tag):
        self.empty()
        if self.lines[which] is None:
            self.lines[which] = Line(self.addrs[which])
        said = hold(self.lines[which], talk, tag)
        if talk.end == "close" or said.endswith(b">"):
            self.lines[which].close()
            self.lines[which] = None
        return masked(said)

    def reconnect(self):
        for which, line in enumerate(self.lines):
            if line is not None:
                line.close()
            self.lines[which] = None

    def difference(self, talk, tag=b"the-end"):
        """None, or a text that shows where the two part."""
        want = self.tell(0, talk, tag)
        got = self.tell(1, talk, tag)
        if want == got:
            return None
        at = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b),
                  min(len(want), len(got)))
        start = max(0, at - 60)
        return (f"at byte {at} of {len(want)} (through the router: {len(got)})\n"
                f"  straight: {want[start:at + 160]!r}\n  router:   {got[start:at + 160]!r}")

    def shortest(self, talk):
        """The shortest beginning that differs, and then without what it does not need."""
        low, high = 1, len(talk.requests)
        while low < high:
            middle = (low + high) // 2
            self.reconnect()
            if self.difference(talk.first(middle)):
                high = middle
            else:
                low = middle + 1
        talk = talk.first(high)
        at = len(talk.requests) - 2
        deadline = time.monotonic() + 2 * TALK_S
        while at >= 0 and time.monotonic() < deadline:
            less = talk.without(at)
            if b"SELECT" in talk.requests[at]:  # it keeps the client in its own databases
                at -= 1
                continue
            self.reconnect()
            if self.difference(less):
                talk = less
            at -= 1
        return talk


# ---- what is said --------------------------------------------------------------------------------

SIZES = (0, 1, 3, 10, 100, 1000, 16384, 65536, 70000)
BIG_SIZES = (70000, 300000, 5000000)

# One line a request. k any key, i integer, f float, v value, m member (of a few), p a pattern that
# matches at most one key, s stream id, t a moment far away, e an expiry far away, kk.. several.
SHAPES = """
GET k|SET k v|SET k v NX|SET k v XX|SET k v GET|SET k v EXAT t|SET k v KEEPTTL|SET k v NX XX|SET k v EX x
SETNX k v|SETEX k 100000 v|SETEX k 0 v|SETEX k x v|PSETEX k 100000000 v|GETSET k v|GETDEL k|GETEX k
GETEX k PERSIST|GETEX k EXAT t|APPEND k v|STRLEN k|SETRANGE k i v|GETRANGE k i i|SUBSTR k i i
INCR k|DECR k|INCRBY k i|DECRBY k i|INCRBYFLOAT k f|MGET kk|MSET k v k v|MSETNX k v k v|MSET k v k
LCS k k|LCS k k LEN|LCS k k IDX
SETBIT k i i|GETBIT k i|BITCOUNT k|BITCOUNT k i i|BITPOS k 1|BITOP AND k kk|BITOP NOT k k|BITFIELD k GET u8 0
BITFIELD k SET i8 0 i INCRBY u4 2 1|BITFIELD_RO k GET u8 0|BITFIELD k OVERFLOW FAIL INCRBY u2 1 3
DEL kk|UNLINK kk|EXISTS kk|TYPE k|TOUCH kk|RENAME k k|RENAMENX k k|COPY k k|COPY k k REPLACE|DUMP k
PERSIST k|EXPIREAT k t|PEXPIREAT k t000|EXPIREAT k t NX|EXPIREAT k t GT|EXPIRE k -1|EXPIRE k 0|EXPIRETIME k
KEYS p|SCAN 0 MATCH p COUNT 1000|SCAN x|SCAN 0 COUNT 0|DBSIZE|OBJECT ENCODING k|OBJECT REFCOUNT nokey|OBJECT HELP
OBJECT FREQ k|OBJECT nonsense k|MOVE k 999|SORT k|SORT k ALPHA|SORT k BY nosort GET # LIMIT 0 3|SORT k STORE k
SORT_RO k ALPHA DESC|RESTORE k 0 v
LPUSH k m m|RPUSH k m m m|LPUSHX k m|RPUSHX k m|LPOP k|RPOP k|LPOP k i|RPOP k 2|LLEN k|LINDEX k i|LSET k i v
LRANGE k 0 -1|LRANGE k i i|LREM k i m|LTRIM k i i|LINSERT k BEFORE m m|LINSERT k AFTER m m|LPOS k m
LPOS k m RANK -1 COUNT 0|LMOVE k k LEFT RIGHT|RPOPLPUSH k k|LMPOP 1 k LEFT|LMPOP 2 k k RIGHT COUNT 2|LMPOP 0 k LEFT
SADD k m m m|SREM k m|SMEMBERS k|SCARD k|SISMEMBER k m|SMISMEMBER k m m|SMOVE k k m|SINTER kk|SUNION kk|SDIFF kk
SINTERSTORE k kk|SUNIONSTORE k kk|SDIFFSTORE k kk|SINTERCARD 2 k k|SINTERCARD 2 k k LIMIT 1|SSCAN k 0|SSCAN k 0 COUNT 3
HSET k m v m v|HSETNX k m v|HMSET k m v|HGET k m|HMGET k m m m|HDEL k m|HLEN k|HSTRLEN k m|HEXISTS k m|HKEYS k
HVALS k|HGETALL k|HINCRBY k m i|HINCRBYFLOAT k m f|HSCAN k 0|HSET k m
ZADD k f m f m|ZADD k NX f m|ZADD k XX CH f m|ZADD k GT f m|ZADD k INCR f m|ZADD k NX XX f m|ZADD k x m
ZREM k m|ZSCORE k m|ZMSCORE k m m|ZINCRBY k f m|ZCARD k|ZCOUNT k -inf +inf|ZCOUNT k f f|ZLEXCOUNT k - +
ZRANK k m|ZREVRANK k m|ZRANGE k 0 -1|ZRANGE k 0 -1 WITHSCORES|ZRANGE k 0 -1 REV|ZREVRANGE k 0 -1 WITHSCORES
ZRANGEBYSCORE k -inf +inf WITHSCORES LIMIT 0 3|ZRANGEBYSCORE k (f f|ZREVRANGEBYSCORE k +inf -inf|ZRANGEBYLEX k - +
ZREVRANGEBYLEX k + -|ZREMRANGEBYRANK k i i|ZREMRANGEBYSCORE k f f|ZREMRANGEBYLEX k - [b|ZPOPMIN k|ZPOPMAX k 2
ZUNION 2 k k|ZUNION 2 k k WITHSCORES|ZINTER 2 k k WITHSCORES|ZDIFF 2 k k|ZUNIONSTORE k 2 k k WEIGHTS 2 3
ZINTERSTORE k 2 k k AGGREGATE MAX|ZDIFFSTORE k 2 k k|ZINTERCARD 2 k k|ZRANGESTORE k k 0 -1|ZSCAN k 0
ZMPOP 1 k MIN|ZMPOP 2 k k MAX COUNT 2|ZADD k nan m|ZADD k inf m
GEOADD k 13.36 38.11 m 15.08 37.5 m|GEOADD k 500 1 m|GEOPOS k m m|GEODIST k m m|GEODIST k m m km|GEOHASH k m
GEOSEARCH k FROMLONLAT 15 37 BYRADIUS 200 km ASC|GEOSEARCHSTORE k k FROMLONLAT 15 37 BYBOX 400 400 km
GEORADIUS k 15 37 200 km WITHDIST WITHCOORD|GEORADIUS k 15 37 200 km STORE k|GEORADIUSBYMEMBER k m 100 km
PFADD k m m m|PFCOUNT kk|PFMERGE k kk
XADD k s m v|XADD k s m v m v|XADD k NOMKSTREAM s m v|XADD k MAXLEN 3 s m v|XADD k s m|XLEN k|XRANGE k - +|XREVRANGE k + -
XRANGE k s s COUNT 2|XDEL k s|XTRIM k MAXLEN 2|XREAD COUNT 2 STREAMS k 0|XREAD STREAMS k k 0 0|XREAD STREAMS k
XREAD BLOCK 10 STREAMS k $|XGROUP CREATE k g 0|XGROUP CREATE k g 0 MKSTREAM|XGROUP DESTROY k g|XGROUP HELP
XGROUP CREATECONSUMER k g c|XREADGROUP GROUP g c COUNT 2 STREAMS k >|XREADGROUP GROUP g c STREAMS k 0
XREADGROUP GROUP g c BLOCK 5 STREAMS k >|XACK k g s s|XPENDING k g|XCLAIM k g d 0 s FORCE JUSTID|XSETID k 999-0
XAUTOCLAIM k g d 0 0 JUSTID|XINFO STREAM k|XINFO GROUPS k|XINFO nonsense k|XGROUP SETID k g 0
BLPOP k 0.01|BRPOP kk 0.01|BLMOVE k k LEFT LEFT 0.01|BRPOPLPUSH k k 0.01|BLMPOP 0.01 1 k LEFT|BZPOPMIN k 0.01
BZPOPMAX k k 0.01|BZMPOP 0.01 1 k MIN|BLPOP k -1|BLPOP k x|WAIT 0 0|WAIT 0|WAIT x 0
MULTI|MULTI|MULTI|EXEC|EXEC|EXEC|DISCARD|WATCH kk|WATCH k|UNWATCH|MULTI x|EXEC x|WATCH
ECHO v|ECHO|ECHO v v|PING|PING v|PING v v|COMMAND COUNT|COMMAND INFO get nosuch|COMMAND GETKEYS mset a b c d
COMMAND nonsense|COMMAND DOCS get|COMMAND GETKEYS|LOLWUT VERSION 1 x|nosuch|nosuch v v|GET|GET k k k|SET k|HGET k
EVAL S0 0|EVAL S1 1 k v|EVAL S2 1 k|EVAL S3 0|EVAL S4 0|EVAL S5 1 k
EVAL S6 0|EVAL S7 0|EVAL_RO S1 1 k v|EVAL S0 x|EVAL S0 5 k|EVAL S0 -1
EVALSHA ffffffffffffffffffffffffffffffffffffffff 0|EVALSHA x 0
SCRIPT EXISTS ffffffffffffffffffffffffffffffffffffffff|SCRIPT nonsense|SCRIPT EXISTS
FCALL nosuch 0|FUNCTION nonsense|FUNCTION DELETE nosuch
PUBLISH c v|SPUBLISH c v|PUBSUB NUMSUB c c|PUBSUB SHARDNUMSUB c|PUBSUB CHANNELS c|PUBSUB nonsense
UNSUBSCRIBE|PUNSUBSCRIBE|SUNSUBSCRIBE|UNSUBSCRIBE c|SUNSUBSCRIBE c|SUBSCRIBE|PSUBSCRIBE
SELECT d|SELECT d|SELECT d|SELECT 999|SELECT -1|SELECT x|SELECT|SELECT d d|MOVE k d|COPY k k DB d|SELECT 99999999999999999999
AUTH|AUTH wrong|AUTH default wrong|AUTH nobody wrong|AUTH a b c
CLIENT|CLIENT GETNAME|CLIENT SETNAME m|CLIENT SETNAME|CLIENT nonsense|CLIENT GETREDIR|CLIENT CACHING YES|CLIENT NO-EVICT x
CLIENT TRACKINGINFO|CLIENT TRACKING OFF|CLIENT TRACKING x|CLIENT REPLY x|CLIENT KILL|CLIENT KILL ID x|CLIENT UNBLOCK 999999999
HELLO 1|HELLO 4|HELLO x|HELLO 2 nonsense|HELLO 2 AUTH|HELLO 3 AUTH nobody wrong|HELLO 2 SETNAME m|HELLO 3 SETNAME m
CLUSTER INFO|READONLY|READWRITE|ASKING|MODULE LIST|OBJECT|MEMORY nonsense|LATENCY nonsense|CONFIG nonsense|CONFIG GET databases
SLOWLOG nonsense|ACL WHOAMI|ACL CAT nosuch|ACL nonsense|TIME x|DEBUG nonsense x y z|FLUSHDB|FLUSHDB x|FLUSHDB ASYNC|SWAPDB x y
"""
SHAPE_LIST = [shape.split(" ") for line in SHAPES.strip().splitlines() for shape in line.split("|")]
# Those the relay does not do the same way on a connection that is pinned: it refuses, and says so.
CHANGES_CONNECTION = {"AUTH", "HELLO", "CLIENT", "SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE",
                      "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"}

SCRIPTS = [
    "return 1",
    "return redis.call('SET', KEYS[1], ARGV[1])",
    "return {1, 'two', {3, false}, redis.call('GET', KEYS[1])}",
    "return redis.error_reply('MINE own error')",
    "return redis.call('nosuch')",
    "redis.call('LPUSH', KEYS[1], 'a'); return redis.pcall('INCR', KEYS[1])",
    "redis.setresp(3); return {map={a=1}}",
    "syntax error here",
]


class Writer:
    """Makes conversations for one client: its own keys, databases, channels and library."""

    def __init__(self, number, seed, heavy=False):
        self.number, self.chance, self.heavy = number, random.Random(f"{seed}:{number}"), heavy
        self.databases = [1 + number * DATABASES_EACH + i for i in range(DATABASES_EACH)]
        self.library = f"lib{number}"
        prefix = b"c%d:" % number
        self.keys = [prefix + name for name in
                     (b"a", b"b", b"c", b"d", b"", b"\r\n", b"\0bin\xff", b"$5\r\nhello\r\n", b"e" * 300)]
        self.channels = [prefix + b"ch%d" % i for i in range(3)] + [prefix + b"\r\n\0"]
        self.members = [b"a", b"b", b"c", b"1", b"2", b"", b"\0\r\n", b"m" * 70]

    # -- words --

    def value(self):
        chance = self.chance
        roll = chance.random()
        if roll < 0.35:
            return chance.choice(self.members)
        if roll < 0.5:
            return b"%d" % chance.randint(-100, 100)
        if roll < 0.6:
            return chance.choice((b"\r\n", b"+OK\r\n", b"*3\r\n", b"$-1\r\n", b"\0" * 9, b"-ERR x\r\n"))
        size = chance.choice(SIZES[:6] if roll < 0.97 else SIZES)
        if self.heavy and roll > 0.99:
            size = chance.choice(BIG_SIZES)
        return chance.randbytes(min(size, 997)) * (size // 997 + 1) if size > 997 else \
            chance.randbytes(size)

    def word(self, letter):
        chance = self.chance
        if letter == "kk":
            return [chance.choice(self.keys) for _ in range(chance.randint(1, 4))]
        makes = {
            "k": lambda: chance.choice(self.keys), "v": self.value, "p": lambda: b"c%d:a" % self.number,
            "m": lambda: chance.choice(self.members),
            "i": lambda: b"%d" % chance.choice((0, 1, 2, 3, -1, -2, 7, 100)),
            "f": lambda: chance.choice((b"1", b"2.5", b"-3", b"1e3", b"0.1")),
            "s": lambda: b"%d-%d" % (chance.randint(1, 9), chance.randint(0, 3)),
            "t": lambda: b"%d" % chance.choice((4102444800, 4102444801, 5000000000)),
            "t000": lambda: b"%d000" % chance.choice((4102444800, 5000000000)),
            "d": lambda: b"%d" % chance.choice(self.databases),
            "c": lambda: chance.choice(self.channels),
        }
        if letter in makes:
            return [makes[letter]()]
        if letter[0] == "S" and letter[1:].isdigit():
            return [SCRIPTS[int(letter[1:])].encode()]
        return [letter.encode()]

    def from_shape(self, shape):
        args = [shape[0].encode()]
        for letter in shape[1:]:
            args += self.word(letter)
        return args

    def mangled(self, args):
        """One too many, one too few, two exchanged, another case."""
        chance, args = self.chance, list(args)
        roll = chance.random()
        if roll < 0.3:
            args.append(self.value()[:2000])
        elif roll < 0.6 and len(args) > 1:
            del args[chance.randrange(1, len(args))]
        elif roll < 0.8 and len(args) > 2:
            i, j = chance.sample(range(1, len(args)), 2)
            args[i], args[j] = args[j], args[i]
        else:
            args[0] = bytes(chance.choice((c, c | 32 if 65 <= c <= 90 else c)) for c in args[0])
        return args

    @staticmethod
    def harmless(args):
        """A mangled request must still be one that two servers answer alike, and soon."""
        name = args[0].upper()
        if name in (b"MOVE", b"COPY", b"SELECT", b"SWAPDB", b"FLUSHDB", b"KEYS", b"SCAN", b"DEBUG",
                    b"WAIT", b"EXPIRE", b"SETEX", b"PSETEX", b"CLIENT", b"RESTORE", b"OBJECT",
                    b"LOLWUT", b"TIME", b"AUTH", b"HELLO", b"COMMAND", b"CONFIG", b"XCLAIM",
                    b"SORT", b"SORT_RO", b"MEMORY", b"LATENCY", b"XINFO", b"XAUTOCLAIM", b"SLOWLOG",
                    b"SETBIT", b"SETRANGE", b"ACL", b"PUBSUB", b"FUNCTION", b"SCRIPT", b"XPENDING"):
            return False
        if name.startswith((b"B", b"X")) and name not in (b"BITCOUNT", b"BITPOS"):
            return False
        return all(arg.upper() not in (b"PX", b"EX", b"*") for arg in args)

    def request(self):
        args = self.from_shape(self.chance.choice(SHAPE_LIST))
        if self.chance.random() < 0.06:
            other = self.mangled(args)
            args = other if self.harmless(other) else args
        return args

    @staticmethod
    def inline(args):
        """As a person types it, when it can be typed."""
        if len(args) < 2 or any(not re.fullmatch(rb"[A-Za-z0-9:.+-]+", arg) for arg in args):
            return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)
        return b" ".join(args[:1] + [b'"%s"' % args[1]] + args[2:]) + b"\r\n"

    # -- conversations --

    def plain(self, count):
        """Requests of every kind; transactions open and close by chance."""
        pinned, out = False, []
        for _ in range(count):
            args = self.request()
            name = args[0].upper().decode(errors="replace")
            if name in CHANGES_CONNECTION and pinned:
                continue
            # Until RESET, to be on the safe side.
            pinned = pinned or name in ("MULTI", "WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE")
            out.append(args)
        return out

    def script(self):
        """A script loaded and called by its name, and a function."""
        source = f"return {{KEYS[1], {self.chance.randrange(1 << 30)}}}"
        name = hashlib.sha1(source.encode()).hexdigest()  # as Redis names it
        library = (f"#!lua name={self.library}\nredis.register_function('f{self.number}', "
                   "function(keys, args) return redis.call('GET', keys[1]) end)")
        key = self.chance.choice(self.keys)
        said = [["SCRIPT", "LOAD", source], ["EVALSHA", name, 1, key], ["SCRIPT", "EXISTS", name],
                ["FUNCTION", "LOAD", "REPLACE", library], ["FCALL", f"f{self.number}", 1, key],
                ["FCALL_RO", f"f{self.number}", 1, key], ["FUNCTION", "DELETE", self.library],
                ["FCALL", f"f{self.number}", 1, key]]
        if self.chance.random() < 0.3:
            said = [["MULTI"]] + said[:3] + [["EXEC"]] + said[3:]
        return said

    def subscriptions(self, version):
        """Subscribes, speaks, leaves. In RESP2 a subscriber may say little, and is told so."""
        chance, said = self.chance, []
        for _ in range(chance.randint(1, 12)):
            some = [chance.choice(self.channels) for _ in range(chance.randint(1, 3))]
            verb = chance.choice(("SUBSCRIBE", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE",
                                  "PUNSUBSCRIBE", "SUNSUBSCRIBE"))
            roll = chance.random()
            if roll < 0.55:
                said.append([verb] + some)
            elif roll < 0.65 and "UN" not in verb:
                said.append([verb])
            elif roll < 0.85:
                said.append([chance.choice(("PUBLISH", "SPUBLISH")), some[0], self.value()])
            else:
                said.append(chance.choice((["PING"], ["PING", "x"], ["GET", self.keys[0]],
                                           ["SET", self.keys[0], "1"], ["ECHO", "x"])))
            if version == 3 and chance.random() < 0.3:
                said.append(["PUBLISH", some[0], self.value()])
        return said

    def quiet(self):
        """CLIENT REPLY: which replies do not come."""
        chance, said = self.chance, []
        for _ in range(chance.randint(2, 10)):
            roll = chance.random()
            if roll < 0.5:
                said.append(["CLIENT", "REPLY", chance.choice(("OFF", "ON", "SKIP", "SKIP"))])
            elif roll < 0.6:
                said.append(["MULTI"])
                said.append(["SET", self.keys[1], "x"])
                said.append(["EXEC"])
            else:
                said.append(chance.choice((["PING"], ["SET", self.keys[0], self.value()],
                                           ["GET", self.keys[0]], ["SELECT", self.databases[0]],
                                           ["nosuch"], ["CLIENT", "GETNAME"], ["ECHO", "x"],
                                           ["RESET"], ["SUBSCRIBE", self.channels[0]],
                                           ["PUBLISH", self.channels[0], "x"], ["UNSUBSCRIBE"])))
        return said

    def tracking(self):
        """A client that caches, told of what it changes itself."""
        chance = self.chance
        mode = chance.choice(([], ["OPTIN"], ["OPTOUT"], ["NOLOOP"], ["OPTIN", "OPTOUT"],
                              ["PREFIX", "x"]))
        said = [["CLIENT", "TRACKING", "ON"] + mode]
        for _ in range(chance.randint(2, 12)):
            key = chance.choice(self.keys[:4])
            said.append(chance.choice((["GET", key], ["GET", key], ["SET", key, "v"], ["DEL", key],
                                       ["CLIENT", "CACHING", "YES"], ["CLIENT", "CACHING", "NO"],
                                       ["CLIENT", "GETREDIR"], ["CLIENT", "TRACKINGINFO"],
                                       ["MGET"] + self.keys[:3], ["CLIENT", "TRACKING", "OFF"])))
        return said

    def deep(self):
        """A long pipeline of the commonest."""
        chance, said = self.chance, []
        for at in range(chance.choice((100, 200, 500))):
            key = chance.choice(self.keys)
            said.append(chance.choice((["SET", key, b"%d" % at], ["GET", key], ["PING"], ["INCR", key],
                                       ["ECHO", b"%d" % at], ["APPEND", key, b"x"], ["DEL", key])))
        return said

    def talk(self, alone):
        """alone: no other client flushes a database meanwhile, which all that track are told."""
        chance, may_close = self.chance, True
        version = chance.choice((2, 2, 3, 3, None))
        said = [["HELLO", str(version)]] if version else []
        said.append(["SELECT", self.databases[0]])
        roll = chance.random()
        if roll < 0.6:
            said += self.plain(chance.choice((1, 3, 8, 20, 40)))
        elif roll < 0.68:
            said += self.deep()
        elif roll < 0.76:
            said += self.script() + self.plain(3)
        elif roll < 0.86:
            said += self.subscriptions(version)
        elif roll < 0.93 or not alone:
            said += self.quiet()
            may_close = False  # Redis leaves one open that wants no replies and speaks nonsense
        elif version == 3:
            said += self.tracking()
        if chance.random() < 0.15:
            said += [["RESET"]] + self.plain(5)
        for at in reversed(range(len(said))):
            if said[at] == ["RESET"]:
                said.insert(at + 1, ["SELECT", chance.choice(self.databases)])
        types_inline = chance.random() < 0.1
        requests = [self.inline([bytes(a) if isinstance(a, bytes) else str(a).encode() for a in args])
                    if types_inline else encode(args) for args in said]
        end = "reset"
        if may_close and chance.random() < 0.06:
            end = "close"
            requests.append(chance.choice((
                encode(["QUIT"]), b"QUIT\r\n", b"*x\r\n", b"*1\r\n+3\r\n", b"*1\r\n$x\r\n",
                b"*1\r\n$-5\r\n", b'SET "unbalanced\r\n', b"*2147483648\r\n",
                b"*1\r\n$536870913\r\n", b"*1\r\n$\r\n", b"GET x" + b"y" * 70000)))
        return Talk(requests, chance.randrange(1 << 30), end, not may_close)


def compare_many(routed, seed, number, *, talks=None, within_s=None, heavy=False, alone=False):
    """Tells a writer's conversations until the count or the time is over; the number told, and a
    text on the first that differs (or None)."""
    writer = Writer(number, seed, heavy)
    comparison = Comparison(routed.redis.addr, routed.router.addr, writer.databases, writer.library)
    deadline = time.monotonic() + (within_s or 1e9)
    told = requests = 0
    try:
        while (talks is None or told < talks) and time.monotonic() < deadline:
            talk = writer.talk(alone)
            told += 1
            requests += len(talk.requests)
            if writer.chance.random() < 0.3:
                comparison.reconnect()
            what = comparison.difference(talk, b"end-%d" % told)
            if what:
                short = comparison.shortest(talk)
                comparison.reconnect()
                again = comparison.difference(short) or "(not when told again)"
                shown = b"\n    ".join(r if len(r) < 300 else r[:200] + b"...(%d bytes)" % len(r)
                                       for r in short.requests)
                return requests, (
                    f"client {number}, conversation {told}: {what}\n"
                    f"replay: ROUTER_SEED={seed} pytest test_router_transparency.py -k generated\n"
                    f"shortest ({len(short.requests)} requests, cuts {short.cuts}, {short.end}):\n"
                    f"    {shown!r}\n{again}")
    finally:
        comparison.close()
    return requests, None
