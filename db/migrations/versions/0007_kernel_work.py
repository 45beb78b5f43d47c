"""How much the kernels of a breakdown compute and move, beside how long they take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

COLUMNS = ("flops", "bytes")


def upgrade() -> None:
    """To this revision. What was written before has neither."""
    with op.batch_alter_table("breakdowns") as breakdowns:
        for name in COLUMNS:
            breakdowns.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
            breakdowns.create_check_constraint(op.f(f"ck_breakdowns_{name}_not_negative"), f"{name} >= 0")


def downgrade() -> None:
    """Back to kernels of which only the time is known."""
    with op.batch_alter_table("breakdowns") as breakdowns:
        for name in COLUMNS:
            breakdowns.drop_constraint(op.f(f"ck_breakdowns_{name}_not_negative"), type_="check")
            breakdowns.drop_column(name)
