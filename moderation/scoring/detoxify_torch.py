"""The plain way to run Detoxify: its own class, with torch, on the CPU. Also makes sure of its weights.

The only file that imports torch, transformers and detoxify, and only when weights are loaded. What Detoxify leaves open
is closed here: nothing is fetched from a hub, checkpoints are loaded without running their pickles, a missing tensor or
a vocabulary that knows no word is refused, texts longer than the model's window are judged window by window, marks of
the model (`[SEP]`, `</s>`) that somebody types are text, and a number that is no probability is an error, not a score.
"""

import hashlib
import importlib
import importlib.util
import math
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import batching, networks
from moderation.scoring.batching import SPARE, Scores
from moderation.scoring.networks import KINDS, Facts
from moderation.scoring.scorer import ScorerError
from moderation.signals import TOXICITY

_FAMILIES = ("Bert", "Roberta", "XLMRoberta", "Albert", "DistilBert", "Electra")
_MODELS = frozenset(f"{name}ForSequenceClassification" for name in _FAMILIES)
_TOKENIZERS = frozenset(f"{name}Tokenizer{suffix}" for name in _FAMILIES for suffix in ("", "Fast"))
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}

CPU, CUDA = "cpu", "cuda"

PUBLISHED = ("original", "unbiased", "multilingual")
"""Names of published weights that can be fetched."""

TOKEN_BUDGET = 1024
"""Padded tokens in one pass: sorted by length, this wastes little and keeps memory flat (docs: performance)."""

_Window = tuple[str, int]
"""A piece of a text and its length in tokens."""


def installed() -> bool:
    """Whether the extra `[detoxify]` is there; looks, imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in ("detoxify", "torch", "transformers"))


class TorchNetwork:
    """A Detoxify object with its limits."""

    def __init__(self, checkpoint: Path, *, threads: int = 1) -> None:
        """Load the weights (seconds, a gigabyte). Raises ScorerError when they are refused.

        `threads` is torch's thread count in this process.
        """
        torch = _import(threads)
        detoxify, classes, kind = _load(torch, checkpoint)
        self.facts = Facts(kind, KINDS[kind], classes)
        self.detoxify = detoxify
        self.torch = torch
        tokenizer, config = detoxify.tokenizer, detoxify.model.config
        positions = int(getattr(config, "max_position_embeddings", 512))
        # RoBERTa's positions begin after the padding index: 514 of them hold 512 tokens.
        self.first_position = int(config.pad_token_id or 0) + 1 if "oberta" in type(detoxify.model).__name__ else 0
        self.limit = min(int(tokenizer.model_max_length), positions - self.first_position)
        tokenizer.model_max_length = self.limit
        tokenizer.split_special_tokens = True
        detoxify.model.eval()
        self._check_differs(checkpoint)

    together = 0

    @property
    def precision(self) -> str:
        """`torch`: the package itself, in 32 bits."""
        return "torch"

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per signal the highest of its windows. Raises ScorerError."""
        if not texts:
            return []
        pieces = [self.windows(text) for text in texts]
        scores = batching.judged(pieces, lambda piece: piece[1] + SPARE, self._by_detoxify, budget=TOKEN_BUDGET)
        return networks.signals_of_all(self.facts.classes, scores)

    def windows(self, text: str) -> list[_Window]:
        """The pieces of a text that fit the model, with their lengths in tokens."""
        encoded = self.detoxify.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = encoded["offset_mapping"]
        room = max(self.limit - SPARE, 1)
        if len(offsets) <= room:
            return [(text, len(offsets))]
        return [
            (text[offsets[start][0] : offsets[end - 1][1]], end - start)
            for start, end in batching.windows(len(offsets), room)
        ]

    def _by_detoxify(self, pieces: Sequence[_Window]) -> Scores:
        # A list of one comes back as bare floats, as a single string does (Detoxify squeezes).
        raw = self.detoxify.predict([text for text, _ in pieces])
        columns = [values if isinstance(values, list) else [values] for values in raw.values()]
        return np.array(columns, dtype=np.float32).T

    def marks(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Token numbers that the model wants before and after every text."""
        plain = self.detoxify.tokenizer("a", add_special_tokens=False)["input_ids"]
        marked = self.detoxify.tokenizer("a")["input_ids"]
        start = next(n for n in range(len(marked)) if marked[n : n + len(plain)] == plain)
        return tuple(marked[:start]), tuple(marked[start + len(plain) :])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The network's weights by their names. Raises ScorerError where one is no finite number."""
        found = {name: tensor.float().numpy() for name, tensor in self.detoxify.model.state_dict().items()}
        for name, tensor in found.items():
            if not np.isfinite(tensor).all():
                raise ScorerError(f"The tensor {name} holds values that are no numbers.")
        return found

    def _check_differs(self, checkpoint: Path) -> None:
        """Two words must tokenise to known and different tokens, and score differently."""
        tokenizer = self.detoxify.tokenizer
        words = [word.lstrip("▁Ġ") for word in tokenizer.get_vocab() if not word.startswith("##")]
        words = sorted({word for word in words if word.isascii() and word.isalpha() and len(word) > 1})
        probes = words[:: max(len(words) // 16, 1)][:16]
        special = tokenizer.all_special_ids
        known = [
            word
            for word in probes
            if any(token not in special for token in tokenizer(word, add_special_tokens=False)["input_ids"])
        ]
        pieces = [self.windows(word) for word in known]
        scores = {tuple(self._by_detoxify(piece)[0].tolist()) for piece in pieces}
        if any(not math.isfinite(value) for score in scores for value in score):
            raise ScorerError(f"{checkpoint.name} gives numbers that are no probabilities.")
        if len(scores) < 2:
            raise ScorerError(f"{checkpoint.name} gives every text the same score.")


def _import(threads: int, *, offline: bool = True) -> Any:
    os.environ.update(_OFFLINE | _QUIET if offline else _QUIET)  # before the first import: they are read once
    try:
        torch = importlib.import_module("torch")
        transformers = importlib.import_module("transformers")
        importlib.import_module("detoxify.detoxify")
    except ImportError as error:
        raise ScorerError(f"Detoxify is not installed (pip install 'comment-moderation[detoxify]'): {error}") from None
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return torch


def _load(torch: Any, checkpoint: Path) -> tuple[Any, tuple[str, ...], str]:
    package = importlib.import_module("detoxify.detoxify")
    content = _read(torch, checkpoint)
    arguments, classes, tensors = _arguments(content, checkpoint)
    try:
        model, tokenizer = package.get_model_and_tokenizer(**arguments, state_dict=dict(tensors))
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ScorerError(f"The model of {checkpoint.name} cannot be built: {_first_line(error)}") from None
    _compare(torch, model, tensors, checkpoint)
    _check_vocabulary(model, tokenizer, checkpoint)
    detoxify = object.__new__(package.Detoxify)  # its constructor would load the pickle unsafely
    detoxify.model, detoxify.tokenizer, detoxify.device = model, tokenizer, CPU
    detoxify.class_names = [networks.house_name(name) for name in classes]
    return detoxify, classes, networks.kind_of(arguments["model_name"], classes)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _read(torch: Any, checkpoint: Path) -> Mapping[str, Any]:
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ScorerError(f"The weights {checkpoint.name} are missing.") from None
    except pickle.UnpicklingError:
        raise ScorerError(f"{checkpoint.name} holds more than tensors and plain values; it is not loaded.") from None
    except PermissionError:
        raise ScorerError(f"{checkpoint.name} may not be read: permission denied.") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, IndexError) as error:
        # What torch stumbles over in half a file says nothing to anybody: "Invalid argument", "101".
        raise ScorerError(
            f"{checkpoint.name} is damaged, incomplete or no checkpoint of torch; fetch it again "
            f"({type(error).__name__}: {_first_line(error)})."
        ) from None
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
    signals = {networks.house_name(name) for name in classes}
    # The published `unbiased` and `multilingual` have outputs for identities after the named ones; Detoxify drops them.
    fits = isinstance(chosen["num_classes"], int) and len(signals) == len(classes) <= chosen["num_classes"]
    if not fits or TOXICITY not in signals:
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
    # Older versions of transformers wrote a table of whole numbers, and a pooler that no RoBERTa classifier reads.
    unread = ("position_ids", "roberta.pooler.dense.weight", "roberta.pooler.dense.bias")
    extra = sorted(name for name in tensors if name not in own and not name.endswith(unread))
    if missing or extra:
        raise ScorerError(
            f"{checkpoint.name} does not fit its model: {len(missing)} tensors missing, {len(extra)} unknown "
            f"({', '.join((missing + extra)[:3])})."
        )
    for name, tensor in own.items():
        if name in tensors and not bool(torch.isfinite(tensors[name]).all()):
            raise ScorerError(f"{checkpoint.name}: the tensor {name} holds values that are no finite numbers.")
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


def fetch(name: str, folder: Path) -> None:
    """Download published weights into `folder`, with the configuration and vocabulary of the model they are built on.

    The addresses are those that the installed packages name. Raises ScorerError saying what to do instead.
    """
    torch = _import(1, offline=False)
    address = importlib.import_module("detoxify.detoxify").MODEL_URLS[name]
    checkpoint = folder / address.rpartition("/")[2]
    try:
        _download(address, checkpoint)
        wanted = _read(torch, checkpoint)["config"]["arch"]["args"]
        transformers = importlib.import_module("transformers")
        for kind in (transformers.AutoConfig, getattr(transformers, wanted["tokenizer_name"])):
            kind.from_pretrained(wanted["model_type"]).save_pretrained(folder)
    except (OSError, HTTPException, KeyError, TypeError, AttributeError) as error:
        raise ScorerError(
            f"{name} cannot be downloaded here ({_first_line(error)}); give a file, or a folder that holds the "
            f"checkpoint beside its model's config.json and vocabulary: moderation models install PATH."
        ) from None


def _download(address: str, path: Path) -> None:
    """Raises OSError or HTTPException; also when the content is not what its name, like torch's own, says."""
    total = hashlib.sha256()
    # The address is a constant of an installed package.
    with urlopen(address, timeout=30) as answer, path.open("wb") as file:  # noqa: S310
        while chunk := answer.read(1 << 20):
            total.update(chunk)
            file.write(chunk)
    said = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    if said is not None and not total.hexdigest().startswith(said[1]):
        raise OSError(f"what came has the SHA-256 {total.hexdigest()}")
