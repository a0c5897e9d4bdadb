"""The built-in scorer: small, quick, always there; Indonesian and English. numpy is all it needs.

Long texts are judged as a whole and window by window, and the worst counts, so that an insult does not drown in a long
comment.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import language, linear
from moderation.scoring.features import FEATURES_VERSION, Encoded
from moderation.scoring.linear import Floats, Model
from moderation.scoring.preparing import Prepared
from moderation.scoring.scorer import ScorerError, Span, TextScore

NAME = "builtin"

ARTEFACT = Path(__file__).parent / "artefacts" / "builtin.npz"

LANGUAGES = frozenset({"id", "en"})

WINDOW = 400
"""Length of a window in code points: about four sentences, most comments whole."""

TOGETHER = 64
"""Texts whose n-grams are hashed together: more gain nothing and leave the processor's cache."""

STEP = 250
MARGIN = 0.7
"""Logits taken off a window's result: many windows are many chances to be wrong."""

NOTABLE = 0.3
"""A signal from this probability on is explained by highlighted words while it is judged; a lower one, where a site's
mark lies below, when a moderator opens the card (`explain`)."""

MAX_WORDS = 6
"""Highlighted places per signal."""


class BuiltinScorer:
    """A linear model over n-grams, word lists and evidence, with calibrated probabilities for all signals."""

    def __init__(self, artefact: Path | Model | None = None) -> None:
        """Load the model (about 100 ms), or take one. Raises ScorerError when the artefact is missing or damaged."""
        self._model: Model = artefact if isinstance(artefact, Model) else linear.load(artefact or ARTEFACT)

    @property
    def name(self) -> str:
        """`builtin`."""
        return NAME

    @cached_property
    def version(self) -> str:
        """Hash of the artefact and number of the feature code."""
        return f"{self._model.digest[:12]}.{FEATURES_VERSION}"

    @property
    def languages(self) -> frozenset[str]:
        """Indonesian (with Malay, Javanese, Sundanese) and English."""
        return LANGUAGES

    @property
    def recommended_hold(self) -> Mapping[str, float]:
        """Per signal the probability from which a comment should wait for a person; see docs/model-card.md."""
        return self._model.hold

    @property
    def model(self) -> Model:
        """The model inside, for evaluation."""
        return self._model

    def score(self, texts: Sequence[str], *, spans: bool = True) -> list[TextScore]:
        """Judge the texts, in order; without `spans` no words are named. Raises ScorerError when a number is not
        finite."""
        found: list[TextScore] = []
        for first in range(0, len(texts), TOGETHER):
            found.extend(self._score(texts[first : first + TOGETHER], spans))
        return found

    def prepare(self, texts: Sequence[str]) -> list[Prepared]:
        """The texts read, and their languages, without judging them: for other scorers."""
        found: list[Prepared] = []
        for first in range(0, len(texts), TOGETHER):
            encoded = Encoded.many(texts[first : first + TOGETHER], self._model.lexicon)
            codes = self._languages(encoded, self._model.languages_of(encoded))
            for one, code in zip(encoded, codes, strict=True):
                found.append(Prepared.of(one.view, one.evidence, code))
        return found

    def _languages(self, encoded: Sequence[Encoded], chances: Floats) -> list[language.Language]:
        codes = self._model.languages
        return [language.detect(one, row, codes, LANGUAGES) for one, row in zip(encoded, chances.tolist(), strict=True)]

    def logits(self, texts: Sequence[str]) -> Floats:
        """What `score` turns into probabilities: [n, S]."""
        found = [np.zeros((0, len(self._model.signals)), dtype=np.float32)]
        for first in range(0, len(texts), TOGETHER):
            encoded = Encoded.many(texts[first : first + TOGETHER], self._model.lexicon)
            found.append(self._logits(encoded, self._model.shares(self._model.languages_of(encoded))))
        return np.concatenate(found)

    def _logits(self, encoded: Sequence[Encoded], shares: Floats) -> Floats:
        """Per text those of the whole, or of its worst window less the margin."""
        logits = self._model.logits_of(encoded, shares)
        for row, one in enumerate(encoded):
            logits[row] = self._worst_window(one, logits[row], shares[row])
        return logits

    def _score(self, texts: Sequence[str], spans: bool) -> list[TextScore]:
        encoded = Encoded.many(texts, self._model.lexicon)
        chances = self._model.languages_of(encoded)
        shares = self._model.shares(chances)
        logits = self._logits(encoded, shares)
        if not np.isfinite(logits).all():
            raise ScorerError("The built-in model gave a number that is not finite.")
        values = self._model.probabilities(logits).astype(np.float64).round(5).tolist()
        judged = zip(encoded, values, self._languages(encoded, chances), shares, strict=True)
        return [
            self._one(one, dict(zip(self._model.signals, row, strict=True)), code, share if spans else None)
            for one, row, code, share in judged
        ]

    def _one(
        self, encoded: Encoded, signals: Mapping[str, float], found: language.Language, shares: Floats | None
    ) -> TextScore:
        """What is said of a text; its words are named in the heads' `shares`, or not at all."""
        seen = Prepared.of(encoded.view, encoded.evidence, found)
        return TextScore(
            signals=signals,
            language=found.code,
            supported=not found.foreign,
            spans=(*seen.spans, *self._explain(encoded, signals, shares)) if shares is not None else (),
            reads_as=seen.reads_as,
            facts=seen.facts,
        )

    def explain(self, text: str, signals: Sequence[str]) -> tuple[Span, ...]:
        """The words that each of `signals` rests on, however low it is."""
        encoded = Encoded.many([text], self._model.lexicon)
        shares = self._model.shares(self._model.languages_of(encoded))[0]
        places = [index for index, name in enumerate(self._model.signals) if name in signals]
        found = self._words(encoded[0], places, shares)
        return tuple(sorted(found, key=lambda span: (span.start, span.end, span.kind)))

    def _worst_window(self, encoded: Encoded, best: Floats, shares: Floats) -> Floats:
        if encoded.size <= WINDOW * 3 // 2:
            return best
        for start in range(0, max(encoded.size - WINDOW // 2, 1), STEP):
            part = self._model.logits(encoded.part(start, start + WINDOW), shares)
            best = np.maximum(best, part - MARGIN)
        return best

    def _explain(self, encoded: Encoded, signals: Mapping[str, float], shares: Floats) -> list[Span]:
        """The words that spoke most for every notable signal."""
        hold = self._model.hold
        notable = [index for index, name in enumerate(self._model.signals) if signals[name] >= min(NOTABLE, hold[name])]
        return self._words(encoded, notable, shares)

    def _words(self, encoded: Encoded, signals: list[int], shares: Floats) -> list[Span]:
        """The words that spoke most for each of these signals."""
        if not signals or not encoded.words:
            return []
        words = self._word_scores(encoded, signals, shares)
        spans: list[Span] = []
        for column, index in enumerate(signals):
            spans.extend(_best_words(encoded, words[column], self._model.signals[index]))
        return spans

    def _word_scores(self, encoded: Encoded, signals: list[int], heads: Floats) -> NDArray[np.float64]:
        """What every word adds to the logits of the given signals: [signals, words]; `heads` speak in these shares."""
        row = encoded.whole()
        places, slopes = [], []
        for (starts, ends, buckets), value in (
            (encoded.char_grams, row.char_value),
            (encoded.word_grams, row.word_value),
        ):
            own = self._model.of_grams(buckets, signals, value, heads) / np.maximum(ends - starts, 1)
            places += [starts, ends]
            slopes += [own, -own]
        words = _summed(np.concatenate(places), np.concatenate(slopes, axis=1), len(encoded.text), encoded.places)
        self._add_listed(words, encoded, signals, heads)
        return words

    def _add_listed(self, words: NDArray[np.float64], encoded: Encoded, signals: list[int], heads: Floats) -> None:
        """To what the words add, what listed ones add by the dense columns: each what would be missing without it."""
        model, dense = self._model, encoded.dense
        behind = model.lexicon.behind(encoded.hits)
        if not behind:
            return
        without = np.repeat(dense[None, :], len(behind), axis=0)
        without[np.arange(len(behind)), list(behind)] = 0.0
        added = model.mixed(model.of_dense(dense) - model.of_dense(without), heads)[:, signals].T
        # A column's part goes to its hits alike, and a hit's to its words.
        sizes = [len(hits) for hits in behind.values()]
        of_hits = np.repeat(added / np.array(sizes, dtype=np.float32), sizes, axis=1)
        hits = [hit for some in behind.values() for hit in some]
        lengths = [hit.last - hit.first + 1 for hit in hits]
        of_words = np.repeat(of_hits / np.array(lengths, dtype=np.float32), lengths, axis=1)
        places = [place for hit in hits for place in range(hit.first, hit.last + 1)]
        for scores, own in zip(words, of_words, strict=True):
            np.add.at(scores, places, own)


def _summed(
    places: NDArray[np.int64],
    slopes: NDArray[np.float64],
    size: int,
    words: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float64]:
    """What lies on the characters of every word, [signals, words], in a text of this size.

    An n-gram's share lies evenly on its characters: it goes up by `slopes` where the n-gram begins and down where it
    ends.
    """
    starts, ends = words
    found = np.empty((len(slopes), len(starts)))
    sums = np.zeros(size + 1)
    for scores, own in zip(found, slopes, strict=True):
        np.cumsum(np.bincount(places, own, size + 1)[:-1].cumsum(), out=sums[1:])
        np.subtract(sums[ends], sums[starts], out=scores)
    return found


def _best_words(encoded: Encoded, scores: NDArray[np.float64], signal: str) -> list[Span]:
    top = float(scores.max())
    if top <= 0:
        return []
    chosen: dict[tuple[int, int], str] = {}
    best = np.argsort(-scores)[: MAX_WORDS * 2]
    best = best[scores[best] >= max(top * 0.3, 0.1)]
    starts, ends = (side[best].tolist() for side in encoded.places)
    for place, start, end in zip(best.tolist(), starts, ends, strict=True):
        if len(chosen) == MAX_WORDS:
            break
        origin = encoded.origin(start, end)
        if origin is not None and not any(first < origin[1] and origin[0] < last for first, last in chosen):
            chosen[origin] = encoded.words[place]
    spans: list[Span] = []
    for (start, end), word in sorted(chosen.items()):
        last = spans[-1] if spans else None
        if last is not None and not encoded.view.original[last.end : start].strip():
            spans[-1] = Span(last.start, end, signal, f"{last.detail} {word}")
        else:
            spans.append(Span(start, end, signal, word))
    return spans
