"""The page of second looks: one decision of somebody else, judged again without knowing it."""

from dataclasses import replace

from flask import Blueprint, Response, g, redirect, request
from flask_babel import force_locale, gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth
from moderation.accounts.models import Site
from moderation.comments import status
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.review import cards, second_looks
from moderation.review.models import SecondLook
from moderation.review.people_views import me_now, page_of

look_pages = Blueprint("look_pages", __name__)


@look_pages.get("/queue/second-looks")
@auth.login_required
def second_look_page() -> Response:
    """One decision of somebody else, to be judged without knowing it."""
    after = web.query_int("after", 0, 0, 10**18)
    with web.database().reading() as session:
        wanted = second_looks.following(session, g.site_ids, g.me, after=after)
        return _second_look_page(session, wanted, skipped=after > 0)


@look_pages.post("/queue/second-looks/<int:look_id>")
@auth.login_required
@auth.csrf_required
def look_again(look_id: int) -> AnyResponse:
    """Store what I think; where it differs, the seniors are asked."""
    reject = request.form.get("reject") or None
    action = "reject" if reject else request.form.get("decision", "")
    with web.database().transaction() as session:
        me = me_now(session)
        looked = second_looks.look(
            session,
            look_id,
            g.site_ids,
            me,
            action,
            reject,
            utcnow(),
            question=question_to_seniors(session, look_id, action),
        )
    if web.wants_json():
        return web.answer({"comment_id": looked.comment_id, "agreed": looked.agreed, "first": looked.first_action})
    outcome = "same" if looked.agreed else "other"
    return redirect(f"/queue/second-looks?looked={outcome}", 303)


def question_to_seniors(session: Session, look_id: int, action: str) -> str:
    """What the seniors are asked where two people differ, in the site's language: it is kept as text."""
    wanted = session.get(SecondLook, look_id)
    site = session.get(Site, wanted.site_id) if wanted is not None else None
    if wanted is None or site is None:
        return ""
    with force_locale(site.language):
        if (wanted.first_action, action) == ("approve", "reject"):
            return str(gettext("Second look: the first person approved, the second would reject. What counts?"))
        return str(gettext("Second look: the first person rejected, the second would approve. What counts?"))


def _second_look_page(session: Session, wanted: SecondLook | None, *, skipped: bool) -> Response:
    card = None
    if wanted is not None:
        built = cards.build(session, [session.get_one(Comment, wanted.comment_id)])[0]
        # Blind: how it stands now must not be seen.
        card = replace(built, decided=None, status=status.HELD)
    return page_of(
        session,
        "people/second_look.html",
        look=wanted,
        card=card,
        skipped=skipped,
        waiting=second_looks.waiting(session, g.site_ids, g.me),
        looked=request.args.get("looked", ""),
    )
