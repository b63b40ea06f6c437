"""The header Server-Timing, and the durations in /metrics."""

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import running_server

STATISTICS = "/api/dashboard/statistics"


async def test_duration_is_that_of_the_request(
    alice: Person, database_url: str, direct_url: str, settings: Settings
) -> None:
    async with running_server(settings, database_url, direct_url) as server, server.client(alice.user_id) as client:
        shown = (await client.get(STATISTICS)).headers["server-timing"]
        assert 0 < float(shown.removeprefix("app;dur=")) < 60_000, "milliseconds"
        metrics = (await client.get("/metrics")).text
    assert f'taskdeck_request_seconds_count{{route="{STATISTICS}",tool=""}} 1.0' in metrics
    assert f'taskdeck_requests_total{{method="GET",route="{STATISTICS}",status="200"}} 1.0' in metrics
