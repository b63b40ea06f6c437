"""Rate limits of server processes: together on one database, and each alone without its count."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest

from mcp_server.settings import Settings
from tests.conftest import Cluster, Person, RequestUrl
from tests.support.request_counts import STATISTICS, pass_time, refusals, send, statuses
from tests.support.running_server import (
    DatabaseProxy,
    RunningServer,
    personal_token,
    running_server,
)


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
            answers = await send(clients, 400, together)
            assert statuses(answers) == {200: 60, 429: 340}
            waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429]
            assert (max(waits) <= 60, min(waits) >= 1) == (True, True)
            # Half of the advertised time is not enough.
            await pass_time(cluster, alice, min(waits) // 2)
            [answer] = await send(clients, 1, 1)
            assert answer.status_code == 429
            await pass_time(cluster, alice, int(answer.headers["retry-after"]))


async def test_process_limits_alone_while_the_database_is_unreachable(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 20, "calls_in_flight": 0})
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
        assert statuses(await send([client], 10, 1)) == {200: 5, 429: 5}
    await cluster.drop("uncounted")


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
