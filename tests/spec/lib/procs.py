"""Processes that tests start, and the strict end of them.

The test process is a child subreaper: whatever a server leaves behind (a daemon, a script, a forked
saver) becomes our child, so a table that closes can say what is left, by pid and name.
"""

import ctypes
import os
import signal
import subprocess
import time

from lib.wait import wait_until

PR_SET_CHILD_SUBREAPER = 36
LEFTOVER_GRACE_S = 3.0

_tables = []


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def close_all():
    """Every table that is still open."""
    for table in list(_tables):
        table.close()


def proc_stat(pid):
    """(state, parent pid, utime + stime in ticks) of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[11]) + int(fields[12])


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"


def children():
    """Pids whose parent is this process; zombies that are nobody's Popen are reaped on the way."""
    mine, owned = [], {pid for table in _tables for pid in table.pids()}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        stat = proc_stat(int(entry))
        if stat is None or stat[1] != os.getpid():
            continue
        pid = int(entry)
        if stat[0] == "Z" and pid not in owned:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
            continue
        mine.append(pid)
    return mine


class Process:
    """One program: its pid, its exit, and the signals a story sends it."""

    def __init__(self, argv, *, cwd, name, netns=None, env=None):
        self.argv = [str(arg) for arg in argv]
        self.name = name
        self.cwd = str(cwd)
        self.output_path = os.path.join(self.cwd, f"{name}.out.log")
        self.started_at = time.monotonic()
        command = self.argv
        if netns is not None:
            command = ["nsenter", f"--net=/run/netns/{netns}", "--"] + command
        environment = dict(os.environ, LC_ALL="C.UTF-8")
        environment.update(env or {})
        with open(self.output_path, "ab") as output:
            self.popen = subprocess.Popen(
                command, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        self.pid = self.popen.pid
        self.paused = False

    def alive(self):
        return self.popen.poll() is None

    def running(self):
        """Alive and not paused: it can be expected to answer."""
        return self.alive() and not self.paused

    def signal(self, number):
        if self.alive():
            os.kill(self.pid, number)

    def kill(self):
        """SIGKILL, and wait until the kernel has closed its sockets."""
        self.signal(signal.SIGKILL)
        self.popen.wait(10)

    def terminate(self, within_s=10):
        """SIGTERM; returns the exit status, fails when it does not end in time."""
        self.signal(signal.SIGTERM)
        return self.wait(within_s)

    def wait(self, within_s):
        try:
            return self.popen.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self.name} (pid {self.pid}) still runs after "
                                 f"{within_s} s") from error

    def stop(self):
        self.paused = True
        self.signal(signal.SIGSTOP)

    def cont(self):
        self.signal(signal.SIGCONT)
        self.paused = False

    def output(self):
        with open(self.output_path, encoding="utf-8", errors="replace") as file:
            return file.read()


class Server:
    """What every server of a test can be told; `process` is None before its start."""

    process = None

    def alive(self):
        return self.process is not None and self.process.alive()

    def running(self):
        return self.process is not None and self.process.running()

    def kill(self):
        self.process.kill()

    def terminate(self, within_s=15):
        return self.process.terminate(within_s)

    def stop(self):
        self.process.stop()

    def cont(self):
        self.process.cont()


class ProcessTable:
    """Everything a test (or a module's fixture) started; close() ends all and tolerates no rest."""

    def __init__(self):
        self.processes = []
        self.closers = []
        _tables.append(self)

    def spawn(self, argv, **options):
        process = Process(argv, **options)
        self.processes.append(process)
        return process

    def on_close(self, function):
        """Run before the processes are ended: threads that record, relays, client sockets."""
        self.closers.append(function)

    def pids(self):
        return {process.pid for process in self.processes}

    def close(self):
        errors = []
        for closer in reversed(self.closers):
            try:
                closer()
            except Exception as error:  # every closer must get its turn
                errors.append(f"{closer}: {error!r}")
        for process in self.processes:
            process.signal(signal.SIGKILL)
        for process in self.processes:
            process.popen.wait(10)
        _tables.remove(self)
        left = self._leftovers()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not errors, f"closing failed: {errors}"
        assert not left, f"processes left behind: {left}"

    @staticmethod
    def _leftovers():
        """Children nobody owns that are still there after a short grace; {pid: command line}."""
        def orphans():
            owned = {pid for table in _tables for pid in table.pids()}
            return [pid for pid in children() if pid not in owned]
        try:
            wait_until(lambda: not orphans(), LEFTOVER_GRACE_S, "nothing is left behind")
        except AssertionError:
            pass  # the caller names them
        return {pid: command_line(pid) for pid in orphans()}
