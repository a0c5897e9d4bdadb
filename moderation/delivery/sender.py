"""Sending the outbox: claim, sign, send with no transaction open, note the answer."""

import random
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from moderation import signing
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.db import Database, utcnow
from moderation.delivery import egress, endpoints, leasing, schedule
from moderation.delivery.egress import Answer
from moderation.delivery.leasing import Claimed
from moderation.settings import Settings

LOOPBACK = ("127.0.0.0/8", "::1/128")

NO_SECRET = Answer(None, "refused: the site has no secret to sign with", None, 0, refused=True)


def deliver_due(db: Database, settings: Settings) -> int:
    """Send one due event per call; returns how many were sent (0 or 1). Several threads may call at once."""
    if db.is_sqlite:  # most nudges find nothing: they should not take the one writer's turn
        with db.reading() as session:
            if not leasing.any_due(session, utcnow()):
                return 0
    with db.transaction() as session:
        batch = leasing.claim(session, now=utcnow(), limit=1, timeout=settings.delivery_timeout)
        if not batch:
            return 0
        claimed = batch[0]
        secrets = sites.live_secrets(session, claimed.site_id)
        allow = _allowed(session, claimed, settings)
    _note(db, claimed, _exchange(claimed, secrets, allow, settings) if secrets else NO_SECRET)
    return 1


def _note(db: Database, claimed: Claimed, answer: Answer) -> None:
    # An address that we refuse to connect to is a setting to mend, not a failure to wait out, and a test is over at
    # once: both are shown as dead, and a replay sends them when the setting is right.
    once = answer.refused or claimed.is_test
    retry_in = None if once else schedule.next_delay(claimed.attempts, answer.retry_after, random.random)
    with db.transaction() as session:
        now = utcnow()
        paused = endpoints.note(session, claimed.endpoint_id, answer, now=now, rand=random.random)
        leasing.finish(
            session,
            claimed,
            now=now,
            status=answer.status,
            error=answer.error,
            milliseconds=answer.milliseconds,
            retry_in=retry_in,
            spare=paused,
        )


def _exchange(claimed: Claimed, secrets: Sequence[str], allow: Sequence[str], settings: Settings) -> Answer:
    body = claimed.payload.encode()
    timestamp = int(time.time())  # of the attempt, as Standard Webhooks asks
    return egress.send(
        claimed.url,
        body,
        {
            "content-type": "application/json; charset=utf-8",
            "user-agent": "comment-moderation",
            "webhook-id": claimed.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signing.sign(secrets, claimed.event_id, timestamp, body),
        },
        allow=allow,
        timeout=float(settings.delivery_timeout),
    )


def _allowed(session: Session, claimed: Claimed, settings: Settings) -> Sequence[str]:
    """The private networks that this delivery may reach: the demo site lives on this very machine."""
    site = session.get(Site, claimed.site_id)
    own = urlsplit(claimed.url).netloc == urlsplit(settings.base_url).netloc
    if site is not None and site.is_demo and own:
        return (*settings.delivery_allow, *LOOPBACK)
    return settings.delivery_allow
