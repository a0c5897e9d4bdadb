"""Whether the scorers still see what they used to, and what a shadow would have decided otherwise. A query room.

All figures are of samples (rescoring/sampled.py): the last day and the last week against a reference, the four weeks
before that week. Scores are only compared with those of the same version of the same scorer: where another version has
judged since, there are too few in the reference, and it is said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.composition import SCORERS
from moderation.policy import store as policies
from moderation.policy.document import APPROVE, HOLD, Band
from moderation.rescoring import material, sampled, stability
from moderation.rescoring.judging import ACTION_OF, Counting, Judge
from moderation.rescoring.sampled import Sample
from moderation.rescoring.stability import Stability
from moderation.rescoring.window import Floats
from moderation.review import evidence
from moderation.scoring import releases
from moderation.scoring.models import Release
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import StoredScore
from moderation.settings import Settings
from moderation.signals import SIGNALS

DAY, WEEK = timedelta(days=1), timedelta(days=7)
BEFORE = timedelta(days=28)
"""How long the reference is: it ends where the last week begins."""

LANGUAGES = 3
"""Languages that are shown by themselves: those that most comments of the last week are in."""

FEW = 30
"""Of fewer decisions of people, or comments that both have scored, shares say little."""

ALL = ""
"""As a language: comments in any."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How scoring keeps up in a span. `comments`: how many were looked at, `whole`: they are all of it. `unscored`:
    those of them without a score that counts. `median`, `p95`: from a text's arrival to its first score (s), of
    `timed`."""

    start: datetime
    end: datetime
    comments: int
    whole: bool
    unscored: int
    timed: int
    median: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """The scores of a signal by a live scorer, in one language or ALL. `over`: the share at or above the policy's hold
    mark in the reference, the last week and the last day (None: no mark, or nothing to count)."""

    scorer: str
    version: str
    signal: str
    language: str
    week: Stability
    day: Stability
    mark: float | None
    over: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """The shadow's score of a signal less the live one, on `n` comments in a language or ALL: its mean, the mean of its
    size, and the size that 95 of 100 do not exceed."""

    signal: str
    language: str
    n: int
    mean: float
    size: float
    p95: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Decisions of people on comments that both have judged, and with how many of them each agrees: to hold is to
    suspect, so a rejection agrees with hold and reject."""

    decisions: int
    live: int
    shadow: int


@dataclass(frozen=True, slots=True)
class Beside:
    """A shadow against what is live, on the comments of the last week that it has scored. `moves`: (live action,
    shadow's action) → comments, by the site's whole live policy. `languages`: language → (comments, those decided
    differently)."""

    release: int
    scorer: str
    version: str
    comments: int
    moves: Mapping[tuple[str, str], int]
    languages: Mapping[str, tuple[int, int]]
    differences: Sequence[Difference]
    people: Agreement

    @property
    def differing(self) -> int:
        """Comments that would be decided differently."""
        return sum(n for (live, shadow), n in self.moves.items() if live != shadow)


@dataclass(frozen=True, slots=True)
class Drift:
    """Everything that the panel shows of a site. `live`: scorer → the version that judges now. `languages`: those that
    are shown by themselves, the most frequent first."""

    at: datetime
    live: Mapping[str, str]
    languages: Sequence[str]
    day: Pace
    week: Pace
    reference: Pace
    spreads: Sequence[Spread]
    shadows: Sequence[Beside]


def read(session: Session, settings: Settings, site: Site, now: datetime) -> Drift:
    """The panel of a site, as it is `now`."""
    live = live_of(session, settings, site.id)
    versions = list(live.items())
    day = sampled.read(session, site.id, now - DAY, now)
    week = sampled.read(session, site.id, now - WEEK, now)
    reference = sampled.read(session, site.id, now - WEEK - BEFORE, now - WEEK)
    languages = _languages(week, versions)
    bands = policies.live(session, site.id)
    spreads = [
        spread
        for name in versions
        for language in (ALL, *languages)
        for signal in SIGNALS
        if (spread := _spread(name, language, signal, bands.band(name[0], signal), reference, week, day)) is not None
    ]
    shadows = [
        _beside(session, site, row, week, languages, now)
        for row in releases.listed(session, site.id)
        if row.state == releases.SHADOW
    ]
    return Drift(
        at=now,
        live=live,
        languages=languages,
        day=_pace(day, versions),
        week=_pace(week, versions),
        reference=_pace(reference, versions),
        spreads=spreads,
        shadows=shadows,
    )


def live_of(session: Session, settings: Settings, site_id: int | None) -> dict[str, str]:
    """Scorer → the version of it that judges a site's comments now; what does not judge them is not there."""
    found = {name: releases.live_version(session, settings, name, site_id) for name in SCORERS}
    return {name: version for name, version in found.items() if version is not None}


def _languages(week: Sample, versions: Sequence[tuple[str, str]]) -> list[str]:
    found = [week.given[name].language for name in versions if name in week.given]
    if not found:
        return []
    names, n = np.unique(np.concatenate(found), return_counts=True)
    order = sorted(zip((-n).tolist(), names.tolist(), strict=True))
    return [name for _, name in order[:LANGUAGES]]


def _pace(sample: Sample, versions: Sequence[tuple[str, str]]) -> Pace:
    took = sample.seconds()
    return Pace(
        start=sample.start,
        end=sample.end,
        comments=len(sample),
        whole=sample.whole,
        unscored=int((~sample.said(versions)).sum()),
        timed=len(took),
        median=float(np.median(took)) if len(took) else None,
        p95=float(np.quantile(took, 0.95)) if len(took) else None,
    )


def _spread(
    name: tuple[str, str],
    language: str,
    signal: str,
    band: Band | None,
    reference: Sample,
    week: Sample,
    day: Sample,
) -> Spread | None:
    """None where the scorer has not measured the signal in any of the three."""
    was, then, now = (_scores(one, name, language, signal) for one in (reference, week, day))
    if not len(was) and not len(then):
        return None
    mark = None if band is None else band.hold
    over = [float((one >= mark).mean()) if mark is not None and len(one) else None for one in (was, then, now)]
    return Spread(
        *(*name, signal, language),
        week=stability.compare(was, then),
        day=stability.compare(was, now),
        mark=mark,
        over=(over[0], over[1], over[2]),
    )


def _scores(sample: Sample, name: tuple[str, str], language: str, signal: str) -> Floats:
    given = sample.given.get(name)
    if given is None:
        return np.array([])
    values = given.values[:, SIGNALS.index(signal)]
    if language != ALL:
        values = values[given.language == language]
    return values[~np.isnan(values)]


# --- a shadow beside what is live ---


def _beside(
    session: Session, site: Site, row: Release, week: Sample, languages: Sequence[str], now: datetime
) -> Beside:
    """Both judged by the site's live policy, with its word lists and all other rules: what they would decide alike for
    another reason is no difference."""
    given = week.given.get((row.scorer, row.version))
    ids = [] if given is None else week.ids[given.rows].tolist()
    policy = policies.live(session, site.id)
    known = material.gather(session, site, row.scorer, row.version, ids, [policy])
    composition = evidence.speakers(session)
    judge = Judge(policy, site, composition, now)
    moves: dict[tuple[str, str], int] = {}
    spoken: dict[str, tuple[int, int]] = {}
    pairs: list[tuple[str, TextScore, Mapping[str, float]]] = []
    decisions = right = shadows_right = 0
    for comment in known.rows:
        own, stored = known.own.get(comment.id), known.stored.get(comment.id)
        if own is None or not stored:
            continue
        before = Counting.of(stored, composition)
        others = [item for item in stored if item.scorer != row.scorer]
        after = Counting.of([*others, StoredScore(row.scorer, row.version, own)], composition)
        was, would = judge.action(comment, known, before), judge.action(comment, known, after)
        moves[was, would] = moves.get((was, would), 0) + 1
        n, differing = spoken.get(own.language, (0, 0))
        spoken[own.language] = (n + 1, differing + (was != would))
        pairs.append((own.language, own, _against(row.scorer, stored, before)))
        stands = ACTION_OF[comment.status]
        if comment.human_revision == comment.revision and stands != HOLD:
            decisions += 1
            right += (was == APPROVE) == (stands == APPROVE)
            shadows_right += (would == APPROVE) == (stands == APPROVE)
    return Beside(
        release=row.id,
        scorer=row.scorer,
        version=row.version,
        comments=len(pairs),
        moves=moves,
        languages=spoken,
        differences=_differences(pairs, languages),
        people=Agreement(decisions, right, shadows_right),
    )


def _against(scorer: str, stored: Sequence[StoredScore], counting: Counting) -> Mapping[str, float]:
    """What a shadow's scores are compared with: those of its own scorer's live version, else those that count."""
    own = next((item for item in stored if item.scorer == scorer), None)
    return counting.signals if own is None else own.score.signals


def _differences(
    pairs: Sequence[tuple[str, TextScore, Mapping[str, float]]], languages: Sequence[str]
) -> list[Difference]:
    found = []
    for language in (ALL, *languages):
        some = [(own, live) for spoken, own, live in pairs if language in (ALL, spoken)]
        for signal in SIGNALS:
            less = [
                own.signals[signal] - live[signal] for own, live in some if signal in own.signals and signal in live
            ]
            if less:
                values = np.array(less)
                size = np.abs(values)
                found.append(
                    Difference(
                        *(signal, language, len(less)),
                        mean=float(values.mean()),
                        size=float(size.mean()),
                        p95=float(np.quantile(size, 0.95)),
                    )
                )
    return found
