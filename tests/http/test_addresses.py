"""Database URLs, as hosting providers and other tools write them, work with every command."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import httpx2
import pytest
from websockets.asyncio.client import connect

from mcp_server.cli import dashboard_process
from mcp_server.settings import Settings
from tests.conftest import Cluster
from tests.support.postgres import debian, pooled
from tests.support.processes import run, run_in_process, serving
from tests.support.running_server import wait_until_ok

HOSTED = (
    "sslmode=require",
    "sslmode=require&channel_binding=require",
    "sslmode=no-verify&uselibpqcompat=true&connect_timeout=10",
    "ssl=true&pgbouncer=true&schema=public&connection_limit=5",
    "sslmode=prefer&application_name=tasks&options=-c%20work_mem%3D8MB",
)


@pytest.fixture(scope="module")
async def hosted() -> AsyncGenerator[Cluster]:
    """PostgreSQL reached over TCP and TLS, as at a provider; `address` gives URLs of its socket."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with debian(port) as url:
        yield await Cluster.at(url)


def by_tls(cluster: Cluster, database: str, query: str) -> str:
    port = cluster.url.rpartition("port=")[2]
    return f"postgresql://owner:{cluster.password}@127.0.0.1:{port}/{database}?{query}"


@pytest.mark.long
@pytest.mark.parametrize("query", HOSTED)
async def test_hosted_provider_urls_work_with_every_command(hosted: Cluster, query: str, tmp_path: Path) -> None:
    await hosted.create("board")
    try:
        named = {"DATABASE_URL": by_tls(hosted, "board", query), "COLUMNS": "200"}
        migrated = await run("migrate", data_dir=tmp_path / "data", **named)
        assert (migrated.status, migrated.stderr) == (0, "")
        async with serving(tmp_path / "data", **named) as server, server.http("alice") as client:
            await wait_until_ok(client, "/readyz")
            statistics = "/api/dashboard/statistics"
            bearer = {"authorization": f"Bearer {server.token('alice', 'api')}"}
            assert (await client.get(statistics, headers=bearer)).status_code == 200
            examined = await run("doctor", data_dir=tmp_path / "data", **named)
            assert "go straight to PostgreSQL" in examined.stdout, examined.stdout
            administrator = await asyncpg.connect(hosted.url)
            plain = (
                "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'owner' AND NOT ssl"
            )
            assert await administrator.fetchval(plain) == 0
            await administrator.close()
    finally:
        await hosted.drop("board")


@pytest.mark.long
async def test_socket_and_multi_host_urls_work_with_every_command(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("sockets", "blank")
    login, _, query = url.removeprefix("postgresql://").partition("@")
    user, password = login.split(":")
    folder = query.partition("host=")[2].partition("&")[0]
    bare = f"postgresql:///sockets?user={user}&password={password}&port=5432&host={folder}"
    for address in (bare, bare.replace("5432", "5432,5432") + f",{folder}"):
        for command in ("migrate", "doctor"):
            ended = await run(command, data_dir=tmp_path, DATABASE_URL=address)
            assert ended.status == 0, ended.stdout + ended.stderr
    await cluster.drop("sockets")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://u:secret@h:abc/td", "has a port that is no number from 1 to 65535"),
        ("postgresql://u:secret@h:5432,g:99999/td", "has a port that is no number from 1 to 65535"),
        ("postgresql://u:secret@/td?host=/tmp&port=x", "has a port that is no number from 1 to 65535"),
        ("postgresql://u:sec/secret@h/td", "in a password write / as %2F"),
        ("postgresql://u:sec#secret@h/td", "has a # in it"),
        ("postgresql://u:secret@[::1/td", "is not an address such as postgresql://"),
        ("postgresql://u:secret@h/td?sslmode=always", "has sslmode=always: choose from disable, allow"),
        ("mysql://u:secret@h/td", "must start with postgresql://"),
    ],
)
@pytest.mark.parametrize("variable", ["DATABASE_URL", "DATABASE_URL_UNPOOLED"])
@pytest.mark.parametrize("command", ["migrate", "serve", "doctor"])
def test_invalid_database_url_prints_one_line_without_the_password(
    address: str, message: str, variable: str, command: str, tmp_path: Path
) -> None:
    ended = run_in_process(command, data_dir=tmp_path, **{"DATABASE_URL": "postgresql://h/td"} | {variable: address})
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {variable}: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert "secret" not in ended.stderr


@pytest.mark.long
async def test_server_works_through_an_undeclared_pooler(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("crowded", "blank")
    async with pooled(url) as through:
        for unpooled in ({}, {"DATABASE_URL_UNPOOLED": through}):
            async with serving(tmp_path / "data", DATABASE_URL=through, **unpooled) as server:
                headers = {"authorization": f"Bearer {server.token('alice', 'api')}"}
                paths = [f"/api/dashboard/{name}" for name in ("statistics", "trend", "tasks", "teams")] * 10
                async with server.http() as client:
                    answers = await asyncio.gather(*(client.get(path, headers=headers) for path in paths))
                assert {answer.status_code for answer in answers} == {200}
    await cluster.drop("crowded")


@asynccontextmanager
async def forwarding_to(port: int) -> AsyncGenerator[int]:
    """Forward another port to this one: a port that is not part of the server's public URL."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, back), copy(there, writer))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.long
@pytest.mark.skipif(not dashboard_process.SERVER.exists(), reason="the dashboard is not built: make run")
async def test_dashboard_reaches_the_server_at_another_address_with_a_hosted_database(
    hosted: Cluster, tmp_path: Path
) -> None:
    await hosted.create("office")
    url = by_tls(hosted, "office", "sslmode=require&channel_binding=require")
    named = {"DATABASE_URL": url, "TASKDECK_PUBLIC_URL": "https://tasks.example.com"}
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    assert (await run("migrate", data_dir=tmp_path / "data", **named)).status == 0
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hosted.drop, "office")
        server = await stack.enter_async_context(serving(tmp_path / "data", TASKDECK_PORT=port, **named))
        settings = Settings.model_validate({"data_dir": tmp_path / "data", "public_url": "https://tasks.example.com"})
        with socket.create_server(("127.0.0.1", 0)) as probe:
            page = f"http://127.0.0.1:{probe.getsockname()[1]}"
        forwarded = await stack.enter_async_context(forwarding_to(int(port)))
        dashboard = dashboard_process.Dashboard(settings.with_port(forwarded), url, page)
        await stack.enter_async_context(dashboard.running())
        bearer = {"authorization": f"Bearer {server.token('alice', 'api')}"}
        async with httpx2.AsyncClient(base_url=page, headers=bearer, timeout=20, trust_env=False) as client:
            assert (await client.get("/api/auth/jwks")).status_code == 200
            answer = await client.get("/api/dashboard/statistics")
            assert (answer.status_code, answer.json()["total_tasks"]) == (200, 0)
        async with connect(page.replace("http", "ws") + "/api/ws") as live:
            await live.send(json.dumps({"type": "authenticate", "token": server.token("alice", "api")}))
            assert json.loads(await live.recv()) == {"type": "ready"}
