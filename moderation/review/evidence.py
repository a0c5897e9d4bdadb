"""What is known about a revision when it is decided: the policy's reasons, the effective scores and their scorers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.composition import BUILTIN, USUAL, Composition
from moderation.policy import store as policies
from moderation.policy.document import NOTE
from moderation.policy.models import VerdictRow
from moderation.scoring import store as scores
from moderation.scoring.store import StoredScore
from moderation.signals import SPAM


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the site is told beside a decision."""

    reasons: Sequence[Mapping[str, Any]] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    scorers: Sequence[str] = ()
    policy_version: int | None = None


def speakers(session: Session) -> Composition:
    """Which scorer speaks for what, as the settings of this process say."""
    found: Composition = session.info.get("composition", USUAL)
    return found


def effective(stored: Sequence[StoredScore], composition: Composition = USUAL) -> dict[str, tuple[float, StoredScore]]:
    """Signal → value and the score it is from, of the scorer that speaks for it (see composition.py).

    A scorer that does not speak the text's language only counts for spam.
    """
    if len(stored) == 1 and composition is USUAL:  # the usual case, a million times when the archive is judged again
        item = stored[0]
        measured = item.score.signals.items()
        spoken = item.score.supported
        return {signal: (value, item) for signal, value in measured if spoken or signal == SPAM}
    by_signal: dict[str, dict[str, tuple[float, StoredScore]]] = {}
    for item in stored:
        for signal, value in item.score.signals.items():
            if item.score.supported or signal == SPAM:
                by_signal.setdefault(signal, {})[item.scorer] = (value, item)
    code = language(stored) or ""
    chosen = {signal: composition.choose(code, signal, measured) for signal, measured in by_signal.items()}
    return {signal: found for signal, found in chosen.items() if found is not None}


def language(stored: Sequence[StoredScore]) -> str | None:
    """The language that was found: the built-in's word first. None where nothing was scored."""
    own = next((item for item in stored if item.scorer == BUILTIN), None)
    item = own or next(iter(stored), None)
    return None if item is None else item.score.language


def gather(verdict: VerdictRow | None, stored: Sequence[StoredScore], composition: Composition = USUAL) -> Evidence:
    """Evidence from a verdict and the scores of the same revision; what is only noted is for moderators."""
    return Evidence(
        reasons=[one for one in verdict.reasons if one.get("action") != NOTE] if verdict is not None else (),
        scores={signal: round(value, 4) for signal, (value, _) in effective(stored, composition).items()},
        scorers=[f"{item.scorer}@{item.version}" for item in stored],
        policy_version=verdict.policy_version if verdict is not None else None,
    )


def of_comment(session: Session, comment: Comment) -> Evidence:
    """Evidence of a comment's current revision."""
    return gather(
        policies.latest_verdict(session, comment.id, comment.revision),
        scores.of_revision(session, comment.id, comment.revision),
        speakers(session),
    )
