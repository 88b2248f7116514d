"""`holdfast demo`: it fails over, tells what that cost, and leaves nothing behind however it ends."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from lib.monitor import holdfast_path
from lib.procs import children, command_line
from lib.wait import wait_until

FAILOVER = re.compile(r"failover (\d+): SIGKILL of \S+: \+switch-master after (\d+) ms "
                      r"\(all monitors (\d+) ms\), (\d+) ms without a write, (\d+) errors")
STANDS_S = 60

pytestmark = pytest.mark.skipif(not os.access(holdfast_path(), os.X_OK),
                                reason="holdfast is not built")


def monitors(kind):
    return [] if kind == "holdfast" else ["--monitors", command_for_redis()]


def command_for_redis():
    from lib.monitor import command_for
    return command_for("redis")[0]


def environment(tmp_path):
    # The picture needs a TERM that can draw; who runs the tests may have none (cron, a chroot).
    return dict(os.environ, TMPDIR=str(tmp_path), LC_ALL="C.UTF-8", TERM="xterm")


@pytest.fixture
def demo(tmp_path):
    """Starts a demo whose directory is in tmp_path; at the end it must have left nothing."""
    started = []

    def start(*args, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen([holdfast_path(), "demo", *args], text=True,
                                   env=environment(tmp_path), start_new_session=True, **options)
        started.append(process)
        return process
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(10)
    left = {}
    try:
        wait_until(lambda: nothing_left(tmp_path, left), 10, "nothing is left of the demo")
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)


def parts_of(tmp_path):
    """Pids of programs of a demo in this directory (or its janitor), by their command line."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            line = command_line(int(entry))
            try:
                where = os.readlink(f"/proc/{entry}/cwd")
            except OSError:
                where = ""
            if f"{tmp_path}/holdfast-demo-" in f"{line} {where}":
                found[int(entry)] = line
    return found


def nothing_left(tmp_path, left=None):
    parts = parts_of(tmp_path)
    if left is not None:
        left.clear()
        left.update(parts)
    children()  # reaps what became ours, for we are a subreaper
    return not parts and not [n for n in os.listdir(tmp_path) if n.startswith("holdfast-demo-")]


def read_until(process, text, within_s):
    """Lines of standard output up to the one that holds text."""
    lines, deadline = [], time.monotonic() + within_s
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1)
        if ready:
            line = process.stdout.readline()
            lines.append(line)
            if text in line:
                return lines
            assert line, f"ended before it said {text!r}: {lines} {process.stderr.read()}"
    raise AssertionError(f"not within {within_s} s: {text!r}; it said {lines}")


def test_fails_over_and_ends_by_itself(demo, tmp_path, kind):
    process = demo("--for", "20s", "--every", "8s", *monitors(kind))
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, out + err
    failovers = FAILOVER.findall(out)
    assert len(failovers) >= 1 if kind == "redis" else len(failovers) >= 2, out
    for number, (index, switched, everywhere, gap, _) in enumerate(failovers, start=1):
        assert int(index) == number
        assert 0 < int(switched) <= int(everywhere), out
        assert int(gap) > 0, out
    assert f"{len(failovers)} failovers in" in out or len(failovers) == 1, out
    assert nothing_left(tmp_path)


def test_json_summary(demo, tmp_path, kind):
    process = demo("--for", "9s", "--json", *monitors(kind))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["failed"] is False
    assert len(summary["failovers"]) == 1, summary
    assert summary["failovers"][0]["from"] != summary["failovers"][0]["to"]
    assert summary["requests"] > 100, summary
    assert "failover 1" in err
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_summary(demo, tmp_path, kind, number):
    process = demo(*monitors(kind))
    read_until(process, "the site stands", STANDS_S)
    assert len(parts_of(tmp_path)) >= 6
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "0 failovers in" in out, out
    assert nothing_left(tmp_path)


def test_sigkill_of_the_demo_leaves_nothing(demo, tmp_path, kind):
    process = demo(*monitors(kind))
    read_until(process, "the site stands", STANDS_S)
    assert len(parts_of(tmp_path)) >= 6
    process.kill()
    process.wait(10)
    wait_until(lambda: nothing_left(tmp_path), 10, "servers and files are gone")


def test_live_screen_and_keys(demo, tmp_path, kind):
    """On a terminal: a picture, k kills, q ends, and the terminal is given back."""
    leader, follower = pty.openpty()
    process = demo("--every", "100s", *monitors(kind), stdin=follower, stdout=follower,
                   stderr=follower)
    os.close(follower)
    seen = bytearray()

    def shows(text):
        ready, _, _ = select.select([leader], [], [], 0.05)
        if ready:
            seen.extend(os.read(leader, 65536))
        return text.encode() in seen

    wait_until(lambda: shows("all is well"), STANDS_S, "the site stands")
    assert b"\x1b[?1049h" in seen and b"requests/s" in seen
    os.write(leader, b"k")
    wait_until(lambda: shows("failover 1: SIGKILL"), 60, "the failover is told")
    os.write(leader, b"q")
    wait_until(lambda: shows("1 failover in"), 20, "the summary is told")
    assert seen.rindex(b"\x1b[?1049l") > seen.rindex(b"\x1b[?1049h")
    wait_until(lambda: process.poll() is not None, 20, "the demo ends")
    os.close(leader)
    assert process.returncode == 0
    assert nothing_left(tmp_path)


def test_without_a_redis_server_it_names_the_package(tmp_path):
    done = subprocess.run([holdfast_path(), "demo"], env={"PATH": "/nonexistent",
                          "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 1
    assert "apt-get install redis-server" in done.stderr
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("args, said", [
    (["--evry", "3s"], "is no option"), (["--for"], "needs a value"),
    (["--every", "soon"], "is no duration"), (["--every", "1s"], "at least")])
def test_wrong_options_are_refused(args, said):
    done = subprocess.run([holdfast_path(), "demo", *args], capture_output=True, text=True,
                          timeout=20, check=False)
    assert done.returncode == 2
    assert said in done.stderr


def test_unknown_command_is_refused_with_a_suggestion():
    done = subprocess.run([holdfast_path(), "dmeo"], capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 2
    assert 'did you mean "demo"' in done.stderr


def test_help_and_version():
    for word, said in (("--help", "holdfast sentinel FILE"), ("--version", "holdfast ")):
        done = subprocess.run([holdfast_path(), word], capture_output=True, text=True, timeout=20,
                              check=True)
        assert said in done.stdout
