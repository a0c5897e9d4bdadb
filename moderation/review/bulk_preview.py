"""What a bulk job over a query would meet: how many comments, in which statuses, and some of them to look at."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.accounts import moderators
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.errors import InvalidInput
from moderation.review import cards, filters, searching
from moderation.review.cards import Card
from moderation.review.filters import Bound, OneOf, Query

COUNTED = 200_000
"""A preview counts up to here; one more means: more."""

SAMPLE = 10
"""Comments that a preview shows: some of the newest, the riskiest, the rest at random."""
NEWEST, RISKIEST = 4, 3
RISKY = (0.95, 0.8, 0.5)
"""Least scores among which the riskiest are looked for, one after the other."""
DRAWS, DRAWN = 4, 3
"""At so many random places of the ids so many comments are drawn."""

NO_FILTER = "A bulk job needs at least one word or filter: it never decides everything there is."
TOO_LONG = "This search is too long for a bulk job: leave something out."


@dataclass(frozen=True, slots=True)
class Sample:
    """One comment of a preview, and why it is shown: `newest`, `riskiest` or `random`."""

    card: Card
    why: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do, without doing anything.

    `total` of them match up to the comment `until_id`; more than COUNTED is COUNTED + 1, in `by_status` too. `skipped`:
    why → how many of them the job would leave alone: `pending` (being judged), `escalated` (with the seniors).
    """

    query: Query
    total: int
    by_status: Mapping[str, int]
    skipped: Mapping[str, int]
    sample: Sequence[Sample]
    until_id: int


def preview(
    session: Session,
    site_ids: Sequence[int],
    query: Query,
    me: Moderator,
    *,
    now: datetime,
    draw: random.Random | None = None,
) -> Preview:
    """What a job over this query would meet. `draw` picks the random comments of the sample.

    Raises InvalidInput (`q`) for a query that no job may have, or that the database cannot answer in time.
    """
    fixed = checked(query)
    until_id = session.scalar(select(func.max(Comment.id))) or 0
    by_status = {
        state: found
        for state in _statuses(query)
        if (found := count_matching(session, site_ids, _only(fixed, state), until_id))
    }
    total = min(sum(by_status.values()), COUNTED + 1)
    skipped = {"pending": by_status.get("pending", 0), "escalated": 0}
    if not moderators.is_senior(me):
        asked = Query((*fixed.conditions, OneOf("is", ("escalated",))))
        skipped["escalated"] = count_matching(session, site_ids, asked, until_id)
    return Preview(
        query=fixed,
        total=total,
        by_status=by_status,
        skipped={why: found for why, found in skipped.items() if found},
        sample=_sample(session, site_ids, fixed, until_id, now, draw or random.Random()) if total else (),  # noqa: S311 no secret
        until_id=until_id,
    )


def checked(query: Query) -> Query:
    """The query as a job keeps it. Raises InvalidInput."""
    if not query.conditions:
        raise InvalidInput(NO_FILTER, field="q")
    fixed = query.fixed()
    if len(str(fixed)) > filters.MAX_LENGTH:
        raise InvalidInput(TOO_LONG, field="q")
    return fixed


def count_matching(session: Session, site_ids: Sequence[int], query: Query, until_id: int) -> int:
    """How many comments match, of those up to `until_id`; COUNTED + 1 for more than COUNTED."""
    return searching.count(session, site_ids, query, COUNTED, until_id=until_id)


def _statuses(query: Query) -> list[str]:
    """The statuses that a comment may have to match."""
    asked = [item for item in query.conditions if isinstance(item, OneOf) and item.name == "status"]
    return [state for state in filters.STATUSES if all((state in item.values) != item.negated for item in asked)]


def _only(query: Query, state: str) -> Query:
    """The query, for comments of one status."""
    rest = (item for item in query.conditions if not (isinstance(item, OneOf) and item.name == "status"))
    return Query((*rest, OneOf("status", (state,))))


def _sample(
    session: Session, site_ids: Sequence[int], query: Query, until_id: int, now: datetime, draw: random.Random
) -> list[Sample]:
    """Some of the newest, the riskiest and some at random; each once."""
    newest = searching.page(session, site_ids, query, after=until_id + 1).comments
    known = {comment.id: comment for comment in newest}
    risky: list[Comment] = []
    for least in RISKY:
        bounded = replace(query, conditions=(*query.conditions, Bound("score", ">=", least)))
        risky = searching.page(session, site_ids, bounded, after=until_id + 1).comments
        if risky:
            break
    known |= {comment.id: comment for comment in risky}
    drawn: list[int] = []
    for _ in range(DRAWS):
        place = draw.randrange(until_id + 1)
        drawn += searching.matching(session, site_ids, query, after_id=place, until_id=until_id, limit=DRAWN)
    far = [number for number in dict.fromkeys(drawn) if number not in known]
    if far:
        known |= {comment.id: comment for comment in session.scalars(select(Comment).where(Comment.id.in_(far)))}
    why = {comment.id: "newest" for comment in newest[:NEWEST]}
    fresh = [comment for comment in sorted(risky, key=lambda c: -c.score) if comment.id not in why]
    why |= {comment.id: "riskiest" for comment in fresh[:RISKIEST]}
    left = [number for number in known if number not in why]
    why |= dict.fromkeys(draw.sample(left, min(len(left), SAMPLE - len(why))), "random")
    made = cards.build(session, [known[number] for number in why], now=now)
    return [Sample(card, why[card.id]) for card in made]
