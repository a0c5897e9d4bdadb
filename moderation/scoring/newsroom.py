"""A site's layer: what its moderators decided, learned on top of what the built-in scorer says.

Per signal it speaks for, the layer adds to the built-in's logit a bias, a weighted sum of all the built-in's logits,
and weights of the text's hashed n-grams (logistic regression with an offset, see learning.py). With all of these at
zero it says what the built-in says. It belongs to one version of the built-in and to no other: the same n-grams and
logits mean something else there. The file is a plain `.npz` without pickles.
"""

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.features import Encoded
from moderation.scoring.lexicon import Lexicon
from moderation.scoring.scorer import ScorerError, Span, TextScore
from moderation.signals import SIGNALS

NAME = "newsroom"

FORMAT = 1
"""Layout of the file; another number is refused."""

BITS = 16
BLOCK = 1 << BITS
"""Buckets of a block: character n-grams come first, words and pairs of words behind them."""

LEAST, MOST = 1e-5, 1.0 - 1e-5
"""The built-in rounds to five digits: logits are finite between these."""

NOTABLE = 0.05
"""A signal from this probability on is explained by the words that spoke most for it: a site's mark may lie low, and
a layer speaks for few signals."""

MAX_WORDS = 4
LEAST_SHARE = 0.1
"""A word that adds less than this to the logit is not named."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """What one signal's logit gets added: a bias, `base` [signals] times the built-in's logits, `grams` [2 * BLOCK]."""

    signal: str
    bias: float
    base: Floats
    grams: NDArray[np.float16]


@dataclass(frozen=True)
class Grams:
    """Hashed n-grams of some texts as one sparse matrix: those of text k lie at `starts[k]:starts[k + 1]`."""

    buckets: NDArray[np.int64]
    values: Floats
    starts: NDArray[np.int64]

    def times(self, weights: NDArray[Any]) -> Floats:
        """Per text the sum of its n-grams' weights, each times its value."""
        total = np.zeros(len(self.buckets) + 1)
        np.cumsum(weights[self.buckets].astype(np.float64) * self.values, out=total[1:])
        found: Floats = total[self.starts[1:]] - total[self.starts[:-1]]
        return found


@dataclass(frozen=True)
class Layer:
    """What was learned for one site on version `base` of the built-in scorer."""

    base: str
    site_id: int
    heads: tuple[Head, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    @property
    def version(self) -> str:
        """The built-in's version and the layer's own hash."""
        return f"{self.base}+{self.digest[:12]}"

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it speaks for."""
        return tuple(head.signal for head in self.heads)

    def judge(self, lexicon: Lexicon, texts: Sequence[str], results: Sequence[TextScore]) -> list[TextScore]:
        """What the layer says of texts that the built-in scorer judged so: the layer's own signals only.

        Raises ScorerError when a number is not finite.
        """
        encoded = Encoded.many(texts, lexicon)
        grams, logits = grams_of(encoded), logits_of(results)
        columns = []
        for head in self.heads:
            own = logits[:, SIGNALS.index(head.signal)]
            columns.append(own + head.bias + logits @ head.base + grams.times(head.grams))
        found = np.stack(columns, axis=1)
        if not np.isfinite(found).all():
            raise ScorerError("The newsroom layer gave a number that is not finite.")
        values = (1.0 / (1.0 + np.exp(-np.clip(found, -30.0, 30.0)))).round(5).tolist()
        return [self._one(*item) for item in zip(encoded, results, values, strict=True)]

    def _one(self, encoded: Encoded, result: TextScore, values: Sequence[float]) -> TextScore:
        spans: list[Span] = []
        for head, value in zip(self.heads, values, strict=True):
            if value >= NOTABLE:
                spans += [span for span in result.spans if span.kind == head.signal]
                spans += _words(encoded, head, spans)
        return TextScore(
            signals=dict(zip(self.signals, values, strict=True)),
            language=result.language,
            supported=result.supported,
            spans=tuple(spans),
        )

    @cached_property
    def file(self) -> bytes:
        """The layer as it is kept; the same layer gives the same bytes."""
        meta = {
            "format": FORMAT,
            "base": self.base,
            "site_id": self.site_id,
            "signals": self.signals,
            "bias": [head.bias for head in self.heads],
            "about": dict(self.about),
        }
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True).encode()
        into = io.BytesIO()
        np.savez_compressed(
            into,
            allow_pickle=False,
            meta=np.frombuffer(text, dtype=np.uint8),
            base=np.stack([head.base for head in self.heads]),
            grams=np.stack([head.grams for head in self.heads]),
        )
        return into.getvalue()


def make(base: str, site_id: int, heads: Sequence[Head], about: Mapping[str, Any]) -> Layer:
    """A layer from its heads, read back from its own bytes so that what is measured is what will judge."""
    return load(Layer(base, site_id, tuple(heads), about).file)


def load(file: bytes) -> Layer:
    """Read a layer; nothing in it is run. Raises ScorerError when it is damaged or of another layout."""
    try:
        with np.load(io.BytesIO(file), allow_pickle=False) as arrays:
            meta = json.loads(arrays["meta"].tobytes())
            base, grams = arrays["base"].astype(np.float64), arrays["grams"].astype(np.float16)
        signals, biases = tuple(meta["signals"]), [float(value) for value in meta["bias"]]
        shapes = (base.shape, grams.shape) == ((len(signals), len(SIGNALS)), (len(signals), 2 * BLOCK))
        if meta["format"] != FORMAT or not shapes or not signals or set(signals) - set(SIGNALS):
            raise ScorerError("The newsroom layer has a layout that this version does not read; train it again.")
        if not (np.isfinite(base).all() and np.isfinite(grams).all() and all(map(math.isfinite, biases))):
            raise ScorerError("The newsroom layer holds numbers that are not finite.")
        heads = tuple(Head(*item) for item in zip(signals, biases, base, grams, strict=True))
        return Layer(str(meta["base"]), int(meta["site_id"]), heads, meta["about"], hashlib.sha256(file).hexdigest())
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ScorerError(f"The newsroom layer cannot be read: {type(error).__name__}: {error}") from None


def grams_of(encoded: Sequence[Encoded]) -> Grams:
    """The n-grams of texts in the layer's own, fewer buckets."""
    buckets: list[NDArray[np.int64]] = []
    values: list[Floats] = []
    sizes = [0]
    for one in encoded:
        row = one.whole()
        buckets += (row.chars & (BLOCK - 1), (row.words & (BLOCK - 1)) + BLOCK)
        values += (np.full(len(row.chars), row.char_value), np.full(len(row.words), row.word_value))
        sizes.append(len(row.chars) + len(row.words))
    empty = np.zeros(0, dtype=np.int64)
    return Grams(np.concatenate([empty, *buckets]), np.concatenate([np.zeros(0), *values]), np.cumsum(sizes))


def joined(parts: Sequence[Grams]) -> Grams:
    """The n-grams of all texts of several parts, as one."""
    starts = [np.zeros(1, dtype=np.int64)]
    for part in parts:
        starts.append(part.starts[1:] + starts[-1][-1])
    empty = np.zeros(0, dtype=np.int64)
    return Grams(
        np.concatenate([empty, *(part.buckets for part in parts)]),
        np.concatenate([np.zeros(0), *(part.values for part in parts)]),
        np.concatenate(starts),
    )


def logits_of(results: Sequence[TextScore]) -> Floats:
    """The built-in's probabilities as logits, [n, signals]; 0 for a signal that it did not measure."""
    rows = [[result.signals.get(name, 0.5) for name in SIGNALS] for result in results]
    values = np.clip(np.array(rows, dtype=np.float64).reshape(len(rows), len(SIGNALS)), LEAST, MOST)
    found: Floats = np.log(values / (1.0 - values))
    return found


def _words(encoded: Encoded, head: Head, known: Sequence[Span]) -> list[Span]:
    """The words, or pairs of words, that add most; those that are named already are not named again."""
    starts, ends, buckets = encoded.word_grams
    if not len(buckets):
        return []
    shares = head.grams[(buckets & (BLOCK - 1)) + BLOCK].astype(np.float64) * encoded.whole().word_value
    spans: list[Span] = []
    for place in np.argsort(-shares)[: 2 * MAX_WORDS]:
        if shares[place] < LEAST_SHARE or len(spans) == MAX_WORDS:
            break
        start, end = int(starts[place]), int(ends[place])
        origin = encoded.origin(start, end)
        named = [*known, *spans]
        if origin is not None and not any(
            span.start < origin[1] and origin[0] < span.end and span.kind == head.signal for span in named
        ):
            spans.append(Span(*origin, head.signal, encoded.text[start:end]))
    return sorted(spans, key=lambda span: span.start)


class NewsroomScorer:
    """The built-in scorer with a site's layer on top, as a scorer of its own: it gives the layer's signals only."""

    def __init__(self, base: BuiltinScorer, layer: Layer) -> None:
        """Raises ScorerError when the layer was fitted on another version of the built-in."""
        if layer.base != base.version:
            raise ScorerError(f"The layer was fitted on builtin@{layer.base}, and this is builtin@{base.version}.")
        self._base, self._layer = base, layer

    @property
    def name(self) -> str:
        """`newsroom`."""
        return NAME

    @property
    def version(self) -> str:
        """The built-in's version and the layer's."""
        return self._layer.version

    @property
    def languages(self) -> frozenset[str]:
        """Those of the built-in scorer."""
        return self._base.languages

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """Judge the texts, in order. Raises ScorerError when a number is not finite."""
        return self._layer.judge(self._base.model.lexicon, texts, self._base.score(texts))
