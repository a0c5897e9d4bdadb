"""The shapes of authors, articles, second looks and figures in the JSON queue. Ids are strings."""

from marshmallow import Schema, fields, validate

from moderation.comments import standings
from moderation.comments.status import STATUSES
from moderation.review import statistics
from moderation.review.api_card_schemas import CardTextSchema, NamedSchema, NoteSchema, RecordSchema


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
