"""When what failed is tried again: a delivery by the schedule of Standard Webhooks 1.0.0, an endpoint by how long it
has failed. Pure functions over numbers; all times are seconds."""

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

PAUSE_FAILURES = 10
"""Failures in a row before an endpoint is paused: one event that a receiver cannot digest fails alone, and the next
event's success ends the row; ten different tries without one success are the receiver's own trouble."""
PAUSE_AFTER = 10 * _MINUTE
"""And for how long it must have failed (s): a deployment or a restart of the receiver is over by then."""
FIRST_PROBE = 5 * _MINUTE
LONGEST_PROBE = _HOUR
"""A paused endpoint is tried after five minutes, then half as often each time, but every hour at least (s)."""
LONGEST_REST = _MINUTE
"""The most that a failing endpoint rests before the pause (s): its backlog is neither burnt nor hammered."""
SLOW_SECONDS = 2.0
"""An attempt that took longer marks its endpoint as slow: a healthy receiver stores the event and answers at once."""


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


def must_pause(failures: int, failing_for: float) -> bool:
    """Whether an endpoint that failed `failures` times in a row, for `failing_for` seconds, is paused."""
    return failures >= PAUSE_FAILURES and failing_for >= PAUSE_AFTER


def rest(failures: int, status: int | None, retry_after: float | None) -> float:
    """Seconds that an endpoint is left alone after its `failures`-th failure in a row, before it counts as paused.

    The first failure costs nothing (it may be the event's own fault), then 1, 2, 4 … 60 s. A receiver that answers
    429 or 503 with retry-after speaks for all its events: it rests as long as it asks, up to an hour.
    """
    wanted = retry_after if status in (429, 503) and retry_after is not None else 0.0
    own = 0.0 if failures < 2 else min(2.0 ** min(failures - 2, 10), LONGEST_REST)
    return max(own, min(wanted, LONGEST_PROBE))


def next_probe(paused_for: float, rand: Callable[[], float]) -> float:
    """Seconds until the next try of an endpoint that has been paused for `paused_for` seconds.

    As long again as the pause has lasted makes the distances double: 5, 5, 10, 20, 40, 60, 60 … minutes, and jitter.
    """
    return min(max(paused_for, FIRST_PROBE), LONGEST_PROBE) * (1.0 + JITTER * rand())
