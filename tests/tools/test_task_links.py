"""Tasks know the conversations whose recorded calls touched them, and conversations know those tasks."""

from typing import Any

import pytest

from mcp_server.protocol.recording import KEY
from tests.conftest import Person
from tests.support.consent import agreed


async def start(person: Person, title: str | None = None, messages: int = 0) -> int:
    said = [{"role": "user", "content": f"message {n}"} for n in range(messages)]
    arguments: dict[str, Any] = {"messages": said} | ({"title": title} if title else {})
    return (await person.call("start_conversation", **arguments))["id"]


async def record(person: Person, chat: int, tool: str, **arguments: Any) -> dict[str, Any]:
    """Make a call that is recorded in a conversation."""
    result = await person.ask(tool, {KEY: chat}, **arguments)
    assert not result.is_error
    assert result.structured_content is not None
    return result.structured_content


async def conversations(person: Person, task_id: int) -> list[dict[str, Any]]:
    return (await person.call("get_task", task_id=task_id)).get("conversations", [])


async def tasks(person: Person, chat: int) -> list[dict[str, Any]]:
    return (await person.call("get_conversation", conversation_id=chat)).get("tasks", [])


async def test_added_task_and_its_message_know_each_other(alice: Person) -> None:
    chat = await start(alice, "The move", messages=3)
    task = await record(alice, chat, "add_task", title="Order boxes")
    assert await conversations(alice, task["id"]) == [{"id": chat, "title": "The move", "sequence": 4}]
    assert await tasks(alice, chat) == [
        {"id": task["id"], "title": "Order boxes", "status": "pending", "sequence": 4},
    ]
    assert "order boxes" in (await alice.call("search_messages", query="boxes"))["matches"][0]["snippet"].lower()


async def test_links_name_the_first_message_and_list_what_was_touched_last_first(alice: Person) -> None:
    first, second = await start(alice, "First"), await start(alice)
    older = await record(alice, first, "add_task", title="Older")
    newer = await record(alice, first, "add_task", title="Newer")
    await record(alice, second, "update_task", task_id=older["id"], priority="high")
    await record(alice, first, "complete_task", task_id=older["id"])
    assert await conversations(alice, older["id"]) == [
        {"id": first, "title": "First", "sequence": 1},
        {"id": second, "sequence": 1},
    ]
    assert await tasks(alice, first) == [
        {"id": older["id"], "title": "Older", "status": "completed", "sequence": 1},
        {"id": newer["id"], "title": "Newer", "status": "pending", "sequence": 2},
    ]
    assert [task["id"] for task in await tasks(alice, second)] == [older["id"]]


async def test_only_calls_that_change_something_are_linked(alice: Person) -> None:
    chat = await start(alice)
    task = (await alice.call("add_task", title="Buy milk"))["id"]
    await record(alice, chat, "get_task", task_id=task)
    await record(alice, chat, "update_task", task_id=task, title="Buy milk")
    await record(alice, chat, "list_tasks")
    refused = await alice.ask("update_task", {KEY: chat}, task_id=task, title="Buy oats", expected_version=7)
    assert refused.is_error
    assert (await conversations(alice, task), await tasks(alice, chat)) == ([], [])


@pytest.mark.parametrize("kept", [True, False], ids=["recorded", "not recorded"])
async def test_links_go_to_each_task_that_a_call_touches(alice: Person, kept: bool) -> None:
    chat = await start(alice)
    new = [{"title": "Water", "due": "2027-03-01", "recurrence": "FREQ=DAILY"}, {"title": "Prune"}]
    added = await record(alice, chat if kept else await start(alice), "add_tasks", tasks=new)
    done = await record(alice, chat, "complete_task", task_id=added["results"][0]["task"]["id"])
    following = done["next_occurrence"]["id"]
    named = {task["id"] for task in await tasks(alice, chat)}
    assert named == {done["id"], following} | ({added["results"][1]["task"]["id"]} if kept else set())


async def test_deleted_tasks_and_conversations_are_not_named(alice: Person) -> None:
    chat = await start(alice)
    task = (await record(alice, chat, "add_task", title="Buy milk"))["id"]
    await alice.call("delete_task", task_id=task)
    assert await tasks(alice, chat) == []
    await alice.call("restore_task", task_id=task)
    assert [found["id"] for found in await tasks(alice, chat)] == [task]
    await alice.call("delete_conversation", conversation_id=chat)
    assert await conversations(alice, task) == []


async def test_only_the_owner_of_a_conversation_sees_its_links(alice: Person, bob: Person) -> None:
    team = (await alice.call("create_team", name="Crew"))["id"]
    await agreed(alice, "add_team_member", bob, team_id=team, role="admin")
    hers, his = await start(alice, "Of alice"), await start(bob, "Of bob")
    task = (await record(alice, hers, "add_task", title="Paint the fence", team_id=team))["id"]
    await record(bob, his, "update_task", task_id=task, priority="high")
    assert await conversations(alice, task) == [{"id": hers, "title": "Of alice", "sequence": 1}]
    assert await conversations(bob, task) == [{"id": his, "title": "Of bob", "sequence": 1}]
    await alice.call("remove_team_member", team_id=team, user=bob.user_id)
    # The task is hidden from him now, and his conversation does not name it any more.
    assert await tasks(bob, his) == []
    assert [found["id"] for found in await tasks(alice, hers)] == [task]


async def test_task_lists_its_last_five_conversations(alice: Person) -> None:
    task = (await alice.call("add_task", title="Paint"))["id"]
    chats = [await start(alice) for _ in range(6)]
    for number, chat in enumerate(chats):
        await record(alice, chat, "update_task", task_id=task, title=f"Paint {number}")
    assert [found["id"] for found in await conversations(alice, task)] == chats[:0:-1]


async def test_conversation_lists_its_last_twenty_tasks_within_a_fourth_of_the_budget(alice: Person) -> None:
    chat = await start(alice)
    ids: list[int] = []
    for first in (0, 15):
        added = await record(alice, chat, "add_tasks", tasks=[{"title": f"Task {n}"} for n in range(first, first + 15)])
        ids += [result["task"]["id"] for result in added["results"]]
    assert [task["id"] for task in await tasks(alice, chat)] == ids[:9:-1]
    page = await alice.call("get_conversation", conversation_id=chat, max_tokens=400)
    assert 1 <= len(page["tasks"]) <= 5
    assert page["tasks"][0]["id"] == ids[-1]


async def test_fetch_and_resources_name_links(alice: Person) -> None:
    chat = await start(alice, "The move")
    task = (await record(alice, chat, "add_task", title="Order boxes"))["id"]
    found = await alice.call("fetch", id=f"task:{task}")
    assert found["metadata"]["conversations"] == [{"id": chat, "title": "The move", "sequence": 1}]
    found = await alice.call("fetch", id=f"conversation:{chat}")
    assert [linked["id"] for linked in found["metadata"]["tasks"]] == [task]
