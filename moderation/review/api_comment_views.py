"""The JSON queue, one comment at a time or a few as they were read: look, claim, decide, undo, ask, note."""

from flask import Blueprint, Response, g
from sqlalchemy import select

from moderation import web
from moderation.accounts import auth
from moderation.comments import reports
from moderation.comments.models import Revision
from moderation.db import utcnow
from moderation.delivery import outbox_reading
from moderation.errors import InvalidInput
from moderation.review import (
    api_bodies,
    claims,
    decisions,
    escalations,
    histories,
    notes,
    queue,
    selected,
    undoing,
)
from moderation.review import api_card_schemas as carded
from moderation.review import api_given_schemas as asked
from moderation.review import api_schemas as shapes
from moderation.review.api_shared_views import (
    ERRORS,
    LATE,
    NOT_THERE,
    READ_ERRORS,
    TAG,
    card_bodies,
    comment_in,
    late_is_told,
    leave_note,
    me_in,
    number,
    outcomes,
)
from moderation.review.decisions import Decider

comments_api = Blueprint("comments_api", __name__, url_prefix="/api/v1")

LATEST = 50
"""My latest decisions that one call lists."""

DECIDE, DECIDE_MANY, UNDO = asked.DecideSchema(), asked.DecideManySchema(), asked.UndoSchema()
CLAIM, QUESTION, ANSWER = asked.TakeClaimSchema(), asked.QuestionSchema(), asked.AnswerTextSchema()


@comments_api.get("/queue/<comment_id>")
@auth.token_required
@web.documented(
    summary="One comment with all that happened to it",
    tag=TAG,
    security="token",
    answers={
        200: ("Its card, history, texts, reports.", carded.WholeCommentSchema),
        404: NOT_THERE,
        **READ_ERRORS,
    },
)
def show(comment_id: str) -> Response:
    """The card of a comment, whatever its status, and its whole history."""
    with web.database().reading() as session:
        comment = comment_in(session, number(comment_id))
        texts = session.scalars(select(Revision).where(Revision.comment_id == comment.id).order_by(Revision.number))
        return web.answer(
            {
                "comment": card_bodies(session, [comment], g.me)[0],
                "history": [
                    {"at": event.at, "who": event.who, "what": event.what, "detail": event.detail}
                    for event in histories.of_comment(session, comment)
                ],
                "revisions": [{"number": row.number, "text": row.text, "at": row.created_at} for row in texts],
                "reports": [
                    {
                        "reason": one.reason,
                        "text": one.text,
                        "revision": one.revision,
                        "at": one.created_at,
                        "resolved_at": one.resolved_at,
                    }
                    for one in reports.of_comment(session, comment.id)
                ],
                "escalations": [api_bodies.escalation(one) for one in escalations.of_comment(session, comment.id)],
                "deliveries": [
                    {
                        "sequence": row.sequence,
                        "state": row.state,
                        "url": url or "",
                        "attempts": row.attempts,
                        "last_status": row.last_status,
                        "last_error": row.last_error,
                        "at": row.finished_at or row.due_at,
                    }
                    for row, url in outbox_reading.of_comment(session, comment.id)
                ],
            }
        )


@comments_api.post("/queue/<comment_id>/claim")
@auth.token_required
@web.documented(
    summary="Claim a comment, or make the claim last longer",
    tag=TAG,
    security="token",
    body=asked.TakeClaimSchema,
    answers={200: ("Mine for five minutes.", shapes.ClaimedSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def claim(comment_id: str) -> Response:
    """Colleagues see that I am reading it. It forbids nothing for long: what keeps decisions apart is the version."""
    given, wanted = web.json_body(CLAIM), number(comment_id)
    with late_is_told(wanted), web.database().transaction() as session:
        me = me_in(session)
        comment = comment_in(session, wanted, lock=True)
        escalations.guard(comment, me)
        until = claims.claim(session, comment, me, utcnow(), take_over=given["take_over"]).until
    return web.answer({"id": str(wanted), "until": until})


@comments_api.delete("/queue/<comment_id>/claim")
@auth.token_required
@web.documented(
    summary="Give a claim back",
    tag=TAG,
    security="token",
    answers={200: ("Not mine any more; also when it was not.", shapes.GoneSchema), 404: NOT_THERE, **READ_ERRORS},
)
def release(comment_id: str) -> Response:
    """I have gone on to something else."""
    wanted = number(comment_id)
    with web.database().transaction() as session:
        me = me_in(session)
        claims.release(session, comment_in(session, wanted).id, me)
    return web.answer({"id": str(wanted)})


@comments_api.post("/queue/<comment_id>/decision")
@auth.token_required
@web.documented(
    summary="Decide on a comment as it was read",
    tag=TAG,
    security="token",
    body=asked.DecideSchema,
    answers={
        200: ("Decided; the same answer twice is a quiet success.", shapes.DecidedCommentSchema),
        404: NOT_THERE,
        409: LATE,
        **ERRORS,
    },
)
def decide(comment_id: str) -> Response:
    """Approve, reject with a reason, or put back to wait; at `seen_version`, unless a colleague is reading it."""
    given, wanted, now = web.json_body(DECIDE), number(comment_id), utcnow()
    with late_is_told(wanted), web.database().transaction() as session:
        me = me_in(session)
        comment = comment_in(session, wanted, lock=True)
        if comment.version == given["seen_version"]:  # who comes late hears who was first, not who reads it now
            claims.guard(session, comment, me, now)
        decisions.decide(
            session,
            comment,
            given["action"],
            Decider(me),
            seen_version=given["seen_version"],
            now=now,
            reason=given["reason"],
        )
    return _decided(wanted)


@comments_api.post("/queue/<comment_id>/undo")
@auth.token_required
@web.documented(
    summary="Take my latest decision on a comment back",
    tag=TAG,
    security="token",
    body=asked.UndoSchema,
    answers={200: ("As it stood before.", shapes.DecidedCommentSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def undo(comment_id: str) -> Response:
    """Inside the site's grace the site never hears of it; after it, a reversing decision is told."""
    given, wanted = web.json_body(UNDO), number(comment_id)
    with late_is_told(wanted), web.database().transaction() as session:
        me = me_in(session)
        comment = comment_in(session, wanted, lock=True)
        undoing.undo(session, comment, me, seen_version=given["seen_version"], now=utcnow())
    return _decided(wanted)


@comments_api.get("/queue/decisions")
@auth.token_required
@web.documented(
    summary="My latest decisions, to be undone",
    tag=TAG,
    security="token",
    answers={200: ("Fifty at most.", shapes.MyDecisionsSchema), **READ_ERRORS},
)
def my_decisions() -> Response:
    """Those that still are the newest of their comments."""
    with web.database().reading() as session:
        return web.answer(
            {
                "decisions": [
                    {
                        "comment_id": str(comment.id),
                        "version": comment.version,
                        "action": decision.action,
                        "reason": decision.reason,
                        "author_name": comment.author_name,
                        "at": decision.created_at,
                    }
                    for decision, comment in queue.my_latest(session, g.me.id, g.site_ids, LATEST)
                ]
            }
        )


@comments_api.post("/queue/decisions")
@auth.token_required
@web.documented(
    summary="Decide on several comments at once, each as it was read",
    tag=TAG,
    security="token",
    body=asked.DecideManySchema,
    answers={200: ("One result per comment: a conflict harms no other.", shapes.OutcomesSchema), **ERRORS},
)
def decide_many() -> Response:
    """At most a hundred; more is a bulk job."""
    given = web.json_body(DECIDE_MANY)
    seen = {int(one["id"]): one["seen_version"] for one in given["comments"]}
    if len(seen) < len(given["comments"]):
        raise InvalidInput("A comment is named twice.", field="comments")
    with web.database().transaction() as session:
        me = me_in(session)
        answers = selected.decide_selected(session, g.site_ids, seen, given["action"], given["reason"], me, utcnow())
        return web.answer({"results": outcomes(session, {one: answers[one] for one in seen})})


@comments_api.post("/queue/<comment_id>/escalation")
@auth.token_required
@web.documented(
    summary="Hand a comment to the seniors",
    tag=TAG,
    security="token",
    body=asked.QuestionSchema,
    answers={201: ("With the seniors now.", shapes.EscalatedSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def escalate(comment_id: str) -> Response:
    """Only seniors and administrators decide on it from then on."""
    given, wanted, now = web.json_body(QUESTION), number(comment_id), utcnow()
    with late_is_told(wanted), web.database().transaction() as session:
        me = me_in(session)
        comment = comment_in(session, wanted, lock=True)
        claims.guard(session, comment, me, now)
        escalations.raise_(session, comment, me, given["question"], now)
    return web.answer({"id": str(wanted), "escalated": True}, 201)


@comments_api.post("/queue/<comment_id>/answer")
@auth.token_required
@web.documented(
    summary="Answer the question on a comment; for seniors",
    tag=TAG,
    security="token",
    body=asked.AnswerTextSchema,
    answers={200: ("Back in the queue.", shapes.EscalatedSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def answer_question(comment_id: str) -> Response:
    """The comment goes back to everybody."""
    given, wanted = web.json_body(ANSWER), number(comment_id)
    with late_is_told(wanted), web.database().transaction() as session:
        me = me_in(session)
        comment = comment_in(session, wanted, lock=True)
        escalations.answer(session, comment, me, given["answer"], utcnow())
    return web.answer({"id": str(wanted), "escalated": False})


@comments_api.get("/queue/<comment_id>/notes")
@auth.token_required
@web.documented(
    summary="The notes on a comment",
    tag=TAG,
    security="token",
    answers={200: ("Newest first.", shapes.NoteListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def read_notes(comment_id: str) -> Response:
    """What colleagues noted on it."""
    wanted = number(comment_id)
    with web.database().reading() as session:
        comment_in(session, wanted)
        lines = notes.of(session, notes.COMMENT, [wanted]).get(wanted, [])
    return web.answer({"notes": api_bodies.notes(lines)})


@comments_api.post("/queue/<comment_id>/notes")
@auth.token_required
@web.documented(
    summary="Leave a note on a comment",
    tag=TAG,
    security="token",
    body=asked.NoteTextSchema,
    answers={201: ("All its notes, newest first.", shapes.NoteListSchema), 404: NOT_THERE, **ERRORS},
)
def note(comment_id: str) -> Response:
    """For colleagues; readers never see it."""
    wanted = number(comment_id)
    return leave_note(notes.COMMENT, wanted, lambda session: comment_in(session, wanted).site_id)


def _decided(comment_id: int) -> Response:
    """How a comment stands after a deed."""
    with web.database().reading() as session:
        comment = comment_in(session, comment_id)
        return web.answer(
            {
                "id": str(comment.id),
                "status": comment.status,
                "version": comment.version,
                "told": histories.told(session, comment),
                "effective_at": comment.shown_at,
            }
        )
