"""Invalid arguments: the error says what to send instead and mentions no internals."""

from typing import Any

import pytest

from mcp_server.tools.registry import TOOLS
from tests.conftest import Person

INTERNALS = ("Input should", "NewTask", "NewMessage", "pydantic", "instance of", "validation", "dictionary", "valid ")


WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("add_tasks", {"tasks": [{"title": "x"}, "y"]}, "tasks.1 must be an object. Nothing was added."),
    ("add_tasks", {"tasks": {"title": "x"}}, "tasks must be a list."),
    ("add_tasks", {"tasks": []}, "tasks must not be empty."),
    ("add_tasks", {"tasks": [{"title": "x"}], "atomic": "perhaps"}, "atomic must be true or false."),
    ("add_tasks", {"tasks": [{"title": 7}]}, "tasks.0.title must be text. Nothing was added."),
    ("add_tasks", {"tasks": [{}]}, "tasks.0.title is required. Nothing was added."),
    (
        "add_tasks",
        {"tasks": [{"title": "x", "team_id": 0}]},
        f"tasks.0.team_id must be between 1 and {2**63 - 1}: use list_teams to find it. Nothing was added.",
    ),
    ("add_task", {"title": "x", "priority": "high!"}, "priority must be one of low, medium, high, urgent."),
    ("add_task", {"title": "x", "tags": "work"}, "tags must be a list."),
    ("list_tasks", {"limit": "many"}, "limit must be a whole number between 1 and 100."),
    ("list_tasks", {"limit": 2.5}, "limit must be a whole number between 1 and 100."),
    ("list_tasks", {"limit": True}, "limit must be a whole number between 1 and 100."),
    ("list_tasks", {"limit": 0}, "limit must be between 1 and 100."),
    ("list_tasks", {"search": ""}, "search must not be empty."),
    ("list_conversations", {"search": " \n"}, "search must not be empty."),
    ("search_messages", {"query": " "}, "query must not be empty."),
    ("search", {"query": ""}, "query must not be empty."),
    ("get_statistics", {"days": "week"}, "days must be a whole number between 1 and 366."),
    ("append_messages", {"conversation_id": 1, "messages": ["hello"]}, "messages.0 must be an object."),
    (
        "append_messages",
        {"conversation_id": 1, "messages": [{"role": "robot", "content": ""}]},
        "messages.0.role must be one of user, assistant, system, tool.",
    ),
    (
        "start_conversation",
        {"messages": [{"role": "tool", "content": "", "tool_calls": [7]}]},
        "messages.0.tool_calls.0 must be an object.",
    ),
)


@pytest.mark.parametrize(("tool", "arguments", "text"), WRONG)
async def test_error_says_what_to_send_instead(alice: Person, tool: str, arguments: dict[str, Any], text: str) -> None:
    assert await alice.refusal(tool, **arguments) == text


@pytest.mark.parametrize("bad", ["x", 7, 1.5, True, [], {}, [7], {"a": 1}, "\ud800"], ids=repr)
@pytest.mark.parametrize("tool", TOOLS)
async def test_wrong_type_errors_mention_no_internals(alice: Person, tool: str, bad: object) -> None:
    async with alice.client() as client:
        for name in TOOLS[tool].wire.input_schema.get("properties", {}):
            text = str((await client.call_tool(tool, {name: bad})).content)
            assert not any(word in text for word in INTERNALS), text


async def test_misplaced_argument_error_says_what_belongs_there(alice: Person) -> None:
    sentence = await alice.refusal("add_tasks", tasks=[{"title": "x"}, {"title": "y", "idempotency_key": "k"}])
    assert sentence == (
        "tasks.1.idempotency_key is not known there: tasks.1 takes title, description, priority, due, tags, team_id, "
        "parent_id, assignee, recurrence. Nothing was added."
    )


async def test_null_is_rejected_not_ignored(alice: Person) -> None:
    task = await alice.call("add_task", title="x", due="2027-03-01")
    assert await alice.refusal("update_task", task_id=task["id"], due=None) == (
        "due is null: leave it out. To empty the field, name it in clear."
    )
    assert (await alice.call("get_task", task_id=task["id"]))["due"] == "2027-03-01"
    assert await alice.refusal("update_task", task_id=task["id"], title=None) == "title is null: leave it out."
    assert await alice.refusal("get_task", task_id=None) == "task_id is required."
    assert (
        await alice.refusal("list_tasks", limit=None, tag=None)
        == "tag is null: leave it out. limit is null: leave it out."
    )
    assert await alice.refusal("add_tasks", tasks=[{"title": "x", "due": None}]) == (
        "tasks.0.due is null: leave it out. Nothing was added."
    )
    text = {"role": "user", "content": "x", "model": None}
    assert await alice.refusal("start_conversation", messages=[text]) == "messages.0.model is null: leave it out."
    calls = [{"name": "x", "arguments": {"due": None}}]
    chat = await alice.call("start_conversation", messages=[{"role": "tool", "content": "", "tool_calls": calls}])
    page = await alice.call("get_conversation", conversation_id=chat["id"])
    assert page["messages"][0]["tool_calls"] == calls, "stored tool calls may contain nulls"


async def test_valid_tasks_of_a_non_atomic_batch_are_added(alice: Person) -> None:
    text = [
        {"title": "Good"},
        {"title": " "},
        {"title": "x", "priority": "soon"},
        "y",
        {"title": "z", "due": "tomorrow"},
        {"title": "z", "tags": None},
        {"title": "Good as well", "tags": ["a"]},
    ]
    batch = {"tasks": text, "atomic": False, "idempotency_key": "batch"}
    results = (await alice.call("add_tasks", **batch))["results"]
    assert [(row["index"], row["ok"]) for row in results] == [(n, n in (0, 6)) for n in range(7)]
    assert [row["error"] for row in results[1:6]][:3] == [
        "title must not be empty.",
        "priority must be one of low, medium, high, urgent.",
        "The item must be an object.",
    ]
    assert results[4]["error"].startswith("due ")
    assert results[5]["error"] == "tags is null: leave it out."
    assert (await alice.call("list_tasks"))["total_count"] == 2
    assert (await alice.call("add_tasks", **batch))["results"] == results, "a repeated call changes nothing"
    assert "other arguments" in await alice.refusal("add_tasks", **batch | {"tasks": text[:6]})
    sentence = await alice.refusal("add_tasks", tasks=text)
    assert sentence.startswith("tasks.1.title must not be empty. tasks.2.priority must be one of")
    assert sentence.endswith("Nothing was added.")
    assert (await alice.call("list_tasks"))["total_count"] == 2
