"""Tasks with equal sort keys keep one order over all pages: newest first, and oldest first by due date."""

from typing import Any

import pytest

from tests.conftest import Person


@pytest.mark.parametrize("sort", ["created", "updated", "priority", "due"])
@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_tasks_with_equal_sort_keys_have_one_order_across_pages(alice: Person, sort: str, limit: int) -> None:
    rows = [{"title": f"task {number}", "priority": "high", "due": "2030-01-01"} for number in range(6)]
    added = [row["task"]["id"] for row in (await alice.call("add_tasks", tasks=rows))["results"]]
    listed: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page: dict[str, Any] = await alice.call("list_tasks", sort=sort, limit=limit, **cursor)
        listed += [task["id"] for task in page["tasks"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert added == sorted(added)
    assert listed == (added if sort == "due" else added[::-1])
