"""The audit: who did what. Written in the transaction of the deed itself."""

from datetime import datetime

from sqlalchemy.orm import Session

from moderation.accounts.models import AuditEntry


def record(
    session: Session, *, actor: str, action: str, subject: str, site_id: int | None, now: datetime, detail: str = ""
) -> None:
    """Add one entry; `detail` names no reader text, e-mail or address."""
    session.add(AuditEntry(at=now, actor=actor, action=action, subject=subject, site_id=site_id, detail=detail))
