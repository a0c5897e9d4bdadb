"""The way of a comment: taken in, scored under a lease, judged by the policy (review/judging.py), held or decided.

Read this first. A door calls `take_in` or `take_event` in its transaction; a worker calls `score_due`; the sweep
calls `overdue`. Every step may be repeated or die half-way: the row decides what is still to do, and when anything
about judging fails the comment goes to a person.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import dispatch, queues
from moderation.accounts.models import Site
from moderation.comments import intake, status, storing
from moderation.comments.intake import CommentInput, Taken, TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.delivery import outbox
from moderation.errors import ModerationError, Unavailable
from moderation.policy.document import HOLD
from moderation.review import claims, decisions, escalations, judging, search_texts
from moderation.review.decisions import Decider
from moderation.review.evidence import Evidence
from moderation.review.judging import Known
from moderation.scoring import lineup, registry, work
from moderation.scoring import store as scores
from moderation.scoring.lineup import Beside, Lineup
from moderation.scoring.scorer import Scorer, TextScore
from moderation.scoring.store import NewScore
from moderation.settings import Settings

log = logging.getLogger(__name__)

Scored = tuple[work.Claimed, TextScore]

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
            judging.judge(session, comment, states, now=now)
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
        judging.judge(session, comment, known_states, now=now, waiting=waiting, known=known)
    known.shadows.write(session, now)


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
