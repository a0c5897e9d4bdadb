"""Disqus: the XML of its export page. Threads come first, posts name theirs.

A comment's external id is Disqus's post id. A story's is the identifier that the site gave its thread (WordPress's
plugin gives `4 http://…`: that is post 4), else its address; threads of one address are one story, that of the first.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC

from moderation.archive import records
from moderation.archive.elements import Node, stream
from moderation.archive.lookup import Lookup
from moderation.archive.records import Item, Record
from moderation.archive.sources import Bytes
from moderation.comments.intake import StoryInput
from moderation.errors import InvalidInput

_WORDPRESS = re.compile(r"([0-9]{1,18}) https?://\S+")


class DisqusReader:
    """Posts of a Disqus export."""

    def __init__(self, file: Bytes) -> None:
        self._file = file
        self._threads, self._addresses = Lookup(), Lookup()

    def items(self) -> Iterator[Item]:
        """Each <post>; each <thread> is kept on the way."""
        number = 0
        for node in stream(self._file, root="disqus", tops=("thread", "post"), passed=("category",)):
            if node.name == "thread":
                self._keep(node)
            else:
                number += 1
                yield Item(number, node.line, node, node.attributes.get("id"))

    def read(self, item: Item) -> Record:
        """The comment."""
        node: Node = item.raw
        author, thread, parent = node.child("author"), node.child("thread"), node.child("parent")
        if author is None or thread is None:
            raise InvalidInput("The post names no author or no thread.", field="post")
        username = author.text("username")
        if node.text("isSpam") == "true":
            verdict = records.SPAM
        elif node.text("isDeleted") == "true":
            verdict = records.OTHER
        else:
            verdict = records.APPROVE
        return records.make(
            external_id=node.attributes.get("id", ""),
            story=self._story(thread.attributes.get("id", "")),
            author=records.make_author(
                author.text("name"),
                external_id=f"disqus:{username}" if username and author.text("isAnonymous") != "true" else "",
                email=author.text("email"),
                ip=node.text("ipAddress"),
            ),
            text=node.text("message"),
            html=True,
            created_at=records.moment(node.text("createdAt"), "createdAt", UTC),
            verdict=verdict,
            parent=parent.attributes.get("id", "") if parent is not None else "",
        )

    def _keep(self, thread: Node) -> None:
        address, identifier = thread.text("link").strip(), thread.text("id").strip()
        wordpress = _WORDPRESS.fullmatch(identifier)
        name = wordpress[1] if wordpress else identifier
        if address and not self._addresses.add(address, name):
            name = self._addresses.get(address) or ""
        self._threads.add(
            thread.attributes.get("id", ""),
            json.dumps([name, address, thread.text("title"), thread.text("createdAt")]),
        )

    def _story(self, thread: str) -> StoryInput:
        kept = self._threads.get(thread)
        if kept is None:
            raise InvalidInput("The post's thread is not in the file.", field="thread")
        name, address, title, created = json.loads(kept)
        published = records.moment(created, "thread.createdAt", UTC) if created else None
        return records.make_story(name, address, title, "", published)
