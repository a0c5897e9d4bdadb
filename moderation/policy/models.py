"""Tables of the policy room."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class PolicyVersion(Base):
    """One version of a site's policy, never changed afterwards; the greatest version is live."""

    __tablename__ = "policy_version"
    __table_args__ = (UniqueConstraint("site_id", "version"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(60))


class VerdictRow(Base):
    """What the policy proposed for one revision, with every reason that fired. A later verdict is a later row."""

    __tablename__ = "verdict"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int]
    policy_version: Mapped[int]
    action: Mapped[str] = mapped_column(String(10))
    not_scored: Mapped[bool]
    reasons: Mapped[list[Any]]
    created_at: Mapped[datetime]


class PolicyDraft(Base):
    """A policy that somebody is working on: simulated, compared, published as the next version, or thrown away.

    `shadow`: it judges every live comment beside the live policy, and is only counted (ShadowCount).
    """

    __tablename__ = "policy_draft"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    based_on: Mapped[int]
    """The version that was live when it was begun."""
    document: Mapped[dict[str, Any]]
    shadow: Mapped[bool] = mapped_column(Boolean, default=False)
    created_by: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    published_version: Mapped[int | None]
    """The version that it became; None while it is a draft."""


class ShadowCount(Base):
    """How often, in one hour, a shadow draft said `shadow` where the live policy said `live`. Rows are only added,
    so that judging workers do not wait for each other; readers add up."""

    __tablename__ = "shadow_count"
    __table_args__ = (Index("ix_shadow_count_draft", "draft_id", "hour"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    draft_id: Mapped[int] = mapped_column(ForeignKey("policy_draft.id", ondelete="CASCADE"))
    hour: Mapped[datetime]
    live: Mapped[str] = mapped_column(String(10))
    shadow: Mapped[str] = mapped_column(String(10))
    n: Mapped[int]
