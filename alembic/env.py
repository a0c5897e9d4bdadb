"""Alembic's environment: migrations run on the connection that `moderation migrate` hands over."""

from alembic import context
from moderation.migrations import is_ours
from moderation.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    include_object=is_ours,
)
with context.begin_transaction():
    context.run_migrations()
