"""Work rows: which revision a scorer still has to judge, under a lease, so that a worker may die at any time."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from moderation.comments.models import Comment, Revision
from moderation.db import affected, insert_ignore, insert_many, inserts
from moderation.scoring.models import Work

MAX_ATTEMPTS = 3
"""After the third failure the comment goes to people."""

LEASE = timedelta(seconds=45)
"""Longer than a batch takes, shorter than the task's hard limit of 60 s."""

DUE, LEASED, DONE, FAILED, DROPPED = "due", "leased", "done", "failed", "dropped"


_FRESH = {"state": DUE, "attempts": 0, "error": ""}
_INSERT = inserts(cast(Table, Work.__table__))


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased work row with the text to judge."""

    work_id: int
    comment_id: int
    revision: int
    attempts: int
    token: str
    text: str
    site_id: int


def add(session: Session, comment_id: int, revision: int, scorers: Iterable[str], now: datetime) -> None:
    """Ask `scorers` to judge a revision, and drop what was still to do for older ones. Asking twice asks once.

    A row that was dropped (the comment was withdrawn, and came back) is due again; one that is done stays done.
    """
    if revision > 1:
        session.execute(
            update(Work)
            .where(Work.comment_id == comment_id, Work.revision < revision, Work.state.in_((DUE, LEASED)))
            .values(state=DROPPED, lease_token=None)
            .execution_options(synchronize_session=False)
        )
    for scorer in scorers:
        key = {"comment_id": comment_id, "revision": revision, "scorer": scorer}
        if insert_ignore(session, Work, **key, due_at=now) is None:
            session.execute(
                update(Work)
                .filter_by(**key, state=DROPPED)
                .values(state=DUE, attempts=0, due_at=now)
                .execution_options(synchronize_session=False)
            )


def add_new(session: Session, comment_ids: Sequence[int], scorers: Iterable[str], now: datetime) -> None:
    """Ask `scorers` to judge the first revision of comments that were stored in this very transaction."""
    rows = [
        {"comment_id": number, "revision": 1, "scorer": scorer, "due_at": now, **_FRESH}
        for scorer in scorers
        for number in comment_ids
    ]
    insert_many(session, _INSERT, rows)


def drop(session: Session, comment_id: int) -> None:
    """Nothing is left to judge: the site withdrew the comment."""
    session.execute(
        update(Work)
        .where(Work.comment_id == comment_id, Work.state.in_((DUE, LEASED)))
        .values(state=DROPPED, lease_token=None)
        .execution_options(synchronize_session=False)
    )


def claim(session: Session, scorer: str, *, now: datetime, limit: int) -> list[Claimed]:
    """Lease up to `limit` due rows of a scorer, oldest first, counting the attempt before it is made.

    A row that failed before is claimed alone, so that one poison text charges nobody else. A row whose lease ran out
    after the last attempt is failed here, not claimed: see `exhausted`.
    """
    open_rows = _claimable(now)
    wanted = (
        select(Work.id, Work.attempts)
        .where(Work.scorer == scorer, open_rows, Work.attempts < MAX_ATTEMPTS)
        .order_by(Work.due_at, Work.id)
        .with_for_update(skip_locked=True)
    )
    first = session.execute(wanted.limit(1)).first()
    if first is None:
        return []
    ids: Sequence[int] = [first.id]
    if first.attempts == 0:
        fresh = wanted.with_only_columns(Work.id).where(Work.attempts == 0)
        ids = session.scalars(fresh.limit(limit)).all()
    token = secrets.token_hex(16)
    session.execute(
        update(Work)
        .where(Work.id.in_(ids), open_rows)
        .values(state=LEASED, attempts=Work.attempts + 1, lease_token=token, lease_until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    rows = session.execute(
        select(Work.id, Work.comment_id, Work.revision, Work.attempts, Revision.text, Comment.site_id)
        .join(Revision, and_(Revision.comment_id == Work.comment_id, Revision.number == Work.revision))
        .join(Comment, Comment.id == Work.comment_id)
        .where(Work.lease_token == token)
        .order_by(Work.id)
    ).all()
    return [Claimed(row.id, row.comment_id, row.revision, row.attempts, token, row.text, row.site_id) for row in rows]


def any_due(session: Session, scorer: str, now: datetime) -> bool:
    """Whether there is something to claim for a scorer."""
    return bool(
        session.scalar(select(exists().where(Work.scorer == scorer, _claimable(now), Work.attempts < MAX_ATTEMPTS)))
    )


def finish(session: Session, batch: Sequence[Claimed]) -> set[int]:
    """Close the rows of a claim that are still ours and return their ids.

    The lease of a row that is missing went to somebody else: its result must be dropped.
    """
    if not batch:
        return set()
    done = session.execute(
        update(Work)
        .where(Work.id.in_([item.work_id for item in batch]), Work.state == LEASED, Work.lease_token == batch[0].token)
        .values(lease_token=None, lease_until=None, state=DONE, error="")
        .returning(Work.id)
        .execution_options(synchronize_session=False)
    )
    return set(done.scalars())


def retry(session: Session, claimed: Claimed, error: str, now: datetime) -> bool:
    """Give a failed attempt back, or fail the row for good after the last. True when the row is now failed."""
    final = claimed.attempts >= MAX_ATTEMPTS
    kept = _close(session, claimed, state=FAILED if final else DUE, error=error[:500], due_at=now)
    return kept and final


def exhausted(session: Session, now: datetime) -> list[tuple[int, int]]:
    """Fail the rows whose worker died in the last allowed attempt; returns their (comment, revision)."""
    rows = session.execute(
        select(Work.id, Work.comment_id, Work.revision)
        .where(Work.state == LEASED, Work.lease_until < now, Work.attempts >= MAX_ATTEMPTS)
        .limit(500)
        .with_for_update(skip_locked=True)
    ).all()
    if rows:
        session.execute(
            update(Work)
            .where(Work.id.in_([row.id for row in rows]))
            .values(state=FAILED, lease_token=None, error="the worker died while judging this text")
            .execution_options(synchronize_session=False)
        )
    return [(row.comment_id, row.revision) for row in rows]


def states(session: Session, comment_id: int, revision: int) -> dict[str, str]:
    """Scorer → state of its work on this revision."""
    return states_of(session, [comment_id]).get((comment_id, revision), {})


def states_of(session: Session, comment_ids: Sequence[int]) -> dict[tuple[int, int], dict[str, str]]:
    """The same for every revision of many comments: (comment, revision) → scorer → state."""
    found: dict[tuple[int, int], dict[str, str]] = {}
    for row in session.execute(
        select(Work.comment_id, Work.revision, Work.scorer, Work.state).where(Work.comment_id.in_(comment_ids))
    ):
        found.setdefault((row.comment_id, row.revision), {})[row.scorer] = row.state
    return found


def unfinished(known: Mapping[str, str]) -> bool:
    """Whether any scorer still has to judge, by what `states` said."""
    return any(state in (DUE, LEASED) for state in known.values())


def backlog(session: Session) -> dict[str, int]:
    """Open rows per scorer, for the doctor."""
    rows = session.execute(
        select(Work.scorer, func.count()).where(Work.state.in_((DUE, LEASED))).group_by(Work.scorer)
    ).all()
    return {row.scorer: row[1] for row in rows}


def without_work(session: Session, *, limit: int = 500) -> list[tuple[int, int]]:
    """PENDING comments whose revision nobody was asked to judge: (comment, revision). None, if all is well."""
    rows = session.execute(
        select(Comment.id, Comment.revision)
        .where(
            Comment.status == "PENDING",
            ~exists().where(Work.comment_id == Comment.id, Work.revision == Comment.revision),
        )
        .limit(limit)
    ).all()
    return [(row.id, row.revision) for row in rows]


def _close(session: Session, claimed: Claimed, **values: object) -> bool:
    return (
        affected(
            session.execute(
                update(Work)
                .where(Work.id == claimed.work_id, Work.state == LEASED, Work.lease_token == claimed.token)
                .values(lease_token=None, lease_until=None, **values)
                .execution_options(synchronize_session=False)
            )
        )
        == 1
    )


def _claimable(now: datetime) -> ColumnElement[bool]:
    """Rows that are due, and those whose lease ran out."""
    return or_(
        and_(Work.state == DUE, Work.due_at <= now),
        and_(Work.state == LEASED, Work.lease_until < now),
    )
