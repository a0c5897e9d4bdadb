"""Releases: versions of scorers beside the package's own, and which of them is live for whom.

A built-in artefact counts for the whole installation, a newsroom layer for its site. Without a live release the
package's own artefact judges, and no layer. A query room: everything that is read of `scorer_release` is read here.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from moderation.accounts import audit
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.scoring import builtin, detoxify_scorer, newsroom, registry
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.models import Release
from moderation.scoring.newsroom import NewsroomScorer
from moderation.scoring.scorer import Scorer, ScorerError
from moderation.settings import Settings

CANDIDATE, SHADOW, LIVE, RETIRED = "candidate", "shadow", "live", "retired"

PACKAGE = "package"
"""`builtin@package`: the artefact that came with this version of the package."""

LONGEST_ID = 6
"""Digits of a release's number in `builtin@12`; more are the beginning of a version."""

LEAST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """A scorer that somebody named. `live`: it is what judges now. `make` loads it and may raise ScorerError.

    `newsroom` scores only the signals that the site's layer speaks for.
    """

    name: str
    version: str
    live: bool
    make: Callable[[], Scorer]


@dataclass(frozen=True, slots=True)
class Serving:
    """A release that is live or in shadow."""

    id: int
    site_id: int | None
    scorer: str
    version: str
    state: str


def serving(session: Session) -> list[Serving]:
    """All that are live or in shadow; one small statement."""
    rows = session.execute(
        select(Release.id, Release.site_id, Release.scorer, Release.version, Release.state)
        .where(Release.state.in_((LIVE, SHADOW)))
        .order_by(Release.id)
    ).all()
    return [Serving(*row) for row in rows]


def live_versions(session: Session) -> frozenset[tuple[str, str]]:
    """(scorer, version) of everything that is live for anybody.

    A layer's version names its site's layer alone, so that sites need not be told apart.
    """
    found = {(item.scorer, item.version) for item in serving(session) if item.state == LIVE}
    if not any(scorer == builtin.NAME for scorer, _ in found):
        own = registry.package_version()
        found |= {(builtin.NAME, own)} if own is not None else set()
    return frozenset(found)


def live_version(session: Session, settings: Settings, scorer: str, site_id: int | None) -> str | None:
    """The version of `scorer` that judges the site's comments; None when it does not judge them."""
    if scorer == detoxify_scorer.NAME:
        return registry.version_of_detoxify(settings.data_dir, settings.detoxify_runtime)
    for item in serving(session):
        if item.state == LIVE and item.scorer == scorer and item.site_id in (None, site_id):
            return item.version
    return registry.package_version() if scorer == builtin.NAME else None


def resolve(session: Session, settings: Settings, spec: str, site_id: int | None = None) -> ScorerChoice:
    """The scorer that `spec` names: `builtin`, `newsroom` or `detoxify`, alone for what is live, or with `@` and a
    release's number, a version or the beginning of one (`builtin@package` is the package's own).

    Raises InvalidInput naming `scorer` when there is none, or more than one.
    """
    name, at, wanted = spec.strip().partition("@")
    if at and not wanted:
        raise _wrong(f"{spec} names no version behind the @.")
    live = live_version(session, settings, name, site_id)
    if name == detoxify_scorer.NAME:
        if live is None:
            raise _wrong("No Detoxify weights are installed; `moderation models install FILE` installs them.")
        if wanted and not live.startswith(wanted):
            raise _wrong(f"The active Detoxify weights are {live}, not {wanted}.")
        return ScorerChoice(name, live, True, lambda: registry.make_scorer(name, settings))
    if name == builtin.NAME:
        version, make = _builtin(session, settings, wanted or live or PACKAGE)
        return ScorerChoice(name, version, version == live, make)
    if name == newsroom.NAME:
        if site_id is None:
            raise _wrong("A newsroom layer belongs to a site; name the site.")
        if not wanted and live is None:
            raise _wrong("The site has no live newsroom layer; see: moderation scorers list")
        row = _find(_of(session, name, site_id), wanted or str(live))
        version, make_base = _builtin(session, settings, row.version.partition("+")[0])
        layer = artefact(session, row.id)

        def make_layered() -> Scorer:
            base = make_base()
            assert isinstance(base, BuiltinScorer)  # noqa: S101 what _builtin makes
            return NewsroomScorer(base, newsroom.load(layer))

        return ScorerChoice(name, row.version, row.version == live, make_layered)
    raise _wrong(f"There is no scorer {name!r}; there are builtin, newsroom and detoxify.")


def artefact(session: Session, release_id: int) -> bytes:
    """The bytes of a release. Raises NotFound."""
    found = session.scalar(select(Release.artefact).where(Release.id == release_id))
    if found is None:
        raise NotFound(f"There is no release {release_id}.")
    return found


def builtin_of(session: Session, settings: Settings, version: str) -> Callable[[], BuiltinScorer]:
    """What loads one version of the built-in scorer. Raises InvalidInput naming `scorer` when it is not at hand."""
    return _builtin(session, settings, version)[1]


def unpacked(settings: Settings, file: bytes) -> Path:
    """A built-in artefact as a file in the data folder; written once, and again when it is not what it should be."""
    digest = hashlib.sha256(file).hexdigest()
    path = settings.data_dir / "scorers" / f"{digest}.npz"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{id(file):x}.part")
        part.write_bytes(file)
        part.replace(path)
    return path


def get(session: Session, release_id: int, *, whole: bool = False) -> Release:
    """A release, with its artefact if it is wanted `whole`. Raises NotFound."""
    options = [undefer(Release.artefact)] if whole else []
    row = session.scalar(select(Release).where(Release.id == release_id).options(*options))
    if row is None:
        raise NotFound(f"There is no release {release_id}; see: moderation scorers list")
    return row


def listed(session: Session, site_id: int | None = None) -> Sequence[Release]:
    """Releases, newest first: all of them, or those that concern a site."""
    statement = select(Release).order_by(Release.id.desc())
    if site_id is not None:
        statement = statement.where((Release.site_id == site_id) | Release.site_id.is_(None))
    return session.scalars(statement).all()


def add(
    session: Session,
    scorer: str,
    version: str,
    file: bytes,
    *,
    site_id: int | None,
    report: dict[str, Any],
    by: str,
    now: datetime,
) -> Release:
    """Keep a new version as a candidate. Raises Conflict when it is known already."""
    known = next((row for row in _of(session, scorer, site_id) if row.version == version), None)
    if known is not None:
        raise Conflict(f"{scorer}@{version} is known already as release {known.id} ({known.state}).")
    row = Release(
        site_id=site_id,
        scorer=scorer,
        version=version,
        artefact=file,
        report=report,
        state=CANDIDATE,
        created_by=by,
        created_at=now,
        changed_by=by,
        changed_at=now,
    )
    session.add(row)
    session.flush()
    _note(session, "add", row, by, now)
    return row


def put_in_shadow(session: Session, row: Release, *, by: str, now: datetime) -> None:
    """Let it judge live comments beside the live one, and count for nothing. Raises Conflict if it is live."""
    if row.state == LIVE:
        raise Conflict(f"Release {row.id} is live.")
    _change(session, row, SHADOW, by, now)


def withdraw(session: Session, row: Release, *, by: str, now: datetime) -> None:
    """Take it out of the shadow, or away as a candidate. Raises Conflict if it is live: a rollback ends that."""
    if row.state == LIVE:
        raise Conflict(f"Release {row.id} is live; `moderation scorers rollback` goes back to the one before it.")
    _change(session, row, RETIRED, by, now)


def promote(session: Session, row: Release, *, by: str, now: datetime) -> None:
    """Make it the live one of its scorer and site; the one that was live retires. Raises Conflict if it is live.

    Two who promote at once wait for each other: the rows of the scorer and site are locked.
    """
    for other in _of(session, row.scorer, row.site_id, lock=True):
        if other.state == LIVE:
            if other.id == row.id:
                raise Conflict(f"Release {row.id} is live already.")
            _change(session, other, RETIRED, by, now)
    row.promoted_at = now
    _change(session, row, LIVE, by, now)


def rollback(session: Session, scorer: str, site_id: int | None, *, by: str, now: datetime) -> Release | None:
    """Retire the live release and make the one before it live again; returns that, None when there is none left (then
    the package's own artefact judges, or no layer).

    A release that was taken back is no goal of a later rollback, nor is a layer of another built-in than the live one.
    Raises Conflict when none is live.
    """
    rows = _of(session, scorer, site_id, lock=True)
    live = next((row for row in rows if row.state == LIVE), None)
    if live is None:
        where = "this installation" if site_id is None else f"site {site_id}"
        raise Conflict(f"No release of {scorer} is live for {where}: there is nothing to take back.")
    before = [
        row
        for row in rows
        if row.state == RETIRED
        and row.promoted_at is not None
        and (live.promoted_at is None or row.promoted_at < live.promoted_at)
        and (scorer != newsroom.NAME or row.version.partition("+")[0] == live.version.partition("+")[0])
    ]
    live.promoted_at = None
    _change(session, live, RETIRED, by, now, deed="rollback")
    again = max(before, key=lambda row: row.promoted_at or row.created_at, default=None)
    if again is not None:
        _change(session, again, LIVE, by, now)
    return again


def orphans(session: Session) -> list[Serving]:
    """Live layers that were fitted on another version of the built-in than the one that judges: they are ignored."""
    known = serving(session)
    layers = [item for item in known if item.scorer == newsroom.NAME and item.state == LIVE]
    if not layers:
        return []
    live = next((item.version for item in known if item.scorer == builtin.NAME and item.state == LIVE), None)
    live = live or registry.package_version()
    return [item for item in layers if item.version.partition("+")[0] != live]


def _of(session: Session, scorer: str, site_id: int | None, *, lock: bool = False) -> Sequence[Release]:
    statement = select(Release).where(Release.scorer == scorer).order_by(Release.id)
    statement = statement.where(Release.site_id.is_(None) if site_id is None else Release.site_id == site_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalars(statement).all()


def _builtin(session: Session, settings: Settings, wanted: str) -> tuple[str, Callable[[], BuiltinScorer]]:
    """Version and loader of a built-in artefact."""
    own = registry.package_version()
    if own is not None and wanted in (own, PACKAGE):
        return own, BuiltinScorer
    rows = _of(session, builtin.NAME, None)
    prefix = own is not None and len(wanted) >= LEAST_PREFIX and own.startswith(wanted)
    if prefix and not any(row.version.startswith(wanted) or str(row.id) == wanted for row in rows):
        return str(own), BuiltinScorer
    if wanted == PACKAGE:
        raise _wrong("The package's own artefact is missing or damaged; see: moderation models check")
    row = _find(rows, wanted)
    path = unpacked(settings, artefact(session, row.id))

    def load() -> BuiltinScorer:
        made = BuiltinScorer(path)
        if made.version != row.version:
            raise ScorerError(f"Release {row.id} was {row.version} when it was added; here it is {made.version}.")
        return made

    return row.version, load


def _find(rows: Sequence[Release], wanted: str) -> Release:
    """The release of that number, of that version, or the only one whose version (or a layer's own part) begins so."""
    if wanted.isdecimal() and len(wanted) <= LONGEST_ID:
        for row in rows:
            if row.id == int(wanted):
                return row
    found = [row for row in rows if row.version == wanted]
    if not found and len(wanted) >= LEAST_PREFIX:
        found = [row for row in rows if wanted in (row.version[: len(wanted)], _own(row.version)[: len(wanted)])]
    if len(found) == 1:
        return found[0]
    if found:
        raise _wrong(f"{wanted} begins more than one version: {', '.join(row.version for row in found[:5])}.")
    raise _wrong(f"There is no version {wanted}; see: moderation scorers list")


def _own(version: str) -> str:
    return version.partition("+")[2]


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, field="scorer")


def _change(session: Session, row: Release, state: str, by: str, now: datetime, *, deed: str = "") -> None:
    row.state, row.changed_by, row.changed_at = state, by, now
    session.flush()
    _note(session, deed or {SHADOW: "shadow", LIVE: "promote"}.get(state, "retire"), row, by, now)


def _note(session: Session, deed: str, row: Release, by: str, now: datetime) -> None:
    subject = f"release:{row.id}"
    audit.record(
        session,
        actor=by,
        action=f"scorer.{deed}",
        subject=subject,
        site_id=row.site_id,
        now=now,
        detail=f"{row.scorer}@{row.version}",
    )
