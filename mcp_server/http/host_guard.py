"""Which names this server answers to, and which pages may call it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.probes import PROBES
from mcp_server.http.refusals import Refusal
from mcp_server.identity.addresses import known_hosts, known_origins
from mcp_server.settings import Settings


class HostGuard:
    """Refuses requests with an unknown Host, and from pages of an unknown Origin (DNS rebinding).

    The MCP specification requires this at the MCP endpoint (transports, "Security warning"); here it covers every
    route and the WebSocket. Names are compared as a whole: no wildcards, no prefixes. Probes call the server by any
    name or address, and read nothing that belongs to anybody.
    """

    def __init__(self, app: ASGIApp, settings: Settings, dashboard_url: str | None = None) -> None:
        self._app = app
        self._hosts = known_hosts(settings)
        self._origins = known_origins(settings, dashboard_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 (RFC 9110 section 15.5.20) or 403."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            refusal = None
            known = len(hosts) == 1 and hosts[0].lower() in self._hosts
            if not known and scope["path"] not in PROBES:
                detail = "This server has another name: see TASKDECK_PUBLIC_URL"
                refusal = Refusal(421, "misdirected_request", detail)
            elif len(origins) > 1 or not self._origins.issuperset(origins):
                detail = "Pages of this origin may not ask: see TASKDECK_ALLOWED_ORIGINS"
                refusal = Refusal(403, "forbidden_origin", detail)
            if refusal:
                return await refusal.send(scope, receive, send)
        return await self._app(scope, receive, send)
