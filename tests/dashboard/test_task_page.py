"""The page of one task in a browser: a person reads, edits, deletes and restores it beside an agent."""

import re

import pytest
from playwright.async_api import expect

from tests.support.browser import Visit, Visitor, agent
from tests.support.consent import agreed
from tests.support.processes import structured
from tests.support.windows import script_bytes

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def open_task(visitor: Visitor, task: int) -> None:
    await visitor.open(f"/tasks/{task}")
    await visitor.is_connected("live")


async def test_every_field_is_edited_in_place(visit: Visit) -> None:
    ada = await visit("Ada", timezone_id="Europe/Berlin")
    await ada.call("set_timezone", timezone="Europe/Berlin")
    task = (await ada.call("add_task", title="Call the bank", tags=["money"]))["id"]
    await open_task(ada, task)
    page = ada.page
    await page.get_by_label("Title").fill("Call the dentist")
    await page.get_by_label("Title").press("Enter")
    await page.get_by_label("Description").fill("Ask about\nthe bill")
    await page.get_by_label("Description").press("Control+Enter")
    await page.get_by_label("Status").select_option("In progress")
    await page.get_by_label("Priority").select_option("urgent")
    await page.get_by_label("Assignee").select_option("Ada (you)")
    await page.get_by_label("Tags").fill("phone")
    await page.get_by_label("Tags").press("Enter")
    await page.get_by_role("button", name="Remove the tag money").click()
    await page.get_by_label("Due", exact=True).fill("2099-07-01")
    await page.get_by_label("Due time").fill("17:00")
    await expect(page.get_by_text("1 Jul, 17:00").or_(page.get_by_text("Jul 1, 17:00"))).to_be_visible()
    await expect(page.get_by_test_id("call")).to_have_count(10)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Call the dentist")
    shown = await ada.call("get_task", task_id=task)
    wanted = {
        "title": "Call the dentist",
        "description": "Ask about\nthe bill",
        "status": "in_progress",
        "priority": "urgent",
        "assignee": ada.user_id,
        "tags": ["phone"],
        "due": "2099-07-01T17:00:00+02:00",
    }
    assert {name: shown[name] for name in wanted} == wanted
    assert {entry["client"] for entry in shown["history"][:9]} == {"dashboard"}
    await page.get_by_role("button", name="No date").click()
    await expect(page.get_by_label("Due time")).to_have_count(0)
    await page.get_by_role("checkbox", name="Completed: Call the dentist").click()
    await expect(page.get_by_label("Status")).to_have_value("completed")


async def test_change_of_an_agent_appears_and_is_undone(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Draft"))["id"]
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        await open_task(ada, task)
        await structured(robot, "update_task", task_id=task, title="Letter", priority="high")
        await expect(ada.page.get_by_label("Title")).to_have_value("Letter")
        await expect(ada.page.get_by_label("Priority")).to_have_value("high")
        line = ada.page.get_by_test_id("attribution")
        await expect(line).to_contain_text("Changed by Robot, for you, just now")
        await line.get_by_role("button", name="Undo").click()
        await expect(ada.page.get_by_label("Title")).to_have_value("Draft")
        await expect(ada.page.get_by_label("Priority")).to_have_value("medium")
        await expect(line).to_contain_text("Changed back by you")


async def test_text_under_edit_is_not_put_over_the_change_of_an_agent(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="One"))["id"]
    await open_task(ada, task)
    title = ada.page.get_by_label("Title")
    await title.fill("Mine")
    await ada.call("update_task", task_id=task, title="Theirs")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("Theirs")
    await title.press("Enter")
    await expect(ada.page.get_by_text("Somebody changed this while you were writing.")).to_be_visible()
    await expect(ada.page.get_by_text("It is now: Theirs")).to_be_visible()
    await expect(title).to_have_value("Mine")
    assert (await ada.call("get_task", task_id=task))["title"] == "Theirs"
    await ada.page.get_by_role("button", name="Discard mine").click()
    await expect(title).to_have_value("Theirs")
    await title.fill("Mine")
    await title.press("Escape")
    await expect(title).to_have_value("Theirs")


async def test_refused_change_is_rolled_back_and_explained(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Water", due="2099-03-01", recurrence="FREQ=WEEKLY"))["id"]
    await open_task(ada, task)
    await ada.page.get_by_role("button", name="No date").click()
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("A recurring task needs its due date")
    await expect(ada.page.get_by_label("Due", exact=True)).to_have_value("2099-03-01")
    await ada.page.context.set_offline(True)
    await ada.page.get_by_label("Priority").select_option("low")
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("cannot be reached")
    await expect(ada.page.get_by_label("Priority")).to_have_value("medium")
    await ada.page.context.set_offline(False)
    await ada.is_connected("live")
    await ada.page.get_by_role("checkbox", name="Completed: Water").click()
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("The next one is due 2099-03-08")
    await ada.page.get_by_test_id("toast").get_by_role("link", name="Water").click()
    await expect(ada.page.get_by_label("Due", exact=True)).to_have_value("2099-03-08")
    ada.expect_page_errors("422", "ERR_INTERNET_DISCONNECTED", "WebSocket")


async def test_subtasks_are_added_ticked_and_opened(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Move house"))["id"]
    await open_task(ada, task)
    field = ada.page.get_by_label("New subtask")
    for title in ("Pack", "Call the movers"):
        await field.fill(title)
        await field.press("Enter")
        await expect(ada.page.get_by_test_id("subtask").filter(has_text=title)).to_be_visible()
    await ada.page.get_by_role("checkbox", name="Completed: Pack").click()
    await expect(ada.page.get_by_text("1 of 2 open")).to_be_visible()
    await ada.page.get_by_role("link", name="Call the movers").click()
    await expect(ada.page.get_by_label("Title")).to_have_value("Call the movers")
    await ada.page.get_by_role("navigation", name="Above this task").get_by_role("link", name="Move house").click()
    await expect(ada.page.get_by_label("Title")).to_have_value("Move house")


async def test_deleted_task_comes_back_from_the_toast_and_from_its_page(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Keep me"))["id"]
    await open_task(ada, task)
    await ada.page.get_by_role("button", name="Delete task").click()
    await expect(ada.page.get_by_text("This task is deleted.")).to_be_visible()
    await ada.page.get_by_test_id("toast").get_by_role("button", name="Undo").click()
    await expect(ada.page.get_by_label("Title")).to_have_value("Keep me")
    await ada.call("delete_task", task_id=task)
    await expect(ada.page.get_by_text("This task is deleted.")).to_be_visible()
    await ada.open(f"/tasks/{task}")
    await ada.page.get_by_role("button", name="Restore").click()
    await expect(ada.page.get_by_label("Title")).to_have_value("Keep me")
    ada.expect_page_errors("404")


async def test_viewer_reads_and_a_stranger_finds_nothing(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    task = (await ada.call("add_task", title="Plan", description="Together"))["id"]
    await bea.open(f"/tasks/{task}")
    await expect(bea.page.get_by_text("There is nothing at this address")).to_be_visible()
    await agreed(ada, "share_task", bea, task_id=task)
    await open_task(bea, task)
    await expect(bea.page.get_by_text("You may read this task, not change it.")).to_be_visible()
    await expect(bea.page.get_by_label("Description")).to_have_attribute("readonly", "")
    await expect(bea.page.get_by_label("Priority")).to_be_disabled()
    await ada.call("unshare_task", task_id=task, user=bea.user_id)
    await expect(bea.page.get_by_text("You do not see this task any more")).to_be_visible()
    bea.expect_page_errors("404")


async def test_titles_on_other_pages_lead_to_the_task(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Find me"))["id"]
    for path in ("/dashboard", "/activity"):
        await ada.open(path)
        await ada.page.get_by_role("link", name="Find me").click()
        await ada.page.wait_for_url(re.compile(f"/tasks/{task}$"))


async def test_task_page_is_served_with_its_content_and_small_scripts(visit: Visit) -> None:
    ada = await visit("Ada")
    task = (await ada.call("add_task", title="Call the bank", description="About the loan"))["id"]
    await open_task(ada, task)
    assert await script_bytes(ada) <= 200_000
    served = await (await ada.context.request.get(f"{ada.taskdeck.dashboard}/tasks/{task}")).text()
    assert "<title>Call the bank · Taskdeck</title>" in served
    assert "About the loan</textarea>" in served


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_task_page_is_accessible(visit: Visit, scheme: str) -> None:
    ada = await visit("Ada", color_scheme=scheme, reduced_motion="reduce")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        task = (await structured(robot, "add_task", title="Move house", tags=["home"], due="2020-01-01"))["id"]
        await structured(robot, "add_task", title="Pack", parent_id=task)
        await structured(robot, "update_task", task_id=task, priority="high")
    await open_task(ada, task)
    found = await ada.violations()
    await ada.page.get_by_label("Title").fill("Mine")
    await ada.call("update_task", task_id=task, title="Theirs")
    await expect(ada.page.get_by_role("heading", level=1)).to_have_text("Theirs")
    await ada.page.get_by_label("Title").press("Enter")
    await expect(ada.page.get_by_text("It is now: Theirs")).to_be_visible()
    found += await ada.violations()
    await ada.page.get_by_role("button", name="Delete task").click()
    await expect(ada.page.get_by_test_id("toast")).to_be_visible()
    found += await ada.violations()
    ada.expect_page_errors("404")
    assert found == []
