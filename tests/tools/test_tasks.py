"""The task tools, argument by argument."""

from typing import Any

import pytest

from tests.conftest import Person
from tests.support.consent import agreed

ORDER = ("low", "medium", "high", "urgent")


async def titles(person: Person, **arguments: Any) -> list[str]:
    return [task["title"] for task in (await person.call("list_tasks", **arguments))["tasks"]]


@pytest.fixture
async def listed(alice: Person) -> Person:
    """alice with six tasks."""
    tasks: list[dict[str, Any]] = [
        {"title": "Buy milk", "priority": "low", "due": "2026-03-01", "tags": ["home"]},
        {"title": "Buy bread", "priority": "urgent", "due": "2026-03-02T09:00:00+02:00", "tags": ["home", "food"]},
        {"title": "Write report", "description": "about milk", "priority": "high", "due": "2026-03-02"},
        {"title": "Call mum"},
        {"title": "Started"},
        {"title": "Done"},
    ]
    added = (await alice.call("add_tasks", tasks=tasks))["results"]
    await alice.call("update_task", task_id=added[4]["task"]["id"], status="in_progress")
    await alice.call("complete_task", task_id=added[5]["task"]["id"])
    return alice


async def test_new_task_has_the_given_fields_only(alice: Person) -> None:
    parent = (await alice.call("add_task", title="Parent"))["id"]
    team = (await alice.call("create_team", name="Home"))["id"]
    fields = {
        "title": "Plan",
        "description": "# Plan\n\n- a",
        "priority": "high",
        "due": "2026-03-01",
        "tags": ["b", "a"],
        "team_id": team,
        "parent_id": parent,
        "assignee": alice.user_id,
        "recurrence": "FREQ=DAILY",
    }
    task = await alice.call("add_task", **fields)
    assert {name: task[name] for name in fields} == fields
    assert set(task) == set(fields) | {"id", "status", "access", "version", "created_at", "updated_at"}
    assert (task["status"], task["access"], task["version"]) == ("pending", "owner", 1)
    plain = await alice.call("add_task", title="  Plain  ", tags=["x", "x"])
    assert (plain["title"], plain["tags"], plain["priority"]) == ("Plain", ["x"], "medium")
    assert {"description", "due", "team_id", "completed_at", "owner"} & set(plain) == set()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["Started", "Call mum", "Write report", "Buy bread", "Buy milk"]),
        ({"status": "in_progress"}, ["Started"]),
        ({"status": "completed"}, ["Done"]),
        ({"status": "all"}, ["Done", "Started", "Call mum", "Write report", "Buy bread", "Buy milk"]),
        ({"search": "milk"}, ["Buy milk", "Write report"]),
        ({"search": "milk", "sort": "created"}, ["Write report", "Buy milk"]),
        ({"search": "buy some milk"}, ["Buy milk", "Buy bread", "Write report"]),
        ({"search": "buy milk", "sort": "updated"}, ["Buy milk"]),
        ({"search": "-milk"}, ["Started", "Call mum", "Buy bread"]),
        ({"search": "BUY -milk"}, ["Buy bread"]),
        ({"search": '"buy milk" or mum'}, ["Buy milk", "Call mum"]),
        ({"search": "mil"}, []),
        ({"tag": "home"}, ["Buy bread", "Buy milk"]),
        ({"tag": "Home"}, []),
        ({"priority": "urgent"}, ["Buy bread"]),
        ({"due_before": "2026-03-02"}, ["Buy milk"]),
        ({"due_after": "2026-03-02"}, ["Write report", "Buy bread"]),
        ({"due_after": "2026-03-02T07:00:00Z"}, ["Buy bread"]),
        ({"due_after": "2026-03-02T07:00:00.000001Z"}, []),
        ({"due_after": "2026-03-01", "due_before": "2026-03-02", "tag": "home"}, ["Buy milk"]),
        ({"sort": "priority"}, ["Buy bread", "Write report", "Started", "Call mum", "Buy milk"]),
        ({"sort": "due"}, ["Buy milk", "Write report", "Buy bread", "Call mum", "Started"]),
        (
            {"sort": "updated", "status": "all"},
            ["Done", "Started", "Call mum", "Write report", "Buy bread", "Buy milk"],
        ),
        ({"scope": "shared"}, []),
        ({"scope": "team"}, []),
        ({"limit": 2}, ["Started", "Call mum"]),
    ],
    ids=str,
)
async def test_list_applies_its_filters(listed: Person, wanted: dict[str, Any], expected: list[str]) -> None:
    page = await listed.call("list_tasks", **wanted)
    assert [task["title"] for task in page["tasks"]] == expected
    assert page["total_count"] == (5 if "limit" in wanted else len(expected))


async def test_brief_rows_are_brief_and_full_rows_full(listed: Person) -> None:
    (brief,) = (await listed.call("list_tasks", tag="food"))["tasks"]
    assert set(brief) == {"id", "title", "status", "priority", "due", "tags", "access"}
    (full,) = (await listed.call("list_tasks", search="report", detail="full"))["tasks"]
    assert full == {
        name: value
        for name, value in (await listed.call("get_task", task_id=full["id"])).items()
        if name not in ("shares", "history")
    }


@pytest.mark.parametrize("sort", ["created", "due", "priority", "updated"])
@pytest.mark.parametrize("detail", ["brief", "full"])
async def test_pages_return_each_task_once_while_others_are_added(alice: Person, sort: str, detail: str) -> None:
    fields = [
        {"title": f"{n}", "priority": ORDER[n % 4]} | ({"due": f"2026-03-{n % 5 + 1:02}"} if n % 3 else {})
        for n in range(23)
    ]
    await alice.call("add_tasks", tasks=fields)
    found: list[str] = []
    arguments: dict[str, Any] = {"sort": sort, "limit": 5, "detail": detail}
    page = await alice.call("list_tasks", **arguments)
    while True:
        found += [task["title"] for task in page["tasks"]]
        await alice.call("add_task", title="late", priority="low", due="9999-12-31")
        if "next_cursor" not in page:
            break
        page = await alice.call("list_tasks", **arguments, cursor=page["next_cursor"])
    assert sorted((title for title in found if title != "late"), key=int) == [f"{n}" for n in range(23)]
    assert len(set(found) - {"late"}) == len([title for title in found if title != "late"])


async def test_cursor_belongs_to_its_listing(alice: Person) -> None:
    await alice.call("add_tasks", tasks=[{"title": f"{n}"} for n in range(3)])
    cursor = (await alice.call("list_tasks", limit=1))["next_cursor"]
    for other in ({"sort": "due"}, {"status": "all"}, {"search": "x"}):
        assert "without cursor" in await alice.refusal("list_tasks", **other, cursor=cursor)
    for broken in (cursor[:-2], "x", "W10", "bnVsbA"):
        assert "without cursor" in await alice.refusal("list_tasks", cursor=broken)


async def test_long_page_ends_early_and_says_so(alice: Person) -> None:
    await alice.call("add_tasks", tasks=[{"title": f"{n}", "description": "x" * 4000} for n in range(8)])
    page = await alice.call("list_tasks", detail="full")
    assert 0 < len(page["tasks"]) < 8
    assert page["total_count"] == 8
    following = await alice.call("list_tasks", detail="full", cursor=page["next_cursor"])
    assert following["tasks"][0]["title"] == f"{7 - len(page['tasks'])}"


async def test_update_sets_given_fields_and_clears_named_ones(alice: Person) -> None:
    fields: dict[str, Any] = {"description": "d", "due": "2026-03-01", "tags": ["a"], "assignee": alice.email}
    task = await alice.call("add_task", title="x", **fields)
    changed = await alice.call("update_task", task_id=task["id"], title="y", tags=["b"], priority="urgent")
    assert (changed["title"], changed["tags"], changed["priority"], changed["version"]) == ("y", ["b"], "urgent", 2)
    assert (changed["description"], changed["due"], changed["assignee"]) == ("d", "2026-03-01", alice.user_id)
    cleared = await alice.call("update_task", task_id=task["id"], clear=["description", "due", "tags", "assignee"])
    assert {"description", "due", "assignee"} & set(cleared) == set()
    assert (cleared["tags"], cleared["title"]) == ([], "y")
    assert "both given and in clear" in await alice.refusal(
        "update_task", task_id=task["id"], due="2026-03-01", clear=["due"]
    )
    assert "clear" in await alice.refusal("update_task", task_id=task["id"], clear=["title"])


async def test_update_without_a_change_is_no_change(alice: Person) -> None:
    fields = {"title": "x", "priority": "low", "tags": ["a"], "due": "2026-03-01", "recurrence": "FREQ=DAILY"}
    task = await alice.call("add_task", **fields, assignee=alice.email)
    same: list[dict[str, Any]] = [
        {"status": "pending"},
        {**fields, "assignee": alice.user_id},
        {"recurrence": "freq=daily"},
        {"clear": ["description", "team_id", "parent_id"]},
        {"title": "x", "expected_version": 1},
    ]
    for changes in same:
        assert await alice.call("update_task", task_id=task["id"], **changes) == task
    bare = await alice.call("add_task", title="y")
    assert await alice.call("update_task", task_id=bare["id"], clear=["tags", "due", "assignee"]) == bare
    assert len((await alice.call("get_task", task_id=task["id"]))["history"]) == 1


async def test_undated_tasks_sort_after_the_last_moment(alice: Person) -> None:
    for title, due in (("end", "9999-12-31T23:59:59Z"), ("undated", None), ("day", "9999-12-31")):
        await alice.call("add_task", title=title, **({"due": due} if due else {}))
    assert await titles(alice, sort="due") == ["day", "end", "undated"]
    first = await alice.call("list_tasks", sort="due", limit=2)
    rest = await alice.call("list_tasks", sort="due", limit=2, cursor=first["next_cursor"])
    assert [task["title"] for task in rest["tasks"]] == ["undated"]
    undated = await alice.call("add_task", title="later")
    page = await alice.call("list_tasks", sort="due", limit=3)
    rest = await alice.call("list_tasks", sort="due", limit=3, cursor=page["next_cursor"])
    assert [task["id"] for task in rest["tasks"]] == [undated["id"]]


async def test_outdated_version_is_rejected(alice: Person) -> None:
    task = (await alice.call("add_task", title="x"))["id"]
    assert (await alice.call("update_task", task_id=task, title="y", expected_version=1))["version"] == 2
    sentence = await alice.refusal("update_task", task_id=task, title="z", expected_version=1)
    assert "is at version 2, not 1" in sentence
    assert "get_task" in sentence


async def test_status_changes_back_and_forth(alice: Person) -> None:
    task = (await alice.call("add_task", title="x"))["id"]
    done = await alice.call("complete_task", task_id=task)
    assert done["status"] == "completed"
    assert done["completed_at"]
    reopened = await alice.call("update_task", task_id=task, status="in_progress")
    assert "completed_at" not in reopened
    assert "completed_at" in await alice.call("update_task", task_id=task, status="completed")


async def test_repeated_complete_delete_and_restore_change_nothing(alice: Person, bob: Person) -> None:
    task = (await alice.call("add_task", title="x"))["id"]
    await agreed(alice, "share_task", bob, task_id=task)
    for tool in ("complete_task", "delete_task"):
        assert await alice.call(tool, task_id=task) == await alice.call(tool, task_id=task)
    for who in (alice, bob):
        assert "No task" in await who.refusal("get_task", task_id=task)
        assert "No task" in await who.refusal("update_task", task_id=task, title="y")
    assert await alice.call("restore_task", task_id=task) == await alice.call("restore_task", task_id=task)
    assert (await bob.call("get_task", task_id=task))["access"] == "view"


async def test_parents_cannot_form_a_cycle(alice: Person) -> None:
    first = (await alice.call("add_task", title="1"))["id"]
    second = (await alice.call("add_task", title="2", parent_id=first))["id"]
    third = (await alice.call("add_task", title="3", parent_id=second))["id"]
    for below in (first, second, third):
        assert "below itself" in await alice.refusal("update_task", task_id=first, parent_id=below)
    assert (await alice.call("update_task", task_id=third, parent_id=first))["parent_id"] == first
    assert "parent_id" not in await alice.call("update_task", task_id=third, clear=["parent_id"])


async def test_batch_is_atomic_by_default(alice: Person) -> None:
    tasks = [{"title": "good"}, {"title": "bad", "due": "2026-02-30"}, {"title": "fine"}]
    sentence = await alice.refusal("add_tasks", tasks=tasks)
    assert sentence.startswith("tasks.1: due")
    assert "Nothing was added" in sentence
    assert await titles(alice) == []
    results = (await alice.call("add_tasks", tasks=tasks, atomic=False))["results"]
    assert [(found["index"], found["ok"]) for found in results] == [(0, True), (1, False), (2, True)]
    assert results[1]["error"].startswith("due")
    assert await titles(alice) == ["fine", "good"]


async def test_task_can_be_assigned_to_anybody_who_sees_it(alice: Person, bob: Person) -> None:
    sentence = await alice.refusal("add_task", title="x", assignee=bob.email)
    assert "share_task" in sentence
    task = (await alice.call("add_task", title="x"))["id"]
    await agreed(alice, "share_task", bob, task_id=task, permission="edit")
    assert (await alice.call("update_task", task_id=task, assignee=bob.email))["assignee"] == bob.user_id
    sentence = await alice.refusal("update_task", task_id=task, assignee="nobody@example.com")
    assert sentence.startswith("nobody@example.com cannot see this task: share it with them")


async def test_history_names_user_and_change(alice: Person) -> None:
    task = (await alice.call("add_task", title="x"))["id"]
    await alice.call("update_task", task_id=task, title="y")
    newest, first = (await alice.call("get_task", task_id=task))["history"]
    assert (newest["event_type"], newest["changes"], newest["user_id"]) == (
        "task_updated",
        {"title": ["x", "y"]},
        alice.user_id,
    )
    assert first["event_type"] == "task_created"
