"""The conversation tools: messages are stored in order and can be searched."""

from typing import Any

import pytest

from tests.conftest import Person


def message(content: str, role: str = "user", **rest: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **rest}


@pytest.fixture
async def chat(alice: Person) -> int:
    """A conversation of 120 short messages."""
    found: int = (
        await alice.call("start_conversation", title="Long", messages=[message(f"{n}") for n in range(1, 61)])
    )["id"]
    await alice.call("append_messages", conversation_id=found, messages=[message(f"{n}") for n in range(61, 121)])
    return found


async def test_messages_round_trip_unchanged(alice: Person) -> None:
    calls = [{"name": "add_task", "arguments": {"title": "x", "n": [1, 2.5, None]}}]
    messages = [
        message("You help.", "system"),
        message("Add x"),
        message("", "assistant", tool_calls=calls, model="some-model"),
        message('{"id":1}', "tool"),
    ]
    started = await alice.call("start_conversation", title="Tasks", messages=messages)
    assert (started["title"], started["message_count"]) == ("Tasks", 4)
    page = await alice.call("get_conversation", conversation_id=started["id"])
    assert [{k: v for k, v in m.items() if k not in ("sequence", "created_at")} for m in page["messages"]] == messages
    assert [m["sequence"] for m in page["messages"]] == [1, 2, 3, 4]
    assert page["has_more"] is False
    assert page["conversation"] == started


async def test_append_returns_sequence_numbers(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    for first, last in ((1, 2), (3, 4)):
        messages = [message("a"), message("b")]
        placed = await alice.call("append_messages", conversation_id=chat, messages=messages)
        assert placed == {"conversation_id": chat, "first_sequence": first, "last_sequence": last}
    assert "give messages, a title, or both" in await alice.refusal(
        "append_messages", conversation_id=chat, messages=[]
    )
    assert "role" in await alice.refusal("append_messages", conversation_id=chat, messages=[message("x", "robot")])


async def test_paging_returns_every_message_once(alice: Person, chat: int) -> None:
    page = await alice.call("get_conversation", conversation_id=chat)
    assert [m["content"] for m in page["messages"]] == [f"{n}" for n in range(71, 121)]
    found = page["messages"]
    while page["has_more"]:
        await alice.call("append_messages", conversation_id=chat, messages=[message("late")])
        first = found[0]["sequence"]
        page = await alice.call("get_conversation", conversation_id=chat, limit=30, before_sequence=first)
        found = page["messages"] + found
    assert [m["content"] for m in found] == [f"{n}" for n in range(1, 121)]
    empty = await alice.call("get_conversation", conversation_id=chat, before_sequence=1)
    assert (empty["messages"], empty["has_more"]) == ([], False)


async def test_page_stops_at_the_token_budget(alice: Person) -> None:
    messages = [message("x" * 4000) for _ in range(10)]
    chat = (await alice.call("start_conversation", messages=messages))["id"]
    sizes: list[int] = []
    for budget in (100, 2900, 4300, 20_000):
        page = await alice.call("get_conversation", conversation_id=chat, max_tokens=budget)
        sizes.append(len(page["messages"]))
        assert page["messages"][-1]["sequence"] == 10
        assert page["has_more"] == (len(page["messages"]) < 10)
    assert sizes == [1, 2, 3, 10]


async def test_conversations_are_ordered_by_last_message(alice: Person) -> None:
    chats = [(await alice.call("start_conversation", title=f"Chat {n}"))["id"] for n in range(5)]
    await alice.call("append_messages", conversation_id=chats[0], messages=[message("about whales")])
    page = await alice.call("list_conversations", limit=2)
    assert [c["id"] for c in page["conversations"]] == [chats[0], chats[4]]
    assert page["total_count"] == 5
    found = page["conversations"]
    while "next_cursor" in page:
        page = await alice.call("list_conversations", limit=2, cursor=page["next_cursor"])
        found += page["conversations"]
    assert [c["id"] for c in found] == [chats[0], chats[4], chats[3], chats[2], chats[1]]
    for words, expected in (("whales", [chats[0]]), ("chat", [c["id"] for c in found]), ("nothing", [])):
        listed = await alice.call("list_conversations", search=words)
        assert [c["id"] for c in listed["conversations"]] == expected
        assert listed["total_count"] == len(expected)
    cursor = (await alice.call("list_conversations", limit=1))["next_cursor"]
    assert "without cursor" in await alice.refusal("list_conversations", search="chat", cursor=cursor)


async def test_messages_are_found_by_words(alice: Person) -> None:
    first = (await alice.call("start_conversation", messages=[message("The Whale swims"), message("a whale sings")]))[
        "id"
    ]
    second = (await alice.call("start_conversation", messages=[message("no such animal")]))["id"]
    found = (await alice.call("search_messages", query="WHALE"))["matches"]
    assert [(m["conversation_id"], m["sequence"], m["role"]) for m in found] == [(first, 2, "user"), (first, 1, "user")]
    assert "whale" in found[0]["snippet"]
    page = await alice.call("search_messages", query="whale", limit=1)
    following = await alice.call("search_messages", query="whale", limit=1, cursor=page["next_cursor"])
    assert [m["sequence"] for m in page["matches"] + following["matches"]] == [2, 1]
    assert "next_cursor" not in following
    for query, expected in (("whale -swims", [first]), ('"a whale"', [first]), ("animal or swims", [second, first])):
        matches = (await alice.call("search_messages", query=query))["matches"]
        assert [m["conversation_id"] for m in matches] == expected


async def test_snippet_shows_the_match_in_a_long_message(alice: Person) -> None:
    await alice.call("start_conversation", messages=[message("word " * 3000 + "needle " + "word " * 3000)])
    (match,) = (await alice.call("search_messages", query="needle"))["matches"]
    assert "needle" in match["snippet"]
    assert len(match["snippet"]) <= 200


async def test_deleted_conversation_is_gone(alice: Person, chat: int) -> None:
    assert await alice.call("delete_conversation", conversation_id=chat) == {"conversation_id": chat, "deleted": True}
    for tool, arguments in (
        ("get_conversation", {}),
        ("delete_conversation", {}),
        ("append_messages", {"messages": [message("x")]}),
    ):
        assert "No conversation" in await alice.refusal(tool, conversation_id=chat, **arguments)
    assert (await alice.call("list_conversations"))["total_count"] == 0
    assert (await alice.call("search_messages", query="1"))["matches"] == []


async def test_idempotency_key_does_not_reveal_a_deleted_conversation(alice: Person) -> None:
    started = {"title": "Short", "idempotency_key": "start"}
    chat = (await alice.call("start_conversation", **started))["id"]
    appended = {"conversation_id": chat, "messages": [message("x")], "idempotency_key": "append"}
    await alice.call("append_messages", **appended)
    await alice.call("delete_conversation", conversation_id=chat)
    for tool, arguments in (("start_conversation", started), ("append_messages", appended)):
        sentence = await alice.refusal(tool, **arguments)
        assert sentence == (f"Conversation {chat} of this idempotency_key was deleted. Use a new key for another.")
