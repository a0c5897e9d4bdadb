"""Policies as JSON: drafts, what they would do, publishing what one has seen, history and the way back."""

from typing import Any

import pytest
from flask import Flask

from moderation.accounts import tokens
from moderation.accounts.models import Moderator, Site
from moderation.db import Database, utcnow
from moderation.policy import store
from moderation.policy.commands import MAX_BYTES
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.settings import Settings

from .helpers import BAD, add_site, add_user, given, judge_all, take

LOOSE = {**DEFAULT_DOCUMENT, "bands": {"builtin": {"spam": {"hold": 0.9}}}}


def tool(app: Flask, db: Database, role: str, mine: list[Site]) -> Any:
    """Ask the API as somebody of this role and these sites."""
    user = add_user(db, email=f"{role}{len(mine)}@contoh.example", role=role, sites=mine)
    with db.transaction() as session:
        token = tokens.create(session, session.get_one(Moderator, user), "alat", "30", utcnow())[1]
    client = app.test_client()

    def ask(method: str, path: str, body: Any = None, code: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = client.open(f"/api/v1/policies{path}", method=method, json=body, headers=headers)
        assert answer.status_code == code, answer.text
        return answer.json

    return ask


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


@pytest.fixture
def ask(app: Flask, db: Database, site: Site) -> Any:
    return tool(app, db, "senior", [site])


def test_a_draft_is_written_simulated_and_published(db: Database, settings: Settings, site: Site, ask: Any) -> None:
    for n in range(3):
        take(db, settings, site, given(f"c{n}", f"{BAD} {n}" if n else "Terima kasih"))
    judge_all(db, settings)
    path = f"/{site.id}"
    made = ask("POST", f"{path}/drafts", {"name": " longgar  sekali "}, 201)
    assert (made["name"], made["based_on"], made["live"], made["changes"]) == ("longgar sekali", 0, 0, [])
    draft = f"/drafts/{made['id']}"
    changed = ask("PUT", draft, {"document": LOOSE, "seen": made["updated_at"]})
    assert {
        "field": "bands.builtin.spam.hold",
        "before": DEFAULT_DOCUMENT["bands"]["builtin"]["spam"]["hold"],
        "after": 0.9,
    } in changed["changes"]
    assert [one["id"] for one in ask("GET", f"{path}/drafts")["drafts"]] == [made["id"]]
    told = ask("GET", f"{draft}/simulation?last=10&samples=1")
    assert (told["comments"], told["live"]["hold"]["n"], told["draft"]["hold"]["n"]) == (3, 2, 0)
    (movement,) = told["movements"]
    assert (movement["live"], movement["draft"], movement["n"], len(movement["samples"])) == ("hold", "approve", 2, 1)
    body = {"seen": changed["updated_at"], "seen_live": 0}
    live = ask("POST", f"{draft}/publish", body)
    assert (live["version"], live["document"]) == (1, LOOSE)
    assert live["created_by"].startswith("moderator:")
    with db.reading() as session:
        assert store.live(session, site.id).version == 1
    assert ask("GET", "")["policies"] == [live]
    assert ask("GET", draft)["published_version"] == 1
    assert ask("POST", f"{draft}/publish", body, 409)["error"]["details"]["version"] == 1
    ask("DELETE", draft, code=409)


def test_who_saw_something_else_publishes_nothing(db: Database, site: Site, ask: Any) -> None:
    one, other = (ask("POST", f"/{site.id}/drafts", {"document": LOOSE}, 201) for _ in range(2))
    path = f"/drafts/{one['id']}"
    edited = ask("PUT", path, {"name": "lain", "seen": one["updated_at"]})
    assert edited["document"] == LOOSE
    ask("PUT", path, {"name": "lagi", "seen": one["updated_at"]}, 409)
    ask("POST", f"{path}/publish", {"seen": one["updated_at"], "seen_live": 0}, 409)
    ask("POST", f"/drafts/{other['id']}/publish", {"seen": other["updated_at"], "seen_live": 0})
    late = ask("POST", f"{path}/publish", {"seen": edited["updated_at"], "seen_live": 0}, 409)
    assert late["error"]["details"]["version"] == 1
    with db.reading() as session:
        assert store.live(session, site.id).version == 1


def test_history_differences_and_the_way_back(site: Site, ask: Any) -> None:
    path = f"/{site.id}"
    draft = ask("POST", f"{path}/drafts", {"document": {**LOOSE, "blocked_domains": ["judi.example"]}}, 201)
    ask("POST", f"/drafts/{draft['id']}/publish", {"seen": draft["updated_at"], "seen_live": 0})
    versions = ask("GET", f"{path}/versions")["versions"]
    assert [one["version"] for one in versions] == [1, 0]
    assert {"field": "blocked_domains", "added": ["judi.example"], "removed": []} in versions[0]["changes"]
    assert (versions[1]["created_at"], versions[1]["created_by"], versions[1]["changes"]) == (None, "", [])
    assert ask("GET", f"{path}/versions/0")["document"] == DEFAULT_DOCUMENT
    assert ask("GET", f"{path}/versions/live")["version"] == 1
    forth = ask("GET", f"{path}/diff?old=0")["changes"]
    assert forth == ask("GET", f"{path}/diff?old=0&new=draft:{draft['id']}")["changes"] == versions[0]["changes"]
    assert ask("GET", f"{path}/diff?old=live&new=1")["changes"] == []
    assert ask("POST", f"{path}/revert", {"version": 0, "seen_live": 0}, 409)["error"]["details"]["version"] == 1
    back = ask("POST", f"{path}/revert", {"version": 0, "seen_live": 1})
    assert (back["version"], back["document"]) == (2, DEFAULT_DOCUMENT)
    ask("GET", f"{path}/versions/7", code=404)
    ask("POST", f"{path}/revert", {"version": 7, "seen_live": 2}, 404)


def test_a_shadow_is_switched_on_counted_and_off(db: Database, settings: Settings, site: Site, ask: Any) -> None:
    draft = ask("POST", f"/{site.id}/drafts", {"document": LOOSE}, 201)
    path = f"/drafts/{draft['id']}"
    assert ask("GET", f"{path}/shadow")["on"] is False
    assert ask("PUT", f"{path}/shadow", {"on": True})["on"] is True
    take(db, settings, site, given("c1", f"{BAD} sekali"))
    judge_all(db, settings)
    told = ask("GET", f"{path}/shadow")
    assert (told["total"], told["differing"]) == (1, 1)
    assert told["counts"] == [{"live": "hold", "shadow": "approve", "n": 1}]
    assert told["since"] == told["until"]
    assert ask("PUT", f"{path}/shadow", {"on": False})["on"] is False
    ask("PUT", f"{path}/shadow", {"on": "yes"}, 422)
    ask("DELETE", path, code=204)
    ask("GET", path, code=404)


def test_advice_says_when_there_are_too_few_decisions(db: Database, settings: Settings, site: Site, ask: Any) -> None:
    take(db, settings, site, given())
    judge_all(db, settings)
    found = ask("GET", f"/{site.id}/advice?precision=0.8&last=100")["advice"]
    toxicity = next(one for one in found if one["signal"] == "toxicity")
    assert (toxicity["state"], toxicity["wanted_precision"], toxicity["mark"]) == ("few", 0.8, None)
    for query in ("precision=nan", "precision=2", "precision=x"):
        assert ask("GET", f"/{site.id}/advice?{query}", code=422)["error"]["field"] == "precision"
    assert ask("GET", f"/{site.id}/advice?last=0", code=422)["error"]["field"] == "last"


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"bands": {"builtin": {"spam": {"hold": 3}}}}, "document.bands.builtin.spam.hold"),
        ({"mode": "never"}, "document.mode"),
        ({"wordlists": []}, "document.wordlists"),
        ({"word_lists": [{"words": [""]}]}, "document.word_lists.0.words.0"),
        ({"blocked_authors": [7]}, "document.blocked_authors.0"),
        ([], "document"),
    ],
)
def test_what_is_wrong_in_a_policy_is_named_as_it_stands_in_the_body(
    site: Site, ask: Any, document: Any, field: str
) -> None:
    assert ask("POST", f"/{site.id}/drafts", {"document": document}, 422)["error"]["field"] == field
    draft = ask("POST", f"/{site.id}/drafts", {}, 201)
    body = {"document": document, "seen": draft["updated_at"]}
    assert ask("PUT", f"/drafts/{draft['id']}", body, 422)["error"]["field"] == field
    assert ask("GET", f"/drafts/{draft['id']}")["document"] == DEFAULT_DOCUMENT


def test_other_wrong_fields_are_named_too(site: Site, ask: Any) -> None:
    draft = ask("POST", f"/{site.id}/drafts", {}, 201)
    path = f"/drafts/{draft['id']}"
    for method, where, body, field in (
        ("POST", f"/{site.id}/drafts", {"name": "x" * 81}, "name"),
        ("POST", f"/{site.id}/drafts", {"nama": "x"}, "nama"),
        ("PUT", path, {"name": "x"}, "seen"),
        ("PUT", path, {"seen": draft["updated_at"]}, "document"),
        ("PUT", path, {"name": "x", "seen": "yesterday"}, "seen"),
        ("POST", f"{path}/publish", {"seen": draft["updated_at"]}, "seen_live"),
        ("POST", f"/{site.id}/revert", {"version": "0", "seen_live": 0}, "version"),
        ("GET", f"/{site.id}/diff?old=x", None, "old"),
        ("GET", f"/{site.id}/diff?old=0&new=draft:", None, "new"),
        ("GET", f"{path}/simulation?last=nought", None, "last"),
        ("GET", f"{path}/simulation?samples=21", None, "samples"),
        ("GET", f"/{site.id}/versions/first", None, "version"),
    ):
        assert ask(method, where, body, 422)["error"]["field"] == field, (where, body)


def test_a_long_word_list_fits_and_a_longer_one_is_refused(site: Site, ask: Any) -> None:
    words = [f"kata{n} yang dilarang" for n in range(20_000)]
    document = {**DEFAULT_DOCUMENT, "word_lists": [{"name": "panjang", "words": words, "action": "hold"}]}
    made = ask("POST", f"/{site.id}/drafts", {"document": document}, 201)
    assert len(made["document"]["word_lists"][0]["words"]) == 20_000
    ask("POST", f"/{site.id}/drafts", {"name": "x" * MAX_BYTES}, 413)


def test_a_blocked_address_is_kept_as_its_hash(site: Site, ask: Any) -> None:
    document = {**DEFAULT_DOCUMENT, "blocked_authors": ["email:a@b.example", "name:Budi"]}
    kept = ask("POST", f"/{site.id}/drafts", {"document": document}, 201)["document"]["blocked_authors"]
    assert kept[0].startswith("email_hash:")
    assert kept[1] == "name:Budi"


def test_only_seniors_of_the_site_come_in(app: Flask, db: Database, site: Site, ask: Any) -> None:
    draft = ask("POST", f"/{site.id}/drafts", {}, 201)
    plain, stranger = tool(app, db, "moderator", [site]), tool(app, db, "senior", [])
    one, path = f"/drafts/{draft['id']}", f"/{site.id}"
    body = {"document": LOOSE, "seen": draft["updated_at"]}
    for method, where, given_body in (
        ("GET", f"{path}/versions", None),
        ("GET", f"{path}/versions/0", None),
        ("GET", f"{path}/diff?old=0", None),
        ("GET", f"{path}/advice", None),
        ("GET", f"{path}/drafts", None),
        ("POST", f"{path}/drafts", {}),
        ("POST", f"{path}/revert", {"version": 0, "seen_live": 0}),
        ("GET", one, None),
        ("PUT", one, body),
        ("GET", f"{one}/simulation", None),
        ("GET", f"{one}/shadow", None),
        ("PUT", f"{one}/shadow", {"on": True}),
        ("POST", f"{one}/publish", {"seen": draft["updated_at"], "seen_live": 0}),
        ("DELETE", one, None),
    ):
        plain(method, where, given_body, 403)
        stranger(method, where, given_body, 404)
    plain("GET", "", code=403)
    assert stranger("GET", "")["policies"] == []
    assert stranger("GET", f"?site={site.id}", code=404)["error"]["field"] == "site"
    assert app.test_client().get("/api/v1/policies").status_code == 401
    ask("GET", "/drafts/x", code=404)
    assert ask("GET", one)["shadow"] is False
