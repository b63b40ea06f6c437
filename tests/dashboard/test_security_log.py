"""What happens to an account on the dashboard is in its owner's audit log."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from playwright.async_api import expect

from tests.dashboard.test_second_factor import totp
from tests.support.browser import PASSWORD, Taskdeck, Visit, Visitor, bearing, token_of
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

NEW_PASSWORD = "another horse battery"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/140.0"
HERE = {"address": "127.0.0.1", "agent": "Firefox on Windows"}


@pytest.fixture
def email() -> str:
    return f"ada-{secrets.token_hex(4)}@example.com"


@pytest.fixture
async def ada(taskdeck: Taskdeck, email: str, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, email) as account:
        account.http.headers["user-agent"] = FIREFOX
        yield account


async def read_log(taskdeck: Taskdeck, http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """The entries, oldest first, as the session reads them."""
    token = (await http.get("/api/auth/token")).json()["token"]
    async with bearing(token) as server:
        answer = await server.get(f"{taskdeck.mcp}/api/dashboard/audit", params={"limit": 50})
    assert answer.status_code == 200, answer.text
    return answer.json()["entries"][::-1]


async def entries(account: OAuthAccount, since: int = 1) -> list[tuple[str, dict[str, Any]]]:
    """Actions with their details; the first entry, `account_created`, is left out."""
    found = await read_log(account.taskdeck, account.http)
    assert {(entry.get("by", "me"), entry["client"]) for entry in found} == {("me", "dashboard")}
    return [(entry["action"], entry["details"]) for entry in found[since:]]


async def log_of(visitor: Visitor) -> list[dict[str, Any]]:
    """The entries, oldest first, as a window's person reads them."""
    cookies = {cookie["name"]: cookie["value"] for cookie in await visitor.context.cookies()}  # type: ignore[typeddict-item]
    async with httpx2.AsyncClient(base_url=visitor.taskdeck.dashboard, cookies=cookies, trust_env=False) as http:
        return await read_log(visitor.taskdeck, http)


async def of_visitor(visitor: Visitor) -> list[tuple[str, dict[str, Any]]]:
    """What a window's person finds after `account_created`, without the address and browser."""
    found = await log_of(visitor)
    here = ("address", "agent")
    return [(e["action"], {k: v for k, v in e["details"].items() if k not in here}) for e in found[1:]]


async def until_failure(account: OAuthAccount) -> None:
    """Wait for the newest entry to be a failed sign-in, which is recorded after the response."""
    async with asyncio.timeout(10):
        while [action for action, _ in await entries(account)][-1:] != ["sign_in_failed"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def post(http: httpx2.AsyncClient, path: str, status: int = 200, **body: Any) -> Any:
    response = await http.post(f"/api/auth{path}", json=body)
    assert response.status_code == status, response.text
    return response.json()


async def test_sign_up_sign_in_and_sign_out(ada: OAuthAccount, email: str) -> None:
    async with ada.elsewhere(email) as there:
        there.http.headers["user-agent"] = FIREFOX
        await post(there.http, "/sign-out")
    agent = (await entries(ada))[0][1]["agent"]
    assert await entries(ada, 0) == [
        ("account_created", {"way": "password", "address": "127.0.0.1", "agent": agent}),
        ("signed_in", {"way": "password", "address": "127.0.0.1", "agent": agent}),
        ("signed_out", HERE),
    ]


async def test_failed_sign_ins_are_recorded_once_an_hour_for_a_known_account(ada: OAuthAccount, email: str) -> None:
    stranger = f"bob-{secrets.token_hex(4)}@example.com"
    for address in (stranger, email.upper(), email, email):
        await post(ada.http, "/sign-in/email", 401, email=address, password="incorrect horse")
    await until_failure(ada)
    assert await entries(ada) == [("sign_in_failed", {"wrong": "password"} | HERE)]


async def test_second_factor_and_its_codes(ada: OAuthAccount, email: str) -> None:
    made = await post(ada.http, "/two-factor/enable", password=PASSWORD)
    key = httpx2.URL(made["totpURI"]).params["secret"]
    await post(ada.http, "/two-factor/verify-totp", code=totp(key))
    codes = await post(ada.http, "/two-factor/generate-backup-codes", password=PASSWORD)
    headers = {"origin": ada.taskdeck.dashboard, "user-agent": FIREFOX}
    for path, code in (("totp", totp(key, 1)), ("backup-code", codes["backupCodes"][0])):
        async with httpx2.AsyncClient(base_url=ada.taskdeck.dashboard, headers=headers, trust_env=False) as there:
            await post(there, "/sign-in/email", email=email, password=PASSWORD)
            if path == "totp":
                wrong = "000000" if code != "000000" else "111111"
                await post(there, "/two-factor/verify-totp", 401, code=wrong)
                await until_failure(ada)
            await post(there, f"/two-factor/verify-{path}", code=code)
    await post(ada.http, "/two-factor/disable", password=PASSWORD)
    assert await entries(ada) == [
        ("second_factor_on", HERE),
        ("recovery_codes_made", HERE),
        ("sign_in_failed", {"wrong": "code"} | HERE),
        ("signed_in", {"way": "password", "second_factor": "code"} | HERE),
        ("signed_in", {"way": "password", "second_factor": "recovery code"} | HERE),
        ("second_factor_off", HERE),
    ]


async def test_changed_and_reset_passwords(ada: OAuthAccount, email: str) -> None:
    await post(ada.http, "/change-password", currentPassword=PASSWORD, newPassword=NEW_PASSWORD)
    await post(ada.http, "/request-password-reset", email=email)
    token = token_of(await ada.taskdeck.link(email))
    await post(ada.http, "/reset-password", newPassword=PASSWORD, token=token)
    async with ada.elsewhere(email) as there:
        actions = await entries(there)
    assert [action for action, _ in actions] == ["password_changed", "password_reset", "signed_in"]
    assert actions[0][1] == actions[1][1] == HERE


async def test_changed_address(ada: OAuthAccount, email: str) -> None:
    new = f"new-{email}"
    await post(ada.http, "/change-email", newEmail=new, callbackURL="/settings")
    link = await ada.taskdeck.link(new)
    assert (await ada.http.get(link)).status_code == 302
    assert await entries(ada) == [("address_changed", HERE)]


async def test_unverified_address_that_is_confirmed(ada: OAuthAccount, email: str) -> None:
    await ada.taskdeck.sql('UPDATE auth."user" SET "emailVerified" = false WHERE id = $1', ada.user_id)
    await post(ada.http, "/send-verification-email", email=email, callbackURL="/settings")
    assert (await ada.http.get(await ada.taskdeck.link(email))).status_code == 302
    assert await entries(ada) == [("address_confirmed", HERE)]


async def test_consent_to_a_client_and_its_end(visit: Visit, ada: OAuthAccount, email: str) -> None:
    client = await ada.register(client_name="Garden\u202e planner")
    await ada.connect(client)
    await ada.connect(client, granted="mcp:read", prompt="consent")
    window = await visit("Ada", known=False)
    window.email = email
    await window.open("/sign-in")
    await window.type_credentials()
    await window.page.wait_for_url("**/dashboard")
    await window.open("/clients")
    await window.page.get_by_role("button", name="Disconnect Garden planner").click()
    await window.page.get_by_role("alertdialog").get_by_role("button", name="Disconnect").click()
    await window.page.get_by_text("No client is connected yet.").wait_for()
    named = {"client_id": client, "name": "Garden planner"}
    assert await of_visitor(window) == [
        ("client_connected", named | {"scopes": "mcp:read mcp:write"}),
        ("client_connected", named | {"scopes": "mcp:read"}),
        ("signed_in", {"way": "password"}),
        ("client_disconnected", named),
    ]


async def test_tokens_and_ended_sessions(visit: Visit, ada: OAuthAccount, email: str) -> None:
    window = await visit("Ada", known=False)
    window.email = email
    await window.open("/sign-in")
    await window.type_credentials()
    await window.page.wait_for_url("**/dashboard")
    secret = await window.make_token("CI", "Only read")
    await window.page.get_by_role("button", name="Revoke CI").click()
    await window.page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    await window.page.get_by_text("You have no tokens.").wait_for()
    await window.open("/settings")
    sessions = window.page.get_by_role("region", name="Sessions")
    await sessions.get_by_role("button", name="End").click()
    await window.page.get_by_role("alertdialog").get_by_role("button", name="End").click()
    await expect(sessions.get_by_role("listitem")).to_have_count(1)
    token = {"name": "CI", "hint": secret[-4:], "scopes": "mcp:read"}
    found = await of_visitor(window)
    assert found[:-1] == [("signed_in", {"way": "password"}), ("token_created", token), ("token_revoked", token)]
    assert found[-1][0] == "session_ended"
    assert found[-1][1]["session"].startswith("python-httpx")


async def test_settings_list_the_log_page_by_page(visit: Visit, taskdeck: Taskdeck) -> None:
    ada = await visit(timezone_id="Asia/Tokyo")
    for number in range(40):
        await taskdeck.sql(
            "SELECT taskdeck_audit_record($1, 'client_disconnected', $2::jsonb)",
            *(ada.user_id, json.dumps({"name": f"Client {number}"})),
        )
    await ada.call("set_timezone", timezone="Asia/Tokyo")
    await ada.open("/settings")
    log = ada.page.get_by_role("region", name="Security log")
    await expect(log.get_by_role("listitem")).to_have_count(8)
    await expect(log.get_by_role("listitem").first).to_contain_text("You disconnected “Client 39”.")
    at = (await log_of(ada))[-1]["at"]
    shown = datetime.fromisoformat(at).astimezone(ZoneInfo("Asia/Tokyo")).strftime("%-d %b %Y, %H:%M")
    await expect(log.get_by_role("listitem").first).to_contain_text(shown)
    assert await ada.violations() == []
    older = log.get_by_role("button", name="Show older entries")
    await older.click()
    await expect(log.get_by_role("listitem")).to_have_count(33)
    await ada.page.route("**/api/dashboard/audit**", lambda route: route.abort())
    await older.click()
    await expect(log.get_by_text("The task server cannot be reached.")).to_be_visible()
    ada.expect_page_errors("ERR_FAILED")
    await ada.page.unroute("**/api/dashboard/audit**")
    await log.get_by_role("button", name="Try again").click()
    await expect(log.get_by_role("listitem")).to_have_count(41)
    await expect(log.get_by_role("listitem").last).to_contain_text("You created this account, with a password.")
    await expect(log.get_by_role("button")).to_have_count(0)
