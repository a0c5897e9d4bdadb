"""Judging archived comments with new scores, and comparing that with what stands. No SQL, nothing is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from moderation.accounts.models import Site
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import BY_ACTION
from moderation.composition import USUAL, Composition
from moderation.policy import rules
from moderation.policy.document import APPROVE, Band, Policy
from moderation.rescoring.diff import Subject
from moderation.rescoring.material import Material
from moderation.review import evidence, facts
from moderation.scoring import normalise
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import StoredScore

ACTION_OF: Mapping[str, str] = {status: action for action, status in BY_ACTION.items()}

NO_MARKS: Mapping[str, Band] = {}


@dataclass(frozen=True, slots=True)
class Counting:
    """The scores of a comment, and its signals as they count. `scorer`: the one that all of them are from, or None."""

    stored: Sequence[StoredScore]
    signals: Mapping[str, float]
    scorer: str | None
    measured: Mapping[str, tuple[float, StoredScore]]

    @classmethod
    def of(cls, stored: Sequence[StoredScore], composition: Composition) -> "Counting":
        """Which of the scores count."""
        if len(stored) == 1 and composition is USUAL and stored[0].score.supported:  # nobody else could speak
            return cls(stored, stored[0].score.signals, stored[0].scorer, {})
        measured = evidence.effective(stored, composition)
        return cls(stored, {name: value for name, (value, _) in measured.items()}, None, measured)


class Judge:
    """One policy, asked about many comments.

    Most comments have nothing against them: no signal over its mark, no link, nothing said of author or story. They all
    get the same verdict, which is asked for once.
    """

    def __init__(self, policy: Policy, site: Site, composition: Composition, now: datetime) -> None:
        self._policy, self._site, self._composition, self._now = policy, site, composition, now
        self._holds = {
            scorer: {signal: band.hold for signal, band in bands.items()} for scorer, bands in policy.bands.items()
        }
        # Rules that look at the text or at every author leave no comment out.
        self._shortcut = not (policy.word_lists or policy.blocked_authors or policy.new_author)
        self._quiet: str | None = None

    def marks(self, counting: Counting) -> Mapping[str, Band]:
        """Signal → the policy's marks, as the scorer that counts measures it."""
        if counting.scorer is not None:
            return self._policy.bands.get(counting.scorer, NO_MARKS)
        bands = {name: self._policy.band(item.scorer, name) for name, (_, item) in counting.measured.items()}
        return {name: band for name, band in bands.items() if band is not None}

    def action(self, row: Any, known: Material, counting: Counting) -> str:
        """The verdict's action on a comment with these scores."""
        story, author = known.stories.get(row.story_id), known.writers.get(row.author_id)
        quiet = (
            self._shortcut
            and story is None
            and author is None
            and not row.links
            and not row.intake_flags
            and self._says_nothing(counting)
        )
        if quiet and self._quiet is not None:
            return self._quiet
        found = facts.build(
            self._site,
            cast(Comment, row),
            cast(Revision, row),
            cast("Story | None", story),
            cast("Author | None", author),
            counting.stored,
            view=normalise.view(row.text) if self._policy.word_lists else None,
            now=self._now,
            scored=True,
            approved=known.approved.get(row.author_id, 0),
            composition=self._composition,
        )
        action = rules.judge(self._policy, found).action
        if quiet:
            self._quiet = action
        return action

    def _says_nothing(self, counting: Counting) -> bool:
        """Whether the scores, all of one scorer that speaks the language, give no rule a reason."""
        if counting.scorer is None:
            return False
        found = counting.stored[0].score.facts
        if found.get("links") or found.get("hidden") or len(counting.signals) < 2:
            return False
        holds = self._holds.get(counting.scorer)
        if holds is not None:
            for name, value in counting.signals.items():
                if value >= holds.get(name, 2.0):
                    return False
        return True


def compared(
    known: Material,
    scorer: str,
    version: str,
    new: Mapping[int, TextScore],
    composition: Composition,
    judge: Judge,
    live: Judge,
) -> list[Subject]:
    """Each comment judged twice: by the `new` scores (comment → score) and the run's policy, and, where it has scores
    that count, by those and the live policy. One without a new score is one that the scorer failed on."""
    subjects = []
    for row in known.rows:
        was = ACTION_OF[row.status]
        human = was if row.human_revision == row.revision else None
        score = new.get(row.id)
        if score is None:
            subjects.append(Subject(row.id, row.revision, "und", was, None, human=human))
            continue
        stored = known.stored.get(row.id, ())
        others = [item for item in stored if item.scorer != scorer] if stored else []
        after = Counting.of([*others, StoredScore(scorer, version, score)], composition)
        before = Counting.of(stored, composition) if stored else None
        subjects.append(
            Subject(
                row.id,
                row.revision,
                score.language,
                was,
                APPROVE if row.staff else judge.action(row, known, after),
                before.signals if before is not None else {},
                after.signals,
                judge.marks(after),
                human,
                live.action(row, known, before) if before is not None and human is not None else None,
            )
        )
    return subjects
