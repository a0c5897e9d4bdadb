"""Numbers with what they count."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation.wordings import counted

ROOT = Path(__file__).parent.parent.parent / "moderation"
NOUNS = re.compile(r" (?:comments|decisions|deliveries|events|records|alerts|campaigns|hours)\b")


def glued(path: Path) -> Iterator[str]:
    """Where a number that may be one stands before the form of many."""
    for node in ast.walk(ast.parse(path.read_text())):
        for value, text in zip(node.values, node.values[1:], strict=False) if isinstance(node, ast.JoinedStr) else ():
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant) and NOUNS.match(text.value):
                yield f"{path.name}:{node.lineno}"


@pytest.mark.parametrize(
    ("n", "told"), [(0, "0 deliveries"), (1, "1 delivery"), (2, "2 deliveries"), (1234, "1,234 deliveries")]
)
def test_a_number_has_the_form_of_what_it_counts(n: int, told: str) -> None:
    assert counted(n, "delivery", "deliveries") == told
    assert counted(n, "comment") == told.replace("deliveries", "comments").replace("delivery", "comment")


def test_no_room_says_one_comments() -> None:
    rooms = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] != "scoring"]
    assert [place for path in rooms for place in glued(path)] == []
