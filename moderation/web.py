"""What every web door needs: settings and database of the running app, bodies, keys, answers, headers."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, request
from marshmallow import Schema, ValidationError

from moderation import parsing
from moderation.accounts import sites, tokens
from moderation.accounts.models import Site
from moderation.accounts.moderators import Passwords
from moderation.db import Database
from moderation.errors import InvalidInput, MalformedInput, ModerationError, NotAllowed, NotAuthenticated
from moderation.moments import instant as instant  # the doors say web.instant
from moderation.settings import Settings

View = TypeVar("View", bound=Callable[..., Any])

CSP = (
    "default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


def settings() -> Settings:
    """The settings of the running app."""
    return cast(Settings, current_app.extensions["settings"])


def database() -> Database:
    """The database of the running app."""
    return cast(Database, current_app.extensions["database"])


def secret() -> bytes:
    """The installation's secret key."""
    return cast(bytes, current_app.extensions["secret"])


def passwords() -> Passwords:
    """The password hasher of the running app."""
    return cast(Passwords, current_app.extensions["passwords"])


def raw_body() -> bytes:
    """The body as it came, at most `max_body_bytes`. Raises TooLarge (through Flask) when it is longer."""
    return request.get_data(cache=False)


def json_body(schema: Schema, body: bytes | None = None, *, max_bytes: int | None = None) -> dict[str, Any]:
    """The body read strictly and loaded by `schema`; `max_bytes` where the route allows more than the settings do.

    Raises MalformedInput, TooLarge, or InvalidInput that names the first wrong field and lists all in its details.
    """
    if body is None:
        if max_bytes is not None:
            request.max_content_length = max_bytes
        if request.mimetype != "application/json":
            raise MalformedInput("Send the body as application/json.", field="content-type")
        body = raw_body()
    value = parsing.read_json(body, max_bytes=max_bytes or settings().max_body_bytes)
    return load(schema, value)


def load(schema: Schema, value: Any, path: str = "") -> dict[str, Any]:
    """`value`, which stands at `path` of the body, loaded by `schema`; raises InvalidInput naming the field."""
    if not isinstance(value, Mapping):
        raise InvalidInput("The body must be a JSON object.")
    try:
        return cast(dict[str, Any], schema.load(value))
    except ValidationError as error:
        fields = dict(_flat(error.messages_dict, path))
        name, message = next(iter(fields.items()))
        raise InvalidInput(f"{name}: {message}", field=name, details={"fields": fields}) from None


def _flat(messages: Any, path: str = "") -> Any:
    if isinstance(messages, Mapping):
        for name, item in messages.items():
            yield from _flat(item, f"{path}.{name}" if path and name != "_schema" else path or str(name))
    else:
        yield path or "body", " ".join(str(item) for item in messages) if isinstance(messages, list) else str(messages)


def bearer() -> str:
    """The key that the request carries as `Authorization: Bearer …`.

    Raises NotAuthenticated when there is none, NotAllowed for a moderator's personal token.
    """
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotAuthenticated("Send the site's API key as Authorization: Bearer <key>.")
    if key.strip().startswith(tokens.PREFIX):
        raise NotAllowed("This is a moderator's personal token; here a site's key is needed.", field="Authorization")
    return key.strip()


def site_of_key(session: Any) -> Site:
    """The site whose key the request carries. Raises NotAuthenticated."""
    return sites.by_key(session, bearer())


KNOWN_SECONDS = 10.0
"""How long a key that was looked up spares its site the look-up: so long may a change of the site's settings take."""


def likely_site() -> tuple[str, Site]:
    """The request's key and its site, if the key was valid a moment ago: what may be asked before a body is read.

    It spares a site in full flow a look-up per request. It is no proof: who acts on the key asks `sites.still_valid`
    (or `sites.by_key`) in the transaction of the deed. Raises NotAuthenticated for a key that is not valid.
    """
    key = bearer()
    known = cast(dict[str, tuple[float, Site]], current_app.extensions["likely_sites"])
    now = time.monotonic()
    until, site = known.get(key, (0.0, None))
    if site is None or until < now:
        with database().reading() as session:
            site = sites.by_key(session, key)
        if len(known) >= 1000:
            known.clear()
        known[key] = (now + KNOWN_SECONDS, site)
    return key, site


def query_int(name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query string. Raises InvalidInput naming it."""
    text = request.args.get(name)
    if text is None:
        return default
    number = parsing.whole_number(text)
    if number is None or not low <= number <= high:
        raise InvalidInput(
            "%(name)s must be a whole number from %(low)s to %(high)s.",
            field=name,
            values={"name": name, "low": low, "high": high},
        )
    return number


def form_int(name: str) -> int:
    """A whole number that a page wrote into its own form. Raises InvalidInput naming it."""
    number = parsing.whole_number(request.form.get(name, ""))
    if number is None:
        raise InvalidInput("%(name)s must be a whole number.", field=name, values={"name": name})
    return number


def error_body(error: ModerationError) -> dict[str, Any]:
    """The one shape of every error answer."""
    return {"error": {"code": error.code, "message": error.message, "field": error.field, "details": error.details}}


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer that nobody stores."""
    response = Response(
        json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain),
        status=status,
        mimetype="application/json",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def cacheable(value: Any, *, seconds: int) -> Response:
    """A public JSON answer with an ETag of its content: 304 when the browser has it already."""
    return kept(answer(value), seconds=seconds)


def kept(response: Response, *, seconds: int) -> Response:
    """A public answer that anybody may keep for `seconds`, and show stale thrice as long while they ask anew."""
    response.headers["Cache-Control"] = f"public, max-age={seconds}, stale-while-revalidate={3 * seconds}"
    return _unless_known(response)


def polled(value: Any) -> Response:
    """A JSON answer to a page that asks again and again, with an ETag of its content: 304 while nothing has changed."""
    response = answer(value)
    response.headers["Cache-Control"] = "private, no-cache"
    return _unless_known(response)


def _unless_known(response: Response) -> Response:
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    return cast(Response, response.make_conditional(request))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def wants_json() -> bool:
    """Whether the caller rather takes JSON than a page."""
    best = request.accept_mimetypes.best_match(("text/html", "application/json"), default="application/json")
    return best == "application/json"


def csrf_token(holder: str) -> str:
    """The token that a form must carry: an HMAC of what only this browser's cookie holds."""
    return hmac.new(secret(), f"csrf:{holder}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def same_token(given: str, right: str) -> bool:
    """Compare two tokens in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


def documented(
    *,
    summary: str,
    tag: str,
    answers: Mapping[int, tuple[str, type[Schema] | None]],
    body: type[Schema] | None = None,
    form: type[Schema] | None = None,
    query: type[Schema] | None = None,
    security: str | None = None,
) -> Callable[[View], View]:
    """Describe a view for `/api/v1/openapi.json`; a test holds every public route to having one."""

    def mark(view: View) -> View:
        view.__openapi__ = {  # type: ignore[attr-defined]  # a note on the function, read by moderation.openapi
            "summary": summary,
            "tag": tag,
            "answers": dict(answers),
            "body": body,
            "form": form,
            "query": query,
            "security": security,
        }
        return view

    return mark


def add_headers(app: Flask) -> None:
    """Security headers on every answer."""

    @app.after_request
    def _headers(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", CSP)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if response.mimetype == "text/html":
            response.headers.setdefault("Cache-Control", "no-store")
        if settings().cookies_secure:
            response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
        return response
