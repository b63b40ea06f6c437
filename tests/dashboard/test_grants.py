"""What a person has granted to an AI client, and that it ends when they say so."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx2
import pytest
from playwright.async_api import expect

from tests.support.browser import Callback, Taskdeck, Visit, register
from tests.support.oauth_account import REDIRECT_URI, OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


@pytest.fixture
async def ada(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, f"ada-{secrets.token_hex(4)}@example.com") as account:
        yield account


async def exchange(ada: OAuthAccount, client: str, code: str) -> httpx2.Response:
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    return await ada.token(client, code_verifier=ada.proof.code_verifier, **grant)


async def held(ada: OAuthAccount, client: str) -> list[asyncpg.Record]:
    return await ada.taskdeck.sql('SELECT id FROM auth."oauthRefreshToken" WHERE "clientId" = $1', client)


def assert_refused(response: httpx2.Response) -> None:
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")
    assert "disconnected" in response.json()["error_description"]


async def withdraw(ada: OAuthAccount, client: str) -> None:
    await ada.taskdeck.sql('DELETE FROM auth."oauthConsent" WHERE "clientId" = $1', client)


async def test_code_from_before_gets_nothing_after_the_consent_has_gone(ada: OAuthAccount):
    client = await ada.register()
    code = (await ada.authorize(client))["code"]
    await withdraw(ada, client)
    assert_refused(await exchange(ada, client, code))
    assert await held(ada, client) == []


async def test_refresh_token_gets_nothing_after_the_consent_has_gone(ada: OAuthAccount):
    client = await ada.register()
    tokens = await ada.connect(client)
    await withdraw(ada, client)
    assert_refused(await ada.refresh(client, tokens["refresh_token"]))


async def test_consent_that_goes_during_a_token_request_counts(ada: OAuthAccount):
    client = await ada.register()
    code = (await ada.authorize(client))["code"]
    connection = await asyncpg.connect(ada.taskdeck.database_url)
    try:
        async with connection.transaction():
            # The request waits when it is about to store its token.
            await connection.execute('LOCK TABLE auth."oauthRefreshToken" IN SHARE MODE')
            asking = asyncio.create_task(exchange(ada, client, code))
            waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'auth.\"oauthRefreshToken\"'::regclass"
            async with asyncio.timeout(20):
                while not await ada.taskdeck.sql(waiting):  # noqa: ASYNC110 - PostgreSQL announces no waiting lock
                    await asyncio.sleep(0.02)
            await withdraw(ada, client)
        assert_refused(await asking)
    finally:
        await connection.close()
    assert await held(ada, client) == []


async def test_disconnecting_ends_codes_tokens_and_consent(visit: Visit):
    ada = await visit()
    async with Callback.listening() as callback:
        client = (await register(ada.taskdeck, callback, "Test client"))["client_id"]
    code = f"""{{"type":"authorization_code","query":{{"client_id":"{client}"}},"userId":"{ada.user_id}"}}"""
    for user, value in ((ada.user_id, code), ("somebody", code.replace(ada.user_id, "somebody")), ("x", "not JSON")):
        await ada.taskdeck.sql(
            "INSERT INTO auth.verification VALUES ($1, $1, $2, now() + interval '1 hour', now(), now())",
            f"{client}-{user}",
            value,
        )
    await ada.taskdeck.sql(
        """INSERT INTO auth."oauthRefreshToken" (id, token, "clientId", "userId", "expiresAt", "createdAt", scopes)
        VALUES ($1, $1, $1, $2, now() + interval '1 day', now(), '["mcp:read"]')""",
        client,
        ada.user_id,
    )
    await ada.open("/clients")
    await expect(ada.page.get_by_text("May only read")).to_be_visible()
    await ada.page.get_by_role("button", name="Disconnect Test client").click()
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="Disconnect").click()
    await expect(ada.page.get_by_text("No client is connected yet.")).to_be_visible()
    left = await ada.taskdeck.sql("SELECT id FROM auth.verification WHERE id LIKE $1 || '-%'", client)
    assert {row["id"] for row in left} == {f"{client}-somebody", f"{client}-x"}
    tokens = await ada.taskdeck.sql('SELECT id FROM auth."oauthRefreshToken" WHERE "clientId" = $1', client)
    assert tokens == []


@pytest.mark.parametrize(
    ("granted", "remains"), [("mcp:read", False), ("mcp:read mcp:write", True), ("mcp:write", False)]
)
async def test_narrower_consent_ends_older_tokens_that_may_do_more(ada: OAuthAccount, granted: str, remains: bool):
    client = await ada.register()
    old = await ada.connect(client)
    new = await ada.connect(client, granted=granted, prompt="consent")
    renewed = await ada.refresh(client, old["refresh_token"])
    assert renewed.status_code == (200 if remains else 400), renewed.text
    assert (await ada.refresh(client, new["refresh_token"])).status_code == 200


async def test_token_requests_are_limited_for_each_client_and_user(ada: OAuthAccount):
    client = await ada.register()
    tokens = await ada.connect(client)

    async def refresh() -> dict[str, Any]:
        response = await ada.refresh(client, tokens["refresh_token"])
        return response.json() | {"status": response.status_code, "wait": response.headers.get("retry-after")}

    for _ in range(19):
        tokens = await refresh()
        assert tokens["status"] == 200
    refused = await refresh()
    assert refused["status"] == 429
    assert 1 <= int(refused["wait"]) <= 60
    other = await ada.register()
    assert "access_token" in await ada.connect(other)
