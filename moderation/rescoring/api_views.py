"""Rescore runs for seniors' own tools, with a personal token: look first, start, follow, steer."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth, moderators, sites
from moderation.accounts.models import Moderator
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.rescoring import api_schemas as shapes
from moderation.rescoring import bodies, report, runs, table_views
from moderation.rescoring.models import RescoreRun
from moderation.rescoring.runs import By
from moderation.review.api_shared_views import ERRORS, NOT_THERE, READ_ERRORS, chosen_sites, me_in, number

rescore_api = Blueprint("rescore_api", __name__, url_prefix="/api/v1")

TAG = "rescoring"
NEW_RUN = shapes.NewRunSchema()

SENIORS_ONLY = "Only seniors and administrators may judge the archive again."
NOT_NOW: tuple[str, Any] = ("The run is not in a state for that; the details say in which (`what`).", ErrorSchema)

Deed = Callable[[Session, RescoreRun, By, datetime], None]


def senior(me: Moderator) -> Moderator:
    """Who asks, if they are a senior. Raises NotAllowed."""
    return moderators.senior(me, SENIORS_ONLY)


def run_in(session: Session, run_id: str, *, lock: bool = False) -> RescoreRun:
    """A run of my sites, by the id of the address. Raises NotFound."""
    return runs.get(session, number(run_id, runs.NO_RUN), site_ids=g.site_ids, lock=lock)


@rescore_api.post("/rescores")
@auth.token_required
@web.documented(
    summary="Judge the archive again, or (dry_run) say what that would meet",
    tag=TAG,
    security="token",
    body=shapes.NewRunSchema,
    answers={
        200: ("Of a dry run: counted, with a sample.", shapes.PlanSchema),
        202: ("Begun.", shapes.WholeRunSchema),
        404: NOT_THERE,
        409: ("Such a run is active already; the details name it (`run`).", ErrorSchema),
        **ERRORS,
    },
)
def start() -> Response:
    """A run adds scores and changes nothing else. Seniors and administrators."""
    given, now = web.json_body(NEW_RUN), utcnow()
    senior(g.me)
    site_id = chosen_sites(given["site"])[0]
    with web.database().reading() as session:
        site = sites.of_ids(session, [site_id])[0]
        planned = runs.plan(
            session,
            web.settings(),
            site,
            given["q"],
            given["scorer"],
            policy=given["policy"],
            device=given["device"],
            tz=ZoneInfo(site.timezone),
            now=now,
        )
    if given["dry_run"]:
        return web.answer(bodies.plan(planned))
    with web.database().transaction() as session:
        me = senior(me_in(session))
        chosen_sites(given["site"])
        run = runs.start(session, planned, By.moderator(me), now)
        return web.answer(bodies.whole(session, run, now), 202)


@rescore_api.get("/rescores")
@auth.token_required
@web.documented(
    summary="Rescore runs of my sites",
    tag=TAG,
    security="token",
    answers={200: ("Newest first.", shapes.RunListSchema), **READ_ERRORS},
)
def listed() -> Response:
    """The latest hundred."""
    senior(g.me)
    with web.database().reading() as session:
        return web.answer({"runs": [bodies.run(one) for one in runs.listed(session, g.site_ids)]})


@rescore_api.get("/rescores/<run_id>")
@auth.token_required
@web.documented(
    summary="A rescore run and how far it is",
    tag=TAG,
    security="token",
    answers={200: ("With its progress.", shapes.WholeRunSchema), 404: NOT_THERE, **READ_ERRORS},
)
def run_now(run_id: str) -> Response:
    """As it stands now."""
    senior(g.me)
    with web.database().reading() as session:
        return web.answer(bodies.whole(session, run_in(session, run_id), utcnow()))


@rescore_api.get("/rescores/<run_id>/report")
@auth.token_required
@web.documented(
    summary="What the new scores of a run would change",
    tag=TAG,
    security="token",
    answers={200: ("As far as the run is.", shapes.DiffReportSchema), 404: NOT_THERE, **READ_ERRORS},
)
def told(run_id: str) -> Response:
    """Counts of movements, by language and signal too, and against people's decisions."""
    senior(g.me)
    with web.database().reading() as session:
        return web.answer(report.as_json(report.of_run(session, run_in(session, run_id))))


@rescore_api.get("/rescores/<run_id>/report.csv")
@auth.token_required
@web.documented(
    summary="The same as a table (CSV)",
    tag=TAG,
    security="token",
    answers={200: ("As far as the run is: of, which, figure, value.", None), 404: NOT_THERE, **READ_ERRORS},
)
def told_as_csv(run_id: str) -> Response:
    """Plain numbers; no cell is a formula."""
    senior(g.me)
    with web.database().reading() as session:
        run = run_in(session, run_id)
        return table_views.answer(run, report.of_run(session, run))


@rescore_api.get("/rescores/<run_id>/samples")
@auth.token_required
@web.documented(
    summary="Comments of a movement of the report, the most surprising first",
    tag=TAG,
    security="token",
    query=shapes.SamplesQuery,
    answers={200: ("Twenty at most.", shapes.ReportSamplesSchema), 404: NOT_THERE, **READ_ERRORS},
)
def samples(run_id: str) -> Response:
    """With the score that speaks for each, before and after."""
    senior(g.me)
    was, would = report.movement(request.args.get("was", ""), request.args.get("would", ""))
    skip = web.query_int("skip", 0, 0, report.DEEPEST)
    with web.database().reading() as session:
        found = report.samples(session, run_in(session, run_id), was, would, after=skip)
    return web.answer({"samples": [bodies.sample(one) for one in found]})


@rescore_api.post("/rescores/<run_id>/pause")
@auth.token_required
@web.documented(
    summary="Let a rescore run rest",
    tag=TAG,
    security="token",
    answers={200: ("Rests before its next batch.", shapes.WholeRunSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def pause(run_id: str) -> Response:
    """A batch that is at work may still finish."""
    return _steer(run_id, runs.pause)


@rescore_api.post("/rescores/<run_id>/resume")
@auth.token_required
@web.documented(
    summary="Let a rescore run go on",
    tag=TAG,
    security="token",
    answers={200: ("Goes on where it stopped.", shapes.WholeRunSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def resume(run_id: str) -> Response:
    """One that rests, or that failed."""
    return _steer(run_id, runs.resume)


@rescore_api.post("/rescores/<run_id>/cancel")
@auth.token_required
@web.documented(
    summary="End a rescore run",
    tag=TAG,
    security="token",
    answers={200: ("What it has scored stays.", shapes.WholeRunSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def cancel(run_id: str) -> Response:
    """From the answer on it writes nothing more."""
    return _steer(run_id, runs.cancel)


def _steer(run_id: str, deed: Deed) -> Response:
    now = utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        run = run_in(session, run_id, lock=True)
        deed(session, run, By.moderator(me), now)
        return web.answer(bodies.whole(session, run, now))
