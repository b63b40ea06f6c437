"""Conversations through the dashboard's HTTP API: list, search, read by parts, rename, delete, export."""

import json
from typing import Any

import pytest

from mcp_server.protocol.recording import KEY
from tests.conftest import Person
from tests.support.running_server import RunningServer

PATH = "/api/dashboard/conversations"


@pytest.fixture
def ask(server: RunningServer) -> Any:
    """Send a request as somebody: the status and the body of the response."""

    async def send(sender: Person, method: str, path: str = "", /, body: Any = None, **query: Any) -> tuple[int, Any]:
        async with server.client(sender.user_id) as client:
            response = await client.request(method, PATH + path, params=query, json=body)
        return response.status_code, response.json()

    return send


async def chat(person: Person, title: str | None, *contents: str) -> int:
    messages = [{"role": "user", "content": content} for content in contents]
    given = {} if title is None else {"title": title}
    return (await person.call("start_conversation", messages=messages, **given))["id"]


async def numbers(ask: Any, person: Person, number: int, /, **query: Any) -> tuple[list[int], bool, bool]:
    status, part = await ask(person, "GET", f"/{number}", **query)
    assert status == 200, part
    return [m["sequence"] for m in part["messages"]], part["has_earlier"], part["has_later"]


async def test_list_is_newest_first_page_by_page_and_own(ask: Any, alice: Person, bob: Person) -> None:
    first, second, third = [await chat(alice, title, "hello") for title in ("One", "Two", None)]
    await chat(bob, "Private", "secret")
    await alice.call("append_messages", conversation_id=first, messages=[{"role": "user", "content": "again"}])
    status, page = await ask(alice, "GET", limit=2)
    assert status == 200
    assert [(row["id"], row.get("title"), row["message_count"]) for row in page["conversations"]] == [
        (first, "One", 2),
        (third, None, 1),
    ]
    assert (page["total_count"], page["timezone"]) == (3, "UTC")
    status, rest = await ask(alice, "GET", limit=2, cursor=page["next_cursor"])
    assert ([row["id"] for row in rest["conversations"]], rest.get("next_cursor")) == ([second], None)
    assert (await ask(alice, "GET", cursor="nonsense"))[0] == 422


async def test_conversation_is_read_by_parts(ask: Any, alice: Person) -> None:
    number = await chat(alice, "Long", *(f"message {n}" for n in range(1, 21)))
    assert await numbers(ask, alice, number, limit=5) == ([16, 17, 18, 19, 20], True, False)
    assert await numbers(ask, alice, number, limit=5, before=16) == ([11, 12, 13, 14, 15], True, True)
    assert await numbers(ask, alice, number, limit=5, before=4) == ([1, 2, 3], False, True)
    assert await numbers(ask, alice, number, limit=5, after=15) == ([16, 17, 18, 19, 20], True, False)
    assert await numbers(ask, alice, number, limit=5, after=2) == ([3, 4, 5, 6, 7], True, True)
    assert await numbers(ask, alice, number, limit=5, after=20) == ([], False, False)
    assert await numbers(ask, alice, number, limit=5, around=10) == ([8, 9, 10, 11, 12], True, True)
    assert (await numbers(ask, alice, number, limit=5, around=999))[0][-1] == 20
    assert (await ask(alice, "GET", f"/{number}", before=2, after=1))[0] == 422


async def test_part_of_long_messages_is_shorter(ask: Any, alice: Person) -> None:
    number = await chat(alice, "Long", *["x" * 60_000] * 15)
    assert await numbers(ask, alice, number) == ([*range(6, 16)], True, False)


async def test_tasks_are_shown_beside_the_messages_that_touched_them(ask: Any, alice: Person, bob: Person) -> None:
    number = await chat(alice, "Plan", "Please add it")
    recorded = {KEY: number}
    task = (await alice.ask("add_task", recorded, title="Call the bank")).structured_content
    assert task
    await alice.ask("complete_task", recorded, task_id=task["id"])
    status, part = await ask(alice, "GET", f"/{number}")
    assert status == 200
    linked = {"id": task["id"], "title": "Call the bank", "status": "completed"}
    assert part["tasks"] == [linked | {"sequence": 2}]
    assert part["links"] == [linked | {"sequence": 2}, linked | {"sequence": 3}]
    assert (await ask(alice, "GET", f"/{number}", after=2))[1]["links"] == [linked | {"sequence": 3}]
    async with bob.client():
        assert (await ask(bob, "GET", f"/{number}"))[0] == 404


async def test_search_marks_the_words_and_finds_titles(ask: Any, alice: Person, bob: Person) -> None:
    number = await chat(alice, "The bank", "I called the banks 🏦 today", "银行在哪里", "nothing")
    await chat(bob, "The bank", "my bank")
    status, found = await ask(alice, "GET", "/search", search="bank")
    assert status == 200, found
    assert [row["id"] for row in found["titled"]] == [number]
    (message,) = found["messages"]
    assert (message["conversation_id"], message["sequence"], message["title"]) == (number, 1, "The bank")
    assert message["parts"] == ["I called the ", "banks", " 🏦 today"]
    (message,) = (await ask(alice, "GET", "/search", search="银行"))[1]["messages"]
    assert (message["sequence"], message["parts"]) == (2, ["", "银行", "在哪里"])
    status, found = await ask(alice, "GET", "/search", search="bank from:assistant")
    assert (status, found["messages"], found["titled"]) == (200, [], [])
    status, refused = await ask(alice, "GET", "/search", search="bank after:soon")
    assert (status, refused["error"]) == (422, "invalid_input")


async def test_search_goes_on_page_by_page(ask: Any, alice: Person) -> None:
    number = await chat(alice, "Many", *(f"bank {n}" for n in range(5)))
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        status, page = await ask(alice, "GET", "/search", search="bank", sort="newest", limit=2, **cursor)
        assert (status, page["titled"]) == (200, [])
        seen += [message["sequence"] for message in page["messages"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert (seen, number > 0) == ([5, 4, 3, 2, 1], True)


async def test_renaming_keeps_the_order_and_needs_a_title(ask: Any, alice: Person, bob: Person) -> None:
    first, second = await chat(alice, "One", "a"), await chat(alice, "Two", "b")
    status, renamed = await ask(alice, "PATCH", f"/{first}", {"title": "  Better\u200b  "})
    assert (status, renamed["title"]) == (200, "Better")
    rows = (await ask(alice, "GET"))[1]["conversations"]
    assert [(row["id"], row["title"]) for row in rows] == [(second, "Two"), (first, "Better")]
    for wrong in ({"title": ""}, {"title": None}, {}, {"title": "x" * 201}, {"title": "a", "more": 1}):
        assert (await ask(alice, "PATCH", f"/{first}", wrong))[0] == 422, wrong
    assert (await ask(bob, "PATCH", f"/{first}", {"title": "Mine"}))[0] == 404


async def test_deleting_is_for_the_owner_and_final(ask: Any, alice: Person, bob: Person) -> None:
    number = await chat(alice, "One", "a")
    assert (await ask(bob, "DELETE", f"/{number}"))[0] == 404
    assert (await ask(alice, "DELETE", f"/{number}")) == (200, {"conversation_id": number, "deleted": True})
    assert (await ask(alice, "GET", f"/{number}"))[0] == 404


async def test_export_has_every_message(server: RunningServer, alice: Person, bob: Person) -> None:
    number = await chat(alice, "Ünïcode", *(f"text {n}" for n in range(1, 101)))
    more = [{"role": "user", "content": f"text {n}"} for n in range(101, 121)]
    await alice.call("append_messages", conversation_id=number, messages=more)
    path = f"{PATH}/{number}/export"
    async with server.client(alice.user_id) as client:
        text = await client.get(path)
        record = await client.get(path, params={"format": "json"})
        assert (await client.get(path, params={"format": "pdf"})).status_code == 422
    assert text.headers["content-type"] == "text/markdown; charset=utf-8"
    assert text.headers["content-disposition"] == f'attachment; filename="conversation-{number}.md"'
    assert text.text.startswith("# Ünïcode\n\n120 messages")
    assert text.text.count("\n## User, ") == 120
    assert record.headers["content-disposition"] == f'attachment; filename="conversation-{number}.json"'
    parsed = json.loads(record.content)
    assert (parsed["conversation"]["title"], [m["sequence"] for m in parsed["messages"]]) == (
        "Ünïcode",
        [*range(1, 121)],
    )
    async with server.client(bob.user_id) as client:
        assert (await client.get(path)).status_code == 404


async def test_page_of_a_task_names_its_conversations(server: RunningServer, alice: Person) -> None:
    number = await chat(alice, "Plan", "Please add it")
    task = (await alice.ask("add_task", {KEY: number}, title="Call the bank")).structured_content
    assert task
    async with server.client(alice.user_id) as client:
        page = (await client.get(f"/api/dashboard/tasks/{task['id']}")).json()
    assert page["conversations"] == [{"id": number, "title": "Plan", "sequence": 2}]


async def test_agent_renames_with_or_without_messages(alice: Person) -> None:
    number = await chat(alice, None, "a")
    appended = await alice.call("append_messages", conversation_id=number, title="Bank")
    assert appended == {"conversation_id": number, "first_sequence": 2, "last_sequence": 1}
    message = {"role": "user", "content": "b"}
    call = {"conversation_id": number, "messages": [message], "title": "The bank", "idempotency_key": "k"}
    for _ in range(2):
        assert (await alice.call("append_messages", **call))["last_sequence"] == 2
    (row,) = (await alice.call("list_conversations"))["conversations"]
    assert (row["title"], row["message_count"]) == ("The bank", 2)
    assert "other arguments" in await alice.refusal("append_messages", **(call | {"title": "Another"}))
