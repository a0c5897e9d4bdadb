"""Campaigns: texts of a site that are nearly the same, found among those of the last 30 days.

Every text that is long enough begins a campaign or joins one. A comment bears a campaign's id once there are two texts
of it; the one that began it is given the id then. Two workers that see the same new text at once begin two campaigns:
that is harmless, later texts join the newer one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
from sqlalchemy import (
    Table,
    and_,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.comments.status import HELD, WITHDRAWN
from moderation.db import UtcDateTime, affected
from moderation.scoring import fingerprints
from moderation.scoring.fingerprints import Signature
from moderation.scoring.models import Campaign, CampaignBand

MEMORY = timedelta(days=30)
"""How long a campaign is known after its last text."""

NEAREST = 16
"""Campaigns that are looked at per band, newest first: a band of common words may have thousands."""

_CAMPAIGNS = cast(Table, Campaign.__table__)
_BANDS = cast(Table, CampaignBand.__table__)

_NEAR: Mapping[str, Any] = {
    "sqlite": text(
        """
        WITH near (ids) AS MATERIALIZED (
            SELECT (
                SELECT json_group_array(campaign_id) FROM (
                    SELECT campaign_id FROM campaign_band
                    WHERE site_id = :site_id AND band = json_extract(wanted.value, '$[0]')
                    AND key = json_extract(wanted.value, '$[1]') ORDER BY campaign_id DESC LIMIT :nearest
                )
            ) FROM json_each(:wanted) AS wanted
        )
        SELECT id, signature, first_id, first_revision FROM campaign
        WHERE id IN (SELECT each.value FROM near, json_each(near.ids) AS each) AND last_seen_at > :since
        """
    ).bindparams(bindparam("since", type_=UtcDateTime())),
    "postgresql": text(
        """
        SELECT id, signature, first_id, first_revision FROM campaign
        WHERE id = ANY (ARRAY(
            SELECT near.campaign_id
            FROM unnest(CAST(:bands AS smallint[]), CAST(:keys AS bigint[])) AS wanted (band, key)
            CROSS JOIN LATERAL (
                SELECT b.campaign_id FROM campaign_band b
                WHERE b.site_id = :site_id AND b.band = wanted.band AND b.key = wanted.key
                ORDER BY b.campaign_id DESC LIMIT :nearest
            ) near
        )) AND last_seen_at > :since
        """
    ).bindparams(
        bindparam("bands", type_=postgresql.ARRAY(_BANDS.c.band.type)),
        bindparam("keys", type_=postgresql.ARRAY(_BANDS.c.key.type)),
        bindparam("since", type_=UtcDateTime()),
    ),
}


@dataclass(frozen=True, slots=True)
class Text:
    """A revision of a comment as the normaliser folds it."""

    comment_id: int
    revision: int
    folded: str


@dataclass(slots=True)
class _Group:
    """A campaign while a batch joins it. `id` 0: it begins with this batch. `first`: the comment that began it, where
    that does not bear the campaign's id yet, with its revision."""

    id: int
    signature: Signature
    first: tuple[int, int] | None
    joined: list[int]


def join(session: Session, site_id: int, texts: Sequence[Text], now: datetime) -> dict[int, int]:
    """Find or begin the campaigns of new texts of a site: comment id → campaign, for those that are not alone in it.

    A text joins the campaign that it is most like. Call it once per revision: a text that comes twice counts twice.
    """
    signed = [(item, found) for item in texts if (found := fingerprints.signature(item.folded)) is not None]
    if not signed:
        return {}
    groups = near(session, site_id, [found for _, found in signed], now - MEMORY)
    for item, found in signed:
        group = _most_alike(groups, item, found)
        if group is None:
            groups.append(_Group(0, found, (item.comment_id, item.revision), []))
        else:
            group.joined.append(item.comment_id)
    _begin(session, site_id, [group for group in groups if not group.id], now)
    grown = [group for group in groups if group.joined]
    if not grown:
        return {}
    bear = {comment_id: group.id for group in grown for comment_id in group.joined}
    batch = {(item.comment_id, item.revision) for item in texts}
    bear |= {group.first[0]: group.id for group in grown if group.first in batch}
    given = _give(session, {group.first: group.id for group in grown if group.first and group.first not in batch})
    settled = [group.id for group in grown if group.first and (group.first in batch or group.first[0] in given)]
    ids = [group.id for group in grown]
    session.scalars(select(Campaign.id).where(Campaign.id.in_(ids)).order_by(Campaign.id).with_for_update()).all()
    session.execute(
        update(Campaign)
        .where(Campaign.id.in_(ids))
        .values(
            size=Campaign.size + case({group.id: len(group.joined) for group in grown}, value=Campaign.id),
            last_seen_at=now,
            first_id=case((Campaign.id.in_(settled), None), else_=Campaign.first_id),
        )
        .execution_options(synchronize_session=False)
    )
    return bear


def settle(session: Session, limit: int = 500) -> int:
    """Give the comments that began campaigns their ids, where `join` could not because somebody held their rows.

    Part of the sweep; returns how many.
    """
    rows = session.execute(
        select(Campaign.id, Campaign.first_id, Campaign.first_revision)
        .where(Campaign.size > 1, Campaign.first_id.is_not(None))
        .order_by(Campaign.id)
        .limit(limit)
    ).all()
    firsts = {(row.first_id, row.first_revision): row.id for row in rows}
    given = _give(session, firsts)
    left = set(session.scalars(select(Comment.id).where(_one_of(firsts)))) - given if firsts else set()
    done = [campaign_id for (comment_id, _), campaign_id in firsts.items() if comment_id not in left]
    if done:
        session.execute(
            update(Campaign)
            .where(Campaign.id.in_(done))
            .values(first_id=None)
            .execution_options(synchronize_session=False)
        )
    return len(given)


def forget_old(session: Session, now: datetime, limit: int = 1000) -> int:
    """Forget campaigns of which nothing came for 30 days and nothing waits; at most `limit`. Returns how many."""
    waits = select(Comment.id).where(Comment.campaign_id == Campaign.id, Comment.status == HELD).exists()
    old = session.scalars(
        select(Campaign.id)
        .where(Campaign.last_seen_at < now - MEMORY, ~waits)
        .order_by(Campaign.last_seen_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if not old:
        return 0
    return affected(session.execute(delete(Campaign).where(Campaign.id.in_(old))))


def near(session: Session, site_id: int, found: Iterable[Signature], since: datetime) -> list[_Group]:
    """Campaigns that share a band with one of the signatures."""
    wanted = sorted({(band, key) for one in found for band, key in enumerate(fingerprints.keys(one))})
    dialect = session.get_bind().dialect.name
    values: dict[str, Any] = {"site_id": site_id, "since": since, "nearest": NEAREST}
    if dialect == "sqlite":
        values["wanted"] = json.dumps(wanted)
    else:
        values |= {"bands": [band for band, _ in wanted], "keys": [key for _, key in wanted]}
    return [
        _Group(
            row.id,
            fingerprints.read(bytes(row.signature)),
            None if row.first_id is None else (row.first_id, row.first_revision),
            [],
        )
        for row in session.execute(_NEAR[dialect], values)
    ]


def _most_alike(groups: Sequence[_Group], item: Text, found: Signature) -> _Group | None:
    """The group that a text belongs to, of equals the newest; never the one that an older text of it began."""
    others = [group for group in groups if group.first is None or group.first[0] != item.comment_id]
    if not others:
        return None
    shares = fingerprints.alike_many(found, np.stack([group.signature for group in others]))
    best = max(range(len(others)), key=lambda n: (shares[n], others[n].id))
    return others[best] if shares[best] >= fingerprints.ALIKE else None


def _begin(session: Session, site_id: int, groups: Sequence[_Group], now: datetime) -> None:
    """Store new campaigns and their bands, and give the groups their ids."""
    if not groups:
        return
    made = session.execute(
        insert(_CAMPAIGNS).returning(_CAMPAIGNS.c.id, _CAMPAIGNS.c.first_id),
        [
            {
                "site_id": site_id,
                "signature": fingerprints.stored(group.signature),
                "size": 1,
                "first_id": group.first[0] if group.first else None,
                "first_revision": group.first[1] if group.first else None,
                "created_at": now,
                "last_seen_at": now,
            }
            for group in groups
        ],
    ).all()
    by_first = {row.first_id: row.id for row in made}
    for group in groups:
        group.id = by_first[group.first[0]] if group.first else 0
    session.execute(
        insert(_BANDS).returning(_BANDS.c.campaign_id),  # many rows, one statement: see db.inserts
        [
            {"campaign_id": group.id, "band": band, "site_id": site_id, "key": key}
            for group in groups
            for band, key in enumerate(fingerprints.keys(group.signature))
        ],
    )


def _give(session: Session, firsts: Mapping[tuple[int, int], int]) -> set[int]:
    """Give comments, (id, revision), their campaign; returns the ids of those that have it now.

    Rows that somebody holds are passed over: whoever judges holds others already, and must not wait for more. The
    version stays: nothing that a moderator sees has changed.
    """
    if not firsts:
        return set()
    campaign_of = {comment_id: campaign_id for (comment_id, _), campaign_id in firsts.items()}
    free = select(Comment.id).where(_one_of(firsts)).with_for_update(skip_locked=True, key_share=True)
    return set(
        session.scalars(
            update(Comment)
            .where(Comment.id.in_(free))
            .values(campaign_id=case(campaign_of, value=Comment.id))
            .returning(Comment.id)
            .execution_options(synchronize_session=False)
        )
    )


def _one_of(firsts: Iterable[tuple[int, int]]) -> Any:
    same = (and_(Comment.id == comment_id, Comment.revision == revision) for comment_id, revision in firsts)
    return and_(or_(*same), Comment.status != WITHDRAWN, Comment.campaign_id.is_(None))
