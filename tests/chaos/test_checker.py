"""The checker of the chaos run has to see: each kind of damage breaks its rule, and an honest result breaks none."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench import checker, sabotage
from bench.checker import Ledger
from bench.comments import make
from bench.receiver import Heard
from moderation import pipeline
from moderation.accounts import sites
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, leasing
from moderation.scoring.scorer import TextScore
from moderation.settings import load
from moderation.signals import SIGNALS


class Stub:
    """Finds every third text bad."""

    name, version, languages = "builtin", "stub", frozenset({"id"})

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [
            TextScore({name: 0.99 if len(text) % 3 == 0 else 0.01 for name in SIGNALS}, language="id") for text in texts
        ]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> tuple[Path, Ledger]:
    """A database in which nine comments were taken in, judged and told, with the outside's ledger of it."""
    folder = tmp_path_factory.mktemp("chaos")
    path = folder / "moderation.db"
    shutil.copy(sqlite_template, path)
    settings = replace(load({}), data_dir=folder, scorer="builtin")
    db, ledger = Database(f"sqlite:///{path}"), Ledger()
    with db.transaction() as session:
        site = sites.add_site(session, name="Warta", url="http://warta.example", now=utcnow()).site
        endpoints.set_endpoint(session, site, "http://127.0.0.1:9/hook", utcnow())
        for made in make(9, seed=1):
            given = CommentInput(
                external_id=made.external_id,
                story=StoryInput("s1", "http://warta.example/s1", "Cerita"),
                author=AuthorInput(name="Rani"),
                text=made.text,
            )
            taken = pipeline.take_in(session, site, given, source="api", settings=settings, key=b"k" * 40, now=utcnow())
            ledger.sent[made.external_id] = made.text
            ledger.acked[made.external_id] = str(taken.comment.id)
            ledger.answers["202"] += 1
    while pipeline.score_due(db, Stub(), settings).more:
        pass
    with db.transaction() as session:
        while batch := leasing.claim(session, now=utcnow(), limit=1, timeout=3):
            for item in batch:
                ledger.heard.append(_heard(item.payload))
                leasing.finish(session, item, now=utcnow(), status=204, error="", milliseconds=1, retry_in=None)
    db.dispose()
    return path, ledger


def _heard(payload: str) -> Heard:
    data = json.loads(payload)["data"]
    return Heard(data["event_id"], data["id"], data["external_id"], data["sequence"], data["status"])


def broken(path: Path, ledger: Ledger) -> dict[str, list[str]]:
    """Only the rules that are broken."""
    db = Database(f"sqlite:///{path}")
    try:
        return {name: texts for name, texts in checker.check(db, ledger).items() if texts}
    finally:
        db.dispose()


def test_an_honest_result_breaks_no_rule(result: tuple[Path, Ledger]) -> None:
    assert broken(*result) == {}
    assert {item.status for item in result[1].heard} == {"APPROVED", "HELD"}


@pytest.mark.parametrize("name", sorted(sabotage.DEEDS))
def test_each_damage_to_the_database_breaks_the_rule_that_guards_against_it(
    result: tuple[Path, Ledger], name: str, tmp_path: Path
) -> None:
    path, ledger = result
    sabotage.damaged(path, tmp_path / "damaged.db", name)
    assert sabotage.DEEDS[name][0] in broken(tmp_path / "damaged.db", ledger)


def test_every_rule_that_the_database_can_break_is_shown_to_break() -> None:
    shown = {rule for rule, _ in sabotage.DEEDS.values()}
    assert set(checker.RULES) - shown == {"accepted", "sound"}


def test_an_answer_500_and_a_comment_that_was_never_accepted_are_violations(result: tuple[Path, Ledger]) -> None:
    path, ledger = result
    acked = dict(list(ledger.acked.items())[1:])
    assert len(broken(path, replace(ledger, acked=acked))["accepted"]) == 1
    answers = ledger.answers.copy()
    answers["500"] += 2
    assert broken(path, replace(ledger, answers=answers)) == {"accepted": ["2 answers 500"]}
    answers["503"] = answers.pop("500")
    answers["ConnectionResetError"] = 7
    assert broken(path, replace(ledger, answers=answers)) == {}


def test_an_event_that_never_arrived_is_a_violation(result: tuple[Path, Ledger]) -> None:
    path, ledger = result
    assert len(broken(path, replace(ledger, heard=ledger.heard[1:]))["heard"]) == 2  # the event, and what it told


def test_an_event_that_nobody_sent_and_a_bad_signature_are_violations(result: tuple[Path, Ledger]) -> None:
    path, ledger = result
    forged = replace(ledger.heard[0], event_id="msg_forged", sequence=99, status="REJECTED")
    assert len(broken(path, replace(ledger, heard=[*ledger.heard, forged]))["heard"]) == 2
    assert broken(path, replace(ledger, faults=["no matching signature"])) == {
        "heard": ["the receiver refused: no matching signature"]
    }


def test_an_event_heard_twice_or_late_is_no_violation(result: tuple[Path, Ledger]) -> None:
    path, ledger = result
    assert broken(path, replace(ledger, heard=[*ledger.heard, *reversed(ledger.heard)])) == {}


def test_a_file_with_a_dangling_row_is_not_sound(result: tuple[Path, Ledger], tmp_path: Path) -> None:
    path, ledger = result
    sabotage.damaged(path, tmp_path / "damaged.db", "comment-lost")
    assert broken(tmp_path / "damaged.db", ledger)["sound"]


def test_the_report_names_each_rule_and_spells_out_the_first_violations() -> None:
    lines = checker.report({"accepted": [], "all judged": [f"c{number} is still pending" for number in range(8)]})
    assert lines[0].split()[:2] == ["ok", "accepted:"]
    assert lines[1].split()[0] == "BROKEN"
    assert [line.strip() for line in lines[2:]] == [*(f"c{n} is still pending" for n in range(5)), "… and 3 more"]
