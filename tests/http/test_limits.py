"""How much a user, an address and a slow client may take; and how a server ends."""

import asyncio
import itertools
import json
import os
import re
import signal
import socket
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

from mcp_server.http import rate_limit, uvicorn_server
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person, Way
from tests.support.running_server import Listener, RunningServer, Wire, personal_token, standing, succeeds

STATISTICS = "/api/dashboard/statistics"
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def house(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 30})
    async with standing(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, the shared count is waited for."""
    monkeypatch.setattr(rate_limit, "STORE_SECONDS", 20)
    monkeypatch.setattr("storage.engine.database.ACQUIRE_SECONDS", 20)


@pytest.mark.usefixtures("patient")
async def test_replicas_share_one_exact_limit_per_client_over_both_doors(
    house: RunningServer, alice: Person, bob: Person, database_url: str, direct_url: str
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(standing(house.settings, database_url, direct_url))
        token, _ = await stack.enter_async_context(personal_token(direct_url, alice.user_id))
        bearer, accept = f"Bearer {token}", "application/json, text/event-stream"
        asked: list[Any] = []
        for replica in (house, other):
            client = await stack.enter_async_context(replica.client(authorization=bearer, accept=accept))
            asked += [client.get(STATISTICS) for _ in range(15)]
            asked += [client.post("/mcp", json=INITIALIZE) for _ in range(15)]
        answers = await asyncio.gather(*asked)
        assert statuses(answers) == {200: 30, 429: 30}
        assert refusals(answers) == {"This client made more than 30 requests in a minute"}
        # Neither another client of the same person nor another person is refused.
        for user in (alice, bob):
            somebody_else = await stack.enter_async_context(house.client(user.user_id))
            assert (await somebody_else.get(STATISTICS)).status_code == 200


@pytest.mark.usefixtures("patient")
async def test_many_tokens_of_a_person_share_four_times_the_limit(
    house: RunningServer, alice: Person, bob: Person, database_url: str, direct_url: str
) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(standing(house.settings, database_url, direct_url))
        clients = [await stack.enter_async_context(replica.client(alice.user_id)) for replica in (house, other) * 10]
        answers = await asyncio.gather(*(client.get(STATISTICS) for client in clients for _ in range(8)))
        assert statuses(answers) == {200: 120, 429: 40}
        assert refusals(answers) == {"All your clients together made more than 120 requests in a minute"}
        somebody_else = await stack.enter_async_context(house.client(bob.user_id))
        assert (await somebody_else.get(STATISTICS)).status_code == 200


async def test_a_request_refused_by_one_limit_counts_in_neither(
    house: RunningServer, alice: Person, cluster: Cluster
) -> None:
    async with AsyncExitStack() as stack:
        busy, idle, fifth = [await stack.enter_async_context(house.client(alice.user_id)) for _ in range(3)]
        assert statuses(await _ask([busy], 100, 1)) == {200: 30, 429: 70}
        assert await used(cluster, alice) == [30, 30]
        others = [await stack.enter_async_context(house.client(alice.user_id)) for _ in range(3)]
        assert statuses(await _ask(others, 89, 1)) == {200: 89}
        assert (await idle.get(STATISTICS)).status_code == 200
        # The person's limit is used up now: refused requests leave the client's own as it was.
        assert statuses(await _ask([idle, fifth], 20, 1)) == {429: 20}
        assert await used(cluster, alice) == [0, 1, 29, 30, 30, 30, 120]


def statuses(answers: Iterable[httpx2.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


def refusals(answers: Iterable[httpx2.Response]) -> set[str]:
    """What those who are refused are told, without the time to wait, which must be that of the header."""
    told: set[str] = set()
    for answer in answers:
        if answer.status_code == 429:
            wait = int(answer.headers["retry-after"])
            assert 1 <= wait <= 60
            body = answer.json()
            assert body.pop("error") == "rate_limited"
            sentence, advice = body.pop("detail").split(". ")
            assert (advice, body) == (f"Wait {wait} s", {})
            told.add(sentence)
    return told


async def used(cluster: Cluster, person: Person) -> list[int]:
    """What is counted in each of the person's windows, the least first."""
    administrator = await asyncpg.connect(cluster.address("tests"))
    rows = await administrator.fetch("SELECT used FROM rate_limits WHERE user_id = $1 ORDER BY 1", person.user_id)
    await administrator.close()
    return [row["used"] for row in rows]


@pytest.mark.parametrize("together", [1, 20])
async def test_two_processes_let_as_many_requests_pass_in_a_minute_as_the_limit_says(
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
            house = RunningServer(Settings.model_validate({"data_dir": tmp_path, "port": port}))
            clients.append(await stack.enter_async_context(house.client(authorization=f"Bearer {token}")))
        for _ in range(2):
            answers = await _ask(clients, 400, together)
            assert statuses(answers) == {200: 60, 429: 340}
            waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429]
            assert (max(waits) <= 60, min(waits) >= 1) == (True, True)
            # To wait for half as long as told is not enough.
            await _pass_time(cluster, alice, min(waits) // 2)
            [answer] = await _ask(clients, 1, 1)
            assert answer.status_code == 429
            await _pass_time(cluster, alice, int(answer.headers["retry-after"]))


async def _ask(clients: list[httpx2.AsyncClient], number: int, together: int) -> list[httpx2.Response]:
    """So many answers to requests at each client in turn, a few at a time."""
    coming, answers = itertools.cycle(clients), list[httpx2.Response]()

    async def ask() -> None:
        for client in itertools.islice(coming, number // together):
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


async def test_a_clock_that_was_set_back_locks_nobody_out(
    house: RunningServer, cluster: Cluster, alice: Person
) -> None:
    async with house.client(alice.user_id) as client:
        assert statuses(await _ask([client], 31, 1)) == {200: 30, 429: 1}
        await _pass_time(cluster, alice, -3600)
        assert (await client.get(STATISTICS)).status_code == 200


async def test_counting_a_request_does_not_wait_for_its_users_profile(
    person: Callable[[str], Person], cluster: Cluster, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    newcomer = person("newcomer")
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 1})
    administrator = await asyncpg.connect(cluster.address("tests"))
    async with standing(settings, database_url, direct_url) as house, house.client(newcomer.user_id) as client:
        async with administrator.transaction():
            await administrator.execute("LOCK TABLE users")
            asked = [asyncio.create_task(client.get(STATISTICS)) for _ in range(2)]
            refused, admitted = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            assert [(await answer).status_code for answer in refused] == [429]
            assert await used(cluster, newcomer) == [1, 1]
        assert [(await answer).status_code for answer in admitted] == [200]
    await administrator.close()


@pytest.mark.usefixtures("patient")
async def test_no_limit_is_a_limit_of_zero(alice: Person, database_url: str, direct_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with standing(settings, database_url, direct_url) as house, house.client(alice.user_id) as client:
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_process_counts_alone_while_the_database_is_away(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 20})
    async with (
        Wire(direct_url, tmp_path) as wire,
        standing(settings, wire.url, wire.url) as house,
        house.client(alice.user_id) as client,
        AsyncExitStack() as stack,
    ):
        await wire.cut()
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(40)))
        assert statuses(answers) == {503: 20, 429: 20}
        assert refusals(answers) == {"This client made more than 20 requests in a minute"}
        others = [await stack.enter_async_context(house.client(alice.user_id)) for _ in range(4)]
        answers = await asyncio.gather(*(client.get(STATISTICS) for client in others for _ in range(20)))
        assert statuses(answers) == {503: 60, 429: 20}
        assert refusals(answers) == {"All your clients together made more than 80 requests in a minute"}


async def test_a_process_counts_alone_when_its_login_may_not_count(
    alice: Person, cluster: Cluster, way: Way, tmp_path: Path
) -> None:
    url = await cluster.create("uncounted", "blank")
    administrator = await asyncpg.connect(cluster.address("uncounted"))
    await administrator.execute("REVOKE EXECUTE ON FUNCTION take_request FROM owner")
    await administrator.close()
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 5})
    async with standing(settings, way(url), url) as house, house.client(alice.user_id) as client:
        assert statuses(await _ask([client], 10, 1)) == {200: 5, 429: 5}
    await cluster.drop("uncounted")


async def test_an_address_that_tries_tokens_is_refused_and_others_are_not(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id, x_forwarded_for="2001:db8:0:1::1") as known:
        assert (await known.get(STATISTICS)).status_code == 200
        statuses: list[int] = []
        for number in range(22):
            address = f"2001:db8:0:1::{number:x}"
            async with house.client(authorization=f"Bearer {number}", x_forwarded_for=address) as stranger:
                statuses.append((await stranger.get(STATISTICS)).status_code)
        assert statuses == [401] * 20 + [429] * 2
        # Who was let in before is not shut out by a neighbour, and a new token from elsewhere is fine.
        assert (await known.get(STATISTICS)).status_code == 200
    async with house.client(alice.user_id, "mcp", x_forwarded_for="2001:db8:0:1::9") as neighbour:
        refused = await neighbour.post("/mcp", json=INITIALIZE)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    async with house.client(alice.user_id, "mcp", x_forwarded_for="2001:db8:0:2::9") as elsewhere:
        assert (await elsewhere.get("/readyz")).status_code == 200


async def test_an_address_of_ipv4_is_the_same_however_it_is_written(house: RunningServer) -> None:
    async with house.client(authorization="Bearer bad", x_forwarded_for="::ffff:203.0.113.1") as stranger:
        assert {(await stranger.get(STATISTICS)).status_code for _ in range(20)} == {401}
    for address, status in {"203.0.113.1": 429, "::ffff:203.0.113.2": 200}.items():
        async with house.client(x_forwarded_for=address) as client:
            assert (await client.get("/api/openapi.json")).status_code == status


async def test_of_many_addresses_those_seen_longest_ago_are_forgotten(
    house: RunningServer, database_url: str, direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limit, "REMEMBERED", 1)
    async with standing(house.settings, database_url, direct_url) as forgetful:

        async def try_at(address: str) -> int:
            async with forgetful.client(authorization="Bearer bad", x_forwarded_for=address) as client:
                return (await client.get(STATISTICS)).status_code

        assert [await try_at("203.0.113.3") for _ in range(21)] == [401] * 20 + [429]
        assert [await try_at(address) for address in ("203.0.113.4", "203.0.113.3")] == [401, 401]


async def test_sockets_with_bad_tokens_count_as_tries(house: RunningServer) -> None:
    for _ in range(20):
        async with house.open_socket(additional_headers={"X-Forwarded-For": "198.51.100.1"}) as connection:
            listener = Listener(connection)
            await listener.say(type="authenticate", token="nonsense")
            assert (await listener.ending())[0] == 4401
    async with house.client(x_forwarded_for="198.51.100.1") as client:
        assert (await client.get("/api/openapi.json")).status_code == 429


async def test_an_address_may_ask_300_times_a_minute_without_a_token(house: RunningServer) -> None:
    async with house.client(x_forwarded_for="198.51.100.2") as client:
        allowed = 0
        while (await client.get("/api/openapi.json")).status_code == 200:
            allowed += 1
    assert allowed >= 300


@asynccontextmanager
async def connected(house: RunningServer, data: bytes, receive_buffer: int = 65536) -> AsyncGenerator[Line]:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", house.settings.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(house: RunningServer, request: str, *headers: str) -> bytes:
    return "\r\n".join([f"{request} HTTP/1.1", f"Host: 127.0.0.1:{house.settings.port}", *headers, ""]).encode()


async def test_half_open_connections_do_not_stop_others_and_are_ended(
    house: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house.client(alice.user_id) as client, AsyncExitStack() as stack:
        assert (await client.get(STATISTICS)).status_code == 200
        monkeypatch.setattr(uvicorn_server, "HEADER_SECONDS", 2.0)
        half = head(house, f"GET {STATISTICS}")
        lines = [await stack.enter_async_context(connected(house, half)) for _ in range(500)]
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        # They dribble on, which does not help them.
        for _, writer in lines:
            writer.write(b"X-Slow: 1\r\n")
        assert {await reader.read() for reader, _ in lines} == {b""}


@pytest.mark.parametrize("nothing", [b"", b"\r\n"])
async def test_a_connection_that_asks_nothing_is_ended(
    house: RunningServer, monkeypatch: pytest.MonkeyPatch, nothing: bytes
) -> None:
    monkeypatch.setattr(uvicorn_server, "HEADER_SECONDS", 0.2)
    async with connected(house, nothing) as (reader, _):
        assert await reader.read() == b""


async def test_a_body_that_does_not_come_ends_the_connection(
    house: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_server, "BODY_SECONDS", 0.2)
    bearer = f"Authorization: Bearer {house.token(alice.user_id, 'mcp')}"
    async with connected(house, head(house, "POST /mcp", bearer, "Content-Length: 9", "")) as (reader, _):
        assert await reader.read() == b""


async def test_a_client_that_does_not_read_its_answers_is_ended(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_server, "STALL_SECONDS", 0.2)
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with standing(settings, database_url, direct_url, send_buffer=4096) as house:
        bearer = f"Authorization: Bearer {house.token(alice.user_id)}"
        request = head(house, "GET /api/dashboard/trend?days=366", bearer, "")
        async with connected(house, request, 4096) as (_, writer):
            with pytest.raises(ConnectionError):
                await _ask_for_ever(writer, request)


async def _ask_for_ever(writer: asyncio.StreamWriter, request: bytes) -> None:
    while True:
        writer.write(request * 20)
        await writer.drain()


async def test_a_server_that_is_told_to_stop_answers_what_it_took_and_ends_with_0(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "DATABASE_URL_UNPOOLED": direct_url,
        "TASKDECK_DATA_DIR": str(tmp_path),
        "TASKDECK_PORT": "0",
    }
    async with running(environment) as process:
        port = await _port_of(process)
        house = RunningServer(Settings.model_validate({"data_dir": tmp_path, "port": port}))
        bearer = f"Authorization: Bearer {house.token(alice.user_id, 'mcp')}"
        accept = "Accept: application/json, text/event-stream"
        body = json.dumps(INITIALIZE)
        headers = (bearer, accept, "Content-Type: application/json", f"Content-Length: {len(body)}", "")
        request = head(house, "POST /mcp", *headers) + body[:9].encode()
        async with house.socket(alice.user_id) as live, connected(house, request) as (reader, writer):
            async with house.client() as balancer:
                await succeeds(balancer, "/healthz")
                process.send_signal(signal.SIGTERM)
                while (await balancer.get("/readyz")).json().get("reasons") != ["draining"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (await live.ending())[0] == 1012
            writer.write(body[9:].encode())
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"serverInfo" in answer
        assert await asyncio.wait_for(process.wait(), 15) == 0


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
