"""The section "Your data" of the settings page."""

import json
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.async_api import expect

from tests.conftest import Cluster, RequestUrl
from tests.deploy.test_delete_account import delete_account, mentions
from tests.support.browser import Visit, running_taskdeck

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def test_everything_is_downloaded_as_one_file(visit: Visit) -> None:
    ada = await visit()
    await ada.call("add_task", title="Water the plants")
    await ada.open("/settings")
    async with ada.page.expect_download() as download:
        await ada.page.get_by_role("link", name="Download everything").click()
    file = await download.value
    assert file.suggested_filename.startswith("taskdeck-")
    with ZipFile(await file.path()) as archive:
        assert json.loads(archive.read("manifest.json"))["user_id"] == ada.user_id
        assert json.loads(archive.read("tasks.jsonl"))["title"] == "Water the plants"
    assert await ada.violations() == []


async def test_use_of_each_limit_is_shown(
    visit: Visit, cluster: Cluster, request_url: RequestUrl, tmp_path: Path
) -> None:
    url = await cluster.create("usage", "blank")
    limits = {"TASKDECK_MAX_TASKS": "20", "TASKDECK_MAX_TEAMS": "0"}
    async with running_taskdeck(url, request_url, tmp_path, **limits) as taskdeck:
        ada = await visit(at=taskdeck)
        await ada.call("add_tasks", tasks=[{"title": str(number)} for number in range(19)])
        await ada.open("/settings")
        usage = ada.page.get_by_role("region", name="Usage")
        tasks = usage.get_by_role("meter", name="Tasks")
        await expect(tasks).to_have_attribute("aria-valuenow", "19")
        await expect(tasks).to_have_attribute("aria-valuemax", "20")
        rows = await usage.get_by_role("listitem").all_inner_texts()
        assert [row.split("\n") for row in rows] == [
            ["Tasks", "19 of 20"],
            ["Conversations", "0 of 50,000"],
            ["Messages", "0 of 1,000,000"],
            ["Teams", "unlimited"],
            ["Shares", "0 of 20,000"],
        ]
        assert await ada.violations() == []
        # Before the server of its live socket ends.
        await ada.page.close()


async def test_download_without_a_session_leads_to_sign_in(visit: Visit) -> None:
    ada = await visit()
    await ada.lose_session()
    await ada.open("/api/export")
    await ada.page.wait_for_url("**/sign-in?reason=ended")


async def test_deleted_account_leaves_no_row_of_sign_in_and_cannot_sign_in(visit: Visit, tmp_path: Path) -> None:
    ada, bob = await visit(), await visit()
    await ada.call("add_task", title="Water the plants")
    await ada.make_token()
    await ada.context.request.post(
        f"{ada.taskdeck.dashboard}/api/auth/request-password-reset",
        data={"email": ada.email},
        headers={"Origin": ada.taskdeck.dashboard},
    )
    url = ada.taskdeck.database_url
    before, of_bob = await mentions(url, ada.user_id, ada.email), await mentions(url, bob.user_id, bob.email)
    assert {"user.email", "session.userId", "account.userId"} <= before
    done = await delete_account(url, tmp_path, ada.email, "--yes")
    assert (done.status, done.stdout) == (0, f"{ada.user_id} is deleted.\n")
    assert await mentions(url, ada.user_id, ada.email) == set()
    assert await mentions(url, bob.user_id, bob.email) == of_bob
    await ada.open("/dashboard")
    await ada.page.wait_for_url("**/sign-in*")
    await bob.open_live()
