"""Who wrote: identities of readers, and addresses as keyed hashes."""

import hashlib
import hmac
import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.comments.models import Author, Comment
from moderation.comments.status import APPROVED, REJECTED
from moderation.db import insert_ignore


def keyed_hash(secret: bytes, kind: str, site_id: int, value: str) -> str:
    """HMAC-SHA-256 (hex) of an e-mail or address, per installation and site: not to be reversed or joined by others."""
    message = f"{kind}:{site_id}:{value}".encode("utf-8", "surrogatepass")
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def email_hash(secret: bytes, site_id: int, email: str) -> str:
    """Keyed hash of a lower-cased e-mail."""
    return keyed_hash(secret, "email", site_id, email.strip().lower())


def network_of(address: str) -> str:
    """The /24 (IPv4) or /48 (IPv6) of an address, empty when it is none."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False))


class Claims(Protocol):
    """What a door says of an author (intake.AuthorInput)."""

    @property
    def name(self) -> str:
        """The name under the comment."""

    @property
    def external_id(self) -> str | None:
        """The site's own id of the reader."""

    @property
    def email(self) -> str | None:
        """An e-mail that nobody has checked."""


def identity_of(site_id: int, claims: Claims, secret: bytes) -> str:
    """What tells authors of a site apart: see models.Author."""
    if claims.external_id:
        return f"x:{claims.external_id}"
    if claims.email:
        return f"e:{email_hash(secret, site_id, claims.email)}"
    return f"n:{claims.name.strip().lower()[:245]}"


def find_or_add(session: Session, site_id: int, claims: Claims, *, secret: bytes, now: datetime) -> Author:
    """The author that these claims name, made where there is none yet. An e-mail is a claim: see models.Author."""
    hashed = email_hash(secret, site_id, claims.email) if claims.email else None
    identity = identity_of(site_id, claims, secret)
    wanted = select(Author).where(Author.site_id == site_id, Author.identity == identity)
    author = session.scalar(wanted)
    if author is not None:
        if hashed and author.email_hash != hashed:
            author.email_hash = hashed
        return author
    insert_ignore(
        session,
        Author,
        site_id=site_id,
        identity=identity,
        external_id=claims.external_id,
        email_hash=hashed,
        first_seen_at=now,
    )
    return session.scalars(wanted).one()  # ours, or that of a request that was a moment earlier


def record_of(session: Session, author_id: int) -> tuple[int, int]:
    """How many comments of an author stand approved and rejected now."""
    rows = session.execute(
        select(Comment.status, func.count())
        .where(Comment.author_id == author_id, Comment.status.in_((APPROVED, REJECTED)))
        .group_by(Comment.status)
    ).all()
    counts = {row.status: row[1] for row in rows}
    return counts.get(APPROVED, 0), counts.get(REJECTED, 0)


def approved_of(session: Session, author_ids: Sequence[int]) -> dict[int, int]:
    """How many comments of each author stand approved now; an author without any is not there."""
    if not author_ids:
        return {}
    rows = session.execute(
        select(Comment.author_id, func.count())
        .where(Comment.author_id.in_(author_ids), Comment.status == APPROVED)
        .group_by(Comment.author_id)
    ).all()
    return {row[0]: row[1] for row in rows if row[0] is not None}
