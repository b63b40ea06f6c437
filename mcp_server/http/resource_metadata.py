"""Protected resource metadata (RFC 9728), which tells clients where to get tokens for this server."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_server.identity.addresses import address_for
from mcp_server.identity.local_issuer import OAUTH_SCOPES, Audience
from mcp_server.identity.tokens import Verifier

METADATA = "/.well-known/oauth-protected-resource"


def metadata_routes(verifier: Verifier) -> list[Route]:
    """The metadata of both resources, /mcp and /api; the path without a suffix describes /mcp."""

    def at(path: str, audience: Audience) -> Route:
        async def describe(request: Request) -> JSONResponse:
            document = describe_resource(verifier, audience, request.headers.get("host", ""))
            return JSONResponse(document, headers={"Cache-Control": "public, max-age=300", "Vary": "Host"})

        return Route(path, describe)

    return [at(METADATA, "mcp"), at(f"{METADATA}/mcp", "mcp"), at(f"{METADATA}/api", "api")]


def describe_resource(verifier: Verifier, audience: Audience, host: str) -> dict[str, object]:
    """The metadata document (RFC 9728 section 2). `host` is used only if it is one of this server's names.

    The built-in issuer issues tokens on the command line only, so it is not listed as an authorization server.
    """
    document: dict[str, object] = {
        "resource": f"{address_for(verifier.settings, host)}/{audience}",
        "resource_name": "Taskdeck",
        "scopes_supported": list(OAUTH_SCOPES),
        "bearer_methods_supported": ["header"],
    }
    if verifier.authorization_server:
        document["authorization_servers"] = [verifier.authorization_server]
    return document
