"""Policies for seniors' own tools, with a personal token: what is live, its history, threshold advice.

Drafts are in rescoring/api_draft_views.py.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import parsing, web
from moderation.accounts import auth, sites
from moderation.accounts.models import Site
from moderation.accounts.moderators import actor, senior
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.policy import drafts, store
from moderation.rescoring import advice as advising
from moderation.rescoring import api_policy_schemas as shapes
from moderation.rescoring import columns, policy_bodies
from moderation.review.api_shared_views import ERRORS, NOT_THERE, READ_ERRORS, chosen_sites, me_in

policies_api = Blueprint("policies_api", __name__, url_prefix="/api/v1")

TAG = "policies"
REVERT = shapes.RevertSchema()

LATE: tuple[str, Any] = ("The draft or the live policy is another one by now, or nothing would change.", ErrorSchema)


def site_in(session: Session, site_id: str) -> Site:
    """A site of mine, by the id of the address. Raises NotFound."""
    return sites.of_ids(session, chosen_sites(site_id))[0]


def document_of(session: Session, site_id: int, which: str, name: str) -> Mapping[str, Any]:
    """The document that a query's field `name` asks for: a version's number, `live` or `draft:7`. Raises InvalidInput,
    NotFound."""
    if which == "live":
        return store.live_document(session, site_id)[0]
    kind, colon, digits = which.rpartition(":")
    number = parsing.whole_number(digits, 9)
    if number is None or (kind, colon) not in (("", ""), ("draft", ":")):
        raise InvalidInput("Name a version by its number, live, or draft:NUMBER.", field=name)
    if kind:
        found: Mapping[str, Any] = drafts.get(session, [site_id], number).document
        return found
    return drafts.version_of(session, site_id, number).document


@contextmanager
def named(prefix: str) -> Iterator[None]:
    """What a policy finds wrong inside is named as it stands in the body."""
    try:
        yield
    except InvalidInput as error:
        if error.field is not None:
            error.field = f"{prefix}.{error.field}"
        raise


@policies_api.get("/policies")
@auth.token_required
@web.documented(
    summary="The live policies of my sites",
    tag=TAG,
    security="token",
    query=shapes.PoliciesQuery,
    answers={200: ("By site.", shapes.PolicyListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def listed() -> Response:
    """Seniors and administrators, as everywhere here."""
    senior(g.me)
    wanted = chosen_sites(request.args.get("site"))
    with web.database().reading() as session:
        found = [policy_bodies.whole_version(site_id, drafts.history(session, site_id)[0]) for site_id in wanted]
    return web.answer({"policies": found})


@policies_api.get("/policies/<site_id>/versions")
@auth.token_required
@web.documented(
    summary="The history of a site's policy",
    tag=TAG,
    security="token",
    answers={200: ("The live version first.", shapes.PolicyHistorySchema), 404: NOT_THERE, **READ_ERRORS},
)
def history(site_id: str) -> Response:
    """Each version with what it changed of the one before."""
    senior(g.me)
    with web.database().reading() as session:
        number = site_in(session, site_id).id
        return web.answer({"versions": policy_bodies.history(number, drafts.history(session, number))})


@policies_api.get("/policies/<site_id>/versions/<version>")
@auth.token_required
@web.documented(
    summary="A version of a site's policy",
    tag=TAG,
    security="token",
    answers={200: ("With its document.", shapes.WholePolicyVersionSchema), 404: NOT_THERE, **READ_ERRORS},
)
def version_now(site_id: str, version: str) -> Response:
    """By its number, or `live`."""
    senior(g.me)
    with web.database().reading() as session:
        number = site_in(session, site_id).id
        if version == "live":
            found = drafts.history(session, number)[0]
        else:
            asked = parsing.whole_number(version, 9)
            if asked is None:
                raise InvalidInput("Name a version by its number, or live.", field="version")
            found = drafts.version_of(session, number, asked)
        return web.answer(policy_bodies.whole_version(number, found))


@policies_api.get("/policies/<site_id>/diff")
@auth.token_required
@web.documented(
    summary="What differs between two versions or drafts of a site",
    tag=TAG,
    security="token",
    query=shapes.DifferenceQuery,
    answers={200: ("Item by item.", shapes.PolicyDifferenceSchema), 404: NOT_THERE, **READ_ERRORS},
)
def difference(site_id: str) -> Response:
    """Each of `old` and `new` is a version's number, `live`, or `draft:7`."""
    senior(g.me)
    with web.database().reading() as session:
        number = site_in(session, site_id).id
        old = document_of(session, number, request.args.get("old", ""), "old")
        new = document_of(session, number, request.args.get("new", "live"), "new")
        return web.answer({"changes": policy_bodies.difference(old, new)})


@policies_api.get("/policies/<site_id>/advice")
@auth.token_required
@web.documented(
    summary="Marks that reach a wanted precision, from a site's own decisions",
    tag=TAG,
    security="token",
    query=shapes.AdviceQuery,
    answers={200: ("For every scorer and signal.", shapes.AdviceListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def advice(site_id: str) -> Response:
    """With confidence intervals and curves; says so where there are too few decisions."""
    senior(g.me)
    wanted = _share("precision", advising.USUAL_PRECISION)
    last = web.query_int("last", columns.MOST, 1, columns.MOST)
    with web.database().reading() as session:
        seen = columns.load(session, site_in(session, site_id), last, utcnow())
    return web.answer({"advice": [item.as_json() for item in advising.of_all(seen, wanted)]})


@policies_api.post("/policies/<site_id>/revert")
@auth.token_required
@web.documented(
    summary="Publish an old version of a site's policy once more",
    tag=TAG,
    security="token",
    body=shapes.RevertSchema,
    answers={
        200: ("The new version.", shapes.WholePolicyVersionSchema),
        404: NOT_THERE,
        409: LATE,
        **ERRORS,
    },
)
def revert(site_id: str) -> Response:
    """As the next version: the history loses nothing."""
    given, now = web.json_body(REVERT), utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        number = site_in(session, site_id).id
        drafts.revert(session, number, given["version"], by=actor(me), now=now, seen_live=given["seen_live"])
        return web.answer(policy_bodies.whole_version(number, drafts.history(session, number)[0]))


def _share(name: str, usual: float) -> float:
    try:
        value = float(request.args.get(name, usual))
    except ValueError:
        value = -1.0
    if not 0.01 <= value <= 1:  # NaN fails both comparisons
        raise InvalidInput(f"{name} must be a number from 0.01 to 1.", field=name)
    return value
