"""Personal tokens: a moderator's own keys for the API. A token may do what its owner may, no more and no longer."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.accounts import audit
from moderation.accounts.models import Moderator, PersonalToken
from moderation.errors import Conflict, InvalidInput, NotAuthenticated, NotFound

PREFIX = "mod_"
"""How every token begins: a site's key begins otherwise, so that neither is taken for the other."""
HINT = 10
"""First characters that tell a token from the others."""
LIVES: Mapping[str, timedelta | None] = {
    "30": timedelta(days=30),
    "90": timedelta(days=90),
    "365": timedelta(days=365),
    "never": None,
}
"""How long a token may live: days, or until it is revoked."""
MOST = 20
NOTED_EVERY = timedelta(minutes=1)
"""The last use is written down at most so often."""

WRONG_NAME = "The name must have 1 to 100 characters."
WRONG_LIFE = "Choose how long the token lives."
TOO_MANY = "You have 20 live tokens; revoke one first."
WRONG_TOKEN = "The token is not valid, or not any more."  # noqa: S105 a sentence


@dataclass(frozen=True, slots=True)
class Holder:
    """Who sends a token. `unnoted`: its last use should be written down (`note_use`)."""

    moderator: Moderator
    token_id: int
    unnoted: bool


def create(session: Session, me: Moderator, name: str, life: str, now: datetime) -> tuple[PersonalToken, str]:
    """Make a token; returns its row and the token, which is shown this once.

    Raises InvalidInput naming `name` or `life` (see LIVES), Conflict when there are as many as there may be.
    """
    try:
        name = parsing.clean_text(name, "name", max_chars=100, max_bytes=400, multiline=False, required=True).strip()
    except InvalidInput:
        raise InvalidInput(WRONG_NAME, field="name") from None
    if life not in LIVES:
        raise InvalidInput(WRONG_LIFE, field="life")
    # Two windows of one person take turns.
    session.execute(select(Moderator.id).where(Moderator.id == me.id).with_for_update())
    live = select(func.count()).select_from(PersonalToken).where(PersonalToken.moderator_id == me.id, _lives(now))
    if (session.scalar(live) or 0) >= MOST:
        raise Conflict(TOO_MANY, field="name")
    token = PREFIX + secrets.token_urlsafe(32)
    lasts = LIVES[life]
    row = PersonalToken(
        moderator_id=me.id,
        name=name,
        token_hash=_hash(token),
        hint=token[:HINT],
        created_at=now,
        expires_at=None if lasts is None else now + lasts,
    )
    session.add(row)
    session.flush()
    _note(session, me, "token.add", row.id, now)
    return row, token


def listed(session: Session, me: Moderator) -> list[PersonalToken]:
    """All tokens of somebody, also those that ended, newest first."""
    return list(
        session.scalars(
            select(PersonalToken).where(PersonalToken.moderator_id == me.id).order_by(PersonalToken.id.desc())
        )
    )


def lives(token: PersonalToken, now: datetime) -> bool:
    """Whether a token is worth anything."""
    return token.revoked_at is None and (token.expires_at is None or token.expires_at > now)


def revoke(session: Session, me: Moderator, token_id: int, now: datetime) -> None:
    """Make a token worthless from now on; a second time changes nothing. Raises NotFound for another person's."""
    row = session.get(PersonalToken, token_id)
    if row is None or row.moderator_id != me.id:
        raise NotFound("You have no such token.", field="token")
    if row.revoked_at is None:
        row.revoked_at = now
        _note(session, me, "token.revoke", token_id, now)


def by_token(session: Session, token: str, now: datetime) -> Holder:
    """Who a token belongs to. Raises NotAuthenticated when it is unknown, ended, or its owner disabled."""
    row = session.execute(
        select(Moderator, PersonalToken.id, PersonalToken.used_at)
        .join(PersonalToken, PersonalToken.moderator_id == Moderator.id)
        .where(PersonalToken.token_hash == _hash(token), _lives(now), Moderator.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotAuthenticated(WRONG_TOKEN)
    return Holder(row.Moderator, row.id, row.used_at is None or row.used_at <= now - NOTED_EVERY)


def note_use(session: Session, token_id: int, now: datetime) -> None:
    """Write down that a token was used, unless somebody did so within the last minute."""
    session.execute(
        update(PersonalToken)
        .where(
            PersonalToken.id == token_id,
            or_(PersonalToken.used_at.is_(None), PersonalToken.used_at <= now - NOTED_EVERY),
        )
        .values(used_at=now)
        .execution_options(synchronize_session=False)
    )


def _lives(now: datetime) -> ColumnElement[bool]:
    return PersonalToken.revoked_at.is_(None) & or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > now)


def _note(session: Session, me: Moderator, action: str, token_id: int, now: datetime) -> None:
    actor = f"moderator:{me.id}"
    audit.record(session, actor=actor, action=action, subject=actor, site_id=None, now=now, detail=f"token:{token_id}")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
