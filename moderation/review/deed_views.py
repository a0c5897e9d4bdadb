"""Deciding, undoing, and who reads what. Works without script; scripts get JSON."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import auth, moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.review import campaigns, cards, claims, decisions, escalations, groups, histories, undoing
from moderation.review.cards import Card
from moderation.review.decisions import Decider
from moderation.review.models import Decision
from moderation.review.notice_views import Notice, Together, left_text, undone_text
from moderation.review.place_views import Place, comment_of, moment_in, place_now, seconds_left
from moderation.review.views import AT_ONCE, comment_html, edit_since

deeds = Blueprint("deeds", __name__)

EDITED = "The author edited this text while you were reading."
"""Also where the policy has judged the new text meanwhile: what counts for whoever read the old one is the edit."""


@deeds.post("/queue/<int:comment_id>/decision")
@auth.login_required
@auth.csrf_required
def decide(comment_id: int) -> AnyResponse:
    """Approve, or reject with a reason, at the version that was seen, unless a colleague is reading it.

    With `until_id`, of a card that stands for many alike: all of them that wait up to that comment; with `hours` those
    that still come are rejected, too.
    """
    reject = request.form.get("reject") or None
    action = "reject" if reject else request.form.get("decision", "")
    reason = (reject or request.form.get("reason") or None) if action == "reject" else None
    seen, now = web.form_int("seen_version"), utcnow()
    until_id = web.form_int("until_id") if request.form.get("until_id") else 0
    hours = web.form_int("hours") if request.form.get("hours") else 0

    def deed(session: Session, comment: Comment, me: Moderator) -> Together | None:
        if comment.version == seen:  # who comes late hears who was first, not who reads it now
            claims.guard(session, comment, me, now)
        decisions.decide(session, comment, action, Decider(me), seen_version=seen, now=now, reason=reason)
        if not until_id or comment.campaign_id is None:
            return None
        rest = groups.decide_all(
            session,
            g.site_ids,
            "campaign",
            str(comment.campaign_id),
            action,
            me,
            until_id=until_id,
            now=now,
            reason=reason,
        )
        if hours and action == "reject":
            campaigns.order(session, comment.campaign_id, action, reason, me, hours, now)
        left = sum(isinstance(item, Conflict) for item in rest.values())
        return Together(now, 1 + len(rest) - left, left)

    return _act(comment_id, deed, "decided", until_id=until_id)


@deeds.post("/queue/<int:comment_id>/undo")
@auth.login_required
@auth.csrf_required
def undo(comment_id: int) -> AnyResponse:
    """Take my latest decision back."""
    seen = web.form_int("seen_version")
    return _act(
        comment_id,
        lambda session, comment, me: undoing.undo(session, comment, me, seen_version=seen, now=utcnow()),
        "undone",
    )


@deeds.post("/queue/undo")
@auth.login_required
@auth.csrf_required
def undo_together() -> AnyResponse:
    """Take back what I decided at once at the moment `at`; `ids`: the comments whose cards the page shows."""
    now, place = utcnow(), place_now()
    at = moment_in(request.form.get("at", ""))
    with web.database().transaction() as session:
        me = auth.current(session)
        g.site_ids = moderators.site_ids(session, me)
        answers = groups.undo_all(session, g.site_ids, me, at, now) if at else {}
        if not answers:
            raise InvalidInput(undoing.NOTHING_TO_UNDO, field="at")
        done = [number for number, answer in answers.items() if isinstance(answer, Decision)]
        told = bool(done) and histories.told(session, session.get_one(Comment, done[0]))
    left = len(answers) - len(done)
    if not web.wants_json():
        return redirect(place.url(undone_many=len(done), left=left, told=int(told)), 303)
    shown = {number for text in request.form.get("ids", "").split()[:AT_ONCE] if (number := parsing.whole_number(text))}
    with web.database().reading() as session:
        rows = session.scalars(select(Comment).where(Comment.id.in_(shown & set(done)))).all()
        made = cards.build(session, rows, now=now)
        fresh = {str(card.id): render_template("partials/card.html", card=card, place=place.fields()) for card in made}
    return web.answer({"text": undone_text(len(done), left, told=told), "cards": fresh})


@deeds.post("/queue/<int:comment_id>/claim")
@auth.login_required
@auth.csrf_required
def claim(comment_id: int) -> AnyResponse:
    """Say that I am reading this comment, or that I still am; with `take_over` even if a colleague is."""
    try:
        with web.database().transaction() as session:
            me, comment = _mine(session, comment_id)
            # A page says a moment late that it is read: then it may be with the seniors already, and must be free.
            escalations.guard(comment, me)
            take_over = request.form.get("take_over") == "1"
            until = claims.claim(session, comment, me, utcnow(), take_over=take_over).until
    except Conflict as conflict:
        return _conflict(comment_id, conflict)
    if web.wants_json():
        return web.answer({"id": comment_id, "until": until})
    return redirect(f"/queue/{comment_id}", 303)


@deeds.post("/queue/<int:comment_id>/release")
@auth.login_required
@auth.csrf_required
def release(comment_id: int) -> AnyResponse:
    """I have gone on to something else."""
    with web.database().transaction() as session:
        claims.release(session, comment_id, auth.current(session))
    return web.answer({"id": comment_id}) if web.wants_json() else redirect(place_now().url(), 303)


def _mine(session: Session, comment_id: int) -> tuple[Moderator, Comment]:
    """The moderator who asks and a locked comment of their sites, read in this transaction. Raises NotFound."""
    me = auth.current(session)
    g.site_ids = moderators.site_ids(session, me)
    comment = session.get(Comment, comment_id, with_for_update=True)
    if comment is None or comment.site_id not in g.site_ids:
        raise NotFound("There is no such comment.")
    return me, comment


def _act(
    comment_id: int, deed: Callable[[Session, Comment, Moderator], object], code: str, *, until_id: int = 0
) -> AnyResponse:
    """Do a deed in one transaction, with the moderator and their access read inside it, and answer. `until_id`: it is
    on others of the comment's campaign, too."""
    try:
        with web.database().transaction() as session:
            if until_id:
                groups.lock_with(session, comment_id, until_id)
            me, comment = _mine(session, comment_id)
            done = deed(session, comment, me)
    except Conflict as conflict:
        return _conflict(comment_id, conflict)
    place = place_now()
    together = done if isinstance(done, Together) and done.n + done.left > 1 else None
    if together and not web.wants_json():
        where = place.url(decided_many=together.n, conflicts=together.left, at=together.at.isoformat())
        return redirect(where, 303)
    if not web.wants_json():
        return redirect(
            f"/queue/{comment_id}?{code}={comment_id}" if place.of_comment else place.url(**{code: comment_id}), 303
        )
    with web.database().reading() as session:
        comment = comment_of(session, comment_id)
        made = cards.build(session, [comment])[0]
        told = histories.told(session, comment)
    partial = "partials/gone.html" if code == "decided" else "partials/card.html"
    return web.answer(
        {
            "id": made.id,
            "status": made.status,
            "version": made.version,
            "told": told,
            "seconds": seconds_left(comment),
            "text": left_text(together.left) if together else "",
            "html": render_template(
                partial, card=made, place=place.fields(), current=code == "undone", together=together
            ),
        }
    )


def _conflict(comment_id: int, conflict: Conflict) -> AnyResponse:
    place = place_now()
    mine = {"action": "reject" if request.form.get("reject") else "approve", "reason": request.form.get("reject")}
    with web.database().reading() as session:
        made = cards.build(session, [comment_of(session, comment_id)])[0]
        if conflict.details.get("who") == "policy" and _seen_revision(made) < made.revision:
            conflict = Conflict(EDITED, details={"what": "edited", "version": made.version, "revision": made.revision})
        conflict.message = i18n.said(conflict)
        at = datetime.fromisoformat(str(conflict.details["at"])) if conflict.details.get("at") else None
        facts = {**conflict.details, "at": at}
        facts["machine"] = facts.get("who") == "policy"
        facts["who"] = gettext("the policy") if facts["machine"] else facts.get("who")
        if web.wants_json():
            html = _conflict_html(session, made, facts, mine, place)
            return web.answer({**web.error_body(conflict), "html": html}, 409)
        notice = Notice("conflict", comment_id, who=str(facts["who"] or ""), at=at, text=conflict.message)
        page = comment_html(session, comment_of(session, comment_id), notice)
    return Response(page, status=409, mimetype="text/html")


def _conflict_html(
    session: Session, card: Card, facts: Mapping[str, Any], mine: Mapping[str, Any], place: Place
) -> str:
    if facts.get("what") == "claimed":  # nothing was decided: the card stays, and says who reads it
        return render_template("partials/card.html", card=card, place=place.fields(), current=True)
    edit = edit_since(session, card, _seen_revision(card)) if facts.get("what") == "edited" else None
    fields = place.fields()
    return render_template("partials/conflict.html", card=card, conflict=facts, mine=mine, place=fields, changes=edit)


def _seen_revision(card: Card) -> int:
    """The revision that the form was made for; the newest where it does not say."""
    seen = parsing.whole_number(request.form.get("seen_revision", ""), 9)
    return card.revision if seen is None else seen
