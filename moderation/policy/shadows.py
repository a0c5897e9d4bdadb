"""Shadow policies: drafts that judge live comments beside the live policy, and are only counted.

Whatever goes wrong with a shadow is logged and changes nothing: the live verdict is made before it is asked.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from moderation.policy import drafts, rules
from moderation.policy.document import Policy, parse
from moderation.policy.rules import Facts

log = logging.getLogger(__name__)


class Shadows:
    """The shadows of some sites, and what they have said in one transaction."""

    def __init__(self, policies: dict[int, list[tuple[int, Policy]]]) -> None:
        self._policies = policies
        self._counts: Counter[tuple[int, str, str]] = Counter()

    @classmethod
    def gather(cls, session: Session, site_ids: Iterable[int]) -> "Shadows":
        """Read the shadows of these sites; one whose document is broken is passed over."""
        found: dict[int, list[tuple[int, Policy]]] = {}
        for site_id, running in drafts.shadows_of(session, site_ids).items():
            for draft_id, document in running:
                try:
                    found.setdefault(site_id, []).append((draft_id, parse(document)))
                except Exception:
                    log.exception("the draft %d cannot be a shadow", draft_id)
        return cls(found)

    def judge(self, site_id: int, facts: Facts, live: str) -> None:
        """Let the site's shadows judge what the live policy has just judged: `live` is what that said."""
        for draft_id, policy in self._policies.get(site_id, ()):
            try:
                self._counts[draft_id, live, rules.judge(policy, facts).action] += 1
            except Exception:
                log.exception("the shadow of draft %d could not judge", draft_id)

    def write(self, session: Session, now: datetime) -> None:
        """Keep what was counted, in the transaction of the verdicts; should that fail, they stand without it."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        try:
            with session.begin_nested():
                drafts.count_shadows(session, counts, now)
        except Exception:  # a draft was discarded in this very moment, for one
            log.exception("what shadows said of %d comments is not counted", counts.total())
