"""The classes of tables say what the migrated database has."""

from collections.abc import AsyncGenerator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, DateTime, pool
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from storage.schema.system_tables import CachedStatistic, IdempotencyKey, PersonalAccessToken, RateLimit, TaskEvent
from storage.schema.tables import Conversation, Message, TableModel, Task, TaskShare, Team, TeamMember, User


@pytest.fixture
async def migrated(direct_url: str) -> AsyncGenerator[AsyncConnection]:
    engine = create_async_engine(direct_url.replace("postgresql:", "postgresql+asyncpg:"), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def test_every_column_key_and_index_is_the_migrated_one(migrated: AsyncConnection) -> None:
    people = (User, Team, TeamMember, Task, TaskShare, Conversation, Message)
    system = (TaskEvent, IdempotencyKey, CachedStatistic, PersonalAccessToken, RateLimit)
    assert {model.__tablename__ for model in (*people, *system)} == {*TableModel.metadata.tables}

    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), TableModel.metadata))

    assert await migrated.run_sync(differences) == []


def test_every_moment_has_a_time_zone() -> None:
    """Alembic does not compare that."""
    columns = [column for table in TableModel.metadata.tables.values() for column in table.columns]
    zoned = {str(column): column.type.timezone for column in columns if isinstance(column.type, DateTime)}
    assert zoned == dict.fromkeys(zoned, True)
    assert {"users.created_at", "tasks.due_at", "personal_access_tokens.revoked_at"} <= {*zoned}
