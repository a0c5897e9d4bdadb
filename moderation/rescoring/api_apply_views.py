"""Applying a run's report for seniors' own tools, with a personal token: preview, start, follow, steer, take back."""

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.rescoring import api_apply_schemas as shapes
from moderation.rescoring import applying, bodies
from moderation.rescoring.api_views import run_in, senior
from moderation.rescoring.models import RescoreApply, RescoreRun
from moderation.rescoring.runs import By
from moderation.review.api_shared_views import ERRORS, NOT_THERE, READ_ERRORS, after, me_in, number

apply_api = Blueprint("apply_api", __name__, url_prefix="/api/v1")

TAG = "rescoring"
NEW_APPLY = shapes.NewApplySchema()
NOT_NOW = ("Not now; the details say why (`what`), and which job is at work (`job`).", ErrorSchema)

Step = Callable[[Session, RescoreRun, RescoreApply, By, datetime], RescoreApply | None]


@apply_api.post("/rescores/<run_id>/applies")
@auth.token_required
@web.documented(
    summary="Put chosen movements of a run before people again, or (dry_run) say what that would meet",
    tag=TAG,
    security="token",
    body=shapes.NewApplySchema,
    answers={
        200: ("Of a dry run.", shapes.ApplyPreviewSchema),
        202: ("Begun.", shapes.WholeApplySchema),
        404: NOT_THERE,
        409: NOT_NOW,
        **ERRORS,
    },
)
def start(run_id: str) -> Response:
    """What is chosen becomes held with the reason RESCORED; the site and its readers go on seeing what stood before,
    until a person decides. What a person has decided stays. Seniors and administrators, on a run that is done."""
    given, now = web.json_body(NEW_APPLY), utcnow()
    senior(g.me)
    chosen = applying.movements(given["movements"])
    if given["dry_run"]:
        with web.database().reading() as session:
            return web.answer(bodies.apply_preview(applying.preview(session, run_in(session, run_id), chosen)))
    with web.database().transaction() as session:
        me = senior(me_in(session))
        job = applying.start(session, run_in(session, run_id, lock=True), chosen, By.moderator(me), now)
        return web.answer(bodies.whole_apply(session, job, now), 202)


@apply_api.get("/rescores/<run_id>/applies")
@auth.token_required
@web.documented(
    summary="The jobs that apply a run's report",
    tag=TAG,
    security="token",
    answers={200: ("Newest first.", shapes.ApplyListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def listed(run_id: str) -> Response:
    """Those that took others back, too."""
    senior(g.me)
    now = utcnow()
    with web.database().reading() as session:
        jobs = applying.listed(session, run_in(session, run_id))
        return web.answer({"jobs": [bodies.apply(job, now) for job in jobs]})


@apply_api.get("/rescores/<run_id>/applies/<job_id>")
@auth.token_required
@web.documented(
    summary="A job that applies a report, and how far it is",
    tag=TAG,
    security="token",
    answers={200: ("As it stands now.", shapes.WholeApplySchema), 404: NOT_THERE, **READ_ERRORS},
)
def job_now(run_id: str, job_id: str) -> Response:
    """With why it left comments alone."""
    senior(g.me)
    with web.database().reading() as session:
        job = job_in(session, run_in(session, run_id), job_id)
        return web.answer(bodies.whole_apply(session, job, utcnow()))


@apply_api.get("/rescores/<run_id>/applies/<job_id>/items")
@auth.token_required
@web.documented(
    summary="What became of each comment of such a job",
    tag=TAG,
    security="token",
    query=shapes.ApplyItemsQuery,
    answers={200: ("Fifty at most.", shapes.ApplyItemsSchema), 404: NOT_THERE, **READ_ERRORS},
)
def items(run_id: str, job_id: str) -> Response:
    """All of them, or those of one outcome."""
    senior(g.me)
    outcome = request.args.get("outcome")
    if outcome is not None and outcome not in shapes.OUTCOMES:
        raise InvalidInput(f"outcome must be one of {', '.join(shapes.OUTCOMES)}.", field="outcome")
    with web.database().reading() as session:
        job = job_in(session, run_in(session, run_id), job_id)
        found, following = applying.items(session, job, outcome, after())
    return web.answer(
        {"items": [bodies.apply_item(one) for one in found], "next": None if following is None else str(following)}
    )


@apply_api.post("/rescores/<run_id>/applies/<job_id>/pause")
@auth.token_required
@web.documented(
    summary="Let such a job rest",
    tag=TAG,
    security="token",
    answers={200: ("It rests.", shapes.WholeApplySchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def pause(run_id: str, job_id: str) -> Response:
    """Waits for a batch that is being written."""
    return _steer(run_id, job_id, applying.pause)


@apply_api.post("/rescores/<run_id>/applies/<job_id>/resume")
@auth.token_required
@web.documented(
    summary="Let such a job go on",
    tag=TAG,
    security="token",
    answers={200: ("Goes on where it stopped.", shapes.WholeApplySchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def resume(run_id: str, job_id: str) -> Response:
    """One that rests, or that failed."""
    return _steer(run_id, job_id, applying.resume)


@apply_api.post("/rescores/<run_id>/applies/<job_id>/cancel")
@auth.token_required
@web.documented(
    summary="End such a job",
    tag=TAG,
    security="token",
    answers={200: ("What it did stays.", shapes.WholeApplySchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def cancel(run_id: str, job_id: str) -> Response:
    """From the answer on it puts nothing more into the queue."""
    return _steer(run_id, job_id, applying.cancel)


@apply_api.post("/rescores/<run_id>/applies/<job_id>/undo")
@auth.token_required
@web.documented(
    summary="Take back what such a job did",
    tag=TAG,
    security="token",
    answers={
        202: ("The job that takes it back.", shapes.WholeApplySchema),
        404: NOT_THERE,
        409: NOT_NOW,
        **READ_ERRORS,
    },
)
def undo(run_id: str, job_id: str) -> Response:
    """By another job; what somebody has decided since stays."""
    return _steer(run_id, job_id, applying.undo, 202)


def job_in(session: Session, run: RescoreRun, job_id: str, *, lock: bool = False) -> RescoreApply:
    """A job of a run, by the id of the address. Raises NotFound."""
    return applying.get(session, run, number(job_id, applying.NO_JOB), lock=lock)


def _steer(run_id: str, job_id: str, step: Step, code: int = 200) -> Response:
    now = utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        run = run_in(session, run_id, lock=True)
        job = job_in(session, run, job_id, lock=True)
        shown = step(session, run, job, By.moderator(me), now) or job
        return web.answer(bodies.whole_apply(session, shown, now), code)
