"""The policy's rules: pure functions, every reason kept, approval only without a reason against it."""

from dataclasses import replace

import pytest

from moderation.policy.document import Policy, WordList, parse
from moderation.policy.rules import BURST_CODES, FLAG_CODES, POST_PASSES, Facts, Measured, judge

POLICY = parse(
    {
        "bands": {
            "builtin": {"toxicity": {"hold": 0.5, "reject": 0.9}, "spam": {"hold": 0.6}},
            "detoxify": {"toxicity": {"hold": 0.8}},
        },
        "word_lists": [{"name": "judi", "words": ["Slot Gacor", "maxwin"]}],
        "blocked_domains": ["contoh-77.example"],
        "blocked_authors": ["name:Budi Spam"],
    },
    version=3,
)


def toxic(value: float, scorer: str = "builtin") -> Facts:
    return Facts(signals={"toxicity": Measured(value, scorer, ((0, 4),))})


def codes(policy: Policy, facts: Facts) -> list[str]:
    return [reason.code for reason in judge(policy, facts).reasons]


def test_a_comment_without_a_reason_against_it_is_approved() -> None:
    verdict = judge(POLICY, toxic(0.49))
    assert (verdict.action, verdict.reasons, verdict.policy_version) == ("approve", (), 3)


def test_a_signal_at_its_hold_mark_holds_and_names_itself() -> None:
    verdict = judge(POLICY, toxic(0.5))
    assert verdict.action == "hold"
    assert verdict.reasons[0].code == "signal_over_hold"
    assert (verdict.reasons[0].signal, verdict.reasons[0].value) == ("toxicity", 0.5)
    assert verdict.reasons[0].spans == ((0, 4),)


def test_marks_belong_to_the_scorer_that_measured() -> None:
    assert judge(POLICY, toxic(0.7, "detoxify")).action == "approve"
    assert judge(POLICY, toxic(0.7, "builtin")).action == "hold"


def test_the_machine_rejects_only_where_the_site_allows_it() -> None:
    assert judge(POLICY, toxic(0.95)).action == "hold"
    assert judge(replace(POLICY, auto_reject=True), toxic(0.95)).action == "reject"
    assert judge(replace(POLICY, auto_reject=True), toxic(0.6)).action == "hold"


def test_a_comment_that_was_not_scored_is_held_whatever_else_is_known() -> None:
    facts = replace(toxic(0.0), scored=False)
    verdict = judge(replace(POLICY, auto_reject=True), facts)
    assert verdict.action == "hold"
    assert verdict.not_scored
    assert codes(POLICY, facts) == ["not_scored"]


def test_a_failed_scorer_holds_and_is_named() -> None:
    facts = replace(toxic(0.0), scored=False, failed=("builtin",))
    verdict = judge(POLICY, facts)
    assert (verdict.action, verdict.not_scored) == ("hold", True)
    assert [(r.code, r.detail) for r in verdict.reasons] == [("scorer_failed", "builtin")]


def test_a_language_that_no_scorer_speaks_is_held() -> None:
    assert codes(POLICY, replace(toxic(0.0), supported=False)) == ["language_not_supported"]


def test_premoderation_holds_everything_even_with_automatic_rejection() -> None:
    policy = replace(POLICY, mode="pre", auto_reject=True)
    assert judge(policy, toxic(0.0)).action == "hold"
    assert judge(policy, toxic(0.99)).action == "hold"


@pytest.mark.parametrize(("links", "held"), [(0, False), (1, False), (2, True), (9, True)])
def test_two_or_more_links_hold(links: int, held: bool) -> None:
    assert ("links" in codes(POLICY, Facts(links=links))) is held


def test_a_limit_of_zero_switches_the_link_rule_off() -> None:
    assert codes(replace(POLICY, max_links=0), Facts(links=99)) == []


def test_a_word_list_matches_whole_words_and_phrases_only() -> None:
    assert codes(POLICY, Facts(folded="ayo main slot gacor malam ini")) == ["word_list"]
    assert codes(POLICY, Facts(folded="maxwinners dan slotgacor")) == []


def test_a_word_list_finds_disguised_readings_in_their_original_place() -> None:
    verdict = judge(POLICY, Facts(folded="ayo m4xw1n", readings=(("maxwin", 4, 10),)))
    assert [(r.code, r.detail, r.spans) for r in verdict.reasons] == [("word_list", "maxwin", ((4, 10),))]


def test_a_blocked_domain_covers_what_is_below_it_and_nothing_beside_it() -> None:
    assert codes(POLICY, Facts(domains={"m.contoh-77.example": ((0, 5),)})) == ["blocked_domain"]
    assert codes(POLICY, Facts(domains={"bukancontoh-77.example": ((0, 5),)})) == []


def test_a_blocked_author_is_held() -> None:
    assert codes(POLICY, Facts(author_keys=frozenset({"name:Budi Spam"}))) == ["blocked_author"]


@pytest.mark.parametrize("flag", ["honeypot", "too_fast", "no_timing_token"])
def test_what_the_form_noticed_holds(flag: str) -> None:
    assert codes(POLICY, Facts(flags=(flag,))) == [flag]


def test_a_new_author_is_held_where_the_site_wants_it() -> None:
    policy = replace(POLICY, new_author=True)
    assert codes(policy, Facts(author_approved=0)) == ["new_author"]
    assert codes(policy, Facts(author_approved=1)) == []


def test_all_rules_run_and_the_strongest_reason_comes_first() -> None:
    facts = replace(toxic(0.95), links=3, folded="slot gacor", flags=("honeypot",))
    assert codes(POLICY, facts) == ["signal_over_reject", "word_list", "links", "honeypot"]


POST = replace(POLICY, mode="post")


def test_publishing_first_passes_what_only_a_hold_mark_or_a_hold_rule_stands_against() -> None:
    facts = replace(toxic(0.6), links=3, folded="slot gacor", hidden=2)
    verdict = judge(replace(POST, new_author=True), facts)
    assert verdict.action == "approve"
    assert {reason.code for reason in verdict.reasons} == POST_PASSES  # noted all the same


def test_publishing_first_holds_or_rejects_what_is_above_the_reject_mark() -> None:
    assert judge(POST, toxic(0.95)).action == "hold"
    assert judge(replace(POST, auto_reject=True), toxic(0.95)).action == "reject"
    assert judge(POST, Facts(domains={"contoh-77.example": ((0, 5),)})).action == "hold"
    listed = replace(POST, word_lists=(WordList("judi", ("maxwin",), "reject"),))
    assert judge(listed, Facts(folded="maxwin")).action == "hold"


@pytest.mark.parametrize(
    "facts",
    [
        Facts(scored=False),
        Facts(scored=False, waiting=True),
        Facts(scored=False, failed=("builtin",)),
        Facts(supported=False),
        Facts(story_closed=True),
        Facts(premoderated_section="politik"),
        Facts(author_keys=frozenset({"name:Budi Spam"})),
        *(Facts(flags=(flag,)) for flag in FLAG_CODES),
    ],
)
def test_publishing_first_still_leaves_to_a_person_what_cannot_be_judged(facts: Facts) -> None:
    assert judge(POST, facts).action == "hold"


def test_the_rules_of_a_story_hold_and_name_themselves() -> None:
    verdict = judge(POLICY, Facts(story_closed=True, premoderated_section="politik"))
    assert verdict.action == "hold"
    assert [(r.code, r.detail) for r in verdict.reasons] == [
        ("story_closed", ""),
        ("premoderated_section", "politik"),
    ]


@pytest.mark.parametrize("mode", ["pre", "auto", "post"])
@pytest.mark.parametrize("scored", [True, False])
def test_a_banned_author_is_rejected_in_every_mode_for_a_person_ordered_it(mode: str, scored: bool) -> None:
    verdict = judge(replace(POLICY, mode=mode), replace(toxic(0.1), scored=scored, author_standing="banned"))
    assert verdict.action == "reject"
    assert verdict.reasons[0].code == "author_banned"


@pytest.mark.parametrize("mode", ["pre", "auto", "post"])
def test_an_author_whose_comments_are_all_held_is_held_in_every_mode(mode: str) -> None:
    verdict = judge(replace(POLICY, mode=mode), replace(toxic(0.1), author_standing="held"))
    assert verdict.action == "hold"
    assert verdict.reasons[0].code == "author_held"


def test_a_trusted_author_passes_what_only_a_hold_rule_stands_against() -> None:
    facts = replace(toxic(0.6), links=3, folded="slot gacor", hidden=2, author_standing="trusted")
    verdict = judge(replace(POLICY, new_author=True), facts)
    assert verdict.action == "approve"
    assert {reason.code for reason in verdict.reasons} == POST_PASSES | {"author_trusted"}
    assert verdict.reasons[-1].action == "approve"


@pytest.mark.parametrize(
    "facts",
    [
        toxic(0.95),
        Facts(scored=False),
        Facts(supported=False),
        Facts(domains={"contoh-77.example": ((0, 5),)}),
        Facts(story_closed=True),
        Facts(story_premoderated=True),
        *(Facts(flags=(flag,)) for flag in FLAG_CODES),
    ],
)
def test_trust_does_not_pass_what_a_person_has_to_see(facts: Facts) -> None:
    assert judge(POLICY, replace(facts, author_standing="trusted")).action == "hold"
    assert judge(replace(POLICY, mode="pre"), Facts(author_standing="trusted")).action == "hold"


def test_trust_is_named_only_where_it_made_a_difference() -> None:
    assert codes(POLICY, replace(toxic(0.1), author_standing="trusted")) == []


@pytest.mark.parametrize("mode", ["auto", "post"])
def test_a_story_that_a_person_wants_held_holds_in_every_mode(mode: str) -> None:
    verdict = judge(replace(POLICY, mode=mode), Facts(story_premoderated=True))
    assert (verdict.action, [reason.code for reason in verdict.reasons]) == ("hold", ["premoderated_story"])


@pytest.mark.parametrize("mode", ["pre", "auto", "post"])
def test_what_was_ordered_for_newcomers_of_a_campaign_is_done_in_every_mode(mode: str) -> None:
    policy = replace(POLICY, mode=mode, auto_reject=False)
    assert judge(policy, Facts(campaign_order="reject")).action == "reject"
    assert judge(policy, Facts(campaign_order="reject", scored=False, waiting=True)).action == "reject"
    assert judge(policy, Facts(campaign_order="hold")).action == "hold"
    assert codes(policy, Facts(campaign_order="hold"))[0] == "campaign_order"
    assert "campaign_order" not in codes(policy, Facts())


def test_a_listed_word_is_whole_in_scripts_that_write_vowels_as_marks_too() -> None:
    listed = parse({"word_lists": [{"name": "x", "words": ["क", "slot"]}]})
    assert codes(listed, Facts(folded="क slot")) == ["word_list", "word_list"]
    assert codes(listed, Facts(folded="कित slotि")) == []


PLACE = ((3, 9),)
FOUND = Facts(
    phones={"+6281234567890": PLACE},
    veiled={("shortener", "bit.ly"): PLACE, ("messenger", "wa.me"): PLACE},
    brands={"pulau77": PLACE},
    advertises=True,
)


def test_what_may_be_an_advert_is_shown_and_speaks_against_nothing() -> None:
    verdict = judge(POLICY, FOUND)
    assert verdict.action == "approve"
    assert [(one.code, one.action, one.detail, one.spans) for one in verdict.reasons] == [
        ("brand", "note", "pulau77", PLACE),
        ("messenger", "note", "wa.me", PLACE),
        ("phone", "note", "+6281234567890", PLACE),
        ("shortener", "note", "bit.ly", PLACE),
    ]
    assert judge(replace(POLICY, auto_reject=True, mode="post"), FOUND).action == "approve"


def test_notes_stand_behind_every_reason() -> None:
    verdict = judge(replace(POLICY, mode="pre"), replace(FOUND, story_closed=True))
    assert [one.action for one in verdict.reasons] == ["hold", "hold", "note", "note", "note", "note"]


@pytest.mark.parametrize("code", BURST_CODES)
@pytest.mark.parametrize("mode", ["auto", "post"])
def test_a_crowd_holds_what_sells_something_and_an_authors_own_holds_always(code: str, mode: str) -> None:
    policy = replace(POLICY, mode=mode, **{code: 5})
    assert judge(policy, Facts(bursts={code: 4}, advertises=True)).reasons == ()
    assert judge(policy, Facts(bursts={code: 5}, advertises=True)).action == "hold"
    verdict = judge(policy, Facts(bursts={code: 5}))
    assert verdict.action == ("hold" if code == "burst_author" else "approve")
    assert [(one.code, one.value) for one in verdict.reasons] == [(code, 5.0)]
    assert judge(replace(policy, **{code: 0}), Facts(bursts={code: 999}, advertises=True)).reasons == ()


def test_a_trusted_author_may_write_much() -> None:
    facts = Facts(bursts=dict.fromkeys(BURST_CODES, 999), advertises=True, author_standing="trusted")
    verdict = judge(POLICY, facts)
    assert verdict.action == "approve"
    assert {one.action for one in verdict.reasons} == {"note"}


def test_hidden_characters_are_named_with_their_places() -> None:
    assert judge(POLICY, Facts(hidden=2, hidden_spans=((1, 3),))).reasons[0].spans == ((1, 3),)
