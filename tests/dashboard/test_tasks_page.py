"""The page Tasks in a browser: quick add, filters, keyboard, ten thousand rows, and an agent that writes meanwhile."""

import re
from datetime import datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import PHONE, Visit, Visitor, agent
from tests.support.processes import structured
from tests.support.windows import script_bytes

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def open_tasks(visitor: Visitor, query: str = "") -> Page:
    await visitor.open(f"/tasks{query}")
    await visitor.is_connected("live")
    return visitor.page


async def titles(page: Page, *expected: str) -> None:
    """Wait until the list shows exactly these titles."""
    await expect(page.get_by_test_id("task").get_by_role("link")).to_have_text([*expected])


async def test_quick_add_reads_dates_in_the_zone_of_the_person(visit: Visit) -> None:
    ada = await visit("Ada", timezone_id="America/New_York")
    await ada.call("set_timezone", timezone="Asia/Tokyo")
    page = await open_tasks(ada)
    await expect(page.get_by_text("Nothing is open.")).to_be_visible()
    await page.keyboard.press("c")
    await page.keyboard.type("Call the bank tomorrow 5pm #money")
    await expect(page.locator("#quick-add-read")).to_contain_text("Due tomorrow, 17:00 #money")
    await page.keyboard.press("Enter")
    await titles(page, "Call the bank")
    await expect(page.get_by_test_id("task")).to_contain_text("tomorrow, 17:00")
    (task,) = (await ada.call("list_tasks"))["tasks"]
    now = (await ada.call("whoami"))["now"]
    assert task["tags"] == ["money"]
    assert re.fullmatch(r"[\d-]{10}T17:00:00\+09:00", task["due"])
    assert task["due"][:10] > now[:10]
    await page.get_by_label("New task", exact=True).locator("input").fill("Read May tomorrow")
    await page.get_by_role("button", name="Keep as text").click()
    await page.get_by_role("button", name="Add", exact=True).click()
    await titles(page, "Read May tomorrow", "Call the bank")
    await page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await titles(page, "Call the bank")


async def test_tick_is_taken_back_from_the_toast_with_the_next_occurrence(visit: Visit) -> None:
    ada = await visit("Ada")
    await ada.call("add_task", title="Water", due="2099-03-01", recurrence="FREQ=WEEKLY")
    await ada.call("add_task", title="Other")
    page = await open_tasks(ada)
    await page.get_by_role("checkbox", name="Completed: Water").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("The next one is due 2099-03-08")
    await expect(page.get_by_test_id("task").filter(has_text="Mar 8")).to_be_visible()
    await page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(page.get_by_test_id("task").filter(has_text="Mar 1")).to_be_visible()
    await titles(page, "Other", "Water")
    rows = (await ada.call("list_tasks", status="all"))["tasks"]
    assert [(row["title"], row["status"], row.get("due")) for row in rows] == [
        ("Other", "pending", None),
        ("Water", "pending", "2099-03-01"),
    ]


async def test_filters_stay_in_the_address(visit: Visit) -> None:
    ada = await visit("Ada")
    team = (await ada.call("create_team", name="Garden club"))["id"]
    await ada.call("add_task", title="Late", due="2020-01-01", priority="urgent")
    await ada.call("add_task", title="Of the team", team_id=team, assignee=ada.user_id, tags=["bed"])
    done = (await ada.call("add_task", title="Done"))["id"]
    await ada.call("complete_task", task_id=done)
    page = await open_tasks(ada)
    await titles(page, "Of the team", "Late")
    await page.get_by_label("Status").select_option("All")
    await titles(page, "Done", "Of the team", "Late")
    await page.get_by_label("Order").select_option("Due first")
    await titles(page, "Late", "Of the team", "Done")
    await page.get_by_label("Due", exact=True).select_option("Overdue")
    await titles(page, "Late")
    assert page.url.endswith("/tasks?status=all&due=overdue&sort=due")
    await page.reload()
    await titles(page, "Late")
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_label("Team").select_option("Garden club")
    await titles(page, "Of the team")
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_label("Assignee").select_option("Assigned to me")
    await titles(page, "Of the team")
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_label("Tag").fill("bed")
    await titles(page, "Of the team")
    await page.get_by_role("button", name="Clear").click()
    await page.keyboard.press("/")
    await page.keyboard.type("late")
    await titles(page, "Late")
    await page.get_by_label("Search", exact=True).fill("nothing like it")
    await page.get_by_role("button", name="Show all open tasks").click()
    await titles(page, "Of the team", "Late")


async def test_completed_tasks_are_filtered_by_day_and_client(visit: Visit) -> None:
    ada = await visit("Ada")
    _, robots = [(await ada.call("add_task", title=title))["id"] for title in ("Mine", "Robot's")]
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        await structured(robot, "complete_task", task_id=robots)
    page = await open_tasks(ada)
    await page.get_by_role("checkbox", name="Completed: Mine").click()
    await expect(page.get_by_test_id("toast")).to_be_visible()
    await expect(page.get_by_label("Completed from")).to_have_count(0)
    await page.get_by_label("Status").select_option("Completed")
    await titles(page, "Robot's", "Mine")
    await page.get_by_label("Completed by").select_option("By me with Robot")
    await titles(page, "Robot's")
    assert f"by={ada.user_id}&with=" in page.url
    await page.reload()
    await titles(page, "Robot's")
    await page.get_by_label("Completed by").select_option("By me")
    await titles(page, "Robot's", "Mine")
    today = datetime.fromisoformat((await ada.call("whoami"))["now"]).date()
    await page.get_by_label("Completed to").fill((today - timedelta(days=1)).isoformat())
    await expect(page.get_by_text("No task is like that.")).to_be_visible()
    await page.get_by_label("Completed to").fill((today + timedelta(days=1)).isoformat())
    await page.get_by_label("Completed from").fill((today - timedelta(days=1)).isoformat())
    await titles(page, "Robot's", "Mine")
    await page.get_by_label("Completed from").fill((today + timedelta(days=1)).isoformat())
    await expect(page.get_by_text("No task is like that.")).to_be_visible()
    await page.get_by_label("Status").select_option("Open")
    assert page.url.endswith("/tasks")


async def test_keyboard_moves_completes_and_opens(visit: Visit) -> None:
    ada = await visit("Ada")
    for title in ("Three", "Two", "One"):
        await ada.call("add_task", title=title)
    page = await open_tasks(ada)
    await titles(page, "One", "Two", "Three")
    for key in "jjkj":
        await page.keyboard.press(key)
    await expect(page.get_by_role("link", name="Two")).to_be_focused()
    await page.keyboard.press("e")
    await titles(page, "One", "Three")
    await expect(page.get_by_role("link", name="Three")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/tasks/*")
    await expect(page.get_by_label("Title")).to_have_value("Three")


async def test_changes_of_an_agent_appear_at_their_place(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        first = (await structured(robot, "add_task", title="First", due="2099-01-02"))["id"]
        page = await open_tasks(ada, "?sort=due")
        await open_tasks(bea)
        await structured(robot, "add_task", title="Second", due="2099-01-01")
        await titles(page, "Second", "First")
        await structured(robot, "update_task", task_id=first, due="2098-12-31", title="Now first")
        await titles(page, "Now first", "Second")
        await expect(page.get_by_test_id("total")).to_have_text("2")
        await structured(robot, "complete_task", task_id=first)
        await titles(page, "Second")
        await structured(robot, "add_tasks", tasks=[{"title": f"Task {number}"} for number in range(3)])
        await titles(page, "Second", "Task 0", "Task 1", "Task 2")
        await expect(bea.page.get_by_text("Nothing is open.")).to_be_visible()


async def test_offline_tick_is_rolled_back(visit: Visit) -> None:
    ada = await visit("Ada")
    await ada.call("add_task", title="Stays open")
    page = await open_tasks(ada)
    await page.context.set_offline(True)
    await page.get_by_role("checkbox", name="Completed: Stays open").click()
    await expect(page.get_by_test_id("toast")).to_contain_text("cannot be reached")
    await titles(page, "Stays open")
    await ada.is_connected("offline")
    await page.context.set_offline(False)
    await ada.is_connected("live")
    await titles(page, "Stays open")
    ada.expect_page_errors("ERR_INTERNET_DISCONNECTED", "WebSocket")


async def test_ten_thousand_tasks_are_scrolled_with_few_rows_in_the_page(visit: Visit) -> None:
    ada = await visit("Ada")
    async with ada.taskdeck.client(ada.user_id) as client:
        for start in range(0, 10_000, 50):
            await structured(client, "add_tasks", tasks=[{"title": f"Task {start + n}"} for n in range(50)])
    page = await open_tasks(ada)
    await expect(page.get_by_test_id("total")).to_have_text("10,000")
    await expect(page.get_by_role("link", name="Task 9999")).to_be_visible()
    most = 0
    # A page has a hundred rows; the next one has come when rows below the end exist.
    for end in range(100, 1000, 100):
        await page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        await expect(page.locator(f"[data-index='{end + 5}']")).to_be_attached()
        most = max(most, await page.get_by_test_id("task").count())
    assert most < 80
    await expect(page.locator("[aria-setsize='10000']").first).to_be_attached()


async def test_tasks_page_is_served_with_its_content_and_small_scripts(visit: Visit) -> None:
    ada = await visit("Ada")
    await ada.call("add_task", title="Water the plants")
    await open_tasks(ada)
    assert await script_bytes(ada) <= 230_000
    served = await (await ada.context.request.get(f"{ada.taskdeck.dashboard}/tasks")).text()
    assert "Water the plants</bdi>" in served


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_tasks_page_is_accessible(visit: Visit, scheme: str) -> None:
    ada = await visit("Ada", color_scheme=scheme, reduced_motion="reduce")
    page = await open_tasks(ada)
    found = await ada.violations()
    await ada.call("create_team", name="Garden club")
    await ada.call("add_task", title="Late", due="2020-01-01", priority="urgent", tags=["home"])
    done = (await ada.call("add_task", title="Done"))["id"]
    await ada.call("complete_task", task_id=done)
    await open_tasks(ada, "?status=all")
    await titles(page, "Done", "Late")
    await page.get_by_role("checkbox", name="Completed: Late").click()
    await expect(page.get_by_test_id("toast")).to_be_visible()
    await page.keyboard.press("c")
    await page.keyboard.type("Call tomorrow #money")
    await expect(page.locator("#quick-add-read")).to_contain_text("Due tomorrow")
    found += await ada.violations()
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    found += await ada.violations()
    phone = await visit("Pia", color_scheme=scheme, viewport=PHONE, reduced_motion="reduce")
    await phone.call("add_task", title="Small")
    await open_tasks(phone)
    await phone.page.get_by_role("button", name="Filters").click()
    found += await phone.violations()
    assert found == []
