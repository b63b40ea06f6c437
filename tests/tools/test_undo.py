"""Undo among several people: what may be undone, what is left alone, and how conflicts are skipped."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.conftest import Person
from tests.support.consent import agreed

PASS = "Nothing was undone. Undo again to go on before this change."


async def share(owner: Person, task_id: int, other: Person, permission: str = "edit") -> None:
    await agreed(owner, "share_task", other, task_id=task_id, permission=permission)


async def team_of(owner: Person, *others: Person) -> int:
    team_id = (await owner.call("create_team", name="Crew"))["id"]
    for other in others:
        await agreed(owner, "add_team_member", other, team_id=team_id)
    return team_id


async def recurring(owner: Person, **fields: Any) -> int:
    return (await owner.call("add_task", title="Water", due="2026-03-01", recurrence="FREQ=DAILY", **fields))["id"]


async def complete(person: Person, task_id: int) -> int:
    """Complete a recurring task and return the id of its next occurrence."""
    return (await person.call("complete_task", task_id=task_id))["next_occurrence"]["id"]


async def undone(person: Person, count: int = 1) -> list[tuple[str, int]]:
    reverted = (await person.call("undo", count=count))["reverted"]
    return [(change["event_type"], change["task_id"]) for change in reverted]


async def status(person: Person, task_id: int) -> str:
    return (await person.call("get_task", task_id=task_id))["status"]


async def by_share(alice: Person, bob: Person) -> int:
    task_id = await recurring(alice)
    await share(alice, task_id, bob)
    return task_id


async def by_team(alice: Person, bob: Person) -> int:
    return await recurring(alice, team_id=await team_of(alice, bob))


@pytest.mark.parametrize("give", [by_share, by_team])
async def test_user_who_completed_a_recurring_task_of_another_can_undo_it(
    alice: Person, bob: Person, give: Callable[[Person, Person], Awaitable[int]]
) -> None:
    task_id = await give(alice, bob)
    await bob.call("update_task", task_id=task_id, title="Water it")
    following = await complete(bob, task_id)
    assert await undone(bob) == [("task_created", following), ("task_completed", task_id)]
    assert await status(alice, task_id) == "pending"
    assert "No task" in await alice.refusal("get_task", task_id=following)
    assert await undone(bob) == [("task_updated", task_id)]
    assert await status(bob, await complete(bob, task_id)) == "pending"


async def test_completion_is_kept_if_the_next_occurrence_was_changed(alice: Person, bob: Person) -> None:
    task_id = await by_share(alice, bob)
    following = await complete(alice, task_id)
    await bob.call("complete_task", task_id=following)
    assert "somebody has worked on it since" in await alice.refusal("undo")
    assert await status(alice, task_id) == await status(alice, following) == "completed"


async def test_viewer_cannot_undo_a_completion(alice: Person, bob: Person) -> None:
    task_id = await by_share(alice, bob)
    following = await complete(bob, task_id)
    await share(alice, following, bob, "view")
    assert "no longer yours" in await bob.refusal("undo")
    assert await status(alice, following) == "pending"


async def test_added_task_that_others_changed_is_not_undone(alice: Person, bob: Person) -> None:
    team_id = await team_of(alice, bob)
    task_id = (await alice.call("add_task", title="Plan", team_id=team_id))["id"]
    await bob.call("update_task", task_id=task_id, description="All of it")
    sentence = await alice.refusal("undo")
    assert "somebody has worked on it since" in sentence
    assert sentence.endswith(PASS)
    assert (await bob.call("get_task", task_id=task_id))["description"] == "All of it"


async def test_restored_task_that_others_changed_is_not_deleted_again(alice: Person, bob: Person) -> None:
    task_id = await by_share(alice, bob)
    await alice.call("delete_task", task_id=task_id)
    await alice.call("restore_task", task_id=task_id)
    await bob.call("update_task", task_id=task_id, priority="high")
    assert "somebody has worked on it since" in await alice.refusal("undo")
    assert (await bob.call("get_task", task_id=task_id))["priority"] == "high"


async def test_change_that_was_reverted_does_not_block_undo(alice: Person, bob: Person) -> None:
    team_id = await team_of(alice, bob)
    task_id = (await alice.call("add_task", title="Plan", team_id=team_id))["id"]
    await bob.call("update_task", task_id=task_id, title="Bob's plan", tags=["x"])
    await bob.call("undo")
    await alice.call("update_task", task_id=task_id, title="Better plan")
    await agreed(alice, "share_task", bob, task_id=task_id)
    assert await undone(alice, 3) == [
        ("task_shared", task_id),
        ("task_updated", task_id),
        ("task_created", task_id),
    ]


async def test_undo_skips_a_task_that_became_inaccessible(alice: Person, bob: Person) -> None:
    mine = (await bob.call("add_task", title="Mine"))["id"]
    task_id = await by_share(alice, bob)
    await bob.call("update_task", task_id=task_id, title="Bob's words")
    await alice.call("unshare_task", task_id=task_id, user=bob.user_id)
    assert await bob.refusal("undo") == f"Task {task_id} is no longer yours to change in this way. {PASS}"
    assert await undone(bob) == [("task_created", mine)]
    assert "nothing that is left to undo" in await bob.refusal("undo")
    assert (await alice.call("get_task", task_id=task_id))["title"] == "Bob's words"


async def test_undo_skips_a_conflict_and_leaves_it(alice: Person, bob: Person) -> None:
    task_id = await by_share(alice, bob)
    await alice.call("update_task", task_id=task_id, priority="high")
    await alice.call("update_task", task_id=task_id, title="Alice's")
    await bob.call("update_task", task_id=task_id, title="Bob's")
    assert 'title is "Bob\'s" now' in await alice.refusal("undo", count=2)
    assert await undone(alice) == [("task_updated", task_id)]
    task = await alice.call("get_task", task_id=task_id)
    assert (task["title"], task["priority"]) == ("Bob's", "medium")
    assert all(event["changes"] for event in task["history"] if event["event_type"] == "task_updated")


async def test_undo_skips_a_conflict_in_a_recorded_call(alice: Person, bob: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    task_id = await by_share(alice, bob)
    await alice.call("update_task", task_id=task_id, title="Alice's")
    await bob.call("update_task", task_id=task_id, title="Bob's")
    async with alice.client() as client:
        meta: Any = {"taskdeck/conversation_id": chat}
        assert (await client.call_tool("undo", {}, meta=meta)).is_error
        assert not (await client.call_tool("undo", {}, meta=meta)).is_error
    assert "No task" in await bob.refusal("get_task", task_id=task_id)


async def test_undo_skips_no_changes_of_other_users(alice: Person, bob: Person) -> None:
    """A conflict for one person leaves the other's changes untouched."""
    task_id = await by_share(alice, bob)
    await bob.call("update_task", task_id=task_id, title="Bob's")
    await alice.call("update_task", task_id=task_id, title="Alice's")
    await bob.refusal("undo")
    assert await undone(alice) == [("task_updated", task_id)]


async def test_completing_a_reopened_task_creates_no_second_occurrence(alice: Person, bob: Person) -> None:
    task_id = await by_share(alice, bob)
    following = await complete(alice, task_id)
    await alice.call("update_task", task_id=task_id, status="pending")
    assert await complete(bob, task_id) == following
    await alice.call("update_task", task_id=task_id, status="pending")
    await alice.call("unshare_task", task_id=following, user=bob.user_id)
    assert "next_occurrence" not in await bob.call("complete_task", task_id=task_id)
    assert [task["id"] for task in (await alice.call("list_tasks"))["tasks"]] == [following]
    await alice.call("update_task", task_id=task_id, status="pending")
    await alice.call("delete_task", task_id=following)
    assert await complete(alice, task_id) != following
