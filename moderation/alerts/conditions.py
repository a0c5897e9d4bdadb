"""What is wrong right now: each condition is one question to the rooms, and its answer a list of `Found`.

Every mark has a lower one beside it: between the two nothing begins and nothing ends, so that an alert does not flap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.alerts.models import QueueSample
from moderation.comments.models import Comment
from moderation.comments.status import HELD
from moderation.db import insert_ignore
from moderation.delivery import endpoints, outbox
from moderation.delivery.models import Delivery, Endpoint
from moderation.health import store as health
from moderation.review import tallies
from moderation.scoring import registry
from moderation.settings import Settings

HELD_LATE, QUEUE_GROWS = "held_late", "queue_grows"
ENDPOINT_PAUSED, ENDPOINT_GONE = "endpoint_paused", "endpoint_gone"
DELIVERIES_DEAD, DELIVERIES_LATE = "deliveries_dead", "deliveries_late"
SCORER_GONE, DELIVERY_GONE, SCORER_OFF, NOT_SCORED = "scorer_gone", "delivery_gone", "scorer_off", "not_scored"

LASTING_SHARE = 0.8
"""A late queue is well again when its oldest comment has waited less than this share of the limit."""
GROWTH_FACTOR, GROWTH_COMMENTS = 2.0, 50
LASTING_FACTOR, LASTING_COMMENTS = 1.5, 25
GROWTH_SPAN = timedelta(hours=1)
GROWTH_SPAN_MOST = timedelta(hours=2)
"""After a gap in the samples (a machine that was off) there is nothing to compare with for an hour."""
SAMPLE_MINUTES = 5
SAMPLES_KEPT = timedelta(days=2)
DEAD_DAYS = 7
"""Deliveries that were given up longer ago than this are history."""
LATE, LATE_LASTING = timedelta(minutes=15), timedelta(minutes=5)
PATIENCE = timedelta(seconds=60)
"""How long a worker must be found silent: after a start the last heartbeat is old, and the model is still loading."""
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""As `news_at`: told once, and not again while it lasts."""
NOT_SCORED_SPAN = timedelta(minutes=10)
NOT_SCORED_MOST, NOT_SCORED_LASTING = 20, 5


@dataclass(frozen=True, slots=True)
class Found:
    """Something wrong. `begins`: over the mark; False: over the lower mark only, which keeps an alert and begins none.

    `patience`: how long it must be found before it counts. `news_at`, `facts`: see models.Alert.
    """

    kind: str
    subject: str = ""
    site_id: int | None = None
    begins: bool = True
    patience: timedelta = timedelta(0)
    news_at: datetime | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held on a site: how many, since when the oldest, and how many were held unscored a moment ago."""

    count: int
    oldest: datetime
    not_scored: int


def find(session: Session, settings: Settings, now: datetime) -> list[Found]:
    """All that is wrong at `now`."""
    sites = _sites(session)
    held = held_of(session, sites, now)
    return [
        *_workers(session, settings, now),
        *_not_scored(held, settings),
        *_endpoints(session, sites),
        *_dead(session, sites, now),
        *_late(session, sites, now),
        *_held_late(sites, held, settings, now),
        *_growing(session, sites, held, now),
    ]


def samples(session: Session, now: datetime) -> list[tuple[int, datetime, int]]:
    """(site, slot, held) of this five minutes' samples; none when they have been taken."""
    slot = now.replace(minute=now.minute - now.minute % SAMPLE_MINUTES, second=0, microsecond=0)
    if session.scalar(select(QueueSample.id).where(QueueSample.at == slot).limit(1)) is not None:
        return []
    sites = _sites(session)
    held = held_of(session, sites, now)
    return [(site_id, slot, held[site_id].count if site_id in held else 0) for site_id in sites]


def keep(session: Session, taken: Sequence[tuple[int, datetime, int]], now: datetime) -> None:
    """Store samples (twice is once), and forget those that are older than two days."""
    for site_id, at, held in taken:
        insert_ignore(session, QueueSample, site_id=site_id, at=at, held=held)
    if taken:
        session.execute(delete(QueueSample).where(QueueSample.at < now - SAMPLES_KEPT))


def held_of(session: Session, sites: Mapping[int, str], now: datetime) -> dict[int, Held]:
    """Site → what is held there; sites without a held comment are not in it."""
    found = {}
    for site_id in sites:
        count = tallies.counts(session, [site_id])["held"]
        if not count:
            continue
        # By the index of what was decided when: to hold is a decision, and a million of them are not to be read.
        held = (Comment.site_id == site_id, Comment.status == HELD, Comment.spam.is_(False))
        oldest = session.scalar(select(func.min(Comment.decided_at)).where(*held))
        unscored = session.scalar(
            select(func.count()).where(*held, Comment.decided_at > now - NOT_SCORED_SPAN, Comment.not_scored.is_(True))
        )
        found[site_id] = Held(count, oldest or now, unscored or 0)
    return found


def _sites(session: Session) -> dict[int, str]:
    """Id → name of the sites that count: the demo's only as long as there is no other, lest tries ring at night."""
    rows = session.execute(select(Site.id, Site.name, Site.is_demo).where(Site.disabled_at.is_(None))).all()
    real = {row.id: row.name for row in rows if not row.is_demo}
    return real or {row.id: row.name for row in rows}


def _minutes(span: timedelta) -> int:
    return int(span.total_seconds() // 60)


def _held_late(sites: Mapping[int, str], held: Mapping[int, Held], settings: Settings, now: datetime) -> list[Found]:
    limit = timedelta(minutes=settings.alert_held_minutes)
    found = []
    for site_id, row in held.items():
        waited = now - row.oldest
        if limit and waited > limit * LASTING_SHARE:
            facts = {
                "site": sites[site_id],
                "held": row.count,
                "waited_minutes": _minutes(waited),
                "limit_minutes": _minutes(limit),
            }
            found.append(Found(HELD_LATE, str(site_id), site_id, waited > limit, facts=facts))
    return found


def _growing(session: Session, sites: Mapping[int, str], held: Mapping[int, Held], now: datetime) -> list[Found]:
    at = session.scalar(
        select(func.max(QueueSample.at)).where(
            QueueSample.at <= now - GROWTH_SPAN, QueueSample.at >= now - GROWTH_SPAN_MOST
        )
    )
    if at is None:
        return []
    rows = session.execute(select(QueueSample.site_id, QueueSample.held).where(QueueSample.at == at)).all()
    found = []
    for site_id, before in rows:
        count = held[site_id].count if site_id in held else 0
        begins = grows(before, count)
        if begins is not None and site_id in sites:
            facts = {"site": sites[site_id], "held": count, "before": before}
            found.append(Found(QUEUE_GROWS, str(site_id), site_id, begins, facts=facts))
    return found


def grows(before: int, now: int) -> bool | None:
    """Whether a queue grows: True over the mark, False over the lower mark only, None when it does not."""
    if now > GROWTH_FACTOR * before and now - before > GROWTH_COMMENTS:
        return True
    return False if now > LASTING_FACTOR * before and now - before > LASTING_COMMENTS else None


def _endpoints(session: Session, sites: Mapping[int, str]) -> list[Found]:
    """Endpoints that the service itself stopped telling; one that a person paused or switched off is their wish."""
    rows = session.scalars(
        select(Endpoint).where(Endpoint.site_id.in_(sites), Endpoint.deleted_at.is_(None)).order_by(Endpoint.id)
    )
    found = []
    for row in rows:
        gone = not row.enabled and row.disabled_reason == endpoints.GONE
        if gone or (row.enabled and row.paused_at is not None and row.probe_at is not None):
            kind = ENDPOINT_GONE if gone else ENDPOINT_PAUSED
            # The host only: what stands behind it in the address is often a secret.
            facts = {"site": sites[row.site_id], "host": urlsplit(row.url).hostname or "?"}
            found.append(Found(kind, str(row.id), row.site_id, facts=facts))
    return found


def _dead(session: Session, sites: Mapping[int, str], now: datetime) -> list[Found]:
    rows = session.execute(
        select(Delivery.site_id, func.count(), func.max(Delivery.finished_at))
        .where(
            Delivery.site_id.in_(sites),
            Delivery.state == outbox.DEAD,
            Delivery.comment_id.is_not(None),  # a test event that failed was looked at by whoever sent it
            Delivery.finished_at > now - timedelta(days=DEAD_DAYS),
        )
        .group_by(Delivery.site_id)
    ).all()
    return [
        Found(
            DELIVERIES_DEAD, str(site_id), site_id, news_at=newest, facts={"site": sites[site_id], "deliveries": count}
        )
        for site_id, count, newest in rows
    ]


def _late(session: Session, sites: Mapping[int, str], now: datetime) -> list[Found]:
    """Sites that are told late although their endpoint is not at fault: too few workers, or none."""
    oldest = (
        select(func.min(Delivery.due_at))
        .where(Delivery.endpoint_id == Endpoint.id, Delivery.state == outbox.DUE)
        .correlate(Endpoint)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Endpoint.id, Endpoint.site_id, oldest.label("oldest")).where(
            Endpoint.site_id.in_(sites),
            Endpoint.enabled.is_(True),
            Endpoint.deleted_at.is_(None),
            Endpoint.paused_at.is_(None),
            Endpoint.failing_since.is_(None),  # it rests between its tries; if it goes on failing, it is paused
        )
    ).all()
    waits: dict[int, timedelta] = {}
    for row in rows:
        if row.oldest is not None:
            waits[row.site_id] = max(waits.get(row.site_id, timedelta(0)), now - row.oldest)
    return [
        Found(
            DELIVERIES_LATE,
            str(site_id),
            site_id,
            begins=wait > LATE,
            facts={"site": sites[site_id], "waited_minutes": _minutes(wait)},
        )
        for site_id, wait in waits.items()
        if wait > LATE_LASTING
    ]


def _workers(session: Session, settings: Settings, now: datetime) -> list[Found]:
    """Process classes without a sign of life, and a scorer that is switched off."""
    ages = health.ages(session, now)
    scorers = registry.required_scorers(settings)
    if settings.scorer == registry.AUTO and registry.languages_of_detoxify(settings.data_dir):
        scorers = (*scorers, "detoxify")
    expected = {f"scoring:{name}": (SCORER_GONE, name) for name in scorers} | {"delivery": (DELIVERY_GONE, "")}
    found = []
    for process, (kind, subject) in expected.items():
        if ages.get(process, health.SILENT + 1) > health.SILENT:
            found.append(Found(kind, subject, patience=PATIENCE, facts={"scorer": subject}))
    if not scorers:
        # A choice, not a fault.
        found.append(Found(SCORER_OFF, news_at=LONG_AGO))
    return found


def _not_scored(held: Mapping[int, Held], settings: Settings) -> list[Found]:
    count = sum(row.not_scored for row in held.values())
    if not registry.required_scorers(settings) or count <= NOT_SCORED_LASTING:
        return []
    return [Found(NOT_SCORED, begins=count > NOT_SCORED_MOST, facts={"comments": count})]
