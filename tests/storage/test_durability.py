"""Acknowledged writes survive crashes; unacknowledged ones can be repeated and happen once."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from storage.embedded_postgres.cluster import SUPERUSER
from storage.embedded_postgres.cluster import Cluster as Embedded
from tests.conftest import Cluster
from tests.support.processes import PATIENCE, Server, environment, postgres_processes, serving, structured, until

pytestmark = pytest.mark.long

WRITERS = 8
EACH = 40


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("durability") / "data"


@pytest.fixture(scope="module")
async def server(data_dir: Path) -> AsyncGenerator[Server]:
    async with serving(data_dir, TASKDECK_RATE_LIMIT="0") as running:
        yield running


Address = Callable[[], str]


@pytest.fixture(scope="module")
def administrator(data_dir: Path, cluster: Cluster) -> Address:
    """The superuser's URL of the servers' database, once it exists."""

    def address() -> str:
        direct = environment(data_dir).get("DATABASE_URL_UNPOOLED")
        return cluster.address(urlsplit(direct).path.strip("/")) if direct else Embedded(data_dir).uri(SUPERUSER)

    return address


@dataclass
class Journal:
    """What writers sent, each with its own key, and the acknowledged task ids."""

    address: str
    token: str
    acknowledged: dict[str, int] = field(default_factory=dict[str, int])
    statuses: Counter[int] = field(default_factory=Counter[int])
    refused: int = 0

    async def write(self, http: httpx2.AsyncClient, key: str) -> int | None:
        """Send one task and return its id, if it was acknowledged."""
        arguments = {"title": key, "idempotency_key": key}
        call = {"name": "add_task", "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        response = await http.post("/mcp", json=body)
        self.statuses[response.status_code] += 1
        if response.status_code == 200 and not response.json()["result"].get("isError"):
            return response.json()["result"]["structuredContent"]["id"]
        self.refused += 1
        return None

    async def keep_writing(self, count: int) -> None:
        """One writer that repeats each request until it is acknowledged."""
        headers = {"authorization": f"Bearer {self.token}", "accept": "application/json"}
        async with httpx2.AsyncClient(
            base_url=self.address, headers=headers, timeout=10, trust_env=False, verify=False
        ) as http:
            for key in (str(uuid4()) for _ in range(count)):
                while key not in self.acknowledged:
                    with suppress(httpx2.HTTPError):
                        if number := await self.write(http, key):
                            self.acknowledged[key] = number
                            continue
                    await asyncio.sleep(0.05)

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        """Run writers meanwhile and wait until all have finished."""
        tasks = [asyncio.create_task(self.keep_writing(EACH)) for _ in range(WRITERS)]
        try:
            yield
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def reach(self, count: int) -> None:
        """Wait for `count` acknowledgements."""
        await until(lambda: len(self.acknowledged) >= count)


async def stored(url: str, user: str) -> dict[str, list[int]]:
    """The stored tasks of a user: ids by title."""
    rows = await ask(url, "SELECT title, array_agg(id) FROM tasks WHERE user_id = $1 GROUP BY title", user)
    return {row[0]: row[1] for row in rows}


async def ask(url: str, query: str, *arguments: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query, *arguments)
    finally:
        await connection.close()


async def test_no_acknowledged_write_is_lost_when_the_server_is_killed(data_dir: Path, administrator: Address) -> None:
    async with serving(data_dir, TASKDECK_RATE_LIMIT="0") as first:
        port = first.address.rpartition(":")[2]
        journal = Journal(first.address, first.token("mona"))
        async with journal.writing():
            await journal.reach(WRITERS * EACH // 3)
            assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
            seen = len(journal.acknowledged)
            async with serving(data_dir, TASKDECK_RATE_LIMIT="0", TASKDECK_PORT=port):
                await journal.reach(WRITERS * EACH)
                assert seen < WRITERS * EACH, "it was killed while they wrote"
                assert await stored(administrator(), "mona") == {key: [n] for key, n in journal.acknowledged.items()}
    assert set(journal.statuses) == {200}


@pytest.mark.embedded
async def test_no_acknowledged_write_is_lost_when_postgresql_is_killed(
    data_dir: Path, server: Server, administrator: Address
) -> None:
    journal = Journal(server.address, server.token("nina"))
    async with journal.writing():
        for part in (4, 2):
            await journal.reach(WRITERS * EACH // part)
            killed = postgres_processes(data_dir)
            for pid in killed:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    assert journal.refused, "calls failed while PostgreSQL was down"
    assert set(journal.statuses) <= {200, 503}
    assert await stored(administrator(), "nina") == {key: [number] for key, number in journal.acknowledged.items()}
    assert server.process.returncode is None, "the server went through it without a restart"
    async with server.http() as http:
        assert (await http.get("/readyz")).status_code == 200


async def test_disconnected_client_leaves_all_or_nothing_and_no_connection(
    server: Server, administrator: Address
) -> None:
    chance = Random(7)
    journal = Journal(server.address, server.token("olga"))

    async def give_up(seconds: float) -> None:
        async with server.http("olga") as http:
            with suppress(TimeoutError, httpx2.HTTPError):
                async with asyncio.timeout(seconds):
                    await journal.write(http, str(uuid4()))

    for _ in range(10):
        await asyncio.gather(*(give_up(chance.uniform(0.001, 0.15)) for _ in range(20)))
    async with server.http("olga") as http:
        assert all(await asyncio.gather(*(journal.write(http, str(uuid4())) for _ in range(20))))
    half = """
    SELECT id FROM tasks t WHERE user_id = 'olga'
    AND (SELECT count(*) FROM task_events e WHERE e.task_id = t.id) <> 1
    """
    assert await ask(administrator(), half) == []
    assert len(await stored(administrator(), "olga")) >= 20
    left = "SELECT pid FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
    assert await ask(administrator(), left) == []


SLOW = """
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.title = 'Slow') EXECUTE FUNCTION take_time();
"""


async def test_requests_in_flight_finish_when_the_server_stops(data_dir: Path, administrator: Address) -> None:
    async with serving(data_dir) as server, server.client("paul") as client:
        await structured(client, "whoami")
        observer = await asyncpg.connect(administrator())
        await observer.execute(SLOW)
        waiting = asyncio.create_task(structured(client, "add_task", title="Slow"))
        async with asyncio.timeout(PATIENCE):
            while not await observer.fetchval("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
                pass
        await observer.close()
        server.process.send_signal(signal.SIGTERM)
        assert (await waiting)["title"] == "Slow"
        async with server.http() as http:
            with pytest.raises(httpx2.ConnectError):
                await http.get("/healthz")
        assert await server.process.wait() == 0
