"""The fast way to run Detoxify: its converted network with onnxruntime and tokenizers, without torch.

The only file that imports the two, and only when a network is loaded. One session with one thread of arithmetic serves
as many threads as there are cores: on two cores that is 1.3 times as fast as a session with two threads of its own
(docs/performance.md). A session has no threads that a fork would lose.
"""

import importlib
import importlib.util
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from moderation.scoring import batching, networks
from moderation.scoring.batching import SPARE, Scores
from moderation.scoring.scorer import ScorerError

GRAPH, TOKENIZER, FACTS = "model.onnx", "tokenizer.json", "network.json"
WEIGHTS = f"{GRAPH}.weights"

FORMAT = 2
"""Number of the form in which networks are written. One of another form is refused: it would judge a little differently
(bytes are rounded otherwise) and more slowly. Version 1 files do not say theirs."""

TOKEN_BUDGET = 256
"""Padded tokens in one pass: from 64 on, matrices are multiplied at full speed, and few of them stay in the cache."""

_LEAST_BUDGET = 64
"""Of the last passes, which are smaller so that all threads end at about the same time."""

_Window = tuple[int, ...]
"""Token numbers of a piece of a text, without the model's own marks."""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """What the files do not say themselves; kept beside them as `network.json`.

    `prefix` and `suffix` are the model's own marks around every text; `limit` counts them. `labels` are the network's.
    """

    labels: tuple[str, ...]
    limit: int
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]
    padding: int
    precision: str
    format: int = FORMAT

    def save(self, folder: Path) -> None:
        """Write them into the folder of the files."""
        (folder / FACTS).write_text(json.dumps(asdict(self), sort_keys=True), "utf-8")


def installed() -> bool:
    """Whether onnxruntime and tokenizers are there; looks, imports nothing."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "tokenizers"))


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxNetwork:
    """A converted network, shared by `threads` threads."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load the files of a conversion. `threads`: 0 means as many as there are cores. Raises ScorerError."""
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        try:
            self._runtime = importlib.import_module("onnxruntime")
            tokenizers = importlib.import_module("tokenizers")
        except ImportError as error:
            raise ScorerError(f"onnxruntime is missing (pip install 'comment-moderation[onnx]'): {error}") from None
        try:
            self._facts = _facts(folder)
            if self._facts.format != FORMAT:
                raise ScorerError("The network was converted by another version; install the weights again.")
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / TOKENIZER))
            self._session = self._open(folder)
        except ScorerError:
            raise
        except Exception as error:  # both libraries raise classes of their own without a common parent
            line = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise ScorerError(f"The converted network cannot be loaded; install the weights again: {line}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # `[SEP]` that somebody types is text
        self._threads = threads or cores()

    def _open(self, folder: Path) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Not further: the next level fuses sum and layer norm into a node that takes ten times as long.
        options.graph_optimization_level = self._runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        return self._runtime.InferenceSession(str(folder / GRAPH), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """Made at the first use, so that a process may fork after loading."""
        return ThreadPoolExecutor(self._threads, thread_name_prefix="detoxify")

    together = 0

    @property
    def precision(self) -> str:
        """`int8` or `fp32`."""
        return self._facts.precision

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per signal the highest of its windows. Raises ScorerError."""
        if not texts:
            return []
        spread = self._pool.map if self._threads > 1 else map
        part = max(-(-len(texts) // self._threads), 1)
        parts = [texts[start : start + part] for start in range(0, len(texts), part)]
        pieces = list(chain.from_iterable(spread(self._tokenised, parts)))
        scores = batching.judged(
            pieces,
            self._size,
            self._run,
            budget=TOKEN_BUDGET,
            spread=spread,
            least=_LEAST_BUDGET,
            threads=self._threads,
        )
        return networks.signals_of_all(self._facts.labels, scores)

    def _tokenised(self, texts: Sequence[str]) -> list[list[_Window]]:
        # Without places in the text, which nobody reads. Other threads run meanwhile.
        encoded = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [self._windows(encoding.ids) for encoding in encoded]

    def _windows(self, ids: list[int]) -> list[_Window]:
        room = max(self._facts.limit - SPARE, 1)
        return [tuple(ids[start:end]) for start, end in batching.windows(len(ids), room)]

    def _size(self, piece: _Window) -> int:
        return len(self._facts.prefix) + len(piece) + len(self._facts.suffix)

    def _run(self, pieces: Sequence[_Window]) -> Scores:
        lengths = np.array([self._size(piece) for piece in pieces], dtype=np.int32)
        ids = np.full((len(pieces), int(lengths.max())), self._facts.padding, dtype=np.int64)
        for row, piece in zip(ids, pieces, strict=True):
            whole = (*self._facts.prefix, *piece, *self._facts.suffix)
            row[: len(whole)] = whole
        found: Scores = self._session.run(None, {"ids": ids, "lengths": lengths})[0]
        return found


def _facts(folder: Path) -> NetworkFacts:
    content = json.loads((folder / FACTS).read_bytes())
    return NetworkFacts(
        labels=tuple(map(str, content["labels"])),
        limit=int(content["limit"]),
        prefix=tuple(map(int, content["prefix"])),
        suffix=tuple(map(int, content["suffix"])),
        padding=int(content["padding"]),
        precision=str(content["precision"]),
        format=int(content.get("format", 1)),
    )
