"""The diff report of a run: its batches' counts added up, live and after, with samples of each movement.

A query room. What it says of people: `precision` is the share of what the machine held or rejected that people
rejected, `recall` the share of what people rejected that the machine held or rejected, `overturned` the share of the
machine's verdicts that people decided otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment, Revision, Story
from moderation.errors import InvalidInput
from moderation.policy import document
from moderation.rescoring import diff
from moderation.rescoring.diff import ACTIONS, FALSE_ALARM, MISSED, QUIET, RIGHT, Counts
from moderation.rescoring.models import RescoreBatch, RescoreMove, RescoreRun
from moderation.review.marks import Part, mark
from moderation.scoring.models import Score
from moderation.signals import SIGNALS

SAMPLES = 20
"""Comments of a movement that are shown."""

DEEPEST = 10_000
"""So far down a movement's samples may be looked for."""

FEW = 30
"""Of fewer decisions of people, shares say little: the page says so."""

NO_MOVEMENT = "%(name)s must be one of approve, hold, reject, and was must not be would."


@dataclass(frozen=True, slots=True)
class Confusion:
    """The machine's verdicts against people's: `right` bad and rejected, `false_alarm` bad but approved, `missed` good
    but rejected, `quiet` good and approved. To hold is to suspect."""

    right: int
    false_alarm: int
    missed: int
    quiet: int

    @property
    def decisions(self) -> int:
        """People's decisions."""
        return self.right + self.false_alarm + self.missed + self.quiet

    @property
    def overturned(self) -> int:
        """Verdicts that people decided otherwise."""
        return self.false_alarm + self.missed

    @property
    def precision(self) -> float | None:
        """None where the machine suspected nothing."""
        return _share(self.right, self.right + self.false_alarm)

    @property
    def recall(self) -> float | None:
        """None where people rejected nothing."""
        return _share(self.right, self.right + self.missed)

    @property
    def overturn_rate(self) -> float | None:
        """None without decisions."""
        return _share(self.overturned, self.decisions)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run has found so far. A movement is a pair (was, would); those that stay are counted, too.

    `decided`: movement → comments that a person decided. `languages`, `signals`: name → movement → comments; of signals
    only what moves, under the signal that speaks for it. `changes`: signal → diff.BINS numbers of comments by how
    their score changed. `confusions`: `before`, `after` on the same comments; `alone`: where there was no old verdict.
    """

    comments: int
    failed: int
    matrix: Mapping[tuple[str, str], int]
    decided: Mapping[tuple[str, str], int]
    languages: Mapping[str, Mapping[tuple[str, str], int]]
    signals: Mapping[str, Mapping[tuple[str, str], int]]
    changes: Mapping[str, Sequence[int]]
    confusions: Mapping[str, Confusion]

    @property
    def moved(self) -> int:
        """Comments that would move."""
        return sum(n for (was, would), n in self.matrix.items() if was != would)

    @property
    def movements(self) -> list[tuple[str, str]]:
        """Movements that happen: to the strictest first."""
        return sorted(
            ((was, would) for (was, would), n in self.matrix.items() if was != would and n),
            key=lambda pair: (ACTIONS.index(pair[0]), -ACTIONS.index(pair[1])),
        )


@dataclass(frozen=True, slots=True)
class Sample:
    """A comment that would move. `parts`: its text with what speaks for it marked."""

    comment_id: int
    author: str
    story: str
    language: str
    text: str
    parts: Sequence[Part]
    was: str
    would: str
    signal: str | None
    before: float | None
    after: float | None
    surprise: float
    human: str | None


def of_run(session: Session, run: RescoreRun) -> Report:
    """The report, as far as the run is."""
    counts = session.scalars(
        select(RescoreBatch.counts).where(RescoreBatch.run_id == run.id, RescoreBatch.done.is_(True))
    )
    return of_counts(reduce(diff.merge, counts, diff.no_counts()))


def of_counts(counts: Counts) -> Report:
    """The report that these counts make."""
    return Report(
        comments=counts["comments"],
        failed=counts["failed"],
        matrix=_pairs(counts["matrix"]),
        decided=_pairs(counts["human"]),
        languages={
            name: _pairs(found)
            for name, found in sorted(counts["languages"].items(), key=lambda item: (-sum(item[1].values()), item[0]))
        },
        signals={name: _pairs(counts["signals"][name]) for name in SIGNALS if name in counts["signals"]},
        changes={name: counts["changes"][name] for name in SIGNALS if name in counts["changes"]},
        confusions={name: _confusion(counts[name]) for name in ("before", "after", "alone")},
    )


def movement(was: str, would: str) -> tuple[str, str]:
    """A movement that somebody names. Raises InvalidInput naming `was` or `would`."""
    for name, action in (("was", was), ("would", would)):
        if action not in ACTIONS or (name == "would" and was == would):
            raise InvalidInput(NO_MOVEMENT, field=name, values={"name": name})
    return was, would


def samples(
    session: Session, run: RescoreRun, was: str, would: str, *, limit: int = SAMPLES, after: int = 0
) -> list[Sample]:
    """Comments of a movement, the most surprising first; `after`: so many are passed over."""
    wanted = (
        select(RescoreMove)
        .where(RescoreMove.run_id == run.id, RescoreMove.was == was, RescoreMove.would == would)
        .order_by(RescoreMove.surprise.desc(), RescoreMove.comment_id.desc())
        .offset(after)
        .limit(limit)
    )
    return _samples(session, run, session.scalars(wanted).all())


def firsts(session: Session, run: RescoreRun, movements: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Sample]:
    """The most surprising comment of each movement."""
    found = {pair: samples(session, run, *pair, limit=1) for pair in movements}
    return {pair: some[0] for pair, some in found.items() if some}


def moved_of(session: Session, run_ids: Sequence[int]) -> dict[int, int]:
    """Run → comments that would move."""
    rows = session.execute(
        select(RescoreMove.run_id, func.count()).where(RescoreMove.run_id.in_(run_ids)).group_by(RescoreMove.run_id)
    )
    return dict(rows.all())


def moves(session: Session, run: RescoreRun, limit: int = 1000) -> Sequence[RescoreMove]:
    """Moves of a run by comment."""
    return session.scalars(
        select(RescoreMove).where(RescoreMove.run_id == run.id).order_by(RescoreMove.comment_id).limit(limit)
    ).all()


def as_json(told: Report) -> dict[str, Any]:
    """For the API: movements are written `approve>hold`."""
    return {
        "comments": told.comments,
        "failed": told.failed,
        "moved": told.moved,
        "matrix": _named(told.matrix),
        "decided_by_people": _named(told.decided),
        "languages": {name: _named(found) for name, found in told.languages.items()},
        "signals": {name: _named(found) for name, found in told.signals.items()},
        "changes": {name: dict(zip(bin_names(), found, strict=True)) for name, found in told.changes.items()},
        "people": {
            name: {
                "decisions": one.decisions,
                "right": one.right,
                "false_alarm": one.false_alarm,
                "missed": one.missed,
                "quiet": one.quiet,
                "precision": _rounded(one.precision),
                "recall": _rounded(one.recall),
                "overturn_rate": _rounded(one.overturn_rate),
            }
            for name, one in told.confusions.items()
        },
    }


def csv_rows(told: Report) -> Iterator[tuple[str, str, str | float, float | int | None]]:
    """The report as a long table: what is counted, of what, the figure's name (of a change: its middle, a number), the
    figure."""
    for name, n in _named(told.matrix).items():
        yield "movement", name, "comments", n
    for name, n in _named(told.decided).items():
        yield "movement", name, "decided by people", n
    for language, found in told.languages.items():
        for name, n in _named(found).items():
            yield "language", language, name, n
    for signal, found in told.signals.items():
        for name, n in _named(found).items():
            yield "signal", signal, name, n
    for signal, bins in told.changes.items():
        for middle, n in zip(bin_middles(), bins, strict=True):
            yield "change", signal, middle, n
    for name, one in told.confusions.items():
        for figure in ("decisions", "right", "false_alarm", "missed", "quiet"):
            yield "people", name, figure, getattr(one, figure)
        for figure in ("precision", "recall", "overturn_rate"):
            yield "people", name, figure, _rounded(getattr(one, figure))


def bin_middles() -> list[float]:
    """The middles of the bins of `changes`: -1.0 … 1.0."""
    return [(n - diff.BINS // 2) / 10 for n in range(diff.BINS)]


def bin_names() -> list[str]:
    """The same as names of JSON."""
    return [f"{middle:+.1f}".replace("+0.0", "0.0") for middle in bin_middles()]


def _samples(session: Session, run: RescoreRun, found: Sequence[RescoreMove]) -> list[Sample]:
    ids = [move.comment_id for move in found]
    if not ids:
        return []
    rows = session.execute(
        select(Comment.id, Comment.author_name, Story.title, Revision.number, Revision.text)
        .join(Revision, Revision.comment_id == Comment.id)
        .outerjoin(Story, Story.id == Comment.story_id)
        .where(Comment.id.in_(ids))
    ).all()
    texts = {(row.id, row.number): row for row in rows}
    spans = {
        (row.comment_id, row.revision): row.spans
        for row in session.execute(
            select(Score.comment_id, Score.revision, Score.spans).where(
                and_(Score.comment_id.in_(ids), Score.scorer == run.scorer, Score.version == run.version)
            )
        )
    }
    made = []
    for move in found:
        key = (move.comment_id, move.revision)
        row = texts.get(key)
        text = row.text if row is not None else ""
        marks = [(span[0], span[1], "signal", 0) for span in spans.get(key, ()) if span[2] == move.signal]
        made.append(
            Sample(
                comment_id=move.comment_id,
                author=row.author_name if row is not None else "",
                story=(row.title or "") if row is not None else "",
                language=move.language,
                text=text,
                parts=mark(text, marks),
                was=move.was,
                would=move.would,
                signal=move.signal,
                before=move.before,
                after=move.after,
                surprise=move.surprise,
                human=move.human,
            )
        )
    return made


def marks_of(run: RescoreRun) -> Mapping[str, document.Band]:
    """Signal → the marks that the run's policy has for its scorer."""
    return document.parse(run.document, run.policy_version).bands.get(run.scorer, {})


def _pairs(counts: Mapping[str, int]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for name, n in counts.items():
        was, _, would = name.partition(">")
        found[was, would] = n
    return found


def _named(found: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {f"{was}>{would}": n for (was, would), n in sorted(found.items(), key=lambda item: _order(item[0]))}


def _order(pair: tuple[str, str]) -> tuple[int, int]:
    return ACTIONS.index(pair[0]), ACTIONS.index(pair[1])


def _confusion(counts: Sequence[int]) -> Confusion:
    return Confusion(counts[RIGHT], counts[FALSE_ALARM], counts[MISSED], counts[QUIET])


def _share(n: int, of: int) -> float | None:
    return n / of if of else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
