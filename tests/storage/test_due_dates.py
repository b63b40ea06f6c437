"""The next occurrence of recurring tasks: RFC 5545 rules, through complete_task."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Person, introduce
from tests.support.consent import agreed


@pytest.fixture
async def alice(person: Callable[[str], Person]) -> Person:
    """A person in Berlin."""
    return await introduce(replace(person("alice"), timezone="Europe/Berlin"))


async def recur(person: Person, due: str, rule: str, times: int = 12) -> list[str]:
    """The due dates of the next occurrences when each is completed."""
    task: dict[str, Any] | None = await person.call("add_task", title="again", due=due, recurrence=rule)
    found: list[str] = []
    while task is not None and len(found) < times:
        task = (await person.call("complete_task", task_id=task["id"])).get("next_occurrence")
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
        ("2026-03-02", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", ["2026-03-31", "2026-04-30"]),
        ("2026-03-02", "FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", ["2026-03-13", "2026-11-13"]),
        ("2026-03-02", "FREQ=MONTHLY;BYDAY=MO,1TU", ["2026-03-03", "2026-03-09"]),
        ("2026-03-02", "FREQ=YEARLY;BYDAY=-1FR", ["2026-12-25", "2027-12-31"]),
        ("2026-03-02", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO", ["2027-01-04", "2028-01-03"]),
        ("2026-03-02", "FREQ=YEARLY;BYYEARDAY=-1,60", ["2026-12-31", "2027-03-01"]),
        ("2026-03-01", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", ["2026-03-02", "2026-03-15"]),
        ("2026-03-01", "FREQ=YEARLY;INTERVAL=1000", ["3026-03-01", "4026-03-01"]),
        ("2028-02-29", "FREQ=YEARLY;INTERVAL=400", ["2428-02-29", "2828-02-29"]),
    ],
)
async def test_date_recurs_as_a_date(alice: Person, due: str, rule: str, following: list[str]) -> None:
    assert await recur(alice, due, rule, 2) == following


async def test_count_counts_occurrences(alice: Person) -> None:
    assert await recur(alice, "2026-03-01", "FREQ=DAILY;COUNT=3") == ["2026-03-02", "2026-03-03"]
    assert await recur(alice, "2026-03-01", "FREQ=DAILY;COUNT=1") == []


async def test_rule_without_a_next_date_ends(alice: Person) -> None:
    assert await recur(alice, "2026-03-01", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30") == []
    assert await recur(alice, "9999-12-30", "FREQ=DAILY") == ["9999-12-31"]
    assert await recur(alice, "0001-02-28", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;UNTIL=00040229") == ["0004-02-29"]


async def test_until_is_the_last_day(alice: Person) -> None:
    assert await recur(alice, "2026-03-01", "FREQ=DAILY;UNTIL=20260303") == ["2026-03-02", "2026-03-03"]
    moments = await recur(alice, "2026-03-01T12:00:00Z", "FREQ=DAILY;UNTIL=20260302T120000Z")
    assert moments == ["2026-03-02T12:00:00+00:00"]


@pytest.mark.parametrize("due", ["2026-03-01T17:00:00+01:00", "2026-03-01T23:30:00-05:00", "2026-03-01T00:30:00+14:00"])
async def test_until_date_includes_the_whole_day_in_the_tasks_zone(alice: Person, due: str) -> None:
    days = [moment[:10] for moment in await recur(alice, due, "FREQ=DAILY;UNTIL=20260303")]
    assert days == ["2026-03-02", "2026-03-03"]
    by_the_clock = [moment[:10] for moment in await recur(alice, due, "FREQ=DAILY;UNTIL=20260303T120000")]
    assert by_the_clock == ["2026-03-02", "2026-03-03"][: 1 if due[11:13] > "12" else 2]


async def test_local_time_skipped_by_the_clock_returns_the_next_day(alice: Person) -> None:
    """Berlin's clocks go from 02:00+01:00 to 03:00+02:00 on 2026-03-29."""
    assert await recur(alice, "2026-03-28T02:30:00+01:00", "FREQ=DAILY;COUNT=4") == [
        "2026-03-29T03:30:00+02:00",
        "2026-03-30T02:30:00+02:00",
        "2026-03-31T02:30:00+02:00",
    ]
    skipped = await recur(alice, "2026-03-29T02:30:00+01:00", "FREQ=DAILY", 1)
    assert skipped == ["2026-03-30T02:30:00+02:00"]


async def test_rule_keeps_a_skipped_time_and_may_be_sent_again(alice: Person) -> None:
    task = await alice.call("add_task", title="x", due="2026-03-28T02:30:00+01:00", recurrence="FREQ=DAILY")
    displaced = (await alice.call("complete_task", task_id=task["id"]))["next_occurrence"]["id"]
    rule = (await alice.call("get_task", task_id=displaced))["recurrence"]
    assert rule == "FREQ=DAILY;BYHOUR=2;BYMINUTE=30"
    await alice.call("update_task", task_id=displaced, recurrence=rule, title="y")
    usual = (await alice.call("complete_task", task_id=displaced))["next_occurrence"]
    assert usual["due"] == "2026-03-30T02:30:00+02:00"
    assert (await alice.call("get_task", task_id=usual["id"]))["recurrence"] == "FREQ=DAILY"
    assert "need a due with a time" in await alice.refusal("add_task", title="x", due="2026-03-01", recurrence=rule)


async def test_five_pm_stays_five_pm_across_daylight_saving(alice: Person) -> None:
    spring = await recur(alice, "2026-03-28T17:00:00+01:00", "FREQ=DAILY", 2)
    assert spring == ["2026-03-29T17:00:00+02:00", "2026-03-30T17:00:00+02:00"]
    autumn = await recur(alice, "2026-10-24T17:00:00+02:00", "FREQ=DAILY", 1)
    assert autumn == ["2026-10-25T17:00:00+01:00"]


async def test_offset_of_another_zone_is_kept(alice: Person) -> None:
    assert await recur(alice, "2026-03-28T17:00:00-05:00", "FREQ=DAILY", 1) == ["2026-03-29T17:00:00-05:00"]


async def test_next_occurrence_copies_every_field(alice: Person, bob: Person) -> None:
    parent = (await alice.call("add_task", title="Garden"))["id"]
    fields = {"title": "Water", "description": "all", "priority": "high", "tags": ["a"], "parent_id": parent}
    task = await alice.call("add_task", **fields, due="2026-03-01", recurrence="FREQ=DAILY;COUNT=9")
    await agreed(alice, "share_task", bob, task_id=task["id"], permission="edit")
    following = (await bob.call("complete_task", task_id=task["id"]))["next_occurrence"]
    found = await alice.call("get_task", task_id=following["id"])
    assert {name: found[name] for name in fields} == fields
    assert (found["access"], found["status"], found["recurrence"]) == ("owner", "pending", "FREQ=DAILY;COUNT=8")
    assert [(share["user_id"], share["permission"]) for share in found["shares"]] == [(bob.user_id, "edit")]


async def test_updating_status_to_completed_repeats_like_complete_task(alice: Person) -> None:
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
        *("FREQ=MONTHLY;BYDAY=99MO", "FREQ=MONTHLY;BYDAY=54MO", "FREQ=MONTHLY;BYDAY=0MO", "FREQ=WEEKLY;BYDAY=1MO"),
        *("FREQ=YEARLY;BYMONTH=0;BYDAY=1MO", "FREQ=YEARLY;BYMONTH=13", "FREQ=MONTHLY;BYMONTHDAY=32"),
        *("FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=YEARLY;BYYEARDAY=-367", "FREQ=YEARLY;BYWEEKNO=54", "FREQ=DAILY;WKST=1"),
        *("FREQ=WEEKLY;BYYEARDAY=1", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYWEEKNO=1", "FREQ=DAILY;BYSETPOS=1"),
        *("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "FREQ=YEARLY;BYDAY=MO;BYSETPOS=0", "FREQ=YEARLY;BYMONTH=1;BYMONTH=2"),
        *("FREQ=DAILY;UNTIL=JAN", "FREQ=DAILY;UNTIL=2026", "FREQ=DAILY;COUNT=2;UNTIL=20260401", "FREQ=DAILY;BYMONTH="),
        *("FREQ=DAILY;FREQ=WEEKLY", "FREQ=DAILY;COUNT=1,2", "FREQ=DAILY;BYHOUR=9", "COUNT=3", "FREQ=DAILY;BYMONTH=٣"),
    ],
)
async def test_invalid_rule_is_rejected(alice: Person, rule: str) -> None:
    assert (await alice.refusal("add_task", title="x", due="2026-03-01", recurrence=rule)).startswith("recurrence")


@pytest.mark.parametrize(
    ("due", "rule"),
    [
        ("9999-12-31T23:59:59Z", "FREQ=WEEKLY"),
        ("9999-12-31T23:59:59Z", "FREQ=DAILY;INTERVAL=9999"),
        ("9999-12-31T23:59:59+14:00", "FREQ=DAILY"),
        ("2026-03-01", "FREQ=MONTHLY;BYDAY=53MO"),
        ("2026-03-01", "FREQ=DAILY;BYMONTH=4;BYSETPOS=366"),
        ("2026-03-01", "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=3"),
    ],
)
async def test_task_whose_rule_has_no_next_date_can_be_completed(alice: Person, due: str, rule: str) -> None:
    task = await alice.call("add_task", title="x", due=due, recurrence=rule)
    done = await alice.call("complete_task", task_id=task["id"])
    assert done["status"] == "completed"
    assert "next_occurrence" not in done


async def test_recurring_task_requires_a_due_date(alice: Person) -> None:
    assert "needs a due date" in await alice.refusal("add_task", title="x", recurrence="FREQ=DAILY")
    task = (await alice.call("add_task", title="x", due="2026-03-01", recurrence="FREQ=DAILY"))["id"]
    assert "clear recurrence as well" in await alice.refusal("update_task", task_id=task, clear=["due"])
    found = await alice.call("update_task", task_id=task, clear=["due", "recurrence"])
    assert "due" not in found
    assert "recurrence" not in found


async def test_offsets_are_hours_and_minutes_and_dates_have_none(alice: Person) -> None:
    assert "+01:00" in await alice.refusal("add_task", title="x", due="2026-03-01T17:00:00+01:00:30")
    for due in ("2026-03-01+01:00", "2026-03-01Z"):
        assert "+01:00Z" not in (sentence := await alice.refusal("add_task", title="x", due=due))
        assert sentence.startswith("due is not a date that can be read: write 2026-03-01")


def named(reply: dict[str, Any]) -> tuple[int, str]:
    return reply["next_occurrence"]["id"], reply["next_occurrence"]["due"]


@pytest.mark.parametrize("first", ["complete_task", "update_task"])
async def test_completing_again_names_the_same_next_occurrence(alice: Person, first: str) -> None:
    task = (await alice.call("add_task", title="x", due="2026-03-01", recurrence="FREQ=DAILY"))["id"]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("complete_task", {}),
        ("update_task", {"status": "completed"}),
        ("update_task", {"status": "completed", "title": "y"}),
    ]
    made = named(await alice.call(first, task_id=task, **({"status": "completed"} if first == "update_task" else {})))
    assert made[1] == "2026-03-02"
    for tool, fields in ways:
        assert named(await alice.call(tool, task_id=task, **fields)) == made
    assert "next_occurrence" not in await alice.call("update_task", task_id=task, title="z")
    await alice.call("update_task", task_id=task, status="in_progress")
    assert named(await alice.call("complete_task", task_id=task)) == made
    assert [found["id"] for found in (await alice.call("list_tasks"))["tasks"]] == [made[0]]


async def test_deleted_next_occurrence_is_not_created_again(alice: Person) -> None:
    task = (await alice.call("add_task", title="x", due="2026-03-01", recurrence="FREQ=DAILY"))["id"]
    following, _ = named(await alice.call("complete_task", task_id=task))
    await alice.call("delete_task", task_id=following)
    for tool, fields in (("complete_task", {}), ("update_task", {"status": "completed"})):
        assert "next_occurrence" not in await alice.call(tool, task_id=task, **fields)
    assert (await alice.call("list_tasks"))["total_count"] == 0
    assert "next_occurrence" not in await alice.call(
        "complete_task", task_id=(await alice.call("add_task", title="once"))["id"]
    )
