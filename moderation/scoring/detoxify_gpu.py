"""Detoxify on a GPU: the network in bfloat16, batches of alike lengths, texts tokenised on all cores.

The weights are loaded and checked by `detoxify_torch`, on the CPU, and then moved to the card. Results are fetched once
per call, so that the processor prepares the next batch while the card works on this one.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moderation.scoring import batching, networks
from moderation.scoring.batching import SPARE, Scores
from moderation.scoring.detoxify_torch import CUDA, TorchNetwork
from moderation.scoring.scorer import ScorerError

TOKEN_BUDGET = 65_536
"""Padded tokens in one pass: large enough to fill the card, a few gigabytes of its memory (docs/performance.md)."""

TOGETHER = 8192
"""Texts that are sorted by length together; more waste a little less, and let the card wait for the first."""

_EVEN = 8
"""Batches are padded to a multiple of so many tokens, as the card's matrix units like them."""

_Window = tuple[int, ...]
"""Token numbers of a piece of a text, without the model's own marks."""


class GpuNetwork:
    """A Detoxify network on a card."""

    together = TOGETHER

    def __init__(self, checkpoint: Path, *, device: str = CUDA, budget: int = TOKEN_BUDGET) -> None:
        """Load the weights (seconds, a gigabyte). Raises ScorerError when they are refused, or there is no such card.

        `device` as torch names it; on `cpu` it computes the same, slowly.
        """
        loaded = TorchNetwork(checkpoint)
        torch = self._torch = loaded.torch
        if device == CUDA and not torch.cuda.is_available():
            raise ScorerError("There is no GPU here that torch can use; judge on the CPU instead (--device cpu).")
        self.facts = loaded.facts
        self._device, self._budget = device, budget
        self._room = max(loaded.limit - SPARE, 1)
        self._prefix, self._suffix = loaded.marks()
        self._padding = int(loaded.detoxify.tokenizer.pad_token_id)
        self._tokenizer = loaded.detoxify.tokenizer.backend_tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # `[SEP]` that somebody types is text
        self._model: Any = loaded.detoxify.model.to(device=device, dtype=torch.bfloat16).eval()

    @property
    def precision(self) -> str:
        """`bf16`."""
        return "bf16"

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per signal the highest of its windows. Raises ScorerError."""
        found: list[dict[str, float]] = []
        # Read by the library at each call; `detoxify_torch` switches it off for processes that fork.
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        for start in range(0, len(texts), TOGETHER):
            encoded = self._tokenizer.encode_batch(list(texts[start : start + TOGETHER]), add_special_tokens=False)
            pieces = [self._windows(encoding.ids) for encoding in encoded]
            scores = batching.judged(pieces, self._size, self._run, budget=self._budget, spread=self._fetched)
            found += networks.signals_of_all(self.facts.classes, scores)
        return found

    def _windows(self, ids: list[int]) -> list[_Window]:
        if len(ids) <= self._room:
            return [tuple(ids)]
        return [tuple(ids[start:end]) for start, end in batching.windows(len(ids), self._room)]

    def _size(self, piece: _Window) -> int:
        return -(-(len(self._prefix) + len(piece) + len(self._suffix)) // _EVEN) * _EVEN

    def _run(self, pieces: Sequence[_Window]) -> Any:
        """Probabilities of a batch, still on the card and maybe not yet computed."""
        torch = self._torch
        around = len(self._prefix) + len(self._suffix)
        lengths = np.array([len(piece) + around for piece in pieces], dtype=np.int64)
        width = min(-(-int(lengths.max()) // _EVEN) * _EVEN, self._room + SPARE)
        ids = np.full((len(pieces), width), self._padding, dtype=np.int64)
        inside = np.arange(width) < lengths[:, None]
        ids[inside] = np.fromiter(
            (token for piece in pieces for part in (self._prefix, piece, self._suffix) for token in part),
            dtype=np.int64,
            count=int(lengths.sum()),
        )
        given, mask = torch.from_numpy(ids), torch.from_numpy(inside.astype(np.int64))
        if self._device == CUDA:
            given, mask = (tensor.pin_memory().to(CUDA, non_blocking=True) for tensor in (given, mask))
        with torch.inference_mode():
            logits = self._model(input_ids=given, attention_mask=mask)[0]
            return torch.sigmoid(logits.float())[:, : len(self.facts.classes)]

    def _fetched(self, run: Callable[[Any], Any], batches: Iterable[Any]) -> list[Scores]:
        """All batches are given to the card before the first result is asked for."""
        return [self._torch.cat([run(batch) for batch in batches]).cpu().numpy()]
