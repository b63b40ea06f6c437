"""PostgreSQL isolates users by itself, and every planted schema fault is detected."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from storage.engine import database as database_module
from storage.engine import migrations
from storage.engine.database import Database
from storage.schema.request_models import NewTask
from storage.tasks import tasks
from tests.conftest import Cluster, Person
from tests.support.catalogue import misconfigurations
from tests.support.postgres import Connection
from tests.support.schema_faults import FAULTS, Fault
from tests.support.sql_attacks import ATTACKS, INVITATIONS, RIGHTS, ROWS, TABLES, Attack, breaches, succeeds

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
async def connection(cluster: Cluster) -> AsyncGenerator[Connection]:
    """A superuser's connection to a database with the rows of the attacks."""
    await cluster.create("attacks", "blank")
    connection = await asyncpg.connect(cluster.address("attacks"))
    await connection.execute(ROWS + INVITATIONS)
    yield connection
    await connection.close()
    await cluster.drop("attacks")


async def test_catalogue_is_sound(connection: Connection) -> None:
    assert await misconfigurations(connection) == []


async def test_fixture_has_rows_of_alice_in_every_table(connection: Connection) -> None:
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row["tablename"] for row in tables} - {"alembic_version"} == set(TABLES)
    for table in TABLES:
        assert await connection.fetchval(f"SELECT count(*) FROM {table} t WHERE t::text ~ 'alice'"), table


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
async def test_postgresql_prevents_attack(connection: Connection, attack: Attack) -> None:
    assert not await succeeds(connection, attack)


@pytest.mark.parametrize("right", RIGHTS.values(), ids=RIGHTS)
async def test_postgresql_allows_right(connection: Connection, right: Attack) -> None:
    assert await succeeds(connection, right)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_planted_fault_is_detected(connection: Connection, fault: Fault) -> None:
    planted = connection.transaction()
    await planted.start()
    try:
        await connection.execute(fault.sql)
        found = await misconfigurations(connection) + await breaches(connection)
    finally:
        await planted.rollback()
    assert fault.found in found


def lasting_settings(source: str) -> list[str]:
    """Statements that set something for longer than a transaction."""
    calls = re.findall(r"set_config\((?:[^()]|\([^()]*\))*\)", source)
    return [call for call in calls if not re.search(r",\s*(is_local\s*=>\s*)?[Tt]rue\s*\)$", call)] + re.findall(
        r"\bSET\s+(?:SESSION\s+\w+|ROLE\s+\w+|app\.\w+)", source
    )


def test_code_sets_identity_for_one_transaction_only() -> None:
    sources = [path for folder in ("storage", "mcp_server", "alembic") for path in (ROOT / folder).rglob("*.py")]
    assert {str(path): found for path in sources if (found := lasting_settings(path.read_text("utf-8")))} == {}
    assert lasting_settings("SELECT set_config('app.user_id', $1, false)")
    assert lasting_settings("SET SESSION AUTHORIZATION alice")
    assert lasting_settings("SET app.user_id = 'alice'")


async def left_behind(url: str, user_id: str) -> set[str]:
    """Settings left on a connection after requests that succeeded, failed and were interrupted."""
    async with Database.open(url, size=1) as one:
        scope = one.scope(user_id)
        await tasks.add(scope, NewTask.model_validate({"title": "kept"}))
        with pytest.raises(ZeroDivisionError):
            async with scope.transaction():
                raise ZeroDivisionError
        assert await one.read_alone("SELECT 1, 2") == ["1", "2"]
        async with one.connection() as connection:
            row = await connection.fetchrow("SELECT current_setting('app.user_id', true), current_user::text")
        assert row is not None
        return {value for value in row.values() if value}


async def test_identity_does_not_leak_to_the_next_request(direct_url: str, alice: Person) -> None:
    assert await left_behind(direct_url, alice.user_id) == {"owner"}


async def test_identity_that_outlives_its_transaction_is_detected(
    direct_url: str, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = database_module._IDENTITY  # pyright: ignore[reportPrivateUsage]: the fault is planted here
    lasting = identity.replace("'{user}',true", "'{user}',false")
    monkeypatch.setattr(database_module, "_IDENTITY", lasting)
    assert alice.user_id in await left_behind(direct_url, alice.user_id)


async def test_requests_make_no_temporary_tables(cluster: Cluster) -> None:
    url = await cluster.create("plain")
    # The right belongs to the database, so a copy of a migrated one does not show it.
    await migrations.migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute("SET ROLE taskdeck_app")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("CREATE TEMPORARY TABLE heap (line text)")
    await connection.close()
    await cluster.drop("plain")
