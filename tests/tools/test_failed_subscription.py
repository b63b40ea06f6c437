"""A subscription over stdio for which the process has no room."""

import pytest
from mcp import Client
from mcp.types import EmptyResult, SubscribeRequest, SubscribeRequestParams

from mcp_server.app import open_services
from mcp_server.protocol import subscriptions
from mcp_server.settings import Settings
from tests.conftest import Person


async def test_server_stops_without_an_error_after_a_subscription_failed(
    settings: Settings, database_url: str, direct_url: str, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "MAX_STREAMS", 0)
    known = settings.model_copy(update={"database_url": database_url, "database_url_unpooled": direct_url})
    watch = SubscribeRequest(params=SubscribeRequestParams(uri="statistics://me"))
    async with open_services(known, database_url, local=alice.caller) as services:
        async with Client(services.server, mode="legacy") as client:
            assert await client.session.send_request(watch, EmptyResult) == EmptyResult()
        assert services.subscriptions.count == 0
