"""The status of a comment: one table of allowed transitions, and the only write of it.

PENDING: stored, not judged. HELD: waits for a person. APPROVED, REJECTED: decided. WITHDRAWN: the site deleted it.

Of the held comments of one campaign one stands in front, for all of them, and the others follow: they are in no list of
what waits. Whenever the front leaves, the next comes forward in the same transaction.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, column, exists, select, table, update
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.attributes import set_committed_value

from moderation.comments.models import Comment
from moderation.db import BigId, affected
from moderation.errors import Conflict

PENDING = "PENDING"
HELD = "HELD"
APPROVED = "APPROVED"
REJECTED = "REJECTED"
WITHDRAWN = "WITHDRAWN"

STATUSES = (PENDING, HELD, APPROVED, REJECTED, WITHDRAWN)

TRANSITIONS: Mapping[str, frozenset[str]] = {
    PENDING: frozenset({PENDING, HELD, APPROVED, REJECTED, WITHDRAWN}),
    HELD: frozenset({PENDING, APPROVED, REJECTED, WITHDRAWN}),
    APPROVED: frozenset({PENDING, HELD, REJECTED, WITHDRAWN}),
    REJECTED: frozenset({PENDING, HELD, APPROVED, WITHDRAWN}),
    WITHDRAWN: frozenset({PENDING}),
}
"""From → to. PENDING → PENDING is a new revision before the first was judged; WITHDRAWN → PENDING a later create."""

BY_ACTION: Mapping[str, str] = {"approve": APPROVED, "reject": REJECTED, "hold": HELD}
"""A decision's action → the status that it gives."""


def move(session: Session, comment: Comment, to: str, *, now: datetime, **values: Any) -> bool:
    """Compare and set: give `comment` the status `to` if it still has the version that was read.

    Raises `version` by one and sets `values` with it. Returns False, and changes nothing,
    when another transaction was first.

    Raises ValueError when the table of transitions does not allow it: a fault of the caller.
    """
    _check(comment, to)
    values = {**_usual(to, now), **values}
    if to == HELD and "follower" not in values:
        campaign = values.get("campaign_id", comment.campaign_id)
        values["follower"] = campaign is not None and campaign in front_of(session, [campaign])
    left = _leaves_front(comment, to)
    done = _compare_and_set(session, comment, {"status": to, **values})
    if done and left is not None:
        _promote(session, [left])
    return done


def touch(session: Session, comment: Comment, **values: Any) -> bool:
    """Compare and set without a change of status: a person confirms what stands. False when somebody was first."""
    return _compare_and_set(session, comment, values)


def move_all(session: Session, comments: Sequence[Comment], to: str, *, now: datetime, **values: Any) -> None:
    """The same for many at once, which the caller has read and locked in this transaction, in the order of their ids.

    `values` may be SQL expressions over a comment's old row; one that has the status `to` already keeps it.

    Raises Conflict when a comment changed all the same: the transaction must end there. Raises ValueError like `move`.
    """
    if not comments:
        return
    for comment in comments:
        if comment.status != to:
            _check(comment, to)
    before = {comment.id: comment.version for comment in comments}
    left = {campaign for comment in comments if (campaign := _leaves_front(comment, to)) is not None}
    values = {**_usual(to, now), **values}
    if to == HELD:  # all of a campaign follow, until one of them is put in front
        returning = [comment for comment in comments if comment.status != HELD]
        campaigns = {comment.campaign_id for comment in returning if comment.campaign_id is not None}
        fronted = front_of(session, campaigns)
        left = {campaign for campaign in campaigns if campaign not in fronted}
        values["follower"] = Comment.campaign_id.is_not(None) & (Comment.follower | (Comment.status != HELD))
    session.flush()
    rows = session.scalars(
        update(Comment)
        .where(Comment.id.in_(before))
        .values(status=to, version=Comment.version + 1, **values)
        .returning(Comment),
        execution_options={"synchronize_session": False, "populate_existing": True},
    ).all()
    if {row.id: row.version - 1 for row in rows} != before:
        raise Conflict("Some of these comments changed in the same moment; try again.")
    _promote(session, left)


def front_of(session: Session, campaign_ids: Collection[int]) -> dict[int, int]:
    """Campaign → the held comment that stands in front of it; a campaign of which nobody waits is not there.

    Nobody else changes these fronts until the end of the transaction.
    """
    if not campaign_ids:
        return {}
    _lock(session, campaign_ids)
    front = _first_held(in_front=True).scalar_subquery()
    rows = session.execute(select(_CAMPAIGN.c.id, front.label("front")).where(_CAMPAIGN.c.id.in_(campaign_ids)))
    return {row.id: row.front for row in rows if row.front is not None}


def repair_fronts(session: Session, limit: int = 500) -> int:
    """The sweep: campaigns whose held comments all follow nobody get a front; returns how many did.

    There are none, unless two transactions decided the front and the next one in the same moment.
    """
    other = aliased(Comment)
    fronted = exists().where(other.campaign_id == Comment.campaign_id, other.status == HELD, other.follower.is_(False))
    lost = select(Comment.campaign_id).where(
        Comment.campaign_id.is_not(None), Comment.status == HELD, Comment.follower.is_(True), ~fronted
    )
    return _promote(session, [number for number in session.scalars(lost.distinct().limit(limit)) if number])


_CAMPAIGN = table("campaign", column("id", BigId))
"""Of the scoring room, above this one: here it is only locked."""


def _check(comment: Comment, to: str) -> None:
    if to not in TRANSITIONS[comment.status]:
        raise ValueError(f"{comment.status} -> {to} is not allowed")


def _usual(to: str, now: datetime) -> dict[str, Any]:
    """What a change of status sets where its caller says nothing else."""
    if to == HELD:
        return {"spam": False}
    if to == PENDING:  # another text: who it looked like, and what was asked about it, was the old one
        text = {"pending_since": now, "campaign_id": None, "escalated": False}
        return {**text, "spam": False, "follower": False}
    if to == WITHDRAWN:
        return {"spam": False, "follower": False, "escalated": False}
    return {"spam": False, "follower": False}


def _leaves_front(comment: Comment, to: str) -> int | None:
    """The campaign whose front this change takes away."""
    in_front = comment.status == HELD and not comment.follower and to != HELD
    return comment.campaign_id if in_front else None


def _promote(session: Session, campaign_ids: Iterable[int]) -> int:
    """Put the longest held comment of each campaign in front; returns how many there were.

    Its version stays: whoever is reading it sees the same text and the same status. One that another transaction is
    deciding is passed over, so that nobody waits in a ring.
    """
    wanted = sorted(set(campaign_ids))
    if not wanted:
        return 0
    _lock(session, wanted)
    following = _first_held(in_front=False).with_for_update(skip_locked=True).scalar_subquery()
    found = [n for n in session.scalars(select(following).where(_CAMPAIGN.c.id.in_(wanted))) if n is not None]
    if not found:
        return 0
    session.execute(
        update(Comment).where(Comment.id.in_(found)).values(follower=False).execution_options(synchronize_session=False)
    )
    for known in session.identity_map.values():
        if isinstance(known, Comment) and known.id in found:
            set_committed_value(known, "follower", False)
    return len(found)


def _first_held(*, in_front: bool) -> Select[int]:
    """The first held comment, by id, of a row of `_CAMPAIGN`; `in_front`: of those that follow nobody."""
    member = aliased(Comment)
    wanted = select(member.id).where(member.campaign_id == _CAMPAIGN.c.id, member.status == HELD)
    if in_front:
        wanted = wanted.where(member.follower.is_(False))
    return wanted.order_by(member.id).limit(1).correlate(_CAMPAIGN)


def _lock(session: Session, campaign_ids: Collection[int]) -> None:
    """Who joins a campaign and who takes its front away wait for each other: neither must overlook the other."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer
        wanted = select(_CAMPAIGN.c.id).where(_CAMPAIGN.c.id.in_(campaign_ids)).order_by(_CAMPAIGN.c.id)
        session.execute(wanted.with_for_update(key_share=True))


def _compare_and_set(session: Session, comment: Comment, values: dict[str, Any]) -> bool:
    session.flush()
    done = session.execute(
        update(Comment)
        .where(Comment.id == comment.id, Comment.version == comment.version, Comment.status == comment.status)
        .values(version=comment.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if affected(done) != 1:
        return False
    for name, value in {**values, "version": comment.version + 1}.items():
        set_committed_value(comment, name, value)  # what the row holds now; reading it again would tell nothing new
    return True
