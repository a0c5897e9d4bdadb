"""Is the service able to take and judge comments: what is checked, and the sentence for each thing that is not."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from moderation import migrations
from moderation.alerts import doctor as alerts
from moderation.comments.models import Comment
from moderation.comments.status import PENDING
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, outbox_reading
from moderation.errors import Unavailable
from moderation.health import store
from moderation.rescoring.models import RescoreRun
from moderation.review.bulk import RUNNING
from moderation.scoring import detoxify_scorer, registry, releases, weights, work
from moderation.settings import Settings
from moderation.wordings import counted

STALE = 30.0
"""Seconds without a heartbeat after which a process class counts as gone; sweeps come every few seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: what, and what to do about it. `fatal`: comments cannot be taken or judged."""

    what: str
    remedy: str
    fatal: bool


def examine(db: Database, settings: Settings) -> list[Finding]:
    """Everything that is wrong, the fatal first; an empty list is health. Never raises for a database that is away."""
    try:
        version = migrations.current(db)
        with db.reading() as session:
            now = utcnow()
            ages = store.ages(session, now)
            late = now - timedelta(seconds=settings.score_deadline + 30)
            stuck = session.scalar(
                select(func.count()).select_from(Comment).where(Comment.status == PENDING, Comment.pending_since < late)
            )
            backlog = work.backlog(session)
            alerting = alerts.problems(session, settings, now)
            overdue = outbox_reading.overdue(session, now - timedelta(minutes=5))
            dead = outbox_reading.given_up(session)
            troubled = endpoints.troubled(session)
            orphans = releases.orphans(session)
            rescoring = session.scalar(select(RescoreRun.id).where(RescoreRun.state == RUNNING).limit(1)) is not None
    except Unavailable as error:
        return [Finding(error.message, "Start it, or look at MODERATION_DATABASE_URL.", True)]
    found = []
    if version != migrations.head():
        found.append(Finding(f"The tables are of version {version or 'none'}.", "Run: moderation migrate", True))
    needed = [f"scoring:{name}" for name in registry.required_scorers(settings)] + ["housekeeping"]
    for name in needed:
        if ages.get(name, STALE + 1) > STALE:
            remedy = "Start the workers (moderation up, or celery -A workers.app worker) and read their log."
            found.append(Finding(f"No sign of life of {name} for {STALE:.0f} s.", remedy, True))
    follows = settings.scorer == registry.AUTO and bool(registry.languages_of_detoxify(settings.data_dir))
    if follows and ages.get("scoring:detoxify", STALE + 1) > STALE:
        remedy = "Start the worker of the queue `scoring_detoxify`; until then its languages wait for people."
        found.append(Finding("No sign of life of scoring:detoxify.", remedy, False))
    if ages.get("delivery", STALE + 1) > STALE:
        remedy = "Start the worker of the queue `delivery` and read its log."
        found.append(Finding("No sign of life of delivery: sites are not told.", remedy, False))
    if ages.get("bulk", STALE + 1) > STALE:
        remedy = "Start the worker of the queue `bulk` and read its log."
        found.append(Finding("No sign of life of bulk: bulk jobs stand still.", remedy, False))
    if rescoring and ages.get("rescoring", STALE + 1) > STALE:
        remedy = "Start the worker of the queue `rescoring` and read its log."
        found.append(Finding("No sign of life of rescoring: rescore runs stand still.", remedy, False))
    if stuck:
        what = counted(stuck, "comment is past its deadline.", "comments are past their deadline.")
        found.append(Finding(what, "Look at the housekeeping worker.", False))
    if overdue:
        what = counted(overdue, "delivery is late.", "deliveries are late.")
        found.append(Finding(what, "See: moderation deliveries list", False))
    if dead:
        remedy = "See: moderation deliveries list --state dead; then: moderation deliveries replay"
        found.append(Finding(counted(dead, "delivery was given up.", "deliveries were given up."), remedy, False))
    for item in troubled:
        what = f"Endpoint {item.endpoint.id} of {item.site} is {endpoints.state_of(item.endpoint)}"
        what += f" ({item.endpoint.disabled_reason}); {counted(item.waiting, 'event waits', 'events wait')}."
        remedy = f"See: moderation deliveries endpoints; then: moderation deliveries {item.remedy} {item.endpoint.id}"
        found.append(Finding(what, remedy, False))
    for layer in orphans:
        what = f"The newsroom layer of site {layer.site_id} (release {layer.id}) was fitted on another built-in scorer"
        remedy = f"Run: moderation train --from-decisions --site {layer.site_id}; see: moderation scorers list"
        found.append(Finding(f"{what} than the one that judges, and is ignored.", remedy, False))
    if settings.scorer == "off":
        found.append(Finding("No scorer is on: every comment waits for a person.", "Set MODERATION_SCORER.", False))
    found += [Finding(what, remedy, False) for what, remedy in alerting]
    for name, count in backlog.items():
        if count > 1000:
            found.append(Finding(f"{count:,} texts wait for {name}.", "Add workers of its queue.", False))
    return found


def examine_weights(settings: Settings) -> list[Finding]:
    """Whether Detoxify's weights, where it may judge, are there and what they were. Hashes them: a second or two."""
    if settings.scorer not in (registry.AUTO, detoxify_scorer.NAME):
        return []
    active = weights.active(settings.data_dir)
    if active is None:
        wanted = settings.scorer == detoxify_scorer.NAME
        what = "MODERATION_SCORER asks for detoxify, but no weights are active."
        return [Finding(what, "Run: moderation models install FILE", False)] if wanted else []
    try:
        weights.ready(active, settings.detoxify_runtime)
    except weights.WeightsError as error:
        remedy = "Run: moderation models install FILE; until then its languages wait for people."
        return [Finding(error.message, remedy, False)]
    return []
