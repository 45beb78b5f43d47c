"""Published kernel tables of imported devices, and how a measured kernel was timed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """To this revision."""
    op.create_table(
        "kernel_tables",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("runtimes", sa.JSON(), nullable=False),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("model", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("row_count >= 0", name=op.f("ck_kernel_tables_row_count_not_negative")),
        sa.ForeignKeyConstraint(["device"], ["devices.name"], name=op.f("fk_kernel_tables_device_devices")),
        sa.PrimaryKeyConstraint("device", "kind", name=op.f("pk_kernel_tables")),
    )
    op.add_column("measurements", sa.Column("timing", sa.Text(), server_default="clock", nullable=False))
    op.add_column("measurements", sa.Column("warm_us", sa.Double(), nullable=True))
    op.add_column("measurements", sa.Column("kernel_names", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("measurements", sa.Column("note", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    """Back to the first tables; imported kernel tables are lost."""
    with op.batch_alter_table("measurements") as measurements:
        for name in ("note", "kernel_names", "warm_us", "timing"):
            measurements.drop_column(name)
    op.drop_table("kernel_tables")
