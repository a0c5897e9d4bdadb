"""What runs on a GPU judges as the package does, to the precision of bfloat16; without a GPU the CPU computes it."""

from pathlib import Path

import pytest

from moderation.scoring import preparing
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.detoxify_gpu import GpuNetwork
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.scorer import ScorerError
from tests.scoring import tiny


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("weights"))


@pytest.mark.parametrize("budget", [16, 1024])
def test_every_text_is_judged_as_by_the_package_in_any_batches(checkpoint: Path, budget: int) -> None:
    texts = ["idiot", "you are stupid", "the people are nice [SEP] bad", "good article " * 40, "", "you are stupid"]
    wanted = TorchNetwork(checkpoint).predict(texts)
    found = GpuNetwork(checkpoint, device="cpu", budget=budget).predict(texts)
    for was, now in zip(wanted, found, strict=True):
        assert now == pytest.approx(was, abs=0.02)


def test_a_machine_without_a_gpu_says_so(checkpoint: Path) -> None:
    import torch  # only where it is used: loading it takes seconds of every test process

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ScorerError, match="--device cpu"):
        GpuNetwork(checkpoint)


def test_many_processes_prepare_what_one_does_in_the_same_order() -> None:
    texts = [f"comment {number} https://toko{number}.example 𝗴𝗮𝗰𝗼𝗿" for number in range(preparing.CHUNK * 2 + 3)]
    assert list(preparing.Pool(2)(texts)) == BuiltinScorer().prepare(texts)
