"""A site's last comments as columns: what the rules may look at, read in a few statements and kept as arrays.

No entity is made and no model runs, so that a hundred thousand comments take a second. What is here is what
`review/facts.py` says of the same comments, one by one; a property test holds the two together. A query room.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, and_, func, literal_column, or_, select
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import standings, story_rules
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import HELD
from moderation.policy.rules import BURST_CODES, FLAG_CODES
from moderation.rescoring import measured
from moderation.rescoring.window import (
    STATUSES,
    UNDECIDED,
    Codes,
    Flags,
    Floats,
    Integers,
    Window,
    fetched,
    last,
)
from moderation.review import bursts
from moderation.scoring import work
from moderation.scoring.models import Work
from moderation.signals import SIGNALS

STANDINGS = {standings.NOTHING: 0, standings.BANNED: 1, standings.HELD: 2, standings.TRUSTED: 3}

MOST = 200_000
"""Comments that are looked at together at most: some hundred bytes each."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The comments of a window that were scored, in the order of their ids; every array has their length.

    `stands`: the code of what stands. `human`: what a person decided on this very text, or UNDECIDED. `values`: comment
    × signal, the score that counts, or NaN; `scorer`: by which of `scorers`, or -1. `story_holds`: the story was closed
    to this text, or a person or its section wants everything under it held. `sells`: it has a link, a phone number or a
    brand. `bursts`: code → how many comments were alike in this when it came, as far as that was kept. `author`: id, 0
    where there is none. `unscored`: how many more comments of the window have no score. `days`: on so many different
    days (UTC) they came.
    """

    window: Window
    ids: Integers
    revision: Integers
    stands: Codes
    human: Codes
    author: Integers
    values: Floats
    scorer: Codes
    scorers: tuple[str, ...]
    links: Integers
    hidden: Flags
    scored: Flags
    failed: Flags
    supported: Flags
    flagged: Flags
    sells: Flags
    bursts: Mapping[str, Integers]
    story_holds: Flags
    standing: Codes
    unscored: int
    days: int

    def __len__(self) -> int:
        return len(self.ids)

    def rows_of(self, comment_ids: Collection[int]) -> Flags:
        """Which comments are among these."""
        return np.isin(self.ids, np.fromiter(comment_ids, np.int64, len(comment_ids)))

    def measured(self, scorer: str, signal: str) -> Floats:
        """The scores of `signal` that count and that `scorer` gave; NaN elsewhere."""
        if scorer not in self.scorers:
            return np.full(len(self), np.nan)
        place = SIGNALS.index(signal)
        return np.where(self.scorer[:, place] == self.scorers.index(scorer), self.values[:, place], np.nan)


def load(session: Session, site: Site, most: int, now: datetime) -> Columns:
    """The columns of a site's last `most` judged comments as they stand."""
    seen = last(session, site.id, min(most, MOST))
    ids, revision, stands, human, author, story, links, flagged, crowds = _comments(session, seen)
    given = measured.read(session, seen, ids)
    unfinished, failed = _work(session, seen, ids)
    complete = ~failed & ~unfinished
    kept = given.known
    story_holds = _stories(session, site, seen, ids, story)
    return Columns(
        window=seen,
        ids=ids[kept],
        revision=revision[kept],
        stands=stands[kept],
        human=human[kept],
        author=author[kept],
        values=given.values[kept],
        scorer=given.scorer[kept],
        scorers=given.scorers,
        links=np.maximum(links, given.links)[kept],
        hidden=given.hidden[kept],
        scored=complete[kept],
        failed=failed[kept],
        supported=given.supported[kept],
        flagged=flagged[kept],
        sells=(given.sells | (links > 0))[kept],
        bursts={code: numbers[kept] for code, numbers in crowds.items()},
        story_holds=story_holds[kept],
        standing=_standings(session, site.id, author[kept], now),
        unscored=int((~kept).sum()),
        days=_days(session, seen),
    )


def _comments(session: Session, seen: Window) -> tuple[Any, ...]:
    rows = fetched(
        session,
        select(
            Comment.id,
            Comment.revision,
            Comment.status,
            Comment.human_revision,
            Comment.author_id,
            Comment.story_id,
            Comment.intake_flags,
            Revision.links,
        )
        .with_hint(Comment, seen.hint(), "sqlite")
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(seen.holds())
        .order_by(Comment.id),
    )
    ids, revision, status, decided_on, author, story, flags, links = zip(*rows, strict=True) if rows else ((),) * 8
    stands = np.array([STATUSES[name] for name in status], np.int8)
    revisions = np.array(revision, np.int64)
    by_person = (np.array(decided_on, np.int64) == revisions) & (stands != STATUSES[HELD])
    crowds = {text: bursts.read(text) for text in set(flags)}
    known = {text: bool(set(text.split(",")) & set(FLAG_CODES)) for text in set(flags)}
    return (
        np.array(ids, np.int64),
        revisions,
        stands,
        np.where(by_person, stands, UNDECIDED).astype(np.int8),
        np.array([number or 0 for number in author], np.int64),
        np.array([number or 0 for number in story], np.int64),
        np.array(links, np.int64),
        np.array([known[text] for text in flags], np.bool_),
        {code: np.array([crowds[text].get(code, 0) for text in flags], np.int64) for code in BURST_CODES},
    )


def _work(session: Session, seen: Window, ids: Integers) -> tuple[Flags, Flags]:
    """Which comments a scorer still has to judge, and on which one has given up."""
    rows = (
        session.connection()
        .execute(
            select(Work.comment_id, Work.state)
            .join(Comment, and_(Comment.id == Work.comment_id, Comment.revision == Work.revision))
            .where(seen.holds(), Work.state.in_((work.DUE, work.LEASED, work.FAILED)))
        )
        .all()
    )
    failed = [comment_id for comment_id, state in rows if state == work.FAILED]
    waiting = [comment_id for comment_id, state in rows if state != work.FAILED]
    return np.isin(ids, np.array(waiting, np.int64)), np.isin(ids, np.array(failed, np.int64))


def _stories(session: Session, site: Site, seen: Window, ids: Integers, story: Integers) -> Flags:
    """Which comments are held for their story's sake."""
    wanted = select(
        *(Story.id, Story.url, Story.section, Story.published_at, Story.created_at),
        *(Story.closed_at, Story.premoderated),
    ).where(Story.site_id == site.id)
    if not site.premoderated_sections and site.close_after_days is None:
        # Most sites have neither rule: then only what a person ordered for a story counts.
        wanted = wanted.where(or_(Story.closed_at.is_not(None), Story.premoderated))
    rows = session.connection().execute(wanted).all()
    always = []
    closing: dict[int, int] = {}
    for row in rows:
        one = cast(Story, row)  # has the same columns
        if row.premoderated or story_rules.premoderated_section(site, one) is not None:
            always.append(row.id)
        at = story_rules.closes_at(site, one)
        if at is not None:
            closing[row.id] = _micros(at)
    holds = np.isin(story, np.array(always, np.int64))
    if closing:
        holds |= _came_late(session, seen, ids, story, closing)
    return holds


def _came_late(session: Session, seen: Window, ids: Integers, story: Integers, closing: Mapping[int, int]) -> Flags:
    """Which texts came when their story took no more."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    rows = (
        session.connection()
        .execute(
            select(Comment.id, _sqlite_micros() if sqlite else _postgres_micros())
            .with_hint(Comment, seen.hint(), "sqlite")
            .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
            .where(seen.holds())
            .order_by(Comment.id)
        )
        .all()
    )
    came = np.full(len(ids), -1, np.int64)
    at = {row[0]: row[1] for row in rows}
    came[:] = [at.get(number, -1) for number in ids.tolist()]
    never = np.iinfo(np.int64).max
    return came >= np.array([closing.get(number, never) for number in story.tolist()], np.int64)


def _micros(at: datetime) -> int:
    epoch = datetime(1970, 1, 1, tzinfo=at.tzinfo)
    return (at - epoch) // timedelta(microseconds=1)


def _sqlite_micros() -> ColumnElement[int]:
    """Kept as text, `2026-11-28 01:02:03.456789`."""
    text = "revision.created_at"
    return literal_column(
        f"CAST(strftime('%s', substr({text}, 1, 19)) AS INTEGER) * 1000000 + CAST(substr({text}, 21, 6) AS INTEGER)",
        BigInteger,
    )


def _postgres_micros() -> ColumnElement[int]:
    return sql_cast(func.extract("epoch", Revision.created_at) * 1_000_000, BigInteger)


def _standings(session: Session, site_id: int, author: Integers, now: datetime) -> Codes:
    rows = (
        session.connection()
        .execute(
            select(Author.id, Author.standing, Author.standing_until).where(
                Author.site_id == site_id, Author.standing != standings.NOTHING
            )
        )
        .all()
    )
    codes = np.zeros(len(author), np.int8)
    for kind in (standings.BANNED, standings.HELD, standings.TRUSTED):
        theirs = [row.id for row in rows if standings.in_force(cast(Author, row), now) == kind]
        codes[np.isin(author, np.array(theirs, np.int64))] = STANDINGS[kind]
    return codes


def _days(session: Session, seen: Window) -> int:
    day = func.date(Comment.created_at)
    days = select(func.count(func.distinct(day))).with_hint(Comment, seen.hint(), "sqlite").where(seen.holds())
    return int(session.scalar(days) or 0)
