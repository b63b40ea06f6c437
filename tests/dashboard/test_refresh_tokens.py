"""Refreshing tokens: rotation, and scopes that never exceed what the user granted."""

import secrets
from collections.abc import AsyncGenerator
from typing import Any

import jwt
import pytest

from tests.support.browser import Taskdeck
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

FULL = {"mcp:read", "mcp:write", "offline_access"}


@pytest.fixture
async def ada(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, f"ada-{secrets.token_hex(4)}@example.com") as account:
        yield account


def claims(tokens: dict[str, Any]) -> dict[str, Any]:
    return jwt.decode(tokens["access_token"], options={"verify_signature": False})


def scopes(tokens: dict[str, Any]) -> set[str]:
    """What the access token is for, which the answer says as well."""
    assert claims(tokens)["scope"] == tokens["scope"]
    return set(tokens["scope"].split())


@pytest.mark.parametrize("asked", ["mcp:read mcp:write", "mcp:read", "mcp:write", "mcp:read offline_access", ""])
async def test_client_registered_for_refresh_tokens_gets_one(ada: OAuthAccount, asked: str):
    client = await ada.register(grant_types=["authorization_code", "refresh_token"])
    tokens = await ada.connect(client, scope=asked)
    assert scopes(tokens) == set(asked.split() or FULL) | {"offline_access"}
    second = (await ada.refresh(client, tokens["refresh_token"])).json()
    third = (await ada.refresh(client, second["refresh_token"])).json()
    assert scopes(third) == scopes(tokens)
    assert len({tokens["refresh_token"], second["refresh_token"], third["refresh_token"]}) == 3
    may_read = not asked or "mcp:read" in asked
    assert (await ada.taskdeck.call_raw(third["access_token"], "whoami")).status_code == (200 if may_read else 403)


async def test_client_not_registered_for_refresh_tokens_gets_none(ada: OAuthAccount):
    client = await ada.register(grant_types=["authorization_code"])
    assert "refresh_token" not in await ada.connect(client)


async def test_grant_without_write_scope_is_refreshed_without_it(ada: OAuthAccount):
    client = await ada.register()
    tokens = await ada.connect(client, granted="mcp:read")
    assert scopes(tokens) == {"mcp:read", "offline_access"}
    refused = await ada.refresh(client, tokens["refresh_token"], scope="mcp:read mcp:write")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    second = await ada.refresh(client, tokens["refresh_token"])
    assert second.status_code == 200, "a refused request does not use the token up"
    assert scopes(second.json()) == {"mcp:read", "offline_access"}


@pytest.mark.parametrize("narrow", ["mcp:read", "mcp:read offline_access", "mcp:write"])
async def test_narrower_refresh_narrows_only_that_access_token(ada: OAuthAccount, narrow: str):
    client = await ada.register()
    first = await ada.connect(client)
    second = (await ada.refresh(client, first["refresh_token"], scope=narrow)).json()
    assert scopes(second) == set(narrow.split())
    unchanged = ("sub", "aud", "azp", "client_id", "iss", "sid", "email", "name")
    assert [claims(second)[name] for name in unchanged] == [claims(first)[name] for name in unchanged]
    assert jwt.get_unverified_header(second["access_token"]) == jwt.get_unverified_header(first["access_token"])
    may_read = "mcp:read" in narrow
    assert (await ada.taskdeck.call_raw(second["access_token"], "whoami")).status_code == (200 if may_read else 403)
    third = (await ada.refresh(client, second["refresh_token"])).json()
    fourth = (await ada.refresh(client, third["refresh_token"], scope="mcp:read mcp:write offline_access")).json()
    assert scopes(third) == scopes(fourth) == FULL
    assert len({tokens["refresh_token"] for tokens in (first, second, third, fourth)}) == 4
    assert (
        await ada.taskdeck.call_raw(fourth["access_token"], "add_task", title="Water the plants")
    ).status_code == 200


async def test_narrowed_access_token_cannot_write(ada: OAuthAccount):
    client = await ada.register()
    first = await ada.connect(client)
    second = (await ada.refresh(client, first["refresh_token"], scope="mcp:read")).json()
    assert (await ada.taskdeck.call_raw(second["access_token"], "add_task", title="Water")).status_code == 403


@pytest.mark.parametrize("scope", ["", "mcp:read"])
async def test_refresh_token_is_rotated(ada: OAuthAccount, scope: str):
    """A lost response may be requested again for 30 seconds, with any scopes; later reuse ends the connection."""
    client = await ada.register()
    first = await ada.connect(client)
    second = (await ada.refresh(client, first["refresh_token"], scope=scope)).json()
    for again in ("", "mcp:read", "mcp:write"):
        repeated = (await ada.refresh(client, first["refresh_token"], scope=again)).json()
        assert repeated["refresh_token"] == second["refresh_token"]
        assert scopes(repeated) == set(again.split()) or FULL
    later = """
    UPDATE auth."oauthRefreshToken" SET "rotationReplayExpiresAt" = "rotationReplayExpiresAt" - interval '31 seconds'
    WHERE "userId" = $1
    """
    await ada.taskdeck.sql(later, ada.user_id)
    for tokens in (first, second):
        refused = await ada.refresh(client, tokens["refresh_token"], scope=scope)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


async def test_refresh_token_narrowed_by_an_older_version_is_rotated(ada: OAuthAccount):
    client = await ada.register()
    first = await ada.connect(client)
    await ada.taskdeck.sql(
        """UPDATE auth."oauthRefreshToken" SET scopes = '["mcp:read"]' WHERE "userId" = $1""", ada.user_id
    )
    second = (await ada.refresh(client, first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert "mcp:write" not in scopes(second)


async def test_refresh_token_of_another_client_is_rejected(ada: OAuthAccount):
    mine, other = await ada.register(), await ada.register()
    tokens = await ada.connect(mine)
    for scope in ("", "mcp:read"):
        refused = await ada.refresh(other, tokens["refresh_token"], scope=scope)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert (await ada.refresh(mine, tokens["refresh_token"])).status_code == 200
