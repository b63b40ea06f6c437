"""The page Activity in a browser: a person sees what an agent did and takes it back."""

import pytest
from playwright.async_api import expect

from tests.support.browser import Visit, agent
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def test_change_of_an_agent_is_found_and_undone_in_one_click(visit: Visit) -> None:
    ada, bea = await visit("Ada"), await visit("Bea")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        task = (await structured(robot, "add_task", title="Call the bank"))["id"]
        await ada.open("/activity")
        await ada.is_connected("live")
        await bea.open("/activity")
        await structured(robot, "update_task", task_id=task, title="Call the dentist", priority="high")
        row = ada.page.get_by_test_id("call").first
        await expect(row).to_contain_text("Robot changed Call the dentist")
        await expect(row).to_contain_text("Call the bank→ became Call the dentist")
        await row.get_by_role("button", name="Undo: changed Call the dentist").click()
        await expect(ada.page.get_by_test_id("toast")).to_contain_text("Undone")
        await expect(ada.page.get_by_test_id("call").first).to_contain_text("You took back a change of Call the bank")
        await expect(ada.page.get_by_test_id("call").nth(1)).to_contain_text("undone")
        shown = await structured(robot, "get_task", task_id=task)
    assert (shown["title"], shown["priority"]) == ("Call the bank", "medium")
    assert (shown["history"][0]["client"], shown["history"][0]["user_id"]) == ("dashboard", ada.user_id)
    await expect(bea.page.get_by_text("Nothing has changed yet.")).to_be_visible()
    await expect(bea.page.get_by_text("Call the")).to_have_count(0)


async def test_conflict_is_explained_and_changes_nothing(visit: Visit) -> None:
    ada = await visit("Ada")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        task = (await structured(robot, "add_task", title="One"))["id"]
        await structured(robot, "update_task", task_id=task, title="Two")
        await structured(robot, "update_task", task_id=task, title="Three")
    await ada.open("/activity")
    await ada.page.get_by_test_id("call").nth(1).get_by_role("button").click()
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("title is 'Three' now, not 'Two'")
    assert (await ada.call("get_task", task_id=task))["title"] == "Three"
    ada.expect_page_errors("409")


async def test_everything_of_one_client_is_undone(visit: Visit) -> None:
    ada = await visit("Ada")
    await ada.call("add_task", title="By another client")
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        await structured(robot, "add_tasks", tasks=[{"title": f"Task {number}"} for number in range(7)])
        await structured(robot, "add_task", title="One more")
    await ada.open("/activity")
    await expect(ada.page.get_by_test_id("call").nth(1)).to_contain_text("Robot added 7 tasks")
    await ada.page.get_by_label("Whose changes").select_option("You, with Robot")
    await expect(ada.page.get_by_text("8 changes to 8 tasks")).to_be_visible()
    await ada.page.get_by_role("button", name="Undo all that Robot did").click()
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="Undo all").click()
    await expect(ada.page.get_by_test_id("toast")).to_contain_text("Undone: 8 changes.")
    await expect(ada.page.get_by_text("nothing to undo")).to_be_visible()
    assert [row["title"] for row in (await ada.call("list_tasks"))["tasks"]] == ["By another client"]


async def test_older_changes_are_read_on_demand(visit: Visit) -> None:
    ada = await visit("Ada")
    async with ada.taskdeck.client(ada.user_id) as client:
        for number in range(55):
            await structured(client, "add_task", title=f"Task {number}")
    await ada.open("/activity")
    rows = ada.page.get_by_test_id("call")
    await expect(rows).to_have_count(50)
    await ada.page.get_by_role("button", name="Show older changes").click()
    await expect(rows).to_have_count(55)
    await expect(ada.page.get_by_role("button", name="Show older changes")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_activity_is_accessible(visit: Visit, scheme: str) -> None:
    ada = await visit("Ada", color_scheme=scheme, reduced_motion="reduce")
    await ada.open("/activity")
    await expect(ada.page.get_by_text("Nothing has changed yet.")).to_be_visible()
    found = await ada.violations()
    async with agent(ada.taskdeck.mcp, await ada.make_token("Robot")) as robot:
        task = (await structured(robot, "add_task", title="One"))["id"]
        await structured(robot, "update_task", task_id=task, title="Two", due="2026-03-01")
        await structured(robot, "add_tasks", tasks=[{"title": "Three"}, {"title": "Four"}])
        await structured(robot, "delete_task", task_id=task)
    await ada.open("/activity")
    await ada.page.get_by_test_id("call").nth(1).get_by_role("button").click()
    await expect(ada.page.get_by_test_id("toast")).to_be_visible()
    found += await ada.violations()
    await ada.page.get_by_label("Whose changes").select_option("You, with Robot")
    await ada.page.get_by_role("button", name="Undo all that Robot did").click()
    found += await ada.violations()
    assert found == []
