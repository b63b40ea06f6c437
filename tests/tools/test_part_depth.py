"""Parts of a message: how deeply they may be nested, and how words beyond ASCII are shown."""

from typing import Any

from tests.conftest import Person

DEEPEST = 8


def nested(levels: int) -> list[Any]:
    """Lists of parts in each other, so many levels deep."""
    parts: list[Any] = [{"type": "text", "text": "core"}]
    for _ in range(levels - 1):
        parts = [{"type": "tool_result", "content": parts}]
    return parts


async def store(person: Person, content: Any) -> str:
    """Store a message with this content, and read its text."""
    chat = await person.call("start_conversation", messages=[{"role": "user", "content": content}])
    (message,) = (await person.call("get_conversation", conversation_id=chat["id"]))["messages"]
    return message["content"]


async def test_parts_may_be_nested_eight_levels_deep(alice: Person) -> None:
    assert (await store(alice, nested(DEEPEST))).endswith("core")
    refused = await alice.refusal("start_conversation", messages=[{"role": "user", "content": nested(DEEPEST + 1)}])
    assert "is nested too deeply" in refused


async def test_words_beyond_ascii_are_shown_as_they_are(alice: Person) -> None:
    shown = await store(alice, [{"type": "document", "title": "Grüße aus Köln"}])
    assert shown == '[document title="Grüße aus Köln"]'
