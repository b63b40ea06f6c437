"""The families of MCP clients that exist, each as a process of its own with the one interface that the tests need."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from mcp_server.cli.dashboard_process import find_node
from tests.support.processes import ROOT

NODE_MODULES = ROOT / "tests/node/node_modules"
SDK1 = ROOT / "tests/clients/.venv/bin/python"

Browse = Callable[[str], Awaitable[None]]
"""Shows an address to the client's user, who signs in and allows what it asks for."""


class ClientProcess(Protocol):
    """A client that runs. `shown` has the addresses that it wanted a browser for."""

    shown: list[str]

    async def connect(self) -> None:
        """Start from nothing: what comes first is a 401."""
        ...

    async def tools(self) -> list[str]:
        """The names of the tools that it lists."""
        ...

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The structured result of a call."""
        ...

    async def tokens(self) -> dict[str, Any]:
        """The last answer of the token endpoint, as the client keeps it."""
        ...

    async def refresh(self, scope: str = "") -> None:
        """Refresh now, asking for these scopes, or for none."""
        ...


class Driven:
    """A driver of ours on an official SDK."""

    def __init__(self, process: Process, browse: Browse) -> None:
        self.shown: list[str] = []
        self._process = process
        self._browse = browse

    async def connect(self) -> None:
        await self._ask("connect")

    async def tools(self) -> list[str]:
        return await self._ask("tools")

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return await self._ask("call", name=name, args=arguments)

    async def tokens(self) -> dict[str, Any]:
        return await self._ask("tokens")

    async def refresh(self, scope: str = "") -> None:
        await self._ask("refresh", scope=scope)

    async def _ask(self, command: str, **more: Any) -> Any:
        await _write(self._process, {"command": command, **more})
        while True:
            message = await _read(self._process)
            if "open" not in message:
                assert "result" in message, message["error"]
                return message["result"]
            self.shown.append(message["open"])
            await self._browse(message["open"])


class McpRemote:
    """`mcp-remote`, which clients that speak stdio alone put in front of a server."""

    def __init__(self, process: Process, browse: Browse, folder: Path) -> None:
        self.shown: list[str] = []
        self._process = process
        self._browse = browse
        self._folder = folder
        self._reading = asyncio.create_task(self._read_log())

    async def connect(self) -> None:
        client = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        await self._request("initialize", client)
        await _write(self._process, {"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def tools(self) -> list[str]:
        return [tool["name"] for tool in (await self._request("tools/list", {}))["tools"]]

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        result = await self._request("tools/call", {"name": name, "arguments": arguments})
        assert not result.get("isError"), result
        return result["structuredContent"]

    async def tokens(self) -> dict[str, Any]:
        return json.loads(self._stored_tokens.read_text("utf-8"))

    async def refresh(self, scope: str = "") -> None:
        """It repeats the scopes that it has stored, and refreshes when what is stored has expired."""
        path = self._stored_tokens
        tokens = json.loads(path.read_text("utf-8"))
        tokens |= {"scope": scope or tokens["scope"], "expires_at": 1}
        path.write_text(json.dumps(tokens), "utf-8")
        await self.tools()

    @property
    def _stored_tokens(self) -> Path:
        (found,) = self._folder.rglob("*_tokens.json")
        return found

    async def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        await _write(self._process, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        message = await _read(self._process)
        while message.get("id") != 1:
            message = await _read(self._process)
        assert "result" in message, message
        return message["result"]

    async def _read_log(self) -> None:
        assert self._process.stderr
        async for line in self._process.stderr:
            if b"Please authorize this client by visiting" in line:
                self.shown.append((await self._process.stderr.readline()).decode().strip())
                await self._browse(self.shown[-1])


async def _write(process: Process, message: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(json.dumps(message).encode() + b"\n")
    await process.stdin.drain()


async def _read(process: Process) -> dict[str, Any]:
    assert process.stdout
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    assert line, "the client has ended"
    return json.loads(line)


@asynccontextmanager
async def _running(*command: str | Path, stderr: int | None = None, **variables: str) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=os.environ | variables, stdin=PIPE, stdout=PIPE, stderr=stderr, limit=2**24
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def _driven(browse: Browse, *command: str | Path) -> AsyncGenerator[ClientProcess]:
    async with _running(*command) as process:
        yield Driven(process, browse)


@asynccontextmanager
async def typescript1(url: str, browse: Browse, _folder: Path) -> AsyncGenerator[ClientProcess]:
    async with _driven(browse, find_node() / "node", ROOT / "tests/node/client.mjs", "1", url) as client:
        yield client


@asynccontextmanager
async def typescript2(url: str, browse: Browse, _folder: Path) -> AsyncGenerator[ClientProcess]:
    async with _driven(browse, find_node() / "node", ROOT / "tests/node/client.mjs", "2", url) as client:
        yield client


@asynccontextmanager
async def python1(url: str, browse: Browse, _folder: Path) -> AsyncGenerator[ClientProcess]:
    assert SDK1.exists(), "make tests/clients/.venv/installed"
    async with _driven(browse, SDK1, "-m", "tests.clients.sdk1", url) as client:
        yield client


@asynccontextmanager
async def python2(url: str, browse: Browse, _folder: Path) -> AsyncGenerator[ClientProcess]:
    async with _driven(browse, sys.executable, "-m", "tests.clients.sdk2", url) as client:
        yield client


@asynccontextmanager
async def mcp_remote(url: str, browse: Browse, folder: Path) -> AsyncGenerator[ClientProcess]:
    # It would open the machine's own browser; the test opens one, at the address that it logs.
    variables = {"MCP_REMOTE_CONFIG_DIR": str(folder), "BROWSER": "true", "HOME": str(folder)}
    program = NODE_MODULES / "mcp-remote/dist/proxy.js"
    async with _running(find_node() / "node", program, url, stderr=PIPE, **variables) as process:
        yield McpRemote(process, browse, folder)


FAMILIES = {
    "TypeScript SDK 1": typescript1,
    "TypeScript SDK 2": typescript2,
    "Python SDK 1": python1,
    "Python SDK 2": python2,
    "mcp-remote": mcp_remote,
}
