"""The limits of live sockets: how many a user has, how much they say, and the second in which their token ends."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from types import SimpleNamespace

import jwt
import pytest
from websockets.exceptions import ConnectionClosed

from mcp_server.api import live_socket
from mcp_server.http import rate_limit
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import Listener, RunningServer, running_server
from tests.support.token_factory import Clock


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("limits"), "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as running:
        yield running


async def test_a_socket_that_closes_makes_room_for_one_more_only(server: RunningServer, alice: Person) -> None:
    async with AsyncExitStack() as stack, server.client() as http:
        for _ in range(4):
            await stack.enter_async_context(server.socket(alice.user_id))
        async with server.socket(alice.user_id):
            assert "taskdeck_sockets 5.0" in (await http.get("/metrics")).text
        while "taskdeck_sockets 5.0" in (await http.get("/metrics")).text:  # noqa: ASYNC110 - a server raises no event
            await asyncio.sleep(0.01)
        await stack.enter_async_context(server.socket(alice.user_id))
        async with server.open_socket() as connection:
            sixth = Listener(connection)
            await sixth.send(type="authenticate", token=server.token(alice.user_id))
            assert (await sixth.wait_closed())[0] == 4429


async def test_a_socket_may_send_ten_messages_in_every_second(
    server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(time.monotonic())
    monkeypatch.setattr(rate_limit, "time", SimpleNamespace(monotonic=clock))
    async with server.socket(alice.user_id) as listener:
        for pings in (9, 10, 10):  # the first message brought the token
            for _ in range(pings):
                assert await listener.until_pong() == []
            clock.now += 1
        clock.now -= 1
        await listener.send(type="ping")
        assert await listener.wait_closed() == (4429, "More than 10 messages in a second")


async def test_a_token_is_no_longer_valid_in_the_second_of_its_expiry(
    server: RunningServer, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = server.token(alice.user_id)
    expiry = jwt.decode(token, options={"verify_signature": False})["exp"]
    clock = Clock(expiry - 1)
    monkeypatch.setattr(live_socket, "time", SimpleNamespace(time=clock))
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 0.01)
    async with server.open_socket() as first, server.open_socket() as second, asyncio.timeout(20):
        early, late = Listener(first), Listener(second)
        await early.send(type="authenticate", token=token)
        assert await early.receive() == {"type": "ready"}
        clock.now = expiry
        assert await early.wait_closed() == (4401, "The token has expired")
        await late.send(type="authenticate", token=token)
        with pytest.raises(ConnectionClosed):
            await late.receive()
        assert await late.wait_closed() == (4401, "The token has expired")


async def test_the_last_sockets_are_for_people_with_none(
    database_url: str, direct_url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "MAX_SOCKETS_IN_ALL", 10)
    async with running_server(settings, database_url, direct_url) as server, AsyncExitStack() as stack:
        opened: dict[str, int] = {}
        for user in ("ann", "ben", "cleo", "dan", "eve", "finn"):
            while (refused := await _open(server, user, stack)) is None:
                opened[user] = opened.get(user, 0) + 1
            code = 1013 if user == "finn" or len(opened) == 5 else 4429
            assert (user, refused[0]) == (user, code)
        assert opened == {"ann": 4, "ben": 2, "cleo": 2, "dan": 1, "eve": 1}


async def _open(server: RunningServer, user: str, stack: AsyncExitStack) -> tuple[int | None, str | None] | None:
    """Open a socket until the end of `stack`; returns the close code and reason if it is refused."""
    listener = Listener(await stack.enter_async_context(server.open_socket()))
    await listener.send(type="authenticate", token=server.token(user))
    try:
        await listener.receive()
    except ConnectionClosed:
        return await listener.wait_closed()
    return None
