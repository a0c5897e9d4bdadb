"""The shapes of what the JSON queue answers to deeds, and of searches, bulk jobs and groups. Ids are strings."""

from marshmallow import Schema, fields, validate

from moderation.comments.status import STATUSES
from moderation.review import bulk, decisions, groups
from moderation.review.api_card_schemas import CardSchema, NoteSchema


class ClaimedSchema(Schema):
    """My claim: until then it is mine, and each call makes it last longer."""

    id = fields.String(required=True)
    until = fields.DateTime(required=True)


class GoneSchema(Schema):
    """What is not there any more."""

    id = fields.String(required=True)


class DecidedCommentSchema(Schema):
    """How the comment stands now. `told`: this is an event for the site; `effective_at`: when it is sent, and until
    when an undo keeps it from being sent at all."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    version = fields.Integer(required=True)
    told = fields.Boolean(required=True)
    effective_at = fields.DateTime(required=True)


class OutcomeSchema(Schema):
    """What became of one comment of several: `decided`, or `conflict` with its details (who, what, when)."""

    id = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(("decided", "conflict")))
    version = fields.Integer(allow_none=True, required=True)
    message = fields.String(required=True)
    details = fields.Dict(required=True)


class OutcomesSchema(Schema):
    """One result per comment, in the order of the request."""

    results = fields.List(fields.Nested(OutcomeSchema), required=True)


class MyDecisionSchema(Schema):
    """One of my latest decisions that still stand. `version`: what to send as `seen_version` to undo it."""

    comment_id = fields.String(required=True)
    version = fields.Integer(required=True)
    action = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)
    author_name = fields.String(required=True)
    at = fields.DateTime(required=True)


class MyDecisionsSchema(Schema):
    """My latest decisions, newest first; those of bulk jobs are not among them."""

    decisions = fields.List(fields.Nested(MyDecisionSchema), required=True)


class EscalatedSchema(Schema):
    """Whether the comment is with the seniors now."""

    id = fields.String(required=True)
    escalated = fields.Boolean(required=True)


class NoteListSchema(Schema):
    """Notes, newest first."""

    notes = fields.List(fields.Nested(NoteSchema), required=True)


class FoundSchema(Schema):
    """A page of what was found, newest first. `count`: how many there are; with `more_than`, so many and more.
    `reached`: the time was up before the page was full, and only what came later than this was looked at; `next` goes
    on from there."""

    comments = fields.List(fields.Nested(CardSchema), required=True)
    next = fields.String(allow_none=True, required=True)
    count = fields.Integer(required=True)
    more_than = fields.Boolean(required=True)
    reached = fields.DateTime(allow_none=True, required=True)


class SavedViewSchema(Schema):
    """A search that the team keeps under a name."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    q = fields.String(required=True)
    who = fields.String(required=True)


class SavedViewsSchema(Schema):
    """All saved views, by name."""

    views = fields.List(fields.Nested(SavedViewSchema), required=True)


# --- bulk jobs ---


class SampleSchema(Schema):
    """A comment of a preview, and why it is shown."""

    why = fields.String(required=True, validate=validate.OneOf(("newest", "riskiest", "random")))
    comment = fields.Nested(CardSchema, required=True)


class PreviewSchema(Schema):
    """What a job would meet. More than 200,000 are not counted: then `more_than` is true. `skipped`: how many the job
    would leave alone, by why."""

    q = fields.String(required=True, metadata={"description": "With moments in the place of ages."})
    total = fields.Integer(required=True)
    more_than = fields.Boolean(required=True)
    by_status = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    skipped = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    sample = fields.List(fields.Nested(SampleSchema), required=True)
    until_id = fields.String(required=True)


class JobSchema(Schema):
    """A bulk job. `state`: running → done, cancelled or failed; paused in between."""

    id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(tuple(bulk.TRANSITIONS)))
    q = fields.String(required=True)
    action = fields.String(required=True, validate=validate.OneOf((*decisions.ACTIONS, bulk.UNDO)))
    reason = fields.String(allow_none=True, required=True)
    sites = fields.List(fields.String(), required=True)
    who = fields.String(required=True)
    steerable = fields.Boolean(required=True, metadata={"description": "I may pause, cancel and undo it."})
    undoes = fields.String(allow_none=True, required=True)
    total = fields.Integer(required=True, metadata={"description": "How many matched when it began."})
    decided = fields.Integer(required=True)
    conflicts = fields.Integer(required=True)
    error = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(allow_none=True, required=True)


class ProgressSchema(Schema):
    """How far a job is. `share` from 0 to 1; `rate` per second and `seconds` left where they are known; `same`: stood
    so already; `gone`: matched when it began, and not any more when their turn came."""

    share = fields.Float(required=True)
    rate = fields.Float(allow_none=True, required=True)
    seconds = fields.Integer(allow_none=True, required=True)
    same = fields.Integer(required=True)
    gone = fields.Integer(required=True)


class WholeJobSchema(JobSchema):
    """A bulk job with its progress."""

    progress = fields.Nested(ProgressSchema, required=True)
    undone_by = fields.String(allow_none=True, required=True)


class JobListSchema(Schema):
    """The jobs of the last thirty days that I may see, newest first."""

    jobs = fields.List(fields.Nested(JobSchema), required=True)


class JobItemSchema(Schema):
    """What became of one comment. `what` is the decision that stands there, or why it was left alone: withdrawn,
    edited, escalated, claimed, pending, no_access, error."""

    comment_id = fields.String(required=True)
    author_name = fields.String(required=True)
    what = fields.String(required=True)
    who = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)
    at = fields.DateTime(allow_none=True, required=True)


class JobItemsSchema(Schema):
    """A page of a job's items of one outcome."""

    items = fields.List(fields.Nested(JobItemSchema), required=True)
    next = fields.String(allow_none=True, required=True)


# --- groups ---


class MemberSchema(Schema):
    """A comment of a group. `varies`: the runs of its text that differ from the text in front."""

    id = fields.String(required=True)
    author_name = fields.String(required=True)
    received_at = fields.DateTime(required=True)
    language = fields.String(allow_none=True, required=True)
    text = fields.String(required=True)
    varies = fields.List(fields.List(fields.Integer()), required=True)
    cut = fields.Boolean(required=True, metadata={"description": "The text is longer than that."})


class GroupOrderSchema(Schema):
    """What becomes of a campaign's newcomers, by whose order, until when."""

    campaign_id = fields.String(required=True)
    action = fields.String(required=True, validate=validate.OneOf(("hold", "reject")))
    reason = fields.String(allow_none=True, required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)
    until = fields.DateTime(required=True)


class FloodSchema(Schema):
    """A large group: how many of it wait, what share of all that wait that is, and one of its texts."""

    kind = fields.String(required=True, validate=validate.OneOf(groups.KINDS))
    value = fields.String(required=True)
    size = fields.Integer(required=True)
    share = fields.Float(required=True)
    example = fields.Nested(MemberSchema, required=True)


class FloodsSchema(Schema):
    """The largest groups of each kind, and the orders in force."""

    groups = fields.List(fields.Nested(FloodSchema), required=True)
    orders = fields.List(fields.Nested(GroupOrderSchema), required=True)


class GroupSchema(Schema):
    """A page of a group. `size` counts what waits, up to 10,001; `until_id` goes with a decision on all of it."""

    kind = fields.String(required=True, validate=validate.OneOf(groups.KINDS))
    value = fields.String(required=True)
    size = fields.Integer(required=True)
    front = fields.Nested(MemberSchema, allow_none=True, required=True)
    members = fields.List(fields.Nested(MemberSchema), required=True)
    next = fields.String(allow_none=True, required=True)
    until_id = fields.String(required=True)
    order = fields.Nested(GroupOrderSchema, allow_none=True, required=True)
    q = fields.String(required=True, metadata={"description": "The search that finds what waits of it."})


class GroupDecidedSchema(Schema):
    """How many were decided, which were left alone and why. `at` takes all of it back: POST /api/v1/groups/undo."""

    decided = fields.Integer(required=True)
    left = fields.List(fields.Nested(OutcomeSchema), required=True)
    at = fields.DateTime(required=True)


# --- authors, articles, second looks ---
