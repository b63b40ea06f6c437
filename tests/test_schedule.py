"""When a recurring task comes again: RFC 5545 rules, seen through complete_task."""

from typing import Any

import pytest

from tests.conftest import Person


async def course(somebody: Person, due: str, rule: str, times: int = 12) -> list[str]:
    """The due dates of what follows when each occurrence is completed."""
    task: dict[str, Any] | None = await somebody.call("add_task", title="again", due=due, recurrence=rule)
    found: list[str] = []
    while task is not None and len(found) < times:
        task = (await somebody.call("complete_task", task_id=task["id"])).get("next_occurrence")
        if task is not None:
            found.append(task["due"])
    return found


@pytest.mark.parametrize(
    ("due", "rule", "following"),
    [
        ("2026-01-31", "FREQ=MONTHLY", ["2026-03-31", "2026-05-31"]),
        ("2026-02-27", "FREQ=DAILY", ["2026-02-28", "2026-03-01"]),
        ("2026-03-02", "FREQ=WEEKLY;BYDAY=MO,TH", ["2026-03-05", "2026-03-09"]),
        ("2026-03-02", "freq=weekly;interval=2", ["2026-03-16", "2026-03-30"]),
        ("2026-03-02", "RRULE:FREQ=MONTHLY;BYDAY=1MO", ["2026-04-06", "2026-05-04"]),
        ("2024-02-29", "FREQ=YEARLY", ["2028-02-29", "2032-02-29"]),
        ("2026-01-31", "FREQ=MONTHLY;BYMONTHDAY=-1", ["2026-02-28", "2026-03-31"]),
    ],
)
async def test_a_date_comes_again_as_a_date(alice: Person, due: str, rule: str, following: list[str]) -> None:
    assert await course(alice, due, rule, 2) == following


async def test_count_counts_occurrences(alice: Person) -> None:
    assert await course(alice, "2026-03-01", "FREQ=DAILY;COUNT=3") == ["2026-03-02", "2026-03-03"]
    assert await course(alice, "2026-03-01", "FREQ=DAILY;COUNT=1") == []


async def test_a_rule_that_never_comes_ends(alice: Person) -> None:
    assert await course(alice, "2026-03-01", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30") == []
    assert await course(alice, "9999-12-30", "FREQ=DAILY") == ["9999-12-31"]
    assert await course(alice, "0001-02-28", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=00040229") == ["0004-02-29"]


async def test_until_is_the_last_day(alice: Person) -> None:
    assert await course(alice, "2026-03-01", "FREQ=DAILY;UNTIL=20260303") == ["2026-03-02", "2026-03-03"]
    moments = await course(alice, "2026-03-01T12:00:00Z", "FREQ=DAILY;UNTIL=20260302T120000Z")
    assert moments == ["2026-03-02T12:00:00+00:00"]


async def test_five_in_the_afternoon_stays_so_across_daylight_saving(alice: Person) -> None:
    spring = await course(alice, "2026-03-28T17:00:00+01:00", "FREQ=DAILY", 2)
    assert spring == ["2026-03-29T17:00:00+02:00", "2026-03-30T17:00:00+02:00"]
    autumn = await course(alice, "2026-10-24T17:00:00+02:00", "FREQ=DAILY", 1)
    assert autumn == ["2026-10-25T17:00:00+01:00"]


async def test_another_offset_than_home_stays_as_it_is(alice: Person) -> None:
    assert await course(alice, "2026-03-28T17:00:00-05:00", "FREQ=DAILY", 1) == ["2026-03-29T17:00:00-05:00"]


async def test_the_next_occurrence_takes_everything_along(alice: Person, bob: Person) -> None:
    parent = (await alice.call("add_task", title="Garden"))["id"]
    said = {"title": "Water", "description": "all", "priority": "high", "tags": ["a"], "parent_id": parent}
    task = await alice.call("add_task", **said, due="2026-03-01", recurrence="FREQ=DAILY;COUNT=9")
    await alice.call("share_task", task_id=task["id"], user=bob.email, permission="edit")
    following = (await bob.call("complete_task", task_id=task["id"]))["next_occurrence"]
    found = await alice.call("get_task", task_id=following["id"])
    assert {name: found[name] for name in said} == said
    assert (found["access"], found["status"], found["recurrence"]) == ("owner", "pending", "FREQ=DAILY;COUNT=8")
    assert [(share["user_id"], share["permission"]) for share in found["shares"]] == [(bob.user_id, "edit")]


async def test_status_completed_repeats_as_completing_does(alice: Person) -> None:
    task = await alice.call("add_task", title="x", due="2026-03-01", recurrence="FREQ=DAILY")
    await alice.call("update_task", task_id=task["id"], status="completed")
    await alice.call("update_task", task_id=task["id"], status="completed")
    assert [found["due"] for found in (await alice.call("list_tasks"))["tasks"]] == ["2026-03-02"]


@pytest.mark.parametrize(
    "rule",
    [
        *("daily", "FREQ=", "FREQ=HOURLY", "FREQ=DAILY;BYDAY=XX", "FREQ=DAILY;COUNT=x", "FREQ=DAILY;COUNT=0"),
        *(
            "FREQ=WEEKLY;INTERVAL=0",
            "FREQ=DAILY;INTERVAL=99999999999",
            "FREQ=DAILY;BYSECOND=1",
            "FREQ=DAILY\nDTSTART=1",
        ),
        *("FREQ=DAILY;UNTIL=20260230", "FREQ=DAILY;FREQ=WEEKLY;COUNT=-1", "FREQ=YEARLY;BYEASTER=1", "FREQ=DAILY;"),
    ],
)
async def test_a_rule_that_is_none_is_refused(alice: Person, rule: str) -> None:
    assert (await alice.refusal("add_task", title="x", due="2026-03-01", recurrence=rule)).startswith("recurrence")


async def test_a_recurring_task_needs_and_keeps_its_due_date(alice: Person) -> None:
    assert "needs a due date" in await alice.refusal("add_task", title="x", recurrence="FREQ=DAILY")
    task = (await alice.call("add_task", title="x", due="2026-03-01", recurrence="FREQ=DAILY"))["id"]
    assert "clear recurrence as well" in await alice.refusal("update_task", task_id=task, clear=["due"])
    found = await alice.call("update_task", task_id=task, clear=["due", "recurrence"])
    assert "due" not in found
    assert "recurrence" not in found
