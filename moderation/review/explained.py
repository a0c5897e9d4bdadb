"""The words behind scores that a scorer cannot name while it judges, as a card shows them: what there is, what may be
asked for. The words themselves are worked out by the scorer's worker (scoring/explanations.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.composition import BUILTIN, Composition
from moderation.policy import store as policies
from moderation.policy.models import VerdictRow
from moderation.review import evidence
from moderation.scoring import explanations
from moderation.scoring import store as scores
from moderation.scoring.builtin import NOTABLE
from moderation.scoring.explanations import Explained, Key
from moderation.scoring.store import StoredScore

SCORERS = frozenset({"detoxify", BUILTIN})
"""Scorers that are asked for the words of a score afterwards."""

OPEN, NONE = "open", ""

Mark = tuple[int, int, str, int]
"""Start, end, kind, number of the reason: see marks.mark."""


@dataclass(frozen=True, slots=True)
class OfCard:
    """How far the explanation of a card's reasons is: `open` (nobody has asked), `due`, `done`, `failed`, or nothing
    where none is needed; and the marks of one that is done."""

    state: str = NONE
    marks: Sequence[Mark] = ()


def known(
    session: Session,
    revisions: Mapping[int, int],
    stored: Mapping[int, Sequence[StoredScore]],
    verdicts: Mapping[int, VerdictRow],
) -> Mapping[Key, Explained]:
    """What there is for the scores of some comments; `revisions` and `verdicts` by comment. No statement where no score
    of theirs may have been asked for."""
    low = {number for number, verdict in verdicts.items() if any(map(_low, verdict.reasons))}
    keys = [
        (comment_id, revisions[comment_id], item.scorer, item.version)
        for comment_id, items in stored.items()
        for item in items
        if item.scorer in SCORERS and (item.scorer != BUILTIN or comment_id in low)
    ]
    return explanations.of_scores(session, keys)


def _low(reason: Mapping[str, Any]) -> bool:
    """Whether a reason is a signal that the built-in would not have explained at once."""
    return bool(reason.get("signal")) and not reason.get("spans") and (reason.get("value") or 0.0) < NOTABLE


def of_card(
    comment: Comment,
    reasons: Sequence[Mapping[str, Any]],
    stored: Sequence[StoredScore],
    composition: Composition,
    there: Mapping[Key, Explained],
) -> OfCard:
    """The explanation of the reasons of one comment; `reasons` are a verdict's, in the order of their numbers."""
    unexplained = _unexplained(reasons, stored, composition)
    if not unexplained:
        return OfCard()
    states, marks = set(), []
    for number, signal, item in unexplained:
        found = there.get(_key(comment, item))
        states.add(OPEN if found is None else found.state)
        spans = () if found is None else found.spans
        marks += [(span.start, span.end, "signal", number) for span in spans if span.kind == signal]
    state = next(state for state in (OPEN, explanations.DUE, explanations.DONE, explanations.FAILED) if state in states)
    # An explanation may come to nothing: no single word weighs enough.
    return OfCard(explanations.FAILED if state == explanations.DONE and not marks else state, marks)


def ask(session: Session, comment: Comment, now: datetime) -> str:
    """Have the scores behind a comment's reasons explained; the state as `OfCard` has it."""
    verdict = policies.latest_verdict(session, comment.id, comment.revision)
    stored = scores.of_revision(session, comment.id, comment.revision)
    reasons = [] if verdict is None else verdict.reasons
    composition = evidence.speakers(session)
    for _, _, item in _unexplained(reasons, stored, composition):
        explanations.ask(session, _key(comment, item), now)
    verdicts = {} if verdict is None else {comment.id: verdict}
    there = known(session, {comment.id: comment.revision}, {comment.id: stored}, verdicts)
    return of_card(comment, reasons, stored, composition, there).state


def _unexplained(
    reasons: Sequence[Mapping[str, Any]], stored: Sequence[StoredScore], composition: Composition
) -> list[tuple[int, str, StoredScore]]:
    """Reasons that a signal of such a scorer is, without words: number, signal, the score. What the built-in could
    not explain at once, it cannot explain later."""
    measured = evidence.effective(stored, composition)
    found = []
    for number, reason in enumerate(reasons, 1):
        signal = reason.get("signal")
        if signal not in measured or reason.get("spans"):
            continue
        _, item = measured[signal]
        if item.scorer in SCORERS and (item.scorer != BUILTIN or _low(reason)):
            found.append((number, signal, item))
    return found


def _key(comment: Comment, item: StoredScore) -> Key:
    return comment.id, comment.revision, item.scorer, item.version
