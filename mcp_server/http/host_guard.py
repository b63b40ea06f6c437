"""The host names that this server answers to, and the origins whose pages may call it (DNS rebinding)."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.probes import PROBES
from mcp_server.http.refusals import Refusal
from mcp_server.identity.addresses import known_hosts, known_origins
from mcp_server.settings import Settings


class HostGuard:
    """Refuses requests with an unknown Host, and from pages of an unknown Origin (DNS rebinding).

    The MCP specification requires the check of Origin at the MCP endpoint (Streamable HTTP, "Security & Endpoint");
    here both checks cover every route and the WebSocket. Names are compared as a whole: no wildcards, no prefixes.
    Probes may use any name, because load balancers call an address, and no probe returns data of a user.
    """

    def __init__(self, app: ASGIApp, settings: Settings, dashboard_url: str | None = None) -> None:
        self._app = app
        self._hosts = known_hosts(settings)
        self._origins = known_origins(settings, dashboard_url)

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 (RFC 9110 section 15.5.20) or 403."""
        if asgi_scope["type"] in ("http", "websocket"):
            headers = Headers(scope=asgi_scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            refusal = None
            # With two Host headers, a proxy and this server could each believe another one.
            known = len(hosts) == 1 and hosts[0].lower() in self._hosts
            if not known and asgi_scope["path"] not in PROBES:
                detail = "This server has another name: see TASKDECK_PUBLIC_URL"
                refusal = Refusal(421, "misdirected_request", detail)
            # Clients other than browsers send no Origin. A page's cross-origin request without one is a simple GET, to
            # which the page cannot add a token.
            elif len(origins) > 1 or not self._origins.issuperset(origins):
                detail = "Pages of this origin may not ask: see TASKDECK_ALLOWED_ORIGINS"
                refusal = Refusal(403, "forbidden_origin", detail)
            if refusal:
                return await refusal.send(asgi_scope, receive, send)
        return await self._app(asgi_scope, receive, send)
