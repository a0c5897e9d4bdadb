"""The linear model: weights per hash bucket, head and signal, a language head, and their file.

There is one head for each language that the model speaks, learned mostly from that language and calibrated on it. A
head's logit for a signal is the sum of its 8-bit weights over the text's distinct n-grams, times the block's value and
the signal's scale, plus the dense columns, a few hidden units over them, and a bias; Platt scaling (Platt 1999) is
multiplied into all of these, so that a logit is a calibrated one. The heads speak for a text in the shares that the
language head gives them. The file is a plain `.npz` without pickles: arrays, and one JSON text that holds the word
lists, names, thresholds and provenance.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import lexicon as lexicons
from moderation.scoring.features import BUCKETS, LANGUAGE_BUCKETS, Block, Encoded, Grams, Row, columns
from moderation.scoring.lexicon import Lexicon
from moderation.scoring.scorer import ScorerError

FORMAT = 2
"""Layout of the file; another number is refused."""

_ARRAYS = (
    "weights",
    "scales",
    "dense",
    "bias",
    "inner",
    "inner_bias",
    "outer",
    "language_weights",
    "language_scales",
    "language_bias",
)

Floats = NDArray[np.float32]

UNSURE = 1e-3
"""Added to the chance of every language before the heads' shares are taken: of foreign texts all speak alike."""


@dataclass(frozen=True)
class Model:
    """A trained model, ready to judge. Shapes: H heads, S signals, D dense columns, U units, L languages.

    `weights` int8 [BUCKETS, H * S] (the signals of the first head come first) with `scales` [H * S]; `dense`
    [D, H * S]; `bias` [H * S]; hidden units of all heads `inner` [D, U], `inner_bias` [U], `outer` [U, H * S];
    `language_weights` int8 [LANGUAGE_BUCKETS, L] with `language_scales`, `language_bias` [L]. `heads` names each head's
    language, one of `languages`. `hold` is the recommended threshold per signal, `about` says how the model was made.
    """

    signals: tuple[str, ...]
    heads: tuple[str, ...]
    languages: tuple[str, ...]
    lexicon: Lexicon
    weights: NDArray[np.int8]
    scales: Floats
    dense: Floats
    bias: Floats
    inner: Floats
    inner_bias: Floats
    outer: Floats
    language_weights: NDArray[np.int8]
    language_scales: Floats
    language_bias: Floats
    hold: Mapping[str, float]
    about: Mapping[str, Any]
    digest: str = ""

    def shares(self, chances: Floats) -> Floats:
        """How much each head has to say: [n, H] from the chances of `languages` [n, L], or [H] from [L]."""
        own = chances[..., [self.languages.index(name) for name in self.heads]] + UNSURE
        shares: Floats = own / own.sum(axis=-1, keepdims=True)
        return shares

    def mixed(self, values: NDArray[np.floating[Any]], shares: Floats) -> Floats:
        """What the heads [.., H * S] say together in their shares [.., H]: [.., S]."""
        # Head by head: numpy's own sum over a middle axis takes five times as long.
        apart = values.reshape(*values.shape[:-1], len(self.heads), len(self.signals))
        found = apart[..., 0, :] * shares[..., 0, None]
        for head in range(1, len(self.heads)):
            found = found + apart[..., head, :] * shares[..., head, None]
        return found.astype(np.float32)

    def of_dense(self, dense: Floats) -> Floats:
        """What the dense columns [.., D] add to the heads' logits [.., H * S], the bias included."""
        hidden = np.tanh(dense @ self.inner + self.inner_bias)
        found: Floats = dense @ self.dense + hidden @ self.outer + self.bias
        return found

    def of_grams(self, buckets: NDArray[np.int64], signals: Sequence[int], value: float, shares: Floats) -> Floats:
        """What n-grams of this value add to the logits of some signals, each alone: [signals, n]."""
        # The n-grams come last: numpy is quick along the last axis, and there are hundreds of them.
        columns = [head * len(self.signals) + signal for head in range(len(self.heads)) for signal in signals]
        scales = self.scales[columns] * np.float32(value)
        apart = self.weights.take(buckets, axis=0).T[columns] * scales[:, None]
        found: Floats = (apart.reshape(len(self.heads), len(signals), -1) * shares[:, None, None]).sum(axis=0)
        return found

    def logits(self, row: Row, shares: Floats) -> Floats:
        """One calibrated number per signal [S]; `shares` [H] of the heads."""
        chars = self.weights.take(row.chars, axis=0).sum(axis=0, dtype=np.int32) * row.char_value
        words = self.weights.take(row.words, axis=0).sum(axis=0, dtype=np.int32) * row.word_value
        return self.mixed((chars + words) * self.scales + self.of_dense(row.dense), shares)

    def logits_of(self, texts: Sequence[Encoded], shares: Floats) -> Floats:
        """`logits` of many whole texts: [n, S]. Those that were hashed together are summed together."""
        found = self.of_dense(np.stack([one.dense for one in texts])).astype(np.float64)
        for grams, places, rows in _groups(texts):
            sums = grams.chars.sums(self.weights)[places] + grams.words.sums(self.weights)[places]
            found[rows] += sums * self.scales
        return self.mixed(found, shares)

    def languages_of(self, texts: Sequence[Encoded]) -> Floats:
        """`language_probabilities` of many whole texts: [n, L]."""
        found = np.empty((len(texts), len(self.languages)), dtype=np.float32)
        for grams, places, rows in _groups(texts):
            chars = Block(grams.chars.buckets & (LANGUAGE_BUCKETS - 1), grams.chars.starts)
            logits = chars.sums(self.language_weights)[places] * self.language_scales + self.language_bias
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            found[rows] = odds / odds.sum(axis=1, keepdims=True)
        return found

    def probabilities(self, logits: Floats) -> Floats:
        """Probabilities, 0..1, of logits [S] or [n, S]."""
        kept = np.minimum(np.maximum(logits, -30.0), 30.0)  # np.clip takes three times as long for one text
        result: Floats = (1.0 / (1.0 + np.exp(-kept))).astype(np.float32)
        return result

    def language_probabilities(self, row: Row) -> Floats:
        """How likely each of `languages` is, by letters alone."""
        buckets = row.chars & (LANGUAGE_BUCKETS - 1)
        sums = self.language_weights.take(buckets, axis=0).sum(axis=0, dtype=np.int32) * row.char_value
        logits = sums * self.language_scales + self.language_bias
        odds = np.exp(logits - logits.max())
        result: Floats = (odds / odds.sum()).astype(np.float32)
        return result

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, as they are written."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def save(self, path: Path) -> None:
        """Write the file (replacing it at once or not at all); the same model gives the same bytes."""
        strong = set(self.lexicon.strong)
        lists: dict[str, list[str]] = {name: [] for name in self.lexicon.categories}
        for term, places in self.lexicon.terms.items():
            for place in places:
                lists[self.lexicon.categories[place]].append(term)
        meta = {
            "format": FORMAT,
            "signals": self.signals,
            "heads": self.heads,
            "languages": self.languages,
            "hold": dict(self.hold),
            "about": dict(self.about),
            "lexicon": {name: sorted(terms) for name, terms in lists.items()},
            "strong": sorted(strong),
        }
        text = np.frombuffer(json.dumps(meta, ensure_ascii=False, sort_keys=True).encode(), dtype=np.uint8)
        arrays = {**self.arrays(), "meta": text}
        arrays["digest"] = np.frombuffer(bytes.fromhex(_digest(arrays)), dtype=np.uint8)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        part.replace(path)


def _groups(texts: Sequence[Encoded]) -> Iterator[tuple[Grams, list[int], list[int]]]:
    """The texts by what they were hashed with: their places there, and in `texts`."""
    groups: dict[int, tuple[Grams, list[int], list[int]]] = {}
    for row, one in enumerate(texts):
        _, places, rows = groups.setdefault(id(one.grams), (one.grams, [], []))
        places.append(one.place)
        rows.append(row)
    yield from groups.values()


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    total = hashlib.sha256()
    for name in sorted((*_ARRAYS, "meta")):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.data)
    return total.hexdigest()


def load(path: Path) -> Model:
    """Read a model; nothing in the file is run. Raises ScorerError when it is missing, damaged or of another layout."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*_ARRAYS, "meta", "digest")}
        meta = json.loads(arrays["meta"].tobytes())
    except FileNotFoundError:
        raise ScorerError(f"The built-in model {path.name} is missing; `moderation train` makes it.") from None
    except OSError as error:
        raise ScorerError(f"The built-in model {path.name} cannot be read: {error.strerror or error}.") from None
    except (EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        # What numpy says of such a file advises to load it unsafely.
        raise ScorerError(f"{path.name} is no built-in model, or is damaged.") from None
    digest = _digest(arrays)
    if bytes.fromhex(digest) != arrays["digest"].tobytes():
        raise ScorerError(f"The built-in model {path.name} is damaged: its checksum differs.")
    if meta.get("format") != FORMAT:
        raise ScorerError(
            f"The built-in model {path.name} has layout {meta.get('format')}, this version reads {FORMAT}."
        )
    words = lexicons.make(meta["lexicon"], meta["strong"])
    heads = tuple(meta["heads"])
    if not heads or not set(heads) <= set(meta["languages"]):
        raise ScorerError(f"The built-in model {path.name} has heads for {heads}, which are not among its languages.")
    _check_shapes(path, arrays, len(heads) * len(meta["signals"]), len(meta["languages"]), len(columns(words)))
    return Model(
        signals=tuple(meta["signals"]),
        heads=heads,
        languages=tuple(meta["languages"]),
        lexicon=words,
        hold=meta["hold"],
        about=meta["about"],
        digest=digest,
        **{name: arrays[name] for name in _ARRAYS},
    )


def _check_shapes(path: Path, arrays: Mapping[str, NDArray[Any]], outputs: int, languages: int, dense: int) -> None:
    wanted: dict[str, tuple[int, ...]] = {
        "weights": (BUCKETS, outputs),
        "dense": (dense, outputs),
        "inner": (dense, len(arrays["inner_bias"])),
        "inner_bias": (len(arrays["inner_bias"]),),
        "outer": (len(arrays["inner_bias"]), outputs),
        "language_weights": (LANGUAGE_BUCKETS, languages),
        **dict.fromkeys(("scales", "bias"), (outputs,)),
        **dict.fromkeys(("language_scales", "language_bias"), (languages,)),
    }
    for name, shape in wanted.items():
        if arrays[name].shape != shape:
            raise ScorerError(f"The built-in model {path.name} has {name} of shape {arrays[name].shape}, not {shape}.")
        if arrays[name].dtype.kind == "f" and not np.isfinite(arrays[name]).all():
            raise ScorerError(f"The built-in model {path.name} holds numbers that are not finite in {name}.")


def quantise(weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], Floats]:
    """Weights [n, S] as int8 with one scale per column; the few largest in 10,000 are clipped."""
    top = np.maximum(np.quantile(np.abs(weights), 0.9999, axis=0), np.abs(weights).max(axis=0) / 3)
    scales = np.where(top > 0, top / 127, 1.0)
    return np.clip(np.rint(weights / scales), -127, 127).astype(np.int8), scales.astype(np.float32)


def diagonal(blocks: Sequence[Floats]) -> Floats:
    """Matrices along the diagonal of one, zeros elsewhere: every head hears its own hidden units only."""
    found = np.zeros([sum(block.shape[axis] for block in blocks) for axis in (0, 1)], dtype=np.float32)
    row = column = 0
    for block in blocks:
        found[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return found
