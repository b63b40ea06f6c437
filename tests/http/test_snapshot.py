"""The dashboard's snapshot route: everything it shows, in one consistent response."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from storage.people import teams
from storage.schema.request_models import NewTask
from storage.tasks import tasks
from tests.conftest import Cluster, Person
from tests.support.consent import share
from tests.support.running_server import RunningServer

SNAPSHOT = "/api/dashboard/snapshot"


async def read(server: RunningServer, person: Person, **query: Any) -> Any:
    async with server.client(person.user_id) as client:
        answer = await client.get(SNAPSHOT, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def new(title: str, **fields: Any) -> NewTask:
    return NewTask.model_validate({"title": title} | fields)


async def test_snapshot_has_statistics_trend_tasks_and_teams(server: RunningServer, alice: Person, bob: Person) -> None:
    team = await teams.create(alice.scope, "Crew")
    mine = await tasks.add(alice.scope, new("Mine", priority="high"))
    await tasks.complete(alice.scope, (await tasks.add(alice.scope, new("Done", team_id=team.id))).id)
    shared = await tasks.add(bob.scope, new("Lent"))
    await share(bob.scope, shared.id, alice.scope)
    today, yesterday = (str((datetime.now(UTC) - timedelta(days=ago)).date()) for ago in (0, 1))
    snapshot = await read(server, alice, days=2, limit=2)
    newest = snapshot.pop("tasks")
    assert [(task["title"], task["access"]) for task in newest] == [("Lent", "view"), ("Done", "owner")]
    assert snapshot == {
        "statistics": {"total_tasks": 2, "pending_tasks": 1, "completed_tasks": 1, "shared_tasks": 1},
        "trend": [
            {"date": yesterday, "created": 0, "completed": 0},
            {"date": today, "created": 2, "completed": 1},
        ],
        "task_count": 3,
        "teams": [{"id": team.id, "name": "Crew", "role": "owner"}],
        "team_count": 1,
        "timezone": "UTC",
    }
    of_team = await read(server, alice, team_id=team.id)
    assert of_team["statistics"] == {
        "total_tasks": 1,
        "pending_tasks": 0,
        "completed_tasks": 1,
        "shared_tasks": 0,
    }
    assert ([task["title"] for task in of_team["tasks"]], of_team["task_count"]) == (["Done"], 1)
    assert (len(of_team["trend"]), of_team["trend"][-1]["created"], of_team["team_count"]) == (14, 1, 1)
    await tasks.complete(alice.scope, mine.id)
    assert (await read(server, alice))["statistics"]["completed_tasks"] == 2


async def test_snapshot_is_consistent(server: RunningServer, alice: Person, cluster: Cluster) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    await tasks.add(alice.scope, new("Before"))
    async with administrator.transaction():
        # The snapshot reads teams last; what is committed while it waits for them must not be in it.
        await administrator.execute("LOCK TABLE teams")
        request = asyncio.create_task(read(server, alice))
        while not await administrator.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await administrator.execute("SELECT set_config('app.user_id', $1, true)", alice.user_id)
        await administrator.execute("SELECT create_team('Later')")
    snapshot = await request
    await administrator.close()
    assert (snapshot["statistics"]["total_tasks"], snapshot["team_count"], snapshot["teams"]) == (1, 0, [])
    assert [team["name"] for team in (await read(server, alice))["teams"]] == ["Later"]


async def test_snapshot_lists_at_most_100_teams_and_counts_all(
    server: RunningServer, alice: Person, cluster: Cluster
) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    async with administrator.transaction():
        await administrator.execute("SELECT set_config('app.user_id', $1, true)", alice.user_id)
        rows = await administrator.fetch("SELECT create_team('Team ' || n) AS id FROM generate_series(1, 102) AS n")
    await administrator.close()
    ids = [row["id"] for row in rows]
    snapshot = await read(server, alice)
    assert ([team["id"] for team in snapshot["teams"]], snapshot["team_count"]) == (ids[:100], 102)
    # The requested team is always listed.
    snapshot = await read(server, alice, team_id=ids[-1])
    assert ([team["id"] for team in snapshot["teams"]], snapshot["team_count"]) == ([*ids[:99], ids[-1]], 102)
