"""A scoring worker whose scorer cannot be loaded: one line in the log, and not the same work again by every nudge."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

BROKEN = """
import json, logging, time
import workers.scoring as door
from moderation.scoring import registry
from moderation.scoring.scorer import ScorerError

asked, beats = [], []

def make(name, settings):
    asked.append(name)
    raise ScorerError("The weights are damaged.")

registry.make_scorer = make
registry.available = lambda _: ("detoxify",)
door._pulses["detoxify"].beat = beats.append
for _ in range(5):
    door.score_due_detoxify()
now = time.monotonic()
time.monotonic = lambda: now + door.RETRY + 1
door.score_due_detoxify()
print(json.dumps([asked, beats]))
"""


def test_a_scorer_that_cannot_be_loaded_is_left_alone_for_a_while_and_gives_no_sign_of_life(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MODERATION_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", BROKEN], env=env, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    asked, beats = json.loads(done.stdout)
    assert asked == ["detoxify", "detoxify"]  # once for five nudges, and once more when the while is over
    assert beats == []
    assert done.stderr.count("detoxify cannot judge: The weights are damaged.") == 2
    assert "Traceback" not in done.stderr
