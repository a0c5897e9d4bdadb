"""Claims: who is reading which comment. A lease of a few minutes, so that two people do not work on the same one.

A claim forbids nothing for long: it runs out when its owner does nothing, and anybody may take it over knowingly. What
keeps two decisions apart is the comment's version (review/decisions.py), not this.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, delete, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.db import affected
from moderation.errors import Conflict
from moderation.review.models import Claim

LEASE = timedelta(minutes=5)
"""How long a claim lasts without any activity of its owner."""

CLAIMED = "A colleague is reading this comment."
WITHDRAWN = "The site has withdrawn this comment."


@dataclass(frozen=True, slots=True)
class Held:
    """A live claim: whose, and until when."""

    moderator_id: int
    name: str
    until: datetime


def claim(session: Session, comment: Comment, me: Moderator, now: datetime, *, take_over: bool = False) -> Claim:
    """Say that I am reading this comment; again makes my claim last longer. `take_over`: even if a colleague is.

    Raises Conflict, with what (`claimed`), who and until in its details, when somebody else holds it, and Conflict
    (`withdrawn`) when there is nothing to read any more.
    """
    if comment.status == status.WITHDRAWN:
        raise Conflict(WITHDRAWN, details={"what": "withdrawn"})
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    new = insert(Claim).values(comment_id=comment.id, moderator_id=me.id, claimed_at=now, until=now + LEASE)
    mine = Claim.moderator_id == me.id
    statement = new.on_conflict_do_update(
        index_elements=[Claim.comment_id],
        set_={
            "moderator_id": me.id,
            "claimed_at": case((mine, Claim.claimed_at), else_=new.excluded.claimed_at),
            "until": new.excluded.until,
        },
        where=None if take_over else or_(mine, Claim.until <= now),
    ).returning(Claim)
    made = session.scalar(statement, execution_options={"populate_existing": True})
    if made is None:
        guard(session, comment, me, now)
        # Between the two statements the other's claim has ended: it is ours for the asking.
        return claim(session, comment, me, now, take_over=True)
    return made


def release(session: Session, comment_id: int, me: Moderator) -> None:
    """I have gone on to something else; nothing happens when the claim is not mine."""
    _delete(session, Claim.comment_id == comment_id, Claim.moderator_id == me.id)


def renew(session: Session, comment_id: int, me: Moderator, now: datetime) -> bool:
    """I am still reading; False when the claim is not mine any more. One that ran out unnoticed is mine again."""
    done = session.execute(
        update(Claim)
        .where(Claim.comment_id == comment_id, Claim.moderator_id == me.id)
        .values(until=now + LEASE)
        .execution_options(synchronize_session=False)
    )
    return affected(done) == 1


def of_comments(session: Session, comment_ids: Sequence[int], now: datetime) -> dict[int, Held]:
    """The live claims on these comments; one that nobody reads is not there."""
    rows = session.execute(
        select(Claim.comment_id, Claim.moderator_id, Moderator.name, Claim.until)
        .join(Moderator, Moderator.id == Claim.moderator_id)
        .where(Claim.comment_id.in_(comment_ids), Claim.until > now)
    ).all()
    return {row.comment_id: Held(row.moderator_id, row.name, row.until) for row in rows}


def guard(session: Session, comment: Comment, me: Moderator, now: datetime) -> None:
    """Raises Conflict, as `claim` does, when somebody else is reading this comment."""
    held = of_comments(session, [comment.id], now).get(comment.id)
    if held is not None and held.moderator_id != me.id:
        raise Conflict(CLAIMED, details={"what": "claimed", "who": held.name, "until": held.until.isoformat()})


def drop(session: Session, comment_ids: Iterable[int]) -> None:
    """These comments are decided: nobody needs to read them on."""
    _delete(session, Claim.comment_id.in_(list(comment_ids)))


def forget(session: Session, now: datetime) -> None:
    """Housekeeping: delete claims that ran out long ago."""
    _delete(session, Claim.until < now - timedelta(days=1))


def _delete(session: Session, *where: Any) -> None:
    session.execute(delete(Claim).where(*where).execution_options(synchronize_session=False))
