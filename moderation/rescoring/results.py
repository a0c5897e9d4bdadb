"""What comes of a batch: scores of its texts, known or new, as the rows that are to be written."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Table, select
from sqlalchemy.orm import Session

from moderation.comments.models import Comment
from moderation.db import id_among, insert_fast
from moderation.rescoring.diff import Diff
from moderation.rescoring.material import Material
from moderation.rescoring.models import RescoreMove, RescoreRun
from moderation.scoring import evidence, normalise
from moderation.scoring.models import Score
from moderation.scoring.scorer import Scorer, TextScore
from moderation.signals import SIGNALS

log = logging.getLogger(__name__)

TRIES = 3
"""Attempts at one comment; the third failure is final, and the run goes on."""

_SCORES = cast(Table, Score.__table__)
_SCORE_COLUMNS = (
    *("comment_id", "revision", "scorer", "version", *SIGNALS),
    *("language", "supported", "reads_as", "facts", "spans", "shadow", "created_at"),
)
_MOVES = cast(Table, RescoreMove.__table__)
_MOVE_COLUMNS = tuple(column.name for column in _MOVES.c)


@dataclass(slots=True)
class Result:
    """What is to be written of a batch: scores by comment, `fresh` from the scorer and `reused` from equal texts
    (or the comment's own from before), and what they would change."""

    known: Material
    fresh: dict[int, TextScore] = field(default_factory=dict)
    reused: dict[int, TextScore] = field(default_factory=dict)
    diff: Diff | None = None

    @property
    def failed(self) -> int:
        """Comments that the scorer could not judge."""
        return sum(1 for row in self.known.rows if row.id not in self.fresh and row.id not in self.reused)

    def insert(self, connection: Connection, run: RescoreRun, shadow: bool, at: Any) -> None:
        """Write the scores that the comments do not have yet, and the moves. Raises IntegrityError when somebody else
        was quicker, or a comment is not there any more."""
        found = []
        for row in self.known.rows:
            score = self.fresh.get(row.id)
            if score is None:
                score = self.reused.get(row.id)
            if score is not None and row.id not in self.known.own:
                found.append((row.id, row.revision, run.scorer, run.version, *_values(score), shadow, at))
        insert_fast(connection, _SCORES, _SCORE_COLUMNS, found)
        moves = [move.as_row(run.id) for move in self.diff.moves] if self.diff is not None else []
        insert_fast(connection, _MOVES, _MOVE_COLUMNS, [tuple(move[name] for name in _MOVE_COLUMNS) for move in moves])


def scored(scorer: Scorer, texts: Sequence[str]) -> list[TextScore | None]:
    """Scores in order; None for a text that was given alone TRIES times and failed each time."""
    try:
        found = list(scorer.score(texts))
        if len(found) != len(texts):
            raise ValueError(f"{scorer.name} answered {len(found)} of {len(texts)} texts")
        for score in found:
            for value in score.signals.values():
                if not 0.0 <= value <= 1.0:  # NaN fails both comparisons
                    raise ValueError(f"{scorer.name} gave {value}")
        return list(found)
    except Exception as error:  # a scorer is foreign code and may raise anything
        if len(texts) > 1:
            log.warning("%s could not score %d texts together: %s", scorer.name, len(texts), type(error).__name__)
            return [score for text in texts for score in _scored_alone(scorer, text)]
        return [None]


def _scored_alone(scorer: Scorer, text: str) -> list[TextScore | None]:
    for _ in range(TRIES):
        found = scored(scorer, [text])
        if found[0] is not None:
            return found
    log.warning("%s failed on a text %d times: it counts as failed", scorer.name, TRIES)
    return [None]


def fitted(score: TextScore, length: int, text: str) -> TextScore:
    """The score of an equal text. Where only spaces differ, places in it do not fit, and are found anew."""
    if length == len(text):
        return score
    view = normalise.view(text)
    proof = evidence.find(view)
    return TextScore(score.signals, score.language, score.supported, proof.spans, "", proof.facts)


def _values(score: TextScore) -> tuple[Any, ...]:
    """The columns of a score, from the first signal to the spans."""
    get = score.signals.get
    spans = [[span.start, span.end, span.kind, span.detail] for span in score.spans]
    return (
        *[get(name) for name in SIGNALS],
        score.language,
        score.supported,
        score.reads_as,
        _json_of(score.facts),
        json.dumps(spans) if spans else "[]",
    )


_facts_seen: dict[tuple[tuple[str, int], ...], str] = {}


def _json_of(facts: Mapping[str, int]) -> str:
    """As JSON; a few small counts make few different ones."""
    key = tuple(facts.items())
    found = _facts_seen.get(key)
    if found is None:
        if len(_facts_seen) >= 1000:
            _facts_seen.clear()
        found = _facts_seen[key] = json.dumps(dict(facts))
    return found


def without_known(session: Session, run: RescoreRun, ids: Sequence[int], result: Result) -> Result:
    """The result without scores that are there by now, and comments that are not."""
    dialect = session.get_bind().dialect.name
    there = set(session.scalars(select(Comment.id).where(id_among(dialect, Comment.id, ids))))
    scored = session.execute(
        select(Score.comment_id, Score.revision).where(
            id_among(dialect, Score.comment_id, ids), Score.scorer == run.scorer, Score.version == run.version
        )
    ).all()
    pairs = {(row.comment_id, row.revision) for row in scored}
    rows = [row for row in result.known.rows if row.id in there]
    own = {row.id: result.fresh.get(row.id) for row in rows if (row.id, row.revision) in pairs}
    known = Material(
        rows=rows,
        own={**result.known.own, **{number: score for number, score in own.items() if score is not None}},
        stored=result.known.stored,
        same=result.known.same,
        stories=result.known.stories,
        writers=result.known.writers,
        approved=result.known.approved,
    )
    assert result.diff is not None  # noqa: S101 it was written once
    moves = [move for move in result.diff.moves if move.comment_id in there]
    fresh = {number: score for number, score in result.fresh.items() if number in there and number not in own}
    reused = {number: score for number, score in result.reused.items() if number in there}
    reused |= {number: score for number, score in own.items() if score is not None}
    return Result(known, fresh, reused, Diff(result.diff.counts, moves))
