"""A session that ends takes its tabs, live sockets and tokens along."""

import asyncio
import secrets

import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from tests.support.browser import Taskdeck, Visit
from tests.support.oauth_account import OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


async def test_signing_out_in_one_tab_ends_the_others(visit: Visit):
    ada = await visit()
    await ada.open_live()
    dashboard, settings = ada.page, await ada.context.new_page()
    await settings.goto(f"{ada.taskdeck.dashboard}/settings")
    signing_out = await ada.context.new_page()
    await signing_out.goto(f"{ada.taskdeck.dashboard}/clients")
    await signing_out.get_by_role("button", name="Account and appearance").click()
    await signing_out.get_by_role("button", name="Sign out").click()
    await expect(signing_out.get_by_text("You are signed out.")).to_be_visible()
    for tab in (dashboard, settings):
        await expect(tab.get_by_role("heading", name="Sign in")).to_be_visible()
    ada.expect_page_errors("401")


async def test_socket_and_token_of_a_session_end_with_it_and_no_others(taskdeck: Taskdeck, fresh_limits: None):
    email = f"ada-{secrets.token_hex(4)}@example.com"
    socket_url = taskdeck.mcp.replace("http", "ws") + "/api/ws"
    async with OAuthAccount.signed_up(taskdeck, email) as here, here.elsewhere(email) as there:
        client = await here.register()
        agent = (await here.connect(client))["access_token"]
        mine, other = [(await one.http.get("/api/auth/token")).json()["token"] for one in (here, there)]
        async with connect(socket_url, proxy=None) as closing, connect(socket_url, proxy=None) as staying:
            for socket, token in ((closing, mine), (staying, other)):
                await socket.send(f'{{"type": "authenticate", "token": "{token}"}}')
                assert await socket.recv() == '{"type":"ready"}'
            await here.http.post("/api/auth/sign-out", json={})
            with pytest.raises(ConnectionClosedError) as closed:
                await asyncio.wait_for(closing.recv(), 10)
            assert closed.value.rcvd
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "The session has ended")
            await staying.send('{"type": "ping"}')
            assert await staying.recv() == '{"type":"pong"}'
        assert (await taskdeck.statistics(mine)).status_code == 401
        assert (await taskdeck.statistics(other)).status_code == 200
        assert (await taskdeck.call_raw(agent, "whoami")).status_code == 200, "an AI client outlives the session"
