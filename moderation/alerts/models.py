"""Tables of the alerts room."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Alert(Base):
    """One thing that is wrong, or was: per kind and subject (a site, an endpoint, a scorer) one row for ever.

    `noticed_at`: first seen, while it has not lasted long enough to count; `since`: when it began, None while all is
    well; `well_at`: first found mended, while that has not lasted long enough to be believed.
    """

    __tablename__ = "alert"
    __table_args__ = (UniqueConstraint("kind", "subject"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    noticed_at: Mapped[datetime | None]
    since: Mapped[datetime | None]
    well_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    news_at: Mapped[datetime | None]
    """When it last got worse: it is repeated only if people were told before that. None: it is always news."""
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The figures and names of its sentences (sentences.py), as last seen; nothing that a reader wrote."""


class AlertNotice(Base):
    """What the people behind a channel know of an alert: `told_at`, None when they know it as over, or not at all."""

    __tablename__ = "alert_notice"
    __table_args__ = (UniqueConstraint("alert_id", "channel"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(20))
    told_at: Mapped[datetime | None]


class AlertTurn(Base):
    """What one process at a time may do, the examination or a channel's sending: taken by moving `due_at` onward.

    A channel's row also says how it fares: `failing_since`, `failures` in a row, the last `error`, and in `recent` the
    times (Unix, s) of its messages within the hour.
    """

    __tablename__ = "alert_turn"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    due_at: Mapped[datetime]
    taken_at: Mapped[datetime | None]
    ok_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(300), default="")
    recent: Mapped[list[Any]] = mapped_column(default=list)


class QueueSample(Base):
    """How many comments were held on a site at a moment: what "the queue grows" compares with."""

    __tablename__ = "queue_sample"
    __table_args__ = (UniqueConstraint("site_id", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    at: Mapped[datetime] = mapped_column(index=True)
    held: Mapped[int]
