"""The shapes of what the public may read: threads, counts, recent comments, the form's texts."""

from marshmallow import RAISE, Schema, fields, validate

from moderation.comments import form, reading

MAX_STORIES = 500
"""Stories that one call may ask the counts of."""


class ShownAuthorSchema(Schema):
    """What the public sees of an author. `staff`: one of the site's own people."""

    name = fields.String(required=True)
    url = fields.String(allow_none=True, required=True)
    staff = fields.Boolean(required=True)


class ShownSchema(Schema):
    """A comment in a thread; `text` is plain text."""

    id = fields.String(required=True)
    external_id = fields.String(required=True)
    author = fields.Nested(ShownAuthorSchema, required=True)
    text = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    parent_id = fields.String(allow_none=True, required=True)
    depth = fields.Integer(required=True)
    replies = fields.List(fields.Nested(lambda: ShownSchema()), required=True)
    more = fields.String(
        allow_none=True,
        required=True,
        metadata={"description": "Replies were left out: ask for `parent=<id>` with this as `after`."},
    )


class ThreadSchema(Schema):
    """A page of a story's approved comments. `next`: the `after` of the next page."""

    story = fields.String(required=True)
    count = fields.Integer(required=True)
    comments = fields.List(fields.Nested(ShownSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class RecentSchema(Schema):
    """A line of a "Recent Comments" box. `story` is the story's external id."""

    id = fields.String(required=True)
    author_name = fields.String(required=True)
    staff = fields.Boolean(required=True)
    story = fields.String(required=True)
    story_title = fields.String(required=True)
    story_url = fields.String(required=True)
    text = fields.String(required=True)
    created_at = fields.DateTime(required=True)


class RecentListSchema(Schema):
    """The newest approved comments."""

    comments = fields.List(fields.Nested(RecentSchema), required=True)


class CommentedSchema(Schema):
    """A story (its external id, title and url) and its comments of the last days."""

    story = fields.String(required=True)
    title = fields.String(required=True)
    url = fields.String(required=True)
    count = fields.Integer(required=True)


class MostCommentedSchema(Schema):
    """The stories with the most comments of the last days, the most first."""

    days = fields.Integer(required=True)
    stories = fields.List(fields.Nested(CommentedSchema), required=True)


class CountsSchema(Schema):
    """Story (external id) → how many comments are shown under it."""

    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)


class StoriesSchema(Schema):
    """Which stories to count."""

    class Meta:
        unknown = RAISE

    stories = fields.List(
        fields.String(validate=validate.Length(1, 255)),
        required=True,
        validate=validate.Length(1, MAX_STORIES),
        metadata={"description": "External ids."},
    )


class EmbedTextsSchema(Schema):
    """What the site's form says."""

    class Meta:
        include = {name: fields.String(required=True) for name in form.TEXTS}  # noqa: RUF012 marshmallow's own idiom


class FormFrameSchema(Schema):
    """All that a script needs to show a story's form. `closed`: the story takes no more comments."""

    story = fields.String(required=True)
    language = fields.String(required=True)
    closed = fields.Boolean(required=True)
    token = fields.String(required=True, metadata={"description": "The value of the field `moderation_token`."})
    texts = fields.Nested(EmbedTextsSchema, required=True)
    labels = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "What the embed says besides, in the language."},
    )
    reasons = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "Why a reader may report a comment: code and name."},
    )


class StoryQuery(Schema):
    """Which story."""

    story = fields.String(required=True, metadata={"description": "The story's external id."})


class ThreadQuery(StoryQuery):
    """Which thread and which page."""

    sort = fields.String(
        validate=validate.OneOf(reading.SORTS), metadata={"description": "Order of the roots; `oldest` unless told."}
    )
    limit = fields.Integer(metadata={"description": "Roots of a page, 1 to 200; 50 unless told."})
    after = fields.String(metadata={"description": "`next` of the page before."})
    parent = fields.String(
        metadata={"description": "A comment's id: the replies to it instead, oldest first; see `more`."}
    )


class RecentQuery(Schema):
    """How many."""

    limit = fields.Integer(metadata={"description": "1 to 50; 5 unless told."})


class MostCommentedQuery(Schema):
    """Of how many days, and how many stories."""

    days = fields.Integer(metadata={"description": "1 to 90; 7 unless told."})
    limit = fields.Integer(metadata={"description": "1 to 50; 10 unless told."})


class CountsQuery(Schema):
    """Which stories: the parameter once per story."""

    story = fields.List(
        fields.String(), required=True, metadata={"description": "External ids, up to 500; send longer lists by POST."}
    )


class FeedQuery(Schema):
    """Of one story only."""

    story = fields.String(metadata={"description": "The story's external id; without it, the whole site."})
