"""Coral: a mongoexport of its comments, with those of its stories and users; or the CSV of a user's own download.

A comment's external id is Coral's id, a story's Coral's story id, an author's Coral's user id (with single sign-on that
is the site's own). The download names only addresses, and no status: its comments are held for a person.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from moderation.archive import records
from moderation.archive.lookup import Lookup
from moderation.archive.records import Item, Record, Skipped
from moderation.archive.rows import rows_of
from moderation.archive.sources import BOM, PIECE, Bytes, json_objects
from moderation.comments.intake import StoryInput
from moderation.errors import InvalidInput

MAX_OBJECT = 4 << 20
"""Bytes of one object of a mongoexport."""

VERDICTS = {
    "NONE": records.APPROVE,  # nobody has looked at it, and readers see it
    "APPROVED": records.APPROVE,
    "REJECTED": records.OTHER,
    "PREMOD": records.HOLD,
    "SYSTEM_WITHHELD": records.HOLD,
}
TEXT, ADDRESS, TIME, ID = "Comment Text", "Article URL", "Published Timestamp", "Comment ID"
_LOCAL_TIME = re.compile(
    r"(\d{1,2})([/.])(\d{1,2})[/.](\d{4}),?\s+(\d{1,2})([:.])(\d{2})[:.](\d{2})(?:\s*([AaPp])\.?[Mm]\.?)?"
)


class CoralReader:
    """Comments of a mongoexport. `stories` and `users` are exports of those collections."""

    def __init__(self, file: Bytes, stories: Bytes | None, users: Bytes | None) -> None:
        self._file, self._stories_file, self._users_file = file, stories, users
        self._stories, self._users = Lookup(), Lookup()

    def items(self) -> Iterator[Item]:
        """Each object."""
        if self._stories_file is None:
            raise InvalidInput(
                "Coral's comments do not name their articles: give --stories stories.json.", field="stories"
            )
        _keep(self._stories_file, self._stories, "stories")
        if self._users_file is not None:
            _keep(self._users_file, self._users, "users")
        for number, (line, body) in enumerate(json_objects(self._file, MAX_OBJECT), 1):
            yield Item(number, line, body)

    def read(self, item: Item) -> Record:
        """The comment; its last revision is its text. Raises Skipped for a comment whose text Coral has erased."""
        found = _object(item.raw)
        revisions = found.get("revisions")
        last = revisions[-1] if isinstance(revisions, list) and revisions else None
        text = _text(last, "body") if isinstance(last, dict) else ""
        deleted = found.get("deletedAt") is not None
        if deleted and not text:
            raise Skipped("erased")
        verdict = VERDICTS.get(_text(found, "status"))
        if verdict is None:
            raise InvalidInput(f"The field status is none of {', '.join(VERDICTS)}.", field="status")
        if deleted:
            verdict = records.OTHER
        elif verdict == records.OTHER and isinstance(last, dict) and _is_spam(last):
            verdict = records.SPAM
        writer = _text(found, "authorID")
        profile = json.loads(self._users.get(writer) or '["", ""]')
        return records.make(
            external_id=_text(found, "id"),
            story=self._story(_text(found, "storyID")),
            author=records.make_author(
                profile[0], external_id=writer, email=profile[1], staff=_is_staff(found.get("tags"))
            ),
            text=text,
            html=True,
            created_at=_date(found.get("createdAt"), "createdAt"),
            verdict=verdict,
            parent=_text(found, "parentID"),
        )

    def _story(self, name: str) -> StoryInput:
        kept = self._stories.get(name)
        if kept is None:
            raise InvalidInput("The comment's story is not in the file of stories.", field="storyID")
        url, title, section, published = json.loads(kept)
        return records.make_story(
            name, url, title, section, _date(published, "publishedAt") if published is not None else None
        )


class DownloadReader:
    """Comments of the CSV (in a ZIP) that Coral gives its users of their own."""

    def __init__(self, file: Bytes) -> None:
        self._file = file

    def items(self) -> Iterator[Item]:
        """Each row."""
        header, rows = rows_of(self._file)
        missing = [name for name in (ID, TIME, ADDRESS, TEXT) if name not in header]
        if missing:
            raise InvalidInput(f"This is no download of Coral: the column {missing[0]} is missing.", field=missing[0])
        for number, (line, values) in enumerate(rows, 1):
            if isinstance(values, InvalidInput):
                yield Item(number, line, values)
            else:
                yield Item(number, line, dict(zip(header, values, strict=False)))

    def read(self, item: Item) -> Record:
        """The comment, to be held: nobody says whether it was approved."""
        row = item.raw
        return records.make(
            external_id=row.get(ID, ""),
            story=records.make_story("", row.get(ADDRESS, ""), ""),
            author=records.make_author(""),
            text=row.get(TEXT, ""),
            html=True,
            created_at=_local(row.get(TIME, "")),
            verdict=records.HOLD,
        )


class Peeked:
    """A file whose beginning is looked at before it is read: is it JSON or the table of a download?"""

    def __init__(self, file: Bytes) -> None:
        self._file, self._start = file, file.read(PIECE)

    def is_table(self) -> bool:
        """Whether it begins as no JSON does."""
        return not self._start.removeprefix(BOM).lstrip().startswith((b"{", b"["))

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""
        if not self._start:
            return self._file.read(size)
        found, self._start = self._start[:size], self._start[size:]
        return found

    def readline(self, size: int, /) -> bytes:
        """A line, or the first `size` bytes of it."""
        if not self._start:
            return self._file.readline(size)
        end = self._start.find(b"\n") + 1
        found = self.read(min(size, end or size))
        if end or len(found) == size:
            return found
        return found + self._file.readline(size - len(found))


def _keep(file: Bytes, where: Lookup, what: str) -> None:
    for _, body in json_objects(file, MAX_OBJECT):
        try:
            found = _object(body)
        except InvalidInput:
            continue  # the comments that name it will be listed
        if what == "users":
            where.add(_text(found, "id"), json.dumps([_text(found, "username"), _text(found, "email")]))
            continue
        about = found.get("metadata")
        about = about if isinstance(about, dict) else {}
        published = about.get("publishedAt") or found.get("createdAt")
        kept = [_text(found, "url"), _text(about, "title"), _text(about, "section"), published]
        where.add(_text(found, "id"), json.dumps(kept))


def _object(body: bytes | None) -> dict[str, Any]:
    if body is None:
        raise InvalidInput(f"The object is larger than {MAX_OBJECT} bytes.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("The object is not JSON.") from None
    if not isinstance(found, dict):
        raise InvalidInput("The record is no object.")
    return found


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""


def _date(value: Any, field: str) -> datetime:
    """MongoDB's extended JSON, in each of its three ways, or plain ISO."""
    if isinstance(value, dict):
        value = value.get("$date")
    if isinstance(value, dict):
        value = value.get("$numberLong")
    if isinstance(value, str) and value.lstrip("-").isdigit():
        value = int(value[:20])
    if isinstance(value, int | float):
        try:
            value = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value)).isoformat()
        except (OverflowError, ValueError):
            value = ""
    return records.moment(value if isinstance(value, str) else "", field, UTC)


def _local(value: str) -> datetime:
    """The download's time, in UTC. `5/1/2025, 03:04:05` is the American 1 May; `1/5/2025 03.04.05` the Indonesian."""
    found = _LOCAL_TIME.fullmatch(value.strip())
    if found is None:
        return records.moment(value, TIME, UTC)
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    day_first = found[2] == "." or found[6] == "." or first > 12
    day, month = (first, second) if day_first else (second, first)
    hour = int(found[5])
    if found[9]:
        hour = hour % 12 + (12 if found[9] in "Pp" else 0)
    return records.moment(f"{year:04}-{month:02}-{day:02}T{hour:02}:{found[7]}:{found[8]}+00:00", TIME, UTC)


def _is_spam(revision: dict[str, Any]) -> bool:
    about = revision.get("metadata")
    return isinstance(about, dict) and about.get("akismet") is True


def _is_staff(tags: Any) -> bool:
    return isinstance(tags, list) and any(isinstance(tag, dict) and tag.get("type") == "STAFF" for tag in tags)
