"""What readers report: that a comment which is shown should not stand. One reader, one report a comment.

`comment.reports` counts the reports since a person last decided; a decision of a person resolves them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from moderation import parsing
from moderation.comments import authors, reading
from moderation.comments.models import Comment, Report
from moderation.errors import Conflict, InvalidInput, NotFound, TooMany

REASONS = (
    "OFFENSIVE",
    "ABUSIVE",
    "SPAM",
    "HATE_SPEECH",
    "HARASSMENT_BULLYING",
    "ILLEGAL_CONTENT",
    "OFF_TOPIC",
    "OTHER",
)
"""Why a comment should not stand: the codes with which a person rejects, too (review/decisions.py)."""

TEXT_CHARS = 1000
"""What a reader may add in their own words."""

WINDOW = timedelta(hours=1)
PER_WINDOW = 30
"""Reports from one address in one window. Many readers may sit behind one address."""

NO_COMMENT = "There is no such comment."
NOT_SHOWN = "This comment is not shown, so it cannot be reported."
WRONG_REASON = "Choose one of the reasons."
TEXT_TOO_LONG = "This text is too long."
TOO_QUICK = "Too many reports came from here. Try again in an hour."


class NotShown(Conflict):
    """The comment is not public: there is nothing that readers could see, and report."""

    code = "not_shown"


@dataclass(frozen=True, slots=True)
class Given:
    """What came of a report. `created`: it is new; else it was known, and the answer is that of the first time."""

    report_id: int
    comment_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class Reported:
    """A report as moderators read it. `resolved_at`: when a person decided on the comment afterwards."""

    reason: str
    text: str
    revision: int
    created_at: datetime
    resolved_at: datetime | None


def by_id(secret: bytes, site_id: int, external_id: str) -> str:
    """The reporter's key of a reader whom the site knows by its own id."""
    return authors.keyed_hash(secret, "reporter", site_id, external_id)


def by_address(secret: bytes, site_id: int, address: str) -> str:
    """The reporter's key of a reader of whom only the address is known."""
    return authors.keyed_hash(secret, "reporter-ip", site_id, address)


def reportable(session: Session, site_id: int, comment_id: int, now: datetime) -> Comment:
    """The comment, locked for a report. Raises NotFound, or NotShown when the public does not see it."""
    comment = session.scalar(
        select(Comment).where(Comment.id == comment_id, Comment.site_id == site_id).with_for_update()
    )
    if comment is None:
        raise NotFound(NO_COMMENT)
    if session.scalar(select(Comment.id).where(Comment.id == comment.id, reading.shown_now(Comment, now))) is None:
        raise NotShown(NOT_SHOWN)
    return comment


def add(
    session: Session,
    comment: Comment,
    *,
    reporter: str,
    reason: str,
    text: str = "",
    now: datetime,
    per_window: int | None = None,
) -> Given:
    """Store a report on `comment` (of `reportable`) and count it.

    The same reader's second report is the first one again, unless the text was edited or a person has decided since:
    then it speaks of something new. `per_window`: how many reports this reporter may make in WINDOW; None: any number.

    Raises InvalidInput naming `reason` or `text`, and TooMany with `retry_after` (s).
    """
    if reason not in REASONS:
        raise InvalidInput(WRONG_REASON, field="reason")
    try:
        text = parsing.clean_text(text, "text", max_chars=TEXT_CHARS, max_bytes=TEXT_CHARS * 4, multiline=True).strip()
    except InvalidInput:
        raise InvalidInput(TEXT_TOO_LONG, field="text") from None
    known = session.scalar(select(Report).where(Report.comment_id == comment.id, Report.reporter == reporter))
    if known is not None and known.resolved_at is None and known.revision == comment.revision:
        return Given(known.id, comment.id, False)
    if per_window is not None:
        _refuse_flood(session, comment.site_id, reporter, now, per_window)
    values = {
        "revision": comment.revision,
        "reason": reason,
        "text": text,
        "created_at": now,
        "resolved_at": None,
    }
    if known is None:
        known = Report(site_id=comment.site_id, comment_id=comment.id, reporter=reporter, **values)
        session.add(known)
        counts = True
    else:
        counts = known.resolved_at is not None
        for name, value in values.items():
            setattr(known, name, value)
    session.flush()
    if counts:
        _count(session, comment)
    return Given(known.id, comment.id, True)


def resolve(session: Session, comment_ids: Sequence[int], now: datetime) -> None:
    """A person has decided on these comments: their open reports are answered. The comments' count is the caller's."""
    session.execute(
        update(Report)
        .where(Report.comment_id.in_(comment_ids), Report.resolved_at.is_(None))
        .values(resolved_at=now)
        .execution_options(synchronize_session=False)
    )


def of_comment(session: Session, comment_id: int) -> list[Reported]:
    """All reports on a comment, the newest first."""
    rows = session.execute(
        select(Report.reason, Report.text, Report.revision, Report.created_at, Report.resolved_at)
        .where(Report.comment_id == comment_id)
        .order_by(Report.created_at.desc(), Report.id.desc())
    ).all()
    return [Reported(*row) for row in rows]


def summary(session: Session, comment_ids: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Of each comment that has open reports, how many name which reason, the commonest first."""
    number = func.count()
    rows = session.execute(
        select(Report.comment_id, Report.reason, number)
        .where(Report.comment_id.in_(comment_ids), Report.resolved_at.is_(None))
        .group_by(Report.comment_id, Report.reason)
        .order_by(Report.comment_id, number.desc(), Report.reason)
    ).all()
    found: dict[int, list[tuple[str, int]]] = {}
    for comment_id, reason, n in rows:
        found.setdefault(comment_id, []).append((reason, n))
    return found


def _count(session: Session, comment: Comment) -> None:
    # Without a new version: a moderator who is reading the comment decides on the same text as before.
    session.execute(
        update(Comment)
        .where(Comment.id == comment.id)
        .values(reports=Comment.reports + 1)
        .execution_options(synchronize_session=False)
    )
    session.refresh(comment, ["reports"])


def _refuse_flood(session: Session, site_id: int, reporter: str, now: datetime, limit: int) -> None:
    count, oldest = session.execute(
        select(func.count(), func.min(Report.created_at)).where(
            Report.site_id == site_id, Report.reporter == reporter, Report.created_at > now - WINDOW
        )
    ).one()
    if count >= limit:
        wait = max(1, int((oldest + WINDOW - now).total_seconds()) + 1)
        raise TooMany(TOO_QUICK, details={"retry_after": wait})
