"""What a person orders for an article: to take no more comments, or to have every comment held."""

from datetime import datetime

from sqlalchemy.orm import Session

from moderation.accounts import audit
from moderation.accounts.models import Moderator
from moderation.comments.models import Story


def close(session: Session, story: Story, me: Moderator, now: datetime) -> None:
    """Take no more comments from now on: the form refuses, and what the site's server sends is held."""
    if story.closed_at is None or story.closed_at > now:
        story.closed_at = now
        _note(session, story, me, "story.close", now)


def open_again(session: Session, story: Story, me: Moderator, now: datetime) -> None:
    """Take comments again, unless the story is too old by the site's own rule."""
    if story.closed_at is not None:
        story.closed_at = None
        _note(session, story, me, "story.open", now)


def premoderate(session: Session, story: Story, on: bool, me: Moderator, now: datetime) -> None:
    """Hold every comment that comes from now on, or (`on` false) leave it to the policy again."""
    if story.premoderated != on:
        story.premoderated = on
        _note(session, story, me, "story.premoderate" if on else "story.release", now)


def _note(session: Session, story: Story, me: Moderator, action: str, now: datetime) -> None:
    audit.record(
        session,
        actor=f"moderator:{me.id}",
        action=action,
        subject=f"story:{story.id}",
        site_id=story.site_id,
        now=now,
    )
