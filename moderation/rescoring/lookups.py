"""What a policy asks of comments beside their columns: whom it blocks, what they link to, the words that it lists.

Each is asked only where a policy asks it. Texts are sought in what the search keeps of them, normalised already; only
those that may hold a listed word are read and matched as the rules do it. A query room.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Text, and_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session, aliased

from moderation.comments.models import Author, Comment, Revision
from moderation.comments.status import APPROVED
from moderation.policy import rules
from moderation.policy.document import Policy
from moderation.rescoring import measured
from moderation.rescoring.columns import Columns
from moderation.rescoring.window import Flags, Window
from moderation.review import filters
from moderation.review.models import SearchText
from moderation.scoring import normalise
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
        words=holding(session, columns, sorted(lists)) if lists else {},
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


# --- words ---


@dataclass(frozen=True, slots=True)
class _Sought:
    """A listed word as the normaliser folds it, and the words that the search would keep of it."""

    folded: str
    list: int
    parts: frozenset[str]


def holding(session: Session, columns: Columns, lists: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], Flags]:
    """Which comments hold a word of each list, exactly as rules.judge finds it.

    What the search keeps of a text (its words, then those of its other readings) has all parts of every listed word
    that the text holds; so only texts that have all of them are read. Texts that the search does not know yet are read
    in any case, and all of them for a listed word that has no letter.
    """
    sought: dict[str, list[_Sought]] = defaultdict(list)
    everywhere: list[_Sought] = []
    for number, words in enumerate(lists):
        for word in words:
            folded = normalise.view(word).folded.strip()
            parts = filters.words_of(folded)
            item = _Sought(folded, number, frozenset(parts))
            if parts:
                sought[max(parts, key=len)].append(item)
            elif folded:
                everywhere.append(item)
    found = {words: np.zeros(len(columns), np.bool_) for words in lists}
    if not sought and not everywhere:
        return found
    candidates = _candidates(session, columns, sought, everywhere)
    patterns = _patterns(candidates.values(), len(lists))
    rows = {number: row for row, number in enumerate(columns.ids.tolist())}
    for comment_id, text in _texts(session, columns.window, sorted(candidates)):
        folded, view = normalise.folded(text), None
        for number in {item.list for item in candidates[comment_id]}:
            pattern = patterns[number]
            if pattern is None:
                continue
            held = pattern.search(folded) is not None
            if not held:  # other readings cost more, and are seldom what holds it
                view = view or normalise.view(text)
                held = any(pattern.search(reading.text) for reading in view.readings)
            found[lists[number]][rows[comment_id]] = held
    return found


def _candidates(
    session: Session, columns: Columns, sought: Mapping[str, list[_Sought]], everywhere: list[_Sought]
) -> dict[int, list[_Sought]]:
    """Comment → the words that it may hold."""
    every = [*everywhere, *(item for items in sought.values() for item in items)]
    candidates: dict[int, list[_Sought]] = {}
    unknown = set(columns.ids.tolist())
    keys = sought.keys()
    rows = session.connection().execute(
        select(SearchText.comment_id, SearchText.folded)
        .select_from(Comment)
        .with_hint(Comment, "NOT INDEXED", "sqlite")
        .join(SearchText, and_(SearchText.comment_id == Comment.id, SearchText.revision == Comment.revision))
        .where(columns.window.holds())
    )
    for comment_id, folded in rows:
        if comment_id not in unknown:
            continue
        unknown.discard(comment_id)
        words = set(folded.split(" "))
        common = keys & words
        if common:
            some = [item for key in common for item in sought[key] if item.parts <= words]
            if some:
                candidates[comment_id] = some
    for comment_id in unknown:
        candidates[comment_id] = every
    if everywhere:
        for comment_id in columns.ids.tolist():
            candidates[comment_id] = [*candidates.get(comment_id, ()), *everywhere]
    return candidates


def _patterns(candidates: Iterable[Sequence[_Sought]], lists: int) -> list[Any]:
    """Per list the pattern of those of its words that any comment may hold."""
    words: list[set[str]] = [set() for _ in range(lists)]
    for items in candidates:
        for item in items:
            words[item.list].add(item.folded)
    return [rules.pattern(tuple(sorted(some))) for some in words]


def _texts(session: Session, seen: Window, comment_ids: Sequence[int]) -> Iterable[tuple[int, str]]:
    for low in range(0, len(comment_ids), CHUNK):
        yield from (
            (row[0], row[1])
            for row in session.connection().execute(
                select(Revision.comment_id, Revision.text)
                .join(Comment, and_(Comment.id == Revision.comment_id, Comment.revision == Revision.number))
                .where(seen.holds(), Comment.id.in_(comment_ids[low : low + CHUNK]))
            )
        )
