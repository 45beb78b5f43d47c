"""What Alembic runs: the migrations, inside the transaction of the connection it was given."""

from __future__ import annotations

from alembic import context

# Absolute, as Alembic loads this file by its path and not as a member of the package.
from frontier.db.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot alter a table in place
)
with context.begin_transaction():
    context.run_migrations()
