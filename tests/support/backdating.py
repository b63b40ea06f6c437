"""Backdates tasks in the database, because no tool accepts a time in the past."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import asyncpg

from tests.conftest import Cluster, Person

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Backdating:
    """A superuser's connection with triggers disabled: its changes leave no version, history or notification."""

    connection: "asyncpg.Connection[asyncpg.Record]"

    async def create_at(self, task_id: int, moment: datetime) -> None:
        await self.connection.execute("UPDATE tasks SET created_at = $2 WHERE id = $1", task_id, moment)

    async def complete_at(self, task_id: int, moment: datetime) -> None:
        changed = await self.connection.execute(
            "UPDATE tasks SET completed_at = $2 WHERE id = $1 AND status = 'completed'", task_id, moment
        )
        assert changed == "UPDATE 1"


@asynccontextmanager
async def backdating(cluster: Cluster, database: str = "tests") -> AsyncGenerator[Backdating]:
    """Connect to a database, by default the shared one."""
    connection = await asyncpg.connect(cluster.address(database))
    await connection.execute("SET session_replication_role = replica")
    yield Backdating(connection)
    await connection.close()


def zone_of(person: Person) -> ZoneInfo:
    """The time zone that defines a person's days."""
    return ZoneInfo(person.timezone or "UTC")


async def on_one_day(person: Person, ask: Callable[[], Awaitable[Answer]]) -> tuple[date, Answer]:
    """Return a response and the person's date when it was given; repeats if midnight passes meanwhile."""
    while True:
        day = datetime.now(zone_of(person)).date()
        answer = await ask()
        if datetime.now(zone_of(person)).date() == day:
            return day, answer


async def live_three_days(person: Person, past: Backdating, team_id: int | None = None) -> dict[date, tuple[int, int]]:
    """Create a task on each of the last three days, complete two of them yesterday, and delete two others.

    Returns the numbers of tasks created and completed on each of these days.
    """
    today = datetime.now(zone_of(person)).date()
    noons = [datetime.combine(today - timedelta(days=ago), time(12), zone_of(person)) for ago in (2, 1, 0)]
    place = {} if team_id is None else {"team_id": team_id}
    titles = ("Sow", "Water", "Harvest", "Forget", "Forget what was done")
    added = await person.call("add_tasks", tasks=[{"title": title, **place} for title in titles])
    sow, water, harvest, forgotten, done = (result["task"]["id"] for result in added["results"])
    for task_id in (sow, water, done):
        await person.call("complete_task", task_id=task_id)
        await past.complete_at(task_id, noons[1])
    for task_id, noon in zip((sow, water, harvest, forgotten, done), (*noons, *noons[:2]), strict=True):
        await past.create_at(task_id, noon)
    await person.call("delete_task", task_ids=[forgotten, done])
    return {noons[0].date(): (1, 0), noons[1].date(): (1, 2), noons[2].date(): (1, 0)}


def trend_of(known: dict[date, tuple[int, int]], today: date, days: int) -> list[dict[str, str | int]]:
    """The expected trend of the last `days` days; days missing from `known` count zero."""
    dates = [today - timedelta(days=ago) for ago in range(days - 1, -1, -1)]
    counts = [known.get(day, (0, 0)) for day in dates]
    return [
        {"date": day.isoformat(), "created": created, "completed": completed}
        for day, (created, completed) in zip(dates, counts, strict=True)
    ]
