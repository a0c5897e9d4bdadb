"""What a person ordered for everything that an author writes: to be banned, held, or trusted, for a time or for ever.

An order is asked for when a comment is judged; what was decided before it stays as it is.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from moderation.accounts import audit, moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Author
from moderation.errors import InvalidInput

BANNED, HELD, TRUSTED, NOTHING = "banned", "held", "trusted", ""
KINDS = (BANNED, HELD, TRUSTED, NOTHING)
"""`banned`: every comment is rejected. `held`: every comment waits for a person. `trusted`: rules that only hold do not
stand against approval. Empty: the policy alone counts."""

DEEDS: Mapping[str, str] = {
    BANNED: "author.ban",
    HELD: "author.hold",
    TRUSTED: "author.trust",
    NOTHING: "author.clear",
}
"""Kind → what the audit calls the order."""

SENIORS_ONLY = "Only seniors and administrators may ban, hold or trust an author."
NAME_ONLY = "Many readers may share a name; an author known by name only can be held, but not banned."
NO_IDENTITY = "Only an author with the site's own id can be trusted: names and e-mail addresses are not checked."


def set_standing(
    session: Session, author: Author, kind: str, until: datetime | None, me: Moderator, now: datetime
) -> None:
    """Order what becomes of everything that `author` writes from now on; `until` None: for ever.

    Raises NotAllowed for a plain moderator, InvalidInput naming `kind` or `until` for an order that makes no sense for
    this author: a name is shared by many, and what nobody has checked earns no trust.
    """
    moderators.senior(me, SENIORS_ONLY)
    if kind not in KINDS:
        raise InvalidInput("The standing must be banned, held, trusted or empty.", field="kind")
    if kind == BANNED and author.identity.startswith("n:"):
        raise InvalidInput(NAME_ONLY, field="kind")
    if kind == TRUSTED and not author.identity.startswith("x:"):
        raise InvalidInput(NO_IDENTITY, field="kind")
    if kind == NOTHING:
        until = None
    if until is not None and until <= now:
        raise InvalidInput("The end must lie in the future.", field="until")
    author.standing, author.standing_until = kind, until
    author.standing_by, author.standing_at = me.id, now
    audit.record(
        session,
        actor=f"moderator:{me.id}",
        action=DEEDS[kind],
        subject=f"author:{author.id}",
        site_id=author.site_id,
        now=now,
        detail="" if kind == NOTHING else "for ever" if until is None else f"until {until.isoformat()}",
    )


def in_force(author: Author, now: datetime) -> str:
    """The order that counts at `now`; empty where there is none, or its time is over."""
    if author.standing_until is not None and author.standing_until <= now:
        return NOTHING
    return author.standing
