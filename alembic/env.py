"""How migrations run: one transaction, one at a time, online through asyncpg or offline as SQL."""

import asyncio
from typing import TYPE_CHECKING

import asyncpg
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from storage.engine.dsn import cleaned
from storage.schema.system_tables import Row

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Any constant will do: it only has to be the same for everybody who migrates this database.
LOCK = 7_205_759_403_792_794

# Replacing a function takes its owner. The membership ends with the migrations, for taskdeck_rls sees every row.
JOIN = """
DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' OR to_regrole('taskdeck_rls') IS NULL THEN RETURN; END IF;
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT taskdeck_rls TO CURRENT_USER WITH SET TRUE, INHERIT TRUE';
    ELSE
        GRANT taskdeck_rls TO CURRENT_USER;
    END IF;
END $$
"""
LEAVE = """
DO $$ BEGIN
    IF current_setting('is_superuser') = 'on' OR to_regrole('taskdeck_rls') IS NULL THEN RETURN; END IF;
    REVOKE taskdeck_rls FROM CURRENT_USER;
END $$
"""

# Printed SQL does not know what it meets, so it does everything again, as each migration may. What is newer it would
# undo in part.
BEGIN_AGAIN = """
DO $$ BEGIN
    IF to_regclass('alembic_version') IS NULL THEN RETURN; END IF;
    IF EXISTS (SELECT FROM alembic_version WHERE version_num > '{newest}') THEN
        RAISE EXCEPTION 'this database is newer than {newest}: use the SQL of a newer Taskdeck';
    END IF;
    DROP TABLE alembic_version;
END $$
"""


def migrate(connection: "Connection | None" = None) -> None:
    """Run the migrations in one transaction; the lock goes with it, also when the process dies."""
    url = None if connection else "postgresql://"
    context.configure(
        connection=connection,
        url=url,
        target_metadata=Row.metadata,
        literal_binds=connection is None,
        dialect_opts={"paramstyle": "named"} if connection is None else None,
    )
    with context.begin_transaction():
        context.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        if connection is None:
            context.execute(BEGIN_AGAIN.format(newest=context.get_head_revision()))
        context.execute(JOIN)
        context.run_migrations()
        context.execute(LEAVE)


async def migrate_online() -> None:
    """Connect as the schema's owner and migrate."""
    url = cleaned(context.config.attributes["url"])
    # asyncpg reads the address itself: SQLAlchemy would hand sslmode and the like to it as arguments.
    engine = create_async_engine(
        "postgresql+asyncpg://",
        poolclass=pool.NullPool,
        async_creator=lambda: asyncpg.connect(url, statement_cache_size=0),
    )
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    migrate()
elif (connection := context.config.attributes.get("connection")) is not None:
    migrate(connection)
else:
    asyncio.run(migrate_online())
