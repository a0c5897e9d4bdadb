"""The shapes of submitted labels."""

from marshmallow import Schema, fields, validate

from moderation.comments import labels
from moderation.comments.schemas import Strict


class LabelSchema(Strict):
    """What the site's own people say that a comment is."""

    label = fields.String(
        required=True,
        validate=validate.OneOf(labels.LABELS),
        metadata={"description": "`ham`: no spam. It says nothing of how rude a comment is."},
    )


class LabelTakenSchema(Schema):
    """What a label is answered with. `changed` false: the site has said so before. `outranked`: a moderator decided on
    this text, and that is what is learned from."""

    comment_id = fields.String(required=True)
    revision = fields.Integer(required=True)
    label = fields.String(required=True)
    changed = fields.Boolean(required=True)
    outranked = fields.Boolean(required=True)
