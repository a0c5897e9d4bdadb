"""What judging many archived comments takes, read in a handful of statements whatever their number."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row, Select, and_, func, or_, select, text, true
from sqlalchemy.orm import Session

from moderation.accounts.models import Site
from moderation.comments import authors
from moderation.comments.models import Author, Comment, Revision, Story
from moderation.comments.status import PENDING, WITHDRAWN
from moderation.db import id_among, listed
from moderation.policy.document import Policy
from moderation.scoring import releases
from moderation.scoring.models import Score
from moderation.scoring.scorer import Span, TextScore
from moderation.scoring.store import StoredScore
from moderation.signals import SIGNALS

_SCORE = (
    Score.comment_id,
    Score.revision,
    Score.scorer,
    Score.version,
    Score.shadow,
    *(getattr(Score, name) for name in SIGNALS),
    Score.language,
    Score.supported,
    Score.reads_as,
    Score.facts,
    Score.spans,
)
_FIRST_SIGNAL = 5

_SAME_TEXT = {
    # Any one of them: the walk over a text that a thousand readers wrote ends at the first that was scored.
    "sqlite": """
        SELECT wanted.value AS hash, (
            SELECT score.id FROM revision JOIN score ON score.comment_id = revision.comment_id
                AND score.revision = revision.number AND score.scorer = :scorer AND score.version = :version
            WHERE revision.text_hash = wanted.value LIMIT 1
        ) AS score_id FROM json_each(:hashes) AS wanted
    """,
    "postgresql": """
        SELECT wanted.hash, (
            SELECT score.id FROM revision JOIN score ON score.comment_id = revision.comment_id
                AND score.revision = revision.number AND score.scorer = :scorer AND score.version = :version
            WHERE revision.text_hash = wanted.hash LIMIT 1
        ) AS score_id FROM unnest(CAST(:hashes AS text[])) AS wanted (hash)
    """,
}


@dataclass(frozen=True, slots=True)
class Known:
    """A score of an equal text, and the length (code points) of the text that it is of."""

    score: TextScore
    length: int


@dataclass(frozen=True, slots=True)
class Material:
    """Some comments as they stand, with their current texts, and what is known of them.

    `rows` have the columns of `_comments`; those that were withdrawn, or wait for their first judgement, are not among
    them. `own`: comment → its score by the run's very scorer and version. `stored`: comment → the scores that count.
    `same`: text hash → a score of that text by the scorer and version. `stories` and `writers` are only those of which
    a rule may have something to say; `approved`: author → comments that stand approved, where a policy asks for it.
    """

    rows: Sequence[Row[Any]]
    own: Mapping[int, TextScore]
    stored: Mapping[int, list[StoredScore]]
    same: Mapping[str, Known]
    stories: Mapping[int, Row[Any]]
    writers: Mapping[int, Row[Any]]
    approved: Mapping[int, int]


def gather(
    session: Session, site: Site, scorer: str, version: str, ids: Sequence[int], policies: Collection[Policy]
) -> Material:
    """Read it for the comments `ids` of a site. `policies`: those that will judge them."""
    dialect = session.get_bind().dialect.name
    rows = session.execute(_comments(dialect, site.id, ids)).all()
    own, stored = _scores(session, dialect, rows, scorer, version)
    unknown = {row.text_hash for row in rows if row.id not in own}
    blocks = any(policy.blocked_authors for policy in policies)
    counts = any(policy.new_author for policy in policies)
    wanted = {row.author_id for row in rows if row.author_id is not None}
    return Material(
        rows=rows,
        own=own,
        stored=stored,
        same=_same_texts(session, dialect, unknown, scorer, version),
        stories=_stories(session, dialect, site, {row.story_id for row in rows if row.story_id is not None}),
        writers=_writers(session, dialect, wanted, every=blocks),
        approved=_approved(session, dialect, wanted) if counts else {},
    )


def _comments(dialect: str, site_id: int, ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Comment.id,
            Comment.revision,
            Comment.status,
            Comment.human_revision,
            Comment.staff,
            Comment.story_id,
            Comment.author_id,
            Comment.author_name,
            Comment.intake_flags,
            Revision.text,
            Revision.links,
            Revision.text_hash,
            Revision.created_at,
        )
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.revision))
        .where(
            id_among(dialect, Comment.id, ids),
            Comment.site_id == site_id,
            Comment.status.not_in((PENDING, WITHDRAWN)),
        )
        .order_by(Comment.id)
    )


def _scores(
    session: Session, dialect: str, rows: Sequence[Row[Any]], scorer: str, version: str
) -> tuple[dict[int, TextScore], dict[int, list[StoredScore]]]:
    """Of each comment's current revision: the score of the run's version, and those that count, one per scorer."""
    current = {row.id: row.revision for row in rows}
    if not current:
        return {}, {}
    live = releases.live_versions(session)
    own: dict[int, TextScore] = {}
    stored: dict[int, dict[str, StoredScore]] = {}
    wanted = select(*_SCORE).where(id_among(dialect, Score.comment_id, current)).order_by(Score.id)
    for row in session.execute(wanted):
        if current[row.comment_id] != row.revision:
            continue
        score = _score(row)
        if (row.scorer, row.version) == (scorer, version):
            own[row.comment_id] = score
        if not row.shadow or (row.scorer, row.version) in live:
            stored.setdefault(row.comment_id, {})[row.scorer] = StoredScore(row.scorer, row.version, score)
    return own, {comment_id: list(found.values()) for comment_id, found in stored.items()}


def _same_texts(session: Session, dialect: str, hashes: Collection[str], scorer: str, version: str) -> dict[str, Known]:
    if not hashes:
        return {}
    values = {"scorer": scorer, "version": version, "hashes": listed(session, hashes)}
    found = {
        row.score_id: row.hash for row in session.execute(text(_SAME_TEXT[dialect]), values) if row.score_id is not None
    }
    if not found:
        return {}
    rows = session.execute(
        select(Score.id.label("score_id"), func.length(Revision.text).label("length"), *_SCORE)
        .join(Revision, and_(Revision.comment_id == Score.comment_id, Revision.number == Score.revision))
        .where(id_among(dialect, Score.id, found))
    )
    return {found[row.score_id]: Known(_score(row, 2), row.length) for row in rows}


def _score(row: Row[Any], before: int = 0) -> TextScore:
    """The score of a row of `_SCORE`, which has so many columns before them."""
    first = before + _FIRST_SIGNAL
    values = zip(SIGNALS, row[first : first + len(SIGNALS)], strict=True)
    return TextScore(
        signals={name: value for name, value in values if value is not None},
        language=row.language,
        supported=row.supported,
        spans=tuple(Span(*span) for span in row.spans),
        reads_as=row.reads_as,
        facts=row.facts,
    )


def _stories(session: Session, dialect: str, site: Site, ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Stories that may be closed, or whose comments are all held."""
    ruled = site.close_after_days is not None or bool(site.premoderated_sections)
    special = true() if ruled else or_(Story.premoderated.is_(True), Story.closed_at.is_not(None))
    rows = session.execute(
        select(
            Story.id,
            Story.url,
            Story.section,
            Story.published_at,
            Story.created_at,
            Story.closed_at,
            Story.premoderated,
        ).where(id_among(dialect, Story.id, ids), special)
    )
    return {row.id: cast("Row[Any]", row) for row in rows}


def _writers(session: Session, dialect: str, ids: Iterable[int], *, every: bool) -> dict[int, Row[Any]]:
    """Authors for whom a person ordered something; `every` one where a policy blocks some."""
    ordered = true() if every else Author.standing != ""
    rows = session.execute(
        select(Author.id, Author.external_id, Author.email_hash, Author.standing, Author.standing_until).where(
            id_among(dialect, Author.id, ids), ordered
        )
    )
    return {row.id: cast("Row[Any]", row) for row in rows}


def _approved(session: Session, dialect: str, ids: Iterable[int]) -> dict[int, int]:
    known = session.scalars(select(Author.id).where(id_among(dialect, Author.id, ids), Author.external_id.is_not(None)))
    return authors.approved_of(session, known.all())
