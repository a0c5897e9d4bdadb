"""Any history of a site's calls, single, in batches, by webhook, repeated, ends in the state of a small model."""

from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
from flask import Flask
from hypothesis import HealthCheck, given, settings
from sqlalchemy import delete, select

from moderation.accounts.sites import NewSite
from moderation.comments.models import Author, Comment, Revision, Story, WebhookEvent
from moderation.db import Database
from moderation.delivery.models import Delivery
from moderation.policy.models import VerdictRow
from moderation.review.models import Decision
from moderation.scoring.models import Score, Work
from moderation.settings import Settings

from .helpers import BAD, add_site, api_body, bearer, judge_all, signed

NAMES = ("a", "b", "c")
TEXTS = ("Bagus sekali.", f"Ini {BAD} semua.", "Terima kasih, redaksi.")

LATE = 10**9
"""Orders of the API in the model: what it does counts as later than every event so far."""

NAME, TEXT, SECOND = st.sampled_from(NAMES), st.sampled_from(TEXTS), st.integers(0, 59)
STEPS = st.one_of(
    st.tuples(st.just("send"), NAME, TEXT),
    st.tuples(st.just("batch"), st.lists(st.tuples(NAME, TEXT), min_size=1, max_size=6)),
    st.tuples(st.just("edit"), NAME, TEXT),
    st.tuples(st.just("delete"), NAME),
    st.tuples(st.just("event"), st.sampled_from(("created", "updated")), NAME, TEXT, SECOND),
    st.tuples(st.just("event"), st.just("deleted"), NAME, st.just(""), SECOND),
    st.tuples(st.just("judge")),
)


@dataclass
class Thing:
    """One comment of the model: the newest content, create and delete that it has seen."""

    text: str | None = None
    content: tuple[int, int] = (-1, 0)
    created: tuple[int, int] = (-1, 0)
    deleted: tuple[int, int] = (-1, 0)
    withdrawn: bool = False


@dataclass
class Model:
    """What a site may expect, in thirty lines."""

    things: dict[str, Thing] = field(default_factory=dict)
    clock: int = 0

    def _later(self) -> tuple[int, int]:
        self.clock += 1
        return (LATE, self.clock)

    def send(self, name: str, text: str) -> None:
        self.things.setdefault(name, Thing(text))

    def edit(self, name: str, text: str) -> None:
        thing = self.things.get(name)
        if thing is not None and not thing.withdrawn:
            thing.text, thing.content = text, self._later()

    def delete(self, name: str) -> None:
        thing = self.things.get(name)
        if thing is not None and not thing.withdrawn:
            thing.deleted, thing.withdrawn = self._later(), True

    def event(self, kind: str, name: str, text: str, order: tuple[int, int]) -> None:
        thing = self.things.setdefault(name, Thing())
        if kind == "deleted":
            thing.deleted = max(thing.deleted, order)
        else:
            if order > thing.content:
                thing.text, thing.content = text, order
            if kind == "created":
                thing.created = max(thing.created, order)
        thing.withdrawn = thing.deleted > max(thing.created, (-1, 0))


@dataclass
class Client:
    """Speaks to the product as a site does."""

    app: Flask
    made: NewSite
    number: int = 0

    def call(self, method: str, path: str, **values: Any) -> None:
        answer = self.app.test_client().open(path, method=method, headers=bearer(self.made), **values)
        assert answer.status_code in (200, 202, 404, 409), answer.json

    def do(self, step: tuple[Any, ...], model: Model) -> None:
        kind = step[0]
        if kind == "send":
            self.call("POST", "/api/v1/comments", json=api_body(step[1], step[2]))
            model.send(step[1], step[2])
        elif kind == "batch":
            self.call("POST", "/api/v1/comments:batch", json={"comments": [api_body(*item) for item in step[1]]})
            for item in step[1]:
                model.send(*item)
        elif kind == "edit":
            self.call("PATCH", f"/api/v1/comments?external_id={step[1]}", json={"text": step[2]})
            model.edit(step[1], step[2])
        elif kind == "delete":
            self.call("DELETE", f"/api/v1/comments?external_id={step[1]}")
            model.delete(step[1])
        else:
            self.event(*step[1:], model=model)

    def event(self, kind: str, name: str, text: str, second: int, *, model: Model) -> None:
        self.number += 1
        data = {"external_id": name} if kind == "deleted" else api_body(name, text)
        event = {"type": f"comment.{kind}", "timestamp": f"2026-11-01T00:00:{second:02d}Z", "data": data}
        for _ in range(2):  # every sender repeats itself
            answer = self.app.test_client().post(
                f"/webhooks/{self.made.site.public_id}/comments", **signed(self.made, event, f"msg_{self.number:04d}")
            )
            assert answer.status_code in (200, 202), answer.json
        model.event(kind, name, text, (second, self.number))


@given(st.lists(STEPS, min_size=1, max_size=12))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_in_the_state_of_the_model(
    app: Flask, db: Database, settings: Settings, history: list[tuple[Any, ...]]
) -> None:
    with db.transaction() as session:
        session.execute(delete(WebhookEvent))
        for table in (Work, Score, VerdictRow, Delivery, Decision, Revision, Comment, Author, Story):
            session.execute(delete(table))
    client, model = Client(app, add_site(db)), Model()
    for step in history:
        if step[0] == "judge":
            judge_all(db, settings)
        else:
            client.do(step, model)
    judge_all(db, settings)
    with db.reading() as session:
        rows = session.execute(
            select(Comment.external_id, Comment.status, Revision.text)
            .outerjoin(Revision, (Revision.comment_id == Comment.id) & (Revision.number == Comment.revision))
            .where(Comment.site_id == client.made.site.id)
        ).all()
        open_work = session.scalars(select(Work.state).where(Work.state.in_(("due", "leased")))).all()
    assert {row.external_id: (row.status, row.text) for row in rows} == {
        name: ("WITHDRAWN" if thing.withdrawn else "HELD" if BAD in (thing.text or "") else "APPROVED", thing.text)
        for name, thing in model.things.items()
    }
    assert open_work == []
