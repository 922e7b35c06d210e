"""What alembic runs: the migrations beside this file, on the connection that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

from secrecon.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
