"""Upgrading a used database from an earlier release keeps its rows."""

from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from storage.engine import migrations
from storage.engine.dsn import cleaned
from tests.conftest import Cluster
from tests.storage.test_migrations import PROGRAMS, run
from tests.support.catalogue import misconfigurations
from tests.support.postgres import Connection
from tests.support.sql_attacks import ROWS, TABLES

pytestmark = pytest.mark.long

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.sql"))
"""What `taskdeck migrate --sql` printed in each release."""


async def dump(address: str) -> str:
    """A schema dump without the lines that differ between any two dumps."""
    printed = await run(PROGRAMS / "pg_dump", "--schema-only", "-d", address)
    return "\n".join(line for line in printed.splitlines() if not line.startswith(("\\", "--")))


@pytest.fixture(params=RELEASES, ids=[path.stem for path in RELEASES])
async def used(request: pytest.FixtureRequest, cluster: Cluster) -> AsyncGenerator[str]:
    """The owner's URL of a database of an earlier release with rows in every table."""
    owned = await cluster.create("used")
    await run(PROGRAMS / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", request.param, cleaned(owned))
    administrator = await asyncpg.connect(cluster.address("used"))
    await administrator.execute(ROWS)
    await administrator.close()
    yield owned
    await cluster.drop("used")


async def test_upgrade_keeps_every_row_and_gives_the_current_schema(cluster: Cluster, used: str) -> None:
    administrator = await asyncpg.connect(cluster.address("used"))
    there = {row[0] for row in await administrator.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    old = there & {*TABLES}
    counted = {table: await administrator.fetchval(f"SELECT count(*) FROM {table}") for table in old}
    assert all(counted.values())
    await migrations.migrate(used)
    kept = {table: await administrator.fetchval(f"SELECT count(*) FROM {table}") for table in old}
    # Request counts of the last minute may be lost.
    assert kept | {"rate_limits": 0} == counted | {"rate_limits": 0}
    assert await misconfigurations(administrator) == []
    assert await migrations.find_drift(administrator) == []
    await administrator.close()
    assert await dump(cluster.address("used")) == await dump(cluster.address("blank"))


@pytest.fixture
async def administrator(cluster: Cluster) -> AsyncGenerator[Connection]:
    """A superuser's connection to a migrated database that a test may change."""
    await cluster.create("drifted", "blank")
    connection = await asyncpg.connect(cluster.address("drifted"))
    yield connection
    await connection.close()
    await cluster.drop("drifted")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("DROP POLICY tasks_select ON tasks", "policy tasks_select on tasks"),
        ("CREATE POLICY extra ON tasks FOR SELECT TO taskdeck_app USING (true)", "policy extra on tasks"),
        ("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY", "table messages"),
        ("GRANT DELETE ON tasks TO taskdeck_app", "table tasks"),
        ("DROP TRIGGER tasks_touch ON tasks", "trigger tasks_touch"),
        ("ALTER TABLE tasks DISABLE TRIGGER tasks_place", "trigger tasks_place"),
        ("ALTER FUNCTION find_users(text) OWNER TO owner", "function find_users(text)"),
        ("GRANT EXECUTE ON FUNCTION create_team(text) TO PUBLIC", "function create_team(text)"),
        ("DROP FUNCTION purge_expired()", "function purge_expired()"),
    ],
)
async def test_manual_change_is_reported_and_reverted_by_migrating(
    administrator: Connection, cluster: Cluster, change: str, name: str
) -> None:
    assert await migrations.find_drift(administrator) == []
    await administrator.execute(change)
    assert await migrations.find_drift(administrator) == [name]
    await migrations.migrate(cluster.address("drifted", "owner"))
    assert await migrations.find_drift(administrator) == []
    assert await misconfigurations(administrator) == []


async def test_token_time_zones_survive_the_upgrade_if_postgresql_knows_them(cluster: Cluster, used: str) -> None:
    administrator = await asyncpg.connect(cluster.address("used"))
    for user, zone in (("alice", "Asia/Tokyo"), ("bob", "Mars/Olympus")):
        await administrator.execute("UPDATE users SET timezone = $2 WHERE id = $1", user, zone)
    await migrations.migrate(used)
    query = "SELECT id, timezone, chosen_timezone, default_timezone FROM users WHERE id IN ('alice', 'bob') ORDER BY id"
    assert [tuple(row) for row in await administrator.fetch(query)] == [
        ("alice", "Asia/Tokyo", None, None),
        ("bob", None, None, None),
    ]
    await administrator.close()
