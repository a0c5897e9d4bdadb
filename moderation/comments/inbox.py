"""The inbox of webhook events: an id that was answered is answered again alike, and acts once."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moderation.comments.models import WebhookEvent
from moderation.errors import Conflict

KEPT = timedelta(days=7)
"""Longer than any sender retries: Standard Webhooks' schedule ends after about three days."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The answer that an event got."""

    status: int
    answer: dict[str, Any]


def answered(session: Session, site_id: int, webhook_id: str, body: bytes) -> Saved | None:
    """The saved answer of this webhook id, None when it is new.

    Raises Conflict when the same id came with another body before: one of the two is not what it says.
    """
    row = session.scalar(
        select(WebhookEvent).where(WebhookEvent.site_id == site_id, WebhookEvent.webhook_id == webhook_id)
    )
    if row is None:
        return None
    if row.body_hash != _hash(body):
        raise Conflict("This webhook-id was used with another body before.", field="webhook-id")
    return Saved(row.status, json.loads(row.answer))


def save(session: Session, site_id: int, webhook_id: str, body: bytes, saved: Saved, now: datetime) -> None:
    """Keep the answer, in the transaction of the event itself: both are there or neither is."""
    session.add(
        WebhookEvent(
            site_id=site_id,
            webhook_id=webhook_id,
            body_hash=_hash(body),
            status=saved.status,
            answer=json.dumps(saved.answer),
            received_at=now,
        )
    )
    session.flush()


def forget(session: Session, now: datetime) -> None:
    """Drop what no sender repeats any more."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.received_at < now - KEPT))


def _hash(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
