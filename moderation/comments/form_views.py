"""The door of browsers, without a key: the form, threads, recent comments, and following one's own comment.

CORS is our own and exact: the origin must be one of the site's, character for character; no credentials.
"""

import secrets
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from flask import Blueprint, Response, g, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, pipeline, web
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments import form, reading, schemas
from moderation.comments.form import FormFaults
from moderation.comments.intake import CommentInput, StoryInput
from moderation.comments.models import Story
from moderation.comments.views import ERRORS
from moderation.db import utcnow
from moderation.errors import MalformedInput, ModerationError, NotAllowed, NotFound


def browser_door(name: str) -> Blueprint:
    """A blueprint under `/f/<public id>`: it finds the site (`g.site`), speaks its language, answers its origins."""
    door = Blueprint(name, __name__, url_prefix="/f/<public_id>")
    door.url_value_preprocessor(_find_site)
    door.after_request(_cors)
    return door


def _find_site(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.public_id = (values or {}).pop("public_id", "")
    with web.database().reading() as session:
        g.site = sites.by_public_id(session, g.public_id)
    i18n.for_reader(g.site.language, g.site.timezone)


def _cors(response: Response) -> Response:
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin is not None and "site" in g and _known_origin(g.site, origin):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, If-None-Match"
        response.headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
        response.headers["Access-Control-Max-Age"] = "600"
    return response


public = browser_door("public")


@public.post("/comments")
@web.documented(
    summary="Leave a reply: the browser form",
    tag="browsers",
    form=schemas.FormSchema,
    answers={
        202: ("Stored (for `Accept: application/json`).", schemas.FormTakenSchema),
        400: ("The form is not in UTF-8.", schemas.ErrorSchema),
        303: ("Stored; on to the story's page (for a form without script).", None),
        403: (
            "A foreign origin, a forged token, a reply to what is not shown, or a story that takes no more comments "
            "(`story_closed`).",
            schemas.ErrorSchema,
        ),
        404: ("There is no such site.", schemas.ErrorSchema),
        409: ("The same comment again.", schemas.ErrorSchema),
        413: ERRORS[413],
        422: ("The faults, field by field, in the site's language.", schemas.FormFaultsSchema),
        429: ("Too quick; Retry-After says how long to wait.", schemas.ErrorSchema),
        503: ERRORS[503],
    },
)
def submit() -> AnyResponse:
    """Check as the theme checks, refuse what WordPress refuses, store, and send the browser on."""
    site: Site = g.site
    _check_encoding()
    fields = request.form
    story: Story | None = None
    try:
        refuse_foreign(site)
        with web.database().transaction() as session:
            now = utcnow()
            story = form.find_story(session, site, fields, now)
        form.refuse_closed(site, story, now)
        flags = _flags(site, story)
        given = form.read(fields, request.remote_addr)
        with web.database().transaction() as session:
            now = utcnow()
            parent = form.parent_of(session, site, story, given.parent_id, now)
            form.refuse_repeats(
                session,
                site,
                story,
                given,
                key=web.secret(),
                now=now,
                flood_seconds=web.settings().form_flood_seconds,
                site_per_minute=web.settings().form_site_per_minute,
            )
            taken = pipeline.take_in(
                session,
                site,
                CommentInput(
                    external_id=f"form-{secrets.token_hex(12)}",
                    story=StoryInput(story.external_id, story.url, story.title),
                    author=given.author,
                    text=given.text,
                    parent_external_id=parent.external_id if parent is not None else None,
                    language=site.language,
                    flags=flags,
                ),
                source="form",
                settings=web.settings(),
                key=web.secret(),
                now=now,
            )
            comment_id, status = taken.comment.id, taken.comment.status
    except FormFaults as faults:
        return _faults({name: gettext(text) for name, text in faults.errors.items()}, story)
    except ModerationError as error:
        return _problem(error, story)
    return _taken(comment_id, status, story)


@public.get("/comments/<comment_id>/status")
@web.documented(
    summary="Follow one's own comment",
    tag="browsers",
    query=schemas.OwnQuery,
    answers={
        200: ("Its status.", schemas.OwnSchema),
        404: ("No such comment, or not the right hash.", schemas.ErrorSchema),
    },
)
def own_status(comment_id: str) -> Response:
    """The status of a comment for the one who holds its hash."""
    number = parsing.whole_number(comment_id)
    if number is None:
        raise NotFound("There is no such comment.")
    with web.database().reading() as session:
        own = reading.own(session, g.site, number, request.args.get("hash", ""), web.secret())
    if own is None:
        raise NotFound("There is no such comment.")
    return web.answer({"id": str(own.id), "status": own.status})


@public.get("/token")
@web.documented(
    summary="A timing token for the form",
    tag="browsers",
    query=schemas.TokenQuery,
    answers={
        200: ("Put it into the hidden field `moderation_token`; `closed`: no more comments.", schemas.TokenSchema),
        404: ("There is no such site.", schemas.ErrorSchema),
    },
)
def token() -> Response:
    """A token for a page that is not ours to render."""
    story, now = request.args.get("story", ""), utcnow()
    with web.database().reading() as session:
        closed = form.is_closed(session, g.site, story, now)
    return web.answer({"token": form.make_token(web.secret(), g.site.public_id, story, now), "closed": closed})


def _check_encoding() -> None:
    """Refuse a form that is not UTF-8: Werkzeug would store what it cannot read as `%E9` or as U+FFFD, unasked."""
    body = request.get_data(cache=True)
    if request.mimetype == "application/x-www-form-urlencoded":
        body = unquote_to_bytes(body)
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedInput("The form is not in UTF-8.") from None


def _known_origin(site: Site, origin: str) -> bool:
    own = sites.origin_of(web.settings().base_url)
    return origin in site.origins or (site.is_demo and origin in (own, request.host_url.rstrip("/")))


def refuse_foreign(site: Site) -> None:
    """A browser names the origin of the page that posts; one that is not the site's is refused, and so is `null`.

    Raises NotAllowed.
    """
    origin = request.headers.get("Origin")
    if origin is None or _known_origin(site, origin):
        return
    own = (sites.origin_of(web.settings().base_url), request.host_url.rstrip("/"))
    if origin in own:  # the page that we render for faults posts from our own origin
        return
    raise NotAllowed("This form does not belong to the site.", field="Origin")


def _flags(site: Site, story: Story) -> tuple[str, ...]:
    flags = []
    if request.form.get(form.HONEYPOT, "").strip():
        flags.append("honeypot")
    timing = form.token_flag(
        request.form.get(form.TOKEN, ""),
        key=web.secret(),
        public_id=site.public_id,
        story_external_id=story.external_id,
        now=utcnow(),
        min_seconds=web.settings().form_min_seconds,
    )
    return (*flags, timing) if timing else tuple(flags)


def _taken(comment_id: int, status: str, story: Story) -> AnyResponse:
    hash_ = reading.own_hash(web.secret(), comment_id)
    if web.wants_json():
        path = f"/f/{g.site.public_id}/comments/{comment_id}/status?{urlencode({'hash': hash_})}"
        body = {
            "id": str(comment_id),
            "status": status,
            "message": form.texts(g.site, gettext)["waiting"],
            "hash": hash_,
            "status_url": path,
        }
        return web.answer(body, 202)
    # To the stored address of the story, never to Referer.
    joint = "&" if "?" in story.url else "?"
    asked = {"lang": request.args["lang"]} if request.args.get("lang") in i18n.LANGUAGES else {}
    query = urlencode({**asked, "unapproved": comment_id, "moderation-hash": hash_})
    target = f"{story.url.partition('#')[0]}{joint}{query}#comment-{comment_id}"
    response = redirect(target, 303)
    _remember(response)
    return response


def _remember(response: AnyResponse) -> None:
    """ "Save my name…" without script: cookies that our own demo page reads."""
    wanted = request.form.get("wp-comment-cookies-consent") == "yes"
    for name, field in (
        ("comment_author", "author"),
        ("comment_author_email", "email"),
        ("comment_author_url", "url"),
    ):
        if wanted:
            value = request.form.get(field, "")[:300]
            response.set_cookie(
                name, value, max_age=365 * 86400, samesite="Lax", httponly=True, secure=web.settings().cookies_secure
            )
        else:
            response.delete_cookie(name)


def _faults(errors: dict[str, str], story: Story | None) -> AnyResponse:
    if web.wants_json():
        return web.answer({"errors": errors}, 422)
    return _page(422, story, errors=errors)


def _problem(error: ModerationError, story: Story | None) -> AnyResponse:
    sentence = i18n.said(error)
    if web.wants_json():
        body = web.error_body(error)
        body["error"]["message"] = sentence
        response: Response = web.answer(body, error.status)
    else:
        response = _page(error.status, story, problem=sentence)
    retry_after = error.details.get("retry_after")
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _page(
    status: int, story: Story | None, *, errors: dict[str, str] | None = None, problem: str | None = None
) -> Response:
    names = ("comment", "author", "email", "url", "comment_post_ID", "comment_parent", "comment_post_url")
    html = render_template(
        "public/form_errors.html",
        site_name=g.site.name,
        story_title=story.title if story else g.site.name,
        story_url=story.url if story else g.site.url,
        action=f"/f/{g.site.public_id}/comments",
        values={name: request.form.get(name, "") for name in names},
        errors=errors or {},
        problem=problem,
        texts=form.texts(g.site, gettext),
        token=form.make_token(web.secret(), g.site.public_id, story.external_id, utcnow()) if story else "",
    )
    return Response(html, status=status, mimetype="text/html")
