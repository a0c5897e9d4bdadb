"""The pages' two languages: which one a page speaks, its catalogue, and how figures, times and names are written in it.

The msgids are the English sentences. Catalogues are read from the `.po` files when the program starts, so that nothing
has to be compiled. A door: it knows Flask, and no room of the house imports it.
"""

import io
import re
import unicodedata
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import flask_babel
from babel import dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, Response, g, has_request_context, request
from flask.templating import Environment
from flask_babel import gettext, ngettext
from jinja2 import Template, nodes, pass_environment
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from moderation.errors import ModerationError
from moderation.wordings import DELIVERY_CLAUSES, REASON_NAMES, SIGNAL_NAMES, TROUBLES

LANGUAGES = ("id", "en")
DEFAULT_LANGUAGE = "id"
DEFAULT_TIMEZONE = "Asia/Jakarta"
COOKIE = "lang"
COOKIE_SECONDS = 365 * 24 * 3600


@lru_cache
def load_catalogue(path: Path) -> Translations:
    """The translations of one `.po` file, compiled in memory. Fuzzy entries are left out. Raises OSError."""
    with path.open("rb") as file:
        catalogue = read_po(file)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


class Spoken(Environment):
    """Compiles a template once for each language: its own texts are translated then, and not a thousand times a page.

    What is named by its path only (`from_string` asks for its texts as they are shown).
    """

    speaks = ""
    """The language of this environment; the application's own hands each template to that of the page."""
    _tongues: dict[str, "Spoken"]

    def __init__(self, app: Flask, **options: Any) -> None:
        super().__init__(app, **options)
        self._tongues = {}

    def _load_template(self, name: str, globals: MutableMapping[str, Any] | None) -> Template:
        if self.speaks:
            return super()._load_template(name, globals)
        spoken = language()
        if spoken not in self._tongues:
            tongue = self.overlay()
            tongue.speaks = spoken
            self._tongues[spoken] = tongue
        return self._tongues[spoken]._load_template(name, globals)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return cast(nodes.Template, _Translated(self.speaks).visit(tree)) if self.speaks else tree


class _Translated(NodeTransformer):
    """Puts the words of a language where a template asks for a text that stands there: `_("…", name=value)`."""

    def __init__(self, spoken: str) -> None:
        self.spoken = spoken

    def visit_Call(self, node: nodes.Call) -> nodes.Node:
        self.generic_visit(node)
        texts = [item.value for item in node.args if isinstance(item, nodes.Const) and isinstance(item.value, str)]
        whole = len(texts) == len(node.args) == 1 and node.dyn_args is None and node.dyn_kwargs is None
        if not (whole and isinstance(node.node, nodes.Name) and node.node.name == "_"):
            return node
        # As jinja2.ext.i18n has it: our sentences are safe, what is put into them is escaped, %% is a per cent sign.
        said = _text_in(self.spoken, texts[0])
        if not node.kwargs:
            return nodes.MarkSafe(nodes.Const(said % {}), lineno=node.lineno)
        values = nodes.Dict([nodes.Pair(nodes.Const(item.key), item.value) for item in node.kwargs])
        return nodes.Mod(nodes.MarkSafe(nodes.Const(said)), values, lineno=node.lineno)


@lru_cache(4096, typed=True)
def kept(macro: Callable[..., str], *values: str | float | None) -> str:
    """What a macro makes of some values, made once: for one that looks at nothing else but the language, of which each
    template has macros of its own."""
    return macro(*values)


@pass_environment
def hint(environment: Environment, action: str) -> Markup:
    """The key beside what it does, as this person has it; nothing where they gave it none."""
    key_of = cast(Callable[[str], str], environment.globals["key_of"])
    return _hint(action, key_of(action))


@lru_cache(1024)
def _hint(action: str, key: str) -> Markup:
    return Markup('<kbd aria-hidden="true" data-key="{}">{}</kbd>').format(action, key) if key else Markup()


def init_app(app: Flask) -> None:
    """Teach an application both languages: gettext in templates, our filters, and `?lang=` remembered in a cookie."""
    app.jinja_environment = Spoken  # type: ignore[assignment]  # one of its own kind
    babel = flask_babel.Babel()
    babel.init_app(
        app,
        default_locale=DEFAULT_LANGUAGE,
        default_timezone=DEFAULT_TIMEZONE,
        locale_selector=_choose_language,
        timezone_selector=timezone_name,
    )
    domain = flask_babel.Domain(domain="messages")
    # Filling the domain's cache keeps Flask-Babel from looking for compiled files.
    domain.cache["en", "messages"] = Translations()
    domain.cache["id", "messages"] = load_catalogue(
        Path(__file__).parent / "translations" / "id" / "LC_MESSAGES" / "messages.po"
    )
    babel.domain_instance = domain
    app.jinja_env.filters.update(
        figure=figure,
        mark=mark,
        decimal=decimal,
        clock=clock,
        day=day,
        moment=moment,
        ago=ago,
        upfirst=upfirst,
        signal_name=signal_name,
        reason_name=reason_name,
        hidden_name=hidden_name,
        is_hidden=is_hidden,
        clause=clause,
        trouble=trouble,
    )
    app.jinja_env.globals.update(language_link=language_link, kept=kept, hint=hint)
    # For texts that are not translated while a template is compiled.
    app.jinja_env.install_gettext_callables(_text, _plural, newstyle=True)  # type: ignore[attr-defined]
    app.context_processor(lambda: {"lang": language(), "zone": timezone_name()})
    app.after_request(_remember_language)


def for_moderator(chosen: str | None) -> None:
    """Tell this request what the moderator who is logged in has chosen (`?lang=` and the cookie still win)."""
    g.i18n_moderator = chosen
    flask_babel.refresh()


def for_reader(site_language: str, timezone: str = DEFAULT_TIMEZONE) -> None:
    """Make this a public page: it speaks the site's language, or what `?lang=` asks for, in the site's time zone."""
    g.i18n_reader = site_language
    g.i18n_timezone = timezone
    flask_babel.refresh()


def use_timezone(timezone: str) -> None:
    """Show this request's times in an IANA zone; an unknown one means Asia/Jakarta."""
    g.i18n_timezone = timezone
    flask_babel.refresh()


def language() -> str:
    """The language of this page: `id` or `en`."""
    return str(flask_babel.get_locale() or DEFAULT_LANGUAGE)


def timezone_name() -> str:
    """The IANA zone in which this request's times are shown."""
    name = str(g.get("i18n_timezone", DEFAULT_TIMEZONE))
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return DEFAULT_TIMEZONE
    return name


def _choose_language() -> str:
    # `?lang=`, then on a public page the site's language; in the moderators' rooms the cookie, what the moderator has
    # chosen, what the browser accepts.
    reader = g.get("i18n_reader")
    if not has_request_context():
        return reader if reader in LANGUAGES else DEFAULT_LANGUAGE
    wishes = [request.args.get("lang")]
    if reader is not None:
        wishes.append(reader)
    else:
        accepted = request.accept_languages.best_match(LANGUAGES)
        wishes += [request.cookies.get(COOKIE), g.get("i18n_moderator"), accepted]
    return next((wish for wish in wishes if wish in LANGUAGES), None) or DEFAULT_LANGUAGE


def _remember_language(response: Response) -> Response:
    # A public page only speaks the language that its address asks for: no cookie for readers.
    chosen = request.args.get("lang")
    if chosen in LANGUAGES and "i18n_reader" not in g and response.mimetype == "text/html":
        response.set_cookie(
            COOKIE, chosen, max_age=COOKIE_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure
        )
    return response


def _text(message: str) -> str:
    """A template's text in the page's language."""
    return _text_in(language(), message)


def _plural(one: str, many: str, n: int) -> str:
    return str(flask_babel.get_translations().ungettext(one, many, n))


@lru_cache(8192)
def _text_in(_language: str, message: str) -> str:
    return str(flask_babel.get_translations().ugettext(message))


def language_link(to: str) -> str:
    """The address of this very page in another language, relative: only its query changes."""
    pairs = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return "?" + urlencode([*pairs, ("lang", to)])


def figure(value: float | int | None) -> str:
    """A number as people read it: a probability 0..1 with two decimals, else whole and grouped; `–` for None.

    Probabilities are cut, not rounded: 0.7996 must not read as 0.80 beside a threshold of 0.80 that it did not reach.
    """
    if value is None:
        return "–"
    return _figure(language(), value)


@lru_cache(4096, typed=True)
def _figure(locale: str, value: float | int) -> str:
    if isinstance(value, int) or value > 1:
        return str(numbers.format_decimal(int(value), locale=locale))
    cut = Decimal(str(value)).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
    return str(numbers.format_decimal(cut, format="0.00", locale=locale))


def mark(value: float | None) -> str:
    """A mark on a scale of 0..1, or a score held against one, with all its decimals, two at least; `–` for None."""
    return "–" if value is None else str(numbers.format_decimal(value, format="0.00####", locale=language()))


def decimal(value: float, places: int = 1) -> str:
    """A number with so many decimals, rounded and grouped."""
    return str(numbers.format_decimal(value, format="#,##0." + "0" * places, locale=language()))


def _local(at: datetime) -> datetime:
    return at.astimezone(ZoneInfo(timezone_name()))


def clock(at: datetime, seconds: bool = False) -> str:
    """The time of day in the page's zone: 14.31 in Indonesian, 14:31 in English."""
    colon = "." if language() == "id" else ":"
    return _local(at).strftime(colon.join(["%H", "%M", "%S"] if seconds else ["%H", "%M"]))


def day(at: datetime) -> str:
    """The date in the page's zone: 22 November 2026 in both languages."""
    return str(dates.format_date(_local(at).date(), "d MMMM y", locale=language()))


def moment(at: datetime, seconds: bool = False) -> str:
    """The time of day, with the date before it when that is not today."""
    if _local(at).date() == _local(datetime.now(UTC)).date():
        return clock(at, seconds)
    return f"{day(at)}, {clock(at, seconds)}"


def ago(at: datetime) -> str:
    """How long ago, short: 42 mnt, 1 j 6 mnt, 3 hari (Indonesian), 42 min, 1 h 6 min, 3 days (English)."""
    minutes = int((datetime.now(UTC) - at).total_seconds() // 60)
    if minutes < 1:
        return str(gettext("just now"))
    if minutes < 60:
        return str(gettext("%(minutes)s min", minutes=minutes))
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return str(gettext("%(hours)s h %(minutes)s min", hours=hours, minutes=minutes))
    return str(ngettext("%(num)d day", "%(num)d days", hours // 24))


def upfirst(text: str) -> str:
    """The text with a capital first letter; the rest stays (Jinja's `capitalize` would lower it)."""
    return text[:1].upper() + text[1:]


def signal_name(signal: str) -> str:
    """A signal's name in the page's language; an unknown one is shown as it is."""
    return str(gettext(SIGNAL_NAMES[signal])) if signal in SIGNAL_NAMES else signal


def reason_name(code: str | None) -> str:
    """The name of a reason code in the page's language; an unknown one is shown as it is, None as nothing."""
    if not code:
        return ""
    return str(gettext(REASON_NAMES[code])) if code in REASON_NAMES else code


def is_hidden(text: str) -> bool:
    """Whether a text is made of characters only that nobody sees (format characters, variation selectors)."""
    return text != "" and all(
        unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f" or letter == "\u034f" for letter in text
    )


def clause(text: str) -> str:
    """What became of a delivery, or may not become one, in the page's language where the clause is one of ours."""
    said = text
    if (found := re.fullmatch(r"answered (\d+)(; redirects are not followed)?", text)) is not None:
        status = found.group(1)
        said = gettext("answered %(status)s", status=status)
        if found.group(2):
            said = gettext("answered %(status)s; redirects are not followed", status=status)
    elif (found := re.fullmatch(r"no answer within (\S+) s", text)) is not None:
        said = gettext("no answer within %(seconds)s s", seconds=found.group(1))
    elif (found := re.fullmatch(r"address (\S+) is not public", text)) is not None:
        said = gettext("address %(address)s is not public", address=found.group(1))
    elif text.startswith("refused: "):
        said = gettext("refused: %(why)s", why=clause(text.removeprefix("refused: ")))
    elif text in DELIVERY_CLAUSES:
        said = gettext(text)
    return said


def trouble(text: str) -> str:
    """Why a run or a job cannot go on, as it was kept, in the page's language where the sentence is one of ours."""
    for sentence in TROUBLES:
        pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(sentence))
        if (found := re.fullmatch(pattern, text)) is not None:
            return str(gettext(sentence, **found.groupdict()))
    return _text(text)


def said(error: ModerationError) -> str:
    """Why the house refuses, in the page's language: the sentence is translated, then its values are put in."""
    values = {name: figure(value) if isinstance(value, int) else clause(value) for name, value in error.values.items()}
    return str(gettext(error.sentence, **values))


def hidden_name(text: str) -> str:
    """Which hidden characters a text has, for people: `U+200B zero width space × 4, U+2060 word joiner × 2`."""
    return ", ".join(
        f"U+{ord(letter):04X} {unicodedata.name(letter, '').lower()} × {text.count(letter)}"
        for letter in dict.fromkeys(text)
        if is_hidden(letter)
    )
