"""Tokens: what one must look like, and who its bearer is.

A JSON Web Token is checked by RFC 7519, RFC 8725 (best practice) and RFC 9068 (access tokens), and stricter:
docs/security.md lists every case.
"""

import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Protocol, cast

import jwt
from cachetools import LRUCache, TTLCache
from jwt.utils import base64url_decode
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from mcp_server.identity.addresses import addresses
from mcp_server.identity.jwks import Key, KeySet
from mcp_server.identity.local_issuer import (
    EMAIL_LENGTH,
    MAX_LIFETIME_SECONDS,
    NAME_LENGTH,
    SUBJECT,
    Audience,
    LocalIssuer,
    plain,
)
from mcp_server.settings import Settings
from storage.people.timezones import is_timezone

MAX_TOKEN_BYTES = 8192
MAX_KID_LENGTH = 128
MAX_CLIENT_LENGTH = 320
LEEWAY_SECONDS = 30
CACHE_ENTRIES = 1024
PERSONAL_PREFIX = "tdp_"
PERSONAL_CACHE_SECONDS = 15.0
"""How long a personal token that was found good is believed."""
RECHECK_SECONDS = 10.0
"""How often a connection that stays open looks at its token again. With PERSONAL_CACHE_SECONDS, and some time to ask,
at most the 30 s that a withdrawn token may work (docs/security.md)."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PERSONAL = re.compile(r"tdp_[A-Za-z0-9_-]{20,200}")
_JWS = jwt.PyJWS()


class InvalidToken(Exception):
    """The token does not let its bearer in. The text says why, and repeats nothing of the token."""


UNNAMED_CLIENTS = frozenset({"stdio", "taskdeck"})
"""Names that stand for no program in particular: the local user of stdio, and whoever holds a `taskdeck token`."""


@dataclass(frozen=True)
class Caller:
    """Who asks, as far as a token says.

    `expires_at` is in Unix seconds (infinite: never); `timezone` is an IANA name; `client` is the program
    that the token was given to; `audience` is the door that it opens; a person is (`issuer`, `user_id`).
    `client_key` tells the clients of one person apart: see `client_key`.
    """

    user_id: str
    email: str | None
    name: str | None
    timezone: str | None
    scopes: frozenset[str]
    client: str | None
    expires_at: float
    audience: Audience
    issuer: str
    client_key: str


class Keys(Protocol):
    """Where an issuer's public keys come from."""

    async def find(self, kid: str | None, /) -> Key | None: ...  # noqa: D102
    async def ready(self) -> bool: ...  # noqa: D102


def _shorten(typ: object) -> object:
    """A media type as RFC 7515 section 4.1.9 has it: the letters' case means nothing, nor does `application/`."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ


class _Header(BaseModel):
    model_config = ConfigDict(strict=True)

    typ: Annotated[Literal["jwt", "at+jwt"], BeforeValidator(_shorten)] = "jwt"
    kid: Annotated[str, Field(max_length=MAX_KID_LENGTH)] = ""


class _Claims(BaseModel):
    """`strict` keeps "1" and true from being numbers. Claims that only decorate are read leniently later."""

    model_config = ConfigDict(strict=True)

    iss: str
    sub: Annotated[str, Field(pattern=SUBJECT)]
    aud: str | list[str]
    exp: FiniteFloat
    iat: FiniteFloat
    nbf: FiniteFloat = 0
    scope: str = ""
    client_id: object = None
    azp: object = None
    sid: object = None
    jti: object = None
    email: object = None
    name: object = None
    zoneinfo: object = None


@dataclass(frozen=True)
class _Reading:
    """A token taken apart, and the key that its signature was found good with."""

    header: _Header
    claims: _Claims
    caller: Caller
    verified_with: Key | None = None


class Verifier:
    """Decides who the bearer of a token is.

    Trusts TASKDECK_ISSUER alone if it is set, else the built-in issuer and the dashboard's, if one runs.
    `find_personal_token` gets the hex SHA-256 of a personal access token and gives its owner, or None.
    `clock` is the wall clock (Unix seconds), `ticks` one that never goes back (seconds). Build the verifier
    once the port is known.
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
        self._personal: TTLCache[str, Caller] = TTLCache(CACHE_ENTRIES, PERSONAL_CACHE_SECONDS, ticks)

    async def verify(self, token: str, audience: Audience) -> Caller:
        """The bearer of `token`, if it opens this door.

        Raises:
            InvalidToken: it does not.
            KeysUnavailable: nobody can tell now, for the issuer's keys cannot be fetched.
        """
        if token.startswith(PERSONAL_PREFIX):
            return replace(await self._verify_personal(token), audience=audience)
        # A known token skips parsing and signature only: times, audience and key are looked at each time.
        reading = self._readings.get(token) or self._read(token)
        self._check_times(reading.claims)
        if reading.caller.audience != audience:
            raise InvalidToken("The token is for another audience")
        key = await self._issuers[reading.claims.iss].find(reading.header.kid or None)
        if key is None:
            self._readings.pop(token, None)
            raise InvalidToken("The token is signed with an unknown key")
        if key != reading.verified_with:
            self._readings.pop(token, None)
            _check_signature(token, key)
            self._readings[token] = replace(reading, verified_with=key)
        return reading.caller

    async def ready(self) -> bool:
        """Whether the keys of at least one trusted issuer are at hand; fetches them if not."""
        for keys in self._issuers.values():
            if await keys.ready():
                return True
        return False

    def _read(self, token: str) -> _Reading:
        """Take a token apart and check all that needs neither a clock nor a key."""
        if len(token) > MAX_TOKEN_BYTES:
            raise InvalidToken("The token is too long")
        if not _COMPACT.fullmatch(token):
            raise InvalidToken("This is not a JSON Web Token")
        try:
            header, claims = (_parse(segment) for segment in token.split(".")[:2])
            if "crit" in header:
                raise InvalidToken("The token uses an extension that is not supported")
            head, body = _Header.model_validate(header), _Claims.model_validate(claims)
        except (ValidationError, ValueError, RecursionError) as error:
            raise InvalidToken("The token is malformed, or lacks a required claim") from error
        if body.iss not in self._issuers:
            raise InvalidToken("The token comes from an issuer that is not trusted here")
        if body.exp - body.iat > MAX_LIFETIME_SECONDS:
            raise InvalidToken("The token lives longer than 24 hours")
        return _Reading(head, body, _describe(body, self._door(body), built_in=body.iss == self._local_issuer))

    def _door(self, claims: _Claims) -> Audience:
        """The one door that the token opens.

        A list is refused, for any of its audiences could replay the token here (RFC 8725 section 3.9), save
        one shape: our door and the userinfo endpoint of the issuer itself, which OpenID providers add for the
        scope `openid`, and which gives the issuer nothing that it did not have.
        """
        named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        ours = [aud for aud in named if aud in self._audiences]
        others = [aud for aud in named if aud not in self._audiences]
        foreign = [a for a in others if not (a.startswith(f"{claims.iss}/") and a.endswith("/oauth2/userinfo"))]
        if len(ours) != 1 or len(others) > 1 or foreign:
            raise InvalidToken("The token is for another audience")
        return self._audiences[ours[0]]

    def _check_times(self, claims: _Claims) -> None:
        now = self._clock()
        if now > claims.exp + LEEWAY_SECONDS:
            raise InvalidToken("The token has expired")
        if claims.nbf > now + LEEWAY_SECONDS or claims.iat > now + LEEWAY_SECONDS:
            raise InvalidToken("The token is not valid yet")

    async def _verify_personal(self, token: str) -> Caller:
        if self._find_personal_token is None or not _PERSONAL.fullmatch(token):
            raise InvalidToken("The personal access token is not known")
        digest = hashlib.sha256(token.encode()).hexdigest()
        caller = self._personal.get(digest)
        if caller is None:
            caller = await self._find_personal_token(digest)
            if caller is None:
                raise InvalidToken("The personal access token is not known, or was withdrawn")
            self._personal[digest] = caller
        if self._clock() >= caller.expires_at:
            raise InvalidToken("The personal access token has expired")
        return caller


def _parse(segment: str) -> dict[str, object]:
    """One JSON object. Names that come twice are refused (RFC 8725 section 2.4), as are NaN and Infinity."""

    def build(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    def refuse(constant: str) -> object:
        raise ValueError(constant)

    text = base64url_decode(segment).decode()
    parsed: object = json.loads(text, object_pairs_hook=build, parse_constant=refuse)
    if not isinstance(parsed, dict):
        raise ValueError("not an object")
    return cast("dict[str, object]", parsed)


def _check_signature(token: str, key: Key) -> None:
    try:
        # The key says which algorithm, never the token (RFC 8725 section 3.1).
        _JWS.decode_complete(token, key.public, algorithms=[key.algorithm])
    except jwt.PyJWTError as error:
        raise InvalidToken("The signature is wrong") from error


def client_key(name: str) -> str:
    """A client's name as a key of fixed length, whatever it is made of. Keys of different persons may be equal."""
    return hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:32]


def _name_client(claims: _Claims, audience: Audience, *, built_in: bool) -> str:
    """What stays the same when a client renews its token: its id, or the session of the dashboard (`sid`).

    The built-in issuer gives all its tokens the same client id and renews none: there each token is a client. Tokens
    of an issuer that names no client are one client for each audience.
    """
    names = (claims.jti if built_in else None, claims.client_id, claims.azp, claims.sid)
    return next((name for name in names if isinstance(name, str) and name), audience)


def _describe(claims: _Claims, audience: Audience, *, built_in: bool) -> Caller:
    return Caller(
        user_id=claims.sub,
        email=plain(claims.email, *EMAIL_LENGTH),
        name=plain(claims.name, *NAME_LENGTH),
        timezone=_timezone(claims.zoneinfo),
        scopes=frozenset(claims.scope.split(" ")) - {""},
        client=plain(claims.client_id, 1, MAX_CLIENT_LENGTH) or plain(claims.azp, 1, MAX_CLIENT_LENGTH),
        expires_at=claims.exp,
        audience=audience,
        issuer=claims.iss,
        client_key=client_key(_name_client(claims, audience, built_in=built_in)),
    )


def _timezone(value: object) -> str | None:
    """The claim `zoneinfo` (OpenID Connect Core 1.0 section 5.1), if there is such a zone."""
    return value if isinstance(value, str) and is_timezone(value) else None
