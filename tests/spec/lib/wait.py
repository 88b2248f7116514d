"""Waiting for a condition with a deadline; nothing in the suite sleeps for a fixed time."""

import time

POLL_S = 0.02


def wait_until(condition, within_s, what="", every_s=POLL_S):
    """Return the first truthy value of condition(); fail with what was last seen at the deadline.

    A condition may raise while its subject is not there yet (connection refused, a reply missing):
    that counts as false, and the last such error is part of the failure's text.
    """
    deadline = time.monotonic() + within_s
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (OSError, EOFError, LookupError, ValueError) as error:
            last = error
        if time.monotonic() >= deadline:
            label = what or getattr(condition, "__name__", "condition")
            raise AssertionError(f"not within {within_s:g} s: {label} (last seen: {last!r})")
        time.sleep(every_s)


def stays_true(condition, for_s, what="", every_s=0.05):
    """Assert that condition() holds at every look during for_s seconds."""
    deadline = time.monotonic() + for_s
    while time.monotonic() < deadline:
        value = condition()
        assert value, f"stopped being true: {what or condition.__name__} ({value!r})"
        time.sleep(every_s)
