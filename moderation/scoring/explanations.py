"""Explanations of scores: asked for when a moderator opens a card, worked out by the scorer's own worker, then kept.

A web process never loads a scorer: it asks here and shows what is there. Asked for are only scores whose words were not
named while they were judged: Detoxify's, which takes seconds for it, and the built-in's where a site's mark lies lower
than what it explains at once. One explanation per revision and version of a scorer.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.comments.models import Revision
from moderation.db import Database, insert_ignore, utcnow
from moderation.scoring.models import Explanation, Score
from moderation.scoring.scorer import Scorer, Span
from moderation.signals import SIGNALS

log = logging.getLogger(__name__)

DUE, LEASED, DONE, FAILED = "due", "leased", "done", "failed"

LEAST = 0.01
"""Signals from this probability on are explained: no site holds at less."""

LEASE = timedelta(seconds=45)
"""Longer than an explanation takes, shorter than the task's hard limit."""

MAX_ATTEMPTS = 2
"""Then the card says that there is none: nobody waits for it to be judged."""

Key = tuple[int, int, str, str]
"""Comment, revision, scorer, version."""


@runtime_checkable
class Explainer(Scorer, Protocol):
    """A scorer that names the words of a text it has judged, when it is asked."""

    def explain(self, text: str, signals: Sequence[str]) -> tuple[Span, ...]:
        """The words that each signal rests on. Raises ScorerError, or anything else."""


@dataclass(frozen=True, slots=True)
class Explained:
    """How far an explanation is: `due`, `done` or `failed`; the spans of one that is done."""

    state: str
    spans: tuple[Span, ...] = ()


def ask(session: Session, key: Key, now: datetime) -> Explained:
    """Have a score explained, and say how far it is. Asking twice asks once."""
    comment_id, revision, scorer, version = key
    known = of_scores(session, [key]).get(key)
    if known is not None:
        return known
    insert_ignore(
        session,
        Explanation,
        comment_id=comment_id,
        revision=revision,
        scorer=scorer,
        version=version,
        state=DUE,
        attempts=0,
        spans=[],
        asked_at=now,
    )
    dispatch.nudge(session, queues.SCORER_TASKS[scorer])
    return Explained(DUE)


def of_scores(session: Session, keys: Sequence[Key]) -> dict[Key, Explained]:
    """What there is of explanations of these scores; those nobody asked for are left out."""
    wanted = set(keys)
    if not wanted:
        return {}
    rows = session.execute(
        select(
            Explanation.comment_id,
            Explanation.revision,
            Explanation.scorer,
            Explanation.version,
            Explanation.state,
            Explanation.spans,
        ).where(Explanation.comment_id.in_({key[0] for key in wanted}))
    )
    return {
        key: Explained(DUE if row.state == LEASED else row.state, tuple(Span(*span) for span in row.spans))
        for row in rows
        if (key := (row.comment_id, row.revision, row.scorer, row.version)) in wanted
    }


def explain_due(db: Database, scorer: Explainer) -> bool:
    """Work out the oldest explanation that is due, with no transaction open meanwhile. False when there is none."""
    now = utcnow()
    with db.reading() as session:
        if _oldest(session, scorer.name, now) is None:
            return False
    with db.transaction() as session:
        claimed = _claim(session, scorer, now)
    if claimed is None:
        return False
    number, text, signals = claimed
    values: dict[str, object]
    try:
        spans = scorer.explain(text, signals)
        values = {"state": DONE, "spans": [[span.start, span.end, span.kind, span.detail] for span in spans]}
    except Exception as error:  # a scorer is foreign code and may raise anything: the attempt is counted
        log.warning("%s could not explain a score: %s", scorer.name, type(error).__name__)
        values = {"state": DUE}
    with db.transaction() as session:
        session.execute(update(Explanation).where(Explanation.id == number, Explanation.state == LEASED).values(values))
    return True


def _oldest(session: Session, scorer: str, now: datetime) -> Explanation | None:
    """What may be claimed, locked on an engine that locks rows."""
    return session.scalar(
        select(Explanation)
        .where(
            Explanation.scorer == scorer,
            or_(Explanation.state == DUE, and_(Explanation.state == LEASED, Explanation.lease_until < now)),
        )
        .order_by(Explanation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _claim(session: Session, scorer: Explainer, now: datetime) -> tuple[int, str, list[str]] | None:
    """Lease what may be claimed: its number, its text, the signals to explain. What cannot be explained any more is
    failed here: another version is loaded by now, or the attempts are used up."""
    while (row := _oldest(session, scorer.name, now)) is not None:
        score = session.scalar(
            select(Score).where(
                Score.comment_id == row.comment_id,
                Score.revision == row.revision,
                Score.scorer == row.scorer,
                Score.version == row.version,
            )
        )
        text = session.scalar(
            select(Revision.text).where(Revision.comment_id == row.comment_id, Revision.number == row.revision)
        )
        if score is None or text is None or row.version != scorer.version or row.attempts >= MAX_ATTEMPTS:
            row.state = FAILED
            session.flush()
            continue
        row.state, row.attempts, row.lease_until = LEASED, row.attempts + 1, now + LEASE
        return row.id, text, notable({name: getattr(score, name) for name in SIGNALS})
    return None


def notable(signals: Mapping[str, float | None]) -> list[str]:
    """The signals that are explained."""
    return [name for name, value in signals.items() if value is not None and value >= LEAST]
