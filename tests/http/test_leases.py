"""A busy client's requests are counted several at a time, and never more than its limit."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from mcp_server.http import rate_limit
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.support.request_counts import STATISTICS, pass_time, send, statuses, used
from tests.support.running_server import RunningServer, personal_token, running_server

Start = Callable[[int], Awaitable[RunningServer]]
"""Starts a server with this limit per client and minute."""


@pytest.fixture(autouse=True)
def always_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every client for a busy one however slow this machine is, and wait for the shared count."""
    monkeypatch.setattr(rate_limit, "LEASE_SECONDS", 3600)
    monkeypatch.setattr(rate_limit, "STORE_SECONDS", 20)
    monkeypatch.setattr("storage.engine.database.ACQUIRE_SECONDS", 20)


@pytest.fixture
async def start(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[Start]:
    async with AsyncExitStack() as stack:

        async def opened(rate: int) -> RunningServer:
            settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": rate, "calls_in_flight": 0})
            return await stack.enter_async_context(running_server(settings, database_url, direct_url))

        yield opened


async def test_each_lease_is_twice_as_large_up_to_sixteen(start: Start, alice: Person, cluster: Cluster) -> None:
    server = await start(600)
    async with server.client(alice.user_id) as client:
        counted: list[int] = []
        for requests in (1, 1, 1, 1, 4, 8, 16):
            assert statuses(await send([client], requests, 1)) == {200: requests}
            counted.append((await used(cluster, alice))[0])
        # 1, then 2, 4, 8, 16 and 16 more.
        assert counted == [1, 3, 3, 7, 15, 31, 47]
        assert await used(cluster, alice) == [47, 47]


async def test_no_lease_is_more_than_a_sixteenth_of_what_is_left(start: Start, alice: Person, cluster: Cluster) -> None:
    server = await start(64)
    async with server.client(alice.user_id) as client:
        assert statuses(await send([client], 10, 1)) == {200: 10}
        # 1, 2 of 63 left, and 3 of 61, 58 and 55 left.
        assert await used(cluster, alice) == [12, 12]


async def test_client_that_only_looks_in_gets_one_at_a_time(
    start: Start, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "LEASE_SECONDS", 0)
    server = await start(600)
    async with server.client(alice.user_id) as client:
        assert statuses(await send([client], 20, 1)) == {200: 20}
        assert await used(cluster, alice) == [20, 20]


async def test_replicas_together_admit_exactly_the_limit(
    start: Start, alice: Person, direct_url: str, cluster: Cluster
) -> None:
    async with AsyncExitStack() as stack:
        token, _ = await stack.enter_async_context(personal_token(direct_url, alice.user_id))
        servers = [await start(200), await start(200)]
        clients = [
            await stack.enter_async_context(server.client(authorization=f"Bearer {token}")) for server in servers
        ]
        answers = await asyncio.gather(*(client.get(STATISTICS) for client in clients for _ in range(250)))
        assert statuses(answers) == {200: 200, 429: 300}
        assert await used(cluster, alice) == [200, 200]


async def test_lease_ends_with_its_window(
    start: Start, alice: Person, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = 0
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed))
    server = await start(600)
    async with server.client(alice.user_id) as client:
        assert statuses(await send([client], 32, 1)) == {200: 32}
        assert await used(cluster, alice) == [47, 47]
        passed = 61
        await pass_time(cluster, alice, passed)
        # 15 are left of the last lease. They were counted in the window that has ended.
        assert statuses(await send([client], 1, 1)) == {200: 1}
        assert await used(cluster, alice) == [1, 1]
