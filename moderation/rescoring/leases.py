"""Batches of a rescore run under a lease: taken, taken again when nobody finished them, changed while they are ours."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from moderation.db import affected
from moderation.rescoring import results
from moderation.rescoring.models import RescoreBatch, RescoreRun
from moderation.review.bulk import PAUSED, RUNNING

LEASE = timedelta(seconds=30)
"""How long a batch belongs to a worker that gives no sign of life; it asks for more time while it scores."""

PIECES = 10
"""Into so many a batch falls that was not finished, until the comment that hinders it is alone."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that is ours. `spent`: it was attempted so often already that it is not attempted again."""

    id: int
    run: RescoreRun
    token: str
    ids: Sequence[int]
    spent: bool = False


class Lost(Exception):
    """The batch is not ours any more, or nobody wants it."""


def lease(batch: RescoreBatch, now: datetime) -> str:
    """Lease a row that is new or locked; answers the token by which it is ours."""
    token = secrets.token_hex(16)
    batch.lease_token, batch.lease_until = token, now + LEASE
    return token


def expired(run_id: int, now: datetime) -> Any:
    """The first batch of a run that was handed out, is not done, and belongs to nobody any more: a select."""
    free = or_(RescoreBatch.lease_until.is_(None), RescoreBatch.lease_until < now)
    wanted = select(RescoreBatch).where(RescoreBatch.run_id == run_id, RescoreBatch.done.is_(False), free)
    return wanted.order_by(RescoreBatch.after_id).limit(1)


def retake(session: Session, run: RescoreRun, seen: RescoreBatch, ids: Sequence[int], now: datetime) -> Batch:
    """Take a batch that was not finished. It falls into pieces: should a text of it kill whoever scores it, it will be
    alone soon. A comment that is alone is attempted results.TRIES times."""
    row = session.scalar(
        select(RescoreBatch)
        .where(
            RescoreBatch.id == seen.id,
            RescoreBatch.done.is_(False),
            RescoreBatch.attempts == seen.attempts,
            RescoreBatch.until_id == seen.until_id,
            or_(RescoreBatch.lease_until.is_(None), RescoreBatch.lease_until < now),
        )
        .with_for_update()
    )
    if row is None:  # somebody was quicker
        return Batch(0, run, "", ())
    if row.attempts and len(ids) > 1:
        size = -(-len(ids) // PIECES)
        pieces = [ids[start : start + size] for start in range(0, len(ids), size)]
        ends = [row.after_id, *(piece[-1] for piece in pieces[:-1]), row.until_id]
        for after, until in list(pairwise(ends))[1:]:
            session.add(RescoreBatch(run_id=run.id, after_id=after, until_id=until, attempts=0))
        row.until_id, row.attempts, ids = ends[1], 0, pieces[0]
    spent = row.attempts >= results.TRIES
    row.attempts += not spent
    token = lease(row, now)
    session.flush()
    return Batch(row.id, run, token, ids, spent)


def change_ours(session: Session, batch: Batch, **values: Any) -> None:
    """Change a batch that is ours, of a run that somebody still wants. Raises Lost."""
    wanted = select(RescoreRun.state).where(RescoreRun.id == batch.run.id)
    state = session.scalar(wanted.with_for_update(read=True, key_share=True))
    if state not in (RUNNING, PAUSED):
        raise Lost
    done = session.execute(
        update(RescoreBatch)
        .where(RescoreBatch.id == batch.id, RescoreBatch.lease_token == batch.token, RescoreBatch.done.is_(False))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if affected(done) != 1:
        raise Lost


def give_back(session: Session, batch: Batch, **values: Any) -> None:
    """Give up our lease, if it still is ours, so that anybody may take the batch; `values` are set with it."""
    session.execute(
        update(RescoreBatch)
        .where(RescoreBatch.id == batch.id, RescoreBatch.lease_token == batch.token)
        .values(lease_token=None, lease_until=None, **values)
        .execution_options(synchronize_session=False)
    )
