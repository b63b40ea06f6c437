"""Screenshots of the pages with demo data; TASKDECK_SCREENSHOTS=docs updates those of the documentation."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import ViewportSize, expect

from storage import demo
from storage.engine.database import Database
from tests.support.browser import PHONE, Callback, Taskdeck, Visit, Visitor, agent, register, request_to
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

DESK = ViewportSize(width=1280, height=920)
LOOKS: dict[str, dict[str, Any]] = {
    "dashboard-light": {"viewport": DESK},
    "dashboard-dark": {"viewport": DESK, "color_scheme": "dark"},
    "dashboard-phone": {"viewport": PHONE, "device_scale_factor": 2, "is_mobile": True},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if os.environ.get("TASKDECK_SCREENSHOTS") == "docs":
        return Path(__file__).parents[2] / "docs/screenshots"
    return tmp_path


async def test_screenshots_fit_the_documentation(visit: Visit, taskdeck: Taskdeck, folder: Path):
    ada = await visit("Ada Lovelace", known=False, viewport=DESK, reduced_motion="reduce")
    ada.email = "ada@example.com"
    await ada.sign_up()
    await ada.lose_session()
    await ada.open("/sign-in")
    await take(ada, folder, "sign-in")
    await ada.type_credentials()
    await ada.is_connected("live")
    await take(ada, folder, "empty")
    async with Callback.listening() as callback:
        await connect(ada, callback, "Cursor")
        await connect(ada, callback, "Claude Code", folder)
    await ada.open("/clients")
    await take(ada, folder, "clients")
    await ada.make_token("Release script", access="Only read")
    async with agent(taskdeck.mcp, await ada.make_token("Build server")) as client:
        await structured(client, "whoami")
    await ada.open("/tokens")
    await take(ada, folder, "tokens")
    async with Database.open(taskdeck.database_url) as database:
        await demo.fill(database, 320, 8, me=ada.email, done=lambda _: None)
    for name, look in LOOKS.items():
        window = await visit(known=False, reduced_motion="reduce", **look)
        window.email = ada.email
        await window.open()
        await window.type_credentials()
        await window.is_connected("live")
        await take(window, folder, name)


async def connect(ada: Visitor, callback: Callback, name: str, folder: Path | None = None) -> None:
    """Allow a client what it asks for."""
    client = await register(ada.taskdeck, callback, name)
    proof = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    await ada.page.goto(request_to(ada.taskdeck, callback, client["client_id"], **proof))
    if folder:
        await take(ada, folder, "consent")
    await ada.page.get_by_role("button", name="Allow", exact=True).click()
    await expect(ada.page.get_by_text("Back again.")).to_be_visible()


async def take(visitor: Visitor, folder: Path, name: str) -> None:
    """One picture of what is in the window, small enough for a repository."""
    await visitor.page.evaluate("document.fonts.ready")
    picture = await visitor.page.screenshot(path=folder / f"{name}.png", animations="disabled")
    assert len(picture) < 200_000
