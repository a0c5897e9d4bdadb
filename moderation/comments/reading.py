"""What the public may read: comments that are shown now, threaded and paged."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from moderation.accounts.models import Site
from moderation.comments import intake
from moderation.comments.models import Comment, Revision, Story

MAX_DEPTH = 10
"""Replies deeper than this stand beside their parent instead of under it."""

MAX_REPLIES = 1000
"""Replies that one page of a thread brings at most."""


@dataclass(slots=True)
class Shown:
    """A comment as the public sees it; `text` is plain text. `depth` 0 is a root."""

    id: int
    external_id: str
    author_name: str
    author_url: str | None
    text: str
    created_at: datetime
    parent_id: int | None
    depth: int = 0
    replies: list["Shown"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Thread:
    """A page of a story's comments. `count`: all that are shown under the story; `next`: where to go on, or None."""

    count: int
    items: list[Shown]
    next: int | None


@dataclass(frozen=True, slots=True)
class Recent:
    """One line of a "Recent Comments" box."""

    id: int
    author_name: str
    story_title: str
    story_url: str
    text: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Own:
    """A comment as its author may follow it, by the hash that only they were given."""

    id: int
    status: str
    author_name: str
    text: str
    created_at: datetime


def shown_now(row: Any, now: datetime) -> ColumnElement[bool]:
    """Whether a comment (the class or an alias) is public at `now`: a decision shows when it is due."""
    return case((row.shown_at <= now, row.shown_next), else_=row.shown)


def story_of(session: Session, site_id: int, external_id: str) -> Story | None:
    """A registered story."""
    return session.scalar(select(Story).where(Story.site_id == site_id, Story.external_id == external_id))


def thread(
    session: Session, site: Site, story_external_id: str, *, now: datetime, after: int = 0, page_size: int = 50
) -> Thread:
    """The comments shown under a story: `page_size` roots after the root id `after`, each with all its replies.

    A reply whose parent is not shown stands as a root. An unknown story has no comments.
    """
    story = story_of(session, site.id, story_external_id)
    if story is None:
        return Thread(0, [], None)
    parent = aliased(Comment)
    is_root = or_(
        Comment.parent_id.is_(None),
        ~select(parent.id)
        .where(parent.id == Comment.parent_id, parent.story_id == story.id, shown_now(parent, now))
        .exists(),
    )
    here = and_(Comment.story_id == story.id, shown_now(Comment, now))
    count = session.scalar(select(func.count()).select_from(Comment).where(here)) or 0
    roots = _shown(session, and_(here, is_root, Comment.id > after), page_size + 1)
    more = len(roots) > page_size
    roots = roots[:page_size]
    _hang_replies(session, roots, here)
    return Thread(count, roots, roots[-1].id if more and roots else None)


def recent(session: Session, site: Site, *, limit: int, now: datetime) -> list[Recent]:
    """The newest comments shown on the site."""
    rows = session.execute(
        select(Comment, Revision.text, Story.title, Story.url)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .join(Story, Story.id == Comment.story_id)
        .where(Comment.site_id == site.id, shown_now(Comment, now))
        .order_by(Comment.id.desc())
        .limit(limit)
    ).all()
    return [Recent(row.id, row.author_name, title, url, text, row.created_at) for row, text, title, url in rows]


def own_hash(key: bytes, comment_id: int) -> str:
    """What lets an anonymous author follow their comment: HMAC-SHA-256 of its id, 32 hex digits."""
    return hmac.new(key, f"own:{comment_id}".encode(), hashlib.sha256).hexdigest()[:32]


def own(session: Session, site: Site, comment_id: int, hash_: str, key: bytes) -> Own | None:
    """The comment, if the hash is right; None tells nothing else."""
    if not hmac.compare_digest(own_hash(key, comment_id).encode(), hash_.encode("utf-8", "surrogatepass")):
        return None
    comment = session.scalar(select(Comment).where(Comment.id == comment_id, Comment.site_id == site.id))
    if comment is None:
        return None
    revision = intake.current_revision(session, comment)
    text = revision.text if revision is not None else ""
    return Own(comment.id, comment.status, comment.author_name, text, comment.created_at)


def _shown(session: Session, where: ColumnElement[bool], limit: int) -> list[Shown]:
    rows = session.execute(
        select(Comment, Revision.text)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(where)
        .order_by(Comment.id)
        .limit(limit)
    ).all()
    return [
        Shown(row.id, row.external_id, row.author_name, row.author_url, text, row.created_at, row.parent_id)
        for row, text in rows
    ]


def _hang_replies(session: Session, roots: Sequence[Shown], here: ColumnElement[bool]) -> None:
    level, left, depth = {root.id: root for root in roots}, MAX_REPLIES, 1
    hangers = dict(level)
    while level and left > 0:
        replies = _shown(session, and_(here, Comment.parent_id.in_(level)), left)
        left -= len(replies)
        following: dict[int, Shown] = {}
        for reply in replies:
            holder = hangers[reply.parent_id or 0]
            reply.depth = min(depth, MAX_DEPTH)
            holder.replies.append(reply)
            following[reply.id] = reply
            # beyond the depth limit a reply's own replies hang beside it, on the same holder
            hangers[reply.id] = reply if depth < MAX_DEPTH else holder
        level, depth = following, depth + 1
