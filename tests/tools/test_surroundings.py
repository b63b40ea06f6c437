"""What comes with a found message: its conversation, its time, and the messages around it; reading on from there."""

import json
from typing import Any

import pytest

from storage.schema.token_budget import tokens
from tests.conftest import Person


async def chat_of(person: Person, count: int, found: dict[int, str], title: str | None = None) -> int:
    """Start a conversation of messages "n1", "n2" and so on, with other texts where `found` has one."""
    messages = [{"role": "user", "content": found.get(n, f"n{n}")} for n in range(1, count + 1)]
    arguments: dict[str, Any] = {"messages": messages} | ({"title": title} if title else {})
    return (await person.call("start_conversation", **arguments))["id"]


async def search(person: Person, query: str, **arguments: Any) -> list[dict[str, Any]]:
    """The matches without their time."""
    matches: list[dict[str, Any]] = (await person.call("search_messages", query=query, **arguments))["matches"]
    return [{name: value for name, value in match.items() if name != "created_at"} for match in matches]


def near(*numbers: int) -> list[dict[str, Any]]:
    return [{"sequence": n, "role": "user", "snippet": f"n{n}"} for n in numbers]


async def test_match_names_its_conversation_and_when_it_was_written(alice: Person) -> None:
    said = {"role": "assistant", "content": "The whale sings", "created_at": "2024-05-01T12:00:00+00:00"}
    chat = (await alice.call("start_conversation", title="The sea", messages=[said]))["id"]
    untitled = (await alice.call("start_conversation", messages=[said]))["id"]
    match = {"sequence": 1, "role": "assistant", "created_at": said["created_at"], "snippet": "The whale sings"}
    for sort in ("best", "newest"):
        assert (await alice.call("search_messages", query="whale", sort=sort))["matches"] == [
            {"conversation_id": untitled, **match},
            {"conversation_id": chat, "title": "The sea", **match},
        ]


@pytest.mark.parametrize(
    ("context", "numbers"),
    [({}, [4, 6]), ({"context": 0}, []), ({"context": 1}, [4, 6]), ({"context": 3}, [2, 3, 4, 6, 7, 8])],
)
async def test_match_comes_with_the_messages_around_it(alice: Person, context: dict[str, int], numbers: list[int]):
    chat = await chat_of(alice, 9, {5: "the needle"}, "Hay")
    match = {"conversation_id": chat, "title": "Hay", "sequence": 5, "role": "user", "snippet": "the needle"}
    expected = match | ({"context": near(*numbers)} if numbers else {})
    assert await search(alice, "needle", **context) == [expected]


@pytest.mark.parametrize("context", [-1, 4])
async def test_context_outside_its_range_is_refused(alice: Person, context: int) -> None:
    assert "context" in await alice.refusal("search_messages", query="needle", context=context)


async def test_context_ends_with_the_conversation(alice: Person) -> None:
    first = await chat_of(alice, 3, {1: "needle needle"})
    second = await chat_of(alice, 3, {3: "needle"})
    alone = await chat_of(alice, 1, {1: "a single needle in a long message of its own"})
    found = {match["conversation_id"]: match.get("context") for match in await search(alice, "needle", context=2)}
    assert found == {first: near(2, 3), second: near(1, 2), alone: None}


async def test_message_on_the_page_is_not_repeated_as_context(alice: Person) -> None:
    await chat_of(alice, 6, {2: "needle needle", 3: "needle", 5: "one more needle in the hay"})
    found = {match["sequence"]: match.get("context") for match in await search(alice, "needle", sort="newest")}
    assert found == {5: near(4, 6), 3: None, 2: near(1)}


async def test_context_shows_the_beginning_of_a_long_message(alice: Person) -> None:
    await chat_of(alice, 2, {1: "needle", 2: "  It   begins here. " + "word " * 100})
    ((shown,),) = [match["context"] for match in await search(alice, "needle")]
    assert shown["snippet"].startswith("It begins here. word word")
    assert shown["snippet"].endswith("word")
    assert 150 < len(shown["snippet"]) <= 200


async def test_context_takes_only_the_room_that_matches_leave(alice: Person) -> None:
    long = {n: f"{n} " + "several words of a longer text " * 7 for n in range(1, 8)}
    for _ in range(20):
        await chat_of(alice, 7, long | {4: "needle " + "with many other words " * 8})
    found = await search(alice, "needle", context=3)
    assert len(found) == 20
    assert sum(tokens(json.dumps(match)) for match in found) <= 4000
    sizes = [len(match.get("context", ())) for match in found]
    assert sizes[0] == 6
    assert sizes[-1] == 0


async def test_context_leaves_out_messages_without_text(alice: Person) -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "look"}]}
    said = [{"role": "user", "content": text} for text in ("n1", "needle")]
    await alice.call("start_conversation", messages=[*said, call])
    assert [match["context"] for match in await search(alice, "needle")] == [near(1)]


async def test_context_belongs_to_the_caller(alice: Person, bob: Person) -> None:
    await chat_of(alice, 3, {2: "needle"})
    assert await search(bob, "needle", context=3) == []


@pytest.fixture
async def chat(alice: Person) -> int:
    return await chat_of(alice, 100, {})


@pytest.mark.parametrize(
    ("around", "limit", "first", "last"),
    [(50, 5, 48, 52), (50, 4, 48, 51), (1, 5, 1, 5), (2, 6, 1, 6), (100, 5, 96, 100), (99, 6, 95, 100), (7, 1, 7, 7)],
)
async def test_conversation_is_read_around_a_message(
    alice: Person, chat: int, around: int, limit: int, first: int, last: int
) -> None:
    page = await alice.call("get_conversation", conversation_id=chat, around_sequence=around, limit=limit)
    assert [message["content"] for message in page["messages"]] == [f"n{n}" for n in range(first, last + 1)]
    assert page["has_more"] is (first > 1)


async def test_reading_around_a_number_after_the_end_shows_the_end(alice: Person, chat: int) -> None:
    page = await alice.call("get_conversation", conversation_id=chat, around_sequence=2**31 - 1, limit=2)
    assert [message["sequence"] for message in page["messages"]] == [99, 100]
    empty = (await alice.call("start_conversation"))["id"]
    page = await alice.call("get_conversation", conversation_id=empty, around_sequence=1)
    assert (page["messages"], page["has_more"]) == ([], False)


async def test_reading_around_a_message_stays_within_the_budget(alice: Person) -> None:
    chat = await chat_of(alice, 9, {n: "word " * 500 for n in range(1, 10)})
    page = await alice.call("get_conversation", conversation_id=chat, around_sequence=5, max_tokens=4000)
    numbers = [message["sequence"] for message in page["messages"]]
    assert numbers in ([4, 5], [4, 5, 6])
    page = await alice.call("get_conversation", conversation_id=chat, around_sequence=5, max_tokens=100)
    assert [message["sequence"] for message in page["messages"]] == [5]


async def test_reading_around_and_before_a_message_is_refused(alice: Person, chat: int) -> None:
    assert await alice.refusal("get_conversation", conversation_id=chat, around_sequence=5, before_sequence=9) == (
        "before_sequence and around_sequence exclude each other: leave one out."
    )
