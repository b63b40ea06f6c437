"""How many calls of one person run at the same time. Others wait in line, or are refused for now.

Each call may hold a database connection. Without this limit, one person's slow calls take all connections of the
server, and everybody else waits for them. It protects one process, so each process counts alone.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cachetools import TTLCache
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.rate_limit import REMEMBERED, rate_limited, refusal_seconds

MAX_WAITING = 64
"""How many calls of one person wait in line at most: each holds its request in memory."""
WAIT_SECONDS = 5.0
RETRY_SECONDS = 2
HEAVY_SECONDS = 2.0
"""How much time the calls of one person may take together, beyond the time that passes, before they run one by one."""
LARGE_SECONDS = 0.1
"""Time between two messages of one person that are larger than ordinary ones."""
MAX_OUTSTANDING = 100
"""Requests of one person that are anywhere in this process, before they are counted or read."""


class TooManyCalls(Exception):
    """There is no room in the line, or a call has waited too long. The text says what to do."""

    def __init__(self, most: int) -> None:
        super().__init__(f"You have {most} calls in progress and more in line. Wait {RETRY_SECONDS} s, or send fewer")


@dataclass
class _Line:
    running: int = 0
    # The calls of this line have taken as much time together as passes until this moment (monotonic clock).
    paid: float = 0.0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque[asyncio.Future[None]])


class InFlight:
    """Runs at most `most` calls of each person at once (0: no limit), the others in the order in which they came.

    Someone whose calls take much time gets fewer places: four searches that never pause would fill every core. One
    place at a time is always theirs.
    """

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
            started = time.monotonic()
            try:
                yield
            finally:
                now = time.monotonic()
                line.paid = max(line.paid, now) + now - started
                self._leave(line)
        finally:
            # Otherwise a line would stay for each person who ever called.
            if not line.running and self._lines.get(person) is line:
                del self._lines[person]

    def _places(self, line: _Line) -> int:
        return 1 if line.paid > time.monotonic() + HEAVY_SECONDS else self._most

    async def _enter(self, line: _Line) -> None:
        if line.running < self._places(line):
            line.running += 1
            return
        if len(line.waiting) >= MAX_WAITING:
            await asyncio.sleep(refusal_seconds(MAX_WAITING))
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
        line.running -= 1
        places = self._places(line)
        while line.waiting and line.running < places:
            turn = line.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                line.running += 1


class Spaced:
    """One after the other of each person's, with `seconds` between them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._line = InFlight(1)
        self._last: TTLCache[str, float] = TTLCache(REMEMBERED, seconds, time.monotonic)

    @asynccontextmanager
    async def hold(self, person: str) -> AsyncGenerator[None]:
        """Wait for one's turn.

        Raises:
            TooManyCalls: it does not come in time.
        """
        async with self._line.hold(person):
            if (last := self._last.get(person)) is not None:
                await asyncio.sleep(last + self._seconds - time.monotonic())
            try:
                yield
            finally:
                self._last[person] = time.monotonic()


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
            await asyncio.sleep(refusal_seconds(MAX_OUTSTANDING))
            return await rate_limited(str(TooManyCalls(self._most)), RETRY_SECONDS).send(asgi_scope, receive, send)
        self._outstanding[person] += 1
        # Read by CallerRateLimit.
        asgi_scope["outstanding"] = self._outstanding[person]
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
