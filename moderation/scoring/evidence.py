"""Evidence in a text that needs no model: links, phone numbers, brands with a number, hidden and styled letters.

Everything is looked for in the folded view, so that `𝟬𝟴𝟭𝟮…` is a phone number and a zero-width space does not split a
domain, and is reported with offsets into the original text. Registered domains come from the Public Suffix List that
tldextract ships (never fetched); phone numbers from Google's metadata as packaged by phonenumbers. Both are imported on
first use only: a text without a dot and without eight digits costs neither.

What evidence does is the policy's matter (policy/rules.py); what the model sees of it are the counts `links`, `phones`,
`hidden` and `styled`: whoever changes what these count changes the model's features (scoring/features.py).
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from moderation.scoring import brands, normalise, spam_lists
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Span

MAX_SPANS = 20
"""Spans kept per kind; the counts in `facts` go on."""

MIN_STYLED_RUN = 3
"""Fewer styled letters in a row are shown as nothing: a fullwidth digit, one circled letter."""

REGION = "ID"
"""Where a number without a country code is dialled."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SCHEME = re.compile(r"(?:h[tx]{2}ps?|ftp)\s?:\s?//\s?([^\s<>\"'`|\\^{}]{3,2000})")
_BARE = re.compile(
    rf"(?<![a-z0-9@._-])((?:{_LABEL}\.){{1,10}}[a-z]{{2,18}})(?![a-z0-9@-])((?:[:/?#][^\s<>\"']{{0,500}})?)"
)
_DOT_INSIDE = re.compile(r"\.[a-z][a-z]")
_SPELLED_DOTS = ("[.]", "(.)", "dot", "titik")
_SPELLED = re.compile(
    r"(?<![a-z0-9-])([a-z0-9][a-z0-9-]{1,62})\s{0,2}(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)|\[titik\]|\(titik\)|\sdot\s|\stitik\s)\s{0,2}"
    r"(com|net|org|id|xyz|info|online|site|club|vip|pro|live|me|ly|cc|top)(?![a-z])"
)
_WORDY_LIST = """
    ada agar akan am an and are as at ba be bet by can cat do dog fit fun gal go gay he how if in is it la law ly ma
    me men my na ne new no now of ok on or pa pink red ruhr run sa se sh so tak to top us vet ya you wow one call
    kim dad man bar big buy
"""
_WORDY = frozenset(_WORDY_LIST.split())
"""Top-level domains that are words in Indonesian or English: `bagus.me too` is a missing space, not an address."""

_SHORTENER_LIST = """
    bit.ly t.me wa.me s.id cutt.ly goo.gl t.co is.gd linktr.ee heylink.me rebrand.ly tiny.cc v.gd
"""
_SHORTENERS = frozenset(_SHORTENER_LIST.split())
_PHONE = re.compile(r"(?<![0-9a-z_])(?:\+\s?)?[0-9](?:[\s().\-–/_]{0,3}[0-9]){7,14}(?![0-9])")
_MASKED = re.compile(r"(?<![0-9a-z_@./])(?:\+?\s?62|[0o])(?:[^0-9a-z\n]{0,3}[0-9oilsb|]){8,13}(?![0-9a-z])")
_MASKS = str.maketrans("oil|sb", "011158")
_WORDS = dict(
    zip(
        ("nol", "kosong", "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "lapan", "sembilan"),
        "001234567889",
        strict=True,
    )
)
_SPOKEN_DIGIT = re.compile("|".join(_WORDS))
_SPOKEN = re.compile(rf"(?<![a-z0-9])(?:(?:{'|'.join(_WORDS)}|[0-9])[ .,\-]{{0,3}}){{10,14}}(?![a-z0-9])")
_CALL = re.compile(
    r"(?:\b(?:wa|whatsapp|whatsap|hub|hubungi|telp|tlp|telepon|call|text|sms|hp|nomor|no|kontak|contact)\b\W{0,5}|wa\.me/)$"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found: spans in the order of the text, and the counts `links`, `phones`, `hidden`, `styled` and, where
    there are some, `contacts`, `brands`.

    `links` counts distinct addresses as written, `phones` distinct numbers in digits, `hidden` and `styled` characters,
    `contacts` distinct numbers however they are written and hosts that hide where one is led, `brands` distinct names.
    """

    spans: tuple[Span, ...]
    facts: dict[str, int]


def find(view: View) -> Evidence:
    """All evidence of one text. Never raises on any text."""
    links = list(_links(view))
    digits = normalise.digits(view.folded)
    phones = list(_phones(view)) if digits >= 8 else []
    masked = [span for span in _masked_phones(view, digits) if _apart(span, phones)]
    veiled = [
        Span(span.start, span.end, sort, span.detail) for span in links if (sort := spam_lists.sort_of(span.detail))
    ]
    named = [span for span in brands.find(view) if _apart(span, links)] if digits else []
    kinds = (links, veiled, [*phones, *masked], named, _hidden(view), _styled(view))
    spans = [span for kind in kinds for span in islice(kind, MAX_SPANS)]
    facts = {
        "links": len({view.original[span.start : span.end].lower() for span in links}),
        "phones": len({span.detail for span in phones}),
        "hidden": len(view.hidden),
        "styled": len(view.styled),
    }
    if phones or masked or veiled:
        facts["contacts"] = len({span.detail for span in (*phones, *masked, *veiled)})
    if named:
        facts["brands"] = len({span.detail for span in named})
    return Evidence(tuple(sorted(spans, key=lambda span: (span.start, span.end))), facts)


def _apart(span: Span, others: list[Span]) -> bool:
    """Whether a span overlaps none of the others, of which there are as many as a text has room for."""
    return all(span.end <= other.start or other.end <= span.start for other in others[:MAX_SPANS])


@lru_cache(maxsize=1)
def _extract() -> Callable[[str], tuple[str, str]]:
    """A function host → (registered domain or "", public suffix), offline."""
    import tldextract  # imported on first use: most comments name no host

    extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    @lru_cache(maxsize=4096)
    def split(host: str) -> tuple[str, str]:
        parts = extract(host)
        return parts.top_domain_under_public_suffix, parts.suffix

    return split


def domain(address: str) -> str:
    """The registered domain of an address or host (`https://a.b.co.id/x` → `b.co.id`), the host itself where there is
    none (an IP address, an intranet name), or the empty string."""
    host = re.sub(r"^[a-z]{2,6}\s?:\s?//\s?", "", address.strip().lower())
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].rsplit("@", 1)[-1].split(":")[0].strip(".")
    if not host or len(host) > 253:
        return ""
    registered, _ = _extract()(host)
    return registered or host


def phone(text: str) -> str:
    """A phone number as people write it in E.164, or the empty string where it is none."""
    digits = re.sub(r"\D", "", text)
    return _number(("+" if text.lstrip().startswith("+") or digits.startswith("62") else "") + digits) or ""


def _links(view: View) -> Iterator[Span]:
    """Addresses with a scheme, with a spelled dot, and bare ones. What each can't do without is looked for first."""
    folded = view.folded
    taken: list[tuple[int, int]] = []
    for match in _SCHEME.finditer(folded) if "//" in folded else ():
        end = match.start() + len(match.group().rstrip(".,;:!?)]}»”’"))
        host = domain(folded[match.start(1) : end])
        if host and end > match.start(1):
            taken.append((match.start(), end))
            yield Span(*view.span(match.start(), end), "link", host)
    for match in _SPELLED.finditer(folded) if any(dot in folded for dot in _SPELLED_DOTS) else ():
        if _free(taken, match.start()):
            taken.append(match.span())
            yield Span(*view.span(*match.span()), "link", f"{match.group(1)}.{match.group(2)}")
    for match in _BARE.finditer(folded) if _DOT_INSIDE.search(folded) else ():
        if not _free(taken, match.start()):
            continue
        host = _address(match.group(1), match.group(2))
        if host:
            end = match.start() + len(match.group().rstrip(".,;:!?)]}»”’"))
            yield Span(*view.span(match.start(), end), "link", host)


def _free(taken: list[tuple[int, int]], position: int) -> bool:
    # The list is in order of position per pattern and short; only the last few can cover the place.
    return all(not start <= position < end for start, end in taken[-50:])


def _address(host: str, path: str) -> str:
    """The registered domain of a host written without a scheme, or "" when it reads like two sentences."""
    registered, suffix = _extract()(host)
    if not registered:
        return ""
    if host.startswith("www.") or registered in _SHORTENERS:
        return registered
    name = registered[: -len(suffix) - 1]
    if suffix in _WORDY:
        sure = path.startswith("/") and len(path) > 1
        return registered if sure or any(char.isdigit() or char == "-" for char in name) else ""
    return registered if len(name) > 1 or path or suffix == "com" else ""


def _phones(view: View) -> Iterator[Span]:
    for match in _PHONE.finditer(view.folded):
        text = match.group()
        digits = re.sub(r"\D", "", text)
        called = _CALL.search(view.folded, max(0, match.start() - 24), match.start()) is not None
        if not (text.startswith("+") or digits.startswith(("08", "62", "0062", "021")) or called):
            continue
        number = _number(("+" if text.startswith("+") or digits.startswith("62") else "") + digits)
        if number is None and called and digits.startswith("8"):
            number = _number("0" + digits)
        if number:
            yield Span(*view.span(*match.span()), "phone", number)


def _masked_phones(view: View, digits: int) -> Iterator[Span]:
    """Indonesian mobile numbers with letters, signs or words in the place of digits: `o812-345O-l789`, `nol delapan
    satu …`. Only numbers that are dialled so: nearly nothing else that is written so is one."""
    folded = view.folded
    if digits >= 6:
        for match in _MASKED.finditer(folded):
            text = match.group()
            known = sum(map(str.isdigit, text))
            if known >= 6 and (known < sum(map(str.isalnum, text)) or not _PHONE.fullmatch(text)):
                yield from _mobile(view, match, text.translate(_MASKS))
    if "delapan" in folded or "lapan" in folded:
        for match in _SPOKEN.finditer(folded):
            yield from _mobile(view, match, _SPOKEN_DIGIT.sub(lambda word: _WORDS[word.group()], match.group()))


def _mobile(view: View, match: re.Match[str], read: str) -> Iterator[Span]:
    digits = re.sub(r"\D", "", read)
    number = _number(("+" if digits.startswith("62") else "") + digits)
    if number and number.startswith("+628"):
        start, end = match.start(), match.start() + len(match.group().rstrip())
        yield Span(*view.span(start, end), "phone", number)


@lru_cache(maxsize=4096)
def _number(digits: str) -> str | None:
    """E.164 of a valid number, or None."""
    import phonenumbers  # imported on first use: most comments hold no number

    try:
        parsed = phonenumbers.parse(digits, REGION)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(parsed):
        return None
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def _runs(places: tuple[int, ...], text: str, gap: int) -> Iterator[tuple[int, int, int]]:
    """Runs of places with at most `gap` characters between them: (start, end, how many)."""
    start = last = -1
    count = 0
    for place in places:
        near = start >= 0 and place - last <= gap + 1
        if near:
            near = not any(char.isascii() and char.isalpha() for char in text[last + 1 : place])
        if not near:
            if start >= 0:
                yield start, last + 1, count
            start, count = place, 0
        last = place
        count += 1
    if start >= 0:
        yield start, last + 1, count


def _hidden(view: View) -> Iterator[Span]:
    for start, end, _ in _runs(view.hidden, view.original, 0):
        char = view.original[start]
        yield Span(start, end, "hidden", f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip())


def _styled(view: View) -> Iterator[Span]:
    place = {start: index for index, start in enumerate(view.starts)} if view.styled else {}
    for start, end, count in _runs(view.styled, view.original, 2):
        if count >= MIN_STYLED_RUN:
            first = place.get(start, 0)
            last = place.get(end - 1, first)
            yield Span(start, max(end, view.ends[last]), "styled", view.folded[first : last + 1])
