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
from moderation.delivery import egress, outbox, schedule
from moderation.delivery.outbox import Claimed
from moderation.settings import Settings

LOOPBACK = ("127.0.0.0/8", "::1/128")


def deliver_due(db: Database, settings: Settings) -> int:
    """Send one due event per call; returns how many were sent (0 or 1). Several threads may call at once."""
    with db.reading() as session:  # most nudges find nothing: they should not take the writer's turn
        if not outbox.any_due(session, utcnow()):
            return 0
    with db.transaction() as session:
        batch = outbox.claim(session, now=utcnow(), limit=1, timeout=settings.delivery_timeout)
    for claimed in batch:
        _send(db, claimed, settings)
    return len(batch)


def _send(db: Database, claimed: Claimed, settings: Settings) -> None:
    with db.reading() as session:
        secrets = sites.live_secrets(session, claimed.site_id)
        allow = _allowed(session, claimed, settings)
    body = claimed.payload.encode()
    timestamp = int(time.time())  # of the attempt, as Standard Webhooks asks
    answer = egress.send(
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
    with db.transaction() as session:
        outbox.finish(
            session,
            claimed,
            now=utcnow(),
            status=answer.status,
            error=answer.error,
            milliseconds=answer.milliseconds,
            # An address that we refuse to connect to is a setting to mend, not a failure to wait out: it is shown as
            # dead at once, and `deliveries replay` sends it when the setting is right.
            retry_in=None
            if answer.refused
            else schedule.next_delay(claimed.attempts, answer.retry_after, random.random),
        )
        if answer.gone:
            outbox.disable_endpoint(session, claimed.endpoint_id, "the endpoint answered 410 Gone")


def _allowed(session: Session, claimed: Claimed, settings: Settings) -> Sequence[str]:
    """The private networks that this delivery may reach: the demo site lives on this very machine."""
    site = session.get(Site, claimed.site_id)
    own = urlsplit(claimed.url).netloc == urlsplit(settings.base_url).netloc
    if site is not None and site.is_demo and own:
        return (*settings.delivery_allow, *LOOPBACK)
    return settings.delivery_allow
