"""Scorers for seniors' own tools, with a personal token: who speaks, which versions there are, whether scores drift."""

from flask import Blueprint, Response, g, request

from moderation import web
from moderation.accounts import auth, sites
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.rescoring import api_scorer_schemas as shapes
from moderation.rescoring import drift, scorer_bodies
from moderation.rescoring.api_views import senior
from moderation.review import evidence
from moderation.review.api_shared_views import NOT_THERE, READ_ERRORS, chosen_sites
from moderation.scoring import newsroom, releases

scorers_api = Blueprint("scorers_api", __name__, url_prefix="/api/v1")

TAG = "scorers"


@scorers_api.get("/scorers")
@auth.token_required
@web.documented(
    summary="Who speaks on my sites, and the versions of scorers",
    tag=TAG,
    security="token",
    answers={200: ("The composition, what is live, and releases, newest first.", shapes.ScorersSchema), **READ_ERRORS},
)
def listed() -> Response:
    """With the report of each release. Promoting one is a command: `moderation scorers promote`."""
    senior(g.me)
    with web.database().reading() as session:
        rows = [row for row in releases.listed(session) if row.site_id is None or row.site_id in g.site_ids]
        live = scorer_bodies.live(drift.live_of(session, web.settings(), None), None, rows)
        for site_id in g.site_ids:
            own = releases.live_version(session, web.settings(), newsroom.NAME, site_id)
            if own is not None:
                live += scorer_bodies.live({newsroom.NAME: own}, site_id, rows)
        return web.answer(
            {
                "composition": scorer_bodies.composition(evidence.speakers(session)),
                "live": live,
                "releases": [scorer_bodies.release(row) for row in rows],
            }
        )


@scorers_api.get("/scorers/drift")
@auth.token_required
@web.documented(
    summary="Whether scores drift, and what shadows would decide differently",
    tag=TAG,
    security="token",
    query=shapes.OneSiteQuery,
    answers={200: ("Of samples of a site's live comments.", shapes.DriftSchema), 404: NOT_THERE, **READ_ERRORS},
)
def drifting() -> Response:
    """By scorer, signal and language. Seniors and administrators."""
    senior(g.me)
    if not request.args.get("site"):
        raise InvalidInput("Name a site.", field="site")
    site_id = chosen_sites(request.args["site"])[0]
    with web.database().reading() as session:
        site = sites.of_ids(session, [site_id])[0]
        told = drift.read(session, web.settings(), site, utcnow())
    return web.answer(scorer_bodies.drift(told, site_id))
