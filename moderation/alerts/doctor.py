"""What is wrong with the alerts themselves, for `moderation doctor`."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from moderation.alerts import channels, store
from moderation.settings import Settings

STALE = timedelta(minutes=5)


def problems(session: Session, settings: Settings, now: datetime) -> list[tuple[str, str]]:
    """(what is wrong, what to do): half a configuration, a channel that fails, an examination that does not happen."""
    found = []
    if settings.alert_to and not settings.smtp_url:
        found.append(("MODERATION_ALERT_TO is set, but there is no mail server.", "Set MODERATION_SMTP_URL."))
    if settings.smtp_url and not settings.alert_to:
        found.append(("MODERATION_SMTP_URL is set, but nobody gets alerts.", "Set MODERATION_ALERT_TO."))
    turns = store.turns(session)
    for channel in channels.configured(settings):
        turn = turns.get(channel.name)
        if turn is None or not turn.error:
            continue
        remedy = "Mend it, then try: moderation alerts test"
        if turn.failing_since is not None:
            since = turn.failing_since.strftime("%Y-%m-%d %H:%M UTC")
            found.append((f"Alerts cannot be sent by {channel.name} since {since}: {turn.error}.", remedy))
        else:
            found.append((f"The last alert by {channel.name} was sent, but {turn.error}.", remedy))
    examination = turns.get(store.EXAMINATION)
    if examination is not None and examination.taken_at is not None and now - examination.taken_at > STALE:
        minutes = int((now - examination.taken_at).total_seconds() // 60)
        remedy = "Start the worker of the queue `housekeeping` and read its log."
        found.append((f"Nothing was examined for alerts for {minutes} min.", remedy))
    return found
