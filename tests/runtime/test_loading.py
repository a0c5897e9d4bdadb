"""Processes load what they need: a command its own room, a worker the tasks of its own queues."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from moderation import queues
from moderation.cli import ROOMS, cli

ROOT = Path(__file__).parent.parent.parent

WORKERS = """
import json, sys
from celery.signals import celeryd_init
import workers.app as door

def load(queues):
    celeryd_init.send(sender="test", instance=None, conf=door.app.conf, options={"queues": queues})
    return sorted(name for name in door.app.tasks if name.startswith("workers."))

delivery = load(["delivery"])
light = "numpy" not in sys.modules
print(json.dumps([delivery, light, load(["scoring_detoxify"]), load(None)]))
"""

LEFT_OUT = """
import sys, moderation.health.commands
heavy = ["numpy", "alembic.command"]
print([name for name in heavy if name in sys.modules])
sys.argv[1:] = ["-Q", "delivery"]
import celery.apps.worker
celery.apps.worker.Worker.start = lambda _: print([name for name in ("celery.bin", *heavy) if name in sys.modules])
import runpy
runpy.run_module("workers", run_name="__main__")
"""

BROKEN = """
import importlib
from celery.signals import celeryd_init
import workers.app as door
door.app.loader.import_task_module = importlib.import_module
door.task_modules = lambda _: ["workers.none"]
celeryd_init.send(sender="test", instance=None, conf=door.app.conf, options={"queues": ["bulk"]})
"""


def run(code: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "MODERATION_DATA_DIR": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize("module", ROOMS)
def test_a_room_brings_the_commands_that_are_said_of_it(module: str) -> None:
    adds_to = {"rescoring.policy_commands"}
    group = click.Group()
    importlib.import_module(f"moderation.{module}").register(group)
    assert set(group.commands) == (set() if module in adds_to else set(ROOMS[module]))


def test_the_group_of_policies_has_the_commands_of_both_its_rooms() -> None:
    policy = cli.get_command(click.Context(cli), "policy")
    assert isinstance(policy, click.Group)
    assert {"show", "publish", "simulate", "draft"} <= set(policy.commands)
    assert cli.get_command(click.Context(cli), "nothing") is None


def test_a_worker_has_the_tasks_of_its_queues_and_one_without_queues_has_all(tmp_path: Path) -> None:
    done = run(WORKERS, tmp_path)
    assert done.returncode == 0, done.stderr
    delivery, light, detoxify, everything = json.loads(done.stdout)
    assert delivery == [queues.TASK_DELIVER]
    assert light  # what tells sites does not load what judges texts
    assert queues.TASK_SCORE_DETOXIFY in detoxify
    assert everything == sorted(queues.TASK_QUEUES)


def test_a_worker_whose_tasks_cannot_be_loaded_ends(tmp_path: Path) -> None:
    done = run(BROKEN, tmp_path)
    assert done.returncode == 1
    assert "the tasks of ['bulk'] cannot be loaded" in done.stderr


def test_neither_the_supervisor_nor_a_worker_loads_what_only_commands_need(tmp_path: Path) -> None:
    done = run(LEFT_OUT, tmp_path)
    assert (done.returncode, done.stdout.split()) == (0, ["[]", "[]"]), done.stderr
