"""What judging costs: Detoxify-shaped networks through our scorer beside `Detoxify.predict`, and the built-in scorer.

`python -m bench.scoring [--data DIR] [--rows N] [--few N] [--rounds N] [--shape SHAPE]`. Weights are random in the
exact architecture (bench.shaped): cost does not depend on their values, and nothing here says how well anything judges.
Interleaved in one run, because these machines are noisy: each round measures every way in turn, and ratios are the
medians of the rounds' own ratios. What takes a second for a handful of comments (unsorted lists, one by one) is
measured on the first `--few` rows, each way beside ours on the same rows. Texts are real rows of DIR (English, drawn
with a fixed seed), else made ones of the same lengths in words. Exit code 1 when an aim that must be reached is missed.
"""

import argparse
import csv
import gzip
import importlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import shaped
from moderation.scoring import detoxify_onnx, frames, weights
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.conversion import Converted, Wanted
from moderation.scoring.detoxify_scorer import DetoxifyScorer
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.language import Language
from moderation.scoring.preparing import Prepared

MUST = {"bert-base": 6.0, "xlm-roberta-base": 8.0}
"""How many times `Detoxify.predict` on length-sorted lists of 32."""
SHARE = 0.60
"""Of the machine's own rate of multiplying matrices of bytes."""
BUILTIN_RATE, BUILTIN_SECONDS = 4000, 0.001
MEGABYTES = {"detoxify": 900, "builtin": 200}

WORDS = (1, 4, 6, 7, 8, 10, 11, 12, 14, 15, 17, 19, 21, 23, 25, 29, 34, 41, 51, 66, 188)
"""Words in a comment at every twentieth of 2,000 real English rows (tweets, civil comments, talk pages) of `real`."""
LEARNED_FROM = 20_000
"""Other texts that the tokenizers learn from."""

HIDDEN, INNER, LAYERS = 768, 3072, 12
MATRICES = (("query, key, value, output", HIDDEN, HIDDEN, 4), ("wide", HIDDEN, INNER, 1), ("narrow", INNER, HIDDEN, 1))
TOKENS = 256
"""Rows of the matrices when the machine's own rate is measured: a batch of ours."""

OURS, OURS_FEW, SORTED = "ours", "ours, few rows", "Detoxify, sorted lists of 32"

ALONE = 300
"""Comments that the built-in scorer judges one by one."""

_MEMORY = """
import json, os, sys
os.environ["MODERATION_DATA_DIR"] = sys.argv[1]
import workers.scoring
from moderation.scoring import registry
from workers.app import settings
scorer = registry.make_scorer(sys.argv[2], settings)
texts = json.load(sys.stdin)
for start in range(0, len(texts), 16):
    scorer.score(texts[start : start + 16])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with *.csv.gz of labelled comments")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--few", type=int, default=128, help="rows for the slowest ways")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=sorted(shaped.CLASSES), action="append", help="all, unless named")
    parser.add_argument("--builtin", action="store_true", help="only the built-in scorer, which takes seconds")
    given = parser.parse_args(arguments)
    drawn = (real(given.data) if given.data else made(given.rows + LEARNED_FROM))[: given.rows + LEARNED_FROM]
    texts, others = drawn[: given.rows], drawn[given.rows :]
    words = np.quantile([len(text.split()) for text in texts], (0.05, 0.25, 0.5, 0.75, 0.95)).astype(int).tolist()
    print(f"{len(texts)} {'real rows' if given.data else 'made texts'}, words at 5/25/50/75/95 %: {words}")
    print(f"{detoxify_onnx.cores()} cores, {given.rounds} rounds")
    found: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as folder:
        for shape in () if given.builtin else given.shape or sorted(shaped.CLASSES):
            found += transformer(shape, Path(folder) / shape, texts, others, given)
        found += builtin(texts, given.rounds)
        found += memory(Path(folder), texts)
    for line, good in found:
        print(f"  {'ok' if good else 'MISSED':<7} {line}")
    return 0 if all(good for _, good in found) else 1


def real(folder: Path) -> list[str]:
    """The English rows of the folder's files, mixed with a fixed seed; the evaluation-only file is left alone."""
    found = []
    csv.field_size_limit(sys.maxsize)
    for path in sorted(folder.glob("*.csv.gz")):
        if "evaluation_only" in path.name:
            continue
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            found += [row["text"] for row in csv.DictReader(file) if row["lang"] == "en" and row["text"].strip()]
    random.Random(7).shuffle(found)
    return found


def made(count: int) -> list[str]:
    """Made comments: sentences of the project's corpora, one after another, as many words as real comments have."""
    rand = random.Random(7)
    sentences = [row.text for row in frames.examples() if row.lang == "en"]
    found = []
    for _ in range(count):
        step = rand.random() * (len(WORDS) - 1)
        size = WORDS[int(step)] + (step % 1) * (WORDS[int(step) + 1] - WORDS[int(step)])
        words: list[str] = []
        while len(words) < size:
            words += rand.choice(sentences).split()
        found.append(" ".join(words[: max(round(size), 1)]))
    return found


def transformer(
    shape: str, folder: Path, texts: list[str], others: list[str], given: argparse.Namespace
) -> list[tuple[str, bool]]:
    """One network: ours against the package in three ways, and our share of what the machine can do."""
    print(f"\n{shape}, random weights")
    checkpoint = shaped.make(shape, folder / "made", [*texts, *others])
    languages = ("en",)
    item, done = weights.install(checkpoint, folder / "data", languages=languages, wanted=int8(texts))
    show(done)
    detoxify = TorchNetwork(checkpoint, threads=detoxify_onnx.cores()).detoxify
    builtin_scorer = BuiltinScorer()

    def english(some: Sequence[str]) -> list[Prepared]:
        # What the language costs counts, what it says does not: every text is judged.
        return [replace(text, language=Language("en")) for text in builtin_scorer.prepare(some)]

    network = weights.load(item, weights.ONNX)
    ours = DetoxifyScorer(network, languages=frozenset(languages), version="bench", prepare=english)
    few, ordered = texts[: given.few], sorted(texts, key=len)
    ways: dict[str, Callable[[], Any]] = {
        OURS: lambda: ours.score(texts),
        SORTED: lambda: lists(detoxify, ordered),
        OURS_FEW: lambda: ours.score(few),
        "ours, one by one": lambda: [ours.score([text]) for text in few],
        "Detoxify, unsorted lists of 32": lambda: lists(detoxify, few),
        "Detoxify, one by one": lambda: [detoxify.predict(text) for text in few],
    }
    ours.score(texts[:16])  # the first call of each loads what the others find loaded
    detoxify.predict(texts[:4])
    limit = int(detoxify.tokenizer.model_max_length)
    sizes = [min(len(ids), limit) for ids in detoxify.tokenizer(texts, truncation=True, verbose=False)["input_ids"]]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    rates: list[float] = []
    floats: list[float] = []
    for _ in range(given.rounds):
        rates.append(machine_rate())
        floats.append(float_rate())
        for name, way in ways.items():
            seconds[name].append(timed(way))
    print(f"  tokens: {sum(sizes)}, {sum(sizes) / len(sizes):.1f} a comment")
    ratios = {}
    for name, times in seconds.items():
        whole = name in (OURS, SORTED)
        rate = len(texts if whole else few) / statistics.median(times)
        beside = seconds[OURS if whole else OURS_FEW]
        ratios[name] = statistics.median(theirs / own for theirs, own in zip(times, beside, strict=True))
        print(f"  {name:<32} {rate:8.1f} comments/s   ours is {ratios[name]:5.2f} times as fast")
    machine = statistics.median(rates)
    share, share_whole = (
        statistics.median(work / time_ / rate for time_, rate in zip(seconds[OURS], rates, strict=True))
        for work in operations(sizes)
    )
    print(f"  machine, bytes, {detoxify_onnx.cores()} threads: {machine:.0f} GOP/s at {TOKENS} tokens and these shapes")
    rate = statistics.median(floats)
    theirs = operations(sizes)[1] / statistics.median(seconds[SORTED]) / rate
    print(f"  machine, floats, torch: {rate:.0f} GOP/s, of which Detoxify reaches {theirs:.0%} on sorted lists")
    print(f"  bytes at 100 % of their rate would be {ratios[SORTED] / share:.1f} times Detoxify on sorted lists")
    print(f"  our share: {share:.0%} by the products that are needed, {share_whole:.0%} by those of the whole network")
    ratio = ratios[SORTED]
    return [
        (f"{shape}: {ratio:.1f} times Detoxify on sorted lists (at least {MUST[shape]:.0f})", ratio >= MUST[shape]),
        (f"{shape}: {share:.0%} of the machine's rate (at least {SHARE:.0%})", share >= SHARE),
    ]


def int8(texts: Sequence[str]) -> Wanted:
    """Random weights would fail or pass the comparison by chance: 8 bits are asked for."""
    return Wanted(precision="int8", texts=tuple(texts[:24]), marks={"toxicity": (0.5,)})


def show(done: Converted) -> None:
    """Print how far the converted network is from the package."""
    for one in done.compared:
        far = f"differs by at most {one.largest:.5f}, by {one.mean:.5f} on average"
        print(f"  {one.precision} {far} ({done.texts} texts)")


def lists(detoxify: Any, texts: Sequence[str]) -> None:
    """The package as its README has it: lists of comments."""
    for start in range(0, len(texts), 32):
        detoxify.predict(list(texts[start : start + 32]))


def timed(act: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def operations(sizes: Sequence[int]) -> tuple[float, float]:
    """Billions of multiplications and additions in the layers' matrices, for texts of so many tokens.

    What is needed (the last layer beyond keys and values for the first token only), and all of the network. Attention
    itself, two in a hundred, and padding are not counted.
    """
    layer = 2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
    read, rest = 2 * 2 * HIDDEN * HIDDEN, layer - 2 * 2 * HIDDEN * HIDDEN
    needed = sum(size * ((LAYERS - 1) * layer + read) + rest for size in sizes)
    return needed / 1e9, sum(sizes) * LAYERS * layer / 1e9


def machine_rate(seconds: float = 1.0) -> float:
    """Billions of operations a second that all cores reach together on bare products of bytes at a layer's shapes."""
    runs = [(product(inner, outer), times * 2 * TOKENS * inner * outer / 1e9) for _, inner, outer, times in MATRICES]
    times = [times for *_, times in MATRICES]
    done: list[float] = []

    def work() -> None:
        total, stop = 0.0, time.perf_counter() + seconds
        while time.perf_counter() < stop:
            for (run, billions), repeat in zip(runs, times, strict=True):
                for _ in range(repeat):
                    run()
                total += billions
        done.append(total)

    threads = [threading.Thread(target=work) for _ in range(detoxify_onnx.cores())]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def float_rate(seconds: float = 1.0) -> float:
    """Billions of operations a second that torch reaches on all cores on bare products of floats at a layer's shapes.

    A ratio to Detoxify is one between the processor's arithmetic in bytes and in floats before it is one of programs.
    """
    torch: Any = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(detoxify_onnx.cores())
    rows = 4 * TOKENS  # a list of 32 comments
    parts = [(torch.randn(rows, inner), torch.randn(outer, inner), times) for _, inner, outer, times in MATRICES]
    billions = sum(times * 2 * rows * inner * outer for _, inner, outer, times in MATRICES) / 1e9
    total, start = 0.0, time.perf_counter()
    with torch.inference_mode():
        while time.perf_counter() < start + seconds:
            for batch, weight, times in parts:
                for _ in range(times):
                    torch.nn.functional.linear(batch, weight)
            total += billions
    rate = total / (time.perf_counter() - start)
    torch.set_num_threads(threads)
    return rate


def product(inner: int, outer: int) -> Callable[[], Any]:
    """One product of a batch with a matrix of weights, in bytes, as onnxruntime does it."""
    onnx, runtime = importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    helper, types, rand = onnx.helper, onnx.TensorProto, np.random.default_rng(0)
    weight = onnx.numpy_helper.from_array(rand.integers(-127, 128, (inner, outer), dtype=np.int8), "weight")
    middle = onnx.numpy_helper.from_array(np.array(128, np.uint8), "middle")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["batch", "weight", "middle"], ["out"])],
        "product",
        [helper.make_tensor_value_info("batch", types.UINT8, [TOKENS, inner])],
        [helper.make_tensor_value_info("out", types.INT32, [TOKENS, outer])],
        [weight, middle],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    batch = rand.integers(0, 256, (TOKENS, inner), dtype=np.uint8)
    return lambda: session.run(None, {"batch": batch})


def builtin(texts: Sequence[str], rounds: int) -> list[tuple[str, bool]]:
    """The built-in scorer with normaliser and language, one thread, spans off; and one comment alone."""
    scorer = BuiltinScorer()
    scorer.score(texts[:64], spans=False)
    rates = [len(texts) / timed(lambda: scorer.score(texts, spans=False)) for _ in range(rounds)]
    rate = statistics.median(rates)
    print(f"\nbuilt-in: {rate:.0f} comments/s on one core, spans off")
    middle, late = _alone(scorer, texts, spans=False)
    print(f"built-in alone: {middle * 1e3:.2f} ms, 95 % under {late * 1e3:.2f} ms, spans off")
    explained, longest = _alone(scorer, texts, spans=True)
    print(f"built-in alone: {explained * 1e3:.2f} ms, 95 % under {longest * 1e3:.2f} ms, its words named")
    return [
        (f"built-in: {rate:.0f} comments/s (at least {BUILTIN_RATE})", rate >= BUILTIN_RATE),
        (f"built-in: {middle * 1e3:.2f} ms alone (at most {BUILTIN_SECONDS * 1e3:.0f})", middle <= BUILTIN_SECONDS),
    ]


def _alone(scorer: BuiltinScorer, texts: Sequence[str], *, spans: bool) -> tuple[float, float]:
    """Seconds that one comment takes by itself: half of them, and 95 of 100, take less."""
    found = sorted(timed(partial(scorer.score, [text], spans=spans)) for text in texts[:ALONE])
    return found[len(found) // 2], found[len(found) * 95 // 100]


def memory(folder: Path, texts: Sequence[str]) -> list[tuple[str, bool]]:
    """Resident memory of a worker process (Celery's application and all) after 256 comments."""
    print()
    found = []
    data = folder / "xlm-roberta-base" / "data"
    for name, limit in MEGABYTES.items():
        if name == "detoxify" and not data.exists():
            continue
        command = [sys.executable, "-c", _MEMORY, str(data), name]
        given = json.dumps(list(texts[:256]))
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
        size = json.loads(done.stdout) / 1024
        title = "int8 xlm-roberta-base" if name == "detoxify" else "the built-in scorer only"
        print(f"memory of a worker with {title}: {size:.0f} MB")
        found.append((f"memory with {title}: {size:.0f} MB (at most {limit})", size <= limit))
    return found


if __name__ == "__main__":
    sys.exit(main())
