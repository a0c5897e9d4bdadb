"""The JSON queue, its lists: whose token it is, the tabs, the search and saved searches; see docs/queue-api.md.

Besides: api_comment_views.py (one comment, and what is done with it), api_groups_views.py (bulk jobs, groups) and
api_people_views.py (authors, articles, second looks, statistics); what all of them need is in api_shared_views.py.
"""

from flask import Blueprint, Response, g, request

from moderation import web
from moderation.accounts import auth, sites
from moderation.accounts.models import Moderator
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import InvalidInput
from moderation.review import api_bodies, queue, saved_views, searching
from moderation.review import api_card_schemas as carded
from moderation.review import api_given_schemas as asked
from moderation.review import api_schemas as shapes
from moderation.review.api_shared_views import (
    ERRORS,
    NOT_THERE,
    READ_ERRORS,
    TAG,
    after,
    card_bodies,
    chosen_sites,
    me_in,
    number,
    parsed,
    zone,
)

queue_api = Blueprint("queue_api", __name__, url_prefix="/api/v1")

VIEW = asked.NewViewSchema()


# --- who I am, lists ---


@queue_api.get("/me")
@auth.token_required
@web.documented(
    summary="Whose token it is, and the sites that it opens",
    tag=TAG,
    security="token",
    answers={200: ("Name, role, sites.", carded.MeSchema), **READ_ERRORS},
)
def who_am_i() -> Response:
    """The moderator and their sites."""
    me: Moderator = g.me
    with web.database().reading() as session:
        mine = sites.of_ids(session, g.site_ids)
    return web.answer(
        {
            "id": str(me.id),
            "name": me.name,
            "role": me.role,
            "sites": [
                {"id": str(site.id), "public_id": site.public_id, "name": site.name, "timezone": site.timezone}
                for site in mine
            ],
        }
    )


@queue_api.get("/queue")
@auth.token_required
@web.documented(
    summary="A page of the queue",
    tag=TAG,
    security="token",
    query=asked.QueueQuery,
    answers={200: ("Twenty cards at most.", carded.CardListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def listed() -> Response:
    """A page of a tab, in one of its orders."""
    tab = _tab()
    sort = request.args.get("sort") or queue.SORTS_OF[tab][0]
    site_ids = chosen_sites(request.args.get("site"))
    begin = request.args.get("after") or None
    with web.database().reading() as session:
        found, following = queue.page(session, site_ids, tab, sort=sort, after=begin, me=g.me, now=utcnow())
        return web.answer({"comments": card_bodies(session, found, g.me), "next": following})


@queue_api.get("/queue/counts")
@auth.token_required
@web.documented(
    summary="How many comments stand under each tab, and what has come since",
    tag=TAG,
    security="token",
    query=asked.CountsSinceQuery,
    answers={200: ("Exact counts.", carded.TabCountsSchema), 404: NOT_THERE, **READ_ERRORS},
)
def counts() -> Response:
    """The counts of the tabs; with `since`, how many came under `tab`."""
    tab, site_ids = _tab(), chosen_sites(request.args.get("site"))
    since = web.query_int("since", 0, 0, 10**18) if request.args.get("since") else None
    with web.database().reading() as session:
        return web.answer(
            {
                "counts": queue.counts(session, site_ids, g.me, utcnow()),
                "oldest_at": queue.oldest(session, site_ids),
                "new": None if since is None else queue.arrived_since(session, site_ids, tab, since),
                "mark": str(queue.newest(session, site_ids, tab)),
            }
        )


@queue_api.get("/search")
@auth.token_required
@web.documented(
    summary="Search comments",
    tag=TAG,
    security="token",
    query=asked.SearchQuery,
    answers={200: ("Twenty cards at most, newest first.", shapes.FoundSchema), 404: NOT_THERE, **READ_ERRORS},
)
def search() -> Response:
    """What a line of the query language finds (docs/search.md); days are those of my oldest site's zone."""
    q, site_ids = request.args.get("q", ""), chosen_sites(request.args.get("site"))
    if not q.strip():
        raise InvalidInput("Say what to look for: ?q=<words and filters>.", field="q")
    with web.database().reading() as session:
        found = searching.page(session, site_ids, parsed(session, q), after=after() or None)
        return web.answer(
            {
                "comments": card_bodies(session, found.comments, g.me),
                "next": api_bodies.name_of(found.next),
                "count": found.count,
                "more_than": found.more_than,
                "reached": found.reached,
            }
        )


# --- saved views ---


@queue_api.get("/views")
@auth.token_required
@web.documented(
    summary="Searches that the team keeps under a name",
    tag=TAG,
    security="token",
    answers={200: ("By name.", shapes.SavedViewsSchema), **READ_ERRORS},
)
def views() -> Response:
    """Everybody's saved views."""
    with web.database().reading() as session:
        return web.answer(
            {
                "views": [
                    {"id": str(view.id), "name": view.name, "q": view.query, "who": view.moderator}
                    for view in saved_views.listed(session)
                ]
            }
        )


@queue_api.post("/views")
@auth.token_required
@web.documented(
    summary="Keep a search under a name",
    tag=TAG,
    security="token",
    body=asked.NewViewSchema,
    answers={
        201: ("Kept; `q` in its plainest form.", shapes.SavedViewSchema),
        409: ("There is one of that name, or there are too many.", ErrorSchema),
        **ERRORS,
    },
)
def save_view() -> Response:
    """For the whole team."""
    given = web.json_body(VIEW)
    with web.database().transaction() as session:
        me = me_in(session)
        view = saved_views.add(session, given["name"], given["q"], me, now=utcnow(), tz=zone(session))
        body = {"id": str(view.id), "name": view.name, "q": view.query, "who": me.name}
    return web.answer(body, 201)


@queue_api.delete("/views/<view_id>")
@auth.token_required
@web.documented(
    summary="Take a saved view off the list",
    tag=TAG,
    security="token",
    answers={200: ("Gone.", shapes.GoneSchema), 404: NOT_THERE, **READ_ERRORS},
)
def remove_view(view_id: str) -> Response:
    """One's own, or as a senior any."""
    wanted = number(view_id, "There is no such saved view.")
    with web.database().transaction() as session:
        saved_views.remove(session, wanted, me_in(session), now=utcnow())
    return web.answer({"id": str(wanted)})


def _tab() -> str:
    tab = request.args.get("tab") or "held"
    if tab not in queue.TABS:
        raise InvalidInput(f"tab must be one of {', '.join(queue.TABS)}.", field="tab")
    return tab
