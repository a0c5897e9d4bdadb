"""The same way of a comment on servers: PostgreSQL with RabbitMQ by the lines of deploy/Procfile, and Redis."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import product
from bench.product import Product
from bench.receiver import Receiver
from moderation import queues
from tests.flow.conftest import Family
from tests.flow.helpers import EMAIL, FRIENDLY, INSULT, PASSWORD, Browser, SiteServer, eventually

pytestmark = pytest.mark.flow


def procfile() -> dict[str, str]:
    """Name → command line of each kind of process."""
    lines = (product.ROOT / "deploy" / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line.strip())}


def test_the_main_flow_on_postgresql_and_rabbitmq(
    postgres_database: str, rabbitmq: str, family: Family, told: Receiver, tmp_path: Path
) -> None:
    port = product.free_port()
    settings = {
        "MODERATION_DATABASE_URL": postgres_database,
        "MODERATION_BROKER_URL": rabbitmq,
        "MODERATION_SECRET_KEY": "k" * 40,
    }
    env = product.environment(tmp_path, port, settings)
    site = product.add_site(env, told.url)  # migrates the empty database
    told.secret = site.webhook_secret
    add_user = [product.script("moderation"), "users", "add", EMAIL, "--role", "administrator", "--password", PASSWORD]
    subprocess.run(add_user, env=env, cwd=product.ROOT, check=True, capture_output=True)

    lines = procfile()
    assert lines.keys() == {
        "web",
        queues.SCORING,
        queues.DELIVERY,
        queues.HOUSEKEEPING,
        queues.BULK,
        queues.RESCORING,
        "beat",
    }
    for name, line in lines.items():
        family.start(name, line, env)
    family.wait_ready(port)

    server, moderator = SiteServer(port, site), Browser(port)
    friendly, insult = server.post("c1", FRIENDLY), server.post("c2", INSULT)
    assert server.judged(friendly)["status"] == "APPROVED"
    assert server.judged(insult)["status"] == "HELD"
    moderator.log_in()
    assert f'id="c-{insult}"' in moderator.page("/queue")
    moderator.decide(insult, decision="approve")
    heard = eventually("three events are heard", lambda: told.heard[:] if len(told.heard) >= 3 else None)
    assert told.faults == []
    assert [(item.sequence, item.status) for item in heard if item.comment_id == insult] == [
        (1, "HELD"),
        (2, "APPROVED"),
    ]
    assert [(item.sequence, item.status) for item in heard if item.comment_id == friendly] == [(1, "APPROVED")]
    assert family.ended() == []


def test_a_comment_is_judged_with_redis_as_the_broker(redis: str, install: Callable[..., Product]) -> None:
    installed = install(broker_url=redis)
    site = product.add_site(installed.env)
    installed.start()
    installed.wait_ready()
    server = SiteServer(installed.port, site)
    assert server.judged(server.post("c1", FRIENDLY))["status"] == "APPROVED"
    assert not (installed.folder / "broker").exists()  # it was Redis that carried the nudge
