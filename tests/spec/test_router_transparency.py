"""A client of the router sees what a client of Redis sees."""

import os
import random
import threading

import pytest

from lib import router_differential as differential
from lib.router_differential import Routed

pytestmark = pytest.mark.filterwarnings("error")
CLIENTS = 6
QUICK_S = float(os.environ.get("ROUTER_DIFFERENTIAL_S", "12"))


@pytest.fixture(scope="module")
def routed(module_table, tmp_path_factory, request):
    directory = tmp_path_factory.mktemp("routed")
    request.module.log_places = [directory]
    return Routed(module_table, directory)


def tell_all(routed, seed, **options):
    results = [None] * CLIENTS

    def one(number):
        results[number] = differential.compare_many(routed, seed, number, **options)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results), "a client died"
    wrong = [what for _, what in results if what]
    assert not wrong, "\n\n".join(wrong)
    return sum(count for count, _ in results)


def seed_of(request):
    given = request.config.getoption("--seed") or os.environ.get("ROUTER_SEED")
    seed = int(given) if given else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: replay with ROUTER_SEED={seed}")
    return seed


def test_generated_conversations(routed, request):
    """Several clients at once, each told straight and through the router."""
    requests = tell_all(routed, seed_of(request), within_s=QUICK_S)
    print(f"{requests} requests told twice")
    assert requests > 200
