"""The JSON queue: what the pages do, for moderators' own tools, with the same guards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema

from moderation.accounts import tokens
from moderation.accounts.models import Moderator, Site
from moderation.comments import intake, reports
from moderation.comments.intake import AuthorInput, TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.pipeline import edit, withdraw
from moderation.review import api_card_schemas as carded
from moderation.review import api_people_schemas as whose
from moderation.review import api_schemas as shapes
from moderation.review import bulk_work
from moderation.review.bulk_work import Pace
from moderation.scoring import evidence, normalise
from moderation.scoring.scorer import TextScore
from moderation.settings import Settings

from .helpers import BAD, KEY, FakeScorer, add_site, add_user, bearer, comment_of, given, judge_all, take

CITIES = ("Jakarta", "Surabaya", "Bandung", "Medan")


@dataclass
class Tool:
    """A moderator's own tool with their token."""

    client: FlaskClient
    token: str

    def ask(self, method: str, path: str, body: Any = None, code: int = 200) -> Any:
        """Call the API and hold the answer to its code."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self.client.open(f"/api/v1{path}", method=method, json=body, headers=headers)
        assert answer.status_code == code, (answer.status_code, answer.text)
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.json

    def get(self, path: str, code: int = 200) -> Any:
        return self.ask("GET", path, code=code)

    def post(self, path: str, body: Any = None, code: int = 200) -> Any:
        return self.ask("POST", path, body, code)

    def decide(self, comment_id: str, seen: int, action: str = "approve", code: int = 200, **more: Any) -> Any:
        return self.post(f"/queue/{comment_id}/decision", {"action": action, "seen_version": seen, **more}, code)


Make = Callable[..., Tool]


class Reader(FakeScorer):
    """Finds what the built-in scorer finds in a text, such as links."""

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        found = [evidence.find(normalise.view(text)) for text in texts]
        return [
            replace(score, spans=one.spans, facts=one.facts)
            for score, one in zip(super().score(texts), found, strict=True)
        ]


@pytest.fixture
def tool(app: Flask, db: Database) -> Make:
    """Make a moderator with a token."""

    def make(name: str = "rani", role: str = "moderator", **values: Any) -> Tool:
        number = add_user(db, f"{name}@contoh.example", role, name=name.title(), **values)
        with db.transaction() as session:
            return Tool(
                app.test_client(), tokens.create(session, session.get_one(Moderator, number), "t", "30", utcnow())[1]
            )

    return make


@pytest.fixture
def site(db: Database, settings: Settings) -> Site:
    """A site with two held comments and an approved one."""
    made = add_site(db)
    take(db, settings, made.site, given("c1", f"Ini {BAD} sekali"))
    take(db, settings, made.site, given("c2", f"{BAD} tentang slot", author=AuthorInput("Budi", external_id="u2")))
    take(db, settings, made.site, given("good", "Terima kasih"))
    judge_all(db, settings)
    return made.site


def shaped(schema: Schema, body: Any) -> Any:
    """The body, held to the shape that the OpenAPI document promises."""
    assert set(body) == set(schema.fields), set(body) ^ set(schema.fields)
    for name, field in schema.fields.items():
        nested = getattr(field, "inner", field)
        inside = getattr(nested, "schema", None)
        value = body[name]
        if inside is None or value is None:
            assert value is not None or field.allow_none, name
            continue
        for one in value if isinstance(value, list) else [value]:
            shaped(inside, one)
    return body


# --- at the door ---


def test_only_a_personal_token_opens_it(app: Flask, db: Database, tool: Make) -> None:
    made = add_site(db)
    client = app.test_client()
    assert client.get("/api/v1/queue").status_code == 401
    assert client.get("/api/v1/queue", headers=bearer(made)).status_code == 403
    assert client.post("/api/v1/queue/1/decision", json={}, headers=bearer(made)).status_code == 403
    rani = tool(sites=[made.site])
    me = shaped(carded.MeSchema(), rani.get("/me"))
    assert (me["name"], me["role"], [one["id"] for one in me["sites"]]) == ("Rani", "moderator", [str(made.site.id)])
    headers = {"Authorization": f"Bearer {rani.token}"}
    assert client.get("/api/v1/comments/1", headers=headers).status_code == 403


def test_what_belongs_to_another_site_is_not_there(db: Database, settings: Settings, site: Site, tool: Make) -> None:
    other = add_site(db).site
    budi = tool("budi", "senior", sites=[other])
    comment = comment_of(db)
    assert budi.get("/queue")["comments"] == []
    assert budi.get("/search?q=status:held")["count"] == 0
    assert set(budi.get("/queue/counts")["counts"].values()) == {0}
    for method, path, body in (
        ("GET", f"/queue/{comment.id}", None),
        ("GET", f"/queue/{comment.id}/notes", None),
        ("POST", f"/queue/{comment.id}/claim", {}),
        ("DELETE", f"/queue/{comment.id}/claim", None),
        ("POST", f"/queue/{comment.id}/decision", {"action": "approve", "seen_version": comment.version}),
        ("POST", f"/queue/{comment.id}/undo", {"seen_version": comment.version}),
        ("POST", f"/queue/{comment.id}/escalation", {"question": "Bagaimana?"}),
        ("POST", f"/queue/{comment.id}/answer", {"answer": "Begini."}),
        ("POST", f"/queue/{comment.id}/notes", {"text": "Hati-hati."}),
        ("GET", f"/authors/{comment.author_id}", None),
        ("PUT", f"/authors/{comment.author_id}/standing", {"kind": "held"}),
        ("POST", f"/authors/{comment.author_id}/notes", {"text": "Hati-hati."}),
        ("GET", f"/stories/{comment.story_id}", None),
        ("PUT", f"/stories/{comment.story_id}/orders", {"closed": True}),
        ("GET", f"/queue?site={site.id}", None),
        ("POST", "/bulk/preview", {"q": "slot", "site": str(site.id)}),
        ("GET", f"/statistics?site={site.id}", None),
        ("GET", "/queue/0x1", None),
        ("GET", f"/queue/{'9' * 19}", None),
    ):
        assert budi.ask(method, path, body, 404)["error"]["code"] == "not_found"
    done = budi.post("/queue/decisions", {"action": "approve", "comments": [_seen(comment)]})
    assert [one["details"]["what"] for one in done["results"]] == ["not_found"]
    assert comment_of(db).version == comment.version


WRONG_BODIES: list[tuple[str, Any, str]] = [
    ("/queue/1/decision", {"action": "approve", "seen_version": 1, "resaon": "SPAM"}, "resaon"),
    ("/queue/1/decision", {"action": "reject", "seen_version": 1}, "reason"),
    ("/queue/1/decision", {"action": "approve", "reason": "SPAM", "seen_version": 1}, "reason"),
    ("/queue/1/decision", {"action": "reject", "reason": "BORING", "seen_version": 1}, "reason"),
    ("/queue/1/decision", {"action": "publish", "seen_version": 1}, "action"),
    ("/queue/1/decision", {"action": "approve", "seen_version": "1"}, "seen_version"),
    ("/queue/1/decision", {"action": "approve"}, "seen_version"),
    ("/queue/1/claim", {"take_over": "yes"}, "take_over"),
    ("/queue/1/escalation", {"question": " "}, "question"),
    ("/queue/1/notes", {"text": ""}, "text"),
    ("/queue/decisions", {"action": "approve", "comments": []}, "comments"),
    ("/queue/decisions", {"action": "approve", "comments": [{"id": 1, "seen_version": 1}]}, "comments.0.id"),
    ("/queue/decisions", {"action": "approve", "comments": [{"id": "1", "seen_version": 1}] * 2}, "comments"),
    ("/views", {"name": "semua", "q": "nosuch:1"}, "q"),
    ("/views", {"name": " ", "q": "slot"}, "name"),
    ("/bulk", {"q": "slot", "action": "reject"}, "reason"),
    ("/bulk", {"q": "", "action": "approve"}, "q"),
    ("/bulk", {"q": "slot", "action": "approve", "until_id": "-1"}, "until_id"),
    ("/bulk/preview", {"q": "score:high"}, "q"),
    ("/groups/domain/contoh.com/decision", {"action": "approve", "until_id": "9", "hours": 2}, "hours"),
    ("/groups/undo", {"at": "yesterday"}, "at"),
]
"""Path, body, and the field that the answer names."""

WRONG_QUERIES = [
    ("/queue?tab=all", "tab"),
    ("/queue?sort=random", "sort"),
    ("/queue?after=zzz", "after"),
    ("/queue/counts?since=x", "since"),
    ("/search", "q"),
    ("/search?q=lang:", "q"),
    ("/bulk/1/items?outcome=lost", "outcome"),
    ("/statistics?days=0", "days"),
    ("/statistics?days=30&by=hour", "by"),
]


def test_what_is_wrong_is_named(site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    assert [(path, rani.post(path, body, 422)["error"]["field"]) for path, body, _ in WRONG_BODIES] == [
        (path, field) for path, _, field in WRONG_BODIES
    ]
    assert [(path, rani.get(path, 422)["error"]["field"]) for path, _ in WRONG_QUERIES] == WRONG_QUERIES


# --- reading ---


def test_a_card_says_why_it_is_there(db: Database, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    page = shaped(carded.CardListSchema(), rani.get(f"/queue?tab=held&sort=oldest&site={site.id}"))
    assert [one["external_id"] for one in page["comments"]] == ["c1", "c2"]
    assert page["next"] is None
    one = page["comments"][0]
    assert (one["status"], one["text"], one["site"]["id"]) == ("HELD", f"Ini {BAD} sekali", str(site.id))
    assert {bar["name"]: bar["value"] for bar in one["signals"]}["insult"] == 0.99
    assert one["reasons"][0]["code"] == "signal_over_reject"
    assert one["priority"]["hours"] == pytest.approx(
        one["priority"]["risk_hours"] + one["priority"]["reach_hours"] + one["priority"]["waited_hours"], abs=0.01
    )
    assert one["record"]["held"] == 1
    assert (one["claim"], one["escalation"], one["decided"]) == (None, None, None)


def test_a_reason_points_at_the_text(db: Database, settings: Settings, site: Site, tool: Make) -> None:
    text = "😀 lihat http://satu.example dan http://dua.example"
    take(db, settings, site, given("links", text))
    judge_all(db, settings, Reader())
    one = tool(sites=[site]).get(f"/queue/{comment_of(db, 'links').id}")["comment"]
    (reason,) = [reason for reason in one["reasons"] if reason["code"] == "links"]
    assert [text[start:end] for start, end in reason["spans"]] == ["http://satu.example", "http://dua.example"]
    marked = [mark for mark in one["marks"] if reason["number"] in mark["reasons"]]
    assert {kind for mark in marked for kind in mark["kinds"]} == {"link"}


def test_counts_and_newcomers(db: Database, settings: Settings, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    first = shaped(carded.TabCountsSchema(), rani.get("/queue/counts"))
    assert (first["counts"]["held"], first["counts"]["approved"], first["new"]) == (2, 1, None)
    assert first["oldest_at"] is not None
    take(db, settings, site, given("c3", BAD))
    judge_all(db, settings)
    assert rani.get(f"/queue/counts?since={first['mark']}")["new"] == 1


def test_a_comment_is_shown_with_its_history(db: Database, settings: Settings, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    comment = comment_of(db)
    with db.transaction() as session:
        row = session.get_one(Comment, comment.id)
        edit(
            session,
            session.get_one(Site, site.id),
            row,
            TextInput(f"{BAD} lagi", "plain"),
            settings=settings,
            key=KEY,
            now=utcnow(),
            tag="x",
        )
    judge_all(db, settings)
    rani.post(f"/queue/{comment.id}/notes", {"text": "Sudah dua kali."}, 201)
    rani.decide(str(comment.id), comment_of(db).version, "reject", reason="ABUSIVE")
    whole = shaped(carded.WholeCommentSchema(), rani.get(f"/queue/{comment.id}"))
    assert [one["text"] for one in whole["revisions"]] == [f"Ini {BAD} sekali", f"{BAD} lagi"]
    assert [one["what"] for one in whole["history"]][-1] == "reject"
    assert whole["comment"]["decided"]["who"] == "Rani"
    assert [one["text"] for one in whole["comment"]["notes"]] == ["Sudah dua kali."]
    assert [one["sequence"] for one in whole["deliveries"]]


def test_a_search_finds_and_a_view_keeps_it(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", sites=[site])
    found = shaped(shapes.FoundSchema(), rani.get("/search?q=slot status:held"))
    assert ([one["external_id"] for one in found["comments"]], found["count"]) == (["c2"], 1)
    assert (found["more_than"], found["next"], found["reached"]) == (False, None, None)
    view = shaped(shapes.SavedViewSchema(), rani.post("/views", {"name": "Slot", "q": " slot  STATUS:held "}, 201))
    assert view["q"] == "slot status:held"
    rani.post("/views", {"name": "Slot", "q": "lain"}, 409)
    assert sari.get("/views")["views"] == [view]
    sari.ask("DELETE", f"/views/{view['id']}", code=403)
    rani.ask("DELETE", f"/views/{view['id']}")
    assert rani.get("/views") == {"views": []}
    rani.ask("DELETE", f"/views/{view['id']}", code=404)


# --- deciding ---


def test_a_decision_is_made_and_undone(db: Database, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    (one,) = [one for one in rani.get("/queue")["comments"] if one["external_id"] == "c1"]
    done = rani.decide(one["id"], one["version"], "reject", reason="SPAM")
    shaped(shapes.DecidedCommentSchema(), done)
    assert (done["status"], done["told"]) == ("REJECTED", True)
    assert rani.decide(one["id"], one["version"], "reject", reason="SPAM")["version"] == done["version"]
    mine = shaped(shapes.MyDecisionsSchema(), rani.get("/queue/decisions"))["decisions"]
    assert [(line["comment_id"], line["version"], line["reason"]) for line in mine] == [
        (one["id"], done["version"], "SPAM")
    ]
    undone = rani.post(f"/queue/{one['id']}/undo", {"seen_version": done["version"]})
    assert undone["status"] == "HELD"
    rani.post(f"/queue/{one['id']}/undo", {"seen_version": done["version"]}, 409)
    assert rani.get("/queue/decisions") == {"decisions": []}


def test_the_loser_hears_who_decided_what_and_when(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", sites=[site])
    comment = comment_of(db)
    done = rani.decide(str(comment.id), comment.version, "reject", reason="OFFENSIVE")
    error = sari.decide(str(comment.id), comment.version, code=409)["error"]
    assert error["code"] == "conflict"
    details = error["details"]
    assert (details["who"], details["what"], details["reason"]) == ("Rani", "reject", "OFFENSIVE")
    assert (details["version"], details["status"]) == (done["version"], "REJECTED")
    assert datetime.fromisoformat(details["at"]).tzinfo is not None
    assert comment_of(db).status == "REJECTED"


@pytest.mark.parametrize("what", ["edited", "withdrawn"])
def test_a_text_that_moved_on_is_not_decided(
    db: Database, settings: Settings, site: Site, tool: Make, what: str
) -> None:
    comment = comment_of(db)
    common: dict[str, Any] = {"settings": settings, "key": KEY, "now": utcnow(), "tag": "x"}
    with db.transaction() as session:
        row = intake.find(session, site.id, "c1")
        assert row is not None
        if what == "edited":
            edit(session, session.get_one(Site, site.id), row, TextInput("Teks baru", "plain"), **common)
        else:
            withdraw(session, session.get_one(Site, site.id), row, **common)
    details = tool(sites=[site]).decide(str(comment.id), comment.version, code=409)["error"]["details"]
    assert (details["what"], details["who"]) == (what, "Rani" if what == "edited" else "site")
    assert details["version"] == comment_of(db).version
    assert datetime.fromisoformat(details["at"]) > utcnow() - timedelta(minutes=5)


def test_what_a_colleague_reads_is_left_to_them(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", sites=[site])
    comment = comment_of(db)
    until = shaped(shapes.ClaimedSchema(), rani.post(f"/queue/{comment.id}/claim", {}))["until"]
    assert datetime.fromisoformat(until) > utcnow()
    (card,) = [one for one in sari.get("/queue")["comments"] if one["id"] == str(comment.id)]
    assert (card["claim"]["who"], card["claim"]["mine"]) == ("Rani", False)
    for answer in (
        sari.decide(str(comment.id), comment.version, code=409),
        sari.post(f"/queue/{comment.id}/claim", {}, 409),
        sari.post(f"/queue/{comment.id}/escalation", {"question": "Ini apa?"}, 409),
    ):
        details = answer["error"]["details"]
        assert (details["what"], details["who"], details["version"]) == ("claimed", "Rani", comment.version)
    (one,) = sari.post("/queue/decisions", {"action": "approve", "comments": [_seen(comment)]})["results"]
    assert (one["outcome"], one["details"]["what"]) == ("conflict", "claimed")
    sari.post(f"/queue/{comment.id}/claim", {"take_over": True})
    assert rani.ask("DELETE", f"/queue/{comment.id}/claim") == {"id": str(comment.id)}
    assert sari.get(f"/queue/{comment.id}")["comment"]["claim"]["mine"]
    sari.decide(str(comment.id), comment.version)


def test_several_are_decided_each_as_it_was_read(db: Database, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    first, second = comment_of(db, "c1"), comment_of(db, "c2")
    rani.decide(str(second.id), second.version)
    body = {"action": "reject", "reason": "SPAM", "comments": [_seen(second), _seen(first)]}
    answer = shaped(shapes.OutcomesSchema(), rani.post("/queue/decisions", body))
    assert [(one["id"], one["outcome"]) for one in answer["results"]] == [
        (str(second.id), "conflict"),
        (str(first.id), "decided"),
    ]
    assert answer["results"][0]["details"]["who"] == "Rani"
    assert answer["results"][1]["version"] == comment_of(db).version == first.version + 1


def test_only_seniors_decide_what_was_escalated(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", "senior", sites=[site])
    comment = comment_of(db)
    rani.post(f"/queue/{comment.id}/escalation", {"question": "Ini fitnah?"}, 201)
    version = comment_of(db).version
    rani.decide(str(comment.id), version, code=403)
    rani.post(f"/queue/{comment.id}/claim", {}, 403)
    rani.post(f"/queue/{comment.id}/answer", {"answer": "Ya."}, 403)
    again = sari.post(f"/queue/{comment.id}/escalation", {"question": "Lagi?"}, 409)["error"]["details"]
    assert (again["who"], again["what"]) == ("Rani", "escalated")
    (card,) = sari.get("/queue?tab=mine")["comments"]
    assert card["escalation"]["question"] == "Ini fitnah?"
    assert sari.post(f"/queue/{comment.id}/answer", {"answer": "Tidak."}) == {
        "id": str(comment.id),
        "escalated": False,
    }
    rani.decide(str(comment.id), comment_of(db).version)
    whole = rani.get(f"/queue/{comment.id}")
    assert [(one["answer"], one["answered_by"]) for one in whole["escalations"]] == [("Tidak.", "Sari")]


def test_readers_reports_are_told(db: Database, site: Site, tool: Make) -> None:
    with db.transaction() as session:
        comment = reports.reportable(session, site.id, comment_of(db, "good").id, utcnow())
        reports.add(session, comment, reporter="r", reason="SPAM", text="iklan", now=utcnow())
    rani = tool(sites=[site])
    (card,) = rani.get("/queue?tab=reported")["comments"]
    assert card["reports"] == 1
    whole = shaped(carded.WholeCommentSchema(), rani.get(f"/queue/{card['id']}"))
    assert [(one["reason"], one["text"]) for one in whole["reports"]] == [("SPAM", "iklan")]


# --- bulk jobs ---


def test_a_bulk_job_lives_its_life(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", sites=[site])
    seen = shaped(shapes.PreviewSchema(), rani.post("/bulk/preview", {"q": f"{BAD} status:held"}))
    assert (seen["total"], seen["more_than"], seen["by_status"]) == (2, False, {"held": 2})
    assert {one["comment"]["external_id"] for one in seen["sample"]} == {"c1", "c2"}
    wish = {"q": seen["q"], "action": "reject", "reason": "SPAM", "until_id": seen["until_id"], "site": str(site.id)}
    job = shaped(shapes.WholeJobSchema(), rani.post("/bulk", wish, 202))
    assert (job["state"], job["total"], job["who"], job["steerable"]) == ("running", 2, "Rani", True)
    assert rani.post("/bulk", wish, 202)["id"] == job["id"]
    at = f"/bulk/{job['id']}"
    sari.post(f"{at}/pause", code=403)
    assert rani.post(f"{at}/pause")["state"] == "paused"
    assert rani.post(f"{at}/undo", code=409)["error"]["details"]["what"] == "paused"
    assert rani.post(f"{at}/resume")["state"] == "running"
    _work(db)
    done = rani.get(at)
    assert (done["state"], done["decided"], done["progress"]["share"]) == ("done", 2, 1.0)
    assert comment_of(db).status == comment_of(db, "c2").status == "REJECTED"
    items = shaped(shapes.JobItemsSchema(), rani.get(f"{at}/items?outcome=decided"))
    assert [one["comment_id"] for one in items["items"]] == [str(comment_of(db, name).id) for name in ("c1", "c2")]
    assert rani.get(f"{at}/items") == {"items": [], "next": None}
    rani.post(f"{at}/cancel", code=409)
    undo = rani.post(f"{at}/undo", code=202)
    assert (undo["action"], undo["undoes"]) == ("undo", job["id"])
    assert rani.get(at)["undone_by"] == undo["id"]
    _work(db)
    assert comment_of(db).status == "HELD"
    lines = shaped(shapes.JobListSchema(), sari.get("/bulk"))["jobs"]
    assert [(one["id"], one["steerable"]) for one in lines] == [(undo["id"], False), (job["id"], False)]


def test_a_bulk_job_of_other_sites_is_not_there(db: Database, site: Site, tool: Make) -> None:
    rani, budi = tool(sites=[site]), tool("budi", "senior", sites=[add_site(db).site])
    job = rani.post("/bulk", {"q": "slot", "action": "approve"}, 202)
    for method, path in (("GET", ""), ("GET", "/items"), ("POST", "/cancel"), ("POST", "/undo")):
        budi.ask(method, f"/bulk/{job['id']}{path}", code=404)
    assert budi.get("/bulk") == {"jobs": []}
    assert rani.post(f"/bulk/{job['id']}/cancel")["state"] == "cancelled"


# --- groups ---


@pytest.fixture
def flood(db: Database, settings: Settings, site: Site) -> str:
    """Three adverts that are nearly the same; the campaign's id."""
    for number, city in enumerate(CITIES[:3]):
        text = f"{BAD}: jasa pinjaman cepat tanpa jaminan khusus warga {city}, cair hari ini, WA 0812000000{number}"
        take(db, settings, site, given(f"ad{number}", text))
    judge_all(db, settings)
    campaign_id = comment_of(db, "ad2").campaign_id
    assert campaign_id is not None
    return str(campaign_id)


def test_a_group_is_decided_at_once_and_taken_back(db: Database, site: Site, tool: Make, flood: str) -> None:
    rani = tool(sites=[site])
    groups = shaped(shapes.FloodsSchema(), rani.get("/groups"))["groups"]
    assert [(one["value"], one["size"]) for one in groups if one["kind"] == "campaign"] == [(flood, 3)]
    (card,) = [one for one in rani.get("/queue")["comments"] if one["campaign"]]
    assert card["campaign"] == {"id": flood, "alike": 3}
    group = shaped(shapes.GroupSchema(), rani.get(f"/groups/campaign/{flood}"))
    member = group["members"][0]
    assert "Surabaya" in [member["text"][start:end] for start, end in member["varies"]]
    assert rani.get(f"/search?q={group['q']}")["count"] == 3
    order = {"action": "reject", "reason": "SPAM", "until_id": group["until_id"], "hours": 6}
    done = shaped(shapes.GroupDecidedSchema(), rani.post(f"/groups/campaign/{flood}/decision", order))
    assert (done["decided"], done["left"]) == (3, [])
    assert comment_of(db, "ad1").status == "REJECTED"
    assert rani.get(f"/groups/campaign/{flood}")["order"]["who"] == "Rani"
    assert rani.post("/groups/undo", {"at": done["at"]})["decided"] == 3
    assert comment_of(db, "ad1").status == "HELD"
    assert rani.get("/groups")["orders"] == []


def test_newcomers_are_ordered_and_the_order_ended(db: Database, site: Site, tool: Make, flood: str) -> None:
    rani, budi = tool(sites=[site]), tool("budi", sites=[add_site(db).site])
    at = f"/groups/campaign/{flood}/order"
    order = rani.ask("PUT", at, {"action": "hold", "hours": 2})
    shaped(shapes.GroupOrderSchema(), order)
    assert [one["campaign_id"] for one in rani.get("/groups")["orders"]] == [flood]
    assert rani.ask("PUT", at, {"action": "approve", "hours": 2}, 422)["error"]["field"] == "action"
    assert rani.ask("PUT", at, {"action": "hold", "hours": 100}, 422)["error"]["field"] == "hours"
    for method, body in (("PUT", {"action": "hold", "hours": 2}), ("DELETE", None)):
        budi.ask(method, at, body, 404)
    rani.ask("DELETE", at)
    assert rani.get("/groups")["orders"] == []
    for path in ("/groups/campaign/999", "/groups/colour/red", "/groups/phone/a%00b"):
        rani.get(path, 404)


def test_a_network_is_a_group_although_it_has_a_slash(db: Database, settings: Settings, site: Site, tool: Make) -> None:
    author = AuthorInput("Budi", ip="203.0.113.7")
    take(db, settings, site, given("n1", f"{BAD} dari sini", author=author))
    judge_all(db, settings)
    rani = tool(sites=[site])
    group = rani.get("/groups/network/203.0.113.0/24")
    assert (group["size"], group["front"]["id"]) == (1, str(comment_of(db, "n1").id))
    decision = {"action": "approve", "until_id": group["until_id"]}
    assert rani.post("/groups/network/203.0.113.0/24/decision", decision)["decided"] == 1


# --- people, articles, second looks, statistics ---


def test_an_author_is_shown_and_only_seniors_order(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", "senior", sites=[site])
    author_id = comment_of(db, "c2").author_id
    at = f"/authors/{author_id}"
    rani.post(f"{at}/notes", {"text": "Sering begini."}, 201)
    rani.ask("PUT", f"{at}/standing", {"kind": "banned"}, 403)
    until = (utcnow() + timedelta(days=2)).isoformat()
    ordered = shaped(whose.StandingNowSchema(), sari.ask("PUT", f"{at}/standing", {"kind": "banned", "until": until}))
    assert (ordered["standing"], datetime.fromisoformat(ordered["until"])) == ("banned", datetime.fromisoformat(until))
    page = shaped(whose.AuthorPageSchema(), rani.get(at))
    assert (page["external_id"], page["known_by"], page["names"]) == ("u2", "id", ["Budi"])
    assert page["record"]["standing"] == "banned"
    assert [one["action"] for one in page["orders"]] == ["author.ban"]
    assert (
        [one["text"] for one in page["notes"]]
        == ["Sering begini."]
        == [one["text"] for one in rani.get(f"{at}/notes")["notes"]]
    )
    assert [one["status"] for one in page["comments"]] == ["HELD"]
    past = (utcnow() - timedelta(days=2)).isoformat()
    wrong = sari.ask("PUT", f"{at}/standing", {"kind": "held", "until": past}, 422)
    assert wrong["error"]["field"] == "until"
    assert sari.ask("PUT", f"{at}/standing", {"kind": ""})["standing"] == ""


def test_an_article_is_closed_and_premoderated(db: Database, site: Site, tool: Make) -> None:
    rani = tool(sites=[site])
    at = f"/stories/{comment_of(db).story_id}"
    done = shaped(whose.StoryOrdersNowSchema(), rani.ask("PUT", f"{at}/orders", {"closed": True}))
    assert done["closed_at"] is not None
    assert rani.ask("PUT", f"{at}/orders", {"premoderated": True})["closed_at"] == done["closed_at"]
    rani.post(f"{at}/notes", {"text": "Topik panas."}, 201)
    page = shaped(whose.StoryPageSchema(), rani.get(at))
    assert (page["closed"], page["premoderated"], page["external_id"]) == (True, True, "s1")
    assert page["numbers"] == {"HELD": 2, "APPROVED": 1}
    assert [one["action"] for one in page["orders"]] == ["story.premoderate", "story.close"]
    assert len(rani.get(f"{at}/notes")["notes"]) == 1
    assert rani.ask("PUT", f"{at}/orders", {"closed": False})["closed_at"] is None
    assert rani.ask("PUT", f"{at}/orders", {}, 422)["error"]["field"] == "closed"
    assert rani.ask("PUT", f"{at}/orders", {"closed": 1}, 422)["error"]["field"] == "closed"


def test_a_second_look_is_blind(db: Database, site: Site, tool: Make) -> None:
    with db.transaction() as session:
        session.get_one(Site, site.id).second_look_percent = 100
    rani, sari = tool(sites=[site]), tool("sari", sites=[site])
    comment = comment_of(db)
    rani.decide(str(comment.id), comment.version)
    assert rani.get("/second-looks") == {"waiting": 0, "look": None}
    asked = shaped(whose.NextLookSchema(), sari.get("/second-looks"))
    assert asked["waiting"] == 1
    assert not {"id", "status", "decided", "record", "version"} & set(asked["look"]["comment"])
    look = f"/second-looks/{asked['look']['id']}"
    assert sari.get(f"/second-looks?after={asked['look']['id']}")["look"] is None
    rani.post(look, {"action": "approve"}, 404)
    answer = sari.post(look, {"action": "reject", "reason": "SPAM"})
    assert answer == {"comment_id": str(comment.id), "first_action": "approve", "agreed": False}
    sari.post(look, {"action": "approve"}, 409)
    assert comment_of(db).escalated


def test_statistics_add_up_and_a_moderator_sees_their_own_row(db: Database, site: Site, tool: Make) -> None:
    rani, sari = tool(sites=[site]), tool("sari", "senior", sites=[site])
    first, second = comment_of(db, "c1"), comment_of(db, "c2")
    rani.decide(str(first.id), first.version)
    sari.decide(str(second.id), second.version, "reject", reason="SPAM")
    page = shaped(whose.StatisticsSchema(), rani.get("/statistics?days=2&by=hour"))
    assert len(page["slots"]) == 48
    assert page["total"]["by_people"] == {"approve": 1, "hold": 0, "reject": 1, "undo": 0}
    assert page["total"]["at_once"] == {"approve": 1, "hold": 2, "reject": 0}
    assert [one["name"] for one in page["people"]] == ["Rani"]
    assert [one["name"] for one in sari.get("/statistics")["people"]] == ["Rani", "Sari"]
    assert len(sari.get(f"/statistics?days=30&site={site.id}")["slots"]) == 30


# --- the description ---


def test_the_description_names_the_token_on_every_route_of_the_queue(app: Flask) -> None:
    spec = app.test_client().get("/api/v1/openapi.json").json
    assert spec is not None
    assert spec["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    rooms = ("queue", "search", "views", "bulk", "groups", "authors", "stories", "second-looks", "statistics", "me")
    operations = [
        (path, operation)
        for path, by_method in spec["paths"].items()
        if path.split("/")[3:4] and path.split("/")[3] in rooms
        for operation in by_method.values()
    ]
    assert len(operations) == 44
    for path, operation in operations:
        assert operation["security"] == [{"token": []}], path
        assert {"401", "403", "422"} <= set(operation["responses"]), path
    decide = spec["paths"]["/api/v1/queue/{comment_id}/decision"]["post"]
    assert decide["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Decide"}


def _seen(comment: Comment) -> dict[str, Any]:
    return {"id": str(comment.id), "seen_version": comment.version}


def _work(db: Database) -> None:
    """Let a worker finish what there is."""
    for number in range(20):
        if not bulk_work.work_due(db, Pace(), utcnow() + timedelta(seconds=number)).more:
            return
    raise AssertionError("the jobs come to no end")
