"""The JSON queue, around the comments: authors, articles, second looks, statistics."""

from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from moderation import web
from moderation.accounts import auth, moderators
from moderation.accounts.models import Moderator
from moderation.comments import standings, story_orders, story_rules
from moderation.comments.models import Author, Comment, Story
from moderation.comments.schemas import ErrorSchema
from moderation.db import utcnow
from moderation.errors import InvalidInput, NotFound
from moderation.review import api_bodies, cards, notes, people, queue, second_looks, statistics_reading
from moderation.review import api_given_schemas as asked
from moderation.review import api_people_schemas as whose
from moderation.review import api_schemas as shapes
from moderation.review.api_shared_views import (
    ERRORS,
    NOT_THERE,
    READ_ERRORS,
    after,
    chosen_sites,
    leave_note,
    me_in,
    number,
    zone,
)
from moderation.review.people import Line
from moderation.review.second_look_views import question_to_seniors
from moderation.review.statistics_reading import Figures

people_api = Blueprint("people_api", __name__, url_prefix="/api/v1")

AUTHORS, STORIES, LOOKS, STATISTICS = "authors", "articles", "second looks", "statistics"

STANDING, STORY_ORDERS, LOOK = asked.StandingSchema(), asked.StoryOrdersSchema(), asked.LookAgainSchema()

KNOWN_BY = {"x": "id", "e": "email", "n": "name"}
"""First letter of an author's identity → what it is."""

NO_AUTHOR, NO_STORY, NO_LOOK = "There is no such author.", "There is no such article.", "There is no such second look."


# --- authors ---


@people_api.get("/authors/<author_id>")
@auth.token_required
@web.documented(
    summary="An author: record, orders, notes, and everything they wrote",
    tag=AUTHORS,
    security="token",
    query=asked.AfterQuery,
    answers={
        200: ("Twenty comments at most, newest first.", whose.AuthorPageSchema),
        404: NOT_THERE,
        **READ_ERRORS,
    },
)
def author_now(author_id: str) -> Response:
    """As the author's page shows it."""
    with web.database().reading() as session:
        author = _author(session, author_id)
        site = people.site_of(session, author)
        lines, following = people.comments_by(session, author.id, after=after() or None)
        return web.answer(
            {
                "id": str(author.id),
                "site": {"id": str(site.id), "name": site.name},
                "external_id": author.external_id,
                "known_by": KNOWN_BY[author.identity[0]],
                "names": people.names_of(session, author.id),
                "record": api_bodies.record(people.records(session, [author.id], utcnow())[author.id]),
                **_around(session, notes.AUTHOR, author.id, lines, following),
            }
        )


@people_api.put("/authors/<author_id>/standing")
@auth.token_required
@web.documented(
    summary="Ban, hold or trust an author, or take such an order back; for seniors",
    tag=AUTHORS,
    security="token",
    body=asked.StandingSchema,
    answers={200: ("It counts from the next comment on.", whose.StandingNowSchema), 404: NOT_THERE, **ERRORS},
)
def set_standing(author_id: str) -> Response:
    """What was decided before stays as it is."""
    given = web.json_body(STANDING)
    with web.database().transaction() as session:
        me = me_in(session)
        author = _author(session, author_id, lock=True)
        standings.set_standing(session, author, given["kind"], given["until"], me, utcnow())
        body = {"id": str(author.id), "standing": author.standing, "until": author.standing_until}
    return web.answer(body)


@people_api.get("/authors/<author_id>/notes")
@auth.token_required
@web.documented(
    summary="The notes on an author",
    tag=AUTHORS,
    security="token",
    answers={200: ("Newest first.", shapes.NoteListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def author_notes(author_id: str) -> Response:
    """What colleagues noted on them."""
    with web.database().reading() as session:
        return _notes(session, notes.AUTHOR, _author(session, author_id).id)


@people_api.post("/authors/<author_id>/notes")
@auth.token_required
@web.documented(
    summary="Leave a note on an author",
    tag=AUTHORS,
    security="token",
    body=asked.NoteTextSchema,
    answers={201: ("All their notes, newest first.", shapes.NoteListSchema), 404: NOT_THERE, **ERRORS},
)
def note_author(author_id: str) -> Response:
    """For colleagues; readers never see it."""
    wanted = number(author_id, NO_AUTHOR)
    return leave_note(notes.AUTHOR, wanted, lambda session: _author(session, author_id).site_id)


# --- articles ---


@people_api.get("/stories/<story_id>")
@auth.token_required
@web.documented(
    summary="An article: orders, notes, and everything under it",
    tag=STORIES,
    security="token",
    query=asked.AfterQuery,
    answers={
        200: ("Twenty comments at most, newest first.", whose.StoryPageSchema),
        404: NOT_THERE,
        **READ_ERRORS,
    },
)
def story_now(story_id: str) -> Response:
    """As the article's page shows it."""
    with web.database().reading() as session:
        story = _story(session, story_id)
        site = people.site_of(session, story)
        lines, following = people.comments_under(session, story.id, after=after() or None)
        return web.answer(
            {
                "id": str(story.id),
                "site": {"id": str(site.id), "name": site.name},
                "external_id": story.external_id,
                "title": story.title,
                "url": story.url,
                "published_at": story.published_at,
                "closed": story_rules.is_closed(site, story, utcnow()),
                "closed_at": story.closed_at,
                "closes_at": story_rules.closes_by_age(site, story),
                "premoderated": story.premoderated,
                "section": story_rules.premoderated_section(site, story),
                "numbers": people.story_numbers(session, story.id),
                **_around(session, notes.STORY, story.id, lines, following),
            }
        )


@people_api.put("/stories/<story_id>/orders")
@auth.token_required
@web.documented(
    summary="Close an article or open it again; have every comment held, or leave it to the policy",
    tag=STORIES,
    security="token",
    body=asked.StoryOrdersSchema,
    answers={
        200: ("It counts from the next comment on.", whose.StoryOrdersNowSchema),
        404: NOT_THERE,
        **ERRORS,
    },
)
def order_story(story_id: str) -> Response:
    """What is not named stays."""
    given, now = web.json_body(STORY_ORDERS), utcnow()
    with web.database().transaction() as session:
        me = me_in(session)
        story = _story(session, story_id, lock=True)
        if "closed" in given:
            (story_orders.close if given["closed"] else story_orders.open_again)(session, story, me, now)
        if "premoderated" in given:
            story_orders.premoderate(session, story, given["premoderated"], me, now)
        body = {"id": str(story.id), "closed_at": story.closed_at, "premoderated": story.premoderated}
    return web.answer(body)


@people_api.get("/stories/<story_id>/notes")
@auth.token_required
@web.documented(
    summary="The notes on an article",
    tag=STORIES,
    security="token",
    answers={200: ("Newest first.", shapes.NoteListSchema), 404: NOT_THERE, **READ_ERRORS},
)
def story_notes(story_id: str) -> Response:
    """What colleagues noted on it."""
    with web.database().reading() as session:
        return _notes(session, notes.STORY, _story(session, story_id).id)


@people_api.post("/stories/<story_id>/notes")
@auth.token_required
@web.documented(
    summary="Leave a note on an article",
    tag=STORIES,
    security="token",
    body=asked.NoteTextSchema,
    answers={201: ("All its notes, newest first.", shapes.NoteListSchema), 404: NOT_THERE, **ERRORS},
)
def note_story(story_id: str) -> Response:
    """For colleagues; readers never see it."""
    wanted = number(story_id, NO_STORY)
    return leave_note(notes.STORY, wanted, lambda session: _story(session, story_id).site_id)


# --- second looks ---


@people_api.get("/second-looks")
@auth.token_required
@web.documented(
    summary="A decision of somebody else, to be judged without knowing it",
    tag=LOOKS,
    security="token",
    query=asked.AfterQuery,
    answers={200: ("The next one; with `after` the next behind it.", whose.NextLookSchema), **READ_ERRORS},
)
def next_look() -> Response:
    """The comment, and nothing of how it was decided."""
    with web.database().reading() as session:
        wanted = second_looks.following(session, g.site_ids, g.me, after=after())
        look = None
        if wanted is not None:
            made = cards.build(session, [session.get_one(Comment, wanted.comment_id)])[0]
            look = {"id": str(wanted.id), "comment": api_bodies.said(made)}
        return web.answer({"waiting": second_looks.waiting(session, g.site_ids, g.me), "look": look})


@people_api.post("/second-looks/<look_id>")
@auth.token_required
@web.documented(
    summary="Say what I would decide",
    tag=LOOKS,
    security="token",
    body=asked.LookAgainSchema,
    answers={
        200: ("What the first person had decided.", whose.LookedSchema),
        404: NOT_THERE,
        409: ("Somebody was first, or the decision does not stand any more.", ErrorSchema),
        **ERRORS,
    },
)
def look_again(look_id: str) -> Response:
    """It changes nothing by itself; where we differ, the seniors are asked."""
    given, wanted = web.json_body(LOOK), number(look_id, NO_LOOK)
    with web.database().transaction() as session:
        me = me_in(session)
        looked = second_looks.look(
            session,
            wanted,
            g.site_ids,
            me,
            given["action"],
            given["reason"],
            utcnow(),
            question=question_to_seniors(session, wanted, given["action"]),
        )
    return web.answer(
        {"comment_id": str(looked.comment_id), "first_action": looked.first_action, "agreed": looked.agreed}
    )


# --- statistics ---


@people_api.get("/statistics")
@auth.token_required
@web.documented(
    summary="Volume, decisions, waiting times, the machine's share and errors",
    tag=STATISTICS,
    security="token",
    query=asked.StatisticsQuery,
    answers={200: ("By day or hour, and of all.", whose.StatisticsSchema), 404: NOT_THERE, **READ_ERRORS},
)
def figures() -> Response:
    """Days are those of my oldest site's zone."""
    days, by, now = web.query_int("days", 7, 1, asked.MAX_DAYS), request.args.get("by", "day"), utcnow()
    if by not in ("hour", "day") or (by == "hour" and days > asked.HOURLY_DAYS):
        raise InvalidInput(f"by must be day, or hour for at most {asked.HOURLY_DAYS} days.", field="by")
    site_ids = chosen_sites(request.args.get("site"))
    with web.database().reading() as session:
        slots = statistics_reading.axis(by, days, now, zone(session))
        start, end = slots[0].start, slots[-1].end
        found = statistics_reading.read(session, site_ids, slots, now)
        agreement = second_looks.agreement(session, site_ids, start, end)
        return web.answer(
            {
                "slots": [
                    api_bodies.figures(sums, slot.start, slot.end)
                    for slot, sums in zip(slots, found.slots, strict=True)
                ],
                "total": api_bodies.figures(found.total, start, end),
                "people": _people(session, g.me, found),
                "verdicts": [
                    {
                        "signal": row.signal,
                        "language": row.language,
                        "machine": row.machine,
                        "looked_at": row.looked,
                        "overturned": row.overturned,
                    }
                    for row in found.total.verdicts
                ],
                "second_looks": {"looked": agreement.looked, "agreed": agreement.agreed},
                "oldest_at": queue.oldest(session, site_ids),
                "missing": found.missing,
            }
        )


def _people(session: Session, me: Moderator, found: Figures) -> list[api_bodies.Body]:
    """Everybody for seniors; a moderator sees their own row."""
    everybody = moderators.is_senior(me)
    return [
        {
            "id": str(person.id),
            "name": person.name or person.email,
            "decisions": found.total.people[person.id],
            "active_hours": found.active_hours.get(person.id, 0),
        }
        for person in moderators.all_moderators(session)
        if person.id in found.total.people and (everybody or person.id == me.id)
    ]


# --- what all of them need ---


def _author(session: Session, author_id: str, *, lock: bool = False) -> Author:
    author = people.author_of(session, g.site_ids, number(author_id, NO_AUTHOR), lock=lock)
    if author is None:
        raise NotFound(NO_AUTHOR)
    return author


def _story(session: Session, story_id: str, *, lock: bool = False) -> Story:
    story = people.story_of(session, g.site_ids, number(story_id, NO_STORY), lock=lock)
    if story is None:
        raise NotFound(NO_STORY)
    return story


def _notes(session: Session, kind: str, subject_id: int) -> Response:
    return web.answer({"notes": api_bodies.notes(notes.of(session, kind, [subject_id]).get(subject_id, []))})


def _around(session: Session, kind: str, subject_id: int, lines: list[Line], following: int | None) -> api_bodies.Body:
    """What an author and an article have alike: orders, notes, comments."""
    return {
        "orders": [
            {"action": one.action, "who": one.who, "at": one.at, "detail": one.detail}
            for one in people.orders_of(session, f"{kind}:{subject_id}")
        ],
        "notes": api_bodies.notes(notes.of(session, kind, [subject_id]).get(subject_id, [])),
        "comments": [api_bodies.line(line) for line in lines],
        "next": api_bodies.name_of(following),
    }
