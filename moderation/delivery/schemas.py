"""The shapes of the delivery API: endpoints, deliveries and pulling. Strict: unknown fields are refused."""

from marshmallow import RAISE, Schema, fields, validate

from moderation.delivery.endpoints import DISABLED, FAILING, PAUSED, WORKS
from moderation.delivery.outbox import DEAD, STATES

MAX_IDS = 500
"""Deliveries of one replay, events of one confirmation and of one page."""


class Strict(Schema):
    """Refuses what it does not know, so that a misspelt field is an error and not a silent loss."""

    class Meta:
        unknown = RAISE


class NewEndpointSchema(Strict):
    """A further address to be told at. https, or a network that the installation allows."""

    url = fields.String(required=True, validate=validate.Length(1, 2000))


class EndpointPatchSchema(Strict):
    """What is to change: the address, whether it is told at all."""

    url = fields.String(validate=validate.Length(1, 2000))
    enabled = fields.Boolean(truthy={True}, falsy={False})


class EndpointSchema(Schema):
    """An endpoint. `paused`: it failed again and again or a person paused it, its events wait; `next_try_at` is the
    next try, null where a person paused. `disabled`: by a person, or it answered 410. `reason` says why."""

    id = fields.String(required=True)
    url = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf((WORKS, FAILING, PAUSED, DISABLED)))
    reason = fields.String(required=True)
    failures = fields.Integer(required=True, metadata={"description": "Failed attempts in a row."})
    failing_since = fields.DateTime(allow_none=True, required=True)
    paused_at = fields.DateTime(allow_none=True, required=True)
    next_try_at = fields.DateTime(allow_none=True, required=True)
    last_ok_at = fields.DateTime(allow_none=True, required=True)
    waiting = fields.Integer(required=True, metadata={"description": "Events that have not reached it."})
    created_at = fields.DateTime(required=True)


class EndpointListSchema(Schema):
    """The site's endpoints, oldest first."""

    endpoints = fields.List(fields.Nested(EndpointSchema), required=True)


class RemovedSchema(Schema):
    """What became of its open events: handed to another endpoint or to pulling, or closed because others have them."""

    handed_over = fields.Integer(required=True)
    closed = fields.Integer(required=True)


class SentSchema(Schema):
    """A test event is under way; look at its delivery for the answer."""

    delivery = fields.String(required=True)
    event_id = fields.String(required=True)


class DeliverySchema(Schema):
    """One event for one endpoint. `endpoint` null: it waits for pulling. `sequence` orders the events of a comment."""

    id = fields.String(required=True)
    event_id = fields.String(required=True)
    type = fields.String(required=True)
    comment = fields.String(allow_none=True, required=True)
    sequence = fields.Integer(required=True)
    endpoint = fields.String(allow_none=True, required=True)
    url = fields.String(allow_none=True, required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    attempts = fields.Integer(required=True)
    last_status = fields.Integer(allow_none=True, required=True)
    last_error = fields.String(required=True)
    due_at = fields.DateTime(required=True)
    created_at = fields.DateTime(required=True)
    finished_at = fields.DateTime(allow_none=True, required=True)


class DeliveryListSchema(Schema):
    """A page of deliveries, newest first. `next`: the `after` of the next page."""

    deliveries = fields.List(fields.Nested(DeliverySchema), required=True)
    next = fields.String(allow_none=True, required=True)


class AttemptSchema(Schema):
    """One try: what was answered, and how long it took."""

    at = fields.DateTime(required=True)
    status = fields.Integer(allow_none=True, required=True)
    error = fields.String(required=True)
    milliseconds = fields.Integer(required=True)


class DeliveryDetailSchema(DeliverySchema):
    """A delivery with its payload and every try."""

    payload = fields.Dict(required=True)
    tries = fields.List(fields.Nested(AttemptSchema), required=True)


class DeliveryQuery(Schema):
    """Which deliveries, and which page of them."""

    state = fields.String(validate=validate.OneOf(STATES))
    endpoint = fields.Integer(metadata={"description": "An endpoint's id."})
    limit = fields.Integer(metadata={"description": "1 to 500; 50 unless told."})
    after = fields.Integer(metadata={"description": "`next` of the page before."})


class ReplaySchema(Strict):
    """Either `ids`, or all of state `dead`, of one endpoint if it is named."""

    ids = fields.List(fields.Integer(strict=False, validate=validate.Range(1)), validate=validate.Length(1, MAX_IDS))
    state = fields.String(validate=validate.OneOf((DEAD,)))
    endpoint = fields.Integer(strict=False, validate=validate.Range(1))


class ReplayedSchema(Schema):
    """How many are due again; `skipped` are ids that are not the site's, still being tried, or overtaken."""

    replayed = fields.Integer(required=True)
    skipped = fields.List(fields.String(), required=True)


class PulledSchema(Schema):
    """An event as its webhook would have carried it, and its place in this pass."""

    cursor = fields.String(required=True)
    event_id = fields.String(required=True)
    type = fields.String(required=True)
    timestamp = fields.DateTime(required=True)
    data = fields.Dict(required=True)


class PulledListSchema(Schema):
    """Events that are due and unconfirmed, oldest first. `next`: the `after` of the next page; null when none came."""

    decisions = fields.List(fields.Nested(PulledSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class PullQuery(Schema):
    """Which page of this pass."""

    limit = fields.Integer(metadata={"description": "1 to 500; 100 unless told."})
    after = fields.Integer(metadata={"description": "The last cursor of the page before; none: a new pass."})


class ConfirmSchema(Strict):
    """Events that the site has kept."""

    event_ids = fields.List(
        fields.String(validate=validate.Length(1, 60)), required=True, validate=validate.Length(1, MAX_IDS)
    )


class ConfirmedSchema(Schema):
    """How many of them are confirmed now, however often they were; `unknown` are no events of this site."""

    class Meta:
        include = {"unknown": fields.List(fields.String(), required=True)}  # noqa: RUF012 a schema has another `unknown`

    confirmed = fields.Integer(required=True)
