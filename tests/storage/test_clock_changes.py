"""Recurring tasks across clock changes: what is due at 17:00 in a person's time zone stays due at 17:00."""

import pytest

from tests.conftest import Person
from tests.storage.test_due_dates import recur
from tests.support.consent import agreed


@pytest.mark.parametrize(
    ("zone", "due", "rule", "following"),
    [
        # Clocks change in Berlin on 2026-10-25 and 2027-03-28, in New York on 2026-11-01.
        (
            "Europe/Berlin",
            "2026-10-19T17:00:00+02:00",
            "FREQ=WEEKLY",
            ["2026-10-26T17:00:00+01:00", "2026-11-02T17:00:00+01:00"],
        ),
        (
            "Europe/Berlin",
            "2027-03-22T17:00:00+01:00",
            "FREQ=WEEKLY",
            ["2027-03-29T17:00:00+02:00", "2027-04-05T17:00:00+02:00"],
        ),
        (
            "America/New_York",
            "2026-10-31T17:00:00-04:00",
            "FREQ=DAILY",
            ["2026-11-01T17:00:00-05:00", "2026-11-02T17:00:00-05:00"],
        ),
        (
            "Europe/Berlin",
            "2026-09-30T17:00:00+02:00",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            ["2026-10-31T17:00:00+01:00", "2026-11-30T17:00:00+01:00"],
        ),
        # The southern hemisphere, and a clock that changes by half an hour, on 2026-10-04 and 2027-04-04.
        (
            "Australia/Sydney",
            "2026-09-28T17:00:00+10:00",
            "FREQ=WEEKLY",
            ["2026-10-05T17:00:00+11:00", "2026-10-12T17:00:00+11:00"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-09-28T17:00:00+10:30",
            "FREQ=WEEKLY",
            ["2026-10-05T17:00:00+11:00", "2026-10-12T17:00:00+11:00"],
        ),
        (
            "Australia/Lord_Howe",
            "2027-04-03T17:00:00+11:00",
            "FREQ=DAILY",
            ["2027-04-04T17:00:00+10:30", "2027-04-05T17:00:00+10:30"],
        ),
        (
            "America/Santiago",
            "2026-08-31T17:00:00-04:00",
            "FREQ=WEEKLY",
            ["2026-09-07T17:00:00-03:00", "2026-09-14T17:00:00-03:00"],
        ),
        # No clock change at all.
        (
            "Asia/Tokyo",
            "2026-10-19T17:00:00+09:00",
            "FREQ=WEEKLY",
            ["2026-10-26T17:00:00+09:00", "2026-11-02T17:00:00+09:00"],
        ),
        (
            "Asia/Kathmandu",
            "2026-10-24T17:00:00+05:45",
            "FREQ=DAILY",
            ["2026-10-25T17:00:00+05:45", "2026-10-26T17:00:00+05:45"],
        ),
        # The hour that comes twice, and the one that is left out.
        (
            "Europe/Berlin",
            "2026-10-24T02:30:00+02:00",
            "FREQ=DAILY",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        (
            "Europe/Berlin",
            "2027-03-27T02:30:00+01:00",
            "FREQ=DAILY",
            ["2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"],
        ),
        # An offset that is not the zone's stays.
        (
            "Europe/Berlin",
            "2026-10-19T15:00:00+00:00",
            "FREQ=WEEKLY",
            ["2026-10-26T15:00:00+00:00", "2026-11-02T15:00:00+00:00"],
        ),
    ],
)
async def test_recurring_task_keeps_its_local_time(
    alice: Person, zone: str, due: str, rule: str, following: list[str]
) -> None:
    await alice.call("set_timezone", timezone=zone)
    assert await recur(alice, due, rule, 2) == following


async def test_shared_task_recurs_in_its_owners_time_zone(alice: Person, bob: Person) -> None:
    await alice.call("set_timezone", timezone="Europe/Berlin")
    await bob.call("set_timezone", timezone="America/New_York")
    task = await alice.call("add_task", title="x", due="2026-10-19T17:00:00+02:00", recurrence="FREQ=WEEKLY")
    await agreed(alice, "share_task", bob, task_id=task["id"], permission="edit")
    done = await bob.call("complete_task", task_id=task["id"])
    assert done["next_occurrence"]["due"] == "2026-10-26T17:00:00+01:00"
