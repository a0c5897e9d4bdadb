"""Where a moderator is: a tab or a search, on all sites or one; read from the address or a form's fields."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import g, request
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.errors import NotFound
from moderation.review import queue

EVERY = {
    "held": "status:held",
    "not_scored": "status:held is:unscored",
    "reported": "is:reported",
    "approved": "status:approved",
    "rejected": "status:rejected -is:spam",
    "spam": "status:rejected is:spam",
}
"""Tab → the search that finds all of it, for a bulk job."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a moderator is: a tab in an order, or what a search found; on all of their sites, or on one.

    `of_comment`: on the page of one comment, which leads back to itself.
    """

    tab: str = "held"
    sort: str = ""
    site: int | None = None
    q: str = ""
    of_comment: bool = False

    def fields(self) -> dict[str, str]:
        """What a form carries so that it can lead back here."""
        if self.of_comment:
            return {"back": "comment"}
        values = {"tab": self.tab, "sort": self.sort, "site": str(self.site or ""), "q": self.q}
        return {name: value for name, value in values.items() if value}

    def url(self, **more: str | int) -> str:
        """The address of this place; `more` goes behind it."""
        return "/queue?" + urlencode({**self.fields(), **more})


def every_of(place: Place) -> str | None:
    """The page that makes a bulk job of all that this list holds; None where no search says it."""
    q = place.q or EVERY.get(place.tab, "")
    if not q:
        return None
    return "/queue/bulk?" + urlencode({"q": f"{q} site:{place.site}" if place.site else q})


def seconds_left(comment: Comment) -> int:
    """Until the site is told of the latest decision."""
    return max(0, round((comment.shown_at - utcnow()).total_seconds()))


def comment_of(session: Session, comment_id: int) -> Comment:
    comment = queue.of_site(session, g.site_ids, comment_id)
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment


def place_now() -> Place:
    """Where the moderator is, by the address or by the form's fields. Raises NotFound and InvalidInput."""
    values = request.values
    tab = values.get("tab") or "held"
    if tab not in queue.TABS:
        raise NotFound("There is no such queue.")
    sort = values.get("sort", "")
    sort = sort if sort in queue.SORTS_OF[tab][1:] else ""
    site = values.get("site", "")
    number = parsing.whole_number(site)
    if site and number not in g.site_ids:
        raise NotFound("There is no such site.")
    return Place(tab, sort, number, " ".join(values.get("q", "").split()), values.get("back") == "comment")


def sites_of(place: Place) -> list[int]:
    return [place.site] if place.site else list(g.site_ids)


def number_in(name: str) -> int:
    """A whole number of the address, 0 where there is none."""
    return parsing.whole_number(request.args.get(name, "")) or 0


def moment_in(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
