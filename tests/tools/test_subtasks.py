"""Subtasks are listed with their parent, and deleted and restored with it."""

import json
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.consent import agreed


async def add(person: Person, title: str, parent_id: int | None = None, **fields: Any) -> int:
    above = {} if parent_id is None else {"parent_id": parent_id}
    return (await person.call("add_task", title=title, **above, **fields))["id"]


async def tree(person: Person, **fields: Any) -> tuple[int, int, int]:
    """A task with a subtask that has a subtask."""
    top = await add(person, "Move server", **fields)
    middle = await add(person, "Pack", top)
    return top, middle, await add(person, "Buy boxes", middle)


async def titles(person: Person, **arguments: Any) -> list[str]:
    """The titles of a list, in the order in which the tasks were added."""
    page = await person.call("list_tasks", **{"status": "all", "limit": 100, **arguments})
    return [task["title"] for task in reversed(page["tasks"])]


async def share(owner: Person, task_id: int, other: Person, permission: str = "edit") -> None:
    await agreed(owner, "share_task", other, task_id=task_id, permission=permission)


async def team_of(owner: Person, other: Person, role: str = "member") -> int:
    team_id = (await owner.call("create_team", name="Crew"))["id"]
    await agreed(owner, "add_team_member", other, team_id=team_id, role=role)
    return team_id


async def test_every_tool_names_direct_subtasks(alice: Person) -> None:
    top, middle, _ = await tree(alice)
    done = await add(alice, "Find a flat", top)
    await alice.call("complete_task", task_id=done)
    paint = await add(alice, "Paint", top)
    expected = [
        {"id": middle, "title": "Pack", "status": "pending"},
        {"id": paint, "title": "Paint", "status": "pending"},
        {"id": done, "title": "Find a flat", "status": "completed"},
    ]
    task = await alice.call("get_task", task_id=top)
    document = (await alice.call("fetch", id=f"task:{top}"))["metadata"]
    async with alice.client() as client:
        (content,) = (await client.read_resource(f"task://{top}")).contents
    resource = json.loads(content.model_dump()["text"])
    for found in (task, document, resource):
        assert (found["subtasks"], found["subtask_count"]) == (expected, 3)
    alone = await alice.call("get_task", task_id=paint)
    assert not {"subtasks", "subtask_count"} & alone.keys()


async def test_task_shows_twenty_subtasks_and_counts_all(alice: Person) -> None:
    top = await add(alice, "Top")
    await alice.call("add_tasks", tasks=[{"title": f"{n:02}", "parent_id": top} for n in range(23)])
    task = await alice.call("get_task", task_id=top)
    assert [subtask["title"] for subtask in task["subtasks"]] == [f"{n:02}" for n in range(20)]
    assert task["subtask_count"] == 23
    page = await alice.call("list_tasks", parent_id=top, limit=20)
    rest = await alice.call("list_tasks", parent_id=top, limit=20, cursor=page["next_cursor"])
    assert (page["total_count"], len(page["tasks"]), len(rest["tasks"])) == (23, 20, 3)


async def test_long_subtask_titles_stay_within_their_token_share(alice: Person) -> None:
    top = await add(alice, "Top")
    await alice.call("add_tasks", tasks=[{"title": "\U0001f600" * 400, "parent_id": top}] * 5)
    task = await alice.call("get_task", task_id=top)
    assert (len(task["subtasks"]), task["subtask_count"]) == (1, 5)


async def test_list_filters_by_parent_and_rows_name_theirs(alice: Person) -> None:
    top, middle, bottom = await tree(alice)
    done = await add(alice, "Find a flat", top)
    await alice.call("complete_task", task_id=done)
    rows = (await alice.call("list_tasks", status="all"))["tasks"]
    assert {row["id"]: row.get("parent_id") for row in rows} == {top: None, middle: top, bottom: middle, done: top}
    assert await titles(alice, parent_id=top, status="pending") == ["Pack"]
    assert await titles(alice, parent_id=top) == ["Pack", "Find a flat"]
    assert await titles(alice, parent_id=middle, scope="mine") == ["Buy boxes"]
    assert await titles(alice, parent_id=bottom) == []


async def test_only_visible_subtasks_are_counted_and_listed(alice: Person, bob: Person) -> None:
    top = await add(alice, "Top")
    await share(alice, top, bob)
    hidden = await add(alice, "Hidden", top)
    shown = await add(alice, "Shown", top)
    await share(alice, shown, bob, "view")
    own = await add(bob, "Bob's", top)
    seen = await bob.call("get_task", task_id=top)
    assert ([subtask["id"] for subtask in seen["subtasks"]], seen["subtask_count"]) == ([shown, own], 2)
    assert await titles(bob, parent_id=top) == ["Shown", "Bob's"]
    seen = await alice.call("get_task", task_id=top)
    assert ([subtask["id"] for subtask in seen["subtasks"]], seen["subtask_count"]) == ([hidden, shown], 2)
    assert (await bob.call("complete_task", task_id=top))["open_subtasks"] == 2
    await alice.call("unshare_task", task_id=top, user=bob.user_id)
    assert "parent_id" not in await bob.call("get_task", task_id=own)
    assert await bob.refusal("list_tasks", parent_id=top) == f"No task {top}. Use list_tasks to find its id."


@pytest.mark.parametrize("tool", ["complete_task", "update_task"])
async def test_completing_leaves_subtasks_open_and_counts_them(alice: Person, tool: str) -> None:
    top, middle, bottom = await tree(alice)
    status = {"status": "completed"} if tool == "update_task" else {}
    for _ in range(2):
        assert (await alice.call(tool, task_id=top, **status))["open_subtasks"] == 2
    assert (await alice.call("get_task", task_id=middle))["status"] == "pending"
    assert (await alice.call(tool, task_id=middle, **status))["open_subtasks"] == 1
    assert "open_subtasks" not in await alice.call(tool, task_id=bottom, **status)
    assert "open_subtasks" not in await alice.call(tool, task_id=top, **status)
    await alice.call("update_task", task_id=bottom, status="pending")
    assert "open_subtasks" not in await alice.call("update_task", task_id=top, title="Moved server")


async def test_subtasks_are_deleted_and_restored_with_their_parent(alice: Person) -> None:
    top, middle, bottom = await tree(alice)
    gone = await add(alice, "Deleted before", top)
    await alice.call("delete_task", task_id=gone)
    for _ in range(2):
        assert (await alice.call("delete_task", task_id=top))["deleted_subtasks"] == 2
    assert await titles(alice) == []
    assert (await alice.call("get_statistics"))["total_tasks"] == 0
    restored = await alice.call("restore_task", task_id=top)
    assert restored["restored_subtasks"] == 2
    rows = (await alice.call("list_tasks"))["tasks"]
    assert {row["id"]: row.get("parent_id") for row in rows} == {top: None, middle: top, bottom: middle}
    assert "restored_subtasks" not in await alice.call("restore_task", task_id=top)
    await alice.call("restore_task", task_id=gone)
    assert (await alice.call("get_task", task_id=gone))["parent_id"] == top


async def test_task_without_subtasks_omits_the_fields(alice: Person) -> None:
    task = await add(alice, "Alone")
    replies = [await alice.call(f"{verb}_task", task_id=task) for verb in ("complete", "delete", "restore", "get")]
    assert not [key for reply in replies for key in reply if "subtask" in key]


async def test_undoing_a_deletion_restores_the_subtasks(alice: Person) -> None:
    top, middle, bottom = await tree(alice)
    await alice.call("delete_task", task_id=bottom)
    await alice.call("delete_task", task_id=top)
    reverted = (await alice.call("undo"))["reverted"]
    assert sorted(change["task_id"] for change in reverted) == [top, middle]
    assert await titles(alice) == ["Move server", "Pack"]
    assert [change["task_id"] for change in (await alice.call("undo"))["reverted"]] == [bottom]
    assert await titles(alice) == ["Move server", "Pack", "Buy boxes"]


async def test_undoing_a_restoration_deletes_the_subtasks(alice: Person) -> None:
    top, middle, bottom = await tree(alice)
    await alice.call("delete_task", task_id=top)
    await alice.call("restore_task", task_id=top)
    reverted = (await alice.call("undo"))["reverted"]
    assert sorted(change["task_id"] for change in reverted) == [top, middle, bottom]
    assert await titles(alice) == []


async def test_separately_restored_subtask_has_no_parent_until_it_is_restored(alice: Person) -> None:
    top, middle, _ = await tree(alice)
    await alice.call("delete_task", task_id=top)
    assert "parent_id" not in await alice.call("restore_task", task_id=middle)
    assert await titles(alice) == ["Pack", "Buy boxes"]
    assert "parent_id" not in await alice.call("get_task", task_id=middle)
    assert f"No task {top}" in await alice.refusal("list_tasks", parent_id=top)
    assert "restored_subtasks" not in await alice.call("restore_task", task_id=top)
    assert (await alice.call("get_task", task_id=middle))["parent_id"] == top


async def test_separately_restored_task_is_independent_of_those_still_deleted(alice: Person) -> None:
    top, middle, bottom = await tree(alice)
    await alice.call("delete_task", task_id=middle)
    await alice.call("restore_task", task_id=bottom)
    for _ in range(2):
        assert "deleted_subtasks" not in await alice.call("delete_task", task_id=top)
    await alice.call("restore_task", task_id=middle)
    assert await titles(alice) == ["Pack", "Buy boxes"]
    assert "deleted_subtasks" not in await alice.call("delete_task", task_id=top)
    assert await titles(alice) == ["Pack", "Buy boxes"]


@pytest.mark.parametrize("parent", ["deleted", "foreign", "missing"])
async def test_invisible_parent_is_rejected_in_a_sentence(alice: Person, bob: Person, parent: str) -> None:
    task, deleted = await add(alice, "Task"), await add(alice, "Deleted")
    await alice.call("delete_task", task_id=deleted)
    above = {"deleted": deleted, "foreign": await add(bob, "Bob's"), "missing": 8_000_000_000_000_000_000}[parent]
    sentence = f"No task {above}. Use list_tasks to find its id."
    assert await alice.refusal("add_task", title="Below", parent_id=above) == sentence
    assert await alice.refusal("update_task", task_id=task, parent_id=above) == sentence
    assert await alice.refusal("list_tasks", parent_id=above) == sentence


async def test_batch_deletion_counts_subtasks_beyond_the_named_tasks(alice: Person) -> None:
    top, middle, _ = await tree(alice)
    other = await add(alice, "Other")
    for _ in range(2):
        deleted = await alice.call("delete_task", task_ids=[middle, top, other])
        assert [task["id"] for task in deleted["tasks"]] == [middle, top, other]
        assert deleted["deleted_subtasks"] == 1
    assert len((await alice.call("undo"))["reverted"]) == 4
    assert await titles(alice) == ["Move server", "Pack", "Buy boxes", "Other"]


async def test_deleting_many_subtasks_requires_consent(alice: Person) -> None:
    top = await add(alice, "Top")
    await alice.call("add_tasks", tasks=[{"title": f"Part {n}", "parent_id": top} for n in range(5)])
    refused = await alice.refusal("delete_task", task_id=top)
    assert refused == (
        'Delete 6 tasks: "Top", "Part 0", "Part 1", "Part 2", "Part 3", "Part 4"? '
        "Ask the user, and only if they agree repeat the call with confirm=true."
    )
    assert len(await titles(alice)) == 6
    assert (await alice.call("delete_task", task_id=top, confirm=True))["deleted_subtasks"] == 5
    assert await titles(alice) == []


async def test_subtasks_that_the_caller_may_not_delete_stay(alice: Person, bob: Person) -> None:
    top = await add(alice, "Top")
    await share(alice, top, bob)
    bobs = await add(bob, "Bob's", top)
    await share(bob, bobs, alice)
    below = await add(alice, "Below Bob's", bobs)
    assert "deleted_subtasks" not in await alice.call("delete_task", task_id=top)
    assert await titles(alice) == await titles(bob) + ["Below Bob's"] == ["Bob's", "Below Bob's"]
    assert "parent_id" not in await bob.call("get_task", task_id=bobs)
    assert (await alice.call("get_task", task_id=below))["parent_id"] == bobs
    await alice.call("restore_task", task_id=top)
    assert (await bob.call("get_task", task_id=bobs))["parent_id"] == top


async def test_admin_deletes_the_subtasks_of_the_team(alice: Person, bob: Person, carol: Person) -> None:
    team = await team_of(alice, bob)
    await agreed(alice, "add_team_member", carol, team_id=team, role="admin")
    top = await add(alice, "Top", team_id=team)
    await add(bob, "Bob's", top, team_id=team)
    private = await add(bob, "Private", top)
    assert (await carol.call("delete_task", task_id=top))["deleted_subtasks"] == 1
    assert await titles(bob) == ["Private"]
    await carol.call("restore_task", task_id=top)
    assert await titles(carol) == ["Top", "Bob's"]
    assert (await bob.call("get_task", task_id=private))["parent_id"] == top
    await alice.call("delete_task", task_id=top)
    await agreed(alice, "add_team_member", carol, team_id=team, role="member")
    assert f"No task {top}" in await carol.refusal("restore_task", task_id=top)
    assert (await alice.call("restore_task", task_id=top))["restored_subtasks"] == 1


async def test_subtasks_that_may_no_longer_be_restored_stay_deleted(alice: Person, bob: Person) -> None:
    team = await team_of(alice, bob, "admin")
    top = await add(bob, "Top", team_id=team)
    below = await add(alice, "Alice's", top, team_id=team)
    assert (await bob.call("delete_task", task_id=top))["deleted_subtasks"] == 1
    await agreed(alice, "add_team_member", bob, team_id=team, role="member")
    assert "restored_subtasks" not in await bob.call("restore_task", task_id=top)
    assert await titles(bob) == ["Top"]
    await alice.call("restore_task", task_id=below)
    assert await titles(bob) == ["Top", "Alice's"]


async def test_moving_or_sharing_a_task_leaves_its_subtasks(alice: Person, bob: Person) -> None:
    team = await team_of(alice, bob)
    top, middle, _ = await tree(alice)
    await alice.call("update_task", task_id=top, team_id=team)
    assert await titles(bob) == ["Move server"]
    assert "subtask_count" not in await bob.call("get_task", task_id=top)
    assert "team_id" not in await alice.call("get_task", task_id=middle)


async def test_subtasks_are_ten_levels_deep_at_most(alice: Person) -> None:
    sentence = "Subtasks may be 10 levels deep at most: choose a parent_id further up."
    chain = [await add(alice, "0")]
    for level in range(1, 11):
        chain.append(await add(alice, str(level), chain[-1]))
    assert await alice.refusal("add_task", title="11", parent_id=chain[-1]) == sentence
    # What is below a task moves with it.
    top, middle = await add(alice, "Top"), await add(alice, "Middle")
    await add(alice, "Leaf", await add(alice, "Twig", middle))
    assert await alice.refusal("update_task", task_id=middle, parent_id=chain[8]) == sentence
    assert (await alice.call("update_task", task_id=middle, parent_id=chain[7]))["parent_id"] == chain[7]
    assert await alice.refusal("update_task", task_id=chain[0], parent_id=top) == sentence
    assert await alice.refusal("update_task", task_id=chain[0], parent_id=chain[10]) == (
        f"Task {chain[0]} cannot be below itself: choose another parent_id."
    )


async def test_parents_that_nobody_sees_completely_may_form_a_cycle(alice: Person, bob: Person, carol: Person) -> None:
    """The user who closes the cycle cannot know; walks along parents still end."""
    first = await add(alice, "1")
    await share(alice, first, bob)
    second = await add(bob, "2", first)
    await share(bob, second, carol)
    third = await add(carol, "3", second)
    await share(carol, third, alice)
    await alice.call("update_task", task_id=first, parent_id=third)
    for owner, task in ((alice, first), (bob, second), (carol, third)):
        for reader in (alice, bob, carol):
            if owner != reader:
                await share(owner, task, reader)
    assert "below itself" in await bob.refusal("update_task", task_id=second, parent_id=third)
    outside = await add(alice, "4")
    await alice.call("update_task", task_id=outside, parent_id=first)
    assert (await alice.call("complete_task", task_id=first))["open_subtasks"] == 3
    assert (await alice.call("delete_task", task_id=first))["deleted_subtasks"] == 1
    assert (await alice.call("restore_task", task_id=first))["restored_subtasks"] == 1
