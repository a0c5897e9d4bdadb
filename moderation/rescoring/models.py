"""Tables of the rescoring room."""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Float, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId

_ACTIVE = "state IN ('running', 'paused')"


class RescoreRun(Base):
    """One judging again of a site's comments that match a search, by one version of one scorer.

    State: `running` → `done`, `cancelled` or `failed`; `paused` in between. `until_id` is the greatest comment id when
    it began; `cursor` the last comment id that was handed out in a batch: what lies behind it belongs to batches.
    Counts are those of finished batches (see RescoreBatch), kept here when the run ends.
    """

    __tablename__ = "rescore_run"
    __table_args__ = (
        Index("ix_rescore_run_state", "state", "id"),
        Index(
            "uq_rescore_run_active",
            "site_id",
            "scorer",
            "query",
            unique=True,
            sqlite_where=text(_ACTIVE),
            postgresql_where=text(_ACTIVE),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"))
    query: Mapped[str] = mapped_column(String(1000))
    """The filter, in the language of the search line; ages in it count from `created_at`."""
    scorer: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(80))
    device: Mapped[str] = mapped_column(String(10), default="cpu")
    """Where Detoxify is to run: `cpu` or `cuda`. A worker whose machine has no such device leaves the run to others."""
    policy_version: Mapped[int]
    """The live policy when it began; with `draft_id`, the one that the draft is compared with."""
    draft_id: Mapped[int | None] = mapped_column(ForeignKey("policy_draft.id", ondelete="SET NULL"))
    document: Mapped[dict[str, Any]]
    """The policy that judges the new scores, as it stood when the run began: a draft may be edited meanwhile."""
    state: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]
    """How many comments matched when it began."""
    until_id: Mapped[int] = mapped_column(BigId)
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    scored: Mapped[int] = mapped_column(default=0)
    """Comments scored by the model, and those `reused`: their score was known already."""
    reused: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    """Comments that the scorer could not judge: they keep what they have."""
    yielded: Mapped[int] = mapped_column(default=0)
    """How often a worker gave way to live comments, and for how many seconds."""
    yielded_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    error: Mapped[str] = mapped_column(String(500), default="")
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    started_by: Mapped[str] = mapped_column(String(60))
    """The moderator's name, or `command line`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class RescoreBatch(Base):
    """A stretch of a run's comments, after_id < id ≤ until_id, under a worker's lease until its scores are committed.

    `counts` is what the report adds up: written once, in the transaction that stores the scores, as are the other
    figures. Of `comments`, those that were neither `scored`, nor `reused`, nor `failed` had nothing to be scored.
    """

    __tablename__ = "rescore_batch"
    __table_args__ = (
        UniqueConstraint("run_id", "after_id"),
        Index("ix_rescore_batch_open", "run_id", "done", "lease_until"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("rescore_run.id", ondelete="CASCADE"))
    after_id: Mapped[int] = mapped_column(BigId)
    until_id: Mapped[int] = mapped_column(BigId)
    done: Mapped[bool] = mapped_column(Boolean, default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_token: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    comments: Mapped[int] = mapped_column(default=0)
    scored: Mapped[int] = mapped_column(default=0)
    reused: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]


class RescoreMove(Base):
    """A comment that the new scores would move: `was` → `would` (approve, hold, reject).

    `was` is what stands, whoever decided it; `human` what a person decided on this very revision, or None. `signal`,
    `before` and `after` are what speaks for it, and `surprise` (0..2) orders the samples (rescoring/diff.py).
    """

    __tablename__ = "rescore_move"
    __table_args__ = (Index("ix_rescore_move_kind", "run_id", "was", "would", "surprise", "comment_id"),)

    run_id: Mapped[int] = mapped_column(ForeignKey("rescore_run.id", ondelete="CASCADE"), primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int]
    was: Mapped[str] = mapped_column(String(10))
    would: Mapped[str] = mapped_column(String(10))
    signal: Mapped[str | None] = mapped_column(String(20))
    before: Mapped[float | None] = mapped_column(Float)
    after: Mapped[float | None] = mapped_column(Float)
    surprise: Mapped[float] = mapped_column(Float)
    human: Mapped[str | None] = mapped_column(String(10))
    language: Mapped[str] = mapped_column(String(8), default="und")


class RescoreApply(Base):
    """Putting chosen movements of a finished run into the queue, as held with the reason RESCORED, in a job.

    State as of a bulk job. `undoes`: it takes back what another one did. `cursor` is the last comment id done.
    """

    __tablename__ = "rescore_apply"
    __table_args__ = (Index("ix_rescore_apply_state", "state", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("rescore_run.id", ondelete="CASCADE"))
    moderator_id: Mapped[int | None] = mapped_column(ForeignKey("moderator.id"))
    started_by: Mapped[str] = mapped_column(String(60))
    chosen: Mapped[list[Any]]
    """Movements, each {"was", "would", "signal" or null, "min_score"}."""
    undoes: Mapped[int | None] = mapped_column(ForeignKey("rescore_apply.id"))
    state: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    held: Mapped[int] = mapped_column(default=0)
    left: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(String(500), default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class RescoreApplied(Base):
    """What an apply job did with one comment: `held` with its decision, or `left` and (`detail`) why."""

    __tablename__ = "rescore_applied"

    apply_id: Mapped[int] = mapped_column(ForeignKey("rescore_apply.id", ondelete="CASCADE"), primary_key=True)
    comment_id: Mapped[int] = mapped_column(ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(10))
    decision_id: Mapped[int | None] = mapped_column(ForeignKey("decision.id"))
    detail: Mapped[str] = mapped_column(String(200), default="")
