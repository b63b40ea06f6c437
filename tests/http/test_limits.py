"""Rate limits by client, user and address."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from mcp_server.http import rate_limit
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.support.request_counts import STATISTICS, pass_time, refusals, send, statuses, used
from tests.support.running_server import (
    Listener,
    RunningServer,
    personal_token,
    running_server,
)

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


@pytest.fixture
async def server(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 30})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
def no_store_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the shared count however slow this machine is."""
    monkeypatch.setattr(rate_limit, "STORE_SECONDS", 20)
    monkeypatch.setattr("storage.engine.database.ACQUIRE_SECONDS", 20)


@pytest.mark.usefixtures("no_store_timeout")
async def test_replicas_enforce_one_exact_limit_per_client_over_mcp_and_api(
    server: RunningServer, alice: Person, bob: Person, database_url: str, direct_url: str
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(running_server(server.settings, database_url, direct_url))
        token, _ = await stack.enter_async_context(personal_token(direct_url, alice.user_id))
        bearer, accept = f"Bearer {token}", "application/json, text/event-stream"
        requests: list[Any] = []
        for replica in (server, other):
            client = await stack.enter_async_context(replica.client(authorization=bearer, accept=accept))
            requests += [client.get(STATISTICS) for _ in range(15)]
            requests += [client.post("/mcp", json=INITIALIZE) for _ in range(15)]
        answers = await asyncio.gather(*requests)
        assert statuses(answers) == {200: 30, 429: 30}
        assert refusals(answers) == {"This client made more than 30 requests in a minute"}
        # Neither another client of the same person nor another person is refused.
        for user in (alice, bob):
            other_client = await stack.enter_async_context(server.client(user.user_id))
            assert (await other_client.get(STATISTICS)).status_code == 200


@pytest.mark.usefixtures("no_store_timeout")
async def test_tokens_of_one_user_share_four_times_the_client_limit(
    server: RunningServer, alice: Person, bob: Person, database_url: str, direct_url: str
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(running_server(server.settings, database_url, direct_url))
        clients = [await stack.enter_async_context(replica.client(alice.user_id)) for replica in (server, other) * 10]
        answers = await asyncio.gather(*(client.get(STATISTICS) for client in clients for _ in range(8)))
        assert statuses(answers) == {200: 120, 429: 40}
        assert refusals(answers) == {"All your clients together made more than 120 requests in a minute"}
        other_client = await stack.enter_async_context(server.client(bob.user_id))
        assert (await other_client.get(STATISTICS)).status_code == 200


async def test_request_refused_by_one_limit_counts_against_neither(
    server: RunningServer, alice: Person, cluster: Cluster
) -> None:
    async with AsyncExitStack() as stack:
        busy, idle, fifth = [await stack.enter_async_context(server.client(alice.user_id)) for _ in range(3)]
        assert statuses(await send([busy], 100, 1)) == {200: 30, 429: 70}
        assert await used(cluster, alice) == [30, 30]
        others = [await stack.enter_async_context(server.client(alice.user_id)) for _ in range(3)]
        assert statuses(await send(others, 89, 1)) == {200: 89}
        assert (await idle.get(STATISTICS)).status_code == 200
        # The user's limit is used up now; refused requests do not count against the client's.
        assert statuses(await send([idle, fifth], 20, 1)) == {429: 20}
        assert await used(cluster, alice) == [0, 1, 29, 30, 30, 30, 120]


async def test_clock_set_back_locks_nobody_out(server: RunningServer, cluster: Cluster, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        assert statuses(await send([client], 31, 1)) == {200: 30, 429: 1}
        await pass_time(cluster, alice, -3600)
        assert (await client.get(STATISTICS)).status_code == 200


async def test_counting_does_not_wait_for_the_profile_row(
    person: Callable[[str], Person], cluster: Cluster, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    newcomer = person("newcomer")
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 1})
    administrator = await asyncpg.connect(cluster.address("tests"))
    async with running_server(settings, database_url, direct_url) as server, server.client(newcomer.user_id) as client:
        async with administrator.transaction():
            await administrator.execute("LOCK TABLE users")
            requests = [asyncio.create_task(client.get(STATISTICS)) for _ in range(2)]
            refused, admitted = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            assert [(await answer).status_code for answer in refused] == [429]
            assert await used(cluster, newcomer) == [1, 1]
        assert [(await answer).status_code for answer in admitted] == [200]
    await administrator.close()


@pytest.mark.usefixtures("no_store_timeout")
async def test_limit_of_zero_means_no_limit(alice: Person, database_url: str, direct_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0, "calls_in_flight": 0})
    async with running_server(settings, database_url, direct_url) as server, server.client(alice.user_id) as client:
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}


async def test_address_that_guesses_tokens_is_blocked_alone(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id, x_forwarded_for="2001:db8:0:1::1") as known:
        assert (await known.get(STATISTICS)).status_code == 200
        statuses: list[int] = []
        for number in range(22):
            address = f"2001:db8:0:1::{number:x}"
            async with server.client(authorization=f"Bearer {number}", x_forwarded_for=address) as attacker:
                statuses.append((await attacker.get(STATISTICS)).status_code)
        assert statuses == [401] * 20 + [429] * 2
        # A user who was accepted before is not blocked by a neighbour, nor is a new token from elsewhere.
        assert (await known.get(STATISTICS)).status_code == 200
    async with server.client(alice.user_id, "mcp", x_forwarded_for="2001:db8:0:1::9") as neighbour:
        refused = await neighbour.post("/mcp", json=INITIALIZE)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    async with server.client(alice.user_id, "mcp", x_forwarded_for="2001:db8:0:2::9") as elsewhere:
        assert (await elsewhere.get("/readyz")).status_code == 200


async def test_ipv4_and_mapped_ipv6_address_share_one_limit(server: RunningServer) -> None:
    async with server.client(authorization="Bearer bad", x_forwarded_for="::ffff:203.0.113.1") as attacker:
        assert {(await attacker.get(STATISTICS)).status_code for _ in range(20)} == {401}
    for address, status in {"203.0.113.1": 429, "::ffff:203.0.113.2": 200}.items():
        async with server.client(x_forwarded_for=address) as client:
            assert (await client.get("/api/openapi.json")).status_code == status


async def test_least_recently_seen_addresses_are_forgotten(
    server: RunningServer, database_url: str, direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "REMEMBERED", 1)
    async with running_server(server.settings, database_url, direct_url) as forgetful:

        async def guess_from(address: str) -> int:
            async with forgetful.client(authorization="Bearer bad", x_forwarded_for=address) as client:
                return (await client.get(STATISTICS)).status_code

        assert [await guess_from("203.0.113.3") for _ in range(21)] == [401] * 20 + [429]
        assert [await guess_from(address) for address in ("203.0.113.4", "203.0.113.3")] == [401, 401]


async def test_bad_tokens_on_sockets_count_as_guesses(server: RunningServer) -> None:
    for _ in range(20):
        async with server.open_socket(additional_headers={"X-Forwarded-For": "198.51.100.1"}) as connection:
            listener = Listener(connection)
            await listener.send(type="authenticate", token="nonsense")
            assert (await listener.wait_closed())[0] == 4401
    async with server.client(x_forwarded_for="198.51.100.1") as client:
        assert (await client.get("/api/openapi.json")).status_code == 429


async def test_address_may_make_300_unauthenticated_requests_a_minute(server: RunningServer) -> None:
    async with server.client(x_forwarded_for="198.51.100.2") as client:
        allowed = 0
        while (await client.get("/api/openapi.json")).status_code == 200:
            allowed += 1
    assert allowed >= 300
