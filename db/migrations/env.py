"""How does Alembic reach the database? Over the connection that `db.migrate` has opened, one transaction a migration."""

from alembic import context

from db.tables import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
