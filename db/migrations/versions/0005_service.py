"""What a service is asked for and by whom it is done, the nodes that jobs run on, and jobs that are asked to stop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

KINDS = "'launch', 'price', 'export'"
STATES = "'waiting', 'running', 'done', 'failed'"


def upgrade() -> None:
    """To this revision."""
    op.add_column("jobs", sa.Column("stop_asked", sa.Boolean(), server_default=sa.false(), nullable=False))
    _create_commands()
    op.create_table(
        "controllers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alive_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_controllers")),
    )
    op.create_table(
        "nodes",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("cpus", sa.Double(), nullable=False),
        sa.Column("gpus", sa.Double(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("cpus >= 0", name=op.f("ck_nodes_cpus_not_negative")),
        sa.CheckConstraint("gpus >= 0", name=op.f("ck_nodes_gpus_not_negative")),
        sa.CheckConstraint("left_at >= joined_at", name=op.f("ck_nodes_left_after_joined")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_nodes_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", "node_id", name=op.f("pk_nodes")),
    )


def _create_commands() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"kind IN ({KINDS})", name=op.f("ck_commands_kind")),
        sa.CheckConstraint(f"state IN ({STATES})", name=op.f("ck_commands_state")),
        sa.CheckConstraint("share >= 0 AND share <= 1", name=op.f("ck_commands_share_is_a_share")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_commands_attempts_not_negative")),
        sa.CheckConstraint(
            "(claimed_by IS NULL) = (lease_until IS NULL)", name=op.f("ck_commands_claim_has_its_lease")
        ),
        sa.CheckConstraint(
            "(state = 'running') = (claimed_by IS NOT NULL)", name=op.f("ck_commands_who_is_claimed_runs")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_commands_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index(op.f("ix_commands_job_id"), "commands", ["job_id"])
    op.create_index(op.f("ix_commands_state_id"), "commands", ["state", "id"])


def downgrade() -> None:
    """Back to a ledger that no service works on; what it was asked for is lost."""
    for table in ("nodes", "controllers", "commands"):
        op.drop_table(table)
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("stop_asked")
