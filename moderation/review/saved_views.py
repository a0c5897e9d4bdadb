"""Saved views: searches that the team keeps under a name. Everybody sees them; whoever made one, or a senior, removes
it."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.db import insert_ignore
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotFound
from moderation.review import filters, notes
from moderation.review.models import SavedView

MAX_NAME = 80
MAX_VIEWS = 200
"""More than a team can tell apart in a list."""

WRONG_NAME = "A name has 1 to 80 characters."


@dataclass(frozen=True, slots=True)
class View:
    """A saved view as a page shows it. `query` is as the search takes it; an age such as `after:7d` stays an age."""

    id: int
    name: str
    query: str
    moderator_id: int
    moderator: str


def add(session: Session, name: str, query: str, me: Moderator, *, now: datetime, tz: tzinfo) -> SavedView:
    """Keep `query` under `name`.

    Raises InvalidInput naming `name` or `q`, and Conflict when there is a view of that name or there are too many.
    """
    clean = " ".join(notes.cleaned(name, "name", MAX_NAME, WRONG_NAME).split())
    parsed = filters.parse(query, now=now, tz=tz)
    if not parsed.conditions:
        raise InvalidInput("There is nothing to search for yet.", field="q")
    if (session.scalar(select(func.count()).select_from(SavedView)) or 0) >= MAX_VIEWS:
        raise Conflict("There are too many saved views; remove one first.", field="name")
    made = insert_ignore(session, SavedView, name=clean, query=str(parsed), moderator_id=me.id, created_at=now)
    if made is None:
        raise Conflict("There is a saved view of that name.", field="name")
    _record(session, "view.add", made, clean, me, now)
    return session.get_one(SavedView, made)


def remove(session: Session, view_id: int, me: Moderator, *, now: datetime) -> None:
    """Take a view away. Raises NotFound, and NotAllowed when somebody else made it and `me` is no senior."""
    view = session.get(SavedView, view_id)
    if view is None:
        raise NotFound("There is no such saved view.", field="view")
    if view.moderator_id != me.id and not moderators.is_senior(me):
        raise NotAllowed("Only whoever made a saved view, or a senior, removes it.")
    _record(session, "view.remove", view.id, view.name, me, now)
    session.delete(view)
    session.flush()


def listed(session: Session) -> list[View]:
    """All saved views, by name."""
    rows = session.execute(
        select(SavedView.id, SavedView.name, SavedView.query, SavedView.moderator_id, Moderator.name)
        .join(Moderator, Moderator.id == SavedView.moderator_id)
        .order_by(func.lower(SavedView.name), SavedView.id)
        .limit(MAX_VIEWS)
    ).all()
    return [View(*row) for row in rows]


def _record(session: Session, action: str, view_id: int, name: str, me: Moderator, now: datetime) -> None:
    audit.record(
        session,
        actor=moderators.actor(me),
        action=action,
        subject=f"view:{view_id}",
        site_id=None,
        now=now,
        detail=name,
    )
