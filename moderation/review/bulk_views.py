"""Many comments at once: the preview of a bulk job, the job's page, the list of jobs, and what was picked by hand.

Works without script; with it a job's page follows its job (static/bulk.js).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import auth, moderators
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, MalformedInput
from moderation.health import store as health
from moderation.review import bulk, bulk_preview, bulk_progress, decisions, filters, latest, queue, selected
from moderation.review.bulk_preview import Preview
from moderation.review.bulk_progress import Progress
from moderation.review.filters import Query
from moderation.review.models import BulkJob, Decision

bulk_pages = Blueprint("bulk_pages", __name__, url_prefix="/queue")


@dataclass(frozen=True, slots=True)
class Deed:
    """What a job is to do: an action of `decisions.ACTIONS`, with a reason where it is `reject`."""

    action: str
    reason: str | None = None


@bulk_pages.get("/bulk")
@auth.login_required
def page() -> Response:
    """With a query (`q`) the preview of a job, which changes nothing; without one the jobs of the last weeks."""
    q, now = " ".join(request.args.get("q", "").split()), utcnow()
    preview: Preview | None = None
    wrong = ""
    with web.database().reading() as session:
        if q:
            try:
                preview = bulk_preview.preview(session, g.site_ids, _parsed(q, now), g.me, now=now)
            except InvalidInput as error:
                if error.field != "q":
                    raise
                wrong = i18n.said(error)
        html = render_template(
            "bulk/preview.html" if preview else "bulk/list.html",
            q=q,
            wrong=wrong,
            preview=preview,
            deed=_deed() if preview else None,
            actions=decisions.ACTIONS,
            reasons=decisions.REASONS,
            counted=bulk_preview.COUNTED,
            lines=bulk.listed(session, g.site_ids, g.me, now),
            days=bulk.KEPT.days,
            counts=queue.counts(session, g.site_ids, g.me, now),
        )
    return Response(html, status=422 if wrong else 200, mimetype="text/html")


@bulk_pages.post("/bulk")
@auth.login_required
@auth.csrf_required
def begin() -> AnyResponse:
    """Start the job of a preview; `until_id` is the greatest comment id that it counted."""
    now = utcnow()
    query = _parsed(request.form.get("q", ""), now)
    with web.database().transaction() as session:
        me = auth.current(session)
        job = bulk.start(
            session,
            me,
            moderators.site_ids(session, me),
            query,
            request.form.get("decision", ""),
            request.form.get("reason") or None,
            now,
            until_id=web.form_int("until_id"),
        )
        job_id = job.id
    return redirect(url_for("bulk_pages.job_page", job_id=job_id), 303)


@bulk_pages.get("/bulk/<int:job_id>")
@auth.login_required
def job_page(job_id: int) -> str:
    """A job: how far it is, what it left alone and why, and the buttons that steer it."""
    now = utcnow()
    with web.database().reading() as session:
        job = bulk.of_mine(session, g.site_ids, g.me, job_id)
        conflicts, following = bulk_progress.items(
            session, g.site_ids, job, bulk.CONFLICT, web.query_int("after", 0, 0, 10**18)
        )
        told = bulk_progress.progress(session, job, now)
        return render_template(
            "bulk/job.html",
            job=job,
            who=bulk.starter(session, job),
            progress=told,
            texts=_texts(told),
            conflicts=conflicts,
            next_after=following,
            undone_by=bulk.undone_by(session, job),
            mine=bulk.may_steer(job, g.me),
            counted=bulk_preview.COUNTED,
            silent=job.state == bulk.RUNNING and health.silent(session, "bulk", now),
            counts=queue.counts(session, g.site_ids, g.me, now),
        )


@bulk_pages.get("/bulk/<int:job_id>/progress")
@auth.login_required
def progress(job_id: int) -> Response:
    """How far a job is, in figures of the page's language, with an ETag."""
    now = utcnow()
    with web.database().reading() as session:
        told = bulk_progress.progress(session, bulk.of_mine(session, g.site_ids, g.me, job_id), now)
    return web.polled({"state": told.state, "share": round(told.share, 4), "texts": _texts(told)})


@bulk_pages.post("/bulk/<int:job_id>")
@auth.login_required
@auth.csrf_required
def steer(job_id: int) -> AnyResponse:
    """Do the form's `deed`: pause, resume, cancel, or undo, which leads to the job that takes this one back."""
    deed, now = request.form.get("deed", ""), utcnow()
    steps = {"pause": bulk.pause, "resume": bulk.resume, "cancel": bulk.cancel}
    with web.database().transaction() as session:
        me = auth.current(session)
        job: BulkJob = bulk.of_mine(session, moderators.site_ids(session, me), me, job_id, lock=True)
        if deed == "undo":
            job = bulk.undo(session, job, me, now)
        elif deed in steps:
            steps[deed](session, job, me, now)
        else:
            raise InvalidInput("The deed must be one of pause, resume, cancel, undo.", field="deed")
        shown = job.id
    return redirect(url_for("bulk_pages.job_page", job_id=shown), 303)


@bulk_pages.post("/selection")
@auth.login_required
@auth.csrf_required
def selection() -> AnyResponse:
    """Decide the comments that were picked (`comment`: id:version, each), and say of each what came of it."""
    reject = request.form.get("reject") or None
    action = "reject" if reject else request.form.get("decision", "")
    reason = reject or request.form.get("reason") or None
    seen, now = _seen(request.form.getlist("comment")), utcnow()
    with web.database().transaction() as session:
        me = auth.current(session)
        site_ids = moderators.site_ids(session, me)
        answers = selected.decide_selected(session, site_ids, seen, action, reason, me, now)
        results = [_result(session, number, answers[number]) for number in seen]
    place = {name: request.form[name] for name in ("tab", "sort", "site", "q") if request.form.get(name)}
    if web.wants_json():
        with web.database().reading() as session:
            mine = [deed for deed in latest.of(session, g.me.id, g.site_ids) if deed.at == now]
        line = render_template("partials/log_line.html", line=mine[0], place=place or {"tab": "held"}) if mine else ""
        return web.answer({"results": results, "line": line})
    lost = sum(result["outcome"] == bulk.CONFLICT for result in results)
    done = {"decided_many": len(results) - lost, "conflicts": lost, "at": now.isoformat()}
    return redirect("/queue?" + urlencode({**place, **done}), 303)


def _result(session: Session, comment_id: int, answer: Decision | Conflict) -> dict[str, Any]:
    if isinstance(answer, Conflict):
        message = i18n.said(answer)
        return {"id": comment_id, "outcome": bulk.CONFLICT, "message": message, **answer.details}
    comment = queue.of_site(session, g.site_ids, comment_id)
    assert comment is not None  # noqa: S101 it was decided in this very transaction
    return {"id": comment_id, "outcome": bulk.DECIDED, "status": comment.status, "version": comment.version}


def _seen(pairs: list[str]) -> dict[int, int]:
    """Comment → version. Raises MalformedInput."""
    found: dict[int, int] = {}
    for pair in pairs[: selected.SELECTED + 1]:
        number, version = map(parsing.whole_number, pair.partition(":")[::2])
        if number is None or version is None:
            raise MalformedInput("comment must be pairs of id:version.", field="comment")
        found[number] = version
    return found


def _deed() -> Deed | None:
    """The deed that the address names; None while none is chosen, or a rejection has no reason yet."""
    action, reason = request.args.get("decision", ""), request.args.get("reason", "")
    if action not in decisions.ACTIONS or (action == "reject" and reason not in decisions.REASONS):
        return None
    return Deed(action, reason if action == "reject" else None)


def _parsed(q: str, now: datetime) -> Query:
    return filters.parse(q, now=now, tz=ZoneInfo(i18n.timezone_name()))


def _texts(told: Progress) -> Mapping[str, str]:
    """The figures of a job's page, by the names that its elements have."""
    total = i18n.figure(min(told.total, bulk_preview.COUNTED))
    if told.total > bulk_preview.COUNTED:
        total = gettext("more than %(count)s", count=total)
    return {
        "head": gettext("%(done)s of %(total)s comments", done=i18n.figure(told.decided), total=total),
        "percent": gettext("%(percent)s %%", percent=int(told.share * 100)),
        "conflicts": i18n.figure(told.conflicts),
        "same": i18n.figure(told.same),
        "rate": gettext("%(count)s per second", count=i18n.figure(round(told.rate))) if told.rate else "–",
        "left": _left(told.seconds),
    }


def _left(seconds: int | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return str(gettext("less than a minute"))
    minutes = -(-seconds // 60)
    return str(ngettext("about %(count)s minute", "about %(count)s minutes", minutes, count=i18n.figure(minutes)))
