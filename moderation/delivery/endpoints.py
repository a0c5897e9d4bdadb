"""Where sites want to be told: adding, changing, pausing and removing endpoints, and what an attempt says of one.

An endpoint that fails again and again is paused, never switched off: its events wait, one of them is tried now and
then, and the first success lets all of them go. Only 410 and people disable. Locks are taken in one order everywhere:
the site, then the endpoint, then its deliveries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from moderation import dispatch, queues
from moderation.accounts import audit
from moderation.accounts.models import Site
from moderation.db import affected
from moderation.delivery import addresses, schedule
from moderation.delivery.egress import Answer
from moderation.delivery.models import Delivery, Endpoint
from moderation.delivery.outbox import DELIVERED, DUE, SUPERSEDED, UNTOLD, lock_site
from moderation.errors import Conflict, InvalidInput, NotFound

WORKS, FAILING, PAUSED, DISABLED, REMOVED = "works", "failing", "paused", "disabled", "removed"

MAX_ENDPOINTS = 10
"""Endpoints of one site: each event is stored and sent once for each of them."""
MAX_URL = 2000

GONE = "the endpoint answered 410 Gone"
BY_HAND = "by hand"
DELIVERY = "delivery"
"""The actor in the audit when nobody but the attempts themselves paused, resumed or disabled."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What became of a removed endpoint's open events: handed to another endpoint or to pulling, or closed because
    another endpoint has them or was told."""

    handed_over: int
    closed: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """An endpoint that is paused or disabled, and how many events wait for it."""

    endpoint: Endpoint
    site: str
    waiting: int

    @property
    def remedy(self) -> str:
        """What a person does about it: `enable` or `resume`."""
        return "resume" if self.endpoint.enabled else "enable"


def state_of(endpoint: Endpoint) -> str:
    """How an endpoint stands, in one word."""
    if endpoint.deleted_at is not None:
        return REMOVED
    if not endpoint.enabled:
        return DISABLED
    if endpoint.paused_at is not None:
        return PAUSED
    return FAILING if endpoint.failures else WORKS


def of_site(session: Session, site_id: int) -> list[Endpoint]:
    """The site's endpoints that were not removed, oldest first."""
    return list(
        session.scalars(
            select(Endpoint).where(Endpoint.site_id == site_id, Endpoint.deleted_at.is_(None)).order_by(Endpoint.id)
        )
    )


def endpoint_of(session: Session, site_id: int) -> Endpoint | None:
    """The site's oldest endpoint, where it has one."""
    return next(iter(of_site(session, site_id)), None)


def by_id(session: Session, site_id: int | None, endpoint_id: int, *, lock: bool = False) -> Endpoint:
    """An endpoint of the site (None: of any), `lock`ed by those who change it.

    Raises NotFound for one that is not there, removed or another site's.
    """
    wanted = select(Endpoint).where(Endpoint.id == min(endpoint_id, 2**63 - 1))
    endpoint = session.scalar(wanted.with_for_update(key_share=True) if lock else wanted)
    if endpoint is None or endpoint.deleted_at is not None or site_id not in (None, endpoint.site_id):
        raise NotFound("There is no such endpoint.")
    return endpoint


def waiting(session: Session, endpoint_id: int) -> int:
    """How many events have not reached the endpoint and are not given up."""
    wanted = select(func.count()).where(Delivery.endpoint_id == endpoint_id, Delivery.state == DUE)
    return session.scalar(wanted.select_from(Delivery)) or 0


def troubled(session: Session) -> list[Trouble]:
    """Every paused or disabled endpoint of sites that are not switched off, oldest first."""
    rows = session.execute(
        select(Endpoint, Site.name)
        .join(Site, Site.id == Endpoint.site_id)
        .where(
            Endpoint.deleted_at.is_(None),
            Site.disabled_at.is_(None),
            Endpoint.enabled.is_(False) | Endpoint.paused_at.is_not(None),
        )
        .order_by(Endpoint.id)
    ).all()
    return [Trouble(endpoint, name, waiting(session, endpoint.id)) for endpoint, name in rows]


def add(session: Session, site: Site, url: str, *, now: datetime, actor: str) -> Endpoint:
    """A further endpoint. The first one of a site also gets what waits for pulling: what was never told gets told.

    Raises InvalidInput or Conflict naming `url`.
    """
    lock_site(session, site.id)
    known = of_site(session, site.id)
    check_url(url)
    if any(endpoint.url == url for endpoint in known):
        raise Conflict("The site has an endpoint with this address already.", field="url")
    if len(known) >= MAX_ENDPOINTS:
        raise InvalidInput("A site has at most %(most)s endpoints.", field="url", values={"most": MAX_ENDPOINTS})
    endpoint = Endpoint(site_id=site.id, url=url, created_at=now)
    session.add(endpoint)
    session.flush()
    if not known:
        moved = session.execute(
            update(Delivery)
            .where(Delivery.site_id == site.id, Delivery.endpoint_id.is_(None), Delivery.state == DUE)
            .values(endpoint_id=endpoint.id)
            .execution_options(synchronize_session=False)
        )
        if affected(moved):
            dispatch.nudge(session, queues.TASK_DELIVER)
    _record(session, endpoint, "add", actor, now)
    return endpoint


def set_endpoint(session: Session, site: Site, url: str, now: datetime, *, actor: str = "setup") -> Endpoint:
    """For a site that is told at one address: its oldest endpoint gets this one and works; made when there is none.

    Raises InvalidInput naming `url`.
    """
    endpoint = endpoint_of(session, site.id)
    if endpoint is None:
        return add(session, site, url, now=now, actor=actor)
    check_url(url)
    endpoint.url = url
    _work_again(session, endpoint, now)
    session.flush()
    return endpoint


def change_url(session: Session, endpoint: Endpoint, url: str, *, now: datetime, actor: str) -> None:
    """Tell the same endpoint at another address, open events too. What the old address did wrong is forgotten; one
    that a person disabled or paused stays so. Raises InvalidInput or Conflict naming `url`."""
    check_url(url)
    if url == endpoint.url:
        return
    if any(other.url == url for other in of_site(session, endpoint.site_id) if other.id != endpoint.id):
        raise Conflict("The site has an endpoint with this address already.", field="url")
    endpoint.url = url
    endpoint.last_ok_at = None  # nobody knows how quick the new address is
    by_hand = endpoint.disabled_reason == BY_HAND
    if not by_hand:
        _work_again(session, endpoint, now)
    _record(session, endpoint, "change", actor, now)


def enable(session: Session, endpoint: Endpoint, *, now: datetime, actor: str) -> None:
    """Tell a disabled or paused endpoint again, beginning with all that waits."""
    _work_again(session, endpoint, now)
    _record(session, endpoint, "enable", actor, now)


def disable(session: Session, endpoint: Endpoint, *, now: datetime, actor: str) -> None:
    """Stop telling an endpoint until a person enables it; its events wait and can be pulled."""
    _switch_off(endpoint, BY_HAND)
    _record(session, endpoint, "disable", actor, now)


def pause(session: Session, endpoint: Endpoint, *, now: datetime, actor: str) -> None:
    """Hold everything back until a person resumes; nothing is tried meanwhile. Raises Conflict when it is disabled."""
    if not endpoint.enabled:
        raise Conflict("This endpoint is disabled; nothing is sent to it.", field="endpoint")
    endpoint.paused_at = endpoint.paused_at or now
    endpoint.probe_at, endpoint.disabled_reason = None, BY_HAND
    _record(session, endpoint, "pause", actor, now)


def resume(session: Session, endpoint: Endpoint, *, now: datetime, actor: str) -> None:
    """Send all that waits, now. Raises Conflict when the endpoint is disabled: that is for `enable`."""
    if not endpoint.enabled:
        raise Conflict("This endpoint is disabled; enable it.", field="endpoint")
    _work_again(session, endpoint, now)
    _record(session, endpoint, "resume", actor, now)


def remove(session: Session, endpoint: Endpoint, *, now: datetime, actor: str) -> Removed:
    """Take an endpoint away; its history stays. Nothing is lost: an open event that no endpoint was told, and that no
    other endpoint has, goes to another endpoint of the site, or waits for pulling where there is none."""
    lock_site(session, endpoint.site_id)
    others = [other for other in of_site(session, endpoint.site_id) if other.id != endpoint.id]
    heir = min(others, key=lambda other: (state_of(other) in (PAUSED, DISABLED), other.id), default=None)
    endpoint.deleted_at = now
    session.flush()
    other = aliased(Delivery)
    known = exists().where(
        other.event_id == Delivery.event_id,
        other.id != Delivery.id,
        (other.state == DELIVERED) | other.endpoint_id.in_([item.id for item in others]),
    )
    mine = (Delivery.endpoint_id == endpoint.id, Delivery.state.in_(UNTOLD))
    session.execute(  # what has been tried begins anew; what is in its grace keeps it
        update(Delivery)
        .where(*mine, Delivery.attempts > 0)
        .values(state=DUE, attempts=0, due_at=now, lease_token=None, finished_at=None)
        .execution_options(synchronize_session=False)
    )
    handed = session.execute(
        update(Delivery)
        .where(*mine, Delivery.comment_id.is_not(None), ~known)
        .values(endpoint_id=heir.id if heir is not None else None)
        .execution_options(synchronize_session=False)
    )
    closed = session.execute(
        update(Delivery)
        .where(*mine)
        .values(state=SUPERSEDED, finished_at=now)
        .execution_options(synchronize_session=False)
    )
    dispatch.nudge(session, queues.TASK_DELIVER)
    result = Removed(affected(handed), affected(closed))
    _record(session, endpoint, "remove", actor, now, f"{result.handed_over} handed over, {result.closed} closed")
    return result


def note(session: Session, endpoint_id: int, answer: Answer, *, now: datetime, rand: Callable[[], float]) -> bool:
    """What one attempt says of its endpoint: a success ends failure and automatic pause, failures rest and pause it.

    Returns whether the endpoint is paused now. `rand` gives uniform numbers in [0, 1) for the jitter of probes.
    """
    endpoint = session.scalar(
        select(Endpoint)
        .where(Endpoint.id == endpoint_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if endpoint is None or endpoint.deleted_at is not None:
        return False
    endpoint.slow = not answer.delivered or answer.milliseconds > schedule.SLOW_SECONDS * 1000
    if answer.delivered:
        _succeeded(session, endpoint, now)
    else:
        _failed(session, endpoint, answer, now, rand)
    return endpoint.paused_at is not None


def check_url(url: str) -> None:
    """Raises InvalidInput naming `url` for an address that deliveries could never go to."""
    if len(url) > MAX_URL:
        raise InvalidInput("The address may have at most %(most)s characters.", field="url", values={"most": MAX_URL})
    try:
        addresses.parse(url)
    except addresses.Refused as reason:
        raise InvalidInput("This address cannot be used: %(why)s.", field="url", values={"why": str(reason)}) from None


def _succeeded(session: Session, endpoint: Endpoint, now: datetime) -> None:
    endpoint.last_ok_at, endpoint.failures, endpoint.failing_since = now, 0, None
    if not endpoint.enabled or (endpoint.paused_at is not None and endpoint.probe_at is None):
        return  # a person stopped it, and only a person starts it again
    if endpoint.paused_at is not None:
        slow = endpoint.slow
        _work_again(session, endpoint, now)
        endpoint.slow = slow
        _record(session, endpoint, "resume", DELIVERY, now, "it answers again")
    endpoint.probe_at = None


def _failed(session: Session, endpoint: Endpoint, answer: Answer, now: datetime, rand: Callable[[], float]) -> None:
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    if answer.gone and endpoint.enabled:
        _switch_off(endpoint, GONE)
        _record(session, endpoint, "disable", DELIVERY, now, GONE)
        return
    if not endpoint.enabled or (endpoint.paused_at is not None and endpoint.probe_at is None):
        return
    wait = schedule.rest(endpoint.failures, answer.status, answer.retry_after)
    failing_for = (now - endpoint.failing_since).total_seconds()
    if endpoint.paused_at is None and schedule.must_pause(endpoint.failures, failing_for):
        endpoint.paused_at = now
        _record(session, endpoint, "pause", DELIVERY, now, answer.error)
    if endpoint.paused_at is not None:
        since = endpoint.failing_since.isoformat(timespec="minutes").replace("+00:00", "Z")
        endpoint.disabled_reason = f"{endpoint.failures} failures in a row since {since}; the last: {answer.error}"[
            :200
        ]
        wait = max(wait, schedule.next_probe((now - endpoint.paused_at).total_seconds(), rand))
    endpoint.probe_at = now + timedelta(seconds=wait)


def _switch_off(endpoint: Endpoint, reason: str) -> None:
    endpoint.enabled, endpoint.disabled_reason = False, reason
    endpoint.paused_at = endpoint.probe_at = None


def _work_again(session: Session, endpoint: Endpoint, now: datetime) -> None:
    """Forget all failure, and make due what waits for its next attempt; what is in its grace stays there."""
    endpoint.enabled, endpoint.disabled_reason = True, ""
    endpoint.failures, endpoint.failing_since, endpoint.slow = 0, None, False
    endpoint.paused_at = endpoint.probe_at = None
    session.execute(
        update(Delivery)
        .where(Delivery.endpoint_id == endpoint.id, Delivery.state == DUE, Delivery.attempts > 0, Delivery.due_at > now)
        .values(due_at=now)
        .execution_options(synchronize_session=False)
    )
    dispatch.nudge(session, queues.TASK_DELIVER)


def _record(session: Session, endpoint: Endpoint, what: str, actor: str, now: datetime, detail: str = "") -> None:
    audit.record(
        session,
        actor=actor,
        action=f"endpoint.{what}",
        subject=f"endpoint:{endpoint.id}",
        site_id=endpoint.site_id,
        now=now,
        detail=detail,
    )
