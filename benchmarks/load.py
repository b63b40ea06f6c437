"""A lightweight MCP client: raw keep-alive HTTP, so that it needs less CPU than the server that it measures."""

import asyncio
import json
import os
import re
import statistics
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REVISION = "2026-07-28"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """Where to send calls; `pid` is the process that answers."""

    host: str
    port: int
    pid: int
    postmaster: int | None = None
    """The process of PostgreSQL that starts all others, if the server has a database."""

    def call(self, tool: str, arguments: dict[str, Any], token: str = "") -> bytes:
        """The bytes of a tools/call request."""
        return self.request("tools/call", {"name": tool, "arguments": arguments}, tool, token)

    def request(self, method: str, params: dict[str, Any], name: str = "", token: str = "") -> bytes:
        """The bytes of a request of the newest revision."""
        meta = {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
        body = json.dumps(request, separators=(",", ":")).encode()
        headers = {
            "Host": f"{self.host}:{self.port}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Content-Length": str(len(body)),
            "MCP-Protocol-Version": REVISION,
            "Mcp-Method": method,
        }
        headers |= {"Mcp-Name": name} if name else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body

    def cpu_seconds(self) -> tuple[float, float]:
        """CPU time so far, user and system, of the server process and of all processes of PostgreSQL. Linux only."""
        server = sum(_stat(self.pid)[11:13])
        database = 0
        if self.postmaster is not None:
            # Of processes that have ended, the postmaster's own figures for its children tell.
            database = sum(_stat(self.postmaster)[11:15])
            children = Path(f"/proc/{self.postmaster}/task/{self.postmaster}/children").read_text("ascii").split()
            for child in children:
                with suppress(FileNotFoundError, ProcessLookupError):
                    database += sum(_stat(int(child))[11:13])
        tick = os.sysconf("SC_CLK_TCK")
        return server / tick, database / tick

    def resident_megabytes(self) -> float:
        """Resident memory of the process now. Linux only."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def parent_of(pid: int) -> int:
    """The process that started another one. Linux only."""
    return _stat(pid)[1]


def _stat(pid: int) -> list[int]:
    # proc(5): the name in parentheses may contain spaces. Fields are counted from 1 there, and these start at 3:
    # utime, stime, cutime and cstime are 14 to 17. The first one is the state, a letter.
    return [0, *map(int, Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[1:])]


@dataclass(frozen=True)
class Measured:
    """Calls a second, milliseconds until the answer (p50, p95), CPU milliseconds of both for a call."""

    rate: float
    p50: float
    p95: float
    server: float
    database: float

    @classmethod
    def of(cls, waits: list[float], seconds: float, server: float, database: float) -> "Measured":
        """From the seconds that each call took, the length of the measurement, and the CPU seconds of both."""
        p50, p95 = (1e3 * value for value in percentiles(waits))
        return cls(len(waits) / seconds, p50, p95, 1e3 * server / len(waits), 1e3 * database / len(waits))

    @classmethod
    def median(cls, rounds: list["Measured"]) -> "Measured":
        """The median of several rounds, for each figure separately."""
        figures = ([getattr(one, name) for one in rounds] for name in ("rate", "p50", "p95", "server", "database"))
        return cls(*(statistics.median(figure) for figure in figures))


def percentiles(values: list[float]) -> tuple[float, float]:
    """The 50th and 95th percentile of at least one value."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


class _Exchange(asyncio.Protocol):
    """One connection with one request under way at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def ask(self, request: bytes) -> "asyncio.Future[bytes]":
        """Send a request. The future gets the body of a successful answer, or a RuntimeError."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        length = _LENGTH.search(self._received, 0, end + 2) if end >= 0 else None
        if end < 0 or self._answer is None or self._answer.done():
            return
        if length is None or len(self._received) == end + 4 + int(length[1]):
            answer = bytes(self._received)
            self._received.clear()
            if answer.startswith(b"HTTP/1.1 200") and b'"isError":true' not in answer and b'"result"' in answer:
                self._answer.set_result(answer[end + 4 :])
            else:
                self._answer.set_exception(RuntimeError(f"not a good answer: {answer[:1000].decode()}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed the connection"))


@asynccontextmanager
async def _connected(server: Server) -> AsyncGenerator[_Exchange]:
    transport, exchange = await asyncio.get_running_loop().create_connection(_Exchange, server.host, server.port)
    try:
        yield exchange
    finally:
        transport.close()


async def ask(server: Server, request: bytes) -> dict[str, Any]:
    """Send one request and return its result."""
    async with _connected(server) as exchange:
        return json.loads(await exchange.ask(request))["result"]


async def measure(server: Server, next_request: Callable[[], bytes], concurrency: int, seconds: float) -> Measured:
    """Keep `concurrency` calls under way for `seconds`.

    Raises:
        RuntimeError: an answer was not a good one.
    """
    async with AsyncExitStack() as stack:
        exchanges = [await stack.enter_async_context(_connected(server)) for _ in range(concurrency)]
        waits: list[float] = []
        before, started = server.cpu_seconds(), time.perf_counter()

        # The next call follows the answer, so these times leave out queueing beyond `concurrency`.
        async def keep_asking(exchange: _Exchange) -> None:
            while (sent := time.perf_counter()) < started + seconds:
                await exchange.ask(next_request())
                waits.append(time.perf_counter() - sent)

        await asyncio.gather(*(keep_asking(exchange) for exchange in exchanges))
        took = time.perf_counter() - started
        spent = (now - then for now, then in zip(server.cpu_seconds(), before, strict=True))
        return Measured.of(waits, took, *spent)


def repeated(request: bytes) -> Callable[[], bytes]:
    """A source that returns the same request every time."""
    return lambda: request


def following(requests: Iterator[bytes]) -> Callable[[], bytes]:
    """A source that returns the next request every time."""
    return lambda: next(requests)
