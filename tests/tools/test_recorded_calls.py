"""Calls that are recorded in a conversation, with their results or errors."""

import json
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from mcp.types import (
    CallToolResult,
)

from mcp_server.protocol.recording import KEY, MOST_BYTES
from tests.conftest import Cluster, Person


async def titles(person: Person) -> set[str]:
    return {task["title"] for task in (await person.call("list_tasks", limit=100))["tasks"]}


def text(result: CallToolResult) -> str:
    return getattr(result.content[0], "text", "")


async def kept(person: Person, conversation_id: int) -> list[dict[str, Any]]:
    page = await person.call("get_conversation", conversation_id=conversation_id, max_tokens=20_000)
    assert {message["role"] for message in page["messages"]} <= {"tool"}
    return [json.loads(message["content"]) for message in page["messages"]]


async def call_within(person: Person, conversation: object, tool: str, **arguments: Any) -> CallToolResult:
    async with person.client() as client:
        return await client.call_tool(tool, arguments, meta={KEY: conversation})  # pyright: ignore[reportArgumentType]


async def test_call_is_recorded_in_the_named_conversation(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    added = await call_within(alice, chat, "add_task", title="Kept")
    listed = await call_within(alice, chat, "list_tasks")
    assert await kept(alice, chat) == [
        {"tool": "add_task", "arguments": {"title": "Kept"}, "result": added.structured_content},
        {"tool": "list_tasks", "arguments": {}, "result": listed.structured_content},
    ]


async def test_refused_recorded_call_changes_nothing_and_its_error_is_recorded(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    refused = await call_within(alice, chat, "add_tasks", tasks=[{"title": "Good"}, {"title": "Bad", "due": "soon"}])
    assert refused.is_error
    assert await titles(alice) == set()
    (message,) = await kept(alice, chat)
    assert message["error"] == text(refused)


async def test_call_that_times_out_is_not_recorded(alice: Person, cluster: Cluster):
    chat = (await alice.call("start_conversation"))["id"]
    administrator = await asyncpg.connect(cluster.address("tests"))
    await administrator.execute(SLOW)
    refused = await call_within(alice, chat, "add_task", title="Slow")
    await administrator.execute("DROP FUNCTION take_time CASCADE")
    await administrator.close()
    assert "took too long" in text(refused)
    assert await titles(alice) == set()
    assert await kept(alice, chat) == []


SLOW = """
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.title = 'Slow') EXECUTE FUNCTION take_time();
"""


async def test_recording_into_a_conversation_of_another_user_has_no_effect(alice: Person, bob: Person):
    theirs = (await bob.call("start_conversation"))["id"]
    nowhere = theirs + 1_000_000
    for conversation in (theirs, nowhere):
        refused = await call_within(alice, conversation, "add_task", title="Never")
        assert text(refused) == f"No conversation {conversation}. Use list_conversations to find its id."
    assert await titles(alice) == set()
    assert await kept(bob, theirs) == []


@pytest.mark.parametrize("conversation", ["seven", 0, -1, True, 2**63, [1]])
async def test_invalid_conversation_id_is_rejected(alice: Person, conversation: object):
    refused = await call_within(alice, conversation, "add_task", title="Never")
    assert "must be a conversation's id" in text(refused)
    assert await titles(alice) == set()


async def test_read_only_token_records_no_calls(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    reader = replace(alice, scopes=frozenset({"mcp:read"}))
    assert "mcp:write" in text(await call_within(reader, chat, "list_tasks"))
    assert await kept(alice, chat) == []


async def test_read_only_server_records_no_calls(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    reader = replace(alice, settings=alice.settings.model_copy(update={"read_only": True}))
    assert "keeps no calls" in text(await call_within(reader, chat, "list_tasks"))
    assert await kept(alice, chat) == []


async def test_long_call_is_recorded_truncated(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    await call_within(
        alice, chat, "add_tasks", tasks=[{"title": f"Task {n}", "description": "ä" * 4000} for n in range(9)]
    )
    page = await alice.call("get_conversation", conversation_id=chat)
    content = page["messages"][0]["content"]
    assert content.startswith('{"tool":"add_tasks"')
    assert content.endswith(" bytes in all)")
    assert MOST_BYTES - 4 <= len(content.encode()) <= MOST_BYTES
    assert len(await titles(alice)) == 9


async def test_undo_reverts_a_recorded_call(alice: Person):
    chat = (await alice.call("start_conversation"))["id"]
    await call_within(alice, chat, "add_task", title="Kept")
    await call_within(alice, chat, "undo")
    assert await titles(alice) == set()
    assert len(await kept(alice, chat)) == 2
