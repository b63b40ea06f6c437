"""Sign-in, access to the pages, and explanations of failures."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest
from playwright.async_api import expect

from mcp_server.cli.dashboard_process import SERVER, Dashboard
from mcp_server.http import uvicorn_server
from mcp_server.settings import Settings
from tests.conftest import Cluster, RequestUrl
from tests.support.browser import Taskdeck, Visit
from tests.support.mailbox import Mailbox
from tests.support.running_server import DatabaseProxy

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def test_wrong_password_is_explained(visit: Visit):
    ada = await visit()
    await ada.lose_session()
    await ada.open("/tokens")
    answers: list[str] = []
    for email in (f"nobody-{ada.email}", ada.email):
        async with ada.page.expect_response("**/sign-in/email") as answering:
            await ada.type_credentials("incorrect horse", email)
        answers.append(await (await answering.value).text())
        await expect(ada.page.get_by_role("alert").filter(has_text="is not right")).to_have_text(
            "The e-mail or the password is not right. Check both and try again."
        )
    assert answers[0] == answers[1], "nobody learns who has an account"
    ada.expect_page_errors("401")
    await ada.type_credentials()
    await expect(ada.page.get_by_role("heading", name="Personal access tokens")).to_be_visible()


async def test_expired_session_leads_to_sign_in(visit: Visit):
    ada = await visit()
    await ada.open_live()
    long_ago = """UPDATE auth.session SET "expiresAt" = now() - interval '1 day' WHERE "userId" = $1"""
    await ada.taskdeck.sql(long_ago, ada.user_id)
    await ada.page.reload()
    await expect(ada.page.get_by_text("Your session has ended. Sign in again to go on.")).to_be_visible()
    await ada.type_credentials()
    await ada.sees(total=0)


@pytest.mark.parametrize(("page", "button"), [("sign-in", "Sign in"), ("sign-up", "Create account")])
async def test_form_cannot_be_submitted_before_hydration(visit: Visit, page: str, button: str):
    """The browser would send it by itself, with the password in the address."""
    ada = await visit(known=False, java_script_enabled=False)
    await ada.open(f"/{page}")
    await expect(ada.page.get_by_role("button", name=button)).to_be_disabled()


@pytest.fixture(scope="module")
async def proxy(
    cluster: Cluster, request_url: RequestUrl, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[DatabaseProxy]:
    """A proxy to a separate database."""
    async with DatabaseProxy(
        request_url(await cluster.create("cut", "blank")), tmp_path_factory.mktemp("proxy")
    ) as proxy:
        yield proxy


@pytest.fixture(scope="module")
async def alone(
    proxy: DatabaseProxy, taskdeck: Taskdeck, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Taskdeck]:
    """A dashboard on that database, with the default limits and without a server."""
    async with Mailbox.listening() as mailbox:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in mailbox.settings.items():
                patch.setenv(name, value)
            built = build(proxy, tmp_path_factory.mktemp("alone"))
        async with built.running():
            yield replace(taskdeck, dashboard=built.url, mailbox=mailbox)


def build(proxy: DatabaseProxy, folder: Path) -> Dashboard:
    settings = Settings.model_validate({"TASKDECK_DATA_DIR": str(folder), "port": 1})
    with uvicorn_server.listen("127.0.0.1", 0) as free:
        return Dashboard(settings, proxy.url, f"http://127.0.0.1:{free.getsockname()[1]}")


async def test_dashboard_started_before_its_database_recovers(
    cluster: Cluster, request_url: RequestUrl, tmp_path: Path
):
    async with DatabaseProxy(request_url(await cluster.create("late", "blank")), tmp_path) as proxy:
        await proxy.cut()
        built = build(proxy, tmp_path)

        async def be_late() -> None:
            await reaches(built, 500)
            await proxy.restore()

        coming = asyncio.create_task(be_late())
        async with built.running():
            await coming
            await reaches(built, 200)


async def reaches(built: Dashboard, status: int) -> None:
    """Request something stored in the database until the status is as expected."""
    answered = 0
    async with httpx2.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
        while answered != status:
            await asyncio.sleep(0.05)
            with suppress(httpx2.HTTPError):
                answered = (await http.get(f"{built.url}/api/auth/jwks")).status_code


async def test_unreachable_database_is_explained_until_it_is_back(visit: Visit, alone: Taskdeck, proxy: DatabaseProxy):
    ada, bob = await visit(at=alone), await visit("Bob", known=False, at=alone)
    await ada.open("/clients")
    await bob.open("/sign-in")
    await proxy.cut()
    await ada.page.reload()
    await expect(ada.page.get_by_role("heading", name="The database cannot be reached")).to_be_visible()
    await expect(ada.page.get_by_text("Nothing is lost")).to_be_visible()
    await bob.type_credentials()
    await expect(bob.page.get_by_text("The server cannot reach its database right now.")).to_be_visible()
    await bob.page.goto(f"{alone.dashboard}/api/auth/oauth2/authorize?client_id=x&response_type=code")
    await expect(bob.page.get_by_role("heading", name="The server cannot do this right now")).to_be_visible()
    await proxy.restore()
    await ada.page.get_by_role("button", name="Try again").click()
    await expect(ada.page.get_by_role("heading", name="Connected clients")).to_be_visible()
    for visitor in (ada, bob):
        visitor.expect_page_errors("^error: (?!.*Content Security Policy)")


async def test_unreadable_statistics_are_explained(visit: Visit, alone: Taskdeck):
    ada = await visit(at=alone)
    await ada.open()
    await expect(ada.page.get_by_role("heading", name="The numbers cannot be read right now")).to_be_visible()
    await expect(ada.page.get_by_role("button", name="Try again now")).to_be_visible()
    await ada.is_connected("offline")
    ada.expect_page_errors("Failed to load resource", "WebSocket connection")


async def test_password_guessing_is_rate_limited(visit: Visit, alone: Taskdeck):
    ada = await visit(known=False, at=alone)
    await ada.open("/sign-in")
    for _ in range(5):
        # A new address in the header must not give new tries.
        await ada.page.set_extra_http_headers({"X-Forwarded-For": f"192.0.2.{secrets.randbelow(250)}"})
        async with ada.page.expect_response("**/sign-in/email") as answering:
            await ada.type_credentials(secrets.token_hex())
        if (await answering.value).status == 429:
            break
    await expect(ada.page.get_by_text("Too many attempts. Wait ten seconds and try again.")).to_be_visible()
    ada.expect_page_errors("401", "429")


DISGUISES = {
    "as itself": {},
    "as a subrequest of the middleware (CVE-2025-29927)": {
        "x-middleware-subrequest": ":".join(["src/middleware"] * 5 + ["src/proxy"] * 5 + ["middleware"] * 5)
    },
    "as a router's request": {"rsc": "1", "next-url": "/dashboard"},
    "as a prefetch": {"rsc": "1", "next-router-prefetch": "1", "next-router-segment-prefetch": "/_tree"},
    "with a cookie that was made up": {"cookie": "better-auth.session_token=made.up"},
    "all of it": {
        "cookie": "better-auth.session_token=made.up",
        "rsc": "1",
        "next-router-segment-prefetch": "/(protected)/dashboard/__PAGE__",
        "x-middleware-subrequest": ":".join(["src/proxy"] * 5),
    },
}
PROTECTED = {
    "/dashboard": "mcpUrl",
    "/clients": "AI clients that may work with your tasks",
    "/tokens": "For scripts and servers that cannot open a browser",
}
SPELLINGS = (
    *("{path}", "{path}/", "{path}.rsc", "{path}.segments/_tree.segment.rsc", "{path}.segments/_full.segment.rsc"),
    *("/_next/data/{build}{path}.json", "{path}?_rsc=1abcd", "{path}?nxtPteam=1", "/%2e{path}", "{path}%2f"),
)


@pytest.mark.parametrize("disguise", DISGUISES)
async def test_pages_require_a_session(taskdeck: Taskdeck, disguise: str):
    build = (SERVER.parent / ".next/BUILD_ID").read_text("utf-8")
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, headers=DISGUISES[disguise], trust_env=False) as http:
        for path, secret in PROTECTED.items():
            for spelling in SPELLINGS:
                answer = await http.get(spelling.format(path=path, build=build))
                assert answer.status_code < 500, spelling
                assert secret not in answer.text, spelling


async def test_signed_in_users_see_the_pages(visit: Visit):
    ada = await visit()
    for path, secret in PROTECTED.items():
        for headers in ({}, {"rsc": "1"}):
            answer = await ada.context.request.get(ada.taskdeck.dashboard + path, headers=headers)
            assert secret in await answer.text()


async def test_statistics_require_a_token_not_a_cookie(visit: Visit):
    ada = await visit()
    for path in ("statistics", "trend", "tasks", "teams"):
        answer = await ada.context.request.get(f"{ada.taskdeck.dashboard}/api/dashboard/{path}")
        assert answer.status == 401
    async with httpx2.AsyncClient(base_url=ada.taskdeck.dashboard, trust_env=False) as http:
        assert (await http.get("/api/auth/token")).status_code == 401


ELSEWHERE = (
    "https://evil.example/x",
    "//evil.example/x",
    "/\\evil.example/x",
    "/\t/evil.example/x",
    "javascript:alert(1)",
)


async def test_sign_in_redirects_only_to_own_pages(visit: Visit):
    ada = await visit()
    for wanted, leads in ({"/tokens?a=b": "/tokens?a=b"} | dict.fromkeys(ELSEWHERE, "/dashboard")).items():
        address = f"{ada.taskdeck.dashboard}/sign-in?{urlencode({'next': wanted})}"
        answer = await ada.context.request.get(address, max_redirects=0)
        assert answer.headers["location"] == leads, wanted


async def test_cross_origin_requests_are_rejected(visit: Visit):
    ada = await visit()
    for origin in ("https://evil.example", "null"):
        answer = await ada.context.request.post(
            f"{ada.taskdeck.dashboard}/api/auth/sign-out", data={}, headers={"Origin": origin}
        )
        assert answer.status == 403
    for path, allowed in {"token": None, "get-session": None, "jwks": "*"}.items():
        answer = await ada.context.request.get(
            f"{ada.taskdeck.dashboard}/api/auth/{path}", headers={"Origin": "https://evil.example"}
        )
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers


async def test_redirect_uri_may_be_https_loopback_or_a_custom_scheme(alone: Taskdeck):
    async with httpx2.AsyncClient(base_url=alone.dashboard, trust_env=False) as http:
        for address, status in {
            "cursor://anysphere.cursor-mcp/oauth/callback": 201,
            "evil://anysphere.cursor-mcp/oauth/callback": 400,
            "http://evil.example/callback": 400,
            "javascript:alert(1)": 400,
        }.items():
            metadata = {"client_name": "Test", "redirect_uris": [address], "token_endpoint_auth_method": "none"}
            assert (await http.post("/api/auth/oauth2/register", json=metadata)).status_code == status, address


def test_cookie_secret_is_readable_by_its_owner_only(taskdeck: Taskdeck):
    secret = taskdeck.server.data_dir / "dashboard.secret"
    assert (secret.stat().st_mode | secret.parent.stat().st_mode) & 0o077 == 0


async def test_auth_plugins_expose_no_key_creation(taskdeck: Taskdeck):
    async with httpx2.AsyncClient(
        base_url=taskdeck.dashboard, trust_env=False, headers={"origin": taskdeck.dashboard}
    ) as http:
        for path in ("/api/auth/api-key/create", "/api/auth/sign-jwt", "/api/auth/admin/oauth2/create-client"):
            assert (await http.post(path, json={"userId": "somebody"})).status_code == 404, path
