"""What the API and `--json` say of runs and of jobs that apply them: the same bodies. Ids are strings."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from moderation.moments import instant
from moderation.rescoring import applying, runs
from moderation.rescoring.applying import Item, Preview
from moderation.rescoring.models import RescoreApply, RescoreRun
from moderation.rescoring.report import Sample
from moderation.rescoring.runs import Plan, Progress

Body = dict[str, Any]


def plan(planned: Plan) -> Body:
    """What a run would meet."""
    return {
        "site": str(planned.site_id),
        "q": planned.query,
        "scorer": planned.scorer,
        "version": planned.version,
        "live": planned.live,
        "device": planned.device,
        "policy_version": planned.policy_version,
        "draft": None if planned.draft_id is None else str(planned.draft_id),
        "total": planned.total,
        "sample": [
            {"comment_id": str(one.comment_id), "author_name": one.author, "status": one.status, "text": one.text}
            for one in planned.sample
        ],
    }


def run(one: RescoreRun) -> Body:
    """A run as it was begun, and its state."""
    return {
        "id": str(one.id),
        "site": str(one.site_id),
        "state": one.state,
        "q": one.query,
        "scorer": one.scorer,
        "version": one.version,
        "device": one.device,
        "policy_version": one.policy_version,
        "draft": None if one.draft_id is None else str(one.draft_id),
        "total": one.total,
        "who": one.started_by,
        "error": one.error,
        "yielded": one.yielded,
        "yielded_seconds": round(one.yielded_seconds, 3),
        "created_at": instant(one.created_at),
        "finished_at": instant(one.finished_at),
    }


def progress(told: Progress) -> Body:
    """How far a run is."""
    return {
        "comments": told.tally.comments,
        "scored": told.tally.scored,
        "reused": told.tally.reused,
        "failed": told.tally.failed,
        "left": told.tally.left,
        "remaining": told.remaining,
        "share": round(told.share, 4),
        "rate": None if told.rate is None else round(told.rate, 1),
        "seconds": told.seconds,
    }


def whole(session: Session, one: RescoreRun, now: datetime) -> Body:
    """A run with its progress at `now`."""
    return {**run(one), "progress": progress(runs.progress(session, one, now))}


def sample(one: Sample) -> Body:
    """A comment that would move."""
    return {
        "comment_id": str(one.comment_id),
        "author_name": one.author,
        "story_title": one.story,
        "language": one.language,
        "text": one.text,
        "was": one.was,
        "would": one.would,
        "signal": one.signal,
        "before": one.before,
        "after": one.after,
        "surprise": one.surprise,
        "decided": one.human,
    }


def apply_preview(told: Preview) -> Body:
    """What a job that applies would meet."""
    return {
        "movements": [asdict(one) for one in told.chosen],
        "total": told.total,
        "decided": told.decided,
        "changed": told.changed,
        "queued": told.queued,
        "published": told.published,
    }


def apply(job: RescoreApply, now: datetime) -> Body:
    """A job that applies, and how far it is at `now`."""
    told = applying.progress(job, now)
    return {
        "id": str(job.id),
        "run": str(job.run_id),
        "undoes": None if job.undoes is None else str(job.undoes),
        "state": job.state,
        "movements": list(job.chosen),
        "total": told.total,
        "done": told.held,
        "left": told.left,
        "share": round(told.share, 4),
        "seconds": told.seconds,
        "who": job.started_by,
        "error": job.error,
        "created_at": instant(job.created_at),
        "finished_at": instant(job.finished_at),
    }


def whole_apply(session: Session, job: RescoreApply, now: datetime) -> Body:
    """The same with why comments were left alone, and the job that takes it back."""
    undone = applying.undone_by(session, job)
    return {
        **apply(job, now),
        "reasons_left": applying.reasons_left(session, job),
        "undone_by": None if undone is None else str(undone.id),
    }


def apply_item(one: Item) -> Body:
    """What became of one comment."""
    return {
        "comment_id": str(one.comment_id),
        "author_name": one.author,
        "outcome": one.outcome,
        "what": one.what,
    }
