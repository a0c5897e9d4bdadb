"""What the public reads: threads and recent comments, with the site's key (`/api/v1/comments`) and without (`/f/…`)."""

from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts.models import Site
from moderation.comments import reading, schemas
from moderation.comments import reading_schemas as shapes
from moderation.comments.form_views import browser_door
from moderation.comments.views import ERRORS
from moderation.db import utcnow
from moderation.errors import InvalidInput

api = Blueprint("reading", __name__, url_prefix="/api/v1/comments")

public = browser_door("public_reading")

READ_SECONDS = 10
"""How long a browser or a cache may keep what it read."""


@api.get("")
@web.documented(
    summary="The approved comments of a story, threaded",
    tag="comments",
    security="key",
    query=shapes.ThreadQuery,
    answers={200: ("A page of the thread.", shapes.ThreadSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def listing() -> Response:
    """A page of a story's thread."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(thread_body(session, site))


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
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(recent_body(session, site))


@public.get("/comments")
@web.documented(
    summary="The approved comments of a story, threaded, without a key",
    tag="browsers",
    query=shapes.ThreadQuery,
    answers={
        200: ("A page of the thread; cacheable, with an ETag.", shapes.ThreadSchema),
        304: ("The page has not changed.", None),
        404: ("There is no such site.", schemas.ErrorSchema),
        422: ERRORS[422],
    },
)
def listing() -> Response:
    """A page of a story's thread; no e-mail, no address."""
    with web.database().reading() as session:
        return web.cacheable(thread_body(session, g.site), seconds=READ_SECONDS)


@public.get("/comments/recent")
@web.documented(
    summary="The newest approved comments, without a key",
    tag="browsers",
    query=shapes.RecentQuery,
    answers={
        200: ("Newest first; cacheable, with an ETag.", shapes.RecentListSchema),
        304: ("Nothing has changed.", None),
        404: ("There is no such site.", schemas.ErrorSchema),
        422: ERRORS[422],
    },
)
def recent() -> Response:
    """For a "Recent Comments" box."""
    with web.database().reading() as session:
        return web.cacheable(recent_body(session, g.site), seconds=READ_SECONDS)


def thread_body(session: Session, site: Site) -> dict[str, Any]:
    """A page of the thread that the query names."""
    story = request.args.get("story", "")
    if not story:
        raise InvalidInput("Say which story: ?story=<external id>.", field="story")
    page = reading.thread(
        session,
        site,
        story,
        now=utcnow(),
        after=web.query_int("after", 0, 0, 10**18),
        page_size=web.query_int("limit", 50, 1, 200),
    )
    return {
        "story": story,
        "count": page.count,
        "comments": [_shown(item) for item in page.items],
        "next": None if page.next is None else str(page.next),
    }


def recent_body(session: Session, site: Site) -> dict[str, Any]:
    """The newest comments that the site shows."""
    items = reading.recent(session, site, limit=web.query_int("limit", 5, 1, 50), now=utcnow())
    return {
        "comments": [
            {
                "id": str(item.id),
                "author_name": item.author_name,
                "story_title": item.story_title,
                "story_url": item.story_url,
                "text": item.text,
                "created_at": item.created_at,
            }
            for item in items
        ]
    }


def _shown(item: reading.Shown) -> dict[str, Any]:
    return {
        "id": str(item.id),
        "external_id": item.external_id,
        "author": {"name": item.author_name, "url": item.author_url},
        "text": item.text,
        "created_at": item.created_at,
        "parent_id": None if item.parent_id is None else str(item.parent_id),
        "depth": item.depth,
        "replies": [_shown(reply) for reply in item.replies],
    }
