"""search_messages: what is found, in which order, with which filters, and page by page."""

import pytest

from tests.conftest import Person


def written(*texts: str, role: str = "user") -> list[dict[str, str]]:
    return [{"role": role, "content": text} for text in texts]


async def start(person: Person, *texts: str) -> int:
    return (await person.call("start_conversation", messages=written(*texts)))["id"]


async def found(person: Person, query: str, **arguments: object) -> list[str]:
    """The snippets of what a query finds."""
    return [match["snippet"] for match in (await person.call("search_messages", query=query, **arguments))["matches"]]


async def test_any_word_counts_and_rare_ones_count_more(alice: Person) -> None:
    await start(alice, *[f"The garden needs water, day {n}" for n in range(8)])
    await start(alice, "Jan said the gutter is leaking")
    await start(alice, "We bought a garden chair")
    first, *others = await found(alice, "What did Jan say about the gutter in the garden?")
    assert first == "Jan said the gutter is leaking"
    assert len(others) == 9
    assert all("garden" in snippet for snippet in others)


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Serial 7e9kq of the pump", ["7e9kq", "pumps", '"serial 7e9kq"']),
        ("Commit 4e21b3e0aa, 3e4e5 and 2nd-hand", ["4e21b3e0aa", "3e4e5", "2nd", '"2nd hand"']),
        (f"Key {'x1' * 40}  was\tdeployed,  twice", ["x1" * 40, "deploy", '"was deployed twice"']),
        ("Deploying takes long, so we deploy at night", ["deploying", '"we deploy at"', "deployed", '"long so"']),
    ],
)
async def test_each_word_of_a_text_is_found_whole(alice: Person, text: str, queries: list[str]) -> None:
    await start(alice, "The kq, b3e0aa, e5, nd, e4 and x1 of another day", text)
    for query in queries:
        assert len(await found(alice, query)) == 1, query


async def test_messages_with_more_of_the_words_come_first(alice: Person) -> None:
    await start(alice, "red", "red green blue", "unrelated", "also unrelated", "red green")
    await start(alice, "blue")
    assert (await found(alice, "red green blue"))[0] == "red green blue"


async def test_neighbours_and_the_conversation_add_to_the_score(alice: Person) -> None:
    lonely = await start(alice, "The train leaves at nine", "Good to know")
    beside = await start(alice, "When do we go to Lisbon?", "The train leaves at nine", "Thanks")
    matches = (await alice.call("search_messages", query="train to Lisbon"))["matches"]
    order = [(match["conversation_id"], match["sequence"]) for match in matches]
    assert order.index((beside, 2)) < order.index((lonely, 1))


async def test_function_words_find_nothing_beside_others_but_count_alone(alice: Person) -> None:
    await start(alice, "to be or not to be", "the boat is here")
    assert await found(alice, "where is the boat") == ["the boat is here"]
    assert await found(alice, "to be") == ["to be or not to be"]
    assert await found(alice, '"to be or not"') == ["to be or not to be"]


async def test_newest_comes_first_among_equals(alice: Person) -> None:
    chats = [await start(alice, "the quarterly report") for _ in range(3)]
    matches = (await alice.call("search_messages", query="report"))["matches"]
    assert [match["conversation_id"] for match in matches] == chats[::-1]


async def test_newest_order_finds_messages_with_all_words(alice: Person) -> None:
    await start(alice, "blue blue blue car", "a blue house", "the old car is blue now and then")
    assert await found(alice, "blue car", sort="newest") == ["the old car is blue now and then", "blue blue blue car"]
    assert await found(alice, "house or then", sort="newest") == ["the old car is blue now and then", "a blue house"]
    assert await found(alice, "blue -car", sort="newest") == ["a blue house"]


async def test_filters_narrow_what_is_found(alice: Person) -> None:
    first = await start(alice, "the blue car", "a blue car and a bike")
    await alice.call("append_messages", conversation_id=first, messages=written("your car is blue", role="assistant"))
    old = {"role": "user", "content": "an old car", "created_at": "2024-05-01T12:00:00+00:00"}
    second = (await alice.call("start_conversation", messages=[old]))["id"]
    for query, expected in {
        "car from:assistant": {"your car is blue"},
        "car -bike from:user": {"the blue car", "an old car"},
        f"car in:{second}": {"an old car"},
        f"the in:{first}": {"the blue car"},
        "car before:2024-05-02": {"an old car"},
        "car after:2024-05-01 before:2024-05-02": {"an old car"},
        "car before:2024-05-01": set[str](),
        "after:2025-01-01 -blue car": set[str](),
        '"blue car"': {"the blue car", "a blue car and a bike"},
        '"blue car" or "old car"': {"the blue car", "a blue car and a bike", "an old car"},
        '"blue car" or old': {"the blue car", "a blue car and a bike", "an old car"},
        '"blue car" or your bike': {"the blue car", "a blue car and a bike", "your car is blue"},
        'car -"blue car"': {"your car is blue", "an old car"},
        "FROM:USER old": {"an old car"},
    }.items():
        assert set(await found(alice, query)) == expected, query


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("x from:me", "from: must be one of user, assistant, system, tool, such as from:user."),
        ("x in:abc", "in: must be the id of a conversation, such as in:42. Use list_conversations to find it."),
        ("x before:soon", "before: must be a date such as 2026-03-31, or a time such as 2026-03-31T09:00."),
        ("x after:2026-02-30", "after: must be a date such as 2026-03-31, or a time such as 2026-03-31T09:00."),
        ("x in:99999999999999999999", "in: must be the id of a conversation, such as in:42. Use list_conv"),
    ],
)
async def test_filter_that_cannot_be_read_is_refused(alice: Person, query: str, sentence: str) -> None:
    assert (await alice.refusal("search_messages", query=query)).startswith(sentence)


async def test_days_of_filters_are_the_persons(alice: Person) -> None:
    await alice.call("set_timezone", timezone="Asia/Tokyo")
    late = {"role": "user", "content": "a note", "created_at": "2026-03-01T16:00:00+00:00"}
    await alice.call("start_conversation", messages=[late])
    assert await found(alice, "note after:2026-03-02") == ["a note"]
    assert await found(alice, "note before:2026-03-02") == []


@pytest.mark.parametrize("sort", ["best", "newest"])
async def test_pages_contain_each_message_once_while_others_are_added(alice: Person, sort: str) -> None:
    chats = [await start(alice, *[f"note {n} about tea" + " and more" * (n % 4) for n in range(9)]) for _ in range(4)]
    whole = (await alice.call("search_messages", query="note tea", sort=sort, limit=100, context=0))["matches"]
    assert len(whole) == 36
    paged: list[dict[str, object]] = []
    cursor = {}
    while cursor is not None:
        page = await alice.call("search_messages", query="note tea", sort=sort, limit=5, context=0, **cursor)
        paged += page["matches"]
        cursor = {"cursor": page["next_cursor"]} if "next_cursor" in page else None
        # They would rank first, change the frequency of both words and the scores of their neighbours.
        await alice.call("append_messages", conversation_id=chats[0], messages=written("note tea note", "tea"))
        await start(alice, "tea")
    assert paged == whole


async def test_cursor_of_another_search_is_refused(alice: Person) -> None:
    await start(alice, "tea", "tea", "coffee")
    cursor = (await alice.call("search_messages", query="tea", limit=1))["next_cursor"]
    for other in ({"query": "coffee"}, {"query": "tea", "sort": "newest"}):
        assert "without cursor" in await alice.refusal("search_messages", cursor=cursor, **other)


async def test_a_question_of_many_words_can_be_continued(alice: Person) -> None:
    words = [f"word{n:03}" for n in range(60)]
    await start(alice, " ".join(words), *[f"word{n:03}" for n in range(12)])
    query = " or ".join(words)[:500].rpartition(" or ")[0]
    page = await alice.call("search_messages", query=query, limit=5)
    following = await alice.call("search_messages", query=query, limit=5, cursor=page["next_cursor"])
    shown = [match["sequence"] for match in page["matches"] + following["matches"]]
    assert len(set(shown)) == 10
    assert shown[0] == 1


async def test_other_users_change_neither_results_nor_their_order(alice: Person, bob: Person) -> None:
    chat = await start(alice, "apples and pears", "apples", "bread", "pears from the market")
    before = await alice.call("search_messages", query="apples pears market")
    await start(bob, *["apples pears market" for _ in range(40)])
    await bob.call("append_messages", conversation_id=await start(bob, "pears"), messages=written(*["pears"] * 40))
    assert await alice.call("search_messages", query="apples pears market") == before
    assert {match["conversation_id"] for match in before["matches"]} == {chat}
    assert await found(bob, "bread") == []


async def test_snippet_shows_the_best_place_of_a_long_message(alice: Person) -> None:
    filler = "We talked about many other things of no importance. " * 60
    text = f"{filler}The key is blue. {filler}Anna put the spare key to the shed in a blue tin. {filler}"
    await start(alice, text)
    (snippet,) = await found(alice, "Where is the spare key of the shed?")
    assert "Anna put the spare key to the shed in a blue tin." in snippet
    assert len(snippet) <= 200
    assert snippet in " ".join(text.split())


async def test_snippet_ends_between_words_and_keeps_short_ones(alice: Person) -> None:
    text = "x " * 150 + "he is at it if we go to an inn by the sea so be it " + "y " * 150
    await start(alice, text)
    (snippet,) = await found(alice, "inn sea")
    assert "he is at it if we go to an inn by the sea so be it" in snippet
    assert f" {snippet} " in f" {text} "


async def test_snippet_of_a_text_without_spaces_shows_the_match(alice: Person) -> None:
    await start(alice, "天気がいいですね" * 100 + "鍵は引き出しの中にあります" + "天気がいいですね" * 100)
    (snippet,) = await found(alice, "引き出しの鍵")
    assert "鍵は引き出しの中にあります" in snippet
    assert len(snippet) <= 200


async def test_many_messages_are_searched_by_a_sample_of_their_words(alice: Person) -> None:
    """Above 2,000 messages, common words are estimated and only rare ones select what is scored."""
    for _ in range(22):
        await start(alice, *[f"the weather was fine on day {n} and warm" for n in range(100)])
    needle = await start(alice, "we left the umbrella in the weather station", "yes, it was raining")
    first = (await alice.call("search_messages", query="Where did we leave the umbrella in the warm weather?"))[
        "matches"
    ]
    assert (first[0]["conversation_id"], first[0]["sequence"]) == (needle, 1)
    common = await alice.call("search_messages", query="weather", limit=20)
    assert len(common["matches"]) == 20
    newest = await alice.call("search_messages", query="weather", sort="newest", limit=3)
    assert newest["matches"][0]["conversation_id"] == needle
    both = await found(alice, "warm weather from:user")
    assert all("weather" in snippet for snippet in both)
    assert await found(alice, '"umbrella in the weather"') == ["we left the umbrella in the weather station"]
    assert (await found(alice, "the and was"))[0].startswith("the weather was fine")
