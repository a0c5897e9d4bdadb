"""Judging: what is known of some comments, read at once; the policy's verdict on each; and what follows from it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors, status, stored_texts
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.composition import Composition
from moderation.policy import rules
from moderation.policy import store as policies
from moderation.policy.document import HOLD, Policy
from moderation.policy.rules import Facts, Verdict
from moderation.policy.shadows import Shadows
from moderation.review import bursts, campaigns, claims, decided, decisions, evidence, facts, priority, search_texts
from moderation.review.decisions import Decider
from moderation.scoring import normalise, work
from moderation.scoring import store as scores
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Span
from moderation.scoring.store import StoredScore

_Row = TypeVar("_Row", Author, Site, Story)


@dataclass(frozen=True, slots=True)
class Known:
    """What judging some comments takes, read at once: by comment id their scores and texts, by site its policy.

    `around` holds their sites, stories and authors, so that the session has them at hand.
    """

    scores: Mapping[int, list[StoredScore]]
    revisions: Mapping[int, Revision]
    views: Mapping[int, View]
    joined: campaigns.Joined
    policies: Mapping[int, Policy]
    shadows: Shadows
    composition: Composition
    crowds: bursts.Counts
    """Of those that are judged for the first time."""
    approved: Mapping[int, int]
    """Author id → comments of theirs that stand approved; of authors whom the site vouches for."""
    around: Sequence[object]

    @classmethod
    def gather(cls, session: Session, comments: Sequence[Comment], now: datetime) -> "Known":
        """Read it; texts that are new join their campaigns and are counted, and the search learns them."""
        keys = [(comment.id, comment.revision) for comment in comments]
        writers = _all(session, Author, {comment.author_id for comment in comments})
        sites = _all(session, Site, {comment.site_id for comment in comments})
        stories = _all(session, Story, {comment.story_id for comment in comments})
        revisions = stored_texts.current_revisions(session, keys)
        views = {comment_id: normalise.view(revision.text) for comment_id, revision in revisions.items()}
        folded = {comment_id: view.folded for comment_id, view in views.items()}
        stored = scores.of_revisions(session, keys)
        search_texts.learn(session, comments, views, _spans(stored))
        joined = campaigns.gather(session, comments, folded, now)
        rules_of = {site.id: policies.live(session, site.id) for site in sites}
        new = [comment for comment in comments if comment.status == status.PENDING and comment.id in revisions]
        selling = {
            comment.id for comment in new if facts.advertises(revisions[comment.id].links, stored.get(comment.id, ()))
        }
        return cls(
            scores=stored,
            revisions=revisions,
            views=views,
            joined=joined,
            policies=rules_of,
            shadows=Shadows.gather(session, [site.id for site in sites]),
            composition=evidence.speakers(session),
            crowds=bursts.count(session, new, revisions, rules_of, joined.of, selling, now),
            approved=authors.approved_of(session, [author.id for author in writers if author.external_id]),
            around=(*writers, *sites, *stories),
        )


def _spans(stored: Mapping[int, Sequence[StoredScore]]) -> dict[int, list[Span]]:
    """What the scorers found in each comment's text."""
    return {comment_id: [span for item in items for span in item.score.spans] for comment_id, items in stored.items()}


def _all(session: Session, model: type[_Row], ids: Collection[int | None]) -> Sequence[_Row]:
    wanted = sorted(number for number in ids if number is not None)
    if not wanted:
        return ()
    return session.scalars(select(model).where(model.id.in_(wanted))).all()


def judge(
    session: Session,
    comment: Comment,
    states: Mapping[str, str],
    *,
    now: datetime,
    waiting: bool = False,
    known: Known | None = None,
) -> None:
    """Run the policy on what is known of the current revision, and hold or decide.

    `states`: how far each scorer's work on this revision is (work.states).
    `known`: what was read of it together with others.
    `waiting`: the deadline has passed and a required scorer has not answered. A comment that a person has decided on
    keeps their decision, one the site withdrew stays withdrawn; the verdict is stored all the same.
    """
    if known is None:
        known = Known.gather(session, [comment], now)
        judge(session, comment, states, now=now, waiting=waiting, known=known)
        known.shadows.write(session, now)
        return
    stored = known.scores.get(comment.id, [])
    revision = known.revisions.get(comment.id)
    if revision is None or comment.status == status.WITHDRAWN:
        return
    policy = known.policies[comment.site_id]
    what = _facts(session, comment, revision, known, states, now=now, waiting=waiting)
    verdict = rules.judge(policy, what)
    if comment.status == status.PENDING:  # a text counts once for a shadow, as it counted for people
        known.shadows.judge(comment.site_id, what, verdict.action)
    row = policies.put_verdict(session, comment.id, comment.revision, verdict, now)
    risk = max((reason.weight for reason in verdict.reasons), default=0.0)
    story = session.get(Story, comment.story_id) if comment.story_id else None
    found = {
        "priority": priority.of(risk, story.comments if story is not None else 0, comment.received_at),
        "score": max((value for value, _ in evidence.effective(stored, known.composition).values()), default=0.0),
        "language": evidence.language(stored) or comment.language,
        "indexed_revision": comment.revision,
    }
    if comment.human_revision == comment.revision:
        return
    found |= known.joined.columns(comment, verdict.action)
    if comment.id in known.crowds:
        found["intake_flags"] = bursts.written(comment.intake_flags, known.crowds[comment.id])
    order = known.joined.order(comment) if comment.status == status.PENDING else None
    ordered = order is not None and order.action == verdict.action == "reject"
    if comment.status == status.PENDING or _late_score(session, comment, verdict, now):
        decisions.decide(
            session,
            comment,
            verdict.action,
            Decider(origin="campaign" if ordered else "deadline" if waiting else "policy"),
            seen_version=comment.version,
            now=now,
            reason=order.reason if order and ordered else _machine_reason(verdict),
            evidence=evidence.gather(row, stored, known.composition),
            not_scored=verdict.not_scored,
            found=found,
        )
    elif comment.status == status.HELD and comment.not_scored and not verdict.not_scored:
        status.touch(session, comment, not_scored=False, **found)  # scored at last, and rightly held


def _late_score(session: Session, comment: Comment, verdict: Verdict, now: datetime) -> bool:
    """A score that comes after the deadline may still approve what only the deadline held, if nobody is reading it."""
    if comment.status != status.HELD or not comment.not_scored or verdict.action == HOLD:
        return False
    last = decided.latest(session, comment.id)
    return last is not None and last.moderator_id is None and not claims.of_comments(session, [comment.id], now)


def _machine_reason(verdict: Verdict) -> str | None:
    first = verdict.reasons[0] if verdict.reasons and verdict.action == "reject" else None
    return "SPAM" if first and (first.signal == "spam" or first.code == "blocked_domain") else None


def _ordered(comment: Comment, known: Known) -> str:
    """What a person ordered for newcomers of the comment's campaign. One that is no newcomer is held at most: its score
    came late, and it waits for a person already."""
    order = known.joined.order(comment)
    return "" if order is None else order.action if comment.status == status.PENDING else HOLD


def _facts(
    session: Session,
    comment: Comment,
    revision: Revision,
    known: Known,
    states: Mapping[str, str],
    *,
    now: datetime,
    waiting: bool,
) -> Facts:
    """What the rules may look at, as values."""
    stored = known.scores.get(comment.id, [])
    failed = tuple(name for name, state in states.items() if state == work.FAILED)
    complete = bool(stored) and not failed and not work.unfinished(states)
    return facts.build(
        session.get_one(Site, comment.site_id),
        comment,
        revision,
        session.get(Story, comment.story_id) if comment.story_id else None,
        session.get(Author, comment.author_id) if comment.author_id else None,
        stored,
        view=known.views[comment.id],
        now=now,
        scored=complete and not waiting,
        failed=failed,
        waiting=waiting,
        approved=known.approved.get(comment.author_id or 0, 0),
        order=_ordered(comment, known),
        composition=known.composition,
        crowd=known.crowds.get(comment.id),
    )
