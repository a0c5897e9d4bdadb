"""The shapes of policies, drafts and what they would do, in the API. Bodies are strict; a policy's own fields are
checked by the policy (policy/document.py) and named as they stand in the body: `document.bands.builtin.spam.hold`."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from moderation.comments.schemas import Strict
from moderation.policy.drafts import MAX_NAME
from moderation.rescoring import advice, columns, simulator
from moderation.review.api_given_schemas import SiteQuery, Truth

DOCUMENT = "A policy as docs/concepts.md describes it: mode, bands, word_lists and so on."
SEEN = "The draft's `updated_at` as you read it; another one by now is a conflict."
SEEN_LIVE = "The live version that you saw; another one by now is a conflict."
WHICH = "A version's number, `live`, or `draft:7`."

MAX_SAMPLES = 20


def _version(description: str) -> fields.Integer:
    return fields.Integer(
        strict=True, required=True, validate=validate.Range(0, 2**31 - 1), metadata={"description": description}
    )


def _name(**kwargs: Any) -> fields.String:
    return fields.String(
        validate=validate.Length(max=MAX_NAME, error=f"A name has at most {MAX_NAME} characters."), **kwargs
    )


def _seen() -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", required=True, metadata={"description": SEEN})


# --- what is sent ---


class NewDraftSchema(Strict):
    """A draft; without `document` it begins as the live policy."""

    name = _name(load_default="")
    document = fields.Dict(keys=fields.String(), load_default=None, metadata={"description": DOCUMENT})


class EditDraftSchema(Strict):
    """What is not named stays."""

    name = _name()
    document = fields.Dict(keys=fields.String(), metadata={"description": DOCUMENT})
    seen = _seen()

    @validates_schema
    def _something(self, data: dict[str, Any], **_: Any) -> None:
        if "name" not in data and "document" not in data:
            raise ValidationError("Name a document, a name, or both.", "document")


class PublishSchema(Strict):
    """Make a draft the next version, as you saw it and beside the live one that you saw."""

    seen = _seen()
    seen_live = _version(SEEN_LIVE)


class RevertSchema(Strict):
    """Publish an old version's document once more."""

    version = _version("The old version; 0 is the default that every site begins with.")
    seen_live = _version(SEEN_LIVE)


class SwitchSchema(Strict):
    """Whether a draft judges live comments beside the live policy, and is counted."""

    on = Truth(required=True)


# --- queries ---


class DifferenceQuery(Schema):
    """What is compared."""

    old = fields.String(required=True, metadata={"description": WHICH})
    new = fields.String(load_default="live", metadata={"description": WHICH})


class SimulationQuery(Schema):
    """How much is looked at, and shown."""

    last = fields.Integer(load_default=simulator.USUAL, validate=validate.Range(1, columns.MOST))
    samples = fields.Integer(
        load_default=simulator.SAMPLES,
        validate=validate.Range(0, MAX_SAMPLES),
        metadata={"description": "Comments that stand for each movement."},
    )


class AdviceQuery(Schema):
    """Which precision is wanted, of how many comments."""

    precision = fields.Float(load_default=advice.USUAL_PRECISION, validate=validate.Range(0.01, 1))
    last = fields.Integer(load_default=columns.MOST, validate=validate.Range(1, columns.MOST))


class PoliciesQuery(SiteQuery):
    """Of one site only, or of all of mine."""


# --- what is answered ---


class PolicyChangeSchema(Schema):
    """One thing that differs: values `before` and `after`, or, of lists, what was `added` and `removed`."""

    field = fields.String(required=True)
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)
    added = fields.List(fields.String())
    removed = fields.List(fields.String())


class PolicyVersionSchema(Schema):
    """A version. 0 is the default that every site begins with: nobody made it."""

    site = fields.String(required=True)
    version = fields.Integer(required=True)
    created_at = fields.DateTime(allow_none=True, required=True)
    created_by = fields.String(required=True)


class WholePolicyVersionSchema(PolicyVersionSchema):
    """A version with its document."""

    document = fields.Dict(required=True, metadata={"description": DOCUMENT})


class PolicyListSchema(Schema):
    """What is live on my sites."""

    policies = fields.List(fields.Nested(WholePolicyVersionSchema), required=True)


class PastVersionSchema(PolicyVersionSchema):
    """A version and what it changed of the one before."""

    changes = fields.List(fields.Nested(PolicyChangeSchema), required=True)


class PolicyHistorySchema(Schema):
    """Every version of a site's policy, the live one first."""

    versions = fields.List(fields.Nested(PastVersionSchema), required=True)


class PolicyDifferenceSchema(Schema):
    """What makes the new one out of the old one."""

    changes = fields.List(fields.Nested(PolicyChangeSchema), required=True)


class DraftSchema(Schema):
    """A draft. `based_on`: the version that was live when it was begun. `published_version`: null while it is open."""

    id = fields.String(required=True)
    site = fields.String(required=True)
    name = fields.String(required=True)
    based_on = fields.Integer(required=True)
    shadow = fields.Boolean(required=True)
    created_by = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)
    published_version = fields.Integer(allow_none=True, required=True)


class WholeDraftSchema(DraftSchema):
    """A draft with its document, and what it changes of the live policy, whose version is `live`."""

    document = fields.Dict(required=True, metadata={"description": DOCUMENT})
    live = fields.Integer(required=True)
    changes = fields.List(fields.Nested(PolicyChangeSchema), required=True)


class DraftListSchema(Schema):
    """A site's open drafts, the one changed last first."""

    drafts = fields.List(fields.Nested(DraftSchema), required=True)


class ShadowCountSchema(Schema):
    """Comments of which the live policy said `live` and the shadow `shadow`."""

    live = fields.String(required=True)
    shadow = fields.String(required=True)
    n = fields.Integer(required=True)


class ShadowSchema(Schema):
    """What a draft's shadow has said since it was switched on; `since` and `until` are hours."""

    on = fields.Boolean(required=True)
    total = fields.Integer(required=True)
    differing = fields.Integer(required=True)
    since = fields.DateTime(allow_none=True, required=True)
    until = fields.DateTime(allow_none=True, required=True)
    counts = fields.List(fields.Nested(ShadowCountSchema), required=True)


class CountedSchema(Schema):
    """How many comments, and of those that people decided how many they approved and rejected."""

    n = fields.Integer(required=True)
    approved_by_people = fields.Integer(required=True)
    rejected_by_people = fields.Integer(required=True)


def _by_action() -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=fields.Nested(CountedSchema), required=True)


class CellSchema(CountedSchema):
    """Comments by what stands, what the live policy says and what the draft says."""

    stands = fields.String(required=True)
    live = fields.String(required=True)
    draft = fields.String(required=True)


class SimulationSampleSchema(Schema):
    """A comment that would move. `signals` and `rules` are what speaks differently for it."""

    id = fields.Integer(required=True)
    text = fields.String(required=True, metadata={"description": "Cut after 240 characters."})
    language = fields.String(allow_none=True, required=True)
    stands = fields.String(required=True)
    decided_by_people = fields.String(allow_none=True, required=True)
    signals = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    rules = fields.List(fields.String(), required=True)


class SimulationMovementSchema(CountedSchema):
    """Comments on which the two differ."""

    live = fields.String(required=True)
    draft = fields.String(required=True)
    samples = fields.List(fields.Nested(SimulationSampleSchema))


class EffectSchema(Schema):
    """What one part of the draft does alone, all else as it is live."""

    field = fields.String(required=True)
    before = fields.Raw(allow_none=True, required=True)
    after = fields.Raw(allow_none=True, required=True)
    movements = fields.List(fields.Nested(SimulationMovementSchema), required=True)


class SimulatedMarksSchema(Schema):
    """Marks of a signal (absent: none), and how many comments are at or above them."""

    hold = fields.Float()
    reject = fields.Float(allow_none=True)
    over_hold = fields.Integer(required=True)
    over_reject = fields.Integer(required=True)


class SimulatedSignalSchema(Schema):
    """A signal as a scorer measures it. `spread`: comments in each of 50 bins from 0 to 1."""

    scorer = fields.String(required=True)
    signal = fields.String(required=True)
    measured = fields.Integer(required=True)
    live = fields.Nested(SimulatedMarksSchema, required=True)
    draft = fields.Nested(SimulatedMarksSchema, required=True)
    spread = fields.List(fields.Integer(), required=True)


class HeldPerDaySchema(Schema):
    """Comments a day that people would have to read."""

    live = fields.Float(required=True)
    draft = fields.Float(required=True)


class SimulationSchema(Schema):
    """What a draft would have done with its site's last comments; see docs/policies.md."""

    comments = fields.Integer(required=True)
    unscored = fields.Integer(required=True, metadata={"description": "Left out: no scorer has judged them."})
    days = fields.Integer(required=True)
    seconds = fields.Float(required=True)
    live = _by_action()
    draft = _by_action()
    stands = _by_action()
    cells = fields.List(fields.Nested(CellSchema), required=True)
    held_per_day = fields.Nested(HeldPerDaySchema, required=True)
    movements = fields.List(fields.Nested(SimulationMovementSchema), required=True)
    effects = fields.List(fields.Nested(EffectSchema), required=True)
    signals = fields.List(fields.Nested(SimulatedSignalSchema), required=True)


class AdvicePointSchema(Schema):
    """A mark, the decided comments at or above it, those that passed unread and count as approved, and what follows."""

    mark = fields.Float(required=True)
    decided = fields.Integer(required=True)
    rejected = fields.Integer(required=True)
    unread = fields.Integer(required=True)
    precision = fields.Float(allow_none=True, required=True)
    recall = fields.Float(allow_none=True, required=True)
    precision_low = fields.Float(required=True)
    precision_high = fields.Float(required=True)


class AdviceSchema(Schema):
    """The lowest mark that reaches the wanted precision. `state`: `few` decisions, `reached`, or `never`."""

    scorer = fields.String(required=True)
    signal = fields.String(required=True)
    wanted_precision = fields.Float(required=True)
    state = fields.String(required=True, validate=validate.OneOf((advice.FEW, advice.REACHED, advice.NEVER)))
    decisions = fields.Integer(required=True)
    rejections = fields.Integer(required=True)
    mark = fields.Float(allow_none=True, required=True)
    mark_low = fields.Float(allow_none=True, required=True)
    mark_high = fields.Float(allow_none=True, required=True)
    at_mark = fields.Nested(AdvicePointSchema, allow_none=True, required=True)
    read = fields.Float(allow_none=True, required=True)
    curve = fields.List(fields.Nested(AdvicePointSchema), required=True)


class AdviceListSchema(Schema):
    """Advice on each signal that any scorer has measured."""

    advice = fields.List(fields.Nested(AdviceSchema), required=True)
