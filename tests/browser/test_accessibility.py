"""Barriers: axe-core finds none on any page, in both languages and both colour schemes."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from moderation.accounts import sites
from moderation.accounts.models import Moderator, Site
from moderation.comments.models import Comment
from moderation.db import utcnow
from moderation.delivery import endpoints
from moderation.delivery.models import Delivery
from moderation.policy import drafts
from moderation.policy import store as policies
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.models import PolicyDraft
from moderation.rescoring import applying, runs
from moderation.rescoring.applying import Movement
from moderation.rescoring.runs import By
from moderation.review import bulk, decisions, escalations, filters
from moderation.review.decisions import Decider
from tests.integration.helpers import BAD

from .axe import source, violations
from .desk import Desk, House, seated

pytestmark = pytest.mark.browser

ALIKE = "Menang terus main di sana kawan, daftar sekarang juga dan hubungi kami di kota "


@pytest.fixture(scope="module")
def desk(house: House) -> Iterator[Desk]:
    """A desk with something on every page: what waits, a flood, a decision, a question, a bulk job, a delivery."""
    with seated(house) as made:
        first, second, _, asked, looked = made.held(("satu", "dua", "tiga", "empat", "lima"))
        for city in ("Bandung", "Medan", "Surabaya"):
            made.take(f"{BAD} {ALIKE}{city}", name=f"pembaca {city}")
        made.judge()
        with house.db.transaction() as session:
            rani = session.get_one(Moderator, made.people["rani"])
            rani.role = "administrator"  # sees the sites' pages, too
            sari = session.get_one(Moderator, made.people["sari"])
            escalations.raise_(session, session.get_one(Comment, asked), sari, "Boleh?", utcnow())
            session.get_one(Site, made.site.id).second_look_percent = 100
            endpoints.set_endpoint(session, session.merge(made.site), "http://127.0.0.1:9/hook", utcnow())
            for comment_id, action, reason in ((first, "reject", "SPAM"), (second, "approve", None)):
                comment = session.get_one(Comment, comment_id)
                decisions.decide(
                    session,
                    comment,
                    action,
                    Decider(rani),
                    seen_version=comment.version,
                    now=utcnow(),
                    reason=reason,
                )
        made.decide(looked, "sari", "approve")
        made.take("hujan deras di hulu", name="hulu")
        made.judge()
        with house.db.transaction() as session:
            rani = session.get_one(Moderator, made.people["rani"])
            query = filters.parse("status:held", now=utcnow(), tz=UTC)
            policies.publish(session, made.site.id, {**DEFAULT_DOCUMENT, "max_links": 3}, by="cli", now=utcnow())
            drafts.create(session, made.site.id, by="cli", now=utcnow(), document={**DEFAULT_DOCUMENT, "mode": "pre"})
            bulk.start(session, rani, [made.site.id], query, "reject", "SPAM", utcnow())
        _rescored(made)
        yield made


def _rescored(desk: Desk) -> None:
    """A run that is done and applied, and one that is at work."""
    db, settings = desk.house.db, desk.house.settings
    with db.reading() as session:
        site = session.get_one(Site, desk.site.id)
        plans = [runs.plan(session, settings, site, q, "builtin", tz=UTC, now=utcnow()) for q in ("", "hujan")]
    with db.transaction() as session:
        run_id = runs.start(session, plans[0], By(), utcnow()).id
    desk.rescore()
    with db.transaction() as session:
        run = runs.get(session, run_id, lock=True)
        applying.start(session, run, [Movement("approve", "hold"), Movement("reject", "approve")], By(), utcnow())
    desk.rescore()
    with db.transaction() as session:
        runs.start(session, plans[1], By(), utcnow())


def _pages(desk: Desk) -> dict[str, str]:
    """Name → path of every page that a person may open."""
    with desk.house.db.reading() as session:
        comment = session.query(Comment).where(Comment.campaign_id.is_not(None)).first()
        delivery = session.query(Delivery).where(Delivery.site_id == desk.site.id).first()
        demo = sites.demo_site(session)
        draft = session.query(PolicyDraft).filter_by(site_id=desk.site.id).one()
        assert comment is not None
        assert delivery is not None
        assert demo is not None
        return {
            "held": "/queue",
            **{tab: f"/queue?tab={tab}" for tab in ("not_scored", "reported", "approved", "rejected", "spam", "mine")},
            "search": "/queue?q=kata",
            "wrong search": "/queue?q=score:viel",
            "comment": f"/queue/{comment.id}",
            "author": f"/authors/{comment.author_id}",
            "ban": f"/authors/{comment.author_id}/ban",
            "story": f"/stories/{comment.story_id}",
            "groups": "/queue/groups",
            "group": f"/queue/groups/campaign/{comment.campaign_id}",
            "bulk jobs": "/queue/bulk",
            "bulk preview": "/queue/bulk?q=status:held",
            "bulk job": "/queue/bulk/1",
            "second looks": "/queue/second-looks",
            "statistics": "/statistics",
            "policies": "/policies",
            "policy": f"/policies/{desk.site.id}",
            "policy draft": f"/policies/drafts/{draft.id}",
            "policy to publish": f"/policies/drafts/{draft.id}/publish",
            "threshold advice": f"/policies/{desk.site.id}/advice",
            "policies' difference": f"/policies/{desk.site.id}/diff?old=0&new=1",
            "policy to revert": f"/policies/{desk.site.id}/revert?version=0",
            "rescore runs": "/rescores",
            "a run to begin": f"/rescores?site={desk.site.id}&q=hujan&scorer=builtin",
            "a wrong run": f"/rescores?site={desk.site.id}&q=score:viel&scorer=builtin",
            "rescore run": "/rescores/1",
            "rescore run at work": "/rescores/2",
            "a movement": "/rescores/1/movement?was=approve&would=hold",
            "applying to begin": "/rescores/1/apply?move=approve>hold",
            "applied": "/rescores/1/apply/1",
            "scorers": "/scorers",
            "scorers in a language": f"/scorers?site={desk.site.id}&language=id",
            "account": "/account",
            "tokens": "/account/tokens",
            "sites": "/sites",
            "new site": "/sites/new",
            "site": f"/sites/{desk.site.id}",
            "connect": f"/sites/{desk.site.id}/connect",
            "deliveries": "/deliveries",
            "delivery": f"/deliveries/{delivery.id}",
            "nothing there": "/queue/999999",
            "login": "/login",
            "demo article": "/demo",
            "second demo article": "/demo/2",
            "API": "/api/docs",
        }


Colours = Literal["light", "dark"]
BOTH = pytest.mark.parametrize(("language", "colours"), [("id-ID", "light"), ("en-GB", "dark")])
"""Each language in one scheme: what one says does not depend on how the other is drawn."""

NO_PAGES = {
    *("static", "health.healthz", "health.readyz", "review.home", "review.card", "review.changes"),
    *("bulk_pages.progress", "site_pages.connect_state", "statistics_pages.table", "public.own_status", "public.token"),
    *("public_reading.public_thread", "public_reading.public_counts", "public_reading.public_most_commented"),
    *("public_reading.public_recent", "public_embed.embed_styles", "public_embed.embed_script"),
    *("rescore_pages.progress", "rescore_pages.as_csv", "rescore_pages.as_json", "apply_pages.progress"),
    *("public_reading.atom", "public_reading.rss", "public_embed.form_frame"),
}
"""Addresses outside the API that answer data or a part of a page."""


def test_every_page_of_the_application_is_looked_at(desk: Desk) -> None:
    addresses = desk.house.app.url_map.bind("warta.example")
    seen = {addresses.match(path.partition("?")[0])[0] for path in _pages(desk).values()}
    rules = desk.house.app.url_map.iter_rules()
    pages = {rule.endpoint for rule in rules if "GET" in (rule.methods or ()) and not rule.rule.startswith("/api/v1")}
    assert pages - NO_PAGES - seen == set()


def test_axe_says_what_it_finds(chromium: Browser, pytestconfig: pytest.Config) -> None:
    axe = source(Path(pytestconfig.cache.mkdir("axe")))  # type: ignore[union-attr]
    page = chromium.new_page()
    page.set_content(
        "<html lang=id><title>x</title><img src=x><p style='color: #ccc; background: #fff'>kata</p></html>"
    )
    found = violations(page, axe)
    assert [line.partition(":")[0] for line in found] == ["color-contrast", "image-alt"]


def _new_token(page: Page) -> None:
    page.fill("#name", "skrip")
    page.locator("form[action='/account/tokens'] button").click()


def _new_key(page: Page) -> None:
    page.locator("form[action$='/keys#api-keys'] button").click()


def _wrong_password(page: Page) -> None:
    page.locator("form[action^='/account/password'] button").click()


def _empty_comment(page: Page) -> None:
    page.evaluate("document.querySelector('#commentform').submit()")  # past the script that would have caught it
    page.wait_for_url("**/f/**")


ANSWERS: Mapping[str, tuple[str, Callable[[Page], None]]] = {
    "a new token": ("/account/tokens", _new_token),
    "a new key": ("/sites/{site}", _new_key),
    "a wrong password": ("/account", _wrong_password),
    "faults of the form": ("/demo", _empty_comment),
}
"""Pages that only a form leads to: where it stands, and what is done there."""


@BOTH
def test_no_answer_to_a_form_has_a_barrier_that_axe_knows(
    desk: Desk, language: str, colours: Colours, pytestconfig: pytest.Config, subtests: pytest.Subtests
) -> None:
    axe = source(Path(pytestconfig.cache.mkdir("axe")))  # type: ignore[union-attr]
    page = desk.window(locale=language)
    page.emulate_media(color_scheme=colours)
    for name, (path, fill) in ANSWERS.items():
        with subtests.test(page=name):
            page.goto(desk.house.base + path.format(site=desk.site.id))
            fill(page)
            page.wait_for_load_state()
            assert violations(page, axe) == []


@BOTH
def test_no_page_has_a_barrier_that_axe_knows(
    desk: Desk, language: str, colours: Colours, pytestconfig: pytest.Config, subtests: pytest.Subtests
) -> None:
    axe = source(Path(pytestconfig.cache.mkdir("axe")))  # type: ignore[union-attr]  # the cache plugin is always on
    page = desk.window(locale=language)
    page.emulate_media(color_scheme=colours)
    for name, path in _pages(desk).items():
        if name == "login":
            page.context.clear_cookies()
        with subtests.test(page=name):
            page.goto(desk.house.base + path)
            assert violations(page, axe) == []
