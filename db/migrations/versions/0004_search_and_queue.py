"""What a search says of its evaluations and its predictor, users' notes and tags, a queue of jobs, counters of jobs.

Every foreign key gets an index, and so does each way of looking for evaluations that must not read all of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None

COUNTERS = ("attempts", "evaluations", "failed", "front_size")
PHASE_LATENCIES = ("prefill_latency_ms", "decode_latency_ms", "train_latency_ms")
SHARES = ("measured_share", "seen_share")
OF_DIGESTS = ("breakdowns", "checkpoints", "evaluations", "exports")
OF_EVALUATIONS = (["job_id", "state", "seq"], ["job_id", "val_loss", "seq"], ["job_id", "latency_ms", "seq"])
STATES = "'complete', 'infeasible', 'failed'"

COUNT = """
UPDATE jobs SET
  evaluations = (SELECT count(*) FROM evaluations WHERE job_id = jobs.id),
  failed = (SELECT count(*) FROM evaluations WHERE job_id = jobs.id AND state = 'failed'),
  best_val_loss = (SELECT min(val_loss) FROM evaluations WHERE job_id = jobs.id AND state = 'complete'),
  front_size = (SELECT count(*) FROM front_members
                WHERE job_id = jobs.id AND fidelity = 'inherited' AND left_seq IS NULL)
"""


def upgrade() -> None:
    """To this revision."""
    _extend_jobs()
    _extend_evaluations()
    op.execute(COUNT)
    _create_tables()
    for table in OF_DIGESTS:
        op.create_index(op.f(f"ix_{table}_digest"), table, ["digest"])
    for columns in OF_EVALUATIONS:
        op.create_index(op.f(f"ix_evaluations_{'_'.join(columns)}"), "evaluations", columns)
    op.create_index(
        op.f("ix_front_members_job_id_fidelity_entered_seq"), "front_members", ["job_id", "fidelity", "entered_seq"]
    )
    op.create_index(op.f("ix_jobs_state_priority_created_at"), "jobs", ["state", "priority", "created_at"])


def _extend_jobs() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("priority", sa.Integer(), nullable=True))
        jobs.add_column(sa.Column("claimed_by", sa.Text(), nullable=True))
        jobs.add_column(sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
        for name in COUNTERS:
            jobs.add_column(sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False))
            jobs.create_check_constraint(op.f(f"ck_jobs_{name}_not_negative"), f"{name} >= 0")
        jobs.add_column(sa.Column("best_val_loss", sa.Double(), nullable=True))
        jobs.create_check_constraint(
            op.f("ck_jobs_claim_has_its_lease"), "(claimed_by IS NULL) = (lease_until IS NULL)"
        )


def _extend_evaluations() -> None:
    with op.batch_alter_table("evaluations") as evaluations:
        for name in PHASE_LATENCIES:
            evaluations.add_column(sa.Column(name, sa.Double(), nullable=True))
            evaluations.create_check_constraint(op.f(f"ck_evaluations_{name}_not_negative"), f"{name} >= 0")
        evaluations.add_column(sa.Column("measured_share", sa.Double(), nullable=True))
        evaluations.add_column(sa.Column("extrapolates", sa.Boolean(), nullable=True))
        evaluations.add_column(sa.Column("attempts", sa.Integer(), nullable=True))
        evaluations.add_column(sa.Column("seen_share", sa.Double(), nullable=True))
        for name in SHARES:
            evaluations.create_check_constraint(
                op.f(f"ck_evaluations_{name}_is_a_share"), f"{name} >= 0 AND {name} <= 1"
            )
        evaluations.create_check_constraint(op.f("ck_evaluations_attempts_at_least_one"), "attempts >= 1")
        evaluations.drop_constraint(op.f("ck_evaluations_state"), type_="check")
        evaluations.create_check_constraint(op.f("ck_evaluations_state"), f"state IN ({STATES}, 'hopeless')")


def _create_tables() -> None:
    op.create_table(
        "quality_predictors",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("evaluations", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("held_out", sa.Integer(), nullable=False),
        sa.Column("kendall_tau", sa.Double(), nullable=True),
        sa.Column("error", sa.Double(), nullable=True),
        sa.Column("coverage", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("evaluations >= 0", name=op.f("ck_quality_predictors_evaluations_not_negative")),
        sa.CheckConstraint("held_out >= 0", name=op.f("ck_quality_predictors_held_out_not_negative")),
        sa.CheckConstraint("error >= 0", name=op.f("ck_quality_predictors_error_not_negative")),
        sa.CheckConstraint("coverage >= 0 AND coverage <= 1", name=op.f("ck_quality_predictors_coverage_is_a_share")),
        sa.CheckConstraint(
            "kendall_tau >= -1 AND kendall_tau <= 1", name=op.f("ck_quality_predictors_kendall_tau_in_range")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_quality_predictors_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "evaluations", name=op.f("pk_quality_predictors")),
    )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_notes_digest_architectures")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index(op.f("ix_notes_digest"), "notes", ["digest"])
    op.create_table(
        "tags",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_tags_digest_architectures")),
        sa.PrimaryKeyConstraint("digest", "tag", name=op.f("pk_tags")),
    )
    op.create_index(op.f("ix_tags_tag_digest"), "tags", ["tag", "digest"])


def downgrade() -> None:
    """Back to evaluations of one latency; what is new here is lost, and who was given up early counts as failed."""
    op.drop_index(op.f("ix_jobs_state_priority_created_at"), table_name="jobs")
    op.drop_index(op.f("ix_front_members_job_id_fidelity_entered_seq"), table_name="front_members")
    for columns in OF_EVALUATIONS:
        op.drop_index(op.f(f"ix_evaluations_{'_'.join(columns)}"), table_name="evaluations")
    for table in OF_DIGESTS:
        op.drop_index(op.f(f"ix_{table}_digest"), table_name=table)
    for table in ("tags", "notes", "quality_predictors"):
        op.drop_table(table)
    op.execute("UPDATE evaluations SET state = 'failed' WHERE state = 'hopeless'")
    _shrink_evaluations()
    _shrink_jobs()


def _shrink_evaluations() -> None:
    with op.batch_alter_table("evaluations") as evaluations:
        for check in (
            *(f"{name}_not_negative" for name in PHASE_LATENCIES),
            *(f"{name}_is_a_share" for name in SHARES),
            "attempts_at_least_one",
            "state",
        ):
            evaluations.drop_constraint(op.f(f"ck_evaluations_{check}"), type_="check")
        for name in (*PHASE_LATENCIES, *SHARES, "extrapolates", "attempts"):
            evaluations.drop_column(name)
        evaluations.create_check_constraint(op.f("ck_evaluations_state"), f"state IN ({STATES})")


def _shrink_jobs() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_constraint(op.f("ck_jobs_claim_has_its_lease"), type_="check")
        for name in COUNTERS:
            jobs.drop_constraint(op.f(f"ck_jobs_{name}_not_negative"), type_="check")
        for name in (*COUNTERS, "best_val_loss", "lease_until", "claimed_by", "priority"):
            jobs.drop_column(name)
