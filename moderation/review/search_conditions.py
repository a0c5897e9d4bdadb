"""The conditions of a query as SQL, asked of the comment itself, and the scope in which they are asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import JSON, ColumnElement, String, and_, case, func, literal, or_, select, true
from sqlalchemy.orm import Session, aliased

from moderation.comments import status
from moderation.comments.models import Comment
from moderation.composition import ANY, SCORERS, Composition, Part
from moderation.policy.models import VerdictRow
from moderation.review import evidence as evidences
from moderation.review.decisions import REASONS
from moderation.review.filters import Author, Bound, Condition, Facet, Moment, Numbered, OneOf, Query, Words
from moderation.review.models import Decision, SearchText, Trait
from moderation.scoring import store as scores
from moderation.scoring.models import Score
from moderation.signals import SIGNALS, SPAM


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: sites, and ids greater than `low` and not greater than `high` (None: no such bound)."""

    dialect: str
    sites: tuple[int, ...]
    low: int | None = None
    high: int | None = None
    signals: Mapping[str, Any] = field(default_factory=dict)
    """What is measured of the signals that the query bounds, as SQL."""

    def measured(self, name: str) -> Any:
        """The number that a bound is about."""
        return self.signals[name] if name in self.signals else getattr(Comment, name)

    def within(self, column: Any) -> ColumnElement[bool]:
        return and_(
            true() if self.low is None else column > self.low,
            true() if self.high is None else column <= self.high,
        )

    def comments(self) -> tuple[ColumnElement[bool], ...]:
        """What holds of every comment that a search may find here."""
        return Comment.site_id.in_(self.sites), Comment.status != status.WITHDRAWN, self.within(Comment.id)


def scope_of(session: Session, site_ids: Sequence[int], query: Query) -> Scope:
    """The scope of a query that is asked of these sites; no sites where it asks for others only."""
    sites = set(site_ids)
    for condition in query.conditions:
        if isinstance(condition, Numbered) and condition.name == "site" and not condition.negated:
            sites &= set(condition.ids)
    bound = {item.name for item in query.conditions if isinstance(item, Bound) and item.name in SIGNALS}
    counting, speakers = scores.counting(session) if bound else None, evidences.speakers(session)
    signals = {name: _signal(name, speakers, counting) for name in bound if counting is not None}
    return Scope(session.get_bind().dialect.name, tuple(sorted(sites)), signals=signals)


NUMBERED: dict[str, Any] = {
    "author_id": Comment.author_id,
    "story": Comment.story_id,
    "campaign": Comment.campaign_id,
    "site": Comment.site_id,
}
"""The column that a condition on numbers is about, by its name."""


def by_author(dialect: str, item: Author) -> ColumnElement[bool]:
    """The row of the search text is by an author of this name, or whose name begins so."""
    if not item.prefix:
        return SearchText.author == item.value
    least, beyond = item.value, item.value + "\U0010ffff"
    if dialect == "sqlite":
        return and_(SearchText.author >= least, SearchText.author < beyond)
    # Letter by letter, as the index is ordered, whatever the database's collation says of the alphabet.
    return and_(SearchText.author.op("~>=~")(least), SearchText.author.op("~<~")(beyond))


def says(dialect: str, item: Words) -> ColumnElement[bool]:
    """The row of the search text has these words."""
    needle = f" {' '.join(item.words)}" + ("" if item.prefix else " ")
    hay = literal(" ") + SearchText.folded + literal(" ")
    return (func.instr if dialect == "sqlite" else func.strpos)(hay, needle) > 0


def meets_all(scope: Scope, conditions: Iterable[Condition]) -> list[ColumnElement[bool]]:
    """Conditions, each asked of the comment itself."""
    return [meets(scope, item) for item in conditions]


def meets(scope: Scope, item: Condition) -> ColumnElement[bool]:
    """A condition, asked of the comment itself."""
    if isinstance(item, Bound):
        return compared(scope.measured(item.name), item)
    if isinstance(item, Moment):
        return Comment.received_at < item.at if item.name == "before" else Comment.received_at >= item.at
    found = _holds(scope.dialect, item)
    return ~func.coalesce(found, False) if item.negated else found


def _holds(dialect: str, item: Words | Author | Facet | Numbered | OneOf) -> ColumnElement[bool]:
    if isinstance(item, Words | Author):
        said = says(dialect, item) if isinstance(item, Words) else by_author(dialect, item)
        return select(literal(1)).where(SearchText.comment_id == Comment.id, said).correlate(Comment).exists()
    if isinstance(item, Facet):
        if item.name == "network":
            return Comment.ip_network == item.value
        same = (Trait.comment_id == Comment.id, Trait.kind == item.name, Trait.value == item.value)
        return select(literal(1)).where(*same).correlate(Comment).exists()
    if isinstance(item, Numbered):
        return cast("ColumnElement[bool]", NUMBERED[item.name].in_(item.ids))
    if item.name == "status":
        return Comment.status.in_([value.upper() for value in item.values])
    if item.name == "lang":
        return Comment.language.in_(item.values)
    if item.name == "reason":
        return or_(_decided(item.values), _judged(dialect, item.values))
    return _FLAGS[item.values[0]]


_EARLIER = aliased(Comment)
_NEWER = aliased(VerdictRow)

_FLAGS: dict[str, ColumnElement[bool]] = {
    "reported": Comment.reports > 0,
    "escalated": Comment.escalated.is_(True),
    "unscored": and_(Comment.status == status.HELD, Comment.not_scored.is_(True)),
    "spam": and_(Comment.status == status.REJECTED, Comment.spam.is_(True)),
    "edited": Comment.revision > 1,
    "reply": Comment.parent_external_id.is_not(None),
    "staff": Comment.staff.is_(True),
    "first": and_(
        Comment.author_id.is_not(None),
        ~select(literal(1))
        .where(_EARLIER.author_id == Comment.author_id, _EARLIER.id < Comment.id)
        .correlate(Comment)
        .exists(),
    ),
}


def compared(column: Any, item: Bound) -> ColumnElement[bool]:
    """The number is on the side of the bound that was asked for."""
    signs: dict[str, ColumnElement[bool]] = {
        "<": column < item.value,
        "<=": column <= item.value,
        ">": column > item.value,
        ">=": column >= item.value,
        "=": column == item.value,
    }
    return signs[item.sign]


def _signal(name: str, composition: Composition, counting: tuple[ColumnElement[bool], ColumnElement[int]]) -> Any:
    """A signal's value as `evidence.effective` takes it from several scorers."""
    column = getattr(Score, name)
    counts, live_first = counting
    rank = case(
        *(
            (Score.language == part.language if part.language != ANY else true(), _rank(part))
            for part in composition.parts
            if part.signal in (ANY, name)
        )
    )
    measured = select(column).where(
        Score.comment_id == Comment.id,
        Score.revision == Comment.revision,
        column.is_not(None),
        counts,
        rank.is_not(None),
    )
    if name != SPAM:
        measured = measured.where(Score.supported.is_(True))
    return measured.order_by(rank, live_first, Score.id.desc()).limit(1).correlate(Comment).scalar_subquery()


def _rank(part: Part) -> ColumnElement[Any]:
    """The place of a score's scorer among those that may speak; null for one that may not."""
    places = [(Score.scorer == scorer, literal(place)) for place, scorer in enumerate(part.scorers)]
    return case(*places, (Score.scorer.not_in(SCORERS), literal(len(places))))


def _decided(values: Sequence[str]) -> ColumnElement[bool]:
    """The decision that stands names one of these reasons."""
    codes = [value.upper() for value in values if value.upper() in REASONS]
    same = (Decision.comment_id == Comment.id, Decision.sequence == Comment.sequence, Decision.reason.in_(codes))
    return select(literal(1)).where(*same).correlate(Comment).exists()


def _judged(dialect: str, values: Sequence[str]) -> ColumnElement[bool]:
    """The newest verdict on the current text has a reason of one of these codes, or about one of these signals."""
    newest = (
        select(func.max(_NEWER.id))
        .where(_NEWER.comment_id == Comment.id, _NEWER.revision == Comment.revision)
        .correlate(Comment)
        .scalar_subquery()
    )
    named: list[ColumnElement[Any]]
    if dialect == "sqlite":
        row = func.json_each(VerdictRow.reasons).table_valued("value", name="reason")
        named = [func.json_extract(row.c.value, f"$.{key}") for key in ("code", "signal")]
        reasons = select(literal(1)).select_from(row)
    else:
        each = func.json_array_elements(VerdictRow.reasons, type_=JSON).column_valued("reason")
        named = [each.op("->>", return_type=String)(key) for key in ("code", "signal")]
        reasons = select(literal(1))
    speaks = reasons.where(or_(*(name.in_(values) for name in named))).correlate(VerdictRow).exists()
    return select(literal(1)).where(VerdictRow.id == newest, speaks).correlate(Comment).exists()
