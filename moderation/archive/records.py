"""What every format is read into: a comment with its decision, or the reason why it is none.

Texts are cleaned by the same rules as at the other doors. What a comment cannot stand without (id, story, text, date,
status) is strict, and a fault in it is a listed problem; an e-mail, a web address or an IP that is none is left out.
"""

import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urldefrag

from moderation import parsing
from moderation.accounts import sites
from moderation.comments import form, html
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.errors import InvalidInput
from moderation.review.decisions import REASONS

ID_BYTES, URL_BYTES, TITLE_BYTES, SECTION_BYTES = 255, 2000, 500, 100
FIRST_YEAR, LAST_YEAR = 1990, 2100

Verdict = tuple[str, str | None]
"""A decision: its action and, for a rejection, its reason."""

APPROVE: Verdict = ("approve", None)
HOLD: Verdict = ("hold", None)
SPAM: Verdict = ("reject", "SPAM")
OTHER: Verdict = ("reject", "OTHER")

VERDICTS: dict[str, Verdict] = {
    **dict.fromkeys(("approved", "approve", "published", "visible", "1"), APPROVE),
    **dict.fromkeys(("held", "hold", "pending", "unapproved", "0"), HOLD),
    **dict.fromkeys(("rejected", "reject", "trash", "post-trashed", "deleted"), OTHER),
    "spam": SPAM,
}
"""A status of an archive → the decision that it is."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record as it stands in a file. `number` counts from 1 and is where a killed import goes on; `line` is the line
    that it begins on. `raw` is what its reader makes a record of, or the error that stands in its place."""

    number: int
    line: int
    raw: Any
    external_id: str | None = None
    """For the list of problems, where it can be told before the record is read."""


@dataclass(frozen=True, slots=True)
class Record:
    """A comment and the decision (`approve`, `reject`, `hold`) that stood in the archive."""

    comment: CommentInput
    action: str
    reason: str | None


class Skipped(Exception):
    """Not a reader's comment, such as a pingback: counted by `kind`, and no fault."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Reader(Protocol):
    """One format. Finding the records of a file is cheap, reading one is not: a resumed import skips the reading."""

    def items(self) -> Iterator[Item]:
        """The records in the file's order, the same in every pass.

        Raises InvalidInput when this is no file of the format, MalformedInput when nothing after here can be read.
        """

    def read(self, item: Item) -> Record:
        """The record of an item. Raises InvalidInput with what is wrong with it, and Skipped."""


def make(
    *,
    external_id: str,
    story: StoryInput,
    author: AuthorInput,
    text: str,
    html: bool,
    created_at: datetime,
    verdict: Verdict,
    parent: str = "",
) -> Record:
    """A record of cleaned parts. Raises InvalidInput naming the field that is wrong."""
    given = CommentInput(
        external_id=line(external_id, "id", ID_BYTES, required=True),
        story=story,
        author=author,
        text=parsing.clean_text(
            text,
            "content",
            max_chars=form.COMMENT_BYTES,
            max_bytes=form.COMMENT_BYTES,
            multiline=True,
            required=True,
        ),
        format="html" if html else "plain",
        parent_external_id=line(parent, "parent_id", ID_BYTES) or None,
        created_at=created_at,
    )
    if html and _is_empty(given.text):
        raise InvalidInput("The text is empty once its HTML is stripped.", field="content")
    return Record(given, *verdict)


@lru_cache(maxsize=4096)
def make_story(
    external_id: str, url: str, title: str, section: str = "", published_at: datetime | None = None
) -> StoryInput:
    """An article; without an id of its own its address is its id. Raises InvalidInput naming the field."""
    url = line(url, "post_url", URL_BYTES).strip()
    if not sites.origin_of(url):
        raise InvalidInput("The article has no http or https address.", field="post_url")
    return StoryInput(
        external_id=line(external_id, "post_id", ID_BYTES).strip() or story_id_of(url),
        url=url,
        title=line(title, "post_title", TITLE_BYTES).strip(),
        section=line(section, "post_section", SECTION_BYTES).strip() or None,
        published_at=published_at,
    )


def story_id_of(url: str) -> str:
    """The external id of an article that is known by its address alone: the address, or its hash when it is long."""
    plain = urldefrag(url).url
    return plain if len(plain.encode()) <= ID_BYTES else f"url:{hashlib.sha256(plain.encode()).hexdigest()}"


def make_author(
    name: str, *, external_id: str = "", email: str = "", url: str = "", ip: str = "", staff: bool = False
) -> AuthorInput:
    """A reader. Raises InvalidInput for a name or id that cannot be kept; other claims that are none are left out."""
    return AuthorInput(
        name=line(name, "author_name", form.AUTHOR_BYTES).strip(),
        external_id=line(external_id, "author_id", ID_BYTES).strip() or None,
        email=_or_none(email.strip(), form.EMAIL_BYTES),
        url=_web_address(url.strip()),
        ip=_address(ip.strip()),
        staff=staff,
    )


def line(value: str, field: str, limit: int, *, required: bool = False) -> str:
    """A cleaned text of one line and at most `limit` bytes. Raises InvalidInput naming `field`."""
    if not value and not required:
        return ""
    return parsing.clean_text(value, field, max_chars=limit, max_bytes=limit, multiline=False, required=required)


def moment(value: str, field: str, zone: tzinfo) -> datetime:
    """A time of ISO 8601, in UTC; one that names no zone is in `zone`. Raises InvalidInput naming `field`."""
    try:
        found = datetime.fromisoformat(value.strip())
        found = (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"The field {field} is no date and time such as 2024-05-01T03:04:05Z.", field=field
        ) from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise InvalidInput(f"The field {field} lies before {FIRST_YEAR} or after {LAST_YEAR}.", field=field)
    return found


def verdict_of(status: str, reason: str = "") -> Verdict:
    """The decision that a status of an archive is. Raises InvalidInput naming `status` or `reason`."""
    found = VERDICTS.get(status.strip().lower())
    if found is None:
        raise InvalidInput(
            "The field status is none of approved, pending, held, rejected, spam, trash, deleted.", field="status"
        )
    if found == OTHER and reason:
        if reason not in REASONS:
            raise InvalidInput(f"The field reason is none of {', '.join(REASONS)}.", field="reason")
        return "reject", reason
    return found


def _is_empty(text: str) -> bool:
    return parsing.is_blank(html.to_text(text)[0])


def _or_none(value: str, limit: int) -> str | None:
    try:
        return line(value, "", limit) or None
    except InvalidInput:
        return None


def _web_address(value: str) -> str | None:
    return form.clean_url(value) if _or_none(value, form.URL_BYTES) else None


def _address(value: str) -> str | None:
    if not value:
        return None
    try:
        socket.inet_pton(socket.AF_INET, value)
    except (OSError, ValueError):
        pass
    else:
        return value  # as nearly all are: a tenth of the time that the next line takes
    try:
        return str(ip_address(value))
    except ValueError:
        return None
