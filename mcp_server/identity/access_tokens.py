"""Signed access tokens (JWT): their format, their claims and their signature.

They are read by RFC 7519, RFC 8725 (best practice) and RFC 9068 (access tokens), and more strictly than these require:
docs/security.md lists every case. Issuers, audiences and times are checked in tokens.py.
"""

import json
import re
from typing import Annotated, Literal, cast

import jwt
from jwt.utils import base64url_decode
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from mcp_server.identity.callers import Caller, client_key
from mcp_server.identity.jwks import Key
from mcp_server.identity.local_issuer import (
    EMAIL_LENGTH,
    MAX_LIFETIME_SECONDS,
    NAME_LENGTH,
    Audience,
    displayable,
)
from storage.people.timezones import is_timezone
from storage.schema.request_models import USER_ID

MAX_TOKEN_BYTES = 8192
MAX_KID_LENGTH = 128
MAX_CLIENT_LENGTH = 320

# RFC 7515 section 7.1; section 2 allows no padding.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# Signatures only: PyJWT's own check of claims accepts repeated names and several audiences.
_JWS = jwt.PyJWS()


class InvalidToken(Exception):
    """The token is refused. The text says why, and repeats nothing of the token."""


def _normalize_type(typ: object) -> object:
    """A media type without `application/` and in lower case, which mean the same (RFC 7515 section 4.1.9)."""
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else typ


class Header(BaseModel):
    """The parts of a token's header that are used."""

    model_config = ConfigDict(strict=True)

    typ: Annotated[Literal["jwt", "at+jwt"], BeforeValidator(_normalize_type)] = "jwt"
    kid: Annotated[str, Field(max_length=MAX_KID_LENGTH)] = ""


class Claims(BaseModel):
    """The claims that are used. Those typed `object` never decide about access, so a bad value counts as none."""

    # Strict, or pydantic would take "1" and true for numbers.
    model_config = ConfigDict(strict=True)

    iss: str
    sub: Annotated[str, Field(pattern=f"^{USER_ID}$")]
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
    email_verified: object = None
    name: object = None
    zoneinfo: object = None


def parse_token(token: str) -> tuple[Header, Claims]:
    """Parse a token. Its signature is not checked yet.

    Raises:
        InvalidToken: it is malformed, lacks a claim, or lives too long.
    """
    # All of this runs before the signature is checked, on text that anybody may send: the length comes first.
    if len(token) > MAX_TOKEN_BYTES:
        raise InvalidToken("The token is too long")
    if not _COMPACT.fullmatch(token):
        raise InvalidToken("This is not a JSON Web Token")
    try:
        header, claims = (_parse_segment(segment) for segment in token.split(".")[:2])
        # RFC 7515 section 4.1.11: what "crit" names must be understood, and nothing is.
        if "crit" in header:
            raise InvalidToken("The token uses an extension that is not supported")
        parsed = Header.model_validate(header), Claims.model_validate(claims)
    except (ValidationError, ValueError, RecursionError) as error:
        raise InvalidToken("The token is malformed, or lacks a required claim") from error
    # A stolen token works until it expires, so an issuer that grants a year is refused.
    if parsed[1].exp - parsed[1].iat > MAX_LIFETIME_SECONDS:
        raise InvalidToken("The token lives longer than 24 hours")
    return parsed


def _parse_segment(segment: str) -> dict[str, object]:
    """One JSON object. A repeated name is refused (RFC 7515 and RFC 7519, section 4), as are NaN and Infinity."""

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


def check_signature(token: str, key: Key) -> None:
    """Check the signature.

    Raises:
        InvalidToken: the key did not sign this token.
    """
    try:
        # The key says which algorithm, never the token (RFC 8725 section 3.1).
        _JWS.decode_complete(token, key.public, algorithms=[key.algorithm])
    except jwt.PyJWTError as error:
        raise InvalidToken("The signature is wrong") from error


def describe_caller(claims: Claims, audience: Audience, *, built_in: bool) -> Caller:
    """The bearer. `built_in`: the token comes from the built-in issuer."""
    return Caller(
        user_id=claims.sub,
        email=_verified_email(claims),
        name=displayable(claims.name, *NAME_LENGTH),
        timezone=_timezone(claims.zoneinfo),
        oauth_scopes=frozenset(claims.scope.split(" ")) - {""},
        client=displayable(claims.client_id, 1, MAX_CLIENT_LENGTH) or displayable(claims.azp, 1, MAX_CLIENT_LENGTH),
        expires_at=claims.exp,
        audience=audience,
        issuer=claims.iss,
        client_key=client_key(_name_client(claims, audience, built_in=built_in)),
    )


def _verified_email(claims: Claims) -> str | None:
    """The claim `email`, if the issuer says that its user proved it (OpenID Connect Core 1.0 section 5.1).

    People share tasks by e-mail address, so an address that somebody merely typed must not count.
    """
    return displayable(claims.email, *EMAIL_LENGTH) if claims.email_verified is True else None


def _timezone(value: object) -> str | None:
    """The claim `zoneinfo` (OpenID Connect Core 1.0 section 5.1), if there is such a zone."""
    return value if isinstance(value, str) and is_timezone(value) else None


def _name_client(claims: Claims, audience: Audience, *, built_in: bool) -> str:
    """What stays the same when a client renews its token: its id, or the dashboard's session (`sid`).

    The built-in issuer puts one client id into all its tokens and renews none, so there each token is a client. Tokens
    of an issuer that names no client count as one client for each audience.
    """
    names = (claims.jti if built_in else None, claims.client_id, claims.azp, claims.sid)
    return next((name for name in names if isinstance(name, str) and name), audience)
