"""Deadlines for slow clients, and graceful shutdown."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import (
    RunningServer,
    running_server,
    wait_until_ok,
)

STATISTICS = "/api/dashboard/statistics"


INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def server(database_url: str, direct_url: str, tmp_path: Path) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 30})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@asynccontextmanager
async def connected(server: RunningServer, data: bytes, receive_buffer: int = 65536) -> AsyncGenerator[Line]:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.settings.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def head(server: RunningServer, request: str, *headers: str) -> bytes:
    return "\r\n".join([f"{request} HTTP/1.1", f"Host: 127.0.0.1:{server.settings.port}", *headers, ""]).encode()


async def test_half_open_connections_are_closed_without_blocking_others(
    server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server.client(alice.user_id) as client, AsyncExitStack() as stack:
        assert (await client.get(STATISTICS)).status_code == 200
        monkeypatch.setattr(uvicorn_server, "HEADER_SECONDS", 2.0)
        half = head(server, f"GET {STATISTICS}")
        lines = [await stack.enter_async_context(connected(server, half)) for _ in range(500)]
        answers = await asyncio.gather(*(client.get(STATISTICS) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        # Sending more header lines does not extend the deadline.
        for _, writer in lines:
            writer.write(b"X-Slow: 1\r\n")
        assert {await reader.read() for reader, _ in lines} == {b""}


@pytest.mark.parametrize("data", [b"", b"\r\n"])
async def test_connection_without_a_request_is_closed(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(uvicorn_server, "HEADER_SECONDS", 0.2)
    async with connected(server, data) as (reader, _):
        assert await reader.read() == b""


async def test_body_that_never_arrives_closes_the_connection(
    server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_server, "BODY_SECONDS", 0.2)
    bearer = f"Authorization: Bearer {server.token(alice.user_id, 'mcp')}"
    async with connected(server, head(server, "POST /mcp", bearer, "Content-Length: 9", "")) as (reader, _):
        assert await reader.read() == b""


async def test_client_that_does_not_read_is_disconnected(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_server, "STALL_SECONDS", 0.2)
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with running_server(settings, database_url, direct_url, send_buffer=4096) as server:
        bearer = f"Authorization: Bearer {server.token(alice.user_id)}"
        request = head(server, "GET /api/dashboard/trend?days=366", bearer, "")
        async with connected(server, request, 4096) as (_, writer):
            with pytest.raises(ConnectionError):
                await _ask_for_ever(writer, request)


async def _ask_for_ever(writer: asyncio.StreamWriter, request: bytes) -> None:
    while True:
        writer.write(request * 20)
        await writer.drain()


async def test_sigterm_finishes_accepted_requests_and_exits_0(
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
        server = RunningServer(Settings.model_validate({"data_dir": tmp_path, "port": port}))
        bearer = f"Authorization: Bearer {server.token(alice.user_id, 'mcp')}"
        accept = "Accept: application/json, text/event-stream"
        body = json.dumps(INITIALIZE)
        headers = (bearer, accept, "Content-Type: application/json", f"Content-Length: {len(body)}", "")
        request = head(server, "POST /mcp", *headers) + body[:9].encode()
        async with server.socket(alice.user_id) as live, connected(server, request) as (reader, writer):
            async with server.client() as balancer:
                await wait_until_ok(balancer, "/healthz")
                process.send_signal(signal.SIGTERM)
                while (await balancer.get("/readyz")).json().get("reasons") != ["draining"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (await live.wait_closed())[0] == 1012
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
