"""The signed door: a site tells of its comments by Standard Webhooks, in any order and any number of times."""

import time

from flask import Blueprint, Response, request
from sqlalchemy.exc import IntegrityError

from moderation import pipeline, signing, web
from moderation.accounts import sites
from moderation.comments import inbox, ordering, schemas
from moderation.comments.inbox import Saved
from moderation.comments.views import ERRORS, taken_body
from moderation.db import utcnow

EVENT, EVENT_COMMENT, DELETED = schemas.EventSchema(), schemas.EventCommentSchema(), schemas.DeletedSchema()
"""Made once: making a schema costs more than loading with it, and loading keeps nothing in it."""

webhooks = Blueprint("webhooks", __name__, url_prefix="/webhooks")


@webhooks.post("/<public_id>/comments")
@web.documented(
    summary="Tell of a comment by a signed webhook",
    tag="webhooks",
    security="signature",
    body=schemas.EventSchema,
    answers={
        202: ("A new text is stored; its judgement follows.", schemas.EventAnswerSchema),
        200: ("Nothing new to judge, or an answer given before.", schemas.EventAnswerSchema),
        404: ("There is no such site.", schemas.ErrorSchema),
        409: ("The webhook-id was used with another body.", schemas.ErrorSchema),
        **{**ERRORS, 401: ("The signature is missing, wrong, or older than five minutes.", schemas.ErrorSchema)},
    },
)
def event(public_id: str) -> Response:
    """Verify on the raw bytes, parse strictly, store, answer; the same id again gets the same answer."""
    body = web.raw_body()
    with web.database().reading() as session:
        site = sites.by_public_id(session, public_id)
        secrets = sites.live_secrets(session, site.id)
    webhook_id, _ = signing.verify(secrets, request.headers, body, time.time())
    given = web.json_body(EVENT, body)
    kind = given["type"].removeprefix("comment.")
    data = web.load(DELETED if kind == "deleted" else EVENT_COMMENT, given["data"], path="data")
    comment = data.get("comment")
    external_id = comment.external_id if comment is not None else data["external_id"]
    order = ordering.order_key(given["timestamp"], webhook_id, data.get("revision"))
    for last_try in (False, True):
        try:
            with web.database().transaction() as session:
                saved = inbox.answered(session, site.id, webhook_id, body)
                if saved is None:
                    taken = pipeline.take_event(
                        session,
                        site,
                        kind,
                        order,
                        external_id,
                        comment,
                        settings=web.settings(),
                        key=web.secret(),
                        now=utcnow(),
                    )
                    saved = Saved(
                        202 if taken.to_judge else 200, {**taken_body(taken.comment), "outcome": taken.outcome}
                    )
                    inbox.save(session, site.id, webhook_id, body, saved, utcnow())
            return web.answer(saved.answer, saved.status)
        except IntegrityError:  # the same webhook came twice at once: the other one's answer is there now
            if last_try:
                raise
    raise AssertionError("unreachable")
