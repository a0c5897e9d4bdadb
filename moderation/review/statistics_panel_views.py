"""The panels of the page of statistics: what figures say in a sentence, as a chart and as a table."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import g
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from moderation import i18n, web, wordings
from moderation.accounts import moderators
from moderation.review import charts, statistics
from moderation.review.charts import Chart
from moderation.review.second_looks import Agreement
from moderation.review.shown_views import Cell, numeral, part, share, slot_name, span
from moderation.review.statistics import Looked, Sums
from moderation.review.statistics_reading import Figures, Slot

FEW = 20
"""Of fewer cases no finding is made."""
LANGUAGES = 3
"""Columns of languages beside a signal: those that came most."""


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


def held_target() -> float | None:
    """How long a comment may be held (s): beyond it there is an alert. None: there is no such limit."""
    return web.settings().alert_held_minutes * charts.MINUTE or None


def all_panels(
    session: Session, slots: Sequence[Slot], wish: Wish, figures: Figures, agreement: Agreement
) -> list[Panel]:
    """Every panel of the page, in its order."""
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
            number=numeral(sum(every), 0),
            held=share(sum(series[statistics.HOLD]) / sum(every)),
            when=slot_name(starts[most], wish.by),
            most=numeral(every[most], 0),
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
            number=numeral(sum(both), 0),
            share=share(sum(rejected) / sum(both)),
            when=slot_name(starts[most], wish.by),
            most=numeral(both[most], 0),
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
    target = held_target()
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
                number=numeral(looked, 0),
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
            number=numeral(worst[2], 0),
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
    name = name or (i18n.signal_name(signal) if signal in wordings.SIGNAL_NAMES else i18n.reason_name(signal))
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
            number=numeral(agreement.looked, 0),
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
