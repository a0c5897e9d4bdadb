"""Versions of policies, read and added."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.accounts import audit
from moderation.accounts.models import Site
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import AUTO, Policy, parse
from moderation.policy.models import PolicyVersion, VerdictRow
from moderation.policy.rules import Verdict


def live_document(session: Session, site_id: int) -> tuple[Mapping[str, Any], int]:
    """The site's newest policy as it was published, and its version; the default is version 0."""
    row = session.scalar(
        select(PolicyVersion).where(PolicyVersion.site_id == site_id).order_by(PolicyVersion.version.desc()).limit(1)
    )
    return (row.document, row.version) if row is not None else (DEFAULT_DOCUMENT, 0)


def live(session: Session, site_id: int) -> Policy:
    """The site's policy as it stands: its newest version, or the default (version 0) where none was published."""
    return parse(*live_document(session, site_id))


def live_of(session: Session, site_ids: Collection[int]) -> dict[int, Policy]:
    """The same for many sites at once."""
    newest = (
        select(PolicyVersion.site_id, func.max(PolicyVersion.version).label("version"))
        .where(PolicyVersion.site_id.in_(list(site_ids)))
        .group_by(PolicyVersion.site_id)
        .subquery()
    )
    rows = session.scalars(
        select(PolicyVersion).join(
            newest, (PolicyVersion.site_id == newest.c.site_id) & (PolicyVersion.version == newest.c.version)
        )
    )
    published = {row.site_id: parse(row.document, row.version) for row in rows}
    return {site_id: published.get(site_id) or parse(DEFAULT_DOCUMENT, 0) for site_id in site_ids}


def publish(session: Session, site_id: int, document: Mapping[str, Any], *, by: str, now: datetime) -> Policy:
    """Make `document` the site's next version. Raises InvalidInput naming the field; nothing is changed then.

    Two who publish at once: the unique (site, version) lets one of them fail, and nothing is overwritten.
    """
    latest = session.scalar(select(func.max(PolicyVersion.version)).where(PolicyVersion.site_id == site_id)) or 0
    policy = parse(document, latest + 1)
    session.add(
        PolicyVersion(site_id=site_id, version=latest + 1, document=dict(document), created_at=now, created_by=by)
    )
    session.flush()
    return policy


def set_mode(session: Session, site_id: int, mode: str, *, by: str, now: datetime) -> Policy | None:
    """Publish the site's live policy with another mode, with an audit entry; None when it has that mode already.

    Raises InvalidInput naming `mode`.
    """
    session.get_one(Site, site_id, with_for_update=True)  # who publishes at the same time waits, and builds on this
    document, _ = live_document(session, site_id)
    if document.get("mode", AUTO) == mode:
        return None
    made = publish(session, site_id, {**document, "mode": mode}, by=by, now=now)
    subject = f"policy:{site_id}:{made.version}"
    audit.record(session, actor=by, action="policy.publish", subject=subject, site_id=site_id, now=now, detail="mode")
    return made


def put_verdict(session: Session, comment_id: int, revision: int, verdict: Verdict, now: datetime) -> VerdictRow:
    """Keep a verdict with all its reasons."""
    row = VerdictRow(
        comment_id=comment_id,
        revision=revision,
        policy_version=verdict.policy_version,
        action=verdict.action,
        not_scored=verdict.not_scored,
        reasons=[reason.as_json() for reason in verdict.reasons],
        created_at=now,
    )
    session.add(row)
    return row


def latest_verdict(session: Session, comment_id: int, revision: int) -> VerdictRow | None:
    """The newest verdict on a revision."""
    return session.scalar(
        select(VerdictRow)
        .where(VerdictRow.comment_id == comment_id, VerdictRow.revision == revision)
        .order_by(VerdictRow.id.desc())
        .limit(1)
    )


def latest_verdicts(session: Session, keys: list[tuple[int, int]]) -> dict[int, VerdictRow]:
    """The same for many (comment, revision) at once, by comment id."""
    wanted = dict(keys)
    if not wanted:
        return {}
    rows = session.scalars(select(VerdictRow).where(VerdictRow.comment_id.in_(wanted)).order_by(VerdictRow.id))
    return {row.comment_id: row for row in rows if wanted[row.comment_id] == row.revision}
