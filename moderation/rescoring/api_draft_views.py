"""Drafts of policies for seniors' own tools, with a personal token: write, simulate, run as a shadow, publish."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth
from moderation.accounts.models import Site
from moderation.accounts.moderators import actor, senior
from moderation.db import utcnow
from moderation.policy import drafts, store
from moderation.policy.commands import MAX_BYTES
from moderation.policy.document import parse
from moderation.policy.models import PolicyDraft
from moderation.rescoring import api_policy_schemas as shapes
from moderation.rescoring import columns, policy_bodies, simulator
from moderation.rescoring.api_policy_views import LATE, TAG, named, site_in
from moderation.rescoring.policy_views import hashed
from moderation.review.api_shared_views import ERRORS, NOT_THERE, READ_ERRORS, me_in, number

drafts_api = Blueprint("drafts_api", __name__, url_prefix="/api/v1")

NEW, EDIT, PUBLISH, SWITCH = (
    shapes.NewDraftSchema(),
    shapes.EditDraftSchema(),
    shapes.PublishSchema(),
    shapes.SwitchSchema(),
)

BODY = "document"
"""Where a policy stands in a body."""


def draft_in(session: Session, draft_id: str, *, lock: bool = False) -> PolicyDraft:
    """A draft of my sites, by the id of the address. Raises NotFound."""
    return drafts.get(session, g.site_ids, number(draft_id, drafts.NO_DRAFT), lock=lock)


@drafts_api.get("/policies/<site_id>/drafts")
@auth.token_required
@web.documented(
    summary="A site's open drafts",
    tag=TAG,
    security="token",
    answers={200: ("The one changed last first.", shapes.DraftListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def of_site(site_id: str) -> Response:
    """Without their documents."""
    senior(g.me)
    with web.database().reading() as session:
        found = drafts.of_site(session, site_in(session, site_id).id)
        return web.answer({"drafts": [policy_bodies.draft(one) for one in found]})


@drafts_api.post("/policies/<site_id>/drafts")
@auth.token_required
@web.documented(
    summary="Begin a draft",
    tag=TAG,
    security="token",
    body=shapes.NewDraftSchema,
    answers={
        201: ("Begun.", shapes.WholeDraftSchema),
        404: NOT_THERE,
        409: ("Too many are open.", LATE[1]),
        **ERRORS,
    },
)
def begin(site_id: str) -> Response:
    """From the live policy, or from a document of yours. Blocked `email:` entries are kept as their keyed hash."""
    given, now = web.json_body(NEW, max_bytes=MAX_BYTES), utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        site = site_in(session, site_id)
        document = None if given[BODY] is None else _kept(site.id, given[BODY])
        made = drafts.create(session, site.id, by=actor(me), now=now, name=given["name"], document=document)
        return web.answer(_whole(session, made), 201)


@drafts_api.get("/policies/drafts/<draft_id>")
@auth.token_required
@web.documented(
    summary="A draft beside the live policy",
    tag=TAG,
    security="token",
    answers={200: ("With its document.", shapes.WholeDraftSchema), 404: NOT_THERE, **READ_ERRORS},
)
def draft_now(draft_id: str) -> Response:
    """Published or not."""
    senior(g.me)
    with web.database().reading() as session:
        return web.answer(_whole(session, draft_in(session, draft_id)))


@drafts_api.put("/policies/drafts/<draft_id>")
@auth.token_required
@web.documented(
    summary="Give a draft another document, or another name",
    tag=TAG,
    security="token",
    body=shapes.EditDraftSchema,
    answers={200: ("As it is now.", shapes.WholeDraftSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def edit(draft_id: str) -> Response:
    """A shadow whose policy changes begins to count anew."""
    given, now = web.json_body(EDIT, max_bytes=MAX_BYTES), utcnow()
    with web.database().transaction() as session:
        senior(me_in(session))
        draft = draft_in(session, draft_id, lock=True)
        document = _kept(draft.site_id, given[BODY]) if BODY in given else draft.document
        drafts.edit(session, draft, document, now=now, name=given.get("name"), seen=given["seen"])
        session.flush()
        return web.answer(_whole(session, draft))


@drafts_api.delete("/policies/drafts/<draft_id>")
@auth.token_required
@web.documented(
    summary="Throw a draft away",
    tag=TAG,
    security="token",
    answers={204: ("Gone, with what its shadow counted.", None), 404: NOT_THERE, 409: LATE, **READ_ERRORS},
)
def discard(draft_id: str) -> Response:
    """One that was published stays."""
    with web.database().transaction() as session:
        me = senior(me_in(session))
        drafts.discard(session, draft_in(session, draft_id, lock=True), by=actor(me), now=utcnow())
    return Response(status=204)


@drafts_api.get("/policies/drafts/<draft_id>/simulation")
@auth.token_required
@web.documented(
    summary="What a draft would have done with its site's last comments",
    tag=TAG,
    security="token",
    query=shapes.SimulationQuery,
    answers={200: ("Beside the live policy.", shapes.SimulationSchema), 404: NOT_THERE, **READ_ERRORS},
)
def simulation(draft_id: str) -> Response:
    """From stored scores and texts; no model runs and nothing is changed."""
    senior(g.me)
    last = web.query_int("last", simulator.USUAL, 1, columns.MOST)
    samples = web.query_int("samples", simulator.SAMPLES, 0, shapes.MAX_SAMPLES)
    with web.database().reading() as session:
        draft = draft_in(session, draft_id)
        made = simulator.simulate(
            session,
            session.get_one(Site, draft.site_id),
            store.live(session, draft.site_id),
            parse(draft.document),
            now=utcnow(),
            most=last,
            samples=samples,
        )
    return web.answer(made.as_json())


@drafts_api.get("/policies/drafts/<draft_id>/shadow")
@auth.token_required
@web.documented(
    summary="What a draft's shadow has said beside the live policy",
    tag=TAG,
    security="token",
    answers={200: ("Counted.", shapes.ShadowSchema), 404: NOT_THERE, **READ_ERRORS},
)
def shadow(draft_id: str) -> Response:
    """Since it was switched on."""
    senior(g.me)
    with web.database().reading() as session:
        draft = draft_in(session, draft_id)
        return web.answer(policy_bodies.shadow(draft.shadow, drafts.tally(session, draft.id)))


@drafts_api.put("/policies/drafts/<draft_id>/shadow")
@auth.token_required
@web.documented(
    summary="Let a draft judge live comments beside the live policy, or no longer",
    tag=TAG,
    security="token",
    body=shapes.SwitchSchema,
    answers={200: ("As it is now.", shapes.ShadowSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def switch(draft_id: str) -> Response:
    """It is counted and decides nothing. Switching it on begins the count anew."""
    given, now = web.json_body(SWITCH), utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        draft = draft_in(session, draft_id, lock=True)
        drafts.set_shadow(session, draft, given["on"], by=actor(me), now=now)
        return web.answer(policy_bodies.shadow(draft.shadow, drafts.tally(session, draft.id)))


@drafts_api.post("/policies/drafts/<draft_id>/publish")
@auth.token_required
@web.documented(
    summary="Make a draft its site's next version",
    tag=TAG,
    security="token",
    body=shapes.PublishSchema,
    answers={200: ("The new version.", shapes.WholePolicyVersionSchema), 404: NOT_THERE, 409: LATE, **ERRORS},
)
def publish(draft_id: str) -> Response:
    """Comments that are judged from now on follow it; what is decided stays."""
    given, now = web.json_body(PUBLISH), utcnow()
    with web.database().transaction() as session:
        me = senior(me_in(session))
        draft = draft_in(session, draft_id, lock=True)
        drafts.publish(session, draft, by=actor(me), now=now, seen=given["seen"], seen_live=given["seen_live"])
        return web.answer(policy_bodies.whole_version(draft.site_id, drafts.history(session, draft.site_id)[0]))


def _whole(session: Session, draft: PolicyDraft) -> policy_bodies.Body:
    return policy_bodies.whole_draft(draft, *store.live_document(session, draft.site_id))


def _kept(site_id: int, document: Mapping[str, Any]) -> dict[str, Any]:
    """A document that was sent, as it is kept. Raises InvalidInput naming the field of the body."""
    with named(BODY):
        parse(document)
    return {
        name: [hashed(site_id, entry) for entry in value] if name == "blocked_authors" else value
        for name, value in document.items()
    }
