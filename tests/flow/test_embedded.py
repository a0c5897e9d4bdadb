"""`moderation up` as its users run it: SQLite, nudges by files, and what goes wrong on the way of a comment."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench import product, receiver
from bench.product import Product
from bench.receiver import Receiver
from moderation import queues
from tests.flow.helpers import FRIENDLY, INSULT, Browser, SiteServer, eventually

pytestmark = pytest.mark.flow

Install = Callable[..., Product]


def running(installed: Product, told: Receiver | None = None) -> SiteServer:
    """Add a site, start everything and wait until it is ready."""
    site = product.add_site(installed.env, told.url if told is not None else None)
    if told is not None:
        told.secret = site.webhook_secret
    installed.start()
    installed.wait_ready()
    return SiteServer(installed.port, site)


@dataclass
class Usual:
    """An installation with the usual settings, a site's server and what it was told."""

    installed: Product
    server: SiteServer
    told: Receiver

    def states(self, comment_id: str) -> list[tuple[int, str]]:
        """Sequence and status of every event that was heard of a comment."""
        return [(item.sequence, item.status) for item in self.told.heard if item.comment_id == comment_id]


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Usual]:
    """One for all tests that need no other settings: a start takes longer than they do."""
    made = Product(tmp_path_factory.mktemp("product"), more={"MODERATION_SWEEP_SECONDS": "1"})
    with receiver.listening() as told:
        try:
            yield Usual(made, running(made, told), told)
        finally:
            made.stop()


@contextmanager
def frozen(installed: Product, child: str) -> Iterator[None]:
    """A child that neither works nor dies, as on an overloaded machine: nobody would start another one for it."""
    pid = eventually(f"{child} runs", lambda: installed.children().get(child))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_comment_is_judged_decided_and_told_and_a_second_start_knows_it_all(usual: Usual) -> None:
    installed, server = usual.installed, usual.server
    friendly, insult = server.post("c1", FRIENDLY), server.post("c2", INSULT)
    assert server.judged(friendly)["status"] == "APPROVED"
    assert server.judged(insult)["status"] == "HELD"

    moderator = Browser(installed.port)
    moderator.log_in()
    assert f'id="c-{insult}"' in moderator.page("/queue")
    moderator.decide(insult, reject="OFFENSIVE")
    eventually("both decisions are heard", lambda: len(usual.states(insult)) >= 2 and usual.states(friendly))
    assert usual.told.faults == []
    assert usual.states(insult) == [(1, "HELD"), (2, "REJECTED")]
    assert usual.states(friendly) == [(1, "APPROVED")]

    before = {name: server.state(name) for name in (friendly, insult)}
    installed.stop()
    installed.start()
    # The goal is 5 s on an idle machine; a test that others slow down must not depend on it.
    assert installed.wait_ready() < 60
    assert {name: server.state(name) for name in (friendly, insult)} == before
    assert "/queue/" in moderator.page("/queue?tab=rejected")  # the session, too, has outlived the stop
    later = server.post("c3", FRIENDLY)
    server.judged(later)
    eventually("the next event is heard", lambda: usual.states(later))


def test_a_comment_is_judged_though_its_nudge_was_lost(usual: Usual) -> None:
    installed, server = usual.installed, usual.server
    with frozen(installed, queues.SCORING):
        comment = server.post("c4", FRIENDLY)
        folder = installed.folder / "broker" / queues.SCORING
        eventually("the nudge has left", lambda: list(folder.glob("*.msg")))
        nudges = lost(folder)
        assert nudges >= 1
        assert server.state(comment)["status"] == "PENDING"
    assert server.judged(comment)["status"] == "APPROVED"


def lost(folder: Path) -> int:
    """Lose what the broker holds; how many messages that were."""
    found = list(folder.glob("*.msg"))
    for path in found:
        path.unlink()
    return len(found)


def test_a_comment_whose_scorer_hangs_goes_to_people_and_a_late_score_may_still_approve(install: Install) -> None:
    installed = install(score_deadline="1")
    server = running(installed)
    with frozen(installed, queues.SCORING):
        friendly, insult = server.post("c1", FRIENDLY), server.post("c2", INSULT)
        for comment in (friendly, insult):
            state = server.judged(comment)
            assert (state["status"], state["not_scored"], state["scores"]) == ("HELD", True, {})
            assert [reason["code"] for reason in state["reasons"]] == ["not_scored"]
    server.becomes(friendly, "APPROVED")
    eventually("the insult is scored", lambda: not server.state(insult)["not_scored"])
    assert server.state(insult)["status"] == "HELD"


def test_without_any_scorer_every_comment_waits_in_the_queue_marked_not_scored(install: Install) -> None:
    installed = install(scorer="off")
    server = running(installed)
    comment = server.post("c1", FRIENDLY)
    state = server.judged(comment)
    assert (state["status"], state["not_scored"], state["scorers"]) == ("HELD", True, [])
    moderator = Browser(installed.port)
    moderator.log_in()
    assert FRIENDLY in moderator.page("/queue?tab=not_scored")
    moderator.decide(comment, decision="approve")
    assert server.state(comment)["status"] == "APPROVED"
