"""Every tool returns either its result or an error that names the invalid field."""

import unicodedata
from typing import Any

import pytest

from mcp_server.identity.callers import Callers
from mcp_server.tools.calls import Call
from mcp_server.tools.registry import TOOLS
from storage.schema.errors import StorageError
from tests.conftest import Person

EMOJI = "👩\u200d👩\u200d👧\u200d👦"
COMBINING = "e" + "\u0301" * 20


async def error_of(person: Person, tool: str, arguments: dict[str, Any]) -> str:
    """The error of a tool for arguments that client libraries would reject."""
    call = Call(await Callers(person.database).scope(person.caller), person.caller)
    with pytest.raises(StorageError) as refused:
        await TOOLS[tool].call(call, arguments)
    return str(refused.value)


@pytest.mark.parametrize("tool", TOOLS)
async def test_unknown_argument_is_rejected_by_name(alice: Person, tool: str) -> None:
    sentence = await alice.refusal(tool, user_id="bob")
    assert "user_id is not an argument of " + tool in sentence


@pytest.mark.parametrize("bad", ["a\0b", "\ud800", "x\udfff"], ids=["NUL", "high surrogate", "low surrogate"])
@pytest.mark.parametrize(
    ("tool", "field", "arguments"),
    [
        ("add_task", "title", {"title": "BAD"}),
        ("add_task", "description", {"title": "x", "description": "BAD"}),
        ("add_task", "tags.1", {"title": "x", "tags": ["a", "BAD"]}),
        ("add_task", "due", {"title": "x", "due": "BAD"}),
        ("add_task", "assignee", {"title": "x", "assignee": "BAD"}),
        ("add_task", "recurrence", {"title": "x", "due": "2026-03-01", "recurrence": "BAD"}),
        ("add_task", "idempotency_key", {"title": "x", "idempotency_key": "BAD"}),
        ("add_tasks", "tasks.0.title", {"tasks": [{"title": "BAD"}]}),
        ("list_tasks", "search", {"search": "BAD"}),
        ("list_tasks", "tag", {"tag": "BAD"}),
        ("list_tasks", "cursor", {"cursor": "BAD"}),
        ("list_tasks", "due_before", {"due_before": "BAD"}),
        ("list_changes", "client", {"client": "BAD"}),
        ("create_team", "name", {"name": "BAD"}),
        ("add_team_member", "user", {"team_id": 1, "user": "BAD"}),
        ("share_task", "user", {"task_id": 1, "user": "BAD"}),
        ("start_conversation", "title", {"title": "BAD"}),
        ("start_conversation", "messages.0.content", {"messages": [{"role": "user", "content": "BAD"}]}),
        ("start_conversation", "messages.0.model", {"messages": [{"role": "user", "content": "", "model": "BAD"}]}),
        (
            "start_conversation",
            "messages.0.tool_calls",
            {"messages": [{"role": "tool", "content": "", "tool_calls": [{"a": {"b": ["BAD"]}}]}]},
        ),
        (
            "start_conversation",
            "messages.0.tool_calls",
            {"messages": [{"role": "tool", "content": "", "tool_calls": [{"BAD": 1}]}]},
        ),
        ("search_messages", "query", {"query": "BAD"}),
        ("search", "query", {"query": "BAD"}),
        ("fetch", "id", {"id": "BAD"}),
    ],
)
async def test_unstorable_text_is_rejected_by_field(
    alice: Person, tool: str, field: str, arguments: dict[str, Any], bad: str
) -> None:
    sentence = await error_of(alice, tool, _with(arguments, bad))
    assert sentence.startswith(f"{field} contains"), sentence
    assert "remove it" in sentence


def _with(arguments: dict[str, Any], bad: str) -> dict[str, Any]:
    return eval(repr(arguments).replace("'BAD'", repr(bad)))


NO_NUMBERS: tuple[Any, ...] = (True, False, -1, 0, 2**63, 10**400, 1.5, float("nan"), float("inf"), "x", None, [])
NUMBERS = (
    ("get_task", "task_id"),
    ("complete_task", "task_id"),
    ("get_conversation", "conversation_id"),
    ("get_statistics", "team_id"),
    ("add_task", "parent_id"),
    ("list_tasks", "limit"),
    ("list_tasks", "team_id"),
    ("get_conversation", "max_tokens"),
    ("get_conversation", "before_sequence"),
    ("undo", "count"),
    ("get_statistics", "days"),
)


def _may_be_absent(tool: str, field: str) -> bool:
    found = TOOLS[tool].arguments.model_fields[field]
    return not found.is_required() and found.default is None


@pytest.mark.parametrize(
    ("tool", "field", "bad"),
    [(*number, bad) for number in NUMBERS for bad in NO_NUMBERS if bad is not None or not _may_be_absent(*number)],
)
async def test_out_of_range_number_is_rejected_by_field(alice: Person, tool: str, field: str, bad: Any) -> None:
    others = {"add_task": {"title": "x"}, "get_conversation": {"conversation_id": 1}}
    sentence = await error_of(alice, tool, others.get(tool, {}) | {field: bad})
    assert sentence.startswith(field), sentence


@pytest.mark.parametrize(
    "due",
    [
        "2026-02-30",
        "0000-01-01",
        "2026-13-01",
        "2026-1-1",
        "2026-03-01T17:00:00",
        "2026-03-01T25:00:00Z",
        "2026-03-01T23:59:60Z",
        "2026-03-01T17:00:00+25:00",
        "10000-01-01",
        "-2026-01-01",
        "tomorrow",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "",
    ],
)
@pytest.mark.parametrize(
    ("tool", "field"), [("add_task", "due"), ("list_tasks", "due_before"), ("list_tasks", "due_after")]
)
async def test_invalid_date_is_rejected_by_field(alice: Person, tool: str, field: str, due: str) -> None:
    others = {"title": "x"} if tool == "add_task" else {}
    sentence = await alice.refusal(tool, **others, **{field: due})
    assert sentence.startswith(field), sentence
    assert "2026-03-01" in sentence


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01T17:00:00Z", "2026-03-01T17:00:00+00:00"),
        ("2026-03-01T17:00:00+14:00", "2026-03-01T17:00:00+14:00"),
        ("2026-03-01T17:00-11:30", "2026-03-01T17:00:00-11:30"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31"),
    ],
)
async def test_dates_stay_dates_and_moments_keep_their_offset(alice: Person, sent: str, kept: str) -> None:
    assert (await alice.call("add_task", title="x", due=sent))["due"] == kept


@pytest.mark.parametrize("letter", ["x", "ß", "\U0001f600", "\u0301"])
@pytest.mark.parametrize(("field", "limit"), [("title", 500), ("tags", 50)])
async def test_length_counts_code_points(alice: Person, field: str, limit: int, letter: str) -> None:
    def task(length: int) -> dict[str, Any]:
        text = letter * length
        return {"title": text} if field == "title" else {"title": "x", "tags": [text]}

    for length in (limit - 1, limit):
        added = await alice.call("add_task", **task(length))
        assert added[field] == task(length)[field]
        assert (await alice.call("get_task", task_id=added["id"]))[field] == task(length)[field]
    assert f"at most {limit}" in await alice.refusal("add_task", **task(limit + 1))


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
async def test_long_texts_count_bytes(alice: Person, letter: str) -> None:
    size = len(letter.encode())
    text = letter * (16384 // size)
    task = await alice.call("add_task", title="x", description=text)
    assert (await alice.call("get_task", task_id=task["id"]))["description"] == text
    assert (await alice.refusal("add_task", title="x", description=text + letter)).startswith("description is longer")
    chat = (await alice.call("start_conversation"))["id"]
    content = letter * (65536 // size)
    sent = {"role": "user", "content": content}
    await alice.call("append_messages", conversation_id=chat, messages=[sent])
    kept = await alice.call("get_conversation", conversation_id=chat)
    assert kept["messages"][0]["content"] == content
    sentence = await alice.refusal(
        "append_messages", conversation_id=chat, messages=[sent | {"content": content + letter}]
    )
    assert sentence.startswith("messages.0.content is longer than 65536 bytes")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (EMOJI, EMOJI),
        (COMBINING, COMBINING),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("'; DROP TABLE", "'; DROP TABLE"),
        ("\u202eabc\u2066", "abc"),
        ("\ufeffx", "x"),
        ("\x7f\x1b[0m", "[0m"),
    ],
)
async def test_unusual_text_stays_unchanged_and_names_lose_what_nobody_sees(
    alice: Person, text: str, name: str
) -> None:
    task = await alice.call("add_task", title=text, description=text, tags=[text])
    # Tags that look equal are equal, so they are stored as NFC.
    assert (task["title"], task["description"], task["tags"]) == (name, text, [unicodedata.normalize("NFC", name)])
    calls = [{"name": text, "arguments": {text: [text, 1.5, None, True]}}]
    chat = await alice.call(
        "start_conversation", title=text, messages=[{"role": "tool", "content": text, "tool_calls": calls}]
    )
    page = await alice.call("get_conversation", conversation_id=chat["id"])
    assert (page["messages"][0]["content"], page["messages"][0]["tool_calls"]) == (text, calls)


async def test_too_many_items_are_rejected_by_field(alice: Person) -> None:
    assert "tags is too long: at most 20" in await alice.refusal(
        "add_task", title="x", tags=[str(n) for n in range(21)]
    )
    assert "tasks is too long: at most 50" in await alice.refusal("add_tasks", tasks=[{"title": "x"}] * 51)
    sent = [{"role": "user", "content": "x"}] * 101
    assert "messages is too long: at most 100" in await alice.refusal("start_conversation", messages=sent)
    assert "limit must be between 1 and 100" in await alice.refusal("list_tasks", limit=101)
