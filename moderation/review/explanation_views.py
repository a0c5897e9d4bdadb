"""The words behind a score: asked for with a button, or by the script for the card that is lit."""

from flask import Blueprint, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth, moderators
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.errors import NotFound
from moderation.review import cards, explained
from moderation.scoring import explanations

explanation_pages = Blueprint("explanation_pages", __name__, url_prefix="/queue")


@explanation_pages.post("/<int:comment_id>/explanation")
@auth.login_required
@auth.csrf_required
def ask(comment_id: int) -> AnyResponse:
    """Have the score of a comment explained. A script is told how far it is, and the marked text once it is done."""
    with web.database().transaction() as session:
        me = auth.current(session)
        comment = session.get(Comment, comment_id)
        if comment is None or comment.site_id not in moderators.site_ids(session, me):
            raise NotFound("There is no such comment.")
        state = explained.ask(session, comment, utcnow())
    if not web.wants_json():
        return redirect(f"/queue/{comment_id}", 303)
    if state != explanations.DONE:
        return web.answer({"id": comment_id, "state": state})
    with web.database().reading() as session:
        made = cards.build(session, [session.get_one(Comment, comment_id)])[0]
    return web.answer({"id": comment_id, "state": state, "html": render_template("partials/words.html", card=made)})
