"""`holdfast demo`: it fails over, tells what that cost, and leaves nothing behind however it ends."""

import glob
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
from lib.resp import RespClient
from lib.wait import wait_until

FAILOVER = re.compile(r"failover (?P<number>\d+): SIGKILL: longest request (?P<request>\d+) ms, "
                      r"(?P<errors>\d+) errors, lost (?P<lost>\d+); "
                      r"\+switch-master after (?P<switched>\d+) ms "
                      r"\(all monitors (?P<everywhere>\d+) ms\), (?P<gap>\d+) ms without a write; "
                      r"127\.0\.0\.1:\d+ -> 127\.0\.0\.1:\d+$", re.M)
SUM = re.compile(r"(\d+) failovers? in \S+ s; ([\d,]+) requests answered, ([\d,]+) failed; "
                 r"([\d,]+) writes acknowledged, ([\d,]+) of them lost(.*)")
KILLS_IN = re.compile(rb"all is well; kills the master in (\d+) s")
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


def router_of(tmp_path):
    """The address of the demo's router, from its configuration."""
    [path] = glob.glob(f"{tmp_path}/holdfast-demo-*/router.conf")
    with open(path, encoding="utf-8") as file:
        return "127.0.0.1", int(re.search(r"^listen 127\.0\.0\.1:(\d+)$", file.read(), re.M)[1])


def told(out):
    """The figures of each failover line, and of the sum."""
    found = [{name: int(value) for name, value in match.groupdict().items()}
             for match in FAILOVER.finditer(out)]
    assert [f["number"] for f in found] == list(range(1, len(found) + 1)), out
    for f in found:
        assert 0 < f["switched"] <= f["everywhere"], out
    match = SUM.search(out)
    assert match and int(match[1]) == len(found), out
    numbers = [int(match[i].replace(",", "")) for i in range(2, 6)]
    return found, dict(zip(("requests", "errors", "writes", "lost"), numbers), rest=match[6])


def test_behind_the_router_no_request_fails(demo, tmp_path, kind):
    process = demo("--for", "20s", "--every", "6s", *monitors(kind))
    read_until(process, "the site stands", STANDS_S)
    assert any(line.split()[1:3] == ["router", "--config"] for line in parts_of(tmp_path).values())
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, out + err
    failovers, whole = told(out)
    assert len(failovers) >= (1 if kind == "redis" else 3), out
    for f in failovers:
        assert f["errors"] == 0, out
        assert f["request"] > 50, "a request waits: nobody knows of the crash sooner\n" + out
        assert abs(f["request"] - f["gap"]) < 200, out
    assert whole["errors"] == 0 and "the client got an error" not in out, out
    assert whole["rest"] == "; 0 connections closed", out
    assert 0 <= whole["lost"] < 100 < whole["writes"] < whole["requests"], out
    assert nothing_left(tmp_path)


def test_direct_shows_what_the_router_hides(demo, tmp_path, kind):
    process = demo("--direct", "--for", "8s", "--every", "6s", *monitors(kind))
    assert "that asks the monitors" in read_until(process, "the site stands", STANDS_S)[-1]
    assert not any(" router " in line for line in parts_of(tmp_path).values())
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, out + err
    failovers, whole = told(out)
    assert len(failovers) == 1, out
    assert failovers[0]["errors"] > 0 and failovers[0]["gap"] > 50, out
    assert whole["errors"] >= failovers[0]["errors"], out
    assert nothing_left(tmp_path)


def test_json_summary(demo, tmp_path, kind):
    process = demo("--for", "9s", "--json", *monitors(kind))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["failed"] is False and summary["router"] is True
    assert len(summary["failovers"]) == 1, summary
    failover = summary["failovers"][0]
    assert failover["from"] != failover["to"]
    assert failover["errors"] == 0 and failover["lost_writes"] >= 0, summary
    assert 0 < failover["switch_ms"] <= failover["everywhere_ms"], summary
    assert failover["longest_request_ms"] > 0 and failover["without_write_ms"] > 0, summary
    assert summary["requests"] > summary["writes"] > 100, summary
    assert summary["errors"] == 0 and summary["connections_lost"] == 0, summary
    assert summary["lost_writes"] >= failover["lost_writes"], summary
    assert "failover 1" in err
    assert nothing_left(tmp_path)


def test_a_write_that_is_gone_is_told(demo, tmp_path):
    """An acknowledged mark taken away behind the client's back looks as one lost in a failover."""
    process = demo("--for", "9s", "--every", "8s", stderr=subprocess.DEVNULL)
    read_until(process, "the site stands", STANDS_S)
    with RespClient(router_of(tmp_path)) as client:
        wait_until(lambda: client.call("BITCOUNT", "demo:marks:2") > 100, 10, "it writes")
        assert client.call("SETBIT", "demo:marks:2", 7, 0) == 1
        assert client.call("SETBIT", "demo:marks:2", 70, 0) == 1
    out, _ = process.communicate(timeout=60)
    failovers, whole = told(out)
    assert [f["lost"] for f in failovers] == [whole["lost"]], out
    assert 2 <= whole["lost"] < 100, out


def test_an_error_that_reaches_the_client_is_told(demo, tmp_path):
    process = demo("--for", "4s", "--every", "100s")
    read_until(process, "the site stands", STANDS_S)
    with RespClient(router_of(tmp_path)) as client:
        client.call("LPUSH", "list", "no bits here")
        assert client.call("RENAME", "list", "demo:marks:1") == "OK"
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "the client got an error: WRONGTYPE" in out, out
    assert " 0 failed" not in out and "those lost could not be counted" in out, out
    assert "; 0 connections closed" in out, out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_summary(demo, tmp_path, kind, number):
    process = demo(*monitors(kind))
    read_until(process, "the site stands", STANDS_S)
    assert len(parts_of(tmp_path)) >= 7
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    failovers, whole = told(out)
    assert not failovers and whole["errors"] == 0 and whole["lost"] == 0, out
    assert nothing_left(tmp_path)


def test_sigkill_of_the_demo_leaves_nothing(demo, tmp_path, kind):
    process = demo(*monitors(kind))
    read_until(process, "the site stands", STANDS_S)
    assert len(parts_of(tmp_path)) >= 7
    process.kill()
    process.wait(10)
    wait_until(lambda: nothing_left(tmp_path), 10, "servers and files are gone")


def test_live_screen_and_keys(demo, tmp_path, kind):
    """On a terminal: a picture, k kills, p pauses, q ends, and the terminal is given back."""
    leader, follower = pty.openpty()
    process = demo("--every", "100s", *monitors(kind), stdin=follower, stdout=follower,
                   stderr=follower)
    os.close(follower)
    seen = bytearray()

    def shows(text, start=0):
        ready, _, _ = select.select([leader], [], [], 0.05)
        if ready:
            seen.extend(os.read(leader, 65536))
        return seen.find(text.encode(), start) >= 0

    wait_until(lambda: shows("all is well"), STANDS_S, "the site stands")
    assert b"\x1b[?1049h" in seen and b"requests/s" in seen
    # --every holds for the first kill too, so none but ours comes while we look.
    assert int(KILLS_IN.search(seen)[1]) > 90, KILLS_IN.findall(seen)
    wait_until(lambda: shows("4 clients held now"), 10, "the router is shown")
    assert re.search(rb"\n  router     127\.0\.0\.1:\d+ +master 127\.0\.0\.1:\d+ ", seen), seen
    assert b"the master is gone" not in seen
    os.write(leader, b"k")
    wait_until(lambda: shows("the master is gone"), 5, "k is obeyed")
    wait_until(lambda: shows("failover 1: SIGKILL"), 60, "the failover is told")
    start = len(seen)
    wait_until(lambda: shows("all is well", start), 60, "the site is whole again")
    start = len(seen)
    os.write(leader, b"p")
    wait_until(lambda: shows("the master is gone", start), 5, "p is obeyed")
    wait_until(lambda: shows("failover 2: SIGSTOP"), 60, "the failover is told")
    assert re.search(rb"failover 1: SIGKILL: longest request \d+ ms, 0 errors, ", seen), seen
    assert re.search(rb"failover 2: SIGSTOP: longest request \d+ ms, 0 errors, ", seen), seen
    assert int(KILLS_IN.findall(seen)[-1]) > 30, "none of both was the clock's"
    os.write(leader, b"q")
    wait_until(lambda: shows("2 failovers in"), 20, "the summary is told")
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
