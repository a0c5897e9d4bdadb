"""What a policy asks of comments beside their columns: whom it blocks, what they link to, the words that it lists.

Each is asked only where a policy asks it; listed words are sought in word_hits.py. A query room.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Text, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session, aliased

from moderation.comments.models import Author, Comment
from moderation.comments.status import APPROVED
from moderation.policy.document import Policy
from moderation.rescoring import measured, word_hits
from moderation.rescoring.columns import Columns
from moderation.rescoring.window import Flags, Window
from moderation.scoring import store as scores
from moderation.scoring.models import Score

CHUNK = 5000
"""Ids of one statement: below every limit on parameters."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was asked of some comments, as flags of their rows; what nobody asked is not there.

    `words`: the words of a list → which comments hold one of them. `authors`, `domains`: what is blocked → whose
    author it is, which link to it. `newcomers`: those whose author has no approved comment yet.
    """

    words: Mapping[tuple[str, ...], Flags] = field(default_factory=dict)
    authors: Mapping[frozenset[str], Flags] = field(default_factory=dict)
    domains: Mapping[frozenset[str], Flags] = field(default_factory=dict)
    newcomers: Flags | None = None


def look(session: Session, columns: Columns, policies: Sequence[Policy]) -> Found:
    """Answer everything that one of `policies` asks."""
    lists = {words.words for policy in policies for words in policy.word_lists}
    blocked = {policy.blocked_authors for policy in policies if policy.blocked_authors}
    domains = {policy.blocked_domains for policy in policies if policy.blocked_domains}
    linked = linked_domains(session, columns.window) if domains else {}
    newcomers = None
    if any(policy.new_author for policy in policies):
        known = authors_with_approved(session, columns.window.site_id)
        newcomers = ~np.isin(columns.author, np.fromiter(known, np.int64, len(known)))
    return Found(
        words=word_hits.holding(session, columns, sorted(lists)) if lists else {},
        authors={keys: columns.rows_of(blocked_comments(session, columns.window, keys)) for keys in blocked},
        domains={names: columns.rows_of(_linking_to(names, linked)) for names in domains},
        newcomers=newcomers,
    )


def _linking_to(blocked: frozenset[str], linked: Mapping[str, set[int]]) -> set[int]:
    """Comments that link to a blocked domain, or to one below it."""
    found: set[int] = set()
    for domain, comments in linked.items():
        parts = domain.split(".")
        if any(".".join(parts[n:]) in blocked for n in range(len(parts))):
            found |= comments
    return found


def authors_with_approved(session: Session, site_id: int) -> set[int]:
    """Authors whom the site vouches for and of whom a comment stands approved (see authors.approved_of)."""
    theirs = aliased(Comment)
    stands = select(theirs.id).where(theirs.author_id == Author.id, theirs.status == APPROVED).exists()
    rows = session.scalars(select(Author.id).where(Author.site_id == site_id, Author.external_id.is_not(None), stands))
    return set(rows)


def blocked_comments(session: Session, seen: Window, keys: Collection[str]) -> set[int]:
    """Comments whose author a policy blocks by one of `keys` (`name:…`, `id:…`, `email_hash:…`)."""
    found: set[int] = set()
    for start, column in (
        ("name:", Comment.author_name),
        ("id:", Author.external_id),
        ("email_hash:", Author.email_hash),
    ):
        named = sorted(key.removeprefix(start) for key in keys if key.startswith(start))
        for low in range(0, len(named), 1000):
            wanted = select(Comment.id).where(seen.holds(), column.in_(named[low : low + 1000]))
            found |= set(session.scalars(wanted.outerjoin(Author, Author.id == Comment.author_id)))
    return found


def linked_domains(session: Session, seen: Window) -> dict[str, set[int]]:
    """Domain → comments whose current text links to it, as the scorers found it."""
    found: dict[str, set[int]] = {}
    _, rank = scores.counting(session)
    # Rows without a link of an older version must not stand for one of the live version: all are read that may count.
    rows = session.connection().execute(
        measured.counting(session, seen, Score.comment_id, Score.scorer, Score.spans)
        .where(Score.comment_id.in_(_linking(session, seen)))
        .order_by(rank.desc(), Score.id)
    )
    last = {(comment_id, scorer): spans for comment_id, scorer, spans in rows}
    for (comment_id, _), spans in last.items():
        for _start, _end, kind, detail in spans:
            if kind == "link" and detail:
                found.setdefault(detail.lower(), set()).add(comment_id)
    return found


def _linking(session: Session, seen: Window) -> Any:
    """Comments of a window in which any scorer found a link."""
    return measured.counting(session, seen, Score.comment_id).where(_as_text(Score.spans).like('%"link"%'))


def _as_text(column: Any) -> ColumnElement[str]:
    """A JSON column as the text that it is kept as."""
    return sql_cast(column, Text)
