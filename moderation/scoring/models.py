"""Tables of the scoring room."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
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
    shadow: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    """Given by a rescore run or by a scorer that is only tried: it counts when its version is the live one."""
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


class Campaign(Base):
    """Texts that are nearly the same, though a city, a number or letters differ: found by MinHash within 30 days.

    Every text long enough begins one; most stay alone.
    """

    __tablename__ = "campaign"
    __table_args__ = (
        Index("ix_campaign_seen", "last_seen_at"),
        Index(
            "ix_campaign_first",
            "id",
            sqlite_where=text("size > 1 AND first_id IS NOT NULL"),
            postgresql_where=text("size > 1 AND first_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    """The MinHash signature of its first text (scoring/fingerprints.py)."""
    size: Mapped[int] = mapped_column(default=1)
    """Texts that came, whatever became of them."""
    first_id: Mapped[int | None] = mapped_column(BigId)
    """The comment that began it, and its revision, until it is given the campaign's id: that is when a second text
    comes. No foreign key, comments point here."""
    first_revision: Mapped[int | None]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]


class CampaignBand(Base):
    """One band of a campaign's signature: campaigns that share one may be alike."""

    __tablename__ = "campaign_band"
    __table_args__ = (Index("ix_campaign_band_key", "site_id", "band", "key", "campaign_id"),)

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True)
    band: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    key: Mapped[int] = mapped_column(BigInteger)


class Release(Base):
    """A version of a scorer that is not simply the package's own: another built-in artefact for the whole installation
    (`site_id` null), or a layer that was learned from one site's decisions (`scorer` is `newsroom`).

    State: `candidate` (offered with its report) → `shadow` (judges live comments, counts for nothing) → `live` →
    `retired`. At most one is live for a site and scorer; a rollback makes the one before it live again.
    """

    __tablename__ = "scorer_release"
    __table_args__ = (UniqueConstraint("scorer", "version", "site_id"), Index("ix_scorer_release_state", "state"))

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    scorer: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(80))
    artefact: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(String(10))
    created_by: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(String(60), default="")
    changed_at: Mapped[datetime]
    promoted_at: Mapped[datetime | None]
    """When it was last promoted: a rollback finds the one before it by this. None for one that was taken back."""


class Explanation(Base):
    """Which words a score rests on, where its scorer does not say so while it judges: asked for when a moderator opens
    the card. State `due` → `leased` → `done` | `failed`."""

    __tablename__ = "explanation"
    __table_args__ = (
        UniqueConstraint("comment_id", "revision", "scorer", "version"),
        Index("ix_explanation_state", "scorer", "state", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    scorer: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    spans: Mapped[list[Any]] = mapped_column(default=list)
    asked_at: Mapped[datetime]
