"""Rate limits by client, person and address, in windows of a minute that begin with the first request."""

import asyncio
import hashlib
import logging
import math
import random
import time
from collections.abc import Set
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from cachetools import FIFOCache, LRUCache, TTLCache
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.http.refusals import Refusal
from mcp_server.identity.callers import Caller
from storage.engine import rate_limit
from storage.engine.database import Database
from storage.engine.rate_limit import Lease, Waits
from storage.schema.errors import Unavailable

logger = logging.getLogger(__name__)

ANONYMOUS_REQUESTS = 300
"""Requests per minute and address without a token that was accepted before."""
REFUSED_TOKENS = 20
"""Refused tokens per minute and address."""
CLIENTS_PER_PERSON = 4
"""How many clients of one person may use up their limit at the same time."""
# Bounds memory: an attacker can use as many IPv6 networks and tokens as there are.
REMEMBERED = 10_000
STORE_SECONDS = 0.5
"""How long to wait for the shared count before this process counts alone."""
REFUSALS_A_SECOND = 100
"""About how many requests of one person are refused in a second.

The others wait for their refusal: a client that sends again at once would otherwise keep the process busy.
"""
MAX_LEASE = 16
"""How many requests of a busy client are counted at once."""
LEASE_SECONDS = 1.0
"""A client that has used up its lease within this time gets one twice as large."""


@dataclass
class _Window:
    ends: float
    used: int = 0


class Allowance:
    """Counts in this process: `rate` uses for each key in a window of `period` seconds that begins with the first.

    Memory is bounded: of more than `REMEMBERED` keys, those used longest ago are forgotten.
    """

    def __init__(self, rate: int, period: float = 60.0) -> None:
        self._rate = rate
        self._period = period
        self._windows: TTLCache[str, _Window] = TTLCache(REMEMBERED, period, time.monotonic)

    def wait(self, key: str) -> int:
        """Seconds until one more use is allowed; 0 if it is allowed now."""
        window = self._windows.get(key)
        if window is None or window.used < self._rate:
            return 0
        return max(0, math.ceil(window.ends - time.monotonic()))

    def take(self, key: str) -> int:
        """Count one use if it is allowed; returns what `wait` says."""
        if seconds := self.wait(key):
            return seconds
        window = self._windows.get(key)
        if window is None:
            # The cache forgets a window `period` seconds after it is stored, so a count must change it in place.
            self._windows[key] = window = _Window(time.monotonic() + self._period)
        window.used += 1
        return 0


@dataclass(frozen=True)
class Exceeded:
    """A limit that is used up: a sentence for people, and the seconds until the window ends."""

    detail: str
    wait: int


@dataclass
class _Leased:
    """Requests of one client that are counted already, and may be made until `ends` (monotonic clock)."""

    left: int = 0
    ends: float = 0.0
    renewed: float = -math.inf
    size: int = 1
    renewing: asyncio.Task[Lease] | None = None


class Quota:
    """Limits the requests per minute of a client, and of all clients of a person together.

    `rate` is the limit of a client (0: none). A person has `CLIENTS_PER_PERSON` times that, or creating many tokens
    would lift the limit. Both are counted in PostgreSQL, over all endpoints and replicas. If the database does not
    answer, this process counts alone: the request itself will report the outage.

    A busy client's requests are counted several at a time, before they are made. So a minute never has more than the
    limit; it has a few less if a client stops in the middle, or sends its last ones to another replica.
    """

    def __init__(self, database: Database, rate: int) -> None:
        self._database = database
        self._client_rate = rate
        self._person_rate = CLIENTS_PER_PERSON * rate
        self._clients = Allowance(self._client_rate or 1)
        self._persons = Allowance(self._person_rate or 1)
        self._leases: LRUCache[tuple[str, str], _Leased] = LRUCache(REMEMBERED)

    async def take(self, caller: Caller) -> Exceeded | None:
        """Count a request; None if both limits have room for it, else it counts in neither."""
        if not self._client_rate:
            return None
        key = (caller.user_id, caller.client_key)
        leased = self._leases.get(key)
        if leased is None:
            self._leases[key] = leased = _Leased()
        waits = Waits()
        try:
            while not self._use(leased) and waits == Waits():
                waits = await self._renew(leased, caller)
        except Unavailable:
            # Refusing instead would turn a slow database into an outage of everything that does not need it.
            waits = self._take_alone(caller)
        if waits.client:
            return _exceeded("This client", self._client_rate, waits.client)
        if waits.person:
            return _exceeded("All your clients together", self._person_rate, waits.person)
        return None

    def _use(self, leased: _Leased) -> bool:
        if not leased.left or time.monotonic() >= leased.ends:
            return False
        leased.left -= 1
        return True

    async def _renew(self, leased: _Leased, caller: Caller) -> Waits:
        """Count more requests. All that wait for the same client share one question to the database."""
        if leased.renewing is None:
            leased.renewing = asyncio.create_task(self._ask(leased, caller))
        # Shielded, because the request of one may be cancelled while others wait for the same answer.
        return (await asyncio.shield(leased.renewing)).waits

    async def _ask(self, leased: _Leased, caller: Caller) -> Lease:
        asked = time.monotonic()
        # Twice as many as last time if those were used up within a second: a client that only looks in gets one.
        quick = asked - leased.renewed < LEASE_SECONDS and not leased.left
        leased.size = min(MAX_LEASE, 2 * leased.size) if quick else 1
        try:
            lease = await rate_limit.take(
                self._database,
                caller.user_id,
                caller.client_key,
                leased.size,
                client_rate=self._client_rate,
                person_rate=self._person_rate,
                seconds=STORE_SECONDS,
            )
        finally:
            leased.renewing = None
        # From before the question, so that the lease ends before the window does, however long the answer took.
        leased.left, leased.ends, leased.renewed = lease.granted, asked + lease.seconds, asked
        return lease

    def _take_alone(self, caller: Caller) -> Waits:
        client = f"{caller.user_id} {caller.client_key}"
        waits = Waits(self._clients.wait(client), self._persons.wait(caller.user_id))
        if waits == Waits():
            self._clients.take(client)
            self._persons.take(caller.user_id)
        return waits


def _exceeded(who: str, rate: int, wait: int) -> Exceeded:
    return Exceeded(f"{who} made more than {rate} requests in a minute. Wait {wait} s", wait)


def rate_limited(detail: str, wait: int) -> Refusal:
    """The response to a request beyond a limit (RFC 6585 section 4)."""
    return Refusal(429, "rate_limited", detail, retry_after=wait)


def refusal_seconds(outstanding: int) -> float:
    """How long a refusal takes if so many requests of the same person are under way."""
    # Random, or all the clients that were refused together would send again together.
    return random.uniform(0.5, 1.5) * outstanding / REFUSALS_A_SECOND  # noqa: S311


class CallerRateLimit:
    """Answers 429 to a caller whose limit is used up (RFC 6585 section 4). Requests without a caller pass."""

    def __init__(self, app: ASGIApp, quota: Quota) -> None:
        self._app = app
        self._quota = quota

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if "caller" not in asgi_scope or not (exceeded := await self._quota.take(asgi_scope["caller"])):
            return await self._app(asgi_scope, receive, send)
        await asyncio.sleep(refusal_seconds(asgi_scope.get("outstanding", 0)))
        return await rate_limited(exceeded.detail, exceeded.wait).send(asgi_scope, receive, send)


class AddressRateLimit:
    """Limits, for each address, the requests without an accepted token, and the refused tokens.

    A token that was accepted once is not counted again, so users behind one proxy do not share a limit. `exempt`
    paths are never limited: monitoring, and clients that look up where to sign in, must not suffer from somebody else
    at the same address.
    """

    def __init__(self, app: ASGIApp, exempt: Set[str]) -> None:
        self._app = app
        self._exempt = exempt
        self._requests = Allowance(ANONYMOUS_REQUESTS)
        self._failures = Allowance(REFUSED_TOKENS)
        self._known: FIFOCache[bytes, None] = FIFOCache(REMEMBERED)

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 429."""
        if asgi_scope["type"] not in ("http", "websocket") or asgi_scope["path"] in self._exempt:
            return await self._app(asgi_scope, receive, send)
        sent = Headers(scope=asgi_scope).get("authorization", "")
        # A hash has a fixed size, whatever the client sent.
        bearer = hashlib.sha256(sent.encode("latin-1")).digest() if sent else b""
        # Only tokens that were accepted are ever stored, so guesses cannot displace them.
        if bearer in self._known:
            return await self._app(asgi_scope, receive, send)
        address = _network(asgi_scope)
        # Refused tokens are counted afterwards, when the outcome is known; here only whether there were too many.
        if wait := self._failures.wait(address) or self._requests.take(address):
            detail = f"Too many requests without a good token from this address. Wait {wait} s"
            return await rate_limited(detail, wait).send(asgi_scope, receive, send)
        outcome = await self._watch(asgi_scope, receive, send)
        if outcome == "refused":
            self._failures.take(address)
        elif outcome == "known" and bearer:
            self._known[bearer] = None
        return None

    async def _watch(self, asgi_scope: Scope, receive: Receive, send: Send) -> str:
        """Run the application. Returns "refused" if it refused a token, "known" if it accepted one."""
        tried = "authorization" in Headers(scope=asgi_scope)
        outcome = ""

        async def look(message: Message) -> None:
            nonlocal outcome
            match message:
                # A request without a token is the normal first step of signing in, and no guess.
                case {"type": "http.response.start" | "websocket.http.response.start", "status": 401}:
                    outcome = "refused" if tried else ""
                # A socket whose first message brought the token. If it was accepted, the end of the token later on
                # is no guess either.
                case {"type": "websocket.close", "code": 4401} if not outcome:
                    outcome = "refused"
                case {"type": "http.response.start" | "websocket.send"} if "caller" in asgi_scope:
                    outcome = "known"
                case _:
                    pass
            await send(message)

        await self._app(asgi_scope, receive, look)
        return outcome


def _network(asgi_scope: Scope) -> str:
    """The client's address; for IPv6 its /64, which is what one customer gets at least (RFC 6177)."""
    host = (asgi_scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if not isinstance(address, IPv6Address):
        return str(address)
    # A proxy with a dual-stack socket reports IPv4 clients as ::ffff:a.b.c.d: all of them would be one /64.
    return str(address.ipv4_mapped or int(address) >> 64)
