"""Alerts as rows: how one begins and ends, whose turn it is, and what each channel's people have been told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.orm import Session

from moderation.alerts.conditions import Found
from moderation.alerts.models import Alert, AlertNotice, AlertTurn
from moderation.db import affected, insert_ignore

EXAMINATION = "examination"
CALM = timedelta(minutes=5)
"""How long it must be away before an alert is over."""
GAP = timedelta(minutes=5)
"""Examinations further apart than this saw different times: what was noticed before is not counted on."""
MESSAGES_PER_HOUR = 10
RETRY_FIRST, RETRY_LONGEST = timedelta(seconds=30), timedelta(minutes=10)
"""A channel that fails is tried at the next examination, then less and less often."""


@dataclass(frozen=True, slots=True)
class News:
    """What a channel's people should hear: what began, what still lasts, what is over."""

    begun: Sequence[Alert]
    lasting: Sequence[Alert]
    over: Sequence[Alert]

    def __bool__(self) -> bool:
        return bool(self.begun or self.lasting or self.over)


@dataclass(frozen=True, slots=True)
class Taken:
    """A turn that is ours until `until`; `before` is when it was taken last."""

    name: str
    until: datetime
    before: datetime | None


def note(session: Session, found: Sequence[Found], now: datetime, *, gap: bool) -> tuple[list[Alert], list[Alert]]:
    """Bring the alerts up to what an examination found; returns those that began and those that ended.

    `gap`: the examination before was too long ago to count on what it noticed.
    """
    open_rows = session.scalars(select(Alert).where(or_(Alert.since.is_not(None), Alert.noticed_at.is_not(None))))
    alerts = {(row.kind, row.subject): row for row in open_rows}
    begun, ended = [], []
    for item in found:
        alert = alerts.pop((item.kind, item.subject), None)
        if alert is None and item.begins:
            alert = _row(session, item)
        if alert is not None and see(alert, item, now, gap=gap):
            begun.append(alert)
    for alert in alerts.values():
        if miss(alert, now):
            ended.append(alert)
    session.flush()
    return begun, ended


def see(alert: Alert, found: Found, now: datetime, *, gap: bool = False) -> bool:
    """The condition is there; True when the alert begins with this."""
    if alert.since is not None:
        alert.well_at, alert.news_at, alert.facts = None, found.news_at, found.facts
        return False
    if not found.begins:
        alert.noticed_at = None
        return False
    if alert.noticed_at is None or gap:
        alert.noticed_at = now
    if now - alert.noticed_at < found.patience:
        return False
    alert.since, alert.news_at, alert.facts, alert.well_at = alert.noticed_at, found.news_at, found.facts, None
    return True


def miss(alert: Alert, now: datetime) -> bool:
    """The condition is away; True when the alert ends with this."""
    if alert.since is None:
        alert.noticed_at = None
        return False
    alert.well_at = alert.well_at or now
    if now - alert.well_at < CALM:
        return False
    alert.since = alert.noticed_at = alert.well_at = None
    alert.resolved_at = now
    return True


def _row(session: Session, found: Found) -> Alert:
    key = {"kind": found.kind, "subject": found.subject}
    insert_ignore(session, Alert, **key, site_id=found.site_id, facts=found.facts)
    return session.scalars(select(Alert).filter_by(**key)).one()


def take(session: Session, name: str, now: datetime, lasts: timedelta) -> Taken | None:
    """Take a turn until `now + lasts`, by compare-and-set; None when it is not due, or another process was first."""
    until = now + lasts
    row = session.execute(select(AlertTurn.taken_at).where(AlertTurn.name == name)).first()
    if row is None:
        insert_ignore(session, AlertTurn, name=name, due_at=now)
    done = session.execute(
        update(AlertTurn)
        .where(AlertTurn.name == name, AlertTurn.due_at <= now)
        .values(due_at=until, taken_at=now)
        .execution_options(synchronize_session=False)
    )
    return Taken(name, until, row.taken_at if row is not None else None) if affected(done) == 1 else None


def give_back(session: Session, turn: Taken, due_at: datetime) -> None:
    """End a turn early: the next may begin at `due_at`. Nothing happens to a turn that ran out."""
    session.execute(
        update(AlertTurn)
        .where(AlertTurn.name == turn.name, AlertTurn.due_at == turn.until)
        .values(due_at=due_at)
        .execution_options(synchronize_session=False)
    )


def full_until(session: Session, channel: str, now: datetime) -> datetime | None:
    """When a channel that has had its messages of this hour may have the next; None when it may have one now."""
    recent = _recent(_turn(session, channel), now)
    if len(recent) < MESSAGES_PER_HOUR:
        return None
    return now + timedelta(seconds=recent[-MESSAGES_PER_HOUR] + 3600 - now.timestamp())


def news(session: Session, channel: str, now: datetime, repeat: timedelta) -> News:
    """What the people behind a channel should hear now; `repeat` is how long they hear nothing of what lasts."""
    rows = session.execute(
        select(Alert, AlertNotice.told_at)
        .outerjoin(AlertNotice, and_(AlertNotice.alert_id == Alert.id, AlertNotice.channel == channel))
        .where(or_(Alert.since.is_not(None), AlertNotice.told_at.is_not(None)))
        .order_by(Alert.since, Alert.id)
    ).all()
    begun, lasting, over = [], [], []
    for alert, told_at in rows:
        if alert.since is None:
            over.append(alert)
        elif alert.well_at is not None:
            continue  # about to end: neither worth a message nor over yet
        elif told_at is None:
            begun.append(alert)
        elif told_at <= now - repeat and (alert.news_at is None or alert.news_at > told_at):
            lasting.append(alert)
    return News(begun, lasting, over)


def sent(session: Session, turn: Taken, told: News, now: datetime, note: str) -> None:
    """A message went out: its alerts are told, those that are over are forgotten. `note`: what was amiss all the same.

    The next turn may begin at once.
    """
    for alert in (*told.begun, *told.lasting, *told.over):
        told_at = None if alert in told.over else now
        key = {"alert_id": alert.id, "channel": turn.name}
        if insert_ignore(session, AlertNotice, **key, told_at=told_at) is None:
            session.execute(update(AlertNotice).filter_by(**key).values(told_at=told_at))
    row = _turn(session, turn.name)
    row.ok_at, row.failing_since, row.failures, row.error = now, None, 0, note[:300]
    row.recent = [*_recent(row, now), now.timestamp()]
    session.flush()
    give_back(session, turn, now)


def failed(session: Session, turn: Taken, now: datetime, error: str) -> None:
    """A message did not go out: nobody was told, and the next try comes soon, later each time."""
    row = _turn(session, turn.name)
    row.failing_since = row.failing_since or now
    row.failures += 1
    row.error = error[:300]
    wait = min(RETRY_FIRST * 2 ** min(row.failures - 1, 10), RETRY_LONGEST)
    session.flush()
    give_back(session, turn, now + wait)


def untold(session: Session, alerts: Sequence[Alert], channel: str) -> list[Alert]:
    """Those of `alerts` that the people behind a channel do not know of."""
    told = session.scalars(
        select(AlertNotice.alert_id).where(AlertNotice.channel == channel, AlertNotice.told_at.is_not(None))
    ).all()
    return [alert for alert in alerts if alert.id not in told]


def turns(session: Session) -> dict[str, AlertTurn]:
    """Name → turn, of the examination and of each channel that has ever had something to send."""
    return {row.name: row for row in session.scalars(select(AlertTurn))}


def lasting(session: Session) -> list[tuple[Alert, dict[str, datetime]]]:
    """What is wrong now, the oldest first, and when each channel was last told of it."""
    alerts = session.scalars(select(Alert).where(Alert.since.is_not(None)).order_by(Alert.since, Alert.id)).all()
    notices = session.execute(
        select(AlertNotice.alert_id, AlertNotice.channel, AlertNotice.told_at).where(
            AlertNotice.told_at.is_not(None), AlertNotice.alert_id.in_([alert.id for alert in alerts])
        )
    ).all()
    return [
        (alert, {row.channel: row.told_at for row in notices if row.alert_id == alert.id and row.told_at is not None})
        for alert in alerts
    ]


def _turn(session: Session, name: str) -> AlertTurn:
    return session.scalars(select(AlertTurn).where(AlertTurn.name == name)).one()


def _recent(row: AlertTurn, now: datetime) -> list[float]:
    return [float(at) for at in row.recent if float(at) > now.timestamp() - 3600]
