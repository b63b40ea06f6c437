"""A live socket whose client sends but does not read, and what the HTTP server logs."""

import asyncio
import base64
import os
from pathlib import Path

import pytest

from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import running_server

PING = bytes((0x89, 0x80 | 125)) + bytes(4) + b"x" * 125
"""A frame of the longest ping (RFC 6455 section 5.5.2), masked with zeros."""


async def send_pings_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(PING * 100)
        await writer.drain()


async def test_socket_that_does_not_read_is_disconnected(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_server, "STALL_SECONDS", 0.2)
    settings = Settings.model_validate({"data_dir": tmp_path, "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as server:
        lines = (
            "GET /api/ws HTTP/1.1",
            f"Host: 127.0.0.1:{server.settings.port}",
            f"Authorization: Bearer {server.token(alice.user_id)}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "",
            "",
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", server.settings.port, limit=1024)
        writer.write("\r\n".join(lines).encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        async with asyncio.timeout(15):
            with pytest.raises(ConnectionError):
                await send_pings_for_ever(writer)
        writer.transport.abort()


async def test_warnings_of_the_http_server_go_to_the_log_of_the_process(
    database_url: str, direct_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with running_server(settings, database_url, direct_url) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.settings.port)
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
    assert "Invalid HTTP request received." in caplog.messages
