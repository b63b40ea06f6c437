"""The dashboard's HTTP API: its responses and its errors."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mcp_server.settings import Settings
from storage.people import teams
from storage.schema.request_models import NewTask
from storage.tasks import statistics, tasks
from tests.conftest import Person
from tests.support.running_server import RunningServer, running_server

STATISTICS = "/api/dashboard/statistics"
PATHS = (STATISTICS, "/api/dashboard/trend", "/api/dashboard/tasks", "/api/dashboard/teams")
SNAPSHOT = "/api/dashboard/snapshot"


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    folder = tmp_path_factory.mktemp("server")
    settings = Settings.model_validate({"data_dir": folder, "allowed_origins": "https://board.example"})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


async def read(server: RunningServer, person: Person, path: str, **query: Any) -> Any:
    async with server.client(person.user_id) as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def new(title: str, team_id: int | None = None) -> NewTask:
    return NewTask.model_validate({"title": title} | ({} if team_id is None else {"team_id": team_id}))


def is_error(answer: httpx2.Response, status: int, error: str) -> bool:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error), answer.text
    assert body.keys() == {"error", "detail"}
    assert len(body["detail"]) > 10
    assert answer.headers["cache-control"] == "no-store"
    return True


async def test_dashboard_statistics_equal_get_statistics(server: RunningServer, alice: Person, bob: Person) -> None:
    done = await alice.call("add_task", title="Done")
    await alice.call("complete_task", task_id=done["id"])
    await alice.call("add_task", title="Open")
    assert await read(server, alice, STATISTICS) == {
        "total_tasks": 2,
        "pending_tasks": 1,
        "completed_tasks": 1,
        "shared_tasks": 0,
    }
    assert (await read(server, bob, STATISTICS))["total_tasks"] == 0
    statistics_reply = await alice.call("get_statistics")
    assert (await read(server, alice, STATISTICS)).items() <= statistics_reply.items()


async def test_change_at_one_replica_is_in_the_next_response_of_every_replica(
    server: RunningServer, alice: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with running_server(settings, database_url, direct_url) as other:
        for expected in range(1, 6):
            await tasks.add(alice.scope, new("One more"))
            for replica in (server, other):
                assert (await read(replica, alice, STATISTICS))["total_tasks"] == expected


async def test_team_numbers_are_for_members_only(server: RunningServer, alice: Person, bob: Person) -> None:
    team = await teams.create(alice.scope, "Crew")
    await tasks.add(alice.scope, new("For the crew", team_id=team.id))
    await tasks.add(alice.scope, new("For me"))
    assert (await read(server, alice, STATISTICS, team_id=team.id))["total_tasks"] == 1
    assert [task["title"] for task in (await read(server, alice, PATHS[2], team_id=team.id))["tasks"]] == [
        "For the crew"
    ]
    assert await read(server, alice, PATHS[3]) == {
        "teams": [{"id": team.id, "name": "Crew", "role": "owner"}],
        "team_count": 1,
    }
    assert await read(server, bob, PATHS[3]) == {"teams": [], "team_count": 0}
    async with server.client(bob.user_id) as client:
        for path in (*PATHS[:3], SNAPSHOT):
            foreign = await client.get(path, params={"team_id": team.id})
            missing = await client.get(path, params={"team_id": team.id + 10_000})
            assert is_error(foreign, 404, "not_found")
            assert foreign.text.replace(str(team.id), "N") == missing.text.replace(str(team.id + 10_000), "N")


async def test_trend_lists_every_day_oldest_first(server: RunningServer, alice: Person) -> None:
    await tasks.add(alice.scope, new("Today"))
    days = (await read(server, alice, PATHS[1]))["days"]
    assert len(days) == 14
    assert [day["date"] for day in days] == sorted(day["date"] for day in days)
    assert [day["created"] for day in days] == [0] * 13 + [1]
    assert days == [day.model_dump() for day in await statistics.trend(alice.scope)]


async def test_tasks_are_listed_newest_first_with_a_total(server: RunningServer, alice: Person) -> None:
    for number in range(10):
        await tasks.add(alice.scope, new(f"Task {number}"))
    page = await read(server, alice, PATHS[2])
    assert [task["title"] for task in page["tasks"]] == [f"Task {number}" for number in range(9, 1, -1)]
    assert page["total_count"] == 10
    shown = {"id", "title", "status", "priority", "tags", "access", "version", "created_at", "updated_at"}
    assert page["tasks"][0].keys() == shown


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (STATISTICS, "user_id=bob"),
        (STATISTICS, "team_id=0"),
        (STATISTICS, "team_id=9223372036854775808"),
        (STATISTICS, "team_id=%00"),
        (PATHS[1], "days=0"),
        (PATHS[1], "days=367"),
        (PATHS[1], "days=ten"),
        (PATHS[1], "days=1.0"),
        (PATHS[1], "days=1_0"),
        (PATHS[1], "days=%2B7"),
        (PATHS[1], "days=1&days=2"),
        (PATHS[1], "days=" + "9" * 5000),
        (PATHS[2], "limit=501"),
        (PATHS[3], "limit=5"),
        (SNAPSHOT, "days=0"),
        (SNAPSHOT, "limit=101"),
        (SNAPSHOT, "team_id=0"),
        (SNAPSHOT, "status=all"),
    ],
)
async def test_unknown_or_out_of_range_parameter_is_rejected(
    server: RunningServer, alice: Person, path: str, query: str
) -> None:
    async with server.client(alice.user_id) as client:
        assert is_error(await client.get(f"{path}?{query}"), 422, "invalid_input")


async def test_out_of_range_error_names_both_bounds(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        for days in (0, 367, -1):
            answer = await client.get(PATHS[1], params={"days": days})
            assert answer.json()["detail"] == "days: write a whole number between 1 and 366"


async def test_head_responds_like_get_without_a_body(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        for path in (*PATHS, SNAPSHOT):
            answer = await client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_websocket_at_an_unknown_path_is_404(server: RunningServer) -> None:
    for path in ("/api/elsewhere", "/elsewhere"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.socket_url.replace("/api/ws", path)).__aenter__()
        assert refused.value.response.status_code == 404


async def test_probes_accept_any_host_and_bypass_address_limits(
    server: RunningServer,
) -> None:
    origin = {"origin": "https://board.example"}
    async with server.client(x_forwarded_for="192.0.2.7") as client:
        attempts = [await client.get(STATISTICS, headers=origin | {"authorization": "Bearer bad"}) for _ in range(25)]
        refused = attempts[-1]
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "https://board.example"
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path, headers={"host": "10.0.0.7:8000"})).status_code == 200
            assert (await client.get(path, headers={"origin": "https://evil.example"})).status_code == 403
            assert "access-control-allow-origin" not in (await client.get(path, headers=origin)).headers
        metadata = "/.well-known/oauth-protected-resource/mcp"
        assert (await client.get(metadata)).status_code == 200
        assert (await client.get(metadata, headers={"host": "10.0.0.7:8000"})).status_code == 421


async def test_rejected_reads_say_why(server: RunningServer, alice: Person) -> None:
    def bearing(token: str) -> httpx2.AsyncClient:
        return server.client(authorization=f"Bearer {token}", x_forwarded_for="192.0.2.1")

    async with server.client(x_forwarded_for="192.0.2.1") as client:
        answer = await client.get(STATISTICS)
        assert is_error(answer, 401, "unauthorized")
        assert "resource_metadata=" in answer.headers["www-authenticate"]
    async with bearing(server.token(alice.user_id, "mcp")) as client:
        assert is_error(await client.get(STATISTICS), 401, "invalid_token")
    async with bearing(server.token(alice.user_id, oauth_scopes=["mcp:write"])) as client:
        assert is_error(await client.get(STATISTICS), 403, "insufficient_scope")


async def test_unknown_paths_and_methods_get_problem_responses(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        for path in ("/api", "/api/", "/api/dashboard", f"{STATISTICS}/", "/api/dashboard/%2e%2e/users"):
            answer = await client.get(path)
            assert answer.status_code == 404
        assert is_error(await client.get("/api/dashboard/users"), 404, "not_found")
        answer = await client.post(STATISTICS)
        assert is_error(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET"
        assert (await client.get(STATISTICS, headers={"host": "evil.example"})).status_code == 421
        assert (await client.get(STATISTICS, headers={"origin": "https://evil.example"})).status_code == 403


async def test_configured_origins_may_read_responses_and_errors(server: RunningServer, alice: Person) -> None:
    origin = {"origin": "https://board.example"}
    async with server.client(x_forwarded_for="192.0.2.2") as browser:
        asked = origin | {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
        preflight = await browser.options(STATISTICS, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://board.example"
        refused = await browser.get(STATISTICS, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://board.example"
        assert "access-control-allow-credentials" not in refused.headers
    async with server.client(alice.user_id) as client:
        assert "access-control-allow-origin" not in (await client.get(STATISTICS)).headers


async def test_configured_origins_may_call_mcp(server: RunningServer, alice: Person) -> None:
    origin = {"origin": "https://board.example"}
    asked = origin | {"access-control-request-method": "POST"}
    wanted = "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name"
    async with server.client(x_forwarded_for="192.0.2.3") as browser:
        allowed = await browser.options("/mcp", headers=asked | {"access-control-request-headers": wanted})
        assert allowed.status_code == 200, allowed.text
        assert allowed.headers["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE"
        for path in ("/mcp", "/api/openapi.json", "/.well-known/oauth-protected-resource", "/elsewhere"):
            answer = await browser.get(path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "https://board.example"
            exposed = answer.headers["access-control-expose-headers"]
            assert {"Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate"} <= set(exposed.split(", "))
        for refused in ({"access-control-request-method": "TRACE"}, {"access-control-request-headers": "x-evil"}):
            answer = await browser.options("/mcp", headers=asked | refused)
            assert is_error(answer, 400, "forbidden_preflight")
        assert (await browser.options("/mcp", headers=asked | {"origin": "https://evil.example"})).status_code == 403


async def test_responses_are_not_cacheable_and_carry_server_timing(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        for path in (*PATHS, SNAPSHOT):
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert "Authorization" in answer.headers["vary"]
            assert answer.headers["server-timing"].startswith("app;dur=")


async def test_metrics_cover_requests_tools_pool_sockets_and_listener(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client, server.socket(alice.user_id):
        await client.get(STATISTICS)
        await client.get("/etc/passwd")
        async with server.client(alice.user_id, "mcp", accept="application/json, text/event-stream") as agent:
            call: dict[str, Any] = {"name": "whoami", "arguments": {}}
            request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            answer = await agent.post("/mcp", json=request, headers={"mcp-protocol-version": "2025-11-25"})
            assert answer.status_code == 200, answer.text
            transport = streamable_http_client(f"{server.url}/mcp", http_client=agent)
            async with Client(transport) as subscriber, subscriber.listen(resources_list_changed=True):
                shown = (await client.get("/metrics")).text
    for line in (
        f'taskdeck_requests_total{{method="GET",route="{STATISTICS}",status="200"}}',
        'taskdeck_requests_total{method="GET",route="other",status="404"}',
        'taskdeck_request_seconds_count{route="/mcp",tool="whoami"}',
        "taskdeck_pool_idle_connections",
        "taskdeck_sockets 1.0",
        "taskdeck_subscriptions 1.0",
        "taskdeck_listening 1.0",
    ):
        assert line in shown
    assert alice.user_id not in shown
    assert "passwd" not in shown
