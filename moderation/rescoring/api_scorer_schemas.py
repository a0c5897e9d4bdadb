"""The shapes of scorers, their releases and the drift panel, in the API."""

from marshmallow import Schema, fields, validate

from moderation.rescoring import stability
from moderation.review.api_given_schemas import SiteQuery
from moderation.scoring import releases

STATES = (releases.CANDIDATE, releases.SHADOW, releases.LIVE, releases.RETIRED)


class OneSiteQuery(SiteQuery):
    """Of which site."""

    site = fields.String(required=True, metadata={"description": "A site's id (see GET /api/v1/me)."})


class PartSchema(Schema):
    """Who may speak for a signal of texts in a language, best first; `*` is any. The first part that fits counts."""

    language = fields.String(required=True)
    signal = fields.String(required=True)
    scorers = fields.List(fields.String(), required=True)


class LiveScorerSchema(Schema):
    """What judges now. `release` is null for the package's own artefact, and for Detoxify's weights."""

    scorer = fields.String(required=True)
    version = fields.String(required=True)
    site = fields.String(allow_none=True, required=True, metadata={"description": "Null: on all sites."})
    release = fields.String(allow_none=True, required=True)


class ReleaseSchema(Schema):
    """A version of a scorer. `objections`: what its report says against it; null before there is a report."""

    id = fields.String(required=True)
    site = fields.String(allow_none=True, required=True, metadata={"description": "Null: for all sites."})
    scorer = fields.String(required=True)
    version = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    objections = fields.List(fields.String(), allow_none=True, required=True)
    report = fields.Dict(required=True, metadata={"description": "As `moderation scorers report --json` gives it."})
    created_by = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    changed_by = fields.String(required=True)
    changed_at = fields.DateTime(required=True)


class ScorersSchema(Schema):
    """Who speaks on my sites, and the releases that concern them, newest first."""

    composition = fields.List(fields.Nested(PartSchema), required=True)
    live = fields.List(fields.Nested(LiveScorerSchema), required=True)
    releases = fields.List(fields.Nested(ReleaseSchema), required=True)


class PaceSchema(Schema):
    """How scoring keeps up in a span. `whole`: `comments` are all of it, and not a sample."""

    start = fields.DateTime(required=True)
    end = fields.DateTime(required=True)
    comments = fields.Integer(required=True)
    whole = fields.Boolean(required=True)
    unscored = fields.Integer(required=True)
    timed = fields.Integer(required=True)
    median_seconds = fields.Float(allow_none=True, required=True)
    p95_seconds = fields.Float(allow_none=True, required=True)


class StabilitySchema(Schema):
    """Scores against those of the reference: the population stability index, and its band; `few` where chance alone may
    reach the first band (docs/scorers.md)."""

    state = fields.String(
        required=True,
        validate=validate.OneOf((stability.STABLE, stability.MOVED, stability.SHIFTED, stability.FEW)),
    )
    index = fields.Float(allow_none=True, required=True)
    comments = fields.Integer(required=True)
    reference = fields.Integer(required=True)
    edges = fields.List(fields.Float(), required=True, metadata={"description": "Inner edges of the bins, rising."})
    expected = fields.List(fields.Float(), required=True, metadata={"description": "Shares of the reference by bin."})
    found = fields.List(fields.Float(), required=True)


class OverSchema(Schema):
    """The share of comments at or above the hold mark."""

    reference = fields.Float(allow_none=True, required=True)
    week = fields.Float(allow_none=True, required=True)
    day = fields.Float(allow_none=True, required=True)


class SpreadSchema(Schema):
    """The scores of a signal. `language` null: in all of them."""

    scorer = fields.String(required=True)
    version = fields.String(required=True)
    signal = fields.String(required=True)
    language = fields.String(allow_none=True, required=True)
    hold = fields.Float(allow_none=True, required=True, metadata={"description": "The live policy's mark."})
    over = fields.Nested(OverSchema, required=True)
    week = fields.Nested(StabilitySchema, required=True)
    day = fields.Nested(StabilitySchema, required=True)


class ShadowMoveSchema(Schema):
    """Comments by what is decided live and what would be with the shadow's scores."""

    live = fields.String(required=True)
    shadow = fields.String(required=True)
    n = fields.Integer(required=True)


class ShadowLanguageSchema(Schema):
    """Of a language's comments those that would be decided differently."""

    language = fields.String(required=True)
    comments = fields.Integer(required=True)
    differing = fields.Integer(required=True)


class DifferenceSchema(Schema):
    """The shadow's score less the live one: its mean, the mean of its size, and the size that 95 of 100 do not
    exceed."""

    signal = fields.String(required=True)
    language = fields.String(allow_none=True, required=True)
    comments = fields.Integer(required=True)
    mean = fields.Float(required=True)
    mean_size = fields.Float(required=True)
    p95_size = fields.Float(required=True)


class ShadowAgreementSchema(Schema):
    """People's decisions on these comments, and with how many of them each agrees."""

    decisions = fields.Integer(required=True)
    live = fields.Integer(required=True)
    shadow = fields.Integer(required=True)


class ShadowFiguresSchema(Schema):
    """A shadow beside what is live, on the comments of the last week that both have judged."""

    release = fields.String(required=True)
    scorer = fields.String(required=True)
    version = fields.String(required=True)
    comments = fields.Integer(required=True)
    differing = fields.Integer(required=True)
    moves = fields.List(fields.Nested(ShadowMoveSchema), required=True)
    languages = fields.List(fields.Nested(ShadowLanguageSchema), required=True)
    differences = fields.List(fields.Nested(DifferenceSchema), required=True)
    people = fields.Nested(ShadowAgreementSchema, required=True)


class DriftSchema(Schema):
    """The drift panel of a site: the last day and week against the reference, the four weeks before that week."""

    at = fields.DateTime(required=True)
    site = fields.String(required=True)
    day = fields.Nested(PaceSchema, required=True)
    week = fields.Nested(PaceSchema, required=True)
    reference = fields.Nested(PaceSchema, required=True)
    spreads = fields.List(fields.Nested(SpreadSchema), required=True)
    shadows = fields.List(fields.Nested(ShadowFiguresSchema), required=True)
