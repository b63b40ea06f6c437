"""The composition root: everything is built here once, and passed down."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.api.dashboard_routes import allow_origins, build_bridge, explain, read_heads
from mcp_server.api.live_socket import LiveSocket
from mcp_server.http.authentication import Authenticate, GuardHost, metadata_routes
from mcp_server.http.metrics import Measure, Metrics
from mcp_server.http.probes import Health
from mcp_server.http.rate_limit import LimitAddresses, LimitRequests, Quota
from mcp_server.http.request_body import MAX_BODY_BYTES, only_messages
from mcp_server.identity.callers import Callers
from mcp_server.identity.tokens import Caller, Verifier, client_key
from mcp_server.protocol.server import build_server
from mcp_server.protocol.subscriptions import Subscriptions
from mcp_server.settings import Settings
from mcp_server.tools.registry import TOOLS, scope_needed
from storage.engine.database import Database
from storage.engine.retention import purge_for_ever
from storage.events.feed import Feed, listen
from storage.people import users
from storage.schema.errors import StorageError


@dataclass(frozen=True)
class Deck:
    """What runs: the database, who may pass, and the MCP server over both."""

    database: Database
    verifier: Verifier
    callers: Callers
    feed: Feed
    subscriptions: Subscriptions
    server: Server[Any]


@asynccontextmanager
async def open_deck(
    settings: Settings, database_url: str, dashboard_url: str | None = None, local: Caller | None = None
) -> AsyncGenerator[Deck]:
    """Open the database and build what all doors share. `local` asks when there is no HTTP request."""
    async with Database.open(database_url) as database:

        async def find_personal_token(token_hash: str) -> Caller | None:
            holder = await users.find_personal_token(database, token_hash)
            return holder and Caller(
                user_id=holder.user_id,
                email=holder.email,
                name=holder.name,
                timezone=holder.timezone,
                scopes=holder.scopes,
                client=holder.token_name,
                expires_at=holder.expires_at.timestamp(),
                audience="mcp",
                issuer="personal",
                client_key=client_key(token_hash),
            )

        callers = Callers(database)
        verifier = Verifier(settings, dashboard_url, find_personal_token)
        async with listen(database, settings.database_url_unpooled or database_url) as feed:
            subscriptions = Subscriptions(feed, lambda token: verifier.verify(token, "mcp"))
            server = build_server(settings, callers, local, subscriptions)
            yield Deck(database, verifier, callers, feed, subscriptions, server)
            await subscriptions.close()


@asynccontextmanager
async def open_app(
    settings: Settings, database_url: str, dashboard_url: str | None = None, draining: asyncio.Event | None = None
) -> AsyncGenerator[ASGIApp]:
    """The HTTP application, ready to be served. Its port must be known (`Settings.with_port`).

    Once `draining` is set, /readyz says no, and subscriptions end.
    """
    async with AsyncExitStack() as stack:
        deck = await stack.enter_async_context(open_deck(settings, database_url, dashboard_url))
        draining = draining or asyncio.Event()
        for work in (_see_off(deck.subscriptions, draining), purge_for_ever(deck.database)):
            stack.callback(asyncio.create_task(work).cancel)
        manager = StreamableHTTPSessionManager(
            app=deck.server,
            json_response=True,
            stateless=True,
            max_request_body_size=MAX_BODY_BYTES,
            # GuardHost checks Host and Origin of every route, exactly; the SDK would only check its own.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        await stack.enter_async_context(manager.run())

        quota = Quota(deck.database, settings.rate_limit)

        def limited(app: ASGIApp) -> ASGIApp:
            return LimitRequests(app, quota)

        bridge = build_bridge(deck.callers)
        speaking = only_messages(StreamableHTTPASGIApp(manager))
        mcp = Authenticate(limited(speaking), deck.verifier, "mcp", scope_needed)
        api = Authenticate(limited(read_heads(bridge)), deck.verifier, "api")
        live = LiveSocket(deck.feed, deck.verifier)
        metrics = Metrics(deck.database, deck.feed, lambda: live.count, lambda: deck.subscriptions.count)
        doors: list[BaseRoute] = [
            Route("/mcp", endpoint=mcp),
            WebSocketRoute("/api/ws", endpoint=Authenticate(live, deck.verifier, "api")),
            Route("/api/openapi.json", endpoint=bridge),
            Route("/api/{path:path}", endpoint=api),
        ]
        open_to_all = metadata_routes(deck.verifier)
        watched = [*Health(deck.database, deck.verifier, deck.feed, draining).routes(), metrics.route()]
        # Whoever watches the server, or looks up where to sign in, must not suffer from a stranger at the same address.
        inner = _house(open_to_all, LimitAddresses(_house(doors, _nowhere)))
        app = GuardHost(_house(watched, allow_origins(inner, settings)), settings, dashboard_url)
        routes = [*watched, *open_to_all, *doors]
        paths = {route.path for route in routes if isinstance(route, Route)} | bridge.openapi()["paths"].keys()
        yield Measure(app, metrics, paths, TOOLS)


async def _see_off(subscriptions: Subscriptions, draining: asyncio.Event) -> None:
    """End the streams when the server is asked to stop: it waits for requests in flight, and these have no end."""
    await draining.wait()
    await subscriptions.close()


def _house(routes: Sequence[BaseRoute], default: ASGIApp) -> ASGIApp:
    """Routes, and what answers all else. Whatever fails is answered in the form that the bridge documents."""
    house = Starlette(
        routes=routes, exception_handlers=dict.fromkeys((HTTPException, StorageError, Exception), explain)
    )
    house.router.redirect_slashes = False
    house.router.default = default
    return house


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """There is no such address, for sockets either."""
    answer = await explain(Request({**scope, "type": "http"}), HTTPException(404))
    await answer(scope, receive, send)
