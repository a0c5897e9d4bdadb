"""The groups: floods of what waits, by campaign, domain, phone number and network, each decided with one button.

Works without script: a deed leads back to the group with what became of it, and a button that takes it back.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from moderation import web
from moderation.accounts import auth, moderators
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, NotFound, not_among
from moderation.review import campaigns, decisions, groups, queue

group_pages = Blueprint("group_pages", __name__, url_prefix="/queue/groups")

DONE = ("approve", "reject", "undone", "order", "end")


@dataclass(frozen=True, slots=True)
class Notice:
    """What was just done: with how many, how many were left alone, and (`at`) the button that takes it back."""

    what: str
    n: int
    left: int
    at: str


@group_pages.get("")
@auth.login_required
def floods() -> str:
    """The largest groups of each kind, and the orders in force."""
    now = utcnow()
    with web.database().reading() as session:
        return render_template(
            "groups.html",
            floods=groups.floods(session, g.site_ids, now),
            orders=campaigns.orders(session, g.site_ids, now),
            sample=groups.SAMPLE,
            counts=queue.counts(session, g.site_ids, g.me, now),
        )


@group_pages.get("/<kind>/<path:value>")
@auth.login_required
def page(kind: str, value: str) -> str:
    """One group: the text in front, the others with what differs, and what can be done with all of them."""
    now = utcnow()
    with web.database().reading() as session:
        return render_template(
            "group.html",
            group=groups.group(
                session, g.site_ids, kind, checked(value), now, after=web.query_int("after", 0, 0, 10**18)
            ),
            notice=_notice(),
            reasons=decisions.REASONS,
            hours=campaigns.HOURS,
            counted=groups.COUNTED,
            at_once=groups.AT_ONCE,
            search=groups.search_line(kind, value),
            counts=queue.counts(session, g.site_ids, g.me, now),
        )


@group_pages.post("/<kind>/<path:value>")
@auth.login_required
@auth.csrf_required
def act(kind: str, value: str) -> AnyResponse:
    """Do the form's `deed`: `decide` all that wait, `order` the same for newcomers, `end` the order, or `undo`."""
    value = checked(value)
    deed = request.form.get("deed", "")
    now = utcnow()
    with web.database().transaction() as session:
        me = auth.current(session)
        site_ids = moderators.site_ids(session, me)
        reason = request.form.get("reject") or None
        action = "reject" if reason else request.form.get("decision", "")
        if deed == "decide":
            if action not in ("approve", "reject"):
                raise not_among("decision", ("approve", "reject"))
            result = groups.decide_all(
                session,
                site_ids,
                kind,
                value,
                action,
                me,
                until_id=web.form_int("until_id"),
                now=now,
                reason=reason,
            )
            if kind == "campaign" and action == "reject" and request.form.get("hours"):
                campaigns.order(session, int(value), action, reason, me, web.form_int("hours"), now)
            done: dict[str, Any] = {"done": action, **_figures(result), "at": now.isoformat()}
        elif deed == "undo":
            result = groups.undo_all(session, site_ids, me, _moment(), now)
            done = {"done": "undone", **_figures(result)}
        elif deed in ("order", "end") and kind == "campaign":
            groups.group(session, site_ids, kind, value, now)  # whether it is there, and mine
            if deed == "order":
                campaigns.order(session, int(value), action, reason, me, web.form_int("hours"), now)
            else:
                campaigns.end_order(session, int(value), me, now)
            done = {"done": deed}
        else:
            raise not_among("deed", ("decide", "undo", "order", "end"))
    if request.form.get("back") == "groups":
        return redirect(url_for("group_pages.floods"), 303)
    return redirect(url_for("group_pages.page", kind=kind, value=value, **done), 303)


def checked(value: str) -> str:
    """What an address may name as a group's value. Raises NotFound."""
    if len(value) > 255 or not value.isprintable():
        raise NotFound("There is no such group.")
    return value


def _figures(result: dict[int, groups.Decided]) -> dict[str, int]:
    left = sum(isinstance(item, Conflict) for item in result.values())
    return {"n": len(result) - left, "left": left}


def _moment() -> datetime:
    try:
        at = datetime.fromisoformat(request.form.get("at", ""))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInput("There is nothing of yours to undo here.", field="at")
    return at


def _notice() -> Notice | None:
    what = request.args.get("done", "")
    if what not in DONE:
        return None
    n, left = (web.query_int(name, 0, 0, groups.AT_ONCE) for name in ("n", "left"))
    return Notice(what, n, left, request.args.get("at", "")[:40])
