"""Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.probes import PROBES
from mcp_server.settings import Settings

# Mcp-Session-Id and Last-Event-ID belong to revisions before 2026-07-28. This server ignores them, but a browser sends
# no request at all if its preflight does not allow every header.
ALLOWED_HEADERS = [
    "Authorization",
    "Content-Type",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "MCP-Protocol-Version",
    "Mcp-Session-Id",
]
EXPOSED_HEADERS = ["MCP-Protocol-Version", "Mcp-Session-Id", "Retry-After", "Server-Timing", "WWW-Authenticate"]


class AllowOrigins(CORSMiddleware):
    """Lets pages of the origins in TASKDECK_ALLOWED_ORIGINS read every answer.

    What they may send and read is what MCP (transports, "Streamable HTTP") and the dashboard API use.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. Probes are not for pages."""
        await (self.app if scope.get("path") in PROBES else super().__call__)(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        """Starlette's response; a rejection gets the form of all other errors."""
        # Starlette answers a rejected preflight with plain text. The CORS headers are kept: they say what is allowed.
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        content = {"error": "forbidden_preflight", "detail": f"{bytes(answer.body).decode()}: see /api/openapi.json"}
        return JSONResponse(content, answer.status_code, headers | {"Cache-Control": "no-store"})
