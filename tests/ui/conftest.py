"""Templates alone with values made here, and the whole application on SQLite with the demo site."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template

import moderation
from moderation import bootstrap, i18n
from moderation.accounts import preferences
from moderation.db import Database
from moderation.review.cards import Card, CardReason, SignalBar
from moderation.review.marks import Part
from moderation.settings import Settings, load
from tests.conftest import Recorder, furnished

from .dom import Node, parse

NOW = datetime(2026, 11, 22, 7, 31, 5, tzinfo=UTC)

Render = Callable[..., Node]


@pytest.fixture(scope="session")
def bare() -> Flask:
    """Templates and languages without the house, once for all: compiling costs more than most of these tests."""
    app = Flask("moderation", root_path=str(Path(moderation.__file__).parent))
    i18n.init_app(app)
    app.context_processor(lambda: {"me": None, "prefs": None, "csrf_token": "token", "site_names": "Warta Contoh"})
    app.jinja_env.globals["key_of"] = lambda action: preferences.keys_of({}).get(action, "")
    app.jinja_env.globals.update(flood_at_once=500, flood_hours=(1, 6))
    return app


@pytest.fixture
def render(bare: Flask) -> Render:
    """Render a template in a language and read it as a tree."""

    def page(
        template: str, lang: str = "id", path: str = "/queue", form: dict[str, str] | None = None, **context: Any
    ) -> Node:
        with bare.test_request_context(path, headers={"Accept-Language": lang}, method="POST", data=form or {}):
            return parse(render_template(template, **context))

    return page


def card(**values: Any) -> Card:
    """A held comment with two reasons."""
    given: dict[str, Any] = {
        "id": 7,
        "version": 3,
        "revision": 1,
        "status": "HELD",
        "not_scored": False,
        "site_name": "Warta Contoh",
        "story_title": "Sebuah artikel",
        "story_url": "https://warta.example/a",
        "author_name": "bayu",
        "author_url": "",
        "author_record": (1284, 2),
        "is_first": False,
        "received_at": NOW,
        "language": "id",
        "text_parts": [Part("Dasar "), Part("buruk", ("signal", "list"), (1, 2)), Part(" sekali")],
        "text": "Dasar buruk sekali",
        "reads_as": "",
        "reasons": [
            CardReason(1, "signal_over_hold", "insult", 0.9187, "", 0.9),
            CardReason(2, "word_list", None, None, "buruk", 0.8),
        ],
        "signals": [
            SignalBar("insult", 0.9187, 0.8, 0.95, "builtin"),
            SignalBar("spam", 0.0301, 0.7, 0.97, "builtin"),
            SignalBar("threat", None, 0.7, None, ""),
        ],
        "scorers": ["builtin@ab12cd"],
        "policy_version": 14,
        "parent": None,
        "decided": None,
    }
    return Card(**(given | values))


def queue_context(**values: Any) -> dict[str, Any]:
    """What the queue page is given."""
    counts = {"held": 1284, "not_scored": 0, "reported": 0, "approved": 3, "rejected": 0, "spam": 0, "mine": 0}
    given = {"tab": "held", "cards": [card()], "oldest": NOW, "next_url": None, "notice": None, "log": []}
    given |= {"limit": 60, "waited": 42, "sorts": ("priority", "newest"), "sort": "priority"}
    return {**given, "counts": counts, **values}


@pytest.fixture
def settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """One engine is enough for what a browser sees."""
    shutil.copy(sqlite_template, tmp_path / "moderation.db")
    return replace(
        load({}),
        data_dir=tmp_path,
        test_fast_hash=True,
        secret_key="k" * 40,
        admin_email="admin@contoh.example",
        admin_password="kata-sandi-uji",
        form_flood_seconds=0,
        form_min_seconds=0,
        scorer="builtin",
        grace_seconds=0,
    )


@pytest.fixture
def app(settings: Settings, db: Database, sender: Recorder) -> Iterator[Flask]:
    """The application with demo site and administrator."""
    bootstrap.prepare(db, settings)
    application = furnished(settings, sender)
    yield application
    application.extensions["database"].dispose()
