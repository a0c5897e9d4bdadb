"""Tables of the scoring room."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId
from moderation.signals import SIGNALS


class Score(Base):
    """What one version of one scorer said of one revision; never overwritten. A null signal was not measured."""

    __tablename__ = "score"
    __table_args__ = (
        UniqueConstraint("comment_id", "revision", "scorer", "version"),
        *(
            CheckConstraint(f"{name} IS NULL OR ({name} >= 0 AND {name} <= 1)", name=f"{name}_range")
            for name in SIGNALS
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    scorer: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(80))
    toxicity: Mapped[float | None] = mapped_column(Float)
    severe_toxicity: Mapped[float | None] = mapped_column(Float)
    obscene: Mapped[float | None] = mapped_column(Float)
    threat: Mapped[float | None] = mapped_column(Float)
    insult: Mapped[float | None] = mapped_column(Float)
    identity_attack: Mapped[float | None] = mapped_column(Float)
    sexual_explicit: Mapped[float | None] = mapped_column(Float)
    spam: Mapped[float | None] = mapped_column(Float)
    language: Mapped[str] = mapped_column(String(8))
    supported: Mapped[bool]
    reads_as: Mapped[str] = mapped_column(Text, default="")
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    spans: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime]


class Work(Base):
    """A revision that a scorer has to judge. State `due` → `leased` → `done` | `failed` | `dropped`."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("comment_id", "revision", "scorer"),
        Index("ix_work_due", "scorer", "state", "due_at", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    scorer: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(10), default="due")
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    lease_token: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(String(500), default="")
