"""What the API says of policies and drafts: plain values, ids as strings."""

from collections.abc import Mapping, Sequence
from typing import Any

from moderation.policy import changes
from moderation.policy.drafts import Tally, Version
from moderation.policy.models import PolicyDraft

Body = dict[str, Any]


def version(site_id: int, one: Version) -> Body:
    """A version without its document."""
    return {
        "site": str(site_id),
        "version": one.version,
        "created_at": one.created_at,
        "created_by": one.created_by,
    }


def whole_version(site_id: int, one: Version) -> Body:
    """The same with it."""
    return {**version(site_id, one), "document": one.document}


def history(site_id: int, versions: Sequence[Version]) -> list[Body]:
    """Versions, the live one first, each with what it changed of the one before."""
    older = [*versions[1:], None]
    return [
        {**version(site_id, one), "changes": [] if old is None else difference(old.document, one.document)}
        for one, old in zip(versions, older, strict=True)
    ]


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Body]:
    """What makes `new` out of `old`."""
    return [change.as_json() for change in changes.between(old, new)]


def draft(one: PolicyDraft) -> Body:
    """A draft without its document."""
    return {
        "id": str(one.id),
        "site": str(one.site_id),
        "name": one.name,
        "based_on": one.based_on,
        "shadow": one.shadow,
        "created_by": one.created_by,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "published_version": one.published_version,
    }


def whole_draft(one: PolicyDraft, live: Mapping[str, Any], live_version: int) -> Body:
    """A draft beside the live policy."""
    return {
        **draft(one),
        "document": one.document,
        "live": live_version,
        "changes": difference(live, one.document),
    }


def shadow(on: bool, told: Tally) -> Body:
    """What a shadow has said."""
    return {
        "on": on,
        "total": told.total,
        "differing": told.differing,
        "since": told.since,
        "until": told.until,
        "counts": [{"live": live, "shadow": said, "n": n} for (live, said), n in sorted(told.counts.items())],
    }
