"""The browser form: its timing token, what WordPress refuses (duplicates, floods), and its four faults."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments import authors, reading, stored_texts, story_rules
from moderation.comments.intake import AuthorInput
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import WITHDRAWN
from moderation.errors import Conflict, InvalidInput, NotAllowed, TooMany

HONEYPOT = "moderation_website"
TOKEN = "moderation_token"  # noqa: S105 the name of a field, not a secret

COMMENT_BYTES, AUTHOR_BYTES, EMAIL_BYTES, URL_BYTES = 65525, 245, 100, 200
"""WordPress's column lengths, in bytes: what its form takes, we take."""

EMPTY_COMMENT = "Please enter your comment!"
EMPTY_NAME = "Please enter your name here"
EMPTY_EMAIL = "Please enter your email address here"
WRONG_EMAIL = "You have entered an incorrect email address!"
WRONG_URL = "This is not a web address."
TOO_LONG = {
    "comment": "This comment is too long.",
    "author": "This name is too long.",
    "email": "This email address is too long.",
    "url": "This web address is too long.",
}
FORGED = "This form is not valid any more. Reload the article and send your comment again."
DUPLICATE = "Duplicate comment: it looks as though you have already said that."
FLOOD = "You are posting comments too quickly. Slow down."
BUSY = "Too many comments are coming in. Try again in a minute."
PARENT_GONE = "The comment that you answer is no longer here."
NO_STORY = "This article takes no comments."

TEXTS: Mapping[str, str] = {
    "heading": "Leave a Reply",
    "intro": "",
    "button": "Post Comment",
    "waiting": "Your comment is awaiting moderation.",
    "closed": "This article no longer takes comments.",
}
"""What a form says, by name; the sentences are msgids. A site may say it in its own words (Site.form_texts)."""

TOKEN_LIFE = timedelta(days=2)
"""A page may stand in a cache for a day; an older token counts as missing, not as forged."""

_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}")


@dataclass(frozen=True, slots=True)
class FormFaults(Exception):
    """What is wrong with a form, field → sentence; the sentences are msgids of the catalogue."""

    errors: Mapping[str, str]


class StoryClosed(NotAllowed):
    """The story is too old for new comments (Site.close_after_days)."""

    code = "story_closed"


@dataclass(frozen=True, slots=True)
class FormInput:
    """A form as it was read: text, author, parent and what was noticed (flags of policy.rules.FLAG_CODES)."""

    text: str
    author: AuthorInput
    parent_id: int | None


def texts(site: Site, translate: Callable[[str], str] = str) -> dict[str, str]:
    """What the site's form says: its own words, else the usual ones, given through `translate`."""
    own = {name: str(site.form_texts.get(name) or "") for name in TEXTS}
    return {name: own[name] or (translate(usual) if usual else "") for name, usual in TEXTS.items()}


def is_closed(session: Session, site: Site, story_external_id: str, now: datetime) -> bool:
    """Whether a story takes no more comments; one that we have not heard of is open."""
    story = reading.story_of(session, site.id, story_external_id)
    return story is not None and story_rules.is_closed(site, story, now)


def refuse_closed(site: Site, story: Story, now: datetime) -> None:
    """Raises StoryClosed, in the site's words, when the story takes no more comments."""
    if story_rules.is_closed(site, story, now):
        raise StoryClosed(texts(site)["closed"], field="comment_post_ID")


def make_token(key: bytes, public_id: str, story_external_id: str, now: datetime) -> str:
    """A signed note of when the form was shown: `<unix time>.<hex HMAC-SHA-256>`, for this site and story only."""
    shown = str(int(now.timestamp()))
    return f"{shown}.{_sign(key, public_id, story_external_id, shown)}"


def token_flag(
    token: str, *, key: bytes, public_id: str, story_external_id: str, now: datetime, min_seconds: int
) -> str | None:
    """What the token says: `no_timing_token`, `too_fast`, or None when all is well.

    Raises NotAllowed when the token is forged.
    """
    if not token:
        return "no_timing_token"
    shown, _, signature = token.partition(".")
    right = _sign(key, public_id, story_external_id, shown)
    shown_at = parsing.whole_number(shown, 12)
    if shown_at is None:
        raise NotAllowed(FORGED, field=TOKEN)
    if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "surrogatepass")):
        raise NotAllowed(FORGED, field=TOKEN)
    age = now.timestamp() - shown_at
    if age > TOKEN_LIFE.total_seconds() or age < -60:
        return "no_timing_token"
    return "too_fast" if age < min_seconds else None


def read(fields: Mapping[str, str], address: str | None) -> FormInput:
    """The form's values, checked as the theme checks them. Raises FormFaults with every fault at once."""
    errors: dict[str, str] = {}
    text = _field(fields, "comment", COMMENT_BYTES, errors, EMPTY_COMMENT, multiline=True)
    name = _field(fields, "author", AUTHOR_BYTES, errors, EMPTY_NAME)
    email = _field(fields, "email", EMAIL_BYTES, errors, EMPTY_EMAIL)
    if email and "email" not in errors and not _EMAIL.fullmatch(email):
        errors["email"] = WRONG_EMAIL
    url = _field(fields, "url", URL_BYTES, errors, "")
    if url and "url" not in errors:
        url = clean_url(url) or ""
        if not url:
            errors["url"] = WRONG_URL
    parent = parsing.whole_number(fields.get("comment_parent", "0").strip() or "0")
    if parent is None:
        errors["comment_parent"] = "comment_parent must be a number."
    if errors:
        raise FormFaults(errors)
    return FormInput(text, AuthorInput(name=name, email=email, url=url or None, ip=address), parent or None)


def clean_url(url: str) -> str | None:
    """An author's web address, http or https only, `http://` put before a bare `example.org`; None when it is none."""
    if "://" not in url and ":" not in url.partition("/")[0]:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or "." not in host or parts.username or parts.password:
        return None
    if any(char.isspace() or ord(char) < 32 for char in url) or len(url.encode()) > URL_BYTES:
        return None
    return url


def find_story(session: Session, site: Site, fields: Mapping[str, str], now: datetime) -> Story:
    """The story under which a form stands: a registered one, or one whose given address is of the site's own origin.

    Raises InvalidInput naming `comment_post_ID` or `comment_post_url`.
    """
    external_id = parsing.clean_text(
        fields.get("comment_post_ID", ""), "comment_post_ID", max_chars=255, max_bytes=255, multiline=False
    )
    if not external_id:
        raise InvalidInput("The form does not say which story it belongs to.", field="comment_post_ID")
    story = reading.story_of(session, site.id, external_id)
    if story is not None:
        return story
    url = fields.get("comment_post_url", "").strip()
    if not url:
        raise InvalidInput(NO_STORY, field="comment_post_ID")
    if len(url) > 2000 or sites.origin_of(url) not in site.origins:
        raise InvalidInput("The story's address is not one of this site.", field="comment_post_url")
    title = fields.get("comment_post_title", "").strip() or url
    title = parsing.clean_text(title[:500], "comment_post_title", max_chars=500, max_bytes=2000, multiline=False)
    story = Story(site_id=site.id, external_id=external_id, url=url, title=title, created_at=now)
    session.add(story)
    session.flush()
    return story


def refuse_repeats(
    session: Session,
    site: Site,
    story: Story,
    given: FormInput,
    *,
    key: bytes,
    now: datetime,
    flood_seconds: int,
    site_per_minute: int,
) -> None:
    """Refuse as WordPress does: Conflict for a duplicate, TooMany (with `retry_after`, s) for a flood.

    A duplicate: the same text under the same story and parent by the same name or e-mail. A flood: the same address
    or e-mail less than `flood_seconds` ago, or more than `site_per_minute` form comments on the site.
    """
    hashed = authors.email_hash(key, site.id, given.author.email or "")
    same_author = or_(Comment.author_name == given.author.name, Author.email_hash == hashed)
    duplicate = session.scalar(
        select(Comment.id)
        .join(Author, Author.id == Comment.author_id)
        .where(
            Comment.story_id == story.id,
            Comment.parent_id.is_(None) if given.parent_id is None else Comment.parent_id == given.parent_id,
            Comment.status != WITHDRAWN,
            same_author,
            Revision.comment_id == Comment.id,
            Revision.text_hash == stored_texts.text_hash(given.text),
        )
        .limit(1)
    )
    if duplicate is not None:
        raise Conflict(DUPLICATE, field="comment")
    if flood_seconds:
        same_source = [Author.email_hash == hashed]
        if given.author.ip:
            same_source.append(Comment.ip_hash == authors.keyed_hash(key, "ip", site.id, given.author.ip))
        last = session.scalar(
            select(func.max(Comment.received_at))
            .join(Author, Author.id == Comment.author_id)
            .where(
                Comment.site_id == site.id,
                Comment.received_at > now - timedelta(seconds=flood_seconds),
                or_(*same_source),
            )
        )
        if last is not None:
            wait = max(1, int((last + timedelta(seconds=flood_seconds) - now).total_seconds()) + 1)
            raise TooMany(FLOOD, details={"retry_after": wait})
    arrived = session.scalar(
        select(func.count())
        .select_from(Comment)
        .where(Comment.site_id == site.id, Comment.source == "form", Comment.received_at > now - timedelta(minutes=1))
    )
    if (arrived or 0) >= site_per_minute:
        raise TooMany(BUSY, details={"retry_after": 60})


def parent_of(session: Session, site: Site, story: Story, parent_id: int | None, now: datetime) -> Comment | None:
    """The comment that a form replies to. Raises NotAllowed when it is not shown under this story."""
    if parent_id is None:
        return None
    parent = session.scalar(
        select(Comment).where(
            Comment.id == parent_id,
            Comment.site_id == site.id,
            Comment.story_id == story.id,
            reading.shown_now(Comment, now),
        )
    )
    if parent is None:
        raise NotAllowed(PARENT_GONE, field="comment_parent")
    return parent


def _field(
    fields: Mapping[str, str], name: str, max_bytes: int, errors: dict[str, str], empty: str, *, multiline: bool = False
) -> str:
    given = fields.get(name, "")
    if parsing.is_blank(given):
        if empty:
            errors[name] = empty
        return ""
    try:
        return parsing.clean_text(given, name, max_chars=max_bytes, max_bytes=max_bytes, multiline=multiline).strip()
    except InvalidInput as error:
        too_long = len(given.encode("utf-8", "surrogatepass")) > max_bytes
        errors[name] = TOO_LONG[name] if too_long else error.message
        return ""


def _sign(key: bytes, public_id: str, story_external_id: str, shown: str) -> str:
    message = f"form:{public_id}:{story_external_id}:{shown}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()
