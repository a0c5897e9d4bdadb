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
from moderation import errors, wordings
from moderation.comments import form, form_views
from moderation.policy import rules
from moderation.review import decisions

ROOT = Path(moderation.__file__).parent
CATALOGUE = read_po((ROOT / "translations/id/LC_MESSAGES/messages.po").open("rb"))
ERRORS = {error.__name__ for error in errors.ModerationError.__subclasses__()}
SHOWN = (
    *("errors.py", "accounts/moderators.py", "accounts/sites.py", "accounts/preferences.py", "accounts/tokens.py"),
    *("delivery/endpoints.py", "delivery/page_views.py", "policy/document.py", "policy/drafts.py"),
    *("rescoring/apply_views.py", "rescoring/applying.py", "rescoring/policy_views.py", "rescoring/report.py"),
    *("rescoring/rescore_views.py", "rescoring/runs.py"),
    *("review/bulk.py", "review/bulk_preview.py", "review/bulk_views.py", "review/claims.py", "review/decided.py"),
    *("review/decisions.py", "review/deed_views.py", "review/escalations.py", "review/filters.py"),
    *("review/group_views.py", "review/notes.py", "review/people_views.py", "review/place_views.py"),
    *("review/second_looks.py", "review/undoing.py", "review/views.py"),
)
"""What refuses on pages, and not in the API alone."""
SPOKEN_TO_OTHERS = {
    "That is no e-mail address.",
    "The role must be one of %(among)s.",
    "There is a user %(email)s already.",
    "There is no user %(email)s.",
    "There is no site %(name)s; see: moderation sites list.",
    "The API key is missing or not valid.",
}
"""What only the command line and the API say: people are let in by the one, sites come through the other."""
PLACE = re.compile(r"%\(\w+\)[sd]|\{\w+\}")


def marked() -> Iterator[tuple[str, str]]:
    """Every sentence that a page shows: where it stands, and the sentence (its singular)."""
    for path in sorted((ROOT / "templates").rglob("*.html")):
        options = {"silent": "false"}
        for line, message, _, _ in extract("jinja2.ext:babel_extract", io.BytesIO(path.read_bytes()), options=options):
            yield f"{path.name}:{line}", message if isinstance(message, str) else message[0]
    for name in ("i18n.py", "wordings.py"):
        for line, message, _, _ in extract("python", io.BytesIO((ROOT / name).read_bytes())):
            yield f"{name}:{line}", message if isinstance(message, str) else message[0]


def refusals(path: Path) -> Iterator[ast.expr]:
    """What a file of the house refuses with: the sentences of its errors, as they stand in the source."""
    named = {
        target.id: node.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args:
            sentence = node.args[0]
            yield named.get(sentence.id, sentence) if isinstance(sentence, ast.Name) else sentence


def refused(path: Path) -> Iterator[str]:
    """The plain sentences with which a file of the house refuses."""
    for sentence in refusals(path):
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


@pytest.mark.parametrize("path", SHOWN)
def test_what_pages_refuse_with_is_translated_and_has_places_for_its_values(path: str) -> None:
    found = list(refused(ROOT / path))
    assert [text for text in found if text not in SPOKEN_TO_OTHERS and not translation(text)] == []
    glued = [ast.unparse(item) for item in refusals(ROOT / path) if isinstance(item, ast.JoinedStr | ast.BinOp)]
    assert glued == [], "a page cannot say in its language what was put together"


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
    assert (codes | set(rules.FLAG_CODES) | set(decisions.REASONS)) - set(wordings.REASON_NAMES) == set()


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
