"""Calls that name a conversation are kept in it, also those that came to nothing before a tool ran."""

import json
from dataclasses import replace
from typing import Any

from mcp.types import TextContent

from mcp_server.protocol.recording import KEY
from tests.conftest import Person


async def refused(person: Person, conversation: int, tool: str, **arguments: Any) -> str:
    """What a call says that is to be kept, and is refused."""
    async with person.client() as client:
        result = await client.call_tool(tool, arguments, meta={KEY: conversation})  # pyright: ignore[reportArgumentType]
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert result.is_error
    return content.text


async def kept(person: Person, conversation: int) -> list[dict[str, Any]]:
    page = await person.call("get_conversation", conversation_id=conversation)
    return [json.loads(message["content"]) for message in page["messages"]]


async def test_a_call_of_no_tool_is_kept_with_its_error(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    sentence = await refused(alice, chat, "make_coffee", strong=True)
    assert sentence == "There is no tool 'make_coffee' here. Use tools/list to see what there is."
    assert await kept(alice, chat) == [{"tool": "make_coffee", "arguments": {"strong": True}, "error": sentence}]


async def test_a_call_that_the_token_does_not_allow_is_kept_with_its_error(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    writer = replace(alice, scopes=frozenset({"mcp:write"}))
    sentence = await refused(writer, chat, "list_tasks")
    assert sentence == "list_tasks takes a token with the scope mcp:read."
    assert await kept(alice, chat) == [{"tool": "list_tasks", "arguments": {}, "error": sentence}]
