"""Messages in the shapes of chat APIs: tool calls without content, answers to calls, and content as a list of parts."""

import base64
import json
from typing import Any

import pytest
from mcp.types import TextResourceContents

from tests.conftest import Person

BASE64 = base64.b64encode(bytes(range(256)) * 40).decode()
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
]


async def kept(person: Person, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Append messages and read them back, without sequence numbers and times."""
    chat = (await person.call("start_conversation"))["id"]
    await person.call("append_messages", conversation_id=chat, messages=list(messages))
    page = await person.call("get_conversation", conversation_id=chat)
    return [{k: v for k, v in message.items() if k not in ("sequence", "created_at")} for message in page["messages"]]


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": []}], ids=repr)
async def test_message_with_tool_calls_needs_no_content(alice: Person, content: dict[str, Any]) -> None:
    (asked,) = await kept(alice, {"role": "assistant", "tool_calls": CALLS} | content)
    assert asked == {"role": "assistant", "content": "", "tool_calls": CALLS}


@pytest.mark.parametrize("content", [{}, {"content": None}], ids=repr)
@pytest.mark.parametrize("calls", [{}, {"tool_calls": []}], ids=repr)
async def test_other_messages_need_content(alice: Person, content: dict[str, Any], calls: dict[str, Any]) -> None:
    for role in ("assistant", "tool", "user"):
        sent = {"role": role} | content | calls
        assert await alice.refusal("start_conversation", messages=[sent]) == "messages.0.content is required."
    await alice.call("start_conversation", messages=[{"role": "assistant", "content": ""} | calls])


async def test_openai_tool_calls_round_trip_with_their_ids(alice: Person) -> None:
    sent: list[dict[str, Any]] = [
        {"role": "user", "content": "What is the weather in Paris, and what time is it?"},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "15 degrees"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "17:00"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "15 degrees."}, {"type": "text", "text": "17:00."}]},
    ]
    assert await kept(alice, *sent) == [
        sent[0],
        sent[1] | {"content": ""},
        sent[2],
        sent[3] | {"content": "17:00"},
        {"role": "assistant", "content": "15 degrees.\n17:00."},
    ]


async def test_tool_call_id_is_in_the_resource_only_if_present(alice: Person) -> None:
    sent = [{"role": "tool", "content": "x", "tool_call_id": "call_9"}, {"role": "tool", "content": "y"}]
    chat = (await alice.call("start_conversation", messages=sent))["id"]
    async with alice.client() as client:
        (resource,) = (await client.read_resource(f"conversation://{chat}")).contents
    assert isinstance(resource, TextResourceContents)
    first, second = json.loads(resource.text)["messages"]
    assert first["tool_call_id"] == "call_9"
    assert "tool_call_id" not in second


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("", "messages.0.tool_call_id must not be empty."),
        (" ", "messages.0.tool_call_id must not be empty."),
        (7, "messages.0.tool_call_id must be text."),
        (None, "messages.0.tool_call_id is null: leave it out."),
        ("x" * 201, "messages.0.tool_call_id is too long: at most 200 characters."),
    ],
)
async def test_invalid_tool_call_id_is_rejected(alice: Person, bad: object, sentence: str) -> None:
    sent = {"role": "tool", "content": "x", "tool_call_id": bad}
    assert await alice.refusal("start_conversation", messages=[sent]) == sentence


async def test_claude_tool_use_is_stored_as_text_and_calls(alice: Person) -> None:
    use = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "get_weather",
        "input": {"city": "Paris", "days": list(range(99))},
    }
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "15 degrees", "is_error": False}
    other = {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "17:00"}]}
    assert await kept(
        alice,
        {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, use]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": [result, other, {"type": "text", "text": "And now?"}]},
        {"role": "user", "content": [result], "tool_call_id": "mine"},
    ) == [
        {
            "role": "assistant",
            "content": "Let me look.\n[tool_use id=toolu_1 name=get_weather input=(312 characters)]",
            "tool_calls": [use],
        },
        {
            "role": "user",
            "content": "[tool_result tool_use_id=toolu_1 is_error=false]\n15 degrees",
            "tool_call_id": "toolu_1",
        },
        {
            "role": "user",
            "content": "[tool_result tool_use_id=toolu_1 is_error=false]\n15 degrees\n"
            "[tool_result tool_use_id=toolu_2]\n17:00\nAnd now?",
        },
        {
            "role": "user",
            "content": "[tool_result tool_use_id=toolu_1 is_error=false]\n15 degrees",
            "tool_call_id": "mine",
        },
    ]


PARTS: tuple[tuple[Any, str], ...] = (
    ({"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}, "Hello"),
    ({"type": "input_text", "text": "Hello"}, "Hello"),
    ({"type": "output_text", "text": "Hello", "annotations": []}, "Hello"),
    ({"type": "refusal", "refusal": "I cannot."}, "I cannot."),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BASE64}},
        "[image media_type=image/png data=(13656 characters)]",
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        "[image url=https://example.com/a.png]",
    ),
    ({"type": "image", "data": BASE64, "mimeType": "image/png"}, "[image data=(13656 characters) mimeType=image/png]"),
    (
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}", "detail": "high"}},
        "[image_url url=data:image/png;base64,(13656 characters) detail=high]",
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        "[image_url url=https://example.com/a.png]",
    ),
    (
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        "[input_image image_url=data:image/png;base64,(4 characters)]",
    ),
    (
        {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}},
        "[input_audio data=(13656 characters) format=wav]",
    ),
    (
        {"type": "file", "file": {"filename": "my report.pdf", "file_data": f"data:application/pdf;base64,{BASE64}"}},
        '[file filename="my report.pdf" file_data=data:application/pdf;base64,(13656 characters)]',
    ),
    ({"type": "file", "file": {"file_id": "file-7"}}, "[file file_id=file-7]"),
    (
        {
            "type": "document",
            "title": "Q3",
            "source": {"type": "base64", "media_type": "application/pdf", "data": BASE64},
            "citations": {"enabled": True},
        },
        "[document title=Q3 media_type=application/pdf data=(13656 characters) enabled=true]",
    ),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "All of it."}},
        "[document media_type=text/plain]\nAll of it.",
    ),
    (
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"data": BASE64}}]},
        "[tool_result tool_use_id=t]\n[image data=(13656 characters)]",
    ),
    (
        {"type": "search_result", "source": "https://x", "title": "A", "content": [{"type": "text", "text": "Found"}]},
        "[search_result source=https://x title=A]\nFound",
    ),
    (
        {"type": "thinking", "thinking": "Hm.", "signature": BASE64},
        "[thinking thinking=(3 characters) signature=(13656 characters)]",
    ),
    (
        {"type": "resource", "resource": {"uri": "file:///a.txt", "mimeType": "text/plain", "text": "Inside"}},
        "[resource uri=file:///a.txt mimeType=text/plain]\nInside",
    ),
    (
        {"type": "new_kind", "bytes": BASE64, "note": "two words", "n": 1.5, "on": True, "off": None, "list": [1, 2]},
        '[new_kind bytes=(13656 characters) note="two words" n=1.5 on=true list=[1,2]]',
    ),
    ({"type": "a b\n]", "x": "\n"}, '["a b\\n]" x="\\n"]'),
)


@pytest.mark.parametrize(("part", "line"), PARTS, ids=[line[:30] for _, line in PARTS])
async def test_content_part_becomes_text_or_a_metadata_line(alice: Person, part: Any, line: str) -> None:
    for content in ([part], part):
        (message,) = await kept(alice, {"role": "user", "content": content})
        assert message["content"] == line
        assert BASE64[:64] not in str(message)


async def test_text_of_content_parts_is_searchable(alice: Person) -> None:
    parts = [{"type": "text", "text": "The roof"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]
    chat = (await alice.call("start_conversation", messages=[{"role": "user", "content": parts}]))["id"]
    (match,) = (await alice.call("search_messages", query="roof"))["matches"]
    assert (match["conversation_id"], match["sequence"]) == (chat, 1)


def nested(depth: int) -> list[dict[str, Any]]:
    """Parts nested to a depth."""
    part: dict[str, Any] = {"type": "text", "text": "deep"}
    for _ in range(depth - 1):
        part = {"type": "box", "content": [part]}
    return [part]


WRONG: tuple[tuple[Any, str], ...] = (
    (["hello"], '.content.0 must be an object with a type, such as {"type": "text", "text": "Hello"}.'),
    ([{"type": "text", "text": "x"}, None], ".content.1 must be an object with a type, such as"),
    ([{"text": "x"}], '.content.0.type must be text, as in {"type": "text", "text": "Hello"}.'),
    ([{"type": 7}], ".content.0.type must be text, as in"),
    ([{"type": "text"}], ".content.0.text must be text."),
    ([{"type": "text", "text": 7}], ".content.0.text must be text."),
    ([{"type": "box", "content": [{}]}], ".content.0.content.0.type must be text, as in"),
    (nested(9), f".content{'.0.content' * 8} is nested too deeply: leave it out, or give it as text."),
    ([{"type": "text", "text": "a\0b"}], ".content contains a NUL"),
    ([{"type": "text", "text": "x" * 40_000}] * 2, ".content is longer than 65536 bytes; shorten it."),
    (7, ".content must be text."),
    (True, ".content must be text."),
)


@pytest.mark.parametrize(("content", "sentence"), WRONG)
async def test_invalid_content_is_rejected_by_position(alice: Person, content: Any, sentence: str) -> None:
    messages = [{"role": "user", "content": "fine"}, {"role": "user", "content": content}]
    refusal = await alice.refusal("start_conversation", messages=messages)
    assert refusal.startswith(f"messages.1{sentence}")


async def test_parts_may_nest_as_deeply_as_the_error_says(alice: Person) -> None:
    (message,) = await kept(alice, {"role": "user", "content": nested(8)})
    assert message["content"] == "[box]\n" * 7 + "deep"


async def test_same_parts_with_the_same_key_are_appended_once(alice: Person) -> None:
    chat = (await alice.call("start_conversation"))["id"]
    part = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    message = {"role": "tool", "content": [part], "tool_call_id": "a"}
    appended = {"conversation_id": chat, "messages": [message], "idempotency_key": "k"}
    first = await alice.call("append_messages", **appended)
    assert await alice.call("append_messages", **appended) == first
    other = appended | {"messages": [message | {"tool_call_id": "b"}]}
    assert "other arguments" in await alice.refusal("append_messages", **other)
