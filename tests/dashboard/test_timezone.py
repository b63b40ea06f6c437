"""Time zones in the browser: the default at sign-up, the settings page, and due dates on the dashboard."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from tests.support.browser import PASSWORD, Visit, Visitor, agent
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

KIRITIMATI, PAGO_PAGO = "Pacific/Kiritimati", "Pacific/Pago_Pago"
"""25 hours apart: never the same day."""


async def sign_up_by_the_form(visitor: Visitor) -> None:
    await visitor.fill_sign_up()
    await visitor.page.goto(await visitor.taskdeck.link(visitor.email))
    await visitor.sees(total=0)
    session = await visitor.context.request.get(f"{visitor.taskdeck.dashboard}/api/auth/get-session")
    visitor.user_id = (await session.json())["user"]["id"]


async def save(visitor: Visitor, zone: str) -> None:
    await visitor.open("/settings")
    # Hydration would put back what was chosen before it.
    await expect(visitor.page.get_by_role("button", name="Save")).to_be_enabled()
    await visitor.page.locator("select[name=timezone]").select_option(zone)
    await visitor.page.get_by_role("button", name="Save").click()
    await expect(visitor.page.get_by_text(f"Saved. Your days are in {zone.replace('_', ' ')}.")).to_be_visible()


async def test_browser_time_zone_is_the_default_of_a_new_account(visit: Visit):
    ada = await visit(known=False, timezone_id=KIRITIMATI)
    await sign_up_by_the_form(ada)
    assert (await ada.call("whoami"))["timezone"] == KIRITIMATI
    secret = await ada.make_token()
    async with agent(ada.taskdeck.mcp, secret) as client:
        assert (await structured(client, "whoami"))["timezone"] == KIRITIMATI
        before = datetime.now(ZoneInfo(KIRITIMATI)).date()
        (day,) = (await structured(client, "get_statistics", days=1))["trend"]
        assert before.isoformat() <= day["date"] <= datetime.now(ZoneInfo(KIRITIMATI)).date().isoformat()


async def test_account_without_a_valid_browser_time_zone_has_none(visit: Visit):
    ada = await visit()
    assert "timezone" not in await ada.call("whoami")
    odd = {"email": f"odd-{ada.email}", "password": PASSWORD, "name": "Odd", "timezone": "Mars/Olympus"}
    await ada.post("/api/auth/sign-up/email", odd)
    ada.email = odd["email"]
    made = await ada.confirm()
    stored = await ada.taskdeck.sql('SELECT timezone FROM auth."user" WHERE id = $1', made["user"]["id"])
    assert stored[0]["timezone"] is None


async def test_time_zone_set_on_the_page_applies_to_every_client(visit: Visit):
    ada = await visit(known=False, timezone_id="Europe/Berlin")
    await sign_up_by_the_form(ada)
    for zone in (KIRITIMATI, PAGO_PAGO):
        await save(ada, zone)
        assert (await ada.call("whoami"))["timezone"] == zone
        before = datetime.now(ZoneInfo(zone)).date()
        (day,) = (await ada.call("get_statistics", days=1))["trend"]
        assert before.isoformat() <= day["date"] <= datetime.now(ZoneInfo(zone)).date().isoformat()
    await ada.open("/settings")
    await expect(ada.page.locator("select[name=timezone]")).to_have_value(PAGO_PAGO)
    assert await ada.violations() == []
    # A token of the dashboard still names the browser's time zone.
    await ada.open_live()
    assert (await ada.call("whoami"))["timezone"] == PAGO_PAGO
    await ada.call("set_timezone", timezone="Asia/Tokyo")
    await ada.open("/settings")
    await expect(ada.page.locator("select[name=timezone]")).to_have_value("Asia/Tokyo")
    await ada.page.get_by_role("button", name="Use Europe/Berlin, as this browser").click()
    await ada.page.get_by_role("button", name="Save").click()
    await expect(ada.page.get_by_text("Saved. Your days are in Europe/Berlin.")).to_be_visible()
    assert (await ada.call("whoami"))["timezone"] == "Europe/Berlin"


async def test_settings_are_linked_from_every_page(visit: Visit):
    ada = await visit()
    await ada.open("/clients")
    await ada.page.get_by_role("button", name="Account and appearance").click()
    await ada.page.get_by_role("link", name="Settings").click()
    await expect(ada.page.get_by_role("heading", name="Settings")).to_be_visible()
    await expect(ada.page.locator("select[name=timezone]")).to_have_value("UTC")
    await expect(ada.page.get_by_role("button", name="Sign out")).to_be_hidden()


async def test_due_dates_use_the_persons_time_zone_not_the_browsers(visit: Visit):
    ada = await visit(timezone_id="America/Los_Angeles")
    await ada.call("set_timezone", timezone=KIRITIMATI)
    zone = ZoneInfo(KIRITIMATI)
    soon = datetime.now(zone) + timedelta(minutes=30)
    noon = datetime.now(zone).replace(hour=12, minute=0, second=0, microsecond=0) + timedelta(days=1)
    await ada.call("add_task", title="A day", due=soon.date().isoformat())
    await ada.call("add_task", title="Days before", due=(soon.date() - timedelta(days=4)).isoformat())
    await ada.call("add_task", title="A time", due=noon.isoformat())
    await ada.open_live()

    def row(title: str):
        return ada.page.get_by_role("listitem").filter(has_text=title).locator("time")

    if datetime.now(zone).date() == soon.date():
        await expect(row("A day")).to_have_text("today")
        await expect(row("A time")).to_have_text("tomorrow, 12:00")
        await ada.call("set_timezone", timezone=PAGO_PAGO)  # the open page follows
        await expect(row("A day")).not_to_have_text("today")
    await expect(row("Days before")).to_contain_text("Overdue since")
