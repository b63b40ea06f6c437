"""Requests that end before they reach a route, answered in the form that the dashboard API documents."""

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


class Refusal(Exception):
    """An HTTP status, a word for programs and a sentence for people.

    `scope` is the OAuth scope that the request takes, if that is what is missing; `retry_after` is in seconds.
    """

    def __init__(self, status: int, error: str, detail: str, *, scope: str = "", retry_after: int = 0) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail
        self.scope, self.retry_after = scope, retry_after

    async def send(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str] | None = None) -> None:
        """Answer the request; a WebSocket whose server cannot answer with HTTP is closed with 4000 + status."""
        if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 4000 + self.status, "reason": self.detail})
            return
        sent = {"Cache-Control": "no-store"} | (headers or {})
        if self.retry_after:
            sent["Retry-After"] = str(self.retry_after)
        await JSONResponse({"error": self.error, "detail": self.detail}, self.status, sent)(scope, receive, send)
