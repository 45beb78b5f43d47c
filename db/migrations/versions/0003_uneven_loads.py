"""How long a measured kernel takes where its tokens are sent unevenly to experts or groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """To this revision."""
    op.add_column("measurements", sa.Column("skewed_us", sa.Double(), nullable=True))


def downgrade() -> None:
    """Back to even loads."""
    with op.batch_alter_table("measurements") as measurements:
        measurements.drop_column("skewed_us")
