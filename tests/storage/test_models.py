"""The table classes describe the tables that the migrations create; CHECK constraints are only in the migrations."""

from collections.abc import AsyncGenerator

import asyncpg
import pytest
from sqlalchemy import pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from storage.engine.sql_objects import sql_files
from storage.schema.system_tables import (
    AuditEvent,
    CachedStatistic,
    EndedUser,
    IdempotencyKey,
    ImportKey,
    Invitation,
    PersonalAccessToken,
    RateLimit,
    TaskEvent,
    TaskMessage,
)
from storage.schema.tables import Conversation, Message, TableModel, Task, TaskShare, Team, TeamMember, User
from tests.conftest import Cluster

COLUMNS = """
SELECT attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
    pg_get_expr(adbin, adrelid)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    AND relname <> 'alembic_version'
"""
CONSTRAINTS = """
SELECT conrelid::regclass || ': ' || conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f')
    AND conrelid::regclass::text <> 'alembic_version'
"""
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
TABLES = """
SELECT relname, relpersistence FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""


@pytest.fixture
async def created(cluster: Cluster) -> AsyncGenerator[str]:
    """The URL of a database with the tables that the classes describe."""
    url = await cluster.create("modelled")
    engine = create_async_engine(url.replace("postgresql:", "postgresql+asyncpg:"), poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE EXTENSION btree_gin"))
        # A generated column and an index call these.
        for file in sql_files():
            if file.name in ("functions/search_keys.sql", "functions/search_text.sql"):
                for statement in file.statements:
                    await connection.exec_driver_sql(statement)
        await connection.run_sync(TableModel.metadata.create_all)
    await engine.dispose()
    yield url
    await cluster.drop("modelled")


async def read(url: str, query: str) -> dict[str, tuple[object, ...]]:
    """The rows of a query by their first column."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(query)
    await connection.close()
    return {row[0]: tuple(row)[1:] for row in rows}


async def test_models_create_the_tables_of_the_migrations(created: str, direct_url: str) -> None:
    people = (User, Team, TeamMember, Task, TaskShare, Conversation, Message)
    system = (
        AuditEvent,
        EndedUser,
        TaskEvent,
        TaskMessage,
        IdempotencyKey,
        ImportKey,
        Invitation,
        CachedStatistic,
        PersonalAccessToken,
        RateLimit,
    )
    assert {model.__tablename__ for model in (*people, *system)} == {*TableModel.metadata.tables}
    for query in (TABLES, COLUMNS, CONSTRAINTS, INDEXES):
        assert await read(created, query) == await read(direct_url, query)
