"""A database that is in use may be brought to a newer release, and back, with what is in it."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config

from tests.conftest import Cluster
from tests.storage.test_migrations import ROOT
from tests.support.catalogue import misconfigurations
from tests.support.sql_attacks import HOUSEHOLD

COUNT = "SELECT set_config('role', 'taskdeck_app', true), set_config('app.user_id', 'alice', true)"


@pytest.fixture
async def used(cluster: Cluster) -> AsyncGenerator[str]:
    """A database with a household in it, as release 010 leaves it: the administrator's address."""
    owned = await cluster.create("used")
    await alembic(command.upgrade, owned, "010")
    administrator = await asyncpg.connect(cluster.address("used"))
    await administrator.execute(HOUSEHOLD.replace("VALUES ('alice', now(), 1)", "VALUES ('alice', now())"))
    await administrator.close()
    yield owned
    await cluster.drop("used")


async def alembic(step: Any, url: str, revision: str) -> None:
    config = Config(Path(ROOT) / "alembic.ini")
    config.attributes["url"] = url
    await asyncio.to_thread(step, config, revision)


async def test_counting_by_minutes_comes_and_goes_with_rows_in_the_tables(cluster: Cluster, used: str) -> None:
    administrator = await asyncpg.connect(cluster.address("used"))
    events: list[str] = []

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        events.append(str(payload))

    await administrator.add_listener("taskdeck", hear)
    everything = "SELECT ARRAY[(SELECT count(*) FROM tasks), (SELECT count(*) FROM task_events)]"
    before = await administrator.fetchval(everything)
    await alembic(command.upgrade, used, "011")
    async with administrator.transaction():
        await administrator.execute(COUNT)
        assert [await administrator.fetchval("SELECT take_request(2)") for _ in range(3)] == [0, 0, 60]
    assert await misconfigurations(administrator) == []
    await administrator.execute("UPDATE tasks SET team_id = NULL WHERE id = 2")
    await administrator.fetchval("SELECT purge_expired()")
    await alembic(command.downgrade, used, "010")
    await administrator.execute("INSERT INTO rate_limits VALUES ('alice', now() - interval '2 hours')")
    await administrator.fetchval("SELECT purge_expired()")
    assert await administrator.fetchval("SELECT count(*) FROM rate_limits") == 0
    await administrator.execute("UPDATE tasks SET team_id = 1 WHERE id = 2")
    await administrator.execute("UPDATE team_members SET role = 'viewer' WHERE user_id = 'carol'")
    # Only the newer schema tells of moves, and only the older one of roles.
    said = [json.loads(text)["type"] for text in events]
    assert (sorted(said[:2]), said[2:]) == (["move", "task_updated"], ["task_updated", "access"])
    await alembic(command.upgrade, used, "head")
    after = await administrator.fetchval(everything)
    assert after == [before[0], before[1] + 2]
    await administrator.close()
