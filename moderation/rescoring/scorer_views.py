"""The page of scorers: who speaks, which versions wait for their turn, and the drift panel of a site.

For seniors and administrators. It shows and changes nothing: a version is promoted by a command, after its report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, render_template, request
from flask_babel import gettext

from moderation import i18n, web, wordings
from moderation.accounts import auth, sites
from moderation.db import utcnow
from moderation.errors import NotFound
from moderation.rescoring import drift, stability
from moderation.rescoring.drift import Beside, Drift, Spread
from moderation.rescoring.shown_views import figure, percent, signed
from moderation.review import charts, evidence, queue, statistics_reading
from moderation.review.charts import Chart
from moderation.review.shown_views import span
from moderation.scoring import comparing, newsroom, releases
from moderation.scoring.comparing import Objection
from moderation.scoring.models import Release

scorer_pages = Blueprint("scorer_pages", __name__, url_prefix="/scorers")

PAGE_RELEASES = 20
"""Releases that the page lists, the newest: `moderation scorers list` has all."""

SCALE = 1000
"""Parts of a whole in a chart of shares."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """A chart of shares by bin: bars are the last week, the line is the reference. `top`: where its axis ends. `rows`:
    (from, to, share in the reference, share in the last week, share in the last day or None)."""

    chart: Chart
    top: str
    middle: str
    rows: Sequence[tuple[str, str, str, str, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A signal's spread with its histogram, where there is enough to draw one."""

    spread: Spread
    over: Sequence[str]
    week: str
    day: str
    histogram: Histogram | None


@dataclass(frozen=True, slots=True)
class ShownShadow:
    """A shadow's figures, and those of its differences that are in the page's language choice."""

    figures: Beside
    differing: str
    chart: Chart
    signals: Sequence[tuple[str, int, str, str, str]]
    languages: Sequence[tuple[str, int, int, str]]
    live_agrees: str
    shadow_agrees: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A signal in a release's report: how many decided comments it was measured on, the mark from which they would be
    held, (figure, before, after, difference) with their intervals, and shares of what passed the machine."""

    signal: str
    good: int
    bad: int
    mark: str
    rows: Sequence[tuple[str, str, str, str]]
    passed: tuple[int, str, str] | None


@dataclass(frozen=True, slots=True)
class ShownReport:
    """A release's report as the page shows it: what it was measured against, what speaks against it, its figures."""

    base: str
    against: Sequence[str]
    signals: Sequence[Measured]


@scorer_pages.get("")
@auth.seniors_only
def page() -> Response:
    """Everything of one site (`site`), in all languages or one (`language`)."""
    now = utcnow()
    with web.database().reading() as session:
        mine = sites.of_ids(session, g.site_ids)
        rows = [row for row in releases.listed(session) if row.site_id is None or row.site_id in g.site_ids]
        wanted = web.query_int("site", 0, 0, 10**18) if request.args.get("site") else 0
        site = next((one for one in mine if one.id == wanted or not wanted), None)
        if site is None and wanted:
            raise NotFound("There is no such site.", field="site")
        told = None if site is None else drift.read(session, web.settings(), site, now)
        language = request.args.get("language", drift.ALL)
        if told is None or language not in told.languages:
            language = drift.ALL
        volume = None if site is None else _volume(statistics_reading.read(session, [site.id], _days(now), now), now)
        html = render_template(
            "scorers/page.html",
            counts=queue.counts(session, g.site_ids, g.me, now),
            sites=mine,
            site_shown=site,
            names={one.id: one.name for one in mine},
            composition=evidence.speakers(session).parts,
            live=drift.live_of(session, web.settings(), None if site is None else site.id),
            rows=rows[:PAGE_RELEASES],
            more=len(rows) > PAGE_RELEASES,
            reports={row.id: _report(row) for row in rows[:PAGE_RELEASES] if row.report.get("signals")},
            told=told,
            language=language,
            scorers=_scorers(told, language),
            shadows=[] if told is None else [_shadow(one, language) for one in told.shadows],
            volume=volume,
            percent=percent,
            span=span,
            few=drift.FEW,
            bands=(figure(stability.MOVED_FROM, 2), figure(stability.SHIFTED_FROM, 2)),
        )
    return Response(html, mimetype="text/html")


def _report(row: Release) -> ShownReport:
    found = row.report["signals"]
    return ShownReport(
        base=row.report["base"],
        against=[_objection(one) for one in comparing.found_against(found, better=row.scorer == newsroom.NAME)],
        signals=[_measured(signal, head) for signal, head in found.items()],
    )


def _objection(one: Objection) -> str:
    values = {name: signed(value, 3) if name == "change" else percent(value) for name, value in one.figures.items()}
    return str(gettext(wordings.OBJECTIONS[one.code], signal=i18n.signal_name(one.signal), **values))


def _measured(signal: str, head: Mapping[str, Any]) -> Measured:
    marks = [figure(head[name], 3) for name in ("mark", "mark_after")]
    passed = head.get("passed")
    return Measured(
        signal=signal,
        good=head["good"],
        bad=head["bad"],
        mark=" → ".join(dict.fromkeys(marks)),
        rows=[
            (name, _estimate(head["before"][name]), _estimate(head["after"][name]), _estimate(head["difference"][name]))
            for name in comparing.FIGURES
        ],
        passed=None if passed is None else (passed["comments"], percent(passed["before"]), percent(passed["after"])),
    )


def _estimate(found: comparing.Estimate) -> str:
    value, low, high = (figure(one, 3).replace("-", "−") for one in found)
    return value if found[1] is None else f"{value} [{low}; {high}]"


def _scorers(told: Drift | None, language: str) -> Mapping[str, Sequence[Shown]]:
    """Scorer → its signals in a language."""
    found: dict[str, list[Shown]] = {}
    for spread in [] if told is None else told.spreads:
        if spread.language == language:
            found.setdefault(spread.scorer, []).append(
                Shown(
                    spread,
                    [percent(share) for share in spread.over],
                    figure(spread.week.index, 2),
                    figure(spread.day.index, 2),
                    _histogram(spread),
                )
            )
    return found


def _histogram(spread: Spread) -> Histogram | None:
    week, day = spread.week, spread.day
    if week.state == stability.FEW:
        return None
    shares = [round(SCALE * share) for share in week.found]
    expected = [SCALE * share for share in week.expected]
    top = charts.count_top(round(max([*shares, *expected])))
    bars, line = charts.bars([("c-calm", shares)], top), charts.line(expected, float(top))
    bounds = [0.0, *week.edges, 1.0]
    days: Sequence[float | None] = day.found or [None] * len(week.found)
    return Histogram(
        chart=replace(bars, line=line.line),
        top=percent(top / SCALE, 0),
        middle=percent(top / SCALE / 2, 0),
        rows=[
            (figure(low, 3), figure(high, 3), percent(was), percent(then), percent(now))
            for (low, high), was, then, now in zip(pairwise(bounds), week.expected, week.found, days, strict=True)
        ],
    )


def _shadow(one: Beside, language: str) -> ShownShadow:
    actions = ("approve", "hold", "reject")
    by_live = {live: [one.moves.get((live, shadow), 0) for shadow in actions] for live in actions}
    return ShownShadow(
        figures=one,
        differing=percent(one.differing / one.comments if one.comments else None),
        chart=charts.bars(
            [
                (kind, [by_live[live][place] for live in actions])
                for place, kind in enumerate(("c-yes", "c-hold", "c-no"))
            ]
        ),
        signals=[
            (item.signal, item.n, signed(item.mean, 3), figure(item.size, 3), figure(item.p95, 3))
            for item in one.differences
            if item.language == language
        ],
        languages=[
            (name, n, differing, percent(differing / n))
            for name, (n, differing) in sorted(one.languages.items(), key=lambda item: -item[1][0])
        ],
        live_agrees=percent(one.people.live / one.people.decisions if one.people.decisions else None),
        shadow_agrees=percent(one.people.shadow / one.people.decisions if one.people.decisions else None),
    )


@dataclass(frozen=True, slots=True)
class Volume:
    """Comments that came, by day: the chart, (day, comments) the latest first, and the days that are named under the
    chart. `missing`: hours that are not counted yet."""

    total: int
    chart: Chart
    rows: Sequence[tuple[datetime, int]]
    labels: Sequence[datetime]
    missing: int


def _days(now: datetime) -> list[statistics_reading.Slot]:
    """The days of the reference and of the last week."""
    days = (drift.BEFORE + drift.WEEK) // timedelta(days=1)
    return statistics_reading.axis("day", days, now, ZoneInfo(i18n.timezone_name()))


def _volume(figures: statistics_reading.Figures, now: datetime) -> Volume:
    came = [sums.received for sums in figures.slots]
    starts = [slot.start for slot in _days(now)]
    chart = charts.bars([("c-calm", came)])
    rows = list(zip(starts, came, strict=True))[::-1]
    return Volume(sum(came), chart, rows, [starts[place] for place in chart.labelled], figures.missing)
