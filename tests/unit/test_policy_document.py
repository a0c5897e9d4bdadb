"""A policy document is checked once; what is wrong in it is named."""

from typing import Any

import pytest

from moderation.errors import InvalidInput
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import BURSTS, parse


def test_the_default_policy_is_valid_and_never_rejects_by_itself() -> None:
    policy = parse(DEFAULT_DOCUMENT)
    assert policy.mode == "auto"
    assert policy.auto_reject is False
    assert policy.max_links == 2
    assert policy.band("builtin", "spam") is not None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"mode": "later"}, "mode"),
        ({"modes": "auto"}, "modes"),
        ({"max_links": -1}, "max_links"),
        ({"max_links": True}, "max_links"),
        ({"max_links": 1001}, "max_links"),
        ({"burst_author": "ten"}, "burst_author"),
        ({"burst_author": 201}, "burst_author"),
        ({"burst_network": 1}, "burst_network"),
        ({"burst_site": -5}, "burst_site"),
        ({"repeated_text": 2.0}, "repeated_text"),
        ({"auto_reject": "yes"}, "auto_reject"),
        ({"bands": []}, "bands"),
        ({"bands": {"builtin": {"anger": {"hold": 0.5}}}}, "bands.builtin.anger"),
        ({"bands": {"builtin": {"spam": {"hold": 2}}}}, "bands.builtin.spam.hold"),
        ({"bands": {"builtin": {"spam": {"hold": float("nan")}}}}, "bands.builtin.spam.hold"),
        ({"bands": {"builtin": {"spam": {"hold": 0.8, "reject": 0.5}}}}, "bands.builtin.spam.reject"),
        ({"word_lists": [{"words": "slot"}]}, "word_lists.0.words"),
        ({"word_lists": [{"words": [""]}]}, "word_lists.0.words.0"),
        ({"word_lists": [{"words": ["a"], "action": "delete"}]}, "word_lists.0.action"),
        ({"blocked_domains": [7]}, "blocked_domains.0"),
    ],
)
def test_a_wrong_field_is_named(document: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse(document)
    assert error.value.field == field


def test_a_policy_without_numbers_for_floods_has_the_usual_ones_and_zero_switches_a_rule_off() -> None:
    assert {name: getattr(parse({}), name) for name in BURSTS} == BURSTS
    assert {name: DEFAULT_DOCUMENT[name] for name in BURSTS} == BURSTS
    assert parse({"burst_author": 0}).burst_author == 0
