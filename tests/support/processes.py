"""Runs the `taskdeck` command as real processes on free ports, each with its own data folder, and stops them."""

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult

from mcp_server.cli import commands as cli
from mcp_server.cli.dashboard_process import find_node
from mcp_server.identity.local_issuer import Audience, LocalIssuer
from mcp_server.settings import Settings

ROOT = Path(__file__).parents[2]
TASKDECK = Path(sys.executable).with_name("taskdeck")
PATIENCE = 60.0


def find_database(_data_dir: Path) -> dict[str, str]:
    """Variables with the database URL of a data folder; none for the embedded one. conftest.py patches this."""
    return {}


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """The environment of a taskdeck process, without settings of the test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKDECK_", "DATABASE_", "PG"))}
    kept |= {"TASKDECK_DATA_DIR": str(data_dir), "TASKDECK_PORT": "0", "TASKDECK_DASHBOARD_PORT": "0"}
    if not any(name.startswith("DATABASE_") for name in variables):
        kept |= find_database(data_dir)
    return kept | variables


@dataclass(frozen=True)
class CommandResult:
    """The exit status and output of a command."""

    status: int
    stdout: str
    stderr: str


async def run(*arguments: str, data_dir: Path, **variables: str) -> CommandResult:
    """Run a taskdeck command until it exits."""
    process = await asyncio.create_subprocess_exec(
        TASKDECK, *arguments, env=environment(data_dir, **variables), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    return CommandResult(process.returncode or 0, stdout.decode(), stderr.decode())


def run_in_process(*arguments: str, data_dir: Path, **variables: str) -> CommandResult:
    """Run a taskdeck command in this process: faster, for commands that need no database of the test."""
    root, saved = logging.getLogger(), dict(os.environ)
    handlers, level = root.handlers[:], root.level
    stdout, stderr = StringIO(), StringIO()
    status = 0
    with redirect_stdout(stdout), redirect_stderr(stderr):
        os.environ.clear()
        os.environ.update(environment(data_dir, **{"DATABASE_URL": ""} | variables))
        try:
            cli.main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        finally:
            os.environ.clear()
            os.environ.update(saved)
            root.handlers[:], root.level = handlers, level
    return CommandResult(status, stdout.getvalue(), stderr.getvalue())


async def run_node(program: str, *arguments: str, home: Path, **variables: str) -> CommandResult:
    """Run a program of tests/node with its own home folder."""
    command = ROOT / "tests/node/node_modules/.bin" / program
    assert command.exists(), "make tests/node/node_modules/installed"
    variables = environment(home / "data", HOME=str(home), **variables)
    process = await asyncio.create_subprocess_exec(
        find_node() / "node", command, *arguments, env=variables, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    return CommandResult(process.returncode or 0, stdout.decode(), stderr.decode())


@dataclass
class Server:
    """A running `taskdeck serve` or `taskdeck up`. `output` is what was read from stdout so far."""

    process: Process
    data_dir: Path
    log: Path
    output: str = ""

    @property
    def address(self) -> str:
        return (self.data_dir / "address").read_text()

    @property
    def url(self) -> str:
        return f"{self.address}/mcp"

    def token(self, user: str, audience: Audience = "mcp", **how: Any) -> str:
        """A token of this server's local issuer."""
        settings = Settings.model_validate({"data_dir": self.data_dir, "public_url": self.address})
        return LocalIssuer(settings).mint(user, audience=audience, **how)

    async def read_until(self, text: str) -> None:
        """Read stdout until it contains a text."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while text not in self.output:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"exited before it printed {text!r}:\n{self.output}\n{self.log.read_text()[-4000:]}"
                self.output += line

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    @asynccontextmanager
    async def http(self, user: str = "", **headers: str) -> AsyncGenerator[httpx2.AsyncClient]:
        """An HTTP client with a bearer token for the user."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            named["authorization"] = f"Bearer {self.token(user)}"
        async with httpx2.AsyncClient(
            base_url=self.address, headers=named, timeout=30, trust_env=False, verify=False
        ) as client:
            yield client

    @asynccontextmanager
    async def client(self, user: str, mode: str = "auto") -> AsyncGenerator[Client]:
        """An MCP client; mode `legacy` speaks 2025-11-25, `auto` the newest revision that both know."""
        async with (
            self.http(user) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client


@asynccontextmanager
async def serving(
    data_dir: Path, command: str = "serve", *, program: str | Path = TASKDECK, **variables: str
) -> AsyncGenerator[Server]:
    """Run `taskdeck serve` (or `up`), from its startup banner until the context exits."""
    log = data_dir.with_name(f"{data_dir.name}.log")
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            program, command, env=environment(data_dir, **variables), stdin=DEVNULL, stdout=PIPE, stderr=errors
        )
    server = Server(process, data_dir, log)
    try:
        await server.read_until("Ctrl-C" if command == "up" else "MCP: ")
        yield server
    finally:
        if process.returncode is None:
            await server.stop()


async def structured(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed, and return its structured result."""
    result: CallToolResult = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def postgres_processes(data_dir: Path) -> list[int]:
    """The processes of the embedded PostgreSQL of this folder, postmaster first."""
    data, found = (data_dir / "postgres/data").resolve(), list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
    return sorted(found)


def children(pid: int) -> list[int]:
    """The direct child processes of a process."""
    found = list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds, for events of other processes that cannot be awaited."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
