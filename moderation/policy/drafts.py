"""Drafts of policies: begun from the live one, edited, run as a shadow, published as the next version or thrown away.

Who publishes names what they saw: the live version and the moment of the draft's last change. Were both something else
meanwhile, nothing is published and they are told. A version is never changed; to go back to an old one is to publish
its document once more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Table, delete, func, select
from sqlalchemy.orm import Session

from moderation.accounts import audit
from moderation.accounts.models import Site
from moderation.db import insert_many, inserts
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy import store
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import Policy, parse
from moderation.policy.models import PolicyDraft, PolicyVersion, ShadowCount

MAX_OPEN = 20
"""Drafts of a site that may be open at once: more than anybody compares."""
MAX_SHADOWS = 3
"""Shadows that may judge a site's comments at once: each costs every comment one more run of the rules."""
MAX_NAME = 80

NO_DRAFT = "There is no such draft."
NO_VERSION = "There is no such version of the policy."
CLOSED = "This draft is published already; begin a new one."
EDITED = "Somebody has changed this draft meanwhile; look at it again."
MOVED_ON = "Another version went live meanwhile; look at what would change now."
SAME = "The draft is the same as the live policy."
TOO_MANY = "Twenty drafts are open already; publish or discard one."
SHADOWS_FULL = "Three drafts run as shadows already; switch one off."

FOLD = 2000
"""Rows of shadow counts that one round of `fold` takes together."""

_COUNTS = inserts(cast(Table, ShadowCount.__table__))


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a site's policy, with its document. Version 0 is the default that every site begins with."""

    version: int
    document: Mapping[str, Any]
    created_at: datetime | None
    created_by: str


@dataclass(frozen=True, slots=True)
class Tally:
    """What a shadow said beside the live policy: (live, shadow) → comments; from the first hour counted to the last."""

    counts: Mapping[tuple[str, str], int]
    since: datetime | None
    until: datetime | None

    @property
    def total(self) -> int:
        """All comments that both judged."""
        return sum(self.counts.values())

    @property
    def differing(self) -> int:
        """Those on which they differ."""
        return sum(n for (live, shadow), n in self.counts.items() if live != shadow)


def create(
    session: Session,
    site_id: int,
    *,
    by: str,
    now: datetime,
    name: str = "",
    document: Mapping[str, Any] | None = None,
) -> PolicyDraft:
    """Begin a draft from the live policy, or from `document`. Raises InvalidInput naming the field, and Conflict when
    too many are open."""
    _lock(session, site_id)
    open_now = session.scalar(select(func.count()).where(*_open(site_id))) or 0
    if open_now >= MAX_OPEN:
        raise Conflict(TOO_MANY)
    live, version = store.live_document(session, site_id)
    chosen = dict(live if document is None else document)
    parse(chosen)
    draft = PolicyDraft(
        site_id=site_id,
        name=_name(name),
        based_on=version,
        document=chosen,
        shadow=False,
        created_by=by,
        created_at=now,
        updated_at=now,
    )
    session.add(draft)
    session.flush()
    _note(session, draft, "policy.draft", by, now)
    return draft


def of_site(session: Session, site_id: int) -> list[PolicyDraft]:
    """A site's open drafts, the one changed last first."""
    return list(session.scalars(select(PolicyDraft).where(*_open(site_id)).order_by(PolicyDraft.updated_at.desc())))


def get(session: Session, site_ids: Collection[int], draft_id: int, *, lock: bool = False) -> PolicyDraft:
    """A draft of one of these sites, published or not. Raises NotFound."""
    wanted = select(PolicyDraft).where(PolicyDraft.id == draft_id, PolicyDraft.site_id.in_(list(site_ids)))
    draft = session.scalar(wanted.with_for_update() if lock else wanted)
    if draft is None:
        raise NotFound(NO_DRAFT)
    return draft


def edit(
    session: Session,
    draft: PolicyDraft,
    document: Mapping[str, Any],
    *,
    now: datetime,
    name: str | None = None,
    seen: datetime | None = None,
) -> None:
    """Give a draft another document, and another name where one is given. `seen`: when the draft was last changed, as
    its editor saw it. A shadow begins to count anew. Raises InvalidInput naming the field, Conflict when it was changed
    or published meanwhile."""
    _open_or_conflict(draft, seen)
    if parse(document) != parse(draft.document) and draft.shadow:
        session.execute(delete(ShadowCount).where(ShadowCount.draft_id == draft.id))
    draft.document = dict(document)
    draft.updated_at = now
    if name is not None:
        draft.name = _name(name)


def discard(session: Session, draft: PolicyDraft, *, by: str, now: datetime) -> None:
    """Throw a draft away, with what its shadow counted. Raises Conflict for one that was published."""
    _open_or_conflict(draft, None)
    _note(session, draft, "policy.discard", by, now)
    session.delete(draft)
    session.flush()


def publish(
    session: Session,
    draft: PolicyDraft,
    *,
    by: str,
    now: datetime,
    seen: datetime | None = None,
    seen_live: int | None = None,
) -> Policy:
    """Make a draft the site's next version; its shadow ends. `seen`: when it was last changed, `seen_live`: the live
    version, both as the publisher saw them. Raises Conflict when one of them is another by now, and when nothing would
    change."""
    _lock(session, draft.site_id)
    _open_or_conflict(draft, seen)
    live, version = store.live_document(session, draft.site_id)
    if seen_live is not None and seen_live != version:
        raise Conflict(MOVED_ON, details={"version": version})
    if parse(draft.document) == parse(live):
        raise Conflict(SAME)
    made = store.publish(session, draft.site_id, draft.document, by=by, now=now)
    draft.published_version, draft.shadow, draft.updated_at = made.version, False, now
    _note(session, draft, "policy.publish", by, now, f"version {made.version}")
    return made


def revert(session: Session, site_id: int, version: int, *, by: str, now: datetime, seen_live: int | None) -> Policy:
    """Publish the document of an old version as the next one. `seen_live`: the live version that the caller saw.

    Raises NotFound for a version that was never there, Conflict when another is live by now or it is the live one.
    """
    _lock(session, site_id)
    old = version_of(session, site_id, version)
    live, latest = store.live_document(session, site_id)
    if seen_live is not None and seen_live != latest:
        raise Conflict(MOVED_ON, details={"version": latest})
    if parse(old.document) == parse(live):
        raise Conflict(SAME)
    made = store.publish(session, site_id, old.document, by=by, now=now)
    audit.record(
        session,
        actor=by,
        action="policy.revert",
        subject=f"policy:{site_id}:{made.version}",
        site_id=site_id,
        now=now,
        detail=f"version {version} again",
    )
    return made


def history(session: Session, site_id: int) -> list[Version]:
    """Every version of a site's policy, the live one first, the default (version 0) last."""
    rows = session.scalars(
        select(PolicyVersion).where(PolicyVersion.site_id == site_id).order_by(PolicyVersion.version.desc())
    )
    return [*(_version(row) for row in rows), Version(0, DEFAULT_DOCUMENT, None, "")]


def version_of(session: Session, site_id: int, version: int) -> Version:
    """One version. Raises NotFound."""
    if version == 0:
        return Version(0, DEFAULT_DOCUMENT, None, "")
    row = session.scalar(
        select(PolicyVersion).where(PolicyVersion.site_id == site_id, PolicyVersion.version == version)
    )
    if row is None:
        raise NotFound(NO_VERSION, field="version")
    return _version(row)


# --- shadows ---


def set_shadow(session: Session, draft: PolicyDraft, on: bool, *, by: str, now: datetime) -> None:
    """Let a draft judge every live comment beside the live policy, or no longer. Switching it on begins the count anew.

    Raises Conflict for a published draft, and when too many run already.
    """
    _lock(session, draft.site_id)
    _open_or_conflict(draft, None)
    if draft.shadow == on:
        return
    if on:
        running = session.scalar(select(func.count()).where(*_open(draft.site_id), PolicyDraft.shadow)) or 0
        if running >= MAX_SHADOWS:
            raise Conflict(SHADOWS_FULL)
        session.execute(delete(ShadowCount).where(ShadowCount.draft_id == draft.id))
    draft.shadow = on
    _note(session, draft, "policy.shadow", by, now, "on" if on else "off")


def shadows_of(session: Session, site_ids: Iterable[int]) -> dict[int, list[tuple[int, Mapping[str, Any]]]]:
    """By site the drafts that run as shadows: (draft, document)."""
    rows = session.execute(
        select(PolicyDraft.site_id, PolicyDraft.id, PolicyDraft.document)
        .where(PolicyDraft.site_id.in_(list(site_ids)), PolicyDraft.shadow, PolicyDraft.published_version.is_(None))
        .order_by(PolicyDraft.id)
    )
    found: dict[int, list[tuple[int, Mapping[str, Any]]]] = {}
    for site_id, draft_id, document in rows:
        found.setdefault(site_id, []).append((draft_id, document))
    return found


def count_shadows(session: Session, counts: Mapping[tuple[int, str, str], int], now: datetime) -> None:
    """Add (draft, live, shadow) → comments to the hour of `now`: rows are only added, so nobody waits for anybody."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    insert_many(
        session,
        _COUNTS,
        [
            {"draft_id": draft_id, "hour": hour, "live": live, "shadow": shadow, "n": n}
            for (draft_id, live, shadow), n in sorted(counts.items())
        ],
    )


def tally(session: Session, draft_id: int) -> Tally:
    """What a draft's shadow has counted since it was switched on."""
    rows = session.execute(
        select(
            ShadowCount.live,
            ShadowCount.shadow,
            func.sum(ShadowCount.n),
            func.min(ShadowCount.hour),
            func.max(ShadowCount.hour),
        )
        .where(ShadowCount.draft_id == draft_id)
        .group_by(ShadowCount.live, ShadowCount.shadow)
    ).all()
    return Tally(
        {(row[0], row[1]): int(row[2]) for row in rows},
        min((row[3] for row in rows), default=None),
        max((row[4] for row in rows), default=None),
    )


def fold(session: Session, limit: int = FOLD) -> int:
    """Make one row of those that count the same hour of the same shadow; answers how many rows went.

    What is deleted is what is added up, so two that fold at once count nothing twice.
    """
    same = select(ShadowCount.draft_id, ShadowCount.hour, ShadowCount.live, ShadowCount.shadow)
    many = same.group_by(ShadowCount.draft_id, ShadowCount.hour, ShadowCount.live, ShadowCount.shadow)
    group = session.execute(many.having(func.count() > 1).limit(1)).first()
    if group is None:
        return 0
    mine = (
        (ShadowCount.draft_id == group.draft_id)
        & (ShadowCount.hour == group.hour)
        & (ShadowCount.live == group.live)
        & (ShadowCount.shadow == group.shadow)
    )
    ids = select(ShadowCount.id).where(mine).order_by(ShadowCount.id).limit(limit)
    gone = session.scalars(delete(ShadowCount).where(ShadowCount.id.in_(ids)).returning(ShadowCount.n)).all()
    if gone:
        session.add(
            ShadowCount(draft_id=group.draft_id, hour=group.hour, live=group.live, shadow=group.shadow, n=sum(gone))
        )
        session.flush()
    return len(gone)


def fold_all(session: Session, groups: int = 100) -> None:
    """Fold up to `groups` of them: each round of housekeeping does some."""
    for _ in range(groups):
        if not fold(session):
            return


def _open(site_id: int) -> Sequence[Any]:
    return (PolicyDraft.site_id == site_id, PolicyDraft.published_version.is_(None))


def _open_or_conflict(draft: PolicyDraft, seen: datetime | None) -> None:
    if draft.published_version is not None:
        raise Conflict(CLOSED, details={"version": draft.published_version})
    if seen is not None and seen != draft.updated_at:
        raise Conflict(EDITED)


def _lock(session: Session, site_id: int) -> None:
    session.get_one(Site, site_id, with_for_update=True)  # who publishes at the same time waits, and builds on this


def _name(name: str) -> str:
    name = " ".join(name.split())
    if len(name) > MAX_NAME:
        raise InvalidInput("A name has at most %(most)s characters.", field="name", values={"most": MAX_NAME})
    return name


def _version(row: PolicyVersion) -> Version:
    return Version(row.version, row.document, row.created_at, row.created_by)


def _note(session: Session, draft: PolicyDraft, action: str, by: str, now: datetime, detail: str = "") -> None:
    audit.record(
        session,
        actor=by,
        action=action,
        subject=f"policy_draft:{draft.id}",
        site_id=draft.site_id,
        now=now,
        detail=detail,
    )
