"""Upgrades of scorers, from the candidate to its report: a layer learned from a site's decisions, and another built-in
artefact measured on what people decided everywhere. None of it promotes anything."""

import logging
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.db import Database
from moderation.errors import ModerationError
from moderation.review import lessons
from moderation.review.lessons import Progress
from moderation.scoring import builtin, comparing, newsroom, releases
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.models import Release
from moderation.scoring.releases import CANDIDATE
from moderation.settings import Settings
from moderation.wordings import counted

log = logging.getLogger(__name__)

MEASURED = 4_000
"""Decided comments, the newest, that another built-in artefact is measured on."""


class NotBetter(ModerationError):
    """A candidate that was not found to be better is not promoted without a person who insists."""

    code = "not_better"
    status = 409


def live_builtin(session: Session, settings: Settings) -> BuiltinScorer:
    """The built-in scorer that judges now. Raises ScorerError or InvalidInput when it cannot be loaded."""
    version = releases.live_version(session, settings, builtin.NAME, None) or releases.PACKAGE
    return releases.builtin_of(session, settings, version)()


def learn(
    db: Database, settings: Settings, site_id: int, *, by: str, now: datetime, imported: bool, progress: Progress
) -> Release:
    """Fit a layer for a site on the built-in that judges now, and keep it as a candidate with its report.

    No transaction is open while it is fitted. Raises TooFewDecisions; Conflict when the very same layer is known.
    """
    with db.reading() as session:
        base = live_builtin(session, settings)
        material = lessons.read(session, [site_id], imported=imported)
        hold = lessons.marks(session, site_id, base)
    layer, report = lessons.learn(base, site_id, material, hold, progress)
    with db.transaction() as session:
        row = releases.add(
            session, newsroom.NAME, layer.version, layer.file, site_id=site_id, report=report, by=by, now=now
        )
        for other in outdated(releases.listed(session, site_id), row):
            releases.withdraw(session, other, by=by, now=now)
        return row


def measure(
    live: BuiltinScorer, other: BuiltinScorer, material: lessons.Material, progress: Progress
) -> dict[str, Any]:
    """The report of another built-in artefact: what it says of decided comments beside the one that judges now.

    Each is held to its own recommended mark.
    """
    decided = lessons.distinct(material.decided)[-MEASURED:]
    passed = lessons.distinct(material.passed)[-MEASURED:]
    rows = [*decided, *passed]
    texts = [lesson.text for lesson in rows]
    before, after = live.score(texts, spans=False), other.score(texts, spans=False)
    progress(f"judged {counted(len(texts), 'decided comment')} with {live.version} and {other.version}")
    figures = {}
    for signal in lessons.TAUGHT:
        labels = np.array([-1 if (label := lesson.label(signal)) is None else label for lesson in decided])
        if comparing.enough(labels):
            marks = [scorer.recommended_hold.get(signal, 0.5) for scorer in (live, other)]
            values = [np.array([result.signals[signal] for result in results]) for results in (before, after)]
            figures[signal] = lessons.measure(rows, signal, values[0], values[1], marks[0], marks[1])
    return {
        "base": live.version,
        "decisions": {"different": len(decided), "passed": len(passed)},
        "signals": figures,
        "objections": comparing.objections(figures, better=False),
    }


def guard(row: Release, report: Mapping[str, Any], *, live: str | None) -> None:
    """Raises NotBetter with the reasons when a release should not be promoted. `live`: the built-in that judges now."""
    reasons = list(report.get("objections", ["It has no report yet."]))
    if row.scorer == newsroom.NAME and row.version.partition("+")[0] != live:
        reasons.insert(0, f"It was fitted on builtin@{report.get('base')}, and builtin@{live} judges now.")
    if reasons:
        raise NotBetter(f"Release {row.id} is not promoted: " + " ".join(reasons), details={"reasons": reasons})


def due_sites(session: Session, before: datetime) -> Sequence[int]:
    """Sites for which no layer was fitted since `before`."""
    since = (
        select(Release.site_id, func.max(Release.created_at).label("at"))
        .where(Release.scorer == newsroom.NAME)
        .group_by(Release.site_id)
        .subquery()
    )
    found = select(Site.id).outerjoin(since, since.c.site_id == Site.id)
    return session.scalars(found.where((since.c.at.is_(None)) | (since.c.at < before)).order_by(Site.id)).all()


def outdated(rows: Sequence[Release], new: Release) -> Sequence[Release]:
    """Candidates that a newer layer of the site replaces."""
    return [
        row
        for row in rows
        if (row.site_id, row.scorer, row.state) == (new.site_id, new.scorer, CANDIDATE) and row.id != new.id
    ]


class Learner:
    """Fits a layer for every site again after some days (`learn_days`), in a thread beside the work of its process.

    What it makes is a candidate, and stays one until a person promotes it.
    """

    def __init__(self, db: Database, settings: Settings) -> None:
        """Does nothing yet."""
        self._db, self._settings = db, settings
        self._thread: threading.Thread | None = None
        self._tried: dict[int, datetime] = {}

    def tick(self, now: datetime) -> None:
        """Begin with the next site that is due, unless one is being fitted."""
        if not self._settings.learn_days or (self._thread is not None and self._thread.is_alive()):
            return
        before = now - timedelta(days=self._settings.learn_days)
        with self._db.reading() as session:
            due = [site for site in due_sites(session, before) if self._tried.get(site, before) <= before]
        if due:
            self._tried[due[0]] = now
            self._thread = threading.Thread(target=self.learn, args=(due[0], now), name="learning", daemon=True)
            self._thread.start()

    def learn(self, site_id: int, now: datetime) -> None:
        """Fit one site's layer; whatever goes wrong is logged and tried again after the same days."""
        try:
            row = learn(
                self._db, self._settings, site_id, by="housekeeping", now=now, imported=False, progress=log.debug
            )
            log.info("site %d: release %d is a candidate; see: moderation scorers report %d", site_id, row.id, row.id)
        except ModerationError as error:  # too few decisions, the same as last time, the database is away
            log.info("site %d: no layer was fitted: %s", site_id, error.message)
        except Exception:  # a thread has nobody above it
            log.exception("site %d: no layer was fitted", site_id)
