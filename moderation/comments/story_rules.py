"""What a site, or a person by hand, says of its stories: when they close, and in which sections every comment is held.

Pure functions.
"""

import re
from datetime import datetime, timedelta
from urllib.parse import unquote, urlsplit

from moderation.accounts.models import Site
from moderation.comments.models import Story


def closes_by_age(site: Site, story: Story) -> datetime | None:
    """When the site's rule closes a story: days after it appeared, or after we first heard of it. None: never."""
    if site.close_after_days is None:
        return None
    return (story.published_at or story.created_at) + timedelta(days=site.close_after_days)


def closes_at(site: Site, story: Story) -> datetime | None:
    """When a story stops taking comments: by the site's rule, or since a person closed it. None: never."""
    return min((at for at in (closes_by_age(site, story), story.closed_at) if at is not None), default=None)


def is_closed(site: Site, story: Story, at: datetime) -> bool:
    """Whether the story took no more comments at `at`."""
    closing = closes_at(site, story)
    return closing is not None and at >= closing


def premoderated_section(site: Site, story: Story) -> str | None:
    """The section, as the site wrote it, for which all comments of this story are held; None when there is none.

    A story is in a section by its own `section`, or by the first parts of its address's path: `politik` and
    `politik/daerah` both hold `https://warta.example/politik/daerah/1`. Capitals do not count, and a space is a hyphen.
    """
    if not site.premoderated_sections:
        return None
    own = _slug(story.section or "")
    path = _parts(story.url)
    home = _parts(site.url)
    if home and path[: len(home)] == home:  # the site itself lives in a folder: https://media.example/warta/politik/1
        path = path[len(home) :]
    for name in site.premoderated_sections:
        wanted = [_slug(part) for part in name.split("/")]
        if own == "/".join(wanted) or path[: len(wanted)] == wanted:
            return str(name)
    return None


def _parts(url: str) -> list[str]:
    try:
        path = urlsplit(url).path
    except ValueError:
        return []
    return [_slug(unquote(part)) for part in path.split("/") if part]


def _slug(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip()).casefold()
