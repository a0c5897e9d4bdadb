"""A week in an invented newsroom, for the pictures: what readers wrote, what the machine held, what people decided.

Everything goes the way it goes in the product (intake, built-in scorer, policy, decisions); afterwards times are moved
back, so that there is a week to look at. All names, places and firms are invented.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from moderation import pipeline
from moderation.accounts import moderators, sites, tokens
from moderation.accounts.models import Moderator, Site
from moderation.accounts.moderators import Passwords
from moderation.comments import reports, standings, status
from moderation.comments.intake import AuthorInput, CommentInput, StoryInput
from moderation.comments.models import Author, Comment, Revision
from moderation.db import Database, utcnow
from moderation.delivery import outbox
from moderation.delivery.models import Delivery
from moderation.demo.content import FERRY
from moderation.policy.models import VerdictRow
from moderation.review import (
    bulk,
    bulk_work,
    decisions,
    escalations,
    filters,
    notes,
    saved_views,
    second_looks,
    statistics_keeping,
)
from moderation.review.decisions import Decider
from moderation.review.models import Claim, Decision, SecondLook
from moderation.scoring import registry
from moderation.settings import Settings

EMAIL, PASSWORD = "rani@warta.example", "kata-sandi-gambar"
KEY = b"k" * 40
DAYS = 7
PER_DAY = 46
"""Comments of a past day."""

DEMO = StoryInput(FERRY.external_id, "http://127.0.0.1:8000/demo", FERRY.text("id").title)
HARBOUR = StoryInput("w-17", "https://warta.example/pelabuhan", "Pelabuhan Kenanga menambah jam malam")
SCHOOL = StoryInput("w-18", "https://warta.example/sekolah", "Sekolah di Lembah Randu libur dua hari karena banjir")

GOOD = (
    "Semoga ongkos muatnya benar-benar turun sampai ke pedagang kecil, bukan cuma ke perusahaan besar.",
    "Good summary, thank you. Does the ferry take bicycles in the morning?",
    "Terima kasih, artikelnya jelas dan berimbang.",
    "Jam berangkatnya belum disebut. Apakah ada perjalanan sesudah magrib?",
    "Saya pedagang ikan di sana; enam peti sekali jalan sudah cukup.",
    "The last paragraph answers my question, but the map is missing.",
    "Anak saya bersekolah di seberang, delapan belas menit itu berarti sekali.",
    "Mohon ditulis juga pendapat nelayan di sisi timur.",
)
HARSH = (
    "Yang nulis berita ini goblok atau memang dibayar? Percuma diresmikan kalau tarif untuk warung tetap segitu.",
    "Pejabat tolol, dari dulu janji terus, muka tembok semua.",
    "You are all idiots if you believe a word of this stupid company.",
    "Bacot lu anjing, naik kapal saja belum pernah.",
    "Dasar bodoh, baca dulu baru komentar!",
)
RUDE_BUT_FAIR = (
    "Goblok sekali saya tidak beli tiket kemarin, harganya sudah naik.",
    "Kebijakan ini bodoh, dan saya jelaskan alasannya: tarif muatan tidak dihitung per kilogram.",
)
THREAT = "Awas saja, besok kantor kalian saya datangi ramai-ramai dan saya bunuh satu per satu."
LINKS = "Bandingkan https://satu.example/tarif dengan https://dua.example/tarif sebelum percaya."
STYLED = "𝗦𝗟𝗢𝗧 𝗚𝗔𝗖𝗢𝗥 malam ini, modal 20rb jadi 2 juta!! daftar sekarang contoh-77.example WA 0800-0000-0047"
FLOOD = (
    "Modal kecil untung besar, main slot gacor malam ini, daftar di contoh-88.example WA 0800-0000-{n:04} kota {city}"
)
LOAN = "Butuh dana cepat cair lima menit tanpa jaminan? https://contoh-99.example lalu https://contoh-99.example/daftar"
CITIES = (
    "Kenanga",
    "Randu",
    "Selasih",
    "Pasar Lama",
    "Muara",
    "Tanjung",
    "Bukit",
    "Seberang",
    "Hilir",
    "Hulu",
    "Lembah",
)
READERS = (
    *("nur_aisyah", "Anna", "bayu_kencana", "tono.kurir", "wira.tekno", "gilang_ramadani", "Bu Ratmi", "Pak Dirja"),
    *("lestari88", "Maya", "jon_harbour", "Sekar", "Damar", "K. Wibawa"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """Ids that the addresses of pages need."""

    session: str
    comment: int
    escalated: int
    author: int
    campaign: int
    job: int
    delivery: int
    story: int
    site: int
    me: int


class Newsroom:
    """A database being filled."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.db, self.settings = db, settings
        self.scorer = registry.make_scorer("builtin", settings)
        self.draw = random.Random(11)  # noqa: S311 no secret
        self.said = 0

    def write(self, site: Site, texts: Sequence[tuple[str, str, StoryInput]]) -> list[int]:
        """Readers write (who, text, where); the machine judges. Ids in their order."""
        names = []
        for who, text, story in texts:
            self.said += 1
            names.append(f"k{self.said}")
            given = CommentInput(names[-1], story, AuthorInput(name=who, external_id=f"r-{who}"), text)
            with self.db.transaction() as session:
                home = session.get_one(Site, site.id)
                pipeline.take_in(session, home, given, source="api", settings=self.settings, key=KEY, now=utcnow())
        while pipeline.score_due(self.db, self.scorer, self.settings).more:
            pass
        with self.db.reading() as session:
            rows = session.execute(select(Comment.external_id, Comment.id).where(Comment.external_id.in_(names)))
            known = {row.external_id: row.id for row in rows}
        return [known[name] for name in names]

    def decide(self, comment_id: int, who: int, action: str, reason: str | None = None) -> None:
        """A person decides."""
        with self.db.transaction() as session:
            comment = session.get_one(Comment, comment_id)
            by = Decider(session.get_one(Moderator, who))
            decisions.decide(session, comment, action, by, seen_version=comment.version, now=utcnow(), reason=reason)

    def move(self, session: Session, comment_id: int, came: datetime, waited: timedelta) -> None:
        """Let a comment have come at another time, and be decided so much later."""
        comment = session.get_one(Comment, comment_id)
        comment.priority += (comment.received_at - came).total_seconds() / 3600
        moment = {"created_at": came, "received_at": came, "pending_since": came, "decided_at": came + waited}
        session.execute(update(Comment).where(Comment.id == comment_id).values(**moment))
        for model in (Revision, VerdictRow, Decision):
            session.execute(update(model).where(model.comment_id == comment_id).values(created_at=came))
        session.execute(
            update(Decision)
            .where(Decision.comment_id == comment_id, Decision.moderator_id.is_not(None))
            .values(created_at=came + waited)
        )


def fill(db: Database, settings: Settings) -> Made:
    """Fill a database that `bootstrap.prepare` has made ready; answers what the pages' addresses need."""
    room = Newsroom(db, settings)
    with db.transaction() as session:
        site = sites.demo_site(session)
        assert site is not None, "the pictures need the demo site"  # noqa: S101
        site.second_look_percent = 20
        site.grace_seconds = 10
        rani = moderators.by_email(session, EMAIL)
        rani.name = "Rani W."
        people = [rani.id]
        for name, full, role in (("sari", "Sari P.", "moderator"), ("budi", "Budi", "senior")):
            people.append(
                moderators.add(
                    session,
                    Passwords(fast=True),
                    email=f"{name}@warta.example",
                    name=full,
                    password=PASSWORD,
                    role=role,
                    sites=[site],
                    now=utcnow(),
                ).id
            )
        site_id = site.id
    with db.reading() as session:
        site = session.get_one(Site, site_id)
        session.expunge(site)
    _past(room, site, people)
    made = _today(room, site, people)
    statistics_keeping.rebuild(db, DAYS + 1, utcnow())
    return made


def _past(room: Newsroom, site: Site, people: Sequence[int]) -> None:
    """A week of comments and of decisions."""
    rani, sari, budi = people
    now = utcnow()
    lines = []
    for number in range(DAYS * PER_DAY):
        pool = room.draw.choices((GOOD, HARSH, RUDE_BUT_FAIR, (LINKS,)), (70, 17, 6, 7))[0]
        text = f"{room.draw.choice(pool)} ({number})"
        lines.append((room.draw.choice(READERS), text, room.draw.choice((DEMO, HARBOUR, SCHOOL))))
    ids = room.write(site, lines)
    with room.db.reading() as session:
        held = {row.id for row in session.scalars(select(Comment).where(Comment.id.in_(ids), Comment.status == "HELD"))}
    for number, (_, text, _) in zip(ids, lines, strict=True):
        if number not in held:
            continue
        harsh = text.rsplit(" (", 1)[0] in HARSH
        action, reason = ("reject", "OFFENSIVE") if harsh and room.draw.random() < 0.9 else ("approve", None)
        room.decide(number, room.draw.choice((sari, sari, budi, rani)), action, reason)
    with room.db.transaction() as session:
        for number, comment_id in enumerate(ids):
            day, hour = divmod(number, PER_DAY)
            came = now - timedelta(days=DAYS - day) + timedelta(hours=6 + 15 * hour / PER_DAY)
            came = min(came, now - timedelta(hours=2))
            room.move(session, comment_id, came, timedelta(minutes=room.draw.lognormvariate(2.2, 0.9)))
        session.execute(update(Delivery).values(state=outbox.DELIVERED, finished_at=now))
        session.execute(update(Author).values(first_seen_at=now - timedelta(days=DAYS)))
    _look_again(room, people)


def _look_again(room: Newsroom, people: Sequence[int]) -> None:
    """Colleagues judge most of what was picked for a second look; three wait."""
    with room.db.transaction() as session:
        wanted = session.scalars(select(SecondLook).order_by(SecondLook.id)).all()
        for number, look in enumerate(wanted[: max(0, len(wanted) - 3)]):
            other = next(person for person in people if person != look.first_by)
            me, action = session.get_one(Moderator, other), look.first_action
            if number % 9 == 4:
                action = "approve" if action == "reject" else "reject"
            reason = "OFFENSIVE" if action == "reject" else None
            sites_of_me = [look.site_id]
            second_looks.look(session, look.id, sites_of_me, me, action, reason, utcnow(), question="Pendapat kedua?")
            if action != look.first_action:
                comment = session.get_one(Comment, look.comment_id)
                escalations.answer(
                    session, comment, session.get_one(Moderator, people[2]), "Keputusan pertama.", utcnow()
                )


def _today(room: Newsroom, site: Site, people: Sequence[int]) -> Made:
    """What waits now."""
    rani, sari, _ = people
    loans = [(f"dana{n}", f"{LOAN} {room.draw.choice(GOOD)}", SCHOOL) for n in range(8)]
    flood = [
        (f"promo{n}", FLOOD.format(n=n, city=city), room.draw.choice((DEMO, HARBOUR))) for n, city in enumerate(CITIES)
    ]
    ids = room.write(
        site,
        [
            ("tono.kurir", THREAT, DEMO),
            ("bayu_kencana", HARSH[0], DEMO),
            ("gilang_ramadani", STYLED, DEMO),
            ("nur_aisyah", GOOD[0], DEMO),
            ("Anna", GOOD[1], DEMO),
            ("lestari88", HARSH[1], HARBOUR),
            ("wira.tekno", LINKS, DEMO),
            ("Damar", RUDE_BUT_FAIR[1], SCHOOL),
            ("jon_harbour", HARSH[2], HARBOUR),
            ("K. Wibawa", HARSH[4], SCHOOL),
            *flood,
            *loans,
        ],
    )
    _, harsh, _, _, _, escalated, *_ = ids
    now = utcnow()
    approved = select(Comment.id).where(Comment.id.in_(ids), Comment.status == status.APPROVED)
    with room.db.transaction() as session:
        for number, comment_id in enumerate(ids[:10]):
            room.move(session, comment_id, now - timedelta(minutes=4 + 3 * number), timedelta())
        me, junior = session.get_one(Moderator, rani), session.get_one(Moderator, sari)
        question = "Menyerang pejabat, bukan orang. Boleh?"
        escalations.raise_(session, session.get_one(Comment, escalated), junior, question, now - timedelta(minutes=3))
        notes.add(session, site.id, notes.COMMENT, harsh, junior, "Sudah dua kali pekan ini.", now)
        author = session.get_one(Comment, harsh).author_id or 0
        notes.add(session, site.id, notes.AUTHOR, author, junior, "Ditegur lewat surel redaksi.", now)
        story = session.get_one(Comment, harsh).story_id or 0
        notes.add(session, site.id, notes.STORY, story, me, "Ramai sejak pagi; perlu dijaga sampai malam.", now)
        standings.set_standing(
            session, session.get_one(Author, author), standings.HELD, now + timedelta(days=7), me, now
        )
        shown = reports.reportable(session, site.id, session.scalars(approved).first() or 0, now)
        for reader, reason in enumerate(("OFF_TOPIC", "OTHER", "SPAM")):
            reports.add(session, shown, reporter=f"pembaca {reader}", reason=reason, text="", now=now)
        saved_views.add(session, "Tautan pekan ini", "reason:links after:7d", me, now=now, tz=UTC)
        saved_views.add(session, "Paling kasar", "status:held score:>0.8", me, now=now, tz=UTC)
        tokens.create(session, me, "skrip di laptop saya", "90", now)
        session.merge(Claim(comment_id=ids[8], moderator_id=sari, claimed_at=now, until=now + timedelta(minutes=4)))
        campaign = session.get_one(Comment, ids[10]).campaign_id or 0
        query = filters.parse("status:held domain:contoh-99.example", now=now, tz=UTC)
        job = bulk.start(session, me, [site.id], query, "reject", "SPAM", now).id
        delivery = session.scalars(select(Delivery.id).order_by(Delivery.id.desc())).first() or 0
        token = moderators.start_session(session, rani, now=now, hours=12)
    pace = bulk_work.Pace()
    while bulk_work.work_due(room.db, pace).decided:
        pass
    return Made(token, harsh, escalated, author, campaign, job, delivery, story, site.id, rani)
