"""Tables of the delivery room."""

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Endpoint(Base):
    """Where a site wants to be told."""

    __tablename__ = "endpoint"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    disabled_reason: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]


class Delivery(Base):
    """The outbox: one event for one site, with the finished payload.

    State `due` → `leased` → `delivered` | `dead` | `superseded`; without an endpoint it stays `due` for pulling.
    `event_id` is the webhook id, the receiver's idempotency key; `sequence` orders the events of one comment.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("comment_id", "sequence"),
        Index("ix_delivery_due", "state", "due_at", "id"),
        Index("ix_delivery_site_state", "site_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    endpoint_id: Mapped[int | None] = mapped_column(ForeignKey("endpoint.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    sequence: Mapped[int]
    event_id: Mapped[str] = mapped_column(String(60), unique=True)
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
