"""The HTTP bridge, by HTTP: what a dashboard reads, and what it is told when it may not or cannot."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mcp_server.protocol.server import OUR_FAULT
from mcp_server.settings import Settings
from storage.people import teams
from storage.schema.request_models import NewTask
from storage.tasks import statistics, tasks
from tests.conftest import Cluster, Person
from tests.support.running_server import RunningServer, Wire, standing, succeeds

STATISTICS = "/api/dashboard/statistics"
PATHS = (STATISTICS, "/api/dashboard/trend", "/api/dashboard/tasks", "/api/dashboard/teams")
SNAPSHOT = "/api/dashboard/snapshot"


@pytest.fixture(scope="module")
async def house(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    folder = tmp_path_factory.mktemp("house")
    settings = Settings.model_validate({"data_dir": folder, "allowed_origins": "https://board.example"})
    async with standing(settings, database_url, direct_url) as built:
        yield built


async def read(house: RunningServer, person: Person, path: str, **query: Any) -> Any:
    async with house.client(person.user_id) as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def new(title: str, team_id: int | None = None) -> NewTask:
    return NewTask.model_validate({"title": title} | ({} if team_id is None else {"team_id": team_id}))


def is_problem(answer: httpx2.Response, status: int, error: str) -> bool:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (status, error), answer.text
    assert body.keys() == {"error", "detail"}
    assert len(body["detail"]) > 10
    assert answer.headers["cache-control"] == "no-store"
    return True


async def test_the_four_numbers_are_those_of_the_tools(house: RunningServer, alice: Person, bob: Person) -> None:
    done = await alice.call("add_task", title="Done")
    await alice.call("complete_task", task_id=done["id"])
    await alice.call("add_task", title="Open")
    assert await read(house, alice, STATISTICS) == {
        "total_tasks": 2,
        "pending_tasks": 1,
        "completed_tasks": 1,
        "shared_tasks": 0,
    }
    assert (await read(house, bob, STATISTICS))["total_tasks"] == 0
    told = await alice.call("get_statistics")
    assert (await read(house, alice, STATISTICS)).items() <= told.items()


async def test_a_change_made_at_one_replica_is_in_the_next_answer_of_every_other(
    house: RunningServer, alice: Person, database_url: str, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with standing(settings, database_url, direct_url) as other:
        for expected in range(1, 6):
            await tasks.add(alice.scope, new("One more"))
            for replica in (house, other):
                assert (await read(replica, alice, STATISTICS))["total_tasks"] == expected


async def test_a_team_has_numbers_for_its_members_only(house: RunningServer, alice: Person, bob: Person) -> None:
    team = await teams.create(alice.scope, "Crew")
    await tasks.add(alice.scope, new("For the crew", team_id=team.id))
    await tasks.add(alice.scope, new("For me"))
    assert (await read(house, alice, STATISTICS, team_id=team.id))["total_tasks"] == 1
    assert [task["title"] for task in (await read(house, alice, PATHS[2], team_id=team.id))["tasks"]] == [
        "For the crew"
    ]
    assert await read(house, alice, PATHS[3]) == {"teams": [{"id": team.id, "name": "Crew", "role": "owner"}]}
    assert await read(house, bob, PATHS[3]) == {"teams": []}
    async with house.client(bob.user_id) as client:
        for path in (*PATHS[:3], SNAPSHOT):
            foreign = await client.get(path, params={"team_id": team.id})
            missing = await client.get(path, params={"team_id": team.id + 10_000})
            assert is_problem(foreign, 404, "not_found")
            assert foreign.text.replace(str(team.id), "N") == missing.text.replace(str(team.id + 10_000), "N")


async def test_the_trend_has_every_day_oldest_first(house: RunningServer, alice: Person) -> None:
    await tasks.add(alice.scope, new("Today"))
    days = (await read(house, alice, PATHS[1]))["days"]
    assert len(days) == 14
    assert [day["date"] for day in days] == sorted(day["date"] for day in days)
    assert [day["created"] for day in days] == [0] * 13 + [1]
    assert days == [day.model_dump() for day in await statistics.trend(alice.scope)]


async def test_the_newest_tasks_come_first_and_all_are_counted(house: RunningServer, alice: Person) -> None:
    for number in range(10):
        await tasks.add(alice.scope, new(f"Task {number}"))
    page = await read(house, alice, PATHS[2])
    assert [task["title"] for task in page["tasks"]] == [f"Task {number}" for number in range(9, 1, -1)]
    assert page["total_count"] == 10
    assert page["tasks"][0].keys() == {"id", "title", "status", "priority", "tags", "access"}


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
        (PATHS[2], "limit=101"),
        (PATHS[3], "limit=5"),
        (SNAPSHOT, "days=0"),
        (SNAPSHOT, "limit=101"),
        (SNAPSHOT, "team_id=0"),
        (SNAPSHOT, "status=all"),
    ],
)
async def test_a_parameter_that_is_unknown_or_out_of_range_is_refused(
    house: RunningServer, alice: Person, path: str, query: str
) -> None:
    async with house.client(alice.user_id) as client:
        assert is_problem(await client.get(f"{path}?{query}"), 422, "invalid_input")


async def test_what_is_out_of_range_is_told_both_bounds(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        for days in (0, 367, -1):
            answer = await client.get(PATHS[1], params={"days": days})
            assert answer.json()["detail"] == "days: write a whole number between 1 and 366"


async def test_head_is_answered_like_get_without_the_body(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        for path in (*PATHS, SNAPSHOT):
            answer = await client.head(path)
            assert (answer.status_code, answer.content) == (200, b"")


async def test_a_socket_at_an_unknown_address_is_not_found(house: RunningServer) -> None:
    for path in ("/api/elsewhere", "/elsewhere"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(house.socket_url.replace("/api/ws", path)).__aenter__()
        assert refused.value.response.status_code == 404


async def test_whoever_watches_the_server_calls_it_by_any_name_and_shares_no_strangers_fate(
    house: RunningServer,
) -> None:
    origin = {"origin": "https://board.example"}
    async with house.client(x_forwarded_for="192.0.2.7") as client:
        tries = [await client.get(STATISTICS, headers=origin | {"authorization": "Bearer bad"}) for _ in range(25)]
        refused = tries[-1]
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "https://board.example"
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.get(path, headers={"host": "10.0.0.7:8000"})).status_code == 200
            assert (await client.get(path, headers={"origin": "https://evil.example"})).status_code == 403
            assert "access-control-allow-origin" not in (await client.get(path, headers=origin)).headers
        metadata = "/.well-known/oauth-protected-resource/mcp"
        assert (await client.get(metadata)).status_code == 200
        assert (await client.get(metadata, headers={"host": "10.0.0.7:8000"})).status_code == 421


async def test_whoever_may_not_read_is_told_why(house: RunningServer, alice: Person) -> None:
    def bearing(token: str) -> httpx2.AsyncClient:
        return house.client(authorization=f"Bearer {token}", x_forwarded_for="192.0.2.1")

    async with house.client(x_forwarded_for="192.0.2.1") as client:
        answer = await client.get(STATISTICS)
        assert is_problem(answer, 401, "unauthorized")
        assert "resource_metadata=" in answer.headers["www-authenticate"]
    async with bearing(house.token(alice.user_id, "mcp")) as client:
        assert is_problem(await client.get(STATISTICS), 401, "invalid_token")
    async with bearing(house.token(alice.user_id, scopes=["mcp:write"])) as client:
        assert is_problem(await client.get(STATISTICS), 403, "insufficient_scope")


async def test_other_addresses_and_methods_are_refused_in_the_same_words(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        for path in ("/api", "/api/", "/api/dashboard", f"{STATISTICS}/", "/api/dashboard/%2e%2e/users"):
            answer = await client.get(path)
            assert answer.status_code == 404
        assert is_problem(await client.get("/api/dashboard/users"), 404, "not_found")
        answer = await client.post(STATISTICS)
        assert is_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET"
        assert (await client.get(STATISTICS, headers={"host": "evil.example"})).status_code == 421
        assert (await client.get(STATISTICS, headers={"origin": "https://evil.example"})).status_code == 403


async def test_pages_of_configured_origins_may_read_answers_and_refusals(house: RunningServer, alice: Person) -> None:
    origin = {"origin": "https://board.example"}
    async with house.client(x_forwarded_for="192.0.2.2") as stranger:
        asked = origin | {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}
        preflight = await stranger.options(STATISTICS, headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://board.example"
        refused = await stranger.get(STATISTICS, headers=origin)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://board.example"
        assert "access-control-allow-credentials" not in refused.headers
    async with house.client(alice.user_id) as client:
        assert "access-control-allow-origin" not in (await client.get(STATISTICS)).headers


async def test_pages_of_configured_origins_may_speak_mcp(house: RunningServer, alice: Person) -> None:
    origin = {"origin": "https://board.example"}
    asked = origin | {"access-control-request-method": "POST"}
    wanted = "authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-method,mcp-name"
    async with house.client(x_forwarded_for="192.0.2.3") as stranger:
        allowed = await stranger.options("/mcp", headers=asked | {"access-control-request-headers": wanted})
        assert allowed.status_code == 200, allowed.text
        for path in ("/mcp", "/api/openapi.json", "/.well-known/oauth-protected-resource", "/elsewhere"):
            answer = await stranger.get(path, headers=origin)
            assert answer.headers["access-control-allow-origin"] == "https://board.example"
            exposed = answer.headers["access-control-expose-headers"]
            assert {"Mcp-Session-Id", "MCP-Protocol-Version", "WWW-Authenticate"} <= set(exposed.split(", "))
        for refused in ({"access-control-request-method": "DELETE"}, {"access-control-request-headers": "x-evil"}):
            answer = await stranger.options("/mcp", headers=asked | refused)
            assert is_problem(answer, 400, "forbidden_preflight")
        assert (await stranger.options("/mcp", headers=asked | {"origin": "https://evil.example"})).status_code == 403


async def test_answers_are_not_kept_and_say_how_long_they_took(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        for path in (*PATHS, SNAPSHOT):
            answer = await client.get(path)
            assert answer.headers["cache-control"] == "no-store"
            assert "Authorization" in answer.headers["vary"]
            assert answer.headers["server-timing"].startswith("app;dur=")


async def test_operators_see_requests_tools_pool_sockets_and_listener(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client, house.socket(alice.user_id):
        await client.get(STATISTICS)
        await client.get("/etc/passwd")
        async with house.client(alice.user_id, "mcp", accept="application/json, text/event-stream") as agent:
            call: dict[str, Any] = {"name": "whoami", "arguments": {}}
            request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            answer = await agent.post("/mcp", json=request, headers={"mcp-protocol-version": "2025-11-25"})
            assert answer.status_code == 200, answer.text
            transport = streamable_http_client(f"{house.url}/mcp", http_client=agent)
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


async def test_a_database_that_is_away_is_a_503_soon_and_no_reason_to_restart(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        Wire(direct_url, tmp_path) as wire,
        standing(settings, wire.url, wire.url) as house,
        house.client(alice.user_id) as client,
    ):
        for fail in (wire.cut, _silence(wire)):
            assert (await client.get(STATISTICS)).status_code == 200
            await fail()
            # A client that waits four seconds gets an answer.
            answers = await asyncio.gather(*(client.get(STATISTICS, timeout=4) for _ in range(5)))
            assert all(is_problem(answer, 503, "unavailable") for answer in answers)
            assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
            assert (await client.get("/healthz")).status_code == 200
            ready = await client.get("/readyz", timeout=4)
            assert (ready.status_code, len(ready.json()["reasons"]) > 0) == (503, True)
            await wire.fix()
            await succeeds(client, STATISTICS)
            await succeeds(client, "/readyz")


async def test_a_fault_of_ours_tells_nothing_of_itself(alice: Person, cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("broken", "blank")
    administrator = await asyncpg.connect(cluster.address("broken"))
    await administrator.execute(BROKEN)
    await administrator.close()
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_teams", "arguments": {}},
    }
    async with (
        standing(Settings.model_validate({"data_dir": tmp_path}), url, url) as house,
        house.client(alice.user_id) as page,
        house.client(alice.user_id, "mcp", accept="application/json, text/event-stream") as agent,
    ):
        answer = await page.get(PATHS[3])
        assert is_problem(answer, 500, "internal")
        assert "broken" not in answer.text
        result = (await agent.post("/mcp", json=call)).json()["result"]
        assert (result["isError"], result["content"][0]["text"]) == (True, OUR_FAULT)
    await cluster.drop("broken")


BROKEN = """
CREATE OR REPLACE FUNCTION my_team_ids() RETURNS bigint[] LANGUAGE plpgsql STABLE
AS $$ BEGIN RAISE EXCEPTION 'my_team_ids() is broken'; END $$
"""


def _silence(wire: Wire) -> Any:
    async def silence() -> None:
        wire.silence()

    return silence
