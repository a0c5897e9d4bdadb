"""What is better is said with intervals: chance, harm and too little evidence are no reason to promote."""

import numpy as np

from moderation.scoring import comparing, learning

RNG = np.random.default_rng(5)
LABELS = (np.arange(400) % 2).astype(np.int64)
GOOD = np.clip(0.3 * LABELS + RNG.uniform(0.2, 0.6, 400), 0, 1)
CHANCE = RNG.uniform(0, 1, 400)


def objections(before: np.ndarray, after: np.ndarray, **more: object) -> list[str]:
    return comparing.objections({"spam": comparing.compare(LABELS, before, after, 0.5, 0.5) | more}, better=True)


def test_what_ranks_better_beyond_chance_is_better() -> None:
    assert objections(CHANCE, GOOD) == []


def test_what_says_the_same_is_not_better() -> None:
    (reason,) = objections(GOOD, GOOD)
    assert "beyond chance" in reason


def test_what_ranks_worse_or_is_further_off_is_refused_with_its_reasons() -> None:
    reasons = " ".join(objections(GOOD, CHANCE))
    assert "ranks the decided comments worse" in reasons
    assert "further off" in reasons


def test_what_would_hold_much_that_passed_is_refused() -> None:
    (reason,) = objections(CHANCE, GOOD, passed={"comments": 100, "before": 0.01, "after": 0.2})
    assert "approved without a person" in reason


def test_nothing_measured_is_no_reason_to_promote() -> None:
    assert comparing.objections({}, better=False) != []


def test_the_least_of_a_convex_function_is_found() -> None:
    scales = np.array([1.0, 10.0, 100.0])
    found = learning.minimise(lambda at: (float(scales @ (at - 3.0) ** 2), 2 * scales * (at - 3.0)), np.zeros(3))
    assert np.allclose(found, 3.0, atol=1e-2)
