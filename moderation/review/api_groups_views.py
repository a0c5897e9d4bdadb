"""The JSON queue, many comments at once: bulk jobs over a search, and groups of what is alike."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth
from moderation.accounts.models import Moderator
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput
from moderation.review import api_bodies, bulk, bulk_preview, bulk_progress, campaigns, groups
from moderation.review import api_given_schemas as asked
from moderation.review import api_schemas as shapes
from moderation.review.api_shared_views import (
    ERRORS,
    NOT_THERE,
    READ_ERRORS,
    after,
    chosen_sites,
    me_in,
    number,
    outcomes,
    parsed,
)
from moderation.review.group_views import checked
from moderation.review.groups import Decided
from moderation.review.models import BulkJob

groups_api = Blueprint("groups_api", __name__, url_prefix="/api/v1")

BULK, GROUPS = "bulk jobs", "groups"

PREVIEW, NEW_JOB = asked.BulkQuerySchema(), asked.NewJobSchema()
DECIDE, UNDO, ORDER = asked.DecideGroupSchema(), asked.UndoGroupSchema(), asked.OrderNewcomersSchema()

NOT_NOW: tuple[str, Any] = ("The job is not in a state for that; the details say in which (`what`).", ErrorSchema)
OUTCOMES = (bulk.DECIDED, bulk.CONFLICT, bulk.SAME)

Step = Callable[[Session, BulkJob, Moderator, datetime], BulkJob | None]


# --- bulk jobs ---


@groups_api.post("/bulk/preview")
@auth.token_required
@web.documented(
    summary="What a bulk job would meet, without doing anything",
    tag=BULK,
    security="token",
    body=asked.BulkQuerySchema,
    answers={200: ("Counts and a sample.", shapes.PreviewSchema), 404: NOT_THERE, **ERRORS},
)
def preview() -> Response:
    """Counted, with some of the newest, the riskiest, and some at random."""
    given = web.json_body(PREVIEW)
    site_ids = chosen_sites(given["site"])
    with web.database().reading() as session:
        found = bulk_preview.preview(session, site_ids, parsed(session, given["q"]), g.me, now=utcnow())
    return web.answer(
        {
            "q": str(found.query),
            "total": min(found.total, bulk_preview.COUNTED),
            "more_than": found.total > bulk_preview.COUNTED,
            "by_status": dict(found.by_status),
            "skipped": dict(found.skipped),
            "sample": [{"why": one.why, "comment": api_bodies.card(one.card, g.me)} for one in found.sample],
            "until_id": str(found.until_id),
        }
    )


@groups_api.post("/bulk")
@auth.token_required
@web.documented(
    summary="Start a bulk job",
    tag=BULK,
    security="token",
    body=asked.NewJobSchema,
    answers={
        202: ("Begun; the same job asked for twice is one.", shapes.WholeJobSchema),
        404: NOT_THERE,
        409: ("Too many jobs are open.", ErrorSchema),
        **ERRORS,
    },
)
def start() -> Response:
    """A worker decides what matches, up to `until_id`, in batches."""
    given, now = web.json_body(NEW_JOB), utcnow()
    until = given["until_id"]
    with web.database().transaction() as session:
        me = me_in(session)
        job = bulk.start(
            session,
            me,
            chosen_sites(given["site"]),
            parsed(session, given["q"]),
            given["action"],
            given["reason"],
            now,
            until_id=None if until is None else int(until),
        )
        return web.answer(_whole(session, job, me), 202)


@groups_api.get("/bulk")
@auth.token_required
@web.documented(
    summary="Bulk jobs of the last thirty days",
    tag=BULK,
    security="token",
    answers={200: ("Newest first.", shapes.JobListSchema), **READ_ERRORS},
)
def jobs() -> Response:
    """Those that I started, and those whose sites are all mine."""
    with web.database().reading() as session:
        lines = bulk.listed(session, g.site_ids, g.me, utcnow())
        return web.answer({"jobs": [api_bodies.job(line.job, line.who, g.me) for line in lines]})


@groups_api.get("/bulk/<job_id>")
@auth.token_required
@web.documented(
    summary="A bulk job and how far it is",
    tag=BULK,
    security="token",
    answers={200: ("With its progress.", shapes.WholeJobSchema), 404: NOT_THERE, **READ_ERRORS},
)
def job_now(job_id: str) -> Response:
    """As it stands now."""
    with web.database().reading() as session:
        job = bulk.of_mine(session, g.site_ids, g.me, number(job_id, bulk.NO_JOB))
        return web.answer(_whole(session, job, g.me))


@groups_api.get("/bulk/<job_id>/items")
@auth.token_required
@web.documented(
    summary="What became of each comment of a bulk job",
    tag=BULK,
    security="token",
    query=asked.ItemsQuery,
    answers={200: ("Fifty of one outcome at most.", shapes.JobItemsSchema), 404: NOT_THERE, **READ_ERRORS},
)
def items(job_id: str) -> Response:
    """The conflicts unless told: what was left alone, and why."""
    outcome = request.args.get("outcome", bulk.CONFLICT)
    if outcome not in OUTCOMES:
        raise InvalidInput(f"outcome must be one of {', '.join(OUTCOMES)}.", field="outcome")
    with web.database().reading() as session:
        job = bulk.of_mine(session, g.site_ids, g.me, number(job_id, bulk.NO_JOB))
        found, following = bulk_progress.items(session, g.site_ids, job, outcome, after())
    return web.answer({"items": [api_bodies.item(one) for one in found], "next": api_bodies.name_of(following)})


@groups_api.post("/bulk/<job_id>/pause")
@auth.token_required
@web.documented(
    summary="Let a bulk job rest",
    tag=BULK,
    security="token",
    answers={200: ("Rests before its next batch.", shapes.WholeJobSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def pause(job_id: str) -> Response:
    """Whoever started it, and seniors."""
    return _steer(job_id, bulk.pause)


@groups_api.post("/bulk/<job_id>/resume")
@auth.token_required
@web.documented(
    summary="Let a bulk job go on",
    tag=BULK,
    security="token",
    answers={200: ("Goes on where it stopped.", shapes.WholeJobSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def resume(job_id: str) -> Response:
    """One that rests, or that failed."""
    return _steer(job_id, bulk.resume)


@groups_api.post("/bulk/<job_id>/cancel")
@auth.token_required
@web.documented(
    summary="End a bulk job",
    tag=BULK,
    security="token",
    answers={200: ("What it has decided stays.", shapes.WholeJobSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def cancel(job_id: str) -> Response:
    """Before its next batch."""
    return _steer(job_id, bulk.cancel)


@groups_api.post("/bulk/<job_id>/undo")
@auth.token_required
@web.documented(
    summary="Take back what a bulk job decided",
    tag=BULK,
    security="token",
    answers={202: ("The job that takes it back.", shapes.WholeJobSchema), 404: NOT_THERE, 409: NOT_NOW, **READ_ERRORS},
)
def undo_job(job_id: str) -> Response:
    """By another job; what somebody has decided since stays."""
    return _steer(job_id, bulk.undo, 202)


def _steer(job_id: str, step: Step, code: int = 200) -> Response:
    with web.database().transaction() as session:
        me = me_in(session)
        job = bulk.of_mine(session, g.site_ids, me, number(job_id, bulk.NO_JOB), lock=True)
        shown = step(session, job, me, utcnow()) or job
        return web.answer(_whole(session, shown, me), code)


def _whole(session: Session, job: BulkJob, me: Moderator) -> api_bodies.Body:
    undone = bulk.undone_by(session, job)
    return {
        **api_bodies.job(job, bulk.starter(session, job), me),
        "progress": api_bodies.progress(bulk_progress.progress(session, job, utcnow())),
        "undone_by": api_bodies.name_of(undone.id) if undone else None,
    }


# --- groups ---


@groups_api.get("/groups")
@auth.token_required
@web.documented(
    summary="The largest groups of what waits",
    tag=GROUPS,
    security="token",
    answers={200: ("By kind, and the orders in force.", shapes.FloodsSchema), **READ_ERRORS},
)
def floods() -> Response:
    """Alike by text, link domain, phone number or network."""
    now = utcnow()
    with web.database().reading() as session:
        found = groups.floods(session, g.site_ids, now)
        orders = campaigns.orders(session, g.site_ids, now)
    return web.answer(
        {
            "groups": [api_bodies.flood(one) for kind in groups.KINDS for one in found[kind]],
            "orders": [api_bodies.order(one) for one in orders],
        }
    )


@groups_api.get("/groups/<kind>/<path:value>")
@auth.token_required
@web.documented(
    summary="One group: what waits of it, and what differs",
    tag=GROUPS,
    security="token",
    query=asked.AfterQuery,
    answers={200: ("Oldest first.", shapes.GroupSchema), 404: NOT_THERE, **READ_ERRORS},
)
def group(kind: str, value: str) -> Response:
    """`kind`: campaign, domain, phone or network."""
    with web.database().reading() as session:
        found = groups.group(session, g.site_ids, kind, checked(value), utcnow(), after=after())
    return web.answer(api_bodies.group(found, groups.search_line(kind, value)))


@groups_api.post("/groups/<kind>/<path:value>/decision")
@auth.token_required
@web.documented(
    summary="Decide what waits of a group",
    tag=GROUPS,
    security="token",
    body=asked.DecideGroupSchema,
    answers={200: ("At most 500 at once.", shapes.GroupDecidedSchema), 404: NOT_THERE, **ERRORS},
)
def decide_group(kind: str, value: str) -> Response:
    """Up to `until_id`; what a colleague is reading, or the seniors have, is left to them."""
    given, now = web.json_body(DECIDE), utcnow()
    value = checked(value)
    if given["hours"] is not None and (kind != "campaign" or given["action"] != "reject"):
        raise InvalidInput("Only rejecting a campaign goes on with its newcomers.", field="hours")
    with web.database().transaction() as session:
        me = me_in(session)
        done = groups.decide_all(
            session,
            g.site_ids,
            kind,
            value,
            given["action"],
            me,
            until_id=int(given["until_id"]),
            now=now,
            reason=given["reason"],
        )
        if given["hours"] is not None:
            campaigns.order(session, int(value), given["action"], given["reason"], me, given["hours"], now)
        return web.answer(_decided(session, done, now))


@groups_api.post("/groups/undo")
@auth.token_required
@web.documented(
    summary="Take back what I decided together",
    tag=GROUPS,
    security="token",
    body=asked.UndoGroupSchema,
    answers={200: ("What somebody has decided since stays.", shapes.GroupDecidedSchema), **ERRORS},
)
def undo_group() -> Response:
    """The decisions of one moment, and the order that went with them."""
    at, now = web.json_body(UNDO)["at"], utcnow()
    with web.database().transaction() as session:
        me = me_in(session)
        return web.answer(_decided(session, groups.undo_all(session, g.site_ids, me, at, now), now))


@groups_api.put("/groups/campaign/<campaign_id>/order")
@auth.token_required
@web.documented(
    summary="Have newcomers of a campaign held or rejected for some hours",
    tag=GROUPS,
    security="token",
    body=asked.OrderNewcomersSchema,
    answers={200: ("In force; it takes the place of an older one.", shapes.GroupOrderSchema), 404: NOT_THERE, **ERRORS},
)
def order_newcomers(campaign_id: str) -> Response:
    """They are never approved by order: a text that is nearly the same may hide a link."""
    given, wanted, now = web.json_body(ORDER), number(campaign_id, "There is no such group."), utcnow()
    with web.database().transaction() as session:
        me = me_in(session)
        groups.group(session, g.site_ids, "campaign", str(wanted), now)  # whether it is there, and mine
        made = campaigns.order(session, wanted, given["action"], given["reason"], me, given["hours"], now)
    return web.answer(api_bodies.order(made))


@groups_api.delete("/groups/campaign/<campaign_id>/order")
@auth.token_required
@web.documented(
    summary="End an order for newcomers",
    tag=GROUPS,
    security="token",
    answers={200: ("None is in force.", shapes.GoneSchema), 404: NOT_THERE, **READ_ERRORS},
)
def end_order(campaign_id: str) -> Response:
    """Before its time; none in force is no error."""
    wanted, now = number(campaign_id, "There is no such group."), utcnow()
    with web.database().transaction() as session:
        me = me_in(session)
        groups.group(session, g.site_ids, "campaign", str(wanted), now)
        campaigns.end_order(session, wanted, me, now)
    return web.answer({"id": str(wanted)})


def _decided(session: Session, done: dict[int, Decided], at: datetime) -> api_bodies.Body:
    left = {one: answer for one, answer in done.items() if isinstance(answer, Conflict)}
    return {"decided": len(done) - len(left), "left": outcomes(session, left), "at": at}
