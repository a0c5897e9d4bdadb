"""Detoxify on a GPU: the network in bfloat16, batches of alike lengths, texts tokenised on all cores.

The weights are loaded and checked by `detoxify_torch`, on the CPU, and then moved to the card. Results are fetched once
per call, so that the processor prepares the next batch while the card works on this one.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moderation.scoring import batching, networks
from moderation.scoring.batching import SPARE
from moderation.scoring.detoxify_torch import CUDA, TorchNetwork
from moderation.scoring.scorer import ScorerError

Ints = NDArray[np.int64]

TOKEN_BUDGET = 32_768
"""Padded tokens in one pass: large enough to fill the card, a gigabyte or two of its memory (docs/performance.md)."""

TOGETHER = 32_768
"""Texts that are sorted by length together. Of 8,192, two in five tokens that the card computed were padding."""

_EVEN = 8
"""Batches are padded to a multiple of so many tokens, as the card's matrix units like them."""


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
        # Given one mask per text, the library looks whether it hides anything, and waits for the card at every batch.
        self._whole_mask = loaded.detoxify.model.config.model_type in ("bert", "roberta", "xlm-roberta")
        self._model: Any = loaded.detoxify.model.to(device=device, dtype=torch.bfloat16).eval()

    @property
    def precision(self) -> str:
        """`bf16`."""
        return "bf16"

    def predict(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Signals of each text: per signal the highest of its windows. Raises ScorerError."""
        # Read by the library at each call; `detoxify_torch` switches it off for processes that fork.
        os.environ["TOKENIZERS_PARALLELISM"] = "true"
        heaps = [texts[start : start + TOGETHER] for start in range(0, len(texts), TOGETHER)]
        found: list[dict[str, float]] = []
        under_way: _Passes | None = None
        # A thread of its own tokenises what comes next: this one waits where the card has its hands full.
        with ThreadPoolExecutor(1, thread_name_prefix="tokenise") as ahead:
            for encoded in ahead.map(self._encode, heaps):
                passes = self._begin(encoded)
                if under_way is not None:
                    found += self._end(under_way)
                under_way = passes
        return found if under_way is None else found + self._end(under_way)

    def _encode(self, texts: Sequence[str]) -> tuple[Ints, Ints]:
        """The tokens of all texts in one row, and how many each has."""
        encoded = [one.ids for one in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        counts = np.array([len(ids) for ids in encoded], dtype=np.int64)
        return np.fromiter(chain.from_iterable(encoded), dtype=np.int64, count=int(counts.sum())), counts

    def _begin(self, encoded: tuple[Ints, Ints]) -> "_Passes":
        """Give the card its work, without waiting for what it finds."""
        torch = self._torch
        row, counts = encoded
        starts, lengths, firsts = self._windows(counts)
        around = len(self._prefix) + len(self._suffix)
        sizes = -(-(lengths + around) // _EVEN) * _EVEN
        plan = batching.batches(sizes.tolist(), self._budget)
        order = np.concatenate([np.array(batch, dtype=np.int64) for batch in plan])
        tokens, where = self._there(row), self._there(np.stack([starts[order], lengths[order]]))
        results, done = [], 0
        with torch.inference_mode():
            for batch in plan:
                width = min(int(sizes[batch].max()), self._room + around)
                place = where[:, done : done + len(batch)]
                results.append(self._run(tokens, place[0], place[1], width))
                done += len(batch)
            return _Passes(torch.cat(results), order, firsts)

    def _windows(self, counts: Ints) -> tuple[Ints, Ints, Ints]:
        """Of every window its first token and its length, and of every text its first window, by their token counts."""
        starts, firsts = np.cumsum(counts) - counts, np.arange(len(counts))
        if int(counts.max(initial=0)) <= self._room:
            return starts, counts, firsts
        found: list[tuple[int, int]] = []
        for text, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
            firsts[text] = len(found)
            found += [(start + low, high - low) for low, high in batching.windows(count, self._room)]
        places = np.array(found, dtype=np.int64)
        return places[:, 0], places[:, 1], firsts

    def _there(self, values: Ints) -> Any:
        tensor = self._torch.from_numpy(values)
        return tensor.pin_memory().to(CUDA, non_blocking=True) if self._device == CUDA else tensor

    def _run(self, tokens: Any, starts: Any, lengths: Any, width: int) -> Any:
        """Probabilities of a batch, still on the card and maybe not yet computed. The batch is put together there."""
        torch = self._torch
        columns = torch.arange(width, device=tokens.device)[None, :]
        before, lengths = len(self._prefix), lengths[:, None]
        ids = tokens.new_full((len(starts), width), self._padding)
        if len(tokens):
            places = (starts[:, None] + columns - before).clamp(0, len(tokens) - 1)
            ids = torch.where((columns >= before) & (columns < before + lengths), tokens[places], ids)
        for place, mark in enumerate(self._prefix):
            ids[:, place] = mark
        for place, mark in enumerate(self._suffix):
            ids = torch.where(columns == before + lengths + place, mark, ids)
        mask = columns < before + lengths + len(self._suffix)
        if self._whole_mask:
            mask = mask[:, None, None, :].expand(-1, 1, width, -1)
        logits = self._model(input_ids=ids, attention_mask=mask)[0]
        return torch.sigmoid(logits.float())[:, : len(self.facts.classes)]

    def _end(self, passes: "_Passes") -> list[dict[str, float]]:
        """Wait for the card and sort out what it found."""
        scores = np.empty((len(passes.order), len(self.facts.classes)), dtype=np.float32)
        scores[passes.order] = passes.scores.cpu().numpy()
        return networks.signals_of_all(self.facts.classes, np.maximum.reduceat(scores, passes.firsts))


@dataclass(frozen=True, slots=True)
class _Passes:
    """What the card works on: scores of windows in `order`; `firsts` is each text's first window."""

    scores: Any
    order: Ints
    firsts: Ints
