"""Comments that a person picks one by one and decides together, at once and without a job."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.accounts.models import Moderator
from moderation.comments.models import Comment
from moderation.errors import Conflict, InvalidInput
from moderation.review import bulk, claims, decisions
from moderation.review.decisions import Decider
from moderation.review.models import Decision

SELECTED = 100
"""Comments that may be picked one by one and decided together, at once and without a job."""
WRONG_SELECTION = "Select 1 to 100 comments."
GONE = "There is no such comment."


def decide_selected(
    session: Session,
    site_ids: Sequence[int],
    seen: Mapping[int, int],
    action: str,
    reason: str | None,
    me: Moderator,
    now: datetime,
) -> dict[int, Decision | Conflict]:
    """Decide comments that a person has picked, at once: comment id → the version that they saw, at most SELECTED.

    Returns by comment the decision, or the Conflict that says why there is none: as `decide_many`, or `claimed` (who,
    until) while a colleague reads it, or `not_found`. Raises InvalidInput naming `comment`, `decision` or `reason`.
    """
    if not 1 <= len(seen) <= SELECTED:
        raise InvalidInput(WRONG_SELECTION, field="comment")
    reason = bulk.reason_for(action, reason)
    comments = session.scalars(
        select(Comment)
        .where(Comment.id.in_(list(seen)), Comment.site_id.in_(site_ids))
        .order_by(Comment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    answers: dict[int, Decision | Conflict] = {number: Conflict(GONE, details={"what": "not_found"}) for number in seen}
    free = []
    readers = claims.of_comments(session, [comment.id for comment in comments], now)
    for comment in comments:
        held = readers.get(comment.id)
        # Who comes late hears who was first, not who reads it now.
        if held is not None and held.moderator_id != me.id and comment.version == seen[comment.id]:
            facts = {"what": "claimed", "who": held.name, "until": held.until.isoformat()}
            answers[comment.id] = Conflict(claims.CLAIMED, details=facts)
        else:
            free.append(comment)
    return answers | decisions.decide_many(session, free, action, Decider(me), reason=reason, now=now, seen=seen)
