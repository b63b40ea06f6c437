"""The most that a message may record of tool calls: 65,536 bytes of JSON in UTF-8."""

import json
from typing import Any

from tests.conftest import Person

LARGEST = 65_536


def calls(size: int) -> list[dict[str, Any]]:
    """A call whose JSON, as Python writes it, has this size in bytes."""
    frame = len(json.dumps([{"name": "say", "text": ""}]).encode())
    return [{"name": "say", "text": "ü" * ((size - frame) // 2) + "x" * ((size - frame) % 2)}]


async def test_tool_calls_are_taken_up_to_64_kib(alice: Person) -> None:
    chat = (await alice.call("start_conversation", title="Calls"))["id"]
    message = {"role": "assistant", "content": ""}
    await alice.call("append_messages", conversation_id=chat, messages=[message | {"tool_calls": calls(LARGEST)}])
    too_much = message | {"tool_calls": calls(LARGEST + 1)}
    sentence = await alice.refusal("append_messages", conversation_id=chat, messages=[too_much])
    assert sentence == "messages.0.tool_calls is longer than 65536 bytes; shorten it."
