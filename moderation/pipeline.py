"""The way of a comment, in one file: taken in, scored under a lease, judged by the policy, held or decided.

Read this first. A door calls `take_in` or `take_event` in its transaction; a worker calls `score_due`; the sweep
calls `overdue`. Every step may be repeated or die half-way: the row decides what is still to do, and when anything
about judging fails the comment goes to a person.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts.models import Site
from moderation.comments import authors, intake, status, stored_texts, storing
from moderation.comments.intake import CommentInput, Taken, TextInput
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.composition import Composition
from moderation.db import Database, utcnow
from moderation.delivery import outbox
from moderation.errors import ModerationError, Unavailable
from moderation.policy import rules
from moderation.policy import store as policies
from moderation.policy.document import HOLD, Policy
from moderation.policy.rules import Facts, Verdict
from moderation.policy.shadows import Shadows
from moderation.review import (
    bursts,
    campaigns,
    claims,
    decided,
    decisions,
    escalations,
    evidence,
    facts,
    priority,
    search_texts,
)
from moderation.review.decisions import Decider
from moderation.review.evidence import Evidence
from moderation.scoring import lineup, normalise, registry, work
from moderation.scoring import store as scores
from moderation.scoring.lineup import Beside, Lineup
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Scorer, Span, TextScore
from moderation.scoring.store import NewScore, StoredScore
from moderation.settings import Settings

log = logging.getLogger(__name__)

Scored = tuple[work.Claimed, TextScore]
Row = TypeVar("Row", Author, Site, Story)

STAFF = "staff"
"""Origin of the decision on what the site's own people write: it needs no judgement."""

BATCH = 16
"""Texts that one claim takes: enough to fill a model's batch, few enough to finish far inside the lease."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sender is told: the comment's id, status and revision as they stood when it was stored, and what intake
    did (see intake.Taken)."""

    comment_id: int
    status: str
    revision: int
    outcome: str


def receipt(taken: Taken) -> Receipt:
    """What a sender is told of `taken`."""
    comment = taken.comment
    return Receipt(comment.id, comment.status, comment.revision, taken.outcome)


def take_in(
    session: Session, site: Site, given: CommentInput, *, source: str, settings: Settings, key: bytes, now: datetime
) -> Taken:
    """Store a comment of the API or the form and ask for its judgement. Raises what intake.accept raises."""
    return _follow(session, intake.accept(session, site, given, source=source, secret=key, now=now), settings, now)


def take_in_many(
    session: Session,
    site: Site,
    given: Sequence[CommentInput],
    *,
    source: str,
    settings: Settings,
    key: bytes,
    now: datetime,
) -> list[Receipt | ModerationError]:
    """Store many comments of one site in few statements: per item what came of it, or why it was refused.

    One that is refused harms no other. The same item twice, in one call or in two, is stored once.
    """
    answers: dict[int, Receipt | ModerationError] = {}
    scorers = registry.required_scorers(settings)
    plain = [n for n, item in enumerate(given) if scorers and not intake.is_staff(site, item.author)]
    made = storing.store_new(session, site, [given[n] for n in plain], source=source, secret=key, now=now)
    if made:
        work.add_new(session, list(made.values()), scorers, now)
        dispatch.nudge(session, *(queues.SCORER_TASKS[name] for name in scorers))
    for position, comment_id in made.items():
        answers[plain[position]] = Receipt(comment_id, status.PENDING, 1, "created")
    rest = [n for n in range(len(given)) if n not in answers]
    for position, same in storing.find_same(session, site, [given[n] for n in rest]).items():
        answers[rest[position]] = Receipt(same.comment_id, same.status, same.revision, "unchanged")
    for n, item in enumerate(given):
        if n not in answers:  # of the site's own staff, in conflict, withdrawn, or there is no scorer to wait for
            answers[n] = _take_in_alone(session, site, item, source=source, settings=settings, key=key, now=now)
    return [answers[n] for n in range(len(given))]


def _take_in_alone(
    session: Session, site: Site, given: CommentInput, *, source: str, settings: Settings, key: bytes, now: datetime
) -> Receipt | ModerationError:
    try:
        with session.begin_nested():
            taken = take_in(session, site, given, source=source, settings=settings, key=key, now=now)
    except ModerationError as error:
        return error
    return receipt(taken)


def edit(
    session: Session,
    site: Site,
    comment: Comment,
    given: TextInput,
    *,
    settings: Settings,
    key: bytes,
    now: datetime,
    tag: str,
) -> Taken:
    """Give a comment a new text and ask for its judgement. Raises what intake.edit raises."""
    return _follow(session, intake.edit(session, site, comment, given, secret=key, now=now, tag=tag), settings, now)


def withdraw(
    session: Session, site: Site, comment: Comment, *, settings: Settings, key: bytes, now: datetime, tag: str
) -> Taken:
    """Take a comment back: nothing is judged or told of it any more."""
    return _follow(session, intake.withdraw(session, site, comment, secret=key, now=now, tag=tag), settings, now)


def take_event(
    session: Session,
    site: Site,
    kind: str,
    order: str,
    external_id: str,
    given: CommentInput | None,
    *,
    settings: Settings,
    key: bytes,
    now: datetime,
) -> Taken:
    """Store what a webhook event says and ask for judgement of a new text. Raises what intake.apply_event raises."""
    taken = intake.apply_event(session, site, kind, order, external_id, given, secret=key, now=now)
    return _follow(session, taken, settings, now)


def _follow(session: Session, taken: Taken, settings: Settings, now: datetime) -> Taken:
    comment = taken.comment
    session.flush()
    if taken.outcome == "withdrawn":
        work.drop(session, comment.id)
        outbox.withdraw(session, comment.id, now)
        search_texts.forget(session, [comment.id])
        claims.drop(session, [comment.id])
    if taken.outcome in ("withdrawn", "revised"):
        escalations.settle(session, [comment.id], None, now)  # what was asked, was asked about the old text
    if taken.to_judge and comment.staff:
        work.drop(session, comment.id)  # of an older text
        decisions.decide(session, comment, "approve", Decider(origin=STAFF), seen_version=comment.version, now=now)
    elif taken.to_judge:
        scorers = registry.required_scorers(settings)
        work.add(session, comment.id, comment.revision, scorers, now)
        states = work.states(session, comment.id, comment.revision)
        if work.unfinished(states):
            dispatch.nudge(session, *(queues.SCORER_TASKS[name] for name in scorers))
        else:  # no scorer is on, or this very text was scored before the site took it back and sent it again
            judge(session, comment, states, now=now)
    return taken


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of `score_due` did: rows claimed, and whether more may be due."""

    claimed: int
    more: bool


def score_due(db: Database, scorer: Scorer, settings: Settings, others: Lineup | None = None) -> Round:
    """Claim a batch, score it with no transaction open, store what is still ours, and judge.

    `others`: whose live layers judge with the built-in, and whose shadows judge when all is done.
    """
    now = utcnow()
    with db.reading() as session:  # most nudges find nothing: they should not take the writer's turn
        if not work.any_due(session, scorer.name, now):
            return Round(0, False)
    with db.transaction() as session:
        batch = work.claim(session, scorer.name, now=now, limit=BATCH)
    if not batch:
        return Round(0, False)
    try:
        results: Sequence[TextScore] = scorer.score([item.text for item in batch])
        if len(results) != len(batch):
            raise ValueError(f"{scorer.name} answered {len(results)} of {len(batch)} texts")
        for result in results:
            lineup.check(scorer.name, result)
    except Exception as error:  # a scorer is foreign code and may raise anything: the attempt is counted, none is lost
        log.warning("%s could not score %d texts: %s", scorer.name, len(batch), type(error).__name__)
        _give_back(db, batch, f"{type(error).__name__}: {error}")
        return Round(len(batch), True)
    layers = [] if others is None else others.layers(scorer, batch, results)
    _store_and_judge(db, list(zip(batch, results, strict=True)), layers, scorer, settings)
    if others is not None:
        _store_shadows(db, others.shadows(scorer, batch, results))
    return Round(len(batch), True)


def _store_and_judge(
    db: Database, scored: Sequence[Scored], layers: Sequence[Beside], scorer: Scorer, settings: Settings
) -> None:
    """One transaction for all; where one comment breaks it, each gets its own, so that it harms no other."""
    try:
        with db.transaction() as session:
            _store(session, scored, layers, scorer, settings)
    except Unavailable:
        raise
    except Exception as error:  # whatever one comment brings about, the others must be judged
        log.exception("%d comments could not be judged together", len(scored))
        if len(scored) == 1:
            _give_back(db, [item for item, _ in scored], f"{type(error).__name__}: {error}")
        else:
            for one in scored:
                _store_and_judge(db, [one], layers, scorer, settings)


def _store_shadows(db: Database, said: Sequence[Beside]) -> None:
    """Keep what shadows said: it counts for nothing, and whatever becomes of it harms nobody."""
    if not said:
        return
    try:
        with db.transaction() as session:
            _store_beside(session, said, utcnow(), shadow=True)
    except Exception:  # a comment is gone, the database is away: the shadow misses some comments
        log.exception("%d scores of shadows could not be kept", len(said))


def _store_beside(session: Session, said: Sequence[Beside], now: datetime, *, shadow: bool = False) -> None:
    for (scorer, version), items in lineup.by_version(said).items():
        new = [NewScore(one.item.comment_id, one.item.revision, one.score) for one in items]
        scores.put(session, scorer, version, new, now, shadow=shadow)


def _give_back(db: Database, batch: Sequence[work.Claimed], error: str) -> None:
    now = utcnow()
    with db.transaction() as session:
        failed = [item for item in batch if work.retry(session, item, error, now)]
    for item in failed:
        _judge_or_hold(db, item.comment_id, item.revision)


def _judge_or_hold(db: Database, comment_id: int, revision: int, *, waiting: bool = False) -> None:
    """Judge one comment; should that break, a person gets it, marked not scored."""
    try:
        with db.transaction() as session:
            _judge_ready(session, [(comment_id, revision)], utcnow(), waiting=waiting)
    except Unavailable:
        raise
    except Exception:  # a fault of ours must not keep a comment from people
        log.exception("comment %d could not be judged and is held", comment_id)
        with db.transaction() as session:
            comment = session.get(Comment, comment_id, with_for_update=True)
            if comment is not None and comment.status == status.PENDING:
                decisions.decide(
                    session,
                    comment,
                    HOLD,
                    Decider(origin="deadline"),
                    seen_version=comment.version,
                    now=utcnow(),
                    evidence=Evidence(),
                    not_scored=True,
                )


def _store(
    session: Session, scored: Sequence[Scored], layers: Sequence[Beside], scorer: Scorer, settings: Settings
) -> None:
    now = utcnow()
    ours = work.finish(session, [item for item, _ in scored])
    kept = [(item, result) for item, result in scored if item.work_id in ours]
    if len(kept) < len(scored):
        log.info("%d results came after their lease and are dropped", len(scored) - len(kept))
    new = [NewScore(item.comment_id, item.revision, result) for item, result in kept]
    scores.put(session, scorer.name, scorer.version, new, now)
    stored = {item.work_id for item, _ in kept}
    _store_beside(session, [one for one in layers if one.item.work_id in stored], now)
    ready = []
    for item, result in kept:
        following = registry.follow_up(settings, result) if scorer.name == "builtin" else None
        if following is None:
            ready.append((item.comment_id, item.revision))
        else:
            work.add(session, item.comment_id, item.revision, (following,), now)
            dispatch.nudge(session, queues.SCORER_TASKS[following])
    _judge_ready(session, ready, now)


def _judge_ready(session: Session, keys: Sequence[tuple[int, int]], now: datetime, *, waiting: bool = False) -> None:
    """Judge those revisions, (comment, number), that are current and that no scorer still has to look at.

    `waiting`: their deadline has passed, so those that are still PENDING are judged whatever scorers have to do.
    """
    if not keys:
        return
    comments = session.scalars(
        select(Comment)
        .where(Comment.id.in_([comment_id for comment_id, _ in keys]))
        .order_by(Comment.id)  # two workers that lock the same comments do so in the same order
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    states = work.states_of(session, [comment.id for comment in comments])
    wanted = set(keys)
    ready = [
        comment
        for comment in comments
        if (key := (comment.id, comment.revision)) in wanted
        and (comment.status == status.PENDING if waiting else not work.unfinished(states.get(key, {})))
    ]
    known = Known.gather(session, ready, now)
    for comment in ready:
        known_states = states.get((comment.id, comment.revision), {})
        judge(session, comment, known_states, now=now, waiting=waiting, known=known)
    known.shadows.write(session, now)


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


def _all(session: Session, model: type[Row], ids: Collection[int | None]) -> Sequence[Row]:
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


def overdue(db: Database, settings: Settings) -> int:
    """What the sweep does for comments: fail dead work, ask again for forgotten ones, hold those past the deadline.

    Returns how many comments it touched.
    """
    now = utcnow()
    touched = 0
    with db.transaction() as session:
        spent = work.exhausted(session, now)
        scorers = registry.required_scorers(settings)
        for comment_id, revision in work.without_work(session) if scorers else ():
            work.add(session, comment_id, revision, scorers, now)
            touched += 1
    for comment_id, revision in spent:
        _judge_or_hold(db, comment_id, revision)
    with db.reading() as session:
        late = session.execute(
            select(Comment.id, Comment.revision)
            .where(
                Comment.status == status.PENDING,
                Comment.pending_since < now - timedelta(seconds=settings.score_deadline),
            )
            .order_by(Comment.pending_since)
            .limit(500)
        ).all()
    for row in late:
        _judge_or_hold(db, row.id, row.revision, waiting=True)
    return touched + len(spent) + len(late)


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
