"""Several endpoints of a site: each is told for itself, one that fails is paused, and no event is ever lost."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from moderation import queues
from moderation.accounts import sites
from moderation.accounts.models import AuditEntry, Site
from moderation.accounts.sites import NewSite
from moderation.db import Database, utcnow
from moderation.delivery import endpoints, leasing, outbox, outbox_reading, schedule
from moderation.delivery.egress import Answer
from moderation.delivery.leasing import Claimed
from moderation.delivery.models import Attempt, Delivery, Endpoint
from moderation.errors import Conflict, InvalidInput
from moderation.health import checks
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import add_site, given, judge_all, take

URLS = ("https://warta.example/a", "https://warta.example/b")
NOW = datetime.fromisoformat("2026-11-22T07:30:00+00:00")

OK = Answer(204, "", None, 5)
WRONG = Answer(500, "answered 500", None, 5)


@pytest.fixture
def made(db: Database) -> NewSite:
    """A site without endpoints."""
    return add_site(db, webhook=False)


def add(db: Database, site: Site, *urls: str) -> list[int]:
    with db.transaction() as session:
        return [endpoints.add(session, site, url, now=NOW, actor="cli").id for url in urls]


def comments(db: Database, settings: Settings, site: Site, count: int = 1, begin: int = 1) -> None:
    for number in range(begin, begin + count):
        take(db, settings, site, given(f"c{number}", text=f"Terima kasih {number}"))
    judge_all(db, settings)


def put(session: Session, row: Delivery, sequence: int, told: str, due_at: datetime, now: datetime) -> bool:
    """A further decision on the comment of `row`."""
    assert row.comment_id is not None
    return outbox.put(
        session,
        site_id=row.site_id,
        comment_id=row.comment_id,
        sequence=sequence,
        event_id=f"msg_{sequence}",
        told=told,
        payload="{}",
        due_at=due_at,
        now=now,
    )


def rows(db: Database, **filters: Any) -> list[Delivery]:
    with db.reading() as session:
        found = list(session.scalars(select(Delivery).filter_by(**filters).order_by(Delivery.id)))
        session.expunge_all()
        return found


def endpoint(db: Database, number: int) -> Endpoint:
    with db.reading() as session:
        found = session.get_one(Endpoint, number)
        session.expunge(found)
        return found


def claim(db: Database, now: datetime | None = None, limit: int = 10) -> list[Claimed]:
    with db.transaction() as session:
        return leasing.claim(session, now=now or utcnow(), limit=limit, timeout=10)


def answer(db: Database, claimed: Claimed, answered: Answer, now: datetime | None = None) -> bool:
    """What the sender does with an answer."""
    at = now or utcnow()
    with db.transaction() as session:
        paused = endpoints.note(session, claimed.endpoint_id, answered, now=at, rand=lambda: 0.0)
        return leasing.finish(
            session,
            claimed,
            now=at,
            status=answered.status,
            error=answered.error,
            milliseconds=answered.milliseconds,
            retry_in=schedule.next_delay(claimed.attempts, answered.retry_after, lambda: 0.0),
            spare=paused,
        )


def fail_until_paused(db: Database, number: int) -> datetime:
    """Let an endpoint fail from now on until it is paused; returns when that was."""
    now = utcnow()
    for _ in range(100):
        for claimed in claim(db, now):
            if claimed.endpoint_id == number:
                answer(db, claimed, WRONG, now)
            else:
                answer(db, claimed, OK, now)
        found = endpoint(db, number)
        if found.paused_at is not None:
            return now
        now = max(found.probe_at or now, min(row.due_at for row in rows(db, endpoint_id=number, state="due")))
    raise AssertionError("it is never paused")


def test_every_endpoint_of_a_site_is_told_the_same_event_for_itself(
    db: Database, settings: Settings, made: NewSite
) -> None:
    first, second = add(db, made.site, *URLS)
    comments(db, settings, made.site)
    both = rows(db)
    assert [row.endpoint_id for row in both] == [first, second]
    assert both[0].event_id == both[1].event_id
    taken = {item.endpoint_id: item for item in claim(db)}
    answer(db, taken[first], OK)
    answer(db, taken[second], WRONG)
    assert [row.state for row in rows(db)] == ["delivered", "due"]


def test_an_endpoint_that_knows_it_already_is_not_told_again_and_the_other_is(
    db: Database, settings: Settings, made: NewSite
) -> None:
    first, second = add(db, made.site, *URLS)
    comments(db, settings, made.site)
    taken = {item.endpoint_id: item for item in claim(db)}
    answer(db, taken[first], OK)
    answer(db, taken[second], WRONG)
    now = utcnow()
    with db.transaction() as session:  # approved, taken back inside the grace
        row = session.get_one(Delivery, 1)
        assert put(session, row, 2, "REJECTED|1|SPAM", now + timedelta(seconds=10), now) is True
    with db.transaction() as session:
        assert put(session, row, 3, row.told, now + timedelta(seconds=11), now + timedelta(seconds=1)) is True
    assert [(item.sequence, item.state) for item in rows(db, endpoint_id=first)] == [
        (1, "delivered"),
        (2, "superseded"),
    ]
    assert [item.sequence for item in rows(db, endpoint_id=second, state="due")] == [3]


def test_what_was_given_up_does_not_count_as_told(db: Database, settings: Settings, made: NewSite) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    now = utcnow()
    with db.transaction() as session:
        row = session.get_one(Delivery, 1)
        row.state, row.attempts = "dead", 10
    with db.transaction() as session:
        assert put(session, row, 2, row.told, now, now) is True
    assert [item.state for item in rows(db)] == ["superseded", "due"]


def test_a_failure_in_flight_is_repeated_when_nothing_newer_is_told(
    db: Database, settings: Settings, made: NewSite
) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    (taken,) = claim(db)
    now = utcnow()
    with db.transaction() as session:
        row = session.get_one(Delivery, 1)
        put(session, row, 2, "REJECTED|1|SPAM", now + timedelta(seconds=10), now)
    with db.transaction() as session:
        put(session, row, 3, row.told, now + timedelta(seconds=10), now)
    answer(db, taken, WRONG)
    assert [(item.sequence, item.state) for item in rows(db)] == [(1, "superseded"), (2, "superseded"), (3, "due")]


def test_a_withdrawn_comment_is_not_told_even_when_its_event_was_in_flight(
    db: Database, settings: Settings, made: NewSite
) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    (taken,) = claim(db)
    with db.transaction() as session:
        outbox.withdraw(session, 1, utcnow())
    assert answer(db, taken, WRONG) is False
    assert [row.state for row in rows(db)] == ["superseded"]


def test_the_first_endpoint_of_a_site_gets_what_waited_for_pulling(
    db: Database, settings: Settings, made: NewSite, sender: Recorder
) -> None:
    comments(db, settings, made.site, 2)
    assert [row.endpoint_id for row in rows(db)] == [None, None]
    assert claim(db) == []
    sender.sent.clear()
    (first,) = add(db, made.site, URLS[0])
    assert queues.TASK_DELIVER in sender.sent
    assert [row.endpoint_id for row in rows(db)] == [first, first]
    (second,) = add(db, made.site, URLS[1])
    assert rows(db, endpoint_id=second) == []


def test_the_last_endpoints_open_events_wait_for_pulling(db: Database, settings: Settings, made: NewSite) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 4)
    answer(db, claim(db)[0], OK)
    in_flight = claim(db)[0]
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.id == 3).values(state="dead", attempts=10))
        removed = endpoints.remove(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
    assert (removed.handed_over, removed.closed) == (3, 0)
    assert [(row.endpoint_id, row.state) for row in rows(db)] == [(first, "delivered")] + [(None, "due")] * 3
    assert answer(db, in_flight, OK) is False  # the row is no longer the worker's
    assert [row.state for row in rows(db)] == ["delivered", "due", "due", "due"]


def test_what_a_removed_endpoint_alone_had_goes_to_another_and_the_rest_is_closed(
    db: Database, settings: Settings, made: NewSite
) -> None:
    (old,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 2)
    (new,) = add(db, made.site, URLS[1])
    comments(db, settings, made.site, 1, begin=3)
    with db.transaction() as session:
        removed = endpoints.remove(session, session.get_one(Endpoint, old), now=utcnow(), actor="cli")
    assert (removed.handed_over, removed.closed) == (2, 1)
    assert [(row.comment_id, row.state) for row in rows(db, endpoint_id=new)] == [(1, "due"), (2, "due"), (3, "due")]
    assert [row.state for row in rows(db, endpoint_id=old)] == ["superseded"]


def test_a_removed_endpoints_grace_is_kept(db: Database, settings: Settings, made: NewSite) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    later = utcnow() + timedelta(seconds=30)
    with db.transaction() as session:
        session.execute(update(Delivery).values(due_at=later))
        endpoints.remove(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
    assert rows(db)[0].due_at == later


@pytest.mark.parametrize(
    "url", ["warta.example", "ftp://warta.example/x", "https://u:p@warta.example/", "https://2130706433/", "x" * 2001]
)
def test_a_wrong_address_is_refused_by_name(db: Database, made: NewSite, url: str) -> None:
    with pytest.raises(InvalidInput) as error:
        add(db, made.site, url)
    assert error.value.field == "url"


def test_the_same_address_twice_and_too_many_are_refused(db: Database, made: NewSite) -> None:
    add(db, made.site, *[f"https://warta.example/{number}" for number in range(endpoints.MAX_ENDPOINTS)])
    with pytest.raises(Conflict):
        add(db, made.site, "https://warta.example/3")
    with pytest.raises(InvalidInput):
        add(db, made.site, "https://warta.example/one-too-many")


def test_ten_failures_over_ten_minutes_pause_and_their_events_are_neither_lost_nor_burnt(
    db: Database, settings: Settings, made: NewSite
) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 3)
    begun = utcnow()
    now = fail_until_paused(db, first)
    found = endpoint(db, first)
    assert endpoints.state_of(found) == "paused"
    assert found.failures >= 10
    assert timedelta(minutes=10) <= now - begun < timedelta(hours=1)
    assert "answered 500" in found.disabled_reason
    assert found.probe_at == now + timedelta(minutes=5)
    burnt = sum(row.attempts for row in rows(db))
    distances = []
    for _ in range(8):
        assert endpoint(db, first).probe_at is not None
        at = max(endpoint(db, first).probe_at or now, max(row.due_at for row in rows(db)))
        assert claim(db, (endpoint(db, first).probe_at or now) - timedelta(seconds=1)) == []
        (probe,) = claim(db, at)
        answer(db, probe, WRONG, at)
        distances.append(((endpoint(db, first).probe_at or at) - at).total_seconds() / 60)
    assert distances[-1] == 60
    assert sum(row.attempts for row in rows(db)) == burnt
    assert {row.state for row in rows(db)} == {"due"}
    with db.reading() as session:
        paused = session.scalars(select(AuditEntry).where(AuditEntry.action == "endpoint.pause")).one()
        assert (paused.actor, paused.subject) == ("delivery", f"endpoint:{first}")


def test_a_success_resumes_everything_at_once(
    db: Database, settings: Settings, made: NewSite, sender: Recorder
) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 3)
    fail_until_paused(db, first)
    comments(db, settings, made.site, 1, begin=4)
    at = max([endpoint(db, first).probe_at or utcnow(), *[row.due_at for row in rows(db)]])
    with db.transaction() as session:  # these wait for hours; one more is in its grace
        session.execute(update(Delivery).where(Delivery.attempts > 0).values(due_at=at + timedelta(hours=5)))
        session.execute(update(Delivery).where(Delivery.comment_id == 3).values(attempts=0))
    sender.sent.clear()
    (probe,) = claim(db, at)
    answer(db, probe, OK, at)
    found = endpoint(db, first)
    assert (endpoints.state_of(found), found.disabled_reason, found.failures) == ("works", "", 0)
    assert sender.sent == [queues.TASK_DELIVER]
    told = [probe.delivery_id]
    while taken := claim(db, at):
        answer(db, taken[0], OK, at)
        told.append(taken[0].delivery_id)
    assert sorted(told) == [1, 2, 4]
    assert [row.comment_id for row in rows(db, state="due")] == [3]


def test_probes_take_turns_so_that_one_event_the_receiver_refuses_does_not_keep_it_paused(
    db: Database, settings: Settings, made: NewSite
) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 3)
    fail_until_paused(db, first)
    with db.transaction() as session:
        session.execute(update(Delivery).values(due_at=NOW))
    probed = set()
    for _ in range(3):
        (probe,) = claim(db, endpoint(db, first).probe_at)
        answer(db, probe, WRONG, endpoint(db, first).probe_at)
        probed.add(probe.delivery_id)
    assert probed == {1, 2, 3}


def test_one_event_that_fails_pauses_nobody(db: Database, settings: Settings, made: NewSite) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 1)
    now = utcnow()
    for turn in range(12):
        comments(db, settings, made.site, 1, begin=2 + turn)
        now += timedelta(minutes=5)
        for _ in range(2):
            for taken in claim(db, now):
                answer(db, taken, WRONG if taken.delivery_id == 1 else OK, now)
    assert endpoint(db, first).paused_at is None
    assert {row.state for row in rows(db) if row.id != 1} == {"delivered"}


def test_a_failing_endpoint_rests_before_the_next_event_so_that_a_backlog_is_not_burnt(
    db: Database, settings: Settings, made: NewSite
) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site, 5)
    now = utcnow()
    tries = 0
    for _ in range(30):  # half a minute, asked every second
        for taken in claim(db, now):
            tries += 1
            answer(db, taken, WRONG, now)
        now += timedelta(seconds=1)
    assert tries <= 7


@pytest.mark.parametrize(("status", "rests"), [(429, True), (503, True), (500, False)])
def test_a_receiver_that_asks_for_patience_is_left_alone_with_all_its_events(
    db: Database, settings: Settings, made: NewSite, status: int, rests: bool
) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site, 2)
    now = utcnow()
    answer(db, claim(db, now)[0], Answer(status, f"answered {status}", 120.0, 5), now)
    assert (rows(db)[0].due_at - now).total_seconds() >= 120
    assert (claim(db, now + timedelta(seconds=119)) == []) is rests
    assert len(claim(db, now + timedelta(seconds=121))) == (1 if rests else 0)


def test_a_pause_by_hand_holds_until_a_person_resumes(db: Database, settings: Settings, made: NewSite) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site, 2)
    in_flight = claim(db)[0]
    with db.transaction() as session:
        endpoints.pause(session, session.get_one(Endpoint, first), now=utcnow(), actor="moderator:1")
    answer(db, in_flight, OK)
    assert claim(db, utcnow() + timedelta(days=9)) == []
    with db.transaction() as session:
        endpoints.resume(session, session.get_one(Endpoint, first), now=utcnow(), actor="moderator:1")
    assert len(claim(db)) == 1


def test_a_disabled_endpoint_is_not_told_until_it_is_enabled_and_resuming_it_is_refused(
    db: Database, settings: Settings, made: NewSite
) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    with db.transaction() as session:
        endpoints.disable(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
    assert claim(db) == []
    for refused in (endpoints.pause, endpoints.resume):
        with pytest.raises(Conflict), db.transaction() as session:
            refused(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
    with db.transaction() as session:
        endpoints.change_url(session, session.get_one(Endpoint, first), URLS[1], now=utcnow(), actor="cli")
    assert claim(db) == []  # another address is not a wish to be told
    with db.transaction() as session:
        endpoints.enable(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
    assert [item.url for item in claim(db)] == [URLS[1]]


def test_another_address_mends_a_410_and_a_pause(db: Database, settings: Settings, made: NewSite) -> None:
    first, second = add(db, made.site, *URLS)
    comments(db, settings, made.site)
    taken = {item.endpoint_id: item for item in claim(db)}
    answer(db, taken[first], Answer(410, "answered 410", None, 5))
    assert (endpoint(db, first).enabled, endpoint(db, first).disabled_reason) == (False, endpoints.GONE)
    answer(db, taken[second], WRONG)
    now = fail_until_paused(db, second)
    for number in (first, second):
        with db.transaction() as session:
            url = f"https://baru.example/{number}"
            endpoints.change_url(session, session.get_one(Endpoint, number), url, now=now, actor="cli")
    assert sorted(item.url for item in claim(db, now)) == [f"https://baru.example/{n}" for n in (first, second)]


@pytest.mark.parametrize("state", ["works", "paused", "disabled"])
def test_a_test_event_is_sent_whatever_the_endpoints_state_and_tried_once(
    db: Database, settings: Settings, made: NewSite, state: str
) -> None:
    (first,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    with db.transaction() as session:
        found = session.get_one(Endpoint, first)
        if state != "works":
            {"paused": endpoints.pause, "disabled": endpoints.disable}[state](session, found, now=utcnow(), actor="cli")
        test = outbox.put_test(session, found, utcnow()).id
    (taken,) = claim(db)
    assert (taken.delivery_id, taken.is_test) == (test, True)
    with db.transaction() as session:
        endpoints.note(session, first, WRONG, now=utcnow(), rand=lambda: 0.0)
        leasing.finish(session, taken, now=utcnow(), status=500, error="", milliseconds=1, retry_in=None)
    assert rows(db, id=test)[0].state == "dead"
    with db.reading() as session:
        assert outbox_reading.given_up(session) == 0
    with db.transaction() as session:
        assert outbox.replay_dead(session, [made.site.id], utcnow()) == 0
        outbox.put_test(session, session.get_one(Endpoint, first), utcnow())
    assert rows(db, id=test)[0].state == "superseded"
    assert endpoints.state_of(endpoint(db, first)) == ("failing" if state == "works" else state)


def test_endpoints_that_do_not_answer_at_once_share_half_of_the_threads(
    db: Database, settings: Settings, made: NewSite
) -> None:
    others = [add_site(db, webhook=False).site for _ in range(5)]
    numbers = [add(db, site, URLS[0])[0] for site in [made.site, *others]]
    for position, site in enumerate([made.site, *others]):
        comments(db, settings, site, 1, begin=position)
    with db.transaction() as session:
        session.execute(update(Endpoint).where(Endpoint.id.in_(numbers[4:])).values(last_ok_at=NOW))
        session.execute(update(Endpoint).where(Endpoint.id.in_(numbers[2:4])).values(last_ok_at=NOW, slow=True))
    taken = claim(db)
    slow = [item.endpoint_id for item in taken if item.endpoint_id in numbers[:4]]
    assert len(slow) == leasing.MAX_SLOW
    assert {item.endpoint_id for item in taken} >= set(numbers[4:])
    with db.reading() as session:
        assert leasing.any_due(session, utcnow()) is False  # what is left waits for a slow one to end
    answer(db, next(item for item in taken if item.endpoint_id == slow[0]), OK)
    assert len(claim(db)) == 1


def test_however_many_do_not_answer_those_that_do_are_found(db: Database, settings: Settings, made: NewSite) -> None:
    (good,) = add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    for number in range(20):
        site = add_site(db, webhook=False).site
        add(db, site, URLS[0])
        comments(db, settings, site, 1, begin=number)
    with db.transaction() as session:
        session.execute(update(Endpoint).where(Endpoint.id == good).values(last_ok_at=utcnow()))
    taken = claim(db, limit=2)  # who never answered is first in turn
    assert good not in [item.endpoint_id for item in taken]
    assert [item.endpoint_id for item in claim(db, limit=4)] == [good]


def test_who_has_waited_longest_for_a_turn_is_first_whatever_the_others_have_piled_up(
    db: Database, settings: Settings, made: NewSite
) -> None:
    other = add_site(db, webhook=False)
    (busy,), (quiet,) = add(db, made.site, URLS[0]), add(db, other.site, URLS[0])
    comments(db, settings, made.site, 5)
    comments(db, settings, other.site, 1, begin=9)
    with db.transaction() as session:
        session.execute(update(Delivery).where(Delivery.site_id == made.site.id).values(due_at=NOW))
        session.execute(update(Endpoint).where(Endpoint.id == busy).values(last_ok_at=utcnow()))
        session.execute(update(Endpoint).where(Endpoint.id == quiet).values(last_ok_at=NOW))
    assert [item.endpoint_id for item in claim(db, limit=1)] == [quiet]


def test_a_dead_sites_backlog_hides_nobodys_event_and_costs_no_reading(
    db: Database, settings: Settings, made: NewSite
) -> None:
    other = add_site(db, webhook=False)
    (dead,), (alive,) = add(db, made.site, URLS[0]), add(db, other.site, URLS[0])
    comments(db, settings, other.site, 1)
    with db.transaction() as session:
        session.execute(
            insert(Delivery),
            [
                {
                    "site_id": made.site.id,
                    "endpoint_id": dead,
                    "sequence": number,
                    "event_id": f"msg_{number}",
                    "told": "HELD|1|",
                    "payload": "{}",
                    "due_at": NOW,
                    "created_at": NOW,
                }
                for number in range(1, 301)
            ],
        )
        session.execute(update(Endpoint).where(Endpoint.id == dead).values(probe_at=utcnow() + timedelta(hours=1)))
    assert [item.endpoint_id for item in claim(db)] == [alive]
    if db.is_sqlite:
        question = leasing._ready(proven=True).params(now=utcnow(), most=1)
        plan = str(question.compile(db.engine, compile_kwargs={"literal_binds": True}))
        with db.engine.connect() as connection:
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plan}")]
        assert not [step for step in steps if step.startswith("SCAN delivery")]


def test_a_busy_sites_events_go_out_back_to_back(db: Database, settings: Settings, made: NewSite) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site, 6)
    now, told = utcnow(), 0
    while taken := claim(db, now, limit=1):  # one thread, no nudge, no sweep
        answer(db, taken[0], OK, now)
        told += 1
    assert told == 6


def test_replaying_leaves_alone_what_was_overtaken_and_what_is_another_sites(
    db: Database, settings: Settings, made: NewSite
) -> None:
    other = add_site(db)
    add(db, made.site, URLS[0])
    comments(db, settings, made.site, 2)
    comments(db, settings, other.site, 1, begin=9)
    with db.transaction() as session:
        session.execute(update(Delivery).values(state="delivered", finished_at=NOW))
        put(session, session.get_one(Delivery, 1), 2, "REJECTED|1|SPAM", NOW, NOW)
    with db.transaction() as session:
        assert outbox.replay(session, [made.site.id], [1, 2, 3, 99, 2**70], utcnow()) == [2]
    assert [row.state for row in rows(db)] == ["delivered", "due", "delivered", "due"]


def test_an_event_is_signed_with_every_live_secret_and_a_site_without_one_is_no_endless_loop(
    db: Database, settings: Settings, made: NewSite
) -> None:
    from moderation.delivery import sender

    add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    with db.transaction() as session:
        for secret in session.scalars(select(sites.WebhookSecret)):
            secret.retired_at = NOW
    assert sender.deliver_due(db, settings) == 1
    assert (rows(db)[0].state, rows(db)[0].last_error) == ("dead", "refused: the site has no secret to sign with")


def test_the_doctor_names_paused_and_disabled_endpoints(db: Database, settings: Settings, made: NewSite) -> None:
    first, second = add(db, made.site, *URLS)
    comments(db, settings, made.site)
    with db.transaction() as session:
        endpoints.pause(session, session.get_one(Endpoint, first), now=utcnow(), actor="cli")
        endpoints.disable(session, session.get_one(Endpoint, second), now=utcnow(), actor="cli")
    found = {finding.what: finding.remedy for finding in checks.examine(db, settings)}
    assert f"Endpoint {first} of Warta Uji is paused (by hand); 1 event waits." in found
    assert any(f"deliveries enable {second}" in remedy for remedy in found.values())


def test_attempts_are_kept_with_their_answers(db: Database, settings: Settings, made: NewSite) -> None:
    add(db, made.site, URLS[0])
    comments(db, settings, made.site)
    answer(db, claim(db)[0], WRONG)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 1
        assert [(item.status, item.error) for item in outbox_reading.attempts_of(session, 1)] == [(500, "answered 500")]
