"""How a moderator likes to work: shortcuts, density, blur, language.

All but the language is kept as one small mapping; what it does not say is as usual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moderation.accounts.models import Moderator
from moderation.accounts.site_settings import LANGUAGES, WRONG_LANGUAGE
from moderation.errors import InvalidInput

DEFAULTS: Mapping[str, str] = {
    "next": "j",
    "previous": "k",
    "approve": "f",
    "reject": "d",
    "ban": "b",
    "switch": "t",
    "single": "z",
    "help": "?",
    "undo": "u",
    "escalate": "e",
    "note": "n",
    "skip": "s",
    "select": "x",
    "search": "/",
    "reveal": "v",
    "tab1": "1",
    "tab2": "2",
    "tab3": "3",
    "tab4": "4",
    "tab5": "5",
    "tab6": "6",
}
"""Act → its usual key: Coral's, which newsrooms know, and ours."""

ACTIONS = tuple(DEFAULTS)

COMFORTABLE, COMPACT = "comfortable", "compact"
DENSITIES = (COMFORTABLE, COMPACT)

WRONG_KEY = "A shortcut is one character that can be seen."
DOUBLE_KEY = "Two acts cannot have the same key."
WRONG_DENSITY = "The density must be comfortable or compact."


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a page needs to know. `keys`: act → key, for acts that have one; `keys_off`: none of them does anything."""

    keys: Mapping[str, str]
    keys_off: bool
    density: str
    blur: bool


def of(stored: Mapping[str, Any]) -> Preferences:
    """Preferences as they are kept, with the usual ones where nothing is kept."""
    density = stored.get("density")
    return Preferences(
        keys=keys_of(stored),
        keys_off=stored.get("keys_off") is True,
        density=density if density in DENSITIES else COMFORTABLE,
        blur=stored.get("blur") is True,
    )


def keys_of(stored: Mapping[str, Any]) -> dict[str, str]:
    """Act → key, for every act that has one; an act whose key was taken away is not there."""
    own: Mapping[str, str] = stored.get("keys") or {}
    keys = {action: own.get(action, usual) for action, usual in DEFAULTS.items()}
    return {action: key for action, key in keys.items() if key}


def set_keys(moderator: Moderator, given: Mapping[str, str], *, off: bool) -> None:
    """Give acts these keys (an empty one takes the key away; what is not named stays), or switch all of them off.

    Raises InvalidInput naming the act whose key is not one visible character, or is another act's.
    """
    keys = {action: keys_of(moderator.preferences).get(action, "") for action in ACTIONS}
    keys |= {action: key for action, key in given.items() if action in keys}
    taken: set[str] = set()
    for action, key in keys.items():
        if key and (len(key) != 1 or not key.isprintable() or key.isspace()):
            raise InvalidInput(WRONG_KEY, field=action)
        if key and key in taken:
            raise InvalidInput(DOUBLE_KEY, field=action)
        taken.add(key)
    own = {action: key for action, key in keys.items() if key != DEFAULTS[action]}
    moderator.preferences = {**moderator.preferences, "keys": own, "keys_off": off}


def usual_keys(moderator: Moderator) -> None:
    """Give every act its usual key again, and switch the keys on."""
    kept = {name: value for name, value in moderator.preferences.items() if name not in ("keys", "keys_off")}
    moderator.preferences = kept


def set_looks(moderator: Moderator, *, density: str | None = None, blur: bool | None = None) -> None:
    """Set what is given. Raises InvalidInput naming `density`."""
    if density is not None and density not in DENSITIES:
        raise InvalidInput(WRONG_DENSITY, field="density")
    looks = {"density": density, "blur": blur}
    given = {name: value for name, value in looks.items() if value is not None}
    moderator.preferences = {**moderator.preferences, **given}


def set_language(moderator: Moderator, language: str) -> None:
    """The language of their pages; empty: what the browser asks for. Raises InvalidInput naming `language`."""
    if language and language not in LANGUAGES:
        raise InvalidInput(WRONG_LANGUAGE, field="language")
    moderator.language = language or None
