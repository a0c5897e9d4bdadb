"""The shapes of jobs that apply a report, in the API."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from moderation.comments.schemas import Strict
from moderation.policy.document import APPROVE, REJECT
from moderation.rescoring.applying import HELD, LEFT, MOST_CHOSEN, RESTORED
from moderation.rescoring.diff import ACTIONS
from moderation.review.api_given_schemas import Truth
from moderation.review.bulk import TRANSITIONS
from moderation.signals import SIGNALS

OUTCOMES = (HELD, RESTORED, LEFT)


class Share(fields.Float):
    """A number, and no text that looks like one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValidationError("Not a number.")
        return super()._deserialize(value, attr, data, **kwargs)


class MovementSchema(Strict):
    """Comments of a run's report that move from one action to another. What waits in the queue already (`hold`) cannot
    be chosen."""

    was = fields.String(
        required=True, validate=validate.OneOf((APPROVE, REJECT)), metadata={"description": "The action that stands."}
    )
    would = fields.String(
        required=True, validate=validate.OneOf(ACTIONS), metadata={"description": "What the run would have done."}
    )
    signal = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.OneOf(SIGNALS),
        metadata={"description": "Only those for which this signal speaks."},
    )
    min_score = Share(
        load_default=0.0,
        validate=validate.Range(0, 1),
        metadata={
            "description": "Only those whose score is at least so much: the new score of a move to a stricter action, "
            "the old one of a move to a milder one."
        },
    )


class NewApplySchema(Strict):
    """What is to be put before people again."""

    movements = fields.List(
        fields.Nested(MovementSchema), required=True, validate=validate.Length(min=1, max=MOST_CHOSEN)
    )
    dry_run = Truth(load_default=False, metadata={"description": "Count, begin nothing: answers 200."})


class ApplyPreviewSchema(Schema):
    """What a job would meet now. Of `total` comments `decided` were decided by a person and stay; `changed` do not
    stand any more as the run found them, and stay; `queued` are put into the queue, `published` of them while they
    are shown."""

    movements = fields.List(fields.Nested(MovementSchema), required=True)
    total = fields.Integer(required=True)
    decided = fields.Integer(required=True)
    changed = fields.Integer(required=True)
    queued = fields.Integer(required=True)
    published = fields.Integer(required=True)


class ApplySchema(Schema):
    """A job that applies a report, or (`undoes`) takes another one back. `state`: running → done, cancelled or failed;
    paused in between. `done`: comments put into the queue, or restored; `left`: those left alone."""

    id = fields.String(required=True)
    run = fields.String(required=True)
    undoes = fields.String(allow_none=True, required=True)
    state = fields.String(required=True, validate=validate.OneOf(tuple(TRANSITIONS)))
    movements = fields.List(fields.Nested(MovementSchema), required=True)
    total = fields.Integer(required=True)
    done = fields.Integer(required=True)
    left = fields.Integer(required=True)
    share = fields.Float(required=True)
    seconds = fields.Integer(allow_none=True, required=True, metadata={"description": "Left, where they are known."})
    who = fields.String(required=True)
    error = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(allow_none=True, required=True)


class WholeApplySchema(ApplySchema):
    """A job with why it left comments alone (reason → how many), and the job that takes it back."""

    reasons_left = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    undone_by = fields.String(allow_none=True, required=True)


class ApplyListSchema(Schema):
    """The jobs of a run, newest first."""

    jobs = fields.List(fields.Nested(ApplySchema), required=True)


class ApplyItemsQuery(Schema):
    """A page of a job's comments."""

    outcome = fields.String(load_default=None, validate=validate.OneOf(OUTCOMES))
    after = fields.String(load_default=None, metadata={"description": "`next` of the page before."})


class ApplyItemSchema(Schema):
    """What became of a comment. `what`: `held`, `restored`, or why it was left alone: `decided` (by a person),
    `edited`, `withdrawn`, `held`, `changed`, `staff`, `escalated`, `error`."""

    comment_id = fields.String(required=True)
    author_name = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    what = fields.String(required=True)


class ApplyItemsSchema(Schema):
    """Fifty comments at most, by comment."""

    items = fields.List(fields.Nested(ApplyItemSchema), required=True)
    next = fields.String(allow_none=True, required=True)
