"""Options, markers and the per-test process table of the whole-program tests.

    pytest tests/spec                         holdfast (build/holdfast, or $HOLDFAST)
    pytest tests/spec --monitor redis         the same stories told to the real redis-sentinel
    pytest tests/spec -m "not slow"           the quick half
"""

import os
import random
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lib import netns, procs  # noqa: E402  (the path above makes lib importable)
from lib.monitor import command_for, holdfast_path  # noqa: E402
from lib.pair import Pair  # noqa: E402
from lib.site import Site  # noqa: E402

LOG_TAIL_BYTES = 2500


def pytest_addoption(parser):
    group = parser.getgroup("holdfast")
    group.addoption("--monitor", choices=["holdfast", "redis", "both"],
                    default=os.environ.get("SPEC_MONITOR", "holdfast"),
                    help="which monitor the stories are told to")
    group.addoption("--crash-rounds", type=int, default=200,
                    help="how often test_crash kills a monitor")
    group.addoption("--seed", type=int, default=None, help="seed of everything random")


def _kinds(config):
    chosen = config.getoption("--monitor")
    return ["holdfast", "redis"] if chosen == "both" else [chosen]


def pytest_configure(config):
    procs.become_subreaper()
    if "holdfast" in _kinds(config) and not os.access(holdfast_path(), os.X_OK):
        raise pytest.UsageError(f"{holdfast_path()} is not there: build it, name it in HOLDFAST, "
                                "or use --monitor redis")
    if command_for("redis")[0] is None:
        raise pytest.UsageError("redis-sentinel is not installed")


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", _kinds(metafunc.config), scope="module")


def _kind_of(item):
    return item.callspec.params.get("kind") if hasattr(item, "callspec") else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """File by file and kind by kind; pytest's own order would tear a file's servers down and start
    them again between parameters."""
    files = list(dict.fromkeys(item.path for item in items))
    items.sort(key=lambda item: (files.index(item.path), str(_kind_of(item))))


def pytest_runtest_setup(item):
    marker = item.get_closest_marker("holdfast_only")
    if marker is not None and _kind_of(item) == "redis":
        pytest.skip(f"holdfast only: {marker.kwargs.get('reason') or marker.args[0]}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure carries the end of every log and every sentinel.conf of its test."""
    report = (yield).get_result()
    if not report.failed:
        return
    places = [getattr(item, "funcargs", {}).get("tmp_path")]
    places += getattr(item.module, "log_places", [])
    for place in filter(None, places):
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                if name.endswith((".log", "sentinel.conf")):
                    report.sections.append((os.path.join(folder, name),
                                            _tail(os.path.join(folder, name))))


def _tail(path):
    with open(path, "rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")


@pytest.fixture
def table():
    processes = procs.ProcessTable()
    yield processes
    processes.close()


@pytest.fixture(scope="module")
def module_table():
    processes = procs.ProcessTable()
    yield processes
    processes.close()


@pytest.fixture
def site(table, tmp_path, kind):
    """Builds and starts a site of three monitors of the tested kind (or as the options say)."""
    def build(**options):
        options.setdefault("kinds", [kind] * 3)
        record = options.pop("record", True)
        # At 1000 redis-sentinel sometimes deposes a healthy new master; the stories are not about
        # that, so it gets the value at which it does not.
        options.setdefault("down_after_ms", 1500 if "redis" in options["kinds"] else 1000)
        return Site(table, tmp_path, **options).start(record=record)
    return build


@pytest.fixture(scope="module")
def pair(request, module_table, tmp_path_factory, kind):
    """A redis-sentinel and the tested monitor on the same nodes, one pair a file."""
    directory = tmp_path_factory.mktemp("pair")
    request.module.log_places = getattr(request.module, "log_places", []) + [directory]
    return Pair(module_table, directory, kind)


@pytest.fixture
def network():
    """Makes a Network of the given host labels; skips where namespaces cannot be made."""
    reason = netns.unavailable()
    if reason:
        pytest.skip(reason)
    made = []

    def build(labels):
        made.append(netns.Network(labels))
        return made[-1]
    yield build
    for one in made:
        one.close()


@pytest.fixture
def chance(request):
    """A seeded generator; the seed is printed, so that a failure can be played again."""
    seed = request.config.getoption("--seed")
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: replay with --seed {seed}")
    return random.Random(seed)
