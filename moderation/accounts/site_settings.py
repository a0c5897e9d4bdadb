"""A site's settings: what each of them may be, and changing them with an entry in the audit."""

import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy.orm import Session

from moderation import parsing
from moderation.accounts import audit, sites
from moderation.accounts.models import Site
from moderation.errors import InvalidInput

LANGUAGES = ("id", "en")
MAX_ORIGINS = 20
MAX_GRACE_SECONDS = 3600
MAX_CLOSE_DAYS = 36500
MAX_SECTIONS = 100
MAX_STAFF = 1000
MAX_PERCENT = 100

FORM_TEXT_CHARS: Mapping[str, int] = {"heading": 80, "intro": 500, "button": 40, "waiting": 300, "closed": 300}
"""The texts of a form that a site may say in its own words (comments/form.py has the usual ones), and their lengths."""

WRONG_ORIGIN = "Each origin must be an http or https address such as https://example.org."
TOO_MANY_ORIGINS = "A site has at most 20 origins."
WRONG_LANGUAGE = "The language must be id or en."
WRONG_TIMEZONE = "There is no such time zone; it is called like Asia/Jakarta."
WRONG_GRACE = "The grace must be a whole number of seconds from 0 to 3600."
WRONG_DAYS = "The number of days must be a whole number from 1 to 36500, or empty."
WRONG_SECTION = "A section must have 1 to 100 characters."
TOO_MANY_SECTIONS = "A site has at most 100 such sections."
WRONG_STAFF = "An author id must have 1 to 255 characters."
TOO_MANY_STAFF = "A site has at most 1000 staff ids."
WRONG_PERCENT = "The share must be a whole number from 0 to 100."
UNKNOWN_TEXT = "A form has no such text."
TEXT_TOO_LONG = "This text is too long."
NO_TAGS = "Plain text only: readers would see the tags."

_TAG = re.compile(r"<[a-zA-Z/!]")


def change(session: Session, site: Site, values: Mapping[str, Any], *, actor: str, now: datetime) -> list[str]:
    """Set what `values` names (attributes of Site); returns the names of what is different now.

    Raises InvalidInput naming the first wrong field, all faults in `details["fields"]`; nothing is changed then.
    """
    clean: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, value in values.items():
        try:
            if name not in _CHECKS:
                raise InvalidInput(f"A site has no setting {name}.", field=name)
            clean[name] = _CHECKS[name](value)
        except InvalidInput as error:
            faults |= faults_of(error, name)
    if faults:
        field, message = next(iter(faults.items()))
        raise InvalidInput(message, field=field, details={"fields": faults})
    if "url" in clean or "origins" in clean:  # the form always works on the site's own pages
        own = sites.origin_of(clean.get("url", site.url))
        clean["origins"] = list(dict.fromkeys([own, *clean.get("origins", site.origins)]))
    changed = [name for name, value in clean.items() if getattr(site, name) != value]
    for name in changed:
        setattr(site, name, clean[name])
    if changed:
        subject, detail = f"site:{site.id}", ", ".join(changed)
        audit.record(
            session, actor=actor, action="site.change", subject=subject, site_id=site.id, now=now, detail=detail
        )
    return changed


def faults_of(error: InvalidInput, name: str = "") -> dict[str, str]:
    """All faults of a refusal, field → sentence; `name` is the field of one that names none."""
    fields = cast("Mapping[str, str] | None", error.details.get("fields"))
    return dict(fields or {error.field or name: error.message})


@lru_cache(maxsize=1)
def _all_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())  # it reads hundreds of files


@lru_cache(maxsize=1)
def timezones() -> Sequence[str]:
    """The names of all IANA time zones that are places, and UTC."""
    names = _all_zones()
    return ("UTC", *sorted(name for name in names if "/" in name and not name.startswith(("Etc/", "SystemV/", "US/"))))


def _origins(value: Sequence[str]) -> list[str]:
    found = [sites.origin_of(item.strip()) for item in value if item.strip()]
    if "" in found:
        raise InvalidInput(WRONG_ORIGIN, field="origins")
    if len(set(found)) > MAX_ORIGINS:
        raise InvalidInput(TOO_MANY_ORIGINS, field="origins")
    return list(dict.fromkeys(found))


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise InvalidInput(WRONG_LANGUAGE, field="language")
    return value


def _timezone(value: str) -> str:
    if value not in _all_zones():
        raise InvalidInput(WRONG_TIMEZONE, field="timezone")
    return value


def _grace(value: int | str) -> int:
    return _whole(value, 0, MAX_GRACE_SECONDS, WRONG_GRACE, "grace_seconds")


def _percent(value: int | str) -> int:
    return _whole(value, 0, MAX_PERCENT, WRONG_PERCENT, "second_look_percent")


def _close_after_days(value: int | str | None) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return _whole(value, 1, MAX_CLOSE_DAYS, WRONG_DAYS, "close_after_days")


def _sections(value: Sequence[str]) -> list[str]:
    cleaned = (_line(item, 100, WRONG_SECTION, "premoderated_sections").strip("/ ") for item in value)
    kept = {name.casefold(): name for name in cleaned if name}
    if len(kept) > MAX_SECTIONS:
        raise InvalidInput(TOO_MANY_SECTIONS, field="premoderated_sections")
    return list(kept.values())


def _staff_ids(value: Sequence[str]) -> list[str]:
    cleaned = (_line(item, 255, WRONG_STAFF, "staff_ids") for item in value)
    kept = list(dict.fromkeys(item for item in cleaned if item))
    if len(kept) > MAX_STAFF:
        raise InvalidInput(TOO_MANY_STAFF, field="staff_ids")
    return kept


def _form_texts(value: Mapping[str, str]) -> dict[str, str]:
    kept, faults = {}, {}
    for name, given in value.items():
        field = f"form_texts.{name}"
        try:
            if name not in FORM_TEXT_CHARS:
                raise InvalidInput(UNKNOWN_TEXT, field=field)
            text = _line(given, FORM_TEXT_CHARS[name], TEXT_TOO_LONG, field)
            if _TAG.search(text):
                raise InvalidInput(NO_TAGS, field=field)
            if not parsing.is_blank(text):
                kept[name] = text
        except InvalidInput as error:
            faults[field] = error.message
    if faults:
        field, message = next(iter(faults.items()))
        raise InvalidInput(message, field=field, details={"fields": faults})
    return kept


def _line(value: str, limit: int, sentence: str, field: str) -> str:
    try:
        text = parsing.clean_text(value, field, max_chars=limit, max_bytes=limit * 4, multiline=False)
    except InvalidInput:
        raise InvalidInput(sentence, field=field) from None
    return text.strip()


def _whole(value: int | str, low: int, high: int, sentence: str, field: str) -> int:
    number = parsing.whole_number(str(value).strip(), 9)
    if number is None or not low <= number <= high:
        raise InvalidInput(sentence, field=field)
    return number


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": sites.clean_name,
    "url": sites.clean_url,
    "origins": _origins,
    "language": _language,
    "timezone": _timezone,
    "grace_seconds": _grace,
    "close_after_days": _close_after_days,
    "premoderated_sections": _sections,
    "staff_ids": _staff_ids,
    "form_texts": _form_texts,
    "second_look_percent": _percent,
}
