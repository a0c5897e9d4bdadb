"""What all doors of the JSON queue need: who asks, for which sites, what may go wrong, and the usual answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, g
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import i18n, parsing, web
from moderation.accounts import auth, moderators, sites
from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import Conflict, NotFound
from moderation.review import api_bodies, cards, filters, notes, queue
from moderation.review import api_given_schemas as asked
from moderation.review.filters import Query
from moderation.review.groups import Decided

TAG = "queue"
"""Where the documentation of the API lists what is about comments of the queue."""

READ_ERRORS: dict[int, tuple[str, Any]] = {
    401: ("The token is missing, wrong or over.", ErrorSchema),
    403: ("A site's key is no moderator; or this is for seniors.", ErrorSchema),
    422: ("A field is wrong; it is named.", ErrorSchema),
    503: ("The database does not answer; try again.", ErrorSchema),
}
ERRORS: dict[int, tuple[str, Any]] = {
    400: ("The body cannot be read.", ErrorSchema),
    413: ("The body is too large.", ErrorSchema),
    **READ_ERRORS,
}
NOT_THERE: tuple[str, Any] = ("There is no such thing on the sites that I work on.", ErrorSchema)
LATE: tuple[str, Any] = (
    "Somebody was first, or a colleague is reading it: the details say who, what and when, and the `version`, "
    "`revision` and `status` that the comment has now.",
    ErrorSchema,
)
NOTE = asked.NoteTextSchema()


def me_in(session: Session) -> Moderator:
    """Who asks, their role, and (`g.site_ids`) their sites, as they are in the transaction of the deed."""
    me = auth.current_by_token(session).moderator
    g.site_ids = moderators.site_ids(session, me)
    return me


def number(text: str, sentence: str = "There is no such comment.") -> int:
    """An id of the address. Raises NotFound."""
    found = parsing.whole_number(text)
    if found is None:
        raise NotFound(sentence)
    return found


def after() -> int:
    """The id after which the page of the query begins; 0 for the first."""
    return web.query_int("after", 0, 0, 10**18)


def chosen_sites(text: str | None) -> list[int]:
    """All of my sites, or the one that is named. Raises NotFound."""
    if not text:
        return list(g.site_ids)
    site_id = number(text, "There is no such site.")
    if site_id not in g.site_ids:
        raise NotFound("There is no such site.", field="site")
    return [site_id]


def zone(session: Session) -> ZoneInfo:
    """The time in which days of a query are meant: one desk, one clock, that of the oldest site."""
    mine = sites.of_ids(session, g.site_ids)
    if mine:
        i18n.use_timezone(mine[0].timezone)
    return ZoneInfo(i18n.timezone_name())


def parsed(session: Session, q: str) -> Query:
    """A search as somebody wrote it. Raises InvalidInput naming `q`."""
    return filters.parse(" ".join(q.split()), now=utcnow(), tz=zone(session))


def card_bodies(session: Session, comments: Sequence[Comment], me: Moderator) -> list[api_bodies.Body]:
    """The cards of comments."""
    return [api_bodies.card(made, me) for made in cards.build(session, comments)]


def outcomes(session: Session, answers: Mapping[int, Decided]) -> list[api_bodies.Body]:
    """What became of each of several comments, in the transaction of the deed."""
    wanted = select(Comment).where(Comment.id.in_(list(answers)), Comment.site_id.in_(g.site_ids))
    known = {row.id: row for row in session.scalars(wanted.execution_options(populate_existing=True))}
    return [api_bodies.outcome(one, answer, known.get(one)) for one, answer in answers.items()]


@contextmanager
def late_is_told(comment_id: int) -> Iterator[None]:
    """A conflict that is raised inside also says how the comment stands now."""
    try:
        yield
    except Conflict as conflict:
        with web.database().reading() as session:
            comment = queue.of_site(session, g.site_ids, comment_id)
        if comment is not None:
            conflict.details.update(api_bodies.moved(comment, conflict.details) | api_bodies.stands(comment))
        raise


def comment_in(session: Session, comment_id: int, *, lock: bool = False) -> Comment:
    """A comment of my sites. Raises NotFound."""
    comment = session.get(Comment, comment_id, with_for_update=lock or None)
    if comment is None or comment.site_id not in g.site_ids:
        raise NotFound("There is no such comment.")
    return comment


def leave_note(kind: str, subject_id: int, site_of: Callable[[Session], int]) -> Response:
    """Write the note of the body on what `site_of` says to be of a site of mine."""
    text = web.json_body(NOTE)["text"]
    with web.database().transaction() as session:
        me = me_in(session)
        notes.add(session, site_of(session), kind, subject_id, me, text, utcnow())
        lines = notes.of(session, kind, [subject_id])[subject_id]
    return web.answer({"notes": api_bodies.notes(lines)}, 201)
