"""The words behind Detoxify's scores: asked for from the card, worked out by the worker, kept, marked in the text."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from flask import Flask

from moderation.accounts.sites import NewSite
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.policy import store as policies
from moderation.review import cards, explained
from moderation.scoring import explanations, store
from moderation.scoring.scorer import ScorerError, Span, TextScore
from moderation.scoring.store import NewScore
from moderation.settings import Settings

from .helpers import BAD, Browser, FakeScorer, add_site, add_user, comment_of, given, judge_all, log_in, take

TEXT = f"Ini {BAD} saja"


@dataclass
class Detoxify(FakeScorer):
    """Names the words `buruk`, or breaks."""

    name: str = "detoxify"
    version: str = "d1.int8.2"
    asked: list[list[str]] = field(default_factory=list)
    broken: bool = False

    def explain(self, text: str, signals: Sequence[str]) -> tuple[Span, ...]:
        self.asked.append(list(signals))
        if self.broken:
            raise ScorerError("broken")
        start = text.index("buruk")
        return tuple(Span(start, start + 5, signal, "buruk") for signal in signals)


@pytest.fixture
def site(db: Database, settings: Settings) -> NewSite:
    """A comment is held for what Detoxify says of it."""
    made = add_site(db)
    take(db, settings, made.site, given("c1", text=TEXT))
    judge_all(db, settings)
    with db.transaction() as session:
        score = TextScore({"toxicity": 0.99, "insult": 0.97, "threat": 0.001}, "id")
        store.put(session, "detoxify", "d1.int8.2", [NewScore(comment_of(db, "c1").id, 1, score)], utcnow())
    return made


def ask(db: Database) -> str:
    with db.transaction() as session:
        return explained.ask(session, session.get_one(Comment, 1), utcnow())


def card(db: Database) -> cards.Card:
    with db.reading() as session:
        return cards.build(session, [session.get_one(Comment, 1)])[0]


def marked(db: Database) -> list[tuple[str, tuple[int, ...]]]:
    return [(part.text, part.numbers) for part in card(db).text_parts if part.numbers]


def test_nothing_is_worked_out_before_somebody_asks(db: Database, site: NewSite) -> None:
    assert not explanations.explain_due(db, Detoxify())
    assert card(db).explanation == "open"
    assert marked(db) == []


def test_an_explanation_is_asked_for_once_worked_out_once_and_marked(db: Database, site: NewSite) -> None:
    scorer = Detoxify()
    assert [ask(db), ask(db)] == ["due", "due"]
    assert explanations.explain_due(db, scorer)
    assert not explanations.explain_due(db, scorer)
    assert scorer.asked == [["toxicity", "insult"]]  # not the threat that is none
    assert ask(db) == "done"
    assert card(db).explanation == "done"
    assert marked(db) == [("buruk", (1, 2))]
    assert not explanations.explain_due(db, scorer)


def test_a_scorer_that_breaks_is_tried_again_once_and_the_card_says_so(db: Database, site: NewSite) -> None:
    ask(db)
    scorer = Detoxify(broken=True)
    assert [explanations.explain_due(db, scorer) for _ in range(3)] == [True, True, False]
    assert card(db).explanation == "failed"
    assert ask(db) == "failed"


def test_a_score_of_weights_that_are_no_longer_loaded_is_not_explained_by_others(db: Database, site: NewSite) -> None:
    ask(db)
    scorer = Detoxify(version="d2.int8.2")
    explanations.explain_due(db, scorer)
    assert scorer.asked == []
    assert card(db).explanation == "failed"


def test_the_card_asks_with_a_button_and_a_script_gets_the_marked_text(app: Flask, db: Database, site: NewSite) -> None:
    add_user(db, name="Rani")
    rani: Browser = log_in(app)
    assert "Show the words behind the score" in rani.get("/queue/1?lang=en").text
    assert rani.post("/queue/1/explanation").json == {"id": 1, "state": "due"}
    assert "Looking for the words behind the score…" in rani.get("/queue/1?lang=en").text
    explanations.explain_due(db, Detoxify())
    answer = rani.post("/queue/1/explanation").json
    assert answer["state"] == "done"
    assert '<mark class="signal" data-n="1,2">buruk</mark>' in answer["html"]
    assert "data-explain" not in rani.get("/queue/1").text
    assert rani.post("/queue/99/explanation").status_code == 404


def test_the_built_in_is_asked_where_the_sites_mark_lies_below_what_it_explains_at_once(
    db: Database, settings: Settings
) -> None:
    made = add_site(db)
    with db.transaction() as session:
        bands = {"builtin": {"toxicity": {"hold": 0.04}, "insult": {"hold": 0.04}}}
        policies.publish(session, made.site.id, {"bands": bands}, by="cli", now=utcnow())
    take(db, settings, made.site, given("c1", text="Kalimat yang agak buruk"))
    judge_all(db, settings, Low())
    assert [(reason.signal, reason.value) for reason in card(db).reasons] == [("insult", 0.9), ("toxicity", 0.06)]
    assert ask(db) == "due"
    assert explanations.explain_due(db, Low())
    assert marked(db) == [("buruk", (2,))]
    assert card(db).explanation == "done"  # what it could not explain at once, it is not asked for


@dataclass
class Low(Detoxify):
    """The built-in: little toxicity, and an insult for which no word speaks."""

    name: str = "builtin"
    version: str = "b1"

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [TextScore({"toxicity": 0.06, "insult": 0.9}, "id") for _ in texts]
