"""Tables of the policy room."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
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
