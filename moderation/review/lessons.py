"""What a newsroom's decisions teach: the decided comments of a site as rows to learn from, and the layer and report
that come of them. Reading needs a session; learning takes seconds to minutes and must not hold one.

Who rejects says why: SPAM teaches `spam`, insults and hatred teach `toxicity`, both together with what was approved.
What the site's own people say (comments/labels.py) teaches `spam` where no person decided here on the same text.
Comments that the machine approved and nobody objected to are added with little weight, as examples of what is in
order: moderators see what was held, and a layer that knew only that would hold the rest of the traffic, too.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from moderation.comments import status
from moderation.comments.labels import HAM
from moderation.comments.models import Comment, Label, Revision
from moderation.errors import ModerationError
from moderation.policy import store as policies
from moderation.review.models import Decision
from moderation.scoring import comparing, learning, newsroom, normalise
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.features import Encoded
from moderation.scoring.learning import Rows
from moderation.scoring.newsroom import Floats, Head, Layer
from moderation.signals import SIGNALS, SPAM, TOXICITY
from moderation.wordings import counted

MOST = 10_000
"""Decisions that are read, the newest; and as many comments that the machine approved."""

HELD_OUT = 0.25
"""Share of the decisions, the newest, that nothing is learned from: the layer is measured on them."""

LEAST = 20
"""Of fewer good or bad comments to learn from no head is fitted."""

PASSED_WEIGHT = 0.2
"""What a comment weighs that the machine approved, beside one that a person decided on."""

TAUGHT: Mapping[str, frozenset[str]] = {
    SPAM: frozenset({"SPAM"}),
    TOXICITY: frozenset({"OFFENSIVE", "ABUSIVE", "HATE_SPEECH", "HARASSMENT_BULLYING"}),
}
"""Signal → reasons of rejections that are examples of it."""

TOGETHER = 256
"""Texts that are scored in one go."""

_DIGITS = re.compile(r"\d")

Progress = Callable[[str], None]


class TooFewDecisions(ModerationError):
    """There is not enough to learn from; the message says what is missing."""

    code = "too_few_decisions"


@dataclass(frozen=True, slots=True)
class Lesson:
    """A decided comment. `reason` is that of a rejection; `passed`: the machine approved it and nobody objected.

    `submitted`: the site said so, and only of spam.
    """

    text: str
    approved: bool
    reason: str | None
    at: datetime
    passed: bool = False
    submitted: bool = False

    def label(self, signal: str) -> int | None:
        """1 where it is an example of `signal`, 0 of what is in order, None where it says nothing of it."""
        if self.submitted and signal != SPAM:
            return None
        if self.approved:
            return 0
        return 1 if self.reason in TAUGHT[signal] else None


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to learn from, oldest first: what people decided here or submitted, and what passed the machine."""

    decided: Sequence[Lesson]
    passed: Sequence[Lesson]


def read(session: Session, site_ids: Sequence[int], *, imported: bool = False) -> Material:
    """The newest standing decisions of people on the sites' current texts, and what the machine approved.

    `imported`: those that came with an archive count as decisions of people, too.
    """
    by_person = and_(Decision.moderator_id.is_not(None), Comment.human_revision == Comment.revision)
    origin = or_(by_person, Decision.origin == "import") if imported else by_person
    decided = sorted([*_submitted(session, site_ids), *_lessons(session, site_ids, origin)], key=lambda one: one.at)
    machine = and_(Decision.moderator_id.is_(None), Decision.origin == "policy", Decision.action == "approve")
    passed = _lessons(session, site_ids, and_(machine, Comment.reports == 0), passed=True)
    return Material(decided, passed)


def marks(session: Session, site_id: int | None, base: BuiltinScorer) -> dict[str, float]:
    """Per signal the probability from which the site's policy holds what the built-in scorer judged."""
    recommended = dict(base.recommended_hold)
    if site_id is None:
        return {signal: recommended.get(signal, 0.5) for signal in TAUGHT}
    policy = policies.live(session, site_id)
    bands = {signal: policy.band(newsroom.NAME, signal) for signal in TAUGHT}
    return {signal: band.hold if band else recommended.get(signal, 0.5) for signal, band in bands.items()}


def learn(
    base: BuiltinScorer, site_id: int, material: Material, hold: Mapping[str, float], progress: Progress
) -> tuple[Layer, dict[str, Any]]:
    """The layer of a site and its report; `hold`: marks of the site's policy.

    Raises TooFewDecisions when nothing can be fitted, saying what is missing per signal.
    """
    decided, passed = distinct(material.decided), distinct(material.passed)
    known = {_key(lesson) for lesson in decided}
    passed = [lesson for lesson in passed if _key(lesson) not in known]
    lessons = [*decided, *passed]
    progress(f"{counted(len(decided), 'decision')} on different texts, {counted(len(passed), 'comment')} that passed")
    measured = _measure(base, [lesson.text for lesson in lessons], progress)
    early = np.concatenate([_early(len(decided)), _early(len(passed))])
    people = np.arange(len(lessons)) < len(decided)
    heads: list[Head] = []
    fitted: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for signal in TAUGHT:
        labels = np.array([-1 if (label := lesson.label(signal)) is None else label for lesson in lessons])
        lacking = _lacking(labels[people & early], labels[people & ~early])
        if lacking:
            left_out[signal] = lacking
            continue
        places = np.flatnonzero(early & (labels >= 0))
        places = places[np.argsort([lessons[place].at.timestamp() for place in places], kind="stable")]
        weights = np.where(people[places], 1.0, PASSED_WEIGHT)
        rows = Rows(*measured, labels.astype(np.float64), np.ones(len(lessons))).take(places)
        head, strength = learning.fit(signal, Rows(rows.logits, rows.grams, rows.labels, weights))
        heads.append(head)
        fitted[signal] = {"strength": strength, "learned": _counts(labels[people & early])}
        progress(f"{signal}: fitted on {counted(len(places), 'comment')}, penalty {strength:g}")
    if not heads:
        raise TooFewDecisions(
            "There are too few decisions to learn from: "
            + "; ".join(f"{signal}: {why}" for signal, why in left_out.items())
            + ". A rejection teaches by its reason."
        )
    late = np.flatnonzero(~early)
    kept = [lessons[place] for place in late]
    layer = newsroom.make(base.version, site_id, heads, {"site": site_id, "learned": len(lessons)})
    texts = [lesson.text for lesson in kept]
    before = base.score(texts, spans=False)
    after = layer.judge(base.model.lexicon, texts, before)
    figures = {
        signal: fitted[signal]
        | measure(
            kept,
            signal,
            np.array([result.signals[signal] for result in before]),
            np.array([result.signals[signal] for result in after]),
            hold[signal],
        )
        for signal in layer.signals
    }
    against = comparing.objections(figures, better=True)
    report = {
        "base": base.version,
        "decisions": _told(material, decided, passed),
        "signals": figures,
        "left_out": left_out,
        "objections": against,
    }
    return layer, report


def measure(
    lessons: Sequence[Lesson],
    signal: str,
    before: Floats,
    after: Floats,
    hold: float,
    hold_after: float | None = None,
) -> dict[str, Any]:
    """What two ways of judging say of the same decided comments, and what of those that passed they would hold.

    `hold_after`: the mark of the second, where it is another.
    """
    hold_after = hold if hold_after is None else hold_after
    labels = np.array([-1 if (label := lesson.label(signal)) is None else label for lesson in lessons])
    passed = np.array([lesson.passed for lesson in lessons])
    use = (labels >= 0) & ~passed
    found = comparing.compare(labels[use], before[use], after[use], hold, hold_after)
    if int(passed.sum()) >= comparing.LEAST:
        shares = {
            "before": float((before[passed] >= hold).mean()),
            "after": float((after[passed] >= hold_after).mean()),
        }
        found["passed"] = {"comments": int(passed.sum()), **{name: round(share, 5) for name, share in shares.items()}}
    return found


def distinct(lessons: Sequence[Lesson]) -> list[Lesson]:
    """One of those whose text is the same but for digits, letters' shapes and spaces: the newest.

    What is learned from and what is measured on share no text then.
    """
    newest = {_key(lesson): lesson for lesson in lessons}
    return sorted(newest.values(), key=lambda lesson: lesson.at)


def _key(lesson: Lesson) -> str:
    return " ".join(_DIGITS.sub("0", normalise.view(lesson.text).folded).split())


def _early(n: int) -> NDArray[np.bool_]:
    """Which of `n` rows, oldest first, are learned from."""
    found: NDArray[np.bool_] = np.arange(n) < n - round(n * HELD_OUT)
    return found


def _lacking(learned: NDArray[np.int64], held_out: NDArray[np.int64]) -> str:
    """What is missing to fit and measure a head; empty where nothing is."""
    for labels, least, what in (
        (learned, LEAST, "to learn from"),
        (held_out, comparing.LEAST, "among the newest decisions, to measure on"),
    ):
        for value, kind in ((1, "rejected for it"), (0, "approved")):
            count = int((labels == value).sum())
            if count < least:
                return f"{counted(count, 'comment')} {kind} {what}, {least} are needed"
    return ""


def _measure(base: BuiltinScorer, texts: Sequence[str], progress: Progress) -> tuple[Floats, newsroom.Grams]:
    """Logits and n-grams of the texts."""
    logits: list[Floats] = []
    grams: list[newsroom.Grams] = []
    for start in range(0, len(texts), TOGETHER):
        part = texts[start : start + TOGETHER]
        logits.append(newsroom.logits_of(base.score(part, spans=False)))
        grams.append(newsroom.grams_of(Encoded.many(part, base.model.lexicon)))
        if (start // TOGETHER) % 8 == 7:
            progress(f"scored {start + len(part):,} of {len(texts):,}")
    return np.concatenate([np.zeros((0, len(SIGNALS))), *logits]), newsroom.joined(grams)


def _counts(labels: NDArray[np.int64]) -> dict[str, int]:
    return {"good": int((labels == 0).sum()), "bad": int((labels == 1).sum())}


def _told(material: Material, decided: Sequence[Lesson], passed: Sequence[Lesson]) -> dict[str, Any]:
    cut = len(decided) - round(len(decided) * HELD_OUT)
    useful = [lesson for lesson in decided if any(lesson.label(signal) is not None for signal in TAUGHT)]
    return {
        "read": len(material.decided),
        "submitted": sum(lesson.submitted for lesson in material.decided),
        "different": len(decided),
        "without_a_lesson": len(decided) - len(useful),
        "passed": len(passed),
        "from": decided[0].at.isoformat() if decided else None,
        "held_out_from": decided[cut].at.isoformat() if cut < len(decided) else None,
        "until": decided[-1].at.isoformat() if decided else None,
    }


def _submitted(session: Session, site_ids: Sequence[int]) -> list[Lesson]:
    """The newest labels that the sites submitted, of current texts on which no person decided here."""
    rows = session.execute(
        select(Revision.text, Label.label, Label.created_at)
        .select_from(Label)
        .join(Comment, Comment.id == Label.comment_id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(
            Label.site_id.in_(site_ids),
            Label.revision == Comment.revision,
            Comment.human_revision != Comment.revision,
            Comment.status != status.WITHDRAWN,
            Comment.staff.is_(False),
        )
        .order_by(Label.created_at.desc(), Label.comment_id.desc())
        .limit(MOST)
    ).all()
    return [
        Lesson(row.text, row.label == HAM, None if row.label == HAM else "SPAM", row.created_at, submitted=True)
        for row in reversed(rows)
    ]


def _lessons(session: Session, site_ids: Sequence[int], origin: Any, *, passed: bool = False) -> list[Lesson]:
    rows = session.execute(
        select(Revision.text, Decision.action, Decision.reason, Decision.created_at)
        .select_from(Comment)
        .join(Decision, and_(Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence))
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(
            Comment.site_id.in_(site_ids),
            Comment.status.in_((status.APPROVED, status.REJECTED)),
            Comment.staff.is_(False),
            Decision.revision == Comment.revision,
            Decision.action.in_(("approve", "reject")),
            origin,
        )
        .order_by(Decision.id.desc())
        .limit(MOST)
    ).all()
    return [
        Lesson(row.text, row.action == "approve", row.reason, row.created_at, passed=passed) for row in reversed(rows)
    ]
