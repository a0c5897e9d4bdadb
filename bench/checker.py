"""The rules that must hold once all is quiet, whatever was killed: database, clients' and receiver's ledgers agree."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bench.receiver import Heard
from moderation.comments.models import Comment, Revision
from moderation.comments.status import BY_ACTION, HELD, PENDING
from moderation.db import Database, utcnow
from moderation.delivery import outbox
from moderation.delivery.models import Delivery
from moderation.review.models import Decision
from moderation.scoring import work
from moderation.scoring.models import Score, Work

SHOWN = 5
"""Violations of one rule that are spelt out; the rest is counted."""


@dataclass
class Ledger:
    """What the outside knows. `sent`: external id → text; `acked`: external id → the id a 2xx named;
    `answers`: how often each HTTP status or kind of broken connection was met; `heard`, `faults`: the receiver's."""

    sent: dict[str, str] = field(default_factory=dict)
    acked: dict[str, str] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    heard: list[Heard] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule may look at."""

    session: Session
    ledger: Ledger
    now: datetime

    def rows(self, *columns: Any, **filters: Any) -> list[Any]:
        """Plain rows, never objects: a doubled row must show as two."""
        return list(self.session.execute(select(*columns).filter_by(**filters)).all())


Rule = Callable[[Look], Iterable[str]]


def _accepted(look: Look) -> Iterator[str]:
    """every comment was accepted in the end, and no client met anything but 2xx, 503 or a broken connection"""
    for external_id in look.ledger.sent.keys() - look.ledger.acked.keys():
        yield f"{external_id} was never accepted"
    for answer, times in look.ledger.answers.items():
        if answer.isdigit() and answer not in ("200", "202", "503"):
            yield f"{times} answers {answer}"


def _nothing_lost(look: Look) -> Iterator[str]:
    """every accepted comment is stored exactly once, under the id that was answered, its text byte for byte"""
    stored: dict[str, list[tuple[str, int]]] = {}
    for external_id, number, revision in look.rows(Comment.external_id, Comment.id, Comment.revision):
        stored.setdefault(external_id, []).append((str(number), revision))
    texts: dict[str, list[tuple[int, str]]] = {}
    for comment_id, number, text in look.rows(Revision.comment_id, Revision.number, Revision.text):
        texts.setdefault(str(comment_id), []).append((number, text))
    for external_id, answered in look.ledger.acked.items():
        found = stored.get(external_id, [])
        if [item[0] for item in found] != [answered]:
            yield f"{external_id} was accepted as {answered} and is stored as {[item[0] for item in found]}"
        elif found[0][1] != 1 or texts.get(answered) != [(1, look.ledger.sent[external_id])]:
            yield f"{external_id} is stored with another text, or with more than one"


def _nothing_invented(look: Look) -> Iterator[str]:
    """nothing is stored that nobody sent, and no comment is stored twice"""
    for external_id, count in Counter(row[0] for row in look.rows(Comment.external_id)).items():
        if external_id not in look.ledger.sent:
            yield f"{external_id} is stored and was never sent"
        if count > 1:
            yield f"{external_id} is stored {count} times"


def _all_judged(look: Look) -> Iterator[str]:
    """every comment is judged: none waits"""
    for (external_id,) in look.rows(Comment.external_id, status=PENDING):
        yield f"{external_id} is still pending"


def _scored_once(look: Look) -> Iterator[str]:
    """at most one score per comment, revision, scorer and version; none at all only where a person is asked"""
    keys = look.rows(Score.comment_id, Score.revision, Score.scorer, Score.version)
    for key, count in Counter(tuple(row) for row in keys).items():
        if count > 1:
            yield f"comment {key[0]} has {count} scores of {key[2]} {key[3]}"
    scored = {(row[0], row[1]) for row in keys}
    for number, revision, status in look.rows(Comment.id, Comment.revision, Comment.status):
        if (number, revision) not in scored and status != HELD:
            yield f"comment {number} is {status} without a score"


def _decided_once(look: Look) -> Iterator[str]:
    """one decision per sequence, none twice by the machine, none out of step with the comment"""
    by_comment: dict[int, list[tuple[int, int, str, str]]] = {}
    columns = (Decision.comment_id, Decision.sequence, Decision.revision, Decision.origin, Decision.action)
    for comment_id, *rest in look.rows(*columns):
        by_comment.setdefault(comment_id, []).append(tuple(rest))
    for number, sequence, status in look.rows(Comment.id, Comment.sequence, Comment.status):
        made = sorted(by_comment.pop(number, []))
        if [item[0] for item in made] != list(range(1, sequence + 1)):
            yield f"comment {number} is at sequence {sequence} and has decisions {[item[0] for item in made]}"
        machine = Counter((item[1], item[2]) for item in made if item[2] != "moderator")
        if any(count > 1 for count in machine.values()):
            yield f"comment {number} was decided twice by the machine"
        if made and BY_ACTION[made[-1][3]] != status:
            yield f"comment {number} is {status}, its last decision says {made[-1][3]}"
    for number in by_comment:
        yield f"there are decisions on comment {number}, which is not there"


def _told_once(look: Look) -> Iterator[str]:
    """one row of the outbox per decision, and none without a decision"""
    decided = {(row[0], row[1]) for row in look.rows(Decision.comment_id, Decision.sequence)}
    told = Counter((row[0], row[1]) for row in look.rows(Delivery.comment_id, Delivery.sequence))
    for key in decided - told.keys():
        yield f"comment {key[0]}: nobody is told of decision {key[1]}"
    for key, count in told.items():
        if key not in decided or count > 1:
            yield f"comment {key[0]}: {count} outbox rows for decision {key[1]}"


def _heard(look: Look) -> Iterator[str]:
    """the receiver heard every event that counts as delivered, nothing else, and knows each comment as it stands"""
    for fault in look.ledger.faults:
        yield f"the receiver refused: {fault}"
    known = {row[0]: row[1] for row in look.rows(Delivery.event_id, Delivery.state)}
    heard = {item.event_id for item in look.ledger.heard}
    for event_id in heard - known.keys():
        yield f"{event_id} was heard and is no event of ours"
    for event_id, state in known.items():
        if state == outbox.DELIVERED and event_id not in heard:
            yield f"{event_id} counts as delivered and was never heard"
    last: dict[str, Heard] = {}
    for item in look.ledger.heard:
        if item.comment_id not in last or item.sequence > last[item.comment_id].sequence:
            last[item.comment_id] = item
    for number, status, sequence in look.rows(Comment.id, Comment.status, Comment.sequence):
        newest = last.get(str(number))
        if newest is None or (newest.status, newest.sequence) != (status, sequence):
            shown = "nothing" if newest is None else f"{newest.status} ({newest.sequence})"
            yield f"comment {number} is {status} ({sequence}), the receiver knows {shown}"


def _nothing_open(look: Look) -> Iterator[str]:
    """no work and no delivery is left over, and no lease is older than its time"""
    for state in (work.DUE, work.LEASED):
        for number, until in look.rows(Work.comment_id, Work.lease_until, state=state):
            yield f"work on comment {number} is {state}{_expired(until, look.now)}"
    for state in (outbox.DUE, outbox.LEASED):
        for number, until in look.rows(Delivery.comment_id, Delivery.lease_until, state=state):
            yield f"a delivery of comment {number} is {state}{_expired(until, look.now)}"


def _nothing_dead(look: Look) -> Iterator[str]:
    """no delivery was given up; where scoring was given up, a person is asked"""
    for number, error in look.rows(Delivery.comment_id, Delivery.last_error, state=outbox.DEAD):
        yield f"a delivery of comment {number} is dead: {error}"
    held = {row[0] for row in look.rows(Comment.id, status=HELD)}
    for number, error in look.rows(Work.comment_id, Work.error, state=work.FAILED):
        if number not in held:
            yield f"scoring of comment {number} failed ({error}), and nobody is asked"


def _sound(look: Look) -> Iterator[str]:
    """the database file is sound, and every foreign key leads somewhere (SQLite only)"""
    bind = look.session.connection()
    if bind.dialect.name != "sqlite":
        return
    for row in bind.exec_driver_sql("PRAGMA integrity_check").all():
        if row[0] != "ok":
            yield str(row[0])
    try:
        for row in bind.exec_driver_sql("PRAGMA foreign_key_check").all():
            yield f"{row[0]} row {row[1]} points to a {row[2]} that is not there"
    except OperationalError as error:  # a table that others point to has lost its primary key
        yield str(error.orig)


RULES: dict[str, Rule] = {
    "accepted": _accepted,
    "nothing lost": _nothing_lost,
    "nothing invented": _nothing_invented,
    "all judged": _all_judged,
    "scored once": _scored_once,
    "decided once": _decided_once,
    "told once": _told_once,
    "heard": _heard,
    "nothing open": _nothing_open,
    "nothing dead": _nothing_dead,
    "sound": _sound,
}
"""Every rule by its name; a rule's docstring is the sentence that must hold."""

WITHOUT_RECEIVER = tuple(name for name in RULES if name not in ("heard", "nothing open"))
"""The rules for a site that is told nothing: its events wait in the outbox to be fetched."""


def check(db: Database, ledger: Ledger, rules: Collection[str] = tuple(RULES)) -> dict[str, list[str]]:
    """The violations of each rule; empty lists when all is well. For a product that is quiet or stopped."""
    with db.reading() as session:
        look = Look(session, ledger, utcnow())
        return {name: list(RULES[name](look)) for name in rules}


def waiting(db: Database) -> dict[str, int]:
    """What is still on its way: pending comments, open work rows, open deliveries to sites that have an endpoint."""
    with db.reading() as session:
        counts = {
            "pending": select(func.count()).select_from(Comment).where(Comment.status == PENDING),
            "unscored": select(func.count()).select_from(Work).where(Work.state.in_((work.DUE, work.LEASED))),
            "untold": select(func.count())
            .select_from(Delivery)
            .where(Delivery.state.in_((outbox.DUE, outbox.LEASED)), Delivery.endpoint_id.is_not(None)),
        }
        return {name: session.scalar(query) or 0 for name, query in counts.items()}


def statuses(db: Database) -> dict[str, str]:
    """External id → status of every comment."""
    with db.reading() as session:
        return {row.external_id: row.status for row in session.execute(select(Comment.external_id, Comment.status))}


def report(found: dict[str, list[str]]) -> list[str]:
    """A line per rule, and under a broken one what broke it."""
    lines = []
    for name, violations in found.items():
        mark = "ok    " if not violations else "BROKEN"
        lines.append(f"  {mark}  {name}: {RULES[name].__doc__}")
        lines += [f"            {text}" for text in violations[:SHOWN]]
        if len(violations) > SHOWN:
            lines.append(f"            … and {len(violations) - SHOWN} more")
    return lines


def _expired(until: datetime | None, now: datetime) -> str:
    return f", its lease {(now - until).total_seconds():.0f} s over" if until is not None and until < now else ""
