"""Fingerprints: the same advert with another city is alike, two readers' comments are not; the same everywhere."""

import random
import zlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring import fingerprints, normalise
from moderation.scoring.fingerprints import ALIKE, BANDS, MAX_LETTERS, Signature

CITIES = ("jakarta", "surabaya", "bandung", "medan", "semarang", "makassar", "palembang", "depok", "bekasi", "bogor")

ADVERTS = (
    "Jasa pinjaman cepat tanpa jaminan untuk warga {city}, cair hari ini juga, hubungi {phone}",
    "Promo {city}! Daftar sekarang dan dapatkan bonus anggota baru, kunjungi {link} atau telepon {phone}",
    "Saya sembuh dari sakit gula setelah minum ramuan Ibu Sari di {city}, pesan lewat WA {phone}",
    "Dicari agen penjualan di kota {city} dan sekitarnya, gaji besar, kerja dari rumah, daftar di {link}",
    "Earn money from home in {city}: five hundred dollars a day, no experience needed, write to {link} now",
    "Jual obat kuat asli bergaransi, bisa bayar di tempat untuk wilayah {city}, kontak {phone} kapan saja",
)

READERS = (
    "Terima kasih, artikelnya jelas dan membantu saya memahami anggaran kota tahun ini.",
    "Jalan di depan rumah saya sudah tiga bulan rusak dan belum ada yang memperbaikinya.",
    "Menurut saya keputusan pengadilan itu kurang tepat, semoga ada banding minggu depan.",
    "Kenaikan harga beras terasa sekali bagi ibu rumah tangga seperti saya.",
    "I do not agree with the mayor, but the numbers in this article speak for themselves.",
    "The new bus line saves me half an hour every morning, thank you for reporting on it.",
    "Apakah ada data tentang jumlah penumpang kereta sebelum dan sesudah tarif baru?",
    "Saya pernah ke sana tahun lalu, pemandangannya bagus tetapi jalannya sempit sekali.",
    "Jalan di kampung kami juga rusak, tetapi sudah diperbaiki warga sendiri bulan lalu.",
    "Terima kasih atas artikelnya, semoga anggaran pendidikan juga dibahas lain kali.",
)


def signed(text: str) -> Signature:
    found = fingerprints.signature(normalise.view(text).folded)
    assert found is not None
    return found


def share(one: str, other: str) -> float:
    return fingerprints.alike(signed(one), signed(other))


def advert(template: str, draw: random.Random) -> str:
    """One of the many shapes of an advert."""
    number = "".join(draw.choices("0123456789", k=9))
    phone = draw.choice((f"0812{number[:8]}", f"+62 812-{number[:4]}-{number[4:8]}", f"0812 {number[:4]} {number[4:]}"))
    link = draw.choice(("https://a{n}.example/x", "www.toko{n}.example", "bonus{n}.example")).format(n=number[:3])
    text = template.format(city=draw.choice(CITIES), phone=phone, link=link)
    return draw.choice((str, str.upper, lambda words: words.replace(" ", "  ") + " !!!", _styled, _stretched))(text)


def _styled(text: str) -> str:
    return "".join(chr(ord(char) - ord("a") + 0x1D41A) if "a" <= char <= "z" else char for char in text)


def _stretched(text: str) -> str:
    return text.replace("a", "aaa", 5)


def test_the_same_advert_with_another_city_number_or_letters_is_alike_and_found() -> None:
    draw = random.Random(5)
    pairs = [(advert(template, draw), advert(template, draw)) for template in ADVERTS for _ in range(50)]
    alike = found = 0
    for one, other in pairs:
        first, second = signed(one), signed(other)
        alike += fingerprints.alike(first, second) >= ALIKE
        found += any(a == b for a, b in zip(fingerprints.keys(first), fingerprints.keys(second), strict=True))
    assert alike >= 0.98 * len(pairs)
    assert found >= 0.93 * len(pairs)


def test_what_readers_write_of_themselves_is_not_alike() -> None:
    assert max(share(one, other) for one, other in combinations(READERS, 2)) < 0.2


def test_different_adverts_are_not_alike() -> None:
    draw = random.Random(6)
    for one, other in combinations(ADVERTS, 2):
        assert share(advert(one, draw), advert(other, draw)) < ALIKE / 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Slot gacor malam ini pasti menang besar", "S l o t  g a c o r malam ini p4sti m3nang besaaar"),
        ("Slot gacor malam ini pasti menang besar", "slot-gacor MALAM ini... pasti\u200b menang besar!!! 🎰🎰"),
        ("Mau pinjam uang 500 ribu hubungi 0812 3456 7890", "Mau pinjam uang 1.500 ribu hubungi +62-813-9999-0000"),
        ("Baca selengkapnya di https://satu.example/a?b=c ya teman", "Baca selengkapnya di dua.example ya teman"),
    ],
)
def test_spacing_signs_numbers_and_addresses_do_not_count(one: str, other: str) -> None:
    assert share(one, other) == 1.0


def test_a_short_text_has_no_fingerprint() -> None:
    assert fingerprints.signature("mantap, terima kasih") is None
    assert fingerprints.signature("a" * 5000) is None
    assert fingerprints.signature("") is None


def test_a_fingerprint_is_the_same_on_every_machine_and_for_ever() -> None:
    found = signed(READERS[0])
    assert found[:4].tolist() == PINNED[:4]
    assert zlib.crc32(fingerprints.stored(found)) == PINNED[4]


PINNED = [16781, 901, 37379, 56769, 868532270]


def test_a_long_text_is_known_by_its_beginning() -> None:
    text = " ".join(READERS) * 20
    assert len(fingerprints.reduced(text)) == MAX_LETTERS
    assert share(text, text + " dan masih banyak lagi") == 1.0


@given(st.text(max_size=300))
def test_any_text_has_a_fingerprint_or_none_and_it_can_be_kept(text: str) -> None:
    found = fingerprints.signature(normalise.view(text).folded)
    if found is None:
        return
    keys = fingerprints.keys(found)
    assert len(keys) == BANDS
    assert all(0 <= key < 2**63 for key in keys)
    kept = fingerprints.read(fingerprints.stored(found))
    assert fingerprints.alike(found, kept) == 1.0
    assert fingerprints.alike_many(found, kept.reshape(1, -1)) == [1.0]
