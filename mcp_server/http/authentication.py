"""Authentication: verifies the bearer token of a request and puts the caller into `asgi_scope["caller"]`."""

import logging
import math
from functools import lru_cache
from urllib.parse import parse_qs

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http.refusals import Refusal
from mcp_server.http.resource_metadata import METADATA
from mcp_server.identity.access_tokens import InvalidToken
from mcp_server.identity.addresses import address_for
from mcp_server.identity.callers import Caller
from mcp_server.identity.jwks import KeysUnavailable
from mcp_server.identity.local_issuer import OAUTH_SCOPES, READ, WRITE, Audience
from mcp_server.identity.local_owner import read_local_owner
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import Settings, SettingsError
from storage.schema.errors import Unavailable

logger = logging.getLogger(__name__)

OPENAPI = "/api/openapi.json"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that change nothing (RFC 9110 section 9.2.1)."""
_ALL = " ".join(OAUTH_SCOPES)


def audience_of(path: str) -> Audience | None:
    """The audience that a token needs for a path; None where no token is needed."""
    if path == "/mcp":
        return "mcp"
    return "api" if path.startswith("/api/") and path != OPENAPI else None


class Authentication:
    """Requires a valid bearer token where `audience_of` names an audience. /api also requires the scope mcp:read, or
    mcp:write for methods that change something.

    Answers 401 without a valid token (RFC 6750 section 3), 403 without the OAuth scope, 503 if the token cannot be
    checked now. A WebSocket without a token passes without a caller: its first message may bring one. Which scope a
    message to /mcp requires depends on the tool: see McpRequests.
    """

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = AuthContextMiddleware(app)
        self._verifier = verifier

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        audience = audience_of(asgi_scope["path"]) if asgi_scope["type"] in ("http", "websocket") else None
        try:
            if audience:
                await self._authenticate(asgi_scope, audience)
        except Refusal as refusal:
            logger.info("refused %r: %s", asgi_scope["path"], refusal)
            return await refusal.send(
                asgi_scope, receive, send, challenge(refusal, asgi_scope, self._verifier.settings)
            )
        return await self._app(asgi_scope, receive, send)

    async def _authenticate(self, asgi_scope: Scope, audience: Audience) -> None:
        token = find_bearer(asgi_scope)
        if token is None and asgi_scope["type"] == "websocket":
            return
        caller = await self._identify(token, audience)
        if audience == "api":
            check_oauth_scope(caller, READ if asgi_scope.get("method", "GET") in SAFE_METHODS else WRITE)
        asgi_scope["caller"] = caller
        # The names that Starlette's and the SDK's own authentication use. AuthContextMiddleware, which follows, copies
        # the user into the SDK's context variable.
        asgi_scope["user"], asgi_scope["auth"] = _describe_to_sdk(caller)

    async def _identify(self, token: str | None, audience: Audience) -> Caller:
        if token is None:
            raise Refusal(
                401, "unauthorized", "Send a token in the header Authorization: Bearer TOKEN", oauth_scope=_ALL
            )
        try:
            return await self._verifier.verify(token, audience)
        except InvalidToken as error:
            raise Refusal(401, "invalid_token", str(error), oauth_scope=_ALL) from error
        except (KeysUnavailable, Unavailable) as error:
            # Not 401: a client would discard a good token and ask the person to sign in again.
            detail = "Tokens cannot be checked right now. Try again soon"
            raise Refusal(503, "unavailable", detail, retry_after=error.retry_after) from error


def check_oauth_scope(caller: Caller, needed: str) -> None:
    """Check that the token allows what is asked.

    Raises:
        Refusal: 403.
    """
    if needed not in caller.oauth_scopes:
        # Clients then request exactly the scopes that the challenge names: without mcp:read they would lose it.
        wanted = needed if needed == READ else f"{READ} {needed}"
        raise Refusal(403, "insufficient_scope", f"This takes a token with the scope {needed}", oauth_scope=wanted)


def challenge(refusal: Refusal, asgi_scope: Scope, settings: Settings) -> dict[str, str]:
    """The header WWW-Authenticate (RFC 6750 section 3, RFC 9728 section 5.1), where a token would help."""
    if not refusal.oauth_scope:
        return {}
    base = address_for(settings, Headers(scope=asgi_scope).get("host", ""))
    parts = [
        f'resource_metadata="{base}{METADATA}/{audience_of(asgi_scope["path"])}"',
        f'scope="{refusal.oauth_scope}"',
    ]
    # RFC 6750 section 3.1: a request without any token gets no error code.
    if refusal.error != "unauthorized":
        # `detail` is written in this code and contains no quotation mark, so it needs no escaping.
        parts = [f'error="{refusal.error}"', f'error_description="{refusal.detail}"', *parts]
    return {"WWW-Authenticate": "Bearer " + ", ".join(parts)}


async def caller_of_environment(verifier: Verifier) -> Caller:
    """The user of stdio: the bearer of TASKDECK_TOKEN, otherwise the person at this machine.

    Raises:
        SettingsError: the token is refused, or there is none and the database is not the embedded one.
    """
    settings = verifier.settings
    if settings.token:
        try:
            return await verifier.verify(settings.token, "mcp")
        except InvalidToken as error:
            raise SettingsError(f"TASKDECK_TOKEN: {error}. Get a new one, for example by `taskdeck token`") from error
        except (KeysUnavailable, Unavailable) as error:
            raise SettingsError(f"TASKDECK_TOKEN cannot be checked: {error}") from error
    if settings.database_url:
        raise SettingsError("TASKDECK_TOKEN is required with DATABASE_URL: get one, for example by `taskdeck token`")
    return Caller(
        user_id=read_local_owner(settings),
        email=None,
        name=None,
        timezone=None,
        oauth_scopes=frozenset(OAUTH_SCOPES),
        client="stdio",
        expires_at=math.inf,
        audience="mcp",
        issuer=f"{settings.address}/local",
        client_key="stdio",
    )


def find_bearer(asgi_scope: Scope) -> str | None:
    """The token in the Authorization header, the only place where one may be (RFC 6750 section 2.1).

    Raises:
        Refusal: 401; there are several tokens, or one in the address.
    """
    # Refused even if there is also a header (MCP, Authorization, forbids tokens in a URI): the token is in a log by
    # now, and a client that sends one this way should not seem to work.
    query = asgi_scope["query_string"].decode("latin-1")
    if query and "access_token" in parse_qs(query, keep_blank_values=True):
        raise Refusal(
            401, "invalid_token", "A token in an address is never accepted, for addresses are logged", oauth_scope=_ALL
        )
    sent = Headers(scope=asgi_scope).getlist("authorization")
    # A proxy might have checked the other one.
    if len(sent) > 1:
        raise Refusal(401, "invalid_token", "There is more than one Authorization header", oauth_scope=_ALL)
    scheme, _, token = (sent[0] if sent else "").partition(" ")
    return token.strip(" ") or None if scheme.lower() == "bearer" else None


@lru_cache(maxsize=1024)
def _describe_to_sdk(caller: Caller) -> tuple[AuthenticatedUser, AuthCredentials]:
    """The identity that the SDK binds sessions and request state to. It never gets the token itself."""
    scopes = sorted(caller.oauth_scopes)
    user = AccessToken(
        token="",
        client_id=caller.client or "",
        scopes=scopes,
        expires_at=int(caller.expires_at) if math.isfinite(caller.expires_at) else None,
        subject=caller.user_id,
        claims={"iss": caller.issuer},
    )
    return AuthenticatedUser(user), AuthCredentials(scopes)
