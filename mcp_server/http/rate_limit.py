"""How much one user, and one address, may ask: so much in a minute that begins with the first request."""

import hashlib
import logging
import math
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.identity.callers import Callers
from mcp_server.identity.tokens import Caller
from storage.engine import rate_limit
from storage.schema.errors import Unavailable

logger = logging.getLogger(__name__)

STRANGER_REQUESTS = 300
"""Requests a minute and address whose bearer has not been let in before."""
STRANGER_FAILURES = 20
"""Refused tokens a minute and address."""
REMEMBERED = 10_000
STORE_SECONDS = 0.5
"""How long the shared limit is waited for before this process counts alone."""


class Allowance:
    """Counts in this process: `rate` uses for each key in a window of `period` seconds that begins with the first.

    Memory is bounded: the windows that began first are forgotten.
    """

    def __init__(self, rate: int, period: float = 60.0) -> None:
        self._rate = rate
        self._period = period
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, key: str) -> int:
        """How many seconds until one more use is allowed; 0: it is."""
        ending, used = self._windows.get(key, (0.0, 0))
        return max(0, math.ceil(ending - time.monotonic())) if used >= self._rate else 0

    def take(self, key: str) -> int:
        """Use it once, if `wait` says 0; gives what that says."""
        if seconds := self.wait(key):
            return seconds
        ending, used = self._windows.get(key, (0.0, 0))
        if ending > time.monotonic():
            self._windows[key] = ending, used + 1
            return 0
        self._windows[key] = time.monotonic() + self._period, 1
        self._windows.move_to_end(key)
        if len(self._windows) > REMEMBERED:
            self._windows.popitem(last=False)
        return 0


class Quota:
    """How many requests a user has left: `rate` a minute (0: any number), counted across doors and replicas.

    When the shared count cannot be reached, this process counts alone: a database that is away is no reason to
    refuse, and the request will find that out itself.
    """

    def __init__(self, callers: Callers, rate: int) -> None:
        self.rate = rate
        self._callers = callers
        self._alone = Allowance(rate or 1)

    async def take(self, caller: Caller) -> int:
        """Use one, if there is one: 0, or how many seconds to wait until there is."""
        if not self.rate:
            return 0
        try:
            return await rate_limit.take(self._callers.bare(caller), self.rate, STORE_SECONDS)
        except Unavailable:
            return self._alone.take(caller.user_id)


class LimitUsers:
    """Lets a caller pass who has something left, and answers 429 to others. Stands behind Authenticate."""

    def __init__(self, app: ASGIApp, quota: Quota) -> None:
        self._app = app
        self._quota = quota

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429 (RFC 6585 section 4)."""
        if "caller" not in scope or not (wait := await self._quota.take(scope["caller"])):
            return await self._app(scope, receive, send)
        detail = f"More than {self._quota.rate} requests in a minute. Wait {wait} s until the next one begins"
        return await _refuse(detail, wait, scope, receive, send)


class LimitAddresses:
    """Bounds what an address may try before anybody there is known: requests, and refused tokens.

    A bearer that was let in once is not counted again, so the many users behind one proxy are not one stranger.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests = Allowance(STRANGER_REQUESTS)
        self._failures = Allowance(STRANGER_FAILURES)
        self._known: OrderedDict[bytes, None] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        sent = Headers(scope=scope).get("authorization", "")
        bearer = hashlib.sha256(sent.encode("latin-1")).digest() if sent else b""
        if bearer in self._known:
            return await self._app(scope, receive, send)
        address = _network(scope)
        if wait := self._failures.wait(address) or self._requests.take(address):
            detail = f"Too many requests without a good token from this address. Wait {wait} s"
            return await _refuse(detail, wait, scope, receive, send)
        outcome = await self._watch(scope, receive, send)
        if outcome == "refused":
            self._failures.take(address)
        elif outcome == "known" and bearer:
            self._known[bearer] = None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return None

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> str:
        """Run the application; tells whether a token was refused, or its bearer is known now."""
        tried = "authorization" in Headers(scope=scope)
        outcome = ""

        async def look(message: Message) -> None:
            nonlocal outcome
            match message:
                case {"type": "http.response.start" | "websocket.http.response.start", "status": 401}:
                    outcome = "refused" if tried else ""
                case {"type": "websocket.close", "code": 4401} if not outcome:
                    outcome = "refused"
                case {"type": "http.response.start" | "websocket.send"} if "caller" in scope:
                    outcome = "known"
                case _:
                    pass
            await send(message)

        await self._app(scope, receive, look)
        return outcome


def _network(scope: Scope) -> str:
    """The client's address; of IPv6 the /64, for that is what one customer gets (RFC 6177)."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or int(address) >> 64)


async def _refuse(detail: str, wait: int, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 4429, "reason": detail})
    headers = {"Retry-After": str(wait), "Cache-Control": "no-store"}
    content = {"error": "rate_limited", "detail": detail}
    return await JSONResponse(content, 429, headers)(scope, receive, send)
