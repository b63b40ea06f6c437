"""Calls that name a conversation are recorded in it, including those rejected before a tool runs."""

import json
from dataclasses import replace
from typing import Any

import pytest
from mcp.types import TextContent

from mcp_server.protocol.recording import CALL_KEY, KEY
from storage.conversations import conversations
from storage.engine.database import Scope
from storage.schema.request_models import NewMessage
from tests.conftest import Person


async def refused(person: Person, conversation: int, tool: str, **arguments: Any) -> str:
    """The error of a call that is to be recorded."""
    async with person.client() as client:
        result = await client.call_tool(tool, arguments, meta={KEY: conversation})  # pyright: ignore[reportArgumentType]
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert result.is_error
    return content.text


async def kept(person: Person, conversation: int) -> list[dict[str, Any]]:
    page = await person.call("get_conversation", conversation_id=conversation)
    return [json.loads(message["content"]) for message in page["messages"]]


async def test_call_of_an_unknown_tool_is_recorded_with_its_error(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    sentence = await refused(alice, chat, "make_coffee", strong=True)
    assert sentence == "There is no tool 'make_coffee' here. Use tools/list to see what there is."
    assert await kept(alice, chat) == [{"tool": "make_coffee", "arguments": {"strong": True}, "error": sentence}]


async def test_call_outside_the_token_scope_is_recorded_with_its_error(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    writer = replace(alice, scopes=frozenset({"mcp:write"}))
    sentence = await refused(writer, chat, "list_tasks")
    assert sentence == "list_tasks takes a token with the scope mcp:read."
    assert await kept(alice, chat) == [{"tool": "list_tasks", "arguments": {}, "error": sentence}]


async def test_recorded_call_keeps_the_id_of_the_model(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    for call_id, title in (("call_1", "Buy milk"), (None, "Buy bread"), ("call_2", " ")):
        await alice.ask("add_task", {KEY: chat, CALL_KEY: call_id}, title=title)
    page = await alice.call("get_conversation", conversation_id=chat)
    assert [(message["role"], message.get("tool_call_id")) for message in page["messages"]] == [
        ("tool", "call_1"),
        ("tool", None),
        ("tool", "call_2"),
    ]
    assert "error" in json.loads(page["messages"][2]["content"])


@pytest.mark.parametrize("bad", ["", " ", 7, True, ["call_1"], {}, "x" * 201, "a\0b"], ids=repr)
async def test_invalid_call_id_rejects_the_call(alice: Person, bad: object) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    result = await alice.ask("add_task", {KEY: chat, CALL_KEY: bad}, title="Buy milk")
    assert result.is_error
    sentence = "_meta taskdeck/tool_call_id must be text of 1 to 200 characters: the call's id."
    assert [part.text for part in result.content if isinstance(part, TextContent)] == [sentence]
    assert (await alice.call("list_tasks"))["total_count"] == 0
    assert await kept(alice, chat) == []


async def test_last_recorded_message_is_newest_even_if_its_call_began_earlier(alice: Person) -> None:
    chat = (await alice.call("start_conversation", messages=[{"role": "user", "content": "plum one"}]))["id"]

    async def call(_: Scope) -> None:
        await alice.call("append_messages", conversation_id=chat, messages=[{"role": "user", "content": "plum two"}])

    await conversations.recorded(alice.scope, chat, call, lambda _: NewMessage(role="tool", content="plum three"))
    messages = (await alice.call("get_conversation", conversation_id=chat))["messages"]
    assert [message["content"] for message in messages] == ["plum one", "plum two", "plum three"]
    times = [message["created_at"] for message in messages]
    assert times == sorted(times)
    matches = (await alice.call("search_messages", query="plum", sort="newest"))["matches"]
    assert [match["sequence"] for match in matches] == [3, 2, 1]
