"""Languages, figures and times as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.ctx import RequestContext

from moderation import i18n

NOON = datetime(2026, 11, 22, 7, 31, 5, tzinfo=UTC)


def speak(bare: Flask, path: str = "/queue", **headers: str) -> RequestContext:
    return bare.test_request_context(path, headers={key.replace("_", "-"): value for key, value in headers.items()})


def test_without_any_wish_pages_are_indonesian(bare: Flask) -> None:
    with speak(bare):
        assert i18n.language() == "id"


def test_the_address_beats_the_cookie_the_cookie_the_moderator_the_moderator_the_browser(bare: Flask) -> None:
    with speak(bare, Accept_Language="en"):
        assert i18n.language() == "en"
    with speak(bare, Accept_Language="en"):
        i18n.for_moderator("id")
        assert i18n.language() == "id"
    with speak(bare, Cookie="lang=en"):
        i18n.for_moderator("id")
        assert i18n.language() == "en"
    with speak(bare, "/queue?lang=id", Cookie="lang=en"):
        assert i18n.language() == "id"


@pytest.mark.parametrize("wish", ["de", "", "../../etc", "id_ID"])
def test_a_language_that_is_not_ours_is_no_language(bare: Flask, wish: str) -> None:
    with speak(bare, f"/queue?lang={wish}", Cookie=f"lang={wish}", Accept_Language="fr"):
        assert i18n.language() == "id"


def test_a_public_page_speaks_the_sites_language_whatever_the_readers_cookie_says(bare: Flask) -> None:
    with speak(bare, "/demo", Cookie="lang=id", Accept_Language="id"):
        i18n.for_reader("en")
        assert i18n.language() == "en"
    with speak(bare, "/demo?lang=id"):
        i18n.for_reader("en")
        assert i18n.language() == "id"


def test_a_moderators_choice_is_remembered_and_a_readers_is_not(bare: Flask) -> None:
    @bare.get("/room")
    def room() -> str:
        return i18n.language()

    @bare.get("/public")
    def public() -> str:
        i18n.for_reader("id")
        return i18n.language()

    client = bare.test_client()
    assert client.get("/public?lang=en").text == "en"
    assert client.get_cookie("lang") is None
    assert client.get("/room?lang=en").text == "en"
    kept = client.get_cookie("lang")
    assert kept is not None
    assert kept.value == "en"
    assert client.get("/room").text == "en"


def test_the_language_link_keeps_the_rest_of_the_query(bare: Flask) -> None:
    with speak(bare, "/queue?tab=spam&lang=id&after=a%26b"):
        assert i18n.language_link("en") == "?tab=spam&after=a%26b&lang=en"


@pytest.mark.parametrize(
    ("value", "indonesian", "english"),
    [
        (0.91, "0,91", "0.91"),
        (1284, "1.284", "1,284"),
        (0, "0", "0"),
        (0.0, "0,00", "0.00"),
        (1.0, "1,00", "1.00"),
        (0.7999, "0,79", "0.79"),
        (0.29, "0,29", "0.29"),
        (0.00004, "0,00", "0.00"),
        (3.0, "3", "3"),
        (None, "–", "–"),
    ],
)
def test_figures_are_written_as_the_language_writes_them_and_cut_not_rounded(
    bare: Flask, value: float | None, indonesian: str, english: str
) -> None:
    with speak(bare, "/?lang=id"):
        assert i18n.figure(value) == indonesian
    with speak(bare, "/?lang=en"):
        assert i18n.figure(value) == english


def test_a_mark_is_shown_with_all_its_decimals(bare: Flask) -> None:
    with speak(bare, "/?lang=id"):
        assert [i18n.mark(value) for value in (0.008, 0.429, 0.9, 0.0, None)] == ["0,008", "0,429", "0,90", "0,00", "–"]


def test_a_rate_is_rounded_to_one_decimal_and_grouped(bare: Flask) -> None:
    with speak(bare, "/?lang=id"):
        assert [i18n.decimal(value) for value in (1.44, 1.46, 12345.0)] == ["1,4", "1,5", "12.345,0"]
    with speak(bare, "/?lang=en"):
        assert i18n.decimal(12345.0) == "12,345.0"


def test_times_are_shown_in_the_sites_zone(bare: Flask) -> None:
    with speak(bare, "/?lang=id"):
        assert (i18n.clock(NOON), i18n.clock(NOON, True), i18n.day(NOON)) == ("14.31", "14.31.05", "22 November 2026")
        i18n.use_timezone("Asia/Jayapura")
        assert i18n.clock(NOON) == "16.31"
        i18n.use_timezone("Nowhere/At_all")
        assert i18n.clock(NOON) == "14.31"
    with speak(bare, "/?lang=en"):
        assert (i18n.clock(NOON), i18n.day(datetime(2026, 10, 31, 18, tzinfo=UTC))) == ("14:31", "1 November 2026")


def test_a_moment_that_is_not_today_names_its_day(bare: Flask) -> None:
    now = datetime.now(UTC)
    with speak(bare, "/?lang=en"):
        assert i18n.moment(NOON) == "22 November 2026, 14:31" or i18n.day(now) == "22 November 2026"
        assert i18n.moment(now) == i18n.clock(now)


@pytest.mark.parametrize(
    ("seconds", "indonesian", "english"),
    [
        (-30, "baru saja", "just now"),
        (59, "baru saja", "just now"),
        (42 * 60, "42 mnt", "42 min"),
        (66 * 60, "1 j 6 mnt", "1 h 6 min"),
        (25 * 3600, "1 hari", "1 day"),
        (50 * 3600, "2 hari", "2 days"),
    ],
)
def test_ages_are_short(bare: Flask, seconds: int, indonesian: str, english: str) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds + 1 if seconds > 100 else seconds)
    with speak(bare, "/?lang=id"):
        assert i18n.ago(at) == indonesian
    with speak(bare, "/?lang=en"):
        assert i18n.ago(at) == english


def test_every_signal_has_a_name_in_both_languages(bare: Flask) -> None:
    from moderation.signals import SIGNALS

    with speak(bare, "/?lang=id"):
        indonesian = [i18n.signal_name(signal) for signal in SIGNALS]
    assert indonesian[:3] == ["toksisitas", "toksisitas berat", "cabul"]
    assert not set(indonesian) & (set(SIGNALS) - {"spam"})


def test_an_unknown_code_is_shown_as_it_is(bare: Flask) -> None:
    with speak(bare):
        assert (i18n.reason_name("brand_new"), i18n.signal_name("irony"), i18n.reason_name(None)) == (
            "brand_new",
            "irony",
            "",
        )


def test_hidden_characters_are_named(bare: Flask) -> None:
    assert i18n.is_hidden("\u200b\u2060\ufe0f")
    assert not i18n.is_hidden("a\u200b")
    assert not i18n.is_hidden("")
    assert i18n.hidden_name("\u200b\u200b\u2060") == "U+200B zero width space × 2, U+2060 word joiner × 1"


@pytest.mark.parametrize(
    ("text", "indonesian"),
    [
        ("builtin is 1.2 here; the run wants 1.1.", "builtin di sini berversi 1.2; proses ini memerlukan 1.1."),
        (
            "This search takes too long: add a word, a date or another filter.",
            "Pencarian ini terlalu lama: tambahkan kata, tanggal, atau penyaring lain.",
        ),
        ("something 100 % new", "something 100 % new"),
    ],
)
def test_why_a_run_cannot_go_on_is_said_in_the_pages_language(bare: Flask, text: str, indonesian: str) -> None:
    with speak(bare):
        assert i18n.trouble(text) == indonesian
    with speak(bare, "/queue?lang=en"):
        assert i18n.trouble(text) == text


@pytest.mark.parametrize(
    ("text", "indonesian"),
    [
        ("the connection was refused", "sambungan ditolak"),
        ("answered 503", "menjawab 503"),
        ("answered 302; redirects are not followed", "menjawab 302; pengalihan tidak diikuti"),
        ("no answer within 10 s", "tidak ada jawaban dalam 10 dtk"),
        ("refused: the name has no address", "tidak dihubungi: nama itu tidak punya alamat"),
        ("something new", "something new"),
    ],
)
def test_what_became_of_a_delivery_is_said_in_the_pages_language(bare: Flask, text: str, indonesian: str) -> None:
    with speak(bare):
        assert i18n.clause(text) == indonesian
    with speak(bare, "/queue?lang=en"):
        assert i18n.clause(text) == text
