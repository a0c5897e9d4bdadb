"""The shapes of readers' reports."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from moderation.comments import reports
from moderation.comments.schemas import Strict, Text


class ReporterSchema(Strict):
    """Who reports: the site's own id of the reader, else their address. Either is kept as a keyed hash only."""

    external_id = Text(limit=255, allow_none=True, metadata={"description": "The site's own id of the reader."})
    ip = fields.IP(allow_none=True, metadata={"description": "Where the site has no id: the reader's address."})

    @validates_schema
    def _one(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("external_id") and not data.get("ip"):
            raise ValidationError("Say who reports: external_id, or ip.", field_name="external_id")


class ReportSchema(Strict):
    """A reader's report on a comment that is shown."""

    reason = fields.String(required=True, validate=validate.OneOf(reports.REASONS))
    text = Text(limit=reports.TEXT_CHARS, multiline=True, blank=True, metadata={"description": "In their own words."})
    reporter = fields.Nested(ReporterSchema, required=True)


class ReportFormSchema(Schema):
    """The browser form of a report."""

    reason = fields.String(required=True, validate=validate.OneOf(reports.REASONS))
    text = fields.String(metadata={"description": "In the reader's own words; at most 1000 characters."})
    moderation_token = fields.String(required=True, metadata={"description": "From GET …/token, of the same story."})


class ReportTakenSchema(Schema):
    """What a report is answered with. `created` false: this reader has reported the comment already."""

    id = fields.String(required=True)
    comment_id = fields.String(required=True)
    created = fields.Boolean(required=True)


class ReportThanksSchema(ReportTakenSchema):
    """What a reader's script gets: besides, a sentence in the site's language."""

    message = fields.String(required=True)
