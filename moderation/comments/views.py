"""The comment API of a site's server: `/api/v1/comments`, with the site's key."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import pipeline, web
from moderation.accounts.models import Site
from moderation.comments import reading, schemas
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.errors import InvalidInput, NotFound
from moderation.review import decisions, evidence

COMMENT = schemas.CommentSchema()
"""Made once: making a schema costs more than loading with it, and loading keeps nothing in it."""

api = Blueprint("comments", __name__, url_prefix="/api/v1/comments")

ERRORS: dict[int, tuple[str, Any]] = {
    400: ("The body cannot be read.", schemas.ErrorSchema),
    401: ("The key is missing or wrong.", schemas.ErrorSchema),
    413: ("The body is too large.", schemas.ErrorSchema),
    422: ("A field is wrong; it is named.", schemas.ErrorSchema),
    503: ("The database does not answer; try again.", schemas.ErrorSchema),
}


@api.post("")
@web.documented(
    summary="Send a comment",
    tag="comments",
    security="key",
    body=schemas.CommentSchema,
    answers={
        202: ("Stored; its judgement follows.", schemas.TakenSchema),
        200: ("Known already: the answer of the first time.", schemas.TakenSchema),
        409: ("Known with another text; the revision is named.", schemas.ErrorSchema),
        **ERRORS,
    },
)
def create() -> Response:
    """Store a comment and ask for its judgement."""
    with web.database().reading() as session:  # a wrong key costs no write lock and no parsing
        site = web.site_of_key(session)
    given = web.json_body(COMMENT)["comment"]
    with web.database().transaction() as session:
        taken = pipeline.take_in(
            session, site, given, source="api", settings=web.settings(), key=web.secret(), now=utcnow()
        )
        body = taken_body(taken.comment)
    return web.answer(body, 202 if taken.outcome in ("created", "revised") else 200)


@api.get("/<comment_id>")
@web.documented(
    summary="How a comment stands",
    tag="comments",
    security="key",
    answers={
        200: ("Status, reasons, scores and the decision.", schemas.CommentStateSchema),
        404: ("There is no such comment on this site.", schemas.ErrorSchema),
        401: ERRORS[401],
    },
)
def show(comment_id: str) -> Response:
    """The state of one comment; somebody else's is not there."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(state(session, _own(session, site, comment_id)))


@api.get("")
@web.documented(
    summary="The approved comments of a story, threaded",
    tag="comments",
    security="key",
    query=schemas.ThreadQuery,
    answers={200: ("A page of the thread.", schemas.ThreadSchema), 401: ERRORS[401], 422: ERRORS[422]},
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
    query=schemas.RecentQuery,
    answers={200: ("Newest first.", schemas.RecentListSchema), 401: ERRORS[401], 422: ERRORS[422]},
)
def recent() -> Response:
    """For a "Recent Comments" box."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(recent_body(session, site))


def taken_body(comment: Comment) -> dict[str, Any]:
    """What intake answers."""
    return {"id": str(comment.id), "status": comment.status, "revision": comment.revision}


def state(session: Session, comment: Comment) -> dict[str, Any]:
    """A comment as it stands, for its site's server."""
    known = evidence.of_comment(session, comment)
    last = decisions.latest(session, comment.id)
    return {
        **taken_body(comment),
        "external_id": comment.external_id,
        "version": comment.version,
        "not_scored": comment.not_scored,
        "language": comment.language,
        "reasons": list(known.reasons),
        "scores": dict(known.scores),
        "scorers": list(known.scorers),
        "policy_version": known.policy_version,
        "decision": None
        if last is None
        else {
            "sequence": last.sequence,
            "action": last.action,
            "reason": last.reason,
            "by": "moderator" if last.moderator_id else "policy",
            "at": last.created_at,
        },
        "received_at": comment.received_at,
    }


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


def _own(session: Session, site: Site, comment_id: str) -> Comment:
    if not (comment_id.isascii() and comment_id.isdigit() and len(comment_id) <= 18):
        raise NotFound("There is no such comment.")
    comment = session.scalar(select(Comment).where(Comment.id == int(comment_id), Comment.site_id == site.id))
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment
