"""What the chaos run sends and whom it kills depends on the seed alone, and leaves nobody out."""

import os
import random
import subprocess
import sys
from collections import Counter

from bench import processes
from bench.chaos_smoke import CHILDREN, SUPERVISOR, plan
from bench.comments import make


def test_every_child_dies_at_least_twice_and_the_supervisor_once() -> None:
    for seed in range(50):
        victims = Counter(plan(random.Random(seed), 10))
        assert victims[SUPERVISOR] == 1
        assert sum(victims.values()) == 11
        assert min(victims[child] for child in CHILDREN) >= 2


def test_a_plan_of_any_length_can_be_made() -> None:
    for faults in range(12):
        assert len(plan(random.Random(1), faults)) == faults + 1


def test_a_seed_gives_the_same_plan_and_the_same_comments_again() -> None:
    assert plan(random.Random(5), 10) == plan(random.Random(5), 10)
    assert make(20, 5) == make(20, 5)
    assert make(20, 5) != make(20, 6)


def test_all_texts_differ_so_that_a_mixed_up_text_would_show() -> None:
    made = make(500, 3)
    assert len({item.text for item in made}) == 500
    assert {item.kind for item in made} == {"friendly", "gambling", "insult"}


def test_a_living_process_is_listed_with_its_parent_and_a_zombie_is_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert child.pid in {item.pid for item in processes.children(os.getpid())}
        assert child.pid in {item.pid for item in processes.descendants(os.getpid())}
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody has asked yet: a zombie
        assert child.pid not in {item.pid for item in processes.living()}
    finally:
        child.kill()
        child.communicate()
