"""Pages of evaluations that are sorted and filtered by what an index holds, without a look at the evaluations.

Passing over the first of a sorted page means looking whether each of them is one of those that are wanted.
"""

from __future__ import annotations

from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None

NARROW = (["job_id", "val_loss", "seq"], ["job_id", "latency_ms", "seq"])
WIDE = (
    ["job_id", "val_loss", "seq", "state", "fidelity", "latency_ms"],
    ["job_id", "latency_ms", "seq", "state", "fidelity", "val_loss"],
)


def upgrade() -> None:
    """To this revision."""
    _replace(NARROW, WIDE)


def downgrade() -> None:
    """Back to indices of what is sorted by alone."""
    _replace(WIDE, NARROW)


def _replace(old: tuple[list[str], ...], new: tuple[list[str], ...]) -> None:
    for columns in old:
        op.drop_index(op.f(_name(columns)), table_name="evaluations")
    for columns in new:
        op.create_index(op.f(_name(columns)), "evaluations", columns)


def _name(columns: list[str]) -> str:
    return f"ix_evaluations_{'_'.join(columns)}"
