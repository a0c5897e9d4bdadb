"""When a failed delivery is tried again: the schedule of Standard Webhooks 1.0.0. Pure functions over numbers."""

from collections.abc import Callable

_MINUTE = 60.0
_HOUR = 3600.0

DELAYS: tuple[float, ...] = (
    0.0,
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
"""Seconds before attempt 1, 2, … 10, each counted from the attempt before it: 75 h 35 min 5 s in all."""

MAX_ATTEMPTS = len(DELAYS)
LONGEST_RETRY_AFTER = 24 * _HOUR
"""A receiver may ask for patience, but not push a delivery away for ever (s)."""
JITTER = 0.2
"""A delay grows by up to this share, so that what failed together does not come back together."""


def next_delay(attempts_made: int, retry_after: float | None, rand: Callable[[], float]) -> float | None:
    """Seconds until the next attempt, or None when the last one has been made and the delivery is a dead letter.

    `attempts_made` counts the attempts so far (0 = never tried: at once, without jitter). `retry_after` (s) is what
    the receiver asked for: it can lengthen a delay up to a day, never shorten it, and it buys no further attempt.
    `rand` gives uniform numbers in [0, 1). The jitter only ever adds, so that the documented delays are lower bounds.
    """
    if attempts_made >= MAX_ATTEMPTS:
        return None
    delay = DELAYS[max(attempts_made, 0)]
    if retry_after is not None:
        delay = max(delay, min(retry_after, LONGEST_RETRY_AFTER))
    return delay * (1.0 + JITTER * rand())
