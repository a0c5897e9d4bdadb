"""The moderators' pages: what they show, what they never show, and that the reader's text stays text."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import moderation
from moderation.review.cards import CardReason, Decided, SignalBar
from moderation.review.claims import Held
from moderation.review.escalations import Asked
from moderation.review.histories import Event
from moderation.review.latest import Deed
from moderation.review.marks import Change, Part
from moderation.review.notice_views import Notice
from moderation.review.people import Record
from moderation.review.priority import Explained
from moderation.review.views import View

from .conftest import NOW, Render, card, queue_context
from .dom import Node

TEMPLATES = Path(moderation.__file__).parent / "templates"
EVIL = "</p><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"


ME = SimpleNamespace(id=1, name="Rani", email="rani@contoh.example", role="moderator")
SENIOR = SimpleNamespace(id=2, name="Budi", email="budi@contoh.example", role="senior")
ASKED = Asked(1, 7, "Apakah ini ancaman?", 3, "Sari P.", NOW, "", None, None)


def show(render: Render, lang: str = "id", **values: Any) -> Node:
    return render("partials/card.html", lang=lang, card=card(**values), tab="held", current=True)


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: path.name)
def test_templates_carry_nothing_that_the_strict_policy_forbids(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"\sstyle=|\son[a-z]+=|\|\s*safe|<style|=.(data|javascript):", source)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", source))


@pytest.mark.parametrize("lang", ["id", "en"])
def test_the_queue_shows_counts_age_and_cards_in_both_languages(render: Render, lang: str) -> None:
    page = render("queue.html", lang=lang, **queue_context())
    assert page.one("html").attrs["lang"] == lang
    heading = page.one("h1").text
    assert heading == {"id": "Ditahan 1.284", "en": "Held 1,284"}[lang]
    tabs = page.one("nav", class_="queues")
    assert [link.attrs["href"] for link in tabs.all("a")] == [
        f"/queue?tab={name}" for name in ("held", "not_scored", "reported", "approved", "rejected", "spam", "mine")
    ]
    assert [hint.text for hint in tabs.all("kbd")] == ["1", "2", "3", "4", "5", "6"]
    assert len(page.all("article", class_="card")) == 1


def test_ids_are_unique_and_labels_have_their_fields(render: Render) -> None:
    cards = [card(id=7), card(id=8), card(id=9)]
    page = render("queue.html", **queue_context(cards=cards))
    ids = [node.attrs["id"] for node in page.walk() if "id" in node.attrs]
    assert len(ids) == len(set(ids))
    for node in page.walk():
        for name in ("for", "aria-labelledby", "popovertarget"):
            assert node.attrs.get(name, ids[0]) in ids, node.attrs


def test_only_the_first_card_is_lit_and_skip_leads_to_the_next(render: Render) -> None:
    page = render("queue.html", **queue_context(cards=[card(id=7), card(id=8)]))
    first, second = page.all("article", class_="card")
    assert (first.attrs.get("aria-current"), first.attrs["tabindex"]) == ("true", "0")
    assert ("aria-current" in second.attrs, second.attrs["tabindex"]) == (False, "-1")
    assert first.one("a", data_act="skip").attrs["href"] == "#c-8"
    assert second.one("a", data_act="skip").attrs["href"] == "#more"


def test_the_strongest_reason_is_the_heading_and_its_number_stands_on_the_words(render: Render) -> None:
    page = show(render)
    assert page.one("h2").text == "Hinaan 0,91 1"
    assert page.one("ol").text == "2daftar kata “buruk”"
    mark = page.one("mark")
    assert (mark.text, mark.attrs) == ("buruk", {"class": "signal list", "data-n": "1,2"})
    assert page.one("blockquote").text == "Dasar buruk sekali"
    assert page.one("blockquote").attrs["lang"] == "id"


def test_a_bar_past_its_mark_says_so_in_words(render: Render) -> None:
    bars = show(render).one("dl").all("div")
    assert bars[0].attrs["class"] == "over-hold"
    assert bars[0].text == "hinaan0,91, di atas batas tahan 0,80"
    assert bars[1].attrs["class"] == ""
    rejected = show(render, signals=[SignalBar("spam", 0.99, 0.7, 0.97, "builtin")]).one("dl").one("div")
    assert (rejected.attrs["class"], rejected.text) == ("over-no", "spam0,99, di atas batas tolak 0,97")


def test_a_signal_that_was_not_measured_is_no_zero(render: Render) -> None:
    bar = show(render).one("dl").all("div")[2]
    assert bar.text == "ancaman–tidak diukur"
    assert bar.all("rect", class_="fill") == []


def test_a_comment_that_was_not_scored_shows_no_bars_and_says_why(render: Render) -> None:
    page = show(
        render,
        not_scored=True,
        scorers=[],
        signals=[],
        reasons=[CardReason(1, "scorer_failed", None, None, "builtin", 0.5)],
    )
    assert page.one("h2").text == "? Belum dinilai"
    assert page.all("dl") == []
    assert page.one("p", class_="note").text == "Penilai tidak menjawab setelah 3 kali percobaan. Putuskan sendiri."


def test_approve_and_reject_stand_in_the_same_order_whatever_the_score(render: Render) -> None:
    for values in ({}, {"signals": [SignalBar("spam", 0.99, 0.7, 0.97, "x")]}, {"not_scored": True, "reasons": []}):
        form = show(render, **values).one("form", class_="decide")
        buttons = form.all("button")
        assert [(b.attrs["name"], b.attrs["value"]) for b in buttons] == [
            ("decision", "approve"),
            *(
                ("reject", code)
                for code in (
                    "OFFENSIVE",
                    "ABUSIVE",
                    "SPAM",
                    "HATE_SPEECH",
                    "HARASSMENT_BULLYING",
                    "ILLEGAL_CONTENT",
                    "OFF_TOPIC",
                    "OTHER",
                )
            ),
        ]
        assert form.attrs["action"] == "/queue/7/decision"
        assert {f.attrs["name"]: f.attrs["value"] for f in form.all("input")} == {
            "csrf_token": "token",
            "seen_version": "3",
            "seen_revision": "1",
            "tab": "held",
        }


def test_a_spam_reason_suggests_spam_and_nothing_is_chosen_beforehand(render: Render) -> None:
    page = show(render, reasons=[CardReason(1, "links", None, 3.0, "", 0.6)])
    suggested = [button for button in page.all("button") if "data-suggested" in button.attrs]
    assert [button.attrs["value"] for button in suggested] == ["SPAM"]
    assert page.all("input", checked="") == []
    assert page.one("h2").text == "Tautan 3 1"


def test_the_readers_text_name_and_story_stay_text(render: Render) -> None:
    page = render(
        "queue.html",
        **queue_context(
            cards=[
                card(
                    text_parts=[Part(EVIL), Part(EVIL, ("link",), (1,))],
                    author_name=EVIL,
                    story_title=EVIL,
                    reads_as=EVIL,
                    site_name=EVIL,
                    parent=(EVIL, EVIL),
                    reasons=[CardReason(1, "word_list", None, None, EVIL, 0.9)],
                )
            ],
            log=[Deed(7, 4, "reject", "SPAM", EVIL, NOW)],
        ),
    )
    assert [script.attrs.get("src", "") for script in page.all("script")] == ["/static/app.js"]
    assert page.all("img") == []
    assert page.text.count("{{ 7*7 }}") >= 8
    assert "49" not in page.one("blockquote").text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "JAVASCRIPT:x", ""])
def test_only_web_addresses_become_links(render: Render, url: str) -> None:
    page = show(render, author_url=url, story_url=url)
    assert [link.attrs["href"] for link in page.all("a")] == ["#more", "/queue/7"]


def test_an_authors_address_leads_out_without_telling_where_from(render: Render) -> None:
    link = next(a for a in show(render, author_url="https://bayu.example/x").all("a") if "bayu" in a.attrs["href"])
    assert {"nofollow", "ugc", "noopener", "noreferrer"} <= set(link.attrs["rel"].split())


def test_hidden_characters_are_made_visible(render: Render) -> None:
    parts = [Part("pi"), Part("\u200b\u200b", ("hidden",), (2,)), Part("njaman"), Part("𝐒", ("styled", "hidden"))]
    marks = show(render, text_parts=parts).all("mark")
    assert (marks[0].text, marks[0].attrs["title"]) == ("×2", "U+200B zero width space × 2")
    assert (marks[1].text, marks[1].attrs["class"]) == ("𝐒", "styled")


def test_a_long_text_is_folded_and_still_there(render: Render) -> None:
    text = "kata " * 400
    page = show(render, text_parts=[Part(text)], text=text)
    assert page.one("details", class_="fold").text == "Tampilkan seluruh teksRingkas lagi"
    assert page.one("blockquote").text == text.strip()


def test_a_decided_card_names_who_and_cannot_be_decided_the_same_way(render: Render) -> None:
    decided = Decided("approve", None, "Rani W.", datetime(2026, 1, 2, 3, 4, tzinfo=UTC), False)
    page = show(render, status="APPROVED", decided=decided)
    assert "✓ Disetujui oleh Rani W., 2 Januari 2026, 10.04" in page.text
    assert "disabled" in page.one("button", value="approve").attrs
    machine = show(render, status="REJECTED", decided=Decided("reject", "SPAM", "", NOW, True))
    assert "✕ Ditolak · Spam oleh kebijakan 14," in machine.text
    assert "disabled" not in machine.one("button", value="approve").attrs


def test_what_readers_reported_can_be_approved_again(render: Render) -> None:
    reported = show(render, status="APPROVED", decided=Decided("approve", None, "Rani", NOW, False), reports=2)
    assert "disabled" not in reported.one("button", value="approve").attrs


def test_what_an_archive_brought_along_is_not_said_to_be_the_policys_decision(render: Render) -> None:
    archived = show(render, status="REJECTED", decided=Decided("reject", "SPAM", "", NOW, True, by="import"))
    assert "✕ Ditolak · Spam dari arsip," in archived.text
    staff = show(render, status="APPROVED", decided=Decided("approve", None, "", NOW, True, by="staff"))
    assert "✓ Disetujui oleh situs," in staff.text


@pytest.mark.parametrize(
    ("reasons", "title"),
    [
        ((), "Tanpa alasan untuk menahan"),
        ((CardReason(1, "burst_site", None, 40.0, "", 0.1, note=True),), "Hanya catatan, tak satu pun menahan"),
    ],
)
def test_what_is_only_noted_is_not_called_nothing(render: Render, reasons: Sequence[CardReason], title: str) -> None:
    page = show(render, status="APPROVED", reasons=reasons, signals=())
    assert page.one("h2").text == title
    assert len(page.one("header", class_="why").all("li")) == len(reasons)


def test_a_withdrawn_comment_offers_no_decision(render: Render) -> None:
    page = show(render, status="WITHDRAWN")
    assert page.all("form", class_="decide") == page.all("form", class_="take") == []
    assert page.all("input", type="checkbox") == []


def test_a_card_that_went_leaves_one_line_with_undo(render: Render) -> None:
    gone = card(version=4, status="REJECTED", decided=Decided("reject", "SPAM", "Rani", NOW, False))
    page = render("partials/gone.html", card=gone, form={"tab": "held"})
    line = page.one("article")
    assert (line.attrs["id"], line.one("span", class_="badge").text) == ("c-7", "✕ Ditolak · Spam")
    form = line.one("form")
    assert form.attrs["action"] == "/queue/7/undo"
    assert {f.attrs["name"]: f.attrs["value"] for f in form.all("input")} == {
        "csrf_token": "token",
        "seen_version": "4",
        "tab": "held",
    }


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("approve", "Sari P. menyetujui ini pukul"),
        ("reject", "Sari P. menolak ini pukul"),
        ("hold", "Sari P. mengembalikan ini ke antrean."),
        ("edited", "Penulis menyunting teks ini saat Anda membaca."),
        ("withdrawn", "Situs menghapus komentar ini saat Anda membaca."),
    ],
)
def test_a_conflict_says_who_was_first_and_that_my_choice_does_not_count(
    render: Render, what: str, sentence: str
) -> None:
    page = render(
        "partials/conflict.html",
        card=card(version=5),
        conflict={"who": "Sari P.", "what": what, "reason": None, "at": NOW},
        mine={"action": "reject", "reason": "SPAM"},
        form={"tab": "held"},
    )
    note = page.one("p", class_="note").text
    assert note.startswith(sentence)
    assert note.endswith("Pilihan Anda (Spam) tidak diterapkan.")
    assert bool(page.all("button")) == (what != "withdrawn")
    assert page.one("form").one("input", name="seen_version").attrs["value"] == "5"


@pytest.mark.parametrize(
    ("notice", "sentence"),
    [
        (Notice("approve", 7, 4), "✓ Disetujui. Situs sedang diberi tahu."),
        (Notice("reject", 7, 4, "SPAM", seconds=8), "✕ Ditolak · Spam. Dikirim ke situs dalam 8 dtk."),
        (Notice("undone", 7, 5, told=False), "Diurungkan. Situs tidak diberi tahu."),
        (Notice("undone", 7, 5, told=True), "Dibalik. Situs diberi tahu keputusan baru."),
    ],
)
def test_without_script_the_page_says_what_the_last_act_did(render: Render, notice: Notice, sentence: str) -> None:
    status = render("queue.html", **queue_context(notice=notice)).one("div", id="say")
    assert status.one("div", class_="toast").text.startswith(sentence)
    assert bool(status.all("form")) == (notice.what in ("approve", "reject"))


def test_an_empty_queue_says_so(render: Render) -> None:
    page = render("queue.html", **queue_context(cards=[], oldest=None))
    assert page.one(id="empty").text == "Antrean kosong. Komentar baru muncul di sini sendiri."
    assert page.all("ol", class_="queue") == []


def test_the_page_of_one_comment_tells_its_whole_story(render: Render) -> None:
    page = render(
        "comment.html",
        lang="en",
        card=card(revision=2),
        history=[
            Event(NOW, "bayu", "received", "form"),
            Event(NOW, "Rani", "reject", "SPAM"),
            Event(NOW, "Rani", "undo", ""),
        ],
        deliveries=[
            {
                "state": "dead",
                "sequence": 3,
                "url": "https://warta.example/hook",
                "attempts": 9,
                "last_status": 500,
                "last_error": "server error",
                "at": NOW,
            }
        ],
        revisions=[(2, "baru", NOW), (1, "lama", NOW)],
        notice=None,
        counts=None,
    )
    history = page.one("section", aria_labelledby="log-h").text
    assert "Received bayu from the site's form" in history
    assert "✕ Rejected Rani Spam" in history
    told = page.one("section", aria_labelledby="del-h").text
    assert "given up · event 3" in told
    assert "9 attempts · HTTP 500 · server error" in told
    assert page.one("section", aria_labelledby="rev-h").text.index("baru") < page.text.index("lama")
    assert {field.attrs["value"] for field in page.all("input", name="back")} == {"comment"}


def test_what_a_place_in_the_queue_is_made_of_is_said_in_hours(render: Render) -> None:
    page = show(render, priority=Explained(21.6, 6.2, 0.7))
    assert page.one("details", class_="prio").one("summary").text == "Prioritas 28"
    assert page.one("details", class_="prio").one("dl").text == "Risiko22 j Jangkauan6 j Umur1 j"
    assert show(render).all("details", class_="prio") == []  # what does not wait has no place


def test_a_card_that_a_colleague_reads_offers_only_to_take_it_over(render: Render) -> None:
    held = Held(5, "Sari P.", NOW + timedelta(minutes=5))
    page = render("partials/card.html", card=card(claim=held), tab="held", me=ME)
    article = page.one("article")
    assert "is-claimed" in article.attrs["class"].split()
    assert page.one("span", class_="is-live").text == "◉ Sari P. sedang membaca"
    assert page.one("form", class_="take").attrs["action"] == "/queue/7/claim"
    assert page.one("form", class_="take").text == "Ambil alih sampai 14.36"
    mine = render("partials/card.html", card=card(claim=Held(1, "Rani", NOW)), tab="held", me=ME)
    assert "is-claimed" not in mine.one("article").attrs["class"]


def test_the_first_card_that_nobody_else_reads_is_lit(render: Render) -> None:
    taken = card(id=7, claim=Held(5, "Sari P.", NOW))
    page = render("queue.html", **queue_context(cards=[taken, card(id=8), card(id=9)], me=ME))
    assert [node.attrs["id"] for node in page.all("article", aria_current="true")] == ["c-8"]


def test_what_was_handed_to_the_seniors_only_they_decide(render: Render) -> None:
    page = render("partials/card.html", card=card(escalation=ASKED), tab="held", me=ME)
    assert "Apakah ini ancaman?" in page.text
    assert page.all("form", class_="decide") == page.all("details", data_menu="escalate") == []
    senior = render("partials/card.html", card=card(escalation=ASKED), tab="held", me=SENIOR)
    assert len(senior.all("form", class_="decide")) == 1
    assert senior.one("form", action="/queue/7/answer").one("textarea").attrs["name"] == "answer"


def test_only_seniors_are_led_to_banning(render: Render) -> None:
    for me, count in ((ME, 0), (SENIOR, 1)):
        page = render("partials/card.html", card=card(author_id=12), tab="held", me=me)
        assert len(page.all("a", href="/authors/12/ban")) == count


def test_one_card_stands_for_a_flood_and_leads_to_it(render: Render) -> None:
    page = show(render, campaign_id=5, alike=47)
    assert page.one("h2").text == "47 serupa · hinaan 0,91 1"
    assert {link.attrs["href"] for link in page.all("a") if "groups" in link.attrs["href"]} == {
        "/queue/groups/campaign/5"
    }
    assert "is-many" not in show(render, campaign_id=5, alike=1).one("article").attrs["class"]


def test_a_card_for_many_decides_them_all_and_is_not_selected(render: Render) -> None:
    page = show(render, campaign_id=5, alike=47, alike_until=99)
    form = page.one("form", class_="decide")
    assert form.one("input", name="until_id").attrs["value"] == "99"
    assert "Setujui semua 47" in form.text
    assert "Tolak semua 47…" in form.text
    assert [option.attrs["value"] for option in form.one("select").all("option")] == ["", "1", "6"]
    assert page.all("input", name="comment") == []
    follower = show(render, campaign_id=5, alike=47, alike_until=99, follower=True)
    assert follower.all("input", name="until_id") == []
    assert "Lihat 47 teks serupa" in follower.text
    too_many = show(render, campaign_id=5, alike=501, alike_until=999)
    assert too_many.all("form", class_="decide") == []
    assert "/queue/bulk?q=campaign%3A5+status%3Aheld" in [link.attrs["href"] for link in too_many.all("a")]


def test_a_reasons_number_stands_once_where_its_run_ends(render: Render) -> None:
    parts = [
        Part("ka", ("signal",), (1, 2)),
        Part("\u200b", ("signal", "hidden"), (1, 2)),
        Part("ta", ("signal",), (1,)),
    ]
    page = show(render, text_parts=parts)
    assert [mark.attrs.get("data-n") for mark in page.all("mark")] == [None, "2", "1"]
    assert "U+200B zero width space × 1" in page.text


def test_the_authors_record_is_on_the_card(render: Render) -> None:
    last = [(5, "APPROVED", "Terima kasih"), (4, "REJECTED", EVIL)]
    record = Record(14, 2, 1, NOW, "held", None, last, 3)
    page = show(render, author_id=12, record=record)
    details = page.one("details", class_="record")
    assert details.one("summary").text == "Rekam jejak: bayu · 3 catatan"
    assert "Pertama kali 22 November 2026 · 1 ditahan" in details.text
    assert [item.text for item in details.all("li")] == ["✓ Disetujui Terima kasih", f"✕ Ditolak {EVIL}"]
    assert page.one("a", href="/authors/12").text == "bayu"


def test_an_edit_shows_what_changed_and_asks_again(render: Render) -> None:
    changed = [Change("same", "Dasar "), Change("gone", "buruk"), Change("new", EVIL)]
    page = render(
        "partials/conflict.html",
        card=card(version=5, revision=2),
        conflict={"what": "edited"},
        mine={"action": "approve", "reason": None},
        changes=changed,
        form={"tab": "held"},
    )
    assert (page.one("del").text, page.one("ins").text) == ("buruk", EVIL)
    assert page.one("input", name="seen_revision").attrs["value"] == "2"
    assert page.one("button", value="approve").text == "✓ Setujuif"


def test_what_a_colleague_decided_is_one_line_without_my_undo(render: Render) -> None:
    theirs = card(status="REJECTED", decided=Decided("reject", "SPAM", "Sari P.", NOW, False, 5))
    page = render("partials/gone.html", card=theirs, me=ME)
    assert "✕ Ditolak · Spam oleh Sari P." in page.text
    assert page.all("form") == []
    mine = card(status="REJECTED", decided=Decided("reject", "SPAM", "Rani", NOW, False, 1))
    assert len(render("partials/gone.html", card=mine, me=ME).all("form")) == 1


def test_a_late_queue_says_so_in_words_and_by_a_sign(render: Render) -> None:
    late = render("queue.html", **queue_context(waited=61))
    assert "hidden" not in late.one(id="late").attrs
    assert late.one(id="late").text.startswith(
        "▲ Komentar tertahan yang tertua sudah menunggu lebih lama dari sasaran 60"
    )
    assert late.one(id="oldest").attrs["class"] == "is-no"
    soon = render("queue.html", **queue_context(waited=50))
    assert ("hidden" in soon.one(id="late").attrs, soon.one(id="oldest").attrs["class"]) == (True, "is-hold")
    assert render("queue.html", **queue_context(waited=1)).one(id="oldest").attrs["class"] == ""


def test_what_a_search_found_stands_in_the_same_list(render: Render) -> None:
    found = {"count": 10_000, "more": True, "reached": None}
    views = [View(3, "Banjir judi", "judi", "/queue?q=judi", 1), View(4, "Lain", "x", "/queue?q=x", 9)]
    context = queue_context(tab=None, q="judi", found=found, every="/queue/bulk?q=judi", views=views, me=ME)
    page = render("queue.html", **context, first_url="/queue?tab=held")
    assert page.one("h1").text == "Hasil pencarian lebih dari 10.000"
    assert page.one("input", id="q").attrs["value"] == "judi"
    assert {link.text for link in page.all("a", href="/queue/bulk?q=judi")} == {"Semua yang cocok, lebih dari 10.000…"}
    assert page.one("a", href="/queue?q=judi").attrs["aria-current"] == "true"
    assert page.one("form", action="/queue/views/3/remove").text == "Hapus tampilan “Banjir judi”"
    assert page.all("select", id="sort") == []


def test_a_search_that_is_not_understood_says_what_is_wrong_at_the_field(render: Render) -> None:
    page = render("queue.html", **queue_context(tab=None, q="skor:1", cards=[], wrong="Tidak ada saringan itu."))
    assert page.one("input", id="q").attrs["aria-invalid"] == "true"
    assert page.one(id=page.one("input", id="q").attrs["aria-describedby"]).text == "✕ Tidak ada saringan itu."


def test_a_site_switch_is_there_where_there_are_several_sites(render: Render) -> None:
    page = render("queue.html", **queue_context(sites=[(1, "Warta"), (2, "Kabar")], site=2))
    chosen = [item.text for item in page.one("select", id="site").all("option") if "selected" in item.attrs]
    assert chosen == ["Kabar"]
    assert page.one("nav", class_="queues").all("a")[1].attrs["href"] == "/queue?tab=not_scored&site=2"
    assert render("queue.html", **queue_context(sites=[(1, "Warta")])).all("select", id="site") == []


def test_several_cards_are_chosen_by_boxes_of_one_form(render: Render) -> None:
    page = render("queue.html", **queue_context(cards=[card(id=7), card(id=8, version=4)]))
    boxes = [box for box in page.all("input", type="checkbox") if box.attrs.get("form") == "bulk"]
    assert [(box.attrs["name"], box.attrs["value"]) for box in boxes] == [("comment", "7:3"), ("comment", "8:4")]
    form = page.one("form", id="bulk")
    assert form.attrs["action"] == "/queue/selection"
    assert [button.attrs.get("value") for button in form.all("button")][:2] == ["approve", "OFFENSIVE"]


@pytest.mark.parametrize("error", [None, "wrong", "wait"])
def test_the_door_says_what_was_wrong_and_keeps_the_email(render: Render, error: str | None) -> None:
    page = render("login.html", path="/login?next=/queue", error=error, wait_seconds=42, email="rani@contoh.example")
    assert page.one("input", name="email").attrs["value"] == "rani@contoh.example"
    assert page.one("input", name="next").attrs["value"] == "/queue"
    assert [fault.text for fault in page.all("div", role="alert")] == {
        None: [],
        "wrong": ["Surel atau kata sandi tidak cocok. Setelah 5 kali keliru, tunggu 1 menit."],
        "wait": ["Terlalu banyak kata sandi yang keliru. Coba lagi dalam 42 dtk."],
    }[error]


def test_the_theme_that_was_chosen_is_there_from_the_first_byte(bare: Any, render: Render) -> None:
    with bare.test_request_context("/queue", headers={"Cookie": "theme=dark"}):
        from flask import render_template

        from .dom import parse

        page = parse(render_template("queue.html", **queue_context()))
    assert page.one("html").attrs["data-theme"] == "dark"
    assert "checked" in page.one("input", id="theme-dark").attrs
    plain = render("queue.html", **queue_context())
    assert "data-theme" not in plain.one("html").attrs
