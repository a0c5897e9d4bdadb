"""The simulator's numbers are those of a recount, one comment after the other, with the rules themselves."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.composition import Composition
from moderation.composition import parse as parse_composition
from moderation.db import Database
from moderation.policy import rules
from moderation.policy.document import Policy, parse
from moderation.policy.rules import BURST_CODES
from moderation.rescoring import simulator, window
from moderation.rescoring.simulator import Simulation
from moderation.review import evidence, facts, search_texts
from moderation.scoring import normalise, work
from moderation.scoring import store as scores
from moderation.scoring.models import Score, Work
from moderation.signals import SIGNALS

EXAMPLES = int(os.environ.get("SIMULATOR_EXAMPLES", "12"))
"""Generated sites; more of them are looked at where the environment asks for it."""

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
ACTION = {"APPROVED": "approve", "HELD": "hold", "REJECTED": "reject"}

FRAGMENTS = (
    *("slot gacor", "s l o t", "sl0t", "SLOOOT", "ѕlоt", "slot", "_slot_", "slot-gacor", "slotि", "कित", "क"),
    *("otak udang", "otak, udang", "g0bl0k", "goblok", "🤬", "!!", "s.l.o.t", "artikel", "café", "cafe\u0301"),
)
WORDS = ("slot", "otak udang", "goblok", "🤬", "क", "Slot-Gacor", "!!", "café", "s", "udang", "artikel bagus")
MARKS = (0.0, 0.2, 0.5, 0.57, 0.9, 1.0)
DOMAINS = ("judi.example", "a.judi.example", "kabar.example", "notjudi.example")


@dataclass(frozen=True)
class Given:
    """One generated comment."""

    text: str
    status: str
    by_person: bool
    author: int | None
    story: int | None
    scores: Sequence[dict[str, Any]]
    works: Sequence[tuple[str, str]]
    links: int
    flags: str
    staff: bool
    indexed: int
    """The search knows: 0 nothing of it, 1 the current text, 2 an older one."""
    age: int


FLOODS = ("burst_author=4", "honeypot,burst_network=5", "burst_site=7,repeated_text=2", "repeated_text=9")
SCORES = st.fixed_dictionaries(
    {
        "scorer": st.sampled_from(("builtin", "detoxify", "newsroom", "later")),
        "version": st.sampled_from(("1", "2")),
        "shadow": st.sampled_from((False, False, True)),
        "supported": st.sampled_from((True, True, True, True, True, False)),
        "language": st.sampled_from(("id", "en", "ru")),
        "values": st.fixed_dictionaries({}, optional={name: st.sampled_from(MARKS) for name in SIGNALS}),
        "links": st.integers(0, 3),
        "hidden": st.sampled_from((0, 0, 0, 0, 2)),
        "sells": st.sampled_from(({}, {}, {}, {"phones": 1}, {"contacts": 1}, {"brands": 2})),
        "domains": st.lists(st.sampled_from(DOMAINS), max_size=2),
    }
)
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=6), max_size=5).map(" ".join)
COMMENTS = st.builds(
    Given,
    text=TEXTS.map(lambda text: text.encode("utf-8", "ignore").decode().replace("\x00", "")),
    status=st.sampled_from(("APPROVED", "APPROVED", "HELD", "REJECTED", "PENDING", "WITHDRAWN")),
    by_person=st.booleans(),
    author=st.none() | st.integers(0, 4),
    story=st.none() | st.integers(0, 3),
    scores=st.lists(SCORES, max_size=3, unique_by=lambda item: (item["scorer"], item["version"])),
    works=st.lists(
        st.tuples(st.sampled_from(("builtin", "detoxify")), st.sampled_from((*["done"] * 8, "failed", "due"))),
        max_size=2,
        unique_by=lambda item: item[0],
    ),
    links=st.integers(0, 3),
    flags=st.sampled_from((*[""] * 8, "honeypot", "too_fast,other", "other", *FLOODS)),
    staff=st.sampled_from((False, False, False, True)),
    indexed=st.sampled_from((1, 1, 1, 0, 2)),
    age=st.integers(0, 5),
)
BANDS = st.fixed_dictionaries({"hold": st.sampled_from(MARKS)}, optional={"reject": st.sampled_from((0.9, 1.0, None))})
POLICIES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(("auto", "auto", "auto", "post", "post", "pre")),
        "auto_reject": st.booleans(),
        "max_links": st.integers(0, 3),
        "new_author": st.sampled_from((False, False, True)),
        **{code: st.sampled_from((0, 2, 5)) for code in BURST_CODES},
        "bands": st.dictionaries(
            st.sampled_from(("builtin", "detoxify", "newsroom", "later")),
            st.dictionaries(st.sampled_from(SIGNALS), BANDS.filter(lambda b: (b.get("reject") or 1.0) >= b["hold"])),
        ),
        "word_lists": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(("", "judi")),
                    "action": st.sampled_from(("hold", "reject")),
                    "words": st.lists(st.sampled_from(WORDS), max_size=3),
                }
            ),
            max_size=2,
        ),
        "blocked_authors": st.lists(st.sampled_from(("name:Budi", "id:u1", "email_hash:h2")), max_size=2),
        "blocked_domains": st.lists(st.sampled_from(("judi.example", "kabar.example")), max_size=2),
    }
)
SITES = st.fixed_dictionaries(
    {
        "close_after_days": st.none() | st.integers(1, 3),
        "premoderated_sections": st.sampled_from(([], ["politik"])),
    }
)
COMPOSITIONS = st.sampled_from(("", "id:*=builtin; en:toxicity=detoxify", "*:spam=builtin,newsroom")).map(
    parse_composition
)


@contextmanager
def undone(db: Database, composition: Composition) -> Iterator[Session]:
    """A session whose work nobody keeps."""
    with db.engine.connect() as connection:
        connection = connection.execution_options(moderation_write=True)
        outer = connection.begin()
        with Session(connection, info={"composition": composition}) as session:
            yield session
        outer.rollback()


def build(session: Session, site_rules: dict[str, Any], items: Sequence[Given]) -> Site:
    """A site with these comments."""
    site = Site(
        public_id="p", name="Warta", url="http://warta.example", created_at=NOW, origins=[], **site_rules, staff_ids=[]
    )
    session.add(site)
    session.flush()
    writers = [
        Author(
            site_id=site.id,
            identity=f"x:{n}",
            external_id=f"u{n}" if n < 3 else None,
            email_hash=f"h{n}" if n > 1 else None,
            first_seen_at=NOW,
            standing=standing,
            standing_until=until,
        )
        for n, (standing, until) in enumerate(
            [
                *(("", None), ("trusted", None), ("banned", NOW - timedelta(1)), ("held", NOW + timedelta(1))),
                *(("banned", None),),
            ]
        )
    ]
    stories = [
        Story(
            site_id=site.id,
            external_id=f"s{n}",
            url=f"http://warta.example/{folder}/{n}",
            title="",
            created_at=NOW - timedelta(days=4),
            published_at=NOW - timedelta(days=days) if days else None,
            closed_at=NOW - timedelta(days=2) if n == 1 else None,
            premoderated=n == 2,
        )
        for n, (folder, days) in enumerate((("politik", 0), ("a", 2), ("b", 6), ("c", 1)))
    ]
    session.add_all([*writers, *stories])
    session.flush()
    comments = []
    for n, item in enumerate(items):
        came = NOW - timedelta(days=item.age)
        comments.append(
            Comment(
                site_id=site.id,
                external_id=f"c{n}",
                source="api",
                status=item.status,
                revision=2 if item.indexed != 2 else 1,
                human_revision=2 if item.by_person else 1,
                author_id=None if item.author is None else writers[item.author].id,
                author_name="Budi" if n % 3 else "Rani",
                story_id=None if item.story is None else stories[item.story].id,
                intake_flags=item.flags,
                staff=item.staff,
                indexed_revision=0,
                **dict.fromkeys(("created_at", "received_at", "pending_since", "shown_at"), came),
            )
        )
    session.add_all(comments)
    session.flush()
    views = {
        comment.id: normalise.view(item.text if item.indexed == 1 else "lama sekali")
        for comment, item in zip(comments, items, strict=True)
        if item.indexed
    }
    search_texts.learn(session, comments, views, {})
    for comment, item in zip(comments, items, strict=True):
        comment.revision = 2
        session.add(
            Revision(
                comment_id=comment.id,
                number=2,
                text=item.text,
                links=item.links,
                text_hash="x",
                created_at=comment.created_at,
            )
        )
        for made in item.scores:
            session.add(
                Score(
                    comment_id=comment.id,
                    revision=2,
                    created_at=NOW,
                    **{name: made[name] for name in ("scorer", "version", "shadow", "supported", "language")},
                    **made["values"],
                    facts={"links": made["links"], "hidden": made["hidden"], "phones": 0, **made.get("sells", {})},
                    spans=[[0, 1, "link", domain] for domain in made["domains"]] + [[0, 1, "spam", "link"]],
                )
            )
        for scorer, state in item.works:
            session.add(Work(comment_id=comment.id, revision=2, scorer=scorer, state=state, due_at=NOW))
    session.flush()
    return site


def recount(session: Session, site: Site, live: Policy, drafts: Sequence[Policy], most: int) -> list[dict[str, Any]]:
    """The numbers for each draft, one comment after the other, from full facts and the rules."""
    rows = (
        session.query(Comment).filter_by(site_id=site.id).order_by(Comment.received_at.desc(), Comment.id.desc()).all()
    )
    judged = [row for row in rows if row.status in ACTION and not row.staff][:most]
    keys = [(row.id, row.revision) for row in judged]
    stored, states = scores.of_revisions(session, keys), work.states_of(session, [row.id for row in judged])
    writers = session.query(Author).filter(Author.external_id.is_not(None)).all()
    approved = authors.approved_of(session, [row.id for row in writers])
    cells: list[Counter[tuple[str, str, str]]] = [Counter() for _ in drafts]
    people: list[Counter[tuple[str, str, str, str]]] = [Counter() for _ in drafts]
    for row in judged:
        if not stored.get(row.id):
            continue
        known = states.get((row.id, row.revision), {})
        failed = tuple(name for name, state in known.items() if state == work.FAILED)
        revision = session.query(Revision).filter_by(comment_id=row.id, number=row.revision).one()
        what = facts.build(
            site,
            row,
            revision,
            session.get(Story, row.story_id) if row.story_id else None,
            session.get(Author, row.author_id) if row.author_id else None,
            stored[row.id],
            view=normalise.view(revision.text),
            now=NOW,
            scored=not failed and not work.unfinished(known),
            failed=failed,
            approved=approved.get(row.author_id or 0, 0),
            composition=evidence.speakers(session),
        )
        before = rules.judge(live, what).action
        for n, draft in enumerate(drafts):
            cell = (ACTION[row.status], before, rules.judge(draft, what).action)
            cells[n][cell] += 1
            if row.human_revision == row.revision and row.status != "HELD":
                people[n][*cell, ACTION[row.status]] += 1
    return [
        {
            "cells": dict(cells[n]),
            "people": dict(people[n]),
            "unscored": sum(not stored.get(row.id) for row in judged),
            "days": len({row.created_at.date() for row in judged}),
        }
        for n in range(len(drafts))
    ]


def told(simulation: Simulation) -> dict[str, Any]:
    people = {
        (*cell, action): n
        for cell, count in simulation.cells.items()
        for action, n in (("approve", count.approved), ("reject", count.rejected))
        if n
    }
    return {
        "cells": {cell: count.n for cell, count in simulation.cells.items()},
        "people": people,
        "unscored": simulation.unscored,
        "days": simulation.days,
    }


@dataclass
class Seen:
    """What the examples have met, so that a property that holds of nothing is noticed."""

    cells: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def test_every_number_equals_a_recount_with_the_rules(db: Database) -> None:
    seen = Seen()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        st.lists(COMMENTS, min_size=5, max_size=12), POLICIES, POLICIES, SITES, COMPOSITIONS, st.sampled_from((3, 100))
    )
    def holds(
        items: list[Given],
        first: dict[str, Any],
        second: dict[str, Any],
        site_rules: dict[str, Any],
        composition: Composition,
        most: int,
    ) -> None:
        live, draft = parse(first, 1), parse(second, 2)
        with undone(db, composition) as session:
            site = build(session, site_rules, items)
            made = simulator.simulate(session, site, live, draft, now=NOW, most=most)
            parts = list(simulator.parts(live, draft))
            right, *alone = recount(session, site, live, (draft, *(part.policy for part in parts)), most)
            assert told(made) == right
            seen.cells.update(right["cells"])
            for effect, part, other in zip(made.effects, parts, alone, strict=True):
                moves: Counter[tuple[str, str]] = Counter()
                for (_, before, after), n in other["cells"].items():
                    moves[before, after] += n
                same = {pair: n for pair, n in moves.items() if pair[0] != pair[1]}
                assert {pair: count.n for pair, count in effect.moves.items()} == same, part.field

    holds()
    assert len({(live, draft) for _, live, draft in seen.cells}) > 3


@pytest.mark.parametrize("most", [3, 50])
def test_samples_show_first_what_people_decided_otherwise(db: Database, most: int) -> None:
    score = {
        **{"scorer": "builtin", "version": "1", "shadow": False, "supported": True, "language": "id"},
        **{"links": 0, "hidden": 0, "domains": []},
    }
    items = [
        Given("teks", status, by_person, None, None, [{**score, "values": {"insult": value}}], (), 0, "", False, 1, n)
        for n, (status, by_person, value) in enumerate(
            [
                *(("APPROVED", True, 0.85), ("REJECTED", True, 0.82), ("APPROVED", False, 0.81)),
                *(("APPROVED", False, 0.1),),
            ]
        )
    ]
    old = {"bands": {"builtin": {"insult": {"hold": 0.9}}}}
    new = {"bands": {"builtin": {"insult": {"hold": 0.8}}}}
    with undone(db, parse_composition("")) as session:
        site = build(session, {}, items)
        made = simulator.simulate(session, site, parse(old, 1), parse(new, 2), now=NOW, most=most)
    (movement,) = made.movements
    assert (movement.before, movement.after) == ("approve", "hold")
    if most == 50:
        assert movement.count == simulator.Count(3, 1, 1)
        assert [sample.human for sample in movement.samples] == ["approve", None, "reject"]
        assert movement.samples[0].signals == [("insult", 0.85)]
        assert made.held_per_day(made.draft) == pytest.approx(3 / 4)
        (effect,) = made.effects
        assert (effect.field, effect.moves) == ("bands.builtin.insult", {("approve", "hold"): movement.count})
        mark = next(mark for mark in made.marks if mark.signal == "insult")
        assert (mark.measured, mark.live_over, mark.draft_over) == (4, (0, 0), (3, 0))
        assert sum(mark.spread) == 4
        assert made.as_json()["movements"][0]["approved_by_people"] == 1
    else:
        assert made.comments == 3


@pytest.mark.parametrize("sparse", [0, window.SPARSE])  # 0: the way of a window that is scattered over its ids
def test_an_archive_that_is_brought_in_late_is_not_what_came_last(
    db: Database, sparse: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "SPARSE", sparse)
    score = {
        **{"scorer": "builtin", "version": "1", "shadow": False, "supported": True, "language": "id"},
        **{"links": 0, "hidden": 0, "domains": [], "values": {"insult": 0.85}},
    }
    days = (3, 2, 0, 1, 5, 4)  # the last two came in an import
    items = [Given(f"hari {n}", "APPROVED", False, None, None, [score], (), 0, "", False, 1, n) for n in days]
    old, new = ({"bands": {"builtin": {"insult": {"hold": mark}}}} for mark in (0.9, 0.8))
    with undone(db, parse_composition("")) as session:
        site = build(session, {}, items)
        made = simulator.simulate(session, site, parse(old, 1), parse(new, 2), now=NOW, most=3)
        every = simulator.simulate(session, site, parse(old, 1), parse(new, 2), now=NOW, samples=6)
    assert [sample.text for sample in made.movements[0].samples] == ["hari 0", "hari 1", "hari 2"]
    assert (made.comments, every.comments) == (3, 6)
    assert [sample.text for sample in every.movements[0].samples] == [f"hari {n}" for n in range(6)]
