"""The policy simulator: what a draft would have done with a site's last comments, beside the live policy and people.

Stored scores and stored texts only: no model runs and nothing is changed. Every number here equals a recount with
rules.judge over the same facts (tests/integration/test_simulator.py).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments.models import Comment, Revision
from moderation.policy.changes import SWITCHES
from moderation.policy.document import Band, Policy
from moderation.rescoring import columns as loading
from moderation.rescoring import lookups, verdicts
from moderation.rescoring.columns import Columns
from moderation.rescoring.lookups import Found
from moderation.rescoring.verdicts import APPROVE_CODE, REJECT_CODE, Verdicts
from moderation.rescoring.window import ACTIONS, UNDECIDED, Flags
from moderation.signals import SIGNALS

USUAL = 50_000
"""Comments that are looked at where nobody says how many."""

SAMPLES = 5
"""Comments that stand for a movement."""
EXCERPT = 240
"""Characters of a sample's text."""
BINS = 50
"""Bars of a histogram of scores, each 0.02 wide; the last one holds 1.0, too."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many comments, and of those that a person decided how many they approved and rejected."""

    n: int = 0
    approved: int = 0
    rejected: int = 0

    def as_json(self) -> dict[str, int]:
        """The told form."""
        return {"n": self.n, "approved_by_people": self.approved, "rejected_by_people": self.rejected}


@dataclass(frozen=True, slots=True)
class Sample:
    """A comment that would move: its text (cut), what stands, what a person decided, and what speaks differently for
    it: signals with their score, and other rules by the code of their reason."""

    id: int
    text: str
    language: str | None
    stands: str
    human: str | None
    signals: Sequence[tuple[str, float]]
    rules: Sequence[str]


@dataclass(frozen=True, slots=True)
class Movement:
    """Comments on which the two policies differ: `before` says the live one, `after` the draft."""

    before: str
    after: str
    count: Count
    samples: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """One part in which a draft differs from the live policy. `field`: `bands.SCORER.SIGNAL`, or the name of a field;
    `before`, `after`: its values (of lists how many entries); `policy`: the live one with this part alone changed."""

    field: str
    before: Any
    after: Any
    policy: Policy


@dataclass(frozen=True, slots=True)
class Effect:
    """What one part of a draft (see Part) does alone, all else as it is live: (before, after) → comments that move."""

    field: str
    before: Any
    after: Any
    moves: Mapping[tuple[str, str], Count]


@dataclass(frozen=True, slots=True)
class Mark:
    """A signal as a scorer measures it: how many comments have it, and how many are at or above the marks of the live
    policy and of the draft. `spread`: how many in each of BINS bins."""

    scorer: str
    signal: str
    measured: int
    live: Band | None
    draft: Band | None
    live_over: tuple[int, int]
    draft_over: tuple[int, int]
    spread: Sequence[int]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a draft would have done. `comments` were judged by both policies; `unscored` more have no score and are left
    out. `live`, `draft`, `stands`: action → comments. `cells`: (what stands, live, draft) → comments. `days`: on so
    many different days they came. `seconds`: what it took."""

    comments: int
    unscored: int
    days: int
    live: Mapping[str, Count]
    draft: Mapping[str, Count]
    stands: Mapping[str, Count]
    cells: Mapping[tuple[str, str, str], Count]
    movements: Sequence[Movement]
    effects: Sequence[Effect]
    marks: Sequence[Mark]
    seconds: float = field(compare=False, default=0.0)

    def held_per_day(self, of: Mapping[str, Count]) -> float:
        """Comments a day that people would have to read."""
        return of["hold"].n / self.days if self.days else 0.0

    def as_json(self) -> dict[str, Any]:
        """The told form."""
        return {
            "comments": self.comments,
            "unscored": self.unscored,
            "days": self.days,
            "seconds": round(self.seconds, 3),
            "live": {action: count.as_json() for action, count in self.live.items()},
            "draft": {action: count.as_json() for action, count in self.draft.items()},
            "stands": {action: count.as_json() for action, count in self.stands.items()},
            "cells": [
                {"stands": stands, "live": live, "draft": draft, **count.as_json()}
                for (stands, live, draft), count in self.cells.items()
            ],
            "held_per_day": {
                "live": round(self.held_per_day(self.live), 1),
                "draft": round(self.held_per_day(self.draft), 1),
            },
            "movements": [_movement_json(movement) for movement in self.movements],
            "effects": [_effect_json(effect) for effect in self.effects],
            "signals": [_mark_json(mark) for mark in self.marks],
        }


def simulate(
    session: Session,
    site: Site,
    live: Policy,
    draft: Policy,
    *,
    now: datetime,
    most: int = USUAL,
    samples: int = SAMPLES,
) -> Simulation:
    """Judge the site's last `most` comments by both policies; `samples` comments stand for each movement."""
    began = time.perf_counter()
    made = of_columns(session, loading.load(session, site, most, now), live, draft, samples=samples)
    return replace(made, seconds=time.perf_counter() - began)


def of_columns(
    session: Session, columns: Columns, live: Policy, draft: Policy, *, samples: int = SAMPLES
) -> Simulation:
    """The same of comments that are loaded already."""
    began = time.perf_counter()
    found = lookups.look(session, columns, (live, draft))
    made = compare(columns, found, live, draft)
    movements = made.movements
    if samples:
        first, second = verdicts.judge(live, columns, found), verdicts.judge(draft, columns, found)
        movements = [_sampled(session, columns, first, second, movement, samples) for movement in movements]
    return replace(made, movements=movements, seconds=time.perf_counter() - began)


def compare(columns: Columns, found: Found, live: Policy, draft: Policy) -> Simulation:
    """The numbers of a simulation, without samples. Pure."""
    first, second = verdicts.judge(live, columns, found), verdicts.judge(draft, columns, found)
    every = np.ones(len(columns), np.bool_)
    size = len(ACTIONS)
    cell = (columns.stands.astype(np.int64) * size + first.actions) * size + second.actions
    cells = {}
    for code, count in zip(range(size**3), _counts(columns, cell, every, size**3), strict=True):
        if count.n:
            cells[ACTIONS[code // size**2], ACTIONS[code // size % size], ACTIONS[code % size]] = count
    moved = _moves(columns, first, second)
    return Simulation(
        comments=len(columns),
        unscored=columns.unscored,
        days=columns.days,
        live=_by_action(columns, first.actions, every),
        draft=_by_action(columns, second.actions, every),
        stands=_by_action(columns, columns.stands, every),
        cells=cells,
        movements=[Movement(before, after, count) for (before, after), count in moved.items()],
        effects=[
            Effect(
                part.field,
                part.before,
                part.after,
                _moves(columns, first, verdicts.judge(part.policy, columns, found)),
            )
            for part in parts(live, draft)
        ],
        marks=list(_marks(columns, live, draft, first, second)),
    )


def _counts(columns: Columns, codes: Any, where: Flags, size: int) -> list[Count]:
    """Count per code, of the rows `where`."""

    def of(some: Flags) -> list[int]:
        counted: list[int] = np.bincount(codes[some], minlength=size).tolist()
        return counted

    approved, rejected = columns.human == APPROVE_CODE, columns.human == REJECT_CODE
    return [Count(*three) for three in zip(of(where), of(where & approved), of(where & rejected), strict=True)]


def _by_action(columns: Columns, actions: Any, where: Flags) -> dict[str, Count]:
    return dict(zip(ACTIONS, _counts(columns, actions, where, len(ACTIONS)), strict=True))


def _moves(columns: Columns, first: Verdicts, second: Verdicts) -> dict[tuple[str, str], Count]:
    """(before, after) → comments, of those that differ; the most comments first."""
    size = len(ACTIONS)
    codes = first.actions.astype(np.int64) * size + second.actions
    counts = _counts(columns, codes, first.actions != second.actions, size**2)
    found = {(ACTIONS[code // size], ACTIONS[code % size]): count for code, count in enumerate(counts) if count.n}
    return dict(sorted(found.items(), key=lambda item: -item[1].n))


def parts(live: Policy, draft: Policy) -> Iterator[Part]:
    """Everything in which a draft differs, part by part."""
    for name in SWITCHES:
        before, after = getattr(live, name), getattr(draft, name)
        if before != after:
            yield Part(name, before, after, replace(live, **{name: after}))
    for scorer in dict.fromkeys([*live.bands, *draft.bands]):
        for signal in SIGNALS:
            old, new = live.bands.get(scorer, {}).get(signal), draft.bands.get(scorer, {}).get(signal)
            if old != new:
                yield Part(f"bands.{scorer}.{signal}", old, new, _with_band(live, scorer, signal, new))
    if set(live.word_lists) != set(draft.word_lists):
        yield Part("word_lists", _words(live), _words(draft), replace(live, word_lists=draft.word_lists))
    for name in ("blocked_authors", "blocked_domains"):
        before, after = getattr(live, name), getattr(draft, name)
        if before != after:
            yield Part(name, len(before), len(after), replace(live, **{name: after}))


def _with_band(policy: Policy, scorer: str, signal: str, band: Band | None) -> Policy:
    mine = {name: value for name, value in policy.bands.get(scorer, {}).items() if name != signal}
    if band is not None:
        mine[signal] = band
    return replace(policy, bands={**policy.bands, scorer: mine})


def _words(policy: Policy) -> int:
    return len({word for words in policy.word_lists for word in words.words})


def _marks(columns: Columns, live: Policy, draft: Policy, first: Verdicts, second: Verdicts) -> Iterator[Mark]:
    edges = np.arange(BINS + 1) / BINS
    for scorer in columns.scorers:
        for signal in SIGNALS:
            values = columns.measured(scorer, signal)
            values = values[~np.isnan(values)]
            before, after = live.band(scorer, signal), draft.band(scorer, signal)
            if not len(values) and before is None and after is None:
                continue
            yield Mark(
                scorer,
                signal,
                len(values),
                before,
                after,
                _over(first, scorer, signal),
                _over(second, scorer, signal),
                np.histogram(values, edges)[0].tolist(),
            )


def _over(given: Verdicts, scorer: str, signal: str) -> tuple[int, int]:
    key = (scorer, signal)
    if key not in given.over_hold:
        return 0, 0
    return int(given.over_hold[key].sum()), int(given.over_reject[key].sum())


# --- samples ---


def _sampled(
    session: Session, columns: Columns, first: Verdicts, second: Verdicts, movement: Movement, most: int
) -> Movement:
    """The movement with those comments of it first on which a person decided against the draft, then those that nobody
    decided, then the others; the newest of each."""
    before, after = ACTIONS.index(movement.before), ACTIONS.index(movement.after)
    rows = np.flatnonzero((first.actions == before) & (second.actions == after))
    human = columns.human[rows]
    against = human == (APPROVE_CODE if after > before else REJECT_CODE)
    rank = np.where(against, 0, np.where(human == UNDECIDED, 1, 2))
    chosen = rows[np.lexsort((columns.window.ages(columns.ids[rows]), rank))[:most]]
    texts = _texts(session, columns.ids[chosen].tolist())
    samples = []
    for row in chosen.tolist():
        number = int(columns.ids[row])
        if number in texts:
            text, language = texts[number]
            samples.append(_sample(columns, first, second, row, text, language))
    return replace(movement, samples=samples)


def _sample(columns: Columns, first: Verdicts, second: Verdicts, row: int, text: str, language: str | None) -> Sample:
    signals = []
    for scorer, signal in dict.fromkeys([*first.over_hold, *second.over_hold]):
        key = (scorer, signal)
        states = [
            tuple(bool(over[key][row]) if key in over else False for over in (given.over_hold, given.over_reject))
            for given in (first, second)
        ]
        if states[0] != states[1]:
            signals.append((signal, float(columns.values[row, SIGNALS.index(signal)])))
    human = int(columns.human[row])
    return Sample(
        id=int(columns.ids[row]),
        text=text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + "…",
        language=language,
        stands=ACTIONS[int(columns.stands[row])],
        human=None if human == UNDECIDED else ACTIONS[human],
        signals=sorted(signals, key=lambda item: -item[1]),
        rules=[code for code in first.fired if first.fired[code][row] != second.fired[code][row]],
    )


def _texts(session: Session, comment_ids: Sequence[int]) -> dict[int, tuple[str, str | None]]:
    rows = session.execute(
        select(Comment.id, Revision.text, Comment.language)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.id.in_(comment_ids))
    )
    return {row[0]: (row[1], row[2]) for row in rows}


# --- as JSON ---


def _movement_json(movement: Movement) -> dict[str, Any]:
    return {
        "live": movement.before,
        "draft": movement.after,
        **movement.count.as_json(),
        "samples": [
            {
                "id": sample.id,
                "text": sample.text,
                "language": sample.language,
                "stands": sample.stands,
                "decided_by_people": sample.human,
                "signals": {signal: round(value, 4) for signal, value in sample.signals},
                "rules": list(sample.rules),
            }
            for sample in movement.samples
        ],
    }


def _effect_json(effect: Effect) -> dict[str, Any]:
    return {
        "field": effect.field,
        "before": _plain(effect.before),
        "after": _plain(effect.after),
        "movements": [
            {"live": before, "draft": after, **count.as_json()} for (before, after), count in effect.moves.items()
        ],
    }


def _mark_json(mark: Mark) -> dict[str, Any]:
    return {
        "scorer": mark.scorer,
        "signal": mark.signal,
        "measured": mark.measured,
        "live": {**(_plain(mark.live) or {}), "over_hold": mark.live_over[0], "over_reject": mark.live_over[1]},
        "draft": {**(_plain(mark.draft) or {}), "over_hold": mark.draft_over[0], "over_reject": mark.draft_over[1]},
        "spread": list(mark.spread),
    }


def _plain(value: Any) -> Any:
    return {"hold": value.hold, "reject": value.reject} if isinstance(value, Band) else value
