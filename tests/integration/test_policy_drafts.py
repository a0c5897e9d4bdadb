"""Drafts of policies: published against what was seen, reverted by publishing again, run as harmless shadows."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from moderation.accounts.models import AuditEntry
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.policy import changes, drafts, rules, store
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.models import PolicyDraft, ShadowCount
from moderation.settings import Settings

from .helpers import BAD, add_site, comment_of, given, judge_all, take

STRICT = {**DEFAULT_DOCUMENT, "mode": "pre"}


def make(db: Database, site_id: int, document: Any = None, **values: Any) -> int:
    with db.transaction() as session:
        return drafts.create(session, site_id, by="cli", now=utcnow(), document=document, **values).id


def test_a_draft_begins_as_the_live_policy_and_becomes_the_next_version(db: Database) -> None:
    site = add_site(db).site
    number = make(db, site.id, name="lebih ketat")
    with db.transaction() as session:
        draft = drafts.get(session, [site.id], number)
        assert (draft.document, draft.based_on, draft.name) == (DEFAULT_DOCUMENT, 0, "lebih ketat")
        with pytest.raises(Conflict, match="same"):
            drafts.publish(session, draft, by="cli", now=utcnow())
        drafts.edit(session, draft, STRICT, now=utcnow())
        assert drafts.publish(session, draft, by="moderator:1", now=utcnow(), seen_live=0).version == 1
        assert store.live(session, site.id).mode == "pre"
        assert drafts.of_site(session, site.id) == []
        with pytest.raises(Conflict, match="published already"):
            drafts.edit(session, draft, STRICT, now=utcnow())
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.subject == f"policy_draft:{number}")).all()
        assert actions == ["policy.draft", "policy.publish"]


def test_nobody_publishes_over_what_they_have_not_seen(db: Database) -> None:
    site = add_site(db).site
    number = make(db, site.id, STRICT)
    with db.transaction() as session:
        draft = drafts.get(session, [site.id], number)
        seen = draft.updated_at
        drafts.edit(session, draft, {**STRICT, "max_links": 5}, now=seen + timedelta(seconds=1))
        with pytest.raises(Conflict, match="changed this draft"):
            drafts.publish(session, draft, by="cli", now=utcnow(), seen=seen)
        with pytest.raises(Conflict, match="changed this draft"):
            drafts.edit(session, draft, STRICT, now=utcnow(), seen=seen)
        store.set_mode(session, site.id, "post", by="cli", now=utcnow())
        with pytest.raises(Conflict, match="went live meanwhile"):
            drafts.publish(session, draft, by="cli", now=utcnow(), seen_live=0)
        with pytest.raises(InvalidInput) as wrong:
            drafts.edit(session, draft, {**STRICT, "max_links": -1}, now=utcnow())
        assert wrong.value.field == "max_links"
        drafts.discard(session, draft, by="cli", now=utcnow())
        with pytest.raises(NotFound):
            drafts.get(session, [site.id], number)
        other = drafts.create(session, site.id, by="cli", now=utcnow())
        with pytest.raises(NotFound):
            drafts.get(session, [site.id + 1], other.id)


def test_to_revert_is_to_publish_the_old_document_once_more(db: Database) -> None:
    site = add_site(db).site
    with db.transaction() as session:
        store.set_mode(session, site.id, "pre", by="cli", now=utcnow())
        store.set_mode(session, site.id, "post", by="cli", now=utcnow())
        assert drafts.revert(session, site.id, 1, by="cli", now=utcnow(), seen_live=2).mode == "pre"
        with pytest.raises(Conflict):
            drafts.revert(session, site.id, 1, by="cli", now=utcnow(), seen_live=3)
        assert drafts.revert(session, site.id, 0, by="cli", now=utcnow(), seen_live=3).mode == "auto"
        versions = drafts.history(session, site.id)
        assert [item.version for item in versions] == [4, 3, 2, 1, 0]
        assert versions[0].document == DEFAULT_DOCUMENT
        with pytest.raises(NotFound):
            drafts.version_of(session, site.id, 9)


def test_what_differs_is_named_item_by_item() -> None:
    old = {
        "bands": {"builtin": {"insult": {"hold": 0.85}, "spam": {"hold": 0.7, "reject": 0.9}}},
        "word_lists": [{"name": "judi", "words": ["slot", "gacor"]}],
        "blocked_domains": ["a.example"],
    }
    new = {
        "mode": "post",
        "bands": {"builtin": {"insult": {"hold": 0.8}}},
        "word_lists": [{"name": "judi", "words": ["gacor"]}, {"name": "judi", "words": ["otak udang"]}],
        "blocked_domains": [],
    }
    assert [str(change) for change in changes.between(old, new)] == [
        "mode: auto -> post",
        "bands.builtin.insult.hold: 0.85 -> 0.8",
        "bands.builtin.spam.hold: 0.7 -> none",
        "bands.builtin.spam.reject: 0.9 -> none",
        "word_lists.judi (hold): + otak udang; - slot",
        "blocked_domains: - a.example",
    ]
    assert changes.between(old, old) == []


def test_a_shadow_judges_beside_the_live_policy_and_is_counted(db: Database, settings: Settings) -> None:
    site = add_site(db).site
    number = make(db, site.id, STRICT)
    with db.transaction() as session:
        drafts.set_shadow(session, drafts.get(session, [site.id], number), True, by="cli", now=utcnow())
    for n, text in enumerate(("baik", f"{BAD} sekali", "baik juga")):
        take(db, settings, site, given(f"c{n}", text))
    judge_all(db, settings)
    assert comment_of(db, "c0").status == "APPROVED"
    take(db, settings, site, given("c9", "satu lagi"))
    judge_all(db, settings)
    with db.transaction() as session:
        told = drafts.tally(session, number)
        assert told.counts == {("approve", "hold"): 3, ("hold", "hold"): 1}
        assert (told.total, told.differing) == (4, 3)
        drafts.fold_all(session)
        assert drafts.fold(session) == 0
        assert drafts.tally(session, number) == told
        assert session.scalar(select(func.count()).select_from(ShadowCount)) == 2
        draft = drafts.get(session, [site.id], number)
        drafts.edit(session, draft, {**STRICT, "max_links": 7}, now=utcnow())
        assert drafts.tally(session, number).total == 0, "what another document said is not counted to this one"
        drafts.set_shadow(session, draft, False, by="cli", now=utcnow())


def test_no_more_shadows_run_than_comments_can_bear(db: Database) -> None:
    site = add_site(db).site
    numbers = [make(db, site.id, STRICT) for _ in range(drafts.MAX_SHADOWS + 1)]
    with db.transaction() as session:
        for number in numbers[:-1]:
            drafts.set_shadow(session, session.get_one(PolicyDraft, number), True, by="cli", now=utcnow())
        with pytest.raises(Conflict, match="as shadows already"):
            drafts.set_shadow(session, session.get_one(PolicyDraft, numbers[-1]), True, by="cli", now=utcnow())


def test_a_shadow_that_breaks_hurts_no_verdict(
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = add_site(db).site
    broken, failing = make(db, site.id, STRICT), make(db, site.id, {**STRICT, "max_links": 999})
    with db.transaction() as session:
        for number in (broken, failing):
            drafts.set_shadow(session, session.get_one(PolicyDraft, number), True, by="cli", now=utcnow())
        session.get_one(PolicyDraft, broken).document = {"mode": "of another time"}
    judge = rules.judge

    def fails(policy: Any, facts: Any) -> Any:
        if policy.max_links == 999:
            raise RuntimeError("a rule of a later version")
        return judge(policy, facts)

    monkeypatch.setattr(rules, "judge", fails)
    take(db, settings, site, given("c1", "baik"))
    judge_all(db, settings)
    assert comment_of(db, "c1").status == "APPROVED"
    monkeypatch.setattr(drafts, "count_shadows", lambda *args: 1 / 0)
    monkeypatch.setattr(rules, "judge", judge)
    take(db, settings, site, given("c2", "baik"))
    judge_all(db, settings)
    assert comment_of(db, "c2").status == "APPROVED"
