"""The verdict of a policy on many comments at once: what rules.judge says of each, as arithmetic over columns. Pure.

The rules are those of policy/rules.py, whose judge is the truth; a property test holds the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moderation.policy.document import POST, PRE, REJECT, Policy
from moderation.policy.rules import BURST_CODES
from moderation.rescoring.columns import STANDINGS, Columns
from moderation.rescoring.lookups import Found
from moderation.rescoring.window import ACTIONS, Codes, Flags
from moderation.signals import SIGNALS

APPROVE_CODE, HOLD_CODE, REJECT_CODE = range(len(ACTIONS))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """`actions`: a code of window.ACTIONS for each comment. `over_hold`, `over_reject`: (scorer, signal) → which
    comments are at or above that mark. `fired`: which comments any other rule of the policy speaks against, by the
    code of its reason."""

    actions: Codes
    over_hold: Mapping[tuple[str, str], Flags]
    over_reject: Mapping[tuple[str, str], Flags]
    fired: Mapping[str, Flags]


def judge(policy: Policy, columns: Columns, found: Found) -> Verdicts:
    """Judge all comments of `columns`; `found` has answers to all that `policy` asks."""
    n = len(columns)
    over_hold, over_reject = _marks(policy, columns)
    none = np.zeros(n, np.bool_)
    words_hold, words_reject = none.copy(), none.copy()
    for words in policy.word_lists:
        (words_reject if words.action == REJECT else words_hold)[found.words[words.words]] = True
    fired = {"word_list": words_hold | words_reject}
    fired["links"] = columns.links >= policy.max_links if policy.max_links else none
    fired["new_author"] = none if not policy.new_author or found.newcomers is None else found.newcomers
    fired["blocked_author"] = found.authors[policy.blocked_authors] if policy.blocked_authors else none
    fired["blocked_domain"] = found.domains[policy.blocked_domains] if policy.blocked_domains else none

    banned = columns.standing == STANDINGS["banned"]
    above, bad = none.copy(), none.copy()
    for key, hold in over_hold.items():
        bad |= over_reject[key]
        above |= hold & ~over_reject[key]
    rejects = bad | words_reject | fired["blocked_domain"] | fired["blocked_author"] | banned
    # Reasons that a trusted author and the mode `post` get past, and those that hold whatever the mode.
    mild = above | words_hold | fired["links"] | columns.hidden | fired["new_author"]
    firm = columns.failed | ~columns.scored | ~columns.supported | columns.flagged | columns.story_holds
    firm |= columns.standing == STANDINGS["held"]
    trusted = columns.standing == STANDINGS["trusted"]
    for code in BURST_CODES:
        mark = getattr(policy, code)
        crowd = (columns.bursts[code] >= mark) & ~trusted if mark else none
        fired[code] = crowd if code == "burst_author" else crowd & columns.sells
        firm |= fired[code]
    if policy.mode == PRE:
        firm = ~none
    lenient = ~none if policy.mode == POST else trusted
    against = rejects | firm | (mild & ~lenient)
    actions = np.where(against, HOLD_CODE, APPROVE_CODE).astype(np.int8)
    if policy.auto_reject and policy.mode != PRE:
        actions[rejects & columns.scored] = REJECT_CODE
    actions[banned] = REJECT_CODE
    return Verdicts(actions, over_hold, over_reject, fired)


def _marks(policy: Policy, columns: Columns) -> tuple[dict[tuple[str, str], Flags], dict[tuple[str, str], Flags]]:
    over_hold: dict[tuple[str, str], Flags] = {}
    over_reject: dict[tuple[str, str], Flags] = {}
    for code, scorer in enumerate(columns.scorers):
        for place, signal in enumerate(SIGNALS):
            band = policy.band(scorer, signal)
            if band is None:
                continue
            given = columns.scorer[:, place] == code
            value = columns.values[:, place]
            over_hold[scorer, signal] = given & (value >= band.hold)
            nobody = np.zeros(len(columns), np.bool_)
            over_reject[scorer, signal] = nobody if band.reject is None else given & (value >= band.reject)
    return over_hold, over_reject
