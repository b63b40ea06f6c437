"""Undo of a deletion that another client has taken back meanwhile."""

from storage.tasks import deletion
from tests.conftest import Person


async def test_deletion_that_was_taken_back_is_reported_once_and_leaves_no_trace(alice: Person) -> None:
    task = (await alice.call("add_task", title="Water"))["id"]
    await alice.call("delete_task", task_id=task)
    await deletion.restore(alice.database.scope(alice.user_id, "another client"), task)
    assert await alice.refusal("undo") == (
        f"Task {task} changed meanwhile (it was restored); get_task shows its history. Nothing was undone. "
        "Undo again to go on before this change."
    )
    history = (await alice.call("get_task", task_id=task))["history"]
    assert sorted(event["event_type"] for event in history) == ["task_created", "task_deleted", "task_restored"]
