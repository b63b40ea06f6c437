"""OAuth protected resource metadata, and the challenges that link to it (RFC 9728)."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from mcp_server.http.resource_metadata import metadata_routes
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ADDRESS,
    ISSUER,
    Answer,
    GuardedApp,
    claims,
    header,
    running_key_server,
    send_request,
    settings_for,
    sign,
)


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    return GuardedApp(Verifier(settings_for(tmp_path)))


async def fetch_metadata(verifier: Verifier, path: str, *headers: tuple[str, str]) -> Answer:
    place = f"/.well-known/oauth-protected-resource{path}"
    return await send_request(Starlette(routes=list(metadata_routes(verifier))), *headers, method="GET", path=place)


@pytest.mark.parametrize(("path", "endpoint"), [("", "mcp"), ("/mcp", "mcp"), ("/api", "api")])
async def test_metadata_names_the_resource_by_an_accepted_host_name(app: GuardedApp, path: str, endpoint: str):  # S8
    expected = {"127.0.0.1:8000": ADDRESS, "localhost:8000": "http://localhost:8000"}
    expected |= dict.fromkeys(("evil.example", "localhost", "localhost:8000.evil.example"), ADDRESS)
    for host, address in expected.items():
        forged = ("x-forwarded-host", "evil.example")
        answer = await fetch_metadata(app.verifier, path, ("host", host), forged, ("forwarded", "host=evil"))
        assert answer.json() == {
            "resource": f"{address}/{endpoint}",
            "resource_name": "Taskdeck",
            "scopes_supported": ["mcp:read", "mcp:write"],
            "bearer_methods_supported": ["header"],
        }


async def test_public_server_has_no_loopback_aliases(tmp_path: Path):
    remote = {"host": "0.0.0.0", "issuer": ISSUER, "public_url": "http://localhost:8000"}
    async with running_key_server() as key_server:
        app = GuardedApp(Verifier(settings_for(tmp_path, jwks_url=key_server.url, **remote)))
        answer = await fetch_metadata(app.verifier, "/mcp", ("host", "127.0.0.1:8000"))
        assert answer.json()["resource"] == "http://localhost:8000/mcp"
        shown = [
            await app.send_token(sign(header(), claims(aud=f"http://{name}:8000/mcp")))
            for name in ("localhost", "127.0.0.1")
        ]
        assert [answer.status for answer in shown] == [200, 401]


async def test_metadata_names_one_authorization_server(tmp_path: Path):  # S3
    dashboard = Verifier(settings_for(tmp_path), "http://127.0.0.1:3000")
    answer = await fetch_metadata(dashboard, "/mcp")
    assert answer.json()["authorization_servers"] == ["http://127.0.0.1:3000"]
    known = settings_for(
        tmp_path, issuer=ISSUER, jwks_url=f"{ISSUER}/jwks", public_url="https://tasks.example", host="0.0.0.0"
    )
    answer = await fetch_metadata(Verifier(known, "http://127.0.0.1:3000"), "/mcp", ("host", "localhost:8000"))
    assert answer.json()["authorization_servers"] == [ISSUER]
    assert answer.json()["resource"] == "https://tasks.example/mcp"


async def test_challenge_links_to_metadata_at_the_requested_host(app: GuardedApp):
    for host, base in {"localhost:8000": "http://localhost:8000", "evil.example": ADDRESS}.items():
        answer = await app.send_request("mcp", ("host", host))
        assert f'resource_metadata="{base}/.well-known/oauth-protected-resource/mcp"' in answer.challenge
