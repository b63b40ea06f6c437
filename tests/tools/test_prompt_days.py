"""plan_my_day counts tasks that are due by the end of its day."""

import re
from datetime import date, timedelta

from mcp.types import TextContent

from tests.conftest import Person


async def plan(person: Person) -> tuple[date, str]:
    """The day that the prompt names, and its count of due tasks."""
    async with person.client() as client:
        (message,) = (await client.get_prompt("plan_my_day", {})).messages
    assert isinstance(message.content, TextContent)
    found = re.search(r"It is \w+, ([\d-]+) .* (\d+ due until today)", message.content.text, re.DOTALL)
    assert found
    return date.fromisoformat(found[1]), found[2]


async def test_plan_includes_tasks_due_today_but_not_tomorrow(alice: Person) -> None:
    planned, due = await plan(alice)
    assert due == "0 due until today"
    for days in (-1, 0, 1):
        await alice.call("add_task", title=f"In {days} days", due=(planned + timedelta(days=days)).isoformat())
    today, due = await plan(alice)
    # A test that runs over midnight finds one more.
    assert due == f"{2 + (today - planned).days} due until today"
