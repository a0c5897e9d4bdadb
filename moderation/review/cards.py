"""The card: everything that answers "why am I looking at this", as plain values for a page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator, Site
from moderation.comments import authors
from moderation.comments.models import Comment, Revision, Story
from moderation.policy import store as policies
from moderation.policy.document import Policy
from moderation.policy.models import VerdictRow
from moderation.review import evidence
from moderation.review.models import Decision
from moderation.scoring import store as scores
from moderation.scoring.store import StoredScore
from moderation.signals import SIGNALS

MARK_KINDS = ("link", "phone", "hidden", "styled")
"""Evidence that is marked in the text even where no rule names it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of the text that is marked alike; `numbers` are those of the reasons it explains."""

    text: str
    kinds: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class CardReason:
    """A reason with the number that stands on its marks."""

    number: int
    code: str
    signal: str | None
    value: float | None
    detail: str
    weight: float


@dataclass(frozen=True, slots=True)
class SignalBar:
    """A signal's value, None where it was not measured, with the site's marks for the scorer that measured it."""

    name: str
    value: float | None
    hold: float | None
    reject: float | None
    scorer: str


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision that stands."""

    action: str
    reason: str | None
    who: str
    at: datetime
    by_machine: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One comment as a moderator sees it."""

    id: int
    version: int
    revision: int
    status: str
    not_scored: bool
    site_name: str
    story_title: str
    story_url: str
    author_name: str
    author_url: str
    author_record: tuple[int, int]
    is_first: bool
    received_at: datetime
    language: str
    text_parts: list[Part]
    text: str
    reads_as: str
    reasons: list[CardReason]
    signals: list[SignalBar]
    scorers: list[str]
    policy_version: int | None
    parent: tuple[str, str] | None
    decided: Decided | None
    facts: dict[str, int] = field(default_factory=dict)


def build(session: Session, comments: Sequence[Comment]) -> list[Card]:
    """The cards of `comments`, in their order, with a fixed number of queries per page."""
    if not comments:
        return []
    ids = [comment.id for comment in comments]
    keys = [(comment.id, comment.revision) for comment in comments]
    texts = _texts(session, ids)
    stories = {
        row.id: row for row in session.scalars(select(Story).where(Story.id.in_({c.story_id for c in comments})))
    }
    sites = {row.id: row for row in session.scalars(select(Site).where(Site.id.in_({c.site_id for c in comments})))}
    live = {site_id: policies.live(session, site_id) for site_id in sites}
    verdicts = policies.latest_verdicts(session, keys)
    stored = scores.of_revisions(session, keys)
    decided = _decided(session, ids)
    parents = _parents(session, [c.parent_id for c in comments if c.parent_id])
    records = {c.author_id: authors.record_of(session, c.author_id) for c in comments if c.author_id}
    firsts = _first_comments(session, [c.author_id for c in comments if c.author_id])
    return [
        _card(
            comment,
            texts.get(comment.id, ""),
            stories.get(comment.story_id or 0),
            sites[comment.site_id],
            live[comment.site_id],
            verdicts.get(comment.id),
            stored.get(comment.id, []),
            decided.get(comment.id),
            parents.get(comment.parent_id or 0),
            records.get(comment.author_id or 0, (0, 0)),
            firsts.get(comment.author_id or 0) == comment.id,
        )
        for comment in comments
    ]


def _card(
    comment: Comment,
    text: str,
    story: Story | None,
    site: Site,
    policy: Policy,
    verdict: VerdictRow | None,
    stored: list[StoredScore],
    decided: Decided | None,
    parent: tuple[str, str] | None,
    record: tuple[int, int],
    is_first: bool,
) -> Card:
    reasons = [] if verdict is None else verdict.reasons
    numbered = [
        CardReason(n, r["code"], r.get("signal"), r.get("value"), r.get("detail", ""), r.get("weight", 0.0))
        for n, r in enumerate(reasons, 1)
    ]
    return Card(
        id=comment.id,
        version=comment.version,
        revision=comment.revision,
        status=comment.status,
        not_scored=comment.not_scored,
        site_name=site.name,
        story_title=story.title if story else "",
        story_url=story.url if story else "",
        author_name=comment.author_name,
        author_url=comment.author_url or "",
        author_record=record,
        is_first=is_first,
        received_at=comment.received_at,
        language=comment.language or "",
        text_parts=mark(text, _marks(reasons, stored)),
        text=text,
        reads_as=next((item.score.reads_as for item in stored if item.score.reads_as), ""),
        reasons=numbered,
        signals=_bars(policy, stored),
        scorers=[f"{item.scorer}@{item.version}" for item in stored],
        policy_version=verdict.policy_version if verdict is not None else None,
        parent=parent,
        decided=decided,
        facts={key: int(value) for item in stored for key, value in item.score.facts.items()},
    )


def mark(text: str, marks: Iterable[tuple[int, int, str, int]]) -> list[Part]:
    """`text` cut into parts by (start, end, kind, number) marks, which may overlap; number 0 has no reason."""
    kept = [(max(0, start), min(len(text), end), kind, number) for start, end, kind, number in marks]
    kept = [item for item in kept if item[0] < item[1]]
    cuts = sorted({0, len(text), *(place for item in kept for place in item[:2])})
    parts: list[Part] = []
    for start, end in pairwise(cuts):
        over = [item for item in kept if item[0] <= start and item[1] >= end]
        kinds = tuple(dict.fromkeys(item[2] for item in over))
        numbers = tuple(sorted({item[3] for item in over if item[3]}))
        if parts and (parts[-1].kinds, parts[-1].numbers) == (kinds, numbers):
            parts[-1] = Part(parts[-1].text + text[start:end], kinds, numbers)
        else:
            parts.append(Part(text[start:end], kinds, numbers))
    return parts


def _marks(reasons: Sequence[dict[str, Any]], stored: Sequence[StoredScore]) -> list[tuple[int, int, str, int]]:
    marks = []
    for number, reason in enumerate(reasons, 1):
        kind = {"word_list": "list", "links": "link", "blocked_domain": "link"}.get(reason["code"], "signal")
        marks += [(start, end, kind, number) for start, end in reason.get("spans", ())]
    for item in stored:
        marks += [(s.start, s.end, s.kind, 0) for s in item.score.spans if s.kind in MARK_KINDS]
    return marks


def _bars(policy: Policy, stored: Sequence[StoredScore]) -> list[SignalBar]:
    known = evidence.effective(stored)
    bars = []
    for name in SIGNALS if stored else ():
        value, item = known.get(name, (None, None))
        scorer = item.scorer if item is not None else ""
        band = policy.band(scorer, name)
        bars.append(SignalBar(name, value, band.hold if band else None, band.reject if band else None, scorer))
    return bars


def _texts(session: Session, ids: Sequence[int]) -> dict[int, str]:
    rows = session.execute(
        select(Comment.id, Revision.text)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.id.in_(ids))
    ).all()
    return {row.id: row.text for row in rows}


def _parents(session: Session, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    texts = _texts(session, ids)
    rows = session.execute(select(Comment.id, Comment.author_name).where(Comment.id.in_(ids))).all()
    return {comment_id: (name, texts.get(comment_id, "")) for comment_id, name in rows}


def _first_comments(session: Session, author_ids: Sequence[int]) -> dict[int, int]:
    rows = session.execute(
        select(Comment.author_id, func.min(Comment.id))
        .where(Comment.author_id.in_(author_ids))
        .group_by(Comment.author_id)
    ).all()
    return {author_id: first for author_id, first in rows if author_id is not None}


def _decided(session: Session, ids: Sequence[int]) -> dict[int, Decided]:
    rows = session.execute(
        select(Decision, Moderator.name)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
        .outerjoin(Moderator, Moderator.id == Decision.moderator_id)
        .where(Decision.comment_id.in_(ids))
    ).all()
    return {
        row.comment_id: Decided(row.action, row.reason, name or "", row.created_at, row.moderator_id is None)
        for row, name in rows
        if not (row.action == "hold" and row.moderator_id is None)
    }
