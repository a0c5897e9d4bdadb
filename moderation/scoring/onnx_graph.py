"""Writes the network of a BERT or (XLM-)RoBERTa classifier as an ONNX graph of our own, in 32-bit floats or in 8 bits.

The graph computes what the original computes, with what measuring on CPUs taught (docs/performance.md):

* The layer norm is added and normed in two nodes: ONNX Runtime's fused one takes eight times as long. Bias and GELU are
  two nodes as well: fused they take a seventh longer. The session that runs the graph must not fuse them again (see
  detoxify_onnx).
* Between the attentions all tokens of a batch are the rows of one matrix: only then does one node turn every row into
  bytes by a scale of its own. ONNX's own attention takes six tenths of the time of ONNX Runtime's older one.
* Of the last layer only the first token is computed, because the classifier reads no other: a twelfth of most work.
* The attention's key bias has no effect (softmax ignores what is equal for all keys) and is dropped; its value bias
  passes the softmax as it is and is added to the output's bias.
* In 8 bits, weights have one scale per output channel, embeddings one per row, and activations one per **token**, found
  while running. ONNX Runtime's own dynamic quantisation takes one scale for the whole batch: faster by a twentieth, but
  then a comment's score depends on the comments that happen to be judged with it.

Needs the package onnx; only the conversion imports this file.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FAMILIES = {"bert": "bert.", "roberta": "roberta.", "xlm-roberta": "roberta."}
"""Families of networks (`model_type` of their config) that can be written → how their tensors' names begin."""

IDS, LENGTHS, SCORES = "ids", "lengths", "scores"
"""Inputs: token numbers [texts, tokens], int64, padded on the right, and each text's length [texts], int32; output: the
labels' probabilities [texts, labels], float32."""

_SIZES, _KEYS = "sizes", "keys"
"""What the graph finds of its inputs: [texts, tokens, width], and the lengths as the attention takes them."""

_CONTRIB = "com.microsoft"
_OPSET = 24
_IR_VERSION = 11
_MIDDLE = 128
"""The byte that stands for zero in activations."""
_LEAST = 1e-6
"""What a row's largest value is at least taken for, so that zeros are not divided by zero."""
_GELU_LEAST = 0.17
"""GELU never falls below -0.17: a token's largest value is at least this far from zero, or none is farther."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tensors do not say. `first_position` is the row of the position table for a text's first token.

    Of the classifier's outputs, the first `labels` are kept.
    """

    family: str
    layers: int
    heads: int
    epsilon: float
    first_position: int
    positions: int
    labels: int


def installed() -> bool:
    """Whether the package onnx is there; looks, imports nothing."""
    return importlib.util.find_spec("onnx") is not None


def write(tensors: Mapping[str, Floats], shape: Shape, path: Path, *, int8: bool) -> None:
    """Write the graph to `path` and its weights beside it (`<path>.weights`), where they can be mapped into memory.

    Raises KeyError when a tensor is missing.
    """
    onnx = importlib.import_module("onnx")
    graph = _Graph(onnx, int8)
    _network(graph, tensors, shape)
    model = graph.model(shape.labels)
    weights = path.name + ".weights"
    path.with_name(weights).unlink(missing_ok=True)  # onnx would append to it
    onnx.save_model(model, str(path), save_as_external_data=True, location=weights, size_threshold=1024)
    path.with_name(weights).chmod(path.stat().st_mode)  # onnx keeps it from everybody else


class _Graph:
    """Nodes and constants as they are added; every method returns the name of what it computes."""

    def __init__(self, onnx: Any, int8: bool) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._made: set[str] = set()
        self.int8, self.int64 = int8, onnx.TensorProto.INT64

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def model(self, labels: int) -> Any:
        helper, types = self._onnx.helper, self._onnx.TensorProto
        inputs = [
            helper.make_tensor_value_info(IDS, types.INT64, ["texts", "tokens"]),
            helper.make_tensor_value_info(LENGTHS, types.INT32, ["texts"]),
        ]
        outputs = [helper.make_tensor_value_info(SCORES, types.FLOAT, ["texts", labels])]
        graph = helper.make_graph(self._nodes, "classifier", inputs, outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def embedding(self, table: Floats, ids: str, output: str) -> str:
        if not self.int8:
            return self.node("Gather", [self.constant("words", table), ids], output)
        scales = np.maximum(np.abs(table).max(axis=1, keepdims=True), _LEAST) / 127
        rows = self.node("Gather", [self.constant("words", np.round(table / scales).astype(np.int8)), ids], "word_rows")
        floats = self.node("Cast", [rows], "word_floats", to=self._onnx.TensorProto.FLOAT)
        chosen = self.node("Gather", [self.constant("word_scales", scales.astype(np.float32)), ids], "word_row_scales")
        return self.node("Mul", [floats, chosen], output)

    def norm(self, value: str, gain: Floats, bias: Floats, epsilon: float, output: str) -> str:
        constants = [self.constant(f"{output}.gain", gain), self.constant(f"{output}.bias", bias)]
        return self.node("LayerNormalization", [value, *constants], output, epsilon=epsilon)

    def shaped(self, value: str, sizes: str, output: str) -> str:
        return self.node("Reshape", [value, sizes], output)

    def flat(self, value: str, width: int, output: str) -> str:
        """All tokens of a batch as rows of a matrix: [texts, tokens, width] → [texts · tokens, width]."""
        return self.shaped(value, self.constant(f"rows_of_{width}", np.array([-1, width])), output)

    def tokens(self, value: str, sizes: str, *, gelu: bool = False) -> "_Tokens":
        """Activations as the linear layers take them: as they are, or in 8 bits with one scale per token."""
        if not self.int8:
            return _Tokens(value, "", sizes)
        axis = self.constant("one", np.array([1]))
        size, least = (value, _GELU_LEAST) if gelu else (self.node("Abs", [value], f"{value}.size"), _LEAST)
        most = self.node("ReduceMax", [size, axis], f"{value}.most", keepdims=0)
        bound = self.node(
            "Max", [most, self.constant(f"at_least_{least}", np.array(least, np.float32))], f"{value}.bound"
        )
        scale = self.node("Mul", [bound, self.constant("step", np.array(1 / 127, np.float32))], f"{value}.scale")
        inputs = [value, scale, self._middles(scale, sizes)]
        whole = self.node("QuantizeLinear", inputs, f"{value}.bytes", axis=0)
        return _Tokens(whole, self.node("Unsqueeze", [scale, axis], f"{value}.scales"), sizes)

    def _middles(self, scale: str, sizes: str) -> str:
        """The byte that stands for zero, once per row; the same for all activations of the same sizes."""
        name = f"middles_of_{sizes}"
        if name not in self._made:
            self._made.add(name)
            middle = self._onnx.helper.make_tensor("middle", self._onnx.TensorProto.UINT8, [1], [_MIDDLE])
            count = self.node("Shape", [scale], f"count_of_{sizes}")
            self.node("ConstantOfShape", [count], name, value=middle)
        return name

    def linear(self, tokens: "_Tokens", weight: Floats, output: str) -> str:
        """`tokens` times `weight` [outputs, inputs] as torch keeps it, without a bias."""
        if not self.int8:
            return self.node("MatMul", [tokens.name, self.constant(f"{output}.weight", weight.T)], output)
        scales = np.maximum(np.abs(weight).max(axis=1), _LEAST) / 127
        inputs = [
            tokens.name,
            self.constant(f"{output}.weight", np.round(weight.T / scales).astype(np.int8)),
            self.constant("unit", np.array(1, np.float32)),
            self.constant(f"{output}.scales", scales.astype(np.float32)),
            self.constant("middle", np.array(_MIDDLE, np.uint8)),
        ]
        product = self.node("MatMulIntegerToFloat", inputs, f"{output}.parts", _CONTRIB)
        return self.node("Mul", [product, tokens.scales], output)

    def add(self, value: str, bias: Floats, output: str) -> str:
        return self.node("Add", [value, self.constant(f"{output}.bias", bias)], output)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Activations [texts · tokens, width], in 8 bits what each row is to be multiplied by [texts · tokens, 1], and the
    sizes that part them by texts: [texts, tokens, width]."""

    name: str
    scales: str
    sizes: str


def _head(tensors: Mapping[str, Floats], shape: Shape) -> tuple[Floats, Floats, Floats, Floats]:
    """Weight and bias of the dense layer on the first token, and of the classifier."""
    bert = shape.family == "bert"
    dense, out = ("bert.pooler.dense", "classifier") if bert else ("classifier.dense", "classifier.out_proj")
    weight, bias = tensors[f"{out}.weight"][: shape.labels], tensors[f"{out}.bias"][: shape.labels]
    return tensors[f"{dense}.weight"], tensors[f"{dense}.bias"], weight, bias


def _network(graph: _Graph, tensors: Mapping[str, Floats], shape: Shape) -> None:
    prefix = FAMILIES[shape.family]
    value = _embeddings(graph, {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}, shape)
    width = tensors[f"{prefix}embeddings.LayerNorm.weight"].shape[0]
    for number in range(shape.layers):
        start = f"{prefix}encoder.layer.{number}."
        own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
        asks = reads = graph.tokens(value, _SIZES)
        if number == shape.layers - 1:
            parted = graph.shaped(value, _SIZES, "parted")
            value = graph.node("Gather", [parted, graph.constant("zero", np.array(0))], "first", axis=1)
            asks = graph.tokens(value, graph.constant("sizes_of_first", np.array([-1, 1, width])))
        value = _layer(graph, own, shape, f"layer{number}", value, asks, reads)
    dense, dense_bias, out, out_bias = _head(tensors, shape)
    inner = graph.add(graph.node("MatMul", [value, graph.constant("dense", dense.T)], "dense_raw"), dense_bias, "inner")
    bent = graph.node("Tanh", [inner], "bent")
    logits = graph.add(graph.node("MatMul", [bent, graph.constant("out", out.T)], "logits_raw"), out_bias, "logits")
    graph.node("Sigmoid", [logits], SCORES)


def _embeddings(graph: _Graph, tensors: Mapping[str, Floats], shape: Shape) -> str:
    """Also finds what the layers need to know of the inputs: _SIZES and _KEYS."""
    one, zero = graph.constant("axis", np.array([0])), graph.constant("start", np.array([0]))
    start = "embeddings."
    places = tensors[f"{start}position_embeddings.weight"][shape.first_position :][: shape.positions]
    # One kind of segment is all a single text has: its vector is part of every position's.
    table = places + tensors[f"{start}token_type_embeddings.weight"][0]
    width = table.shape[1]
    words = graph.embedding(tensors[f"{start}word_embeddings.weight"], IDS, "words_of_text")
    length = graph.node("Shape", [IDS], "length", start=1, end=2)
    rows = graph.node("Slice", [graph.constant("places", table), zero, length, one], "places_of_text")
    both = graph.flat(graph.node("Add", [words, rows], "embedded"), width, "embedded_rows")
    inputs = graph.node("Shape", [IDS], "sizes_of_input")
    graph.node("Concat", [inputs, graph.constant("width", np.array([width]))], _SIZES, axis=0)
    graph.node("Cast", [LENGTHS], _KEYS, to=graph.int64)
    gain, bias = tensors[f"{start}LayerNorm.weight"], tensors[f"{start}LayerNorm.bias"]
    return graph.norm(both, gain, bias, shape.epsilon, "embeddings")


def _layer(
    graph: _Graph, own: Mapping[str, Floats], shape: Shape, name: str, value: str, asks: _Tokens, reads: _Tokens
) -> str:
    """One layer: `value` is what it is added to, `asks` whose tokens it computes, `reads` what those attend to."""
    attention = "attention.self."
    query = graph.add(
        graph.linear(asks, own[f"{attention}query.weight"], f"{name}.query_raw"),
        own[f"{attention}query.bias"],
        f"{name}.query",
    )
    key = graph.linear(reads, own[f"{attention}key.weight"], f"{name}.key")
    content = graph.linear(reads, own[f"{attention}value.weight"], f"{name}.value")
    given = ((query, asks), (key, reads), (content, reads))
    inputs = [graph.shaped(rows, tokens.sizes, f"{rows}.parted") for rows, tokens in given]
    inputs += ["", "", "", _KEYS]
    heads = shape.heads
    parted = graph.node("Attention", inputs, f"{name}.heard_parted", q_num_heads=heads, kv_num_heads=heads)
    heard = graph.flat(parted, len(own[f"{attention}query.bias"]), f"{name}.heard")
    weight = own["attention.output.dense.weight"]
    bias = own["attention.output.dense.bias"] + weight @ own[f"{attention}value.bias"]
    value = _joined(graph, own, shape, "attention.output.", f"{name}.a", value, graph.tokens(heard, asks.sizes), bias)
    raw = graph.linear(graph.tokens(value, asks.sizes), own["intermediate.dense.weight"], f"{name}.wide_raw")
    wide = graph.add(raw, own["intermediate.dense.bias"], f"{name}.wide")
    tokens = graph.tokens(graph.node("Gelu", [wide], f"{name}.gelu"), asks.sizes, gelu=True)
    return _joined(graph, own, shape, "output.", f"{name}.b", value, tokens, own["output.dense.bias"])


def _joined(
    graph: _Graph,
    own: Mapping[str, Floats],
    shape: Shape,
    start: str,
    name: str,
    value: str,
    tokens: _Tokens,
    bias: Floats,
) -> str:
    """`value` plus a linear layer of `tokens`, normed."""
    change = graph.add(graph.linear(tokens, own[f"{start}dense.weight"], f"{name}_raw"), bias, f"{name}_change")
    both = graph.node("Add", [change, value], f"{name}_both")
    return graph.norm(both, own[f"{start}LayerNorm.weight"], own[f"{start}LayerNorm.bias"], shape.epsilon, name)
