"""What the pages of rescore runs show of figures: words in the page's language, tables' lines, and the charts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from babel import numbers
from flask_babel import gettext, ngettext

from moderation import i18n
from moderation.rescoring import applying, report, runs
from moderation.rescoring.report import Confusion, Report
from moderation.review import charts
from moderation.review.charts import Chart

Pair = tuple[str, str]

SCALED = 1000
"""The height of a chart whose bars are logarithms."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How a signal's scores changed: the chart, its three ticks from the top down, and (middle of the bin, comments,
    share) of every bin that has any. `same`: share of those whose score stayed within 0.05."""

    signal: str
    comments: int
    chart: Chart
    ticks: tuple[int, int, int]
    rows: Sequence[tuple[str, int, str]]
    same: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a table: a name, its comments, those that move, and how many by movement."""

    name: str
    comments: int
    moved: int
    share: str
    found: Mapping[Pair, int]


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure against people, before and after, and what lies between them (with ▲ or ▼)."""

    name: str
    before: str
    after: str
    difference: str


def figure(value: float | None, places: int) -> str:
    """A number with so many places as people read it; `–` where it is not known."""
    if value is None:
        return "–"
    pattern = "0." + "0" * places if places else "0"
    return str(numbers.format_decimal(value, format=pattern, locale=i18n.language()))


def percent(share: float | None, places: int = 1) -> str:
    """A share 0..1 as people read it; `–` where it is not known."""
    if share is None:
        return "–"
    return str(gettext("%(percent)s %%", percent=figure(share * 100, places)))


def changes(told: Report) -> list[Changes]:
    """A chart for each signal that has been measured twice: the one that speaks for most movements first."""
    most = sorted(told.changes, key=lambda name: -sum(told.signals.get(name, {}).values()))
    return [_changes(name, told.changes[name]) for name in most]


def languages(told: Report) -> list[Line]:
    """Each language with what moves of it."""
    return [_line(name, found) for name, found in told.languages.items()]


def signals(told: Report) -> list[Line]:
    """Each signal with what moves under it; the strongest first."""
    lines = [_line(name, found) for name, found in told.signals.items()]
    return sorted(lines, key=lambda line: -line.moved)


def measures(told: Report) -> list[Measure]:
    """Precision, recall and overturned verdicts, where people have decided."""
    before, after = told.confusions["before"], told.confusions["after"]
    return [
        Measure(
            name,
            percent(getattr(before, name)),
            percent(getattr(after, name)),
            _difference(getattr(before, name), getattr(after, name)),
        )
        for name in ("precision", "recall", "overturn_rate")
    ]


def alone(told: Report) -> Confusion | None:
    """Those without an old verdict, where there are any."""
    found = told.confusions["alone"]
    return found if found.decisions else None


def run_texts(told: runs.Progress, yielded: int, yielded_seconds: float, now: datetime) -> Mapping[str, str]:
    """The figures of a run's page, by the names that its elements have."""
    tally = told.tally
    done = {"done": i18n.figure(tally.comments), "total": i18n.figure(told.total)}
    return {
        "head": gettext("%(done)s of %(total)s comments", **done),
        "percent": percent(told.share, 0),
        "rate": gettext("%(count)s per second", count=i18n.figure(round(told.rate))) if told.rate else "–",
        "remaining": i18n.figure(told.remaining),
        "left": _left(told.seconds, now),
        "scored": i18n.figure(tally.scored),
        "reused": i18n.figure(tally.reused),
        "failed": i18n.figure(tally.failed),
        "out": i18n.figure(tally.left),
        "yielded": _yielded(yielded, yielded_seconds),
    }


def job_texts(told: applying.Progress, now: datetime) -> Mapping[str, str]:
    """The figures of the page of a job that applies."""
    done = {"done": i18n.figure(told.held + told.left), "total": i18n.figure(told.total)}
    return {
        "head": gettext("%(done)s of %(total)s comments", **done),
        "percent": percent(told.share, 0),
        "held": i18n.figure(told.held),
        "left": i18n.figure(told.left),
        "time": _left(told.seconds, now),
    }


def _changes(signal: str, bins: Sequence[int]) -> Changes:
    total, middle = sum(bins), len(bins) // 2
    # Nearly all scores stay where they were: on a plain scale nothing else could be seen.
    digits = max(2, math.ceil(math.log10(max(bins) + 1)))
    digits += digits % 2
    top = math.log10(10**digits + 1)
    heights = [round(SCALED * math.log10(n + 1) / top) for n in bins]
    series = [
        ("c-yes", [n if slot < middle else 0 for slot, n in enumerate(heights)]),
        ("c-calm", [n if slot == middle else 0 for slot, n in enumerate(heights)]),
        ("c-no", [n if slot > middle else 0 for slot, n in enumerate(heights)]),
    ]
    return Changes(
        signal=signal,
        comments=total,
        chart=charts.bars(series, SCALED),
        ticks=(10**digits, 10 ** (digits // 2), 0),
        rows=[
            (signed(value), n, percent(n / total, 2))
            for value, n in zip(report.bin_middles(), bins, strict=True)
            if n and total
        ],
        same=percent(bins[middle] / total if total else None),
    )


def signed(value: float, places: int = 1) -> str:
    """A change of a score: +0.3, −0.3, 0.0."""
    text = figure(abs(value), places)
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def _line(name: str, found: Mapping[Pair, int]) -> Line:
    comments = sum(found.values())
    moved = sum(n for (was, would), n in found.items() if was != would)
    return Line(name, comments, moved, percent(moved / comments if comments else None), found)


def _difference(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "–"
    points = round((after - before) * 100, 1)
    size = figure(abs(points), 1)
    return f"▲ {size}" if points > 0 else f"▼ {size}" if points < 0 else "="


def _left(seconds: int | None, now: datetime) -> str:
    if seconds is None:
        return "–"
    if seconds < 60:
        return str(gettext("less than a minute"))
    minutes = -(-seconds // 60)
    about = ngettext("about %(count)s minute", "about %(count)s minutes", minutes, count=i18n.figure(minutes))
    return str(gettext("%(about)s, at %(clock)s", about=about, clock=i18n.clock(now + timedelta(seconds=seconds))))


def _yielded(times: int, seconds: float) -> str:
    if not times:
        return str(gettext("not once"))
    text = ngettext(
        "%(times)s time, %(seconds)s s",
        "%(times)s times, %(seconds)s s",
        times,
        times=i18n.figure(times),
        seconds=i18n.figure(round(seconds)),
    )
    return str(text)
