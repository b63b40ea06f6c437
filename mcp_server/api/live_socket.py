"""WS /api/ws: each change that the caller may see, as it happens. docs/contracts/websocket-events.yaml describes it."""

import asyncio
import json
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from mcp_server.http.authentication import find_bearer
from mcp_server.http.connection_limit import ConnectionLimit, LimitReached
from mcp_server.http.rate_limit import Allowance
from mcp_server.identity.access_tokens import InvalidToken
from mcp_server.identity.callers import Caller, client_key
from mcp_server.identity.jwks import KeysUnavailable
from mcp_server.identity.local_issuer import READ
from mcp_server.identity.tokens import RECHECK_SECONDS, Verifier
from storage.events.changes import (
    Change,
    ConversationChange,
    Paused,
    PeopleChange,
    Resync,
    SessionEnded,
    TaskChange,
    TooSlow,
    Watch,
)
from storage.events.feed import Feed
from storage.schema.errors import Unavailable

AUTHENTICATION_SECONDS = 5.0
"""An open socket without a user counts in no limit of a user, so it may not last."""
CLOSE_SECONDS = 5.0
MAX_SOCKETS = 5
"""Per user and process: each has a queue of changes in memory (docs/research.md)."""
MAX_SOCKETS_IN_ALL = 2000
"""Of all users in one process. The fewer are free, the fewer a user may have (connection_limit.py)."""
MESSAGES_A_SECOND = 10
"""Clients only send pings and renewed tokens. Each token may cost a signature check."""

# RFC 6455 section 7.4.2 leaves 4000-4999 to applications: 4000 + the HTTP status of the same meaning.
MALFORMED, UNAUTHORIZED, FORBIDDEN, TOO_MANY = 4400, 4401, 4403, 4429
TRY_AGAIN_LATER = 1013


class _Close(Exception):
    """The socket is to be closed with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class LiveSocket:
    """The WebSocket application. Browsers cannot send a token with the handshake: their first message brings it."""

    def __init__(self, feed: Feed, verifier: Verifier) -> None:
        self._feed = feed
        self._verifier = verifier
        self._limit = ConnectionLimit(MAX_SOCKETS, MAX_SOCKETS_IN_ALL)

    @property
    def count(self) -> int:
        """How many sockets are open and authenticated."""
        return self._limit.count

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until either side ends it."""
        websocket = WebSocket(asgi_scope, receive, send)
        # Accepted before anything is checked: a browser shows a page the code and reason of a close, but nothing of a
        # rejected handshake.
        await websocket.accept()
        session = _Session(websocket, self._verifier)
        with suppress(WebSocketDisconnect):
            try:
                # Middleware that counts refused tokens looks for the caller here.
                asgi_scope["caller"] = caller = await session.authenticate(proven="caller" in asgi_scope)
                with self._limit.hold(caller.user_id), self._feed.watch(caller.user_id) as watch:
                    await session.serve(watch)
            except LimitReached as limit:
                await _close(websocket, *_too_many(limit.most))
            except _Close as close:
                await _close(websocket, close.code, close.reason)


def _too_many(most: int) -> tuple[int, str]:
    if not most:
        return TRY_AGAIN_LATER, "The server has too many sockets open: try again soon"
    return TOO_MANY, f"You may have {most} sockets open at the moment: close one first"


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    # A client that does not read never takes the close frame. The server drops its connection later.
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await websocket.close(code, reason)


class _Session:
    """One socket and its caller."""

    def __init__(self, websocket: WebSocket, verifier: Verifier) -> None:
        self._websocket = websocket
        self._verifier = verifier
        self._renewed = asyncio.Event()
        self._allowance = Allowance(MESSAGES_A_SECOND, period=1.0)
        self._token: str
        self._caller: Caller

    async def authenticate(self, *, proven: bool) -> Caller:
        """The caller, by the token of the handshake if that was verified, otherwise by the first message."""
        token: object = find_bearer(self._websocket.scope) if proven else await self._receive_token()
        self._caller = await self._verify(token)
        return self._caller

    async def _receive_token(self) -> object:
        try:
            async with asyncio.timeout(AUTHENTICATION_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise _Close(UNAUTHORIZED, f"No token came within {AUTHENTICATION_SECONDS:g} seconds") from None
        except _Close:
            # Before authentication every mistake has one answer, which says what to do.
            message = dict[str, Any]()
        if message.get("type") != "authenticate":
            raise _Close(UNAUTHORIZED, 'Send {"type": "authenticate", "token": "..."} first')
        return message.get("token")

    async def serve(self, watch: Watch) -> None:
        """Send changes, answer messages, and end when the token does."""
        # The watch is open already, so no change after this message is missed.
        await self._send({"type": "ready"})
        work: list[Awaitable[Any]] = [
            self._answer_messages(),
            self._send_changes(watch),
            self._recheck_token(),
            watch.overrun(),
        ]
        tasks = [asyncio.ensure_future(part) for part in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Raises what ended the first one: the reason to close.
            for task in done:
                task.result()
        except TooSlow:
            raise _Close(TRY_AGAIN_LATER, "Changes come faster than you read them: connect again") from None
        finally:
            # Waits for the cancelled ones, so that none sends a message after the close frame.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer_messages(self) -> None:
        while True:
            message = await self._receive()
            match message.get("type"):
                case "ping":
                    await self._send({"type": "pong"})
                case "authenticate":
                    await self._renew(message.get("token"))
                case _:
                    raise _Close(MALFORMED, "A message has the type ping or authenticate")

    async def _renew(self, token: object) -> None:
        """Replace the token by one that expires later."""
        caller = await self._verify(token)
        # The watch is that of the first user, and so are the changes that are sent.
        if (caller.issuer, caller.user_id) != (self._caller.issuer, self._caller.user_id):
            raise _Close(FORBIDDEN, "The new token belongs to somebody else: connect again")
        self._caller = caller
        self._renewed.set()
        await self._send({"type": "ready"})

    async def _send_changes(self, watch: Watch) -> None:
        async for change in watch:
            if isinstance(change, SessionEnded) and client_key(change.session_id) == self._caller.client_key:
                raise _Close(UNAUTHORIZED, "The session has ended")
            if message := _wire(change):
                await self._send(message)

    async def _recheck_token(self) -> None:
        while (left := self._caller.expires_at - time.time()) > 0:
            # A renewed token wakes this task, which then waits for the new end.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renewed.wait(), min(left, RECHECK_SECONDS))
                self._renewed.clear()
            try:
                await self._verifier.recheck(self._token, "api")
            except InvalidToken as error:
                raise _Close(UNAUTHORIZED, str(error)) from error
        raise _Close(UNAUTHORIZED, "The token has expired")

    async def _verify(self, token: object) -> Caller:
        if not isinstance(token, str):
            raise _Close(UNAUTHORIZED, "The token is missing")
        try:
            caller = await self._verifier.verify(token, "api")
        except InvalidToken as error:
            raise _Close(UNAUTHORIZED, str(error)) from error
        except (KeysUnavailable, Unavailable):
            raise _Close(TRY_AGAIN_LATER, "Tokens cannot be checked right now: try again soon") from None
        # The verifier's leeway is for requests that arrive late. A socket would close as soon as it opened.
        if caller.expires_at <= time.time():
            raise _Close(UNAUTHORIZED, "The token has expired")
        if READ not in caller.oauth_scopes:
            raise _Close(FORBIDDEN, f"This takes a token with the scope {READ}")
        self._token = token
        return caller

    async def _receive(self) -> dict[str, Any]:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        # Before the message is parsed, which costs more than counting it.
        if self._allowance.take(""):
            raise _Close(TOO_MANY, f"More than {MESSAGES_A_SECOND} messages in a second")
        try:
            parsed: object = json.loads(message.get("text") or "")
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            raise _Close(MALFORMED, "A message is a text frame with a JSON object")
        return cast("dict[str, Any]", parsed)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send_json(message)


def _wire(change: Change | Paused) -> dict[str, Any] | None:
    """The message for a change; None for changes that dashboards do not show."""
    match change:
        case TaskChange():
            return {
                "event_type": change.event_type,
                "task_id": change.task_id,
                "user_id": change.user_id,
                "timestamp": change.timestamp,
            }
        case Resync():
            return {"type": "resync"}
        case Paused():
            return {"type": "paused"}
        case PeopleChange():
            return {"type": "people"}
        case ConversationChange():
            return {"type": "conversation", "conversation_id": change.conversation_id}
        case _:
            return None
