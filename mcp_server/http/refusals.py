"""Error responses before any route runs, in the form that the dashboard API documents."""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


class Refusal(Exception):
    """A request is rejected with an HTTP status, an error code for programs and a sentence for people.

    `oauth_scope` is the scope that the request takes, if that is what is missing; `retry_after` is in seconds.
    """

    def __init__(self, status: int, error: str, detail: str, *, oauth_scope: str = "", retry_after: int = 0) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail
        self.oauth_scope, self.retry_after = oauth_scope, retry_after

    async def send(
        self, asgi_scope: Scope, receive: Receive, send: Send, headers: dict[str, str] | None = None
    ) -> None:
        """Send the response. A WebSocket whose server cannot send an HTTP response is closed with 4000 + status."""
        if asgi_scope["type"] == "websocket" and "websocket.http.response" not in asgi_scope.get("extensions", {}):
            # ASGI's extension "WebSocket Denial Response" is optional for servers.
            await send({"type": "websocket.close", "code": 4000 + self.status, "reason": self.detail})
            return
        sent = {"Cache-Control": "no-store"} | (headers or {})
        if self.retry_after:
            sent["Retry-After"] = str(self.retry_after)
        await JSONResponse({"error": self.error, "detail": self.detail}, self.status, sent)(asgi_scope, receive, send)
