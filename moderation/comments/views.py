"""The comment API of a site's server: `/api/v1/comments`, with the site's key."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, cast

from flask import Blueprint, Response, current_app, request
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from moderation import parsing, pipeline, web
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments import intake, schemas
from moderation.comments.intake import CommentInput
from moderation.comments.models import Comment
from moderation.comments.status import BY_ACTION, PENDING
from moderation.db import Database, utcnow
from moderation.errors import InvalidInput, ModerationError, NotAuthenticated, NotFound, Unavailable
from moderation.gathering import Gathering
from moderation.review import decided, evidence
from moderation.settings import Settings
from moderation.watching import Watching

COMMENT = schemas.CommentSchema()
"""Made once: making a schema costs more than loading with it, and loading keeps nothing in it."""

api = Blueprint("comments", __name__, url_prefix="/api/v1/comments")

many = Blueprint("many_comments", __name__, url_prefix="/api/v1")

BATCH, EDIT = schemas.BatchSchema(), schemas.EditSchema()

LOOK_SECONDS = 0.025
"""Seconds between two looks whether the comments that requests wait for are judged."""

MAX_WAIT = 2000
"""Longest time (ms) that a request may wait for its verdict."""

NOT_FOUND: tuple[str, Any] = ("There is no such comment on this site.", schemas.ErrorSchema)

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
    query=schemas.WaitQuery,
    answers={
        202: ("Stored; its judgement follows.", schemas.TakenSchema),
        200: (
            "Known already: the answer of the first time. With `wait`: the verdict, as GET answers.",
            schemas.TakenSchema,
        ),
        409: ("Known with another text; the revision is named.", schemas.ErrorSchema),
        **ERRORS,
    },
)
def create() -> Response:
    """Store a comment and ask for its judgement; wait a moment for it, where the site wants that."""
    key, site = web.likely_site()  # a wrong key costs no write lock and no parsing
    wait = web.query_int("wait", 0, 0, MAX_WAIT)
    given = web.json_body(COMMENT)["comment"]
    stored = _intake().submit(Sent(key, site, given))
    if wait:
        judged = _verdict(stored, wait / 1000)
        if judged is not None:
            return web.answer(judged)
    return web.answer(receipt_body(stored), 202 if stored.outcome in ("created", "revised") else 200)


@many.post("/comments:batch")
@web.documented(
    summary="Send up to 500 comments",
    tag="comments",
    security="key",
    body=schemas.BatchSchema,
    answers={200: ("One result per comment: a bad one harms no other.", schemas.BatchAnswerSchema), **ERRORS},
)
def create_many() -> Response:
    """Store what is right, name what is wrong, item by item."""
    key, _ = web.likely_site()
    items = web.json_body(BATCH, max_bytes=web.settings().max_batch_bytes)["comments"]
    given: dict[int, CommentInput] = {}
    results: dict[int, pipeline.Receipt | ModerationError] = {}
    for index, item in enumerate(items):
        try:
            given[index] = web.load(COMMENT, item)["comment"]
        except ModerationError as error:
            results[index] = error
    with web.database().transaction() as session:
        site = sites.by_key(session, key)
        stored = _take_in(session, site, list(given.values()), web.settings(), web.secret())
    results |= zip(given, stored, strict=True)
    lines = [_batch_item(index, item, results[index]) for index, item in enumerate(items)]
    outcomes = [line["outcome"] for line in lines]
    new, refused = outcomes.count("created") + outcomes.count("revised"), outcomes.count("refused")
    return web.answer({"results": lines, "stored": new, "known": len(lines) - new - refused, "refused": refused})


@api.patch("/<comment_id>")
@web.documented(
    summary="Edit a comment",
    tag="comments",
    security="key",
    body=schemas.EditSchema,
    answers={
        202: ("A new revision is stored; its judgement follows.", schemas.EventAnswerSchema),
        200: ("The text is as it was.", schemas.EventAnswerSchema),
        404: NOT_FOUND,
        409: ("The site has withdrawn the comment.", schemas.ErrorSchema),
        **ERRORS,
    },
)
def edit(comment_id: str) -> Response:
    """A new text makes a new revision, which nobody has judged: it is not public until it is."""
    return _change(comment_id)


@api.patch("")
@web.documented(
    summary="Edit a comment, named by the site's own id",
    tag="comments",
    security="key",
    body=schemas.EditSchema,
    query=schemas.WhichQuery,
    answers={
        202: ("A new revision is stored; its judgement follows.", schemas.EventAnswerSchema),
        200: ("The text is as it was.", schemas.EventAnswerSchema),
        404: NOT_FOUND,
        409: ("The site has withdrawn the comment.", schemas.ErrorSchema),
        **ERRORS,
    },
)
def edit_by_external_id() -> Response:
    """The same for a site that did not keep our id."""
    return _change(None)


@api.delete("/<comment_id>")
@web.documented(
    summary="Withdraw a comment",
    tag="comments",
    security="key",
    answers={200: ("Withdrawn; again is the same.", schemas.EventAnswerSchema), 404: NOT_FOUND, 401: ERRORS[401]},
)
def delete(comment_id: str) -> Response:
    """The site deleted the comment: a tombstone stays, nothing is judged or told any more."""
    return _change(comment_id, delete=True)


@api.delete("")
@web.documented(
    summary="Withdraw a comment, named by the site's own id",
    tag="comments",
    security="key",
    query=schemas.WhichQuery,
    answers={
        200: ("Withdrawn; again is the same.", schemas.EventAnswerSchema),
        404: NOT_FOUND,
        401: ERRORS[401],
        422: ERRORS[422],
    },
)
def delete_by_external_id() -> Response:
    """The same for a site that did not keep our id."""
    return _change(None, delete=True)


def _change(comment_id: str | None, *, delete: bool = False) -> Response:
    web.likely_site()
    text = None if delete else web.json_body(EDIT)["text"]
    with web.database().transaction() as session:
        site = web.site_of_key(session)
        comment = named(session, site, comment_id)
        common: dict[str, Any] = {
            "settings": web.settings(),
            "key": web.secret(),
            "now": utcnow(),
            "tag": token_hex(4),
        }
        if text is None:
            taken = pipeline.withdraw(session, site, comment, **common)
        else:
            taken = pipeline.edit(session, site, comment, text, **common)
        done = pipeline.receipt(taken)
    return web.answer({**receipt_body(done), "outcome": done.outcome}, 202 if done.outcome == "revised" else 200)


def named(session: Session, site: Site, comment_id: str | None, *, lock: bool = True) -> Comment:
    """The comment of the path or of `?external_id=`, locked for a change.

    Raises NotFound, or InvalidInput when neither is there.
    """
    if comment_id is None:
        external_id = request.args.get("external_id", "")
        if not external_id:
            raise InvalidInput("Say which comment: ?external_id=<your own id>.", field="external_id")
        comment = intake.find(session, site.id, external_id, lock=lock)
    else:
        comment = intake.find(session, site.id, _own(session, site, comment_id).external_id)
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment


def _batch_item(index: int, item: Any, result: pipeline.Receipt | ModerationError) -> dict[str, Any]:
    named = item.get("external_id") if isinstance(item, dict) else None
    line: dict[str, Any] = {"index": index, "external_id": named if isinstance(named, str) else None}
    if isinstance(result, ModerationError):
        nothing = {"id": None, "status": None, "revision": None}
        return {**line, "outcome": "refused", **nothing, **web.error_body(result)}
    return {**line, "outcome": result.outcome, **receipt_body(result), "error": None}


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


@api.get("/state")
@web.documented(
    summary="How a comment stands, named by the site's own id",
    tag="comments",
    security="key",
    query=schemas.WhichQuery,
    answers={
        200: ("Status, reasons, scores and the decision.", schemas.CommentStateSchema),
        404: NOT_FOUND,
        401: ERRORS[401],
        422: ERRORS[422],
    },
)
def show_by_external_id() -> Response:
    """The same for a site that did not keep our id."""
    with web.database().reading() as session:
        site = web.site_of_key(session)
        return web.answer(state(session, named(session, site, None, lock=False)))


@dataclass(frozen=True, slots=True)
class Sent:
    """A comment as a request brought it: the key, the site that it seems to be of, and what was parsed."""

    key: str
    site: Site
    comment: CommentInput


def gathered_intake(settings: Settings, secret: bytes, db: Database) -> Gathering[Sent, pipeline.Receipt]:
    """Where requests with one comment meet: those that come together are stored in one transaction.

    The keys are asked after in that very transaction, so that a revoked one stores nothing.
    """

    def store(sent: Sequence[Sent]) -> list[pipeline.Receipt | Exception]:
        answers: dict[int, pipeline.Receipt | Exception] = {}
        with db.transaction() as session:
            valid = sites.still_valid(session, {item.key for item in sent})
            by_site: dict[int, list[int]] = {}
            for number, item in enumerate(sent):
                if item.key in valid:
                    by_site.setdefault(item.site.id, []).append(number)
                else:
                    answers[number] = NotAuthenticated(sites.WRONG_KEY)
            for mine in by_site.values():
                given = [sent[number].comment for number in mine]
                answers |= zip(mine, _take_in(session, sent[mine[0]].site, given, settings, secret), strict=True)
        return [answers[number] for number in range(len(sent))]

    return Gathering(store, common=(Unavailable,))


def _take_in(
    session: Session, site: Site, given: Sequence[CommentInput], settings: Settings, secret: bytes
) -> list[pipeline.Receipt | ModerationError]:
    return pipeline.take_in_many(session, site, given, source="api", settings=settings, key=secret, now=utcnow())


def _intake() -> Gathering[Sent, pipeline.Receipt]:
    return cast("Gathering[Sent, pipeline.Receipt]", current_app.extensions["intake"])


def verdict_watch(db: Database, threads: int) -> Watching:
    """Where requests wait for their verdicts: half of the threads at most, so that the others go on taking comments in.

    No transaction is open while they wait, and one short question serves all of them.
    """

    def judged(ids: Collection[int]) -> Collection[int]:
        with db.reading() as session:
            found = session.connection().execute(_JUDGED, {"ids": sorted(ids)})
            return set(found.scalars())

    return Watching(judged, places=max(1, threads // 2), pause=LOOK_SECONDS)


_JUDGED = select(Comment.id).where(Comment.id.in_(bindparam("ids", expanding=True)), Comment.status != PENDING)


def _verdict(stored: pipeline.Receipt, seconds: float) -> dict[str, Any] | None:
    """The comment's state once it is judged; None when that takes longer, or too many requests wait already."""
    watch: Watching = current_app.extensions["verdicts"]
    if stored.status == PENDING and not watch.wait(stored.comment_id, seconds):
        return None
    with web.database().reading() as session:
        comment = session.get(Comment, stored.comment_id)
        return state(session, comment) if comment is not None and comment.status != PENDING else None


def receipt_body(receipt: pipeline.Receipt) -> dict[str, Any]:
    """What intake answers."""
    return {"id": str(receipt.comment_id), "status": receipt.status, "revision": receipt.revision}


def taken_body(comment: Comment) -> dict[str, Any]:
    """What intake answers."""
    return {"id": str(comment.id), "status": comment.status, "revision": comment.revision}


def state(session: Session, comment: Comment) -> dict[str, Any]:
    """A comment as it stands, for its site's server: what only waits to be looked at again stands as before."""
    known = evidence.of_comment(session, comment)
    last = decided.latest(session, comment.id)
    said = None if last is None else decided.told_of(session, last)
    return {
        **taken_body(comment),
        **({"status": BY_ACTION[said.outward.action]} if said is not None and said.outward else {}),
        "external_id": comment.external_id,
        "version": comment.version,
        "not_scored": comment.not_scored,
        "staff": comment.staff,
        "language": comment.language,
        "reasons": list(known.reasons),
        "scores": dict(known.scores),
        "scorers": list(known.scorers),
        "policy_version": known.policy_version,
        "decision": None
        if last is None or said is None
        else {
            "sequence": last.sequence,
            "action": (said.outward or said).action,
            "reason": (said.outward or said).reason,
            "by": decided.made_by(last),
            "at": last.created_at,
        },
        "received_at": comment.received_at,
    }


def _own(session: Session, site: Site, comment_id: str) -> Comment:
    number = parsing.whole_number(comment_id)
    if number is None:
        raise NotFound("There is no such comment.")
    comment = session.scalar(select(Comment).where(Comment.id == number, Comment.site_id == site.id))
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment
