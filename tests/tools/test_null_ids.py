"""Ids of which one is required: a null for the other one means that it is not given."""

from tests.conftest import Person


async def test_a_null_id_beside_a_real_one_is_ignored(alice: Person) -> None:
    first, second = [(await alice.call("add_task", title=title))["id"] for title in ("first", "second")]
    await alice.call("delete_task", task_id=first, task_ids=None)
    await alice.call("delete_task", task_id=None, task_ids=[second])
    assert (await alice.call("list_tasks", status="all"))["total_count"] == 0


async def test_one_refusal_names_the_only_fault_beside_a_null(alice: Person) -> None:
    refusal = await alice.refusal("delete_task", task_id="first", task_ids=None)
    assert refusal == "task_id must be a whole number between 1 and 9223372036854775807: use list_tasks to find it."


async def test_two_nulls_ask_for_one_of_the_two(alice: Person) -> None:
    refusal = await alice.refusal("delete_task", task_id=None, task_ids=None)
    assert refusal == "Give either task_id, or task_ids for several."


async def test_a_null_invitation_counts_as_missing(alice: Person) -> None:
    sentence = await alice.refusal("manage_invitations", action="accept", invitation_id=None)
    assert sentence == "invitation_id is required."


async def test_a_null_task_beside_all_is_ignored(alice: Person) -> None:
    sentence = await alice.refusal("unshare_task", task_id=None, all=True, user="nobody@example.com")
    assert sentence.startswith("You share no task with nobody@example.com.")
    sentence = await alice.refusal("unshare_task", task_id=None, user="nobody@example.com")
    assert sentence == "Give either task_id, or all=true for every task."
