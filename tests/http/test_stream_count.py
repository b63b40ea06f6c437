"""How many subscription streams are open, as /metrics shows it."""

import asyncio

from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import running_server


async def test_stream_that_ended_is_no_longer_counted(
    alice: Person, database_url: str, direct_url: str, settings: Settings
) -> None:
    async with running_server(settings, database_url, direct_url) as server, server.client() as probe:
        async with server.client(alice.user_id, "mcp") as agent:
            transport = streamable_http_client(f"{server.url}/mcp", http_client=agent)
            async with Client(transport) as client, client.listen(resources_list_changed=True):
                assert "taskdeck_subscriptions 1.0" in (await probe.get("/metrics")).text
        async with asyncio.timeout(20):
            while "taskdeck_subscriptions 0.0" not in (await probe.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
