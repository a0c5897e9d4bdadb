"""What the JSON queue is sent: bodies and queries. Bodies are strict: unknown fields and coerced types are refused.
Ids are strings."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from moderation.comments import standings
from moderation.comments.schemas import Strict
from moderation.review import bulk, campaigns, decisions, queue, second_looks, selected

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
        fields.Nested(SelectedSchema), required=True, validate=validate.Length(min=1, max=selected.SELECTED)
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
