"""Scores, written once and read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from moderation.db import insert_many, inserts
from moderation.scoring.models import Score
from moderation.scoring.scorer import Span, TextScore
from moderation.signals import SIGNALS

_INSERT = inserts(cast(Table, Score.__table__), unless_known=True)


@dataclass(frozen=True, slots=True)
class StoredScore:
    """A score as it was stored, with the scorer and version it came from."""

    scorer: str
    version: str
    score: TextScore


@dataclass(frozen=True, slots=True)
class NewScore:
    """What a scorer said of one revision."""

    comment_id: int
    revision: int
    score: TextScore


def put(session: Session, scorer: str, version: str, new: Sequence[NewScore], now: datetime) -> None:
    """Keep the scores of one version of a scorer; where it has judged a revision already, the first counts."""
    if not new:
        return
    insert_many(
        session,
        _INSERT,
        [
            {
                "comment_id": item.comment_id,
                "revision": item.revision,
                "scorer": scorer,
                "version": version,
                "language": item.score.language,
                "supported": item.score.supported,
                "reads_as": item.score.reads_as,
                "facts": dict(item.score.facts),
                "spans": [[span.start, span.end, span.kind, span.detail] for span in item.score.spans],
                "created_at": now,
                **{name: item.score.signals.get(name) for name in SIGNALS},
            }
            for item in new
        ],
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
