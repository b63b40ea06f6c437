"""Open dashboards beside a working agent: no request may be refused, and each page must show the last change.

    python -m benchmarks.watching [--seconds 180] [--tabs 3] [--calls 3]

A real server with its default limits, the built dashboard (`make dashboard/.next/built`) and tabs of a real browser in
one session. Ends with exit code 1 if a goal is missed.
"""

import asyncio
import base64
import json
import re
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from benchmarks.boards import Line, Waits, known_environment, token
from benchmarks.load import Server

PASSWORD = "correct horse battery"
LEAST_GAP_MS = 990
"""Between two requests of a tab: a second, less what a browser's clock is rounded to."""
TIMES = """
    performance.getEntriesByType("resource").filter(({name}) => name.includes("/api/dashboard/"))
        .map(({startTime}) => startTime)
"""
KEEP_TIMES = "performance.setResourceTimingBufferSize(10000)"


@dataclass
class Tab:
    """A page, the statuses of its requests, and how often each connection state was seen."""

    page: Page
    statuses: Counter[int] = field(default_factory=Counter[int])
    states: Counter[str] = field(default_factory=Counter[str])

    async def gaps(self) -> list[float]:
        """Milliseconds between the starts of its requests."""
        starts: list[float] = await self.page.evaluate(TIMES)
        return [later - earlier for earlier, later in pairwise(starts)]


@asynccontextmanager
async def _stack(folder: Path) -> AsyncGenerator[tuple[Server, str]]:
    """`taskdeck up`: the server, and the address of the dashboard."""
    # Default limits: whether pages and an agent of one person stay below them is the question.
    settings = {"TASKDECK_DATA_DIR": str(folder), "TASKDECK_PORT": "0", "TASKDECK_DASHBOARD_PORT": "0"}
    settings |= {"TASKDECK_LOG_LEVEL": "WARNING"}
    program = (sys.executable, "-m", "mcp_server", "up")
    process = await asyncio.create_subprocess_exec(*program, env=known_environment() | settings, stdout=PIPE)
    try:
        printed = ""
        assert process.stdout is not None
        while "Ctrl-C" not in printed:
            line = (await process.stdout.readline()).decode()
            if not line:
                raise RuntimeError(f"the stack did not start:\n{printed}")
            printed += line
        shown = re.search(r"Dashboard\s+(http://\S+)", printed)
        assert shown, printed
        port = int((folder / "address").read_text().rpartition(":")[2])
        yield Server("127.0.0.1", port, process.pid), shown[1]
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _sign_up(context: BrowserContext, dashboard: str) -> str:
    """Create an account, and return its user id on the server."""
    # Better Auth checks the Origin, which a page would send; this client sends none by itself.
    body = {"email": "watcher@example.com", "password": PASSWORD, "name": "Watcher"}
    headers = {"Origin": dashboard}
    answer = await context.request.post(f"{dashboard}/api/auth/sign-up/email", data=body, headers=headers)
    assert answer.ok, await answer.text()
    granted = await (await context.request.get(f"{dashboard}/api/auth/token")).json()
    payload = granted["token"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]


async def _open(context: BrowserContext, dashboard: str) -> Tab:
    tab = Tab(await context.new_page())
    tab.page.on(
        "response",
        lambda answer: tab.statuses.update([answer.status]) if "/api/dashboard/" in answer.url else None,
    )
    await tab.page.goto(f"{dashboard}/dashboard")
    # Browsers keep 250 resource timings by default, and drop the later ones.
    await tab.page.evaluate(KEEP_TIMES)
    await expect(tab.page.get_by_test_id("connection")).to_have_attribute("data-connection", "live", timeout=30_000)
    return tab


async def _note_states(tabs: list[Tab], until: float) -> None:
    while time.perf_counter() < until:
        for tab in tabs:
            state = await tab.page.get_by_test_id("connection").get_attribute("data-connection")
            tab.states[state or "none"] += 1
        await asyncio.sleep(0.5)


async def _work(server: Server, bearer: str, calls: float, until: float, waits: Waits) -> int:
    """Add `calls` tasks a second, and return how many were added."""
    line, begun, added = Line(server), time.perf_counter(), 0
    while time.perf_counter() < until:
        await asyncio.sleep(max(0, begun + added / calls - time.perf_counter()))
        await line.ask(server.call("add_task", {"title": f"Task {added}"}, bearer), waits)
        added += 1
    line.close()
    return added


async def _report(tabs: list[Tab], seconds: float, waits: Waits) -> bool:
    print(f"  agent: {waits}")
    good = waits.errors == 0
    for number, tab in enumerate(tabs, 1):
        gaps, asked = await tab.gaps(), tab.statuses.total()
        print(
            f"  tab {number}: {asked} requests ({60 * asked / seconds:.0f} a minute), {dict(tab.statuses)}, "
            f"least gap {min(gaps):.0f} ms, {dict(tab.states)}"
        )
        good &= set(tab.statuses) == {200} and min(gaps) >= LEAST_GAP_MS and set(tab.states) == {"live"}
    return good


async def _run(seconds: float, count: int, calls: float) -> bool:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _stack(folder) as (server, dashboard), async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            context = await browser.new_context()
            bearer = token(folder, server, await _sign_up(context, dashboard), "mcp")
            tabs = [await _open(context, dashboard) for _ in range(count)]
            waits, until = Waits(), time.perf_counter() + seconds
            print(f"{count} tabs, an agent at {calls:g} calls a second, {seconds:g} s", flush=True)
            added, _ = await asyncio.gather(
                _work(server, bearer, calls, until, waits),
                _note_states(tabs, until),
            )
            for tab in tabs:
                total = tab.page.get_by_test_id("statistic-total").get_by_test_id("value")
                await expect(total).to_have_text(f"{added:,}", timeout=10_000)
            good = await _report(tabs, seconds, waits)
            await browser.close()
    print("nobody was refused, and each tab shows the last change" if good else "a goal was missed")
    return good


def main(
    seconds: Annotated[float, typer.Option()] = 180,
    tabs: Annotated[int, typer.Option()] = 3,
    calls: Annotated[float, typer.Option()] = 3,
) -> None:
    """Print the figures."""
    sys.exit(not asyncio.run(_run(seconds, tabs, calls)))


if __name__ == "__main__":
    typer.run(main)
