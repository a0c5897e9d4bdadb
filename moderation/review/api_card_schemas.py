"""The shapes of a comment in the JSON queue: the card, its history, what was told of it. Ids are strings."""

from marshmallow import Schema, fields, validate

from moderation.accounts.moderators import ROLES
from moderation.comments import standings
from moderation.comments.status import STATUSES
from moderation.signals import SIGNALS


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
    """The decision that stands. `by`: who made it; `who` is a moderator's name, and empty elsewhere."""

    action = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)
    who = fields.String(required=True)
    at = fields.DateTime(required=True)
    by_machine = fields.Boolean(required=True)
    by = fields.String(required=True, validate=validate.OneOf(("moderator", "staff", "import", "policy")))


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
