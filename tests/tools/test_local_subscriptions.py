"""Subscriptions of a client in the server's own process, as over stdio: their number, and those of older clients."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from mcp import Client, MCPError
from mcp.client import IncomingMessage
from mcp.types import (
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from mcp_server.app import Services, open_services
from mcp_server.protocol import subscriptions as module
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.tools.test_subscriptions import SECONDS, add

pytestmark = pytest.mark.long


@pytest.fixture
async def services(settings: Settings, direct_url: str, database_url: str, alice: Person) -> AsyncGenerator[Services]:
    """A server for one client of alice, as over stdio."""
    known = settings.model_copy(update={"database_url": database_url, "database_url_unpooled": direct_url})
    async with open_services(known, database_url, local=alice.caller) as opened:
        while opened.feed.listener.state != "listening":  # noqa: ASYNC110 - a state raises no event
            await asyncio.sleep(0.01)
        yield opened


def subscribe(task_id: int) -> SubscribeRequest:
    return SubscribeRequest(params=SubscribeRequestParams(uri=f"task://{task_id}"))


@pytest.fixture(params=["MAX_STREAMS", "MAX_STREAMS_A_USER"])
def two_streams(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, request.param, 2)


@pytest.mark.usefixtures("two_streams")
async def test_number_of_streams_is_limited(services: Services):
    async with Client(services.server) as client, client.listen(), client.listen():
        with pytest.raises(MCPError, match="too many subscriptions"):
            async with client.listen():
                pass
        assert services.subscriptions.count == 2
        too_many = [f"conversation://{n}" for n in range(101)]
        with pytest.raises(MCPError, match="at most 100 resources"):
            async with client.listen(resource_subscriptions=too_many):
                pass


async def test_older_client_subscribes_over_stdio(services: Services, alice: Person, bob: Person):
    task, other, theirs = await add(alice), await add(alice), await add(bob)
    received: asyncio.Queue[str] = asyncio.Queue()

    async def on_message(message: IncomingMessage) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            received.put_nowait(str(message.params.uri))

    async with Client(services.server, mode="legacy", message_handler=on_message) as client:
        assert client.server_capabilities.resources
        assert client.server_capabilities.resources.subscribe
        for number in (task, other):
            await client.session.send_request(subscribe(number), EmptyResult)
        with pytest.raises(MCPError, match="No task"):
            await client.session.send_request(subscribe(theirs), EmptyResult)
        gone = UnsubscribeRequest(params=UnsubscribeRequestParams(uri=f"task://{task}"))
        await client.session.send_request(gone, EmptyResult)
        await alice.call("complete_task", task_id=task)
        await alice.call("complete_task", task_id=other)
        async with asyncio.timeout(SECONDS):
            assert await received.get() == f"task://{other}"
        assert received.empty()
