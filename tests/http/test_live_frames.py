"""Two live sockets of one person, and the size of what a socket takes."""

import json
from collections.abc import AsyncGenerator

import pytest

from mcp_server.settings import Settings
from storage.tasks import tasks
from tests.conftest import Person
from tests.http.test_live import new
from tests.support.running_server import Listener, RunningServer, running_server

LARGEST = 65_536


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("frames"), "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as running:
        yield running


async def send_ping(listener: Listener, size: int) -> None:
    """Send a ping with so many bytes."""
    await listener.connection.send(json.dumps({"type": "ping"}).ljust(size))


async def test_message_of_64_kib_is_taken_and_a_longer_one_closes_the_socket(
    server: RunningServer, alice: Person
) -> None:
    async with server.socket(alice.user_id) as listener:
        await send_ping(listener, LARGEST)
        assert await listener.receive() == {"type": "pong"}
        await send_ping(listener, LARGEST + 1)
        assert (await listener.wait_closed())[0] == 1009, "message too big (RFC 6455 section 7.4.1)"


async def test_socket_that_closes_leaves_the_others_of_the_same_person_their_changes(
    server: RunningServer, alice: Person
) -> None:
    async with server.socket(alice.user_id) as staying:
        async with server.socket(alice.user_id) as leaving:
            await tasks.add(alice.scope, new("Both hear"))
            for listener in (staying, leaving):
                assert (await listener.next_event())["event_type"] == "task_created"
        async with server.socket(alice.user_id):
            added = await tasks.add(alice.scope, new("One hears"))
            assert (await staying.next_event())["task_id"] == added.id
