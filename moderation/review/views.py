"""The moderator's rooms: the queue, one comment, deciding and undoing. Works without script; scripts get JSON."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth, moderators
from moderation.comments import status
from moderation.comments.models import Comment, Revision
from moderation.db import utcnow
from moderation.delivery import outbox
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy.models import VerdictRow
from moderation.review import cards, decisions, queue
from moderation.review.decisions import Decider

review = Blueprint("review", __name__)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One of my latest decisions."""

    comment_id: int
    version: int
    action: str
    reason: str | None
    author: str
    text: str
    at: datetime
    url: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a comment's history."""

    at: datetime
    who: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What just happened, for a page that was loaded anew. `what`: approve, reject, undone, conflict."""

    what: str
    comment_id: int = 0
    version: int = 0
    reason: str | None = None
    author: str = ""
    who: str = ""
    at: datetime | None = None
    seconds: int = 0
    told: bool = True
    text: str = ""


@review.get("/")
def home() -> AnyResponse:
    """The moderator's first page is the queue."""
    return redirect("/queue", 303)


@review.get("/queue")
@auth.login_required
def queue_page() -> str:
    """A page of a tab."""
    tab = _tab()
    with web.database().reading() as session:
        rows, following = queue.page(session, g.site_ids, tab, after=_cursor())
        return render_template(
            "queue.html",
            tab=tab,
            cards=cards.build(session, rows),
            counts=queue.counts(session, g.site_ids),
            oldest=queue.oldest(session, g.site_ids) if tab in ("held", "not_scored") else None,
            next_url=None
            if following is None
            else f"/queue?tab={tab}&after={following[0].timestamp():.6f}.{following[1]}",
            since=queue.newest(session, g.site_ids, tab),
            notice=_notice(session),
            log=_log(session),
        )


@review.get("/queue/changes")
@auth.login_required
def changes() -> Response:
    """What has changed since the page was made: counts and the number of newcomers, with an ETag."""
    tab = _tab()
    since = web.query_int("since", 0, 0, 10**18)
    with web.database().reading() as session:
        body = {
            "counts": queue.counts(session, g.site_ids),
            "new": queue.arrived_since(session, g.site_ids, tab, since),
        }
    response = web.answer(body)
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32])
    return response.make_conditional(request)  # type: ignore[return-value]  # Flask's Response comes back as itself


@review.get("/queue/<int:comment_id>")
@auth.login_required
def comment_page(comment_id: int) -> str:
    """One comment with its whole history."""
    with web.database().reading() as session:
        return _comment_html(session, _comment(session, comment_id), _notice(session))


def _comment_html(session: Session, comment: Comment, notice: Notice | None) -> str:
    return render_template(
        "comment.html",
        card=cards.build(session, [comment])[0],
        counts=queue.counts(session, g.site_ids),
        history=_history(session, comment),
        deliveries=[_delivery(row, url) for row, url in outbox.of_comment(session, comment.id)],
        revisions=[
            (row.number, row.text, row.created_at)
            for row in session.scalars(
                select(Revision).where(Revision.comment_id == comment.id).order_by(Revision.number.desc())
            )
        ],
        notice=notice,
    )


@review.post("/queue/<int:comment_id>/decision")
@auth.login_required
@auth.csrf_required
def decide(comment_id: int) -> AnyResponse:
    """Approve, or reject with a reason, at the version that was seen."""
    reject = request.form.get("reject") or None
    action = "reject" if reject else request.form.get("decision", "")
    reason = reject or request.form.get("reason") or None
    seen = _form_int("seen_version")
    return _act(
        comment_id,
        lambda session, comment, me: decisions.decide(
            session,
            comment,
            action,
            Decider(me),
            seen_version=seen,
            now=utcnow(),
            reason=reason if action == "reject" else None,
        ),
        "decided",
    )


@review.post("/queue/<int:comment_id>/undo")
@auth.login_required
@auth.csrf_required
def undo(comment_id: int) -> AnyResponse:
    """Take my latest decision back."""
    seen = _form_int("seen_version")
    return _act(
        comment_id,
        lambda session, comment, me: decisions.undo(session, comment, me, seen_version=seen, now=utcnow()),
        "undone",
    )


def _act(comment_id: int, deed: Any, code: str) -> AnyResponse:
    """Do a deed in one transaction, with the moderator and their access read inside it, and answer."""
    try:
        with web.database().transaction() as session:
            me = auth.current(session)
            g.site_ids = moderators.site_ids(session, me)
            comment = session.get(Comment, comment_id, with_for_update=True)
            if comment is None or comment.site_id not in g.site_ids:
                raise NotFound("There is no such comment.")
            deed(session, comment, me)
    except Conflict as conflict:
        return _conflict(comment_id, conflict)
    if not web.wants_json():
        back = _back()
        return redirect(f"{back}{'&' if '?' in back else '?'}{code}={comment_id}", 303)
    with web.database().reading() as session:
        comment = _comment(session, comment_id)
        card = cards.build(session, [comment])[0]
        told = _told(session, comment)
    partial = "partials/gone.html" if code == "decided" else "partials/card.html"
    return web.answer(
        {
            "id": card.id,
            "status": card.status,
            "version": card.version,
            "told": told,
            "html": render_template(partial, card=card, current=code == "undone"),
        }
    )


def _conflict(comment_id: int, conflict: Conflict) -> AnyResponse:
    conflict.message = gettext(conflict.message)
    at = datetime.fromisoformat(str(conflict.details["at"])) if conflict.details.get("at") else None
    facts = {**conflict.details, "at": at}
    facts["who"] = gettext("the policy") if facts.get("who") == "policy" else facts.get("who")
    mine = {"action": "reject" if request.form.get("reject") else "approve", "reason": request.form.get("reject")}
    with web.database().reading() as session:
        comment = _comment(session, comment_id)
        if web.wants_json():
            card = cards.build(session, [comment])[0]
            html = render_template("partials/conflict.html", card=card, conflict=facts, mine=mine)
            return web.answer({**web.error_body(conflict), "html": html}, 409)
        notice = Notice("conflict", comment_id, who=str(facts["who"] or ""), at=at, text=conflict.message)
        return Response(_comment_html(session, comment, notice), status=409, mimetype="text/html")


def _told(session: Session, comment: Comment) -> bool:
    """Whether the decision that stands is an event for the site: an undo inside the grace is none."""
    rows = outbox.of_comment(session, comment.id)
    return bool(rows) and rows[-1][0].sequence == comment.sequence


def _comment(session: Session, comment_id: int) -> Comment:
    comment = queue.of_site(session, g.site_ids, comment_id)
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment


def _tab() -> str:
    tab = request.args.get("tab", "held")
    if tab not in queue.TABS:
        raise NotFound("There is no such queue.")
    return tab


def _cursor() -> tuple[datetime, int] | None:
    text = request.args.get("after")
    if text is None:
        return None
    seconds, _, number = text.rpartition(".")
    try:
        return datetime.fromtimestamp(float(seconds), UTC), int(number)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput("This address is cut off; begin at the queue again.", field="after") from None


def _form_int(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(f"{name} must be a whole number.", field=name)
    return int(text)


def _back() -> str:
    """Where a form without script returns to: the tab it was sent from, or the comment's own page."""
    if request.form.get("back") == "comment":
        return request.path.rsplit("/", 1)[0]
    tab = request.form.get("tab", "held")
    return f"/queue?tab={tab if tab in queue.TABS else 'held'}"


def _notice(session: Session) -> Notice | None:
    for code in ("decided", "undone"):
        text = request.args.get(code, "")
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            continue
        comment = queue.of_site(session, g.site_ids, int(text))
        last = decisions.latest(session, comment.id) if comment is not None else None
        if comment is None or last is None:
            continue
        seconds = max(0, int((comment.shown_at - utcnow()).total_seconds()))
        what = last.action if code == "decided" else "undone"
        return Notice(
            what,
            comment.id,
            comment.version,
            last.reason,
            comment.author_name,
            seconds=seconds,
            told=_told(session, comment),
        )
    return None


def _log(session: Session) -> list[LogLine]:
    rows = queue.my_latest(session, g.me.id, g.site_ids, 50)
    texts = {card.id: card.text for card in cards.build(session, [comment for _, comment in rows[:10]])}
    return [
        LogLine(
            comment.id,
            comment.version,
            decision.action,
            decision.reason,
            comment.author_name,
            texts.get(comment.id, ""),
            decision.created_at,
            f"/queue/{comment.id}",
        )
        for decision, comment in rows[:10]
    ]


def _history(session: Session, comment: Comment) -> list[Event]:
    events = [Event(comment.received_at, comment.author_name, "received", comment.source)]
    revisions = session.scalars(select(Revision).where(Revision.comment_id == comment.id, Revision.number > 1))
    events += [Event(row.created_at, comment.author_name, "edited", str(row.number)) for row in revisions]
    verdicts = session.scalars(select(VerdictRow).where(VerdictRow.comment_id == comment.id))
    events += [Event(row.created_at, "", "verdict", row.action) for row in verdicts]
    for decision, name in decisions.history(session, comment.id):
        what = "undo" if decision.undoes else decision.action
        events.append(Event(decision.created_at, name or "", what, decision.reason or ""))
    for row, _ in outbox.of_comment(session, comment.id):
        if row.state == outbox.DELIVERED and row.finished_at:
            events.append(Event(row.finished_at, "", "delivered", str(row.sequence)))
        elif row.state == outbox.DEAD and row.finished_at:
            events.append(Event(row.finished_at, "", "delivery_failed", row.last_error))
    if comment.status == status.WITHDRAWN:
        events.append(Event(comment.pending_since, "", "withdrawn", ""))
    return sorted(events, key=lambda event: event.at)


def _delivery(row: Any, url: str | None) -> dict[str, Any]:
    return {
        "state": row.state,
        "sequence": row.sequence,
        "url": url or "",
        "attempts": row.attempts,
        "last_status": row.last_status,
        "last_error": row.last_error,
        "at": row.finished_at or row.due_at,
    }
