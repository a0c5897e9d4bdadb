"""The card: everything that answers "why am I looking at this", as plain values for a page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import floor
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment, Revision, Story
from moderation.comments.status import HELD
from moderation.composition import Composition
from moderation.db import utcnow
from moderation.policy import store as policies
from moderation.policy.document import NOTE, Policy
from moderation.policy.models import VerdictRow
from moderation.review import (
    claims,
    escalations,
    evidence,
    explained,
    groups,
    likeness,
    notes,
    people,
    priority,
)
from moderation.review.claims import Held
from moderation.review.decided import made_by
from moderation.review.escalations import Asked
from moderation.review.groups import Alike
from moderation.review.marks import Part, mark
from moderation.review.models import Decision
from moderation.review.notes import NoteLine
from moderation.review.people import Record
from moderation.review.priority import Explained
from moderation.scoring import store as scores
from moderation.scoring.explanations import Explained as ScoreExplained
from moderation.scoring.explanations import Key
from moderation.scoring.store import StoredScore
from moderation.signals import SIGNALS

MARK_KINDS = ("link", "phone", "brand", "hidden", "styled")
"""Evidence that is marked in the text even where no rule names it."""

REASON_KINDS = {
    **{"word_list": "list", "links": "link", "blocked_domain": "link", "shortener": "link", "messenger": "link"},
    **{"phone": "phone", "brand": "brand", "hidden_text": "hidden"},
}
"""How the places of a reason are marked; those of others like a signal's."""


@dataclass(frozen=True, slots=True)
class CardReason:
    """A reason with the number that stands on its marks."""

    number: int
    code: str
    signal: str | None
    value: float | None
    detail: str
    weight: float
    before: float | None = None
    """Of what a rescoring put before people again: the score that it had."""
    note: bool = False
    """Only shown: it speaks against nothing."""


@dataclass(frozen=True, slots=True)
class SignalBar:
    """A signal's value, None where it was not measured, with the site's marks for the scorer that measured it."""

    name: str
    value: float | None
    hold: float | None
    reject: float | None
    scorer: str

    @property
    def over(self) -> str:
        """The higher mark that it has reached: `no`, `hold`, or nothing."""
        if self.value is None:
            return ""
        if self.reject is not None and self.value >= self.reject:
            return "no"
        return "hold" if self.hold is not None and self.value >= self.hold else ""

    @property
    def cut(self) -> float | None:
        """The value as it is shown: with two decimals, never rounded up."""
        return None if self.value is None else floor(round(self.value * 100, 9)) / 100


@dataclass(frozen=True, slots=True)
class Decided:
    """The decision that stands; `by` is `moderator`, `staff`, `import` or `policy`. `moderator_id` and `who` are those
    of a moderator, and `by_machine` says that there is none."""

    action: str
    reason: str | None
    who: str
    at: datetime
    by_machine: bool
    moderator_id: int | None = None
    by: str = "policy"


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
    site_id: int = 0
    story_id: int = 0
    author_id: int = 0
    record: Record | None = None
    """The author's; None where nobody knows who wrote it."""
    priority: Explained | None = None
    """Why it stands where it stands, in hours; None for what does not wait."""
    reports: int = 0
    claim: Held | None = None
    escalation: Asked | None = None
    campaign_id: int | None = None
    alike: int = 0
    """Held comments of its campaign, this one included; 0 where it has none."""
    alike_until: int = 0
    """The greatest id among them."""
    follower: bool = False
    """Waits behind another card of its campaign, which stands for it too."""
    notes: Sequence[NoteLine] = ()
    external_id: str = ""
    explanation: str = ""
    """How far the words behind its score are: `open`, `due`, `done`, `failed`, or nothing where none are missing."""

    def held_by_other(self, moderator_id: int) -> bool:
        """Whether somebody else reads it now."""
        return self.claim is not None and self.claim.moderator_id != moderator_id


@dataclass(frozen=True, slots=True)
class _Around:
    """What belongs to the comments of a page, read for all of them at once."""

    now: datetime
    composition: Composition
    texts: Mapping[int, str]
    stories: Mapping[int, Story]
    sites: Mapping[int, Site]
    policies: Mapping[int, Policy]
    verdicts: Mapping[int, VerdictRow]
    scores: Mapping[int, list[StoredScore]]
    explanations: Mapping[Key, ScoreExplained]
    decided: Mapping[int, Decided]
    parents: Mapping[int, tuple[str, str]]
    records: Mapping[int, Record]
    claims: Mapping[int, Held]
    escalations: Mapping[int, Asked]
    alike: Mapping[int, Alike]
    others: Mapping[int, list[str]]
    """Campaign → texts of some that wait behind the card of this page that stands for them."""
    notes: Mapping[int, list[NoteLine]]


def build(session: Session, comments: Sequence[Comment], *, now: datetime | None = None) -> list[Card]:
    """The cards of `comments`, in their order, with a fixed number of statements however many they are.

    `now` is the moment at which claims count and ages are measured.
    """
    if not comments:
        return []
    now = now or utcnow()
    ids = [comment.id for comment in comments]
    keys = [(comment.id, comment.revision) for comment in comments]
    parent_ids = {comment.parent_id for comment in comments if comment.parent_id}
    author_ids = list({comment.author_id for comment in comments if comment.author_id})
    story_ids = {comment.story_id for comment in comments if comment.story_id}
    site_ids = {comment.site_id for comment in comments}
    names, texts = _texts(session, {*ids, *parent_ids})
    alike = groups.alike(session, list({comment.campaign_id for comment in comments if comment.campaign_id}))
    fronts = {
        comment.campaign_id: comment.id
        for comment in comments
        if comment.campaign_id in alike and comment.status == HELD and not comment.follower
    }
    stored = scores.of_revisions(session, keys)
    verdicts = policies.latest_verdicts(session, keys)
    again = {number: found for number, row in verdicts.items() if (found := _rescored(row))}
    if again:  # what put them here are the scores of that run, whichever version is live
        stored = scores.with_version(session, dict(keys), stored, again)
    around = _Around(
        now=now,
        composition=evidence.speakers(session),
        texts=texts,
        stories={row.id: row for row in session.scalars(select(Story).where(Story.id.in_(story_ids)))},
        sites={row.id: row for row in session.scalars(select(Site).where(Site.id.in_(site_ids)))},
        policies=policies.live_of(session, site_ids),
        verdicts=verdicts,
        scores=stored,
        explanations=explained.known(session, dict(keys), stored, verdicts),
        decided=_decided(session, ids),
        parents={number: (names[number], texts[number]) for number in parent_ids if number in texts},
        records=people.records(session, author_ids, now),
        claims=claims.of_comments(session, ids, now),
        escalations=escalations.open_of(session, [comment.id for comment in comments if comment.escalated]),
        alike=alike,
        others=groups.others(session, {number: front for number, front in fronts.items() if alike[number].n > 1}),
        notes=notes.of(session, "comment", ids),
    )
    return [_card(comment, around) for comment in comments]


def _card(comment: Comment, around: _Around) -> Card:
    text = around.texts.get(comment.id, "")
    site = around.sites[comment.site_id]
    story = around.stories.get(comment.story_id or 0)
    verdict = around.verdicts.get(comment.id)
    stored = around.scores.get(comment.id, [])
    record = around.records.get(comment.author_id or 0)
    reasons = [] if verdict is None else verdict.reasons
    numbered = [
        CardReason(
            *(n, r["code"], r.get("signal"), r.get("value"), r.get("detail", ""), r.get("weight", 0.0)),
            before=r.get("before"),
            note=r.get("action") == NOTE,
        )
        for n, r in enumerate(reasons, 1)
    ]
    risk = max((reason.weight for reason in numbered), default=0.0)
    waits = comment.status == HELD
    # An archive that is judged again waits since then, not since it came.
    since = comment.decided_at if verdict is not None and _rescored(verdict) else None
    alike = around.alike.get(comment.campaign_id or 0) if waits else None
    words = explained.of_card(comment, reasons, stored, around.composition, around.explanations)
    marks = [*_marks(reasons, stored), *words.marks]
    if alike is not None and not comment.follower:
        marks += [
            (*place, "vary", 0) for place in likeness.varying(text, around.others.get(comment.campaign_id or 0, ()))
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
        author_record=(record.approved, record.rejected) if record else (0, 0),
        is_first=record is not None and record.first_id == comment.id,
        received_at=comment.received_at,
        language=comment.language or "",
        text_parts=mark(text, marks),
        text=text,
        reads_as=next((item.score.reads_as for item in stored if item.score.reads_as), ""),
        reasons=numbered,
        signals=_bars(around.policies[comment.site_id], stored, around.composition),
        scorers=[f"{item.scorer}@{item.version}" for item in stored],
        policy_version=verdict.policy_version if verdict is not None else None,
        parent=around.parents.get(comment.parent_id or 0),
        decided=around.decided.get(comment.id),
        facts={key: int(value) for item in stored for key, value in item.score.facts.items()},
        site_id=comment.site_id,
        story_id=comment.story_id or 0,
        author_id=comment.author_id or 0,
        record=record,
        priority=priority.explain(since or comment.received_at, risk, story.comments if story else 0, around.now)
        if waits
        else None,
        reports=comment.reports,
        claim=around.claims.get(comment.id),
        escalation=around.escalations.get(comment.id),
        campaign_id=comment.campaign_id,
        alike=alike.n if alike is not None else 0,
        alike_until=alike.until_id if alike is not None else 0,
        follower=comment.follower,
        notes=around.notes.get(comment.id, ()),
        external_id=comment.external_id,
        explanation=words.state,
    )


def _rescored(verdict: VerdictRow) -> str:
    """The scorer and version (`builtin@2`) of the run that put a comment before people again; else nothing."""
    return next((str(one.get("detail", "")) for one in verdict.reasons if one["code"] == "rescored"), "")


def _marks(reasons: Sequence[dict[str, Any]], stored: Sequence[StoredScore]) -> list[tuple[int, int, str, int]]:
    marks = []
    for number, reason in enumerate(reasons, 1):
        kind = REASON_KINDS.get(reason["code"], "signal")
        marks += [(start, end, kind, number) for start, end in reason.get("spans", ())]
    for item in stored:
        marks += [(s.start, s.end, s.kind, 0) for s in item.score.spans if s.kind in MARK_KINDS]
    return marks


def _bars(policy: Policy, stored: Sequence[StoredScore], composition: Composition) -> list[SignalBar]:
    known = evidence.effective(stored, composition)
    bars = []
    for name in SIGNALS if stored else ():
        value, item = known.get(name, (None, None))
        scorer = item.scorer if item is not None else ""
        band = policy.band(scorer, name)
        bars.append(SignalBar(name, value, band.hold if band else None, band.reject if band else None, scorer))
    return bars


def _texts(session: Session, ids: Iterable[int]) -> tuple[dict[int, str], dict[int, str]]:
    rows = session.execute(
        select(Comment.id, Comment.author_name, Revision.text)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(Comment.id.in_(list(ids)))
    ).all()
    return {row.id: row.author_name for row in rows}, {row.id: row.text for row in rows}


def _decided(session: Session, ids: Sequence[int]) -> dict[int, Decided]:
    rows = session.execute(
        select(Decision, Moderator.name)
        .join(Comment, and_(Comment.id == Decision.comment_id, Comment.sequence == Decision.sequence))
        .outerjoin(Moderator, Moderator.id == Decision.moderator_id)
        .where(Decision.comment_id.in_(ids))
    ).all()
    return {
        row.comment_id: Decided(
            row.action,
            row.reason,
            name or "",
            row.created_at,
            row.moderator_id is None,
            row.moderator_id,
            made_by(row),
        )
        for row, name in rows
        if not (row.action == "hold" and row.moderator_id is None)
    }
