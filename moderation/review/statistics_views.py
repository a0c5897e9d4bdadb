"""The page of statistics: what the figures say in a sentence, as a chart and as a table, and the table as CSV."""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask import Blueprint, Response, g, render_template, request
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from moderation import i18n, web
from moderation.accounts import auth, moderators, sites
from moderation.alerts import conditions
from moderation.archive.rows import guarded
from moderation.db import utcnow
from moderation.errors import NotFound
from moderation.review import charts, queue, second_looks, statistics, statistics_reading
from moderation.review.charts import Chart
from moderation.review.second_looks import Agreement
from moderation.review.statistics import Looked, Sums
from moderation.review.statistics_reading import Figures, Slot

statistics_pages = Blueprint("statistics_pages", __name__)

DAYS = (1, 7, 30, 90, 365)
"""Spans that the page offers; the first is the last 24 hours."""
USUAL_DAYS = 7
HOURLY_DAYS = 7
"""Up to so many days may be shown hour by hour."""
FEW = 20
"""Of fewer cases no finding is made."""
LANGUAGES = 3
"""Columns of languages beside a signal: those that came most."""

Cell = str | int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `kind`: `text`, `time` (the beginning of a slot), `count`, `share` (0..1), `span` (s)."""

    title: str
    kind: str = "count"


@dataclass(frozen=True, slots=True)
class Panel:
    """One finding: in words, as a chart where it goes through time, and as a table, which is the CSV too.

    `legend`: (class of the mark, or `line` or `goal`, words). `bar`: the column of shares that is drawn beside it.
    """

    id: str
    heading: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    chart: Chart | None = None
    unit: str = "count"
    legend: Sequence[tuple[str, str]] = ()
    note: str = ""
    bar: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the statistics somebody wants to see."""

    site_id: int | None
    days: int
    by: str

    def query(self, **other: object) -> str:
        """The query of an address that shows it, with something else in places."""
        known = {"site": self.site_id or "", "days": self.days, "by": self.by}
        return urlencode({name: value for name, value in (known | other).items() if value != ""})


@statistics_pages.get("/statistics")
@auth.login_required
def page() -> Response:
    """Everything on one page."""
    wish, now = _wish(), utcnow()
    with web.database().reading() as session:
        slots = _slots(wish, now)
        site_ids = _site_ids(wish)
        figures = statistics_reading.read(session, site_ids, slots, now)
        agreement = second_looks.agreement(session, site_ids, slots[0].start, slots[-1].end)
        html = render_template(
            "statistics/page.html",
            counts=queue.counts(session, g.site_ids, g.me, now),
            wish=wish,
            days=DAYS,
            hourly=wish.days <= HOURLY_DAYS,
            sites=sites.of_ids(session, g.site_ids),
            span=(slots[0].start, min(now, slots[-1].end)),
            figures=figures,
            oldest=_oldest(session, site_ids, now),
            agreement=agreement,
            panels=_panels(session, slots, wish, figures, agreement),
            median=statistics.quantile(figures.total.waits, 0.5),
            cell=lambda kind, value: _shown(kind, value, wish.by),
            tick=_shown,
            name=lambda slot, short: _slot_name(slots[slot].start, wish.by, short=short),
            share=share,
            duration=span,
            part=part,
        )
    return Response(html, mimetype="text/html")


@statistics_pages.get("/statistics.csv")
@auth.login_required
def table() -> Response:
    """One table as CSV, with plain numbers: shares from 0 to 1, times in seconds. No cell is a formula."""
    wish, now = _wish(), utcnow()
    with web.database().reading() as session:
        slots = _slots(wish, now)
        site_ids = _site_ids(wish)
        figures = statistics_reading.read(session, site_ids, slots, now)
        agreement = second_looks.agreement(session, site_ids, slots[0].start, slots[-1].end)
        panels = {panel.id: panel for panel in _panels(session, slots, wish, figures, agreement)}
    wanted = request.args.get("chart", "")
    if wanted not in panels:
        raise NotFound("There is no such table.", field="chart")
    response = Response(_csv(panels[wanted]), mimetype="text/csv")
    name = f"statistics-{wanted}-{now.astimezone(_zone()).date().isoformat()}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _csv(panel: Panel) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([guarded(column.title) for column in panel.columns])
    for row in panel.rows:
        writer.writerow([_plain(value) for value in row])
    return text.getvalue()


def _plain(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(_zone()).isoformat(timespec="minutes")
    return guarded(value) if isinstance(value, str) else str(round(value, 4))


# --- what is asked for ---


def _wish() -> Wish:
    site = web.query_int("site", 0, 0, 10**18) if request.args.get("site") else 0
    if site and site not in g.site_ids:
        raise NotFound("There is no such site.", field="site")
    given = web.query_int("days", USUAL_DAYS, 1, DAYS[-1])
    days = next(offered for offered in DAYS if offered >= given)
    hourly = days == 1 or (days <= HOURLY_DAYS and request.args.get("by") == "hour")
    return Wish(site or None, days, "hour" if hourly else "day")


def _site_ids(wish: Wish) -> list[int]:
    return [wish.site_id] if wish.site_id is not None else list(g.site_ids)


def _zone() -> ZoneInfo:
    return ZoneInfo(i18n.timezone_name())


def _slots(wish: Wish, now: datetime) -> list[Slot]:
    return statistics_reading.axis(wish.by, wish.days, now, _zone())


# --- figures in words ---


def _number(value: float, digits: int) -> str:
    pattern = "#,##0" + ("." + "#" * digits if digits else "")
    return str(numbers.format_decimal(value, format=pattern, locale=i18n.language()))


def share(value: float | None) -> str:
    """A share as people read it: 3.1 %, and 3,1 % in Indonesian."""
    return "–" if value is None else _number(100 * value, 1 if value < 0.1 else 0) + "\u00a0%"


def span(seconds: float | None) -> str:
    """A time as people read it: 42 s, 5.6 min, 3 h, 2.1 days."""
    if seconds is None:
        return "–"
    if seconds < charts.MINUTE:
        return str(gettext("%(number)s s", number=_number(seconds, 0)))
    if seconds < charts.HOUR:
        return str(gettext("%(number)s min", number=_number(seconds / charts.MINUTE, 1)))
    if seconds < 2 * charts.DAY:
        return str(gettext("%(number)s h", number=_number(seconds / charts.HOUR, 1)))
    return str(gettext("%(number)s days", number=_number(seconds / charts.DAY, 1)))


def _shown(kind: str, value: Cell, by: str = "") -> str:
    if isinstance(value, datetime):
        return _slot_name(value, by)
    if isinstance(value, str):
        return value
    if kind == "share":
        return share(value)
    if kind == "span":
        return span(value)
    return "–" if value is None else _number(value, 0)


def _slot_name(start: datetime, by: str, *, short: bool = False) -> str:
    local = start.astimezone(_zone())
    if by == "hour":
        return i18n.clock(start) if short else f"{_day(local)}, {i18n.clock(start)}"
    return str(local.day) if short else _day(local)


def _day(local: datetime) -> str:
    return str(dates.format_date(local.date(), "d MMM", locale=i18n.language()))


def part(n: int, of: int) -> float | None:
    """`n` as a share of `of`; None of nothing."""
    return n / of if of else None


@dataclass(frozen=True, slots=True)
class Oldest:
    """How long the oldest held comment has waited (s), the target (s; None: there is none), and how that is: `ok`,
    `soon` or `late`."""

    waited: float
    target: float | None
    level: str


def _target() -> float | None:
    """How long a comment may be held (s): beyond it there is an alert. None: there is no such limit."""
    return web.settings().alert_held_minutes * charts.MINUTE or None


def _oldest(session: Session, site_ids: Sequence[int], now: datetime) -> Oldest | None:
    at = queue.oldest(session, site_ids)
    if at is None:
        return None
    waited, target = (now - at).total_seconds(), _target()
    level = "ok"
    if target is not None and waited > target * conditions.LASTING_SHARE:
        level = "late" if waited > target else "soon"
    return Oldest(waited, target, level)


# --- the panels ---


def _panels(session: Session, slots: Sequence[Slot], wish: Wish, figures: Figures, agreement: Agreement) -> list[Panel]:
    starts = [slot.start for slot in slots]
    seen = [person for person in moderators.all_moderators(session) if person.id in figures.total.people]
    names = {person.id: person.name or person.email for person in seen}
    return [
        _volume(starts, wish, figures),
        _decisions(starts, wish, figures),
        _waiting(starts, wish, figures),
        _machine(starts, wish, figures),
        _overturned(figures.total),
        _looks(agreement),
        _people(figures, names),
    ]


def _when(wish: Wish) -> Column:
    return Column(gettext("Day") if wish.by == "day" else gettext("Hour"), "time")


def _volume(starts: Sequence[datetime], wish: Wish, figures: Figures) -> Panel:
    kinds = (statistics.APPROVE, statistics.HOLD, statistics.REJECT)
    series = {kind: [sums.at_once(kind) for sums in figures.slots] for kind in kinds}
    every = [sum(parts) for parts in zip(*series.values(), strict=True)]
    caption = gettext("No comments in this span")
    if sum(every):
        most = max(range(len(every)), key=every.__getitem__)
        caption = gettext(
            "%(number)s comments judged, %(held)s of them held; most: %(when)s, %(most)s",
            number=_number(sum(every), 0),
            held=share(sum(series[statistics.HOLD]) / sum(every)),
            when=_slot_name(starts[most], wish.by),
            most=_number(every[most], 0),
        )
    return Panel(
        "volume",
        gettext("Comments and what became of them at once"),
        caption,
        (
            *(_when(wish), Column(gettext("Received")), Column(gettext("Approved at once"))),
            *(Column(gettext("Held")), Column(gettext("Rejected at once"))),
        ),
        [
            (start, sums.received, *(series[kind][n] for kind in kinds))
            for n, (start, sums) in enumerate(zip(starts, figures.slots, strict=True))
        ],
        chart=charts.bars(list(zip(("c-calm", "c-hold", "c-no"), series.values(), strict=True))),
        legend=(
            *(("c-no", gettext("top: rejected at once")), ("c-hold", gettext("middle: held"))),
            ("c-calm", gettext("bottom: approved at once")),
        ),
        note=gettext("A text that was edited counts once more, where it was judged anew."),
    )


def _decisions(starts: Sequence[datetime], wish: Wish, figures: Figures) -> Panel:
    approved = [sums.by_people(statistics.APPROVE) for sums in figures.slots]
    rejected = [sums.by_people(statistics.REJECT) for sums in figures.slots]
    both = [a + r for a, r in zip(approved, rejected, strict=True)]
    caption = gettext("No decision by a person in this span")
    if sum(both):
        most = max(range(len(both)), key=both.__getitem__)
        caption = gettext(
            "%(number)s decisions by people, %(share)s of them rejections; most: %(when)s, %(most)s",
            number=_number(sum(both), 0),
            share=share(sum(rejected) / sum(both)),
            when=_slot_name(starts[most], wish.by),
            most=_number(both[most], 0),
        )
    return Panel(
        "decisions",
        gettext("Decisions of people"),
        caption,
        (
            *(_when(wish), Column(gettext("Approved")), Column(gettext("Rejected"))),
            *(Column(gettext("Undone")), Column(gettext("By the machine"))),
        ),
        [
            (start, a, r, sums.by_people(statistics.UNDO), sums.judged_alone)
            for start, a, r, sums in zip(starts, approved, rejected, figures.slots, strict=True)
        ],
        chart=charts.bars((("c-yes", approved), ("c-no", rejected))),
        legend=(("c-no", gettext("top: rejected")), ("c-yes", gettext("bottom: approved"))),
    )


def _waiting(starts: Sequence[datetime], wish: Wish, figures: Figures) -> Panel:
    medians = [statistics.quantile(sums.waits, 0.5) for sums in figures.slots]
    known = [median for median in medians if median is not None]
    target = _target()
    total = figures.total.waits
    caption = gettext("No held comment was decided in this span")
    if known:
        caption = gettext(
            "Half were decided within %(median)s, nine of ten within %(most)s",
            median=span(statistics.quantile(total, 0.5)),
            most=span(statistics.quantile(total, 0.9)),
        )
        over = sum(target is not None and median > target for median in known)
        if target is not None:
            caption += "; " + (
                ngettext(
                    "once the median was over the target of %(target)s",
                    "%(num)d times the median was over the target of %(target)s",
                    over,
                    target=span(target),
                )
                if over
                else gettext("the median was never over the target of %(target)s", target=span(target))
            )
    top = charts.span_top(max([*known, target or 0.0 if known else 0.0], default=0.0))
    legend = [("line", gettext("median"))]
    if target is not None and target <= top:
        legend.append(("goal", gettext("target %(target)s", target=span(target))))
    return Panel(
        "waiting",
        gettext("From arrival to a person's decision"),
        caption,
        (
            *(_when(wish), Column(gettext("Decided"))),
            *(Column(gettext("Median"), "span"), Column(gettext("Nine of ten within"), "span")),
        ),
        [
            (start, sum(sums.waits.values()), median, statistics.quantile(sums.waits, 0.9))
            for start, sums, median in zip(starts, figures.slots, medians, strict=True)
        ],
        chart=charts.line(medians, top, target),
        unit="span",
        legend=legend,
        note=gettext(
            "Of texts that were held; from when the text came. The times are read off a logarithmic scale: "
            "they are off by %(share)s at most.",
            share=share(math.ceil(1000 * statistics.BUCKET_ERROR) / 1000),
        ),
    )


def _machine(starts: Sequence[datetime], wish: Wish, figures: Figures) -> Panel:
    shares = [part(sums.judged_alone, sums.judged) for sums in figures.slots]
    overturned, looked = figures.total.overturned
    caption = gettext("The machine judged nothing in this span")
    if figures.total.judged:
        caption = gettext(
            "The machine decided %(share)s of what it judged itself",
            share=share(part(figures.total.judged_alone, figures.total.judged)),
        )
        if looked:
            caption += "; " + gettext(
                "people overturned %(share)s of the %(number)s verdicts that they looked at",
                share=share(overturned / looked),
                number=_number(looked, 0),
            )
    return Panel(
        "machine",
        gettext("Share judged by the machine"),
        caption,
        (
            *(_when(wish), Column(gettext("Judged")), Column(gettext("Decided itself"))),
            *(Column(gettext("Share"), "share"), Column(gettext("Looked at by people"))),
            *(Column(gettext("Overturned")), Column(gettext("Share overturned"), "share")),
        ),
        [
            (
                start,
                sums.judged,
                sums.judged_alone,
                known,
                sums.overturned[1],
                sums.overturned[0],
                part(*sums.overturned),
            )
            for start, sums, known in zip(starts, figures.slots, shares, strict=True)
        ],
        chart=charts.line(shares, 1.0),
        unit="share",
        legend=(("line", gettext("share that the machine decided itself")),),
        note=gettext(
            "To hold is to suspect: who rejects agrees, who approves overturns. What was held by a rule alone, such as "
            "a closed article, does not count."
        ),
    )


def _overturned(total: Sums) -> Panel:
    rows = total.verdicts
    by_language: dict[str, int] = {}
    for row in rows:
        by_language[row.language] = by_language.get(row.language, 0) + row.looked
    languages = sorted(by_language, key=lambda code: (-by_language[code], code))[:LANGUAGES]
    kinds = sorted({(row.machine == statistics.APPROVE, row.signal) for row in rows})
    table_rows: list[tuple[Cell, ...]] = []
    worst: tuple[float, str, int] | None = None
    for approved, signal in kinds:
        alike = [row for row in rows if (row.machine == statistics.APPROVE, row.signal) == (approved, signal)]
        looked, overturned = _added(alike)
        name = _signal_name(signal, approved)
        per_language = [part(*reversed(_added([row for row in alike if row.language == code]))) for code in languages]
        table_rows.append((name, looked, overturned, part(overturned, looked), *per_language))
        judging = not approved and signal not in statistics.NO_JUDGEMENT
        if judging and looked >= FEW and overturned and (worst is None or overturned / looked > worst[0]):
            worst = (overturned / looked, name, looked)
    table_rows.sort(key=lambda row: (-int(row[1] if isinstance(row[1], int) else 0), str(row[0])))
    caption = gettext("Too few verdicts were looked at to say which signal errs most")
    if worst is not None:
        caption = gettext(
            "Overturned most: %(signal)s, %(share)s of %(number)s",
            signal=worst[1],
            share=share(worst[0]),
            number=_number(worst[2], 0),
        )
    return Panel(
        "overturned",
        gettext("Verdicts that people overturned, by signal and language"),
        caption,
        (
            *(Column(gettext("Signal"), "text"), Column(gettext("Looked at by people")), Column(gettext("Overturned"))),
            Column(gettext("Share overturned"), "share"),
            *(Column(code or gettext("other language"), "share") for code in languages),
        ),
        table_rows,
        bar=3,
        note=gettext("By the strongest reason of the verdict, and by language the share overturned."),
    )


def _added(rows: Sequence[Looked]) -> tuple[int, int]:
    return sum(row.looked for row in rows), sum(row.overturned for row in rows)


def _signal_name(signal: str, approved: bool) -> str:
    name = gettext("nothing against it") if signal == statistics.NO_REASON else ""
    name = name or (i18n.signal_name(signal) if signal in i18n.SIGNAL_NAMES else i18n.reason_name(signal))
    return gettext("approved: %(reason)s", reason=name) if approved else str(name)


def _people(figures: Figures, names: Mapping[int, str]) -> Panel:
    """Everybody for seniors; a moderator sees their own row and the others together."""
    people = figures.total.people
    rows: list[tuple[Cell, ...]] = []
    others: dict[str, int] = {}
    hours = 0
    for number in sorted(people, key=lambda number: names.get(number, "").casefold()):
        if moderators.is_senior(g.me) or number == g.me.id:
            rows.append(_person(names.get(number, "–"), people[number], figures.active_hours.get(number, 0)))
        else:
            hours += figures.active_hours.get(number, 0)
            for action, n in people[number].items():
                others[action] = others.get(action, 0) + n
    if others:
        rows.append(_person(gettext("all others"), others, hours))
    return Panel(
        "people",
        gettext("Decisions by moderator"),
        ngettext("%(num)d person decided", "%(num)d people decided", len(people))
        if people
        else gettext("No decision by a person in this span"),
        (
            *(Column(gettext("Moderator"), "text"), Column(gettext("Approved")), Column(gettext("Rejected"))),
            *(Column(gettext("Undone")), Column(gettext("In bulk")), Column(gettext("Hours with decisions"))),
            Column(gettext("Decisions in such an hour"), "count"),
        ),
        rows,
        note=gettext("Sorted by name: this is no league table. Everybody sees their own row; seniors see all of them."),
    )


def _person(name: str, decisions: Mapping[str, int], hours: int) -> tuple[Cell, ...]:
    def n(action: str) -> int:
        return decisions.get(action, 0)

    one_by_one = n(statistics.APPROVE) + n(statistics.REJECT)
    return (
        *(name, n(statistics.APPROVE), n(statistics.REJECT), n(statistics.UNDO), n(statistics.BULK), hours),
        round(one_by_one / hours) if hours else None,
    )


def _looks(agreement: Agreement) -> Panel:
    caption = gettext("No second look in this span")
    if agreement.looked:
        caption = gettext(
            "Two people who did not know of each other agreed on %(share)s of %(number)s",
            share=share(agreement.agreed / agreement.looked),
            number=_number(agreement.looked, 0),
        )
    words: Mapping[str, Callable[[], str]] = {
        "approve": lambda: gettext("Approved"),
        "reject": lambda: gettext("Rejected"),
    }
    return Panel(
        "looks",
        gettext("Second looks"),
        caption,
        (
            *(Column(gettext("First person"), "text"), Column(gettext("Second person"), "text")),
            *(Column(gettext("Comments")), Column(gettext("Share"), "share")),
        ),
        [
            (words[first](), words[second](), n, part(n, agreement.looked))
            for (first, second), n in sorted(agreement.pairs.items())
        ],
        bar=3,
    )
