"""Tables of the review room."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Decision(Base):
    """What counts: approve, reject or hold, by a moderator or (moderator null) by the policy. Append-only."""

    __tablename__ = "decision"
    __table_args__ = (
        UniqueConstraint("comment_id", "sequence"),
        Index("ix_decision_moderator", "moderator_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    sequence: Mapped[int]
    action: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    origin: Mapped[str] = mapped_column(String(12))
    """`moderator`, `policy`, `deadline` (not scored in time), `staff` (the site's own people wrote it) or `import`."""
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    policy_version: Mapped[int | None]
    created_at: Mapped[datetime]
