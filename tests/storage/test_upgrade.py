"""Upgrading a used database from an earlier release keeps its rows."""

from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest

from mcp_server.settings import Settings
from storage.engine import migrations
from storage.engine.database import Database
from storage.engine.dsn import cleaned
from tests.conftest import Cluster, Person
from tests.storage.test_migrations import PROGRAMS, run
from tests.support.catalogue import misconfigurations
from tests.support.postgres import Connection
from tests.support.sql_attacks import ROWS, TABLES

pytestmark = pytest.mark.long

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.sql"))
"""What `taskdeck migrate --sql` printed in each release."""


WRITTEN = """
INSERT INTO tasks (user_id, team_id, title, description) VALUES ('alice', NULL, 'Renew the passports', 'Bring photos'),
    ('gina', 1, 'Verträge unterschreiben', NULL);
INSERT INTO conversations (id, user_id, title, message_count) OVERRIDING SYSTEM VALUE
VALUES (100, 'alice', 'Die Reparaturen im Haus', 3), (101, 'alice', NULL, 2500);
INSERT INTO messages (conversation_id, sequence, user_id, role, content) VALUES
    (100, 1, 'alice', 'user', 'Who mended leaking gutters?'), (100, 2, 'alice', 'assistant', 'Jan did on Friday 🎉'),
    (100, 3, 'alice', 'user', '明天下午去图书馆还书');
INSERT INTO messages (conversation_id, sequence, user_id, role, content)
SELECT 101, n, 'alice', 'user', 'The weather is fine on day ' || n FROM generate_series(1, 2500) n
"""
"""Rows of the first release, whose search columns know neither word forms nor scripts without spaces."""


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


async def test_upgrade_composes_the_letters_of_tags(cluster: Cluster, used: str) -> None:
    administrator = await asyncpg.connect(cluster.address("used"))
    tags = ["b", "re\u0301union", "r\u00e9union", "a"]
    insertion = "INSERT INTO tasks (user_id, title, tags) VALUES ('alice', 'Prepare', $1) RETURNING id"
    task_id = await administrator.fetchval(insertion, tags)
    events = await administrator.fetchval("SELECT count(*) FROM task_events")
    await migrations.migrate(used)
    row = await administrator.fetchrow("SELECT tags, version FROM tasks WHERE id = $1", task_id)
    assert row is not None
    assert (row["tags"], row["version"]) == (["b", "r\u00e9union", "a"], 1)
    assert await administrator.fetchval("SELECT count(*) FROM task_events") == events
    await administrator.close()


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


async def test_rows_of_an_earlier_release_are_found_by_search(cluster: Cluster, used: str, settings: Settings) -> None:
    administrator = await asyncpg.connect(cluster.address("used"))
    await administrator.execute(WRITTEN)
    await administrator.close()
    await migrations.migrate(used)
    async with Database.open(used) as database:
        alice = Person("alice", "alice@example.com", database, settings)
        for query, place in {
            "Who mends the gutter?": (100, 1),
            "🎉": (100, 2),
            "图书馆": (100, 3),
            "weather on day 1234": (101, 1234),
        }.items():
            first = (await alice.call("search_messages", query=query))["matches"][0]
            assert (first["conversation_id"], first["sequence"]) == place, query
        for query, title in {"passport photo": "Renew the passports", "Vertrag": "Verträge unterschreiben"}.items():
            found = (await alice.call("list_tasks", search=query))["tasks"]
            assert [task["title"] for task in found] == [title], query
        found = (await alice.call("list_conversations", search="Reparatur"))["conversations"]
        assert [conversation["id"] for conversation in found] == [100]
