"""Texts are found by the words in them, in any language and script and in any form, by every tool that searches."""

# ruff: noqa: RUF001 - letters that look like others are what is tested

import pytest
from mcp.types import PromptReference

from tests.conftest import Person

# A text and what somebody asks for who wants it.
WORDS = {
    "one of two words joined by a slash": ("Check the import/export settings", "export"),
    "half of a fraction of the year": ("The H1/H2 budget", "h2"),
    "a folder of a path": ("It is in docs/guides/upgrade.md", "guides"),
    "the ending of a file's name": ("Rename report.final.pdf", "pdf"),
    "the name in a file's name": ("Rename report.final.pdf", "report"),
    "the name of a framework": ("Move to vue.js next", "vue"),
    "a part of a version": ("Released as v3.14.2", "v3"),
    "the domain of an e-mail address": ("Ask carla@mail.example.org", "example.org"),
    "the person in an e-mail address": ("Ask carla@mail.example.org", "carla"),
    "the number of a compound": ("We fly with the A-380", "380"),
    "a part of an identifier": ("The field is next_review_date", "review"),
    "an address with a query": ("Read https://example.org/blog/post?id=7 today", "https://example.org/blog/post?id=7"),
    "an address with a port": ("It runs at http://127.0.0.1:8080/health", "http://127.0.0.1:8080/health"),
    "a title that is an address": ("https://example.net/wiki/Home#start", "https://example.net/wiki/Home#start"),
    "a whole title with a path": ("Fix src/db/pool.py, then /login", "Fix src/db/pool.py, then /login"),
    "a name with an apostrophe": ("We met at O’Neill’s", "O'Neill"),
    "an emoji": ("Party 🎉 on Friday", "🎉"),
    "an emoji without its skin tone": ("Great 👍🏽 work", "👍"),
    "a sign in an emoji style": ("Careful ⚠️ it is hot", "⚠"),
    "a currency": ("It costs 20 €", "€"),
    "a decomposed letter": ("The creme bru\u0302le\u0301e was good", "brûlée"),
    "a letter without its accent": ("Dinner at the Château", "chateau"),
    "an accent that was not written": ("The resume of Zoe", "Zoë"),
    "letters of full width": ("ＡＢＣ１２３ is the code", "abc123"),
    "a ligature": ("The oﬃce is closed", "office"),
    "another case": ("STRASSE und Weg", "straße"),
    # Word forms and scripts of twelve languages.
    "English": ("She was renewing two subscriptions", "renew subscription"),
    "German": ("Die Verträge sind noch nicht unterschrieben", "Vertrag"),
    "French": ("Nous avons les nouvelles chaussures dans la voiture", "chaussure"),
    "Spanish": ("Los coches están en las calles", "coche"),
    "Italian": ("Sono nella cucina con gli amici", "amico"),
    "Portuguese": ("Os carros não estão em casa", "carro"),
    "Russian": ("Мы купили новые книги в магазине", "книга"),
    "Arabic": ("اشتريت الكتاب من السوق", "كتاب"),
    "Hindi": ("मेज पर किताबें हैं", "किताब"),
    "Chinese": ("明天下午去图书馆还书", "图书馆"),
    "Chinese, one sign": ("她养了一只猫", "猫"),
    "Japanese": ("来週の金曜日に歯医者の予約がある", "歯医者"),
    "Japanese, half width": ("ﾃﾚﾋﾞを買う", "テレビ"),
    "Korean": ("내일 도서관에서 만나자", "도서관"),
    "Thai": ("พรุ่งนี้ไปหาหมอฟัน", "หมอฟัน"),
    "Lao": ("ຂ້ອຍໄປຕະຫຼາດ", "ຕະຫຼາດ"),
    "Khmer": ("ខ្ញុំទៅផ្សារ", "ផ្សារ"),
    "Burmese": ("မနက်ဖြန်ဈေးသွားမယ်", "ဈေး"),
    "Greek": ("Αγοράσαμε τα βιβλία χθες", "βιβλια"),
    "Ukrainian": ("Треба полити квіти", "квіти"),
    "Vietnamese": ("Mua sữa và trứng", "sua"),
    "Turkish": ("İstanbul için bilet", "istanbul"),
    "Hebrew with points": ("הַסֵּפֶר על השולחן", "הספר"),
}


@pytest.mark.parametrize(("text", "asked"), WORDS.values(), ids=WORDS)
async def test_text_is_found_by(alice: Person, text: str, asked: str) -> None:
    await alice.call("add_task", title="Something else entirely")
    await alice.call("start_conversation", title="Other things", messages=[{"role": "user", "content": "Nothing here"}])
    task = await alice.call("add_task", title=text)
    titled = await alice.call("start_conversation", title=text)
    chat = await alice.call("start_conversation", messages=[{"role": "user", "content": text}])
    assert [row["id"] for row in (await alice.call("list_tasks", search=asked))["tasks"]] == [task["id"]]
    listed = (await alice.call("list_conversations", search=asked))["conversations"]
    assert [row["id"] for row in listed] == [chat["id"], titled["id"]]
    matches = (await alice.call("search_messages", query=asked))["matches"]
    assert [(match["conversation_id"], match["sequence"]) for match in matches] == [(chat["id"], 1)]
    results = (await alice.call("search", query=asked))["results"]
    assert [row["id"] for row in results] == [
        f"task:{task['id']}",
        f"conversation:{chat['id']}",
        f"conversation:{titled['id']}",
        f"message:{chat['id']}:1",
    ]


async def test_tags_that_look_equal_are_one_tag(alice: Person) -> None:
    for tag in ("re\u0301union", "r\u00e9union"):
        await alice.call("add_task", title="Prepare", tags=[tag])
    for tag in ("re\u0301union", "r\u00e9union"):
        found = await alice.call("list_tasks", tag=tag)
        assert [task["tags"] for task in found["tasks"]] == [["r\u00e9union"]] * 2
    both = await alice.call("add_task", title="Prepare", tags=["re\u0301union", "r\u00e9union"])
    assert both["tags"] == ["r\u00e9union"]
    async with alice.client() as client:
        reference = PromptReference(name="plan_my_day")
        completed = await client.complete(reference, {"name": "tag", "value": "re\u0301"})
    assert completed.completion.values == ["r\u00e9union"]


async def test_a_quoted_word_is_found_in_exactly_that_form(alice: Person) -> None:
    chat = await alice.call(
        "start_conversation", messages=[{"role": "user", "content": f"two {w}"} for w in ("invoice", "invoices")]
    )
    for asked, expected in (("invoice", {1, 2}), ("invoices", {1, 2}), ('"invoice"', {1}), ('"two invoices"', {2})):
        matches = (await alice.call("search_messages", query=asked))["matches"]
        assert {match["sequence"] for match in matches} == expected
    assert chat["message_count"] == 2


@pytest.mark.parametrize(
    ("tool", "argument"),
    [("list_tasks", "search"), ("list_conversations", "search"), ("search_messages", "query"), ("search", "query")],
)
@pytest.mark.parametrize("nothing", ['"', "-", "?!…", "+ = |", "。、"])
async def test_query_with_nothing_to_search_for_is_refused(
    alice: Person, tool: str, argument: str, nothing: str
) -> None:
    assert await alice.refusal(tool, **{argument: nothing}) == (
        f"{argument} has nothing to search for: give at least one word, number or symbol such as an emoji."
    )


@pytest.mark.parametrize("query", ["from:user", "in:1", "-secret", "from:user or -x"])
async def test_query_of_filters_alone_is_refused(alice: Person, query: str) -> None:
    assert (await alice.refusal("search_messages", query=query)).startswith("Nothing in the query can be searched.")
