"""The endpoints under /api/auth: those that the dashboard uses, and no others of the library."""

import json
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from tests.support.browser import Taskdeck
from tests.support.oauth_account import REDIRECT_URI, OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


@pytest.fixture
async def ada(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, f"ada-{secrets.token_hex(4)}@example.com") as account:
        yield account


ADMINISTRATION: dict[str, dict[str, Any]] = {
    "create-client": {"redirect_uris": [REDIRECT_URI], "backchannel_logout_uri": "http://127.0.0.1:9/logout"},
    "update-client": {"update": {"redirect_uris": ["https://evil.example/callback"]}},
    "client/rotate-secret": {},
    "delete-client": {},
    "update-consent": {"update": {"scopes": ["mcp:read", "mcp:write"]}},
    "delete-consent": {},
    "continue": {"selected": True},
}


@pytest.mark.parametrize("path", ADMINISTRATION)
async def test_accounts_cannot_administer_clients(ada: OAuthAccount, path: str):
    client = await ada.register()
    body = {"client_id": client, "id": client} | ADMINISTRATION[path]
    response = await ada.http.post(f"/api/auth/oauth2/{path}", json=body)
    assert (response.status_code, response.json()) == (404, {"error": "not_found"})
    rows = await ada.taskdeck.sql('SELECT "redirectUris" FROM auth."oauthClient" WHERE "clientId" = $1', client)
    assert json.loads(rows[0]["redirectUris"]) == [REDIRECT_URI]


@pytest.mark.parametrize("path", ["get-client", "get-clients", "public-client", "get-consents", "userinfo"])
async def test_accounts_cannot_read_clients_of_others(ada: OAuthAccount, path: str):
    client = await ada.register()
    response = await ada.http.get(f"/api/auth/oauth2/{path}", params={"client_id": client})
    assert response.status_code == 404


@pytest.mark.parametrize(
    "spelling", ["oauth2/create-client/", "oauth2//create-client", "%6fauth2/create-client", "OAUTH2/CREATE-CLIENT"]
)
async def test_other_spellings_of_a_path_are_no_way_in(ada: OAuthAccount, spelling: str):
    body = {"redirect_uris": [REDIRECT_URI]}
    response = await ada.http.post(f"/api/auth/{spelling}", json=body, follow_redirects=True)
    assert response.status_code in (400, 404, 405), response.text


async def test_browsers_find_an_icon_at_the_usual_address(taskdeck: Taskdeck):
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, follow_redirects=True, trust_env=False) as http:
        icon = await http.get("/favicon.ico")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
