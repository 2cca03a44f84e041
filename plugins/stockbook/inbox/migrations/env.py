"""Alembic's way in: the connection and its transaction come from ``stockbook.inbox.migrate``."""

from alembic import context

from stockbook.inbox.migrate import VERSION_TABLE
from stockbook.inbox.model import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    # true of SQLite too, since its transactions begin where we say
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
