"""The first tables: jobs, architectures, evaluations, fronts, traces of a job, devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "architectures",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("architecture", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_architectures")),
    )
    op.create_table(
        "devices",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hardware", sa.JSON(), nullable=False),
        sa.Column("composition", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_devices")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("space", sa.JSON(), nullable=False),
        sa.Column("objectives", sa.JSON(), nullable=False),
        sa.Column("run_dir", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stage IN ('profile', 'train', 'search', 'finetune', 'done')", name=op.f("ck_jobs_stage")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'interrupted', 'done', 'failed')", name=op.f("ck_jobs_state")
        ),
        sa.CheckConstraint("done >= 0", name=op.f("ck_jobs_done_not_negative")),
        sa.CheckConstraint("total >= 0", name=op.f("ck_jobs_total_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_table(
        "breakdowns",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.CheckConstraint("phase IN ('prefill', 'decode', 'train')", name=op.f("ck_breakdowns_phase")),
        sa.CheckConstraint("calls >= 0", name=op.f("ck_breakdowns_calls_not_negative")),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_breakdowns_digest_architectures")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_breakdowns_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "digest", "phase", "position", name=op.f("pk_breakdowns")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("step >= 0", name=op.f("ck_checkpoints_step_not_negative")),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_checkpoints_digest_architectures")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_checkpoints_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkpoints")),
        sa.UniqueConstraint("job_id", "path", name=op.f("uq_checkpoints_job_id_path")),
    )
    op.create_table(
        "curve_points",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("subnet", sa.Text(), nullable=False),
        sa.Column("loss_nats", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.CheckConstraint("subnet IN ('smallest', 'largest')", name=op.f("ck_curve_points_subnet")),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_curve_points_seconds_not_negative")),
        sa.CheckConstraint("step >= 0", name=op.f("ck_curve_points_step_not_negative")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_curve_points_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "step", "subnet", name=op.f("pk_curve_points")),
    )
    op.create_table(
        "evaluations",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("fidelity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("val_loss", sa.Double(), nullable=True),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("latency_low_ms", sa.Double(), nullable=True),
        sa.Column("latency_high_ms", sa.Double(), nullable=True),
        sa.Column("latency_measured_ms", sa.Double(), nullable=True),
        sa.Column("param_count", sa.BigInteger(), nullable=True),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("weights_path", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("fidelity IN ('inherited', 'finetuned')", name=op.f("ck_evaluations_fidelity")),
        sa.CheckConstraint("state IN ('complete', 'infeasible', 'failed')", name=op.f("ck_evaluations_state")),
        sa.CheckConstraint("latency_high_ms >= 0", name=op.f("ck_evaluations_latency_high_ms_not_negative")),
        sa.CheckConstraint("latency_low_ms >= 0", name=op.f("ck_evaluations_latency_low_ms_not_negative")),
        sa.CheckConstraint("latency_measured_ms >= 0", name=op.f("ck_evaluations_latency_measured_ms_not_negative")),
        sa.CheckConstraint("latency_ms >= 0", name=op.f("ck_evaluations_latency_ms_not_negative")),
        sa.CheckConstraint("param_count >= 0", name=op.f("ck_evaluations_param_count_not_negative")),
        sa.CheckConstraint("peak_memory_bytes >= 0", name=op.f("ck_evaluations_peak_memory_bytes_not_negative")),
        sa.CheckConstraint("seconds >= 0", name=op.f("ck_evaluations_seconds_not_negative")),
        sa.CheckConstraint("seq >= 0", name=op.f("ck_evaluations_seq_not_negative")),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_evaluations_digest_architectures")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_evaluations_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "seq", name=op.f("pk_evaluations")),
        sa.UniqueConstraint("job_id", "digest", "fidelity", name=op.f("uq_evaluations_job_id_digest_fidelity")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stage IN ('profile', 'train', 'search', 'finetune', 'done')", name=op.f("ck_events_stage")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_events_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_job_id_id"), "events", ["job_id", "id"], unique=False)
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("weights", sa.Text(), nullable=False),
        sa.Column("max_relative_difference", sa.Double(), nullable=True),
        sa.Column("latency_measured_ms", sa.Double(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("latency_measured_ms >= 0", name=op.f("ck_exports_latency_measured_ms_not_negative")),
        sa.CheckConstraint(
            "max_relative_difference >= 0", name=op.f("ck_exports_max_relative_difference_not_negative")
        ),
        sa.ForeignKeyConstraint(["digest"], ["architectures.digest"], name=op.f("fk_exports_digest_architectures")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_exports_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.UniqueConstraint("job_id", "format", "path", name=op.f("uq_exports_job_id_format_path")),
    )
    op.create_table(
        "measurements",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("flops", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("median_us", sa.Double(), nullable=False),
        sa.Column("spread_us", sa.Double(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_measurements_bytes_not_negative")),
        sa.CheckConstraint("count >= 0", name=op.f("ck_measurements_count_not_negative")),
        sa.CheckConstraint("flops >= 0", name=op.f("ck_measurements_flops_not_negative")),
        sa.CheckConstraint("median_us >= 0", name=op.f("ck_measurements_median_us_not_negative")),
        sa.CheckConstraint("spread_us >= 0", name=op.f("ck_measurements_spread_us_not_negative")),
        sa.ForeignKeyConstraint(["device"], ["devices.name"], name=op.f("fk_measurements_device_devices")),
        sa.PrimaryKeyConstraint("device", "key", name=op.f("pk_measurements")),
    )
    op.create_table(
        "validations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("seq_len", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("mape", sa.Double(), nullable=True),
        sa.Column("median_ape", sa.Double(), nullable=True),
        sa.Column("within_10", sa.Double(), nullable=True),
        sa.Column("kendall_tau", sa.Double(), nullable=True),
        sa.Column("floor_mape", sa.Double(), nullable=True),
        sa.Column("pairs", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("phase IN ('prefill', 'decode', 'train')", name=op.f("ck_validations_phase")),
        sa.CheckConstraint("batch >= 0", name=op.f("ck_validations_batch_not_negative")),
        sa.CheckConstraint("count >= 0", name=op.f("ck_validations_count_not_negative")),
        sa.CheckConstraint("floor_mape >= 0", name=op.f("ck_validations_floor_mape_not_negative")),
        sa.CheckConstraint("mape >= 0", name=op.f("ck_validations_mape_not_negative")),
        sa.CheckConstraint("median_ape >= 0", name=op.f("ck_validations_median_ape_not_negative")),
        sa.CheckConstraint("seq_len >= 0", name=op.f("ck_validations_seq_len_not_negative")),
        sa.CheckConstraint("within_10 >= 0", name=op.f("ck_validations_within_10_not_negative")),
        sa.ForeignKeyConstraint(["device"], ["devices.name"], name=op.f("fk_validations_device_devices")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_validations")),
    )
    op.create_index(op.f("ix_validations_device"), "validations", ["device"], unique=False)
    op.create_table(
        "front_members",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("fidelity", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("entered_seq", sa.Integer(), nullable=False),
        sa.Column("left_seq", sa.Integer(), nullable=True),
        sa.CheckConstraint("left_seq > entered_seq", name=op.f("ck_front_members_left_after_entered")),
        sa.ForeignKeyConstraint(
            ["job_id", "digest", "fidelity"],
            ["evaluations.job_id", "evaluations.digest", "evaluations.fidelity"],
            name=op.f("fk_front_members_job_id_digest_fidelity_evaluations"),
        ),
        sa.PrimaryKeyConstraint("job_id", "fidelity", "digest", name=op.f("pk_front_members")),
    )
    op.create_index(
        op.f("ix_front_members_job_id_fidelity_left_seq"),
        "front_members",
        ["job_id", "fidelity", "left_seq"],
        unique=False,
    )


def downgrade() -> None:
    """Back to an empty database."""
    op.drop_index(op.f("ix_front_members_job_id_fidelity_left_seq"), table_name="front_members")
    op.drop_table("front_members")
    op.drop_index(op.f("ix_validations_device"), table_name="validations")
    op.drop_table("validations")
    op.drop_table("measurements")
    op.drop_table("exports")
    op.drop_index(op.f("ix_events_job_id_id"), table_name="events")
    op.drop_table("events")
    op.drop_table("evaluations")
    op.drop_table("curve_points")
    op.drop_table("checkpoints")
    op.drop_table("breakdowns")
    op.drop_table("jobs")
    op.drop_table("devices")
    op.drop_table("architectures")
