"""Correct numbers, stated by hand, at every interface; tests/tools/test_view.py covers the view in a chat."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from mcp.types import TextContent, TextResourceContents

from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.support.backdating import Backdating, backdating, live_three_days, on_one_day, trend_of
from tests.support.consent import agreed
from tests.support.running_server import RunningServer, running_server


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("server")})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.fixture
async def past(cluster: Cluster, direct_url: str) -> AsyncGenerator[Backdating]:
    async with backdating(cluster) as opened:
        yield opened


async def fetch(server: RunningServer, person: Person, path: str, **query: Any) -> Any:
    async with server.client(person.user_id) as client:
        answer = await client.get(f"/api/dashboard/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def read_resource(person: Person, uri: str) -> dict[str, Any]:
    async with person.client() as client:
        (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return json.loads(content.text)


async def get_prompt(person: Person, name: str, **arguments: str) -> tuple[str, list[dict[str, Any]]]:
    """Get a prompt: its request text and its rows."""
    async with person.client() as client:
        (message,) = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    request, _, data = message.content.text.partition("\n\n")
    return request, [json.loads(line) for line in data.split("\n")[1:]]


FOUR = {"total_tasks": 3, "pending_tasks": 1, "completed_tasks": 2, "shared_tasks": 0}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
async def test_trend_counts_tasks_created_and_completed_on_each_day(
    server: RunningServer, alice: Person, past: Backdating, zone: str
) -> None:
    alice = replace(alice, timezone=zone)
    days = await live_three_days(alice, past)
    today, reply = await on_one_day(alice, lambda: alice.call("get_statistics", days=5))
    assert reply == {**FOUR, "overdue_tasks": 0, "due_today_tasks": 0, "trend": trend_of(days, today, 5)}
    today, reply = await on_one_day(alice, lambda: read_resource(alice, "statistics://me"))
    assert reply["trend"] == trend_of(days, today, 14)
    today, reply = await on_one_day(alice, lambda: fetch(server, alice, "trend", days=5))
    assert reply == {"days": trend_of(days, today, 5)}
    assert await fetch(server, alice, "statistics") == FOUR


async def test_team_has_its_own_trend(server: RunningServer, alice: Person, bob: Person, past: Backdating) -> None:
    team = (await alice.call("create_team", name="Garden"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="viewer")
    days = await live_three_days(alice, past, team)
    await bob.call("complete_task", task_id=(await bob.call("add_task", title="Bob's own"))["id"])
    await alice.call("complete_task", task_id=(await alice.call("add_task", title="Alice's own"))["id"])
    today, reply = await on_one_day(bob, lambda: bob.call("get_statistics", team_id=team, days=5))
    assert reply == {**FOUR, "overdue_tasks": 0, "due_today_tasks": 0, "trend": trend_of(days, today, 5)}
    today, reply = await on_one_day(bob, lambda: fetch(server, bob, "trend", team_id=team, days=5))
    assert reply == {"days": trend_of(days, today, 5)}
    assert await fetch(server, bob, "statistics", team_id=team) == FOUR


async def test_reopened_task_counts_as_completed_on_no_day(alice: Person, past: Backdating) -> None:
    days = await live_three_days(alice, past)
    (sow, water) = (await alice.call("list_tasks", status="completed", sort="created"))["tasks"]
    await alice.call("update_task", task_id=sow["id"], status="in_progress")
    await alice.call("update_task", task_id=water["id"], status="completed")
    yesterday = sorted(days)[1]
    today, reply = await on_one_day(alice, lambda: alice.call("get_statistics", days=3))
    assert reply["trend"] == trend_of(days | {yesterday: (1, 1)}, today, 3)
    assert (reply["completed_tasks"], reply["pending_tasks"]) == (1, 2)


async def test_undoing_a_reopening_restores_the_day_of_completion(alice: Person, past: Backdating) -> None:
    days = await live_three_days(alice, past)
    (sow, _) = (await alice.call("list_tasks", status="completed", sort="created"))["tasks"]
    before = await alice.call("get_task", task_id=sow["id"])
    await alice.call("update_task", task_id=sow["id"], status="pending", title="Sow again")
    await alice.call("undo")
    after = await alice.call("get_task", task_id=sow["id"])
    assert (after["title"], after["completed_at"]) == (before["title"], before["completed_at"])
    today, reply = await on_one_day(alice, lambda: alice.call("get_statistics", days=3))
    assert reply["trend"] == trend_of(days, today, 3)
    assert [event["changes"] for event in after["history"][:2]] == [
        {"status": ["pending", "completed"], "title": ["Sow again", before["title"]]},
        {"status": ["completed", "pending"], "title": [before["title"], "Sow again"]},
    ]
