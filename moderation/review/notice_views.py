"""What a form that led back here has done, for a page that was loaded anew."""

from dataclasses import dataclass
from datetime import datetime

from flask import g, request
from flask_babel import gettext, ngettext
from sqlalchemy.orm import Session

from moderation import i18n
from moderation.review import decided, histories, queue
from moderation.review.place_views import moment_in, number_in, seconds_left


@dataclass(frozen=True, slots=True)
class Together:
    """`n` comments were decided at once at the moment `at`; `left` of those that were meant were not."""

    at: datetime
    n: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """What just happened, for a page that was loaded anew.

    `what`: approve, reject, undone, conflict, or another deed, for which `text` is the sentence.
    """

    what: str
    comment_id: int = 0
    version: int = 0
    reason: str | None = None
    author: str = ""
    who: str = ""
    at: datetime | None = None
    seconds: int = 0
    told: bool = True
    text: str = ""
    together: datetime | None = None
    """The moment of several decisions that can be taken back together."""


SAID = {
    "escalated": "Handed over to a senior.",
    "answered": "Answered.",
    "noted": "The note is kept.",
}
"""What a form that led back here has done, by the name in the address."""


def notice_now(session: Session) -> Notice | None:
    for code in ("decided", "undone"):
        number = number_in(code)
        comment = queue.of_site(session, g.site_ids, number) if number else None
        last = decided.latest(session, comment.id) if comment is not None else None
        if comment is None or last is None:
            continue
        what = last.action if code == "decided" else "undone"
        return Notice(
            what,
            comment.id,
            comment.version,
            last.reason,
            comment.author_name,
            at=last.created_at,
            seconds=seconds_left(comment),
            told=histories.told(session, comment),
        )
    if "decided_many" in request.args:
        done, lost = number_in("decided_many"), number_in("conflicts")
        text = gettext("%(count)s decided.", count=i18n.figure(done))
        if lost:
            text += " " + left_text(lost)
        return Notice("many", text=text, together=moment_in(request.args.get("at", "")) if done else None)
    if "undone_many" in request.args:
        return Notice(
            "many", text=undone_text(number_in("undone_many"), number_in("left"), told=bool(number_in("told")))
        )
    for code, sentence in SAID.items():
        if number_in(code):
            return Notice(code, text=gettext(sentence))
    return None


def left_text(left: int) -> str:
    """What became of those that one decided together with others, and could not have."""
    if not left:
        return ""
    return str(
        ngettext(
            "%(num)d was left: somebody else has it, or it waits for a senior.",
            "%(num)d were left: somebody else has them, or they wait for a senior.",
            left,
        )
    )


def undone_text(done: int, left: int, *, told: bool) -> str:
    """What became of decisions that were taken back together."""
    text = str(
        gettext("Reversed. The site is told the new decision.") if told else gettext("Undone. The site was not told.")
    )
    text += " " + str(ngettext("%(num)d decision undone.", "%(num)d decisions undone.", done))
    return f"{text} {left_text(left)}".strip()
