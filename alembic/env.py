"""Runs migrations in one transaction and one process at a time: online through asyncpg, or offline as SQL."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import create_async_engine

from storage.engine.dsn import cleaned
from storage.engine.sql_objects import RECORD, SqlFile, objects_query, outdated, record_statement, sql_files
from storage.schema import system_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Any constant will do: it only has to be the same for all processes that migrate this database.
LOCK = 7_205_759_403_792_794

# Only a function's owner may replace it. The membership ends with the migrations, because policies show every row to
# taskdeck_rls and to its members.
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

# Printed SQL cannot know the version of the database, so it runs all migrations again, which each of them allows. On a
# newer schema it would undo a part of the newer migrations, and refuses to run.
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
    """Run the migrations in one transaction, which holds the lock: it is released even if the process dies."""
    url = None if connection else "postgresql://"
    context.configure(
        connection=connection,
        url=url,
        target_metadata=system_tables.TableModel.metadata,  # that module imports the other one with tables
        # SQL that is printed has no parameters.
        literal_binds=connection is None,
        dialect_opts={"paramstyle": "named"} if connection is None else None,
    )
    with context.begin_transaction():
        # Of the transaction and not of the session, so it also works if the address leads to a pooler.
        context.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        if connection is None:
            context.execute(BEGIN_AGAIN.format(newest=context.get_head_revision()))
        context.execute(JOIN)
        context.run_migrations()
        apply_sql(connection)
        context.execute(LEAVE)


def apply_sql(connection: "Connection | None") -> None:
    """Apply the files of storage/sql that changed; printed SQL contains them all.

    Only at the newest revision: the files belong to its tables.
    """
    changed: Sequence[SqlFile] = sql_files()
    if connection is not None:
        if context.get_context().get_current_revision() != context.get_head_revision():
            return
        objects = {row[0]: row[1] for row in connection.exec_driver_sql(objects_query())}
        changed = outdated(connection.exec_driver_sql(f"SELECT {RECORD}").scalar(), objects)
    if changed:
        # ALTER FUNCTION ... OWNER requires that the new owner may create objects in the schema.
        context.execute("GRANT CREATE ON SCHEMA public TO taskdeck_rls")
        for file in changed:
            for statement in file.statements:
                context.execute(statement)
        context.execute("REVOKE CREATE ON SCHEMA public FROM taskdeck_rls")
        context.execute(record_statement())


async def migrate_online() -> None:
    """Connect as the schema's owner and migrate."""
    url = cleaned(context.config.attributes["url"])
    # asyncpg parses the address itself: SQLAlchemy would pass it sslmode and other parameters as arguments. Statements
    # are not cached, because migrations change what they refer to, and the address may lead to a pooler.
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
