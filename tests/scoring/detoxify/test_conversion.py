"""The converted network judges as the package does, without torch; 8 bits only where they change next to nothing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from moderation.scoring import conversion, converter, detoxify_onnx, weights
from moderation.scoring.conversion import Compared, Converted, Wanted
from moderation.scoring.detoxify_onnx import OnnxNetwork
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.scorer import ScorerError
from tests.scoring import tiny

TEXTS = [
    "you are stupid",
    "good article",
    "the people are very nice and this was good",
    "idiot",
    "thank you [SEP] this is bad",
    "the article was good and " * 30 + "you are a stupid idiot",
]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def done(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Converted]:
    folder = tmp_path_factory.mktemp("converted")
    wanted = Wanted(precision="int8", texts=tuple(TEXTS), marks={"toxicity": (0.5,)}, threads=1)
    return folder, converter.convert(checkpoint, folder, wanted)


@pytest.fixture(scope="module")
def network(done: tuple[Path, Converted]) -> OnnxNetwork:
    return OnnxNetwork(done[0], threads=2)


def values(network: OnnxNetwork | TorchNetwork, texts: list[str]) -> np.ndarray:
    return np.array([list(found.values()) for found in network.predict(texts)])


def test_the_converted_network_says_what_the_package_says(done: tuple[Path, Converted]) -> None:
    exact, small = done[1].compared
    assert (exact.precision, small.precision) == ("fp32", "int8")
    assert exact.largest < 1e-4
    assert 0 < small.largest < 0.05
    assert 0 < small.mean < small.largest


def test_only_the_chosen_files_are_left(done: tuple[Path, Converted]) -> None:
    names = sorted(file.name for file in done[0].iterdir())
    assert names == ["model.onnx", "model.onnx.weights", "network.json", "tokenizer.json"]


def test_a_score_does_not_depend_on_the_comments_judged_with_it(network: OnnxNetwork) -> None:
    together = values(network, TEXTS)
    alone = np.concatenate([values(network, [text]) for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-4


def test_the_tail_of_a_long_text_counts(network: OnnxNetwork) -> None:
    filler = "the article was good and " * 60
    tail = "you are stupid idiot " * 6
    plain, padded = values(network, [filler, filler + tail])
    assert (np.abs(plain - padded) > 1e-4).any()
    assert (padded >= plain - 1e-3).all()


def test_marks_of_the_model_that_somebody_types_are_text(network: OnnxNetwork) -> None:
    typed, plain = values(network, ["you are stupid [SEP] good", "you are stupid good"])
    assert not np.allclose(typed, plain)


def test_a_number_that_is_no_probability_is_refused(network: OnnxNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_run", lambda pieces: np.full((len(pieces), 6), np.nan, np.float32))
    with pytest.raises(ScorerError, match="not a probability"):
        network.predict(["good"])


def test_judging_loads_no_torch(done: tuple[Path, Converted]) -> None:
    code = (
        "import sys; from pathlib import Path; from moderation.scoring.detoxify_onnx import OnnxNetwork; "
        "OnnxNetwork(Path(sys.argv[1])).predict(['you are stupid']); "
        "print([name for name in ('torch', 'transformers', 'detoxify', 'onnx') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(done[0])]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_file_that_changed_is_noticed_before_it_judges(done: tuple[Path, Converted], tmp_path: Path) -> None:
    folder = tmp_path / "onnx-x"
    folder.mkdir()
    for file in done[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    files = {file.name: weights.sha256_of(file) for file in folder.iterdir()}
    item = weights.Installed("0" * 64, tmp_path, "x.ckpt", "original", ("en",), (), "", "int8", folder.name, files)
    weights.load(item, weights.ONNX).predict(["good"])
    changed = bytearray((folder / "model.onnx.weights").read_bytes())
    changed[7] ^= 1
    (folder / "model.onnx.weights").write_bytes(changed)
    with pytest.raises(weights.WeightsError, match="damaged"):
        weights.load(item, weights.ONNX)


@pytest.mark.parametrize("told", [{}, {"format": 1}, {"format": detoxify_onnx.FORMAT + 1}])
def test_a_network_that_another_version_converted_is_refused_with_the_way_out(
    done: tuple[Path, Converted], tmp_path: Path, told: dict[str, int]
) -> None:
    folder = tmp_path / "network"
    shutil.copytree(done[0], folder)
    facts = json.loads((folder / detoxify_onnx.FACTS).read_bytes())
    del facts["format"]
    (folder / detoxify_onnx.FACTS).write_text(json.dumps(facts | told), "utf-8")
    with pytest.raises(ScorerError, match="another version; install the weights again"):
        OnnxNetwork(folder)


def compared(precision: str, *, changed: float = 0.0, lost: float | None = None, largest: float = 0.0) -> Compared:
    before = None if lost is None else 0.9
    return Compared(precision, largest, largest, changed, None if lost is None else 0.9 - lost, before)


@pytest.mark.parametrize(
    ("changed", "lost", "chosen"),
    [
        (0.0, None, "int8"),
        (0.01, None, "int8"),  # one in a hundred may change side
        (0.012, None, "fp32"),
        (0.0, 0.004, "int8"),
        (0.0, 0.006, "fp32"),
        (0.012, 0.0, "fp32"),
    ],
)
def test_8_bits_judge_where_one_percent_changes_side_and_the_area_keeps_within_five_thousandths(
    changed: float, lost: float | None, chosen: str
) -> None:
    found = [compared("fp32"), compared("int8", changed=changed, lost=lost)]
    assert converter._choose(found, Wanted())[0] == chosen


def test_the_reason_against_8_bits_is_the_one_that_was_measured() -> None:
    lost = converter._choose([compared("fp32"), compared("int8", lost=0.006)], Wanted())
    changed = converter._choose([compared("fp32"), compared("int8", changed=0.012, lost=0.006)], Wanted())
    assert (lost[1], changed[1]) == (
        "8 bits rank the labelled texts worse",
        "8 bits judge too many texts differently",
    )


@pytest.mark.parametrize(
    "line",
    [
        b"text,label",
        b'{"label": 1}',
        b'{"text": "a", "label": 2}',
        b'{"text": "a", "label": [1]}',
        b'["a", 1]',
        b'{"text": "\xff", "label": 1}',
        rb'{"text": "half \ud800", "label": 1}',
        b"[" * 100_000,
    ],
)
def test_a_bad_line_of_labelled_texts_is_named_by_its_number(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_bytes(b'{"text": "good", "label": 0}\n\n' + line)
    with pytest.raises(conversion.ConversionFailed, match=r"texts\.jsonl, line 3: "):
        conversion.read_labelled(path)


def test_a_network_that_was_converted_wrongly_is_not_used() -> None:
    found = [compared("fp32", largest=0.002), compared("int8")]
    assert converter._choose(found, Wanted())[0] == "none"


def test_texts_change_side_at_the_marks_of_the_sites() -> None:
    before = [{"toxicity": 0.61, "insult": 0.2}] * 4
    after = [{"toxicity": 0.59, "insult": 0.2}, *before[1:]]
    wanted = Wanted(texts=("a",) * 4, marks={"toxicity": (0.6,), "insult": (0.5,)})
    found = converter.compare("int8", before, after, wanted, [True] * 4)
    assert found.changed == 0.25
    assert found.largest == pytest.approx(0.02)
    assert found.auc is None
    elsewhere = converter.compare("int8", before, after, Wanted(marks={"toxicity": (0.9,)}), [True] * 4)
    assert elsewhere.changed == 0.0


def test_there_are_500_sentences_to_compare_on_in_english() -> None:
    assert len(set(converter.sample(frozenset({"en"})))) == conversion.TEXTS
