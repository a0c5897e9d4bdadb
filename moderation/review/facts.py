"""What the rules may look at, as values: built from what is known of one comment. Pure, so that live comments, the
archive that is judged again and the simulator are all judged by the same facts."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from moderation.accounts.models import Site
from moderation.comments import standings, story_rules
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.composition import USUAL, Composition
from moderation.policy.rules import Facts, Measured
from moderation.review import bursts, evidence
from moderation.scoring import normalise
from moderation.scoring.normalise import View
from moderation.scoring.store import StoredScore
from moderation.signals import SPAM

Places = tuple[tuple[int, int], ...]


def build(
    site: Site,
    comment: Comment,
    revision: Revision,
    story: Story | None,
    author: Author | None,
    stored: Sequence[StoredScore],
    *,
    view: View | None,
    now: datetime,
    scored: bool,
    failed: tuple[str, ...] = (),
    waiting: bool = False,
    approved: int = 0,
    order: str = "",
    composition: Composition = USUAL,
    crowd: Mapping[str, int] | None = None,
) -> Facts:
    """The facts of a comment's `revision`. Rows of a query that have the same columns may stand for the entities.

    `view`: that of the text; None where no word list is asked. `scored`: every required scorer has judged it; `failed`:
    those that gave up; `waiting`: its deadline is over. `approved`: comments of the author that stand approved;
    `order`: what a person ordered for newcomers of its campaign; `composition`: which scorer speaks for what; `crowd`:
    the bursts that it is in, where they were counted just now, else what was kept of them counts. A
    language is supported when somebody who may speak for it says more of it than whether it is spam.
    """
    measured = evidence.effective(stored, composition)
    spans = [(span.start, span.end, span.kind, span.detail) for item in stored for span in item.score.spans]
    domains: dict[str, Places] = {}
    for start, end, kind, detail in spans:
        if kind == "link" and detail:
            domains[detail.lower()] = (*domains.get(detail.lower(), ()), (start, end))
    found_links = max((item.score.facts.get("links", 0) for item in stored), default=0)
    return Facts(
        signals={
            signal: Measured(
                value,
                item.scorer,
                tuple((span.start, span.end) for span in item.score.spans if span.kind == signal),
            )
            for signal, (value, item) in measured.items()
        },
        folded="" if view is None else view.folded,
        place=_nowhere if view is None else view.span,
        readings=() if view is None else tuple((one.text, one.start, one.end) for one in view.readings),
        fold=_folded,
        links=max(revision.links, found_links),
        link_spans=tuple((start, end) for start, end, kind, _ in spans if kind == "link"),
        domains=domains,
        hidden=max((item.score.facts.get("hidden", 0) for item in stored), default=0),
        hidden_spans=tuple(dict.fromkeys((start, end) for start, end, kind, _ in spans if kind == "hidden")),
        phones=_places(spans, "phone"),
        veiled={
            (sort, host): places for sort in ("messenger", "shortener") for host, places in _places(spans, sort).items()
        },
        brands=_places(spans, "brand"),
        advertises=advertises(revision.links, stored),
        bursts=bursts.read(comment.intake_flags) if crowd is None else crowd,
        author_keys=author_keys(comment, author),
        author_approved=approved,
        flags=bursts.others(comment.intake_flags),
        scored=scored,
        supported=any(signal != SPAM for signal in measured),
        failed=failed,
        waiting=waiting,
        # As it was when the text came: a queue that is slow must not close a story on those who were in time.
        story_closed=story is not None and story_rules.is_closed(site, story, revision.created_at),
        premoderated_section=story_rules.premoderated_section(site, story) if story is not None else None,
        story_premoderated=story is not None and story.premoderated,
        campaign_order=order,
        author_standing=standings.in_force(author, now) if author is not None else "",
    )


def advertises(links: int, stored: Sequence[StoredScore]) -> bool:
    """Whether a text has a link (`links`: those of its HTML), a phone number or a brand."""
    named = ("links", "phones", "contacts", "brands")
    return links > 0 or any(item.score.facts.get(name, 0) for item in stored for name in named)


def _places(spans: Sequence[tuple[int, int, str, str]], wanted: str) -> dict[str, Places]:
    """What was found of a kind → where. Two scorers find the same."""
    found: dict[str, dict[tuple[int, int], None]] = {}
    for start, end, kind, detail in spans:
        if kind == wanted:
            found.setdefault(detail, {})[start, end] = None
    return {detail: tuple(places) for detail, places in found.items()}


def author_keys(comment: Comment, author: Author | None) -> frozenset[str]:
    """By what a policy may block the author of a comment."""
    keys = {f"name:{comment.author_name}"}
    if author is not None and author.external_id:
        keys.add(f"id:{author.external_id}")
    if author is not None and author.email_hash:
        keys.add(f"email_hash:{author.email_hash}")
    return frozenset(keys)


def _folded(word: str) -> str:
    return normalise.view(word).folded


def _nowhere(start: int, end: int) -> tuple[int, int]:
    return start, end
