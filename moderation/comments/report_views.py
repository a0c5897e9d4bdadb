"""Readers' reports: from the site's server with its key, and from the browsers of the site's readers."""

from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts.models import Site
from moderation.comments import form, report_schemas, reports, schemas
from moderation.comments.form_views import browser_door, refuse_foreign
from moderation.comments.models import Story
from moderation.comments.reports import Given
from moderation.comments.views import ERRORS, named
from moderation.db import utcnow
from moderation.errors import ModerationError, NotAllowed, NotFound

api = Blueprint("reports", __name__, url_prefix="/api/v1/comments")

public = browser_door("public_reports")

REPORT = report_schemas.ReportSchema()

THANKS = "Thank you. The editors will look at this comment."

ANSWERS: dict[int, tuple[str, Any]] = {
    201: ("Stored; the comment stands under Reported.", report_schemas.ReportTakenSchema),
    200: ("This reader has reported it already: the answer of the first time.", report_schemas.ReportTakenSchema),
    404: ("There is no such comment on this site.", schemas.ErrorSchema),
    409: ("The comment is not shown (`not_shown`).", schemas.ErrorSchema),
    **ERRORS,
}


@api.post("/<comment_id>/reports")
@web.documented(
    summary="Report a comment for a reader",
    tag="comments",
    security="key",
    body=report_schemas.ReportSchema,
    answers=ANSWERS,
)
def report(comment_id: str) -> Response:
    """A reader of the site says that a comment which is shown should not stand."""
    return _report(comment_id)


@api.post("/reports")
@web.documented(
    summary="Report a comment for a reader, named by the site's own id",
    tag="comments",
    security="key",
    body=report_schemas.ReportSchema,
    query=schemas.WhichQuery,
    answers=ANSWERS,
)
def report_by_external_id() -> Response:
    """The same for a site that did not keep our id."""
    return _report(None)


@public.post("/comments/<comment_id>/reports")
@web.documented(
    summary="Report a comment: the browser form",
    tag="browsers",
    form=report_schemas.ReportFormSchema,
    answers={
        201: ("Stored (for `Accept: application/json`).", report_schemas.ReportThanksSchema),
        200: ("Reported already (for `Accept: application/json`).", report_schemas.ReportThanksSchema),
        303: ("Stored; back to the story's page (for a form without script).", None),
        403: ("A foreign origin, or a token that is missing, too old or forged.", schemas.ErrorSchema),
        404: ("There is no such comment, or it is not shown.", schemas.ErrorSchema),
        413: ERRORS[413],
        422: ERRORS[422],
        429: ("Too many reports from this address; Retry-After says how long to wait.", schemas.ErrorSchema),
        503: ERRORS[503],
    },
)
def report_from_browser(comment_id: str) -> AnyResponse:
    """A reader reports what they see. One address, one report a comment."""
    site: Site = g.site
    try:
        refuse_foreign(site)
        with web.database().transaction() as session:
            now = utcnow()
            comment = reports.reportable(session, site.id, _number(comment_id), now)
            story = session.get(Story, comment.story_id) if comment.story_id else None
            if story is None:
                raise NotFound(reports.NO_COMMENT)
            _check_token(site, story)
            given = reports.add(
                session,
                comment,
                reporter=reports.by_address(web.secret(), site.id, request.remote_addr or ""),
                reason=request.form.get("reason", ""),
                text=request.form.get("text", ""),
                now=now,
                per_window=reports.PER_WINDOW,
            )
    except reports.NotShown:
        return _refused(NotFound(reports.NO_COMMENT))  # what readers do not see is not there
    except ModerationError as error:
        return _refused(error)
    if web.wants_json():
        return web.answer({**_body(given), "message": gettext(THANKS)}, 201 if given.created else 200)
    # To the stored address of the story, never to Referer.
    address = story.url.partition("#")[0]
    asked = f"lang={request.args['lang']}&" if request.args.get("lang") in i18n.LANGUAGES else ""
    joint = "&" if "?" in address else "?"
    return redirect(f"{address}{joint}{asked}reported={given.comment_id}#comment-{given.comment_id}", 303)


def _report(comment_id: str | None) -> Response:
    web.likely_site()  # a wrong key costs no write lock and no parsing
    given = web.json_body(REPORT)
    reporter = given["reporter"]
    with web.database().transaction() as session:
        site, now = web.site_of_key(session), utcnow()
        number = named(session, site, None, lock=False).id if comment_id is None else _number(comment_id)
        comment = reports.reportable(session, site.id, number, now)
        if reporter.get("external_id"):
            key = reports.by_id(web.secret(), site.id, reporter["external_id"])
        else:
            key = reports.by_address(web.secret(), site.id, str(reporter["ip"]))
        made = reports.add(session, comment, reporter=key, reason=given["reason"], text=given.get("text", ""), now=now)
    return web.answer(_body(made), 201 if made.created else 200)


def _body(given: Given) -> dict[str, Any]:
    return {"id": str(given.report_id), "comment_id": str(given.comment_id), "created": given.created}


def _number(comment_id: str) -> int:
    number = parsing.whole_number(comment_id)
    if number is None:
        raise NotFound(reports.NO_COMMENT)
    return number


def _check_token(site: Site, story: Story) -> None:
    """The page that the report comes from was shown by us, or asked us for a token: for this story, not long ago."""
    flag = form.token_flag(
        request.form.get(form.TOKEN, ""),
        key=web.secret(),
        public_id=site.public_id,
        story_external_id=story.external_id,
        now=utcnow(),
        min_seconds=0,
    )
    if flag is not None:
        raise NotAllowed(form.FORGED, field=form.TOKEN)


def _refused(error: ModerationError) -> AnyResponse:
    sentence = i18n.said(error)
    if web.wants_json():
        body = web.error_body(error)
        body["error"]["message"] = sentence
        response: Response = web.answer(body, error.status)
    else:
        html = render_template("public/refused.html", site_name=g.site.name, site_url=g.site.url, sentence=sentence)
        response = Response(html, status=error.status, mimetype="text/html")
    retry_after = error.details.get("retry_after")
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response
