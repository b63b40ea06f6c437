"""The page Today through the dashboard's HTTP API."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from storage.schema.request_models import TaskFields
from storage.tasks import tasks
from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer


@pytest.fixture
def read(server: RunningServer) -> Any:
    """What the page shows somebody."""

    async def ask(person: Person) -> dict[str, Any]:
        async with server.client(person.user_id) as client:
            response = await client.get("/api/dashboard/today")
        assert response.status_code == 200, response.text
        return response.json()

    return ask


def titles(rows: list[dict[str, Any]]) -> list[str]:
    return [row["title"] for row in rows]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_open_tasks_of_today_and_before(read: Any, alice: Person, zone: str) -> None:
    await alice.call("set_timezone", timezone=zone)
    today = datetime.fromisoformat((await alice.call("whoami"))["now"]).date()
    for title, days in (("late", -3), ("later", -1), ("now", 0), ("done", 0), ("soon", 1)):
        task = await alice.call("add_task", title=title, due=(today + timedelta(days=days)).isoformat())
        if title == "done":
            await alice.call("complete_task", task_id=task["id"])
    begun = (await alice.call("add_task", title="begun"))["id"]
    await alice.call("update_task", task_id=begun, status="in_progress")
    page = await read(alice)
    assert titles(page["overdue"]) == ["late", "later"]
    assert titles(page["due_today"]) == ["now"]
    assert titles(page["in_progress"]) == ["begun"]
    assert (page["overdue_count"], page["due_today_count"], page["in_progress_count"]) == (2, 1, 1)
    assert page.get("timezone") == zone


async def test_changes_are_those_of_agents_since_yesterday(
    read: Any, alice: Person, bob: Person, server: RunningServer
) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    task = (await alice.call("add_task", title="By an agent", team_id=team))["id"]
    await tasks.change(replace(alice.scope, client="dashboard"), task, TaskFields.model_validate({"priority": "high"}))
    await bob.call("update_task", task_id=task, title="By an agent of Bob")
    page = await read(alice)
    assert [(c["event_type"], c["user_id"], c["client"], c["undoable"]) for c in page["changes"]] == [
        ("task_updated", bob.user_id, "pytest", False),
        ("task_created", alice.user_id, "pytest", True),
    ]
    assert page["has_more_changes"] is False


async def test_nothing_of_others_is_shown(read: Any, alice: Person, bob: Person) -> None:
    task = await alice.call("add_task", title="Late", due="2020-01-01")
    await alice.call("update_task", task_id=task["id"], status="in_progress")
    page = await read(bob)
    assert [page[name] for name in ("overdue", "due_today", "in_progress", "changes")] == [[], [], [], []]
    assert [page[f"{name}_count"] for name in ("overdue", "due_today", "in_progress")] == [0, 0, 0]
