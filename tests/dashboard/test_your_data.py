"""The section "Your data" of the settings page."""

import json
from zipfile import ZipFile

import pytest

from tests.support.browser import Visit

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


async def test_download_without_a_session_leads_to_sign_in(visit: Visit) -> None:
    ada = await visit()
    await ada.context.clear_cookies()
    await ada.open("/api/export")
    await ada.page.wait_for_url("**/sign-in?reason=ended")
