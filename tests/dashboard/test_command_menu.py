"""The menu behind Ctrl+K in a browser: go to a page, search tasks and conversations, add a task."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import PHONE, Visit, Visitor

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def open_menu(page: Page) -> Locator:
    """The field of the menu, which has the focus."""
    await page.keyboard.press("Control+k")
    field = page.get_by_role("dialog", name="Search and commands").get_by_role("combobox")
    await expect(field).to_be_focused()
    return field


def options_in(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Search and commands").get_by_role("option")


async def open_activity(visitor: Visitor) -> Page:
    await visitor.open("/activity")
    await visitor.is_connected("live")
    return visitor.page


async def test_keyboard_leads_to_pages_tasks_and_messages(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    await bea.call("add_task", title="Bank of Bea")
    task = (await ada.call("add_task", title="Call the bank"))["id"]
    messages = [{"role": "user", "content": "hello"}, {"role": "user", "content": "Which bank is near?"}]
    number = (await ada.call("start_conversation", title="Errands", messages=messages))["id"]
    page = await open_activity(ada)
    field = await open_menu(page)
    options = options_in(page)
    await expect(options.first).to_have_text("Today")
    await page.keyboard.type("conv")
    await expect(options.first).to_have_text("Conversations")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile("/conversations$"))
    await expect(page.get_by_role("heading", level=1, name="Conversations")).to_be_visible()
    field = await open_menu(page)
    await expect(field).to_have_value("")
    await page.keyboard.type("bank")
    await expect(options).to_have_text(["Call the bank", "Errands: Which bank is near?", "bank"])
    await expect(options.first).to_have_attribute("data-highlighted", "")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.locator("#m2")).to_be_focused()
    await expect(page).to_have_url(re.compile(rf"/conversations/{number}\?at=2$"))
    await open_menu(page)
    await page.keyboard.type("bank")
    await options.filter(has_text="Call the bank").click()
    await expect(page).to_have_url(re.compile(rf"/tasks/{task}$"))
    await open_menu(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Search and commands")).to_be_hidden()


async def test_line_becomes_a_task_that_can_be_taken_back(visit: Visit) -> None:
    ada = await visit("Ada")
    page = await open_activity(ada)
    await page.get_by_role("button", name="Search and commands").click()
    await expect(page.get_by_role("combobox", name="Search, go to a page")).to_be_focused()
    await page.keyboard.type("Water the plants tomorrow #home")
    await expect(options_in(page)).to_have_text(["Water the plants tomorrow #home"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("toast")).to_contain_text("Added: Water the plants")
    (task,) = (await ada.call("list_tasks"))["tasks"]
    assert (task["title"], task["tags"], len(task["due"])) == ("Water the plants", ["home"], 10)
    await page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(page.get_by_test_id("call").first).to_contain_text("You deleted Water the plants")


async def test_line_that_cannot_be_searched_can_still_be_added(visit: Visit) -> None:
    ada = await visit("Ada")
    ada.expect_page_errors("422")
    page = await open_activity(ada)
    await open_menu(page)
    await page.keyboard.type("paint in:nowhere")
    await expect(options_in(page)).to_have_text(["paint in:nowhere"])
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_menu_is_accessible(visit: Visit, scheme: str) -> None:
    ada = await visit("Ada", color_scheme=scheme, reduced_motion="reduce", viewport=PHONE)
    await ada.call("add_task", title="Call the bank " + "W" * 300)
    page = await open_activity(ada)
    await open_menu(page)
    found = await ada.violations()
    await page.keyboard.type("bank")
    await expect(options_in(page)).to_have_count(2)
    found += await ada.violations()
    assert found == []
    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
