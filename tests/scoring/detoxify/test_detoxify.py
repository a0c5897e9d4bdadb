"""Detoxify judges through its own class, from local weights only, and refuses weights that cannot be trusted."""

import os
import pickle
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from moderation.scoring import weights
from moderation.scoring.conversion import Wanted
from moderation.scoring.converter import convert
from moderation.scoring.detoxify_scorer import DetoxifyScorer
from moderation.scoring.detoxify_torch import TorchNetwork
from moderation.scoring.language import Language
from moderation.scoring.preparing import one_by_one
from moderation.scoring.scorer import ScorerError
from moderation.scoring.weights import WeightsError
from tests.scoring import tiny

ENGLISH = Language("en")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def network(checkpoint: Path) -> TorchNetwork:
    return TorchNetwork(checkpoint)


@pytest.fixture(scope="module")
def scorer(network: TorchNetwork) -> DetoxifyScorer:
    return scorer_of(network)


def scorer_of(network: TorchNetwork) -> DetoxifyScorer:
    return DetoxifyScorer(network, languages=frozenset({"en"}), prepare=one_by_one(lambda text: ENGLISH), version="abc")


def install(path: Path, data_dir: Path, *given: str, **more: Any) -> weights.Installed:
    """Installed for the plain way, in this process: a process of its own takes seconds to load torch."""
    return weights.install(path, data_dir, *given, wanted=Wanted(precision="none"), convert=convert, **more)[0]


def test_scores_carry_the_house_names_of_the_signals(scorer: DetoxifyScorer) -> None:
    (result,) = scorer.score(["you are stupid"])
    assert set(result.signals) == {"toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack"}
    assert all(0.0 <= value <= 1.0 for value in result.signals.values())
    assert (scorer.name, scorer.version) == ("detoxify", "abc.torch.3")
    assert scorer.languages == {"en"}


def test_a_list_of_one_is_judged_as_in_company(scorer: DetoxifyScorer) -> None:
    texts = ["you are stupid", "good article", "the people are very nice and this was good", "idiot"]
    together = scorer.score(texts)
    for text, result in zip(texts, together, strict=True):
        (alone,) = scorer.score([text])
        assert alone.signals == pytest.approx(dict(result.signals), abs=1e-4)
    assert len({tuple(result.signals.values()) for result in together}) == len(texts)


def test_scores_are_those_of_detoxify_itself(checkpoint: Path, scorer: DetoxifyScorer) -> None:
    from detoxify import Detoxify

    theirs = Detoxify(checkpoint=str(checkpoint)).predict("you are stupid")
    (result,) = scorer.score(["you are stupid"])
    assert dict(result.signals) == pytest.approx(theirs, abs=1e-4)


def test_abuse_at_the_end_of_a_long_text_counts_as_it_would_alone(scorer: DetoxifyScorer) -> None:
    filler = "the article was good and " * 60
    plain, padded = scorer.score([filler, filler + "you are stupid idiot " * 6])
    differing = [name for name in plain.signals if abs(plain.signals[name] - padded.signals[name]) > 1e-6]
    assert differing
    assert all(padded.signals[name] >= plain.signals[name] - 1e-3 for name in plain.signals)


def test_no_window_of_a_long_text_is_longer_than_the_model_reads(network: TorchNetwork) -> None:
    windows = [text for text, _ in network.windows("the article was good and nice " * 100)]
    assert len(windows) > 1
    lengths = [len(network.detoxify.tokenizer(text, verbose=False)["input_ids"]) for text in windows]
    assert max(lengths) <= network.limit


def test_styled_letters_are_read_plainly(scorer: DetoxifyScorer) -> None:
    plain, styled = scorer.score(["you are stupid", "𝐲𝐨𝐮 𝐚𝐫𝐞 𝐬𝐭𝐮𝐩𝐢𝐝"])
    assert styled.signals == pytest.approx(dict(plain.signals), abs=1e-4)
    assert styled.reads_as == "you are stupid"


def test_a_text_in_a_language_the_weights_do_not_speak_is_not_supported(network: TorchNetwork) -> None:
    found = {"selamat pagi": Language("id"), "ok": Language("und"), "hola a todos": Language("es", foreign=True)}
    scorer = DetoxifyScorer(network, languages=frozenset({"en"}), prepare=one_by_one(found.__getitem__), version="abc")
    results = dict(zip(found, scorer.score(list(found)), strict=True))
    assert not results["selamat pagi"].supported
    assert results["selamat pagi"].signals == {}
    assert results["ok"].supported
    assert results["ok"].signals
    assert not results["hola a todos"].supported


def test_a_number_that_is_no_probability_is_an_error(
    network: TorchNetwork, scorer: DetoxifyScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in (float("nan"), 1.5):
        answer = dict.fromkeys(network.facts.classes, value)
        monkeypatch.setattr(network.detoxify, "predict", lambda texts, found=answer: found)
        with pytest.raises(ScorerError, match="probability"):
            scorer.score(["good article"])


def test_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match=r"tensors missing|cannot be built"):
        TorchNetwork(tiny.make(tmp_path, drop="classifier"))


def test_weights_that_give_every_text_the_same_score_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match="same score"):
        TorchNetwork(tiny.make(tmp_path, flat=True))


def test_a_vocabulary_that_was_not_found_is_refused(tmp_path: Path) -> None:
    path = tiny.make(tmp_path)
    for file in (tmp_path / "base").iterdir():
        if file.name != "config.json":
            file.unlink()
    with pytest.raises(ScorerError):
        TorchNetwork(path)


class _Evil:
    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.proof),)


def test_a_pickle_that_runs_code_is_refused_and_not_run(tmp_path: Path) -> None:
    import torch

    content = {"config": {}, "state_dict": _Evil(tmp_path / "ran")}
    torch.save(content, tmp_path / "torch.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(content, protocol=2))
    for name in ("torch.ckpt", "plain.ckpt"):
        with pytest.raises(ScorerError):
            TorchNetwork(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(content)
    with pytest.raises(ScorerError, match=r"x\.ckpt (is damaged|holds more)"):
        TorchNetwork(path)


def test_half_a_checkpoint_is_called_damaged(tmp_path: Path, checkpoint: Path) -> None:
    path = tmp_path / "half.ckpt"
    content = checkpoint.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ScorerError, match=r"half\.ckpt is damaged, incomplete or no checkpoint"):
        TorchNetwork(path)


def test_weights_that_are_no_numbers_are_called_so(tmp_path: Path, checkpoint: Path) -> None:
    import torch

    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["classifier.weight"][0] = float("nan")
    torch.save(content, tmp_path / "nan.ckpt")
    with pytest.raises(ScorerError, match=r"classifier\.weight holds values that are no finite numbers"):
        TorchNetwork(tmp_path / "nan.ckpt")


def test_weights_that_name_a_model_of_the_hub_are_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tiny.make(tmp_path, extra={"model_type": "bert-base-uncased"})
    with pytest.raises(ScorerError, match=r"config\.json"):
        TorchNetwork(path)


def test_weights_that_want_another_class_than_a_known_one_are_refused(tmp_path: Path) -> None:
    path = tiny.make(tmp_path, extra={"model_name": "pipeline"})
    with pytest.raises(ScorerError, match="unknown"):
        TorchNetwork(path)


def test_a_folder_with_the_vocabulary_beside_the_checkpoint_is_enough(tmp_path: Path) -> None:
    path = tiny.make(tmp_path / "made", extra={"model_type": "bert-base-uncased"})
    folder = tmp_path / "given"
    shutil.copytree(path.parent / "base", folder)
    shutil.copy(path, folder)
    installed = install(folder, tmp_path / "data")
    assert installed.kind == "original"
    assert installed.languages == ("en",)
    assert weights.active(tmp_path / "data") == installed
    weights.check(installed)


def test_installed_weights_are_kept_by_their_hash_and_become_active(tmp_path: Path, checkpoint: Path) -> None:
    digest = weights.sha256_of(checkpoint)
    installed = install(checkpoint, tmp_path, digest.upper(), languages=("en", "id"))
    assert installed.sha256 == digest
    assert installed.folder == weights.store(tmp_path) / digest
    assert installed.languages == ("en", "id")
    assert weights.active(tmp_path) == installed
    assert install(checkpoint, tmp_path).sha256 == digest  # again is no error
    assert [item.sha256 for item in weights.installed(tmp_path)] == [digest]


def test_weights_with_another_hash_are_not_installed(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match="was expected"):
        install(checkpoint, tmp_path, "0" * 64)
    assert weights.active(tmp_path) is None


def test_weights_that_do_not_load_leave_nothing_behind(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(b"no weights")
    with pytest.raises(ScorerError):
        install(bad, tmp_path / "data")
    assert list(weights.store(tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("language", ["klingon", "EN", "en,id", ""])
def test_weights_are_told_languages_by_code_or_they_would_judge_nothing(
    tmp_path: Path, checkpoint: Path, language: str
) -> None:
    with pytest.raises(WeightsError, match="no language code"):
        install(checkpoint, tmp_path, languages=("en", language))
    assert weights.active(tmp_path) is None


def test_what_a_killed_installation_left_is_removed_after_a_day(tmp_path: Path, checkpoint: Path) -> None:
    home = weights.store(tmp_path)
    old, young = home / ".part-old", home / ".part-young"
    for folder in (old, young):  # the young one may be somebody else's, at work
        (folder / "weights").mkdir(parents=True)
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    install(checkpoint, tmp_path)
    assert sorted(path.name for path in home.glob(".part-*")) == [young.name]


def test_weights_that_changed_on_disk_are_noticed(tmp_path: Path, checkpoint: Path) -> None:
    installed = install(checkpoint, tmp_path)
    content = bytearray(installed.path.read_bytes())
    content[len(content) // 2] ^= 1
    installed.path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        weights.check(installed)
    installed.path.unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.verify(installed)
