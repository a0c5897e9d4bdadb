"""The shapes of what the public may read: threads and recent comments."""

from marshmallow import Schema, fields


class ShownAuthorSchema(Schema):
    """What the public sees of an author."""

    name = fields.String(required=True)
    url = fields.String(allow_none=True, required=True)


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


class ThreadSchema(Schema):
    """A page of a story's approved comments. `next`: the `after` of the next page."""

    story = fields.String(required=True)
    count = fields.Integer(required=True)
    comments = fields.List(fields.Nested(ShownSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class RecentSchema(Schema):
    """A line of a "Recent Comments" box."""

    id = fields.String(required=True)
    author_name = fields.String(required=True)
    story_title = fields.String(required=True)
    story_url = fields.String(required=True)
    text = fields.String(required=True)
    created_at = fields.DateTime(required=True)


class RecentListSchema(Schema):
    """The newest approved comments."""

    comments = fields.List(fields.Nested(RecentSchema), required=True)


class ThreadQuery(Schema):
    """Which thread and which page."""

    story = fields.String(required=True, metadata={"description": "The story's external id."})
    limit = fields.Integer(metadata={"description": "Roots of a page, 1 to 200; 50 unless told."})
    after = fields.Integer(metadata={"description": "`next` of the page before."})


class RecentQuery(Schema):
    """How many."""

    limit = fields.Integer(metadata={"description": "1 to 50; 5 unless told."})
