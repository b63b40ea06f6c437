"""Long texts are shown in part: the exact limits of snippets, of histories, and of nested content."""

from typing import Any

from tests.conftest import Person


async def test_a_snippet_has_up_to_200_characters_in_whole_words_around_the_match(alice: Person) -> None:
    word = "w" * 19
    content = " ".join([*[word] * 50, "needle", *[word] * 50])
    await alice.call("start_conversation", messages=[{"role": "user", "content": content}])
    (match,) = (await alice.call("search_messages", query="needle"))["matches"]
    # A third of the 200 characters comes before the match: three words with their spaces, and no part of another.
    assert match["snippet"] == f"{word} {word} {word} needle {' '.join([word] * 6)}"


async def test_a_short_message_is_its_own_snippet(alice: Person) -> None:
    content = "a broken needle\n\n  under   haystacks"
    await alice.call("start_conversation", messages=[{"role": "user", "content": content}])
    (match,) = (await alice.call("search_messages", query="needle"))["matches"]
    assert match["snippet"] == "a broken needle under haystacks"


async def test_a_history_shows_200_characters_of_a_text_and_says_how_long_it_is(alice: Person) -> None:
    task_id = (await alice.call("add_task", title="Write", description="a" * 200))["id"]
    await alice.call("update_task", task_id=task_id, description="b" * 201)
    changed = (await alice.call("get_task", task_id=task_id))["history"][0]
    assert changed["changes"] == {"description": ["a" * 200, f"{'b' * 200}… (201 characters)"]}


async def test_a_task_shows_its_last_ten_events(alice: Person) -> None:
    task_id = (await alice.call("add_task", title="0"))["id"]
    for number in range(1, 11):
        await alice.call("update_task", task_id=task_id, title=str(number))
    history = (await alice.call("get_task", task_id=task_id))["history"]
    assert [event["changes"]["title"] for event in history] == [[str(n - 1), str(n)] for n in range(10, 0, -1)]


async def test_objects_in_a_part_are_read_eight_deep(alice: Person) -> None:
    def boxes(count: int) -> dict[str, Any]:
        part: dict[str, Any] = {"label": "deep"}
        for _ in range(count):
            part = {"box": part}
        return {"type": "parcel", **part}

    messages = [{"role": "user", "content": [boxes(count)]} for count in (1, 7, 8)]
    conversation = await alice.call("start_conversation", messages=messages)
    kept = await alice.call("get_conversation", conversation_id=conversation["id"])
    assert [message["content"] for message in kept["messages"]] == [
        "[parcel label=deep]",
        "[parcel label=deep]",
        '[parcel box={"label":"deep"}]',
    ]
