"""The table of allowed transitions, tested as one table."""

import pytest

from moderation.comments import status

ALLOWED = {
    ("PENDING", "PENDING"),
    ("PENDING", "HELD"),
    ("PENDING", "APPROVED"),
    ("PENDING", "REJECTED"),
    ("PENDING", "WITHDRAWN"),
    ("HELD", "APPROVED"),
    ("HELD", "REJECTED"),
    ("HELD", "PENDING"),
    ("HELD", "WITHDRAWN"),
    ("APPROVED", "HELD"),
    ("APPROVED", "REJECTED"),
    ("APPROVED", "PENDING"),
    ("APPROVED", "WITHDRAWN"),
    ("REJECTED", "HELD"),
    ("REJECTED", "APPROVED"),
    ("REJECTED", "PENDING"),
    ("REJECTED", "WITHDRAWN"),
    ("WITHDRAWN", "PENDING"),
}


@pytest.mark.parametrize("before", status.STATUSES)
@pytest.mark.parametrize("after", status.STATUSES)
def test_exactly_these_transitions_are_allowed(before: str, after: str) -> None:
    assert (after in status.TRANSITIONS[before]) == ((before, after) in ALLOWED)


def test_every_action_leads_to_a_status() -> None:
    assert status.BY_ACTION == {"approve": "APPROVED", "reject": "REJECTED", "hold": "HELD"}
