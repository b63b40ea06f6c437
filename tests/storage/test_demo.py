"""The demo data: how much there is, whose it is, and that filling again adds only what is missing."""

import json
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from storage import demo
from storage.engine.database import Database, Row
from storage.people import teams, users
from storage.schema.errors import NotFound
from tests.conftest import Cluster, RequestUrl

TASKS, PEOPLE = 1600, 9
IDS = [f"demo-{number:02d}" for number in range(1, PEOPLE + 1)]


@pytest.fixture(scope="module")
async def company(cluster: Cluster, request_url: RequestUrl) -> AsyncGenerator[Database]:
    """A database of its own, filled with 1,500 tasks, then with 1,600, and then again."""
    async with Database.open(request_url(await cluster.create("demo", "blank"))) as opened:
        for tasks in (1500, TASKS, TASKS):
            counted = list[int]()
            assert await demo.fill(opened, tasks, PEOPLE, done=counted.append) == IDS
            assert sum(counted) == tasks
        yield opened
    await cluster.drop("demo")


@pytest.fixture
async def administrator(company: Database, cluster: Cluster) -> AsyncGenerator["asyncpg.Connection[Row]"]:
    """A connection to the database of `company` that sees every row."""
    assert company
    connection = await asyncpg.connect(cluster.address("demo"))
    yield connection
    await connection.close()


@pytest.fixture
async def tasks(administrator: "asyncpg.Connection[Row]") -> list[Row]:
    return await administrator.fetch("SELECT * FROM tasks WHERE user_id LIKE 'demo-%' ORDER BY id")


def assert_share(found: list[bool], expected: float) -> None:
    """The share of what is true is the expected one, but for the spread of a sample (six standard deviations)."""
    size = len(found)
    assert abs(sum(found) - expected * size) <= 6 * (size * expected * (1 - expected)) ** 0.5


async def test_everybody_has_their_share_of_the_tasks(tasks: list[Row]) -> None:
    # 1600 / (1/√1 + … + 1/√9) is 340.08: each person has this number divided by the root of theirs, the first the rest.
    shares = (343, 240, 196, 170, 152, 138, 128, 120, 113)
    assert Counter(task["user_id"] for task in tasks) == dict(zip(IDS, shares, strict=True))


async def test_people_are_known_by_name_address_and_time_zone(administrator: "asyncpg.Connection[Row]") -> None:
    people = await administrator.fetch("SELECT id, name, email, timezone FROM users WHERE id LIKE 'demo-%' ORDER BY id")
    assert [person["name"] for person in people[:5]] == [
        "Ada Berg",
        "Ben Ito",
        "Chloe Perez",
        "Dev Gupta",
        "Elif Novak",
    ]
    assert tuple(people[0]) == ("demo-01", "Ada Berg", "ada.berg.1@demo.example", "Europe/Berlin")
    assert tuple(people[1]) == ("demo-02", "Ben Ito", "ben.ito.2@demo.example", "Europe/London")
    assert people[5]["timezone"] == "Europe/Berlin"


async def test_each_team_is_founded_once_and_has_every_role(company: Database) -> None:
    (website,) = (await teams.find_fitting(company.scope("demo-01"), 10_000)).teams
    assert (website.name, website.role) == ("Website", "owner")
    assert {member.user_id: member.role for member in website.members} == {
        "demo-01": "owner",
        "demo-02": "admin",
        **{f"demo-0{number}": "member" for number in range(3, 8)},
        "demo-08": "viewer",
    }
    (app,) = (await teams.find_fitting(company.scope("demo-09"), 10_000)).teams
    assert (app.name, [member.user_id for member in app.members]) == ("Mobile app", ["demo-09"])


async def test_tasks_are_as_varied_as_those_of_a_company(tasks: list[Row]) -> None:
    for status, share in {"pending": 0.3, "in_progress": 0.12, "completed": 0.58}.items():
        assert_share([task["status"] == status for task in tasks], share)
    for priority, share in {"low": 0.2, "medium": 0.55, "high": 0.2, "urgent": 0.05}.items():
        assert_share([task["priority"] == priority for task in tasks], share)
    for length, share in enumerate((0.5, 0.35, 0.15)):
        assert_share([len(task["tags"]) == length for task in tasks], share)
    assert_share([task["title"] in demo.WORDS["own"] for task in tasks], 0.15)
    assert_share([task["description"] is not None for task in tasks], 0.3)
    assert {tag for task in tasks for tag in task["tags"]} == set(demo.WORDS["tags"])


async def test_due_dates_are_days_or_afternoons_and_few_tasks_recur(tasks: list[Row]) -> None:
    due = [task for task in tasks if task["due"]]
    assert_share([task["due"] is not None for task in tasks], 0.6)
    assert_share([len(task["due"]) == 10 for task in due], 0.8)
    for task in due:
        day = datetime.fromisoformat(task["due"][:10]).replace(tzinfo=UTC)
        assert task["due"][10:] in ("", "T17:00:00+00:00")
        assert task["due_at"] == day + timedelta(hours=17 if task["due"][10:] else 0)
    assert_share([task["recurrence"] == "FREQ=WEEKLY" for task in due if task["status"] != "completed"], 0.05)
    others = [task for task in tasks if not task["due"] or task["status"] == "completed"]
    assert {task["recurrence"] for task in others} == {None}
    assert not any(task["due_at"] for task in tasks if not task["due"])


async def test_tasks_lie_in_the_last_eight_weeks(tasks: list[Row]) -> None:
    now = datetime.now(UTC)
    for task in tasks:
        age = now - task["created_at"]
        assert timedelta(hours=1) <= age <= timedelta(weeks=8, days=3)
        assert (task["completed_at"] is not None) == (task["status"] == "completed")
        assert task["updated_at"] == (task["completed_at"] or task["created_at"])
        assert task["created_at"] <= task["updated_at"] <= now
    recent = [task["created_at"] > now - timedelta(weeks=2) for task in tasks]
    assert sum(recent) > len(tasks) / 3
    assert_share([task["created_at"].weekday() >= 5 for task in tasks], 2 / 7 * 0.3)


async def test_members_put_tasks_into_their_team_and_assign_half_of_them(tasks: list[Row]) -> None:
    first = [task for task in tasks if task["user_id"] not in ("demo-08", "demo-09")]
    assert_share([task["team_id"] is not None for task in first], 0.45)
    assert not any(task["team_id"] for task in tasks if task["user_id"] == "demo-08"), "a viewer may not"
    shared = [task for task in first if task["team_id"]]
    assert len({task["team_id"] for task in shared}) == 1
    assert_share([task["assignee_id"] is not None for task in shared], 0.5)
    assert {task["assignee_id"] for task in shared} == {None, *IDS[:8]}
    assert not any(task["assignee_id"] for task in tasks if task["team_id"] is None)


async def test_some_tasks_are_shared_with_other_people(
    tasks: list[Row], administrator: "asyncpg.Connection[Row]"
) -> None:
    shares = await administrator.fetch("SELECT * FROM task_shares")
    shared = {share["task_id"] for share in shares}
    assert_share([task["id"] in shared for task in tasks], 0.04)
    assert {share["shared_with_user_id"] for share in shares} == {*IDS} - {"demo-09"}, "who is in no team with others"
    assert not any(share["shared_with_user_id"] == share["owner_id"] for share in shares)
    assert_share([share["permission"] == "view" for share in shares], 2 / 3)
    assert {share["permission"] for share in shares} == {"view", "edit"}


async def test_everybody_has_a_few_conversations(administrator: "asyncpg.Connection[Row]") -> None:
    conversations = await administrator.fetch("SELECT * FROM conversations")
    counts = Counter(conversation["user_id"] for conversation in conversations)
    assert set(counts) == {*IDS}
    assert all(3 <= count <= 6 for count in counts.values())
    for conversation in conversations:
        messages = await administrator.fetch(
            "SELECT * FROM messages WHERE conversation_id = $1 ORDER BY sequence", conversation["id"]
        )
        thing = conversation["title"].removeprefix("About ")
        assert thing in demo.WORDS["things"]
        assert conversation["message_count"] == len(messages) in (2, 4, 6, 8)
        assert [message["sequence"] for message in messages] == [*range(1, len(messages) + 1)]
        assert [message["role"] for message in messages[:2]] == ["user", "assistant"]
        assert messages[0]["content"] == f"What is still open about {thing}?"
        assert messages[1]["content"] == f"Three tasks mention {thing}; one of them is in progress."
        assert json.loads(messages[1]["tool_calls"]) == [
            {"name": "list_tasks", "arguments": {"search": thing, "status": "pending"}}
        ]
        assert [message["tool_calls"] for message in messages[2:]] == [None] * (len(messages) - 2)
        assert {message["model"] for message in messages} == {"claude-sonnet-4-5"}
        assert messages[-1]["created_at"] - messages[0]["created_at"] == timedelta(seconds=30 * (len(messages) - 1))
        assert conversation["created_at"] == messages[0]["created_at"]
        assert conversation["updated_at"] == messages[-1]["created_at"]


async def test_somebody_who_signed_in_stands_for_the_first_person(company: Database) -> None:
    await users.remember(company.scope("me"), "me@example.com", "Me", "Asia/Tokyo")
    counted = list[int]()
    assert await demo.fill(company, 1001, 1, me="me@example.com", done=counted.append) == ["me"]
    assert counted == [0, 1000, 1]
    with pytest.raises(NotFound, match="nobody"):
        await demo.fill(company, 10, 1, me="nobody@example.com", done=counted.append)
