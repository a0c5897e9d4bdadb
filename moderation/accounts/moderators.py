"""Moderators: people who log in, with argon2id passwords and access to sites."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from moderation.accounts import audit
from moderation.accounts.models import LoginFailure, LoginSession, Moderator, ModeratorSite, Site
from moderation.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, NotFound, TooMany

ADMINISTRATOR = "administrator"
SENIOR = "senior"
MODERATOR = "moderator"
ROLES = (ADMINISTRATOR, SENIOR, MODERATOR)
"""A senior also decides what was escalated and bans, holds or trusts authors; an administrator may do everything."""

MIN_PASSWORD = 10
MAX_PASSWORD_BYTES = 256

FREE_FAILURES = 5
FAILURE_WINDOW = timedelta(minutes=1)
ADDRESS_FAILURES = 30
"""Wrong passwords per address and window before it waits: more than one person may sit behind an address."""


class LoginDelayed(TooMany):
    """Too many wrong passwords; wait. Delay, not lock: nobody can lock a colleague out for good."""

    code = "login_delayed"


class Passwords:
    """argon2id with OWASP's parameters (m = 19 MiB, t = 2, p = 1), at most two hashes at a time."""

    def __init__(self, *, fast: bool = False) -> None:
        self._hasher = (
            PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
            if fast
            else PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        )
        self._slots = threading.Semaphore(2)
        self._dummy = self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """The stored form of a password. Raises InvalidInput naming `password` when it is too short or too long."""
        if len(password) < MIN_PASSWORD:
            raise InvalidInput(
                "The password must have at least %(least)s characters.",
                field="password",
                values={"least": MIN_PASSWORD},
            )
        if len(password.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_BYTES:
            raise InvalidInput(
                "The password may have at most %(most)s bytes.", field="password", values={"most": MAX_PASSWORD_BYTES}
            )
        with self._slots:
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is right; as slow for an unknown account (`stored` None) as for a known one."""
        encoded = password.encode("utf-8", "surrogatepass")[: MAX_PASSWORD_BYTES + 1]
        with self._slots:
            try:
                return self._hasher.verify(stored or self._dummy, encoded) and stored is not None
            except (VerificationError, InvalidHashError):
                return False


def add(
    session: Session,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    now: datetime,
    name: str = "",
    role: str = MODERATOR,
    sites: Sequence[Site] = (),
    actor: str = "cli",
) -> Moderator:
    """Make a moderator. Raises InvalidInput naming the field, or Conflict when the e-mail is taken."""
    email = email.strip().lower()
    if email.count("@") != 1 or email.startswith("@") or email.endswith("@") or len(email) > 254:
        raise InvalidInput("That is no e-mail address.", field="email")
    _check_role(role)
    if session.scalar(select(Moderator.id).where(Moderator.email == email)):
        raise Conflict("There is a user %(email)s already.", field="email", values={"email": email})
    moderator = Moderator(
        email=email,
        name=(name.strip() or email.split("@")[0])[:200],
        password_hash=passwords.hash(password),
        role=role,
        created_at=now,
    )
    session.add(moderator)
    session.flush()
    for site in sites:
        session.add(ModeratorSite(moderator_id=moderator.id, site_id=site.id))
    audit.record(session, actor=actor, action="user.add", subject=f"moderator:{moderator.id}", site_id=None, now=now)
    return moderator


def is_senior(moderator: Moderator) -> bool:
    """Whether they may decide what was escalated, and order what becomes of an author: seniors and administrators."""
    return moderator.role in (SENIOR, ADMINISTRATOR)


SENIORS_ONLY = "Only seniors and administrators may do this."


def senior(moderator: Moderator, refusal: str = SENIORS_ONLY) -> Moderator:
    """The moderator, if they are a senior or an administrator. Raises NotAllowed with the `refusal`."""
    if not is_senior(moderator):
        raise NotAllowed(refusal)
    return moderator


def actor(moderator: Moderator) -> str:
    """As the audit and the history of a policy name them."""
    return f"moderator:{moderator.id}"


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput("The role must be one of %(among)s.", field="role", values={"among": ", ".join(ROLES)})


def set_role(session: Session, moderator: Moderator, role: str, now: datetime, *, actor: str = "cli") -> None:
    """Give another role; it counts from the next request on. Raises InvalidInput naming `role`."""
    _check_role(role)
    moderator.role = role
    subject = f"moderator:{moderator.id}"
    audit.record(session, actor=actor, action="user.role", subject=subject, site_id=None, now=now, detail=role)


def by_email(session: Session, email: str) -> Moderator:
    """The moderator of an e-mail. Raises NotFound."""
    moderator = session.scalar(select(Moderator).where(Moderator.email == email.strip().lower()))
    if moderator is None:
        raise NotFound("There is no user %(email)s.", field="email", values={"email": email})
    return moderator


def all_moderators(session: Session) -> list[Moderator]:
    """Everybody, oldest first."""
    return list(session.scalars(select(Moderator).order_by(Moderator.id)))


def set_password(session: Session, passwords: Passwords, moderator: Moderator, password: str, now: datetime) -> None:
    """Give a new password and end every session of the moderator. Raises InvalidInput."""
    moderator.password_hash = passwords.hash(password)
    session.execute(delete(LoginSession).where(LoginSession.moderator_id == moderator.id))
    subject = f"moderator:{moderator.id}"
    audit.record(session, actor="cli", action="user.password", subject=subject, site_id=None, now=now)


def change_password(
    session: Session, moderator: Moderator, password_hash: str, now: datetime, *, keep_session: str
) -> None:
    """Store a password that its owner has chosen (`Passwords.hash` made the hash: it is slow, and is done outside any
    transaction), and end every session of theirs but the one with the token `keep_session`."""
    moderator.password_hash = password_hash
    kept = hashlib.sha256(keep_session.encode("utf-8", "surrogatepass")).hexdigest()
    session.execute(
        delete(LoginSession).where(LoginSession.moderator_id == moderator.id, LoginSession.token_hash != kept)
    )
    subject = f"moderator:{moderator.id}"
    audit.record(session, actor=subject, action="user.password", subject=subject, site_id=None, now=now)


def disable(session: Session, moderator: Moderator, now: datetime) -> None:
    """Take access away at once: no new session, and the running ones end."""
    moderator.disabled_at = now
    session.execute(delete(LoginSession).where(LoginSession.moderator_id == moderator.id))
    subject = f"moderator:{moderator.id}"
    audit.record(session, actor="cli", action="user.disable", subject=subject, site_id=None, now=now)


def site_ids(session: Session, moderator: Moderator) -> list[int]:
    """The sites that a moderator may work on, asked of the database each time: access can end mid-session."""
    if moderator.role == ADMINISTRATOR:
        return list(session.scalars(select(Site.id).where(Site.disabled_at.is_(None)).order_by(Site.id)))
    return list(
        session.scalars(
            select(Site.id)
            .join(ModeratorSite, ModeratorSite.site_id == Site.id)
            .where(ModeratorSite.moderator_id == moderator.id, Site.disabled_at.is_(None))
            .order_by(Site.id)
        )
    )


def throttle_keys(secret: bytes, email: str, address: str) -> tuple[str, str]:
    """Keyed hashes under which wrong passwords are counted: of the account and of the address."""
    account = f"account:{email.strip().lower()}".encode("utf-8", "surrogatepass")
    return (
        hmac.new(secret, account, hashlib.sha256).hexdigest(),
        hmac.new(secret, f"address:{address}".encode(), hashlib.sha256).hexdigest(),
    )


def check_throttle(session: Session, keys: tuple[str, str], now: datetime) -> None:
    """Raises LoginDelayed with `retry_after` (s) after too many wrong passwords in the window."""
    for key, limit in zip(keys, (FREE_FAILURES, ADDRESS_FAILURES), strict=True):
        count, oldest = session.execute(
            select(func.count(), func.min(LoginFailure.at)).where(
                LoginFailure.key == key, LoginFailure.at > now - FAILURE_WINDOW
            )
        ).one()
        if count >= limit:
            wait = max(1, int((oldest + FAILURE_WINDOW - now).total_seconds()) + 1)
            raise LoginDelayed("Too many wrong passwords; wait a minute.", details={"retry_after": wait})


def note_failure(session: Session, keys: tuple[str, str], now: datetime) -> None:
    """Count one wrong password and forget those older than the window."""
    session.execute(delete(LoginFailure).where(LoginFailure.at <= now - FAILURE_WINDOW))
    for key in keys:
        session.add(LoginFailure(key=key, at=now))


def candidate(session: Session, email: str) -> tuple[int, str] | None:
    """Id and stored password of an account that may log in, to be checked outside the transaction (it is slow)."""
    row = session.execute(
        select(Moderator.id, Moderator.password_hash).where(
            Moderator.email == email.strip().lower(), Moderator.disabled_at.is_(None)
        )
    ).one_or_none()
    return (row[0], row[1]) if row else None


def start_session(session: Session, moderator_id: int, *, now: datetime, hours: int) -> str:
    """A new session; returns its token (256 random bits), which only the browser keeps."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
    session.add(
        LoginSession(
            token_hash=hashlib.sha256(token.encode()).hexdigest(),
            moderator_id=moderator_id,
            created_at=now,
            expires_at=now + timedelta(hours=hours),
        )
    )
    audit.record(
        session,
        actor=f"moderator:{moderator_id}",
        action="login",
        subject=f"moderator:{moderator_id}",
        site_id=None,
        now=now,
    )
    return token


def by_session(session: Session, token: str, now: datetime) -> Moderator:
    """Who a session token belongs to. Raises NotAuthenticated when it is unknown, expired or its owner disabled."""
    moderator = session.scalar(
        select(Moderator)
        .join(LoginSession, LoginSession.moderator_id == Moderator.id)
        .where(
            LoginSession.token_hash == hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest(),
            LoginSession.expires_at > now,
            Moderator.disabled_at.is_(None),
        )
    )
    if moderator is None:
        raise NotAuthenticated("Please log in.")
    return moderator


def end_session(session: Session, token: str) -> None:
    """Log out: the token is worth nothing from now on."""
    hashed = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
    session.execute(delete(LoginSession).where(LoginSession.token_hash == hashed))
