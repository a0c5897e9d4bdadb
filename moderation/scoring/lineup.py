"""Who judges in this process just now: the live built-in, the sites' live layers on top of it, and shadows beside them.

It looks at the releases every few seconds, so that a promotion or a rollback needs no restart. Only the live built-in
is waited for. A layer or a shadow that cannot be loaded or breaks is logged and left out: the built-in judges alone. A
release of the built-in that cannot be loaded is logged, and the package's own artefact judges.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from moderation.db import Database
from moderation.errors import Unavailable
from moderation.scoring import builtin, newsroom, registry, releases
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.newsroom import Layer
from moderation.scoring.releases import LIVE, SHADOW, Serving
from moderation.scoring.scorer import Scorer, TextScore
from moderation.scoring.work import Claimed
from moderation.settings import Settings
from moderation.signals import SIGNALS

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How long what the database said of releases is believed."""

RETRY_SECONDS = 60.0
"""How long a release that could not be loaded, or that broke, is left alone."""

LAYERS = 32
"""Layers that are kept in memory (some hundred kilobytes each); others are read again when their site writes."""

Made = TypeVar("Made", BuiltinScorer, Layer)


@dataclass(frozen=True, slots=True)
class Beside:
    """What was said of one text beside the built-in: to be stored as a score of its own."""

    item: Claimed
    scorer: str
    version: str
    score: TextScore


def check(name: str, result: TextScore) -> None:
    """Raises ValueError when a scorer gave something that is no probability of a signal."""
    for signal, value in result.signals.items():
        if signal not in SIGNALS or not 0.0 <= value <= 1.0:  # NaN fails both comparisons
            raise ValueError(f"{name} gave {signal} = {value}")


class Lineup:
    """The scorers of one worker process. One thread uses it."""

    def __init__(self, db: Database, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Loads nothing yet."""
        self._db, self._settings, self._clock = db, settings, clock
        self._serving: Sequence[Serving] = ()
        self._looked = float("-inf")
        self._builtins: dict[int | None, BuiltinScorer] = {}
        self._layers: dict[int | None, Layer] = {}
        self._left_alone: dict[int, float] = {}
        self._strange: set[int] = set()

    def builtin(self) -> BuiltinScorer:
        """The built-in scorer that judges now. Raises ScorerError when not even the package's own can be loaded."""
        self._look()
        live = next((item for item in self._serving if item.scorer == builtin.NAME and item.state == LIVE), None)
        made = None if live is None else self._load(live, self._builtins, self._load_builtin)
        return made or self._package()

    def layers(self, scorer: Scorer, batch: Sequence[Claimed], results: Sequence[TextScore]) -> list[Beside]:
        """What the live layers of the texts' sites say on top of the built-in's `results`. Never raises."""
        return self._on_top(LIVE, scorer, batch, results)

    def shadows(self, scorer: Scorer, batch: Sequence[Claimed], results: Sequence[TextScore]) -> list[Beside]:
        """What built-ins and layers that are in shadow say. Never raises."""
        said = self._on_top(SHADOW, scorer, batch, results)
        for item in self._serving:
            if item.state != SHADOW or item.scorer != builtin.NAME or scorer.name != builtin.NAME:
                continue
            other = self._load(item, self._builtins, self._load_builtin)
            if other is not None:
                said += self._try(item, batch, partial(other.score, [one.text for one in batch]))
        return said

    def _on_top(
        self, state: str, scorer: Scorer, batch: Sequence[Claimed], results: Sequence[TextScore]
    ) -> list[Beside]:
        said: list[Beside] = []
        for item in self._serving:
            if item.scorer != newsroom.NAME or item.state != state or not isinstance(scorer, BuiltinScorer):
                continue
            places = [place for place, one in enumerate(batch) if one.site_id == item.site_id]
            if not places or not self._fits(item, scorer.version):
                continue
            layer = self._load(item, self._layers, self._load_layer)
            if layer is not None:
                theirs, known = [batch[place] for place in places], [results[place] for place in places]
                texts = [one.text for one in theirs]
                said += self._try(item, theirs, partial(layer.judge, scorer.model.lexicon, texts, known))
        return said

    def _try(self, item: Serving, batch: Sequence[Claimed], judge: Callable[[], Sequence[TextScore]]) -> list[Beside]:
        try:
            found = judge()
            for result in found:
                check(item.scorer, result)
            return [Beside(one, item.scorer, item.version, score) for one, score in zip(batch, found, strict=True)]
        except Exception:  # whatever it is, it must not hurt the live judgement
            log.exception("release %d (%s@%s) broke and is left out", item.id, item.scorer, item.version)
            self._left_alone[item.id] = self._clock() + RETRY_SECONDS
            return []

    def _fits(self, item: Serving, base: str) -> bool:
        """Whether a layer belongs to the built-in that judges; one that does not is named in the log, once."""
        if item.version.partition("+")[0] == base:
            self._strange.discard(item.id)
            return True
        if item.id not in self._strange:
            self._strange.add(item.id)
            log.warning(
                "release %d (%s@%s) was fitted on another built-in than %s and is ignored; train it again",
                *(item.id, item.scorer, item.version, base),
            )
        return False

    def _look(self) -> None:
        if self._clock() < self._looked + LOOK_SECONDS:
            return
        try:
            with self._db.reading() as session:
                self._serving = releases.serving(session)
        except Unavailable:  # what was known goes on; the next look is soon
            log.warning("the releases of scorers could not be read")
        self._looked = self._clock()
        known = {item.id for item in self._serving}
        _keep(self._builtins, {*known, None})
        _keep(self._layers, {*known})

    def _load(self, item: Serving, kept: dict[int | None, Made], load: Callable[[Serving], Made]) -> Made | None:
        if self._clock() < self._left_alone.get(item.id, 0.0):
            return None
        made = kept.get(item.id)
        if made is None:
            try:
                made = kept[item.id] = load(item)
            except Exception:  # damaged, of another layout, the database is away: others judge
                log.exception("release %d (%s@%s) could not be loaded", item.id, item.scorer, item.version)
                self._left_alone[item.id] = self._clock() + RETRY_SECONDS
        return made

    def _load_builtin(self, item: Serving) -> BuiltinScorer:
        with self._db.reading() as session:
            make = releases.builtin_of(session, self._settings, item.version)
        return make()

    def _load_layer(self, item: Serving) -> Layer:
        while len(self._layers) >= LAYERS:
            del self._layers[next(iter(self._layers))]
        with self._db.reading() as session:
            return newsroom.load(releases.artefact(session, item.id))

    def _package(self) -> BuiltinScorer:
        if None not in self._builtins:
            made = registry.make_scorer(builtin.NAME, self._settings)
            assert isinstance(made, BuiltinScorer)  # noqa: S101 that is what the name stands for
            self._builtins[None] = made
        return self._builtins[None]


def _keep(kept: dict[int | None, Made], wanted: Collection[int | None]) -> None:
    for key in set(kept) - set(wanted):
        del kept[key]


def by_version(said: Iterable[Beside]) -> Mapping[tuple[str, str], list[Beside]]:
    """What was said, by who said it: (scorer, version)."""
    found: dict[tuple[str, str], list[Beside]] = {}
    for one in said:
        found.setdefault((one.scorer, one.version), []).append(one)
    return found
