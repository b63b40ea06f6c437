"""The page Today in a browser: what is late or due, and an agent's change that is found, edited and undone."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Locator, Page, ViewportSize, expect

from tests.support.browser import PHONE, Visit, Visitor, agent
from tests.support.processes import structured
from tests.support.windows import script_bytes

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

WIDE = ViewportSize(width=1280, height=720)


async def open_today(visitor: Visitor) -> Page:
    await visitor.open("/today")
    await visitor.is_connected("live")
    return visitor.page


def rows(page: Page, section: str) -> Locator:
    return page.get_by_role("region", name=section, exact=True).get_by_test_id("task").get_by_role("link")


async def test_late_due_and_begun_tasks_are_listed_and_ticked(visit: Visit) -> None:
    ada = await visit("Ada")
    today = datetime.fromisoformat((await ada.call("whoami"))["now"]).date()
    await ada.call("add_task", title="Late", due=(today - timedelta(days=1)).isoformat())
    await ada.call("add_task", title="Now", due=today.isoformat())
    await ada.call("add_task", title="Later", due=(today + timedelta(days=1)).isoformat())
    begun = (await ada.call("add_task", title="Begun"))["id"]
    await ada.call("update_task", task_id=begun, status="in_progress")
    page = await open_today(ada)
    await expect(rows(page, "Overdue")).to_have_text(["Late"])
    await expect(rows(page, "Due today")).to_have_text(["Now"])
    await expect(rows(page, "In progress")).to_have_text(["Begun"])
    await page.get_by_role("checkbox", name="Completed: Late").click()
    await expect(rows(page, "Overdue")).to_have_count(0)
    await page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(rows(page, "Overdue")).to_have_text(["Late"])
    await page.keyboard.press("c")
    await page.keyboard.type("Call the bank")
    await page.keyboard.press("Enter")
    await expect(rows(page, "Due today")).to_have_text(["Now", "Call the bank"])
    assert (await ada.call("list_tasks"))["tasks"][0]["due"] == today.isoformat()


async def test_change_of_an_agent_is_found_edited_and_undone_in_three_clicks(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    task = (await ada.call("add_task", title="Call the bank"))["id"]
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        page = await open_today(ada)
        await open_today(bea)
        await structured(robot, "update_task", task_id=task, title="Call the dentist", due="2099-01-01")
    # Found without a click.
    change = page.get_by_test_id("call").first
    await expect(change).to_contain_text("Robot changed Call the dentist")
    await expect(page.get_by_test_id("summary")).to_contain_text("Robot changed 1")
    # One: open the task. Edit it in place.
    await change.get_by_role("link", name="Call the dentist").click()
    await expect(page.get_by_label("Title")).to_have_value("Call the dentist")
    # Two: into a field.
    await page.get_by_label("Tags").click()
    await page.keyboard.type("phone")
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("call").first).to_contain_text("You changed this task")
    # Three: undo what the agent did, and only that.
    row = page.get_by_test_id("call").filter(has_text="Robot changed this task")
    await row.get_by_role("button", name=re.compile("^Undo")).click()
    await expect(page.get_by_label("Title")).to_have_value("Call the bank")
    shown = await ada.call("get_task", task_id=task)
    assert (shown["title"], shown["tags"], "due" in shown) == ("Call the bank", ["phone"], False)
    await expect(bea.page.get_by_text("Nothing since yesterday.")).to_be_visible()


async def test_change_of_an_agent_is_undone_on_the_page_itself(visit: Visit) -> None:
    ada = await visit("Ada")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        await structured(robot, "add_task", title="Not wanted", due="2020-01-01")
        page = await open_today(ada)
        await expect(rows(page, "Overdue")).to_have_text(["Not wanted"])
        await page.get_by_role("button", name="Undo: added Not wanted").click()
        await expect(rows(page, "Overdue")).to_have_count(0)
        await expect(page.get_by_test_id("call")).to_contain_text("undone")
        assert (await structured(robot, "list_tasks"))["total_count"] == 0


@pytest.mark.parametrize("path", ["/today", "/tasks"])
async def test_nothing_is_cut_off_at_320_pixels(visit: Visit, path: str) -> None:
    ada = await visit("Ada", viewport={"width": 320, "height": 640})
    tags = ["somewhere", "telephone", "and another"]
    await ada.call("add_task", title="Donaudampfschifffahrt " * 4, due="2020-01-01", priority="urgent", tags=tags)
    await ada.open(path)
    await ada.is_connected("live")
    await expect(ada.page.get_by_test_id("task")).to_be_visible()
    assert await ada.page.evaluate("document.documentElement.scrollWidth") == 320


async def test_today_is_served_with_its_content_and_small_scripts(visit: Visit) -> None:
    ada = await visit("Ada")
    await ada.call("add_task", title="Water the plants", due="2020-01-01")
    await open_today(ada)
    assert await script_bytes(ada) <= 200_000
    served = await (await ada.context.request.get(f"{ada.taskdeck.dashboard}/today")).text()
    assert "Water the plants</bdi>" in served


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_today_is_accessible(visit: Visit, scheme: str) -> None:
    for size in (WIDE, PHONE):
        ada = await visit("Ada", color_scheme=scheme, reduced_motion="reduce", viewport=size)
        page = await open_today(ada)
        await expect(page.get_by_text("Nothing is late, due today or in progress.")).to_be_visible()
        found = await ada.violations()
        async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
            await structured(robot, "add_task", title="Late", due="2020-01-01", priority="urgent", tags=["home"])
            task = (await structured(robot, "add_task", title="Begun"))["id"]
            await structured(robot, "update_task", task_id=task, status="in_progress")
        await open_today(ada)
        await page.get_by_role("checkbox", name="Completed: Begun").click()
        await expect(page.get_by_test_id("toast")).to_be_visible()
        found += await ada.violations()
        assert found == []
