"""How far a bulk job is, and what became of each of its comments."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.review import bulk_preview
from moderation.review.bulk import DECIDED, DONE, RUNNING, SAME
from moderation.review.models import BulkItem, BulkJob, Decision

PAGE = 50
"""Items of one page."""

RATE_OVER = 1000
"""The rate is that of the latest so many decisions."""


@dataclass(frozen=True, slots=True)
class Item:
    """What became of one comment. `what` is the decision that stands there, or why it was left alone: `withdrawn`,
    `edited`, `escalated`, `claimed`, `pending`, `no_access`, `error`."""

    comment_id: int
    author: str
    what: str
    who: str
    reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `share` from 0 to 1; `rate` per second and `seconds` left where they are known; `same`: stood
    so already; `gone`: matched when it began, and not any more when their turn came (known at the end)."""

    state: str
    total: int
    decided: int
    conflicts: int
    same: int
    gone: int
    share: float
    rate: float | None
    seconds: int | None


def progress(session: Session, job: BulkJob, now: datetime) -> Progress:
    """How far a job is at `now`."""
    same = (
        session.scalar(
            select(func.count()).select_from(BulkItem).where(BulkItem.job_id == job.id, BulkItem.outcome == SAME)
        )
        or 0
    )
    touched = job.decided + job.conflicts + same
    if job.state == DONE:
        share = 1.0
    elif job.total > bulk_preview.COUNTED:
        share = min(1.0, job.cursor / max(1, job.until_id))
    else:
        share = min(1.0, touched / max(1, job.total))
    rate = _rate(session, job, now) if job.state == RUNNING else None
    left = max(0, job.total - touched)
    return Progress(
        state=job.state,
        total=job.total,
        decided=job.decided,
        conflicts=job.conflicts,
        same=same,
        gone=left if job.state == DONE and job.total <= bulk_preview.COUNTED else 0,
        share=share,
        rate=rate,
        seconds=round(left / rate) if rate and job.total <= bulk_preview.COUNTED else None,
    )


def items(
    session: Session, site_ids: Sequence[int], job: BulkJob, outcome: str, after: int = 0
) -> tuple[list[Item], int | None]:
    """A page of a job's items of one outcome at these sites, by comment from ids greater than `after`, and where the
    next page begins."""
    rows = session.execute(
        select(BulkItem.comment_id, BulkItem.detail, Comment.author_name)
        .join(Comment, Comment.id == BulkItem.comment_id)
        .where(BulkItem.job_id == job.id, BulkItem.outcome == outcome, BulkItem.comment_id > after)
        .where(Comment.site_id.in_(site_ids))
        .order_by(BulkItem.comment_id)
        .limit(PAGE + 1)
    ).all()
    found = [Item(row.comment_id, row.author_name, **_unpacked(row.detail)) for row in rows[:PAGE]]
    return found, found[-1].comment_id if len(rows) > PAGE else None


def packed(what: str, who: str = "", reason: str | None = None, at: datetime | None = None) -> str:
    """The detail of an item as its column keeps it: at most 200 characters."""
    facts = {"what": what, "who": who[:40], "reason": reason, "at": at and at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({key: value for key, value in facts.items() if value}, ensure_ascii=False, separators=(",", ":"))


def _unpacked(detail: str) -> dict[str, Any]:
    facts = json.loads(detail) if detail else {}
    at = datetime.fromisoformat(facts["at"]).astimezone(UTC) if facts.get("at") else None
    return {"what": facts.get("what", ""), "who": facts.get("who", ""), "reason": facts.get("reason"), "at": at}


def _rate(session: Session, job: BulkJob, now: datetime) -> float | None:
    """Decisions per second, over the latest RATE_OVER."""
    n = min(job.decided, RATE_OVER)
    first = session.scalar(
        select(Decision.created_at)
        .join(BulkItem, BulkItem.decision_id == Decision.id)
        .where(BulkItem.job_id == job.id, BulkItem.outcome == DECIDED)
        .order_by(BulkItem.comment_id.desc())
        .offset(max(0, n - 1))
        .limit(1)
    )
    spent = (now - first).total_seconds() if first is not None else 0.0
    return n / spent if spent > 0 else None
