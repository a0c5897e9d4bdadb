"""The pages of applying a report: choose movements, see what that would meet, begin, follow, steer, take back."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth, moderators
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.rescoring import applying, runs, shown_views
from moderation.rescoring.applying import Movement
from moderation.rescoring.rescore_views import page, run_shown, senior_in, silent
from moderation.rescoring.runs import By
from moderation.review.bulk import OVER

apply_pages = Blueprint("apply_pages", __name__, url_prefix="/rescores/<int:run_id>/apply")

WRONG_DEED = "The deed must be one of pause, resume, cancel, undo."
CHOOSE = "Choose at least one movement."
WRONG_SCORE = "The least score must lie between 0 and 1."


@apply_pages.get("")
@auth.seniors_only
def preview(run_id: int) -> Response:
    """What a job over the chosen movements would meet; looking changes nothing."""
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        try:
            chosen = _chosen(request.args)
        except InvalidInput as error:
            return run_shown(session, run, error, _given(request.args))
        told = applying.preview(session, run, chosen)
        return page(session, "rescores/preview.html", run=run, preview=told, given=_given(request.args))


@apply_pages.post("")
@auth.seniors_only
@auth.csrf_required
def begin(run_id: int) -> AnyResponse:
    """Begin the job of a preview."""
    chosen = _chosen(request.form)
    with web.database().transaction() as session:
        me = senior_in(session)
        run = runs.get(session, run_id, site_ids=moderators.site_ids(session, me), lock=True)
        job_id = applying.start(session, run, chosen, By.moderator(me), utcnow()).id
    return redirect(url_for("apply_pages.job_page", run_id=run_id, job_id=job_id), 303)


@apply_pages.get("/<int:job_id>")
@auth.seniors_only
def job_page(run_id: int, job_id: int) -> Response:
    """A job: how far it is, what it left alone and why, and the buttons that steer it."""
    now = utcnow()
    with web.database().reading() as session:
        run = runs.get(session, run_id, site_ids=g.site_ids)
        job = applying.get(session, run, job_id)
        told = applying.progress(job, now)
        after = web.query_int("after", 0, 0, 10**18)
        left, following = applying.items(session, job, applying.LEFT, after)
        return page(
            session,
            "rescores/job.html",
            run=run,
            job=job,
            over=job.state in OVER,
            progress=told,
            texts=shown_views.job_texts(told, now),
            chosen=[Movement(**one) for one in job.chosen],
            reasons=applying.reasons_left(session, job),
            left=left,
            next_after=following,
            undone_by=applying.undone_by(session, job),
            silent=silent(session, job.state, now),
        )


@apply_pages.get("/<int:job_id>/progress")
@auth.seniors_only
def progress(run_id: int, job_id: int) -> Response:
    """How far a job is, in figures of the page's language, with an ETag."""
    now = utcnow()
    with web.database().reading() as session:
        job = applying.get(session, runs.get(session, run_id, site_ids=g.site_ids), job_id)
        told = applying.progress(job, now)
    return web.polled({"state": told.state, "share": round(told.share, 4), "texts": shown_views.job_texts(told, now)})


@apply_pages.post("/<int:job_id>")
@auth.seniors_only
@auth.csrf_required
def steer(run_id: int, job_id: int) -> AnyResponse:
    """Do the form's `deed`: pause, resume, cancel, or undo, which leads to the job that takes this one back."""
    steps = {"pause": applying.pause, "resume": applying.resume, "cancel": applying.cancel}
    deed, now = request.form.get("deed", ""), utcnow()
    with web.database().transaction() as session:
        me = senior_in(session)
        run = runs.get(session, run_id, site_ids=moderators.site_ids(session, me), lock=True)
        job = applying.get(session, run, job_id, lock=True)
        if deed == "undo":
            job = applying.undo(session, run, job, By.moderator(me), now)
        elif deed in steps:
            steps[deed](session, run, job, By.moderator(me), now)
        else:
            raise InvalidInput(WRONG_DEED, field="deed")
        shown = job.id
    return redirect(url_for("apply_pages.job_page", run_id=run_id, job_id=shown), 303)


def _given(values: MultiDict[str, str]) -> Mapping[str, Any]:
    """What the form says, as it says it."""
    return {
        "move": values.getlist("move")[: applying.MOST_CHOSEN + 1],
        "signal": values.get("signal", ""),
        "min_score": values.get("min_score", "").strip(),
    }


def _chosen(values: MultiDict[str, str]) -> Sequence[Movement]:
    """The movements that a form chooses: one signal and one least score for all of them. Raises InvalidInput."""
    given = _given(values)
    if not given["move"]:
        raise InvalidInput(CHOOSE, field="move")
    try:
        least = float(given["min_score"].replace(",", ".") or 0)
    except ValueError:
        least = -1.0
    if not 0 <= least <= 1:
        raise InvalidInput(WRONG_SCORE, field="min_score")
    pairs = [move.partition(">") for move in given["move"]]
    return applying.movements(
        [{"was": was, "would": would, "signal": given["signal"], "min_score": least} for was, _, would in pairs]
    )
