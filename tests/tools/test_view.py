"""The statistics view inside a chat: shown by the official AppBridge in a real browser, fed by the real server."""

import asyncio
import os
from collections.abc import AsyncGenerator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from mcp.types import TextResourceContents
from playwright.async_api import Browser, FrameLocator, Page, async_playwright, expect

from mcp_server.cli.dashboard_process import find_node
from tests.conftest import Cluster, Person
from tests.support.backdating import backdating, live_three_days, trend_of, zone_of
from tests.support.consent import agreed

pytestmark = pytest.mark.long

NODE = Path(__file__).parents[1] / "node"
AXE = Path(__file__).parents[2] / "dashboard/node_modules/axe-core/axe.min.js"
CHAT = """<!doctype html>
<style>
  :root { color-scheme: light dark }
  body { margin: 20px; background: Canvas }
  iframe { display: block; width: 100%; border: 1px solid #8884; border-radius: 14px }
</style>
<iframe sandbox="allow-scripts" title="View"></iframe>"""
VIEW = "ui://taskdeck/statistics.html"


@pytest.fixture(scope="module")
async def host(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of a page that hosts the view."""
    made = tmp_path_factory.mktemp("host") / "host.js"
    options = ("--bundle", "--format=iife", "--log-level=warning", f"--outfile={made}")
    path = f"{find_node()}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        NODE / "node_modules/.bin/esbuild", NODE / "host.js", *options, env=os.environ | {"PATH": path}
    )
    assert await process.wait() == 0, "make tests/node/node_modules/installed"
    return made.read_text("utf-8")


@pytest.fixture(scope="module")
async def browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture
async def page(browser: Browser, host: str) -> AsyncGenerator[Page]:
    """A page that hosts one view; any network request is a failure."""
    page = await browser.new_page(viewport={"width": 680, "height": 416}, device_scale_factor=2)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if request.url.startswith("http") else None)
    await page.set_content(CHAT)
    await page.add_script_tag(content=host)
    yield page
    await page.close()
    assert requests == []


async def read_view(person: Person) -> str:
    async with person.client() as client:
        (content,) = (await client.read_resource(VIEW)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "text/html;profile=mcp-app"
    assert (content.meta or {})["ui"]["csp"] == {"connectDomains": [], "resourceDomains": []}
    return content.text


async def result_of(person: Person, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await person.ask(name, **arguments)
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def show(page: Page, person: Person, theme: str = "light", **arguments: Any) -> FrameLocator:
    """Open the view as hosts do after get_statistics; its own calls go to the same person's server."""

    async def call(params: dict[str, Any]) -> dict[str, Any]:
        return await result_of(person, params["name"], params.get("arguments") or {})

    await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    await page.expose_function("callTool", call)  # pyright: ignore[reportUnknownMemberType]: playwright leaves it open
    result = await result_of(person, "get_statistics", arguments)
    await page.evaluate(
        "([html, ...rest]) => open_view(html, ...rest)", [await read_view(person), theme, arguments, result]
    )
    return page.frame_locator("iframe")


async def fill(person: Person, cluster: Cluster) -> None:
    """Add tasks spread over several days."""
    await person.call("add_task", title="Late", due="2020-01-01")
    added = await person.call("add_tasks", tasks=[{"title": f"Task {n}"} for n in range(40)])
    for result in added["results"][:24]:
        await person.call("complete_task", task_id=result["task"]["id"])
    administrator = await asyncpg.connect(cluster.address("tests"))
    ago = "now() - make_interval(days => least(id % 13, id * 7 % $2)::int)"
    await administrator.execute(f"UPDATE tasks SET created_at = {ago} WHERE user_id = $1", person.user_id, 11)
    done = f"UPDATE tasks SET completed_at = {ago} WHERE user_id = $1 AND completed_at IS NOT NULL"
    await administrator.execute(done, person.user_id, 5)
    await administrator.close()


async def fact(view: FrameLocator, name: str) -> str:
    return await view.locator(f"[data-fact={name}]").inner_text()


async def test_tool_names_its_view_and_server_announces_the_extension(alice: Person):
    async with alice.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert (tools["get_statistics"].meta or {})["ui"] == {"resourceUri": VIEW}
        assert client.server_capabilities.extensions == {"io.modelcontextprotocol/ui": {}}


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_view_shows_the_numbers_of_the_call(page: Page, alice: Person, cluster: Cluster, theme: str):
    await fill(alice, cluster)
    view = await show(page, alice, theme)
    await expect(view.locator("main")).to_be_visible()
    facts = await alice.call("get_statistics")
    for name in ("total_tasks", "pending_tasks", "completed_tasks", "shared_tasks", "overdue_tasks", "due_today_tasks"):
        assert await fact(view, name) == str(facts[name])
    await expect(view.locator("#trend rect")).to_have_count(28)
    rows = await view.locator("#days tr").all_inner_texts()
    assert [row.split() for row in rows] == [
        [d["date"], str(d["created"]), str(d["completed"])] for d in facts["trend"]
    ]
    surface = await view.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    lightness = float(surface.removeprefix("oklch(").split()[0])
    assert (lightness < 0.5) == (theme == "dark")
    if folder := os.environ.get("TASKDECK_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"chat-view-{theme}.png")


async def test_view_shows_each_day(page: Page, alice: Person, cluster: Cluster):
    async with backdating(cluster) as past:
        days = await live_three_days(alice, past)
    await alice.call("add_task", title="Late", due="2020-01-01")
    days[max(days)] = (2, 0)
    before = datetime.now(zone_of(alice)).date()
    view = await show(page, alice, days=5)
    await expect(view.locator("main")).to_be_visible()
    after = datetime.now(zone_of(alice)).date()
    numbers = {"total_tasks": 4, "pending_tasks": 2, "completed_tasks": 2, "shared_tasks": 0}
    numbers |= {"overdue_tasks": 1, "due_today_tasks": 0}
    assert {name: await fact(view, name) for name in numbers} == {name: str(value) for name, value in numbers.items()}
    rows = [row.split() for row in await view.locator("#days tr").all_inner_texts()]
    today = date.fromisoformat(rows[-1][0])
    assert before <= today <= after
    expected = trend_of(days, today, 5)
    assert rows == [[str(value) for value in day.values()] for day in expected]
    await expect(view.locator("#span")).to_have_text("Last 5 days: 4 created, 2 completed")
    for kind in ("created", "completed"):
        heights = await view.locator(f"rect.{kind}").evaluate_all(
            "bars => bars.map(bar => +bar.getAttribute('height'))"
        )
        assert heights == [48 * day[kind] for day in expected if isinstance(day[kind], int)]


async def test_view_follows_the_theme_of_the_host(page: Page, alice: Person):
    view = await show(page, alice, "light")
    await page.evaluate("bridge.sendHostContextChange({theme: 'dark'})")
    await expect(view.locator("html")).to_have_attribute("data-theme", "dark")
    assert (await view.locator("html").evaluate("e => getComputedStyle(e).colorScheme")) == "dark"


async def test_refresh_repeats_the_call_through_the_host(page: Page, alice: Person):
    team = await alice.call("create_team", name="Crew")
    view = await show(page, alice, team_id=team["id"], days=3)
    await expect(view.locator("h1")).to_have_text(f"Tasks of team {team['id']}")
    assert await fact(view, "total_tasks") == "0"
    await alice.call("add_task", title="Ours", team_id=team["id"])
    await alice.call("add_task", title="Mine")
    await view.get_by_role("button", name="Refresh").click()
    await expect(view.locator("[data-fact=total_tasks]")).to_have_text("1")
    await expect(view.locator("#days tr")).to_have_count(3)


async def test_failed_refresh_says_so_and_keeps_the_numbers(page: Page, alice: Person, bob: Person):
    team = await alice.call("create_team", name="Crew")
    await agreed(alice, "add_team_member", bob, team_id=team["id"])
    view = await show(page, bob, team_id=team["id"])
    await alice.call("remove_team_member", team_id=team["id"], user=bob.email)
    await view.get_by_role("button", name="Refresh").click()
    await expect(view.get_by_role("status")).to_contain_text("No team")
    assert await fact(view, "total_tasks") == "0"
    await expect(view.get_by_role("button", name="Refresh")).to_be_enabled()


async def test_view_reports_its_height_answers_pings_and_can_be_closed(page: Page, alice: Person):
    view = await show(page, alice)
    await expect(view.locator("main")).to_be_visible()
    height = await view.locator("body").evaluate("e => Math.ceil(e.getBoundingClientRect().height)")
    await page.wait_for_function("height => seen.sizes.at(-1) === height", arg=height)
    assert await page.evaluate("seen.initialized") == 1
    assert await page.evaluate("bridge.teardownResource({})") == {}


async def test_view_is_accessible(page: Page, alice: Person, cluster: Cluster):
    await fill(alice, cluster)
    view = await show(page, alice)
    frame = page.frames[1]
    await frame.evaluate(AXE.read_text("utf-8"))
    for theme in ("light", "dark"):
        await page.evaluate("theme => bridge.sendHostContextChange({theme})", theme)
        await expect(view.locator("html")).to_have_attribute("data-theme", theme)
        script = "axe.run(document).then(run => run.violations.map(found => `${found.id}: ${found.nodes[0].html}`))"
        assert await frame.evaluate(script) == []
