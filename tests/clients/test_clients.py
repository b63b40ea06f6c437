"""A client of each family signs in through the real pages, works, and stays in when its access token has ended."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import pytest
from playwright.async_api import Browser, expect

from tests.clients.families import FAMILIES, Browse, ClientProcess
from tests.conftest import Cluster, RequestUrl
from tests.support.browser import Taskdeck, Visitor, opening_windows, running_taskdeck

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


@pytest.fixture(scope="module")
async def taskdeck(
    cluster: Cluster, request_url: RequestUrl, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Taskdeck]:
    """A stack whose access tokens live for two seconds, and for the thirty more that clocks may differ."""
    url = await cluster.create("clients", "blank")
    folder = tmp_path_factory.mktemp("clients")
    async with running_taskdeck(url, request_url, folder, TASKDECK_ACCESS_TOKEN_SECONDS="2") as taskdeck:
        yield taskdeck


@dataclass
class Connected:
    """A client that its user has let in."""

    client: ClientProcess
    user: Visitor


class Connect(Protocol):
    """Let a client of a family in, the first time that a test asks for it."""

    def __call__(self, family: str) -> Awaitable[Connected]:
        """The client, connected."""
        ...


@pytest.fixture(scope="module")
async def connect(
    chromium: Browser, taskdeck: Taskdeck, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Connect]:
    known: dict[str, Connected] = {}
    async with opening_windows(chromium, taskdeck) as visit, AsyncExitStack() as processes:

        async def connect(family: str) -> Connected:
            if family not in known:
                user = await visit()
                await user.lose_session()
                client = await processes.enter_async_context(
                    FAMILIES[family](f"{taskdeck.mcp}/mcp", signing_in(user), tmp_path_factory.mktemp("client"))
                )
                await client.connect()
                known[family] = Connected(client, user)
            return known[family]

        yield connect


def signing_in(user: Visitor) -> Browse:
    """What the user of a client does when it opens a page: sign in, and allow what it asks for."""

    # Of the page that mcp-remote shows at the end.
    user.expect_page_errors("favicon", "404", "Scripts may close only")

    async def browse(url: str) -> None:
        await user.page.goto(url)
        await expect(user.page).to_have_url(re.compile("/sign-in"))
        await user.type_credentials()
        await expect(user.page.get_by_text("Stay connected until you disconnect it here")).to_be_visible()
        await user.page.get_by_role("button", name="Allow", exact=True).click()
        await user.page.wait_for_url(re.compile(r"/callback\?"))

    return browse


@pytest.mark.parametrize("family", FAMILIES)
async def test_client_signs_in_from_a_bare_401(connect: Connect, fresh_limits: None, family: str):
    connected = await connect(family)
    client = connected.client
    assert {"add_task", "list_tasks", "whoami"} <= set(await client.tools())
    assert (await client.call("whoami"))["email"] == connected.user.email
    added = await client.call("add_task", title="Water the plants")
    assert added["title"] == "Water the plants"
    assert len(client.shown) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("time", ["first", "second"])
async def test_client_continues_without_a_browser_after_its_access_token_expires(
    connect: Connect, taskdeck: Taskdeck, fresh_limits: None, family: str, time: str
):
    client = (await connect(family)).client
    before = await client.tokens()
    await wait_until_refused(taskdeck, before["access_token"])
    assert (await client.call("list_tasks"))["total_count"] >= 0
    after = await client.tokens()
    assert after["access_token"] != before["access_token"]
    assert after["refresh_token"] != before["refresh_token"]
    assert set(after["scope"].split()) == {"mcp:read", "mcp:write", "offline_access"}
    assert len(client.shown) == 1


@pytest.mark.parametrize("family", FAMILIES)
async def test_narrower_refresh_is_followed_by_a_full_one(
    connect: Connect, taskdeck: Taskdeck, fresh_limits: None, family: str
):
    client = (await connect(family)).client
    await client.refresh("mcp:read")
    narrow = await client.tokens()
    assert narrow["scope"] == "mcp:read"
    assert (await taskdeck.call_raw(narrow["access_token"], "add_task", title="Forbidden")).status_code == 403
    await client.refresh("mcp:read mcp:write offline_access")
    full = await client.tokens()
    assert set(full["scope"].split()) == {"mcp:read", "mcp:write", "offline_access"}
    assert full["refresh_token"] != narrow["refresh_token"]
    assert (await client.call("add_task", title="Allowed again"))["title"] == "Allowed again"
    assert len(client.shown) == 1


async def wait_until_refused(taskdeck: Taskdeck, token: str) -> None:
    """Wait until the server refuses the token."""
    async with asyncio.timeout(60):
        while (await taskdeck.call_raw(token, "whoami")).status_code != 401:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.5)
