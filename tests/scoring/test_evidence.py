"""Links, phone numbers and hidden letters are found where they stand, however they are written."""

import subprocess
import sys
import time

import pytest

from moderation.scoring import evidence
from moderation.scoring.normalise import view


def _found(text: str, kind: str) -> list[tuple[str, str]]:
    return [(text[s.start : s.end], s.detail) for s in evidence.find(view(text)).spans if s.kind == kind]


@pytest.mark.parametrize(
    ("text", "written", "domain"),
    [
        ("cek contoh-77.com sekarang", "contoh-77.com", "contoh-77.com"),
        ("lihat https://a.b.example.co.id/x?y=1, ya", "https://a.b.example.co.id/x?y=1", "example.co.id"),
        ("hxxp://situs.example.com/", "hxxp://situs.example.com/", "example.com"),
        ("http://203.0.113.7/promo", "http://203.0.113.7/promo", "203.0.113.7"),
        ("www.contoh.co.id.", "www.contoh.co.id", "contoh.co.id"),
        ("wa.me/6281234567890", "wa.me/6281234567890", "wa.me"),
        ("gabung t.me/grupcuan", "t.me/grupcuan", "t.me"),
        ("daftar di menang.bet77.vip", "menang.bet77.vip", "bet77.vip"),
        ("contoh dot com", "contoh dot com", "contoh.com"),
        ("contoh titik com", "contoh titik com", "contoh.com"),
        ("contoh[dot]com", "contoh[dot]com", "contoh.com"),
        ("contoh[.]com", "contoh[.]com", "contoh.com"),
        ("𝗰𝗼𝗻𝘁𝗼𝗵.𝗰𝗼𝗺 saja", "𝗰𝗼𝗻𝘁𝗼𝗵.𝗰𝗼𝗺", "contoh.com"),
        ("con\u200btoh.com", "con\u200btoh.com", "contoh.com"),
        ("baca tirto.id", "tirto.id", "tirto.id"),
    ],
)
def test_links_are_found_with_their_registered_domain(text: str, written: str, domain: str) -> None:
    assert _found(text, "link") == [(written, domain)]


@pytest.mark.parametrize(
    "text",
    [
        "bagus.terima kasih",
        "saya.me too",
        "user@gmail.com",
        "harga Rp10.000.000",
        "p.s. i.e. U.S. a.m.",
        "pukul 10.30 di RT.05/RW.02",
        "selesai.in the end",
        "titik. dot. com",
        "versi 2.0.1",
    ],
)
def test_sentences_and_numbers_are_no_links(text: str) -> None:
    assert _found(text, "link") == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("wa 0812-3456-7890", "+6281234567890"),
        ("hub 0857 1234 5678 ya", "+6285712345678"),
        ("+62 812 3456 7890", "+6281234567890"),
        ("telp (021) 555-1234", "+62215551234"),
        ("wa.me/6281234567890", "+6281234567890"),
        ("WA: 81234567890", "+6281234567890"),
        ("𝟎𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗𝟎", "+6281234567890"),
        ("0\u200b812\u200b34567890", "+6281234567890"),
        ("call +1 202 456 1111", "+12024561111"),
    ],
)
def test_phone_numbers_are_found_in_e164(text: str, number: str) -> None:
    assert [detail for _, detail in _found(text, "phone")] == [number]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("hub o812 345O 678l ya", "o812 345O 678l"),
        ("WA 0812*3456*7890", "0812*3456*7890"),
        ("0812✨3456✨7890", "0812✨3456✨7890"),
        ("nol delapan satu dua tiga empat lima enam tujuh delapan sembilan", None),
        ("wa: +62 8l2-3456-789o", "+62 8l2-3456-789o"),
        ("𝗼𝟴𝟭𝟮-𝟯𝟰𝟱𝟲-𝟳𝟴𝟵𝟬", "𝗼𝟴𝟭𝟮-𝟯𝟰𝟱𝟲-𝟳𝟴𝟵𝟬"),
        ("0\ufe0f\u20e38\ufe0f\u20e31\ufe0f\u20e3234567890", None),
    ],
)
def test_phone_numbers_with_letters_signs_or_words_for_digits_are_found_in_place(
    text: str, written: str | None
) -> None:
    ((place, number),) = _found(text, "phone")
    assert place == (written or text)
    assert number.startswith("+62812")


def test_the_model_counts_only_numbers_in_digits() -> None:
    facts = evidence.find(view("o812 345O 678l, wa.me/6281234567890 atau bit.ly/x")).facts
    assert (facts["phones"], facts["contacts"]) == (1, 4)
    assert "contacts" not in evidence.find(view("Terima kasih")).facts


@pytest.mark.parametrize(
    ("text", "sort", "host"),
    [
        ("klik bit.ly/3abc", "shortener", "bit.ly"),
        ("cek https://s.id/promo", "shortener", "s.id"),
        ("𝗯𝗶𝘁.𝗹𝘆/abc", "shortener", "bit.ly"),
        ("wa.me/6281234567890", "messenger", "wa.me"),
        ("https://api.whatsapp.com/send?phone=6281234567890", "messenger", "whatsapp.com"),
        ("gabung t.me/grupcuan", "messenger", "t.me"),
    ],
)
def test_links_that_hide_where_they_lead_and_private_chats_are_told(text: str, sort: str, host: str) -> None:
    assert [detail for _, detail in _found(text, sort)] == [host]
    assert _found("baca tirto.id dan https://www.kompas.com/x", sort) == []


@pytest.mark.parametrize(
    ("text", "written", "brand"),
    [
        ("Main di NAMA88 yuk", "NAMA88", "nama88"),
        ("pulau77 memang gacor", "pulau77", "pulau77"),
        ("daftar slot88 sekarang", "slot88", "slot88"),
        ("di 𝐏𝐔𝐋𝐀𝐔𝟕𝟕 saja", "𝐏𝐔𝐋𝐀𝐔𝟕𝟕", "pulau77"),
        ("P U L A U 7 7 menang", "P U L A U 7 7", "pulau77"),
        ("pu\u200blau77", "pu\u200blau77", "pulau77"),
        ("ikut toto4d malam ini", "toto4d", "toto4d"),
    ],
)
def test_brands_with_a_number_are_found_as_they_are_written(text: str, written: str, brand: str) -> None:
    assert _found(text, "brand") == [(written, brand)]


@pytest.mark.parametrize(
    "text",
    [
        "covid19 naik lagi",
        "HUT77 RI",
        "persib1933 juara, bukan judi",
        "tahun2024 dan pemilu2024",
        "dewasa18 ke atas",
        "winter2024",
        "pasal27 UU ITE",
        "baca alexis88.com",
        "beli beras 25kg",
        "iPhone15 harga 99rb",
        "konser Dewa19 tadi malam",
        "usia 77 tahun",
    ],
)
def test_honest_names_with_a_number_are_no_brands(text: str) -> None:
    assert _found(text, "brand") == []


@pytest.mark.parametrize(
    "text", ["Rp 10.000.000.000", "2024-01-02 10:30:00", "NIK 3174012345678901", "skor 21-19 18-21 21-17", "12345678"]
)
def test_other_numbers_are_no_phone_numbers(text: str) -> None:
    assert _found(text, "phone") == []


def test_hidden_and_styled_letters_are_shown_with_what_they_are() -> None:
    text = "g\u200boblok 𝐏𝐔𝐋𝐀𝐔"
    assert _found(text, "hidden") == [("\u200b", "U+200B ZERO WIDTH SPACE")]
    assert _found(text, "styled") == [("𝐏𝐔𝐋𝐀𝐔", "pulau")]
    assert evidence.find(view(text)).facts == {"links": 0, "phones": 0, "hidden": 1, "styled": 5}


def test_facts_count_distinct_addresses_and_numbers() -> None:
    facts = evidence.find(view("a.com/1 a.com/1 a.com/2 b.com, wa 0812-3456-7890 atau +6281234567890")).facts
    assert facts["links"] == 3
    assert facts["phones"] == 1


def test_the_domain_of_an_address_is_the_registered_one() -> None:
    assert evidence.domain("https://user:pw@Shop.Example.co.uk:8443/x") == "example.co.uk"
    assert evidence.domain("intranet") == "intranet"
    assert evidence.domain("") == ""


def test_an_ordinary_comment_loads_neither_phone_nor_domain_tables() -> None:
    code = (
        "import sys; from moderation.scoring import evidence, normalise; "
        "evidence.find(normalise.view('Terima kasih, artikelnya jelas dan bermanfaat sekali')); "
        "print([name for name in ('phonenumbers', 'tldextract') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "a.a.",
        "08123456789 ",
        "1 2 ",
        "http://a.b ",
        "x.com ",
        "-a",
        "a.com/",
        "+1",
        "\u200b",
        "𝐏 x",
        "a dot com ",
        "o8",
        "62o ",
        "nol ",
        "delapan ",
        "+62\u2728",
        "slot88 ",
        "a88",
        "NAMA88",
        "s l o t 8 8 ",
    ],
)
def test_hostile_texts_cost_milliseconds(unit: str) -> None:
    seen = view((unit * 10_000)[:10_000])
    evidence.find(view("x.com 081234567890"))
    started = time.process_time()
    found = evidence.find(seen)
    assert time.process_time() - started < 0.5
    assert len(found.spans) <= 6 * evidence.MAX_SPANS
