"""What the page of statistics shows of figures: shares, times and slots in the page's language."""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel import dates, numbers
from flask_babel import gettext

from moderation import i18n
from moderation.review import charts

Cell = str | int | float | datetime | None
"""A value of a table; None where there is none."""


def desk_zone() -> ZoneInfo:
    """The time zone of the desk, in which days and hours are meant."""
    return ZoneInfo(i18n.timezone_name())


def numeral(value: float, digits: int) -> str:
    """A number with at most so many digits after the point, as the page's language writes it."""
    pattern = "#,##0" + ("." + "#" * digits if digits else "")
    return str(numbers.format_decimal(value, format=pattern, locale=i18n.language()))


def share(value: float | None) -> str:
    """A share as people read it: 3.1 %, and 3,1 % in Indonesian."""
    return "–" if value is None else numeral(100 * value, 1 if value < 0.1 else 0) + "\u00a0%"


def span(seconds: float | None) -> str:
    """A time as people read it: 42 s, 5.6 min, 3 h, 2.1 days."""
    if seconds is None:
        return "–"
    if seconds < charts.MINUTE:
        return str(gettext("%(number)s s", number=numeral(seconds, 0)))
    if seconds < charts.HOUR:
        return str(gettext("%(number)s min", number=numeral(seconds / charts.MINUTE, 1)))
    if seconds < 2 * charts.DAY:
        return str(gettext("%(number)s h", number=numeral(seconds / charts.HOUR, 1)))
    return str(gettext("%(number)s days", number=numeral(seconds / charts.DAY, 1)))


def shown(kind: str, value: Cell, by: str = "") -> str:
    """A cell of a column of this kind; `by`: what a slot is, `hour` or `day`."""
    if isinstance(value, datetime):
        return slot_name(value, by)
    if isinstance(value, str):
        return value
    if kind == "share":
        return share(value)
    if kind == "span":
        return span(value)
    return "–" if value is None else numeral(value, 0)


def slot_name(start: datetime, by: str, *, short: bool = False) -> str:
    """The name of the slot that begins then; `short`: for the axis of a chart."""
    local = start.astimezone(desk_zone())
    if by == "hour":
        return i18n.clock(start) if short else f"{_day(local)}, {i18n.clock(start)}"
    return str(local.day) if short else _day(local)


def _day(local: datetime) -> str:
    return str(dates.format_date(local.date(), "d MMM", locale=i18n.language()))


def part(n: int, of: int) -> float | None:
    """`n` as a share of `of`; None of nothing."""
    return n / of if of else None
