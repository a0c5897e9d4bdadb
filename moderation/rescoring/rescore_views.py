"""The pages of rescore runs: look first and start, follow and steer, read the report.

For seniors and administrators, as in the API. Works without script; with it a run's page follows its run
(static/bulk.js). Applying has pages of its own (rescoring/apply_views.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask_babel import gettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import auth, moderators, sites
from moderation.accounts.models import Moderator
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, ModerationError
from moderation.health import store as health
from moderation.policy import drafts
from moderation.policy.document import APPROVE, REJECT
from moderation.rescoring import applying, report, runs, shown_views, table_views
from moderation.rescoring.models import RescoreRun
from moderation.rescoring.runs import By, Plan
from moderation.review import queue
from moderation.review.bulk import DONE, FAILED, OVER, RUNNING
from moderation.scoring import builtin, detoxify_scorer, newsroom, registry, releases
from moderation.scoring.models import Release
from moderation.signals import SIGNALS

rescore_pages = Blueprint("rescore_pages", __name__, url_prefix="/rescores")

PAGE = 20
"""Runs of one page."""

WRONG_DEED = "The deed must be one of pause, resume, cancel."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form of a new run says."""

    site: str = ""
    q: str = ""
    scorer: str = builtin.NAME
    policy: str = ""
    device: str = runs.CPU

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Wish":
        """Of a query or a form."""
        q = " ".join(given.get("q", "").split())
        policy, device = given.get("policy", "").strip(), given.get("device", runs.CPU)
        return cls(given.get("site", ""), q, given.get("scorer", builtin.NAME), policy, device)


@rescore_pages.get("")
@auth.seniors_only
def listing() -> Response:
    """The form of a new run and the runs there are; with a scorer in the query, what such a run would meet."""
    with web.database().reading() as session:
        if "scorer" not in request.args:
            return _list(session, Wish())
        wish = Wish.of(request.args)
        try:
            return _list(session, wish, planned=_plan(session, wish, utcnow()))
        except InvalidInput as error:
            return _list(session, wish, wrong=error)


@rescore_pages.post("")
@auth.seniors_only
@auth.csrf_required
def start() -> AnyResponse:
    """Begin the run of a preview."""
    wish, now = Wish.of(request.form), utcnow()
    try:
        with web.database().reading() as session:
            planned = _plan(session, wish, now)
        with web.database().transaction() as session:
            me = senior_in(session)
            _site_id(wish, moderators.site_ids(session, me))
            run_id = runs.start(session, planned, By.moderator(me), now).id
    except (InvalidInput, Conflict) as error:
        with web.database().reading() as session:
            return _list(session, wish, wrong=error)
    return redirect(url_for("rescore_pages.run_page", run_id=run_id), 303)


@rescore_pages.get("/<int:run_id>")
@auth.seniors_only
def run_page(run_id: int) -> Response:
    """A run: how far it is, its report, the movements to choose from, and the jobs that applied some."""
    with web.database().reading() as session:
        return run_shown(session, runs.get(session, run_id, site_ids=g.site_ids))


@rescore_pages.get("/<int:run_id>/progress")
@auth.seniors_only
def progress(run_id: int) -> Response:
    """How far a run is, in figures of the page's language, with an ETag."""
    now = utcnow()
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        told = runs.progress(session, run, now)
        texts = shown_views.run_texts(told, run.yielded, run.yielded_seconds, now)
    return web.polled({"state": told.state, "share": round(told.share, 4), "texts": texts})


@rescore_pages.post("/<int:run_id>")
@auth.seniors_only
@auth.csrf_required
def steer(run_id: int) -> AnyResponse:
    """Do the form's `deed`: pause, resume or cancel."""
    steps = {"pause": runs.pause, "resume": runs.resume, "cancel": runs.cancel}
    deed = request.form.get("deed", "")
    if deed not in steps:
        raise InvalidInput(WRONG_DEED, field="deed")
    with web.database().transaction() as session:
        me = senior_in(session)
        run = runs.get(session, run_id, site_ids=moderators.site_ids(session, me), lock=True)
        steps[deed](session, run, By.moderator(me), utcnow())
    return redirect(url_for("rescore_pages.run_page", run_id=run_id), 303)


@rescore_pages.get("/<int:run_id>/report.csv")
@auth.seniors_only
def as_csv(run_id: int) -> Response:
    """The report as a table."""
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        return table_views.answer(run, report.of_run(session, run))


@rescore_pages.get("/<int:run_id>/report.json")
@auth.seniors_only
def as_json(run_id: int) -> Response:
    """The report as the API gives it."""
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        return web.answer(report.as_json(report.of_run(session, run)))


@rescore_pages.get("/<int:run_id>/movement")
@auth.seniors_only
def movement(run_id: int) -> Response:
    """Comments of a movement (`was`, `would`), the most surprising first, from `skip` on."""
    was, would = report.movement(request.args.get("was", ""), request.args.get("would", ""))
    skip = web.query_int("skip", 0, 0, report.DEEPEST)
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        told = report.of_run(session, run)
        found = report.samples(session, run, was, would, after=skip)
        n = told.matrix.get((was, would), 0)
        following = skip + len(found)
        return page(
            session,
            "rescores/movement.html",
            run=run,
            was=was,
            would=would,
            n=n,
            samples=found,
            skip=skip,
            next_skip=following if found and following < min(n, report.DEEPEST + 1) else None,
        )


def run_shown(
    session: Session, run: RescoreRun, wrong: InvalidInput | None = None, given: Mapping[str, Any] | None = None
) -> Response:
    """A run's page; `wrong`: why what was chosen (`given`) cannot be previewed."""
    now = utcnow()
    told = runs.progress(session, run, now)
    found = report.of_run(session, run)
    site = sites.of_ids(session, [run.site_id])[0]
    return page(
        session,
        "rescores/run.html",
        status=200 if wrong is None else wrong.status,
        run=run,
        run_site=site,
        over=run.state in OVER,
        progress=told,
        texts=shown_views.run_texts(told, run.yielded, run.yielded_seconds, now),
        silent=silent(session, run.state, now),
        told=found,
        moved_share=shown_views.percent(found.moved / found.comments if found.comments else None),
        changes=shown_views.changes(found),
        languages=shown_views.languages(found),
        by_signal=shown_views.signals(found),
        measures=shown_views.measures(found),
        alone=shown_views.alone(found),
        percent=shown_views.percent,
        few=report.FEW,
        firsts=report.firsts(session, run, found.movements),
        choosable=(APPROVE, REJECT),
        given=given or {"move": [f"{APPROVE}>{REJECT}"], "signal": "", "min_score": ""},
        signals=SIGNALS,
        wrong=None if wrong is None else i18n.said(wrong),
        jobs=applying.listed(session, run),
        ready=run.state == DONE,
        failed=run.state == FAILED,
    )


def senior_in(session: Session) -> Moderator:
    """Who asks, as they are in the transaction of the deed. Raises NotAllowed."""
    return moderators.senior(auth.current(session))


def silent(session: Session, state: str, now: datetime) -> bool:
    """Whether something that runs waits for a worker that gives no sign of life."""
    return state == RUNNING and health.silent(session, "rescoring", now)


def page(session: Session, template: str, status: int = 200, **values: Any) -> Response:
    """A page of this room."""
    html = render_template(template, counts=queue.counts(session, g.site_ids, g.me, utcnow()), **values)
    return Response(html, status=status, mimetype="text/html")


def _list(
    session: Session, wish: Wish, *, planned: Plan | None = None, wrong: InvalidInput | Conflict | None = None
) -> Response:
    before = web.query_int("before", 10**18, 0, 10**18)
    mine = sites.of_ids(session, g.site_ids)
    listed = runs.listed(session, g.site_ids, PAGE + 1, before)
    shown = listed[:PAGE]
    ids = [run.id for run in shown]
    now = utcnow()
    return page(
        session,
        "rescores/list.html",
        status=200 if wrong is None else wrong.status,
        wish=wish,
        sites=mine,
        scorers=_scorers(session, wish),
        policies=_policies(session, wish),
        plan=planned,
        wrong=None if wrong is None else _sentence(wrong),
        wrong_field=None if wrong is None else wrong.field,
        other=None if wrong is None else wrong.details.get("run"),
        lines=[(run, runs.progress(session, run, now)) for run in shown],
        names={site.id: site.name for site in mine},
        moved=report.moved_of(session, ids),
        applied=applying.held_of(session, ids),
        percent=shown_views.percent,
        next_before=ids[-1] if len(listed) > PAGE else None,
    )


def _plan(session: Session, wish: Wish, now: datetime) -> Plan:
    site = sites.of_ids(session, [_site_id(wish, g.site_ids)])[0]
    zone = ZoneInfo(site.timezone)
    settings = web.settings()
    return runs.plan(
        session, settings, site, wish.q, wish.scorer, policy=wish.policy, device=wish.device, tz=zone, now=now
    )


def _site_id(wish: Wish, mine: Any) -> int:
    number = parsing.whole_number(wish.site)
    if number is None or number not in mine:
        raise InvalidInput("There is no such site.", field="site")
    return number


def _scorers(session: Session, wish: Wish) -> list[tuple[str, Release | None]]:
    """What may be named: live scorers, the package's own, releases; and what the form says, whatever it is."""
    found: dict[str, Release | None] = {builtin.NAME: None}
    if registry.version_of_detoxify(web.settings().data_dir, web.settings().detoxify_runtime) is not None:
        found[detoxify_scorer.NAME] = None
    for row in releases.listed(session):
        if row.site_id is None or row.site_id in g.site_ids:
            found[f"{row.scorer}@{row.id}"] = row
            if row.scorer == newsroom.NAME and row.state == releases.LIVE:
                found[newsroom.NAME] = None
    found[f"{builtin.NAME}@{releases.PACKAGE}"] = None
    found.setdefault(wish.scorer, None)
    return list(found.items())


def _policies(session: Session, wish: Wish) -> list[tuple[str, str, Any]]:
    """Drafts that may judge: what names them, their site, the draft; and what the form says, whatever it is."""
    names = {site.id: site.name for site in sites.of_ids(session, g.site_ids)}
    found: list[tuple[str, str, Any]] = [
        (f"draft:{draft.id}", names[site_id], draft) for site_id in names for draft in drafts.of_site(session, site_id)
    ]
    if wish.policy and wish.policy not in {spec for spec, *_ in found}:
        found.append((wish.policy, "", None))
    return found


def _sentence(error: ModerationError) -> str:
    if isinstance(error, Conflict) and "run" in error.details:
        return str(gettext("A run judges the same comments with this scorer already: wait for it, or cancel it."))
    if error.field == "policy":
        return str(gettext("This policy is not there, or is another site's."))
    return i18n.said(error)
