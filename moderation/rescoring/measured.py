"""The scores that count, of many comments at once, as arrays: which of a text's scores count is what
`scoring/store.py` and `review/evidence.py` say of one. A query room."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Text, and_, cast, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.composition import BUILTIN, SCORERS, Composition
from moderation.rescoring.window import Codes, Flags, Floats, Integers, Window, fetched
from moderation.review import evidence
from moderation.scoring import store as scores
from moderation.scoring.models import Score
from moderation.signals import SIGNALS
from moderation.signals import SPAM as SPAM_NAME

SPAM = SIGNALS.index(SPAM_NAME)

SELLS = ("phones", "contacts", "brands")
"""Facts of a score that, like a link, tell of something to sell: see facts.advertises."""


@dataclass(frozen=True, slots=True)
class Measured:
    known: Flags
    values: Floats
    scorer: Codes
    scorers: tuple[str, ...]
    links: Integers
    hidden: Flags
    sells: Flags
    supported: Flags


@dataclass(frozen=True, slots=True)
class _Given:
    """What one scorer gave: `rows` of the window's comments, and of each the place of its score in the answer."""

    scorer: str
    rows: Integers
    score: Integers


def counting(session: Session, seen: Window, *columns: Any) -> Any:
    """`columns` of the scores that count on the current texts of a window, in no order."""
    condition, _ = scores.counting(session)
    return (
        select(*columns)
        .select_from(Comment)
        .with_hint(Comment, seen.hint(), "sqlite")
        .join(Score, and_(Score.comment_id == Comment.id, Score.revision == Comment.revision))
        .where(seen.holds(), condition)
    )


def read(session: Session, seen: Window, ids: Integers) -> Measured:
    _, rank = scores.counting(session)
    signals = [getattr(Score, name) for name in SIGNALS]
    named = (Score.comment_id, Score.id, rank, Score.scorer, Score.language, Score.supported)
    rows = fetched(session, counting(session, seen, *named, cast(Score.facts, Text), *signals))
    n = len(ids)
    known, hidden, sells = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    links = np.zeros(n, np.int64)
    if not rows or not n:
        values, none = np.full((n, len(SIGNALS)), np.nan), np.full((n, len(SIGNALS)), -1, np.int8)
        return Measured(known, values, none, (), links, hidden, sells, known)
    comment_ids, score_ids, ranks, names, languages, speaks, texts, *scored = zip(*rows, strict=True)
    # Facts are a few small counts: of a hundred thousand texts some dozen differ.
    known_facts = {text: _facts(text) for text in set(texts)}
    facts = np.array([known_facts[text] for text in texts], np.int64)
    wanted = np.array(comment_ids, np.int64)
    # Of two versions of one scorer the live one counts, else the newest: it is written last.
    order = np.lexsort((np.array(score_ids, np.int64), -np.array(ranks, np.int64)))
    place = np.searchsorted(ids, wanted)
    place[place == n] = n - 1
    order = order[(ids[place] == wanted)[order]]  # a comment that came meanwhile is left out
    which = np.array(names)
    given = []
    for name in sorted(set(names)):
        mine = order[which[order] == name]
        last = np.full(n, -1, np.int64)
        last[place[mine]] = mine
        rows_of = np.flatnonzero(last >= 0)
        given.append(_Given(name, rows_of, last[rows_of]))
        known[rows_of] = True
        links[rows_of] = np.maximum(links[rows_of], facts[last[rows_of], 0])
        hidden[rows_of] |= facts[last[rows_of], 1] > 0
        sells[rows_of] |= facts[last[rows_of], 2] > 0
    each = np.array(scored, np.float64).T  # None becomes NaN
    mute = ~np.array(speaks, np.bool_)
    each[np.ix_(mute, np.arange(len(SIGNALS)) != SPAM)] = np.nan
    spoken = _languages(given, np.array(languages), np.array(score_ids, np.int64), n)
    values, scorer = _effective(evidence.speakers(session), given, each, spoken, n)
    supported: Flags = np.any(~np.isnan(np.delete(values, SPAM, axis=1)), axis=1)
    return Measured(
        known, values, scorer, tuple(one.scorer for one in given), links, hidden, sells | (links > 0), supported
    )


def _facts(text: str) -> tuple[int, int, int]:
    """Links, hidden characters, and things to sell, of facts as they are kept."""
    found = json.loads(text)
    return found.get("links") or 0, found.get("hidden") or 0, sum(found.get(name) or 0 for name in SELLS)


def _languages(given: Sequence[_Given], languages: NDArray[Any], score_ids: Integers, n: int) -> NDArray[Any]:
    """Of each comment the language that was found: the built-in's word, else that of the oldest score."""
    found = np.full(n, "", languages.dtype)
    oldest = np.full(n, np.iinfo(np.int64).max)
    for one in given:
        own = one.scorer == BUILTIN
        age = np.full(len(one.rows), -1) if own else score_ids[one.score]
        older = age < oldest[one.rows]
        rows = one.rows[older]
        found[rows] = languages[one.score[older]]
        oldest[rows] = age[older]
    return found


def _effective(
    composition: Composition, given: Sequence[_Given], each: Floats, spoken: NDArray[Any], n: int
) -> tuple[Floats, Codes]:
    """Of each comment and signal the score that counts and (as a place in `given`) who gave it."""
    values, scorer = np.full((n, len(SIGNALS)), np.nan), np.full((n, len(SIGNALS)), -1, np.int8)
    codes = {one.scorer: code for code, one in enumerate(given)}
    others = [name for name in codes if name not in SCORERS]
    alike: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for language in np.unique(spoken).tolist():
        alike.setdefault(tuple(composition.order(language, signal) for signal in SIGNALS), []).append(language)
    for orders, languages in alike.items():
        here = np.isin(spoken, languages)
        for place, order in enumerate(orders):
            for name in (*order, *others):
                if name in codes:
                    one = given[codes[name]]
                    measured = each[one.score, place]
                    new = here[one.rows] & np.isnan(values[one.rows, place]) & ~np.isnan(measured)
                    values[one.rows[new], place] = measured[new]
                    scorer[one.rows[new], place] = codes[name]
    return values, scorer
