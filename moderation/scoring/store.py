"""Scores, written once and read together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, case, or_, select
from sqlalchemy.orm import Session

from moderation.db import insert_many, inserts
from moderation.scoring import releases
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


def put(
    session: Session, scorer: str, version: str, new: Sequence[NewScore], now: datetime, *, shadow: bool = False
) -> None:
    """Keep the scores of one version of a scorer; where it has judged a revision already, the first counts.

    `shadow`: they count for nothing unless, some day, this version is the live one.
    """
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
                "shadow": shadow,
                "created_at": now,
                **{name: item.score.signals.get(name) for name in SIGNALS},
            }
            for item in new
        ],
    )


def of_revision(session: Session, comment_id: int, revision: int) -> list[StoredScore]:
    """The scores of a revision that count, one of each scorer: that of its live version, else the newest that was live
    when it was given."""
    rows = session.scalars(
        select(Score).where(Score.comment_id == comment_id, Score.revision == revision).order_by(Score.id)
    ).all()
    return [_stored(row) for row in _counting(session, [rows])[0]]


def of_revisions(session: Session, keys: list[tuple[int, int]]) -> dict[int, list[StoredScore]]:
    """The same for many (comment, revision) at once, by comment id."""
    wanted = dict(keys)
    found: dict[int, list[Score]] = {}
    if wanted:
        for row in session.scalars(select(Score).where(Score.comment_id.in_(wanted)).order_by(Score.id)):
            if wanted[row.comment_id] == row.revision:
                found.setdefault(row.comment_id, []).append(row)
    kept = zip(found, _counting(session, list(found.values())), strict=True)
    return {comment_id: [_stored(row) for row in rows] for comment_id, rows in kept if rows}


def with_version(
    session: Session,
    revisions: Mapping[int, int],
    stored: Mapping[int, list[StoredScore]],
    wanted: Mapping[int, str],
) -> dict[int, list[StoredScore]]:
    """`stored`, with the score of another version of a scorer (`builtin@2`) in the place of the one that counts:
    `wanted` names it by comment, `revisions` the revision."""
    found = dict(stored)
    names = {name.partition("@")[2] for name in wanted.values()}
    rows = session.scalars(select(Score).where(Score.comment_id.in_(wanted), Score.version.in_(names)))
    for row in rows:
        if row.revision == revisions[row.comment_id] and f"{row.scorer}@{row.version}" == wanted[row.comment_id]:
            others = [item for item in stored.get(row.comment_id, ()) if item.scorer != row.scorer]
            found[row.comment_id] = [*others, _stored(row)]
    return found


def _counting(session: Session, groups: Sequence[Sequence[Score]]) -> list[Sequence[Score]]:
    """Of each revision's rows those that count, oldest first. What is live is asked only where that matters."""
    unclear = any(any(row.shadow for row in rows) or len({row.scorer for row in rows}) < len(rows) for rows in groups)
    if not unclear:
        return list(groups)
    live = releases.live_versions(session)
    found: list[Sequence[Score]] = []
    for rows in groups:
        best: dict[str, Score] = {}
        for row in sorted(rows, key=lambda row: ((row.scorer, row.version) in live, row.id)):
            if not row.shadow or (row.scorer, row.version) in live:
                best[row.scorer] = row
        found.append(sorted(best.values(), key=lambda row: row.id))
    return found


def counting(session: Session) -> tuple[ColumnElement[bool], ColumnElement[int]]:
    """The same for a query of Score: what a row must meet to count, and what puts rows of a live version first."""
    live = [version for _, version in releases.live_versions(session)]
    return or_(Score.shadow.is_(False), Score.version.in_(live)), case((Score.version.in_(live), 0), else_=1)


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
