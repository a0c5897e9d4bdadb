"""Scores, written once and read together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.db import insert_ignore
from moderation.scoring.models import Score
from moderation.scoring.scorer import Span, TextScore
from moderation.signals import SIGNALS


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as it was stored, with the scorer and version it came from."""

    scorer: str
    version: str
    score: TextScore


def put(
    session: Session, *, comment_id: int, revision: int, scorer: str, version: str, score: TextScore, now: datetime
) -> bool:
    """Keep a score. False when this version has judged this revision already: the first counts."""
    return (
        insert_ignore(
            session,
            Score,
            comment_id=comment_id,
            revision=revision,
            scorer=scorer,
            version=version,
            language=score.language,
            supported=score.supported,
            reads_as=score.reads_as,
            facts=dict(score.facts),
            spans=[[span.start, span.end, span.kind, span.detail] for span in score.spans],
            created_at=now,
            **{name: score.signals.get(name) for name in SIGNALS},
        )
        is not None
    )


def of_revision(session: Session, comment_id: int, revision: int) -> list[StoredScore]:
    """The scores of a revision, oldest first; of two versions of one scorer only the newest."""
    rows = session.scalars(
        select(Score).where(Score.comment_id == comment_id, Score.revision == revision).order_by(Score.id)
    )
    return list({row.scorer: _stored(row) for row in rows}.values())


def of_revisions(session: Session, keys: list[tuple[int, int]]) -> dict[int, list[StoredScore]]:
    """The same for many (comment, revision) at once, by comment id."""
    wanted = dict(keys)
    found: dict[int, dict[str, StoredScore]] = {}
    if wanted:
        for row in session.scalars(select(Score).where(Score.comment_id.in_(wanted)).order_by(Score.id)):
            if wanted[row.comment_id] == row.revision:
                found.setdefault(row.comment_id, {})[row.scorer] = _stored(row)
    return {comment_id: list(scores.values()) for comment_id, scores in found.items()}


def _stored(row: Score) -> StoredScore:
    signals: dict[str, Any] = {name: getattr(row, name) for name in SIGNALS}
    return StoredScore(
        row.scorer,
        row.version,
        TextScore(
            signals={name: value for name, value in signals.items() if value is not None},
            language=row.language,
            supported=row.supported,
            spans=tuple(Span(*span) for span in row.spans),
            reads_as=row.reads_as,
            facts=row.facts,
        ),
    )
