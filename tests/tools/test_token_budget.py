"""Replies of default length cost at most 4,000 tokens for any text; further pages have the rest."""

import base64
import random
from typing import Any

import pytest
from mcp.types import TextContent

from tests.conftest import Person
from tests.support.consent import agreed
from tests.tools.test_surface import tokens

MOST = 4000
DICE = random.Random(7)
TEXTS = {
    "English": "Prepare the quarterly report for the customer, and ask Ann about the missing figures. ",
    "Finnish": "Suunnitelmallisuudesta keskusteleminen edellyttää valmisteluasiakirjojen yhteensovittamista. ",
    "Russian": "Подготовить квартальный отчёт для заказчика и уточнить недостающие цифры. ",
    "Chinese": "下周五之前完成项目设计文档并提交给客户审核有问题请及时联系项目经理",
    "rare ideographs": "".join(chr(DICE.randint(0x4E00, 0x9FFF)) for _ in range(200)),
    "emoji": "".join(chr(DICE.randint(0x1F300, 0x1F64F)) for _ in range(100)),
    "families": "👩\u200d👩\u200d👧\u200d👦",
    "hex": DICE.randbytes(120).hex(),
    "base64": base64.b64encode(DICE.randbytes(150)).decode(),
    "quotes": '"\\\n' * 50,
}
LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "list_tasks": ("tasks", {}),
    "list_tasks in full": ("tasks", {"detail": "full"}),
    "list_changes": ("changes", {}),
    "list_conversations": ("conversations", {}),
    "search_messages": ("matches", {"query": "needle"}),
}


def fitted(text: str, length: int) -> str:
    """`length` characters of a repeated text."""
    return (text * length)[:length]


async def ask(person: Person, tool: str, **arguments: Any) -> tuple[int, dict[str, Any]]:
    """Call a tool; return the tokens of the reply text and the structured result."""
    result = await person.ask(tool, **arguments)
    (content,) = result.content
    assert isinstance(content, TextContent)
    assert not result.is_error, content.text
    assert result.structured_content is not None
    return tokens(content.text), result.structured_content


async def fill(person: Person, text: str) -> None:
    """Add 25 tasks and 25 conversations with long texts that contain the word needle."""
    task = {"title": f"needle {fitted(text, 490)}", "description": fitted(text, 1000), "tags": [fitted(text, 49)]}
    await person.call("add_tasks", tasks=[task] * 25)
    message = {"role": "user", "content": f"needle {fitted(text, 3000)}"}
    for _ in range(25):
        await person.call("start_conversation", title=f"needle {fitted(text, 190)}", messages=[message])


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_list_is_truncated_and_pages_lose_nothing(alice: Person, text: str) -> None:
    await fill(alice, text)
    for name, (rows, wanted) in LISTS.items():
        tool, found, page = name.partition(" ")[0], list[Any](), dict[str, Any]({"next_cursor": None})
        while "next_cursor" in page:
            following = {"cursor": page["next_cursor"]} if found else {}
            cost, page = await ask(alice, tool, **wanted, **following)
            assert cost <= MOST, name
            found += page[rows]
        keys = [str(row.get("id", row.get("conversation_id", row.get("task_id")))) for row in found]
        assert len(set(keys)) == len(keys) == 25, name
    cost, page = await ask(alice, "search", query="needle")
    assert cost <= MOST
    assert [row["id"].partition(":")[0] for row in page["results"][:20]] == ["task"] * 10 + ["conversation"] * 10


async def test_short_list_comes_in_one_page(alice: Person) -> None:
    await alice.call("add_tasks", tasks=[{"title": "Call Ann about the report", "tags": ["work"]}] * 21)
    assert len((await alice.call("list_tasks"))["tasks"]) == 20


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_conversation_is_read_within_its_token_budget(alice: Person, text: str) -> None:
    message = {"role": "assistant", "content": fitted(text, 300), "model": fitted(text, 200)}
    calls = [{"name": "x", "arguments": {"n": [1, 2, 3], "t": fitted(text, 100)}}]
    chat = await alice.call("start_conversation", messages=[message, message | {"tool_calls": calls}] * 40)
    for most in (1500, 4000, 20_000):
        cost, page = await ask(alice, "get_conversation", conversation_id=chat["id"], limit=100, max_tokens=most)
        assert cost <= most
        assert page["has_more"] == (len(page["messages"]) < 80)
        assert [m["sequence"] for m in page["messages"]] == list(range(81 - len(page["messages"]), 81))


async def test_single_oversized_row_is_returned(alice: Person) -> None:
    await alice.call("add_tasks", tasks=[{"title": "x", "description": "0" * 16384}] * 2)
    page = await alice.call("list_tasks", detail="full")
    assert (len(page["tasks"]), page["total_count"]) == (1, 2)
    long = {"role": "user", "content": "0" * 65536}
    chat = await alice.call("start_conversation", messages=[long] * 2)
    page = await alice.call("get_conversation", conversation_id=chat["id"], max_tokens=100)
    assert ([m["sequence"] for m in page["messages"]], page["has_more"]) == ([2], True)


async def test_omitted_teams_are_counted(alice: Person, bob: Person) -> None:
    async def make(count: int, name: str) -> dict[str, Any]:
        for number in range(count):
            team = await alice.call("create_team", name=f"{number} {name}")
            await agreed(alice, "add_team_member", bob, team_id=team["id"])
        cost, page = await ask(alice, "list_teams")
        assert cost <= MOST
        return page

    page = await make(5, "Crew")
    assert [len(team["members"]) for team in page["teams"]] == [2] * 5
    assert not any("more_members" in team for team in page["teams"])
    page = await make(35, "Crew")
    assert [len(team["members"]) + team.get("more_members", 0) for team in page["teams"]] == [2] * 40
    assert sum(team.get("more_members", 0) for team in page["teams"]) > 0
    page = await make(30, fitted(TEXTS["emoji"], 90))
    assert len(page["teams"]) + page["more_teams"] == 70
