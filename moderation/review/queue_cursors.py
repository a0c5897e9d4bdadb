"""Where a page of the queue goes on: by the key of its last card, so that nothing is skipped or repeated meanwhile."""

import base64
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moderation.comments.models import Comment
from moderation.errors import InvalidInput
from moderation.review.queue_lists import DECIDED, PAGE

WRONG_CURSOR = "This address is cut off; begin at the queue again."


def cut(
    rows: list[Comment], tab: str, sort: str, key: Callable[[Comment], list[Any]]
) -> tuple[list[Comment], str | None]:
    """A page, and the cursor of the next one where there is more."""
    if len(rows) <= PAGE:
        return rows, None
    rows = rows[:PAGE]
    text = json.dumps([tab, sort, *key(rows[-1])], separators=(",", ":"))
    return rows, base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read(after: str | None, tab: str, sort: str) -> list[Any] | None:
    """What a cursor says, checked. Raises InvalidInput naming `after`."""
    if after is None:
        return None
    try:
        said = json.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
        where, key = said[:2], said[2:]
        if where != [tab, sort]:
            raise ValueError
        if sort == "story":
            comments, story_id, at, number = key
            return [_whole(comments), _whole(story_id), _moment(at), _whole(number)]
        value, number, *part = key
        if part and (sort != "priority" or not isinstance(part[0], bool) or len(part) > 1):
            raise ValueError
        if sort in ("newest", "oldest"):
            return [None if value is None and tab in DECIDED else _moment(value), _whole(number)]
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError
        return [float(value), _whole(number), *part]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise InvalidInput(WRONG_CURSOR, field="after") from None


def _whole(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError
    return value


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
