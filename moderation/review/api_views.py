"""The JSON queue: everything that a moderator's page of the queue does, for their own tools, with a personal token.

Besides: review/api_groups_views.py (bulk jobs, groups) and review/api_people_views.py (authors, articles, second looks,
statistics). See docs/queue-api.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import i18n, web
from moderation.accounts import auth, moderators, sites
from moderation.accounts.models import Moderator
from moderation.comments import reports
from moderation.comments.models import Comment, Revision
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.delivery import outbox
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.review import (
    api_bodies,
    bulk,
    cards,
    claims,
    decisions,
    escalations,
    filters,
    histories,
    notes,
    queue,
    saved_views,
    searching,
    undoing,
)
from moderation.review import api_card_schemas as carded
from moderation.review import api_given_schemas as asked
from moderation.review import api_schemas as shapes
from moderation.review.campaigns import Decided
from moderation.review.decisions import Decider
from moderation.review.filters import Query

queue_api = Blueprint("queue_api", __name__, url_prefix="/api/v1")

TAG = "queue"
LATEST = 50
"""My latest decisions that one call lists."""

READ_ERRORS: dict[int, tuple[str, Any]] = {
    401: ("The token is missing, wrong or over.", ErrorSchema),
    403: ("A site's key is no moderator; or this is for seniors.", ErrorSchema),
    422: ("A field is wrong; it is named.", ErrorSchema),
    503: ("The database does not answer; try again.", ErrorSchema),
}
ERRORS: dict[int, tuple[str, Any]] = {
    400: ("The body cannot be read.", ErrorSchema),
    413: ("The body is too large.", ErrorSchema),
    **READ_ERRORS,
}
NOT_THERE: tuple[str, Any] = ("There is no such thing on the sites that I work on.", ErrorSchema)
LATE: tuple[str, Any] = (
    "Somebody was first, or a colleague is reading it: the details say who, what and when, and the `version`, "
    "`revision` and `status` that the comment has now.",
    ErrorSchema,
)

DECIDE, DECIDE_MANY, UNDO = asked.DecideSchema(), asked.DecideManySchema(), asked.UndoSchema()
CLAIM, QUESTION, ANSWER = asked.TakeClaimSchema(), asked.QuestionSchema(), asked.AnswerTextSchema()
NOTE, VIEW = asked.NoteTextSchema(), asked.NewViewSchema()


# --- what all of these doors need ---


def me_in(session: Session) -> Moderator:
    """Who asks, their role, and (`g.site_ids`) their sites, as they are in the transaction of the deed."""
    me = auth.current_by_token(session).moderator
    g.site_ids = moderators.site_ids(session, me)
    return me


def number(text: str, sentence: str = "There is no such comment.") -> int:
    """An id of the address. Raises NotFound."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise NotFound(sentence)
    return int(text)


def after() -> int:
    """The id after which the page of the query begins; 0 for the first."""
    return web.query_int("after", 0, 0, 10**18)


def chosen_sites(text: str | None) -> list[int]:
    """All of my sites, or the one that is named. Raises NotFound."""
    if not text:
        return list(g.site_ids)
    site_id = number(text, "There is no such site.")
    if site_id not in g.site_ids:
        raise NotFound("There is no such site.", field="site")
    return [site_id]


def zone(session: Session) -> ZoneInfo:
    """The time in which days of a query are meant: one desk, one clock, that of the oldest site."""
    mine = sites.of_ids(session, g.site_ids)
    if mine:
        i18n.use_timezone(mine[0].timezone)
    return ZoneInfo(i18n.timezone_name())


def parsed(session: Session, q: str) -> Query:
    """A search as somebody wrote it. Raises InvalidInput naming `q`."""
    return filters.parse(" ".join(q.split()), now=utcnow(), tz=zone(session))


def card_bodies(session: Session, comments: Sequence[Comment], me: Moderator) -> list[api_bodies.Body]:
    """The cards of comments."""
    return [api_bodies.card(made, me) for made in cards.build(session, comments)]


def outcomes(session: Session, answers: Mapping[int, Decided]) -> list[api_bodies.Body]:
    """What became of each of several comments, in the transaction of the deed."""
    wanted = select(Comment).where(Comment.id.in_(list(answers)), Comment.site_id.in_(g.site_ids))
    known = {row.id: row for row in session.scalars(wanted.execution_options(populate_existing=True))}
    return [api_bodies.outcome(one, answer, known.get(one)) for one, answer in answers.items()]


@contextmanager
def late_is_told(comment_id: int) -> Iterator[None]:
    """A conflict that is raised inside also says how the comment stands now."""
    try:
        yield
    except Conflict as conflict:
        with web.database().reading() as session:
            comment = queue.of_site(session, g.site_ids, comment_id)
        if comment is not None:
            conflict.details.update(api_bodies.moved(comment, conflict.details) | api_bodies.stands(comment))
        raise


def comment_in(session: Session, comment_id: int, *, lock: bool = False) -> Comment:
    """A comment of my sites. Raises NotFound."""
    comment = session.get(Comment, comment_id, with_for_update=lock or None)
    if comment is None or comment.site_id not in g.site_ids:
        raise NotFound("There is no such comment.")
    return comment


def leave_note(kind: str, subject_id: int, site_of: Callable[[Session], int]) -> Response:
    """Write the note of the body on what `site_of` says to be of a site of mine."""
    text = web.json_body(NOTE)["text"]
    with web.database().transaction() as session:
        me = me_in(session)
        notes.add(session, site_of(session), kind, subject_id, me, text, utcnow())
        lines = notes.of(session, kind, [subject_id])[subject_id]
    return web.answer({"notes": api_bodies.notes(lines)}, 201)


# --- who I am, lists ---


@queue_api.get("/me")
@auth.token_required
@web.documented(
    summary="Whose token it is, and the sites that it opens",
    tag=TAG,
    security="token",
    answers={200: ("Name, role, sites.", carded.MeSchema), **READ_ERRORS},
)
def who_am_i() -> Response:
    """The moderator and their sites."""
    me: Moderator = g.me
    with web.database().reading() as session:
        mine = sites.of_ids(session, g.site_ids)
    return web.answer(
        {
            "id": str(me.id),
            "name": me.name,
            "role": me.role,
            "sites": [
                {"id": str(site.id), "public_id": site.public_id, "name": site.name, "timezone": site.timezone}
                for site in mine
            ],
        }
    )


@queue_api.get("/queue")
@auth.token_required
@web.documented(
    summary="A page of the queue",
    tag=TAG,
    security="token",
    query=asked.QueueQuery,
    answers={200: ("Twenty cards at most.", carded.CardListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def listed() -> Response:
    """A page of a tab, in one of its orders."""
    tab = _tab()
    sort = request.args.get("sort") or queue.SORTS_OF[tab][0]
    site_ids = chosen_sites(request.args.get("site"))
    begin = request.args.get("after") or None
    with web.database().reading() as session:
        found, following = queue.page(session, site_ids, tab, sort=sort, after=begin, me=g.me, now=utcnow())
        return web.answer({"comments": card_bodies(session, found, g.me), "next": following})


@queue_api.get("/queue/counts")
@auth.token_required
@web.documented(
    summary="How many comments stand under each tab, and what has come since",
    tag=TAG,
    security="token",
    query=asked.CountsSinceQuery,
    answers={200: ("Exact counts.", carded.TabCountsSchema), 404: NOT_THERE, **READ_ERRORS},
)
def counts() -> Response:
    """The counts of the tabs; with `since`, how many came under `tab`."""
    tab, site_ids = _tab(), chosen_sites(request.args.get("site"))
    since = web.query_int("since", 0, 0, 10**18) if request.args.get("since") else None
    with web.database().reading() as session:
        return web.answer(
            {
                "counts": queue.counts(session, site_ids, g.me, utcnow()),
                "oldest_at": queue.oldest(session, site_ids),
                "new": None if since is None else queue.arrived_since(session, site_ids, tab, since),
                "mark": str(queue.newest(session, site_ids, tab)),
            }
        )


@queue_api.get("/search")
@auth.token_required
@web.documented(
    summary="Search comments",
    tag=TAG,
    security="token",
    query=asked.SearchQuery,
    answers={200: ("Twenty cards at most, newest first.", shapes.FoundSchema), 404: NOT_THERE, **READ_ERRORS},
)
def search() -> Response:
    """What a line of the query language finds (docs/search.md); days are those of my oldest site's zone."""
    q, site_ids = request.args.get("q", ""), chosen_sites(request.args.get("site"))
    if not q.strip():
        raise InvalidInput("Say what to look for: ?q=<words and filters>.", field="q")
    with web.database().reading() as session:
        found = searching.page(session, site_ids, parsed(session, q), after=after() or None)
        return web.answer(
            {
                "comments": card_bodies(session, found.comments, g.me),
                "next": api_bodies.name_of(found.next),
                "count": found.count,
                "more_than": found.more_than,
                "reached": found.reached,
            }
        )


# --- one comment ---


@queue_api.get("/queue/<comment_id>")
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
                    for row, url in outbox.of_comment(session, comment.id)
                ],
            }
        )


@queue_api.post("/queue/<comment_id>/claim")
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
        until = claims.claim(session, comment, me, utcnow(), take_over=given["take_over"]).until
    return web.answer({"id": str(wanted), "until": until})


@queue_api.delete("/queue/<comment_id>/claim")
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


@queue_api.post("/queue/<comment_id>/decision")
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


@queue_api.post("/queue/<comment_id>/undo")
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


@queue_api.get("/queue/decisions")
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


@queue_api.post("/queue/decisions")
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
        answers = bulk.decide_selected(session, g.site_ids, seen, given["action"], given["reason"], me, utcnow())
        return web.answer({"results": outcomes(session, {one: answers[one] for one in seen})})


@queue_api.post("/queue/<comment_id>/escalation")
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


@queue_api.post("/queue/<comment_id>/answer")
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


@queue_api.get("/queue/<comment_id>/notes")
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


@queue_api.post("/queue/<comment_id>/notes")
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


# --- saved views ---


@queue_api.get("/views")
@auth.token_required
@web.documented(
    summary="Searches that the team keeps under a name",
    tag=TAG,
    security="token",
    answers={200: ("By name.", shapes.SavedViewsSchema), **READ_ERRORS},
)
def views() -> Response:
    """Everybody's saved views."""
    with web.database().reading() as session:
        return web.answer(
            {
                "views": [
                    {"id": str(view.id), "name": view.name, "q": view.query, "who": view.moderator}
                    for view in saved_views.listed(session)
                ]
            }
        )


@queue_api.post("/views")
@auth.token_required
@web.documented(
    summary="Keep a search under a name",
    tag=TAG,
    security="token",
    body=asked.NewViewSchema,
    answers={
        201: ("Kept; `q` in its plainest form.", shapes.SavedViewSchema),
        409: ("There is one of that name, or there are too many.", ErrorSchema),
        **ERRORS,
    },
)
def save_view() -> Response:
    """For the whole team."""
    given = web.json_body(VIEW)
    with web.database().transaction() as session:
        me = me_in(session)
        view = saved_views.add(session, given["name"], given["q"], me, now=utcnow(), tz=zone(session))
        body = {"id": str(view.id), "name": view.name, "q": view.query, "who": me.name}
    return web.answer(body, 201)


@queue_api.delete("/views/<view_id>")
@auth.token_required
@web.documented(
    summary="Take a saved view off the list",
    tag=TAG,
    security="token",
    answers={200: ("Gone.", shapes.GoneSchema), 404: NOT_THERE, **READ_ERRORS},
)
def remove_view(view_id: str) -> Response:
    """One's own, or as a senior any."""
    wanted = number(view_id, "There is no such saved view.")
    with web.database().transaction() as session:
        saved_views.remove(session, wanted, me_in(session), now=utcnow())
    return web.answer({"id": str(wanted)})


def _tab() -> str:
    tab = request.args.get("tab") or "held"
    if tab not in queue.TABS:
        raise InvalidInput(f"tab must be one of {', '.join(queue.TABS)}.", field="tab")
    return tab


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
