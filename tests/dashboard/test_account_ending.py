"""A person asks on the settings page for their account to be deleted, and has a week to change their mind."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Locator, expect

from mcp_server.settings import Settings
from tests.conftest import RequestUrl
from tests.dashboard.test_second_factor import totp, turn_on
from tests.deploy.test_delete_account import mentions
from tests.support.browser import PASSWORD, Visit, Visitor
from tests.support.running_server import running_server

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


def banner(ada: Visitor) -> Locator:
    return ada.page.get_by_role("region", name="Deletion of this account")


async def fill(ada: Visitor, **fields: str) -> None:
    """Ask for the account to be deleted."""
    await ada.open("/settings")
    form = ada.page.get_by_role("form", name="Delete the account")
    for label, value in fields.items():
        await form.get_by_label(label.replace("_", " "), exact=True).fill(value)
    await form.get_by_role("button", name="Delete my account in a week").click()


async def ends_at(ada: Visitor) -> datetime | None:
    (row,) = await ada.taskdeck.sql('SELECT "endsAt" FROM auth."user" WHERE id = $1', ada.user_id)
    return row[0]


async def test_it_takes_the_password_ends_everything_else_and_can_be_taken_back(visit: Visit):
    ada = await visit()
    phone = await visit(known=False)
    phone.email = ada.email
    await phone.open("/sign-in")
    await phone.type_credentials()
    await phone.is_connected("live")
    await ada.call("add_task", title="Water the plants")
    token = await ada.make_token()
    await fill(ada, Your_password="incorrect horse")
    await expect(ada.page.get_by_text("The current password is not right.")).to_be_visible()
    assert await ends_at(ada) is None
    ada.expect_page_errors("400")

    await fill(ada, Your_password=PASSWORD)
    await expect(banner(ada)).to_contain_text("will be deleted with everything in it on")
    end = await ends_at(ada)
    assert end
    assert timedelta(days=6, hours=23) < end - datetime.now(UTC) <= timedelta(days=7)
    assert await ada.violations() == []
    assert (await ada.taskdeck.call_raw(token, "whoami")).status_code == 401
    await expect(phone.page.get_by_text("Your session has ended").first).to_be_visible()
    phone.expect_page_errors("401", "403")
    await ada.open("/tasks")
    await expect(banner(ada)).to_be_visible()
    await expect(ada.page.get_by_text("Water the plants")).to_be_visible()

    await banner(ada).get_by_role("button", name="Keep my account").click()
    await expect(banner(ada)).to_be_hidden()
    assert await ends_at(ada) is None
    await ada.open("/settings")
    log = ada.page.get_by_role("region", name="Security log")
    await expect(log.get_by_text("You decided to keep this account.")).to_be_visible()
    await expect(log.get_by_text("You asked for this account to be deleted.")).to_be_visible()


async def test_second_factor_is_asked_for(visit: Visit):
    ada = await visit()
    secret, _ = await turn_on(ada)
    wrong = "000000" if totp(secret, 1) != "000000" else "111111"
    await fill(ada, Your_password=PASSWORD, Code=wrong)
    await expect(ada.page.get_by_text("The code is not right.")).to_be_visible()
    ada.expect_page_errors("401")
    assert await ends_at(ada) is None
    await fill(ada, Your_password=PASSWORD, Code=totp(secret, 1))
    await expect(banner(ada)).to_be_visible()


async def test_account_without_a_password_asks_for_the_address(visit: Visit):
    ada = await visit()
    # As after signing up with Google.
    await ada.taskdeck.sql('UPDATE auth.account SET password = NULL WHERE "userId" = $1', ada.user_id)
    await fill(ada, **{"Your e-mail address": "somebody@example.com"})
    await expect(ada.page.get_by_text("That is not the address of this account.")).to_be_visible()
    ada.expect_page_errors("400")
    await fill(ada, **{"Your e-mail address": ada.email.upper()})
    await expect(banner(ada)).to_be_visible()


async def test_after_the_week_nothing_is_left(visit: Visit, request_url: RequestUrl, tmp_path: Path):
    ada, bob = await visit(), await visit()
    await ada.call("add_task", title="Water the plants")
    await fill(ada, Your_password=PASSWORD)
    await expect(banner(ada)).to_be_visible()
    await fill(bob, Your_password=PASSWORD)
    await expect(banner(bob)).to_be_visible()
    await ada.page.goto("about:blank")
    moved = """UPDATE auth."user" SET "endsAt" = now() - interval '1 second' WHERE id = $1"""
    await ada.taskdeck.sql(moved, ada.user_id)
    url = ada.taskdeck.database_url
    of_bob = await mentions(url, bob.user_id, bob.email)
    # A server deletes what is due when it starts, and then every hour.
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with running_server(settings, request_url(url), url), asyncio.timeout(60):
        # No interface announces the end of an account, so the test polls for it.
        while await ada.taskdeck.sql('SELECT 1 FROM auth."user" WHERE id = $1', ada.user_id):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await mentions(url, ada.user_id, ada.email) == set()
    assert await mentions(url, bob.user_id, bob.email) == of_bob
    await ada.open("/dashboard")
    await ada.page.wait_for_url(re.compile("/sign-in"))
    await ada.type_credentials()
    await expect(ada.page.get_by_text("The e-mail or the password is not right.")).to_be_visible()
    ada.expect_page_errors("401")
