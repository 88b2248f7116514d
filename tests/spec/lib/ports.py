"""Free TCP ports, outside the kernel's ephemeral range so that no outgoing connection takes one
between a server's death and its restart."""

import os
import random
import socket

FIRST, LAST = 10100, 32000
_given = set()
_random = random.Random(os.urandom(8))


def free_port():
    for _ in range(2000):
        port = _random.randint(FIRST, LAST)
        if port in _given:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")


def is_free(port, host="127.0.0.1"):
    """True when a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
            return True
        except OSError:
            return False
