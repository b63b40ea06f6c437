"""What a person can see and end on the settings page, and what a new password ends."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx2
import pytest
from playwright.async_api import Route, expect

from tests.support.browser import PASSWORD, Taskdeck, Visit, token_of
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

NEW_PASSWORD = "another horse battery"


@pytest.fixture
def email() -> str:
    return f"ada-{secrets.token_hex(4)}@example.com"


@pytest.fixture
async def ada(taskdeck: Taskdeck, email: str, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, email) as account:
        yield account


async def test_other_session_can_be_ended_in_the_settings(visit: Visit):
    ada = await visit()
    other = await visit("Other", known=False, user_agent="Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0")
    other.email = ada.email
    await other.open("/sign-in")
    await other.type_credentials()
    await other.is_connected("live")
    await ada.open("/settings")
    sessions = ada.page.get_by_role("region", name="Sessions")
    await expect(sessions.get_by_role("listitem")).to_have_count(2)
    await expect(sessions.get_by_role("listitem").first).to_contain_text("this browser")
    await sessions.get_by_role("button", name="End Firefox on Windows").click()
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="End").click()
    await expect(sessions.get_by_role("listitem")).to_have_count(1)
    await expect(other.page.get_by_text("Your session has ended").first).to_be_visible()
    other.expect_page_errors("401", "403")


async def test_no_tab_reads_the_session_while_a_new_password_replaces_it(visit: Visit):
    ada = await visit()
    await ada.open("/settings")
    other = await ada.context.new_page()
    requests: list[str] = []
    other.on("request", lambda request: requests.append(request.url))

    async def hold(route: Route) -> None:
        """The change is under way: another tab, just opened, wants a token and has to wait."""
        await other.goto(f"{ada.taskdeck.dashboard}/tasks")
        await other.wait_for_function(
            "async () => (await navigator.locks.query()).pending.some(({ mode }) => mode === 'shared')"
        )
        held.set_result([url for url in requests if url.endswith("/api/auth/token")])
        await route.continue_()

    held: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    await ada.page.route("**/api/auth/change-password", hold)
    form = ada.page.get_by_role("form", name="Change the password")
    await form.get_by_label("Current password").fill(PASSWORD)
    await form.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await form.get_by_role("button", name="Change the password").click()
    assert await asyncio.wait_for(held, 60) == []
    await expect(ada.page.get_by_text("You are signed out everywhere else.")).to_be_visible()
    await expect(other.get_by_test_id("connection")).to_have_attribute("data-connection", "live")
    # A token of the session before is refused until the page has a new one.
    ada.expect_page_errors("401")


Renew = Callable[[OAuthAccount, str], Awaitable[None]]


async def change(ada: OAuthAccount, email: str) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    response = await ada.http.post("/api/auth/change-password", json=body)
    assert response.status_code == 200, response.text


async def reset(ada: OAuthAccount, email: str) -> None:
    await ada.http.post("/api/auth/request-password-reset", json={"email": email})
    body = {"newPassword": NEW_PASSWORD, "token": token_of(await ada.taskdeck.link(email))}
    response = await ada.http.post("/api/auth/reset-password", json=body)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("renew", [change, reset])
async def test_new_password_ends_clients_and_personal_tokens(ada: OAuthAccount, email: str, renew: Renew):
    client = await ada.register()
    tokens = await ada.connect(client)
    await ada.taskdeck.sql(
        """SELECT public.taskdeck_pat_create($1, NULL, 'Ada', 'Build server', $2, 'abcd', 'mcp:read',
            now() + interval '1 day')""",
        ada.user_id,
        secrets.token_hex(32),
    )
    await renew(ada, email)
    refused = await ada.refresh(client, tokens["refresh_token"])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert await ada.taskdeck.sql("SELECT id FROM public.taskdeck_pat_list($1)", ada.user_id) == []
    consents = await ada.taskdeck.sql('SELECT id FROM auth."oauthConsent" WHERE "userId" = $1', ada.user_id)
    assert consents == []


async def test_password_guessing_is_limited_for_each_account(taskdeck: Taskdeck, ada: OAuthAccount, email: str):
    bob = f"bob-{secrets.token_hex(4)}@example.com"
    headers = {"origin": taskdeck.dashboard}
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, headers=headers, trust_env=False) as http:

        async def sign_in(address: str, password: str) -> httpx2.Response:
            return await http.post("/api/auth/sign-in/email", json={"email": address, "password": password})

        for right in (False, True):
            for _ in range(9):
                assert (await sign_in(email, "incorrect horse")).status_code == 401
            if not right:
                # The right password starts the count again.
                assert (await sign_in(email, PASSWORD)).status_code == 200
        assert (await sign_in(email.upper(), "incorrect horse")).status_code == 401
        refused = await sign_in(email, PASSWORD)
        assert (refused.status_code, refused.json()["code"]) == (429, "ACCOUNT_LIMIT")
        assert 1 <= int(refused.headers["retry-after"]) <= 600
        assert (await sign_in(bob, "incorrect horse")).status_code == 401
        await reset(ada, email)
        assert (await sign_in(email, NEW_PASSWORD)).status_code == 200
