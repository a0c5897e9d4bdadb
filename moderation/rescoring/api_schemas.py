"""The shapes of rescore runs in the API. Bodies are strict: unknown fields and coerced types are refused."""

from marshmallow import Schema, fields, validate

from moderation.comments.schemas import Strict
from moderation.rescoring import report, runs
from moderation.rescoring.diff import ACTIONS
from moderation.review.api_given_schemas import Number, Truth
from moderation.review.bulk import TRANSITIONS
from moderation.review.filters import MAX_LENGTH


class NewRunSchema(Strict):
    """What is to be judged again, by what."""

    site = Number(required=True)
    q = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_LENGTH),
        metadata={"description": "As in the search (docs/search.md); empty: every comment."},
    )
    scorer = fields.String(
        required=True,
        validate=validate.Length(1, 120),
        metadata={"description": "`builtin`, `newsroom` or `detoxify`, alone or with a release or version behind @."},
    )
    policy = fields.String(
        load_default="",
        validate=validate.Length(max=30),
        metadata={"description": "`7` for a version, `draft:7` for a draft; empty: the live policy."},
    )
    device = fields.String(load_default=runs.CPU, validate=validate.OneOf(runs.DEVICES))
    dry_run = Truth(load_default=False, metadata={"description": "Count and show, begin nothing: answers 200."})


class PlanSampleSchema(Schema):
    """A comment that matches."""

    comment_id = fields.String(required=True)
    author_name = fields.String(required=True)
    status = fields.String(required=True)
    text = fields.String(required=True)


class PlanSchema(Schema):
    """What a run would meet. `live`: the version is the one that judges now."""

    site = fields.String(required=True)
    q = fields.String(required=True)
    scorer = fields.String(required=True)
    version = fields.String(required=True)
    live = fields.Boolean(required=True)
    device = fields.String(required=True)
    policy_version = fields.Integer(required=True)
    draft = fields.String(allow_none=True, required=True)
    total = fields.Integer(required=True)
    sample = fields.List(fields.Nested(PlanSampleSchema), required=True)


class RunSchema(Schema):
    """A rescore run. `state`: running → done, cancelled or failed; paused in between. `error`: what hinders it."""

    id = fields.String(required=True)
    site = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(tuple(TRANSITIONS)))
    q = fields.String(required=True)
    scorer = fields.String(required=True)
    version = fields.String(required=True)
    device = fields.String(required=True)
    policy_version = fields.Integer(required=True)
    draft = fields.String(allow_none=True, required=True)
    total = fields.Integer(required=True, metadata={"description": "How many matched when it began."})
    who = fields.String(required=True)
    error = fields.String(required=True)
    yielded = fields.Integer(required=True, metadata={"description": "How often it gave way to live comments."})
    yielded_seconds = fields.Float(required=True)
    created_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(allow_none=True, required=True)


class RunProgressSchema(Schema):
    """How far a run is. `comments` were dealt with: `scored` by the model, `reused` from equal texts, `failed`, or
    `left` out (withdrawn, not judged yet). `rate` per second and `seconds` left where they are known."""

    comments = fields.Integer(required=True)
    scored = fields.Integer(required=True)
    reused = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    left = fields.Integer(required=True)
    remaining = fields.Integer(required=True)
    share = fields.Float(required=True)
    rate = fields.Float(allow_none=True, required=True)
    seconds = fields.Integer(allow_none=True, required=True)


class WholeRunSchema(RunSchema):
    """A run with its progress."""

    progress = fields.Nested(RunProgressSchema, required=True)


class RunListSchema(Schema):
    """Runs of my sites, newest first, the latest hundred."""

    runs = fields.List(fields.Nested(RunSchema), required=True)


class PeopleSchema(Schema):
    """The machine's verdicts against people's; to hold is to suspect. A share of nothing is null."""

    decisions = fields.Integer(required=True)
    right = fields.Integer(required=True)
    false_alarm = fields.Integer(required=True)
    missed = fields.Integer(required=True)
    quiet = fields.Integer(required=True)
    precision = fields.Float(allow_none=True, required=True)
    recall = fields.Float(allow_none=True, required=True)
    overturn_rate = fields.Float(allow_none=True, required=True)


def _counted() -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class DiffReportSchema(Schema):
    """What the new scores would change. A movement is written `approve>hold`; `changes` count, for each signal,
    comments by how much their score changed, -1.0 to 1.0."""

    comments = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    moved = fields.Integer(required=True)
    matrix = _counted()
    decided_by_people = _counted()
    languages = fields.Dict(keys=fields.String(), values=_counted(), required=True)
    signals = fields.Dict(keys=fields.String(), values=_counted(), required=True)
    changes = fields.Dict(keys=fields.String(), values=_counted(), required=True)
    people = fields.Dict(keys=fields.String(), values=fields.Nested(PeopleSchema), required=True)


class ReportSampleSchema(Schema):
    """A comment that would move. `signal`, `before`, `after`: the score that speaks for it. `decided`: what a person
    decided on this text."""

    comment_id = fields.String(required=True)
    author_name = fields.String(required=True)
    story_title = fields.String(required=True)
    language = fields.String(required=True)
    text = fields.String(required=True)
    was = fields.String(required=True)
    would = fields.String(required=True)
    signal = fields.String(allow_none=True, required=True)
    before = fields.Float(allow_none=True, required=True)
    after = fields.Float(allow_none=True, required=True)
    surprise = fields.Float(required=True, metadata={"description": "0 to 2; the greatest come first."})
    decided = fields.String(allow_none=True, required=True)


class ReportSamplesSchema(Schema):
    """Twenty comments of a movement at most, the most surprising first."""

    samples = fields.List(fields.Nested(ReportSampleSchema), required=True)


class SamplesQuery(Schema):
    """Which movement, and how many of its comments to pass over."""

    was = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    would = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    skip = fields.Integer(load_default=0, validate=validate.Range(0, report.DEEPEST))
