"""Tables of the alerts room."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Alert(Base):
    """One thing that is wrong, or was: per kind and subject (a site, an endpoint, a scorer) one row for ever.

    `since`: when it began, None while all is well; `sent_at`: when people were last told of it.
    """

    __tablename__ = "alert"
    __table_args__ = (UniqueConstraint("kind", "subject"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(80))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    since: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    detail: Mapped[str] = mapped_column(Text, default="")


class QueueSample(Base):
    """How many comments were held on a site at a moment: what "the queue grows" compares with."""

    __tablename__ = "queue_sample"
    __table_args__ = (UniqueConstraint("site_id", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    at: Mapped[datetime]
    held: Mapped[int]
