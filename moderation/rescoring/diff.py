"""What new scores would change: from comments judged twice to counts that add up, and the list of moves. Pure.

Actions are the policy's: `approve`, `hold`, `reject`. A move is a comment whose action would be another one. Counts
are JSON, so that each batch keeps its own; `merge` of any parts equals the counts of the whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moderation.policy.document import APPROVE, HOLD, REJECT, Band

ACTIONS = (APPROVE, HOLD, REJECT)
"""From mild to strict."""

SEVERITY = {action: place for place, action in enumerate(ACTIONS)}

BINS = 21
"""Bins of the change of a score, each 0.1 wide and centred on −1.0, −0.9 … 0 … +1.0: the middle one is "as before"."""

RIGHT, FALSE_ALARM, MISSED, QUIET = range(4)
"""Places in a confusion: bad and rejected, bad but approved, good but rejected, good and approved."""

Counts = dict[str, Any]
"""See `no_counts` for its shape."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One comment, judged twice on the same revision.

    `was`: the action that stands, whoever decided it. `would`: what the new scores and the run's policy say; None when
    the scorer failed. `old`, `new`: signal → score 0..1, those that count. `marks`: signal → the marks that the run's
    policy has on `new`. `human`: what a person decided on this very revision, or None. `old_would`: what the old
    scores and the live policy say, or None where there are no old scores.
    """

    comment_id: int
    revision: int
    language: str
    was: str
    would: str | None
    old: Mapping[str, float] = field(default_factory=dict)
    new: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, Band] = field(default_factory=dict)
    human: str | None = None
    old_would: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """A comment that would move. `signal`, `before`, `after`: what speaks for it (see `_speaks`); `surprise`: see
    `surprise`."""

    comment_id: int
    revision: int
    was: str
    would: str
    signal: str | None
    before: float | None
    after: float | None
    surprise: float
    human: str | None
    language: str

    def as_row(self, run_id: int) -> dict[str, Any]:
        """The row of `rescore_move`."""
        return {
            "run_id": run_id,
            "comment_id": self.comment_id,
            "revision": self.revision,
            "was": self.was,
            "would": self.would,
            "signal": self.signal,
            "before": self.before,
            "after": self.after,
            "surprise": self.surprise,
            "human": self.human,
            "language": self.language,
        }


@dataclass(frozen=True, slots=True)
class Diff:
    """The counts of some comments, and those that would move."""

    counts: Counts
    moves: Sequence[Move]


def no_counts() -> Counts:
    """Counts of nothing.

    `comments`: those compared; `failed`: those that the scorer could not judge. A movement is written `was>would`.
    `matrix`: movement → comments, those that stay (`hold>hold`) included. `human`: movement → comments that a person
    decided. `languages`: language → movement → comments. `signals`: signal that speaks for it → movement → comments
    that move. `changes`: signal → BINS numbers of comments by how their score changed. `before`, `after`: confusions of
    the machine's verdict, old and new, against people who approved or rejected the same comments; `alone`: that of the
    new verdict where there is no old one.
    """
    return {
        "comments": 0,
        "failed": 0,
        "matrix": {},
        "human": {},
        "languages": {},
        "signals": {},
        "changes": {},
        "before": [0, 0, 0, 0],
        "after": [0, 0, 0, 0],
        "alone": [0, 0, 0, 0],
    }


def compare(subjects: Iterable[Subject]) -> Diff:
    """Count what would change, and list the comments that would move, in the order in which they came."""
    counts = no_counts()
    matrix, human, languages = counts["matrix"], counts["human"], counts["languages"]
    changes, signals = counts["changes"], counts["signals"]
    moves = []
    for one in subjects:
        if one.would is None:
            counts["failed"] += 1
            continue
        counts["comments"] += 1
        movement = f"{one.was}>{one.would}"
        matrix[movement] = matrix.get(movement, 0) + 1
        spoken = languages.setdefault(one.language, {})
        spoken[movement] = spoken.get(movement, 0) + 1
        old = one.old
        for signal, after in one.new.items():
            before = old.get(signal)
            if before is not None:
                bins = changes.get(signal)
                if bins is None:
                    bins = changes[signal] = [0] * BINS
                bins[round((after - before) * 10) + 10] += 1
        if one.human is not None:
            human[movement] = human.get(movement, 0) + 1
            _confront(counts, one.human, one.old_would, one.would)
        if one.was != one.would:
            move = _move(one, one.would)
            if move.signal is not None:
                moved = signals.setdefault(move.signal, {})
                moved[movement] = moved.get(movement, 0) + 1
            moves.append(move)
    return Diff(counts, moves)


def merge(a: Mapping[str, Any], b: Mapping[str, Any]) -> Counts:
    """The counts of both; neither is changed. What one of them lacks counts as nothing."""
    return {name: _added(empty, a.get(name), b.get(name)) for name, empty in no_counts().items()}


def surprise(was: str, would: str, before: float | None, after: float | None, mark: float | None) -> float:
    """How much a move surprises, 0..2: the change of the score in the direction of the move (0..1), and how far
    beyond the mark between the two actions the new score lies (0..1). Neither is less than 0."""
    if after is None:
        return 0.0
    direction = 1 if SEVERITY[would] > SEVERITY[was] else -1
    change = 0.0 if before is None else direction * (after - before)
    beyond = 0.0 if mark is None else direction * (after - mark)
    return round(max(change, 0.0) + max(beyond, 0.0), 4)


def _move(one: Subject, would: str) -> Move:
    signal = _speaks(one, would)
    before = None if signal is None else one.old.get(signal)
    after = None if signal is None else one.new.get(signal)
    mark = None if signal is None else _mark(one.marks.get(signal), one.was, would)
    return Move(
        comment_id=one.comment_id,
        revision=one.revision,
        was=one.was,
        would=would,
        signal=signal,
        before=before,
        after=after,
        surprise=surprise(one.was, would, before, after, mark),
        human=one.human,
        language=one.language,
    )


def _speaks(one: Subject, would: str) -> str | None:
    """The signal that speaks for the move: of those whose score is now on the side of the mark that it moves to (and,
    to a milder action, was on the other), the one that changed most; if there is none, the one that changed most of
    all. A rule can move a comment whose scores stay: then the signal that is strongest now."""
    stricter = SEVERITY[would] > SEVERITY[one.was]
    best: tuple[bool, float, float] | None = None
    best_signal: str | None = None
    for signal, after in one.new.items():
        before = one.old.get(signal)
        mark = _mark(one.marks.get(signal), one.was, would)
        if mark is None:
            for_it = False
        elif stricter:
            for_it = after >= mark
        else:
            for_it = after < mark and before is not None and before >= mark
        rank = (for_it, 0.0 if before is None else abs(after - before), after)
        if best is None or rank > best:
            best, best_signal = rank, signal
    return best_signal


def _mark(band: Band | None, was: str, would: str) -> float | None:
    """The mark of a signal that lies between the two actions: the one that the move ends beyond."""
    if band is None:
        return None
    if would == REJECT or (was == REJECT and would == HOLD):
        return band.hold if band.reject is None else band.reject
    return band.hold


def _confront(counts: Counts, human: str, old_would: str | None, would: str) -> None:
    if human not in (APPROVE, REJECT):  # put back into the queue: that is no judgement
        return
    if old_would is None:
        counts["alone"][_outcome(would, human)] += 1
    else:
        counts["before"][_outcome(old_would, human)] += 1
        counts["after"][_outcome(would, human)] += 1


def _outcome(machine: str, human: str) -> int:
    """To hold is to suspect: a person who rejects agrees with it."""
    if human == REJECT:
        return MISSED if machine == APPROVE else RIGHT
    return QUIET if machine == APPROVE else FALSE_ALARM


def _added(empty: Any, a: Any, b: Any) -> Any:
    if isinstance(empty, int):
        return (a or 0) + (b or 0)
    if isinstance(empty, list):
        return [x + y for x, y in zip(a or empty, b or empty, strict=True)]
    a, b = a or {}, b or {}
    return {name: _sum(a.get(name), b.get(name)) for name in sorted({*a, *b})}


def _sum(a: Any, b: Any) -> Any:
    some = b if a is None else a
    if isinstance(some, dict):
        return _added({}, a, b)
    return _added([0] * len(some) if isinstance(some, list) else 0, a, b)
