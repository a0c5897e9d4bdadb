"""The shapes of the comment API, strict: unknown fields, coerced types and over-long texts are refused."""

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from moderation import parsing
from moderation.comments import form
from moderation.comments.html import to_text
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput, TextInput
from moderation.comments.status import STATUSES
from moderation.errors import InvalidInput

TEXT_BYTES = form.COMMENT_BYTES

OUTCOMES = ("created", "revised", "unchanged", "ignored", "withdrawn")
"""What intake did (intake.Taken)."""

MAX_BATCH = 500
"""Comments of one batch."""


class Text(fields.String):
    """A string without NUL, lone surrogates and control characters, of limited length, not blank unless allowed."""

    def __init__(self, *, limit: int, multiline: bool = False, blank: bool = False, **kwargs: Any) -> None:
        self.limit, self.multiline, self.blank = limit, multiline, blank
        super().__init__(validate=validate.Length(max=limit), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:  # noqa: ARG002 its signature
        if not isinstance(value, str):
            raise ValidationError("Not a string.")
        try:
            return parsing.clean_text(
                value,
                attr or "text",
                max_chars=self.limit,
                max_bytes=self.limit,
                multiline=self.multiline,
                required=not self.blank,
            )
        except InvalidInput as error:
            raise ValidationError(error.message) from None


class Strict(Schema):
    """Refuses what it does not know, so that a misspelt field is an error and not a silent loss."""

    class Meta:
        unknown = RAISE


class StorySchema(Strict):
    """The article that a comment stands under."""

    external_id = Text(limit=255, required=True, metadata={"description": "The site's own id of the article."})
    url = fields.Url(required=True, schemes={"http", "https"}, require_tld=False, validate=validate.Length(max=2000))
    title = Text(limit=500, required=True)
    section = Text(limit=100, allow_none=True, metadata={"description": "The section it stands in, such as `politik`."})
    published_at = fields.AwareDateTime(format="iso", allow_none=True)


class AuthorSchema(Strict):
    """The reader. `email` and `ip` are kept as keyed hashes only; trust grows by `external_id` alone."""

    external_id = Text(limit=255, allow_none=True)
    name = Text(limit=form.AUTHOR_BYTES, required=True)
    email = Text(limit=form.EMAIL_BYTES, blank=True, allow_none=True)
    url = Text(limit=form.URL_BYTES, blank=True, allow_none=True)
    ip = fields.IP(allow_none=True)
    user_agent = Text(limit=1000, blank=True, allow_none=True)
    role = fields.String(
        validate=validate.OneOf(("reader", "staff")),
        metadata={"description": "`staff`: one of the site's own people; approved at once and marked so."},
    )


class CommentSchema(Strict):
    """One comment. The same again answers as the first did; another text under the same external_id is 409."""

    external_id = Text(limit=255, required=True, metadata={"description": "The site's own id of the comment."})
    story = fields.Nested(StorySchema, required=True)
    parent_external_id = Text(limit=255, allow_none=True)
    author = fields.Nested(AuthorSchema, required=True)
    text = Text(limit=TEXT_BYTES, multiline=True, required=True)
    format = fields.String(
        load_default="plain",
        validate=validate.OneOf(("plain", "html")),
        metadata={"description": "`html` is kept as sent and stripped to the text that people read."},
    )
    created_at = fields.AwareDateTime(format="iso", allow_none=True)
    language = Text(
        limit=35, allow_none=True, metadata={"description": "A hint only; the scorer finds the language itself."}
    )

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        author = data["author"]
        if data["format"] == "html" and parsing.is_blank(to_text(data["text"])[0]):
            raise ValidationError("The text is empty once its HTML is stripped.", field_name="text")
        ip = author.get("ip")
        return {
            "revision": data.get("revision"),
            "comment": CommentInput(
                external_id=data["external_id"],
                story=StoryInput(**data["story"]),
                author=AuthorInput(
                    name=author["name"],
                    external_id=author.get("external_id"),
                    email=(author.get("email") or "").strip() or None,
                    url=form.clean_url(author["url"]) if author.get("url") else None,
                    ip=str(ip) if ip is not None else None,
                    staff=author.get("role") == "staff",
                ),
                text=data["text"],
                format=data["format"],
                parent_external_id=data.get("parent_external_id"),
                created_at=data.get("created_at"),
                language=data.get("language"),
            ),
        }


class BatchSchema(Strict):
    """Up to 500 comments. Each is checked and answered for itself."""

    comments = fields.List(
        fields.Raw(allow_none=True),
        required=True,
        validate=validate.Length(1, MAX_BATCH),
        metadata={"items": {"$ref": "#/components/schemas/Comment"}},
    )


class EditSchema(Strict):
    """A new text: a new revision, judged anew. It counts as newer than everything that was sent before."""

    text = Text(limit=TEXT_BYTES, multiline=True, required=True)
    format = fields.String(load_default="plain", validate=validate.OneOf(("plain", "html")))

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if data["format"] == "html" and parsing.is_blank(to_text(data["text"])[0]):
            raise ValidationError("The text is empty once its HTML is stripped.", field_name="text")
        return {"text": TextInput(data["text"], data["format"])}


class EventCommentSchema(CommentSchema):
    """The data of comment.created and comment.updated: a comment, and optionally the site's own revision count."""

    revision = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 2**53))


class DeletedSchema(Strict):
    """The data of comment.deleted."""

    external_id = Text(limit=255, required=True)
    revision = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 2**53))


class EventSchema(Strict):
    """A Standard Webhooks event of the site; `data` is a comment, for comment.deleted its external_id alone."""

    type = fields.String(
        required=True, validate=validate.OneOf(("comment.created", "comment.updated", "comment.deleted"))
    )
    timestamp = fields.AwareDateTime(format="iso", required=True)
    data = fields.Dict(keys=fields.String(), required=True)


class TakenSchema(Schema):
    """What intake answers."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    revision = fields.Integer(required=True)


class EventAnswerSchema(TakenSchema):
    """What an event, an edit or a deletion did."""

    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class BatchItemSchema(Schema):
    """What came of one comment of a batch: stored (`created`), known (`unchanged`, `withdrawn`), or `refused` with the
    error that it would have got alone."""

    index = fields.Integer(required=True)
    external_id = fields.String(allow_none=True, required=True)
    outcome = fields.String(required=True, validate=validate.OneOf((*OUTCOMES, "refused")))
    id = fields.String(allow_none=True, required=True)
    status = fields.String(allow_none=True, required=True)
    revision = fields.Integer(allow_none=True, required=True)
    error = fields.Nested(lambda: ErrorDetailSchema(), allow_none=True, required=True)


class BatchAnswerSchema(Schema):
    """One result per comment, in the order of the request, and how many were stored, known and refused."""

    results = fields.List(fields.Nested(BatchItemSchema), required=True)
    stored = fields.Integer(required=True)
    known = fields.Integer(required=True)
    refused = fields.Integer(required=True)


class ReasonSchema(Schema):
    """One rule that fired."""

    code = fields.String(required=True)
    action = fields.String(required=True)
    weight = fields.Float(required=True)
    signal = fields.String(allow_none=True, required=True)
    value = fields.Float(allow_none=True, required=True)
    detail = fields.String(required=True)
    spans = fields.List(fields.List(fields.Integer()), required=True)


class DecisionSchema(Schema):
    """The decision that stands. `by`: moderator, policy, staff (the author is one of the site) or import."""

    sequence = fields.Integer(required=True)
    action = fields.String(required=True)
    reason = fields.String(allow_none=True, required=True)
    by = fields.String(required=True)
    at = fields.DateTime(required=True)


class CommentStateSchema(Schema):
    """A comment as it stands."""

    id = fields.String(required=True)
    external_id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    revision = fields.Integer(required=True)
    version = fields.Integer(required=True)
    not_scored = fields.Boolean(required=True)
    staff = fields.Boolean(required=True)
    language = fields.String(allow_none=True, required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)
    scores = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    scorers = fields.List(fields.String(), required=True)
    policy_version = fields.Integer(allow_none=True, required=True)
    decision = fields.Nested(DecisionSchema, allow_none=True, required=True)
    received_at = fields.DateTime(required=True)


class WaitQuery(Schema):
    """How long to wait for the verdict."""

    wait = fields.Integer(
        metadata={"description": "Milliseconds, 0 to 2000: 200 with the verdict if it comes in time, else 202."}
    )


class WhichQuery(Schema):
    """Which comment, where the site knows only its own id."""

    external_id = fields.String(metadata={"description": "The site's own id of the comment."})


class FormSchema(Schema):
    """The browser form, with WordPress's field names. Unknown fields are carried past."""

    comment = fields.String(required=True)
    author = fields.String(required=True)
    email = fields.String(required=True)
    url = fields.String()
    comment_post_ID = fields.String(required=True)
    comment_parent = fields.String()
    comment_post_url = fields.String(metadata={"description": "Address of a story that is not registered yet."})
    comment_post_title = fields.String()
    moderation_token = fields.String(metadata={"description": "From GET …/token; without it the comment is held."})


class FormTakenSchema(Schema):
    """What a script gets for its form: where its author may follow the comment."""

    id = fields.String(required=True)
    status = fields.String(required=True)
    message = fields.String(required=True)
    hash = fields.String(required=True)
    status_url = fields.String(required=True)


class FormFaultsSchema(Schema):
    """Field → sentence, in the site's language."""

    errors = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class OwnSchema(Schema):
    """The status of one's own comment."""

    id = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))


class OwnQuery(Schema):
    """The hash that the form answered."""

    hash = fields.String(required=True)


class TokenQuery(Schema):
    """The story that the form stands under."""

    story = fields.String(required=True)


class TokenSchema(Schema):
    """A timing token for the form."""

    token = fields.String(required=True)
    closed = fields.Boolean(required=True, metadata={"description": "The story takes no more comments."})


class ErrorDetailSchema(Schema):
    """What is wrong, for programs (`code`, `field`) and people (`message`)."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    field = fields.String(allow_none=True, required=True)
    details = fields.Dict(required=True)


class ErrorSchema(Schema):
    """The one shape of every error."""

    error = fields.Nested(ErrorDetailSchema, required=True)
