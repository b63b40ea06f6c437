"""Deletion of several tasks, and the consent that it requires."""

from typing import Any

import pytest
from mcp.types import (
    CallToolResult,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
)

from tests.conftest import Person
from tests.support.asking import client_of


async def add(person: Person, *titles: str) -> list[int]:
    added = await person.call("add_tasks", tasks=[{"title": title} for title in titles])
    return [result["task"]["id"] for result in added["results"]]


async def titles(person: Person) -> set[str]:
    return {task["title"] for task in (await person.call("list_tasks", limit=100))["tasks"]}


def text(result: CallToolResult) -> str:
    return getattr(result.content[0], "text", "")


async def test_batch_is_deleted_atomically_and_one_undo_restores_it(alice: Person):
    chosen = await add(alice, *(f"Task {n}" for n in range(5)))
    deleted = await alice.call("delete_task", task_ids=[*chosen, chosen[0]])
    assert [task["id"] for task in deleted["tasks"]] == chosen
    assert await titles(alice) == set()
    assert len((await alice.call("undo"))["reverted"]) == 5
    assert await titles(alice) == {f"Task {n}" for n in range(5)}


async def test_batch_with_a_task_of_another_user_deletes_nothing(alice: Person, bob: Person):
    mine, (theirs,) = await add(alice, "A", "B"), await add(bob, "C")
    refusal = await alice.refusal("delete_task", task_ids=[*mine, theirs])
    assert refusal == f"No task {theirs}. Use list_tasks to find its id. Nothing was deleted."
    assert await titles(alice) == {"A", "B"}


@pytest.mark.parametrize("arguments", [{}, {"task_id": 1, "task_ids": [1]}, {"confirm": True}])
async def test_delete_requires_either_task_id_or_task_ids(alice: Person, arguments: dict[str, Any]):
    assert "either task_id, or task_ids" in await alice.refusal("delete_task", **arguments)


async def test_elicitation_confirms_deletion_of_many_tasks(alice: Person):
    chosen, asked = await add(alice, *(f"Task {n}" for n in range(12))), list[str]()
    async with client_of(alice, ElicitResult(action="accept", content={"yes": True}), asked) as client:
        result = await client.call_tool("delete_task", {"task_ids": chosen})
    assert not result.is_error, text(result)
    assert asked == ["Delete 12 tasks: " + ", ".join(f'"Task {n}"' for n in range(10)) + " and 2 more?"]
    assert await titles(alice) == set()
    assert len((await alice.call("undo"))["reverted"]) == 12


@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="decline"),
        ElicitResult(action="cancel"),
        ElicitResult(action="accept"),
        ElicitResult(action="accept", content={"yes": False}),
        ElicitResult(action="accept", content={"yes": "true"}),
    ],
)
async def test_anything_but_acceptance_deletes_nothing(alice: Person, answer: ElicitResult):
    chosen = await add(alice, *(f"Task {n}" for n in range(6)))
    async with client_of(alice, answer) as client:
        result = await client.call_tool("delete_task", {"task_ids": chosen})
    assert result.is_error
    assert "did not agree" in text(result)
    assert len(await titles(alice)) == 6


async def test_acceptance_for_other_tasks_does_not_count(alice: Person):
    """The confirmation is bound to the text of the question."""
    first, second = await add(alice, *"abcdef"), await add(alice, *"ghijkl")
    yes = ElicitResult(action="accept", content={"yes": True})
    async with client_of(alice, yes) as client:
        asked = await client.session.call_tool("delete_task", {"task_ids": first}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        answers: InputResponses = dict.fromkeys(asked.input_requests or {}, yes)
        again = await client.session.call_tool(
            "delete_task", {"task_ids": second}, input_responses=answers, allow_input_required=True
        )
    assert isinstance(again, InputRequiredResult)
    assert len(await titles(alice)) == 12


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_client_without_elicitation_is_told_to_confirm_explicitly(alice: Person, mode: Any):
    chosen = await add(alice, *"abcdef")
    async with client_of(alice, None, mode=mode) as client:
        refused = await client.call_tool("delete_task", {"task_ids": chosen})
        assert refused.is_error
        assert "confirm=true" in text(refused)
        assert len(await titles(alice)) == 6
        confirmed = await client.call_tool("delete_task", {"task_ids": chosen, "confirm": True})
    assert not confirmed.is_error
    assert await titles(alice) == set()
