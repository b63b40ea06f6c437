"""Probes: /healthz (the process runs) and /readyz (it can serve requests, or the reasons why not)."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_server.identity.tokens import Verifier
from storage.engine import migrations
from storage.engine.database import Database
from storage.engine.retry import Unprepared
from storage.events.feed import Feed
from storage.schema.errors import StorageError

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Paths for load balancers and monitoring: no token, any Host, no rate limit."""

PROBE_SECONDS = 2.0
"""How long /readyz waits for the database. It has a connection of its own, where one query takes a millisecond."""

_HEADERS = {"Cache-Control": "no-store"}


class Health:
    """Answers load balancers. `draining` is set before the server stops, so that they send no more requests."""

    def __init__(self, database: Database, verifier: Verifier, feed: Feed, draining: asyncio.Event) -> None:
        self._draining = draining
        self._database = database
        self._verifier = verifier
        self._feed = feed
        self._checking: asyncio.Task[list[str]] | None = None

    def routes(self) -> list[Route]:
        """The two addresses; they need no token."""
        return [Route("/healthz", self._live), Route("/readyz", self._ready)]

    async def _live(self, _: Request) -> JSONResponse:
        # It checks nothing else: a restart of this process would not bring back a lost database.
        return JSONResponse({"status": "up"}, headers=_HEADERS)

    async def _ready(self, _: Request) -> JSONResponse:
        reasons = ["draining"] if self._draining.is_set() else await self._reasons()
        if reasons:
            content = {"status": "not ready", "reasons": reasons}
            return JSONResponse(content, 503, _HEADERS | {"Retry-After": "2"})
        return JSONResponse({"status": "ready"}, headers=_HEADERS)

    async def _reasons(self) -> list[str]:
        # Probes that arrive together share one answer: there is one connection.
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._database_reasons())
        reasons = [*await asyncio.shield(self._checking)]
        if not await self._verifier.ready():
            reasons.append("The keys of the token issuer cannot be fetched")
        # "resting": nobody waits for changes, so there is no connection that could be lost.
        if self._feed.listener.state not in ("listening", "resting"):
            reasons.append(f"Changes are not heard: the listening connection is {self._feed.listener.state}")
        return reasons

    async def _database_reasons(self) -> list[str]:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await migrations.check(self._database)
        except Unprepared as error:
            return [error.fix]
        except StorageError as error:
            return [str(error)]
        except TimeoutError:
            return [f"The database has not answered within {PROBE_SECONDS:g} s"]
        return []
