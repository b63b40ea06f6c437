"""The exit status of commands that are interrupted: 128 and the number of SIGINT."""

import asyncio
import json
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.settings import Settings
from tests.support.processes import PATIENCE, TASKDECK, environment

pytestmark = pytest.mark.long

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def variables_of(data_dir: Path, url: str) -> dict[str, str]:
    """A database, and a token for it."""
    settings = Settings.model_validate({"data_dir": data_dir, "port": 8000, "public_url": ""})
    return {
        "DATABASE_URL": url,
        "DATABASE_URL_UNPOOLED": url,
        "TASKDECK_TOKEN": LocalIssuer(settings).mint("dora"),
        "TASKDECK_PORT": "8000",
    }


@asynccontextmanager
async def started(command: str, data_dir: Path, **variables: str) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        TASKDECK, command, env=environment(data_dir, **variables), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_interrupted_stdio_server_has_the_status_of_an_interrupt(tmp_path: Path, direct_url: str) -> None:
    async with started("stdio", tmp_path, **variables_of(tmp_path, direct_url)) as process, asyncio.timeout(PATIENCE):
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(HELLO).encode() + b"\n")
        assert json.loads(await process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130


async def test_interrupted_command_has_the_status_of_an_interrupt(tmp_path: Path) -> None:
    connected = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent, asyncio.timeout(PATIENCE):
        url = f"postgresql://u:p@127.0.0.1:{silent.sockets[0].getsockname()[1]}/db?sslmode=disable"
        async with started("seed", tmp_path, DATABASE_URL=url) as process:
            await connected.wait()
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
