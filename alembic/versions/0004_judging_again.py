"""judging again: rescore runs, policy drafts and shadows, releases of scorers

Revision: 0004, after 0003.
"""

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policy_draft",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("based_on", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_version", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_policy_draft_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policy_draft")),
    )
    with op.batch_alter_table("policy_draft", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_policy_draft_site_id"), ["site_id"], unique=False)

    op.create_table(
        "scorer_release",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("scorer", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=60), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_scorer_release_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorer_release")),
        sa.UniqueConstraint("scorer", "version", "site_id", name=op.f("uq_scorer_release_scorer_version_site_id")),
    )
    with op.batch_alter_table("scorer_release", schema=None) as batch_op:
        batch_op.create_index("ix_scorer_release_state", ["state"], unique=False)

    op.create_table(
        "explanation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spans", sa.JSON(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comment.id"], name=op.f("fk_explanation_comment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_explanation")),
        sa.UniqueConstraint(
            "comment_id",
            "revision",
            "scorer",
            "version",
            name=op.f("uq_explanation_comment_id_revision_scorer_version"),
        ),
    )
    with op.batch_alter_table("explanation", schema=None) as batch_op:
        batch_op.create_index("ix_explanation_state", ["scorer", "state", "id"], unique=False)

    op.create_table(
        "rescore_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("site_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("query", sa.String(length=1000), nullable=False),
        sa.Column("scorer", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=80), nullable=False),
        sa.Column("device", sa.String(length=10), nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("until_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cursor", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.Column("reused", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("yielded", sa.Integer(), nullable=False),
        sa.Column("yielded_seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("moderator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("started_by", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["policy_draft.id"], name=op.f("fk_rescore_run_draft_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["moderator_id"], ["moderator.id"], name=op.f("fk_rescore_run_moderator_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_rescore_run_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescore_run")),
    )
    with op.batch_alter_table("rescore_run", schema=None) as batch_op:
        batch_op.create_index("ix_rescore_run_state", ["state", "id"], unique=False)
        batch_op.create_index(
            "uq_rescore_run_active",
            ["site_id", "scorer", "query"],
            unique=True,
            sqlite_where=sa.text("state IN ('running', 'paused')"),
            postgresql_where=sa.text("state IN ('running', 'paused')"),
        )

    op.create_table(
        "shadow_count",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("draft_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("live", sa.String(length=10), nullable=False),
        sa.Column("shadow", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["policy_draft.id"], name=op.f("fk_shadow_count_draft_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shadow_count")),
    )
    with op.batch_alter_table("shadow_count", schema=None) as batch_op:
        batch_op.create_index("ix_shadow_count_draft", ["draft_id", "hour"], unique=False)

    op.create_table(
        "rescore_apply",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("moderator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("started_by", sa.String(length=60), nullable=False),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.Column("undoes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["moderator_id"], ["moderator.id"], name=op.f("fk_rescore_apply_moderator_id")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["rescore_run.id"], name=op.f("fk_rescore_apply_run_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["undoes"], ["rescore_apply.id"], name=op.f("fk_rescore_apply_undoes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescore_apply")),
    )
    with op.batch_alter_table("rescore_apply", schema=None) as batch_op:
        batch_op.create_index("ix_rescore_apply_state", ["state", "id"], unique=False)

    op.create_table(
        "rescore_batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("after_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("until_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_token", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("scored", sa.Integer(), nullable=False),
        sa.Column("reused", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["rescore_run.id"], name=op.f("fk_rescore_batch_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rescore_batch")),
        sa.UniqueConstraint("run_id", "after_id", name=op.f("uq_rescore_batch_run_id_after_id")),
    )
    with op.batch_alter_table("rescore_batch", schema=None) as batch_op:
        batch_op.create_index("ix_rescore_batch_open", ["run_id", "done", "lease_until"], unique=False)

    op.create_table(
        "rescore_move",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("was", sa.String(length=10), nullable=False),
        sa.Column("would", sa.String(length=10), nullable=False),
        sa.Column("signal", sa.String(length=20), nullable=True),
        sa.Column("before", sa.Float(), nullable=True),
        sa.Column("after", sa.Float(), nullable=True),
        sa.Column("surprise", sa.Float(), nullable=False),
        sa.Column("human", sa.String(length=10), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comment.id"], name=op.f("fk_rescore_move_comment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["rescore_run.id"], name=op.f("fk_rescore_move_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "comment_id", name=op.f("pk_rescore_move")),
    )
    with op.batch_alter_table("rescore_move", schema=None) as batch_op:
        batch_op.create_index(
            "ix_rescore_move_kind", ["run_id", "was", "would", "surprise", "comment_id"], unique=False
        )

    op.create_table(
        "rescore_applied",
        sa.Column("apply_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("comment_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("decision_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["apply_id"], ["rescore_apply.id"], name=op.f("fk_rescore_applied_apply_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comment.id"], name=op.f("fk_rescore_applied_comment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["decision_id"], ["decision.id"], name=op.f("fk_rescore_applied_decision_id")),
        sa.PrimaryKeyConstraint("apply_id", "comment_id", name=op.f("pk_rescore_applied")),
    )
    # Not by batch: SQLite adds a column in place, and a rebuild of millions of scores would take minutes.
    op.add_column("score", sa.Column("shadow", sa.Boolean(), server_default=sa.false(), nullable=False))
