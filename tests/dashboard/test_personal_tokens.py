"""Personal access tokens: created on a page, shown once, limited to their scopes, and invalid after revocation."""

import secrets

import httpx2
import pytest
from playwright.async_api import Request, expect

from mcp_server.app import open_app
from mcp_server.settings import Settings
from tests.support.browser import Taskdeck, Visit, agent
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def test_token_is_shown_once_and_works_for_mcp_and_api(visit: Visit):
    ada = await visit()
    secret = await ada.make_token("Build server")
    async with agent(ada.taskdeck.mcp, secret) as client:
        assert (await structured(client, "whoami"))["email"] == ada.email
        await structured(client, "add_task", title="Water the plants")
    assert (await ada.taskdeck.statistics(secret)).json()["total_tasks"] == 1
    await ada.open("/tokens")
    listed = ada.page.get_by_role("region", name="Your tokens")
    await expect(listed.get_by_text("Build server", exact=True)).to_be_visible()
    await expect(listed.get_by_text(secret[-4:])).to_be_visible()
    await expect(listed.get_by_text("last used")).to_be_visible()
    assert secret not in await ada.page.content()


async def test_read_only_token_cannot_change_tasks(visit: Visit):
    ada = await visit()
    secret = await ada.make_token("Reader", access="Only read")
    await expect(ada.page.get_by_role("region", name="Your tokens").get_by_text("never used")).to_be_visible()
    assert (await ada.taskdeck.call_raw(secret, "list_tasks")).status_code == 200
    refused = await ada.taskdeck.call_raw(secret, "add_task", title="Water the plants")
    assert refused.status_code == 403
    assert "insufficient_scope" in refused.headers["www-authenticate"]


async def test_revoked_token_stops_working(visit: Visit, settings: Settings):
    ada = await visit()
    secret, other = await ada.make_token("Old laptop"), await ada.make_token("New laptop")
    await ada.page.get_by_role("button", name="Revoke Old laptop").click()
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    await expect(
        ada.page.get_by_role("region", name="Your tokens").get_by_text("Old laptop", exact=True)
    ).to_have_count(0)
    assert await uncached_statuses(ada.taskdeck, settings, secret, other) == [401, 200]


async def test_expired_token_stops_working_and_is_marked_expired(visit: Visit, settings: Settings):
    ada = await visit()
    old, new = (f"tdp_{secrets.token_urlsafe(32)}" for _ in range(2))
    for secret, name, left in ((old, "Old laptop", "-1 day"), (new, "New laptop", "1 day")):
        await ada.taskdeck.sql(
            "SELECT taskdeck_pat_create($1, $2, $3, $4, encode(sha256($5), 'hex'), '', 'mcp:read', now() + $6::text::"
            "interval)",
            *(ada.user_id, ada.email, ada.name, name, secret.encode(), left),
        )
    assert await uncached_statuses(ada.taskdeck, settings, old, new) == [401, 200]
    await ada.open("/tokens")
    await expect(ada.page.get_by_role("listitem").filter(has_text="Old laptop")).to_contain_text("expired")
    await expect(ada.page.get_by_role("listitem").filter(has_text="New laptop")).to_contain_text("expires")


async def uncached_statuses(taskdeck: Taskdeck, settings: Settings, *tokens: str) -> list[int]:
    """Status codes of a server without cached tokens: a running one forgets them only after 30 seconds."""
    async with open_app(settings, taskdeck.database_url) as app:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=settings.address) as http:
            return [
                (await http.get("/api/dashboard/statistics", headers={"authorization": f"Bearer {token}"})).status_code
                for token in tokens
            ]


async def test_creating_tokens_requires_a_session(visit: Visit):
    ada = await visit()
    sent: list[Request] = []
    ada.page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    await ada.make_token()
    [real] = [request for request in sent if "next-action" in request.headers]
    headers = await real.all_headers()
    assert "tdp_" in await again(real, headers)
    for cookie in ("", "better-auth.session_token=made.up", "better-auth.session_token=a.b; theme=dark"):
        assert "tdp_" not in await again(real, headers | {"cookie": cookie})
    [count] = await ada.taskdeck.sql("SELECT count(*) FROM taskdeck_pat_list($1)", ada.user_id)
    assert count["count"] == 2


async def again(request: Request, headers: dict[str, str]) -> str:
    """Repeat a request of the browser and return the response text."""
    kept = {name: value for name, value in headers.items() if not name.startswith(":") and name != "content-length"}
    async with httpx2.AsyncClient(trust_env=False, timeout=30) as http:
        return (await http.post(request.url, content=request.post_data_buffer, headers=kept)).text
