"""How alembic runs the revisions: from pam_receiver.store.migrate, on its connection and in its transaction."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=context.config.attributes["metadata"])
context.run_migrations()
