"""Tables of the comments room."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


def _where(condition: str) -> dict[str, Any]:
    """A partial index of the rows for which `condition` is true."""
    return {f"{name}_where": text(condition) for name in ("sqlite", "postgresql")}


_ORPHAN = _where("parent_id IS NULL AND parent_external_id IS NOT NULL")


class Story(Base):
    """One article of a site."""

    __tablename__ = "story"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        Index("ix_story_busy", "site_id", "comments", "id", **_where("held > 0")),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    external_id: Mapped[str] = mapped_column(String(255))
    url: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500))
    section: Mapped[str | None] = mapped_column(String(100))
    published_at: Mapped[datetime | None]
    """When the site says that the article appeared; `created_at` is when we first heard of it."""
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    """When a person closed it: it takes no more comments from then on."""
    premoderated: Mapped[bool] = mapped_column(Boolean, default=False)
    """A person wants every comment under it held."""
    comments: Mapped[int] = mapped_column(default=0)
    """Judged comments that were not withdrawn, and (`held`) those that wait: a few seconds old (review/tallies.py)."""
    held: Mapped[int] = mapped_column(default=0)


class Author(Base):
    """A reader who writes. `identity` is `x:` + the site's own id, else `e:` + the keyed hash of the e-mail,
    else `n:` + the name: the last two are claims, not identities, and earn no trust."""

    __tablename__ = "author"
    __table_args__ = (UniqueConstraint("site_id", "identity"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    identity: Mapped[str] = mapped_column(String(300))
    external_id: Mapped[str | None] = mapped_column(String(255))
    email_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    first_seen_at: Mapped[datetime]
    standing: Mapped[str] = mapped_column(String(10), default="")
    """What a person ordered for everything that this author writes: `banned`, `held`, `trusted`; empty: nothing."""
    standing_until: Mapped[datetime | None]
    """When the order ends; None: never."""
    standing_by: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    standing_at: Mapped[datetime | None]


_SHOWN: dict[str, Any] = {
    "sqlite_where": text("shown = 1 OR shown_next = 1"),
    "postgresql_where": text("shown OR shown_next"),
}

# One card stands for a whole campaign: its followers are in no list of what waits.
_WAITS = "status = 'HELD' AND NOT follower"

UNINDEXED = "indexed_revision <> revision AND status NOT IN ('PENDING', 'WITHDRAWN')"
"""Judged comments whose current text the search does not know: SQL, literally as the index has it."""


class Comment(Base):
    """What a reader wrote, as it stands now; its texts are revisions.

    `version` grows with every change of status or text: whoever decides names the version they saw.
    `shown`, `shown_next` and `shown_at` are what the public reading API shows: `shown` until `shown_at`, then
    `shown_next`, so that a page learns of a decision when the site does.
    `content_order`, `create_order` and `delete_order` are the greatest event orders seen (see comments/ordering.py).
    """

    __tablename__ = "comment"
    __table_args__ = (
        UniqueConstraint("site_id", "external_id"),
        Index("ix_comment_queue", "site_id", "status", "received_at", "id"),
        Index("ix_comment_story_status", "story_id", "status", "id"),
        Index("ix_comment_author", "author_id", "id", "status"),
        # The queue in each of its orders, and the tabs: review/queue_lists.py.
        Index("ix_comment_held_priority", "site_id", "priority", "id", **_where(_WAITS)),
        Index("ix_comment_held_received", "site_id", "received_at", "id", **_where(_WAITS)),
        Index("ix_comment_held_score", "site_id", "score", "id", **_where(_WAITS)),
        Index("ix_comment_held_story", "story_id", "received_at", "id", **_where(_WAITS)),
        Index("ix_comment_unscored_priority", "site_id", "priority", "id", **_where(f"{_WAITS} AND not_scored")),
        Index("ix_comment_unscored_received", "site_id", "received_at", "id", **_where(f"{_WAITS} AND not_scored")),
        Index("ix_comment_reported", "site_id", "priority", "id", **_where("reports > 0")),
        Index("ix_comment_escalated", "site_id", "priority", "id", **_where("escalated")),
        Index("ix_comment_decided", "site_id", "status", "spam", "decided_at", "id"),
        Index("ix_comment_campaign", "campaign_id", "status", "id", **_where("campaign_id IS NOT NULL")),
        Index("ix_comment_network", "site_id", "ip_network", "status", "id", **_where("ip_network IS NOT NULL")),
        # What the search does not know yet, though it is judged: review/search_texts.py.
        Index("ix_comment_unindexed", "id", **_where(UNINDEXED)),
        Index("ix_comment_pending", "status", "pending_since"),
        Index("ix_comment_address", "site_id", "ip_hash", "received_at"),
        # What is shown, or was, or is about to be: a comment that waits in the queue is in none of the two.
        Index("ix_comment_shown_site", "site_id", "created_at", "id", **_SHOWN),
        Index("ix_comment_shown_story", "story_id", "created_at", "id", "shown", "shown_next", "shown_at", **_SHOWN),
        # Replies whose parent has not come yet: few at any time, and looked for with every comment that comes.
        Index("ix_comment_orphan", "site_id", "parent_external_id", **_ORPHAN),
        Index("ix_comment_source", "site_id", "source", "received_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    story_id: Mapped[int | None] = mapped_column(ForeignKey("story.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"))
    external_id: Mapped[str] = mapped_column(String(255))
    parent_external_id: Mapped[str | None] = mapped_column(String(255))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comment.id"), index=True)
    source: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(12))
    version: Mapped[int] = mapped_column(default=1)
    revision: Mapped[int] = mapped_column(default=1)
    sequence: Mapped[int] = mapped_column(default=0)
    staff: Mapped[bool] = mapped_column(Boolean, default=False)
    """Written by the site itself: approved at once, and shown as such."""
    not_scored: Mapped[bool] = mapped_column(Boolean, default=False)
    human_revision: Mapped[int] = mapped_column(default=0)
    """The revision that a person last decided on: the machine keeps its hands off it."""
    priority: Mapped[float] = mapped_column(Float, default=0.0)
    """Greater comes first in the queue: risk, reach and age in one number that never has to be written again
    (review/priority.py)."""
    score: Mapped[float] = mapped_column(Float, default=0.0)
    """The greatest signal of the current revision that counts (review/evidence.py); 0 where nothing was measured."""
    spam: Mapped[bool] = mapped_column(Boolean, default=False)
    """Rejected as spam: the reason of the decision that stands."""
    reports: Mapped[int] = mapped_column(default=0)
    """Readers' reports since a person last decided."""
    escalated: Mapped[bool] = mapped_column(Boolean, default=False)
    """Handed to a senior with a question that nobody has answered yet."""
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaign.id", ondelete="SET NULL"))
    """The group of nearly the same texts that it belongs to."""
    follower: Mapped[bool] = mapped_column(Boolean, default=False)
    """Waits behind another held comment of its campaign, which stands in the queue for all of them."""
    indexed_revision: Mapped[int] = mapped_column(default=0)
    """The revision that the search knows."""
    author_name: Mapped[str] = mapped_column(String(245), default="")
    author_url: Mapped[str | None] = mapped_column(String(200))
    language_hint: Mapped[str | None] = mapped_column(String(35))
    language: Mapped[str | None] = mapped_column(String(8))
    ip_hash: Mapped[str | None] = mapped_column(String(64))
    ip_network: Mapped[str | None] = mapped_column(String(64))
    intake_flags: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    received_at: Mapped[datetime]
    pending_since: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    shown: Mapped[bool] = mapped_column(Boolean, default=False)
    shown_next: Mapped[bool] = mapped_column(Boolean, default=False)
    shown_at: Mapped[datetime]
    content_order: Mapped[str] = mapped_column(String(400), default="")
    create_order: Mapped[str] = mapped_column(String(400), default="")
    delete_order: Mapped[str] = mapped_column(String(400), default="")


class Revision(Base):
    """One immutable text of a comment. `text` is what people and scorers read; `raw` is the HTML as it was sent."""

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("comment_id", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    number: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    raw: Mapped[str | None] = mapped_column(Text)
    links: Mapped[int] = mapped_column(default=0)
    """Links of the HTML form, counted before it was stripped."""
    text_hash: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime]


class Report(Base):
    """A reader says that a comment should not stand. One reader, one report a comment."""

    __tablename__ = "report"
    __table_args__ = (
        UniqueConstraint("comment_id", "reporter"),
        Index("ix_report_reporter", "site_id", "reporter", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"))
    revision: Mapped[int]
    reporter: Mapped[str] = mapped_column(String(80))
    """A keyed hash: of the site's own id of the reader, or of the address."""
    reason: Mapped[str] = mapped_column(String(30))
    text: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]


class Label(Base):
    """What the site's own people say that a comment is, `spam` or `ham`: the newest word on it. It teaches, it decides
    nothing."""

    __tablename__ = "label"
    __table_args__ = (Index("ix_label_site", "site_id", "created_at"),)

    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    revision: Mapped[int]
    """The text that it speaks of."""
    label: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime]


class WebhookEvent(Base):
    """The inbox: a webhook id that we have answered, with the body it came with and the answer it got."""

    __tablename__ = "webhook_event"
    __table_args__ = (UniqueConstraint("site_id", "webhook_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    webhook_id: Mapped[str] = mapped_column(String(255))
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    answer: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(index=True)
