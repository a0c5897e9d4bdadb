"""The texts that the search reads: what it keeps of a comment, and how it comes to know it.

Both databases part words alike because `filters.words_of` parts them: `search_text.folded` holds those words with
single spaces between, so that a word, a phrase or a beginning can be looked for in the row itself, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from sqlalchemy import Insert, Table, and_, delete, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.comments import status
from moderation.comments.models import UNINDEXED, Comment, Revision
from moderation.review import filters, traits
from moderation.review.models import SearchText
from moderation.scoring import evidence, normalise
from moderation.scoring.normalise import View
from moderation.scoring.scorer import Span

BATCH = 200
"""Texts that one round of `catch_up` takes: a few hundredths of a second, so that no writer waits long."""

SEAM = "seamofreadings"
"""Stands between a text's words and their other readings, so that no phrase goes across."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the search keeps of a comment: the words of a text (filters.words_of), the author's name (name_of)."""

    comment_id: int
    site_id: int
    revision: int
    folded: str
    author: str


def learn(
    session: Session, comments: Iterable[Comment], views: Mapping[int, View], spans: Mapping[int, Iterable[Span]]
) -> None:
    """Let the search know the current texts of comments, and what the scorers found in them; by comment id.

    A few statements, however many comments. The caller sets `indexed_revision`.
    """
    known = [comment for comment in comments if comment.id in views and comment.status != status.WITHDRAWN]
    fresh = [comment for comment in known if comment.indexed_revision != comment.revision]
    write(session, [_entry(comment, views[comment.id]) for comment in fresh])
    traits.forget(session, [comment.id for comment in fresh if comment.revision > 1])
    traits.write(
        session, [(comment.id, comment.site_id, traits.of_spans(spans.get(comment.id, ()))) for comment in known]
    )


def write(session: Session, entries: Sequence[Entry]) -> None:
    """Let the search know these texts, in the place of older ones of the same comments. One statement for all."""
    if entries:
        connection = session.connection()
        connection.execute(_WRITE[connection.dialect.name], [asdict(entry) for entry in entries])


def forget(session: Session, comment_ids: Sequence[int]) -> None:
    """Comments that were withdrawn are found by nothing that they said."""
    if not comment_ids:
        return
    traits.forget(session, comment_ids)
    for statement in (
        delete(SearchText).where(SearchText.comment_id.in_(comment_ids)),
        update(Comment).where(Comment.id.in_(comment_ids), Comment.indexed_revision != 0).values(indexed_revision=0),
    ):
        session.execute(statement.execution_options(synchronize_session=False))


def behind(session: Session) -> bool:
    """Whether there are judged comments whose text the search does not know: imported ones, or of the site's staff."""
    return session.scalar(select(Comment.id).where(text(UNINDEXED)).limit(1)) is not None


def catch_up(session: Session, limit: int = BATCH) -> int:
    """Let the search know at most `limit` texts that it does not know yet; answers how many they were.

    Comments that another transaction is at work on are left to the next round.
    """
    rows = session.execute(
        select(Comment, Revision.text)
        .outerjoin(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(text(UNINDEXED))
        .order_by(Comment.id)
        .limit(limit)
        .with_for_update(of=Comment, skip_locked=True)
    ).all()
    if not rows:
        return 0
    comments = [comment for comment, _ in rows]
    views = {comment.id: normalise.view(written or "") for comment, written in rows}
    learn(session, comments, views, {number: evidence.find(view).spans for number, view in views.items()})
    session.execute(
        update(Comment)
        .where(Comment.id.in_(views))
        .values(indexed_revision=Comment.revision)
        .execution_options(synchronize_session=False)
    )
    return len(rows)


def _entry(comment: Comment, view: View) -> Entry:
    words = filters.words_of(view.folded)
    readings = dict.fromkeys(word for reading in view.readings for word in filters.words_of(reading.text))
    return Entry(
        comment_id=comment.id,
        site_id=comment.site_id,
        revision=comment.revision,
        folded=" ".join([*words, SEAM, *readings] if readings else words),
        author=filters.name_of(comment.author_name),
    )


def _upsert(insert: Any) -> Any:
    same = {name: insert.excluded[name] for name in ("site_id", "revision", "folded", "author")}
    return insert.on_conflict_do_update(index_elements=["comment_id"], set_=same)


_TEXTS = cast(Table, SearchText.__table__)
_WRITE: dict[str, Insert] = {
    "sqlite": _upsert(sqlite.insert(_TEXTS)),
    # PostgreSQL's driver sends many rows as one statement when it is asked for something of them.
    "postgresql": _upsert(postgresql.insert(_TEXTS)).returning(_TEXTS.c.comment_id),
}
