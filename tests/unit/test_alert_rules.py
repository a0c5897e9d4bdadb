"""When an alert begins and ends, and what a message says: rules over values, without a database."""

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from moderation.alerts import conditions, sentences, store
from moderation.alerts.conditions import Found
from moderation.alerts.models import Alert
from moderation.alerts.store import News

T0 = datetime(2026, 11, 24, 7, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def alert(kind: str = conditions.HELD_LATE, **values: Any) -> Alert:
    facts = {"site": "Warta Uji", "held": 1284, "waited_minutes": 75, "limit_minutes": 60, "before": 3}
    return Alert(
        id=1, kind=kind, subject="1", **{"facts": {**facts, "host": "situs.example", "comments": 30}, **values}
    )


def test_an_alert_begins_at_once_where_no_patience_is_asked_for() -> None:
    row = alert()
    assert store.see(row, Found(row.kind), at(0))
    assert row.since == at(0)
    assert not store.see(row, Found(row.kind), at(1)), "it begins only once"


def test_what_needs_patience_begins_when_it_has_lasted_and_counts_from_its_beginning() -> None:
    row, found = alert(), Found(conditions.SCORER_GONE, patience=timedelta(minutes=1))
    assert not store.see(row, found, at(0))
    assert not store.see(row, found, at(0.5))
    assert store.see(row, found, at(1))
    assert row.since == at(0)


def test_what_was_away_for_a_moment_or_unwatched_for_long_must_show_its_patience_anew() -> None:
    row, found = alert(), Found(conditions.SCORER_GONE, patience=timedelta(minutes=1))
    store.see(row, found, at(0))
    store.miss(row, at(0.5))
    assert not store.see(row, found, at(1))
    assert not store.see(row, found, at(600), gap=True), "the service was off: the last heartbeat is old"


def test_between_the_marks_nothing_begins_and_nothing_ends() -> None:
    row, between = alert(), Found(conditions.HELD_LATE, begins=False)
    assert not store.see(row, between, at(0))
    store.see(row, Found(row.kind), at(1))
    store.see(row, between, at(60))
    assert row.since == at(1)
    assert row.well_at is None


def test_an_alert_is_over_when_it_stayed_away_for_five_minutes() -> None:
    row = alert()
    store.see(row, Found(row.kind), at(0))
    assert not store.miss(row, at(10))
    assert not store.miss(row, at(14))
    store.see(row, Found(row.kind), at(14.5))  # it flapped: it never was over
    assert not store.miss(row, at(15))
    assert store.miss(row, at(20))
    assert (row.since, row.resolved_at) == (None, at(20))
    assert not store.miss(row, at(30))


@pytest.mark.parametrize(
    ("before", "now", "outcome"),
    [(20, 20, None), (100, 149, None), (100, 160, False), (10, 50, False), (10, 61, True), (100, 201, True)],
)
def test_a_queue_grows_when_it_doubled_and_gained_fifty(before: int, now: int, outcome: bool | None) -> None:
    assert conditions.grows(before, now) is outcome


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_kind_has_its_sentences_its_link_and_its_place(language: str) -> None:
    kinds = {
        value
        for name, value in vars(conditions).items()
        if name.isupper() and str(value).islower() and isinstance(value, str)
    }
    assert set(sentences.ORDER) == set(sentences.LINKS) == set(sentences.TEXTS[language]) == kinds


@pytest.mark.parametrize("kind", sentences.ORDER)
def test_both_languages_name_the_same_facts(kind: str) -> None:
    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for part in ("wrong", "safe", "todo", "over"):
        assert names(getattr(sentences.TEXTS["id"][kind], part)) == names(getattr(sentences.TEXTS["en"][kind], part))


def test_a_message_says_what_is_wrong_then_what_is_safe_then_what_to_do() -> None:
    message = sentences.compose(News([alert()], [], []), "id", "https://mod.warta.example", at(0), 240)
    assert message.subject == (
        "[Moderasi mod.warta.example] Warta Uji: komentar tertua sudah menunggu 1 jam 15 menit "
        "(batas 1 jam); yang menunggu: 1.284"
    )
    parts = [
        "PERLU PERHATIAN",
        "1.284",
        "Semuanya tersimpan",
        "Buka antrean",
        "https://mod.warta.example/queue",
        "4 jam",
    ]
    places = [message.text.index(part) for part in parts]
    assert places == sorted(places)


def test_figures_are_grouped_as_the_language_does() -> None:
    text = sentences.compose(News([alert()], [], []), "en", "https://m.example", at(0), 240).text
    assert "1,284" in text


def test_several_alerts_are_one_message_with_what_harms_all_sites_first() -> None:
    gone = alert(conditions.SCORER_GONE, facts={"scorer": "builtin"})
    lasting, over = alert(since=at(-100)), alert(conditions.QUEUE_GROWS)
    message = sentences.compose(News([alert(), gone], [lasting], [over]), "en", "https://m.example", at(0), 240)
    assert "3 things need attention" in message.subject
    parts = [
        "scorer builtin",
        "oldest comment",
        "STILL GOING ON",
        "going on for 1 h 40 min",
        "ALL CLEAR",
        "growing fast",
    ]
    places = [message.text.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "0 menit"), (59, "59 menit"), (60, "1 jam"), (75, "1 jam 15 menit"), (1440, "1 hari"), (3059, "2 hari 2 jam")],
)
def test_a_span_of_time_is_said_in_its_two_largest_units(minutes: int, text: str) -> None:
    assert sentences.duration(minutes, "id") == text


def test_an_all_clear_alone_says_so_in_its_subject() -> None:
    message = sentences.compose(News([], [], [alert()]), "id", "https://m.example", at(0), 240)
    assert (
        message.subject == "[Moderasi m.example] Pulih: Warta Uji: tidak ada lagi komentar yang menunggu terlalu lama"
    )
    assert "PERLU PERHATIAN" not in message.text
    assert "diulang" not in message.text


def test_a_message_about_very_many_sites_stays_readable_and_says_how_many_it_leaves_out() -> None:
    message = sentences.compose(News([alert()] * 45, [], [alert()] * 3), "en", "https://m.example", at(0), 240)
    assert message.text.count("oldest comment") == sentences.MOST_ITEMS
    assert "28 more" in message.text


def test_a_site_name_cannot_break_the_subject_and_a_missing_fact_cannot_stop_a_message() -> None:
    broken = alert(facts={"site": "Warta\r\nBcc: x@y.example " + "a" * 300})
    subject = sentences.compose(News([broken], [], []), "en", "https://m.example", at(0), 240).subject
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) <= sentences.LONGEST_SUBJECT
