"""The composition root: builds every long-lived object once and passes it down."""

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
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.api import audit_routes
from mcp_server.api.archive_routes import build_archive_router
from mcp_server.api.dashboard_routes import HeadAsGet, build_bridge
from mcp_server.api.live_socket import LiveSocket
from mcp_server.api.responses import explain
from mcp_server.http.authentication import OPENAPI, Authentication
from mcp_server.http.cors import AllowOrigins
from mcp_server.http.host_guard import HostGuard
from mcp_server.http.in_flight import Admission, CallsInFlight, InFlight
from mcp_server.http.mcp_requests import McpRequests
from mcp_server.http.metrics import Metrics, RequestMetrics
from mcp_server.http.probes import Health
from mcp_server.http.rate_limit import AddressRateLimit, CallerRateLimit, Quota
from mcp_server.http.request_body import MAX_BODY_BYTES
from mcp_server.http.resource_metadata import metadata_routes
from mcp_server.identity.callers import Caller, Callers, client_key
from mcp_server.identity.tokens import Verifier
from mcp_server.protocol.server import build_mcp_server
from mcp_server.protocol.subscriptions import Subscriptions
from mcp_server.settings import Settings
from mcp_server.tools.registry import TOOLS, bulk_tools, required_oauth_scope
from storage.engine.database import Database
from storage.engine.retention import purge_for_ever
from storage.events.feed import Feed, listen
from storage.people import users
from storage.people.deletion import delete_due_for_ever
from storage.schema.errors import StorageError


@dataclass(frozen=True)
class Services:
    """What HTTP and stdio share: database, authentication, changes, and the MCP server."""

    database: Database
    verifier: Verifier
    callers: Callers
    feed: Feed
    subscriptions: Subscriptions
    in_flight: InFlight
    server: Server[Any]


@asynccontextmanager
async def open_services(
    settings: Settings, database_url: str, dashboard_url: str | None = None, local: Caller | None = None
) -> AsyncGenerator[Services]:
    """Open the database and build the services. `local` is the caller of messages without an HTTP request."""
    async with Database.open(database_url, quotas=settings.quotas) as database:

        async def find_personal_token(token_hash: str) -> Caller | None:
            holder = await users.find_personal_token(database, token_hash)
            # The time zone is None because a personal token carries none: the person's own setting applies.
            return holder and Caller(
                user_id=holder.user_id,
                email=holder.email,
                name=holder.name,
                timezone=None,
                oauth_scopes=holder.scopes,
                client=holder.token_name,
                expires_at=holder.expires_at.timestamp(),
                audience="mcp",
                issuer="personal",
                client_key=client_key(token_hash),
            )

        callers = Callers(database, settings.timezone)
        verifier = Verifier(settings, dashboard_url, find_personal_token)
        # A pooler drops LISTEN silently (docs/research.md), so changes need a direct connection.
        async with listen(database, settings.database_url_unpooled or database_url) as feed:
            feed.session_ended = verifier.end_session
            # Closed before the feed and the database, in the reverse order of opening.
            subscriptions = Subscriptions(feed, verifier)
            in_flight = InFlight(settings.calls_in_flight)
            server = build_mcp_server(settings, callers, local, subscriptions, in_flight, dashboard_url)
            yield Services(database, verifier, callers, feed, subscriptions, in_flight, server)
            await subscriptions.close()


@asynccontextmanager
async def open_app(
    settings: Settings, database_url: str, dashboard_url: str | None = None, draining: asyncio.Event | None = None
) -> AsyncGenerator[ASGIApp]:
    """Build the HTTP application. The port in `settings` must be known (`Settings.with_port`).

    Once `draining` is set, /readyz answers 503 and subscription streams end.
    """
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(settings, database_url, dashboard_url))
        draining = draining or asyncio.Event()
        purging = purge_for_ever(services.database, settings.audit_days)
        deleting = delete_due_for_ever(settings.database_url_unpooled or database_url)
        for work in (_close_on_drain(services.subscriptions, draining), purging, deleting):
            stack.callback(asyncio.create_task(work).cancel)
        manager = _build_session_manager(services)
        await stack.enter_async_context(manager.run())
        bridge = build_bridge(services.callers, build_archive_router(), audit_routes.router)
        live = LiveSocket(services.feed, services.verifier)
        metrics = Metrics(services.database, services.feed, lambda: live.count, lambda: services.subscriptions.count)
        probes = [*Health(services.database, services.verifier, services.feed, draining).routes(), metrics.route()]
        metadata = metadata_routes(services.verifier)
        routes: list[BaseRoute] = [
            *probes,
            *metadata,
            Route("/mcp", endpoint=StreamableHTTPASGIApp(manager)),
            WebSocketRoute("/api/ws", endpoint=live),
            Route("/api/{path:path}", endpoint=HeadAsGet(bridge)),
        ]
        paths = {route.path for route in routes if isinstance(route, Route)} | bridge.openapi()["paths"].keys()
        public = frozenset(route.path for route in (*probes, *metadata))
        yield _application(
            routes,
            Middleware(RequestMetrics, metrics, paths | {OPENAPI}, TOOLS),
            Middleware(HostGuard, settings, dashboard_url),
            Middleware(AllowOrigins, settings),
            Middleware(AddressRateLimit, public),
            Middleware(Authentication, services.verifier),
            Middleware(Admission, settings.calls_in_flight),
            Middleware(CallerRateLimit, Quota(services.database, settings.rate_limit)),
            Middleware(McpRequests, settings, required_oauth_scope, bulk_tools(), services.callers.note_refusal),
            Middleware(CallsInFlight, services.in_flight),
        )


def _build_session_manager(services: Services) -> StreamableHTTPSessionManager:
    return StreamableHTTPSessionManager(
        app=services.server,
        # A client that disconnects does not cancel a write, as it would with streams (docs/research.md).
        json_response=True,
        # Without sessions, any replica can answer any request.
        stateless=True,
        max_request_body_size=MAX_BODY_BYTES,
        # HostGuard checks Host and Origin on every route; the SDK would check only /mcp.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )


async def _close_on_drain(subscriptions: Subscriptions, draining: asyncio.Event) -> None:
    """Close subscription streams on shutdown: uvicorn waits for open requests, and these never finish by themselves."""
    await draining.wait()
    await subscriptions.close()


def _application(routes: Sequence[BaseRoute], *middleware: Middleware) -> Starlette:
    """One router behind one list of middleware. Every error has the form that the API documents.

    A request passes the middleware from top to bottom. Metrics are outermost, so that rejected requests count too. CORS
    comes before the limits and authentication: a preflight carries no token, and a page can read a 401 or 429 only with
    CORS headers. Addresses are limited before tokens are verified, which costs a signature check. Bodies are read
    after that, so that only a caller within the limits can make this process hold one. Waiting in line comes last: then
    it is known whether the message opens a stream, and a slow upload takes no place.
    """
    # Starlette runs the handler of Exception outside of all middleware and the other two inside of it.
    application = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers=dict.fromkeys((HTTPException, StorageError, Exception), explain),
    )
    # Clients may follow a redirect without the token or the body.
    application.router.redirect_slashes = False
    application.router.default = _not_found
    return application


async def _not_found(asgi_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404, to WebSockets as well."""
    # Starlette's Request takes no WebSocket scope. Its responses do: they become a denial of the handshake.
    answer = await explain(Request({**asgi_scope, "type": "http"}), HTTPException(404))
    await answer(asgi_scope, receive, send)
