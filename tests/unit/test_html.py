"""HTML is stripped to what a reader reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.comments.html import to_text


@pytest.mark.parametrize(
    ("html", "text", "links"),
    [
        ("<p>Halo <b>semua</b></p><p>ya</p>", "Halo semua\nya", 0),
        ('<a href="http://x.example">klik</a> <a name="x">bukan</a>', "klik bukan", 1),
        ("a<br>b", "a\nb", 0),
        ("<script>alert(1)</script>aman", "aman", 0),
        ("1 &lt; 2 &amp;&amp; 3", "1 < 2 && 3", 0),
        ("<style>p{}</style>", "", 0),
        ("tanpa tag < 3", "tanpa tag < 3", 0),
    ],
)
def test_tags_go_and_words_stay(html: str, text: str, links: int) -> None:
    assert to_text(html) == (text, links)


@given(st.text(alphabet="<>/a b&;\"'!-pscript", max_size=200))
def test_no_html_makes_it_stumble(html: str) -> None:
    text, links = to_text(html)
    assert isinstance(text, str)
    assert links >= 0
