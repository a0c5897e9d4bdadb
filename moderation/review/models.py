"""Tables of the review room."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Decision(Base):
    """What counts: approve, reject or hold, by a moderator or (moderator null) by the policy. Append-only."""

    __tablename__ = "decision"
    __table_args__ = (
        UniqueConstraint("comment_id", "sequence"),
        Index("ix_decision_moderator", "moderator_id", "id"),
        Index("ix_decision_created", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    sequence: Mapped[int]
    action: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    origin: Mapped[str] = mapped_column(String(12))
    """`moderator`, `policy`, `deadline` (not scored in time), `staff` (the site's own people wrote it), `import`,
    `campaign` (what a moderator ordered for a campaign's newcomers), or `rescore` (put before people again, while the
    site goes on seeing what stood before; or that taken back)."""
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    policy_version: Mapped[int | None]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("bulk_job.id"))
    """The bulk job that made it."""
    created_at: Mapped[datetime]


class Claim(Base):
    """Somebody is reading this comment: a short lease, so that two people do not work on the same one."""

    __tablename__ = "claim"
    __table_args__ = (Index("ix_claim_moderator", "moderator_id", "until"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id", ondelete="CASCADE"))
    claimed_at: Mapped[datetime]
    until: Mapped[datetime]


class Escalation(Base):
    """A comment handed to a senior with a question. Open until somebody has decided it or answered."""

    __tablename__ = "escalation"
    __table_args__ = (Index("ix_escalation_comment", "comment_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    question: Mapped[str] = mapped_column(String(1000))
    created_at: Mapped[datetime]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    answer: Mapped[str] = mapped_column(String(1000), default="")
    answered_at: Mapped[datetime | None]


class Note(Base):
    """What a moderator wants colleagues to know of an author, a story or a comment (`kind`); readers never see it."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_subject", "kind", "subject_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str] = mapped_column(String(10))
    subject_id: Mapped[int] = mapped_column(BigId)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    text: Mapped[str] = mapped_column(String(2000))
    created_at: Mapped[datetime]


class SavedView(Base):
    """A search that the team keeps under a name."""

    __tablename__ = "saved_view"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    query: Mapped[str] = mapped_column(String(1000))
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    created_at: Mapped[datetime]


class SecondLook(Base):
    """A decision that somebody else judges again without knowing it. It changes nothing by itself."""

    __tablename__ = "second_look"
    __table_args__ = (
        UniqueConstraint("decision_id"),
        Index(
            "ix_second_look_open",
            "site_id",
            "id",
            sqlite_where=text("looked_at IS NULL"),
            postgresql_where=text("looked_at IS NULL"),
        ),
        Index("ix_second_look_looked", "looked_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), index=True)
    decision_id: Mapped[int] = mapped_column(ForeignKey("decision.id"))
    first_by: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    first_action: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]
    second_by: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    action: Mapped[str | None] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    looked_at: Mapped[datetime | None]


class CampaignOrder(Base):
    """What a moderator ordered for those that still come: newcomers of a campaign are held or rejected until then."""

    __tablename__ = "campaign_order"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"), primary_key=True)
    action: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    created_at: Mapped[datetime]
    until: Mapped[datetime]


class Trait(Base):
    """Something that floods share, found in a comment: a link's `domain`, a `phone` number."""

    __tablename__ = "trait"
    __table_args__ = (Index("ix_trait_value", "site_id", "kind", "value", "comment_id"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    value: Mapped[str] = mapped_column(String(255), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))


class SearchText(Base):
    """What the search reads: the words of a comment's current text as the normaliser folds it, parted by single
    spaces, and its author's name alike (review/filters.py makes both).

    The full text indexes hang on this table: `search_index` (SQLite, FTS5) and the column `words` (PostgreSQL).
    """

    __tablename__ = "search_text"
    __table_args__ = (
        # Letter by letter on PostgreSQL, too, whatever its collation: names are looked for by their beginning.
        Index(
            "ix_search_text_author",
            "site_id",
            "author",
            "comment_id",
            postgresql_ops={"author": "text_pattern_ops"},
        ),
    )

    comment_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    revision: Mapped[int]
    folded: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(String(245))


class Tally(Base):
    """How many comments of a site stand under a tab; exact together with what stands in `tally_delta`."""

    __tablename__ = "tally"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(12), primary_key=True)
    n: Mapped[int]


class TallyDelta(Base):
    """A change of a count that is not folded into it yet. Written by the triggers on `comment` (migration 0003)."""

    __tablename__ = "tally_delta"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(BigId)
    name: Mapped[str] = mapped_column(String(12))
    subject: Mapped[int | None] = mapped_column(BigId)
    """The story, where the count is a story's."""
    n: Mapped[int]


class Statistic(Base):
    """One figure of one hour of one site: computed when the hour is over, so that charts ask few rows."""

    __tablename__ = "statistic"

    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    key: Mapped[str] = mapped_column(String(60), primary_key=True)
    n: Mapped[int]


class BulkJob(Base):
    """One deed on all comments that match a search, done in batches by a worker.

    State: `running` → `done`, `cancelled` or `failed`; `paused` in between. `until_id` is the greatest comment id when
    it began, so that newcomers are not touched; `cursor` the last id that is done; until `lease_until` it rests.
    """

    __tablename__ = "bulk_job"
    __table_args__ = (Index("ix_bulk_job_state", "state", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id"))
    site_ids: Mapped[list[Any]]
    query: Mapped[str] = mapped_column(String(1000))
    action: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    undoes: Mapped[int | None] = mapped_column(ForeignKey("bulk_job.id"))
    state: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]
    """How many matched when it began."""
    until_id: Mapped[int] = mapped_column(BigId)
    cursor: Mapped[int] = mapped_column(BigId)
    decided: Mapped[int] = mapped_column(default=0)
    conflicts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(500), default="")
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BulkItem(Base):
    """What a bulk job did to one comment: `decided` with its decision; `conflict` and (`detail`, as JSON) why not; or
    `same`: it stood just so already."""

    __tablename__ = "bulk_item"
    __table_args__ = (Index("ix_bulk_item_outcome", "job_id", "outcome", "comment_id"),)

    job_id: Mapped[int] = mapped_column(ForeignKey("bulk_job.id", ondelete="CASCADE"), primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(10))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    detail: Mapped[str] = mapped_column(String(200), default="")
