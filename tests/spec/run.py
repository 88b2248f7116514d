#!/usr/bin/python3
"""Runs every test_*.py of this directory, a few files at a time (they mostly wait), and sums up.

    tests/spec/run.py [--jobs N] [pytest options ...]

Prints each file's result as it ends, the output of those that failed, and a last line
"N passed, N failed, N skipped"; exits 1 when anything failed.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

HERE = os.path.dirname(os.path.abspath(__file__))
# The longest first, so that the last one to end is a short one.
LONGEST_FIRST = ["test_galera_harness.py", "test_failover.py", "test_mixed.py", "test_network.py", "test_crash.py"]
COUNTS = ("passed", "failed", "skipped", "error")


def run_file(name, options):
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--tb=short", name] + options,
                          cwd=HERE, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    counts = {word: int((re.search(rf"(\d+) {word}", last) or [0, 0])[1]) for word in COUNTS}
    if done.returncode not in (0, 5) and not counts["failed"] + counts["error"]:
        counts["error"] = 1
    return name, counts, time.monotonic() - began, done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=3, help="files at a time")
    args, options = parser.parse_known_args()
    files = sorted(name for name in os.listdir(HERE)
                   if name.startswith("test_") and name.endswith(".py"))
    files.sort(key=lambda name: LONGEST_FIRST.index(name) if name in LONGEST_FIRST else 99)
    total = dict.fromkeys(COUNTS, 0)
    with ThreadPoolExecutor(args.jobs) as pool:
        for future in as_completed([pool.submit(run_file, name, options) for name in files]):
            name, counts, took_s, output = future.result()
            print(f"{name:22} {took_s:6.1f} s  " + ", ".join(
                f"{number} {word}" for word, number in counts.items() if number), flush=True)
            if counts["failed"] or counts["error"]:
                print(output, flush=True)
            for word in COUNTS:
                total[word] += counts[word]
    failed = total["failed"] + total["error"]
    print(f"{total['passed']} passed, {failed} failed, {total['skipped']} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
