"""Tables of the comments room."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId

_ORPHAN: dict[str, Any] = {
    f"{name}_where": text("parent_id IS NULL AND parent_external_id IS NOT NULL") for name in ("sqlite", "postgresql")
}


class Story(Base):
    """One article of a site."""

    __tablename__ = "story"
    __table_args__ = (UniqueConstraint("site_id", "external_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    external_id: Mapped[str] = mapped_column(String(255))
    url: Mapped[str] = mapped_column(String(2000))
    title: Mapped[str] = mapped_column(String(500))
    section: Mapped[str | None] = mapped_column(String(100))
    published_at: Mapped[datetime | None]
    """When the site says that the article appeared; `created_at` is when we first heard of it."""
    created_at: Mapped[datetime]


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


_SHOWN: dict[str, Any] = {
    "sqlite_where": text("shown = 1 OR shown_next = 1"),
    "postgresql_where": text("shown OR shown_next"),
}


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
        Index("ix_comment_author_status", "author_id", "status"),
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
