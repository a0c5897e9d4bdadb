"""The queue as hands and keys meet it: one application, a site of its own for each test."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from moderation.accounts.models import Site
from moderation.db import utcnow
from moderation.review.models import Decision
from moderation.scoring import explanations, store
from moderation.scoring.scorer import TextScore
from moderation.scoring.store import NewScore
from tests.integration.helpers import BAD
from tests.integration.test_explanations import Detoxify

from .axe import source, violations
from .desk import Desk

pytestmark = pytest.mark.browser


def lit(page: Page) -> str:
    return page.locator(".card[aria-current]").get_attribute("id") or ""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def look(page: Page) -> None:
    """Ask the server now, not in four seconds."""
    page.evaluate("document.dispatchEvent(new Event('moderation:decided'))")


def test_a_whole_shift_by_keys_alone(desk: Desk) -> None:
    one, two, three = desk.held()
    page = desk.window()
    press(page, "j", "k")
    assert lit(page) == f"c-{one}"
    press(page, "v")
    expect(page.locator(f"#c-{one} .words")).to_have_class("words show")
    press(page, "d", "3")
    expect(page.locator(f"#c-{one}.is-gone")).to_contain_text("✕ Rejected · Spam")
    expect(page.locator("#say")).to_contain_text(re.compile(r"Told to the site in (10|9|8) s\."))
    expect(page.locator(f"#c-{two}")).to_be_focused()
    press(page, "f")
    expect(page.locator(f"#c-{two}.is-gone")).to_contain_text("✓ Approved")
    press(page, "u")
    expect(page.locator(f"#c-{two}:not(.is-gone)")).to_be_focused()
    expect(page.locator("#say")).to_contain_text("Undone. The site was not told.")
    press(page, "u")
    expect(page.locator(f"#c-{one}:not(.is-gone)")).to_be_focused()
    press(page, "u")
    expect(page.locator("#say")).to_contain_text("There is nothing to undo.")
    press(page, "s", "s")
    assert lit(page) == f"c-{three}"
    press(page, "j")
    expect(page.locator("#more")).to_be_focused()
    press(page, "/")
    expect(page.locator("#q")).to_be_focused()
    press(page, "f")
    expect(page.locator("#q")).to_have_value("f")


def test_one_comment_alone_and_back_to_its_place(desk: Desk) -> None:
    _, two, three = desk.held()
    page = desk.window()
    press(page, "j", "z")
    page.wait_for_url(f"**/queue/{two}")
    expect(page.locator("#next")).to_be_visible()
    press(page, "j")
    page.wait_for_url(f"**/queue/{three}")
    expect(page.locator("#previous")).to_be_visible()
    expect(page.locator("#next")).to_be_hidden()
    press(page, "k")
    page.wait_for_url(f"**/queue/{two}")
    expect(page.locator("#next")).to_be_visible()
    press(page, "z")
    page.wait_for_url(f"**/queue#c-{two}")
    expect(page.locator(f"#c-{two}")).to_be_focused()
    assert lit(page) == f"c-{two}"


@pytest.mark.parametrize("width", [320, 900, 1280])
def test_a_card_that_is_lit_takes_no_more_room(desk: Desk, width: int) -> None:
    one, two, _ = desk.held()
    page = desk.window(width=width)
    sizes = "() => [...document.querySelectorAll('.card')].map(card => card.getBoundingClientRect().height)"
    before = page.evaluate(sizes)
    press(page, "j")
    assert lit(page) == f"c-{two}"
    assert page.evaluate(sizes) == before  # else a press on another card would miss what it aimed at
    page.locator(f"#c-{one} summary.no").click()
    expect(page.locator(f"#c-{one} details.reject")).to_have_attribute("open", "")


@pytest.mark.parametrize("width", [320, 900, 1280])
def test_a_signals_name_stands_on_one_line(desk: Desk, width: int) -> None:
    desk.held(["satu"])
    page = desk.window(path="/queue?lang=id", width=width)
    lines = """names => names.map(name => {
        const range = document.createRange();
        range.selectNodeContents(name);
        return [name.textContent, new Set([...range.getClientRects()].map(rect => rect.top)).size];
    })"""
    found = dict(page.locator(".signals dt").evaluate_all(lines))
    assert "serangan identitas" in found
    assert set(found.values()) == {1}
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_digits_and_t_switch_queues(desk: Desk) -> None:
    desk.held(["satu"])
    page = desk.window()
    press(page, "6")
    page.wait_for_url("**/queue?tab=spam")
    expect(page.locator("h1")).to_contain_text("Spam")
    press(page, "t")
    page.wait_for_url("**/queue?tab=mine")
    expect(page.locator("h1")).to_contain_text("Mine")
    press(page, "t")
    page.wait_for_url("**/queue?tab=held")


def test_keys_are_changed_under_help_and_the_hints_follow(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    page = desk.window()
    press(page, "?")
    page.fill("#key-approve", "d")
    page.locator("#remap button.primary").click()
    expect(page.locator("#remap-wrong")).to_contain_text("Two acts cannot have the same key.")
    page.fill("#key-approve", "a")
    page.locator("#remap button.primary").click()
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator(f"#c-{one} [value=approve] kbd")).to_have_text("a")
    page.reload()
    expect(page.locator(f"#c-{one} [value=approve] kbd")).to_have_text("a")
    press(page, "f")
    expect(page.locator(f"#c-{one}")).not_to_have_class("is-gone")
    press(page, "a")
    expect(page.locator(f"#c-{one}.is-gone")).to_be_visible()


def test_who_reads_what_is_seen_and_taken_over_knowingly(desk: Desk) -> None:
    one, two, _ = desk.held()
    rani = desk.window("rani")
    desk.wait_for_claim(one)
    sari = desk.window("sari")
    expect(sari.locator(f"#c-{one} [data-presence]")).to_have_text("◉ Rani W. is reading")
    assert lit(sari) == f"c-{two}"  # the first that nobody reads
    press(sari, "k")
    assert lit(sari) == f"c-{two}"  # j and k pass over what others read
    sari.locator(f"#c-{one} .words").click()
    sari.locator(f"#c-{one}").focus()
    press(sari, "f")
    expect(sari.locator("#say")).to_contain_text("Rani W. is reading this. Take over first.")
    assert desk.status(one) == "HELD"
    sari.locator(f"#c-{one} .take button").click()
    expect(sari.locator("#say")).to_contain_text("This comment is yours now.")
    # Rani, whose page does not know it yet, decides nothing over Sari's head.
    press(rani, "f")
    expect(rani.locator(f"#c-{one}.is-claimed")).to_contain_text("Sari P. is reading")
    assert desk.status(one) == "HELD"
    sari.locator(f"#c-{one}").focus()
    press(sari, "d", "3")
    expect(sari.locator(f"#c-{one}.is-gone")).to_be_visible()
    assert desk.status(one) == "REJECTED"
    look(rani)
    expect(rani.locator(f"#c-{one}.is-gone")).to_contain_text("by Sari P.")
    assert rani.locator(".queue > li").count() == 3


def test_whoever_moves_on_leaves_the_comment_to_others(desk: Desk) -> None:
    one, two, _ = desk.held()
    rani = desk.window("rani")
    desk.wait_for_claim(one)
    press(rani, "j")
    desk.wait_for_claim(two)
    sari = desk.window("sari")
    expect(sari.locator(f"#c-{two} [data-presence]")).to_be_visible()
    expect(sari.locator(f"#c-{one} [data-presence]")).to_be_hidden()


def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    first, second = desk.window("rani", script=False), desk.window("sari", script=False)
    first.locator(f"#c-{one} [value=approve]").click()
    expect(first.locator("#say")).to_contain_text("✓ Approved.")
    second.locator(f"#c-{one} summary.no").click()
    second.locator(f"#c-{one} button[value=SPAM]").click()
    expect(second.locator("#say")).to_contain_text("Somebody else has decided. Rani W.")
    expect(second.locator("#say")).to_contain_text("Your choice was not applied.")
    assert desk.status(one) == "APPROVED"


def test_a_page_that_looks_on_shows_an_edit_in_its_place_and_keeps_what_one_writes(desk: Desk) -> None:
    one, two = desk.held(["harga lama", "dua"])
    page = desk.window(own=True)
    page.clock.install()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    press(page, "n")
    page.keyboard.type("lihat dul")
    desk.edit(one, f"{BAD} harga baru")
    look(page)
    page.clock.run_for(300)
    card = page.locator(f"#c-{one}")
    expect(card).to_contain_text("edited since you opened it")
    expect(card.locator(".words").first).to_contain_text("harga baru")
    expect(page.locator("#say")).to_contain_text("was edited while you were reading. Here is the new text.")
    page.keyboard.type("u")
    expect(card.locator("textarea[name=text]")).to_have_value("lihat dulu")
    card.get_by_text("What the edit changed").click()
    expect(card.locator(".was del")).to_have_text("lama")
    press(page, "Escape")
    assert lit(page) == f"c-{one}"
    press(page, "f")  # meant for the old text
    page.clock.run_for(1000)
    press(page, "f")
    expect(page.locator(f"#c-{one}.is-gone")).to_contain_text("✓ Approved")
    expect(page.locator(f"#c-{two}")).to_be_focused()
    assert len([url for url in sent if url.endswith("/decision")]) == 1


def test_an_edit_while_one_reads_is_shown_and_asked_again(desk: Desk) -> None:
    (one,) = desk.held(["harga lama"])
    page = desk.window()
    desk.edit(one, f"{BAD} harga baru")
    press(page, "f")
    lost = page.locator(f"#c-{one}.is-lost")
    expect(lost).to_contain_text("The author edited this text while you were reading.")
    expect(lost.locator("del")).to_have_text("lama")
    expect(lost.locator("ins")).to_have_text("baru")
    expect(lost).to_be_focused()
    assert desk.status(one) == "HELD"
    press(page, "f")
    expect(page.locator(f"#c-{one}.is-gone")).to_contain_text("✓ Approved")
    assert desk.status(one) == "APPROVED"


def test_what_a_colleague_decides_becomes_a_line_and_nothing_moves(desk: Desk) -> None:
    one, two, three = desk.held()
    page = desk.window("rani")
    before = page.locator(f"#c-{one}").bounding_box()
    desk.decide(three, "sari", "approve")
    look(page)
    expect(page.locator(f"#c-{three}.is-gone")).to_contain_text("by Sari P.")
    assert page.locator(f"#c-{one}").bounding_box() == before
    assert lit(page) == f"c-{one}"
    expect(page.locator("[data-count=held]").first).to_have_text("2")
    press(page, "j", "j")
    expect(page.locator("#more")).to_be_focused()  # the line is passed over
    assert lit(page) == f"c-{two}"


def test_several_are_chosen_by_keys_decided_together_and_taken_back(desk: Desk) -> None:
    ids = desk.held(["satu", "dua", "tiga", "empat"])
    page = desk.window()
    expect(page.locator("#bulk")).to_be_hidden()
    press(page, "x", "j", "j", "Shift+X")
    expect(page.locator("#picked")).to_have_text("3 selected")
    expect(page.locator("#bulk")).to_be_visible()
    expect(page.locator("#bulk a")).to_have_text("All 4 that match…")
    desk.decide(ids[1], "sari", "approve")
    page.locator("#bulk summary").click()
    page.locator("#bulk button[value=SPAM]").click()
    expect(page.locator("#say")).to_contain_text("2 decided. 1 not: somebody was first.")
    expect(page.locator("#bulk")).to_be_hidden()
    for number in (ids[0], ids[2]):
        expect(page.locator(f"#c-{number}.is-gone")).to_contain_text("✕ Rejected · Spam")
    expect(page.locator(f"#c-{ids[1]}.is-gone")).to_contain_text("by Sari P.")
    assert [desk.status(number) for number in ids] == ["REJECTED", "APPROVED", "REJECTED", "HELD"]
    expect(page.locator("#log li")).to_have_count(1)  # one deed, one line
    page.locator("#say button").click()
    expect(page.locator(".card.is-gone")).to_have_count(1)
    assert [desk.status(number) for number in ids] == ["HELD", "APPROVED", "HELD", "HELD"]


def test_a_question_goes_to_a_senior_who_decides(desk: Desk) -> None:
    (one,) = desk.held(["ancaman"])
    sari = desk.window("sari")
    press(sari, "b")
    expect(sari.locator("#say")).to_contain_text("Only a senior may ban an author.")
    press(sari, "e")
    sari.keyboard.type("Apakah ini ancaman?")
    press(sari, "Escape")
    expect(sari.locator(f"#c-{one}")).to_be_focused()
    press(sari, "e")
    sari.locator(f"#c-{one} [data-ask=escalated] button").click()
    expect(sari.locator("#say")).to_contain_text("Handed over to a senior.")
    expect(sari.locator(f"#c-{one}")).to_contain_text("Apakah ini ancaman?")
    press(sari, "f")
    expect(sari.locator("#say")).to_contain_text("There is nothing to decide here now.")
    assert desk.status(one) == "HELD"
    budi = desk.window("budi", "/queue?tab=mine")
    expect(budi.locator(f"#c-{one}")).to_contain_text("Sari P.")
    press(budi, "d", "2")
    expect(budi.locator(f"#c-{one}.is-gone")).to_contain_text("✕ Rejected · Abusive")
    assert desk.status(one) == "REJECTED"


def test_who_hands_a_comment_over_by_keys_goes_on_with_the_next(desk: Desk) -> None:
    one, two = desk.held(["ancaman", "lain"])
    page = desk.window("sari")
    press(page, "e")
    page.keyboard.type("Apakah ini ancaman?")
    press(page, "Control+Enter")
    expect(page.locator("#say")).to_contain_text("Handed over to a senior.")
    expect(page.locator(f"#c-{one}")).to_contain_text("Apakah ini ancaman?")
    expect(page.locator(f"#c-{two}")).to_be_focused()
    press(page, "n")
    page.keyboard.type("Baris satu")
    press(page, "Enter")
    page.keyboard.type("baris dua")
    press(page, "Control+Enter")
    expect(page.locator(f"#c-{two} .colleagues")).to_contain_text("baris dua")
    expect(page.locator(f"#c-{two}")).to_be_focused()


def test_the_key_undoes_nothing_that_was_decided_more_than_ten_minutes_ago(desk: Desk) -> None:
    one, two, _ = desk.held()
    for number, minutes in ((one, 11), (two, 9)):
        desk.decide(number, "rani", "approve")
        with desk.house.db.transaction() as session:
            before = utcnow() - timedelta(minutes=minutes)
            session.execute(update(Decision).where(Decision.comment_id == number).values(created_at=before))
    page = desk.window()
    press(page, "u")
    expect(page.locator("#say")).to_contain_text("Undone. The site was not told.")
    assert desk.status(two) == "HELD"
    press(page, "u")
    expect(page.locator("#say")).to_contain_text("The key undoes the last 10 minutes.")
    assert desk.status(one) == "APPROVED"
    page.locator(f'#log form[data-undo="{one}"] button').click()
    expect(page.locator("#say")).to_contain_text("Undone. The site was not told.")
    assert desk.status(one) == "HELD"


def test_what_is_undone_in_an_empty_queue_is_there_again(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    page = desk.window()
    press(page, "f")
    expect(page.locator(f"#c-{one}.is-gone")).to_be_visible()
    page.reload()
    expect(page.locator("#empty")).to_be_visible()
    press(page, "u")
    expect(page.locator(f"#c-{one}:not(.is-gone)")).to_be_visible()
    expect(page.locator("#say")).to_contain_text("Undone. The site was not told.")


def test_second_looks_take_the_keys_of_the_queue(desk: Desk) -> None:
    one, two, _ = desk.held()
    with desk.house.db.transaction() as session:
        session.get_one(Site, desk.site.id).second_look_percent = 100
    for number in (one, two):
        desk.decide(number, "rani", "approve")
    page = desk.window("sari", "/queue/second-looks")
    count = page.locator("h1 .count")
    expect(count).to_have_text("2")
    press(page, "s")
    expect(page).to_have_url(re.compile(r"after="))
    page.go_back()
    press(page, "f")
    expect(page.locator("main [role=status]")).to_contain_text("You two agree.")
    expect(count).to_have_text("1")
    press(page, "d", "3")
    expect(page.locator("main [role=status]")).to_contain_text("You two differ")
    expect(count).to_have_text("0")


def test_a_note_stays_on_the_card_for_colleagues(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    page = desk.window("sari")
    press(page, "n")
    page.keyboard.type("Sering emosi, isinya berguna.")
    page.locator(f"#c-{one} [data-ask=noted] button").click()
    expect(page.locator("#say")).to_contain_text("The note is kept.")
    other = desk.window("rani", script=False)
    expect(other.locator(f"#c-{one} .colleagues")).to_contain_text("Sari P.")
    expect(other.locator(f"#c-{one} .colleagues")).to_contain_text("Sering emosi, isinya berguna.")


def test_b_leads_a_senior_to_the_question_before_a_ban(desk: Desk) -> None:
    desk.held(["satu"])
    page = desk.window("budi")
    press(page, "b")
    page.wait_for_url("**/authors/*/ban")


def test_texts_are_blurred_until_one_looks(desk: Desk) -> None:
    one, two, _ = desk.held()
    page = desk.window()
    with page.expect_response("**/account/preferences"):
        page.locator("#blur").check()
    blurred = "id => getComputedStyle(document.querySelector(`#c-${id} .words`)).filter"
    assert page.evaluate(blurred, two) != "none"
    page.locator(f"#c-{two} .words").hover()
    assert page.evaluate(blurred, two) == "none"
    page.mouse.move(0, 0)
    page.locator(f"#c-{one}").focus()
    press(page, "j")
    press(page, "v")
    assert page.evaluate(blurred, two) == "none"
    page.reload()
    expect(page.locator("#blur")).to_be_checked()


def test_the_priority_is_explained_to_pointer_and_keyboard(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    page = desk.window()
    parts = page.locator(f"#c-{one} .prio dl")
    expect(parts).to_be_hidden()
    page.locator(f"#c-{one} .prio summary").hover()
    expect(parts).to_be_visible()
    expect(parts).to_contain_text("Risk")
    page.mouse.move(0, 0)
    expect(parts).to_be_hidden()
    page.locator(f"#c-{one} .pick input").focus()
    press(page, "Tab")
    expect(parts).to_be_visible()


def test_one_card_stands_for_alike_texts_and_leads_to_them_all(desk: Desk) -> None:
    cities = ["Bekasi", "Depok", "Bogor", "Medan"]
    for number, city in enumerate(cities):
        desk.take(f"{BAD} slot gacor malam ini di {city}, modal {number}0rb jadi 2 juta, daftar sekarang", name=city)
        desk.judge()
    keys = desk.window("sari")
    (front,) = [str(card.get_attribute("id")) for card in keys.locator(".card").all()]
    expect(keys.locator(f"#{front} mark.vary", has_text="Bekasi")).to_be_visible()
    press(keys, "x")
    expect(keys.locator("#say")).to_contain_text("This card is decided by itself")
    press(keys, "d", "3")
    expect(keys.locator(f"#{front}.is-gone")).to_contain_text("✕ Rejected · Spam · 4 comments")
    expect(keys.locator("[data-count=spam]").first).to_have_text("4")
    expect(keys.locator("#log li")).to_have_count(1)
    press(keys, "u")
    expect(keys.locator("#say")).to_contain_text("4 decisions undone.")
    expect(keys.locator(f"#{front}:not(.is-gone) h2")).to_contain_text("4 alike")
    expect(keys.locator(f"#{front}")).to_be_focused()
    keys.close()
    page = desk.window(script=False)
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator("h1 .count")).to_have_text("4")
    card = page.locator(".card")
    expect(card.locator("h2")).to_contain_text("4 alike")
    card.locator("h2 a").click()
    page.wait_for_url("**/queue/groups/campaign/*")
    for city in cities:
        expect(page.locator("main")).to_contain_text(city)


def test_without_javascript_one_searches_pages_decides_and_undoes(desk: Desk) -> None:
    desk.held([f"nomor {number} kata{chr(97 + number)}" for number in range(21)])
    page = desk.window(script=False)
    expect(page.locator(".card")).to_have_count(20)
    expect(page.locator(".card kbd:visible")).to_have_count(0)
    page.locator("#more").click()
    expect(page.locator(".card")).to_have_count(1)
    page.fill("#q", "katac")
    page.locator(".filters button").click()
    expect(page.locator("h1")).to_contain_text("Search results 1")
    page.locator("summary.no").first.click()
    page.locator(".card button[value=OFF_TOPIC]").click()
    expect(page.locator("#say")).to_contain_text("✕ Rejected · Off topic. Told to the site in")
    expect(page.locator("h1")).to_contain_text("Search results 1")  # the way back leads to the search
    page.locator("#say button").click()
    expect(page.locator("#say")).to_contain_text("Undone. The site was not told.")
    page.goto(f"{desk.house.base}/queue")
    for box in page.locator(".pick input").all()[:2]:
        box.check()
    page.locator("#bulk [value=approve]").click()
    expect(page.locator("#say")).to_contain_text("2 decided.")
    page.goto(f"{desk.house.base}/queue?q=katac")
    page.get_by_text("Save this view…").click()
    page.fill("#view-name", "Kata c")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".views a", has_text="Kata c")).to_have_attribute("aria-current", "true")


def test_a_bulk_job_is_previewed_started_followed_and_taken_back(desk: Desk) -> None:
    one, two, three = desk.held(["banjir satu", "banjir dua", "lain"])
    page = desk.window("rani", "/queue?q=banjir+status:held")
    page.get_by_role("link", name="All 2 that match…").first.click()
    expect(page.locator("h2#match-h")).to_have_text("2 comments match")
    expect(page.locator(".alike li")).to_have_count(2)
    assert desk.status(one) == "HELD"
    page.get_by_role("button", name="Choose").click()
    page.get_by_role("button", name="Reject 2 comments (Spam)").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "running")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#job")).to_have_attribute("data-state", "paused")
    desk.decide(two, "sari", "approve")
    page.get_by_role("button", name="Go on").click()
    desk.work()
    expect(page.locator("#job")).to_have_attribute("data-state", "done")  # the page follows by itself
    expect(page.locator("#left-h + div")).to_contain_text("approved by Sari P.")
    assert [desk.status(number) for number in (one, two, three)] == ["REJECTED", "APPROVED", "HELD"]
    page.get_by_role("button", name="Take 1 decision back").click()
    desk.work()
    expect(page.locator("#job")).to_have_attribute("data-state", "done")
    assert [desk.status(number) for number in (one, two, three)] == ["HELD", "APPROVED", "HELD"]


def test_a_lease_goes_on_while_one_is_active(desk: Desk) -> None:
    (one,) = desk.held(["satu"])
    page = desk.window(own=True)
    desk.wait_for_claim(one)
    page.clock.install()
    page.reload()
    page.clock.run_for(1000)
    desk.wait_for_claim(one)
    with page.expect_request(f"**/queue/{one}/claim"):
        page.clock.run_for(61_000)
        page.mouse.wheel(0, 20)
        press(page, "Shift")


def test_what_strangers_write_stays_in_its_place(desk: Desk) -> None:
    tower = "a" + "\u0315\u0300\u0301\u0302\u0303\u0304" * 30
    desk.take(f"{BAD} \u202e{tower} {'X' * 3000}\u2066", name=tower * 3 + "\u202e")
    desk.held(["biasa"])
    page = desk.window(width=320)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    card = page.locator(".card").first
    assert card.locator(".words").evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"
    for place in (".words", ".who"):
        overflow = card.locator(place).first.evaluate("node => getComputedStyle(node).overflowY")
        assert overflow in ("hidden", "clip")
    assert (card.bounding_box() or {"height": 9999})["height"] < 1600  # a long text is folded


@pytest.mark.parametrize(("language", "scheme"), [("id", "light"), ("en", "dark")])
def test_axe_finds_nothing_in_what_keys_open(
    desk: Desk, language: str, scheme: str, pytestconfig: pytest.Config
) -> None:
    axe = source(Path(pytestconfig.cache.mkdir("axe")))  # type: ignore[union-attr]  # the cache plugin is always on
    _, two, _ = desk.held()
    desk.window("sari", f"/queue/{two}")
    # So tall that the bar of the selected covers no button; in a lower window one scrolls.
    tall = {"height": 1600, "color_scheme": scheme, "reduced_motion": "reduce"}
    page = desk.window("budi", f"/queue?lang={language}", **tall)
    found = violations(page, axe)
    press(page, "d")
    found += violations(page, axe)
    press(page, "Escape", "x", "?")
    found += violations(page, axe)
    assert found == []


def test_the_words_behind_a_score_are_marked_when_the_card_is_lit_and_nothing_on_it_moves(desk: Desk) -> None:
    first, second = desk.held(["satu", "dua"])
    scorer = Detoxify()
    with desk.house.db.transaction() as session:
        for number in (first, second):
            said = TextScore({"toxicity": 0.99, "insult": 0.97}, "id")
            store.put(session, "detoxify", scorer.version, [NewScore(number, 1, said)], utcnow())
    page = desk.window()
    card = page.locator(f"#c-{first}")
    button = card.get_by_role("button", name="Approve")
    before = button.bounding_box()
    expect(card.get_by_text("Looking for the words behind the score…")).to_be_visible()
    assert explanations.explain_due(desk.house.db, scorer)
    expect(card.locator("mark.signal")).to_have_text("buruk")
    expect(card.get_by_text("The words behind the score are marked.")).to_be_visible()
    assert button.bounding_box() == before
    expect(page.locator(f"#c-{second} mark.signal")).to_have_count(0)
    assert not explanations.explain_due(desk.house.db, scorer), "nobody has looked at the second card"
