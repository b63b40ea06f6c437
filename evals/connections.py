"""Connects to the server under test: each scenario and person gets an account or a data folder of its own."""

import asyncio
import shlex
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client


@dataclass(frozen=True)
class Connection:
    """How to reach a server: `{scenario}` and `{person}` in the texts become names that were not used before."""

    server: str
    """The URL of an endpoint, or the command of a stdio server."""
    token_command: str = ""
    """Prints a bearer token for the URL."""

    @property
    def knows_people(self) -> bool:
        """Whether a second person can connect to the same board."""
        return "{person}" in self.server + self.token_command

    def person(self, name: str, play: str) -> str:
        """The account of `ada` or `bob` in one play."""
        return f"{name}-{play}"

    @asynccontextmanager
    async def open(self, name: str, play: str) -> AsyncGenerator[Client]:
        """A client of a person.

        Raises:
            RuntimeError: the token command failed.
        """
        names = {"person": self.person(name, play), "scenario": play}
        if not self.server.startswith(("http://", "https://")):
            command, *args = shlex.split(self.server.format(**names))
            async with Client(StdioServerParameters(command=command, args=args)) as client:
                yield client
            return
        headers = {"authorization": f"Bearer {await _output(self.token_command.format(**names))}"}
        async with (
            httpx2.AsyncClient(headers=headers if self.token_command else {}, timeout=60) as http,
            Client(streamable_http_client(self.server.format(**names), http_client=http)) as client,
        ):
            yield client


async def _output(command: str) -> str:
    if not command:
        return ""
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the token command failed: {complaint.decode().strip()}")
    return printed.decode().strip()
