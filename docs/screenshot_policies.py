"""For the pictures: a policy's second version, a draft of the next one, and a rescore run under that draft with some of
what it would change put into the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from moderation.accounts.models import Moderator, Site
from moderation.db import Database, utcnow
from moderation.policy import drafts, store
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.rescoring import apply_work, applying, runs
from moderation.rescoring.applying import Movement
from moderation.rescoring.batches import Worker
from moderation.rescoring.runs import By
from moderation.settings import Settings
from moderation.signals import SIGNALS

BANDS: Mapping[str, Any] = DEFAULT_DOCUMENT["bands"]
SECOND = {**DEFAULT_DOCUMENT, "max_links": 3, "blocked_domains": ["contoh-99.example"]}
NEXT = {
    **SECOND,
    "max_links": 1,
    "bands": {**BANDS, "builtin": {**BANDS["builtin"], "insult": {"hold": 0.7, "reject": 0.97}}},
    "word_lists": [{"name": "Pelabuhan", "action": "hold", "words": ["nelayan", "pedagang*"]}],
}


@dataclass(frozen=True, slots=True)
class MadePolicies:
    """Ids that the addresses of pages need."""

    draft: int
    run: int
    applied: int


def fill(db: Database, settings: Settings, site_id: int, moderator_id: int) -> MadePolicies:
    """Publish, draft, judge again, apply."""
    with db.transaction() as session:
        by = f"moderator:{moderator_id}"
        store.publish(session, site_id, SECOND, by=by, now=utcnow())
        draft = drafts.create(session, site_id, by=by, now=utcnow(), name="Lebih ketat di pelabuhan", document=NEXT)
        draft_id = draft.id
    with db.reading() as session:
        site = session.get_one(Site, site_id)
        policy, now = f"draft:{draft_id}", utcnow()
        planned = runs.plan(session, settings, site, "after:30d", "builtin", policy=policy, tz=UTC, now=now)
    with db.transaction() as session:
        me = By.moderator(session.get_one(Moderator, moderator_id))
        run_id = runs.start(session, planned, me, utcnow()).id
    worker = Worker(db, settings)
    while worker.work_due().more:
        pass
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        parts = [[Movement("approve", "hold", signal)] for signal in SIGNALS]
        part = next(one for one in parts if applying.preview(session, run, one).queued)
        job_id = applying.start(session, run, part, me, utcnow()).id
    pace = apply_work.Pace()
    while apply_work.work_due(db, pace).more:
        pass
    return MadePolicies(draft_id, run_id, job_id)
