"""Many decided at once: what happens to each is what deciding it alone would have done, in few statements."""

import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import func, select, update

from moderation import pipeline, queues
from moderation.accounts.models import AuditEntry, Moderator, Site
from moderation.accounts.sites import NewSite
from moderation.comments import status
from moderation.comments.models import Comment, Report
from moderation.db import Database, utcnow
from moderation.delivery.models import Delivery
from moderation.errors import Conflict, InvalidInput
from moderation.review import claims, decided, decisions, escalations, tallies, undoing
from moderation.review.decisions import Decider
from moderation.review.models import BulkJob, Claim, Decision, Escalation, SecondLook
from moderation.scoring.models import Campaign
from moderation.settings import Settings
from tests.conftest import Recorder

from .helpers import BAD, KEY, add_site, add_user, comment_of, given, judge_all, take

# No two are alike, or they were one campaign.
WORDS = (
    "pasar",
    "jalan",
    "hujan",
    "listrik",
    "sekolah",
    "bola",
    "pajak",
    "beras",
    "kereta",
    "laut",
    "gunung",
    "pabrik",
)


def held(db: Database, settings: Settings, made: NewSite, amount: int, prefix: str = "c") -> list[int]:
    """Held comments of a site."""
    for number in range(amount):
        text = f"{BAD} {WORDS[number % 12]} {WORDS[(number * 5 + 3) % 12]} {number}"
        take(db, settings, made.site, given(f"{prefix}{number}", text=text))
    judge_all(db, settings)
    with db.reading() as session:
        wanted = select(Comment.id).where(Comment.external_id.like(f"{prefix}%"), Comment.site_id == made.site.id)
        return list(session.scalars(wanted.order_by(Comment.id)))


def locked(session: sa.orm.Session, ids: Sequence[int]) -> Sequence[Comment]:
    wanted = select(Comment).where(Comment.id.in_(ids)).order_by(Comment.id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).all()


def decide_many(
    db: Database, ids: Sequence[int], action: str, user: int, reason: str | None = None, **values: Any
) -> Mapping[int, Decision | Conflict]:
    with db.transaction() as session:
        by = Decider(session.get_one(Moderator, user))
        now = values.pop("now", None) or utcnow()
        return decisions.decide_many(session, locked(session, ids), action, by, reason=reason, now=now, **values)


def undo_many(db: Database, ids: Sequence[int], user: int, **values: Any) -> Mapping[int, Decision | Conflict]:
    with db.transaction() as session:
        me = session.get_one(Moderator, user)
        return undoing.undo_many(session, locked(session, ids), me, now=utcnow(), **values)


@pytest.mark.parametrize(("action", "reason"), [("approve", None), ("reject", "SPAM"), ("hold", None)])
def test_it_has_the_effects_of_deciding_one_by_one(
    db: Database, settings: Settings, sender: Recorder, action: str, reason: str | None
) -> None:
    """Two sites with the same comments: one is decided comment by comment, the other at once."""
    user, now = add_user(db, "sari@contoh.example"), utcnow()
    told: list[list[dict[str, Any]]] = []
    for whole in (False, True):
        made = add_site(db, grace_seconds=0)
        ids = held(db, settings, made, 4, prefix=f"{whole}-")
        with db.transaction() as session:
            for number in ids[:2]:
                session.add(
                    Report(
                        site_id=made.site.id,
                        comment_id=number,
                        revision=1,
                        reporter="r",
                        reason="SPAM",
                        created_at=now,
                    )
                )
            comment, me = session.get_one(Comment, ids[2]), session.get_one(Moderator, user)
            session.execute(update(Comment).where(Comment.id.in_(ids[:2])).values(reports=1))
            escalations.raise_(session, comment, me, "Bolehkah?", now)
            claims.claim(session, comment, me, now)
            session.execute(update(Comment).where(Comment.id == ids[3]).values(status="PENDING"))
        sender.sent.clear()
        if whole:
            decide_many(db, ids, action, user, reason, now=now)
        else:
            for number in ids:
                with db.transaction() as session:
                    comment, me = session.get_one(Comment, number), session.get_one(Moderator, user)
                    decisions.decide(
                        session, comment, action, Decider(me), seen_version=comment.version, now=now, reason=reason
                    )
        assert set(sender.sent) == {queues.TASK_DELIVER}
        with db.reading() as session:
            found: list[dict[str, Any]] = []
            moving = {"id", "site_id", "external_id", "created_at", "received_at", "pending_since", "priority"}
            moving |= {"story_id", "author_id", "endpoint_id", "comment_id", "event_id", "payload", "subject"}
            for model, where in (
                (Comment, Comment.site_id == made.site.id),
                (Decision, Decision.comment_id.in_(ids)),
                (Delivery, Delivery.site_id == made.site.id),
                (AuditEntry, AuditEntry.site_id == made.site.id),
                (Report, Report.comment_id.in_(ids)),
                (Escalation, Escalation.comment_id.in_(ids)),
            ):
                for row in session.scalars(select(model).where(where).order_by(model.id)):
                    values = {c.key: getattr(row, c.key) for c in sa.inspect(model).columns if c.key not in moving}
                    if isinstance(row, (Comment, Delivery)) or values.get("moderator_id") is None:
                        values = {
                            k: v for k, v in values.items() if k not in ("decided_at", "finished_at", "due_at", "at")
                        }
                    found.append({"table": model.__tablename__, **values})
            assert session.scalar(select(func.count()).select_from(Claim)) == 0
        told.append(sorted(found, key=lambda row: str(sorted(row.items(), key=str))))
    assert len(told[0]) == len(told[1])
    assert [row for row in told[0] if row not in told[1]] == []


def statements(db: Database, deed: Any) -> int:
    count = 0

    def note(*_: Any) -> None:
        nonlocal count
        count += 1

    sa.event.listen(db.engine, "before_cursor_execute", note)
    deed()
    sa.event.remove(db.engine, "before_cursor_execute", note)
    return count


def test_a_hundred_take_as_many_statements_as_two(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    few, many = held(db, settings, made, 2, "a"), held(db, settings, made, 60, "b")
    first = statements(db, lambda: decide_many(db, few, "reject", user, "SPAM"))
    second = statements(db, lambda: decide_many(db, many, "reject", user, "SPAM"))
    assert first == second <= 20
    assert statements(db, lambda: undo_many(db, few, user)) == statements(db, lambda: undo_many(db, many, user)) <= 26
    with db.reading() as session:
        assert tallies.counts(session, [made.site.id])["held"] == 62


def test_what_cannot_be_decided_says_why_and_the_rest_is_decided(db: Database, settings: Settings) -> None:
    user, other = add_user(db, role="moderator"), add_user(db, "sari@contoh.example", name="Sari P.")
    made = add_site(db)
    ids = held(db, settings, made, 5)
    seen = dict.fromkeys(ids, 2)
    decide_many(db, ids[:1], "approve", other)
    with db.transaction() as session:
        site = session.get_one(Site, made.site.id)
        take_event = pipeline.take_event
        take_event(session, site, "deleted", "t9|x", "c1", None, settings=settings, key=KEY, now=utcnow())
        text = given("c2", text="teks baru")
        take_event(session, site, "updated", "t9|y", "c2", text, settings=settings, key=KEY, now=utcnow())
        escalations.raise_(
            session, session.get_one(Comment, ids[3]), session.get_one(Moderator, user), "Bolehkah?", utcnow()
        )
    found = decide_many(db, ids, "reject", user, "SPAM", seen=seen)
    assert [found[n].details["what"] if isinstance(found[n], Conflict) else "done" for n in ids] == [  # type: ignore[union-attr]
        "approve",
        "withdrawn",
        "edited",
        "escalated",
        "done",
    ]
    conflict = found[ids[0]]
    assert isinstance(conflict, Conflict)
    assert conflict.details["who"] == "Sari P."
    assert [comment_of(db, f"c{n}").status for n in range(5)] == [
        "APPROVED",
        "WITHDRAWN",
        "PENDING",
        "HELD",
        "REJECTED",
    ]


def test_the_same_answer_twice_changes_nothing(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 3)
    first = decide_many(db, ids, "reject", user, "SPAM", seen=dict.fromkeys(ids, 2))
    again = decide_many(db, ids, "reject", user, "SPAM", seen=dict.fromkeys(ids, 2))
    later = decide_many(db, ids, "reject", user, "SPAM")
    assert [d.id for d in first.values()] == [d.id for d in again.values()] == [d.id for d in later.values()]  # type: ignore[union-attr]
    assert {comment_of(db, f"c{n}").version for n in range(3)} == {3}


def test_another_reason_is_another_decision(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 2)
    decide_many(db, ids, "reject", user, "SPAM")
    decide_many(db, ids, "reject", user, "OFFENSIVE")
    with db.reading() as session:
        assert tallies.counts(session, [made.site.id]) | {"held": 0, "spam": 0, "rejected": 2} == tallies.counts(
            session, [made.site.id]
        )


def test_a_wrong_order_is_refused_as_a_whole(db: Database, settings: Settings) -> None:
    user, ids = add_user(db), held(db, settings, add_site(db), 2)
    for action, reason in (("reject", None), ("reject", "BORING"), ("delete", None)):
        with pytest.raises(InvalidInput):
            decide_many(db, ids, action, user, reason)
    assert decide_many(db, [], "approve", user) == {}


def test_comments_that_nobody_locked_are_not_overwritten(db: Database, settings: Settings) -> None:
    user, ids = add_user(db), held(db, settings, add_site(db), 2)
    with db.reading() as session:
        stale = session.scalars(select(Comment).where(Comment.id.in_(ids)).order_by(Comment.id)).all()
        session.expunge_all()
    decide_many(db, ids[:1], "approve", user)
    with db.transaction() as session:
        session.add_all(stale)
        by = Decider(session.get_one(Moderator, user))
        with pytest.raises(Conflict):
            decisions.decide_many(session, stale, "reject", by, reason="SPAM", now=utcnow())
        session.rollback()
    assert [comment_of(db, f"c{n}").status for n in range(2)] == ["APPROVED", "HELD"]


def test_a_job_is_taken_back_as_a_whole_but_not_what_others_decided_since(db: Database, settings: Settings) -> None:
    user, other, made = add_user(db), add_user(db, "sari@contoh.example"), add_site(db)
    ids = held(db, settings, made, 4)
    with db.transaction() as session:
        now = utcnow()
        plain = {"query": "", "action": "reject", "state": "running", "created_at": now, "updated_at": now}
        session.add(BulkJob(id=1, moderator_id=user, site_ids=[made.site.id], total=4, until_id=9, cursor=0, **plain))
    done = decide_many(db, ids, "reject", user, "SPAM", job_id=1)
    of = {number: decision.id for number, decision in done.items() if isinstance(decision, Decision)}
    decide_many(db, ids[:1], "approve", other)
    found = undo_many(db, ids, other, of=of)  # a colleague takes the job back
    assert [isinstance(found[number], Conflict) for number in ids] == [True, False, False, False]
    assert [comment_of(db, f"c{n}").status for n in range(4)] == ["APPROVED", "HELD", "HELD", "HELD"]
    with db.reading() as session:
        back = session.scalars(select(Decision).where(Decision.undoes.is_not(None)).order_by(Decision.id)).all()
    assert [(d.undoes, d.action, d.moderator_id) for d in back] == [(of[n], "hold", other) for n in ids[1:]]


def test_each_goes_back_to_what_it_was(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 4)
    decide_many(db, ids[:1], "approve", user)
    decide_many(db, ids[1:2], "reject", user, "OFFENSIVE")
    decide_many(db, ids[2:3], "reject", user, "SPAM")
    decide_many(db, ids, "reject", user, "ABUSIVE")
    undo_many(db, ids, user)
    with db.reading() as session:
        last = decided.latest_of(session, ids)
    assert [(last[n].action, last[n].reason) for n in ids] == [
        ("approve", None),
        ("reject", "OFFENSIVE"),
        ("reject", "SPAM"),
        ("hold", None),
    ]
    assert [comment_of(db, f"c{n}").spam for n in range(4)] == [False, False, True, False]


def test_an_undo_opens_again_what_the_decision_had_settled(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 2)
    with db.transaction() as session:
        now = utcnow()
        report = {"site_id": made.site.id, "revision": 1, "reason": "SPAM", "created_at": now}
        session.add(Report(comment_id=ids[0], reporter="a", resolved_at=now, **report))  # settled long ago
        session.add(Report(comment_id=ids[0], reporter="b", **report))
        session.add(Report(comment_id=ids[1], reporter="a", **report))
        session.execute(update(Comment).values(reports=1))
        for number in ids:
            comment = session.get_one(Comment, number)
            session.refresh(comment)
            escalations.raise_(session, comment, session.get_one(Moderator, user), "Bolehkah?", now)
    decide_many(db, ids, "reject", user, "SPAM", now=utcnow() + timedelta(seconds=1))
    for number in range(2):
        assert (comment_of(db, f"c{number}").reports, comment_of(db, f"c{number}").escalated) == (0, False)
    undo_many(db, ids[:1], user)
    with db.transaction() as session:
        comment = session.get_one(Comment, ids[1])
        undoing.undo(session, comment, session.get_one(Moderator, user), seen_version=comment.version, now=utcnow())
    for number in range(2):
        assert (comment_of(db, f"c{number}").reports, comment_of(db, f"c{number}").escalated) == (1, True)
    with db.reading() as session:
        assert set(escalations.open_of(session, ids)) == set(ids)
        resolved = session.scalars(select(Report.resolved_at).order_by(Report.id)).all()
    assert [moment is None for moment in resolved] == [False, True, True]


def test_every_site_has_its_own_grace(db: Database, settings: Settings) -> None:
    user, now = add_user(db), utcnow()
    quick, slow = add_site(db, grace_seconds=0), add_site(db, grace_seconds=30)
    ids = held(db, settings, quick, 2, "q") + held(db, settings, slow, 2, "s")
    decide_many(db, ids, "approve", user, now=now)
    assert [comment_of(db, name).shown_at for name in ("q1", "s1")] == [now, now + timedelta(seconds=30)]
    with db.reading() as session:
        due = session.execute(select(Delivery.site_id, Delivery.due_at).where(Delivery.sequence == 2)).all()
    assert {(row.site_id, row.due_at) for row in due} == {
        (quick.site.id, now),
        (slow.site.id, now + timedelta(seconds=30)),
    }


def test_a_share_of_what_was_selected_is_looked_at_again(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    with db.transaction() as session:
        session.execute(update(Site).values(second_look_percent=100))
    decide_many(db, held(db, settings, made, 3), "approve", user)
    with db.reading() as session:
        assert session.scalar(select(func.count()).select_from(SecondLook)) == 3


def campaign(db: Database, ids: Sequence[int], site_id: int) -> int:
    """Make these held comments one campaign; the first stands in front."""
    with db.transaction() as session:
        now = utcnow()
        made = Campaign(site_id=site_id, signature=b"", size=len(ids), created_at=now, last_seen_at=now)
        session.add(made)
        session.flush()
        values = {"campaign_id": made.id, "follower": Comment.id != ids[0]}
        session.execute(update(Comment).where(Comment.id.in_(ids)).values(**values))
        return made.id


def fronts(db: Database, campaign_id: int) -> list[int]:
    with db.reading() as session:
        wanted = select(Comment.id).where(Comment.campaign_id == campaign_id, Comment.follower.is_(False))
        return list(session.scalars(wanted.where(Comment.status == "HELD").order_by(Comment.id)))


def test_when_the_front_of_a_campaign_leaves_the_next_comes_forward(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 5)
    group = campaign(db, ids, made.site.id)
    with db.transaction() as session:
        comment = session.get_one(Comment, ids[0])
        decisions.decide(
            session, comment, "approve", Decider(session.get_one(Moderator, user)), seen_version=2, now=utcnow()
        )
    assert fronts(db, group) == [ids[1]]
    assert comment_of(db, "c1").version == 2  # whoever reads it may decide on what they see
    decide_many(db, ids[1:3], "reject", user, "SPAM")
    assert fronts(db, group) == [ids[3]]
    decide_many(db, ids[4:], "reject", user, "SPAM")  # it followed
    assert fronts(db, group) == [ids[3]]
    decide_many(db, ids[3:4], "reject", user, "SPAM")
    assert fronts(db, group) == []


def test_what_comes_back_to_a_campaign_follows_its_front_or_becomes_it(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 4)
    group = campaign(db, ids, made.site.id)
    decide_many(db, ids, "reject", user, "SPAM")
    undo_many(db, ids[1:3], user)
    assert fronts(db, group) == [ids[1]]
    undo_many(db, ids[:1], user)
    with db.transaction() as session:
        comment = session.get_one(Comment, ids[3])
        undoing.undo(session, comment, session.get_one(Moderator, user), seen_version=comment.version, now=utcnow())
    assert fronts(db, group) == [ids[1]]
    assert [comment_of(db, f"c{n}").follower for n in range(4)] == [True, False, True, True]


def test_an_edited_comment_leaves_its_campaign_and_what_was_asked_about_it(db: Database, settings: Settings) -> None:
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 2)
    group = campaign(db, ids, made.site.id)
    with db.transaction() as session:
        me = session.get_one(Moderator, user)
        escalations.raise_(session, session.get_one(Comment, ids[0]), me, "Bolehkah?", utcnow())
    with db.transaction() as session:
        site = session.get_one(Site, made.site.id)
        text = given("c0", text="teks baru")
        pipeline.take_event(session, site, "updated", "t9|y", "c0", text, settings=settings, key=KEY, now=utcnow())
    comment = comment_of(db, "c0")
    assert (comment.campaign_id, comment.follower, comment.escalated) == (None, False, False)
    assert fronts(db, group) == [ids[1]]
    with db.reading() as session:
        assert session.scalars(select(Escalation.answered_at)).one() is not None


def test_the_sweep_finds_campaigns_with_nobody_in_front(db: Database, settings: Settings) -> None:
    made = add_site(db)
    ids = held(db, settings, made, 4)
    whole, lost = campaign(db, ids[:2], made.site.id), campaign(db, ids[2:], made.site.id)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id.in_(ids[2:])).values(follower=True))
    for repaired in (1, 0):
        with db.transaction() as session:
            assert status.repair_fronts(session) == repaired
    assert (fronts(db, whole), fronts(db, lost)) == ([ids[0]], [ids[2]])
    with db.transaction() as session:
        assert status.front_of(session, [whole, lost, 999]) == {whole: ids[0], lost: ids[2]}


def test_who_joins_a_campaign_while_its_front_is_decided_is_not_forgotten(db: Database, settings: Settings) -> None:
    """The newcomer saw a front and follows it; the front leaves at the same time and has seen no follower."""
    user, made = add_user(db), add_site(db)
    ids = held(db, settings, made, 2)
    group = campaign(db, ids[:1], made.site.id)
    with db.transaction() as session:
        session.execute(update(Comment).where(Comment.id == ids[1]).values(status="PENDING"))
    leaving = threading.Thread(target=decide_many, args=(db, ids[:1], "approve", user))
    with db.transaction() as session:
        comment = session.get_one(Comment, ids[1], with_for_update=True)
        assert status.front_of(session, [group]) == {group: ids[0]}
        leaving.start()
        leaving.join(0.1)  # it comes as far as it can
        assert status.move(session, comment, "HELD", now=utcnow(), campaign_id=group, follower=True)
    leaving.join()
    assert fronts(db, group) == [ids[1]]
