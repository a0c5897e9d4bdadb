"""The corpora written for this project: they parse, agree with themselves, and set every offence beside its twin."""

import re
import string
import tomllib
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from moderation.scoring import comments, dataset, frames
from moderation.scoring.frames import Example
from moderation.signals import IDENTITY_ATTACK, INSULT, OBSCENE, SEVERE_TOXICITY, SIGNALS, SPAM, THREAT, TOXICITY

FILES = sorted((frames.FOLDER / "frames").glob("*.toml"))
LISTS = sorted((frames.FOLDER / "lexicon").glob("*.toml"))
COMMENTS = sorted(comments.FOLDER.glob("*.tsv"))
SLOT = re.compile(r"\{([^{}]*)\}")
BLOCK_KEYS = {"signals", "lines", "severe", "unknown", "samples", "note", "pair", "tags"}
LIST_KEYS = {"sense", "severity", "signals", "terms", "censored"}

LANGUAGES = ("id", "en")
FEWEST = 15
"""Unseen frames a signal and language need at least, counted together with the benign ones, to be measured at all."""


@lru_cache(maxsize=32)
def content(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def blocks(language: str | None = None) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in FILES:
        if language in (None, content(path)["language"]):
            for block in content(path)["frames"]:
                yield path, block


@pytest.fixture(scope="module")
def plain() -> list[Example]:
    """The sentences as the frames give them, before any disguise."""
    return [example for example in frames.examples() if example.weight == 1.0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_frame_file_holds_only_what_the_reader_knows(path: Path) -> None:
    assert content(path).keys() <= {"language", "styled", "slots", "frames"}
    assert content(path)["language"] in LANGUAGES
    for block in content(path)["frames"]:
        assert block.keys() <= BLOCK_KEYS
        assert {"signals", "lines"} <= block.keys()
        assert set(block["signals"]) | set(block.get("unknown", ())) <= set(SIGNALS)
        assert not set(block["signals"]) & set(block.get("unknown", ()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_slot_is_filled_and_every_filling_is_used(path: Path) -> None:
    slots = content(path).get("slots", {})
    lists = frames.lists()[content(path)["language"]]
    texts = [line for block in content(path)["frames"] for line in block["lines"]]
    named = {
        name for text in (*texts, *(v for values in slots.values() for v in values)) for name in SLOT.findall(text)
    }
    assert {name for name in named if not name.startswith("lex:")} == set(slots)
    assert {name.removeprefix("lex:") for name in named if name.startswith("lex:")} <= set(lists)
    deep = {name for name, values in slots.items() if any(SLOT.search(value) for value in values)}
    for name in deep:
        inner = {slot for value in slots[name] for slot in SLOT.findall(value)}
        assert not inner & deep, "a slot may hold a slot, but no deeper"


def test_abuse_of_any_kind_is_toxic_and_severity_is_stated_by_its_own_mark() -> None:
    for path, block in blocks():
        signals = set(block["signals"])
        if signals - {SPAM, "obscene"}:
            assert TOXICITY in signals, (path.stem, block["lines"][0])
        if block.get("severe"):
            assert TOXICITY in signals
        assert SEVERE_TOXICITY not in signals


def test_severe_sentences_are_toxic_ones_and_advertising_is_no_abuse(plain: list[Example]) -> None:
    for example in plain:
        if example.labels.get(SEVERE_TOXICITY):
            assert example.labels[TOXICITY] == 1, example.text
        if example.labels.get(SPAM):
            assert sum(example.labels.values()) == 1, example.text


def test_no_frame_is_written_twice() -> None:
    seen = Counter(line.lower() for _, block in blocks() for line in block["lines"])
    assert [line for line, times in seen.items() if times > 1] == []


def test_no_sentence_carries_two_opinions(plain: list[Example]) -> None:
    known: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for example in plain:
        for signal, label in example.labels.items():
            known[example.text, signal].add(label)
    assert [key for key, labels in known.items() if len(labels) > 1] == []


def test_every_pair_sets_offence_beside_its_benign_twin() -> None:
    pairs: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for path, block in blocks():
        if "pair" in block:
            pairs[content(path)["language"], block["pair"]][bool(block["signals"])] += len(block["lines"])
    assert len(pairs) >= 30
    for name, (benign, offensive) in pairs.items():
        assert min(benign, offensive) >= 5, name
        assert 0.4 <= benign / offensive <= 2.5, name


@pytest.mark.parametrize("language", LANGUAGES)
def test_benign_frames_are_about_as_many_as_offensive_ones(language: str) -> None:
    offensive = sum(len(block["lines"]) for _, block in blocks(language) if block["signals"])
    benign = sum(len(block["lines"]) for _, block in blocks(language) if not block["signals"])
    assert 0.75 <= benign / offensive <= 1.5


@pytest.mark.parametrize("language", LANGUAGES)
def test_enough_frames_of_every_signal_are_held_out(language: str) -> None:
    unseen: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for _, block in blocks(language):
        raised = {*block["signals"], *((SEVERE_TOXICITY,) if block.get("severe") else ())} or {"none"}
        for line in block["lines"]:
            held_out = zlib.crc32(line.encode()) % frames.HELD_OUT == 0
            (unseen if held_out else seen).update(raised)
    total = sum(unseen.values()) / (sum(unseen.values()) + sum(seen.values()))
    assert 0.15 <= total <= 0.25
    assert unseen["none"] >= 50
    for signal in SIGNALS:
        assert unseen[signal] >= 3, signal
        assert seen[signal] >= FEWEST, signal


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_frame_teaches_a_sentence_and_not_only_its_fillings(language: str) -> None:
    sizes = [len(block["lines"]) for _, block in blocks(language)]
    assert max(sizes) <= 120
    assert all(block.get("samples", frames.SAMPLES) <= 16 for _, block in blocks(language))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_a_word_list_says_what_its_words_mean_and_names_each_once(path: Path) -> None:
    for name, entry in content(path).items():
        assert entry.keys() <= LIST_KEYS, name
        assert entry["sense"], name
        assert entry["severity"] in (0, 1, 2, 3), name
        assert set(entry["signals"]) <= set(SIGNALS), name
        assert bool(entry.get("censored")) <= (entry["severity"] >= 2), name
        assert [term for term, times in Counter(entry["terms"]).items() if times > 1] == [], name
        assert all(term == term.strip().lower() for term in entry["terms"]), name


def test_both_languages_know_the_same_categories() -> None:
    first, second = (set(frames.lists()[language]) for language in LANGUAGES)
    assert first == second


@pytest.mark.parametrize(
    ("words", "category", "not_category"),
    [
        ("tahi lalat di pipi", "homonym", "animal"),
        ("gol bunuh diri bek lawan", "idiom", "harm"),
        ("rapat pukul 19 malam", "idiom", "harm"),
        ("buka mie setan baru", "homonym", "mild_profanity"),
        ("his jokes were killing me", "idiom", "harm"),
        ("a hot dog with onions", "homonym", "animal"),
    ],
)
def test_a_harmless_phrase_hides_the_harsh_word_inside(words: str, category: str, not_category: str) -> None:
    lexicon = frames.lexicon()
    found = {lexicon.categories[hit.category] for hit in lexicon.hits(words.split())}
    assert category in found
    assert not_category not in found


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("gblk", "insult_strong"),
        ("ogeb", "insult_strong"),
        ("bungul", "insult_strong"),
        ("tailaso", "insult_strong"),
        ("biongo", "insult_strong"),
        ("bangkawarah", "insult_strong"),
        ("kalera", "insult_strong"),
        ("urat malunya", "belittle"),
        ("siapkan kafan", "veiled"),
        ("ujaran kebencian", "counter_speech"),
        ("modus penipuan", "warning"),
    ],
)
def test_slang_regions_and_wordings_are_listed(words: str, category: str) -> None:
    lexicon = frames.lexicon()
    assert category in {lexicon.categories[hit.category] for hit in lexicon.hits(words.split())}


def test_the_corpora_carry_no_marks_of_data_sets() -> None:
    """Collected comments come with masks, retweets or line-break tokens; nothing here was collected."""
    marks = re.compile(r"\[?(?:USERNAME|USER|URL|NEWLINE_TOKEN|TAB_TOKEN|NAME)\]?|\bRT @|@\w+:|\\n")
    for path in (*FILES, *(frames.FOLDER / "language").glob("*.txt"), *COMMENTS):
        assert marks.search(path.read_text("utf-8")) is None, path.name
    assert {path.suffix for path in frames.FOLDER.rglob("*") if path.is_file()} <= {
        ".toml",
        ".txt",
        ".md",
        ".csv",
        ".tsv",
    }


def test_label_files_hold_checksums_and_letters_and_no_words() -> None:
    for path in (frames.FOLDER / "labels").glob("*.csv"):
        head, *lines = path.read_text("ascii").splitlines()
        assert head == "text_sha256,abuse"
        assert all(re.fullmatch(r"[0-9a-f]{16},(?:[-umo]|T[ioxtg]{0,5})", line) for line in lines), path.name
        assert len({line[:16] for line in lines}) == len(lines), path.name


@pytest.mark.parametrize("path", COMMENTS, ids=lambda path: path.stem)
def test_written_comments_are_letters_and_a_comment(path: Path) -> None:
    for line in path.read_text("utf-8").splitlines():
        assert re.fullmatch(r"(?:[-m]|Ti?o?x?t?g?)\t\S.*", line), line
        assert line.count("\t") == 1
        assert line == line.rstrip(), line


def test_coarse_language_that_strikes_nobody_is_toxic_and_no_insult() -> None:
    for letters in ("m", "o"):
        labels = dataset.read_labels(letters)
        assert labels[TOXICITY] == 1
        assert labels[INSULT] == labels[IDENTITY_ATTACK] == labels[THREAT] == 0
    assert dataset.read_labels("o")[OBSCENE] == 1
    assert OBSCENE not in dataset.read_labels("m")
    assert dataset.read_labels("-")[TOXICITY] == 0
    assert dataset.read_labels("u") == {}


def test_no_comment_is_written_twice_and_none_is_a_sentence_of_the_frames(plain: list[Example]) -> None:
    found = comments.examples()
    texts = Counter(" ".join(row.text.lower().split()) for row in found)
    assert [text for text, times in texts.items() if times > 1] == []
    assert not {row.text for row in found if row.dev} & {row.text for row in plain if len(row.text) > 25}


def test_written_comments_are_mostly_clean_and_some_are_never_trained_on() -> None:
    found = comments.examples()
    for group in dataset.COMMENTS:
        own = [row for row in found if row.group == group]
        assert 0.05 <= sum(row.labels[TOXICITY] for row in own) / len(own) <= 0.5
    assert all(row.dev for row in found if row.group == dataset.COMMENTS[1])
    own = [row.dev for row in found if row.group == dataset.COMMENTS[0]]
    assert 0.15 <= sum(own) / len(own) <= 0.25
    assert all(dataset.importance(row, TOXICITY) > 0 and row.labels[SPAM] == 0 for row in found)


def test_comments_mixed_as_a_stream_brings_them_teach_more_than_chosen_ones() -> None:
    weights: dict[bool, set[float]] = {}
    for row in comments.examples():
        if row.group == dataset.COMMENTS[0]:
            weights.setdefault(dataset.AS_THEY_COME in row.tags, set()).add(dataset.importance(row, TOXICITY))
    assert min(weights[True]) > max(weights[False]) > 0


def test_language_sentences_are_sentences_and_named_once() -> None:
    found = list(frames.sentences())
    assert [text for text, times in Counter(text for _, text in found).items() if times > 1] == []
    assert all(len(text.split()) >= 3 for _, text in found)
    assert all(len(code) == 2 and set(code) <= set(string.ascii_lowercase) for code, _ in found)


def test_the_data_card_states_the_counts_of_the_day() -> None:
    card = (frames.FOLDER / "DATACARD.md").read_text("utf-8")
    for path in FILES:
        offensive = sum(len(block["lines"]) for block in content(path)["frames"] if block["signals"])
        benign = sum(len(block["lines"]) for block in content(path)["frames"] if not block["signals"])
        assert f"| `{path.stem}` | {content(path)['language']} | {offensive} | {benign} |" in card, path.stem
    for language, categories in frames.lists().items():
        terms = sum(len(entry["terms"]) for entry in categories.values())
        assert f"| {language} | {len(categories)} | {terms:,} |" in card, language
    for path in COMMENTS:
        own = comments.read(path)
        abusive = sum(row.labels[TOXICITY] for row in own)
        assert f"| `{path.stem}` | {len(own):,} | {abusive:,} |" in card, path.stem
