"""The shapes of the JSON queue. Bodies are strict: unknown fields and coerced types are refused. Ids are strings."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from moderation.accounts.moderators import ROLES
from moderation.comments import standings
from moderation.comments.schemas import Strict
from moderation.comments.status import STATUSES
from moderation.review import bulk, campaigns, decisions, queue, second_looks, statistics
from moderation.signals import SIGNALS

MAX_DAYS = 365
HOURLY_DAYS = 7
"""Days that statistics look back, and up to which they are given hour by hour."""


class Number(fields.String):
    """An id of ours: digits in a string, as answers give them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Regexp(r"[0-9]{1,18}\Z", error="Not an id."), **kwargs)


class Truth(fields.Boolean):
    """true or false, and nothing that only means so."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Not a boolean.")
        return bool(super()._deserialize(value, attr, data, **kwargs))


def _version() -> fields.Integer:
    return fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(0, 2**31 - 1),
        metadata={"description": "The `version` of the comment as it was read; another one by now is a conflict."},
    )


def _reason(**kwargs: Any) -> fields.String:
    return fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(decisions.REASONS),
        metadata={"description": "Needed to reject, and only there."},
        **kwargs,
    )


class _Judging(Strict):
    """A reason goes with a rejection, and with nothing else."""

    @validates_schema
    def _goes_together(self, data: dict[str, Any], **_: Any) -> None:
        if data.get("action") == "reject" and data.get("reason") is None:
            raise ValidationError("A rejection needs a reason.", "reason")
        if data.get("action") != "reject" and data.get("reason") is not None:
            raise ValidationError("Only a rejection has a reason.", "reason")


# --- what is sent ---


class DecideSchema(_Judging):
    """A decision on a comment as it was read."""

    action = fields.String(required=True, validate=validate.OneOf(decisions.ACTIONS))
    reason = _reason()
    seen_version = _version()


class SelectedSchema(Strict):
    """One comment of a selection, and the version that was read."""

    id = Number(required=True)
    seen_version = _version()


class DecideManySchema(_Judging):
    """The same decision on some comments, each as it was read."""

    action = fields.String(required=True, validate=validate.OneOf(decisions.ACTIONS))
    reason = _reason()
    comments = fields.List(
        fields.Nested(SelectedSchema), required=True, validate=validate.Length(min=1, max=bulk.SELECTED)
    )


class UndoSchema(Strict):
    """Take my latest decision on a comment back."""

    seen_version = _version()


class TakeClaimSchema(Strict):
    """Say that I am reading a comment, or that I still am."""

    take_over = Truth(load_default=False, metadata={"description": "Even if a colleague is reading it."})


class QuestionSchema(Strict):
    """What the seniors are asked."""

    question = fields.String(required=True, metadata={"description": "1 to 1000 characters."})


class AnswerTextSchema(Strict):
    """What a senior answers; the comment goes back to everybody."""

    answer = fields.String(required=True, metadata={"description": "1 to 1000 characters."})


class NoteTextSchema(Strict):
    """A note for colleagues; readers never see it."""

    text = fields.String(required=True, metadata={"description": "1 to 2000 characters."})


class NewViewSchema(Strict):
    """A search to be kept under a name."""

    name = fields.String(required=True, metadata={"description": "1 to 80 characters."})
    q = fields.String(required=True, metadata={"description": "See docs/search.md."})


class BulkQuerySchema(Strict):
    """Which comments: a search with at least one word or filter, at all of my sites or at one."""

    q = fields.String(required=True, metadata={"description": "See docs/search.md."})
    site = Number(load_default=None, allow_none=True)


class NewJobSchema(BulkQuerySchema, _Judging):
    """A deed on all comments that match."""

    action = fields.String(required=True, validate=validate.OneOf(decisions.ACTIONS))
    reason = _reason()
    until_id = Number(
        load_default=None,
        allow_none=True,
        metadata={"description": "That of the preview: what came after it is not touched. Without it: up to now."},
    )


class DecideGroupSchema(_Judging):
    """One decision on what waits of a group."""

    action = fields.String(required=True, validate=validate.OneOf(("approve", "reject")))
    reason = _reason()
    until_id = Number(required=True, metadata={"description": "That of the group as it was read."})
    hours = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(campaigns.MIN_HOURS, campaigns.MAX_HOURS),
        metadata={"description": "Reject newcomers of a campaign for so long, too; only where `action` is reject."},
    )


class UndoGroupSchema(Strict):
    """Take back what I decided together."""

    at = fields.AwareDateTime(format="iso", required=True, metadata={"description": "The `at` of that answer."})


class OrderNewcomersSchema(_Judging):
    """What becomes of a campaign's newcomers."""

    action = fields.String(required=True, validate=validate.OneOf(("hold", "reject")))
    reason = _reason()
    hours = fields.Integer(
        strict=True, required=True, validate=validate.Range(campaigns.MIN_HOURS, campaigns.MAX_HOURS)
    )


class StandingSchema(Strict):
    """What becomes of everything that an author writes."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf(standings.KINDS),
        metadata={"description": "Empty: the policy alone counts."},
    )
    until = fields.AwareDateTime(
        format="iso", load_default=None, allow_none=True, metadata={"description": "Null: for ever."}
    )


class StoryOrdersSchema(Strict):
    """What is ordered for an article; what is not named stays."""

    closed = Truth(metadata={"description": "It takes no more comments."})
    premoderated = Truth(metadata={"description": "Every comment waits for a person."})

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Name closed, premoderated, or both.", "closed")


class LookAgainSchema(_Judging):
    """What I would decide."""

    action = fields.String(required=True, validate=validate.OneOf(second_looks.ACTIONS))
    reason = _reason()


# --- queries ---


class SiteQuery(Schema):
    """Of one site only."""

    site = fields.String(metadata={"description": "A site's id (see GET /api/v1/me); without it, all of mine."})


class QueueQuery(SiteQuery):
    """Which list, in which order, which page."""

    tab = fields.String(validate=validate.OneOf(queue.TABS), metadata={"description": "`held` unless told."})
    sort = fields.String(
        validate=validate.OneOf(queue.SORTS),
        metadata={"description": "The tab's usual order unless told, and where the tab does not have it."},
    )
    after = fields.String(metadata={"description": "`next` of the page before."})


class CountsSinceQuery(SiteQuery):
    """Newcomers under which tab, since when."""

    tab = fields.String(validate=validate.OneOf(queue.TABS), metadata={"description": "`held` unless told."})
    since = fields.String(metadata={"description": "`mark` of an earlier answer for this tab."})


class SearchQuery(SiteQuery):
    """What to look for."""

    q = fields.String(required=True, metadata={"description": "See docs/search.md."})
    after = fields.String(metadata={"description": "`next` of the page before."})


class AfterQuery(Schema):
    """Which page."""

    after = fields.String(metadata={"description": "`next` of the page before."})


class ItemsQuery(AfterQuery):
    """Which items of a bulk job."""

    outcome = fields.String(
        validate=validate.OneOf((bulk.DECIDED, bulk.CONFLICT, bulk.SAME)),
        metadata={"description": "`conflict` unless told."},
    )


class StatisticsQuery(SiteQuery):
    """Of how many days, by hour or by day."""

    days = fields.Integer(metadata={"description": f"1 to {MAX_DAYS}; 7 unless told."})
    by = fields.String(
        validate=validate.OneOf(("hour", "day")),
        metadata={"description": f"`day` unless told; `hour` for {HOURLY_DAYS} days at most."},
    )


# --- what is answered: comments ---


class MySiteSchema(Schema):
    """A site that I work on."""

    id = fields.String(required=True)
    public_id = fields.String(required=True)
    name = fields.String(required=True)
    timezone = fields.String(required=True)


class MeSchema(Schema):
    """Whose token it is."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    sites = fields.List(fields.Nested(MySiteSchema), required=True)


class NamedSchema(Schema):
    """Something with an id and a name."""

    id = fields.String(required=True)
    name = fields.String(required=True)


class CardStorySchema(Schema):
    """The article."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    url = fields.String(required=True)


class CardAuthorSchema(Schema):
    """Who wrote it. `first`: it is the first comment that we know of them."""

    id = fields.String(allow_none=True, required=True)
    name = fields.String(required=True)
    url = fields.String(allow_none=True, required=True)
    first = fields.Boolean(required=True)


class MarkSchema(Schema):
    """A run of the text, from the character `start` on and before `end`. `kinds`: signal, list, link, phone, hidden,
    styled; `reasons`: numbers of the reasons that it explains."""

    start = fields.Integer(required=True)
    end = fields.Integer(required=True)
    kinds = fields.List(fields.String(), required=True)
    reasons = fields.List(fields.Integer(), required=True)


class CardReasonSchema(Schema):
    """A reason of the policy, the weightiest first, with the runs of the text that it points at."""

    number = fields.Integer(required=True)
    code = fields.String(required=True)
    signal = fields.String(allow_none=True, required=True)
    value = fields.Float(allow_none=True, required=True)
    before = fields.Float(allow_none=True, required=True, metadata={"description": "Of `rescored`: the score before."})
    detail = fields.String(required=True)
    weight = fields.Float(required=True)
    spans = fields.List(fields.List(fields.Integer()), required=True)


class CardSignalSchema(Schema):
    """A signal, null where it was not measured, with the site's marks for the scorer that measured it."""

    name = fields.String(required=True, validate=validate.OneOf(SIGNALS))
    value = fields.Float(allow_none=True, required=True)
    hold = fields.Float(allow_none=True, required=True)
    reject = fields.Float(allow_none=True, required=True)
    scorer = fields.String(required=True)


class BriefSchema(Schema):
    """An earlier comment of the author: the beginning of its text."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    text = fields.String(required=True)


class RecordSchema(Schema):
    """What is known of an author. `last`: the newest comments; `notes`: how many colleagues left."""

    approved = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    held = fields.Integer(required=True)
    first_seen_at = fields.DateTime(required=True)
    standing = fields.String(required=True, validate=validate.OneOf(standings.KINDS))
    standing_until = fields.DateTime(allow_none=True, required=True)
    last = fields.List(fields.Nested(BriefSchema), required=True)
    notes = fields.Integer(required=True)


class PrioritySchema(Schema):
    """Why it stands where it stands: three parts in hours of waiting, and their sum."""

    risk_hours = fields.Float(required=True)
    reach_hours = fields.Float(required=True)
    waited_hours = fields.Float(required=True)
    hours = fields.Float(required=True)


class ClaimSchema(Schema):
    """Who reads it, and until when unless they go on."""

    who = fields.String(required=True)
    mine = fields.Boolean(required=True)
    until = fields.DateTime(required=True)


class EscalationSchema(Schema):
    """A question to the seniors. `answer` is empty where a decision was it."""

    id = fields.String(required=True)
    question = fields.String(required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)
    answer = fields.String(required=True)
    answered_by = fields.String(allow_none=True, required=True)
    answered_at = fields.DateTime(allow_none=True, required=True)


class CampaignSchema(Schema):
    """Texts nearly the same; `alike`: how many of them wait, up to 10,001. See GET /api/v1/groups/campaign/<id>."""

    id = fields.String(required=True)
    alike = fields.Integer(required=True)


class NoteSchema(Schema):
    """What a colleague noted."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)


class StandsSchema(Schema):
    """The decision that stands. `who` is empty where the machine made it."""

    action = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)
    by_machine = fields.Boolean(required=True)


class ParentSchema(Schema):
    """What it answers."""

    author_name = fields.String(required=True)
    text = fields.String(required=True)


class CardTextSchema(Schema):
    """What a comment says, and what speaks for or against it."""

    site = fields.Nested(NamedSchema, required=True)
    story = fields.Nested(CardStorySchema, allow_none=True, required=True)
    author_name = fields.String(required=True)
    received_at = fields.DateTime(required=True)
    language = fields.String(allow_none=True, required=True)
    text = fields.String(required=True)
    reads_as = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "How stylised or spaced letters read, where that differs from the text."},
    )
    marks = fields.List(fields.Nested(MarkSchema), required=True)
    reasons = fields.List(fields.Nested(CardReasonSchema), required=True)
    signals = fields.List(fields.Nested(CardSignalSchema), required=True)
    scorers = fields.List(fields.String(), required=True)
    policy_version = fields.Integer(allow_none=True, required=True)
    facts = fields.Dict(
        keys=fields.String(), values=fields.Integer(), required=True, metadata={"description": "What was counted."}
    )
    parent = fields.Nested(ParentSchema, allow_none=True, required=True)


class CardSchema(CardTextSchema):
    """Everything that a card of the queue says."""

    id = fields.String(required=True)
    external_id = fields.String(required=True)
    version = fields.Integer(required=True)
    revision = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    not_scored = fields.Boolean(required=True)
    author = fields.Nested(CardAuthorSchema, required=True)
    record = fields.Nested(RecordSchema, allow_none=True, required=True)
    priority = fields.Nested(
        PrioritySchema, allow_none=True, required=True, metadata={"description": "Null for what does not wait."}
    )
    decided = fields.Nested(StandsSchema, allow_none=True, required=True)
    reports = fields.Integer(required=True, metadata={"description": "Since a person last decided."})
    claim = fields.Nested(ClaimSchema, allow_none=True, required=True)
    escalation = fields.Nested(EscalationSchema, allow_none=True, required=True)
    campaign = fields.Nested(CampaignSchema, allow_none=True, required=True)
    notes = fields.List(fields.Nested(NoteSchema), required=True)


class CardListSchema(Schema):
    """A page of a tab. `next`: the `after` of the next page."""

    comments = fields.List(fields.Nested(CardSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class TabCountsSchema(Schema):
    """How many comments stand under each tab, exactly. `oldest_at`: when the one came that has waited longest; `new`:
    how many came under the tab since `since`, at most 100; `mark`: what to send as `since` the next time."""

    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    oldest_at = fields.DateTime(allow_none=True, required=True)
    new = fields.Integer(allow_none=True, required=True)
    mark = fields.String(required=True)


class EventLineSchema(Schema):
    """One line of a comment's history. `who` is empty for the machine."""

    at = fields.DateTime(required=True)
    who = fields.String(required=True)
    what = fields.String(required=True)
    detail = fields.String(required=True)


class RevisionTextSchema(Schema):
    """One text of a comment; an edit makes the next."""

    number = fields.Integer(required=True)
    text = fields.String(required=True)
    at = fields.DateTime(required=True)


class ReportLineSchema(Schema):
    """A reader's report. `resolved_at`: when a person decided afterwards."""

    reason = fields.String(required=True)
    text = fields.String(required=True)
    revision = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    resolved_at = fields.DateTime(allow_none=True, required=True)


class ToldSchema(Schema):
    """An event for the site, and what became of it. `at`: when it was over, or when the next try is due."""

    sequence = fields.Integer(required=True)
    state = fields.String(required=True)
    url = fields.String(required=True)
    attempts = fields.Integer(required=True)
    last_status = fields.Integer(allow_none=True, required=True)
    last_error = fields.String(required=True)
    at = fields.DateTime(required=True)


class WholeCommentSchema(Schema):
    """A comment with all that happened to it."""

    comment = fields.Nested(CardSchema, required=True)
    history = fields.List(fields.Nested(EventLineSchema), required=True)
    revisions = fields.List(fields.Nested(RevisionTextSchema), required=True)
    reports = fields.List(fields.Nested(ReportLineSchema), required=True)
    escalations = fields.List(fields.Nested(EscalationSchema), required=True)
    deliveries = fields.List(fields.Nested(ToldSchema), required=True)


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

    kind = fields.String(required=True, validate=validate.OneOf(campaigns.KINDS))
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

    kind = fields.String(required=True, validate=validate.OneOf(campaigns.KINDS))
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


class LineSchema(Schema):
    """One comment of a list: the beginning of its text."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    version = fields.Integer(required=True)
    revision = fields.Integer(required=True)
    text = fields.String(required=True)
    reports = fields.Integer(required=True)
    escalated = fields.Boolean(required=True)
    received_at = fields.DateTime(required=True)
    author_id = fields.String(allow_none=True, required=True)
    author_name = fields.String(required=True)
    story_id = fields.String(allow_none=True, required=True)
    story_title = fields.String(required=True)


class AuditLineSchema(Schema):
    """What a person ordered, such as `author.ban`, `story.close`."""

    action = fields.String(required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)
    detail = fields.String(required=True)


class AuthorPageSchema(Schema):
    """An author. `known_by`: `id` (the site's own), `email` or `name`; only the first earns trust."""

    id = fields.String(required=True)
    site = fields.Nested(NamedSchema, required=True)
    external_id = fields.String(allow_none=True, required=True)
    known_by = fields.String(required=True, validate=validate.OneOf(("id", "email", "name")))
    names = fields.List(fields.String(), required=True)
    record = fields.Nested(RecordSchema, required=True)
    orders = fields.List(fields.Nested(AuditLineSchema), required=True)
    notes = fields.List(fields.Nested(NoteSchema), required=True)
    comments = fields.List(fields.Nested(LineSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class StandingNowSchema(Schema):
    """The order that stands."""

    id = fields.String(required=True)
    standing = fields.String(required=True, validate=validate.OneOf(standings.KINDS))
    until = fields.DateTime(allow_none=True, required=True)


class StoryPageSchema(Schema):
    """An article. `closed`: it takes no comments now, by order (`closed_at`) or by the site's rule (`closes_at`);
    `section`: the one for which the site has everything held, if it is in such a one."""

    id = fields.String(required=True)
    site = fields.Nested(NamedSchema, required=True)
    external_id = fields.String(required=True)
    title = fields.String(required=True)
    url = fields.String(required=True)
    published_at = fields.DateTime(allow_none=True, required=True)
    closed = fields.Boolean(required=True)
    closed_at = fields.DateTime(allow_none=True, required=True)
    closes_at = fields.DateTime(allow_none=True, required=True)
    premoderated = fields.Boolean(required=True)
    section = fields.String(allow_none=True, required=True)
    numbers = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    orders = fields.List(fields.Nested(AuditLineSchema), required=True)
    notes = fields.List(fields.Nested(NoteSchema), required=True)
    comments = fields.List(fields.Nested(LineSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class StoryOrdersNowSchema(Schema):
    """What is ordered for an article now."""

    id = fields.String(required=True)
    closed_at = fields.DateTime(allow_none=True, required=True)
    premoderated = fields.Boolean(required=True)


class LookSchema(Schema):
    """A decision of somebody else, of which only the comment is told."""

    id = fields.String(required=True)
    comment = fields.Nested(CardTextSchema, required=True)


class NextLookSchema(Schema):
    """How many wait for me, and the next (null where none does)."""

    waiting = fields.Integer(required=True)
    look = fields.Nested(LookSchema, allow_none=True, required=True)


class LookedSchema(Schema):
    """What the first person had decided, and whether we agree. Where not, the seniors are asked."""

    comment_id = fields.String(required=True)
    first_action = fields.String(required=True)
    agreed = fields.Boolean(required=True)


# --- statistics ---


class FiguresSchema(Schema):
    """Figures of a span. `at_once`: what became of texts without a person; `by_people`: decisions by action, `undo`
    among them; times in seconds, null where there are none."""

    start = fields.DateTime(required=True)
    end = fields.DateTime(required=True)
    received = fields.Integer(required=True)
    at_once = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    by_people = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    judged = fields.Integer(required=True, metadata={"description": "By the machine; `judged_alone`: and decided."})
    judged_alone = fields.Integer(required=True)
    looked_at = fields.Integer(required=True, metadata={"description": "Verdicts on which a person decided."})
    overturned = fields.Integer(required=True, metadata={"description": "Those decided otherwise."})
    wait_median = fields.Float(allow_none=True, required=True)
    wait_nine_of_ten = fields.Float(allow_none=True, required=True)


class PersonFiguresSchema(Schema):
    """A moderator's decisions by action, and in how many hours they decided."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    decisions = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    active_hours = fields.Integer(required=True)


class VerdictFiguresSchema(Schema):
    """Verdicts of one kind on which a person decided, and how many of them otherwise."""

    signal = fields.String(required=True, metadata={"description": "Or a reason's code; `none`: nothing against it."})
    language = fields.String(required=True)
    machine = fields.String(required=True, validate=validate.OneOf((statistics.APPROVE, "hold", "reject")))
    looked_at = fields.Integer(required=True)
    overturned = fields.Integer(required=True)


class AgreementSchema(Schema):
    """Second looks: how many were taken, and in how many two people agreed."""

    looked = fields.Integer(required=True)
    agreed = fields.Integer(required=True)


class StatisticsSchema(Schema):
    """Figures by hour or day, oldest first, and of all. `people`: everybody for seniors, else my own row.
    `oldest_at`: when the one came that has waited longest; `missing`: hours that are not counted yet."""

    slots = fields.List(fields.Nested(FiguresSchema), required=True)
    total = fields.Nested(FiguresSchema, required=True)
    people = fields.List(fields.Nested(PersonFiguresSchema), required=True)
    verdicts = fields.List(fields.Nested(VerdictFiguresSchema), required=True)
    second_looks = fields.Nested(AgreementSchema, required=True)
    oldest_at = fields.DateTime(allow_none=True, required=True)
    missing = fields.Integer(required=True)
