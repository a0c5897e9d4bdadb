"""Crowds of comments: of one author, from one network, on one site within minutes, and texts that come again and again.

Counted when a text is judged for the first time, by a few indexed statements for a whole batch, each of which counts up
to a bound only. What was counted is kept in the comment's `intake_flags` (`burst_author=12`), so that the archive and
the simulator judge by what was true when the text came. A query room.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from moderation.comments.arrivals import LIVE_SOURCES
from moderation.comments.models import Comment, Revision
from moderation.comments.status import STATUSES
from moderation.db import UtcDateTime
from moderation.policy.document import BURSTS, MOST, Policy
from moderation.scoring.campaigns import MEMORY
from moderation.scoring.models import Campaign

MINUTES = 10
"""A burst is what came within so many minutes up to the comment."""

Counts = Mapping[int, Mapping[str, int]]
"""Comment → code of a burst → how many comments, this one included."""

_AGO = {
    "sqlite": f"strftime('%Y-%m-%d %H:%M:%f', {{}}, '-{MINUTES} minutes')",
    "postgresql": f"{{}} - interval '{MINUTES} minutes'",
}

# Ids grow with time: what came within the window is a range of them, and each count is a range of one index
# (ix_comment_source, ix_comment_author, ix_comment_network), bounded by its LIMIT. When they were written counts as
# well: a site may send what its readers wrote in a week. A name that nobody vouches for is no author: half a city may
# sign as "Warga".
_COUNT = """
    WITH came AS MATERIALIZED (
        SELECT c.id, c.site_id, c.author_id, c.ip_network, {written} AS earliest, c.created_at AS latest,
            (SELECT min(early.id) FROM ({firsts}) early) AS first_id
        FROM comment c WHERE c.id IN :ids
    )
    SELECT came.id,
        CASE WHEN EXISTS (SELECT 1 FROM author w WHERE w.id = came.author_id AND w.identity NOT LIKE 'n:%') THEN (
            SELECT count(*) FROM (
                SELECT 1 FROM comment a {by_author}
                WHERE a.author_id = came.author_id AND a.id BETWEEN came.first_id AND came.id
                AND a.source IN ({sources}) AND a.created_at > came.earliest AND a.created_at <= came.latest
                LIMIT {burst_author}
            ) one
        ) ELSE 0 END AS burst_author,
        (
            SELECT count(*) FROM (
                SELECT 1 FROM comment n {by_network}
                WHERE n.site_id = came.site_id AND n.ip_network = came.ip_network AND n.status IN ({statuses})
                AND n.id BETWEEN came.first_id AND came.id
                AND n.source IN ({sources}) AND n.created_at > came.earliest AND n.created_at <= came.latest
                LIMIT {burst_network}
            ) one
        ) AS burst_network
    FROM came
"""
_FIRST = """
    SELECT * FROM (
        SELECT s.id FROM comment s WHERE s.site_id = c.site_id AND s.source = '{source}' AND s.received_at > {ago}
        ORDER BY s.received_at LIMIT 1
    ) of_{source}
"""
_OF_SITE = """
    SELECT c.id, (
        SELECT count(*) FROM (
            SELECT 1 FROM comment s WHERE s.site_id = c.site_id AND s.source IN ({sources})
            AND s.received_at > {ago} AND s.received_at <= c.received_at LIMIT {burst_site}
        ) one
    ) AS burst_site
    FROM comment c WHERE c.id IN :ids
"""
_SAME_TEXT = text(
    """
    SELECT mine.comment_id AS id, (
        SELECT count(*) FROM (
            SELECT 1 FROM revision r JOIN comment k ON k.id = r.comment_id
            WHERE r.text_hash = mine.text_hash AND r.created_at > :since AND k.site_id = c.site_id
            LIMIT :most
        ) one
    ) AS repeated_text
    FROM revision mine JOIN comment c ON c.id = mine.comment_id WHERE mine.id IN :ids
    """
).bindparams(bindparam("ids", expanding=True), bindparam("since", type_=UtcDateTime()))


def count(
    session: Session,
    comments: Sequence[Comment],
    revisions: Mapping[int, Revision],
    policies: Mapping[int, Policy],
    campaign_of: Mapping[int, int],
    advertising: Collection[int],
    now: datetime,
) -> Counts:
    """The crowds that comments are in which are judged for the first time: those of at least half a policy's mark.

    `policies`: by site. `campaign_of`: comment → campaign. `advertising`: comments with a link, a phone number or a
    brand; a short text that comes again is looked for only there: “mantap” is said by many.
    """
    if not comments:
        return {}
    found: dict[int, dict[str, int]] = {comment.id: {} for comment in comments}
    dialect = session.get_bind().dialect.name
    for row in session.execute(statement(dialect, of_site=False), {"ids": sorted(found)}):
        found[row.id].update(burst_author=row.burst_author, burst_network=row.burst_network)
    newest = {comment.site_id: comment for comment in sorted(comments, key=lambda one: (one.received_at, one.id))}
    rows = session.execute(statement(dialect, of_site=True), {"ids": sorted(comment.id for comment in newest.values())})
    of_site = {row.id: row.burst_site for row in rows}
    for comment in comments:
        found[comment.id]["burst_site"] = of_site[newest[comment.site_id].id]
    for number, times in _repeats(session, comments, revisions, campaign_of, advertising, now).items():
        found[number]["repeated_text"] = times
    sites = {comment.id: comment.site_id for comment in comments}
    return {number: _kept(counts, policies[sites[number]]) for number, counts in found.items()}


@lru_cache(maxsize=4)
def statement(dialect: str, *, of_site: bool) -> Any:
    """The statement that counts bursts of authors and networks, or those of sites; `ids` are those of comments."""
    ago = _AGO[dialect].format("c.received_at")
    firsts = " UNION ALL ".join(_FIRST.format(source=source, ago=ago) for source in LIVE_SOURCES)
    made = (_OF_SITE if of_site else _COUNT).format(
        firsts=firsts,
        ago=ago,
        written=_AGO[dialect].format("c.created_at"),
        # SQLite would rather walk the window's rows where it knows little of an index.
        by_author="INDEXED BY ix_comment_author" if dialect == "sqlite" else "",
        by_network="INDEXED BY ix_comment_network" if dialect == "sqlite" else "",
        sources=", ".join(f"'{name}'" for name in LIVE_SOURCES),
        statuses=", ".join(f"'{name}'" for name in STATUSES),
        **MOST,
    )
    return text(made).bindparams(bindparam("ids", expanding=True))


def _repeats(
    session: Session,
    comments: Sequence[Comment],
    revisions: Mapping[int, Revision],
    campaign_of: Mapping[int, int],
    advertising: Collection[int],
    now: datetime,
) -> dict[int, int]:
    """Comment → how often its text came within thirty days, nearly the same or, if it is short, the same."""
    mine = {comment.id: campaign_of[comment.id] for comment in comments if comment.id in campaign_of}
    sizes = {}
    if mine:
        rows = session.execute(select(Campaign.id, Campaign.size).where(Campaign.id.in_(sorted(set(mine.values())))))
        sizes = {row.id: row.size for row in rows}
    found = {number: min(sizes.get(campaign, 1), MOST["repeated_text"]) for number, campaign in mine.items()}
    alone = sorted(revisions[n].id for n in advertising if n not in mine and n in revisions)
    if alone:
        asked = {"ids": alone, "since": now - MEMORY, "most": MOST["repeated_text"]}
        found |= {row.id: row.repeated_text for row in session.execute(_SAME_TEXT, asked)}
    return found


def _kept(counts: Mapping[str, int], policy: Policy) -> dict[str, int]:
    """What is worth keeping: half a mark says what a stricter policy would have done, less says nothing."""
    least = {code: max((getattr(policy, code) or usual) // 2, 2) for code, usual in BURSTS.items()}
    return {code: counts[code] for code in BURSTS if counts.get(code, 0) >= least[code]}


def read(flags: str) -> dict[str, int]:
    """The bursts that a comment's `intake_flags` tell of."""
    found = {}
    for flag in flags.split(",") if "=" in flags else ():
        code, _, number = flag.partition("=")
        if code in BURSTS and number.isascii() and number.isdigit():
            found[code] = int(number)
    return found


def others(flags: str) -> tuple[str, ...]:
    """What else a comment's `intake_flags` tell of."""
    return tuple(flag for flag in flags.split(",") if flag and "=" not in flag)


def written(flags: str, counts: Mapping[str, int]) -> str:
    """`intake_flags` with these bursts in the place of those that it tells of."""
    return ",".join([*others(flags), *(f"{code}={number}" for code, number in counts.items())])
