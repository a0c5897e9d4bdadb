"""Tables of the delivery room."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Endpoint(Base):
    """Where a site wants to be told. It works, is paused (it fails again and again: tried now and then, nothing is
    lost), is disabled (by hand, or it answered 410 Gone), or was removed (`deleted_at`; its history stays)."""

    __tablename__ = "endpoint"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    disabled_reason: Mapped[str] = mapped_column(String(200), default="")
    """Why it is disabled or paused; empty while it is neither."""
    failures: Mapped[int] = mapped_column(default=0)
    """Failed attempts in a row."""
    failing_since: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    """Nothing is sent before this: the next try of a paused endpoint, or the end of the short rest of a failing one.
    None and paused: a person paused it, and only a person resumes it."""
    slow: Mapped[bool] = mapped_column(Boolean, default=False)
    """Its last attempt failed or took long: such endpoints share few of the threads, so that the others wait less."""
    last_ok_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class Delivery(Base):
    """The outbox: one event for one endpoint of a site, with the finished payload.

    State `due` → `leased` → `delivered` | `dead` | `superseded`; without an endpoint it stays `due` for pulling.
    `event_id` is the webhook id, the receiver's idempotency key, the same for every endpoint of the site; `sequence`
    orders the events of one comment. A test event has no comment and the sequence 0.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("comment_id", "sequence", "endpoint_id"),
        Index("ix_delivery_due", "state", "due_at", "id"),
        Index("ix_delivery_site_state", "site_id", "state", "id"),
        Index("ix_delivery_endpoint_state", "endpoint_id", "state", "due_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("endpoint.id"))
    comment_id: Mapped[int | None] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    sequence: Mapped[int]
    event_id: Mapped[str] = mapped_column(String(60), index=True)
    told: Mapped[str] = mapped_column(String(120))
    """Status, revision and reason in one string: two events that tell the same need not both be sent."""
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(12), default="due")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease_token: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Attempt(Base):
    """One try to deliver: when, what the site answered, how long it took."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    status: Mapped[int | None]
    error: Mapped[str] = mapped_column(String(500), default="")
    milliseconds: Mapped[int]
