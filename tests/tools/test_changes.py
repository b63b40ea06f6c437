"""The tool list_changes: who changed what, with which client."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.schema.request_models import TaskFields
from storage.tasks import tasks
from tests.conftest import Person
from tests.support.consent import agreed


async def edit(person: Person, client: str, task_id: int, **fields: str) -> None:
    """Change a task as another client of the person does."""
    await tasks.change(replace(person.scope, client=client), task_id, TaskFields.model_validate(fields))


async def test_changes_of_one_client_are_found_in_one_call(alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="Mow"))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    await edit(alice, "Robot", task, priority="high", title="Mow the lawn")
    await edit(bob, "Robot", task, due="2026-03-01")
    found = (await alice.call("list_changes", client="Robot"))["changes"]
    assert {(row["task_id"], row["event_type"], row["client"]) for row in found} == {(task, "task_updated", "Robot")}
    assert [row.get("user") for row in found] == [bob.user_id.title(), None]
    assert found[0]["changes"] == {"due": [None, "2026-03-01"]}
    assert found[1]["changes"] == {"priority": ["medium", "high"], "title": ["Mow", "Mow the lawn"]}
    assert {row["title"] for row in found} == {"Mow the lawn"}
    assert not any("deleted" in row or "undone" in row for row in found)


async def test_changes_are_listed_newest_first_and_page_by_page(alice: Person) -> None:
    for number in range(5):
        await alice.call("add_task", title=f"Task {number}")
    titles: list[str] = []
    page = await alice.call("list_changes", limit=2)
    titles += [row["title"] for row in page["changes"]]
    while "next_cursor" in page:
        page = await alice.call("list_changes", limit=2, cursor=page["next_cursor"])
        titles += [row["title"] for row in page["changes"]]
    assert titles == ["Task 4", "Task 3", "Task 2", "Task 1", "Task 0"]


async def test_changes_since_a_moment_or_a_day(alice: Person) -> None:
    await alice.call("add_task", title="Mow")
    now = datetime.now(UTC)
    assert len((await alice.call("list_changes", since=now.date().isoformat()))["changes"]) == 1
    assert (await alice.call("list_changes", since=(now + timedelta(minutes=1)).isoformat()))["changes"] == []
    assert "since" in await alice.refusal("list_changes", since="yesterday")


async def test_changes_name_what_was_deleted_and_undone(alice: Person) -> None:
    gone = (await alice.call("add_task", title="Gone"))["id"]
    await alice.call("update_task", task_id=gone, priority="high")
    await alice.call("undo")
    await alice.call("delete_task", task_id=gone)
    found = (await alice.call("list_changes"))["changes"]
    assert [(row["event_type"], row.get("undone"), row["deleted"]) for row in found] == [
        ("task_deleted", None, True),
        ("task_updated", None, True),
        ("task_updated", True, True),
        ("task_created", None, True),
    ]


async def test_unknown_client_is_refused_with_the_names_of_the_known_ones(alice: Person, bob: Person) -> None:
    assert "have no names" in await bob.refusal("list_changes", client="Claude")
    task = (await alice.call("add_task", title="Mow"))["id"]
    await edit(alice, "Robot", task, title="Mow the lawn")
    refusal = await alice.refusal("list_changes", client="Claude")
    assert refusal.startswith('client: "Claude" changed nothing here. The user\'s are "Robot"')
    # A known client without a change in that time is no mistake.
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await alice.call("list_changes", client="Robot", since=tomorrow))["changes"] == []


async def test_changes_of_tasks_of_others_are_not_listed(alice: Person, bob: Person) -> None:
    await alice.call("add_task", title="Private")
    assert (await bob.call("list_changes"))["changes"] == []
