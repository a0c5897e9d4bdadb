"""Sites, their keys and their secrets."""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from moderation import parsing, signing
from moderation.accounts import audit
from moderation.accounts.models import Site, SiteKey, WebhookSecret
from moderation.errors import Conflict, InvalidInput, NotAuthenticated, NotFound

WRONG_NAME = "The name must have 1 to 200 characters."
WRONG_URL = "The address must be an http or https address such as https://example.org."
LAST_KEY = "This is the last key: without it the site's server cannot reach us. Confirm, or make a new key first."
ONLY_SECRET = "This is the last secret: nothing could be signed without it. Make a new one first."  # noqa: S105 a sentence
TOO_MANY_KEYS = "A site has at most 20 live keys; revoke one first."
TOO_MANY_SECRETS = "A site has at most 5 live secrets; retire one first."

MAX_KEYS = 20
MAX_SECRETS = 5
"""Every live secret signs every event, and a receiver tries each signature."""

KEY_PREFIX = "mk_"
KEY_HINT, SECRET_HINT = 9, 12
"""First characters of a key or a secret that tell it from the others: six random ones of some forty."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?|[0-9a-f:.]+")


WRONG_KEY = "The API key is missing or not valid."


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site as it was just made: the key and the secret are shown this once (the key is stored hashed)."""

    site: Site
    api_key: str
    webhook_secret: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A key or a secret in a list: `hint` is how it begins; `ended_at`: since when it is worth nothing."""

    id: int
    hint: str
    created_at: datetime
    ended_at: datetime | None


def origin_of(url: str) -> str:
    """The origin (`https://example.org:8443`) of an http(s) address as a browser writes it; empty when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
        name = parts.hostname or ""
        name = name if name.isascii() else name.encode("idna").decode()
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(name) or parts.username or parts.password:
        return ""
    host = f"[{name}]" if ":" in name else name
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
    name, url = clean_name(name), clean_url(url)
    site = Site(
        public_id="s_" + secrets.token_hex(8),
        name=name,
        url=url,
        origins=[origin_of(url)],
        language=language,
        grace_seconds=grace_seconds,
        is_demo=is_demo,
        created_at=now,
    )
    session.add(site)
    session.flush()
    key, secret = _new_key(session, site, now)[0], _new_secret(session, site, now)[0]
    audit.record(session, actor=actor, action="site.add", subject=f"site:{site.id}", site_id=site.id, now=now)
    return NewSite(site, key, secret)


def clean_name(name: str) -> str:
    """A site's name. Raises InvalidInput."""
    try:
        name = parsing.clean_text(name, "name", max_chars=200, max_bytes=800, multiline=False, required=True)
    except InvalidInput:
        raise InvalidInput(WRONG_NAME, field="name") from None
    return name.strip()


def clean_url(url: str) -> str:
    """A site's address without a slash at its end. Raises InvalidInput."""
    url = url.strip()
    if not origin_of(url) or len(url) > 2000 or any(char.isspace() or not char.isprintable() for char in url):
        raise InvalidInput(WRONG_URL, field="url")
    return url.partition("#")[0].rstrip("/")


def add_key(session: Session, site: Site, *, actor: str, now: datetime) -> str:
    """Make one more API key; it is shown this once. Raises Conflict when the site has as many as it may."""
    _lock(session, site)
    if len(_live(keys(session, site.id))) >= MAX_KEYS:
        raise Conflict(TOO_MANY_KEYS, field="key")
    key, key_id = _new_key(session, site, now)
    _note(session, site, "site.key.add", f"key:{key_id}", actor, now)
    return key


def revoke_key(session: Session, site: Site, key_id: int, *, actor: str, now: datetime, last: bool = False) -> None:
    """Make a key worthless from now on; a second time changes nothing.

    Raises NotFound when the site has no such key, Conflict when it is the last one and `last` does not say so.
    """
    _lock(session, site)
    row = session.get(SiteKey, key_id, populate_existing=True)
    if row is None or row.site_id != site.id:
        raise NotFound("The site has no such key.", field="key")
    if row.revoked_at is not None:
        return
    if not last and len(_live(keys(session, site.id))) == 1:
        raise Conflict(LAST_KEY, field="key")
    row.revoked_at = now
    _note(session, site, "site.key.revoke", f"key:{key_id}", actor, now)


def add_secret(session: Session, site: Site, *, actor: str, now: datetime) -> str:
    """Make one more webhook secret. From now on we sign with all that live and take what any of them has signed.

    Raises Conflict when the site has as many as it may.
    """
    _lock(session, site)
    if len(_live(webhook_secrets(session, site.id))) >= MAX_SECRETS:
        raise Conflict(TOO_MANY_SECRETS, field="secret")
    secret, secret_id = _new_secret(session, site, now)
    _note(session, site, "site.secret.add", f"secret:{secret_id}", actor, now)
    return secret


def retire_secret(session: Session, site: Site, secret_id: int, *, actor: str, now: datetime) -> None:
    """Neither sign nor verify with a secret any more; a second time changes nothing.

    Raises NotFound when the site has no such secret, Conflict when it is the last one.
    """
    _lock(session, site)
    row = session.get(WebhookSecret, secret_id, populate_existing=True)
    if row is None or row.site_id != site.id:
        raise NotFound("The site has no such secret.", field="secret")
    if row.retired_at is not None:
        return
    if len(_live(webhook_secrets(session, site.id))) == 1:
        raise Conflict(ONLY_SECRET, field="secret")
    row.retired_at = now
    _note(session, site, "site.secret.retire", f"secret:{secret_id}", actor, now)


def keys(session: Session, site_id: int) -> list[Credential]:
    """The site's API keys, the live ones first, newest first. A key of an older installation has no hint."""
    rows = session.scalars(select(SiteKey).where(SiteKey.site_id == site_id).order_by(SiteKey.id.desc()))
    return _live_first([Credential(row.id, f"{row.hint}…", row.created_at, row.revoked_at) for row in rows])


def webhook_secrets(session: Session, site_id: int) -> list[Credential]:
    """The site's webhook secrets, the live ones first, newest first."""
    rows = session.scalars(
        select(WebhookSecret).where(WebhookSecret.site_id == site_id).order_by(WebhookSecret.id.desc())
    )
    return _live_first(
        [Credential(row.id, f"{row.secret[:SECRET_HINT]}…", row.created_at, row.retired_at) for row in rows]
    )


# Made once, because every request of a site's server asks it.
_BY_KEY = (
    select(Site)
    .join(SiteKey, SiteKey.site_id == Site.id)
    .where(SiteKey.key_hash == bindparam("key_hash"), SiteKey.revoked_at.is_(None), Site.disabled_at.is_(None))
)


def by_key(session: Session, key: str) -> Site:
    """The site that an API key belongs to. Raises NotAuthenticated."""
    site = session.scalar(_BY_KEY, {"key_hash": _hash(key)})
    if site is None:
        raise NotAuthenticated(WRONG_KEY)
    return site


_ALIVE = (
    select(SiteKey.key_hash)
    .join(Site, SiteKey.site_id == Site.id)
    .where(
        SiteKey.key_hash.in_(bindparam("hashes", expanding=True)),
        SiteKey.revoked_at.is_(None),
        Site.disabled_at.is_(None),
    )
)


def still_valid(session: Session, keys: Collection[str]) -> set[str]:
    """Those of `keys` that are valid in this very transaction: one cheap question for many requests."""
    hashes = {_hash(key): key for key in keys}
    found = session.connection().execute(_ALIVE, {"hashes": list(hashes)}).scalars()
    return {hashes[hashed] for hashed in found}


def by_public_id(session: Session, public_id: str) -> Site:
    """The site of a public id. Raises NotFound."""
    site = session.scalar(select(Site).where(Site.public_id == public_id, Site.disabled_at.is_(None)))
    if site is None:
        raise NotFound("There is no such site.")
    return site


def named(session: Session, name: str, *, switched_off: bool = False) -> Site:
    """A site by its number or its public id, as commands take it; those switched off only where asked for.

    Raises NotFound naming `site`.
    """
    number = parsing.whole_number(name) or 0
    site = session.scalar(select(Site).where((Site.id == number) | (Site.public_id == name)))
    if site is None or (site.disabled_at is not None and not switched_off):
        raise NotFound("There is no site %(name)s; see: moderation sites list.", field="site", values={"name": name})
    return site


def numbered(session: Session, site_id: int) -> Site:
    """The site of this number, one that is switched off too. Raises NotFound naming `site`."""
    site = session.get(Site, site_id)
    if site is None:
        raise NotFound("There is no site %(site)s.", field="site", values={"site": str(site_id)})
    return site


def among(session: Session, site_ids: Collection[int], site_id: int) -> Site:
    """The site of this number, one of those that the caller may see. Raises NotFound."""
    site = session.get(Site, site_id) if site_id in site_ids else None
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


def _new_key(session: Session, site: Site, now: datetime) -> tuple[str, int]:
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    row = SiteKey(site_id=site.id, key_hash=_hash(key), hint=key[:KEY_HINT], created_at=now)
    session.add(row)
    session.flush()
    return key, row.id


def _new_secret(session: Session, site: Site, now: datetime) -> tuple[str, int]:
    row = WebhookSecret(site_id=site.id, secret=signing.new_secret(), created_at=now)
    session.add(row)
    session.flush()
    return row.secret, row.id


def _lock(session: Session, site: Site) -> None:
    """Two who change a site's keys at once take turns, so that neither ends the other's last one."""
    session.execute(select(Site.id).where(Site.id == site.id).with_for_update())


def _live(credentials: Sequence[Credential]) -> list[Credential]:
    return [item for item in credentials if item.ended_at is None]


def _live_first(credentials: Sequence[Credential]) -> list[Credential]:
    return sorted(credentials, key=lambda item: item.ended_at is not None)


def _note(session: Session, site: Site, action: str, detail: str, actor: str, now: datetime) -> None:
    audit.record(
        session, actor=actor, action=action, subject=f"site:{site.id}", site_id=site.id, now=now, detail=detail
    )


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
