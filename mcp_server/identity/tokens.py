"""Verification of tokens: trusted issuers, audiences, times, keys, and personal access tokens."""

import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from cachetools import LRUCache, TTLCache

from mcp_server.identity.access_tokens import (
    Claims,
    Header,
    InvalidToken,
    check_signature,
    describe_caller,
    parse_token,
)
from mcp_server.identity.addresses import addresses
from mcp_server.identity.callers import Caller
from mcp_server.identity.jwks import Key, KeySet, KeysUnavailable
from mcp_server.identity.local_issuer import Audience, LocalIssuer
from mcp_server.settings import Settings
from storage.schema.errors import Unavailable

LEEWAY_SECONDS = 30
"""Clocks of issuer and server may differ by this much (RFC 7519 section 4.1.4)."""
CACHE_ENTRIES = 1024
MAX_ENDED_SESSIONS = 100_000
ENDED_SECONDS = 600.0
"""How long a session is remembered after its end: longer than the five minutes of the dashboard's tokens."""
PERSONAL_PREFIX = "tdp_"
PERSONAL_CACHE_SECONDS = 15.0
"""How long a valid personal token is accepted without asking the database again."""
RECHECK_SECONDS = 10.0
"""How often the token of an open connection is checked again. Together with PERSONAL_CACHE_SECONDS and the time of a
query this stays below the 30 s within which a withdrawn token must stop working (docs/security.md)."""

_PERSONAL = re.compile(r"tdp_[A-Za-z0-9_-]{20,200}")


class Keys(Protocol):
    """A source of an issuer's public keys."""

    async def find(self, kid: str | None, /) -> Key | None: ...  # noqa: D102
    async def ready(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True)
class _Reading:
    """A parsed token, and the key that its signature was checked with."""

    header: Header
    claims: Claims
    caller: Caller
    verified_with: Key | None = None


class Verifier:
    """Finds out who the bearer of a token is.

    Trusts TASKDECK_ISSUER alone if it is set, otherwise the built-in issuer and the dashboard's, if one runs.
    `find_personal_token` gets the hex SHA-256 of a personal access token and returns its owner, or None.
    `clock` is the wall clock (Unix seconds), `ticks` a monotonic clock (seconds). Build the verifier once the port is
    known.
    """

    def __init__(
        self,
        settings: Settings,
        dashboard_url: str | None = None,
        find_personal_token: Callable[[str], Awaitable[Caller | None]] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.authorization_server = settings.issuer or dashboard_url
        self._find_personal_token = find_personal_token
        self._clock = clock
        self._issuers: dict[str, Keys] = {}
        self._local_issuer: str | None = None
        if settings.issuer and settings.jwks_url:
            self._issuers[settings.issuer] = KeySet(settings.jwks_url, ticks)
        else:
            local = LocalIssuer(settings)
            self._local_issuer = local.name
            self._issuers[local.name] = local
            if dashboard_url:
                self._issuers[dashboard_url] = KeySet(f"{dashboard_url}/api/auth/jwks", ticks)
        self._audiences: dict[str, Audience] = {}
        for base in addresses(settings):
            self._audiences |= {f"{base}/mcp": "mcp", f"{base}/api": "api"}
        self._readings: LRUCache[str, _Reading] = LRUCache(CACHE_ENTRIES)
        self._ended: TTLCache[str, bool] = TTLCache(MAX_ENDED_SESSIONS, ENDED_SECONDS, ticks)
        self._personal: TTLCache[str, Caller] = TTLCache(CACHE_ENTRIES, PERSONAL_CACHE_SECONDS, ticks)

    async def verify(self, token: str, audience: Audience) -> Caller:
        """The bearer of `token`, if it is valid for this audience.

        Raises:
            InvalidToken: it is not.
            KeysUnavailable, Unavailable: the issuer's keys, or the database, cannot be reached.
        """
        # No JWT begins with the prefix: "t" encodes a byte that begins no JSON. Personal tokens are valid at both
        # endpoints.
        if token.startswith(PERSONAL_PREFIX):
            return replace(await self._verify_personal(token), audience=audience)
        # The cache only saves parsing and the signature check: times, audience and key are checked each time.
        reading = self._readings.get(token) or self._read(token)
        self._check_times(reading.claims)
        if reading.caller.audience != audience:
            raise InvalidToken("The token is for another audience")
        # An AI client outlives the session in which it was allowed.
        if audience == "api" and reading.claims.sid in self._ended:
            raise InvalidToken("The session has ended")
        # Asked each time, so that a withdrawn key is noticed as soon as the key set is fetched without it.
        key = await self._issuers[reading.claims.iss].find(reading.header.kid or None)
        if key is None:
            self._readings.pop(token, None)
            raise InvalidToken("The token is signed with an unknown key")
        if key != reading.verified_with:
            self._readings.pop(token, None)
            check_signature(token, key)
            # Only now, so that tokens with a wrong signature cannot displace good ones.
            self._readings[token] = replace(reading, verified_with=key)
        return reading.caller

    async def recheck(self, token: str, audience: Audience) -> None:
        """Check the token of an open connection again.

        Raises:
            InvalidToken: it no longer lets its bearer in. An outage of keys or database ends no connection.
        """
        with suppress(KeysUnavailable, Unavailable):
            await self.verify(token, audience)

    def end_session(self, session_id: str) -> None:
        """Refuse the dashboard's tokens for this session from now on."""
        self._ended[session_id] = True

    async def ready(self) -> bool:
        """Whether the keys of at least one trusted issuer are known; fetches them if they are not."""
        # One is enough: beside the built-in issuer, a dashboard that restarts must not take this server out of service.
        for keys in self._issuers.values():
            if await keys.ready():
                return True
        return False

    def _read(self, token: str) -> _Reading:
        """Parse a token, and check everything that needs neither a clock nor a key."""
        header, claims = parse_token(token)
        if claims.iss not in self._issuers:
            raise InvalidToken("The token comes from an issuer that is not trusted here")
        built_in = claims.iss == self._local_issuer
        return _Reading(header, claims, describe_caller(claims, self._find_audience(claims), built_in=built_in))

    def _find_audience(self, claims: Claims) -> Audience:
        """The one audience of ours that the token names.

        A list is refused, because any of its audiences could replay the token here (RFC 8725 section 3.9). One shape is
        accepted: our audience and the issuer's own userinfo endpoint, which OpenID providers add for the scope
        `openid`, and which gives the issuer nothing that it did not have.
        """
        named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        ours = [aud for aud in named if aud in self._audiences]
        others = [aud for aud in named if aud not in self._audiences]
        foreign = [a for a in others if not (a.startswith(f"{claims.iss}/") and a.endswith("/oauth2/userinfo"))]
        if len(ours) != 1 or len(others) > 1 or foreign:
            raise InvalidToken("The token is for another audience")
        return self._audiences[ours[0]]

    def _check_times(self, claims: Claims) -> None:
        now = self._clock()
        if now > claims.exp + LEEWAY_SECONDS:
            raise InvalidToken("The token has expired")
        if claims.nbf > now + LEEWAY_SECONDS or claims.iat > now + LEEWAY_SECONDS:
            raise InvalidToken("The token is not valid yet")

    async def _verify_personal(self, token: str) -> Caller:
        if self._find_personal_token is None or not _PERSONAL.fullmatch(token):
            raise InvalidToken("The personal access token is not known")
        # Only the hash of a personal token is stored, so a copy of the database opens no account.
        digest = hashlib.sha256(token.encode()).hexdigest()
        caller = self._personal.get(digest)
        if caller is None:
            caller = await self._find_personal_token(digest)
            if caller is None:
                raise InvalidToken("The personal access token is not known, or was withdrawn")
            # Unknown tokens are not cached: a new one works at once, and guesses cannot displace good ones.
            self._personal[digest] = caller
        if self._clock() >= caller.expires_at:
            raise InvalidToken("The personal access token has expired")
        return caller
