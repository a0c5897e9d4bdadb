"""Which event of a comment counts, whatever order they arrive in.

Three greatest orders per comment decide: of contents (creates and updates), of creates, and of deletes. Each is a
maximum, and maxima do not depend on order or repetition: so any shuffle of the same events ends in the same state.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Orders:
    """The greatest event orders that a comment has seen; empty: none."""

    content: str = ""
    create: str = ""
    delete: str = ""

    @property
    def withdrawn(self) -> bool:
        """A delete is final, unless a create is later: an update never brings a comment back."""
        return self.delete != "" and self.delete > self.create


def order_key(event_time: datetime, webhook_id: str, revision: int | None = None) -> str:
    """The order of an event as a string that sorts: its revision where the site counts them, else its time (µs).

    Ties go by webhook id. Orders by revision and by time do not compare: see `same_kind`.
    """
    if revision is not None:
        return f"r{revision:020d}|{webhook_id}"
    microseconds = (event_time - EPOCH) // timedelta(microseconds=1)
    return f"t{max(0, microseconds):020d}|{webhook_id}"


def next_key(orders: Orders, at: datetime, tag: str) -> str:
    """The order of something that happens `at` without an event of its own (an edit by API): later than all so far.

    Where the site counts revisions it counts as just after the newest; `tag` tells two at one moment apart.
    """
    seen = max(orders.content, orders.create, orders.delete)
    microseconds = max(0, (at - EPOCH) // timedelta(microseconds=1))
    place = seen.partition("|")[0]
    if place.startswith("t") or not place:
        place = max(place, f"t{microseconds:020d}")
    return f"{place}|~{microseconds:020d}|{tag}"  # "~" sorts after every letter of a webhook id that senders use


def same_kind(orders: Orders, key: str) -> bool:
    """Whether `key` orders as the comment's earlier events do (all by revision or all by time)."""
    seen = orders.content or orders.delete
    return seen == "" or seen[0] == key[0]


def apply(orders: Orders, kind: str, key: str) -> tuple[Orders, bool]:
    """The orders after an event of `kind` (`created`, `updated`, `deleted`), and whether its content is the newest."""
    if kind == "deleted":
        return Orders(orders.content, orders.create, max(orders.delete, key)), False
    newest = key > orders.content
    create = max(orders.create, key) if kind == "created" else orders.create
    return Orders(max(orders.content, key), create, orders.delete), newest
