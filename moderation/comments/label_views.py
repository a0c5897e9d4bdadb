"""Submitted labels: the site's server says that a comment is spam, or that it is none."""

from typing import Any

from flask import Blueprint, Response

from moderation import web
from moderation.comments import label_schemas, labels, schemas
from moderation.comments.views import ERRORS, NOT_FOUND, named
from moderation.db import utcnow

api = Blueprint("labels", __name__, url_prefix="/api/v1/comments")

LABEL = label_schemas.LabelSchema()

ANSWERS: dict[int, tuple[str, Any]] = {
    200: ("Kept, in place of what the site said before.", label_schemas.LabelTakenSchema),
    404: NOT_FOUND,
    **ERRORS,
}


@api.put("/<comment_id>/label")
@web.documented(
    summary="Say that a comment is spam, or none",
    tag="comments",
    security="key",
    body=label_schemas.LabelSchema,
    answers=ANSWERS,
)
def label(comment_id: str) -> Response:
    """What the site's own people found: it teaches the site's layer, and decides nothing."""
    return _label(comment_id)


@api.put("/label")
@web.documented(
    summary="Say that a comment is spam, or none, named by the site's own id",
    tag="comments",
    security="key",
    body=label_schemas.LabelSchema,
    query=schemas.WhichQuery,
    answers=ANSWERS,
)
def label_by_external_id() -> Response:
    """The same for a site that did not keep our id."""
    return _label(None)


def _label(comment_id: str | None) -> Response:
    web.likely_site()  # a wrong key costs no write lock and no parsing
    given = web.json_body(LABEL)
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        made = labels.submit(session, named(session, site, comment_id), given["label"], utcnow())
    return web.answer(
        {
            "comment_id": str(made.comment_id),
            "revision": made.revision,
            "label": made.label,
            "changed": made.changed,
            "outranked": made.outranked,
        }
    )
