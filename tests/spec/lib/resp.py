"""A raw RESP2/RESP3 client that keeps apart what other clients blur: status and bulk, the three
kinds of nil, map and array, so that reply shapes can be compared between two servers."""

import socket

from lib import netns as namespaces


class Status(str):
    """+OK"""


class Bulk(str):
    """$2 OK"""


class Verbatim(str):
    """=15 txt:..."""


class RespError(str):
    """-ERR ... (a value, not an exception: tests compare it)"""


class Nil:
    """Falsy; kind is 'bulk' ($-1), 'array' (*-1) or 'null' (_)."""

    def __init__(self, kind):
        self.kind = kind

    def __bool__(self):
        return False

    def __eq__(self, other):
        return isinstance(other, Nil) and other.kind == self.kind

    def __hash__(self):
        return hash(self.kind)

    def __repr__(self):
        return f"Nil({self.kind})"


class RespMap(list):
    """%n: list of (key, value) pairs in wire order."""


class RespSet(list):
    """~n"""


class Push(list):
    """>n"""


NIL_BULK, NIL_ARRAY, NULL = Nil("bulk"), Nil("array"), Nil("null")


def encode(args):
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        raw = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


class RespClient:
    """One connection; call() sends one command and reads one reply.

    addr is (host, port) or a path of a unix socket; netns the namespace to connect from;
    tls an ssl.SSLContext. Every wait is bounded by timeout_s (socket.timeout, an OSError).
    """

    def __init__(self, addr, *, timeout_s=3.0, netns=None, tls=None):
        if isinstance(addr, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout_s)
            self.sock.connect(addr)
        else:
            self.sock = namespaces.connect(addr, timeout_s, netns)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, *args):
        self.sock.sendall(encode(args))

    def send_raw(self, raw):
        self.sock.sendall(raw)

    def call(self, *args):
        self.send(*args)
        return self.read()

    def closed_by_peer(self, within_s=3.0):
        """True when the other side closes (or resets) within the time; replies are dropped."""
        self.sock.settimeout(within_s)
        try:
            while self.sock.recv(65536):
                pass
            return True
        except ConnectionError:
            return True
        except OSError:
            return False

    def read(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return Status(_text(rest))
        if kind == b"-":
            return RespError(_text(rest))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return NIL_BULK if rest == b"-1" else Bulk(_text(self._exactly(int(rest))))
        if kind == b"=":
            return Verbatim(_text(self._exactly(int(rest))))
        if kind == b"_":
            return NULL
        if kind == b"#":
            return rest == b"t"
        if kind == b",":
            return float(rest)
        if kind == b"*":
            return NIL_ARRAY if rest == b"-1" else [self.read() for _ in range(int(rest))]
        if kind == b"~":
            return RespSet(self.read() for _ in range(int(rest)))
        if kind == b">":
            return Push(self.read() for _ in range(int(rest)))
        if kind == b"%":
            return RespMap((self.read(), self.read()) for _ in range(int(rest)))
        raise ValueError(f"not RESP: {line!r}")

    def _fill(self):
        chunk = self.sock.recv(65536)
        if not chunk:
            raise EOFError("connection closed by the server")
        self.buffer += chunk

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, count):
        while len(self.buffer) < count + 2:
            self._fill()
        raw, self.buffer = self.buffer[:count], self.buffer[count + 2:]
        return raw


def _text(raw):
    return raw.decode("utf-8", errors="surrogateescape")


def pairs(value):
    """A flat RESP2 array or a RESP3 map as a list of (key, value)."""
    if isinstance(value, RespMap):
        return list(value)
    assert isinstance(value, list) and len(value) % 2 == 0, f"not a map: {value!r}"
    return list(zip(value[0::2], value[1::2]))


def as_dict(value):
    return dict(pairs(value))


def shape(value):
    """The type tree of a reply, values left out: for comparing two servers' replies."""
    if isinstance(value, Nil):
        return f"nil-{value.kind}"
    if isinstance(value, RespMap):
        return ("map", tuple((str(key), shape(item)) for key, item in value))
    if isinstance(value, (RespSet, Push, list)):
        name = {RespSet: "set", Push: "push"}.get(type(value), "array")
        return (name, tuple(shape(item) for item in value))
    return {Status: "status", Bulk: "bulk", Verbatim: "verbatim", RespError: "error",
            int: "int", float: "double", bool: "bool"}[type(value)]
