"""The Indonesian catalogue is whole, and so are the few sentences that the public form carries itself."""

import ast
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import moderation
from moderation import i18n
from moderation.comments import form, form_views
from moderation.policy import rules
from moderation.review import decisions

ROOT = Path(moderation.__file__).parent
CATALOGUE = read_po((ROOT / "translations/id/LC_MESSAGES/messages.po").open("rb"))
PLACE = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def marked() -> Iterator[tuple[str, str]]:
    """Every sentence that a page shows: where it stands, and the sentence (its singular)."""
    for path in sorted((ROOT / "templates").rglob("*.html")):
        options = {"silent": "false"}
        for line, message, _, _ in extract("jinja2.ext:babel_extract", io.BytesIO(path.read_bytes()), options=options):
            yield f"{path.name}:{line}", message if isinstance(message, str) else message[0]
    for line, message, _, _ in extract("python", io.BytesIO((ROOT / "i18n.py").read_bytes())):
        yield f"i18n.py:{line}", message if isinstance(message, str) else message[0]


def refused(path: Path) -> Iterator[str]:
    """The plain sentences with which a file of the house refuses."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            sentence = node.exc.args[0]
            if isinstance(sentence, ast.Constant) and isinstance(sentence.value, str):
                yield sentence.value


def translation(sentence: str) -> str:
    message = CATALOGUE.get(sentence)
    text = message.string if message else ""
    return text if isinstance(text, str) else (text or ("",))[0]


def test_every_sentence_of_the_pages_has_an_indonesian_one() -> None:
    sentences = list(marked())
    assert len(sentences) > 150
    assert [(place, sentence) for place, sentence in sentences if not translation(sentence)] == []


def test_what_the_form_and_the_rooms_refuse_with_is_translated() -> None:
    sentences: list[str] = []
    for module in (form, form_views):
        for name, value in vars(module).items():
            values = value.values() if isinstance(value, dict) else [value]
            sentences += [text for text in values if name.isupper() and isinstance(text, str) and " " in text]
    assert form.EMPTY_COMMENT in sentences
    rooms = ("review/views.py", "review/place_views.py", "review/deed_views.py", "accounts/auth.py", "demo/views.py")
    for path in ("comments/form.py", "comments/form_views.py", *rooms):
        sentences += refused(ROOT / path)
    assert [sentence for sentence in sentences if not translation(sentence)] == []


def test_translations_keep_their_places() -> None:
    wrong = [
        message.id
        for message in CATALOGUE
        if isinstance(message.id, str)
        and message.id
        and sorted(PLACE.findall(message.id)) != sorted(PLACE.findall(str(message.string)))
    ]
    assert wrong == []


def test_the_four_faults_have_the_themes_words() -> None:
    assert [
        translation(text) for text in (form.EMPTY_COMMENT, form.EMPTY_NAME, form.EMPTY_EMAIL, form.WRONG_EMAIL)
    ] == [
        "Silakan tulis komentar Anda!",
        "Silakan tulis nama Anda di sini",
        "Silakan tulis alamat surel Anda di sini",
        "Alamat surel yang Anda tulis keliru!",
    ]


def test_every_reason_of_the_policy_and_of_a_rejection_has_a_name() -> None:
    source = Path(rules.__file__).read_text()
    codes = set(re.findall(r'Reason\(\s*"(\w+)"', source)) | set(re.findall(r'"(signal_over_\w+)"', source))
    assert "word_list" in codes
    assert (codes | set(rules.FLAG_CODES) | set(decisions.REASONS)) - set(i18n.REASON_NAMES) == set()


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_public_form_knows_the_same_sentences_in_both_languages(language: str) -> None:
    source = (ROOT / "static/form.js").read_text()
    block = re.search(rf"\n  {language}: \{{(.*?)\n  \}},", source, re.S)
    assert block is not None
    known = set(re.findall(r"^    (\w+):", block.group(1), re.M))
    used = set(re.findall(r"\bwords\.(\w+)", source))
    assert used == known


def test_the_moderators_scripts_use_no_word_that_the_page_does_not_carry() -> None:
    used = {
        name for path in (ROOT / "static").glob("*.js") for name in re.findall(r'\bword\(\s*"(\w+)"', path.read_text())
    }
    for path in (ROOT / "templates").rglob("*.html"):  # what a form that was posted by a script says
        used |= set(re.findall(r'data-ask="(\w+)"', path.read_text()))
    page = (ROOT / "templates/base.html").read_text()
    carried = set(re.findall(r'^    \("(\w+)", _', page, re.M))
    assert used == carried
