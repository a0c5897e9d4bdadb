"""Floods: nearly the same texts find each other, wait behind one card, are decided together, and so are newcomers."""

import re
import threading
from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.comments import status
from moderation.comments.intake import TextInput
from moderation.comments.models import Comment
from moderation.db import Database, utcnow
from moderation.errors import Conflict, InvalidInput, NotFound
from moderation.pipeline import edit
from moderation.policy.models import VerdictRow
from moderation.review import campaigns as reviewed
from moderation.review import claims, decisions, filters, groups, likeness
from moderation.review.decisions import Decider
from moderation.review.models import CampaignOrder, Decision, Trait
from moderation.scoring import campaigns
from moderation.scoring.campaigns import MEMORY, Text
from moderation.scoring.models import Campaign, CampaignBand
from moderation.settings import Settings

from .helpers import BAD, KEY, Browser, add_site, add_user, comment_of, given, judge_all, log_in, take

CITIES = ("Jakarta", "Surabaya", "Bandung", "Medan", "Semarang", "Makassar", "Padang", "Depok", "Bogor", "Malang")


def advert(n: int) -> str:
    """The n-th shape of one advert; it is held."""
    return f"{BAD}: jasa pinjaman cepat tanpa jaminan khusus warga {CITIES[n % 10]}, cair hari ini, WA 0812{n:07d}"


def harmless(n: int) -> str:
    """The same, but nothing speaks against it."""
    return advert(n).replace(BAD, "kabar")


def folded(n: int) -> str:
    return advert(n).lower()


@pytest.fixture
def site(db: Database) -> Site:
    return add_site(db).site


@pytest.fixture
def flood(db: Database, settings: Settings, site: Site) -> Callable[..., list[Comment]]:
    """Take in and judge adverts `first` to `last`."""

    def come(first: int, last: int, text: Callable[[int], str] = advert) -> list[Comment]:
        for n in range(first, last + 1):
            take(db, settings, site, given(f"c{n}", text=text(n)))
        judge_all(db, settings)
        return [comment_of(db, f"c{n}") for n in range(first, last + 1)]

    return come


def all_of(db: Database) -> list[Campaign]:
    with db.reading() as session:
        return list(session.scalars(select(Campaign).order_by(Campaign.id)))


# Finding each other


def test_texts_that_are_nearly_the_same_share_a_campaign_and_others_none(
    db: Database, settings: Settings, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    adverts = flood(1, 4)
    take(db, settings, site, given("other", text=f"{BAD}, jalan di depan rumah saya rusak dan tidak ada yang peduli"))
    take(db, settings, site, given("short", text=BAD))
    judge_all(db, settings)
    assert len({comment.campaign_id for comment in adverts}) == 1
    assert adverts[0].campaign_id is not None
    assert comment_of(db, "other").campaign_id is None
    assert comment_of(db, "short").campaign_id is None
    assert [campaign.size for campaign in all_of(db)] == [4, 1]


def test_the_text_that_began_a_campaign_is_given_it_when_the_second_comes(
    db: Database, flood: Callable[..., list[Comment]]
) -> None:
    (first,) = flood(1, 1)
    assert first.campaign_id is None
    (second,) = flood(2, 2)
    now = comment_of(db, "c1")
    assert (now.campaign_id, now.follower, now.version) == (second.campaign_id, False, first.version)
    assert second.follower
    assert all_of(db)[0].first_id is None


def test_one_of_another_site_is_not_of_the_campaign(
    db: Database, settings: Settings, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2)
    with db.transaction() as session:
        other = Site(public_id="lain", name="Lain", url="http://lain.example", created_at=utcnow())
        session.add(other)
    take(db, settings, other, given("c9", text=advert(9)))
    judge_all(db, settings)
    assert comment_of(db, "c9").campaign_id is None


def test_what_was_not_seen_for_thirty_days_is_not_joined(db: Database, site: Site) -> None:
    now = utcnow()
    with db.transaction() as session:
        campaigns.join(session, site.id, [Text(1, 1, folded(1))], now - MEMORY - timedelta(hours=1))
        assert campaigns.join(session, site.id, [Text(2, 1, folded(2))], now) == {}
        assert set(campaigns.join(session, site.id, [Text(3, 1, folded(3))], now)) == {3}


def test_alike_texts_of_one_batch_join_one_campaign(db: Database, site: Site) -> None:
    with db.transaction() as session:
        found = campaigns.join(session, site.id, [Text(n, 1, folded(n)) for n in range(1, 6)], utcnow())
    assert set(found) == {1, 2, 3, 4, 5}
    assert len(set(found.values())) == 1
    assert [(campaign.size, campaign.first_id) for campaign in all_of(db)] == [(5, None)]


def test_workers_that_see_one_flood_at_once_lose_no_text(db: Database, site: Site) -> None:
    failed: list[Exception] = []

    def work(start: int) -> None:
        try:
            for n in range(start, start + 5):
                with db.transaction() as session:
                    campaigns.join(session, site.id, [Text(n, 1, folded(n)), Text(n + 500, 1, folded(n))], utcnow())
        except Exception as error:  # whatever it is, the test must see it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(100 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sum(campaign.size for campaign in all_of(db)) == 40


def test_a_text_joins_the_campaign_that_it_is_most_like(db: Database, site: Site) -> None:
    near = "pinjaman cepat tanpa jaminan untuk semua warga kota, cair hari ini juga, hubungi kami sekarang"
    far = "pinjaman cepat tanpa jaminan untuk semua pegawai negeri, cair minggu depan, datang ke kantor kami"
    with db.transaction() as session:
        first = campaigns.join(session, site.id, [Text(n, 1, near) for n in (1, 2)], utcnow())
        campaigns.join(session, site.id, [Text(n, 1, far) for n in (3, 4)], utcnow())
        assert campaigns.join(session, site.id, [Text(5, 1, near + " ya")], utcnow())[5] == first[1]


def test_what_nobody_sends_any_more_is_forgotten_unless_it_waits(
    db: Database, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2)
    later = utcnow() + MEMORY + timedelta(hours=1)
    with db.transaction() as session:
        assert campaigns.forget_old(session, later) == 0
        session.execute(update(Comment).values(status=status.REJECTED, follower=False))
        assert campaigns.forget_old(session, later - timedelta(hours=2)) == 0
        assert campaigns.forget_old(session, later) == 1
    with db.reading() as session:
        assert session.scalars(select(CampaignBand)).all() == []
    assert comment_of(db, "c1").campaign_id is None


def test_the_sweep_gives_the_first_its_campaign_where_judging_could_not(
    db: Database, flood: Callable[..., list[Comment]]
) -> None:
    _, second = flood(1, 2)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.external_id == "c1").values(campaign_id=None))
        session.execute(update(Campaign).values(first_id=1, first_revision=1))
        assert campaigns.settle(session) == 1
        assert campaigns.settle(session) == 0
    assert comment_of(db, "c1").campaign_id == second.campaign_id
    assert all_of(db)[0].first_id is None


def test_the_sweep_leaves_a_first_that_was_edited_alone(db: Database, flood: Callable[..., list[Comment]]) -> None:
    flood(1, 2)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.external_id == "c1").values(campaign_id=None, revision=2))
        session.execute(update(Campaign).values(first_id=1, first_revision=1))
        assert campaigns.settle(session) == 0
    assert comment_of(db, "c1").campaign_id is None
    assert all_of(db)[0].first_id is None


# Waiting behind one card


def test_of_those_that_wait_one_stands_in_front(db: Database, flood: Callable[..., list[Comment]]) -> None:
    assert [comment.follower for comment in flood(1, 4)] == [False, True, True, True]
    assert flood(5, 5)[0].follower


def test_what_is_approved_follows_nobody(flood: Callable[..., list[Comment]]) -> None:
    passed = flood(1, 3, harmless)
    assert [(comment.status, comment.follower) for comment in passed] == [("APPROVED", False)] * 3
    assert passed[0].campaign_id is not None


def test_an_edited_comment_leaves_its_campaign(
    db: Database, settings: Settings, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 3)
    with db.transaction() as session:
        comment = session.scalars(select(Comment).where(Comment.external_id == "c1")).one()
        new = TextInput(text=f"{BAD} saja, tidak ada lagi yang ingin saya katakan tentang hal itu")
        edit(session, session.get_one(Site, site.id), comment, new, settings=settings, key=KEY, now=utcnow(), tag="a")
    left = comment_of(db, "c1")
    assert (left.campaign_id, left.follower) == (None, False)
    assert [comment_of(db, name).follower for name in ("c2", "c3")] == [False, True]
    judge_all(db, settings)
    assert comment_of(db, "c1").campaign_id is None


def test_judging_again_does_not_count_a_text_twice(
    db: Database, settings: Settings, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2)
    with db.transaction() as session:
        comments = session.scalars(select(Comment).order_by(Comment.id)).all()
        reviewed.gather(session, comments, {comment.id: folded(comment.id) for comment in comments}, utcnow())
    assert all_of(db)[0].size == 2


# A group, and what differs


def test_a_group_shows_how_many_wait_and_what_differs_from_the_front(
    db: Database, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    first, *_ = flood(1, 3)
    with db.reading() as session:
        campaign_id = comment_of(db, "c1").campaign_id or 0
        group = groups.group(session, [site.id], "campaign", str(campaign_id), utcnow())
        assert groups.alike(session, [campaign_id, 999]) == {campaign_id: groups.Alike(3, 3)}
    assert group.front is not None
    assert (group.size, group.front.id, group.until_id) == (3, first.id, first.id + 2)
    vary = [part.text for part in group.members[0].parts if part.kinds == ("vary",)]
    assert vary == ["Bandung", "08120000002"]


def test_a_group_is_paged_by_key_and_repeats_nobody(
    db: Database, site: Site, flood: Callable[..., list[Comment]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "PAGE", 2)
    flood(1, 6)
    value = str(comment_of(db, "c1").campaign_id)
    seen: list[int] = []
    after: int | None = 0
    with db.reading() as session:
        while after is not None:
            group = groups.group(session, [site.id], "campaign", value, utcnow(), after=after)
            seen += [member.id for member in group.members]
            after = group.after
    assert seen == [2, 3, 4, 5, 6]


def test_a_group_of_another_site_is_not_there(db: Database, site: Site, flood: Callable[..., list[Comment]]) -> None:
    flood(1, 2)
    value = str(comment_of(db, "c1").campaign_id)
    with db.reading() as session:
        for site_ids, kind, wrong in (
            ([site.id + 1], "campaign", value),
            ([site.id], "campaign", "7777777"),
            ([site.id], "campaign", "x"),
            ([site.id], "colour", "red"),
        ):
            with pytest.raises(NotFound):
                groups.group(session, site_ids, kind, wrong, utcnow())


@pytest.mark.parametrize(
    ("front", "text", "vary"),
    [
        ("jual mobil di Depok", "jual mobil di Bogor", ["Bogor"]),
        ("jual mobil", "jual mobil murah!", [" murah!"]),
        ("sama", "sama", []),
        ("", "semua baru", ["semua baru"]),
        ("hilang saja", "", []),
    ],
)
def test_what_differs_is_cut_out_word_by_word(front: str, text: str, vary: list[str]) -> None:
    parts = likeness.differences(front, text)
    assert "".join(part.text for part in parts) == text
    assert [part.text for part in parts if part.kinds] == vary


@pytest.mark.parametrize(
    ("kind", "value"),
    [("domain", "pinjol.example"), ("phone", "+6281200000001"), ("network", "203.0.113.0/24")],
)
def test_domains_phones_and_networks_make_groups_too(
    db: Database, settings: Settings, site: Site, kind: str, value: str
) -> None:
    for n in range(1, 4):
        take(db, settings, site, given(f"c{n}", text=f"{BAD} nomor {n}"))
    judge_all(db, settings)
    with db.transaction() as session:
        session.execute(delete(Trait))
        for comment in session.scalars(select(Comment).where(Comment.external_id != "c3")):
            if kind == "network":
                comment.ip_network = value
            else:
                session.add(Trait(comment_id=comment.id, kind=kind, value=value, site_id=site.id))
    with db.reading() as session:
        group = groups.group(session, [site.id], kind, value, utcnow())
        flood = groups.floods(session, [site.id], utcnow())[kind]
    assert (group.size, group.front and group.front.id, [member.id for member in group.members]) == (2, 1, [2])
    assert [(found.value, found.size, round(found.share, 2), found.example.id) for found in flood] == [
        (value, 2, 0.67, 1)
    ]


def test_the_largest_floods_come_first_and_single_comments_make_none(
    db: Database, settings: Settings, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2)
    flood(11, 13, lambda n: f"{BAD}! Kursus menjahit gratis untuk pemula di balai desa kami, pertemuan nomor {n}")
    take(db, settings, site, given("alone", text=f"{BAD}, jalan di depan rumah saya rusak dan tidak ada yang peduli"))
    judge_all(db, settings)
    with db.reading() as session:
        found = groups.floods(session, [site.id], utcnow())
        assert groups.floods(session, [], utcnow())["campaign"] == []
    assert [flood.size for flood in found["campaign"]] == [3, 2]
    assert found["domain"] == found["phone"] == []


# Deciding all


def decide_all(db: Database, site: Site, user: int, action: str = "reject", until: int = 10**9) -> list[object]:
    campaign_id = comment_of(db, "c1").campaign_id
    with db.transaction() as session:
        result = groups.decide_all(
            session,
            [site.id],
            "campaign",
            str(campaign_id),
            action,
            session.get_one(Moderator, user),
            until_id=until,
            now=utcnow(),
            reason="SPAM" if action == "reject" else None,
        )
        return [item if isinstance(item, Conflict) else item.action for _, item in sorted(result.items())]


def test_one_decision_decides_all_that_the_page_could_show(
    db: Database, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 4)
    assert decide_all(db, site, add_user(db), until=3) == ["reject"] * 3
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["REJECTED"] * 3 + ["HELD"]
    assert not comment_of(db, "c4").follower


def test_what_a_colleague_reads_is_left_to_them(db: Database, site: Site, flood: Callable[..., list[Comment]]) -> None:
    flood(1, 3)
    me, sari = add_user(db), add_user(db, "sari@contoh.example", name="Sari P.")
    with db.transaction() as session:
        reader = session.get_one(Moderator, sari)
        claims.claim(session, session.get_one(Comment, comment_of(db, "c2").id), reader, utcnow())
    first, second, third = decide_all(db, site, me, "approve")
    assert (first, third) == ("approve", "approve")
    assert isinstance(second, Conflict)
    assert second.details["who"] == "Sari P."
    assert comment_of(db, "c2").status == "HELD"


def test_what_was_decided_together_is_taken_back_together(
    db: Database, site: Site, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 3)
    user = add_user(db)
    decide_all(db, site, user)
    with db.transaction() as session:
        at = session.scalars(select(Decision.created_at).where(Decision.moderator_id == user).limit(1)).one()
        result = groups.undo_all(session, [site.id], session.get_one(Moderator, user), at, utcnow())
        assert len(result) == 3
        assert not any(isinstance(item, Conflict) for item in result.values())
    comments = [comment_of(db, f"c{n}") for n in range(1, 4)]
    assert [comment.status for comment in comments] == ["HELD"] * 3
    assert sum(not comment.follower for comment in comments) == 1


# Orders for newcomers


def order(db: Database, action: str, reason: str | None = None, hours: int = 6, ago: timedelta = timedelta()) -> None:
    with db.transaction() as session:
        me = session.scalars(select(Moderator)).first()
        assert me is not None
        reviewed.order(session, comment_of(db, "c1").campaign_id or 0, action, reason, me, hours, utcnow() - ago)


def test_newcomers_are_rejected_by_order_though_the_machine_may_not(
    db: Database, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2)
    add_user(db)
    order(db, "reject", "SPAM")
    (newcomer,) = flood(3, 3)
    assert (newcomer.status, newcomer.spam, newcomer.follower) == ("REJECTED", True, False)
    with db.reading() as session:
        decision = session.scalars(select(Decision).where(Decision.comment_id == newcomer.id)).one()
        verdict = session.scalars(select(VerdictRow).where(VerdictRow.comment_id == newcomer.id)).one()
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "campaign.reject")).one()
    assert (decision.origin, decision.reason, decision.moderator_id) == ("campaign", "SPAM", None)
    assert "campaign_order" in [reason["code"] for reason in verdict.reasons]
    assert entry.detail == "6 h, SPAM"


def test_newcomers_are_held_by_order_though_nothing_else_speaks_against_them(
    db: Database, flood: Callable[..., list[Comment]]
) -> None:
    flood(1, 2, harmless)
    add_user(db)
    order(db, "hold")
    assert [(comment.status, comment.follower) for comment in flood(3, 4, harmless)] == [
        ("HELD", False),
        ("HELD", True),
    ]


def test_an_order_ends_by_itself_and_by_hand(db: Database, site: Site, flood: Callable[..., list[Comment]]) -> None:
    flood(1, 2)
    user = add_user(db)
    order(db, "reject", "SPAM", hours=1, ago=timedelta(hours=1, seconds=1))
    assert flood(3, 3)[0].status == "HELD"
    order(db, "reject", "SPAM")
    with db.transaction() as session:
        (running,) = reviewed.orders(session, [site.id], utcnow())
        assert (running.action, running.reason) == ("reject", "SPAM")
        assert reviewed.orders(session, [site.id + 1], utcnow()) == []
        reviewed.end_order(session, running.campaign_id, session.get_one(Moderator, user), utcnow())
        assert reviewed.orders(session, [site.id], utcnow()) == []
    assert flood(4, 4)[0].status == "HELD"


@pytest.mark.parametrize(
    ("action", "reason", "hours", "field"),
    [
        ("approve", None, 6, "decision"),
        ("reject", None, 6, "reason"),
        ("reject", "BORED", 6, "reason"),
        ("hold", None, 0, "hours"),
        ("hold", None, 73, "hours"),
    ],
)
def test_an_order_never_approves_needs_a_reason_and_has_an_end(
    db: Database, flood: Callable[..., list[Comment]], action: str, reason: str | None, hours: int, field: str
) -> None:
    flood(1, 2)
    add_user(db)
    with pytest.raises(InvalidInput) as error:
        order(db, action, reason, hours)
    assert error.value.field == field


# The pages


@pytest.fixture
def browser(app: Flask, db: Database, flood: Callable[..., list[Comment]]) -> Browser:
    flood(1, 3)
    add_user(db)
    return log_in(app)


def place(db: Database) -> str:
    return f"/queue/groups/campaign/{comment_of(db, 'c1').campaign_id}"


def test_the_groups_page_leads_to_the_flood(browser: Browser, db: Database) -> None:
    page = browser.get("/queue/groups?lang=en").text
    assert f'href="{place(db)}"' in page
    assert "3 alike" in page
    group = browser.get(place(db)).text
    assert "Reject all 3…" in group
    assert '<mark class="vary">Bandung</mark>' in group


def test_rejecting_all_with_an_order_and_taking_it_back(
    browser: Browser, db: Database, flood: Callable[..., list[Comment]]
) -> None:
    fields = {"deed": "decide", "reject": "SPAM", "until_id": "3", "hours": "6"}
    answer = browser.post(place(db), "text/html", **fields)
    assert answer.status_code == 303, answer.text
    page = browser.get(answer.headers["Location"] + "&lang=en").text
    assert "3 comments rejected." in page
    assert "Newcomers are rejected (Spam)" in page
    assert flood(4, 4)[0].status == "REJECTED"
    at = page.split('name="at" value="')[1].split('"')[0]
    answer = browser.post(place(db), "text/html", deed="undo", at=at)
    assert "3 decisions undone." in browser.get(answer.headers["Location"]).text
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["HELD"] * 3 + ["REJECTED"]
    assert flood(5, 5)[0].status == "HELD"


def card(browser: Browser) -> tuple[str, dict[str, str]]:
    """Where the form of the queue's first card goes, and the hidden fields that it carries."""
    form = browser.get("/queue").text.split('<form class="decide"')[1].split("</form>")[0]
    return form.split('action="')[1].split('"')[0], dict(
        re.findall(r'name="(\w+)" value="([^"]*)"', form.split("<button")[0])
    )


def test_one_card_of_the_queue_decides_all_that_wait_behind_it(
    browser: Browser, db: Database, flood: Callable[..., list[Comment]]
) -> None:
    page = browser.get("/queue?lang=en").text
    assert "Reject all 3…" in page
    assert page.count('<mark class="vary">') >= 2  # the city, the number
    action, fields = card(browser)
    flood(4, 4)  # comes while one reads: it is not of what the card could show
    answer = browser.post(action, reject="SPAM", **fields).json
    assert "✕ Rejected · Spam · 3 comments" in answer["html"]
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["REJECTED"] * 3 + ["HELD"]
    page = browser.get("/queue").text
    assert page.count("<li data-comment=") == 1  # one deed, one line
    at = page.split('name="at" value="')[1].split('"')[0]
    answer = browser.post("/queue/undo", at=at, ids="1 2 99").json
    assert answer["text"].endswith("3 decisions undone.")
    assert sorted(answer["cards"]) == ["1", "2"]
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["HELD"] * 4
    assert browser.get("/queue").text.count("<article") == 1  # one of them stands in front again
    assert browser.post("/queue/undo", at=at).status_code == 422


def test_a_card_for_many_whose_front_somebody_else_decided_decides_nothing(browser: Browser, db: Database) -> None:
    action, fields = card(browser)
    number = add_user(db, "budi@contoh.example", name="Budi")
    with db.transaction() as session:
        budi = session.get_one(Moderator, number)
        front = session.get_one(Comment, 1)
        decisions.decide(session, front, "approve", Decider(budi), seen_version=front.version, now=utcnow())
    answer = browser.post(action, reject="SPAM", **fields)
    assert answer.status_code == 409
    assert "Budi" in answer.json["html"]
    assert [comment_of(db, f"c{n}").status for n in range(1, 4)] == ["APPROVED", "HELD", "HELD"]


def test_without_script_a_card_for_many_orders_the_same_for_newcomers_and_is_taken_back(
    browser: Browser, db: Database, flood: Callable[..., list[Comment]]
) -> None:
    action, fields = card(browser)
    answer = browser.post(action, "text/html", reject="SPAM", hours="6", **fields)
    page = browser.get(answer.headers["Location"] + "&lang=en").text
    assert "3 decided." in page
    assert flood(4, 4)[0].status == "REJECTED"
    at = page.split('name="at" value="')[1].split('"')[0]
    answer = browser.post("/queue/undo", "text/html", at=at, tab="held")
    assert "3 decisions undone." in browser.get(answer.headers["Location"]).text
    assert [comment_of(db, f"c{n}").status for n in range(1, 5)] == ["HELD"] * 3 + ["REJECTED"]
    assert flood(5, 5)[0].status == "HELD"


def test_an_order_alone_is_given_and_ended(browser: Browser, db: Database) -> None:
    browser.post(place(db), "text/html", deed="order", decision="hold", hours="72")
    assert "Newcomers are held until" in browser.get("/queue/groups?lang=en").text
    browser.post(place(db), "text/html", deed="end")
    assert "Newcomers are held until" not in browser.get(place(db)).text
    with db.reading() as session:
        assert session.scalars(select(CampaignOrder.action)).one() == "hold"


@pytest.mark.parametrize(
    ("kind", "value"),
    [("campaign", "7"), ("domain", "toko.example"), ("phone", "+628123456789"), ("network", "203.0.113.0/24")],
)
def test_the_search_knows_every_kind_of_group(kind: str, value: str) -> None:
    line = groups.search_line(kind, value)
    assert str(filters.parse(line, now=utcnow(), tz=UTC)) == line


def test_a_large_group_is_handed_to_a_bulk_job(browser: Browser, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "AT_ONCE", 2)
    page = browser.get(place(db)).text
    number = comment_of(db, "c1").campaign_id
    assert f"/queue/bulk?q=campaign%3A{number}+status%3Aheld" in page
    assert 'value="decide"' not in page


WRONG = (
    ("campaign/1", {"deed": "decide", "decision": "hold", "until_id": "9"}, 422),
    ("campaign/1", {"deed": "decide", "decision": "approve"}, 422),
    ("campaign/1", {"deed": "decide", "reject": "BORED", "until_id": "9"}, 422),
    ("campaign/1", {"deed": "undo", "at": "gestern"}, 422),
    ("campaign/1", {"deed": "dance"}, 422),
    ("domain/a.example", {"deed": "order", "decision": "hold", "hours": "6"}, 422),
    ("campaign/99999", {"deed": "order", "decision": "hold", "hours": "6"}, 404),
    ("colour/red", {"deed": "decide", "decision": "approve", "until_id": "9"}, 404),
    ("domain/a%00b", {"deed": "decide", "decision": "approve", "until_id": "9"}, 404),
)


def test_a_wrong_form_is_refused_and_changes_nothing(browser: Browser, db: Database) -> None:
    for path, fields, code in WRONG:
        answer = browser.post(f"/queue/groups/{path}", **fields)
        assert (path, fields, answer.status_code) == (path, fields, code)
    assert comment_of(db, "c1").status == "HELD"


def test_a_value_with_a_slash_is_one_address(browser: Browser) -> None:
    page = browser.get("/queue/groups/network/203.0.113.0/24?lang=en")
    assert page.status_code == 200
    assert "Network 203.0.113.0/24" in page.text


def test_without_the_token_nothing_is_decided(browser: Browser, db: Database) -> None:
    answer = browser.client.post(place(db), data={"deed": "decide", "decision": "approve", "until_id": "9"})
    assert answer.status_code == 403
    assert comment_of(db, "c1").status == "HELD"
