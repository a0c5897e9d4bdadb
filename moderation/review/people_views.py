"""The pages of authors and articles, and what people do around a decision: escalate, note."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, web
from moderation.accounts import auth, moderators
from moderation.accounts.models import Moderator
from moderation.comments import standings, story_orders, story_rules
from moderation.comments.models import Author, Comment, Story
from moderation.db import utcnow
from moderation.errors import InvalidInput, NotFound, not_among
from moderation.review import claims, escalations, notes, people, queue

people_pages = Blueprint("people_pages", __name__)

SPANS = {"day": timedelta(days=1), "week": timedelta(weeks=1), "month": timedelta(days=30), "ever": None}
"""How long an order for an author holds; besides, `date` is a day that the form names."""

DONE = ("banned", "held", "trusted", "cleared", "noted", "close", "open", "premoderate", "release")
"""What a form that leads back to a page may have done."""


# --- authors ---


@people_pages.get("/authors/<int:author_id>")
@auth.login_required
def author_page(author_id: int) -> Response:
    """Everything by this author, their record, and what people ordered for them."""
    with web.database().reading() as session:
        return _author_page(session, _author(session, author_id))


@people_pages.get("/authors/<int:author_id>/ban")
@auth.seniors_only
def ban_page(author_id: int) -> Response:
    """Ask once more before an author is banned; the button repeats the deed."""
    with web.database().reading() as session:
        return _ban_page(session, _author(session, author_id))


@people_pages.post("/authors/<int:author_id>/standing")
@auth.seniors_only
@auth.csrf_required
def set_standing(author_id: int) -> AnyResponse:
    """Ban, hold or trust, or take such an order back."""
    kind = request.form.get("kind", "")
    try:
        with web.database().transaction() as session:
            me, now = me_now(session), utcnow()
            author = _author(session, author_id, lock=True)
            standings.set_standing(session, author, kind, _until(kind, now), me, now)
    except InvalidInput as error:
        if web.wants_json():
            raise
        with web.database().reading() as session:
            page = _ban_page if kind == standings.BANNED else _author_page
            return page(session, _author(session, author_id), fault=i18n.said(error), code=error.status)
    if web.wants_json():
        return web.answer({"id": author_id, "standing": kind})
    return redirect(f"/authors/{author_id}?done={kind or 'cleared'}", 303)


@people_pages.post("/authors/<int:author_id>/notes")
@auth.login_required
@auth.csrf_required
def note_author(author_id: int) -> AnyResponse:
    """Leave a note on an author."""
    return _note(
        notes.AUTHOR,
        author_id,
        lambda session: _author(session, author_id).site_id,
        lambda session, fault: _author_page(session, _author(session, author_id), note_fault=fault, code=422),
        f"/authors/{author_id}?done=noted#notes",
    )


def _author_page(
    session: Session, author: Author, *, fault: str = "", note_fault: str = "", code: int = 200
) -> Response:
    now = utcnow()
    after = web.query_int("after", 0, 0, 10**18) or None
    lines, following = people.comments_by(session, author.id, after=after)
    site = people.site_of(session, author)
    return page_of(
        session,
        "people/author.html",
        code,
        author=author,
        site=site,
        names=people.names_of(session, author.id),
        record=people.records(session, [author.id], now)[author.id],
        lines=lines,
        paged=after is not None,
        next_url=f"/authors/{author.id}?after={following}" if following else None,
        notes=notes.of(session, notes.AUTHOR, [author.id]).get(author.id, []),
        orders=people.orders_of(session, f"author:{author.id}"),
        senior=moderators.is_senior(g.me),
        fault=fault,
        note_fault=note_fault,
    )


def _ban_page(session: Session, author: Author, *, fault: str = "", code: int = 200) -> Response:
    return page_of(
        session,
        "people/ban.html",
        code,
        author=author,
        site=people.site_of(session, author),
        names=people.names_of(session, author.id),
        record=people.records(session, [author.id], utcnow())[author.id],
        fault=fault,
    )


def _until(kind: str, now: datetime) -> datetime | None:
    """When the order ends, as the form says it. Raises InvalidInput naming `until`."""
    span = request.form.get("until", "ever")
    if kind == standings.NOTHING:
        return None
    if span in SPANS:
        length = SPANS[span]
        return None if length is None else now + length
    if span != "date":
        raise InvalidInput("Choose how long the order holds.", field="until")
    try:
        # The day that is named still counts, in the time of the desk.
        end = date.fromisoformat(request.form.get("until_date", "")) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise InvalidInput("Name the last day of the order.", field="until") from None
    return datetime.combine(end, time(), ZoneInfo(i18n.timezone_name()))


# --- stories ---


@people_pages.get("/stories/<int:story_id>")
@auth.login_required
def story_page(story_id: int) -> Response:
    """Everything under this article, and what people ordered for it."""
    with web.database().reading() as session:
        return _story_page(session, _story(session, story_id))


STORY_ORDERS: dict[str, Callable[[Session, Story, Moderator, datetime], None]] = {
    "close": story_orders.close,
    "open": story_orders.open_again,
    "premoderate": lambda session, story, me, now: story_orders.premoderate(session, story, True, me, now),
    "release": lambda session, story, me, now: story_orders.premoderate(session, story, False, me, now),
}


@people_pages.post("/stories/<int:story_id>/order")
@auth.login_required
@auth.csrf_required
def order_story(story_id: int) -> AnyResponse:
    """Close an article or open it again, have every comment held or leave it to the policy."""
    deed = request.form.get("deed", "")
    if deed not in STORY_ORDERS:
        raise not_among("deed", STORY_ORDERS)
    with web.database().transaction() as session:
        me = me_now(session)
        STORY_ORDERS[deed](session, _story(session, story_id, lock=True), me, utcnow())
    if web.wants_json():
        return web.answer({"id": story_id, "deed": deed})
    return redirect(f"/stories/{story_id}?done={deed}", 303)


@people_pages.post("/stories/<int:story_id>/notes")
@auth.login_required
@auth.csrf_required
def note_story(story_id: int) -> AnyResponse:
    """Leave a note on an article."""
    return _note(
        notes.STORY,
        story_id,
        lambda session: _story(session, story_id).site_id,
        lambda session, fault: _story_page(session, _story(session, story_id), note_fault=fault, code=422),
        f"/stories/{story_id}?done=noted#notes",
    )


def _story_page(session: Session, story: Story, *, note_fault: str = "", code: int = 200) -> Response:
    after = web.query_int("after", 0, 0, 10**18) or None
    lines, following = people.comments_under(session, story.id, after=after)
    site = people.site_of(session, story)
    return page_of(
        session,
        "people/story.html",
        code,
        story=story,
        site=site,
        numbers=people.story_numbers(session, story.id),
        closed=story_rules.is_closed(site, story, utcnow()),
        closes_by_age=story_rules.closes_by_age(site, story),
        section=story_rules.premoderated_section(site, story),
        lines=lines,
        paged=after is not None,
        next_url=f"/stories/{story.id}?after={following}" if following else None,
        notes=notes.of(session, notes.STORY, [story.id]).get(story.id, []),
        orders=people.orders_of(session, f"story:{story.id}"),
        note_fault=note_fault,
    )


# --- one comment: escalation and notes ---


@people_pages.post("/queue/<int:comment_id>/escalate")
@auth.login_required
@auth.csrf_required
def escalate(comment_id: int) -> AnyResponse:
    """Hand a comment to the seniors, with a question."""
    with web.database().transaction() as session:
        me, now = me_now(session), utcnow()
        comment = _comment(session, comment_id, lock=True)
        claims.guard(session, comment, me, now)
        escalations.raise_(session, comment, me, request.form.get("question", ""), now)
    return _back(comment_id, "escalated", gettext("Handed to the seniors."), escalated=True)


@people_pages.post("/queue/<int:comment_id>/answer")
@auth.seniors_only
@auth.csrf_required
def answer(comment_id: int) -> AnyResponse:
    """Answer the question; the comment goes back to everybody."""
    with web.database().transaction() as session:
        me = me_now(session)
        comment = _comment(session, comment_id, lock=True)
        escalations.answer(session, comment, me, request.form.get("answer", ""), utcnow())
    return _back(comment_id, "answered", gettext("Answered. The comment is back in the queue."), escalated=False)


@people_pages.post("/queue/<int:comment_id>/notes")
@auth.login_required
@auth.csrf_required
def note_comment(comment_id: int) -> AnyResponse:
    """Leave a note on a comment."""
    return _note(
        notes.COMMENT,
        comment_id,
        lambda session: _comment(session, comment_id).site_id,
        None,
        _way_back(comment_id, "noted"),
    )


def _note(
    kind: str,
    subject_id: int,
    site_of: Callable[[Session], int],
    page: Callable[[Session, str], Response] | None,
    back: str,
) -> AnyResponse:
    """Write a note; what is wrong with it stands on `page`, or is an error page where there is none."""
    try:
        with web.database().transaction() as session:
            me = me_now(session)
            text = request.form.get("text", "")
            made = notes.add(session, site_of(session), kind, subject_id, me, text, utcnow())
            lines = notes.of(session, kind, [subject_id])[subject_id]
    except InvalidInput as error:
        if page is None or web.wants_json():
            raise
        with web.database().reading() as session:
            return page(session, i18n.said(error))
    if not web.wants_json():
        return redirect(back, 303)
    body = {
        "id": made.id,
        "count": len(lines),
        "html": render_template("partials/note.html", note=lines[0]),
        "message": gettext("The note is kept."),
    }
    return web.answer(body, 201)


def _back(comment_id: int, code: str, message: str, *, escalated: bool) -> AnyResponse:
    if web.wants_json():
        return web.answer({"id": comment_id, "escalated": escalated, "message": message})
    return redirect(_way_back(comment_id, code), 303)


def _way_back(comment_id: int, code: str) -> str:
    """Where a form without script returns to: the tab it was sent from, or the comment's own page."""
    if request.form.get("back") == "comment":
        return f"/queue/{comment_id}?{code}={comment_id}"
    tab = request.form.get("tab", "held")
    return f"/queue?tab={tab if tab in queue.TABS else 'held'}&{code}={comment_id}"


# --- what all of them need ---


def me_now(session: Session) -> Moderator:
    """The moderator with their role, and (`g.site_ids`) their sites, as they are in the transaction of the deed."""
    me = auth.current(session)
    g.site_ids = moderators.site_ids(session, me)
    return me


def _comment(session: Session, comment_id: int, *, lock: bool = False) -> Comment:
    comment = session.get(Comment, comment_id, with_for_update=lock or None)
    if comment is None or comment.site_id not in g.site_ids:
        raise NotFound("There is no such comment.")
    return comment


def _author(session: Session, author_id: int, *, lock: bool = False) -> Author:
    author = people.author_of(session, g.site_ids, author_id, lock=lock)
    if author is None:
        raise NotFound("There is no such author.")
    return author


def _story(session: Session, story_id: int, *, lock: bool = False) -> Story:
    story = people.story_of(session, g.site_ids, story_id, lock=lock)
    if story is None:
        raise NotFound("There is no such article.")
    return story


def page_of(session: Session, template: str, code: int = 200, **context: Any) -> Response:
    """A page with the counts of the tabs, and what the form that led back to it has done."""
    done = request.args.get("done", "")
    counts = queue.counts(session, g.site_ids, g.me, utcnow())
    html = render_template(template, counts=counts, done=done if done in DONE else "", **context)
    return Response(html, status=code, mimetype="text/html")
