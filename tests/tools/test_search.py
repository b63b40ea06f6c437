"""search and fetch, in the shapes that ChatGPT connectors expect."""

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


async def test_any_word_matches_only_if_no_result_has_all_words(alice: Person):
    first, second = [await alice.call("add_task", title=title) for title in ("Renew the passport", "Renew the lease")]
    assert await ids(alice, "renew lease") == [f"task:{second['id']}"]
    assert set(await ids(alice, "when must I renew something")) == {f"task:{first['id']}", f"task:{second['id']}"}
    assert await ids(alice, "nothing like it") == []


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


@pytest.mark.parametrize(
    "wrong", ["42", "task:", "task:x", "user:1", "task:0", "task:99999999999999999999", "task:²", "task:-1"]
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
        ("it's a milk-man", set[str]()),
    ],
)
async def test_any_word_search_keeps_phrases_and_exclusions(alice: Person, query: str, found: set[str]):
    for title in ("Buy milk and bread", "Drink the milk", "Bake bread", "Call Ann"):
        await alice.call("add_task", title=title)
    assert {row["title"] for row in (await alice.call("search", query=query))["results"]} == found
