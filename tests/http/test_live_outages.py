"""What a live socket receives when the server loses the database or its listener, and when it stops."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mcp_server.settings import Settings
from storage.engine.database import Database
from storage.events import listener
from storage.events.feed import listen
from storage.tasks import tasks
from tests.conftest import Person
from tests.http.test_live import new
from tests.support.postgres import pooled
from tests.support.running_server import DatabaseProxy, running_server


async def test_changes_with_an_unknown_audience_send_resync(alice: Person, direct_url: str, tmp_path: Path) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(settings, proxy.url, direct_url) as server,
        server.socket(alice.user_id) as socket,
    ):
        await proxy.cut()
        await tasks.add(alice.scope, new("Nobody can tell whose"))
        assert await socket.receive() == {"type": "resync"}


async def test_listener_gap_sends_paused_then_resync(
    alice: Person, bob: Person, database_url: str, direct_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "PROBE_SECONDS", 0.3)
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(settings, database_url, proxy.url) as server,
        server.socket(alice.user_id) as first,
        server.socket(bob.user_id) as second,
    ):
        for fail in (proxy.cut, proxy.stall):
            if gone := fail():
                await gone
            # The server notices both aborted and stalled connections.
            async with server.client() as balancer:
                while (await balancer.get("/readyz")).status_code != 503:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            lost = await tasks.add(alice.scope, new("Nobody hears"))
            for socket in (first, second):
                assert await socket.receive() == {"type": "paused"}
            async with server.socket(alice.user_id) as late:
                assert await late.receive() == {"type": "paused"}
                await proxy.restore()
                for socket in (first, second, late):
                    assert await socket.receive() == {"type": "resync"}
            await tasks.complete(alice.scope, lost.id)
            assert (await first.next_event())["event_type"] == "task_completed"


@pytest.mark.long
async def test_listener_behind_a_pooler_is_detected(direct_url: str) -> None:
    async with (
        pooled(direct_url) as through,
        Database.open(through) as database,
        listen(database, through) as feed,
    ):
        while feed.listener.state == "connecting":  # noqa: ASYNC110 - a state raises no event
            await asyncio.sleep(0.05)
        assert feed.listener.state == "deaf"


async def test_stopping_server_staggers_reconnects(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with AsyncExitStack() as sockets:
        async with running_server(settings, database_url, direct_url) as server:
            both = [await sockets.enter_async_context(server.socket(alice.user_id)) for _ in range(2)]
        endings = [await socket.wait_closed() for socket in both]
    assert [code for code, _ in endings] == [1012, 1012]
    waits = [float((reason or "").partition("retry-after=")[2]) for _, reason in endings]
    assert all(0.5 <= wait <= 10 for wait in waits)
