"""A small network of namespaces: one host each, joined by a bridge in a namespace of its own.

The machine's own namespace is not touched. Observers connect from inside a host to its own address,
so what a cut host thinks can be asked while it is cut.
"""

import contextlib
import ctypes
import os
import socket
import subprocess
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(name):
    """The calling thread's new sockets belong to the namespace; the sockets stay there."""
    here = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        _setns(there)
        yield
    finally:
        _setns(here)
        os.close(here)
        os.close(there)


def connect(addr, timeout_s, netns=None):
    if netns is None:
        return socket.create_connection(addr, timeout_s)
    with inside(netns):
        return socket.create_connection(addr, timeout_s)


def unavailable():
    """Why namespaces cannot be used here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "iptables", "nsenter"):
        if subprocess.run(["which", tool], capture_output=True, check=False).returncode != 0:
            return f"{tool} is not installed"
    probe = f"hfprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True,
                          check=False)
    if made.returncode != 0:
        return f"ip netns add: {made.stderr.strip()}"
    rules = subprocess.run(["nsenter", f"--net=/run/netns/{probe}", "iptables", "-w", "-L", "-n"],
                           capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], check=False)
    return None if rules.returncode == 0 else f"iptables in a namespace: {rules.stderr.strip()}"


class Host:
    def __init__(self, label, name, ip):
        self.label, self.name, self.ip = label, name, ip

    def __repr__(self):
        return f"{self.label}({self.ip})"


class Network:
    """Hosts by label; block() is one-way and silent (DROP at the receiver), heal() lifts all."""

    def __init__(self, labels):
        self.prefix = f"hf{os.getpid() % 100000}{os.urandom(2).hex()}"
        self.switch = f"{self.prefix}sw"
        self.hosts = {}
        self._run("ip", "netns", "add", self.switch)
        self._in(self.switch, "ip", "link", "add", "br0", "type", "bridge")
        self._in(self.switch, "ip", "link", "set", "br0", "up")
        for index, label in enumerate(labels, 1):
            host = Host(label, f"{self.prefix}h{index}", f"10.77.0.{index}")
            self.hosts[label] = host
            self._add_host(host, f"port{index}")

    def __getitem__(self, label):
        return self.hosts[label]

    def _add_host(self, host, port):
        self._run("ip", "netns", "add", host.name)
        self._in(host.name, "ip", "link", "set", "lo", "up")
        self._in(self.switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0",
                 "netns", host.name)
        self._in(self.switch, "ip", "link", "set", port, "master", "br0", "up")
        self._in(host.name, "ip", "addr", "add", f"{host.ip}/24", "dev", "eth0")
        self._in(host.name, "ip", "link", "set", "eth0", "up")

    def block(self, source, target):
        """Nothing that source sends arrives at target any more; the way back is not touched."""
        self._in(self[target].name, "iptables", "-w", "-A", "INPUT", "-s", self[source].ip,
                 "-j", "DROP")

    def cut(self, group):
        """Part the hosts in group from all others, both ways."""
        for inner in group:
            for outer in self.hosts:
                if outer not in group:
                    self.block(inner, outer)
                    self.block(outer, inner)

    def heal(self):
        for host in self.hosts.values():
            self._in(host.name, "iptables", "-w", "-F", "INPUT")

    def close(self):
        for name in [host.name for host in self.hosts.values()] + [self.switch]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _in(self, name, *argv):
        self._run("nsenter", f"--net=/run/netns/{name}", *argv)

    @staticmethod
    def _run(*argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr.strip()}"
