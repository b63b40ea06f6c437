"""search and fetch, in the shapes that ChatGPT connectors expect."""

from dataclasses import replace

import pytest

from tests.conftest import Person
from tests.support.consent import agreed


async def ids(person: Person, query: str) -> list[str]:
    return [found["id"] for found in (await person.call("search", query=query))["results"]]


async def test_search_results_can_be_fetched(alice: Person):
    task = await alice.call("add_task", title="Renew the passport", description="Bring **photos**", due="2027-03-01")
    messages = [
        {"role": "user", "content": "Where do I renew my passport?"},
        {"role": "assistant", "content": "At the town hall."},
    ]
    chat = await alice.call("start_conversation", messages=messages)
    results = (await alice.call("search", query="passport"))["results"]
    assert results == [
        {"id": f"task:{task['id']}", "title": "Renew the passport", "url": f"task://{task['id']}"},
        {
            "id": f"conversation:{chat['id']}",
            "title": f"Conversation {chat['id']}",
            "url": f"conversation://{chat['id']}",
        },
        {
            "id": f"message:{chat['id']}:1",
            "title": f"Conversation {chat['id']}: Where do I renew my passport?",
            "url": f"conversation://{chat['id']}",
        },
    ]
    found = await alice.call("fetch", id=results[0]["id"])
    assert {key: found[key] for key in ("id", "title", "url")} == results[0]
    assert found["text"] == "Renew the passport\n\nBring **photos**"
    assert (found["metadata"]["due"], found["metadata"]["status"]) == ("2027-03-01", "pending")
    found = await alice.call("fetch", id=results[1]["id"])
    assert found["text"] == "user: Where do I renew my passport?\n\nassistant: At the town hall."
    assert found["metadata"]["message_count"] == 2


async def test_urls_are_resource_uris(alice: Person):
    await alice.call("add_task", title="Renew the passport")
    (found,) = (await alice.call("search", query="passport"))["results"]
    async with alice.client() as client:
        assert (await client.read_resource(found["url"])).contents


async def test_completed_tasks_are_found(alice: Person):
    task = await alice.call("add_task", title="Renew the passport")
    await alice.call("complete_task", task_id=task["id"])
    assert await ids(alice, "PASSPORT") == [f"task:{task['id']}"]


async def test_any_word_matches_and_results_with_more_of_them_come_first(alice: Person):
    first, second = [await alice.call("add_task", title=title) for title in ("Renew the passport", "Renew the lease")]
    assert await ids(alice, "renew passport") == [f"task:{first['id']}", f"task:{second['id']}"]
    assert set(await ids(alice, "when must I renew something")) == {f"task:{first['id']}", f"task:{second['id']}"}
    assert await ids(alice, "nothing like it") == []


async def test_conversations_are_found_by_their_best_message_and_their_title(alice: Person):
    def said(*texts: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": text} for text in texts]

    passing = await alice.call("start_conversation", messages=said("The garden is dry", "It may rain in Lisbon"))
    titled = await alice.call("start_conversation", title="Trip to Lisbon", messages=said("Which hotel is the best?"))
    whole = await alice.call("start_conversation", messages=said("The hotel in Lisbon has a garden", "Good"))
    await alice.call("start_conversation", title="Other things", messages=said("Nothing here"))
    found = await alice.call("list_conversations", search="Which hotel in Lisbon?")
    assert [chat["id"] for chat in found["conversations"]] == [titled["id"], whole["id"], passing["id"]]
    assert found["total_count"] == 3
    assert "total_is_estimate" not in found
    only = await alice.call("list_conversations", search="Lisbon -hotel")
    assert [chat["id"] for chat in only["conversations"]] == [titled["id"], passing["id"]]
    assert await ids(alice, f"hotel in:{whole['id']}") == [f"conversation:{whole['id']}", f"message:{whole['id']}:1"]
    assert (await alice.refusal("list_conversations", search="from:user")).startswith("Nothing in the query can be")


@pytest.mark.parametrize(("tool", "key"), [("list_tasks", "tasks"), ("list_conversations", "conversations")])
async def test_pages_of_matches_contain_each_once_while_others_are_added(alice: Person, tool: str, key: str):
    async def add(text: str) -> None:
        await alice.call("add_task", title=text)
        await alice.call("start_conversation", title=text, messages=[{"role": "user", "content": text}])

    for n in range(9):
        await add(f"note {n} of tea" + " and milk" * (n % 3))
    whole = (await alice.call(tool, search="tea milk", limit=100))[key]
    assert len(whole) == 9
    paged: list[dict[str, object]] = []
    cursor = {}
    while cursor is not None:
        page = await alice.call(tool, search="tea milk", limit=2, **cursor)
        paged += page[key]
        cursor = {"cursor": page["next_cursor"]} if "next_cursor" in page else None
        await add("milk milk tea")
    old = [row["id"] for row in whole]
    assert [row["id"] for row in paged if row["id"] in old] == old
    other = {"cursor": (await alice.call(tool, search="tea milk", limit=2))["next_cursor"]}
    assert "without cursor" in await alice.refusal(tool, search="tea", limit=2, **other)


async def test_total_of_common_words_is_said_to_be_an_estimate(alice: Person):
    for _ in range(22):
        texts = [{"role": "user", "content": f"the weather on day {n}"} for n in range(100)]
        await alice.call("start_conversation", messages=texts)
    rare = await alice.call("start_conversation", messages=[{"role": "user", "content": "an umbrella"}])
    assert (await alice.call("list_conversations", search="weather"))["total_is_estimate"] is True
    found = await alice.call("list_conversations", search="umbrella")
    assert [chat["id"] for chat in found["conversations"]] == [rare["id"]]
    assert (found["total_count"], found.get("total_is_estimate")) == (1, None)


async def test_tasks_of_other_users_are_not_found(alice: Person, bob: Person):
    task = await bob.call("add_task", title="Renew the passport")
    await bob.call("start_conversation", title="Passport")
    assert await ids(alice, "passport") == []
    await agreed(bob, "share_task", alice, task_id=task["id"])
    assert await ids(alice, "passport") == [f"task:{task['id']}"]


async def test_long_conversation_is_fetched_from_its_end(alice: Person):
    chat = await alice.call("start_conversation", messages=[{"role": "user", "content": "word " * 2000}] * 5)
    found = await alice.call("fetch", id=f"conversation:{chat['id']}")
    assert found["text"].startswith("(Older messages are left out")
    assert len(found["text"]) < 20_000


async def test_message_is_found_and_fetched_with_those_around_it(alice: Person, bob: Person):
    lines = [f"line {n}" for n in range(1, 61)]
    lines[29] = "The spare key is in the blue tin"
    messages = [{"role": "user" if n % 2 else "assistant", "content": line} for n, line in enumerate(lines)]
    chat = (await alice.call("start_conversation", title="The shed", messages=messages))["id"]
    found = (await alice.call("search", query="Where did we put the spare key?"))["results"]
    assert found[-1] == {
        "id": f"message:{chat}:30",
        "title": "The shed: The spare key is in the blue tin",
        "url": f"conversation://{chat}",
    }
    read = await alice.call("fetch", id=f"message:{chat}:30")
    assert (read["id"], read["title"], read["url"]) == (f"message:{chat}:30", "The shed", f"conversation://{chat}")
    around = read["text"].split("\n\n")
    assert (len(around), around[0], around[10], around[20]) == (
        21,
        "[20] user: line 20",
        "[30] user: The spare key is in the blue tin",
        "[40] user: line 40",
    )
    created_at = read["metadata"].pop("created_at")
    assert created_at.startswith("20")
    assert read["metadata"] == {"conversation_id": chat, "sequence": 30, "role": "user", "message_count": 60}
    for sequence in (0, 61, 2**31):
        assert "nothing with the id" in await alice.refusal("fetch", id=f"message:{chat}:{sequence}")
    assert (await bob.refusal("fetch", id=f"message:{chat}:30")).startswith(f"No conversation {chat}.")


async def test_search_takes_filters_of_messages_as_words(alice: Person):
    task = await alice.call("add_task", title="Call before:noon")
    assert await ids(alice, "before:noon") == [f"task:{task['id']}"]


@pytest.mark.parametrize(
    "wrong",
    [
        *("42", "task:", "task:x", "user:1", "task:0", "task:99999999999999999999", "task:²", "task:-1", "task:1:2"),
        *("message:1", "message:1:", "message:1:x", "message:1:99999999999"),
    ],
)
async def test_invalid_id_is_rejected_in_a_sentence(alice: Person, wrong: str):
    assert (
        await alice.refusal("fetch", id=wrong)
        == f"There is nothing with the id {wrong}. Use search to find ids, such as task:42."
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("zzzz -milk", set[str]()),
        ("zzzz bread -milk", {"Bake bread"}),
        ('"buy milk" nothing', {"Buy milk and bread"}),
        ('"buy bread" nothing', set[str]()),
        ("nothing -zzzz milk or", {"Buy milk and bread", "Drink the milk"}),
        ('nothing "drink', {"Drink the milk"}),
        ("it's a milk-man", {"Buy milk and bread", "Drink the milk"}),
        ('"buy milk" or ann', {"Buy milk and bread", "Call Ann"}),
    ],
)
async def test_any_word_search_keeps_phrases_and_exclusions(alice: Person, query: str, found: set[str]):
    for title in ("Buy milk and bread", "Drink the milk", "Bake bread", "Call Ann"):
        await alice.call("add_task", title=title)
    assert {row["title"] for row in (await alice.call("search", query=query))["results"]} == found


@pytest.mark.parametrize("title", ["a \u0301 b", "\U0010a55a \u0300", "\u0640 \u05b0 x"])
async def test_words_of_accents_alone_are_stored(alice: Person, title: str):
    task = await alice.call("add_task", title=f"{title} Letter")
    found = await alice.call("search", query="letter")
    assert [result["id"] for result in found["results"]] == [f"task:{task['id']}"]
    conversation = (await alice.call("start_conversation", messages=[{"role": "user", "content": title}]))["id"]
    shown = await alice.call("get_conversation", conversation_id=conversation)
    assert shown["messages"][0]["content"] == title


async def test_results_name_the_pages_of_a_known_dashboard(alice: Person):
    settings = alice.settings.model_copy(update={"issuer": "https://tasks.example/"})
    reader = replace(alice, settings=settings)
    task = (await alice.call("add_task", title="The blue tin"))["id"]
    messages = [{"role": "user", "content": "hello"}, {"role": "user", "content": "In the blue tin"}]
    chat = (await alice.call("start_conversation", title="The shed", messages=messages))["id"]
    page, talk = f"https://tasks.example/tasks/{task}", f"https://tasks.example/conversations/{chat}"
    results = (await reader.call("search", query="tin"))["results"]
    assert [found["url"] for found in results] == [page, talk, f"{talk}?at=2"]
    for found in results:
        assert (await reader.call("fetch", id=found["id"]))["url"] == found["url"]
    async with reader.client() as client:
        assert "https://tasks.example/tasks/ID" in (client.instructions or "")
    async with alice.client() as client:
        assert "/tasks/ID" not in (client.instructions or "")
