"""The Detoxify scorer: transformer models of https://github.com/unitaryai/detoxify, from installed weights only.

The only file that imports torch, transformers and detoxify, and only when weights are loaded. Detoxify's own class does
the predicting; what it leaves open is closed here: nothing is fetched from a hub, checkpoints are loaded without
running their pickles, a missing tensor or a vocabulary that knows no word is refused, texts longer than the model's
window are judged window by window, and a number that is no probability is an error, not a score.
"""

import importlib
import importlib.util
import math
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moderation.scoring import evidence, normalise
from moderation.scoring.language import UNDECIDED, Language
from moderation.scoring.scorer import ScorerError, TextScore
from moderation.signals import SIGNALS, TOXICITY

NAME = "detoxify"
CODE_VERSION = 1
"""Changes whenever this file gives the same text another score; part of the scorer's version."""

KINDS: Mapping[str, frozenset[str]] = {
    "original": frozenset({"en"}),
    "unbiased": frozenset({"en"}),
    "multilingual": frozenset({"en", "es", "fr", "it", "pt", "ru", "tr"}),
    "custom": frozenset({"en"}),
}
"""Languages that the published models were trained on (Detoxify's README); `custom` needs to be told."""

_NAMES = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}
_MODELS = frozenset(
    f"{name}ForSequenceClassification" for name in ("Bert", "Roberta", "XLMRoberta", "Albert", "DistilBert", "Electra")
)
_TOKENIZERS = frozenset(
    f"{name}Tokenizer{suffix}"
    for name in ("Bert", "Roberta", "XLMRoberta", "Albert", "DistilBert", "Electra")
    for suffix in ("", "Fast")
)
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}

TOKEN_BUDGET = 1024
"""Padded tokens in one pass: sorted by length, this wastes little and keeps memory flat (docs: performance)."""

MAX_WINDOWS = 64
"""Windows of one text that are judged; more than 10,000 code points ever fill."""

_SPECIAL = 4
"""Tokens kept free in a window for the model's own marks and for words that tokenise longer at a cut."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a checkpoint is: its kind, the languages that kind speaks, its own label names."""

    kind: str
    languages: frozenset[str]
    classes: tuple[str, ...]


def package_installed() -> bool:
    """Whether the extra `[detoxify]` is there; looks, imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in ("detoxify", "torch", "transformers"))


def inspect(checkpoint: Path) -> Facts:
    """Load a checkpoint as it would be loaded for judging, and say what it is. Raises ScorerError."""
    loaded = _load(checkpoint, threads=1)
    return Facts(loaded.kind, KINDS[loaded.kind], loaded.classes)


class DetoxifyScorer:
    """A Detoxify model, judging the languages it was trained on."""

    def __init__(
        self,
        checkpoint: Path,
        *,
        languages: frozenset[str] | None = None,
        language_of: Callable[[str], Language] | None = None,
        version: str = "",
        threads: int = 1,
    ) -> None:
        """Load the weights (seconds, a gigabyte). Raises ScorerError when they are refused.

        `languages` (ISO 639-1) default to the kind's; `language_of` tells a text's language (the built-in scorer's
        head by default); `version` is the weights' hash; `threads` is torch's thread count in this process.
        """
        self._loaded = _load(checkpoint, threads=threads)
        self._languages = languages if languages is not None else KINDS[self._loaded.kind]
        self._version = f"{version or checkpoint.name}.{CODE_VERSION}"
        if language_of is None:
            from moderation.scoring.builtin import BuiltinScorer  # the default costs 30 ms only where it is used

            language_of = BuiltinScorer().language_of
        self._language_of = language_of

    @property
    def name(self) -> str:
        """`detoxify`."""
        return NAME

    @property
    def version(self) -> str:
        """The weights' hash and number of this code."""
        return self._version

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes that the weights speak."""
        return self._languages

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        """Judge the texts, in order; those in a language the weights do not speak come back unsupported.

        Raises ScorerError when the model gives something that is no probability.
        """
        views = [normalise.view(text) for text in texts]
        found = [self._language_of(text) for text in texts]
        spoken = [
            language.code in self._languages or (language.code == UNDECIDED and not language.foreign)
            for language in found
        ]
        readable = [view.plain for view, judged in zip(views, spoken, strict=True) if judged]
        scores = iter(self._loaded.predict(readable))
        results = []
        for view, language, judged in zip(views, found, spoken, strict=True):
            disguised = len(view.styled) >= 3 or bool(view.hidden)
            proof = evidence.find(view)
            results.append(
                TextScore(
                    signals=next(scores) if judged else {},
                    language=language.code,
                    supported=judged,
                    spans=proof.spans,
                    reads_as=view.plain if disguised else "",
                    facts=proof.facts,
                )
            )
        return results


class _Loaded:
    """A Detoxify object with its limits."""

    def __init__(self, detoxify: Any, kind: str, classes: tuple[str, ...]) -> None:
        self.detoxify = detoxify
        self.kind = kind
        self.classes = classes
        config = detoxify.model.config
        positions = int(getattr(config, "max_position_embeddings", 512))
        # RoBERTa's positions begin after the padding index: 514 of them hold 512 tokens.
        offset = int(config.pad_token_id or 0) + 1 if "oberta" in type(detoxify.model).__name__ else 0
        self.limit = min(int(detoxify.tokenizer.model_max_length), positions - offset)
        detoxify.tokenizer.model_max_length = self.limit

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per label the highest of its windows."""
        pieces = [(index, window, length) for index, text in enumerate(texts) for window, length in self.windows(text)]
        pieces.sort(key=lambda piece: piece[2])
        results: list[dict[str, float]] = [{} for _ in texts]
        for batch in _batches(pieces):
            scores = self._scores([window for _, window, _ in batch])
            for (index, _, _), signals in zip(batch, scores, strict=True):
                for name, value in signals.items():
                    results[index][name] = max(value, results[index].get(name, 0.0))
        return results

    def windows(self, text: str) -> Iterator[tuple[str, int]]:
        """The pieces of a text that fit the model, with their lengths in tokens; they overlap by a quarter."""
        tokenizer = self.detoxify.tokenizer
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = encoded["offset_mapping"]
        room = max(self.limit - _SPECIAL, 1)
        if len(offsets) <= room:
            yield text, len(offsets)
            return
        step = max(room - room // 4, 1)
        starts = list(range(0, max(len(offsets) - room, 0) + step, step))[:MAX_WINDOWS]
        for start in starts:
            part = offsets[start : start + room]
            if part:
                yield text[part[0][0] : part[-1][1]], len(part)

    def _scores(self, texts: list[str]) -> list[dict[str, float]]:
        # A list of one comes back as bare floats, as a single string does (Detoxify squeezes).
        raw = self.detoxify.predict(texts)
        columns = {name: values if isinstance(values, list) else [values] for name, values in raw.items()}
        results = []
        for index in range(len(texts)):
            signals = {}
            for name, values in columns.items():
                signal = _NAMES.get(name, name)
                if signal not in SIGNALS:
                    continue
                value = float(values[index])
                if not math.isfinite(value) or not 0.0 <= value <= 1.0:
                    raise ScorerError(f"Detoxify gave {value} for {signal}: not a probability.")
                signals[signal] = round(value, 5)
            results.append(signals)
        return results


def _batches(pieces: Sequence[tuple[int, str, int]]) -> Iterator[list[tuple[int, str, int]]]:
    """Pieces in order of length, as many together as the token budget allows when padded to the longest."""
    batch: list[tuple[int, str, int]] = []
    for piece in pieces:
        if batch and (piece[2] + _SPECIAL) * (len(batch) + 1) > TOKEN_BUDGET:
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch


def _load(checkpoint: Path, *, threads: int) -> _Loaded:
    os.environ.update(_OFFLINE)  # before the first import: huggingface_hub reads it once
    try:
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
        package = importlib.import_module("detoxify.detoxify")
    except ImportError as error:
        raise ScorerError(f"Detoxify is not installed (pip install 'comment-moderation[detoxify]'): {error}") from None
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    content = _read(torch, checkpoint)
    arguments, classes, tensors = _arguments(content, checkpoint)
    try:
        model, tokenizer = package.get_model_and_tokenizer(**arguments, state_dict=dict(tensors))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ScorerError(f"The model of {checkpoint.name} cannot be built: {_first_line(error)}") from None
    _compare(torch, model, tensors, checkpoint)
    _check_vocabulary(model, tokenizer, checkpoint)
    detoxify = object.__new__(package.Detoxify)  # its constructor would load the pickle unsafely
    detoxify.model, detoxify.tokenizer, detoxify.device = model, tokenizer, "cpu"
    detoxify.class_names = [_NAMES.get(name, name) for name in classes]
    loaded = _Loaded(detoxify, _kind(arguments["model_name"], classes), classes)
    _check_differs(loaded, checkpoint)
    return loaded


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _read(torch: Any, checkpoint: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ScorerError(f"The weights {checkpoint.name} are missing.") from None
    except pickle.UnpicklingError:
        raise ScorerError(f"{checkpoint.name} holds more than tensors and plain values; it is not loaded.") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError) as error:
        raise ScorerError(f"{checkpoint.name} cannot be read: {_first_line(error)}") from None
    if not isinstance(content, Mapping) or "config" not in content or "state_dict" not in content:
        raise ScorerError(f"{checkpoint.name} is no Detoxify checkpoint: it has no `config` and `state_dict`.")
    return content


def _arguments(
    content: Mapping[str, Any], checkpoint: Path
) -> tuple[dict[str, Any], tuple[str, ...], Mapping[str, Any]]:
    try:
        arguments = dict(content["config"]["arch"]["args"])
        classes = tuple(map(str, content["config"]["dataset"]["args"]["classes"]))
        chosen = {name: arguments[name] for name in ("model_type", "model_name", "tokenizer_name", "num_classes")}
    except (KeyError, TypeError, ValueError) as error:
        raise ScorerError(f"{checkpoint.name} does not say how its model is built: {_first_line(error)}") from None
    if chosen["model_name"] not in _MODELS or chosen["tokenizer_name"] not in _TOKENIZERS:
        raise ScorerError(f"{checkpoint.name} wants {chosen['model_name']} and {chosen['tokenizer_name']}: unknown.")
    if chosen["num_classes"] != len(classes) or TOXICITY not in {_NAMES.get(name, name) for name in classes}:
        raise ScorerError(f"{checkpoint.name} has labels that do not fit its model: {', '.join(classes)[:200]}")
    if (checkpoint.parent / "config.json").is_file():
        chosen["model_type"] = str(checkpoint.parent)
    elif not Path(str(chosen["model_type"])).is_dir():
        raise ScorerError(
            f"{checkpoint.name} is built on {chosen['model_type']!r}, and nothing is downloaded here: install a folder "
            "that holds the checkpoint beside that model's config.json and vocabulary."
        )
    return chosen, classes, content["state_dict"]


def _compare(torch: Any, model: Any, tensors: Mapping[str, Any], checkpoint: Path) -> None:
    """Every tensor of the model must be the checkpoint's: transformers fills a missing one at random."""
    own = model.state_dict()
    missing = sorted(name for name in own if name not in tensors and not name.endswith("position_ids"))
    extra = sorted(name for name in tensors if name not in own and not name.endswith("position_ids"))
    if missing or extra:
        raise ScorerError(
            f"{checkpoint.name} does not fit its model: {len(missing)} tensors missing, {len(extra)} unknown "
            f"({', '.join((missing + extra)[:3])})."
        )
    for name, tensor in own.items():
        if name in tensors and (
            tensor.shape != tensors[name].shape or not torch.equal(tensor, tensors[name].to(tensor.dtype))
        ):
            raise ScorerError(f"{checkpoint.name}: the tensor {name} was not taken over as it is.")


def _check_vocabulary(model: Any, tokenizer: Any, checkpoint: Path) -> None:
    """A vocabulary that was not found makes every word unknown, without a word."""
    size, wanted = len(tokenizer), int(model.config.vocab_size)
    if size * 10 < wanted * 9 or size > wanted:
        raise ScorerError(f"The vocabulary beside {checkpoint.name} has {size} entries, the model knows {wanted}.")
    if not getattr(tokenizer, "is_fast", False):
        raise ScorerError(f"The tokenizer of {checkpoint.name} gives no offsets; a fast one is needed.")


def _check_differs(loaded: _Loaded, checkpoint: Path) -> None:
    """Two words must tokenise to known and different tokens, and score differently."""
    tokenizer = loaded.detoxify.tokenizer
    words = [word.lstrip("▁Ġ") for word in tokenizer.get_vocab() if not word.startswith("##")]
    words = sorted({word for word in words if word.isascii() and word.isalpha() and len(word) > 1})
    probes = words[:: max(len(words) // 16, 1)][:16]
    known = [
        word
        for word in probes
        if any(
            token not in tokenizer.all_special_ids for token in tokenizer(word, add_special_tokens=False)["input_ids"]
        )
    ]
    scores = [tuple(signals.values()) for signals in loaded.predict(known)]
    if len(set(scores)) < 2:
        raise ScorerError(f"{checkpoint.name} gives every text the same score.")


def _kind(model_name: str, classes: Sequence[str]) -> str:
    if model_name.startswith("XLMRoberta"):
        return "multilingual"
    if {"toxic", "identity_hate"} <= set(classes):
        return "original"
    if {"toxicity", "severe_toxicity", "identity_attack"} <= set(classes):
        return "unbiased"
    return "custom"
