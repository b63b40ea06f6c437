"""OAuth requests with unusual spelling of the resource, unknown scopes, and rate limits."""

import secrets
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest

from tests.support.browser import Taskdeck
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


@pytest.fixture
async def ada(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, f"ada-{secrets.token_hex(4)}@example.com") as account:
        yield account


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "scheme in upper case": lambda url: url.replace("http:", "HTTP:"),
    "host in mixed case": lambda url: url.replace("127.0.0.1", "LocalHost"),
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_resource_is_compared_with_normalized_scheme_and_host(ada: OAuthAccount, spelling: str):
    resource = SPELLINGS[spelling](f"{ada.taskdeck.mcp}/mcp")
    client = await ada.register()
    answer = await ada.authorize(client, resource=resource)
    assert "error" not in answer, answer
    code = {"grant_type": "authorization_code", "code": answer["code"], "code_verifier": ada.proof.code_verifier}
    tokens = (await ada.token(client, redirect_uri="http://127.0.0.1:9/callback", resource=resource, **code)).json()
    renewed = (await ada.refresh(client, tokens["refresh_token"], resource=resource)).json()
    for token in (tokens, renewed):
        audience = jwt.decode(token["access_token"], options={"verify_signature": False})["aud"]
        assert audience == (resource or f"{ada.taskdeck.mcp}/mcp").lower()
        assert (await ada.taskdeck.call_raw(token["access_token"], "whoami")).status_code == 200


OTHERS = {
    "another path": "{mcp}/other",
    "a path in upper case": "{mcp}/MCP",
    "a longer path": "{mcp}/mcp/",
    "a query": "{mcp}/mcp?a=b",
    "a user": "http://ada@{host}/mcp",
    "another port": "http://127.0.0.1:9/mcp",
    "another host": "https://mcp.example/mcp",
    "a fragment": "{mcp}/mcp#",
    "no address": "mcp",
}


@pytest.mark.parametrize("other", OTHERS)
async def test_unknown_resource_is_rejected(ada: OAuthAccount, other: str):
    template = OTHERS[other]
    resource = template.format(mcp=ada.taskdeck.mcp, host=ada.taskdeck.mcp.removeprefix("http://"))
    client = await ada.register()
    assert (await ada.authorize(client, resource=resource))["error"] == "invalid_target"
    tokens = await ada.connect(client)
    refused = await ada.refresh(client, tokens["refresh_token"], resource=resource)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_target")


@pytest.mark.parametrize("prompt", ["", "none", "login"])
async def test_program_on_another_port_needs_consent_again(ada: OAuthAccount, prompt: str):
    """Loopback redirect URIs match on any port (RFC 8252 section 7.3), so consent to one must not serve another."""
    client = await ada.register()
    await ada.connect(client)
    request = ada.request(client) | {"redirect_uri": "http://127.0.0.1:10/callback", "prompt": prompt}
    shown = await ada.http.get("/api/auth/oauth2/authorize", params=request)
    page = urlsplit(shown.headers["location"])
    assert page.path in ("/consent", "/sign-in"), page
    assert "code" not in parse_qs(page.query)


async def test_web_client_with_a_consent_is_not_asked_about_again(ada: OAuthAccount):
    callback = "https://client.example/callback"
    client = await ada.register(redirect_uris=[callback])
    await ada.authorize(client, redirect_uri=callback)
    request = ada.request(client) | {"redirect_uri": callback}
    shown = await ada.http.get("/api/auth/oauth2/authorize", params=request)
    assert shown.headers["location"].startswith(f"{callback}?code=")


async def test_unknown_scopes_are_dropped_beside_known_ones(ada: OAuthAccount):
    client = await ada.register()
    tokens = await ada.connect(client, scope="openid profile mcp:read")
    assert set(tokens["scope"].split()) == {"mcp:read", "offline_access"}
    assert (await ada.authorize(client, scope="openid profile"))["error"] == "invalid_scope"


LIMITED: dict[str, dict[str, Any]] = {
    "sign-in/email": {"json": {"email": "nobody@example.com", "password": "incorrect horse"}},
    "sign-up/email": {"json": {"email": "no", "password": "x", "name": ""}},
    "oauth2/register": {"json": {"redirect_uris": ["http://127.0.0.1:9/callback"]}},
    "oauth2/token": {"data": {"grant_type": "refresh_token", "client_id": "nobody", "refresh_token": "none"}},
    "oauth2/revoke": {"data": {"client_id": "nobody", "token": "none"}},
    "oauth2/introspect": {"data": {"client_id": "nobody", "token": "none"}},
    "jwks": {},
}


@pytest.mark.parametrize("path", LIMITED)
async def test_rate_limited_request_is_told_how_long_to_wait(ada: OAuthAccount, path: str):
    """RFC 9110 section 10.2.3, and the library's own name for it."""
    response = await until_refused(ada, path)
    seconds = response.headers["retry-after"]
    assert 1 <= int(seconds) <= 60
    assert response.headers["x-retry-after"] == seconds
    if response.headers.get("access-control-allow-origin"):
        assert "retry-after" in response.headers["access-control-expose-headers"].lower()


async def until_refused(ada: OAuthAccount, path: str) -> httpx2.Response:
    """The answer to one request more than the limit, which is filled by hand: some limits are hundreds of requests."""
    method = "POST" if LIMITED[path] else "GET"
    full = """UPDATE auth."rateLimit" SET count = 100000 WHERE key LIKE '%' || $1 OR key LIKE 'failed-token|%'"""
    await ada.http.request(method, f"/api/auth/{path}", **LIMITED[path])
    await ada.taskdeck.sql(full, f"/{path}")
    response = await ada.http.request(method, f"/api/auth/{path}", **LIMITED[path])
    assert response.status_code == 429, response.text
    return response
