"""The `taskdeck` command as real processes: on free ports, with a data folder of their own, never left behind."""

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
    """The variables that lead to the database of a data folder: none, for it is in there. conftest.py has another."""
    return {}


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """What a taskdeck of a test sees: nothing of the run's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKDECK_", "DATABASE_", "PG"))}
    kept |= {"TASKDECK_DATA_DIR": str(data_dir), "TASKDECK_PORT": "0", "TASKDECK_DASHBOARD_PORT": "0"}
    if not any(name.startswith("DATABASE_") for name in variables):
        kept |= find_database(data_dir)
    return kept | variables


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


async def run(*arguments: str, data_dir: Path, **variables: str) -> Ended:
    """Run a taskdeck command to its end."""
    process = await asyncio.create_subprocess_exec(
        TASKDECK, *arguments, env=environment(data_dir, **variables), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    return Ended(process.returncode or 0, stdout.decode(), stderr.decode())


def typed(*arguments: str, data_dir: Path, **variables: str) -> Ended:
    """Run a taskdeck command in this very process: for those that end before they need a database of the test's."""
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
    return Ended(status, stdout.getvalue(), stderr.getvalue())


async def run_node(program: str, *arguments: str, home: Path, **variables: str) -> Ended:
    """Run a program of tests/node, with a home folder of its own."""
    command = ROOT / "tests/node/node_modules/.bin" / program
    assert command.exists(), "make tests/node/node_modules/installed"
    variables = environment(home / "data", HOME=str(home), **variables)
    process = await asyncio.create_subprocess_exec(
        find_node() / "node", command, *arguments, env=variables, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(PATIENCE):
        stdout, stderr = await process.communicate()
    return Ended(process.returncode or 0, stdout.decode(), stderr.decode())


@dataclass
class Server:
    """A running `taskdeck serve` or `taskdeck up`. `said` is its standard output so far."""

    process: Process
    data_dir: Path
    log: Path
    said: str = ""

    @property
    def address(self) -> str:
        return (self.data_dir / "address").read_text()

    @property
    def url(self) -> str:
        return f"{self.address}/mcp"

    def token(self, user: str, audience: Audience = "mcp", **how: Any) -> str:
        """A token of this server's own issuer."""
        settings = Settings.model_validate({"data_dir": self.data_dir, "public_url": self.address})
        return LocalIssuer(settings).mint(user, audience=audience, **how)

    async def read_until(self, text: str) -> None:
        """Wait for a word on standard output."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while text not in self.said:
                line = (await self.process.stdout.readline()).decode()
                assert line, f"ended before it said {text!r}:\n{self.said}\n{self.log.read_text()[-4000:]}"
                self.said += line

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit status."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    @asynccontextmanager
    async def http(self, user: str = "", **headers: str) -> AsyncGenerator[httpx2.AsyncClient]:
        """An HTTP client with a bearer for this user."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            named["authorization"] = f"Bearer {self.token(user)}"
        async with httpx2.AsyncClient(
            base_url=self.address, headers=named, timeout=30, trust_env=False, verify=False
        ) as client:
            yield client

    @asynccontextmanager
    async def client(self, user: str, mode: str = "auto") -> AsyncGenerator[Client]:
        """An MCP client; `legacy` speaks 2025-11-25, `auto` the newest revision that both know."""
        async with (
            self.http(user) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode) as client,
        ):
            yield client


@asynccontextmanager
async def serving(
    data_dir: Path, command: str = "serve", *, program: str | Path = TASKDECK, **variables: str
) -> AsyncGenerator[Server]:
    """`taskdeck serve` (or `up`), from its greeting on; ended when left, if it has not by then."""
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
    """The structured result of a call that succeeds."""
    result: CallToolResult = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def postgres_processes(data_dir: Path) -> list[int]:
    """Every process of the embedded PostgreSQL of this folder, the postmaster first."""
    data, found = (data_dir / "postgres/data").resolve(), list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
    return sorted(found)


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    found = list[int]()
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other processes do and nobody announces."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
