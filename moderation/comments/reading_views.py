"""What the public reads: threads, counts, recent comments and feeds.

With the site's key under `/api/v1/comments`, for its server; without under `/f/<public id>`, for browsers: there
everything carries an ETag and may be cached for a moment. The embed that shows them is in embed_views.py.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, g, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.http import http_date

from moderation import i18n, web
from moderation.accounts.models import Site
from moderation.comments import feeds, reading, schemas
from moderation.comments import reading_schemas as shapes
from moderation.comments.form_views import browser_door
from moderation.comments.views import ERRORS
from moderation.db import utcnow
from moderation.errors import InvalidInput

api = Blueprint("reading", __name__, url_prefix="/api/v1/comments")

public = browser_door("public_reading")

READ_SECONDS = 10
"""How long a browser or a cache may keep what it read."""

STORIES = shapes.StoriesSchema()

NOT_THERE: tuple[str, Any] = ("There is no such site.", schemas.ErrorSchema)
UNCHANGED: tuple[str, Any] = ("Nothing has changed.", None)


@api.get("")
@web.documented(
    summary="The approved comments of a story, threaded",
    tag="comments",
    security="key",
    query=shapes.ThreadQuery,
    answers={200: ("A page of the thread.", shapes.ThreadSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def thread() -> Response:
    """A page of a story's thread."""
    return _for_server(thread_body)


@api.get("/counts")
@web.documented(
    summary="How many comments stories have",
    tag="comments",
    security="key",
    query=shapes.CountsQuery,
    answers={200: ("Of every story that was named.", shapes.CountsSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def counts() -> Response:
    """For a page with many stories; one that is not known has none."""
    return _for_server(counts_body)


@api.post("/counts")
@web.documented(
    summary="How many comments stories have, for a long list",
    tag="comments",
    security="key",
    body=shapes.StoriesSchema,
    answers={200: ("Of every story that was named.", shapes.CountsSchema), **ERRORS},
)
def counts_by_post() -> Response:
    """The same; an address has its limits."""
    return _for_server(counts_body)


@api.get("/recent")
@web.documented(
    summary="The newest approved comments",
    tag="comments",
    security="key",
    query=shapes.RecentQuery,
    answers={200: ("Newest first.", shapes.RecentListSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def recent() -> Response:
    """For a "Recent Comments" box."""
    return _for_server(recent_body)


@api.get("/most-commented")
@web.documented(
    summary="The stories with the most comments of the last days",
    tag="comments",
    security="key",
    query=shapes.MostCommentedQuery,
    answers={200: ("The most first.", shapes.MostCommentedSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def most_commented() -> Response:
    """For a "Most Commented" box."""
    return _for_server(most_commented_body)


@public.get("/comments")
@web.documented(
    summary="The approved comments of a story, threaded, without a key",
    tag="browsers",
    query=shapes.ThreadQuery,
    answers={
        200: ("A page of the thread; cacheable, with an ETag.", shapes.ThreadSchema),
        304: ("The page has not changed.", None),
        404: NOT_THERE,
        422: ERRORS[422],
    },
)
def public_thread() -> Response:
    """A page of a story's thread; no e-mail, no address."""
    return _for_browser(thread_body)


@public.get("/comments/counts")
@web.documented(
    summary="How many comments stories have, without a key",
    tag="browsers",
    query=shapes.CountsQuery,
    answers={
        200: ("Of every story that was named; cacheable, with an ETag.", shapes.CountsSchema),
        304: UNCHANGED,
        404: NOT_THERE,
        422: ERRORS[422],
    },
)
def public_counts() -> Response:
    """For a page with many stories; one that is not known has none."""
    return _for_browser(counts_body)


@public.post("/comments/counts")
@web.documented(
    summary="How many comments stories have, for a long list, without a key",
    tag="browsers",
    body=shapes.StoriesSchema,
    answers={
        200: ("Of every story that was named.", shapes.CountsSchema),
        400: ERRORS[400],
        404: NOT_THERE,
        413: ERRORS[413],
        422: ERRORS[422],
    },
)
def public_counts_by_post() -> Response:
    """The same; an address has its limits."""
    with web.database().reading() as session:
        return web.answer(counts_body(session, g.site))


@public.get("/comments/recent")
@web.documented(
    summary="The newest approved comments, without a key",
    tag="browsers",
    query=shapes.RecentQuery,
    answers={
        200: ("Newest first; cacheable, with an ETag.", shapes.RecentListSchema),
        304: UNCHANGED,
        404: NOT_THERE,
        422: ERRORS[422],
    },
)
def public_recent() -> Response:
    """For a "Recent Comments" box."""
    return _for_browser(recent_body)


@public.get("/comments/most-commented")
@web.documented(
    summary="The stories with the most comments of the last days, without a key",
    tag="browsers",
    query=shapes.MostCommentedQuery,
    answers={
        200: ("The most first; cacheable, with an ETag.", shapes.MostCommentedSchema),
        304: UNCHANGED,
        404: NOT_THERE,
        422: ERRORS[422],
    },
)
def public_most_commented() -> Response:
    """For a "Most Commented" box."""
    return _for_browser(most_commented_body)


@public.get("/feed.rss")
@web.documented(
    summary="The newest approved comments as RSS 2.0",
    tag="browsers",
    query=shapes.FeedQuery,
    answers={200: ("`application/rss+xml`: the newest 50.", None), 304: UNCHANGED, 404: NOT_THERE},
)
def rss() -> Response:
    """A feed of the site, or of one story; of one that nobody has commented on yet, it is empty."""
    return _feed(feeds.rss, feeds.RSS)


@public.get("/feed.atom")
@web.documented(
    summary="The newest approved comments as Atom",
    tag="browsers",
    query=shapes.FeedQuery,
    answers={200: ("`application/atom+xml`: the newest 50.", None), 304: UNCHANGED, 404: NOT_THERE},
)
def atom() -> Response:
    """The same in the other format."""
    return _feed(feeds.atom, feeds.ATOM)


def thread_body(session: Session, site: Site) -> dict[str, Any]:
    """A page of the thread that the query names."""
    story, after = story_asked(), request.args.get("after", "")
    sort = request.args.get("sort", reading.OLDEST)
    if sort not in reading.SORTS:
        raise InvalidInput(f"sort must be one of {', '.join(reading.SORTS)}.", field="sort")
    page = reading.thread(
        session,
        site,
        story,
        now=utcnow(),
        sort=sort,
        after=reading.cursor(after) if after else None,
        parent=web.query_int("parent", 0, 1, 10**18) or None,
        page_size=web.query_int("limit", 50, 1, 200),
    )
    return {
        "story": story,
        "count": page.count,
        "comments": [_shown(item) for item in page.items],
        "next": None if page.next is None else str(page.next),
    }


def counts_body(session: Session, site: Site) -> dict[str, Any]:
    """Counts of the stories that the query or the body names."""
    if request.method == "POST":
        stories = web.json_body(STORIES)["stories"]
    else:
        stories = request.args.getlist("story")
        if not 0 < len(stories) <= shapes.MAX_STORIES:
            raise InvalidInput(f"Say which stories: ?story=<external id>, 1 to {shapes.MAX_STORIES}.", field="story")
    return {"counts": reading.counts(session, site, stories, now=utcnow())}


def recent_body(session: Session, site: Site) -> dict[str, Any]:
    """The newest comments that the site shows."""
    items = reading.recent(session, site, limit=web.query_int("limit", 5, 1, 50), now=utcnow())
    return {
        "comments": [
            {
                "id": str(item.id),
                "author_name": item.author_name,
                "staff": item.staff,
                "story": item.story_external_id,
                "story_title": item.story_title,
                "story_url": item.story_url,
                "text": item.text,
                "created_at": item.created_at,
            }
            for item in items
        ]
    }


def most_commented_body(session: Session, site: Site) -> dict[str, Any]:
    """The stories with the most comments of the last days."""
    days, now = web.query_int("days", 7, 1, 90), utcnow()
    limit = web.query_int("limit", 10, 1, 50)
    found = reading.most_commented(session, site, since=now - timedelta(days=days), limit=limit, now=now)
    return {
        "days": days,
        "stories": [
            {"story": item.external_id, "title": item.title, "url": item.url, "count": item.count} for item in found
        ],
    }


Body = Callable[[Session, Site], dict[str, Any]]


def _for_server(body: Body) -> Response:
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(body(session, site))


def _for_browser(body: Body) -> Response:
    with web.database().reading() as session:
        return web.cacheable(body(session, g.site), seconds=READ_SECONDS)


def story_asked() -> str:
    """The story that the query names. Raises InvalidInput naming `story` where it names none."""
    story = request.args.get("story", "")
    if not story:
        raise InvalidInput("Say which story: ?story=<external id>.", field="story")
    return story


def _shown(item: reading.Shown) -> dict[str, Any]:
    return {
        "id": str(item.id),
        "external_id": item.external_id,
        "author": {"name": item.author_name, "url": item.author_url, "staff": item.staff},
        "text": item.text,
        "created_at": item.created_at,
        "parent_id": None if item.parent_id is None else str(item.parent_id),
        "depth": item.depth,
        "replies": [_shown(reply) for reply in item.replies],
        "more": None if item.more is None else str(item.more),
    }


def _feed(write: Callable[[feeds.Feed], bytes], mimetype: str) -> Response:
    site: Site = g.site
    wanted = request.args.get("story")
    with web.database().reading() as session:
        found = reading.recent(session, site, limit=feeds.SIZE, now=utcnow(), story_external_id=wanted)
        story = reading.story_of(session, site.id, wanted) if wanted is not None else None
    about = site.name if story is None else story.title
    feed = feeds.Feed(
        public_id=site.public_id,
        story=wanted,
        title=gettext("Comments: %(name)s", name=about),
        language=i18n.language(),
        page=site.url if story is None else story.url,
        address=web.settings().base_url + request.full_path.rstrip("?"),
        entries=_entries(found),
    )
    response = Response(write(feed), content_type=f"{mimetype}; charset=utf-8")
    if feed.updated_at is not None:
        response.headers["Last-Modified"] = http_date(feed.updated_at)
    return web.kept(response, seconds=READ_SECONDS)


def _entries(found: Sequence[reading.Recent]) -> list[feeds.Entry]:
    return [
        feeds.Entry(item, gettext("%(author)s on “%(story)s”", author=item.author_name, story=item.story_title))
        for item in found
    ]
