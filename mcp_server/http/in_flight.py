"""How many calls of one person run at the same time. Others wait in line, or are refused for now.

Each call may hold a database connection. Without this limit, one person's slow calls take all connections of the
server, and everybody else waits for them. It protects one process, so each process counts alone.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.rate_limit import rate_limited

MAX_WAITING = 64
"""How many calls of one person wait in line at most: each holds its request in memory."""
WAIT_SECONDS = 5.0
RETRY_SECONDS = 2
REFUSAL_SECONDS = 0.5
"""How long a refusal takes: a client that sends at once again would otherwise keep the process busy with refusals."""
MAX_OUTSTANDING = 100
"""Requests of one person that are anywhere in this process, before they are counted or read."""


class TooManyCalls(Exception):
    """There is no room in the line, or a call has waited too long. The text says what to do."""

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} calls in progress and more in line. Wait {RETRY_SECONDS} s, or send fewer")


@dataclass
class _Line:
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque[asyncio.Future[None]])


class InFlight:
    """Runs at most `most` calls of each person at once (0: no limit), the others in the order in which they came."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def hold(self, person: str) -> AsyncGenerator[None]:
        """Wait for a place, and keep it.

        Raises:
            TooManyCalls: there is none in time.
        """
        if not self._most:
            yield
            return
        line = self._lines.setdefault(person, _Line())
        try:
            await self._enter(line)
            try:
                yield
            finally:
                self._leave(line)
        finally:
            # Otherwise a line would stay for each person who ever called.
            if not line.running and self._lines.get(person) is line:
                del self._lines[person]

    async def _enter(self, line: _Line) -> None:
        if line.running < self._most:
            line.running += 1
            return
        if len(line.waiting) >= MAX_WAITING:
            await asyncio.sleep(REFUSAL_SECONDS)
            raise TooManyCalls(self._most)
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            # The place may have been handed over in the same moment. Otherwise the turn is cancelled, and may have been
            # passed over already.
            if turn.done() and not turn.cancelled():
                self._leave(line)
            elif turn in line.waiting:
                line.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise TooManyCalls(self._most) from error
            raise

    def _leave(self, line: _Line) -> None:
        # The place goes to the first in line. If it became free instead, a call that has just come could take it.
        while line.waiting:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        line.running -= 1


class Admission:
    """Answers 429 to callers with very many requests at once, before these cost more than the check of the token."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most
        self._outstanding: Counter[str] = Counter()

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        caller = asgi_scope.get("caller") if asgi_scope["type"] == "http" and self._most else None
        if caller is None:
            return await self._app(asgi_scope, receive, send)
        person = caller.user_id
        if self._outstanding[person] >= MAX_OUTSTANDING:
            await asyncio.sleep(REFUSAL_SECONDS)
            return await rate_limited(str(TooManyCalls(self._most)), RETRY_SECONDS).send(asgi_scope, receive, send)
        self._outstanding[person] += 1
        try:
            return await self._app(asgi_scope, receive, send)
        finally:
            self._outstanding[person] -= 1
            # A Counter keeps zeros, so it would grow with every person who ever called.
            if not self._outstanding[person]:
                del self._outstanding[person]


class CallsInFlight:
    """Answers 429 to callers with too many calls at once. Sockets and subscription streams have limits of their own."""

    def __init__(self, app: ASGIApp, in_flight: InFlight) -> None:
        self._app = app
        self._in_flight = in_flight

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on in its turn."""
        caller = asgi_scope.get("caller") if asgi_scope["type"] == "http" else None
        if caller is None or asgi_scope.get("message", {}).get("method") == "subscriptions/listen":
            return await self._app(asgi_scope, receive, send)
        try:
            async with self._in_flight.hold(caller.user_id):
                return await self._app(asgi_scope, receive, send)
        except TooManyCalls as error:
            return await rate_limited(str(error), RETRY_SECONDS).send(asgi_scope, receive, send)
