"""Published kernel tables of imported devices."""

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


def downgrade() -> None:
    """Back to the first tables; imported kernel tables are lost."""
    op.drop_table("kernel_tables")
