"""Detoxify-shaped networks on a GPU: `python -m bench.gpu [--rows N] [--rounds N] [--shape SHAPE]`.

Weights are random in the exact architecture (bench.shaped), texts are made in the lengths of real comments
(bench.scoring). Measured in one run: the card's own rate of multiplying bf16 matrices (large squares, and a layer's
shapes), the network alone (tokenising and all, texts in memory), the whole command
`moderation score --scorer detoxify --device cuda` from a file into a file, and how far bf16 is from the package's fp32.
"""

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import shaped
from bench.scoring import HIDDEN, INNER, LEARNED_FROM, made, operations
from moderation.scoring import detoxify_gpu, detoxify_onnx, weights
from moderation.scoring.conversion import Wanted
from moderation.scoring.detoxify_gpu import GpuNetwork
from moderation.scoring.detoxify_torch import TorchNetwork

DIFFERENT = 50_000
"""Texts that differ; a longer file repeats them with a number, so that no two are alike."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--budget", type=int, action="append", help="padded tokens in a pass; several may be tried")
    parser.add_argument("--shape", choices=sorted(shaped.CLASSES), action="append", help="all, unless named")
    given = parser.parse_args()
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        sys.exit("There is no GPU here that torch can use.")
    drawn = made(DIFFERENT + LEARNED_FROM)
    some, others = drawn[:DIFFERENT], drawn[DIFFERENT:]
    texts = [f"{text} {number}" for number, text in zip(range(given.rows), _again(some), strict=False)]
    square, layers = rate_of_squares(torch), rate_of_layers(torch)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {detoxify_onnx.cores()} cores")
    print(f"bf16 matrices of 8192: {square:.0f} TFLOP/s; a layer's shapes at 65,536 tokens: {layers:.0f} TFLOP/s")
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as folder:
        source = Path(folder) / "texts.jsonl"
        with source.open("w") as file:
            for number, text in enumerate(texts):
                file.write(json.dumps({"id": number, "text": text}) + "\n")
        for shape in given.shape or sorted(shaped.CLASSES):
            measure(shape, Path(folder) / shape, source, texts, others, square, given)


def _again(texts: list[str]) -> Any:
    while True:
        yield from texts


def measure(
    shape: str, folder: Path, source: Path, texts: list[str], others: list[str], square: float, given: Any
) -> None:
    """One network."""
    checkpoint = shaped.make(shape, folder / "made", [*texts[:20_000], *others])
    languages = ("en",)
    data = folder / "data"
    item, _ = weights.install(checkpoint, data, languages=languages, wanted=Wanted(precision="none"))
    plain = TorchNetwork(item.path, threads=detoxify_onnx.cores())
    sizes = [length + 2 for text in texts[:20_000] for _, length in plain.windows(text)]
    per_comment = operations(sizes)[1] / 20_000  # GFLOP
    print(f"\n{shape}, random weights: {sum(sizes) / 20_000:.1f} tokens and {per_comment:.1f} GFLOP a comment")
    wanted = plain.predict(texts[:256])
    for budget in given.budget or [detoxify_gpu.TOKEN_BUDGET]:
        network = GpuNetwork(item.path, budget=budget)
        found = network.predict(texts[:256])
        far = [abs(a[name] - b[name]) for a, b in zip(wanted, found, strict=True) for name in a]
        print(f"  bf16 beside fp32 (256 texts): at most {max(far):.4f} apart, {statistics.mean(far):.5f} on average")
        network.predict(texts[:20_000])
        rates = []
        for _ in range(given.rounds):
            began = time.perf_counter()
            network.predict(texts)
            rates.append(len(texts) / (time.perf_counter() - began))
        say(f"network alone, {budget} tokens a pass", statistics.median(rates), per_comment, square)
    del network
    environment = dict(os.environ, MODERATION_DATA_DIR=str(data))
    command = [sys.executable, "-c", "from moderation.cli import main; main()", "score", str(source)]
    command += ["--scorer", "detoxify", "--device", "cuda"]
    began = time.perf_counter()
    with (folder / "out.jsonl").open("w") as out:
        subprocess.run(command, stdout=out, check=True, env=environment)
    seconds = time.perf_counter() - began
    lines = sum(1 for _ in (folder / "out.jsonl").open())
    if lines != len(texts):
        sys.exit(f"{lines} lines came back of {len(texts)}")
    say("the whole command, start and all", lines / seconds, per_comment, square)
    with contextlib.suppress(FileNotFoundError):
        (folder / "out.jsonl").unlink()


def say(name: str, rate: float, per_comment: float, square: float) -> None:
    """Print a rate, and what share of the card's own it is."""
    share = rate * per_comment / 1e3 / square
    print(f"  {name:<40} {rate:10.0f} comments/s   {share:.0%} of the card's rate")


def rate_of_squares(torch: Any, size: int = 8192) -> float:
    """TFLOP/s of bf16 products of random square matrices."""
    one, two = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / _seconds(torch, lambda: one @ two) / 1e12


def rate_of_layers(torch: Any, tokens: int = 65_536) -> float:
    """TFLOP/s of a layer's products, without anything between them."""
    narrow = torch.randn(tokens, HIDDEN, device="cuda", dtype=torch.bfloat16)
    wide = torch.randn(tokens, INNER, device="cuda", dtype=torch.bfloat16)
    square, up, down = (
        torch.randn(a, b, device="cuda", dtype=torch.bfloat16)
        for a, b in ((HIDDEN, HIDDEN), (HIDDEN, INNER), (INNER, HIDDEN))
    )

    def layer() -> None:
        for _ in range(4):
            narrow @ square
        narrow @ up
        wide @ down

    return tokens * 2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER) / _seconds(torch, layer) / 1e12


def _seconds(torch: Any, act: Any, times: int = 20) -> float:
    for _ in range(3):
        act()
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(times):
        act()
    torch.cuda.synchronize()
    return (time.perf_counter() - began) / times


if __name__ == "__main__":
    main()
