"""Filters by due day in the person's time zone, for tasks that are due at a moment near midnight."""

from dataclasses import replace

import pytest

from tests.conftest import Person, introduce


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"due_before": "2030-05-10"}, []),
        ({"due_before": "2030-05-11"}, ["Late on the 10th"]),
        ({"due_before": "2030-05-12"}, ["Late on the 10th", "Early on the 11th"]),
        ({"due_after": "2030-05-10"}, ["Late on the 10th", "Early on the 11th"]),
        ({"due_after": "2030-05-11"}, ["Early on the 11th"]),
        ({"due_after": "2030-05-12"}, []),
    ],
)
async def test_moment_belongs_to_the_day_of_the_person(alice: Person, wanted: dict[str, str], found: list[str]) -> None:
    berlin = await introduce(replace(alice, timezone="Europe/Berlin"))
    await berlin.call("add_task", title="Late on the 10th", due="2030-05-10T21:30:00Z")
    await berlin.call("add_task", title="Early on the 11th", due="2030-05-10T22:30:00Z")
    listed = await berlin.call("list_tasks", sort="due", **wanted)
    assert [task["title"] for task in listed["tasks"]] == found
