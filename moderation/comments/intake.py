"""Taking a comment in: from a parsed door's value to rows. The door commits; `pipeline` makes it judged.

The same again answers as the first did; events of one comment may come in any order and number (see ordering).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors, html, ordering, replies, status, stored_texts
from moderation.comments.models import Comment, Revision, Story
from moderation.comments.ordering import Orders
from moderation.db import insert_ignore
from moderation.errors import Conflict, InvalidInput


@dataclass(frozen=True, slots=True)
class StoryInput:
    """The article that a comment stands under."""

    external_id: str
    url: str
    title: str
    section: str | None = None
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuthorInput:
    """The reader as the site names them. `ip` and `email` are kept as keyed hashes only.

    `staff`: the site says that this is one of its own people; only a door that knows the site may set it.
    """

    name: str
    external_id: str | None = None
    email: str | None = None
    url: str | None = None
    ip: str | None = None
    staff: bool = False


@dataclass(frozen=True, slots=True)
class TextInput:
    """The new text of a known comment. `format` is `plain` or `html`."""

    text: str
    format: str = "plain"


@dataclass(frozen=True, slots=True)
class CommentInput:
    """One comment as a door has parsed and checked it. `format` is `plain` or `html`; `language` only a hint."""

    external_id: str
    story: StoryInput
    author: AuthorInput
    text: str
    format: str = "plain"
    parent_external_id: str | None = None
    created_at: datetime | None = None
    language: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """What intake did. `outcome`: created, revised, unchanged, ignored, withdrawn. `to_judge`: a text waits."""

    comment: Comment
    outcome: str
    to_judge: bool = False


def accept(session: Session, site: Site, given: CommentInput, *, source: str, secret: bytes, now: datetime) -> Taken:
    """Take a comment from the API or the form.

    The same external id with the same text is `unchanged`; with another text it raises Conflict naming the revision.
    A comment that the site deleted before this create arrived stays withdrawn, unless `created_at` is later.
    """
    existing = _find(session, site.id, given.external_id)
    if existing is None:
        comment = _insert(session, site, given, source=source, secret=secret, now=now)
        if comment is not None:
            return Taken(comment, "created", to_judge=True)
        existing = _find(session, site.id, given.external_id, must=True)
    assert existing is not None  # noqa: S101 _find(must=True) raises instead
    if existing.status == status.WITHDRAWN:
        if given.created_at is not None:
            key = ordering.order_key(given.created_at, "api")
            if ordering.same_kind(_orders(existing), key) and key > existing.delete_order:
                return _apply(session, site, existing, "created", key, given, secret=secret, now=now)
        return Taken(existing, "withdrawn")
    current = stored_texts.current_revision(session, existing)
    if current is not None and _same_text(current, given):
        return Taken(existing, "unchanged")
    raise Conflict(
        f"Comment {given.external_id!r} is known with another text, revision {existing.revision}; "
        "send an edit as a comment.updated event.",
        field="external_id",
        details={"id": str(existing.id), "revision": existing.revision},
    )


def apply_event(
    session: Session,
    site: Site,
    kind: str,
    key: str,
    external_id: str,
    given: CommentInput | None,
    *,
    secret: bytes,
    now: datetime,
) -> Taken:
    """Take a webhook event: `kind` created, updated or deleted, `key` its order (ordering.order_key).

    Raises InvalidInput naming `data.revision` when a comment's events are ordered now by revision, now by time.
    """
    comment = _find(session, site.id, external_id, lock=True)
    if comment is None:
        comment = (
            _insert(session, site, given, source="webhook", secret=secret, now=now)
            if given is not None
            else _tombstone(session, site, external_id, now)
        )
        if comment is not None:
            orders, _ = ordering.apply(Orders(), kind, key)
            _keep_orders(comment, orders)
            if kind == "deleted":
                return Taken(comment, "withdrawn")
            return Taken(comment, "created", to_judge=True)
        comment = _find(session, site.id, external_id, lock=True, must=True)
    assert comment is not None  # noqa: S101 _find(must=True) raises instead
    return _apply(session, site, comment, kind, key, given, secret=secret, now=now)


def edit(
    session: Session, site: Site, comment: Comment, given: TextInput, *, secret: bytes, now: datetime, tag: str
) -> Taken:
    """Give a comment a new text, as the site's server asks; the same text again is `unchanged`.

    Raises Conflict for a comment that the site has withdrawn: only a new comment.created brings it back.
    """
    if comment.status == status.WITHDRAWN:
        raise Conflict("The site has withdrawn this comment.", details={"what": "withdrawn"})
    key = ordering.next_key(_orders(comment), now, tag)
    return _apply(session, site, comment, "updated", key, given, secret=secret, now=now)


def withdraw(session: Session, site: Site, comment: Comment, *, secret: bytes, now: datetime, tag: str) -> Taken:
    """Take a comment back, as the site's server asks; again is the same."""
    if comment.status == status.WITHDRAWN:
        return Taken(comment, "withdrawn")
    key = ordering.next_key(_orders(comment), now, tag)
    return _apply(session, site, comment, "deleted", key, None, secret=secret, now=now)


def find(session: Session, site_id: int, external_id: str, *, lock: bool = True) -> Comment | None:
    """A comment by the site's own id, locked for a change unless told otherwise."""
    return _find(session, site_id, external_id, lock=lock)


def _apply(
    session: Session,
    site: Site,
    comment: Comment,
    kind: str,
    key: str,
    given: CommentInput | TextInput | None,
    *,
    secret: bytes,
    now: datetime,
) -> Taken:
    before = _orders(comment)
    if not ordering.same_kind(before, key):
        raise InvalidInput(
            "Events of one comment are ordered either all by data.revision or all by timestamp.", field="data.revision"
        )
    orders, newest = ordering.apply(before, kind, key)
    _keep_orders(comment, orders)
    text_changed = False
    if newest and given is not None:
        current = stored_texts.current_revision(session, comment)
        text_changed = current is None or not _same_text(current, given)
        if isinstance(given, CommentInput):
            _describe(session, site, comment, given, secret=secret, now=now)
        if text_changed:
            number = comment.revision + 1 if current is not None else max(1, comment.revision)
            session.add(_revision(comment.id, number, given, now))
            comment.revision = number
    session.flush()
    if orders.withdrawn:
        if comment.status == status.WITHDRAWN:
            return Taken(comment, "withdrawn" if kind == "deleted" else "ignored")
        _moved(status.move(session, comment, status.WITHDRAWN, now=now, shown=False, shown_next=False))
        return Taken(comment, "withdrawn")
    if text_changed or comment.status == status.WITHDRAWN:
        # A text that nobody has judged is not public, whatever stood there before.
        _moved(
            status.move(
                session,
                comment,
                status.PENDING,
                now=now,
                not_scored=False,
                human_revision=0,
                shown=False,
                shown_next=False,
            )
        )
        return Taken(comment, "revised", to_judge=True)
    return Taken(comment, "unchanged" if newest else "ignored")


def _find(
    session: Session, site_id: int, external_id: str, *, lock: bool = False, must: bool = False
) -> Comment | None:
    wanted = select(Comment).where(Comment.site_id == site_id, Comment.external_id == external_id)
    if lock:  # a no-op on SQLite, which has one writer
        wanted = wanted.with_for_update()
    if must:
        return session.scalars(wanted.execution_options(populate_existing=True)).one()
    return session.scalar(wanted)


def _orders(comment: Comment) -> Orders:
    return Orders(comment.content_order, comment.create_order, comment.delete_order)


def _keep_orders(comment: Comment, orders: Orders) -> None:
    comment.content_order, comment.create_order, comment.delete_order = orders.content, orders.create, orders.delete


def _moved(done: bool) -> None:
    if not done:
        raise Conflict("The comment changed in the same moment; send the event again.")


def is_staff(site: Site, author: AuthorInput) -> bool:
    """Whether the site's own people wrote this: by the role that the site's key vouches for, or by its list of ids."""
    return author.staff or (author.external_id is not None and author.external_id in site.staff_ids)


def story_differs(known: Any, given: StoryInput) -> bool:
    """Whether the site describes a story anew. What it leaves out (section, date) stays as it was."""
    return (
        (known.url, known.title) != (given.url, given.title)
        or given.section not in (None, known.section)
        or given.published_at not in (None, known.published_at)
    )


def display(given: CommentInput | TextInput) -> tuple[str, str | None, int]:
    """The text that people and scorers read, the HTML as it was sent (None for plain text), and its links."""
    if given.format == "html":
        text, links = html.to_text(given.text)
        return text, given.text, links
    return given.text, None, 0


def _same_text(current: Revision, given: CommentInput | TextInput) -> bool:
    text, raw, _ = display(given)
    return current.text == text and current.raw == raw


def revision_values(comment_id: int, number: int, given: CommentInput | TextInput, now: datetime) -> dict[str, Any]:
    """The columns of a revision."""
    text, raw, links = display(given)
    return {
        "comment_id": comment_id,
        "number": number,
        "text": text,
        "raw": raw,
        "links": links,
        "text_hash": stored_texts.text_hash(text),
        "created_at": now,
    }


def _revision(comment_id: int, number: int, given: CommentInput | TextInput, now: datetime) -> Revision:
    return Revision(**revision_values(comment_id, number, given, now))


def _story(session: Session, site_id: int, given: StoryInput, now: datetime) -> Story:
    wanted = select(Story).where(Story.site_id == site_id, Story.external_id == given.external_id)
    story = session.scalar(wanted)
    if story is None:
        insert_ignore(
            session,
            Story,
            site_id=site_id,
            external_id=given.external_id,
            url=given.url,
            title=given.title,
            section=given.section,
            published_at=given.published_at,
            created_at=now,
        )
        return session.scalars(wanted).one()  # ours, or that of a comment that was a moment earlier
    if story_differs(story, given):
        story.url, story.title = given.url, given.title
        story.section = given.section or story.section
        story.published_at = given.published_at or story.published_at
    return story


def _describe(
    session: Session, site: Site, comment: Comment, given: CommentInput, *, secret: bytes, now: datetime
) -> None:
    """All that is not the text: story, author, parent."""
    author = authors.find_or_add(session, site.id, given.author, secret=secret, now=now)
    comment.story_id = _story(session, site.id, given.story, now).id
    comment.author_id = author.id
    comment.author_name = given.author.name
    comment.author_url = given.author.url
    comment.staff = is_staff(site, given.author)
    comment.language_hint = given.language
    comment.parent_external_id = given.parent_external_id
    comment.parent_id = None
    if given.parent_external_id not in (None, comment.external_id):
        parent = _find(session, site.id, given.parent_external_id)
        comment.parent_id = parent.id if parent is not None else None
    if given.author.ip:
        comment.ip_hash = authors.keyed_hash(secret, "ip", site.id, given.author.ip)
        comment.ip_network = authors.network_of(given.author.ip) or None
    if given.created_at is not None:
        comment.created_at = given.created_at


def _blank(site: Site, external_id: str, source: str, state: str, now: datetime) -> Comment:
    return Comment(
        site_id=site.id,
        external_id=external_id,
        source=source,
        status=state,
        version=1,
        revision=1,
        sequence=0,
        human_revision=0,
        created_at=now,
        received_at=now,
        pending_since=now,
        shown=False,
        shown_next=False,
        shown_at=now,
        content_order="",
        create_order="",
        delete_order="",
    )


def _insert(
    session: Session, site: Site, given: CommentInput, *, source: str, secret: bytes, now: datetime
) -> Comment | None:
    """A new comment with its first revision; None when another transaction has just made it."""
    comment = _blank(site, given.external_id, source, status.PENDING, now)
    comment.intake_flags = ",".join(given.flags)
    _describe(session, site, comment, given, secret=secret, now=now)
    try:
        with session.begin_nested():
            session.add(comment)
            session.flush()
            session.add(_revision(comment.id, 1, given, now))
    except IntegrityError:
        return None
    waiting = replies.orphans_of(session, site.id, given.external_id)
    replies.adopt(session, waiting, {given.external_id: comment.id})
    return comment


def _tombstone(session: Session, site: Site, external_id: str, now: datetime) -> Comment | None:
    """A delete that arrives before its create leaves a mark, so that the create cannot bring the comment out."""
    comment = _blank(site, external_id, "webhook", status.WITHDRAWN, now)
    try:
        with session.begin_nested():
            session.add(comment)
    except IntegrityError:
        return None
    return comment
