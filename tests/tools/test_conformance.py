"""The official MCP conformance suite against a real `taskdeck serve`.

Only scenarios that can fail here count: those that ask for the suite's own fixture tools (test_simple_text, ...)
pass for any server that answers "unknown tool", and prove nothing.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Server, run_node, serving

pytestmark = pytest.mark.long

SCENARIOS = {
    "2025-11-25": (
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "completion-complete",
        "dns-rebinding-protection",
    ),
    "2026-07-28": (
        "server-stateless",
        "http-header-validation",
        "tools-list",
        "resources-list",
        "prompts-list",
        "completion-complete",
        "sep-2164-resource-not-found",
        "caching",
        "input-required-result-unsupported-methods",
        "dns-rebinding-protection",
    ),
}
FIXTURES = {
    "sep-2575-server-rejects-undeclared-capability",
    "sep-2575-missing-capability-http-400",
    "sep-2575-server-sends-prompts-list-changed-on-subscription",
    "sep-2575-server-sends-tools-list-changed-on-subscription",
}
"""Checks of meaningful scenarios that need a fixture tool."""
OURS = [(revision, scenario) for revision, scenarios in SCENARIOS.items() for scenario in scenarios]


@asynccontextmanager
async def with_bearer(server: Server) -> AsyncGenerator[str]:
    """A proxy to the server that adds a bearer token to each request: the suite cannot send one."""
    theirs = server.address.removeprefix("http://")
    host, _, port = theirs.partition(":")
    bearer = f"Authorization: Bearer {server.token('conformance')}\r\n"

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one request with another Host and the token, then copy bytes both ways."""
        with suppress(asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").replace(ours, theirs)
            head = re.sub(r"(?i)\r\nconnection:[^\r]*", "", head)[:-2] + bearer + "Connection: close\r\n\r\n"
            onward, back = await asyncio.open_connection(host, int(port))
            back.write(head.encode("latin-1"))
            transfers = [asyncio.create_task(_carry(*streams)) for streams in ((reader, back), (onward, writer))]
            await asyncio.wait(transfers, return_when=asyncio.FIRST_COMPLETED)
            for streams in transfers:
                streams.cancel()
            back.close()
        writer.close()

    proxy = await asyncio.start_server(forward, "localhost", 0, family=socket.AF_INET)
    ours = f"localhost:{proxy.sockets[0].getsockname()[1]}"
    async with proxy:
        yield f"http://{ours}/mcp"


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@pytest.fixture(scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    data_dir = tmp_path_factory.mktemp("conformance") / "data"
    async with serving(data_dir, TASKDECK_RATE_LIMIT="0") as server, with_bearer(server) as url:
        yield url


@pytest.mark.parametrize(("revision", "scenario"), OURS)
async def test_conformance_suite_passes(address: str, revision: str, scenario: str, tmp_path: Path) -> None:
    how = ("--url", address, "--scenario", scenario, "--spec-version", revision, "-o", str(tmp_path / "out"))
    ended = await run_node("conformance", "server", *how, home=tmp_path)
    found = list((tmp_path / "out").rglob("checks.json"))
    assert len(found) == 1, ended.stdout + ended.stderr
    checks: list[dict[str, Any]] = json.loads(found[0].read_text())
    judged = [check for check in checks if check["id"] not in FIXTURES and check["status"] != "INFO"]
    assert judged
    assert not [check for check in judged if check["status"] != "SUCCESS"]
