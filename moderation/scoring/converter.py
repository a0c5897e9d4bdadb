"""Makes sure of Detoxify weights and converts them, once, for the fast way to run them. Done in a process of its own.

    python -m moderation.scoring.converter < request.json > answer.json

The network is written in 32-bit floats and in 8 bits, and both are compared with what the real `detoxify` package says
of the same texts. 8 bits are used where at most 1 % of the texts change side at the marks of the sites' policies and,
where labels are known, the area under the ROC curve falls by at most .005; else 32 bits, which agree to rounding.
Whatever cannot be converted stays with the plain way.
"""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from moderation.scoring import detoxify_onnx, detoxify_torch, frames, onnx_graph
from moderation.scoring.conversion import AUTO, FP32, INT8, MAX_CHANGED, NONE, TEXTS, Compared, Converted, Wanted
from moderation.scoring.detoxify_onnx import NetworkFacts, OnnxNetwork
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.metrics import auc
from moderation.scoring.scorer import ScorerError
from moderation.signals import TOXICITY

MAX_FP32_DIFFERENCE = 1e-3
"""More than rounding explains: such a network was converted wrongly and is not used."""


def convert(checkpoint: Path, folder: Path, wanted: Wanted) -> Converted:
    """Load a checkpoint as it would be loaded for judging and write its converted network into `folder`.

    Loads torch into this process. Raises ScorerError when the weights are refused.
    """
    network = TorchNetwork(checkpoint, threads=wanted.threads or detoxify_onnx.cores())
    if wanted.precision == NONE:
        return Converted(network.facts, NONE, "not asked for")
    problem = _problem(network)
    if problem:
        return Converted(network.facts, NONE, problem)
    texts = wanted.texts or sample(network.facts.languages)
    reference = network.predict(texts)
    # Long texts are cut at the same tokens, but the package tokenises the pieces anew, which may shift a few.
    whole = [len(network.windows(text)) == 1 for text in texts]
    compared = []
    for precision in (FP32, INT8) if wanted.precision != FP32 else (FP32,):
        _write(network, folder / precision, precision)
        judge = OnnxNetwork(folder / precision, threads=wanted.threads)
        compared.append(compare(precision, reference, judge.predict(texts), wanted, whole))
    chosen, reason = _choose(compared, wanted)
    for precision in (FP32, INT8):
        for file in (folder / precision).glob("*"):
            if precision == chosen:
                file.rename(folder / file.name)
            else:
                file.unlink()
        if (folder / precision).is_dir():
            (folder / precision).rmdir()
    return Converted(network.facts, chosen, reason, len(texts), tuple(compared))


def _problem(network: TorchNetwork) -> str:
    """Why a network cannot be converted; empty where it can."""
    if not detoxify_onnx.installed() or not onnx_graph.installed():
        return "onnx, onnxruntime or tokenizers is not installed"
    config = network.detoxify.model.config
    if config.model_type not in onnx_graph.FAMILIES:
        return f"networks of the family {config.model_type} are not converted"
    if config.hidden_act != "gelu" or getattr(config, "position_embedding_type", "absolute") != "absolute":
        return "the network has layers that are not converted"
    return ""


def _write(network: TorchNetwork, folder: Path, precision: str) -> None:
    folder.mkdir(parents=True)
    detoxify, labels = network.detoxify, network.facts.classes
    config = detoxify.model.config
    shape = onnx_graph.Shape(
        family=config.model_type,
        layers=int(config.num_hidden_layers),
        heads=int(config.num_attention_heads),
        epsilon=float(config.layer_norm_eps),
        first_position=network.first_position,
        positions=network.limit,
        labels=len(labels),
    )
    onnx_graph.write(network.tensors(), shape, folder / detoxify_onnx.GRAPH, int8=precision == INT8)
    (folder / detoxify_onnx.TOKENIZER).write_text(detoxify.tokenizer.backend_tokenizer.to_str(), "utf-8")
    prefix, suffix = network.marks()
    NetworkFacts(
        labels=labels,
        limit=network.limit,
        prefix=prefix,
        suffix=suffix,
        padding=int(detoxify.tokenizer.pad_token_id),
        precision=precision,
    ).save(folder)


def compare(
    precision: str,
    before: Sequence[Mapping[str, float]],
    after: Sequence[Mapping[str, float]],
    wanted: Wanted,
    whole: Sequence[bool],
) -> Compared:
    """Two judgements of the same texts, the real package's first; differences are taken of those marked in `whole`."""
    names = sorted(before[0])
    was = np.array([[row[name] for name in names] for row in before])
    now = np.array([[row[name] for name in names] for row in after])
    differences = np.abs(was - now)[np.array(whole)]
    changed = np.zeros(len(was), dtype=bool)
    for column, name in enumerate(names):
        for mark in wanted.marks.get(name, ()):
            changed |= (was[:, column] >= mark) != (now[:, column] >= mark)
    labels = np.array(wanted.labels, dtype=np.int64)
    place = names.index(TOXICITY)
    return Compared(
        precision=precision,
        largest=float(differences.max(initial=0.0)),
        mean=float(differences.mean()) if differences.size else 0.0,
        changed=float(changed[:TEXTS].mean()),
        auc=auc(labels, now[:, place]) if len(labels) else None,
        auc_before=auc(labels, was[:, place]) if len(labels) else None,
    )


def _choose(compared: Sequence[Compared], wanted: Wanted) -> tuple[str, str]:
    exact = compared[0]
    if exact.largest > MAX_FP32_DIFFERENCE:
        return NONE, f"the converted network disagrees with the package by up to {exact.largest:.4f}"
    if wanted.precision != AUTO:
        return wanted.precision, "asked for"
    small = compared[1]
    if small.good:
        return INT8, "8 bits judge as the package does"
    if small.changed > MAX_CHANGED:
        return FP32, "8 bits judge too many texts differently"
    return FP32, "8 bits rank the labelled texts worse"


def sample(languages: frozenset[str]) -> tuple[str, ...]:
    """Sentences of the project's corpora in the languages, mixed, the same ones every time."""
    found = [row.text for row in frames.examples() if row.lang in languages]
    found += [text for language, text in frames.sentences() if language in languages]
    return tuple(Random(0).sample(found, min(TEXTS, len(found))))  # noqa: S311 - a sample, no secret


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if "fetch" in request:
            detoxify_torch.fetch(request["fetch"], Path(request["folder"]))
            return {}
        given = request["wanted"]
        wanted = Wanted(**{**given, "texts": tuple(given["texts"]), "labels": tuple(given["labels"])})
        done = convert(Path(request["checkpoint"]), Path(request["folder"]), wanted)
    except ScorerError as error:
        return {"error": error.message}
    facts = {"kind": done.facts.kind, "classes": done.facts.classes}
    compared = [asdict(item) for item in done.compared]
    return {**asdict(done), "facts": facts, "compared": compared}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # libraries may print; the answer stays alone
        found = _answer(json.load(sys.stdin))
    json.dump(found, sys.stdout)
