"""WS /api/ws: each change that the caller may see, as it happens. docs/contracts/websocket-events.yaml describes it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Generator
from contextlib import contextmanager, suppress
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from mcp_server.http.rate_limit import Allowance
from mcp_server.identity.jwks import KeysUnavailable
from mcp_server.identity.local_issuer import SCOPES
from mcp_server.identity.tokens import RECHECK_SECONDS, Caller, InvalidToken, Verifier
from storage.events.feed import Feed, Paused, Resync, TaskChange, TooSlow, Watch
from storage.schema.errors import Unavailable

AUTHENTICATION_SECONDS = 5.0
CLOSE_SECONDS = 5.0
MAX_SOCKETS = 5
MESSAGES_A_SECOND = 10

MALFORMED, UNAUTHORIZED, FORBIDDEN, TOO_MANY, TOO_SLOW = 4400, 4401, 4403, 4429, 1013


class _Close(Exception):
    """The socket is to be closed: a code (4000 + the HTTP status that means the same) and a sentence."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class LiveSocket:
    """The WebSocket application. Authentication lets sockets without a token pass: their first message brings one."""

    def __init__(self, feed: Feed, verifier: Verifier) -> None:
        self._feed = feed
        self._verifier = verifier
        self._open: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many sockets are open and authenticated."""
        return self._open.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until either side ends it."""
        websocket = WebSocket(scope, receive, send)
        await websocket.accept()
        session = _Session(websocket, self._verifier)
        with suppress(WebSocketDisconnect):
            try:
                caller = await session.begin(proven="caller" in scope)
                scope["caller"] = caller
                with self._counted(caller.user_id), self._feed.watch(caller.user_id) as watch:
                    await session.serve(watch)
            except _Close as close:
                # To somebody who does not read, nothing can be said: the server drops the connection then.
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        await websocket.close(close.code, close.reason)

    @contextmanager
    def _counted(self, user_id: str) -> Generator[None]:
        """The newest is refused, not the oldest ended: six pages of one user would otherwise chase each other."""
        if self._open[user_id] >= MAX_SOCKETS:
            raise _Close(TOO_MANY, f"You have {MAX_SOCKETS} sockets open already: close one first")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]


class _Session:
    """One socket and its caller."""

    def __init__(self, websocket: WebSocket, verifier: Verifier) -> None:
        self._websocket = websocket
        self._verifier = verifier
        self._renewed = asyncio.Event()
        self._allowance = Allowance(MESSAGES_A_SECOND, period=1.0)
        self._token = websocket.headers.get("authorization", "").partition(" ")[2].strip()
        self._caller: Caller

    async def begin(self, *, proven: bool) -> Caller:
        """Who it is, by the token of the request if that was proven, else of the first message."""
        self._caller = await self._authenticate({"token": self._token} if proven else await self._introduction())
        return self._caller

    async def _introduction(self) -> dict[str, Any]:
        try:
            async with asyncio.timeout(AUTHENTICATION_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise _Close(UNAUTHORIZED, f"No token came within {AUTHENTICATION_SECONDS:g} seconds") from None
        except _Close:  # whoever cannot be understood has not said who it is either
            message = dict[str, Any]()
        if message.get("type") != "authenticate":
            raise _Close(UNAUTHORIZED, 'Send {"type": "authenticate", "token": "..."} first')
        return message

    async def serve(self, watch: Watch) -> None:
        """Send changes, answer messages, and end when the token does."""
        # The watch has begun: what changes after this message will be told.
        await self._send({"type": "ready"})
        work: list[Awaitable[Any]] = [self._listen(), self._tell(watch), self._expire(), watch.overrun()]
        tasks = [asyncio.ensure_future(part) for part in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except TooSlow:
            raise _Close(TOO_SLOW, "Changes come faster than you read them: connect again") from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            message = await self._receive()
            match message.get("type"):
                case "ping":
                    await self._send({"type": "pong"})
                case "authenticate":
                    await self._renew(message)
                case _:
                    raise _Close(MALFORMED, "A message has the type ping or authenticate")

    async def _renew(self, message: dict[str, Any]) -> None:
        """A token with a later end takes the place of the first one."""
        caller = await self._authenticate(message)
        if (caller.issuer, caller.user_id) != (self._caller.issuer, self._caller.user_id):
            raise _Close(FORBIDDEN, "The new token belongs to somebody else: connect again")
        self._caller = caller
        self._renewed.set()
        await self._send({"type": "ready"})

    async def _tell(self, watch: Watch) -> None:
        async for change in watch:
            match change:
                case TaskChange():
                    await self._send(change.__dict__)
                case Resync():
                    await self._send({"type": "resync"})
                case Paused():
                    await self._send({"type": "paused"})
                case _:
                    pass

    async def _expire(self) -> None:
        while (left := self._caller.expires_at - time.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._renewed.wait(), min(left, RECHECK_SECONDS))
                self._renewed.clear()
            # Whether it still holds cannot always be told; that alone ends nothing.
            with suppress(KeysUnavailable, Unavailable):
                await self._verify(self._token)
        raise _Close(UNAUTHORIZED, "The token has expired")

    async def _authenticate(self, message: dict[str, Any]) -> Caller:
        token = message.get("token")
        if not isinstance(token, str):
            raise _Close(UNAUTHORIZED, "The token is missing")
        try:
            caller = await self._verify(token)
        except (KeysUnavailable, Unavailable):
            raise _Close(TOO_SLOW, "Tokens cannot be checked right now: try again soon") from None
        self._token = token
        return caller

    async def _verify(self, token: str) -> Caller:
        try:
            caller = await self._verifier.verify(token, "api")
        except InvalidToken as error:
            raise _Close(UNAUTHORIZED, str(error)) from error
        # Requests may come a little late, but a socket would end as soon as it began.
        if caller.expires_at <= time.time():
            raise _Close(UNAUTHORIZED, "The token has expired")
        if SCOPES[0] not in caller.scopes:
            raise _Close(FORBIDDEN, f"This takes a token with the scope {SCOPES[0]}")
        return caller

    async def _receive(self) -> dict[str, Any]:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
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
        await self._websocket.send_text(json.dumps(message, separators=(",", ":")))
