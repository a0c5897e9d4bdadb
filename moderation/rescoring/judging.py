"""Judging archived comments with new scores, and comparing that with what stands. No SQL, nothing is changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from moderation.accounts.models import Site
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import BY_ACTION
from moderation.composition import Composition
from moderation.policy import rules
from moderation.policy.document import Band, Policy
from moderation.rescoring.diff import Subject
from moderation.rescoring.material import Material
from moderation.review import evidence, facts
from moderation.scoring import normalise
from moderation.scoring.normalise import View
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import StoredScore

ACTION_OF: Mapping[str, str] = {status: action for action, status in BY_ACTION.items()}

Effective = Mapping[str, tuple[float, StoredScore]]


class Judge:
    """One policy, asked about many comments.

    Most comments have nothing against them: no signal over its mark, no link, nothing said of author or story. They all
    get the same verdict, which is asked for once.
    """

    def __init__(self, policy: Policy, site: Site, composition: Composition, now: datetime) -> None:
        self._policy, self._site, self._composition, self._now = policy, site, composition, now
        self._marks = {
            (scorer, signal): band.hold for scorer, bands in policy.bands.items() for signal, band in bands.items()
        }
        # Rules that look at the text or at every author leave no comment out.
        self._shortcut = not (policy.word_lists or policy.blocked_authors or policy.new_author)
        self._quiet: str | None = None

    def marks(self, measured: Effective) -> dict[str, Band]:
        """Signal → the policy's marks, as the scorer that counts measures it."""
        found = {}
        for signal, (_, item) in measured.items():
            band = self._policy.band(item.scorer, signal)
            if band is not None:
                found[signal] = band
        return found

    def action(self, row: Any, known: Material, stored: Sequence[StoredScore], measured: Effective) -> str:
        """The verdict's action on a comment with these scores, of which `measured` count."""
        story = known.stories.get(row.story_id)
        author = known.writers.get(row.author_id)
        quiet = (
            self._shortcut
            and story is None
            and author is None
            and not row.intake_flags
            and row.links == 0
            and all(not item.score.facts.get("links") and not item.score.facts.get("hidden") for item in stored)
            and all(value < self._marks.get((item.scorer, name), 2.0) for name, (value, item) in measured.items())
            and any(name != "spam" for name in measured)
        )
        if quiet and self._quiet is not None:
            return self._quiet
        view = self._view(row)
        found = facts.build(
            self._site,
            cast(Comment, row),
            cast(Revision, row),
            cast("Story | None", story),
            cast("Author | None", author),
            stored,
            view=view,
            now=self._now,
            scored=True,
            approved=known.approved.get(row.author_id, 0),
            composition=self._composition,
        )
        action = rules.judge(self._policy, found).action
        if quiet:
            self._quiet = action
        return action

    def _view(self, row: Any) -> View | None:
        return normalise.view(row.text) if self._policy.word_lists else None


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
        stored = known.stored.get(row.id, [])
        was = ACTION_OF[row.status]
        human = was if row.human_revision == row.revision else None
        score = new.get(row.id)
        if score is None:
            subjects.append(Subject(row.id, row.revision, "und", was, None, human=human))
            continue
        fresh = [*(item for item in stored if item.scorer != scorer), StoredScore(scorer, version, score)]
        measured = evidence.effective(fresh, composition)
        before = evidence.effective(stored, composition) if stored else {}
        subjects.append(
            Subject(
                comment_id=row.id,
                revision=row.revision,
                language=score.language,
                was=was,
                would="approve" if row.staff else judge.action(row, known, fresh, measured),
                old={name: value for name, (value, _) in before.items()},
                new={name: value for name, (value, _) in measured.items()},
                marks=judge.marks(measured),
                human=human,
                old_would=live.action(row, known, stored, before) if stored and human is not None else None,
            )
        )
    return subjects
