"""WordPress: the file of Tools → Export (WXR 1.0, 1.1, 1.2), read by local names.

A comment's external id is its `comment_id` and a story's its `post_id`: what WordPress calls them for ever, and so
what a plugin sends later.
"""

from collections.abc import Iterator
from datetime import datetime, tzinfo

from moderation.archive import records
from moderation.archive.elements import Node, stream
from moderation.archive.records import Item, Record, Skipped
from moderation.archive.sources import Bytes
from moderation.comments.intake import StoryInput
from moderation.errors import InvalidInput

READERS_TYPES = ("", "comment")
NO_DATE = "0000-00-00 00:00:00"
PASSED = ("encoded", "postmeta", "commentmeta", "category")


class WxrReader:
    """Comments of a WXR file. `zone` is for those whose time in UTC is missing."""

    def __init__(self, file: Bytes, zone: tzinfo) -> None:
        self._file, self._zone = file, zone

    def items(self) -> Iterator[Item]:
        """Each <wp:comment>, under its <item>."""
        number = 0
        for node in stream(self._file, root="rss", tops=("item",), inner=("comment",), passed=PASSED):
            if node.name == "comment":
                number += 1
                yield Item(number, node.line, node, node.text("comment_id") or None)

    def read(self, item: Item) -> Record:
        """The comment. Raises Skipped for pingbacks, trackbacks, order notes and whatever else is no reader's."""
        node: Node = item.raw
        kind = node.text("comment_type").strip()
        if kind not in READERS_TYPES:
            raise Skipped(kind[:40])
        post = node.parent
        if post is None or not post.text("post_id"):
            raise InvalidInput("The comment stands before the number of its post.", field="post_id")
        parent, user = node.text("comment_parent").strip(), node.text("comment_user_id").strip()
        return records.make(
            external_id=node.text("comment_id"),
            story=self._story(post),
            author=records.make_author(
                node.text("comment_author"),
                external_id="" if user == "0" else user,
                email=node.text("comment_author_email"),
                url=node.text("comment_author_url"),
                ip=node.text("comment_author_IP"),
            ),
            text=node.text("comment_content"),
            html=True,
            created_at=self._moment(node),
            verdict=records.verdict_of(node.text("comment_approved")),
            parent="" if parent == "0" else parent,
        )

    def _story(self, post: Node) -> StoryInput:
        published = post.text("post_date_gmt").strip()
        return records.make_story(
            post.text("post_id"),
            post.text("link").strip() or post.text("guid"),  # a draft has no link yet
            post.text("title"),
            "",
            None if published in ("", NO_DATE) else records.moment(f"{published}+00:00", "post_date_gmt", self._zone),
        )

    def _moment(self, node: Node) -> datetime:
        utc = node.text("comment_date_gmt").strip()
        if utc not in ("", NO_DATE):
            return records.moment(f"{utc}+00:00", "comment_date_gmt", self._zone)
        return records.moment(node.text("comment_date"), "comment_date", self._zone)
