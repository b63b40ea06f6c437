"""How many calls of a person run at once: over MCP, the dashboard API and stdio together, and apart from others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import Client

from mcp_server.app import open_services
from mcp_server.http import in_flight
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.support.mcp_requests import BOTH
from tests.support.running_server import RunningServer, running_server

CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "list_teams", "arguments": {}},
}
TEAMS = "/api/dashboard/teams"
SENTENCE = "You have 2 calls in progress and more in line. Wait 2 s, or send fewer"


@pytest.fixture
async def server(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path, "calls_in_flight": 2})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


class Blockade:
    """Lets no transaction read teams, and counts those that wait."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def waiting(self, count: int) -> None:
        """Return once so many wait."""
        counted = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'teams'::regclass "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        async with asyncio.timeout(20):
            while await self._connection.fetchval(counted) != count:  # noqa: ASYNC110 - a lock raises no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def blockade(cluster: Cluster) -> AsyncGenerator[Blockade]:
    connection = await asyncpg.connect(cluster.address("tests"))
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE teams")
            yield Blockade(connection)
    finally:
        await connection.close()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, locks and lines are waited for."""
    monkeypatch.setattr("storage.engine.database._IDENTITY", PATIENT)
    monkeypatch.setattr("storage.engine.database.TRANSACTION_SECONDS", 60)
    monkeypatch.setattr("storage.engine.database.COMMAND_SECONDS", 60)
    monkeypatch.setattr(in_flight, "WAIT_SECONDS", 60)


PATIENT = (
    "SELECT set_config('role','taskdeck_app',true),set_config('app.user_id','{user}',true),"
    "set_config('app.client','{client}',true),set_config('lock_timeout','60s',true)"
)


@pytest.mark.usefixtures("patient")
async def test_calls_beyond_the_limit_wait_in_line_and_other_people_do_not(
    server: RunningServer, alice: Person, bob: Person, cluster: Cluster
) -> None:
    async with (
        server.client(alice.user_id) as page,
        server.client(alice.user_id, "mcp", accept=BOTH) as agent,
        server.client(bob.user_id, "mcp", accept=BOTH) as other,
    ):
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(page.get(TEAMS)) for _ in range(3)]
            calls += [asyncio.create_task(agent.post("/mcp", json=CALL)) for _ in range(3)]
            await blocked.waiting(2)
            others = [asyncio.create_task(other.post("/mcp", json=CALL)) for _ in range(2)]
            await blocked.waiting(4)
            assert not [call for call in (*calls, *others) if call.done()]
        answers = await asyncio.gather(*calls, *others)
        assert [answer.status_code for answer in answers] == [200] * 8
        # Everybody has left the line.
        assert (await page.get(TEAMS)).status_code == 200


@pytest.mark.usefixtures("patient")
async def test_calls_without_room_in_the_line_are_refused_for_now(
    server: RunningServer, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "MAX_WAITING", 3)
    async with server.client(alice.user_id) as page, server.client(alice.user_id, "mcp", accept=BOTH) as agent:
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(page.get(TEAMS)) for _ in range(7)]
            await blocked.waiting(2)
            done, waiting = await asyncio.wait(calls, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 2:
                more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                done |= more
            answers = [call.result() for call in done] + [await agent.post("/mcp", json=CALL)]
            assert [summary(answer) for answer in answers] == [(429, "rate_limited", SENTENCE, "2")] * 3
        assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 5


@pytest.mark.usefixtures("patient")
async def test_call_that_waits_too_long_is_refused_for_now(
    server: RunningServer, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server.client(alice.user_id) as page:
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(page.get(TEAMS)) for _ in range(2)]
            await blocked.waiting(2)
            monkeypatch.setattr(in_flight, "WAIT_SECONDS", 0.01)
            assert summary(await page.get(TEAMS)) == (429, "rate_limited", SENTENCE, "2")
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [200] * 2


@pytest.mark.usefixtures("patient")
async def test_calls_that_gave_up_are_passed_over(
    server: RunningServer, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "WAIT_SECONDS", 0.2)
    async with server.client(alice.user_id) as page:
        for _ in range(5):
            answers = await asyncio.gather(*(page.get(TEAMS) for _ in range(60)))
            assert {answer.status_code for answer in answers} <= {200, 429}
        assert (await page.get(TEAMS)).status_code == 200


@pytest.mark.usefixtures("patient")
async def test_a_crowd_of_requests_is_refused_before_it_is_counted(
    server: RunningServer, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "MAX_OUTSTANDING", 2)
    async with server.client(alice.user_id) as page:
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(page.get(TEAMS)) for _ in range(2)]
            await blocked.waiting(2)
            assert summary(await page.get(TEAMS)) == (429, "rate_limited", SENTENCE, "2")
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [200] * 2
        assert (await page.get(TEAMS)).status_code == 200


@pytest.mark.usefixtures("patient")
async def test_calls_over_stdio_wait_in_line(
    settings: Settings,
    database_url: str,
    direct_url: str,
    alice: Person,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_flight, "MAX_WAITING", 0)
    known = settings.model_copy(update={"database_url_unpooled": direct_url, "calls_in_flight": 2})
    async with open_services(known, database_url, local=alice.caller) as services, Client(services.server) as client:
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(client.call_tool("list_teams", {})) for _ in range(2)]
            await blocked.waiting(2)
            outcomes = await asyncio.gather(*(client.call_tool("whoami", {}) for _ in range(3)), return_exceptions=True)
            assert {str(outcome) for outcome in outcomes} == {f"{SENTENCE}."}
            # What lasts, or needs no database, does not wait.
            assert (await client.list_tools()).tools
        assert not any(result.is_error for result in await asyncio.gather(*calls))


def summary(answer: httpx2.Response) -> tuple[int, str, str, str | None]:
    return answer.status_code, answer.json()["error"], answer.json()["detail"], answer.headers.get("retry-after")
