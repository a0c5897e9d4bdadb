"""Fill a database with comments that nobody wrote, to measure the queue at its real size.

    python -m bench.seeding --database-url URL --comments 10000000 --held 1000000

The rows are made inside the database, by arithmetic on their numbers (the same numbers give the same rows), with
secondary indexes and triggers away meanwhile: ten million take minutes. Every hundredth held comment belongs to a
campaign; the word `w7` (and any other from w0 to w999) stands in one comment of a thousand, `yang` in most.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import sqlalchemy as sa

from bench.importing import WORDS
from moderation import migrations
from moderation.accounts import moderators, sites
from moderation.accounts.moderators import Passwords
from moderation.comments.models import Author, Comment, Report, Revision, Story
from moderation.db import Database, utcnow
from moderation.policy.models import VerdictRow
from moderation.review import tallies
from moderation.review.models import Decision, SearchText, Trait
from moderation.scoring.models import Campaign, Score

EMAIL, PASSWORD = "rani@warta.example", "kata-sandi-percobaan"
TEXTS = 4000
"""Different texts; each comment adds words of its own to one of them."""
CHUNK = 500_000
"""Rows of one statement: progress can be seen, and a transaction stays of a size that databases like."""
MODELS = (Story, Author, Comment, Revision, Decision, SearchText, Trait, Score, VerdictRow, Report, Campaign)
TABLES = [cast(sa.Table, model.__table__) for model in MODELS]
TRIGGERS = ("comment_tally_insert", "comment_tally_update", "comment_tally_delete", "search_text_insert")


@dataclass(frozen=True, slots=True)
class Seeded:
    """What was made: the site, and what a browser logs in with."""

    site_id: int
    comments: int
    held: int


def seed(db: Database, comments: int, held: int, say: Callable[[str], None] = print) -> Seeded:
    """Fill an empty, migrated database with `comments` comments of one site, `held` of which wait."""
    began = time.monotonic()
    with db.transaction() as session:
        site = sites.add_site(session, name="Warta", url="http://warta.example", now=utcnow()).site
        moderators.add(
            session,
            Passwords(fast=True),
            email=EMAIL,
            name="Rani",
            password=PASSWORD,
            role="administrator",
            now=utcnow(),
        )
        site_id = site.id
    with _engine(db).connect() as connection:
        connection = connection.execution_options(moderation_write=True)
        with bare(db, connection):
            for name, statement, rows in _statements(db, site_id, comments, held):
                _run(connection, statement, rows)
                say(f"  {time.monotonic() - began:6.0f} s  {name}")
        if not db.is_sqlite:
            _reset_sequences(connection)
    say(f"  {time.monotonic() - began:6.0f} s  indexes")
    with db.transaction() as session:
        tallies.repair(session, site_id)
    with db.transaction() as session:
        while tallies.fold(session):
            pass
    with _engine(db).connect() as connection, connection.begin():
        connection.exec_driver_sql("ANALYZE")
    say(f"  {time.monotonic() - began:6.0f} s  counts and statistics")
    return Seeded(site_id, comments, held)


def _engine(db: Database) -> sa.Engine:
    return db.engine


@contextmanager
def bare(db: Database, connection: sa.Connection) -> Iterator[None]:
    """Without secondary indexes and triggers, which come back at the end, made at once over all rows."""
    indexes = [index for table in TABLES for index in table.indexes]
    triggers: list[str] = []
    if db.is_sqlite:  # past SQLAlchemy, which would open a transaction first
        for pragma in ("synchronous=OFF", "cache_size=-400000", "temp_store=MEMORY"):
            connection.connection.cursor().execute(f"PRAGMA {pragma}")
    with connection.begin():
        if db.is_sqlite:
            triggers = list(
                connection.scalars(
                    sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name IN :names").bindparams(
                        sa.bindparam("names", TRIGGERS, expanding=True)
                    )
                )
            )
            for name in TRIGGERS:
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("SET session_replication_role = replica")
            connection.exec_driver_sql("SET synchronous_commit = off")
            connection.exec_driver_sql("SET maintenance_work_mem = '1GB'")
            connection.exec_driver_sql("DROP INDEX ix_search_text_words")
        for index in indexes:
            index.drop(connection)
    yield
    with connection.begin():
        for index in indexes:
            index.create(connection)
        if db.is_sqlite:
            connection.exec_driver_sql("INSERT INTO search_index (search_index) VALUES ('rebuild')")
            for statement in triggers:
                connection.exec_driver_sql(statement)
        else:
            connection.exec_driver_sql("CREATE INDEX ix_search_text_words ON search_text USING gin (words)")
            connection.exec_driver_sql("SET session_replication_role = origin")


def _run(connection: sa.Connection, statement: str, rows: int) -> None:
    """A statement over the numbers from :low to :high, in pieces."""
    for low in range(1, rows + 1, CHUNK):
        with connection.begin():
            connection.execute(sa.text(statement), {"low": low, "high": min(rows, low + CHUNK - 1)})


def _reset_sequences(connection: sa.Connection) -> None:
    with connection.begin():
        for table in TABLES:
            if "id" in table.c:
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "
                    f"(SELECT COALESCE(MAX(id), 1) FROM {table.name}))"
                )


def _statements(db: Database, site_id: int, comments: int, held: int) -> Iterator[tuple[str, str, int]]:
    """Name, SQL with :low and :high, and how many rows it is for."""
    every = comments // held
    stories, authors = max(20, comments // 500), max(50, comments // 50)
    campaigns = max(1, held // 100 // 50)
    now = datetime.now(UTC)
    if db.is_sqlite:
        numbers = "(WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i < :high) SELECT i FROM n)"

        def at(seconds: str) -> str:
            return f"strftime('%Y-%m-%d %H:%M:%S.000000', {now.timestamp():.0f} - ({seconds}), 'unixepoch')"

        blob = "randomblob(64)"
    else:
        numbers = "(SELECT i FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint)) AS g(i))"

        def at(seconds: str) -> str:
            return f"to_timestamp({now.timestamp():.0f} - ({seconds}))"

        blob = "decode(md5(CAST(i AS text)), 'hex')"
    waits = f"(i % {every} = 0)"
    nth = f"(i / {every})"  # which held comment it is
    # What waits came in the last thirty days, the rest over four years.
    age = f"({comments} - i) * (CASE WHEN {waits} THEN 2592000.0 ELSE 126144000.0 END) / {comments}"
    status = (
        f"CASE WHEN {waits} THEN 'HELD' WHEN i % 25 = 1 THEN 'REJECTED' WHEN i % 25 = 2 THEN 'REJECTED' "
        "ELSE 'APPROVED' END"
    )
    spam = f"(NOT {waits} AND i % 25 = 1)"
    shown = f"(NOT {waits} AND i % 25 > 2)"
    risk = "((i * 7919) % 1000) / 1000.0"
    grouped = f"({waits} AND {nth} % 100 = 0)"
    campaign = f"(1 + ({nth} / 100) % {campaigns})"
    front = f"({nth} / 100 < {campaigns})"
    off = "FALSE" if not db.is_sqlite else "0"
    text = f"(SELECT t.body FROM seed_text t WHERE t.id = (i * 31) % {TEXTS})"
    own = "' w' || (i % 1000) || ' z' || (i / 100)"
    yield (
        "articles",
        f"INSERT INTO story (id, site_id, external_id, url, title, created_at, premoderated, comments, held) "
        f"SELECT i, {site_id}, 's' || i, 'http://warta.example/' || i, 'Artikel ke-' || i, {at('126144000')}, {off}, "
        f"0, 0 FROM {numbers} AS n",
        stories,
    )
    yield (
        "authors",
        f"INSERT INTO author (id, site_id, identity, external_id, first_seen_at, standing) "
        f"SELECT i, {site_id}, 'x:' || i, 'u' || i, {at('126144000')}, '' FROM {numbers} AS n",
        authors,
    )
    yield (
        "campaigns",
        f"INSERT INTO campaign (id, site_id, signature, size, created_at, last_seen_at) "
        f"SELECT i, {site_id}, {blob}, 50, {at('86400')}, {at('60')} FROM {numbers} AS n",
        campaigns,
    )
    yield "texts", "CREATE TEMPORARY TABLE seed_text (id INTEGER PRIMARY KEY, body TEXT NOT NULL)", 1
    yield "texts", _texts(), 1
    yield (
        "comments",
        "INSERT INTO comment (id, site_id, story_id, author_id, external_id, source, status, version, revision, "
        "sequence, staff, not_scored, human_revision, priority, score, spam, reports, escalated, campaign_id, "
        "follower, indexed_revision, author_name, language, ip_network, intake_flags, created_at, received_at, "
        "pending_since, decided_at, shown, shown_next, shown_at, content_order, create_order, delete_order) "
        f"SELECT i, {site_id}, 1 + (i * 7907) % {stories}, 1 + (i * 104729) % {authors}, 'c' || i, 'api', {status}, "
        f"2, 1, 1, {off}, ({waits} AND {nth} % 50 = 1), 0, "
        f"24.0 * {risk} + 15.0 - ({now.timestamp() / 3600:.4f} - ({age}) / 3600.0), {risk}, {spam}, "
        f"CASE WHEN {shown} AND i % 5000 = 3 THEN 2 ELSE 0 END, {off}, "
        f"CASE WHEN {grouped} THEN {campaign} END, ({grouped} AND NOT {front}), 1, 'Pembaca ' || (i % 9973), 'id', "
        f"'10.' || (i % 250) || '.' || ((i / 250) % 250) || '.0/24', '', {at(age)}, {at(age)}, {at(age)}, {at(age)}, "
        f"{shown}, {shown}, {at(age)}, '', '', '' FROM {numbers} AS n",
        comments,
    )
    yield (
        "revisions",
        "INSERT INTO revision (id, comment_id, number, text, links, text_hash, created_at) "
        f"SELECT i, i, 1, {text} || {own}, 0, 'h' || i, {at(age)} FROM {numbers} AS n",
        comments,
    )
    yield (
        "search texts",
        "INSERT INTO search_text (comment_id, site_id, revision, folded, author) "
        f"SELECT i, {site_id}, 1, {text} || {own}, 'pembaca ' || (i % 9973) FROM {numbers} AS n",
        comments,
    )
    yield (
        "decisions",
        "INSERT INTO decision (id, comment_id, revision, sequence, action, reason, origin, policy_version, created_at) "
        f"SELECT i, i, 1, 1, CASE WHEN {waits} THEN 'hold' WHEN i % 25 IN (1, 2) THEN 'reject' ELSE 'approve' END, "
        f"CASE WHEN {spam} THEN 'SPAM' WHEN i % 25 = 2 AND NOT {waits} THEN 'OFFENSIVE' END, 'policy', 0, {at(age)} "
        f"FROM {numbers} AS n",
        comments,
    )
    reasons = json.dumps(
        [
            {
                "code": "signal_over_hold",
                "action": "hold",
                "weight": 0.9,
                "signal": "toxicity",
                "value": 0.8,
                "detail": "",
                "spans": [[0, 8]],
            }
        ]
    ).replace(":", "\\:")
    yield (
        "verdicts of what waits",
        "INSERT INTO verdict (id, comment_id, revision, policy_version, action, not_scored, reasons, created_at) "
        f"SELECT i, i * {every}, 1, 0, 'hold', {off}, '{reasons}', {at('60')} FROM {numbers} AS n",
        held,
    )
    signals = "toxicity, severe_toxicity, obscene, threat, insult, identity_attack, sexual_explicit, spam"
    yield (
        "scores of what waits",
        f"INSERT INTO score (id, comment_id, revision, scorer, version, {signals}, language, supported, reads_as, "
        f"facts, spans, created_at) SELECT i, i * {every}, 1, 'builtin', 'bench', {risk}, 0.1, 0.1, 0.1, 0.4, 0.1, "
        f"0.1, 0.2, 'id', {'1' if db.is_sqlite else 'TRUE'}, '', '{{}}', '[]', {at('60')} FROM {numbers} AS n",
        held,
    )
    yield (
        "domains of what waits",
        f"INSERT INTO trait (comment_id, kind, value, site_id) "
        f"SELECT i * 10 * {every}, 'domain', 'toko' || (i % 97) || '.example', {site_id} FROM {numbers} AS n",
        max(1, held // 10),
    )


def _texts() -> str:
    rand, words = random.Random(5), WORDS.split()
    rows = (f"({n}, 'yang {' '.join(rand.choices(words, k=rand.randint(4, 24)))}')" for n in range(TEXTS))
    return f"INSERT INTO seed_text (id, body) VALUES {', '.join(rows)}"


def main() -> None:
    """Migrate the database that is named and fill it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url", required=True)
    parser.add_argument("--comments", type=int, default=1_000_000)
    parser.add_argument("--held", type=int, default=100_000)
    options = parser.parse_args()
    db = Database(options.database_url)
    migrations.migrate(db)
    seed(db, options.comments, options.held)
    db.dispose()


if __name__ == "__main__":
    main()
