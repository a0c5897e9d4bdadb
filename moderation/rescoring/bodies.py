"""What the API and `--json` say of runs: the same bodies. Ids are strings."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from moderation.rescoring import runs
from moderation.rescoring.models import RescoreRun
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
        "created_at": _instant(one.created_at),
        "finished_at": _instant(one.finished_at),
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


def _instant(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
