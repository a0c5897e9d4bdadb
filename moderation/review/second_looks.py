"""The second opinion: a share of people's decisions is judged once more, by somebody else who is not told the first.

It changes nothing by itself: both opinions are counted, and where they differ the seniors are asked.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment
from moderation.comments.reports import REASONS
from moderation.comments.status import APPROVED, REJECTED
from moderation.db import affected
from moderation.errors import Conflict, InvalidInput, NotFound, not_among
from moderation.review import escalations
from moderation.review.models import Decision, SecondLook

ACTIONS = ("approve", "reject")

_draw = random.SystemRandom().random


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a second look: the first opinion, and whether it is the same."""

    comment_id: int
    first_action: str
    agreed: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two people who did not know of each other came to the same decision.

    `pairs`: (first action, second action) → how often.
    """

    looked: int
    agreed: int
    pairs: Mapping[tuple[str, str], int]


def maybe(
    session: Session,
    decided: Sequence[tuple[Decision, Comment]],
    site: Site,
    now: datetime,
    *,
    draw: Callable[[], float] = _draw,
) -> None:
    """Pick some of these fresh decisions (flushed; all of `site`) for a second look, by the site's share.

    Only what a person approved or rejected one by one: an undo is no judgement, and a bulk job's thousands would bury
    the rest. `draw`: a number from 0 up to 1, at random. What was still to be looked at of these comments is dropped:
    its decision does not stand any more.
    """
    if not site.second_look_percent or not decided:
        return
    session.execute(
        delete(SecondLook)
        .where(SecondLook.comment_id.in_([comment.id for _, comment in decided]), SecondLook.looked_at.is_(None))
        .execution_options(synchronize_session=False)
    )
    picked = [
        {
            "site_id": site.id,
            "comment_id": comment.id,
            "decision_id": decision.id,
            "first_by": decision.moderator_id,
            "first_action": decision.action,
            "created_at": now,
        }
        for decision, comment in decided
        if decision.moderator_id is not None
        and decision.action in ACTIONS
        and decision.undoes is None
        and decision.job_id is None
        and draw() * 100 < site.second_look_percent
    ]
    if picked:
        session.execute(insert(SecondLook), picked)


def following(session: Session, site_ids: Sequence[int], me: Moderator, *, after: int = 0) -> SecondLook | None:
    """The next decision for `me` to look at, with an id greater than `after`; None where nothing waits."""
    wanted = _waiting(select(SecondLook), site_ids, me).where(SecondLook.id > after)
    found: SecondLook | None = session.scalar(wanted.order_by(SecondLook.id).limit(1))
    return found


def waiting(session: Session, site_ids: Sequence[int], me: Moderator) -> int:
    """How many decisions wait for `me` to look at them."""
    return session.scalar(_waiting(select(func.count()).select_from(SecondLook), site_ids, me)) or 0


def look(
    session: Session,
    look_id: int,
    site_ids: Sequence[int],
    me: Moderator,
    action: str,
    reason: str | None,
    now: datetime,
    *,
    question: str,
) -> Looked:
    """Store the second opinion; where it differs from the first, the comment goes to the seniors with `question`.

    Raises InvalidInput naming `decision` or `reason`, NotFound for what is not there or not for `me`, and Conflict
    when somebody was first, or the decision does not stand any more.
    """
    if action not in ACTIONS:
        raise not_among("decision", ACTIONS)
    if action == "reject" and reason not in REASONS:
        raise InvalidInput("A rejection needs a reason.", field="reason")
    wanted = session.get(SecondLook, look_id)
    if wanted is None or wanted.site_id not in site_ids or wanted.first_by == me.id:
        raise NotFound("There is nothing to look at here.")
    comment = session.get_one(Comment, wanted.comment_id, with_for_update=True, populate_existing=True)
    stands = session.scalar(_waiting(select(SecondLook.id), site_ids, me).where(SecondLook.id == look_id))
    done = session.execute(
        update(SecondLook)
        .where(SecondLook.id == look_id, SecondLook.looked_at.is_(None))
        .values(second_by=me.id, action=action, reason=reason if action == "reject" else None, looked_at=now)
        .execution_options(synchronize_session=False)
    )
    if stands is None or affected(done) != 1:  # the door's transaction ends with what is raised here
        raise Conflict("Somebody was first, or the decision does not stand any more.", details={"what": "looked"})
    agreed = action == wanted.first_action
    if not agreed and comment.id not in escalations.open_of(session, [comment.id]):
        escalations.raise_(session, comment, me, question, now)
    return Looked(comment.id, wanted.first_action, agreed)


def agreement(session: Session, site_ids: Sequence[int], since: datetime, until: datetime) -> Agreement:
    """The second looks of these sites that were taken from `since` on and before `until`."""
    rows = session.execute(
        select(SecondLook.first_action, SecondLook.action, func.count())
        .where(SecondLook.site_id.in_(site_ids), SecondLook.looked_at >= since, SecondLook.looked_at < until)
        .group_by(SecondLook.first_action, SecondLook.action)
    ).all()
    pairs = {(first, second or ""): number for first, second, number in rows}
    agreed = sum(number for (first, second), number in pairs.items() if first == second)
    return Agreement(sum(pairs.values()), agreed, pairs)


def _waiting(wanted: Select[Any], site_ids: Sequence[int], me: Moderator) -> Select[Any]:
    """What `me` may look at: somebody else's decision that still is its comment's latest, on the same text."""
    return (
        wanted.join(Decision, Decision.id == SecondLook.decision_id)
        .join(Comment, Comment.id == SecondLook.comment_id)
        .where(
            SecondLook.site_id.in_(site_ids),
            SecondLook.looked_at.is_(None),
            SecondLook.first_by != me.id,
            Comment.sequence == Decision.sequence,
            Comment.revision == Decision.revision,
            Comment.status.in_((APPROVED, REJECTED)),
        )
    )
