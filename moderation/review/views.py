"""The moderator's rooms: the queue, what a search finds, one comment; deciding, undoing, reading. Works without script;
scripts get JSON."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext, ngettext
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, web
from moderation.accounts import auth, moderators, sites
from moderation.accounts.models import Moderator
from moderation.comments import reports, status
from moderation.comments.models import Comment, Revision
from moderation.db import utcnow
from moderation.delivery import outbox
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.review import (
    campaigns,
    cards,
    claims,
    decisions,
    filters,
    histories,
    latest,
    marks,
    notes,
    queue,
    saved_views,
    searching,
)
from moderation.review.cards import Card
from moderation.review.decisions import Decider
from moderation.review.marks import Change
from moderation.review.models import Decision

review = Blueprint("review", __name__)

AT_ONCE = 100
"""Cards that a page may ask about at once."""

EDITED = "The author edited this text while you were reading."
"""Also where the policy has judged the new text meanwhile: what counts for whoever read the old one is the edit."""

EVERY = {
    "held": "status:held",
    "not_scored": "status:held is:unscored",
    "reported": "is:reported",
    "approved": "status:approved",
    "rejected": "status:rejected -is:spam",
    "spam": "status:rejected is:spam",
}
"""Tab → the search that finds all of it, for a bulk job."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a moderator is: a tab in an order, or what a search found; on all of their sites, or on one.

    `of_comment`: on the page of one comment, which leads back to itself.
    """

    tab: str = "held"
    sort: str = ""
    site: int | None = None
    q: str = ""
    of_comment: bool = False

    def fields(self) -> dict[str, str]:
        """What a form carries so that it can lead back here."""
        if self.of_comment:
            return {"back": "comment"}
        values = {"tab": self.tab, "sort": self.sort, "site": str(self.site or ""), "q": self.q}
        return {name: value for name, value in values.items() if value}

    def url(self, **more: str | int) -> str:
        """The address of this place; `more` goes behind it."""
        return "/queue?" + urlencode({**self.fields(), **more})


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


@dataclass(frozen=True, slots=True)
class Together:
    """`n` comments were decided at once at the moment `at`; `left` of those that were meant were not."""

    at: datetime
    n: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What just happened, for a page that was loaded anew.

    `what`: approve, reject, undone, conflict, or another deed, for which `text` is the sentence.
    """

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
    together: datetime | None = None
    """The moment of several decisions that can be taken back together."""


@review.get("/")
def home() -> AnyResponse:
    """The moderator's first page is the queue."""
    return redirect("/queue", 303)


@review.get("/queue")
@auth.login_required
def queue_page() -> AnyResponse:
    """A page of a tab, or of what a search found."""
    place, now, wrong = _place(), utcnow(), ""
    site_ids = _site_ids(place)
    with web.database().reading() as session:
        try:
            listed = _search(session, site_ids, place.q, now) if place.q else _tab(session, place, now)
        except InvalidInput as error:
            if error.field != "q":
                raise
            listed, wrong = Listed([], None, 0), _sentence(error)
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
            every=_every(place),
            since=queue.newest(session, site_ids, tab) if tab else 0,
            notice=_notice(session),
            log=latest.of(session, g.me.id, g.site_ids),
        )
    return Response(page, status=422 if wrong else 200, mimetype="text/html")


@review.get("/queue/changes")
@auth.login_required
def changes() -> Response:
    """What has changed since the page was made, with an ETag: counts, newcomers, the oldest, who reads which of the
    page's cards (`ids`: id.version.revision, by spaces), the lines of those that were decided since, and the cards of
    those that wait with another text."""
    place, now = _place(), utcnow()
    site_ids = _site_ids(place)
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


@review.get("/queue/<int:comment_id>/card")
@auth.login_required
def card(comment_id: int) -> Response:
    """A card as it is now, for a page that shows it already."""
    with web.database().reading() as session:
        made = cards.build(session, [_comment(session, comment_id)])[0]
    html = render_template("partials/card.html", card=made, place=_place().fields())
    return web.answer({"id": made.id, "status": made.status, "version": made.version, "html": html})


def _comment_html(session: Session, comment: Comment, notice: Notice | None) -> str:
    now = utcnow()
    rows = session.scalars(select(Revision).where(Revision.comment_id == comment.id).order_by(Revision.number))
    texts = {row.number: (row.text, row.created_at) for row in rows}
    return render_template(
        "comment.html",
        card=cards.build(session, [comment], now=now)[0],
        counts=queue.counts(session, g.site_ids, g.me, now),
        history=histories.of_comment(session, comment),
        deliveries=[_delivery(row, url) for row, url in outbox.of_comment(session, comment.id)],
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


@review.post("/queue/<int:comment_id>/decision")
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
    seen, now = _form_int("seen_version"), utcnow()
    until_id = _form_int("until_id") if request.form.get("until_id") else 0
    hours = _form_int("hours") if request.form.get("hours") else 0

    def deed(session: Session, comment: Comment, me: Moderator) -> Together | None:
        if comment.version == seen:  # who comes late hears who was first, not who reads it now
            claims.guard(session, comment, me, now)
        decisions.decide(session, comment, action, Decider(me), seen_version=seen, now=now, reason=reason)
        if not until_id or comment.campaign_id is None:
            return None
        rest = campaigns.decide_all(
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


@review.post("/queue/undo")
@auth.login_required
@auth.csrf_required
def undo_together() -> AnyResponse:
    """Take back what I decided at once at the moment `at`; `ids`: the comments whose cards the page shows."""
    now, place = utcnow(), _place()
    at = _moment(request.form.get("at", ""))
    with web.database().transaction() as session:
        me = auth.current(session)
        g.site_ids = moderators.site_ids(session, me)
        answers = campaigns.undo_all(session, g.site_ids, me, at, now) if at else {}
        if not answers:
            raise InvalidInput(decisions.NOTHING_TO_UNDO, field="at")
        done = [number for number, answer in answers.items() if isinstance(answer, Decision)]
        told = bool(done) and histories.told(session, session.get_one(Comment, done[0]))
    left = len(answers) - len(done)
    if not web.wants_json():
        return redirect(place.url(undone_many=len(done), left=left, told=int(told)), 303)
    shown = {int(text) for text in request.form.get("ids", "").split()[:AT_ONCE] if text.isascii() and text.isdigit()}
    with web.database().reading() as session:
        rows = session.scalars(select(Comment).where(Comment.id.in_(shown & set(done)))).all()
        made = cards.build(session, rows, now=now)
        fresh = {str(card.id): render_template("partials/card.html", card=card, place=place.fields()) for card in made}
    return web.answer({"text": undone_text(len(done), left, told=told), "cards": fresh})


@review.post("/queue/<int:comment_id>/claim")
@auth.login_required
@auth.csrf_required
def claim(comment_id: int) -> AnyResponse:
    """Say that I am reading this comment, or that I still am; with `take_over` even if a colleague is."""
    try:
        with web.database().transaction() as session:
            me, comment = _mine(session, comment_id)
            take_over = request.form.get("take_over") == "1"
            until = claims.claim(session, comment, me, utcnow(), take_over=take_over).until
    except Conflict as conflict:
        return _conflict(comment_id, conflict)
    if web.wants_json():
        return web.answer({"id": comment_id, "until": until})
    return redirect(f"/queue/{comment_id}", 303)


@review.post("/queue/<int:comment_id>/release")
@auth.login_required
@auth.csrf_required
def release(comment_id: int) -> AnyResponse:
    """I have gone on to something else."""
    with web.database().transaction() as session:
        claims.release(session, comment_id, auth.current(session))
    return web.answer({"id": comment_id}) if web.wants_json() else redirect(_place().url(), 303)


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
                campaigns.lock_with(session, comment_id, until_id)
            me, comment = _mine(session, comment_id)
            done = deed(session, comment, me)
    except Conflict as conflict:
        return _conflict(comment_id, conflict)
    place = _place()
    together = done if isinstance(done, Together) and done.n + done.left > 1 else None
    if together and not web.wants_json():
        where = place.url(decided_many=together.n, conflicts=together.left, at=together.at.isoformat())
        return redirect(where, 303)
    if not web.wants_json():
        return redirect(
            f"/queue/{comment_id}?{code}={comment_id}" if place.of_comment else place.url(**{code: comment_id}), 303
        )
    with web.database().reading() as session:
        comment = _comment(session, comment_id)
        made = cards.build(session, [comment])[0]
        told = histories.told(session, comment)
    partial = "partials/gone.html" if code == "decided" else "partials/card.html"
    return web.answer(
        {
            "id": made.id,
            "status": made.status,
            "version": made.version,
            "told": told,
            "seconds": _seconds(comment),
            "text": _left_text(together.left) if together else "",
            "html": render_template(
                partial, card=made, place=place.fields(), current=code == "undone", together=together
            ),
        }
    )


def _conflict(comment_id: int, conflict: Conflict) -> AnyResponse:
    place = _place()
    mine = {"action": "reject" if request.form.get("reject") else "approve", "reason": request.form.get("reject")}
    with web.database().reading() as session:
        made = cards.build(session, [_comment(session, comment_id)])[0]
        if conflict.details.get("who") == "policy" and _seen_revision(made) < made.revision:
            conflict = Conflict(EDITED, details={"what": "edited", "version": made.version, "revision": made.revision})
        conflict.message = gettext(conflict.message)
        at = datetime.fromisoformat(str(conflict.details["at"])) if conflict.details.get("at") else None
        facts = {**conflict.details, "at": at}
        facts["who"] = gettext("the policy") if facts.get("who") == "policy" else facts.get("who")
        if web.wants_json():
            html = _conflict_html(session, made, facts, mine, place)
            return web.answer({**web.error_body(conflict), "html": html}, 409)
        notice = Notice("conflict", comment_id, who=str(facts["who"] or ""), at=at, text=conflict.message)
        page = _comment_html(session, _comment(session, comment_id), notice)
    return Response(page, status=409, mimetype="text/html")


def _conflict_html(
    session: Session, card: Card, facts: Mapping[str, Any], mine: Mapping[str, Any], place: Place
) -> str:
    if facts.get("what") == "claimed":  # nothing was decided: the card stays, and says who reads it
        return render_template("partials/card.html", card=card, place=place.fields(), current=True)
    edit = _edit(session, card, _seen_revision(card)) if facts.get("what") == "edited" else None
    fields = place.fields()
    return render_template("partials/conflict.html", card=card, conflict=facts, mine=mine, place=fields, changes=edit)


def _edit(session: Session, card: Card, revision: int) -> list[Change] | None:
    """What the author changed since a revision; None where that is the card's own, or gone."""
    wanted = select(Revision.text).where(Revision.comment_id == card.id, Revision.number == revision)
    before = session.scalar(wanted) if revision != card.revision else None
    return None if before is None else marks.changes(before, card.text)


def _seen_revision(card: Card) -> int:
    """The revision that the form was made for; the newest where it does not say."""
    text = request.form.get("seen_revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else card.revision


def _tab(session: Session, place: Place, now: datetime) -> Listed:
    sort = place.sort or queue.SORTS_OF[place.tab][0]
    after = request.args.get("after")
    return Listed(*queue.page(session, _site_ids(place), place.tab, sort=sort, after=after, me=g.me, now=now))


def _search(session: Session, site_ids: Sequence[int], q: str, now: datetime) -> Listed:
    query = filters.parse(q, now=now, tz=ZoneInfo(i18n.timezone_name()))
    found = searching.page(session, site_ids, query, after=web.query_int("after", 0, 0, 10**18) or None)
    following = str(found.next) if found.next is not None else None
    return Listed(found.comments, following, found.count, found.more_than, found.reached)


def _sentence(error: InvalidInput) -> str:
    """What is wrong with a search, in the page's language."""
    if isinstance(error, filters.NotUnderstood):
        return str(gettext(error.sentence, **error.values))
    return str(gettext(error.message))


def _views(session: Session) -> list[View]:
    return [
        View(row.id, row.name, row.query, Place(q=row.query).url(), row.moderator_id)
        for row in saved_views.listed(session)
    ]


def _every(place: Place) -> str | None:
    """The page that makes a bulk job of all that this list holds; None where no search says it."""
    q = place.q or EVERY.get(place.tab, "")
    if not q:
        return None
    return "/queue/bulk?" + urlencode({"q": f"{q} site:{place.site}" if place.site else q})


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
                edited=_edit(session, made[row.id], seen[row.id].revision),
            )
            for row in edited
        },
    }


def _seen(text: str) -> dict[int, Seen]:
    """Comment → what the page shows of it. Raises InvalidInput."""
    found = {}
    for item in text.split()[:AT_ONCE]:
        parts = item.split(".")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in parts):
            raise InvalidInput("ids must be id.version.revision, by spaces.", field="ids")
        number, version, revision = map(int, parts)
        found[number] = Seen(version, revision)
    return found


def _seconds(comment: Comment) -> int:
    """Until the site is told of the latest decision."""
    return max(0, round((comment.shown_at - utcnow()).total_seconds()))


def _comment(session: Session, comment_id: int) -> Comment:
    comment = queue.of_site(session, g.site_ids, comment_id)
    if comment is None:
        raise NotFound("There is no such comment.")
    return comment


def _place() -> Place:
    """Where the moderator is, by the address or by the form's fields. Raises NotFound and InvalidInput."""
    values = request.values
    tab = values.get("tab") or "held"
    if tab not in queue.TABS:
        raise NotFound("There is no such queue.")
    sort = values.get("sort", "")
    sort = sort if sort in queue.SORTS_OF[tab][1:] else ""
    site = values.get("site", "")
    number = int(site) if site.isascii() and site.isdigit() and len(site) <= 18 else None
    if site and number not in g.site_ids:
        raise NotFound("There is no such site.")
    return Place(tab, sort, number, " ".join(values.get("q", "").split()), values.get("back") == "comment")


def _site_ids(place: Place) -> list[int]:
    return [place.site] if place.site else list(g.site_ids)


def _form_int(name: str) -> int:
    text = request.form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput(f"{name} must be a whole number.", field=name)
    return int(text)


SAID = {
    "escalated": "Handed over to a senior.",
    "answered": "Answered.",
    "noted": "The note is kept.",
}
"""What a form that led back here has done, by the name in the address."""


def _notice(session: Session) -> Notice | None:
    for code in ("decided", "undone"):
        number = _number(code)
        comment = queue.of_site(session, g.site_ids, number) if number else None
        last = decisions.latest(session, comment.id) if comment is not None else None
        if comment is None or last is None:
            continue
        what = last.action if code == "decided" else "undone"
        return Notice(
            what,
            comment.id,
            comment.version,
            last.reason,
            comment.author_name,
            seconds=_seconds(comment),
            told=histories.told(session, comment),
        )
    if "decided_many" in request.args:
        done, lost = _number("decided_many"), _number("conflicts")
        text = gettext("%(count)s decided.", count=i18n.figure(done))
        if lost:
            text += " " + _left_text(lost)
        return Notice("many", text=text, together=_moment(request.args.get("at", "")) if done else None)
    if "undone_many" in request.args:
        return Notice("many", text=undone_text(_number("undone_many"), _number("left"), told=bool(_number("told"))))
    for code, sentence in SAID.items():
        if _number(code):
            return Notice(code, text=gettext(sentence))
    return None


def _number(name: str) -> int:
    """A whole number of the address, 0 where there is none."""
    text = request.args.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _left_text(left: int) -> str:
    """What became of those that one decided together with others, and could not have."""
    if not left:
        return ""
    return str(
        ngettext(
            "%(num)d was left: somebody else has it, or it waits for a senior.",
            "%(num)d were left: somebody else has them, or they wait for a senior.",
            left,
        )
    )


def undone_text(done: int, left: int, *, told: bool) -> str:
    """What became of decisions that were taken back together."""
    text = str(
        gettext("Reversed. The site is told the new decision.") if told else gettext("Undone. The site was not told.")
    )
    text += " " + str(ngettext("%(num)d decision undone.", "%(num)d decisions undone.", done))
    return f"{text} {_left_text(left)}".strip()


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


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
