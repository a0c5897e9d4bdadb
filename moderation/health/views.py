"""`/healthz`: the process answers. `/readyz`: comments can be taken and judged."""

from flask import Blueprint, Response

from moderation import web
from moderation.health import checks

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Response:
    """200 as long as this process answers."""
    return web.answer({"status": "ok"})


@health.get("/readyz")
def readyz() -> Response:
    """200 when nothing fatal is wrong, else 503 with the sentences."""
    found = [item for item in checks.examine(web.database(), web.settings()) if item.fatal]
    if not found:
        return web.answer({"status": "ready"})
    response = web.answer({"status": "not ready", "problems": [item.what for item in found]}, 503)
    response.headers["Retry-After"] = "1"
    return response
