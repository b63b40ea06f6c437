"""The application on a real port with the real database, and a database proxy that can fail."""

import asyncio
import hashlib
import json
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx2
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from mcp_server.app import open_app
from mcp_server.http import uvicorn_server
from mcp_server.identity.local_issuer import OAUTH_SCOPES, Audience, LocalIssuer
from mcp_server.settings import Settings


@dataclass(frozen=True)
class RunningServer:
    """A running server."""

    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.address

    @property
    def socket_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}/api/ws"

    def token(
        self, user: str, audience: Audience = "api", oauth_scopes: Iterable[str] = OAUTH_SCOPES, ttl: int = 3600
    ) -> str:
        return LocalIssuer(self.settings).mint(user, audience=audience, oauth_scopes=oauth_scopes, ttl=ttl)

    def client(self, user: str = "", audience: Audience = "api", **headers: str) -> httpx2.AsyncClient:
        """A user's HTTP client. The server trusts x_forwarded_for, because requests come from loopback."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if user:
            named["authorization"] = f"Bearer {self.token(user, audience)}"
        return httpx2.AsyncClient(base_url=self.url, headers=named, timeout=30)

    def open_socket(self, **options: Any) -> connect:
        """A socket that has not authenticated."""
        return connect(self.socket_url, compression=None, **options)

    @asynccontextmanager
    async def socket(self, user: str, **options: Any) -> "AsyncGenerator[Listener]":
        """An authenticated socket."""
        async with self.open_socket(**options) as connection:
            listener = Listener(connection)
            await listener.send(type="authenticate", token=self.token(user))
            assert await listener.receive() == {"type": "ready"}
            yield listener


@dataclass(frozen=True)
class Listener:
    """The client side of a live socket."""

    connection: ClientConnection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        return json.loads(await asyncio.wait_for(self.connection.recv(), 20))

    async def next_event(self) -> dict[str, Any]:
        """The next change event; other messages are skipped."""
        while "event_type" not in (message := await self.receive()):
            pass
        return message

    async def until_pong(self) -> list[dict[str, Any]]:
        """All messages before the pong to a ping."""
        await self.send(type="ping")
        received: list[dict[str, Any]] = []
        while (message := await self.receive()) != {"type": "pong"}:
            received.append(message)
        return received

    async def wait_closed(self) -> tuple[int | None, str | None]:
        """Read until the socket closes; return the close code and reason."""
        with suppress(ConnectionClosed):
            async for _ in self.connection:
                pass
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def running_server(
    settings: Settings, database_url: str, direct_url: str, send_buffer: int | None = None
) -> AsyncGenerator[RunningServer]:
    """Run a server on a free port; a small send buffer makes it notice slow readers soon."""
    listening = uvicorn_server.listen("127.0.0.1", 0)
    if send_buffer:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    known = settings.model_copy(
        update={"port": listening.getsockname()[1], "database_url": database_url, "database_url_unpooled": direct_url}
    )
    built: asyncio.Future[uvicorn.Server] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        draining = asyncio.Event()
        async with open_app(known, database_url, draining=draining) as app:
            built.set_result(uvicorn_server.build_http_server(app, draining.set))
            await built.result().serve([listening])

    # In a task, because fixtures are torn down in another task than they were set up in.
    serving = asyncio.create_task(serve())
    await asyncio.wait([serving, built], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    async with httpx2.AsyncClient(base_url=known.address) as client:
        # The listener connects a moment after the server starts to respond.
        await wait_until_ok(client, "/readyz")
    try:
        yield RunningServer(known)
    finally:
        built.result().should_exit = True
        await serving


@asynccontextmanager
async def personal_token(url: str, user: str) -> AsyncGenerator[tuple[str, Callable[[], Awaitable[None]]]]:
    """A read-only personal access token, made as by the dashboard, and a function that revokes it."""
    token = f"tdp_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    made = "SELECT taskdeck_pat_create($1, NULL, NULL, 'board', $2, 'tdp_', 'mcp:read', now() + interval '1 day')"
    connection = await asyncpg.connect(url)

    async def revoke() -> None:
        await connection.fetchval("SELECT taskdeck_pat_revoke($1, $2)", user, number)

    try:
        number = await connection.fetchval(made, user, digest)
        yield token, revoke
    finally:
        await connection.close()


async def wait_until_ok(client: httpx2.AsyncClient, path: str) -> None:
    """Repeat a GET until it returns 200."""
    while (await client.get(path)).status_code != 200:  # noqa: ASYNC110 - a server raises no event
        await asyncio.sleep(0.05)


@dataclass
class DatabaseProxy:
    """A proxy to PostgreSQL that can refuse connections, as a stopped server does, or stall."""

    target: str
    folder: Path
    _lines: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        parts = urlsplit(self.target)
        return parts._replace(query=f"host={self.folder}").geturl()

    async def __aenter__(self) -> Self:
        self._open.set()
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def cut(self) -> None:
        """Abort all connections and refuse new ones."""
        if self._server is not None:
            self._server.close()
        (self.folder / ".s.PGSQL.5432").unlink(missing_ok=True)
        for line in tuple(self._lines):
            line.transport.abort()

    def stall(self) -> None:
        """Keep connections open and accept new ones, but transfer nothing."""
        self._open.clear()

    async def restore(self) -> None:
        """Accept connections again; stalled ones are aborted."""
        if not self._open.is_set():
            await self.cut()
            self._open.set()
        self._server = await asyncio.start_unix_server(self._pass, self.folder / ".s.PGSQL.5432")

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        query = parse_qs(urlsplit(self.target).query)
        path = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        there, back = await asyncio.open_unix_connection(path)
        self._lines |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._lines -= {writer, back}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
