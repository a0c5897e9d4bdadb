"""The built-in scorer judges what the product promises, explains it, and never runs a damaged model."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.scoring import builtin, linear
from moderation.scoring.builtin import BuiltinScorer
from moderation.scoring.scorer import ScorerError, TextScore
from moderation.signals import SIGNALS


@pytest.fixture(scope="module")
def scorer() -> BuiltinScorer:
    return BuiltinScorer()


def _held(scorer: BuiltinScorer, result: TextScore) -> set[str]:
    return {name for name, mark in scorer.recommended_hold.items() if result.signals[name] >= mark}


def _judge(scorer: BuiltinScorer, text: str) -> tuple[TextScore, set[str]]:
    (result,) = scorer.score([text])
    return result, _held(scorer, result)


@pytest.mark.parametrize(
    "text",
    [
        "𝐏𝐔𝐋𝐀𝟕𝟕 slot gacor hari ini, daftar sekarang bonus 100% wa 0812-3456-7890",
        "PULAU77 gacor parah, baru depo 20rb langsung maxwin 5 juta",
        "⭐ A L E X I S 1 7 ⭐ emang paling gampang menang",
        "awalnya iseng, main di ᴅᴏʀᴀ𝟽𝟽 eh dikasih jp",
        "Pinjaman dana cepat tanpa jaminan, cair hari ini, hubungi wa 085712345678",
        "Jual obat kuat herbal asli, tahan lama, COD seluruh Indonesia, order 081234567890",
        "I make $500 a day working from home, visit http://easy-cash.example.com now",
        "Check out my channel and subscribe please, sub 4 sub",
    ],
)
def test_advertising_is_held_as_spam(scorer: BuiltinScorer, text: str) -> None:
    result, held = _judge(scorer, text)
    assert "spam" in held
    assert result.signals["spam"] >= 0.8


@pytest.mark.parametrize(
    "text",
    [
        "Dasar goblok, wartawan anjing, mati aja lo",
        "Menteri tolol, kerjanya cuma makan uang rakyat",
        "lo emang b a n g s a t ya",
        "dasar g0bl0k lu semua",
        "𝓓𝓪𝓼𝓪𝓻 𝓽𝓸𝓵𝓸𝓵 𝓵𝓾",
        "anj*ng lu wasit, bego banget",
        "otak lo di mana sih, bangsat",
        "jancok kowe, matamu picek ta",
        "You are a stupid idiot, shut up",
        "What a pathetic moron, this senator",
        "f**k you and your family",
        "You fucking scumbag",
        "Gue bunuh lo besok, tunggu aja di rumah",
        "I will kill you and your family",
        "Orang cina semua penipu, usir dari negeri ini",
        "All Muslims are terrorists, deport them",
    ],
)
def test_abuse_is_held(scorer: BuiltinScorer, text: str) -> None:
    _, held = _judge(scorer, text)
    assert held & {"toxicity", "insult", "threat", "identity_attack", "obscene", "severe_toxicity"}


@pytest.mark.parametrize(
    "text",
    [
        "Terima kasih, artikelnya jelas dan bermanfaat sekali.",
        "Good summary, thank you. I would like to read the emails in full.",
        "Semoga tarifnya benar-benar turun sampai ke penyewa kecil, bukan cuma ke perusahaan besar.",
        "mantap",
        "ok sip",
        "Nice!",
        "😂😂😂",
        "wkwkwk bener banget",
        "anjing saya lucu, namanya Bruno",
        "Sate babi di Bali memang terkenal enak",
        "Harga bensin naik lagi, rakyat kecil makin susah. Kapan selesainya?",
        "Saya kecewa dengan kinerja gubernur, banjir tidak pernah selesai",
        "Polisi menangkap pelaku pembunuhan itu di Bekasi tadi malam, syukurlah",
        "Timnas hajar Vietnam 3-0, keren banget!",
        "Selamat Imlek untuk teman-teman Tionghoa, semoga sehat selalu",
        "Sebagai muslim saya ikut senang gereja itu akhirnya dapat izin",
        "Judi online merusak banyak keluarga, semoga pemerintah serius menutup situsnya",
        "Suku bunga pinjaman KPR naik lagi, cicilan saya ikut naik",
        "𝓢𝓮𝓵𝓪𝓶𝓪𝓽 𝓾𝓵𝓪𝓷𝓰 𝓽𝓪𝓱𝓾𝓷 kakak 🎂",
        "The council should publish the numbers before the vote.",
        "I disagree with the mayor about parking, but the article is fair.",
        "My dog is cute and sleeps all day",
        "Muslims and Christians celebrated together in our street this year",
        "jujurly artikelnya bagus banget, thank you min",
        "Matur nuwun infone, migunani banget",
        "",
    ],
)
def test_ordinary_comments_are_not_held(scorer: BuiltinScorer, text: str) -> None:
    result, held = _judge(scorer, text)
    assert held == set()
    assert result.supported


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Terima kasih, artikelnya jelas dan bermanfaat sekali.", "id"),
        ("Matur nuwun sanget mas, artikele apik tenan", "id"),
        ("Hatur nuhun kang, alus pisan artikelna", "id"),
        ("Harga barang naik gila tahun ni tapi gaji takde naik pun", "id"),
        ("I would like to read the emails in full.", "en"),
    ],
)
def test_the_language_is_told(scorer: BuiltinScorer, text: str, language: str) -> None:
    result, _ = _judge(scorer, text)
    assert result.language == language
    assert result.supported


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Это очень хорошая статья, спасибо большое", "ru"),
        ("这篇文章写得很好", "zh"),
        ("とても良い記事でした", "ja"),
        ("مقال جيد جدا شكرا لكم", "ar"),
        ("บทความดีมากครับ", "th"),
        ("El presidente no quiere hablar con los trabajadores de la fábrica", "es"),
        ("Napakaganda ng sinulat ninyo, maraming salamat po sa inyong lahat", "tl"),
        ("Der Artikel war sehr interessant, aber die Zahlen stimmen leider nicht", "de"),
    ],
)
def test_a_text_in_another_language_is_not_supported(scorer: BuiltinScorer, text: str, language: str) -> None:
    result, _ = _judge(scorer, text)
    assert result.language == language
    assert not result.supported


@pytest.mark.parametrize("text", ["", "😀😀", "123 456", "ok", "Bruno", "...", "haha"])
def test_a_text_too_short_to_tell_is_still_judged(scorer: BuiltinScorer, text: str) -> None:
    result, _ = _judge(scorer, text)
    assert result.supported


def test_the_words_that_spoke_are_highlighted_in_the_original(scorer: BuiltinScorer) -> None:
    text = "Pak menteri ini 𝓰𝓸𝓫𝓵𝓸𝓴 sekali, cek contoh-77.com"
    result, _ = _judge(scorer, text)
    marked = {(text[span.start : span.end], span.kind) for span in result.spans}
    assert any("𝓰𝓸𝓫𝓵𝓸𝓴" in words and kind in ("toxicity", "insult") for words, kind in marked)
    assert ("contoh-77.com", "link") in marked
    assert result.reads_as == "Pak menteri ini goblok sekali, cek contoh-77.com"
    assert result.facts == {"links": 1, "phones": 0, "hidden": 0, "styled": 6}


def test_a_word_read_in_disguise_is_highlighted_where_it_was_written(scorer: BuiltinScorer) -> None:
    text = "dasar g o b l o k kamu"
    result, _ = _judge(scorer, text)
    assert any("g o b l o k" in text[span.start : span.end] for span in result.spans if span.kind == "insult")


@given(st.text(max_size=120))
@settings(deadline=None, max_examples=150)
def test_any_text_gets_probabilities_and_spans_inside_it(text: str) -> None:
    (result,) = SHARED.score([text])
    assert set(result.signals) == set(SIGNALS)
    assert all(0.0 <= value <= 1.0 for value in result.signals.values())
    assert all(0 <= span.start < span.end <= len(text) for span in result.spans)


SHARED = BuiltinScorer()


def test_texts_are_judged_in_order_and_alone_as_in_company(scorer: BuiltinScorer) -> None:
    texts = ["Terima kasih", "dasar goblok lu", "slot gacor maxwin daftar sekarang"]
    assert scorer.score(texts) == [scorer.score([text])[0] for text in texts]
    assert scorer.score([]) == []


def test_abuse_in_a_long_comment_counts(scorer: BuiltinScorer) -> None:
    filler = "Menurut saya kebijakan ini perlu dibahas lagi dengan data yang terbuka untuk semua warga. " * 40
    _, clean = _judge(scorer, filler)
    assert clean == set()
    for text in (
        filler + "Dasar goblok, wartawan anjing, mati aja lo",
        "Dasar goblok, wartawan anjing, mati aja lo. " + filler,
        filler[:1800] + "Dasar goblok, wartawan anjing, mati aja lo. " + filler[1800:],
    ):
        _, held = _judge(scorer, text)
        assert held & {"toxicity", "insult"}


@pytest.mark.parametrize("unit", ["a\u0301\u0302", "goblok ", "g o ", "a", "1", "http://a.com/ ", "𝐏 ", "f**k "])
def test_the_longest_text_is_judged_in_a_moment(scorer: BuiltinScorer, unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    started = time.process_time()
    scorer.score([text])
    assert time.process_time() - started < 2.0  # about 50 ms on an idle core


def test_a_typical_comment_costs_about_a_millisecond(scorer: BuiltinScorer) -> None:
    texts = ["Semoga tarifnya benar-benar turun sampai ke penyewa kecil, bukan cuma ke perusahaan besar."] * 50
    scorer.score(texts[:5])
    started = time.process_time()
    scorer.score(texts)
    assert (time.process_time() - started) / len(texts) < 0.02  # about 0.5 ms on an idle core


def test_scoring_needs_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys; from moderation.scoring.builtin import BuiltinScorer; BuiltinScorer().score(['halo goblok']); "
        "print([n for n in ('sklearn', 'scipy', 'torch', 'transformers', 'flask', 'celery') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_version_names_the_model_and_the_thresholds_cover_all_signals(scorer: BuiltinScorer) -> None:
    digest, _, code = scorer.version.partition(".")
    assert len(digest) == 12
    assert code.isdigit()
    assert set(scorer.recommended_hold) == set(SIGNALS)
    assert all(0.0 < mark < 1.0 for mark in scorer.recommended_hold.values())
    assert scorer.name == "builtin"
    assert scorer.languages == {"id", "en"}


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match="missing"):
        BuiltinScorer(tmp_path / "no.npz")


@pytest.mark.parametrize("size", [0, 10, 1000, 200_000])
def test_a_truncated_model_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "short.npz"
    path.write_bytes(builtin.ARTEFACT.read_bytes()[:size])
    with pytest.raises(ScorerError):
        BuiltinScorer(path)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_bit_is_refused(tmp_path: Path, place: float) -> None:
    content = bytearray(builtin.ARTEFACT.read_bytes())
    content[int(len(content) * place)] ^= 4
    path = tmp_path / "flipped.npz"
    path.write_bytes(content)
    with pytest.raises(ScorerError):
        BuiltinScorer(path)


def _with(tmp_path: Path, name: str, change: object) -> Path:
    path = tmp_path / "changed.npz"
    with np.load(builtin.ARTEFACT, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    arrays[name] = change
    arrays["digest"] = np.frombuffer(bytes.fromhex(linear._digest(arrays)), dtype=np.uint8)
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return path


def test_a_changed_number_is_refused_by_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "changed.npz"
    with np.load(builtin.ARTEFACT, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    arrays["bias"] = arrays["bias"] + 1
    np.savez_compressed(path, allow_pickle=False, **arrays)
    with pytest.raises(ScorerError, match="checksum"):
        BuiltinScorer(path)


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScorerError, match="shape"):
        BuiltinScorer(_with(tmp_path, "scales", np.ones(3, dtype=np.float32)))


def test_a_model_with_numbers_that_are_not_finite_is_refused(tmp_path: Path) -> None:
    bias = np.full_like(BuiltinScorer().model.bias, np.nan)
    with pytest.raises(ScorerError, match="finite"):
        BuiltinScorer(_with(tmp_path, "bias", bias))


def test_a_model_that_hides_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pickle.npz"
    np.savez(path, weights=np.array([object()], dtype=object), allow_pickle=True)
    with pytest.raises(ScorerError):
        BuiltinScorer(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("weights.npy", b"nothing")
    with pytest.raises(ScorerError):
        BuiltinScorer(path)


def test_a_saved_model_reads_back_the_same(tmp_path: Path, scorer: BuiltinScorer) -> None:
    path = tmp_path / "again.npz"
    scorer.model.save(path)
    again = BuiltinScorer(path)
    assert again.version == scorer.version
    again.model.save(tmp_path / "third.npz")
    assert path.read_bytes() == (tmp_path / "third.npz").read_bytes()
    assert again.score(["dasar goblok lu"]) == scorer.score(["dasar goblok lu"])


def test_a_signal_below_what_is_explained_at_once_is_explained_when_it_is_asked_for() -> None:
    scorer = BuiltinScorer()
    text = "Penulis ini bodoh, tetapi artikelnya bagus"
    (judged,) = scorer.score([text])
    asked = scorer.explain(text, ["insult", "obscene"])
    assert {span.kind for span in asked} == {"insult", "obscene"}
    assert any("bodoh" in text[span.start : span.end] for span in asked if span.kind == "insult")
    assert [span for span in asked if span.kind == "insult"] == [s for s in judged.spans if s.kind == "insult"]
    assert scorer.explain("", ["insult"]) == scorer.explain(text, []) == ()


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 nothing", b"\x80\x04\x95", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_model_is_told_so_without_advice_to_load_it_unsafely(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lain.npz"
    path.write_bytes(content)
    with pytest.raises(ScorerError) as refused:
        BuiltinScorer(path)
    assert refused.value.message == "lain.npz is no built-in model, or is damaged."
