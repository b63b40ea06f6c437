"""A browser in front of `taskdeck up` on a real database, and users who sign in.

A pytest plug-in: a test file that names it in `pytest_plugins` gets the fixtures `taskdeck` and `visit`. It is imported
for its types as well, before pytest could rewrite its assertions (PYTEST_DONT_REWRITE).
"""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.async_api import Browser, BrowserContext, Dialog, Page, ViewportSize, async_playwright, expect

from tests.conftest import Cluster, RequestUrl
from tests.support.mailbox import Mailbox, link_in
from tests.support.processes import Server, serving, structured

AXE = Path(__file__).parents[2] / "dashboard/node_modules/axe-core/axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FLAGS = ("no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update")
PASSWORD = "correct horse battery"
SCOPES = "mcp:read mcp:write offline_access"
PHONE = ViewportSize(width=390, height=844)

expect.set_options(timeout=20_000)


@dataclass(frozen=True)
class Taskdeck:
    """The addresses of a running `taskdeck up`. `server` is the process that serves /mcp."""

    server: Server
    dashboard: str
    database_url: str
    mailbox: Mailbox | None = None

    @property
    def mail(self) -> Mailbox:
        assert self.mailbox
        return self.mailbox

    async def link(self, email: str) -> str:
        """The link in the newest message to an address: on the mail server, or printed in the terminal."""
        if self.mailbox:
            return await self.mailbox.link(email, max(1, len(self.mailbox.to(email))))
        printed = self.server.log.read_text().rpartition(f"Mail to {email} ")[2]
        return link_in(printed)

    @property
    def mcp(self) -> str:
        return self.server.address

    @asynccontextmanager
    async def client(self, user_id: str) -> AsyncGenerator[Client]:
        async with self.server.client(user_id) as client:
            yield client

    async def call_raw(self, token: str, tool: str, **arguments: Any) -> httpx2.Response:
        """Call a tool by one HTTP request and return the response."""
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
        async with bearing(token) as http:
            return await http.post(f"{self.mcp}/mcp", json=call)

    async def statistics(self, token: str) -> httpx2.Response:
        """Request the statistics from the server directly."""
        async with bearing(token) as http:
            return await http.get(f"{self.mcp}/api/dashboard/statistics")

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Run a statement as the database owner, for what no interface can do, such as moving times back."""
        connection = await asyncpg.connect(self.database_url)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()


@dataclass
class Visitor:
    """A user with a browser window. Console errors, exceptions and dialogs are collected in `page_errors`."""

    taskdeck: Taskdeck
    page: Page
    name: str
    email: str
    user_id: str = ""
    page_errors: list[str] = field(default_factory=list[str])
    expected_page_errors: list[str] = field(default_factory=list[str])

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def open(self, path: str = "/dashboard") -> None:
        await self.page.goto(self.taskdeck.dashboard + path)

    async def lose_session(self) -> None:
        """Forget the cookies. The page is left first: it would navigate to the sign-in page by itself, at any time."""
        await self.page.goto("about:blank")
        await self.context.clear_cookies()

    async def open_live(self) -> None:
        """Open the dashboard and wait until its live socket is connected."""
        await self.open()
        await self.is_connected("live")

    async def is_connected(self, *ways: str) -> None:
        await expect(self.page.get_by_test_id("connection")).to_have_attribute(
            "data-connection", re.compile("|".join(ways))
        )

    async def sees(self, **numbers: int) -> None:
        """Wait until the cards (total, pending, completed, shared) show these numbers."""
        for name, number in numbers.items():
            card = self.page.get_by_test_id(f"statistic-{name}").get_by_test_id("value")
            await expect(card).to_have_text(f"{number:,}")

    async def sign_up(self) -> None:
        """Create the account and sign in without the form. Only the owner of a machine needs no link."""
        body = {"email": self.email, "password": PASSWORD, "name": self.name}
        made = await self.post("/api/auth/sign-up/email", body)
        self.user_id = (made if "user" in made else await self.confirm())["user"]["id"]

    async def confirm(self) -> Any:
        """Complete a sign-up, as the page behind the link does."""
        token = token_of(await self.taskdeck.link(self.email))
        return await self.post("/api/auth/sign-up/complete", {"token": token})

    async def fill_sign_up(self, password: str = PASSWORD) -> None:
        """Fill in the sign-up form and submit it."""
        await self.open("/sign-up")
        await self.page.get_by_label("Name").fill(self.name)
        await self.page.get_by_label("E-mail").fill(self.email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Create account").click()
        await expect(self.page.get_by_role("button", name="Send it again")).to_be_visible()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send a POST to the dashboard with this browser's cookies."""
        origin = {"Origin": self.taskdeck.dashboard}
        response = await self.context.request.post(self.taskdeck.dashboard + path, data=body, headers=origin)
        assert response.ok, await response.text()
        return await response.json()

    async def type_credentials(self, password: str = PASSWORD, email: str = "") -> None:
        """Fill in and submit the sign-in form."""
        await self.page.get_by_label("E-mail").fill(email or self.email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as this user."""
        async with self.taskdeck.client(self.user_id) as client:
            return await structured(client, tool, **arguments)

    async def make_token(self, name: str = "Build server", access: str = "Read and change tasks") -> str:
        """Create a personal access token on its page."""
        await self.open("/tokens")
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Access").select_option(access)
        await self.page.get_by_role("button", name="Create token").click()
        secret = await self.page.get_by_test_id("new-token").locator("pre").first.inner_text()
        assert re.fullmatch(r"tdp_[A-Za-z0-9_-]{43}", secret), secret
        return secret

    async def violations(self) -> list[str]:
        """The violations that axe-core finds on the current page."""
        # Evaluated through the debugger, to which the page's content security policy does not apply.
        await self.page.evaluate(AXE.read_text("utf-8") + ";0")
        found = await self.page.evaluate("tags => axe.run({runOnly: tags})", AXE_TAGS)
        return [
            f"{self.page.url}: {rule['id']}: {node['html']}" for rule in found["violations"] for node in rule["nodes"]
        ]

    def expect_page_errors(self, *patterns: str) -> None:
        """Allow errors that match, such as the console error of a failed sign-in."""
        self.expected_page_errors += patterns

    def listen(self) -> None:
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.page_errors.append(f"exception: {error}"))
        self.page.on("dialog", self._dismiss)

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.page_errors.append(f"{kind}: {text}")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.page_errors.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    def unexpected_page_errors(self) -> list[str]:
        return [
            text
            for text in self.page_errors
            if not any(re.search(pattern, text) for pattern in self.expected_page_errors)
        ]


class Visit(Protocol):
    """Opens a window for a new user, signed up unless `known` is false. Options are those of a browser context."""

    def __call__(
        self, name: str = ..., *, known: bool = ..., at: Taskdeck | None = ..., **look: Any
    ) -> Awaitable[Visitor]:
        """Return the visitor, with an empty page."""
        ...


@pytest.fixture(scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    """Debian's Chromium, one process for all windows."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=[f"--{flag}" for flag in FLAGS]
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def running_taskdeck(
    url: str, request_url: RequestUrl, folder: Path, **variables: str
) -> AsyncGenerator[Taskdeck]:
    """Run `taskdeck up` on the migrated database at `url`."""
    named = {"DATABASE_URL": request_url(url), "DATABASE_URL_UNPOOLED": url, "TASKDECK_SIGN_IN_LIMIT": "1000"}
    async with serving(folder, "up", **named, **variables) as server:
        shown = re.search(r"Dashboard\s+(http://\S+)", server.output)
        assert shown, server.output
        yield Taskdeck(server, shown[1], url)


@pytest.fixture(scope="session")
async def taskdeck(
    cluster: Cluster, request_url: RequestUrl, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Taskdeck]:
    """The `taskdeck up` that the tests share."""
    url = await cluster.create("dashboard", "blank")
    async with running_taskdeck(url, request_url, tmp_path_factory.mktemp("taskdeck")) as taskdeck:
        yield taskdeck


@pytest.fixture
async def fresh_limits(taskdeck: Taskdeck) -> AsyncGenerator[None]:
    """Reset the dashboard's rate limits by address before and after the test."""
    await taskdeck.sql('DELETE FROM auth."rateLimit"')
    yield
    await taskdeck.sql('DELETE FROM auth."rateLimit"')


@asynccontextmanager
async def opening_windows(chromium: Browser, taskdeck: Taskdeck) -> AsyncGenerator[Visit]:
    """Open windows and close them at the end; fails if a page had unexpected errors."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as windows:

        async def enter(name: str = "Ada", *, known: bool = True, at: Taskdeck | None = None, **look: Any) -> Visitor:
            context = await chromium.new_context(**look)
            windows.push_async_callback(context.close)
            email = f"{name.lower()}-{secrets.token_hex(4)}@example.com"
            visitor = Visitor(at or taskdeck, await context.new_page(), name, email)
            visitor.listen()
            visitors.append(visitor)
            if known:
                await visitor.sign_up()
            return visitor

        yield enter
    if page_errors := [text for visitor in visitors for text in visitor.unexpected_page_errors()]:
        pytest.fail("A page complained:\n" + "\n".join(page_errors))


@pytest.fixture
async def visit(chromium: Browser, taskdeck: Taskdeck) -> AsyncGenerator[Visit]:
    """Opens windows for one test."""
    async with opening_windows(chromium, taskdeck) as visit:
        yield visit


@asynccontextmanager
async def agent(address: str, token: str) -> AsyncGenerator[Client]:
    """An MCP client with a bearer token."""
    async with (
        bearing(token) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        yield client


def bearing(token: str) -> httpx2.AsyncClient:
    """An HTTP client with a bearer token."""
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    return httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False)


@dataclass
class Callback:
    """The loopback redirect URI of an OAuth client."""

    address: str
    answers: "asyncio.Queue[dict[str, str]]" = field(default_factory=asyncio.Queue[dict[str, str]])
    requests: int = 0

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> "AsyncGenerator[Callback]":
        here = cls("")

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            here.requests += 1
            target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            if target.startswith("/callback"):
                here.answers.put_nowait({name: value[0] for name, value in parse_qs(urlsplit(target).query).items()})
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nBack again.")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            here.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
            yield here


async def register(taskdeck: Taskdeck, callback: Callback, name: str) -> dict[str, Any]:
    """Register a public client (RFC 7591)."""
    metadata = {"client_name": name, "redirect_uris": [callback.address], "token_endpoint_auth_method": "none"}
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http:
        answer = await http.post("/api/auth/oauth2/register", json=metadata)
    if answer.status_code != 201:
        pytest.fail(answer.text)
    return answer.json()


def request_to(taskdeck: Taskdeck, callback: Callback, client_id: str, **more: str) -> str:
    """The URL of an authorization request."""
    query = {"response_type": "code", "client_id": client_id, "redirect_uri": callback.address, "state": "s" * 20}
    query |= {"resource": f"{taskdeck.mcp}/mcp", "scope": SCOPES, "prompt": "consent"}
    return f"{taskdeck.dashboard}/api/auth/oauth2/authorize?{urlencode(query | more)}"


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a browser on the other side raises no event
            await asyncio.sleep(0.05)
