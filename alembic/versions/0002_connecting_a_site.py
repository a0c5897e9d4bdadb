"""connecting a site: several endpoints that pause, story rules and form texts, staff, archive imports, alerts

Revision: 0002, after 0001.
"""

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("well_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("news_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_alert_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint("kind", "subject", name=op.f("uq_alert_kind_subject")),
    )
    op.create_table(
        "alert_notice",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("alert_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_notice_alert_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_notice")),
        sa.UniqueConstraint("alert_id", "channel", name=op.f("uq_alert_notice_alert_id_channel")),
    )
    op.create_table(
        "alert_turn",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ok_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=300), nullable=False),
        sa.Column("recent", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_turn")),
        sa.UniqueConstraint("name", name=op.f("uq_alert_turn_name")),
    )
    op.create_table(
        "archive_import",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("fingerprint", sa.String(length=80), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("started_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_archive_import_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_import")),
    )
    with op.batch_alter_table("archive_import", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_import_fingerprint"), ["fingerprint"], unique=False)
        batch_op.create_index(batch_op.f("ix_archive_import_site_id"), ["site_id"], unique=False)

    op.create_table(
        "queue_sample",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_queue_sample_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue_sample")),
        sa.UniqueConstraint("site_id", "at", name=op.f("uq_queue_sample_site_id_at")),
    )
    with op.batch_alter_table("queue_sample", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_queue_sample_at"), ["at"], unique=False)

    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("staff", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_index("ix_comment_shown")
        batch_op.drop_index("ix_comment_parent")
        orphan = sa.text("parent_id IS NULL AND parent_external_id IS NOT NULL")
        batch_op.create_index(
            "ix_comment_orphan", ["site_id", "parent_external_id"], sqlite_where=orphan, postgresql_where=orphan
        )
        shown = {
            "sqlite_where": sa.text("shown = 1 OR shown_next = 1"),
            "postgresql_where": sa.text("shown OR shown_next"),
        }
        batch_op.create_index("ix_comment_shown_site", ["site_id", "created_at", "id"], **shown)
        batch_op.create_index(
            "ix_comment_shown_story", ["story_id", "created_at", "id", "shown", "shown_next", "shown_at"], **shown
        )

    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.alter_column("comment_id", existing_type=sa.INTEGER(), nullable=True)
        batch_op.drop_constraint(batch_op.f("uq_delivery_comment_id_sequence"), type_="unique")
        batch_op.drop_constraint(batch_op.f("uq_delivery_event_id"), type_="unique")
        batch_op.create_index("ix_delivery_endpoint_state", ["endpoint_id", "state", "due_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_delivery_event_id"), ["event_id"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_delivery_comment_id_sequence_endpoint_id"), ["comment_id", "sequence", "endpoint_id"]
        )

    with op.batch_alter_table("endpoint", schema=None) as batch_op:
        batch_op.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("slow", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("last_ok_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.add_column(sa.Column("close_after_days", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("premoderated_sections", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("form_texts", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("staff_ids", sa.JSON(), nullable=False, server_default="[]"))

    with op.batch_alter_table("site_key", schema=None) as batch_op:
        batch_op.add_column(sa.Column("hint", sa.String(length=16), nullable=False, server_default=""))

    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.add_column(sa.Column("section", sa.String(length=100), nullable=True))
        batch_op.add_column(sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.drop_column("published_at")
        batch_op.drop_column("section")

    with op.batch_alter_table("site_key", schema=None) as batch_op:
        batch_op.drop_column("hint")

    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.drop_column("staff_ids")
        batch_op.drop_column("form_texts")
        batch_op.drop_column("premoderated_sections")
        batch_op.drop_column("close_after_days")

    with op.batch_alter_table("endpoint", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")
        batch_op.drop_column("last_ok_at")
        batch_op.drop_column("slow")
        batch_op.drop_column("probe_at")
        batch_op.drop_column("paused_at")
        batch_op.drop_column("failing_since")
        batch_op.drop_column("failures")

    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_delivery_comment_id_sequence_endpoint_id"), type_="unique")
        batch_op.drop_index(batch_op.f("ix_delivery_event_id"))
        batch_op.drop_index("ix_delivery_endpoint_state")
        batch_op.create_unique_constraint(batch_op.f("uq_delivery_event_id"), ["event_id"])
        batch_op.create_unique_constraint(batch_op.f("uq_delivery_comment_id_sequence"), ["comment_id", "sequence"])
        batch_op.alter_column("comment_id", existing_type=sa.INTEGER(), nullable=False)

    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.drop_index("ix_comment_shown_story")
        batch_op.drop_index("ix_comment_shown_site")
        batch_op.drop_index("ix_comment_orphan")
        batch_op.create_index("ix_comment_parent", ["site_id", "parent_external_id"], unique=False)
        batch_op.create_index("ix_comment_shown", ["site_id", "shown_next", "id"])
        batch_op.drop_column("staff")

    with op.batch_alter_table("queue_sample", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_queue_sample_at"))

    op.drop_table("queue_sample")
    with op.batch_alter_table("archive_import", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_import_site_id"))
        batch_op.drop_index(batch_op.f("ix_archive_import_fingerprint"))

    op.drop_table("archive_import")
    op.drop_table("alert_turn")
    op.drop_table("alert_notice")
    op.drop_table("alert")
