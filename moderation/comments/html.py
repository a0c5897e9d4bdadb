"""From the HTML that a site sends to the text that people and scorers read. Nothing here is ever shown as HTML."""

from html.parser import HTMLParser

BREAKS = frozenset({"p", "br", "div", "li", "blockquote", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "pre"})
SILENT = frozenset({"script", "style", "template", "noscript", "title"})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.links = 0
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent += 1
        elif tag in BREAKS:
            self.parts.append("\n")
        elif tag == "a" and any(name == "href" and value for name, value in attrs):
            self.links += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def to_text(html: str) -> tuple[str, int]:
    """The display text of `html` and the number of its links (`<a href=…>`, as WordPress counts them)."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.parts).split("\n")]
    return "\n".join(line for line in lines if line), parser.links
