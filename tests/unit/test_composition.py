"""One table says which scorer speaks for which language and signal; a wrong one is refused and names its part."""

from dataclasses import replace

import pytest

from moderation import composition
from moderation.errors import SettingsError
from moderation.review import evidence
from moderation.scoring import registry
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import StoredScore
from moderation.settings import load

TABLE = composition.parse("id:*=newsroom,builtin; en:toxicity=detoxify,builtin; *:spam=newsroom,builtin")


def score(scorer: str, language: str, *, supported: bool = True, **signals: float) -> StoredScore:
    return StoredScore(scorer, "1", TextScore(signals, language, supported=supported))


def spoken(table: composition.Composition, *stored: StoredScore) -> dict[str, str]:
    return {signal: item.scorer for signal, (_, item) in evidence.effective(stored, table).items()}


def test_the_first_part_that_fits_says_who_speaks() -> None:
    assert TABLE.order("id", "insult") == ("newsroom", "builtin")
    assert TABLE.order("en", "toxicity") == ("detoxify", "builtin")
    assert TABLE.order("en", "spam") == ("newsroom", "builtin")
    assert TABLE.order("en", "insult") == composition.USUAL.order("en", "insult")


def test_of_those_that_may_speak_the_first_that_measured_the_signal_counts() -> None:
    english = [
        score("builtin", "en", toxicity=0.1, insult=0.2, spam=0.3),
        score("detoxify", "en", toxicity=0.4, insult=0.5),
        score("newsroom", "en", toxicity=0.6, spam=0.7),
    ]
    assert spoken(TABLE, *english) == {"toxicity": "detoxify", "insult": "detoxify", "spam": "newsroom"}
    assert spoken(composition.USUAL, *english) == {"toxicity": "newsroom", "insult": "detoxify", "spam": "newsroom"}


def test_a_scorer_that_no_fitting_list_names_does_not_speak() -> None:
    stored = [score("builtin", "id", toxicity=0.1, spam=0.3), score("detoxify", "id", toxicity=0.9, obscene=0.9)]
    assert spoken(TABLE, *stored) == {"toxicity": "builtin", "spam": "builtin"}


def test_a_scorer_that_does_not_speak_the_language_counts_for_spam_only() -> None:
    stored = [score("builtin", "ru", supported=False, toxicity=0.1, spam=0.3)]
    assert spoken(composition.USUAL, *stored) == spoken(TABLE, *stored) == {"spam": "builtin"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("id=builtin", "id=builtin"),
        ("id:*", "id:*"),
        ("Indonesian:*=builtin", "Indonesian"),
        ("id:rudeness=builtin", "rudeness"),
        ("id:*=oracle", "oracle"),
        ("id:*=builtin,", "''"),
        ("id:*=builtin,builtin", "twice"),
        ("*:*=builtin; id:spam=builtin", "never reached"),
        ("*:spam=newsroom", "spam without builtin"),
        ("id:*=detoxify", "spam without builtin for id"),
    ],
)
def test_a_wrong_table_is_refused_and_names_the_variable_and_the_part(text: str, part: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({"MODERATION_COMPOSITION": text})
    assert "MODERATION_COMPOSITION" in error.value.message
    assert part in error.value.message


def test_an_empty_table_is_the_usual_one_and_detoxify_alone_leaves_spam_to_the_built_in() -> None:
    assert load({}).speakers is load({"MODERATION_COMPOSITION": ""}).speakers is composition.USUAL
    alone = load({"MODERATION_SCORER": "detoxify"}).speakers
    assert alone.order("en", "spam") == ("newsroom", "builtin")
    assert alone.order("id", "toxicity") == ("detoxify",)


def test_detoxify_follows_only_where_it_may_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "languages_of_detoxify", lambda data_dir: frozenset({"en"}))
    settings = load({})
    assert registry.follow_up(settings, TextScore({}, "en")) == "detoxify"
    muted = replace(settings, composition=composition.parse("en:*=newsroom,builtin"))
    assert registry.follow_up(muted, TextScore({}, "en")) is None
