"""The page of statistics, and its tables as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, g, render_template, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth, sites
from moderation.alerts import conditions
from moderation.archive.rows import guarded
from moderation.db import utcnow
from moderation.errors import NotFound
from moderation.review import queue, second_looks, statistics, statistics_reading
from moderation.review.shown_views import Cell, desk_zone, part, share, shown, slot_name, span
from moderation.review.statistics_panel_views import Panel, Wish, all_panels, held_target
from moderation.review.statistics_reading import Slot

statistics_pages = Blueprint("statistics_pages", __name__)

DAYS = (1, 7, 30, 90, 365)
"""Spans that the page offers; the first is the last 24 hours."""
USUAL_DAYS = 7
HOURLY_DAYS = 7
"""Up to so many days may be shown hour by hour."""


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
            panels=all_panels(session, slots, wish, figures, agreement),
            median=statistics.quantile(figures.total.waits, 0.5),
            cell=lambda kind, value: shown(kind, value, wish.by),
            tick=shown,
            name=lambda slot, short: slot_name(slots[slot].start, wish.by, short=short),
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
        panels = {panel.id: panel for panel in all_panels(session, slots, wish, figures, agreement)}
    wanted = request.args.get("chart", "")
    if wanted not in panels:
        raise NotFound("There is no such table.", field="chart")
    response = Response(_csv(panels[wanted]), mimetype="text/csv")
    name = f"statistics-{wanted}-{now.astimezone(desk_zone()).date().isoformat()}.csv"
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
        return value.astimezone(desk_zone()).isoformat(timespec="minutes")
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


def _slots(wish: Wish, now: datetime) -> list[Slot]:
    return statistics_reading.axis(wish.by, wish.days, now, desk_zone())


@dataclass(frozen=True, slots=True)
class Oldest:
    """How long the oldest held comment has waited (s), the target (s; None: there is none), and how that is: `ok`,
    `soon` or `late`."""

    waited: float
    target: float | None
    level: str


def _oldest(session: Session, site_ids: Sequence[int], now: datetime) -> Oldest | None:
    at = queue.oldest(session, site_ids)
    if at is None:
        return None
    waited, target = (now - at).total_seconds(), held_target()
    level = "ok"
    if target is not None and waited > target * conditions.LASTING_SHARE:
        level = "late" if waited > target else "soon"
    return Oldest(waited, target, level)
