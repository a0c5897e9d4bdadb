"""The moderator's rooms: the queue, what a search finds, one comment. Works without script; scripts get JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import auth, sites
from moderation.comments import reports, status
from moderation.comments.models import Comment, Revision
from moderation.db import utcnow
from moderation.delivery import outbox_reading
from moderation.errors import InvalidInput
from moderation.review import cards, claims, filters, histories, latest, marks, notes, queue, saved_views, searching
from moderation.review.cards import Card
from moderation.review.marks import Change
from moderation.review.notice_views import Notice, notice_now
from moderation.review.place_views import Place, comment_of, every_of, place_now, sites_of

review = Blueprint("review", __name__)


AT_ONCE = 100
"""Cards that a page may ask about at once."""


@dataclass(frozen=True, slots=True)
class View:
    """A saved view as the page lists it."""

    id: int
    name: str
    query: str
    url: str
    moderator_id: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The cards of a page: of a tab, or (with `count`) of a search. `more`: there are more than `count`; `reached`: the
    search has looked back so far only."""

    comments: Sequence[Comment]
    following: str | None
    count: int | None = None
    more: bool = False
    reached: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page shows of a comment."""

    version: int
    revision: int


@review.get("/")
def home() -> AnyResponse:
    """The moderator's first page is the queue."""
    return redirect("/queue", 303)


@review.get("/queue")
@auth.login_required
def queue_page() -> AnyResponse:
    """A page of a tab, or of what a search found."""
    place, now, wrong = place_now(), utcnow(), ""
    site_ids = sites_of(place)
    with web.database().reading() as session:
        try:
            listed = _search(session, site_ids, place.q, now) if place.q else _tab(session, place, now)
        except InvalidInput as error:
            if error.field != "q":
                raise
            listed, wrong = Listed([], None, 0), i18n.said(error)
        tab = None if place.q else place.tab
        waits = tab in ("held", "not_scored")
        oldest = queue.oldest(session, site_ids) if waits else None
        page = render_template(
            "queue.html",
            tab=tab,
            place=place.fields(),
            cards=cards.build(session, listed.comments, now=now),
            counts=queue.counts(session, site_ids, g.me, now),
            sort=place.sort or queue.SORTS_OF[place.tab][0],
            sorts=queue.SORTS_OF[place.tab] if tab and len(queue.SORTS_OF[place.tab]) > 1 else (),
            sites=[(site.id, site.name) for site in sites.of_ids(session, g.site_ids)],
            site=place.site,
            q=place.q,
            wrong=wrong,
            found={"count": listed.count, "more": listed.more, "reached": listed.reached}
            if place.q and not wrong
            else None,
            views=_views(session),
            oldest=oldest,
            waited=(now - oldest).total_seconds() / 60 if oldest else 0,
            limit=web.settings().alert_held_minutes,
            next_url=place.url(after=listed.following) if listed.following else None,
            first_url=replace(place, q="").url(),
            every=every_of(place),
            since=queue.newest(session, site_ids, tab) if tab else 0,
            notice=notice_now(session),
            log=latest.of(session, g.me.id, g.site_ids),
        )
    return Response(page, status=422 if wrong else 200, mimetype="text/html")


@review.get("/queue/changes")
@auth.login_required
def changes() -> Response:
    """What has changed since the page was made, with an ETag: counts, newcomers, the oldest, who reads which of the
    page's cards (`ids`: id.version.revision, by spaces), the lines of those that were decided since, and the cards of
    those that wait with another text."""
    place, now = place_now(), utcnow()
    site_ids = sites_of(place)
    since = web.query_int("since", 0, 0, 10**18)
    seen = _seen(request.args.get("ids", ""))
    with web.database().reading() as session:
        waits = not place.q and place.tab in ("held", "not_scored")
        body = {
            "counts": queue.counts(session, site_ids, g.me, now),
            "new": 0 if place.q else queue.arrived_since(session, site_ids, place.tab, since, known=seen),
            "oldest": web.instant(queue.oldest(session, site_ids)) if waits else None,
            "presence": {
                str(comment_id): {"who": held.name, "until": web.instant(held.until)}
                for comment_id, held in claims.of_comments(session, list(seen), now).items()
                if held.moderator_id != g.me.id
            },
            **_changed_since(session, seen, place, now),
        }
    return web.polled(body)


@review.get("/queue/<int:comment_id>")
@auth.login_required
def comment_page(comment_id: int) -> str:
    """One comment with its whole history."""
    with web.database().reading() as session:
        return comment_html(session, comment_of(session, comment_id), notice_now(session))


@review.get("/queue/<int:comment_id>/card")
@auth.login_required
def card(comment_id: int) -> Response:
    """A card as it is now, for a page that shows it already."""
    with web.database().reading() as session:
        made = cards.build(session, [comment_of(session, comment_id)])[0]
    html = render_template("partials/card.html", card=made, place=place_now().fields())
    return web.answer({"id": made.id, "status": made.status, "version": made.version, "html": html})


def comment_html(session: Session, comment: Comment, notice: Notice | None) -> str:
    now = utcnow()
    rows = session.scalars(select(Revision).where(Revision.comment_id == comment.id).order_by(Revision.number))
    texts = {row.number: (row.text, row.created_at) for row in rows}
    return render_template(
        "comment.html",
        card=cards.build(session, [comment], now=now)[0],
        counts=queue.counts(session, g.site_ids, g.me, now),
        history=histories.of_comment(session, comment),
        deliveries=[_delivery(row, url) for row, url in outbox_reading.of_comment(session, comment.id)],
        revisions=[(number, text, at) for number, (text, at) in texts.items()],
        edits={
            number: marks.changes(texts[number - 1][0], text)
            for number, (text, _) in texts.items()
            if number - 1 in texts
        },
        notes=notes.of(session, notes.COMMENT, [comment.id]).get(comment.id, []),
        reports=reports.of_comment(session, comment.id),
        notice=notice,
    )


@review.post("/queue/views")
@auth.login_required
@auth.csrf_required
def save_view() -> AnyResponse:
    """Keep a search under a name for the team."""
    name, q = request.form.get("name", ""), request.form.get("q", "")
    with web.database().transaction() as session:
        zone = ZoneInfo(i18n.timezone_name())
        view = saved_views.add(session, name, q, auth.current(session), now=utcnow(), tz=zone)
        where = Place(q=view.query)
    return redirect(where.url(), 303)


@review.post("/queue/views/<int:view_id>/remove")
@auth.login_required
@auth.csrf_required
def remove_view(view_id: int) -> AnyResponse:
    """Take a saved view off the list: one's own, or as a senior any."""
    with web.database().transaction() as session:
        saved_views.remove(session, view_id, auth.current(session), now=utcnow())
    return redirect("/queue", 303)


def edit_since(session: Session, card: Card, revision: int) -> list[Change] | None:
    """What the author changed since a revision; None where that is the card's own, or gone."""
    wanted = select(Revision.text).where(Revision.comment_id == card.id, Revision.number == revision)
    before = session.scalar(wanted) if revision != card.revision else None
    return None if before is None else marks.changes(before, card.text)


def _tab(session: Session, place: Place, now: datetime) -> Listed:
    sort = place.sort or queue.SORTS_OF[place.tab][0]
    after = request.args.get("after")
    return Listed(*queue.page(session, sites_of(place), place.tab, sort=sort, after=after, me=g.me, now=now))


def _search(session: Session, site_ids: Sequence[int], q: str, now: datetime) -> Listed:
    query = filters.parse(q, now=now, tz=ZoneInfo(i18n.timezone_name()))
    found = searching.page(session, site_ids, query, after=web.query_int("after", 0, 0, 10**18) or None)
    following = str(found.next) if found.next is not None else None
    return Listed(found.comments, following, found.count, found.more_than, found.reached)


def _views(session: Session) -> list[View]:
    return [
        View(row.id, row.name, row.query, Place(q=row.query).url(), row.moderator_id)
        for row in saved_views.listed(session)
    ]


def _changed_since(session: Session, seen: Mapping[int, Seen], place: Place, now: datetime) -> dict[str, Any]:
    """What became of the cards that a page shows: comment → the line for the place of one that has been decided or
    withdrawn (`decided`), or the card as it is now of one that waits with a text that was edited (`edited`)."""
    wanted = select(Comment).where(Comment.id.in_(list(seen)), Comment.site_id.in_(g.site_ids))
    changed = [row for row in session.scalars(wanted) if row.version != seen[row.id].version]
    done = [row for row in changed if row.status in (status.APPROVED, status.REJECTED, status.WITHDRAWN)]
    edited = [row for row in changed if row.status == status.HELD and row.revision > seen[row.id].revision]
    made = {card.id: card for card in cards.build(session, [*done, *edited], now=now)}
    return {
        "decided": {
            str(row.id): render_template("partials/gone.html", card=made[row.id], place=place.fields()) for row in done
        },
        "edited": {
            str(row.id): render_template(
                "partials/card.html",
                card=made[row.id],
                place=place.fields(),
                edited=edit_since(session, made[row.id], seen[row.id].revision),
            )
            for row in edited
        },
    }


def _seen(text: str) -> dict[int, Seen]:
    """Comment → what the page shows of it. Raises InvalidInput."""
    found = {}
    for item in text.split()[:AT_ONCE]:
        parts = [part for part in map(parsing.whole_number, item.split(".")) if part is not None]
        if len(parts) != 3 or item.count(".") != 2:
            raise InvalidInput("ids must be id.version.revision, by spaces.", field="ids")
        number, version, revision = parts
        found[number] = Seen(version, revision)
    return found


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
