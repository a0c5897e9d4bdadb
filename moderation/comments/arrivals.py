"""Whether a site is connected: when its first comment came, when the last, and how many came today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ScalarSelect, and_, func, or_, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments.models import Comment

LIVE_SOURCES = ("api", "webhook", "form")
"""Doors through which a site sends what its readers write now; an archive that was imported connects nothing."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`first` and `last`: when comments came (None: none yet); `today`: how many since midnight at the site."""

    first: datetime | None = None
    last: datetime | None = None
    today: int = 0


def of_sites(session: Session, sites: Sequence[Site], now: datetime) -> dict[int, Arrivals]:
    """The arrivals of each site, in two statements; every figure is read at one end of an index."""
    if not sites:
        return {}
    ids = [site.id for site in sites]
    ends = [_end(source, newest) for newest in (False, True) for source in LIVE_SOURCES]
    found = {row[0]: row[1:] for row in session.execute(select(Site.id, *ends).where(Site.id.in_(ids)))}
    since_midnight = or_(
        *(and_(Comment.site_id == site.id, Comment.received_at >= midnight(site, now)) for site in sites)
    )
    today = (
        select(Comment.site_id, func.count())
        .where(Comment.source.in_(LIVE_SOURCES), since_midnight)
        .group_by(Comment.site_id)
    )
    counts = {row[0]: row[1] for row in session.execute(today)}
    half = len(LIVE_SOURCES)
    return {
        site_id: Arrivals(
            first=min((at for at in times[:half] if at is not None), default=None),
            last=max((at for at in times[half:] if at is not None), default=None),
            today=counts.get(site_id, 0),
        )
        for site_id, times in found.items()
    }


def first_comment(session: Session, site_id: int) -> Comment | None:
    """The first comment that a site sent, by arrival."""
    firsts = [
        session.scalar(
            select(Comment)
            .where(Comment.site_id == site_id, Comment.source == source)
            .order_by(Comment.received_at, Comment.id)
            .limit(1)
        )
        for source in LIVE_SOURCES
    ]
    return min((row for row in firsts if row is not None), key=lambda row: (row.received_at, row.id), default=None)


def midnight(site: Site, now: datetime) -> datetime:
    """When today began at the site."""
    try:
        zone = ZoneInfo(site.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    return now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def _end(source: str, newest: bool) -> ScalarSelect[datetime]:
    wanted = select(Comment.received_at).where(Comment.site_id == Site.id, Comment.source == source)
    order = Comment.received_at.desc() if newest else Comment.received_at
    return wanted.order_by(order).limit(1).correlate(Site).scalar_subquery()
