"""The report of a run as lines of text, for a terminal. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from moderation.rescoring.diff import ACTIONS
from moderation.rescoring.report import FEW, Confusion, Report, Sample
from moderation.wordings import counted

TEXT = 100
"""Characters of a comment that a line shows."""

Pair = tuple[str, str]


def of(told: Report, samples: Mapping[Pair, Sequence[Sample]]) -> Iterator[str]:
    """Counts, the movements as a square, by signal and language, against people, and `samples` of each movement."""
    yield f"{counted(told.comments, 'comment')} compared, {told.moved} would move, {told.failed} failed"
    yield ""
    yield "".join([f"{'now / then':<12}", *(f"{would:>10}" for would in ACTIONS)])
    for was in ACTIONS:
        yield "".join([f"{was:<12}", *(f"{told.matrix.get((was, would), 0):>10}" for would in ACTIONS)])
    for title, found in (("by signal", told.signals), ("by language", told.languages)):
        moved = {name: sum(n for (was, would), n in counts.items() if was != would) for name, counts in found.items()}
        if any(moved.values()):
            strongest = sorted(moved.items(), key=lambda item: (-item[1], item[0]))
            yield f"{title:<12}  {', '.join(f'{name} {n}' for name, n in strongest if n)}"
    yield from _against_people(told.confusions)
    for pair in told.movements:
        yield ""
        decided = told.decided.get(pair, 0)
        yield f"{pair[0]}:{pair[1]}  {counted(told.matrix[pair], 'comment')}, {decided} decided by people"
        for one in samples.get(pair, ()):
            score = f"{one.signal} {_score(one.before)} -> {_score(one.after)}" if one.signal else ""
            yield f"{one.comment_id:>10}  {score:<32}  {plain(one.text)[:TEXT]}"


def plain(text: str) -> str:
    """A stranger's text on one line, without what would steer a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def _against_people(found: Mapping[str, Confusion]) -> Iterator[str]:
    before, after, alone = found["before"], found["after"], found["alone"]
    if after.decisions:
        yield (
            f"people        {counted(after.decisions, 'decision')}: "
            f"precision {_share(before.precision)} -> {_share(after.precision)}, "
            f"recall {_share(before.recall)} -> {_share(after.recall)}, "
            f"overturned {_share(before.overturn_rate)} -> {_share(after.overturn_rate)}"
        )
    if alone.decisions:
        yield (
            f"people        {counted(alone.decisions, 'decision')} on comments without an old score: precision "
            f"{_share(alone.precision)}, recall {_share(alone.recall)}, overturned {_share(alone.overturn_rate)}"
        )
    decisions = after.decisions + alone.decisions
    if not decisions:
        yield "people        have decided on none of these comments"
    elif decisions < FEW:
        yield "              so few decisions say little"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
