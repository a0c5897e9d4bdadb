"""Sites, their keys and their secrets."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import signing
from moderation.accounts import audit
from moderation.accounts.models import Site, SiteKey, WebhookSecret
from moderation.errors import InvalidInput, NotAuthenticated, NotFound


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site as it was just made: the key and the secret are shown this once (the key is stored hashed)."""

    site: Site
    api_key: str
    webhook_secret: str


def origin_of(url: str) -> str:
    """The origin (`https://example.org:8443`) of an http(s) address, lower case; empty when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def add_site(
    session: Session,
    *,
    name: str,
    url: str,
    now: datetime,
    grace_seconds: int = 0,
    language: str = "id",
    is_demo: bool = False,
    actor: str = "cli",
) -> NewSite:
    """Make a site with one key and one webhook secret. Raises InvalidInput naming `name` or `url`."""
    name = name.strip()
    if not 1 <= len(name) <= 200:
        raise InvalidInput("The name must have 1 to 200 characters.", field="name")
    origin = origin_of(url)
    if not origin or len(url) > 2000:
        raise InvalidInput("The address must be an http or https address such as https://example.org.", field="url")
    site = Site(
        public_id="s_" + secrets.token_hex(8),
        name=name,
        url=url.rstrip("/"),
        origins=[origin],
        language=language,
        grace_seconds=grace_seconds,
        is_demo=is_demo,
        created_at=now,
    )
    session.add(site)
    session.flush()
    key = "mk_" + secrets.token_urlsafe(32)
    secret = signing.new_secret()
    session.add(SiteKey(site_id=site.id, key_hash=_hash(key), created_at=now))
    session.add(WebhookSecret(site_id=site.id, secret=secret, created_at=now))
    audit.record(session, actor=actor, action="site.add", subject=f"site:{site.id}", site_id=site.id, now=now)
    return NewSite(site, key, secret)


def by_key(session: Session, key: str) -> Site:
    """The site that an API key belongs to. Raises NotAuthenticated."""
    site = session.scalar(
        select(Site)
        .join(SiteKey, SiteKey.site_id == Site.id)
        .where(SiteKey.key_hash == _hash(key), SiteKey.revoked_at.is_(None), Site.disabled_at.is_(None))
    )
    if site is None:
        raise NotAuthenticated("The API key is missing or not valid.")
    return site


def by_public_id(session: Session, public_id: str) -> Site:
    """The site of a public id. Raises NotFound."""
    site = session.scalar(select(Site).where(Site.public_id == public_id, Site.disabled_at.is_(None)))
    if site is None:
        raise NotFound("There is no such site.")
    return site


def demo_site(session: Session) -> Site | None:
    """The demo site, where it was made."""
    return session.scalar(select(Site).where(Site.is_demo.is_(True)).order_by(Site.id).limit(1))


def all_sites(session: Session) -> list[Site]:
    """Every site that is not switched off, oldest first."""
    return list(session.scalars(select(Site).where(Site.disabled_at.is_(None)).order_by(Site.id)))


def of_ids(session: Session, ids: Sequence[int]) -> list[Site]:
    """These sites, oldest first."""
    return list(session.scalars(select(Site).where(Site.id.in_(ids)).order_by(Site.id)))


def live_secrets(session: Session, site_id: int) -> list[str]:
    """The signing secrets of a site that are alive, newest first."""
    return list(
        session.scalars(
            select(WebhookSecret.secret)
            .where(WebhookSecret.site_id == site_id, WebhookSecret.retired_at.is_(None))
            .order_by(WebhookSecret.id.desc())
        )
    )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
