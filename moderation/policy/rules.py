"""From what is known of a comment to a verdict: pure functions over values. All rules run, every reason is kept."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from moderation.policy.document import APPROVE, BURSTS, HOLD, NOTE, POST, PRE, REJECT, Policy

FLAG_CODES = ("honeypot", "too_fast", "no_timing_token")
"""What intake may have noticed about a form; each holds."""

BURST_CODES = tuple(BURSTS)
"""Reasons that a crowd of comments is. An author's own burst holds; the others are only noted, unless the text has
something to sell: a link, a phone number or a brand. Many readers share one network, and a hot article has a burst."""

POST_PASSES = frozenset({"signal_over_hold", "word_list", "links", "hidden_text", "new_author"})
"""Reasons to hold that do not hold in mode `post`, nor a trusted author in any mode but `pre`. Named one by one: a rule
that is added later holds there, too."""

ORDERS = frozenset({"author_banned", "campaign_order"})
"""Reasons that reject whatever the policy says of automatic rejection: a person ordered it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A signal's value and the scorer that measured it."""

    value: float
    scorer: str
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules may look at.

    `folded` is the text as the normaliser folds it, `place` finds a stretch of it in the original, `readings` are other
    readings (`g0bl0k` → `goblok`) with their places in the original, and `fold` is the folding for words of a list.
    `failed`: scorers that were required and gave up; `waiting`: the deadline passed without a verdict. `supported`:
    some scorer speaks the language. `story_closed`: the story took no more comments when this text came;
    `premoderated_section`: the section of the story in which the site wants every comment held; `story_premoderated`:
    a person wants so for this story. `author_standing`: what a person ordered for all that this author writes:
    `banned`, `held`, `trusted` or nothing. `campaign_order`: what a person ordered for newcomers of its campaign:
    `hold`, `reject` or nothing. `phones`, `brands`: what was found → its places; `veiled`: hosts that hide where a link
    leads, or that begin a private chat, by sort (`shortener`, `messenger`) and name. `advertises`: it has a link, a
    phone number or a brand. `bursts`: code of BURST_CODES → how many comments were alike in this when the text came.
    """

    signals: Mapping[str, Measured] = field(default_factory=dict)
    folded: str = ""
    place: Callable[[int, int], tuple[int, int]] = lambda start, end: (start, end)
    readings: Sequence[tuple[str, int, int]] = ()
    fold: Callable[[str], str] = str.casefold
    links: int = 0
    link_spans: tuple[tuple[int, int], ...] = ()
    domains: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    hidden: int = 0
    hidden_spans: tuple[tuple[int, int], ...] = ()
    phones: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    veiled: Mapping[tuple[str, str], tuple[tuple[int, int], ...]] = field(default_factory=dict)
    brands: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    advertises: bool = False
    bursts: Mapping[str, int] = field(default_factory=dict)
    author_keys: frozenset[str] = frozenset()
    author_approved: int = 0
    flags: tuple[str, ...] = ()
    scored: bool = True
    supported: bool = True
    failed: tuple[str, ...] = ()
    waiting: bool = False
    story_closed: bool = False
    premoderated_section: str | None = None
    story_premoderated: bool = False
    author_standing: str = ""
    campaign_order: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule that fired; `action` is what it wants: `approve`, `note`, `hold` or `reject`.

    `weight` 0..1 orders reasons for the reader; `spans` are places in the original text.
    """

    code: str
    action: str
    weight: float
    signal: str | None = None
    value: float | None = None
    detail: str = ""
    spans: tuple[tuple[int, int], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The stored and told form."""
        return {
            "code": self.code,
            "action": self.action,
            "weight": round(self.weight, 4),
            "signal": self.signal,
            "value": None if self.value is None else round(self.value, 5),  # as scores are kept: 0.99999 is not 1
            "detail": self.detail,
            "spans": [list(span) for span in self.spans],
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the machine proposes: `approve`, `hold` or `reject`, with every reason that fired, strongest first, what is
    only noted last."""

    action: str
    reasons: tuple[Reason, ...]
    not_scored: bool
    policy_version: int


def judge(policy: Policy, facts: Facts) -> Verdict:
    """The verdict of `policy` on a comment. Approval needs every required score and no reason against it.

    In mode `post`, and of a trusted author, the reasons of POST_PASSES are noted, but do not stand against it. What a
    person ordered for the author to be rejected is rejected, scored or not.
    """
    reasons = [
        *_scoring_reasons(facts),
        *_signal_reasons(policy, facts),
        *_word_reasons(policy, facts),
        *_link_reasons(policy, facts),
        *_author_reasons(policy, facts),
        *(Reason(code, HOLD, 0.6) for code in FLAG_CODES if code in facts.flags),
        *_story_reasons(facts),
        *_campaign_reasons(facts),
        *_burst_reasons(policy, facts),
        *_notes(facts),
    ]
    if policy.mode == PRE:
        reasons.append(Reason("premoderation", HOLD, 0.0))
    trusted = facts.author_standing == "trusted"
    if trusted and any(_passes(reason) for reason in reasons):
        reasons.append(Reason("author_trusted", APPROVE, 0.0))
    reasons.sort(key=_place)
    not_scored = not facts.scored
    lenient = trusted or policy.mode == POST
    against = any(reason.action in (HOLD, REJECT) and not (lenient and _passes(reason)) for reason in reasons)
    action = HOLD if against or not_scored else APPROVE
    rejects = any(reason.action == REJECT for reason in reasons)
    if rejects and policy.auto_reject and policy.mode != PRE and not not_scored:
        action = REJECT
    if any(reason.action == REJECT and reason.code in ORDERS for reason in reasons):
        action = REJECT
    return Verdict(action, tuple(reasons), not_scored, policy.version)


def _place(reason: Reason) -> tuple[Any, ...]:
    return reason.action == NOTE, -reason.weight, reason.code, reason.signal or "", reason.detail


def _passes(reason: Reason) -> bool:
    return reason.action == HOLD and reason.code in POST_PASSES


def _scoring_reasons(facts: Facts) -> list[Reason]:
    reasons = [Reason("scorer_failed", HOLD, 0.5, detail=name) for name in facts.failed]
    if not facts.scored and (facts.waiting or not facts.failed):
        reasons.append(Reason("not_scored", HOLD, 0.45))
    if facts.scored and not facts.supported:
        reasons.append(Reason("language_not_supported", HOLD, 0.4))
    return reasons


def _signal_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    reasons = []
    for signal, measured in facts.signals.items():
        band = policy.band(measured.scorer, signal)
        if band is None or measured.value < band.hold:
            continue
        above = band.reject is not None and measured.value >= band.reject
        # 0.7 at the hold mark to 1.0 at certainty: signals over their mark are named before other evidence
        share = (measured.value - band.hold) / (1 - band.hold) if band.hold < 1 else 1.0
        reasons.append(
            Reason(
                "signal_over_reject" if above else "signal_over_hold",
                REJECT if above else HOLD,
                0.7 + 0.3 * share,
                signal=signal,
                value=measured.value,
                spans=measured.spans,
            )
        )
    return reasons


def _word_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    reasons = []
    for words in policy.word_lists:
        sought = pattern(tuple(facts.fold(word) for word in words.words))
        if sought is None:
            continue
        found: dict[str, list[tuple[int, int]]] = {}
        for match in sought.finditer(facts.folded):
            found.setdefault(match.group(), []).append(facts.place(match.start(), match.end()))
        for text, start, end in facts.readings:
            for match in sought.finditer(text):
                found.setdefault(match.group(), []).append((start, end))
        reasons += [
            Reason("word_list", words.action, 0.9, detail=word, spans=tuple(spans)) for word, spans in found.items()
        ]
    return reasons


def _link_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    reasons = []
    if policy.max_links and facts.links >= policy.max_links:
        reasons.append(Reason("links", HOLD, 0.65, value=float(facts.links), spans=facts.link_spans))
    for domain, spans in facts.domains.items():
        if any(domain == blocked or domain.endswith("." + blocked) for blocked in policy.blocked_domains):
            reasons.append(Reason("blocked_domain", REJECT, 0.95, detail=domain, spans=spans))
    if facts.hidden:
        reasons.append(Reason("hidden_text", HOLD, 0.3, value=float(facts.hidden), spans=facts.hidden_spans))
    return reasons


def _author_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    reasons = []
    if policy.blocked_authors & facts.author_keys:
        reasons.append(Reason("blocked_author", REJECT, 0.95))
    if policy.new_author and facts.author_approved == 0:
        reasons.append(Reason("new_author", HOLD, 0.2))
    if facts.author_standing == "banned":
        reasons.append(Reason("author_banned", REJECT, 1.0))
    elif facts.author_standing == "held":
        reasons.append(Reason("author_held", HOLD, 0.55))
    return reasons


def _story_reasons(facts: Facts) -> list[Reason]:
    reasons = []
    if facts.story_closed:
        reasons.append(Reason("story_closed", HOLD, 0.1))
    if facts.premoderated_section is not None:
        reasons.append(Reason("premoderated_section", HOLD, 0.05, detail=facts.premoderated_section))
    if facts.story_premoderated:
        reasons.append(Reason("premoderated_story", HOLD, 0.05))
    return reasons


def _campaign_reasons(facts: Facts) -> list[Reason]:
    return [Reason("campaign_order", facts.campaign_order, 0.98)] if facts.campaign_order else []


def _burst_reasons(policy: Policy, facts: Facts) -> list[Reason]:
    reasons = []
    for code in BURST_CODES:
        mark, count = getattr(policy, code), facts.bursts.get(code, 0)
        if mark and count >= mark:
            holds = facts.author_standing != "trusted" and (code == "burst_author" or facts.advertises)
            reasons.append(Reason(code, HOLD if holds else NOTE, 0.58 if holds else 0.1, value=float(count)))
    return reasons


def _notes(facts: Facts) -> list[Reason]:
    return [
        *(Reason("brand", NOTE, 0.1, detail=name, spans=spans) for name, spans in facts.brands.items()),
        *(Reason("phone", NOTE, 0.1, detail=number, spans=spans) for number, spans in facts.phones.items()),
        *(Reason(sort, NOTE, 0.1, detail=host, spans=spans) for (sort, host), spans in facts.veiled.items()),
    ]


@lru_cache(maxsize=256)
def pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """What finds any of these folded words in a folded text; None where no word is listed."""
    listed = sorted({word.strip() for word in words if word.strip()}, key=len, reverse=True)
    if not listed:
        return None
    first = "".join(sorted({re.escape(word[0]) for word in listed}))  # looked at first: most places are no beginning
    mark = _mark()
    either = "|".join(map(re.escape, listed))
    return re.compile(rf"(?<!\w)(?=[{first}])(?<!{mark})(?:{either})(?!\w)(?!{mark})")


@lru_cache(maxsize=1)
def _mark() -> str:
    """The marks that some scripts write their vowels with, as a class for a pattern: part of a word, though `\\w`
    leaves them out. No mark but variation selectors lies beyond these planes."""
    ranges: list[list[int]] = []
    for code in range(0x300, 0x20000):
        if unicodedata.category(chr(code))[0] == "M":
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "[" + "".join(f"{chr(low)}-{chr(high)}" for low, high in ranges) + "]"
