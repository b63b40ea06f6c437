"""The requests of an open dashboard, and its status when the server refuses."""

import base64
import hashlib
import json
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from playwright.async_api import Page, expect

from tests.conftest import Cluster
from tests.support.browser import Visit, Visitor
from tests.support.consent import agreed
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

SNAPSHOTS = """
    performance.getEntriesByType("resource")
        .filter(({name}) => name.includes("/api/dashboard/")).map(({name, startTime}) => [name, startTime])
"""


async def requests_of(page: Page) -> list[float]:
    """The times, in milliseconds, at which the page requested its snapshot.

    Its only other request is that of the header, for invitations, which changes of tasks do not repeat.
    """
    found: list[tuple[str, float]] = await page.evaluate(SNAPSHOTS)
    snapshots = [start for name, start in found if "/api/dashboard/snapshot?" in name]
    others = [name for name, _ in found if "/api/dashboard/snapshot?" not in name]
    assert all(name.endswith("/api/dashboard/invitations") for name in others)
    assert len(others) <= 3
    return snapshots


async def test_fifty_quick_changes_cause_few_requests(visit: Visit) -> None:
    ada = await visit()
    await ada.open_live()
    async with ada.taskdeck.client(ada.user_id) as client:
        added = [await structured(client, "add_task", title=f"Task {number}") for number in range(50)]
        await structured(client, "complete_task", task_id=added[-1]["id"])
    await ada.sees(total=50, pending=49, completed=1)
    await expect(ada.page.get_by_text("Task 49")).to_be_visible()
    starts = await requests_of(ada.page)
    assert len(starts) < 50
    assert all(later - earlier > 990 for earlier, later in pairwise(starts))


async def use_up(cluster: Cluster, visitor: Visitor, seconds: int) -> None:
    """Let all requests of a browser's session be used, in a minute that ends after so many seconds."""
    key = hashlib.sha256((await session_of(visitor)).encode()).hexdigest()[:32]
    administrator = await asyncpg.connect(cluster.address("dashboard"))
    changed = await administrator.execute(
        "UPDATE rate_limits SET used = 600, started = clock_timestamp() - make_interval(secs => 60 - $3) "
        "WHERE user_id = $1 AND client = $2",
        visitor.user_id,
        key,
        float(seconds),
    )
    await administrator.close()
    assert changed == "UPDATE 1"
    # The server may have counted up to 16 requests in advance.
    site, asking = visitor.taskdeck.dashboard, visitor.context.request
    token = (await (await asking.get(f"{site}/api/auth/token")).json())["token"]
    headers = {"Authorization": f"Bearer {token}"}
    statuses = [(await asking.get(f"{site}/api/dashboard/settings", headers=headers)).status for _ in range(17)]
    assert statuses[-1] == 429


async def test_refused_page_says_so_and_recovers(visit: Visit, cluster: Cluster, tmp_path: Path) -> None:
    ada = await visit()
    ada.expect_page_errors("429")
    await ada.call("add_task", title="Before")
    await ada.open_live()
    await ada.sees(total=1)
    # An agent is another client, with requests of its own.
    async with ada.taskdeck.client(ada.user_id) as agent:
        await use_up(cluster, ada, 10)
        await structured(agent, "add_task", title="After")
    await ada.is_connected("refused")
    status = ada.page.get_by_test_id("connection")
    await expect(status).to_contain_text("Too many requests")
    await expect(status).to_contain_text("This client made more than 600 requests in a minute")
    await ada.page.screenshot(path=tmp_path / "refused.png")
    assert await ada.violations() == []
    await ada.is_connected("live")
    await ada.sees(total=2)


async def test_sixth_window_says_why_it_is_not_live(visit: Visit) -> None:
    ada = await visit()
    windows = [Visitor(ada.taskdeck, await ada.context.new_page(), "Ada", ada.email, ada.user_id) for _ in range(5)]
    for window in windows:
        await window.open_live()
    await ada.open()
    await ada.is_connected("polling")
    await expect(ada.page.get_by_test_id("connection")).to_contain_text("Five other windows of yours are live")
    await windows[0].page.close()
    await ada.is_connected("live")


async def test_leaving_a_team_hides_its_tasks(visit: Visit) -> None:
    ada, bob = await visit("Ada"), await visit("Bob")
    ada.expect_page_errors("404")
    team = await bob.call("create_team", name="Garden club")
    await ada.open("/clients")
    await ada.call("whoami")
    await agreed(bob, "add_team_member", ada, team_id=team["id"])
    await bob.call("add_task", title="Cut the hedge", team_id=team["id"])
    await ada.open(f"/dashboard?team={team['id']}")
    await ada.sees(total=1)
    await bob.call("remove_team_member", team_id=team["id"], user=ada.user_id)
    await expect(ada.page.get_by_role("heading", name="You are not in this team")).to_be_visible()
    await expect(ada.page.get_by_text("Cut the hedge")).to_have_count(0)


async def session_of(visitor: Visitor) -> str:
    answer = await visitor.context.request.get(f"{visitor.taskdeck.dashboard}/api/auth/token")
    payload = (await answer.json())["token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))["sid"]


async def test_windows_of_one_browser_are_one_client(visit: Visit) -> None:
    ada, bob = await visit("Ada"), await visit("Bob")
    assert await session_of(ada) == await session_of(ada) != await session_of(bob)
