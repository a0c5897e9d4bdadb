"""`GET /api/v1/openapi.json`, made from the routes and their schemas, and a page that shows it. No foreign host."""

import re
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Flask, Response, current_app, render_template

from moderation import __version__, web

docs = Blueprint("docs", __name__)

PREFIXES = ("/api/", "/f/", "/webhooks/")
"""Routes under these are the public surface: each must be documented (a test holds them to it)."""

SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "The site's API key."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A moderator's personal token (`mod_…`, made under My account); see docs/queue-api.md.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks: webhook-id, webhook-timestamp and webhook-signature over the raw body.",
    },
}

SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp")


@docs.get("/api/v1/openapi.json")
@web.documented(summary="This description", tag="description", answers={200: ("OpenAPI 3.1.", None)})
def openapi() -> Response:
    """The OpenAPI document of the running version."""
    return web.cacheable(build(current_app._get_current_object()), seconds=60)  # type: ignore[attr-defined]  # the proxy's own way to its object


@docs.get("/api/docs")
@web.documented(summary="This description as a page", tag="description", answers={200: ("HTML.", None)})
def page() -> str:
    """The same for people."""
    return render_template("api_docs.html", spec=build(current_app._get_current_object()))  # type: ignore[attr-defined]  # the proxy's own way to its object


def build(app: Flask) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all documented routes of `app`."""
    spec = APISpec(
        title="Reader comment moderation",
        version=__version__,
        openapi_version="3.1.0",
        info={
            "description": "Send comments, learn how they were decided, read what is approved. Every decision comes "
            "back as the webhook `comment.decided`; see docs/connect.md.",
            "license": {"name": "Apache-2.0"},
        },
        plugins=[MarshmallowPlugin(schema_name_resolver=_name)],
    )
    for name, scheme in SECURITY.items():
        spec.components.security_scheme(name, scheme)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, sorted(rule.methods or ()))):
        note = getattr(app.view_functions[rule.endpoint], "__openapi__", None)
        if note is None:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            spec.path(path=path, operations={method.lower(): _operation(rule.rule, method, note)})
    return spec.to_dict()


def undocumented(app: Flask) -> list[str]:
    """Public routes without a description."""
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(PREFIXES) and not hasattr(app.view_functions[rule.endpoint], "__openapi__")
    ]


def _name(schema: Any) -> str:
    name = schema if isinstance(schema, str) else getattr(schema, "__name__", type(schema).__name__)
    return str(name).removesuffix("Schema")


def _operation(rule: str, method: str, note: dict[str, Any]) -> dict[str, Any]:
    slug = re.sub(r"\W+", "_", rule).strip("_")
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{slug}",
        "summary": note["summary"],
        "tags": [note["tag"]],
        "parameters": [
            {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"<(?:\w+:)?(\w+)>", rule)
        ],
        "responses": {str(code): _answer(code, text, schema) for code, (text, schema) in note["answers"].items()},
    }
    if note["query"] is not None:
        operation["parameters"].append({"in": "query", "schema": note["query"]})
    if note["security"] == "signature":
        operation["parameters"] += [
            {"in": "header", "name": name, "required": True, "schema": {"type": "string"}} for name in SIGNATURE_HEADERS
        ]
    if note["body"] is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": note["body"]}}}
    if note["form"] is not None:
        kind = "application/x-www-form-urlencoded"
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": note["form"]}}}
    if note["security"] is not None:
        operation["security"] = [{note["security"]: []}]
    return operation


def _answer(code: int, text: str, schema: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": text}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": schema}}
    if code == 429:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answer
