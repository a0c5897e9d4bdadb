"""Comments as RSS 2.0 and Atom. Pure functions from values to XML; no e-mail address is in any of it."""

import html
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree

from moderation.comments.reading import Recent

SIZE = 50
"""Comments of a feed."""

RSS, ATOM = "application/rss+xml", "application/atom+xml"

_ATOM = "http://www.w3.org/2005/Atom"
_DC = "http://purl.org/dc/elements/1.1/"
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A comment and the title under which a feed reader lists it."""

    comment: Recent
    title: str


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed: of a site (`public_id`) or one of its stories. `page`: what it is about, `address`: its own."""

    public_id: str
    story: str | None
    title: str
    language: str
    page: str
    address: str
    entries: Sequence[Entry]

    @property
    def updated_at(self) -> datetime | None:
        """When the newest text of it was written; None for an empty feed."""
        return max((entry.comment.updated_at for entry in self.entries), default=None)


def rss(feed: Feed) -> bytes:
    """The feed as RSS 2.0."""
    root = ElementTree.Element("rss", {"version": "2.0", "xmlns:atom": _ATOM, "xmlns:dc": _DC})
    channel = ElementTree.SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.page)
    _add(channel, "description", feed.title)
    _add(channel, "language", feed.language)
    if feed.updated_at is not None:
        _add(channel, "lastBuildDate", _rfc822(feed.updated_at))
    _add(channel, "atom:link", href=feed.address, rel="self", type=RSS)
    for entry in feed.entries:
        item = ElementTree.SubElement(channel, "item")
        _add(item, "title", entry.title)
        _add(item, "link", link(entry.comment))
        _add(item, "guid", _urn(feed.public_id, f"comments/{entry.comment.id}"), isPermaLink="false")
        _add(item, "pubDate", _rfc822(entry.comment.created_at))
        _add(item, "dc:creator", entry.comment.author_name)
        # A description is HTML by custom, and readers' texts are plain: escaped here, and once more as XML.
        _add(item, "description", html.escape(entry.comment.text, quote=False).replace("\n", "<br>"))
    return _written(root)


def atom(feed: Feed) -> bytes:
    """The feed as Atom (RFC 4287)."""
    root = ElementTree.Element("feed", {"xmlns": _ATOM, "xml:lang": feed.language})
    _add(root, "id", _urn(feed.public_id, f"stories/{feed.story}" if feed.story is not None else ""))
    _add(root, "title", feed.title)
    # Atom wants a date even of an empty feed: one that does not change from reading to reading.
    _add(root, "updated", _rfc3339(feed.updated_at or datetime(1970, 1, 1, tzinfo=UTC)))
    _add(root, "link", href=feed.page, rel="alternate")
    _add(root, "link", href=feed.address, rel="self", type=ATOM)
    for entry in feed.entries:
        item = ElementTree.SubElement(root, "entry")
        _add(item, "id", _urn(feed.public_id, f"comments/{entry.comment.id}"))
        _add(item, "title", entry.title)
        _add(item, "link", href=link(entry.comment), rel="alternate")
        _add(item, "published", _rfc3339(entry.comment.created_at))
        _add(item, "updated", _rfc3339(entry.comment.updated_at))
        author = ElementTree.SubElement(item, "author")
        _add(author, "name", entry.comment.author_name)
        _add(item, "content", entry.comment.text, type="text")
    return _written(root)


def link(comment: Recent) -> str:
    """The comment on its story's page."""
    return f"{comment.story_url.partition('#')[0]}#comment-{comment.id}"


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> None:
    made = ElementTree.SubElement(parent, name, {key: _clean(value) for key, value in attributes.items()})
    if text is not None:
        made.text = _clean(text)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)


def _written(root: ElementTree.Element) -> bytes:
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _urn(public_id: str, path: str) -> str:
    """A name that stays when the service or the story moves to another address."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"comment-moderation:{public_id}/{path}").urn


def _rfc822(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
