"""A second factor: turned on in the settings, asked for at sign-in, also on the way to an AI client."""

import asyncio
import base64
import hmac
import re
import secrets
import struct
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from mcp.client.auth import PKCEParameters
from playwright.async_api import expect

from tests.conftest import RequestUrl
from tests.support.browser import (
    PASSWORD,
    Callback,
    Taskdeck,
    Visit,
    Visitor,
    register,
    request_to,
    running_taskdeck,
)
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


def totp(secret: str, ahead: int = 0) -> str:
    """The code that an authenticator app shows, or `ahead` codes later (RFC 6238: HMAC-SHA-1, 30 seconds, 6 digits).

    Each works once. The next one is accepted already, for clocks that differ.
    """
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(time.time()) // 30 + ahead), "sha1")
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


async def turn_on(ada: Visitor) -> tuple[str, list[str]]:
    """Turn the second factor on in the settings; the app's key and the recovery codes."""
    # It replaces the session: a token of the old one is refused until the page has a new one.
    ada.expect_page_errors("401")
    await ada.open("/settings")
    section = ada.page.get_by_role("region", name="Second factor")
    await section.get_by_label("Your password").fill(PASSWORD)
    await section.get_by_role("button", name="Turn it on").click()
    await expect(section.get_by_role("img", name="QR code")).to_be_visible()
    secret = await section.locator("pre").inner_text()
    assert await ada.violations() == []
    await section.get_by_label("Code", exact=True).fill(totp(secret))
    await section.get_by_role("button", name="Confirm").click()
    await expect(section.get_by_text("Keep these recovery codes.")).to_be_visible()
    await expect(section.get_by_text("On. Signing in with your password also takes a code")).to_be_visible()
    codes = (await section.locator("pre").inner_text()).split()
    assert len(codes) == 10
    return secret, codes


async def test_sign_in_asks_for_the_code_of_the_app_or_a_recovery_code(visit: Visit):
    ada = await visit()
    secret, codes = await turn_on(ada)
    await ada.lose_session()
    await ada.open("/tokens")
    await ada.type_credentials()
    await expect(ada.page.get_by_role("heading", name="Enter your code")).to_be_visible()
    assert await ada.violations() == []
    await ada.page.get_by_label("Code", exact=True).fill("000000" if totp(secret) != "000000" else "111111")
    await ada.page.get_by_role("button", name="Continue").click()
    await expect(ada.page.get_by_role("alert").filter(has_text="The code is not right.")).to_be_visible()
    await ada.page.get_by_label("Code", exact=True).fill(totp(secret, 1))
    await ada.page.get_by_role("button", name="Continue").click()
    await expect(ada.page.get_by_role("heading", name="Personal access tokens")).to_be_visible()

    for enters in (True, False):
        await ada.lose_session()
        await ada.open("/tokens")
        await ada.type_credentials()
        await ada.page.get_by_role("button", name="Use a recovery code instead").click()
        await ada.page.get_by_label("Recovery code").fill(codes[0])
        await ada.page.get_by_role("button", name="Continue").click()
        if enters:
            await expect(ada.page.get_by_role("heading", name="Personal access tokens")).to_be_visible()
    await expect(ada.page.get_by_text("was used already")).to_be_visible()
    ada.expect_page_errors("401", "400")


async def test_client_gets_no_code_before_the_second_factor(visit: Visit):
    ada = await visit()
    secret, _ = await turn_on(ada)
    await ada.lose_session()
    proof = PKCEParameters.generate()
    challenge = {"code_challenge": proof.code_challenge, "code_challenge_method": "S256"}
    async with Callback.listening() as callback:
        client = await register(ada.taskdeck, callback, "Test client")
        await ada.page.goto(request_to(ada.taskdeck, callback, client["client_id"], **challenge))
        async with ada.page.expect_response("**/sign-in/email") as answering:
            await ada.type_credentials()
        answer = await (await answering.value).json()
        assert answer == {"twoFactorRedirect": True, "twoFactorMethods": ["totp"]}
        await expect(ada.page.get_by_role("heading", name="Enter your code")).to_be_visible()
        # Without the code there is no session, so the consent page cannot be reached either.
        other = await ada.context.new_page()
        await other.goto(f"{ada.taskdeck.dashboard}/consent?{urlsplit(ada.page.url).query}")
        await expect(other).to_have_url(re.compile("/sign-in"))
        await ada.page.get_by_label("Code", exact=True).fill(totp(secret, 1))
        await ada.page.get_by_role("button", name="Continue").click()
        await expect(ada.page.get_by_role("heading", name="Connect Test client to your tasks?")).to_be_visible()
        await ada.page.get_by_role("button", name="Allow", exact=True).click()
        assert "code" in await asyncio.wait_for(callback.answers.get(), 30)
        await expect(ada.page.get_by_text("Back again.")).to_be_visible()
        # The browser may ask for the callback's icon after its end.
        ada.expect_page_errors("ERR_CONNECTION_REFUSED")


async def test_used_code_is_refused_with_a_sentence(visit: Visit):
    ada = await visit()
    secret, _ = await turn_on(ada)
    code = totp(secret, 1)
    for enters in (True, False):
        await ada.lose_session()
        await ada.open("/tokens")
        await ada.type_credentials()
        await ada.page.get_by_label("Code", exact=True).fill(code)
        await ada.page.get_by_role("button", name="Continue").click()
        if enters:
            await expect(ada.page.get_by_role("heading", name="Personal access tokens")).to_be_visible()
    await expect(ada.page.get_by_text("This code was used already. Wait until your app shows the next")).to_be_visible()
    ada.expect_page_errors("401")


async def test_one_of_several_uses_of_a_code_passes_whichever_dashboard_they_reach(
    taskdeck: Taskdeck, request_url: RequestUrl, tmp_path: Path, fresh_limits: None
):
    email = f"ada-{secrets.token_hex(4)}@example.com"
    async with OAuthAccount.signed_up(taskdeck, email) as account:
        made = (await account.http.post("/api/auth/two-factor/enable", json={"password": PASSWORD})).json()
        key = httpx2.URL(made["totpURI"]).params["secret"]
        confirmed = await account.http.post("/api/auth/two-factor/verify-totp", json={"code": totp(key)})
        assert confirmed.status_code == 200, confirmed.text
    secret = (taskdeck.server.data_dir / "dashboard.secret").read_text()
    async with (
        running_taskdeck(taskdeck.database_url, request_url, tmp_path, BETTER_AUTH_SECRET=secret) as other,
        AsyncExitStack() as stack,
    ):
        browsers = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=at.dashboard, headers={"origin": at.dashboard}, trust_env=False)
            )
            for at in (taskdeck, other) * 3
        ]
        for browser in browsers:
            answer = await browser.post("/api/auth/sign-in/email", json={"email": email, "password": PASSWORD})
            assert answer.json()["twoFactorRedirect"], answer.text
        code = {"code": totp(key, 1)}
        answers = await asyncio.gather(
            *(browser.post("/api/auth/two-factor/verify-totp", json=code) for browser in browsers)
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    assert {answer.json().get("code") for answer in answers} == {None, "CODE_USED"}


async def test_turning_it_off_takes_the_password(visit: Visit):
    ada = await visit()
    await turn_on(ada)
    await ada.open("/settings")
    section = ada.page.get_by_role("region", name="Second factor")
    await section.get_by_label("Your password").fill("incorrect horse")
    await section.get_by_role("button", name="Turn it off").click()
    await expect(section.get_by_role("alert")).to_be_visible()
    await section.get_by_label("Your password").fill(PASSWORD)
    await section.get_by_role("button", name="Turn it off").click()
    await expect(section.get_by_text("Off. With it,")).to_be_visible()
    ada.expect_page_errors("400")
    await ada.lose_session()
    await ada.open("/tokens")
    await ada.type_credentials()
    await expect(ada.page.get_by_role("heading", name="Personal access tokens")).to_be_visible()


async def test_codes_cannot_be_guessed(taskdeck: Taskdeck, fresh_limits: None):
    email = f"ada-{secrets.token_hex(4)}@example.com"
    async with OAuthAccount.signed_up(taskdeck, email) as account:
        made = (await account.http.post("/api/auth/two-factor/enable", json={"password": PASSWORD})).json()
        key = httpx2.URL(made["totpURI"]).params["secret"]
        confirmed = await account.http.post("/api/auth/two-factor/verify-totp", json={"code": totp(key)})
        assert confirmed.status_code == 200, confirmed.text
    headers = {"origin": taskdeck.dashboard}
    wrong = "000000" if totp(key) != "000000" else "111111"
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, headers=headers, trust_env=False) as http:
        statuses: list[list[int]] = []
        for _ in range(2):
            await http.post("/api/auth/sign-in/email", json={"email": email, "password": PASSWORD})
            guesses = [await http.post("/api/auth/two-factor/verify-totp", json={"code": wrong}) for _ in range(6)]
            statuses.append([guess.status_code for guess in guesses])
        await http.post("/api/auth/sign-in/email", json={"email": email, "password": PASSWORD})
        locked = await http.post("/api/auth/two-factor/verify-totp", json={"code": totp(key, 1)})
    assert statuses[0] == [401] * 5 + [400], "five codes for each sign-in"
    assert locked.status_code == 429, "ten wrong codes lock the account's second factor"
