"""Who may pass: the checks in front of every door, over HTTP, WebSocket and stdio.

request --GuardHost--> known host and origin --Authenticate--> scope["caller"] --> door
"""

import logging
import math
from collections.abc import Callable
from urllib.parse import parse_qs

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthCredentials
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http import request_body
from mcp_server.http.request_body import BadRequest
from mcp_server.identity.addresses import address_for, known_hosts, known_origins
from mcp_server.identity.jwks import KeysUnavailable
from mcp_server.identity.local_issuer import SCOPES, Audience
from mcp_server.identity.tokens import Caller, InvalidToken, Verifier
from mcp_server.settings import Settings, SettingsError
from storage.schema.errors import Unavailable

logger = logging.getLogger(__name__)

READ, WRITE = SCOPES
LOCAL_USER = "local"
_ALL = " ".join(SCOPES)
ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
_METADATA = "/.well-known/oauth-protected-resource"


class Refusal(Exception):
    """A request ends here: an HTTP status, a word for programs, a sentence for people, the scope it takes."""

    def __init__(self, status: int, error: str, detail: str, scope: str = "", retry_after: int = 0) -> None:
        super().__init__(detail)
        self.status, self.error, self.detail = status, error, detail
        self.scope, self.retry_after = scope, retry_after


class Authenticate:
    """Lets a request with a good bearer token pass, and says who sent it in `scope["caller"]`.

    Without one it answers 401 (RFC 6750 section 3), without the scope that the request takes 403, and 503
    when nobody can tell now. A WebSocket without a token passes without a caller: its first message may bring
    one. `scope_needed` maps the name of a tool to the scope that calling it takes; with it the body of each
    POST is read before the application runs. All other requests take mcp:read.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Verifier,
        audience: Audience,
        scope_needed: Callable[[str], str] | None = None,
    ) -> None:
        self._app = AuthContextMiddleware(app)
        self._verifier = verifier
        self._audience: Audience = audience
        self._scope_needed = scope_needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        try:
            if scope["type"] in ("http", "websocket"):
                receive = await self._admit(scope, receive)
        except Refusal as refusal:
            logger.info("refused %r: %s", scope["path"], refusal)
            await _refuse(refusal, self._headers(refusal, scope), scope, receive, send)
        except BadRequest as bad:
            logger.info("refused %r: %s", scope["path"], bad)
            await bad.response(scope, receive, send)
        except ClientDisconnect:
            pass
        else:
            await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Put the caller into the scope. What comes back gives the body that was read once more."""
        token = _find_bearer(scope)
        if token is None and scope["type"] == "websocket":
            return receive
        caller = await self._identify(token)
        needed = READ
        if self._scope_needed and scope["type"] == "http" and scope["method"] == "POST":
            body = await request_body.read(Headers(scope=scope), receive)
            tool = request_body.find_tool(body)
            needed = READ if tool is None else self._scope_needed(tool)
            scope["tool"] = tool
            receive = request_body.replay(body, receive)
        if needed not in caller.scopes:
            # Clients ask for exactly what the challenge names: a writer is to go on reading as well.
            wanted = needed if needed == READ else f"{READ} {needed}"
            raise Refusal(403, "insufficient_scope", f"This takes a token with the scope {needed}", wanted)
        scope["caller"] = caller
        scope["user"] = AuthenticatedUser(_describe_to_sdk(caller))
        scope["auth"] = AuthCredentials(sorted(caller.scopes))
        return receive

    async def _identify(self, token: str | None) -> Caller:
        if token is None:
            raise Refusal(401, "unauthorized", "Send a token in the header Authorization: Bearer TOKEN", _ALL)
        try:
            return await self._verifier.verify(token, self._audience)
        except InvalidToken as error:
            raise Refusal(401, "invalid_token", str(error), _ALL) from error
        except (KeysUnavailable, Unavailable) as error:
            detail = "Tokens cannot be checked right now. Try again soon"
            raise Refusal(503, "unavailable", detail, retry_after=error.retry_after) from error

    def _headers(self, refusal: Refusal, scope: Scope) -> dict[str, str]:
        headers = {"Cache-Control": "no-store"}
        if refusal.scope:
            base = address_for(self._verifier.settings, Headers(scope=scope).get("host", ""))
            parts = [f'resource_metadata="{base}{_METADATA}/{self._audience}"', f'scope="{refusal.scope}"']
            if refusal.error != "unauthorized":
                parts = [f'error="{refusal.error}"', f'error_description="{refusal.detail}"', *parts]
            headers["WWW-Authenticate"] = "Bearer " + ", ".join(parts)
        if refusal.retry_after:
            headers["Retry-After"] = str(refusal.retry_after)
        return headers


class GuardHost:
    """Keeps out requests by names that are not ours and from pages that are not ours (DNS rebinding).

    The MCP specification asks for this at the MCP endpoint; here it covers every route and the WebSocket.
    Names are compared as a whole: no wildcards, no prefixes. What watches the server (ANY_HOST) calls it by whatever
    name or address it has there, and reads nothing that belongs to anybody.
    """

    def __init__(self, app: ASGIApp, settings: Settings, dashboard_url: str | None = None) -> None:
        self._app = app
        self._hosts = known_hosts(settings)
        self._origins = known_origins(settings, dashboard_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 (RFC 9110 section 15.5.20) or 403."""
        if scope["type"] in ("http", "websocket"):
            headers = Headers(scope=scope)
            hosts, origins = headers.getlist("host"), headers.getlist("origin")
            refusal = None
            known = len(hosts) == 1 and hosts[0].lower() in self._hosts
            if not known and scope["path"] not in ANY_HOST:
                detail = "This server has another name: see TASKDECK_PUBLIC_URL"
                refusal = Refusal(421, "misdirected_request", detail)
            elif len(origins) > 1 or not self._origins.issuperset(origins):
                detail = "Pages of this origin may not ask: see TASKDECK_ALLOWED_ORIGINS"
                refusal = Refusal(403, "forbidden_origin", detail)
            if refusal:
                return await _refuse(refusal, {}, scope, receive, send)
        return await self._app(scope, receive, send)


def metadata_routes(verifier: Verifier) -> list[Route]:
    """Protected resource metadata (RFC 9728) of both doors; the path without a door describes /mcp."""

    def at(path: str, audience: Audience) -> Route:
        async def describe(request: Request) -> JSONResponse:
            document = describe_resource(verifier, audience, request.headers.get("host", ""))
            return JSONResponse(document, headers={"Cache-Control": "public, max-age=300", "Vary": "Host"})

        return Route(path, describe)

    return [at(_METADATA, "mcp"), at(f"{_METADATA}/mcp", "mcp"), at(f"{_METADATA}/api", "api")]


def describe_resource(verifier: Verifier, audience: Audience, host: str) -> dict[str, object]:
    """The metadata document (RFC 9728 section 2). `host` matters only if it is a name of ours.

    The built-in issuer hands out tokens on the command line only, so it is no authorization server.
    """
    document: dict[str, object] = {
        "resource": f"{address_for(verifier.settings, host)}/{audience}",
        "resource_name": "Taskdeck",
        "scopes_supported": list(SCOPES),
        "bearer_methods_supported": ["header"],
    }
    if verifier.authorization_server:
        document["authorization_servers"] = [verifier.authorization_server]
    return document


async def caller_of_environment(verifier: Verifier) -> Caller:
    """Who uses the server over stdio: the bearer of TASKDECK_TOKEN, else the user of the embedded database.

    Raises:
        SettingsError: the token is refused, or there is none and the database is not our own.
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
        user_id=LOCAL_USER,
        email=None,
        name=None,
        timezone=None,
        scopes=frozenset(SCOPES),
        client="stdio",
        expires_at=math.inf,
        audience="mcp",
        issuer=f"{settings.address}/local",
        client_key="stdio",
    )


def _find_bearer(scope: Scope) -> str | None:
    """The token of the one place where it may be, the Authorization header (RFC 6750 section 2.1)."""
    if "access_token" in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True):
        raise Refusal(401, "invalid_token", "A token in an address is never accepted, for addresses are logged", _ALL)
    sent = Headers(scope=scope).getlist("authorization")
    if len(sent) > 1:
        raise Refusal(401, "invalid_token", "There is more than one Authorization header", _ALL)
    scheme, _, token = (sent[0] if sent else "").partition(" ")
    return token.strip(" ") or None if scheme.lower() == "bearer" else None


def _describe_to_sdk(caller: Caller) -> AccessToken:
    """What the SDK binds sessions and request state to. The token itself goes no further than this file."""
    return AccessToken(
        token="",
        client_id=caller.client or "",
        scopes=sorted(caller.scopes),
        expires_at=int(caller.expires_at) if math.isfinite(caller.expires_at) else None,
        subject=caller.user_id,
        claims={"iss": caller.issuer},
    )


async def _refuse(refusal: Refusal, headers: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4000 + refusal.status, "reason": refusal.detail})
        return
    content = {"error": refusal.error, "detail": refusal.detail}
    await JSONResponse(content, refusal.status, headers)(scope, receive, send)
