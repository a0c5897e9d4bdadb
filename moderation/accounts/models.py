"""Tables of the accounts room."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class Site(Base):
    """A news site (tenant). `public_id` is the name it has in addresses that browsers see."""

    __tablename__ = "site"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    public_id: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(String(2000))
    origins: Mapped[list[Any]] = mapped_column(default=list)
    """Exact origins (`https://example.org`) whose browsers may use the form."""
    language: Mapped[str] = mapped_column(String(8), default="id")
    timezone: Mapped[str] = mapped_column(String(64), default="Asia/Jakarta")
    grace_seconds: Mapped[int] = mapped_column(default=0)
    close_after_days: Mapped[int | None]
    """Stories older than this take no more comments; None: never."""
    premoderated_sections: Mapped[list[Any]] = mapped_column(default=list)
    """Sections whose comments are all held: a story's `section`, or the first part of its address's path."""
    form_texts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The site's own words for its form, by name (comments/form.py); what is not here is the usual text."""
    staff_ids: Mapped[list[Any]] = mapped_column(default=list)
    """External ids of authors who write for the site itself: their comments are approved at once."""
    second_look_percent: Mapped[int] = mapped_column(default=0)
    """Of a hundred decisions by people, so many are looked at once more by somebody else who is not told the first."""
    is_demo: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class SiteKey(Base):
    """An API key of a site. Only its SHA-256 is kept: the key is 256 random bits, so a slow hash adds nothing."""

    __tablename__ = "site_key"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16), default="")
    """The key's first letters, to tell keys apart in a list."""
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class WebhookSecret(Base):
    """A signing secret shared with the site, for both directions. Several may live at once (rotation)."""

    __tablename__ = "webhook_secret"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    secret: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]


class Moderator(Base):
    """A person who logs in. Role `administrator` sees every site; `moderator` and `senior` those in `moderator_site`.

    A senior also decides what was escalated, bans and trusts authors, and publishes policies.
    """

    __tablename__ = "moderator"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    language: Mapped[str | None] = mapped_column(String(8))
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """How this person likes to work: density, shortcuts, blur (accounts/preferences.py)."""
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class ModeratorSite(Base):
    """A moderator may work on a site."""

    __tablename__ = "moderator_site"

    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)


class LoginSession(Base):
    """A moderator's session. The browser holds the token, we hold its SHA-256; CSRF tokens derive from it."""

    __tablename__ = "login_session"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PersonalToken(Base):
    """A moderator's own key for the API. Only its SHA-256 is kept: the token is 256 random bits."""

    __tablename__ = "personal_token"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    moderator_id: Mapped[int] = mapped_column(ForeignKey("moderator.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(16))
    """The token's first letters, to tell tokens apart in a list."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class LoginFailure(Base):
    """A wrong password, per keyed hash of account or address: what throttling counts."""

    __tablename__ = "login_failure"
    __table_args__ = (Index("ix_login_failure_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what, append-only. `actor` is `moderator:7`, `policy`, `site:3` or `cli`."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index("ix_audit_entry_subject", "subject"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(60))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(80))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    detail: Mapped[str] = mapped_column(Text, default="")
