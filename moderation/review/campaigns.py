"""Campaigns as judging meets them: new texts join theirs, and the first that is held stands in front of the others.

What still comes of one is held or rejected for some hours by a moderator's order. groups.py decides what waits.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.errors import InvalidInput, NotFound
from moderation.review import decisions
from moderation.review.models import CampaignOrder
from moderation.scoring.campaigns import Text, join
from moderation.scoring.models import Campaign

MIN_HOURS, MAX_HOURS = 1, 72
HOURS = (1, 6, 24, 72)
"""How long an order may hold, as pages offer it; every whole number in between is taken."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a moderator ordered for a campaign's newcomers: `hold`, or `reject` with a reason."""

    campaign_id: int
    action: str
    reason: str | None
    who: str
    created_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Joined:
    """What judging some comments needs to know of their campaigns.

    `fronts` changes while they are judged: the first of a campaign that is held stands in front of the others.
    """

    of: Mapping[int, int]
    orders: Mapping[int, Order]
    fronts: dict[int, int]

    def order(self, comment: Comment) -> Order | None:
        """The order that applies to a comment."""
        return self.orders.get(self.of.get(comment.id, 0))

    def columns(self, comment: Comment, action: str) -> dict[str, Any]:
        """The columns of a comment that is about to be given `action`; nothing for one without a campaign."""
        campaign_id = self.of.get(comment.id)
        if campaign_id is None:
            return {}
        follower = action == "hold" and self.fronts.setdefault(campaign_id, comment.id) != comment.id
        return {"campaign_id": campaign_id, "follower": follower}


def gather(session: Session, comments: Sequence[Comment], folded: Mapping[int, str], now: datetime) -> Joined:
    """Join the campaigns of comments that are judged for the first time, and read what is known of them all.

    `folded`: comment id → its text as the normaliser folds it.
    """
    new: dict[int, list[Text]] = defaultdict(list)
    for comment in comments:
        if comment.status == status.PENDING and comment.human_revision != comment.revision and comment.id in folded:
            new[comment.site_id].append(Text(comment.id, comment.revision, folded[comment.id]))
    of = {comment.id: comment.campaign_id for comment in comments if comment.campaign_id is not None}
    for site_id, texts in sorted(new.items()):
        of |= join(session, site_id, texts, now)
    if not of:
        return Joined({}, {}, {})
    ids = sorted(set(of.values()))
    return Joined(of, order_of(session, ids, now), status.front_of(session, ids))


def order_of(session: Session, campaign_ids: Sequence[int], now: datetime) -> dict[int, Order]:
    """The orders that are in force for campaigns."""
    if not campaign_ids:
        return {}
    return {
        order.campaign_id: order
        for order in _orders(session, CampaignOrder.campaign_id.in_(campaign_ids), CampaignOrder.until > now)
    }


def orders(session: Session, site_ids: Sequence[int], now: datetime) -> list[Order]:
    """All orders in force at some sites, those that end first first."""
    mine = select(Campaign.id).where(Campaign.id == CampaignOrder.campaign_id, Campaign.site_id.in_(site_ids))
    return _orders(session, CampaignOrder.until > now, mine.exists())


def order(
    session: Session,
    campaign_id: int,
    action: str,
    reason: str | None,
    me: Moderator,
    hours: int,
    now: datetime,
) -> Order:
    """Have newcomers of a campaign held or rejected for `hours`; a later order takes the place of an older one.

    They are never approved by order: a text that is nearly the same may hide a link. Raises InvalidInput, and NotFound
    for a campaign that is forgotten.
    """
    if action not in ("hold", "reject"):
        raise InvalidInput("Newcomers are held or rejected; approve them one by one.", field="decision")
    if action == "reject" and reason not in decisions.REASONS:
        raise InvalidInput("A rejection needs a reason.", field="reason")
    if not MIN_HOURS <= hours <= MAX_HOURS:
        raise InvalidInput("An order holds for 1 to 72 hours.", field="hours")
    site_id = site_of(session, campaign_id)
    given = CampaignOrder(
        campaign_id=campaign_id,
        action=action,
        reason=reason if action == "reject" else None,
        moderator_id=me.id,
        created_at=now,
        until=now + timedelta(hours=hours),
    )
    session.merge(given)
    audit.record(
        session,
        actor=moderators.actor(me),
        action=f"campaign.{action}",
        subject=f"campaign:{campaign_id}",
        site_id=site_id,
        now=now,
        detail=f"{hours} h" + (f", {given.reason}" if given.reason else ""),
    )
    return Order(campaign_id, action, given.reason, me.name, now, given.until)


def end_order(session: Session, campaign_id: int, me: Moderator, now: datetime) -> None:
    """End an order before its time; none in force is no error. Raises NotFound for a campaign that is forgotten."""
    site_id = site_of(session, campaign_id)
    given = session.get(CampaignOrder, campaign_id)
    if given is None or given.until <= now:
        return
    given.until = now
    audit.record(
        session,
        actor=moderators.actor(me),
        action="campaign.end",
        subject=f"campaign:{campaign_id}",
        site_id=site_id,
        now=now,
    )


def site_of(session: Session, campaign_id: int) -> int:
    """The site of a campaign. Raises NotFound for one that is forgotten."""
    site_id = session.scalar(select(Campaign.site_id).where(Campaign.id == campaign_id))
    if site_id is None:
        raise NotFound("There is no such group.")
    return site_id


def _orders(session: Session, *conditions: ColumnElement[bool]) -> list[Order]:
    rows = session.execute(
        select(CampaignOrder, Moderator.name)
        .join(Moderator, Moderator.id == CampaignOrder.moderator_id)
        .where(*conditions)
        .order_by(CampaignOrder.until, CampaignOrder.campaign_id)
    ).all()
    return [Order(row.campaign_id, row.action, row.reason, name, row.created_at, row.until) for row, name in rows]
