"""The list of tasks through the dashboard's HTTP API: filters, orders and pages."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.consent import agreed
from tests.support.running_server import RunningServer

TASKS = "/api/dashboard/tasks"


@pytest.fixture
def ask(server: RunningServer) -> Any:
    """Read a list as somebody: the status and the body of the response."""

    async def send(person: Person, /, **query: Any) -> tuple[int, Any]:
        async with server.client(person.user_id) as client:
            response = await client.get(TASKS, params=query)
        return response.status_code, response.json()

    return send


async def titles(ask: Any, person: Person, /, **query: Any) -> list[str]:
    status, body = await ask(person, **query)
    assert status == 200, body
    assert body["total_count"] == len(body["tasks"])
    return [task["title"] for task in body["tasks"]]


async def test_rows_have_what_a_list_shows(ask: Any, alice: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    added = await alice.call(
        "add_task", title="Call", team_id=team, assignee=alice.user_id, tags=["a"], due="2026-03-01", description="Long"
    )
    await alice.call("set_timezone", timezone="Asia/Tokyo")
    _, page = await ask(alice)
    assert page == {
        "tasks": [
            {
                "id": added["id"],
                "title": "Call",
                "status": "pending",
                "priority": "medium",
                "due": "2026-03-01",
                "tags": ["a"],
                "team_id": team,
                "access": "owner",
                "assignee": alice.user_id,
                "version": 1,
                "created_at": added["created_at"],
                "updated_at": added["updated_at"],
            }
        ],
        "total_count": 1,
        "has_more": False,
        "timezone": "Asia/Tokyo",
    }


async def test_filters(ask: Any, alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    await alice.call("add_task", title="Tagged", tags=["home"])
    await alice.call("add_task", title="In the team", team_id=team, assignee=bob.user_id)
    done = (await alice.call("add_task", title="Done", priority="urgent"))["id"]
    await alice.call("complete_task", task_id=done)
    assert await titles(ask, alice) == ["Done", "In the team", "Tagged"]
    assert await titles(ask, alice, status="pending") == ["In the team", "Tagged"]
    assert await titles(ask, alice, status="completed", priority="urgent") == ["Done"]
    assert await titles(ask, alice, tag="home") == ["Tagged"]
    assert await titles(ask, alice, team_id=team) == ["In the team"]
    assert await titles(ask, alice, assignee=bob.user_id) == ["In the team"]
    assert await titles(ask, alice, search="tagged") == ["Tagged"]
    assert await titles(ask, bob) == ["In the team"]
    assert (await ask(bob, team_id=team + 100_000))[0] == 404


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_due_groups_are_days_of_the_person(ask: Any, alice: Person, zone: str) -> None:
    await alice.call("set_timezone", timezone=zone)
    now = datetime.fromisoformat((await alice.call("whoami"))["now"])
    soon = now + timedelta(minutes=1) if now.hour < 23 else now
    for title, due in {
        "last week": (now - timedelta(days=7)).date().isoformat(),
        "yesterday": (now - timedelta(days=1)).date().isoformat(),
        "a minute ago": (now - timedelta(minutes=1)).isoformat(),
        "today": now.date().isoformat(),
        "soon": soon.isoformat(),
        "in six days": (now + timedelta(days=6)).date().isoformat(),
        "in seven days": (now + timedelta(days=7)).date().isoformat(),
        "some day": None,
    }.items():
        await alice.call("add_task", title=title, **({"due": due} if due else {}))
    overdue = await titles(ask, alice, due="overdue", sort="due")
    assert overdue[:2] == ["last week", "yesterday"]
    assert "a minute ago" in overdue
    assert not {"today", "in six days", "some day"} & {*overdue}
    today = await titles(ask, alice, due="today", sort="due")
    assert "today" in today
    assert not {"yesterday", "in six days", "some day"} & {*today}
    week = await titles(ask, alice, due="week", sort="due")
    assert "in six days" in week
    assert {*today} <= {*week}
    assert not {"yesterday", "in seven days", "some day"} & {*week}
    assert await titles(ask, alice, due="none") == ["some day"]


async def test_completed_tasks_are_found_by_day_person_and_client(
    ask: Any, server: RunningServer, alice: Person, bob: Person
) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team)
    first, second, third = [
        (await alice.call("add_task", title=title, team_id=team))["id"] for title in ("Alice", "Bob", "Page")
    ]
    await alice.call("add_task", title="Open", team_id=team)
    await alice.call("complete_task", task_id=first)
    await bob.call("complete_task", task_id=second)
    async with server.client(alice.user_id) as client:
        (await client.patch(f"{TASKS}/{third}", json={"status": "completed"})).raise_for_status()
    assert await titles(ask, alice, status="completed", completed_by=bob.user_id) == ["Bob"]
    assert await titles(ask, bob, completed_by=alice.user_id) == ["Page", "Alice"]
    assert await titles(ask, alice, completed_with="pytest") == ["Bob", "Alice"]
    assert await titles(ask, alice, completed_by=alice.user_id, completed_with="pytest") == ["Alice"]
    # The last completion counts.
    await alice.call("update_task", task_id=second, status="pending")
    assert await titles(ask, alice, completed_by=bob.user_id) == []
    await alice.call("complete_task", task_id=second)
    assert await titles(ask, alice, completed_by=alice.user_id) == ["Page", "Bob", "Alice"]


async def test_completed_tasks_are_found_in_a_range(ask: Any, alice: Person) -> None:
    task = (await alice.call("add_task", title="Done"))["id"]
    await alice.call("add_task", title="Open")
    moment = datetime.fromisoformat((await alice.call("complete_task", task_id=task))["completed_at"])
    today = moment.date()
    yesterday, tomorrow = ((today + timedelta(days=days)).isoformat() for days in (-1, 1))
    assert await titles(ask, alice, completed_after=yesterday, completed_before=tomorrow) == ["Done"]
    assert await titles(ask, alice, completed_after=today.isoformat()) == ["Done"]
    assert await titles(ask, alice, completed_before=today.isoformat()) == []
    assert await titles(ask, alice, completed_after=tomorrow) == []
    assert await titles(ask, alice, completed_after=moment.isoformat()) == ["Done"]
    assert await titles(ask, alice, completed_before=moment.isoformat()) == []
    status, refused = await ask(alice, completed_before="soon")
    assert status == 422
    assert "completed_before" in refused["detail"]


@pytest.mark.parametrize("sort", ["created", "due", "priority", "updated"])
async def test_pages_follow_each_other_in_every_order(ask: Any, alice: Person, sort: str) -> None:
    day = datetime.now(UTC).date()
    for number in range(7):
        fields = {"due": (day + timedelta(days=number % 3)).isoformat()} if number % 4 else {}
        await alice.call("add_task", title=f"Task {number}", priority=["low", "high"][number % 2], **fields)
    everything = [task["id"] for task in (await ask(alice, sort=sort, limit=500))[1]["tasks"]]
    assert len(everything) == 7
    found: list[int] = []
    more, after = True, {}
    while more:
        _, page = await ask(alice, sort=sort, limit=3, **after)
        assert page["total_count"] == 7
        found += [task["id"] for task in page["tasks"]]
        more, after = page["has_more"], {"after": found[-1]}
    assert found == everything


async def test_page_after_a_deleted_or_foreign_task_is_refused_or_goes_on(ask: Any, alice: Person, bob: Person) -> None:
    first = (await alice.call("add_task", title="First"))["id"]
    second = (await alice.call("add_task", title="Second"))["id"]
    await alice.call("delete_task", task_id=second)
    assert [task["id"] for task in (await ask(alice, after=second))[1]["tasks"]] == [first]
    status, refused = await ask(bob, after=first)
    assert (status, refused["error"]) == (422, "invalid_input")
    assert refused["detail"].startswith(f"after: there is no task {first} any more")


async def test_ids_tell_which_tasks_are_in_the_list(ask: Any, alice: Person, bob: Person) -> None:
    wanted = [(await alice.call("add_task", title=f"Task {number}"))["id"] for number in range(3)]
    foreign = (await bob.call("add_task", title="Not yours"))["id"]
    await alice.call("complete_task", task_id=wanted[0])
    named = ",".join(map(str, [*wanted[:2], foreign]))
    _, page = await ask(alice, status="pending", ids=named)
    assert ([task["id"] for task in page["tasks"]], page["total_count"]) == ([wanted[1]], 2)
    for wrong in ("0", "1,", "a", "1;2"):
        assert (await ask(alice, ids=wrong))[0] == 422
