"""Rate limits by client, user and address."""

import asyncio
import itertools
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from mcp_server.http import rate_limit
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person, RequestUrl
from tests.support.running_server import (
    DatabaseProxy,
    Listener,
    RunningServer,
    personal_token,
    running_server,
)

STATISTICS = "/api/dashboard/statistics"


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
        assert statuses(await _ask([busy], 100, 1)) == {200: 30, 429: 70}
        assert await used(cluster, alice) == [30, 30]
        others = [await stack.enter_async_context(server.client(alice.user_id)) for _ in range(3)]
        assert statuses(await _ask(others, 89, 1)) == {200: 89}
        assert (await idle.get(STATISTICS)).status_code == 200
        # The user's limit is used up now; refused requests do not count against the client's.
        assert statuses(await _ask([idle, fifth], 20, 1)) == {429: 20}
        assert await used(cluster, alice) == [0, 1, 29, 30, 30, 30, 120]


def statuses(answers: Iterable[httpx2.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


def refusals(answers: Iterable[httpx2.Response]) -> set[str]:
    """The messages of 429 responses, without the time to wait, which must equal the header."""
    messages: set[str] = set()
    for answer in answers:
        if answer.status_code == 429:
            wait = int(answer.headers["retry-after"])
            assert 1 <= wait <= 60
            body = answer.json()
            assert body.pop("error") == "rate_limited"
            sentence, advice = body.pop("detail").split(". ")
            assert (advice, body) == (f"Wait {wait} s", {})
            messages.add(sentence)
    return messages


async def used(cluster: Cluster, person: Person) -> list[int]:
    """The counts of the user's windows, in ascending order."""
    administrator = await asyncpg.connect(cluster.address("tests"))
    rows = await administrator.fetch("SELECT used FROM rate_limits WHERE user_id = $1 ORDER BY 1", person.user_id)
    await administrator.close()
    return [row["used"] for row in rows]


@pytest.mark.long
@pytest.mark.parametrize("together", [1, 20])
async def test_two_processes_admit_exactly_the_limit_per_minute(
    alice: Person, cluster: Cluster, database_url: str, direct_url: str, tmp_path: Path, together: int
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "DATABASE_URL_UNPOOLED": direct_url,
        "TASKDECK_DATA_DIR": str(tmp_path),
        "TASKDECK_PORT": "0",
        "TASKDECK_RATE_LIMIT": "60",
        "TASKDECK_LOG_LEVEL": "ERROR",
    }
    async with AsyncExitStack() as stack:
        token, _ = await stack.enter_async_context(personal_token(direct_url, alice.user_id))
        clients: list[httpx2.AsyncClient] = []
        for _ in range(2):
            port = await _port_of(await stack.enter_async_context(running(environment)))
            server = RunningServer(Settings.model_validate({"data_dir": tmp_path, "port": port}))
            clients.append(await stack.enter_async_context(server.client(authorization=f"Bearer {token}")))
        for _ in range(2):
            answers = await _ask(clients, 400, together)
            assert statuses(answers) == {200: 60, 429: 340}
            waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429]
            assert (max(waits) <= 60, min(waits) >= 1) == (True, True)
            # Half of the advertised time is not enough.
            await _pass_time(cluster, alice, min(waits) // 2)
            [answer] = await _ask(clients, 1, 1)
            assert answer.status_code == 429
            await _pass_time(cluster, alice, int(answer.headers["retry-after"]))


async def _ask(clients: list[httpx2.AsyncClient], number: int, together: int) -> list[httpx2.Response]:
    """Send `number` requests, by the clients in turn, `together` at a time."""
    next_client, answers = itertools.cycle(clients), list[httpx2.Response]()

    async def ask() -> None:
        for client in itertools.islice(next_client, number // together):
            answers.append(await client.get(STATISTICS))

    await asyncio.gather(*(ask() for _ in range(together)))
    return answers


async def _pass_time(cluster: Cluster, person: Person, seconds: int) -> None:
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(
        "UPDATE rate_limits SET started = started - make_interval(secs => $2) WHERE user_id = $1",
        person.user_id,
        seconds,
    )
    await administrator.close()


async def test_clock_set_back_locks_nobody_out(server: RunningServer, cluster: Cluster, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        assert statuses(await _ask([client], 31, 1)) == {200: 30, 429: 1}
        await _pass_time(cluster, alice, -3600)
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
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as server, server.client(alice.user_id) as client:
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}


async def test_process_limits_alone_while_the_database_is_unreachable(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 20})
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(settings, proxy.url, proxy.url) as server,
        server.client(alice.user_id) as client,
        AsyncExitStack() as stack,
    ):
        await proxy.cut()
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(40)))
        assert statuses(answers) == {503: 20, 429: 20}
        assert refusals(answers) == {"This client made more than 20 requests in a minute"}
        others = [await stack.enter_async_context(server.client(alice.user_id)) for _ in range(4)]
        answers = await asyncio.gather(*(client.get(STATISTICS) for client in others for _ in range(20)))
        assert statuses(answers) == {503: 60, 429: 20}
        assert refusals(answers) == {"All your clients together made more than 80 requests in a minute"}


async def test_process_limits_alone_when_its_role_may_not_count(
    alice: Person, cluster: Cluster, request_url: RequestUrl, tmp_path: Path
) -> None:
    url = await cluster.create("uncounted", "blank")
    administrator = await asyncpg.connect(cluster.address("uncounted"))
    await administrator.execute("REVOKE EXECUTE ON FUNCTION take_request FROM owner")
    await administrator.close()
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 5})
    async with running_server(settings, request_url(url), url) as server, server.client(alice.user_id) as client:
        assert statuses(await _ask([client], 10, 1)) == {200: 5, 429: 5}
    await cluster.drop("uncounted")


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


@asynccontextmanager
async def running(environment: dict[str, str]) -> AsyncGenerator[Process]:
    program = (sys.executable, "-m", "mcp_server", "serve")
    process = await asyncio.create_subprocess_exec(*program, env=environment, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port_of(process: Process) -> int:
    printed = ""
    assert process.stdout is not None
    while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", printed)):
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, printed
        printed += line.decode()
    return int(found[1])
