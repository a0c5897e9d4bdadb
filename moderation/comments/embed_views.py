"""The embed: its script, its styles, and what the script needs to show a story's form."""

from collections.abc import Mapping

from flask import Response, current_app, g
from flask_babel import gettext

from moderation import i18n, web
from moderation.comments import form, reports
from moderation.comments import reading_schemas as shapes
from moderation.comments.form_views import browser_door
from moderation.comments.reading_views import NOT_THERE, UNCHANGED, story_asked
from moderation.comments.views import ERRORS
from moderation.db import utcnow

public = browser_door("public_embed")

SCRIPT_SECONDS = 3600
"""How long a browser or a cache may keep the embed's script and styles."""

LABELS: Mapping[str, str] = {
    "comments": "Comments",
    "none": "There are no comments yet.",
    "order": "Order",
    "oldest": "Oldest first",
    "newest": "Newest first",
    "more": "Show more comments",
    "more_replies": "Show more replies",
    "reply": "Reply",
    "reply_to": "Reply to {name}",
    "cancel_reply": "Cancel reply",
    "staff": "Staff",
    "comment": "Comment (required)",
    "author": "Name (required)",
    "email": "Email (required, not shown)",
    "url": "Website",
    "trap": "Leave this field empty",
    "not_sent": "Your comment was not sent.",
    "no_answer": "The server did not answer. Your text is still here; send it again.",
    "only_you": "Only you see it.",
    "published": "Your comment is published.",
    "rejected": "Your comment was not published.",
    "loaded": "More comments are shown.",
    "report": "Report",
    "report_of": "Report the comment of {name}",
    "report_why": "What is wrong with it?",
    "report_text": "In your own words, if you like",
    "report_send": "Send the report",
    "report_failed": "The report was not sent. Try again.",
}
"""What the embed says besides the form's texts, by name; the sentences are msgids."""


@public.get("/form")
@web.documented(
    summary="What a script needs to show a story's form",
    tag="browsers",
    query=shapes.StoryQuery,
    answers={
        200: ("Texts, a timing token, and whether the story is closed.", shapes.FormFrameSchema),
        404: NOT_THERE,
        422: ERRORS[422],
    },
)
def form_frame() -> Response:
    """Texts in the site's own words and language, a fresh token, and whether the story still takes comments."""
    story, now = story_asked(), utcnow()
    with web.database().reading() as session:
        closed = form.is_closed(session, g.site, story, now)
    return web.answer(
        {
            "story": story,
            "language": i18n.language(),
            "closed": closed,
            "token": form.make_token(web.secret(), g.site.public_id, story, now),
            "texts": form.texts(g.site, gettext),
            "labels": {name: gettext(sentence) for name, sentence in LABELS.items()},
            "reasons": {code: i18n.reason_name(code) for code in reports.REASONS},
        }
    )


@public.get("/embed.js")
@web.documented(
    summary="The embed: thread and form for a page of the site",
    tag="browsers",
    answers={200: ("JavaScript; see docs/connect.md.", None), 304: UNCHANGED, 404: NOT_THERE},
)
def embed_script() -> Response:
    """One script for every site: it knows its site by the address that it came from."""
    return _static("embed.js")


@public.get("/embed.css")
@web.documented(
    summary="The embed's styles, for a page that asks for them",
    tag="browsers",
    answers={200: ("CSS.", None), 304: UNCHANGED, 404: NOT_THERE},
)
def embed_styles() -> Response:
    """Without them the embed looks as the page does."""
    return _static("embed.css")


def _static(name: str) -> Response:
    response = current_app.send_static_file(name)
    response.headers["Cache-Control"] = f"public, max-age={SCRIPT_SECONDS}"
    # The pages that include it are of other origins, and some of them ask for such a word.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
