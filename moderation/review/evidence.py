"""What is known about a revision when it is decided: the policy's reasons, the effective scores and their scorers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.policy import store as policies
from moderation.policy.models import VerdictRow
from moderation.scoring import store as scores
from moderation.scoring.store import StoredScore

PREFERENCE = ("detoxify", "builtin")
"""Where two scorers measured the same signal, the first of these counts."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the site is told beside a decision."""

    reasons: Sequence[Mapping[str, Any]] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    scorers: Sequence[str] = ()
    policy_version: int | None = None


def effective(stored: Sequence[StoredScore]) -> dict[str, tuple[float, StoredScore]]:
    """Signal → value and the score it is from. A scorer that does not speak the language only counts for spam."""
    if len(stored) == 1:  # the usual case, and a million times when the archive is judged again
        item = stored[0]
        measured = item.score.signals.items()
        spoken = item.score.supported
        return {signal: (value, item) for signal, value in measured if spoken or signal == "spam"}
    order = {name: rank for rank, name in enumerate(PREFERENCE)}
    found: dict[str, tuple[float, StoredScore]] = {}
    for item in sorted(stored, key=lambda item: order.get(item.scorer, len(order))):
        for signal, value in item.score.signals.items():
            if item.score.supported or signal == "spam":
                found.setdefault(signal, (value, item))
    return found


def gather(verdict: VerdictRow | None, stored: Sequence[StoredScore]) -> Evidence:
    """Evidence from a verdict and the scores of the same revision."""
    return Evidence(
        reasons=verdict.reasons if verdict is not None else (),
        scores={signal: round(value, 4) for signal, (value, _) in effective(stored).items()},
        scorers=[f"{item.scorer}@{item.version}" for item in stored],
        policy_version=verdict.policy_version if verdict is not None else None,
    )


def of_comment(session: Session, comment: Comment) -> Evidence:
    """Evidence of a comment's current revision."""
    return gather(
        policies.latest_verdict(session, comment.id, comment.revision),
        scores.of_revision(session, comment.id, comment.revision),
    )
