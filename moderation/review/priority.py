"""The order of the queue: risk, reach and age in one number, greater first.

All three are measured in hours of waiting: a comment that scores 1 stands where a harmless one would stand a day later,
and one under a story with nine comments where one under an empty story would six hours later. The age is not stored:
every comment of the queue grows older equally fast, so the time when it came says as much, and the number, once
written, never has to be written again. That is why it can have an index.
"""

from dataclasses import dataclass
from datetime import datetime
from math import log10

RISK_HOURS = 24.0
"""Hours that the greatest risk is worth."""

REACH_HOURS = 6.0
"""Hours that ten times as many comments under the story are worth."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a comment's place is made of, each part in hours; their sum is its priority, as seen from now."""

    risk_hours: float
    reach_hours: float
    waited_hours: float


def of(risk: float, story_comments: int, received_at: datetime) -> float:
    """The priority (hours before 1970, so to speak) of a comment that came at `received_at`.

    `risk`: the greatest weight of its reasons, 0..1. `story_comments`: how many comments its story has.
    """
    return RISK_HOURS * risk + _reach(story_comments) - received_at.timestamp() / 3600


def explain(since: datetime, risk: float, story_comments: int, now: datetime) -> Explained:
    """The parts of a comment's place as they are `now`; it waits since then."""
    waited = (now - since).total_seconds() / 3600
    return Explained(RISK_HOURS * risk, _reach(story_comments), max(0.0, waited))


def _reach(story_comments: int) -> float:
    return REACH_HOURS * log10(1 + max(0, story_comments))
