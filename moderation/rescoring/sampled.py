"""A sample of a site's live comments of a span of time, with every score of their current texts. A query room.

However many came: at most SAMPLE of them, the newest of each of SLICES parts of the span, each found by one walk of an
index. What an import brought is not live.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, literal, select, union_all
from sqlalchemy.orm import Session

from moderation.comments.arrivals import LIVE_SOURCES
from moderation.comments.models import Comment, Revision
from moderation.comments.status import APPROVED, HELD, REJECTED
from moderation.db import id_among
from moderation.rescoring.window import Flags, Floats
from moderation.scoring.models import Score
from moderation.signals import SIGNALS, SPAM

SAMPLE = 4000
"""Comments of a span that are looked at, at most."""
SLICES = 8
"""Parts of a span: the sample comes from all of it, not from its last hour."""
PART = SAMPLE // SLICES

_JUDGED = (APPROVED, HELD, REJECTED)


@dataclass(frozen=True, slots=True)
class Given:
    """What one version of one scorer said of a sample: `rows` of the sample, and for each the scores (row × signal; NaN
    where a signal was not measured or the language is not spoken), the language, and how long it took (s)."""

    rows: NDArray[np.int64]
    values: Floats
    language: NDArray[np.str_]
    seconds: Floats
    shadow: Flags


@dataclass(frozen=True, slots=True)
class Sample:
    """Live comments of a span (ids, rising) that were judged; staff's own are left out. `whole`: all of the span are
    among them. `given`: (scorer, version) → what it said."""

    start: datetime
    end: datetime
    ids: NDArray[np.int64]
    whole: bool
    given: Mapping[tuple[str, str], Given]

    def __len__(self) -> int:
        return len(self.ids)

    def said(self, versions: Sequence[tuple[str, str]]) -> Flags:
        """Which comments one of these versions, or another that was live then, has scored."""
        found = np.zeros(len(self), np.bool_)
        for name, one in self.given.items():
            found[one.rows[~one.shadow | (name in versions)]] = True
        return found

    def seconds(self) -> Floats:
        """Of each comment that was scored as it came: from its text's arrival to its first score (s)."""
        first = np.full(len(self), np.inf)
        for one in self.given.values():
            np.minimum.at(first, one.rows[~one.shadow], one.seconds[~one.shadow])
        known: Floats = first[np.isfinite(first)]
        return known


def read(session: Session, site_id: int, start: datetime, end: datetime) -> Sample:
    """The sample of a site's comments that came from `start` on and before `end`."""
    ids, whole = _chosen(session, site_id, start, end)
    dialect = session.get_bind().dialect.name
    rows = session.execute(
        select(Comment.id, Comment.status, Comment.staff, Revision.created_at)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(id_among(dialect, Comment.id, ids))
        .order_by(Comment.id)
    ).all()
    came = {row.id: row.created_at for row in rows if row.status in _JUDGED and not row.staff}
    kept = np.fromiter(came, np.int64, len(came))
    return Sample(start, end, kept, whole, _given(session, dialect, came))


def _chosen(session: Session, site_id: int, start: datetime, end: datetime) -> tuple[list[int], bool]:
    """Comments of the span, and whether they are all of it."""
    width = (end - start) / SLICES
    walks: list[Any] = []
    for number in range(SLICES):
        low, high = start + number * width, start + (number + 1) * width
        for source in LIVE_SOURCES:
            walk = (
                select(Comment.id, Comment.received_at, literal(number).label("part"))
                .where(
                    Comment.site_id == site_id,
                    Comment.source == source,
                    Comment.received_at >= low,
                    Comment.received_at < high,
                )
                .order_by(Comment.received_at.desc())
                .limit(PART)
                .subquery()
            )
            walks.append(select(walk))
    parts: dict[int, list[tuple[datetime, int]]] = {}
    for comment_id, at, number in session.execute(union_all(*walks)):
        parts.setdefault(number, []).append((at, comment_id))
    whole = all(len(found) < PART for found in parts.values())
    return [comment_id for found in parts.values() for _, comment_id in sorted(found, reverse=True)[:PART]], whole


def _given(session: Session, dialect: str, came: Mapping[int, datetime]) -> dict[tuple[str, str], Given]:
    signals = [getattr(Score, name) for name in SIGNALS]
    rows = (
        session.connection()
        .execute(
            select(
                *(Score.comment_id, Score.scorer, Score.version, Score.language, Score.supported),
                *(Score.shadow, Score.created_at),
                *signals,
            )
            .join(Comment, and_(Comment.id == Score.comment_id, Comment.revision == Score.revision))
            .where(id_among(dialect, Score.comment_id, came))
        )
        .all()
    )
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.scorer, row.version), []).append(row)
    place = {comment_id: number for number, comment_id in enumerate(came)}
    return {name: _one(found, place, came) for name, found in groups.items()}


def _one(rows: Sequence[Any], place: Mapping[int, int], came: Mapping[int, datetime]) -> Given:
    values = np.array([row[7:] for row in rows], np.float64)  # None becomes NaN
    mute = np.array([not row.supported for row in rows])
    values[np.ix_(mute, np.array([name != SPAM for name in SIGNALS]))] = np.nan
    return Given(
        rows=np.array([place[row.comment_id] for row in rows], np.int64),
        values=values,
        language=np.array([row.language for row in rows]),
        seconds=np.array([max((row.created_at - came[row.comment_id]).total_seconds(), 0.0) for row in rows]),
        shadow=np.array([row.shadow for row in rows], np.bool_),
    )
