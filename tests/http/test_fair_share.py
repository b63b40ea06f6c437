"""What one person costs a server is bounded in time, not only in the number of requests."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_server.app import open_services
from mcp_server.http import in_flight, rate_limit
from mcp_server.protocol import subscriptions
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.http.test_in_flight import CALL, PATIENT, TEAMS, blockade
from tests.support.mcp_requests import BOTH
from tests.support.running_server import RunningServer, running_server

REQUEST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1}
LARGE = json.dumps(
    REQUEST
    | {
        "method": "tools/call",
        "params": {"name": "add_tasks", "arguments": {"tasks": [{"title": "A", "description": "x" * 16_000}] * 5}},
    }
)


@pytest.fixture
async def server(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path, "calls_in_flight": 2, "rate_limit": 31})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, locks and lines are waited for."""
    monkeypatch.setattr("storage.engine.database._IDENTITY", PATIENT)
    monkeypatch.setattr("storage.engine.database.TRANSACTION_SECONDS", 60)
    monkeypatch.setattr("storage.engine.database.COMMAND_SECONDS", 60)
    monkeypatch.setattr(in_flight, "WAIT_SECONDS", 60)


@pytest.mark.usefixtures("patient")
async def test_calls_of_someone_who_took_much_time_run_one_by_one(
    server: RunningServer, alice: Person, bob: Person, carol: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        server.client(alice.user_id) as page,
        server.client(alice.user_id, "mcp", accept=BOTH) as agent,
        server.client(bob.user_id) as other,
        server.client(carol.user_id) as third,
    ):
        assert [(await client.get(TEAMS)).status_code for client in (page, other, third)] == [200, 200, 200]
        async with blockade(cluster) as blocked:
            others = [asyncio.create_task(other.get(TEAMS)) for _ in range(2)]
            await blocked.waiting(2)
            # From now on every call counts as one that took much time.
            monkeypatch.setattr(in_flight, "HEAVY_SECONDS", -1e9)
            calls = [asyncio.create_task(page.get(TEAMS)) for _ in range(3)]
            calls += [asyncio.create_task(agent.post("/mcp", json=CALL)) for _ in range(3)]
            # Calls of somebody else pass meanwhile, one after the other, and no further one of hers begins.
            for _ in range(10):
                await blocked.waiting(3)
                assert (await third.get("/api/dashboard/settings")).status_code == 200
            assert not [call for call in (*calls, *others) if call.done()]
        answers = await asyncio.gather(*calls, *others)
        assert [answer.status_code for answer in answers] == [200] * 8


async def test_large_messages_of_one_person_are_spaced(
    alice: Person, bob: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "LARGE_SECONDS", 3600)
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with running_server(settings, database_url, direct_url) as server:
        headers = {"accept": BOTH, "content_type": "application/json"}
        async with (
            server.client(alice.user_id, "mcp", **headers) as client,
            server.client(bob.user_id, "mcp", **headers) as other,
        ):
            assert (await client.post("/mcp", content=LARGE)).status_code == 200
            second = asyncio.create_task(client.post("/mcp", content=LARGE))
            # Neither ordinary messages nor other people wait for it.
            assert (await client.post("/mcp", json=CALL)).status_code == 200
            assert (await other.post("/mcp", content=LARGE)).status_code == 200
            assert not second.done()
            second.cancel()


async def test_refusals_take_longer_the_more_requests_of_a_person_are_under_way(
    server: RunningServer, alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "STORE_SECONDS", 20)
    async with server.client(alice.user_id) as page, server.client(bob.user_id) as other:
        assert {(await page.get(TEAMS)).status_code for _ in range(31)} == {200}
        assert (await page.get(TEAMS)).status_code == 429
        monkeypatch.setattr(rate_limit, "REFUSALS_A_SECOND", 0.001)
        refused = asyncio.create_task(page.get(TEAMS))
        assert (await other.get(TEAMS)).status_code == 200
        assert not refused.done()
        refused.cancel()


async def test_stream_without_a_place_reads_nothing(
    settings: Settings,
    alice: Person,
    cluster: Cluster,
    database_url: str,
    direct_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_STREAMS_A_USER", 1)
    known = settings.model_copy(update={"database_url_unpooled": direct_url})
    task = (await alice.call("add_task", title="A"))["id"]
    administrator = await asyncpg.connect(cluster.address("tests"))
    try:
        async with (
            open_services(known, database_url, local=alice.caller) as services,
            Client(services.server) as client,
            administrator.transaction(),
        ):
            await administrator.execute("LOCK TABLE tasks")
            # Everybody has statistics, so a stream of them opens without a query.
            async with client.listen(resource_subscriptions=["statistics://me"]):
                with pytest.raises(MCPError, match="too many subscriptions"):
                    async with client.listen(resource_subscriptions=[f"task://{task}"]):
                        pass
    finally:
        await administrator.close()
