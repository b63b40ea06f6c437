"""Starts a server to measure in a process of its own; lightweight clients of its dashboard API and its tools."""

import asyncio
import os
import re
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from benchmarks.load import Server, percentiles
from mcp_server.identity.local_issuer import Audience, LocalIssuer
from mcp_server.settings import Settings

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass
class Waits:
    """How long successful answers took, in seconds, and how many requests failed."""

    seconds: list[float] = field(default_factory=list[float])
    errors: int = 0

    def __str__(self) -> str:
        if not self.seconds:
            return f"no answer, {self.errors} errors"
        p50, p95 = (1000 * value for value in percentiles(self.seconds))
        worst = 1000 * max(self.seconds)
        return f"{len(self.seconds)} answers, p50 {p50:.1f} p95 {p95:.1f} max {worst:.0f} ms, {self.errors} errors"


def known_environment() -> dict[str, str]:
    """The environment of a program to measure: no TASKDECK_… or DATABASE_… variables of the caller."""
    # A list of what is allowed, because a proxy or PG… variable would change the figures too.
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@asynccontextmanager
async def started(
    *program: str, log: TextIO | None = None, **environment: str
) -> AsyncGenerator[tuple[Server, Process]]:
    """Start a program, and yield it once it has printed its address; SIGTERM ends it. `log` gets its standard error.

    Raises:
        RuntimeError: it ended before it printed an address.
    """
    process = await asyncio.create_subprocess_exec(
        *program, env=known_environment() | environment, stdout=PIPE, stderr=log
    )
    assert process.stdout is not None
    try:
        while not (found := _ADDRESS.search(await process.stdout.readline())):
            if process.returncode is not None:
                raise RuntimeError("the server did not start")
        yield Server("127.0.0.1", int(found[1]), process.pid), process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def taskdeck(folder: Path, port: int = 0, **environment: str):  # noqa: ANN201
    """A server of this checkout, with its embedded PostgreSQL in `folder` unless DATABASE_URL is given."""
    # A log line for each request would be measured too.
    fixed = {"TASKDECK_DATA_DIR": str(folder), "TASKDECK_PORT": str(port), "TASKDECK_LOG_LEVEL": "WARNING"}
    return started(sys.executable, "-m", "mcp_server", "serve", log=None, **(fixed | environment))


def token(folder: Path, server: Server, user: str, audience: Audience = "api", ttl: int = 86_400) -> str:
    """A token of the server's own issuer, valid for `ttl` seconds."""
    # Issuer and audience contain the port, so the token can only be made once the server has started.
    settings = Settings.model_validate({"data_dir": folder, "port": server.port})
    return LocalIssuer(settings).mint(user, audience=audience, ttl=ttl)


def get(server: Server, path: str, bearer: str) -> bytes:
    """The bytes of a GET request."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {server.host}:{server.port}", f"Authorization: Bearer {bearer}", "", "")
    return "\r\n".join(lines).encode()


class Line:
    """A kept connection for one request at a time, opened when it is needed, as browsers do."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes, waits: Waits, since: float | None = None) -> bytes:
        """Send a request and return the body, or nothing if it failed twice.

        Adds to `waits` how many seconds it took since `since` (by `time.perf_counter`; the default is now).
        """
        since = since or time.perf_counter()
        for attempt in range(2):
            try:
                if self._streams is None:
                    self._streams = await asyncio.open_connection(self._server.host, self._server.port)
                reader, writer = self._streams
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = await reader.readexactly(int(length[1]) if length else 0)
            except (ConnectionError, asyncio.IncompleteReadError):
                # The server may have closed an idle connection while the request was on its way. Browsers, too, send it
                # once more on a new one; the time of both attempts counts.
                self.close()
                if attempt:
                    break
            else:
                waits.seconds.append(time.perf_counter() - since)
                # A refused tool call is a result with status 200 (MCP, Tools).
                waits.errors += not head.startswith(b"HTTP/1.1 200") or b'"isError":true' in body
                return body
        waits.errors += 1
        return b""

    def close(self) -> None:
        """Drop the connection, without waiting for a response."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
