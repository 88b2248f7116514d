"""What both benchmarks need: the spec tests' library, the kinds that are there, the statistics."""

import atexit
import os
import signal
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                "spec"))

from lib import procs  # noqa: E402  (the path above)
from lib.monitor import command_for, holdfast_path  # noqa: E402  (the path above)


def end_on_sigterm():
    """So that what a benchmark started is ended with it: SIGTERM unwinds like Ctrl-C does. Should it
    come while a table is being closed, the rest is closed at exit."""
    atexit.register(procs.close_all)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def available_kinds():
    """holdfast if it is built, redis if redis-sentinel is installed."""
    kinds = []
    if os.access(holdfast_path(), os.X_OK):
        kinds.append("holdfast")
    else:
        print(f"{holdfast_path()} is not there: its columns are left out", file=sys.stderr)
    if command_for("redis")[0] is not None:
        kinds.append("redis")
    else:
        print("redis-sentinel is not installed: its columns are left out", file=sys.stderr)
    return kinds


def spread(samples):
    """(min, median, max) or None."""
    if not samples:
        return None
    return min(samples), statistics.median(samples), max(samples)


def ratio(ours, theirs):
    """ours/theirs by median, as text."""
    if not ours or not theirs or not statistics.median(theirs):
        return "-"
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}"
