"""The next occurrence of a recurring task copies its subtasks, and undoing the completion removes them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Person, introduce
from tests.support.consent import agreed


@pytest.fixture
async def alice(person: Callable[[str], Person]) -> Person:
    """A person in Berlin."""
    return await introduce(replace(person("alice"), timezone="Europe/Berlin"))


async def add(person: Person, title: str, parent_id: int | None = None, **fields: Any) -> int:
    above = {} if parent_id is None else {"parent_id": parent_id}
    return (await person.call("add_task", title=title, **above, **fields))["id"]


async def weekly(person: Person, due: str = "2026-03-02", **fields: Any) -> int:
    return await add(person, "Review", due=due, recurrence="FREQ=WEEKLY", **fields)


async def complete(person: Person, task_id: int) -> dict[str, Any]:
    """Complete a recurring task and return the next occurrence of the reply."""
    return (await person.call("complete_task", task_id=task_id))["next_occurrence"]


async def below(person: Person, task_id: int) -> dict[str, dict[str, Any]]:
    """The direct subtasks as full rows, by title."""
    page = await person.call("list_tasks", parent_id=task_id, status="all", detail="full", limit=100)
    return {task["title"]: task for task in page["tasks"]}


async def share(owner: Person, task_id: int, other: Person, permission: str = "edit") -> None:
    await agreed(owner, "share_task", other, task_id=task_id, permission=permission)


async def team_of(owner: Person, *others: Person) -> int:
    team_id = (await owner.call("create_team", name="Crew"))["id"]
    for other in others:
        await agreed(owner, "add_team_member", other, team_id=team_id)
    return team_id


async def test_next_occurrence_has_fresh_subtasks_at_every_depth(alice: Person, bob: Person) -> None:
    top = await weekly(alice)
    fields = {"description": "All of it", "priority": "high", "tags": ["a", "b"]}
    middle = await add(alice, "Mail", top, assignee=alice.user_id, **fields)
    await share(alice, middle, bob, "view")
    await add(alice, "Newsletters", middle)
    gone = await add(alice, "Gone", top)
    await alice.call("delete_task", task_id=gone)
    await alice.call("complete_task", task_id=middle)
    completed = await alice.call("complete_task", task_id=top)
    following = completed["next_occurrence"]
    assert (completed["open_subtasks"], following["subtasks"], following["due"]) == (1, 2, "2026-03-09")
    (mail,) = (await below(alice, following["id"])).values()
    assert {name: mail[name] for name in fields} == fields
    assert (mail["status"], mail["assignee"], mail["access"]) == ("pending", alice.user_id, "owner")
    assert not {"due", "recurrence", "completed_at"} & mail.keys()
    assert [list(await below(alice, task)) for task in (mail["id"], top)] == [["Newsletters"], ["Mail"]]
    (share_of_bob,) = (await alice.call("get_task", task_id=mail["id"]))["shares"]
    assert (share_of_bob["user_id"], share_of_bob["permission"]) == (bob.user_id, "view")
    assert (await below(alice, top))["Mail"]["status"] == "completed"
    assert (await complete(alice, following["id"]))["subtasks"] == 2


@pytest.mark.parametrize(
    ("due", "parent", "shifted"),
    [
        # In Berlin clocks go forward on 29 March 2026 and back on 25 October.
        ("2026-03-05", "2026-03-23", "2026-03-12"),
        ("2026-02-27", "2026-02-23", "2026-03-06"),
        ("2026-03-24T17:00:00+01:00", "2026-03-23", "2026-03-31T17:00:00+02:00"),
        ("2026-03-24T17:00:00+01:00", "2026-03-23T09:00:00+01:00", "2026-03-31T17:00:00+02:00"),
        ("2026-10-20T08:30:15.250000+02:00", "2026-10-19", "2026-10-27T08:30:15.250000+01:00"),
        ("2026-03-24T17:00:00-05:00", "2026-03-23", "2026-03-31T17:00:00-05:00"),
        ("2026-03-24T17:00:00Z", "2026-03-23", "2026-03-31T17:00:00+00:00"),
        ("2026-03-22T02:30:00+01:00", "2026-03-23", "2026-03-29T03:30:00+02:00"),
        ("2026-10-18T02:30:00+02:00", "2026-10-19", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-19", "2026-11-01T02:30:00+01:00"),
        ("0900-03-05", "2026-03-23", "0900-03-12"),
    ],
)
async def test_subtask_due_dates_shift_with_the_parent(alice: Person, due: str, parent: str, shifted: str) -> None:
    top = await weekly(alice, parent)
    await add(alice, "Part", top, due=due)
    part = (await below(alice, (await complete(alice, top))["id"]))["Part"]
    assert part["due"] == shifted
    before = await alice.call("list_tasks", parent_id=part["parent_id"], due_before=shifted)
    after = await alice.call("list_tasks", parent_id=part["parent_id"], due_after=shifted)
    assert (before["total_count"], after["total_count"]) == (0, 1)


async def test_first_of_two_equal_local_times_is_used_at_a_half_hour_change(alice: Person) -> None:
    await alice.call("set_timezone", timezone="Australia/Lord_Howe")
    top = await weekly(alice, "2026-03-30")
    await add(alice, "Part", top, due="2026-03-29T01:45:00+11:00")
    part = (await below(alice, (await complete(alice, top))["id"]))["Part"]
    assert part["due"] == "2026-04-05T01:45:00+11:00"


async def test_date_beyond_the_calendar_is_dropped(alice: Person) -> None:
    top = await weekly(alice)
    await add(alice, "Date", top, due="9999-12-30")
    await add(alice, "Moment", top, due="9999-12-30T12:00:00+01:00")
    parts = await below(alice, (await complete(alice, top))["id"])
    assert [part for part in parts.values() if "due" in part] == []
    assert len(parts) == 2


async def test_recurring_subtask_moves_along_without_duplicates(alice: Person) -> None:
    top = await weekly(alice)
    daily = await add(alice, "Water", top, due="2026-03-02", recurrence="FREQ=DAILY")
    daily = (await complete(alice, daily))["id"]
    completed = await alice.call("complete_task", task_id=top)
    following = completed["next_occurrence"]
    assert "open_subtasks" not in completed
    assert following["subtasks"] == 1
    water = (await below(alice, following["id"]))["Water"]
    assert (water["id"], water["due"], water["recurrence"]) == (daily, "2026-03-03", "FREQ=DAILY")
    assert (await complete(alice, daily))["parent_id"] == following["id"]
    assert [task["status"] for task in (await below(alice, top)).values()] == ["completed"]


async def test_at_most_100_subtasks_are_copied(alice: Person) -> None:
    top = await weekly(alice)
    for start in (0, 40, 80):
        parts = [{"title": f"{n:03}", "parent_id": top} for n in range(start, min(start + 40, 103))]
        await alice.call("add_tasks", tasks=parts)
    following = await complete(alice, top)
    assert following["subtasks"] == 100
    assert sorted(await below(alice, following["id"])) == [f"{n:03}" for n in range(100)]
    assert len((await alice.call("undo"))["reverted"]) == 102
    assert (await alice.call("get_task", task_id=top))["subtask_count"] == 103


async def test_subtasks_keep_their_owner_regardless_of_who_completes(alice: Person, bob: Person) -> None:
    """The owner's subtasks are copied even if the caller does not see them; those of users without access are not."""
    top = await weekly(alice)
    await share(alice, top, bob)
    await add(alice, "Alice's", top)
    await add(bob, "Bob's", top)
    following = await complete(bob, top)
    assert following["subtasks"] == 1
    assert {title: part["access"] for title, part in (await below(bob, following["id"])).items()} == {"Bob's": "owner"}
    assert list(await below(alice, following["id"])) == ["Alice's"]
    await alice.call("unshare_task", task_id=following["id"], user=bob.user_id)
    assert (await complete(alice, following["id"]))["subtasks"] == 1
    assert (await bob.call("list_tasks"))["total_count"] == 2


async def test_team_task_copies_subtasks_of_all_members(alice: Person, bob: Person, carol: Person) -> None:
    team = await team_of(alice, bob, carol)
    top = await weekly(alice, team_id=team)
    await add(bob, "Bob's", top, team_id=team)
    following = await complete(carol, top)
    part = (await below(carol, following["id"]))["Bob's"]
    assert (part["owner"], part["team_id"], part["access"]) == (bob.user_id, team, "edit")
    assert following["subtasks"] == 1


async def test_undoing_a_completion_reverts_everything_it_created(alice: Person) -> None:
    top = await weekly(alice)
    middle = await add(alice, "Mail", top, due="2026-03-02")
    await add(alice, "Newsletters", middle)
    daily = await add(alice, "Water", top, due="2026-03-02", recurrence="FREQ=DAILY")
    following = await complete(alice, top)
    reverted = (await alice.call("undo"))["reverted"]
    assert sorted(change["event_type"] for change in reverted) == [
        "task_completed",
        *["task_created"] * 3,
        "task_updated",
    ]
    assert {change["call"] for change in reverted} == {1}
    assert f"No task {following['id']}" in await alice.refusal("get_task", task_id=following["id"])
    page = await alice.call("list_tasks")
    assert {(task["id"], task.get("parent_id")) for task in page["tasks"] if task["id"] in (top, daily)} == {
        (top, None),
        (daily, top),
    }
    assert page["total_count"] == 4
    assert (await complete(alice, top))["subtasks"] == 3


async def test_undo_reverts_invisible_subtasks_without_revealing_them(alice: Person, bob: Person) -> None:
    top = await weekly(alice)
    await share(alice, top, bob)
    await add(alice, "Quiet", top)
    busy = await add(alice, "Busy", top)
    following = (await complete(bob, top))["id"]
    copies = await below(alice, following)
    await alice.call("update_task", task_id=copies["Busy"]["id"], title="Busier")
    reverted = (await bob.call("undo"))["reverted"]
    assert [change["task_id"] for change in reverted] == [following, top]
    left = {task["title"]: task for task in (await alice.call("list_tasks"))["tasks"]}
    assert set(left) == {"Review", "Quiet", "Busy", "Busier"}
    assert (left["Busy"]["id"], "parent_id" in left["Busier"]) == (busy, False)


async def test_completion_with_a_changed_copied_subtask_is_not_undone(alice: Person, bob: Person) -> None:
    team = await team_of(alice, bob)
    top = await weekly(alice, team_id=team)
    await add(alice, "Part", top, team_id=team)
    following = (await complete(alice, top))["id"]
    part = (await below(bob, following))["Part"]["id"]
    await bob.call("complete_task", task_id=part)
    assert "somebody has worked on it since, or on its subtasks" in await alice.refusal("undo")
    assert set(await below(alice, following)) == {"Part"}


@pytest.mark.parametrize("permission", ["seen", "hidden"])
async def test_added_task_with_a_new_visible_subtask_is_not_undone(alice: Person, bob: Person, permission: str) -> None:
    top = await add(alice, "Plan")
    await share(alice, top, bob)
    part = await add(bob, "Part", top)
    if permission == "seen":
        await share(bob, part, alice, "view")
        assert "or on its subtasks" in await alice.refusal("undo", count=2)
        assert (await bob.call("get_task", task_id=part))["parent_id"] == top
    else:
        assert len((await alice.call("undo", count=2))["reverted"]) == 2
        assert "parent_id" not in await bob.call("get_task", task_id=part)


async def test_reopening_and_completing_again_duplicates_no_subtask(alice: Person) -> None:
    top = await weekly(alice)
    await add(alice, "Part", top)
    following = await complete(alice, top)
    await alice.call("update_task", task_id=top, status="pending")
    assert await complete(alice, top) == following
    assert len(await below(alice, following["id"])) == 1
    await alice.call("update_task", task_id=top, status="pending")
    await alice.call("delete_task", task_id=following["id"])
    again = await complete(alice, top)
    assert again["id"] != following["id"]
    assert again["subtasks"] == 1
