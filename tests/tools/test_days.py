"""Days are in the person's time zone, in every number, list and filter. Tests set the clock: the search path has a
function `now` before PostgreSQL's own."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from storage.engine.database import Database
from tests.conftest import Cluster, Person, RequestUrl, introduce
from tests.support.consent import agreed
from tests.support.postgres import Connection

CLOCK = """
CREATE SCHEMA clock;
GRANT USAGE ON SCHEMA clock TO PUBLIC;
CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql RETURN pg_catalog.now();
ALTER DATABASE days SET search_path = clock, public, pg_catalog;
ALTER TABLE tasks ALTER created_at SET DEFAULT clock.now();
"""


@dataclass(frozen=True)
class Clock:
    """The current time of PostgreSQL."""

    connection: Connection

    async def set(self, moment: str) -> None:
        await self.connection.execute(
            "CREATE OR REPLACE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql "
            f"RETURN '{moment}'::timestamptz"
        )


@pytest.fixture(scope="module")
async def database(cluster: Cluster, request_url: RequestUrl) -> AsyncGenerator[Database]:
    """A database whose clock can be set."""
    url = await cluster.create("days", "blank")
    administrator = await asyncpg.connect(cluster.address("days"))
    await administrator.execute(CLOCK)
    await administrator.close()
    async with Database.open(request_url(url)) as opened:
        yield opened
    await cluster.drop("days")


@pytest.fixture
async def clock(cluster: Cluster, database: Database) -> AsyncGenerator[Clock]:
    connection = await asyncpg.connect(cluster.address("days"))
    yield Clock(connection)
    await connection.close()


InZone = Callable[[str], Awaitable[Person]]


@pytest.fixture
def in_zone(person: Callable[[str], Person]) -> InZone:
    """Make a person who has set a time zone."""

    async def make(zone: str) -> Person:
        user = await introduce(person("zoe"))
        await user.call("set_timezone", timezone=zone)
        return user

    return make


async def titles(user: Person, **wanted: Any) -> list[str]:
    return [task["title"] for task in (await user.call("list_tasks", **wanted))["tasks"]]


async def urgency(user: Person) -> tuple[int, int]:
    """How many tasks are overdue, and how many due today."""
    reply = await user.call("get_statistics")
    return reply["overdue_tasks"], reply["due_today_tasks"]


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("UTC", "2026-03-01T23:59:59Z", "2026-03-01"),
        ("UTC", "2026-03-02T00:00:00Z", "2026-03-02"),
        ("Asia/Tokyo", "2026-03-01T14:59:59Z", "2026-03-01"),
        ("Asia/Tokyo", "2026-03-01T15:00:00Z", "2026-03-02"),
        ("Pacific/Kiritimati", "2026-03-01T09:59:59Z", "2026-03-01"),
        ("Pacific/Kiritimati", "2026-03-01T10:00:00Z", "2026-03-02"),
        ("America/Los_Angeles", "2026-03-02T07:59:59Z", "2026-03-01"),
        ("America/Los_Angeles", "2026-03-02T08:00:00Z", "2026-03-02"),
        ("Pacific/Pago_Pago", "2026-03-02T10:59:59Z", "2026-03-01"),
        ("Pacific/Pago_Pago", "2026-03-02T11:00:00Z", "2026-03-02"),
        ("Asia/Kathmandu", "2026-03-01T18:14:59Z", "2026-03-01"),
        ("Asia/Kathmandu", "2026-03-01T18:15:00Z", "2026-03-02"),
        # The day of a clock change: 23 hours in Berlin, 24.5 on Lord Howe, and none begins at midnight in Beirut.
        ("Europe/Berlin", "2026-03-29T21:59:59Z", "2026-03-29"),
        ("Europe/Berlin", "2026-03-29T22:00:00Z", "2026-03-30"),
        ("Australia/Lord_Howe", "2026-04-05T13:29:59Z", "2026-04-05"),
        ("Australia/Lord_Howe", "2026-04-05T13:30:00Z", "2026-04-06"),
        ("Asia/Beirut", "2026-03-28T21:59:59Z", "2026-03-28"),
        ("Asia/Beirut", "2026-03-28T22:00:00Z", "2026-03-29"),
        # The clock goes back from 01:00 to 00:00: that hour comes twice, and is of the same day both times.
        ("America/Havana", "2026-11-01T04:00:00Z", "2026-11-01"),
        ("America/Havana", "2026-11-01T05:00:00Z", "2026-11-01"),
        ("America/Havana", "2026-11-01T03:59:59Z", "2026-10-31"),
    ],
)
async def test_trend_ends_with_the_persons_current_day(
    clock: Clock, in_zone: InZone, zone: str, moment: str, day: str
) -> None:
    user = await in_zone(zone)
    await clock.set(moment)
    task = await user.call("add_task", title="x")
    await user.call("complete_task", task_id=task["id"])
    trend = (await user.call("get_statistics", days=2))["trend"]
    assert trend[1] == {"date": day, "created": 1, "completed": 1}
    assert (trend[0]["created"], trend[0]["completed"]) == (0, 0)


async def test_completion_just_before_midnight_counts_for_yesterday(clock: Clock, in_zone: InZone) -> None:
    people = {zone: await in_zone(zone) for zone in ("Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles")}
    for moment in ("2026-03-01T09:30:00Z", "2026-03-01T10:30:00Z", "2026-03-01T15:30:00Z", "2026-03-02T08:30:00Z"):
        await clock.set(moment)
        for user in people.values():
            task = await user.call("add_task", title=moment)
            await user.call("complete_task", task_id=task["id"])
    expected = {
        "Asia/Tokyo": [("2026-02-28", 0), ("2026-03-01", 2), ("2026-03-02", 2)],
        "Pacific/Kiritimati": [("2026-02-28", 0), ("2026-03-01", 1), ("2026-03-02", 3)],
        "America/Los_Angeles": [("2026-02-28", 0), ("2026-03-01", 3), ("2026-03-02", 1)],
    }
    for zone, user in people.items():
        trend = (await user.call("get_statistics", days=3))["trend"]
        assert [(day["date"], day["created"]) for day in trend] == expected[zone], zone
        assert [(day["date"], day["completed"]) for day in trend] == expected[zone], zone


@pytest.mark.parametrize("days", [1, 2, 366])
@pytest.mark.parametrize(("zone", "start"), [("Pacific/Kiritimati", "T10:00:00Z"), ("Pacific/Pago_Pago", "T11:00:00Z")])
async def test_first_day_of_a_trend_is_complete(
    clock: Clock, in_zone: InZone, zone: str, start: str, days: int
) -> None:
    """Counts start at the first moment of the first day, in the zones farthest from UTC."""
    user = await in_zone(zone)
    await clock.set("2025-03-01" + start)
    await user.call("add_task", title="first moment")
    today = {1: "2025-03-01", 2: "2025-03-02", 366: "2026-03-01"}[days]
    await clock.set(today + start.replace("00:00", "59:59"))
    trend = (await user.call("get_statistics", days=days))["trend"]
    assert (len(trend), trend[0]["created"]) == (days, 1)


@pytest.mark.parametrize(
    ("zone", "moment", "counted"),
    [
        # due 2026-03-01 and at 2026-03-01T23:30 there; then the first is late, then both are
        ("Asia/Tokyo", "2026-02-28T14:59:00Z", (0, 0)),
        ("Asia/Tokyo", "2026-02-28T15:01:00Z", (0, 2)),
        ("Asia/Tokyo", "2026-03-01T14:31:00Z", (1, 2)),
        ("Asia/Tokyo", "2026-03-01T15:01:00Z", (2, 0)),
        ("Pacific/Kiritimati", "2026-02-28T09:59:00Z", (0, 0)),
        ("Pacific/Kiritimati", "2026-02-28T10:01:00Z", (0, 2)),
        ("Pacific/Kiritimati", "2026-03-01T09:31:00Z", (1, 2)),
        ("Pacific/Kiritimati", "2026-03-01T10:01:00Z", (2, 0)),
        ("America/Los_Angeles", "2026-03-01T07:59:00Z", (0, 0)),
        ("America/Los_Angeles", "2026-03-01T08:01:00Z", (0, 2)),
        ("America/Los_Angeles", "2026-03-02T07:31:00Z", (1, 2)),
        ("America/Los_Angeles", "2026-03-02T08:01:00Z", (2, 0)),
        ("Pacific/Pago_Pago", "2026-03-02T10:59:00Z", (1, 2)),
        ("Pacific/Pago_Pago", "2026-03-02T11:01:00Z", (2, 0)),
    ],
)
async def test_overdue_and_due_today_change_at_the_persons_midnight(
    clock: Clock, in_zone: InZone, zone: str, moment: str, counted: tuple[int, int]
) -> None:
    offset = {"Asia/Tokyo": "+09:00", "Pacific/Kiritimati": "+14:00", "America/Los_Angeles": "-08:00"}.get(
        zone, "-11:00"
    )
    user = await in_zone(zone)
    await user.call("add_task", title="day", due="2026-03-01")
    await user.call("add_task", title="evening", due=f"2026-03-01T23:30:00{offset}")
    await user.call("add_task", title="undated")
    await clock.set(moment)
    assert await urgency(user) == counted


async def test_long_overdue_counts_and_far_future_does_not(clock: Clock, in_zone: InZone) -> None:
    user = await in_zone("Asia/Tokyo")
    for due in ("0001-01-01", "2026-02-27", "2026-03-03", "9999-12-31", "9999-12-31T23:59:59Z"):
        await user.call("add_task", title=due, due=due)
    await clock.set("2026-03-01T12:00:00Z")
    assert await urgency(user) == (2, 0)


async def test_shared_date_is_the_same_for_everybody(clock: Clock, in_zone: InZone) -> None:
    tokyo, los_angeles = await in_zone("Asia/Tokyo"), await in_zone("America/Los_Angeles")
    team = (await tokyo.call("create_team", name="Ocean"))["id"]
    await agreed(tokyo, "add_team_member", los_angeles, team_id=team)
    await tokyo.call("add_task", title="x", due="2026-03-01", team_id=team)
    await clock.set("2026-03-01T16:00:00Z")  # the 2nd in Tokyo
    numbers = [await p.call("get_statistics", team_id=team, days=1) for p in (tokyo, los_angeles)]
    assert [(n["overdue_tasks"], n["due_today_tasks"], n["trend"][0]["date"]) for n in numbers] == [
        (1, 0, "2026-03-02"),
        (0, 1, "2026-03-01"),
    ]


DUE = {
    "28th": "2026-02-28",
    "1st": "2026-03-01",
    "1st 00:00": "2026-03-01T00:00:00{}",
    "1st 23:59": "2026-03-01T23:59:00{}",
    "2nd": "2026-03-02",
    "2nd 00:00": "2026-03-02T00:00:00{}",
    "2nd noon": "2026-03-02T12:00:00{}",
}


@pytest.mark.parametrize(
    ("zone", "offset"),
    [
        ("UTC", "+00:00"),
        ("Asia/Tokyo", "+09:00"),
        ("Pacific/Kiritimati", "+14:00"),
        ("America/Los_Angeles", "-08:00"),
        ("Asia/Kolkata", "+05:30"),
    ],
)
async def test_date_filters_use_the_persons_days(in_zone: InZone, zone: str, offset: str) -> None:
    user = await in_zone(zone)
    for title, due in DUE.items():
        await user.call("add_task", title=title, due=due.format(offset))
    await user.call("add_task", title="undated")
    in_order = ["28th", "1st", "1st 00:00", "1st 23:59", "2nd", "2nd 00:00", "2nd noon", "undated"]
    assert await titles(user, sort="due") == in_order
    assert await titles(user, sort="due", due_before="2026-03-01") == in_order[:1]
    assert await titles(user, sort="due", due_before="2026-03-02") == in_order[:4]
    assert await titles(user, sort="due", due_after="2026-03-01") == in_order[1:7]
    assert await titles(user, sort="due", due_after="2026-03-02") == in_order[4:7]
    assert await titles(user, sort="due", due_after="2026-03-01", due_before="2026-03-02") == in_order[1:4]
    at = f"2026-03-01T23:59:00{offset}"
    assert await titles(user, sort="due", due_before=at) == in_order[:3]
    assert await titles(user, sort="due", due_after=at) == in_order[3:7]
    page = await user.call("list_tasks", sort="due", due_before="2026-03-02", limit=2)
    assert page["total_count"] == 4
    again = {"sort": "due", "due_before": "2026-03-02", "limit": 2, "cursor": page["next_cursor"]}
    assert await titles(user, **again) == ["1st 00:00", "1st 23:59"]


async def test_moment_in_a_repeated_hour_filters_as_a_moment(in_zone: InZone) -> None:
    """Berlin's clock shows 02:30 twice on 2026-10-25, an hour apart."""
    user = await in_zone("Europe/Berlin")
    for title, due in (("first", "2026-10-25T02:30:00+02:00"), ("second", "2026-10-25T02:30:00+01:00")):
        await user.call("add_task", title=title, due=due)
    assert await titles(user, due_before="2026-10-25T02:45:00+02:00") == ["first"]
    assert await titles(user, due_after="2026-10-25T02:15:00+01:00") == ["second"]


async def test_first_representable_date_can_be_listed_in_every_zone(in_zone: InZone) -> None:
    user = await in_zone("Asia/Tokyo")
    for due in ("9999-12-31", "0001-01-01"):
        await user.call("add_task", title=due, due=due)
    first = await user.call("list_tasks", sort="due", limit=1)
    assert [task["title"] for task in first["tasks"]] == ["0001-01-01"]
    assert await titles(user, sort="due", limit=1, cursor=first["next_cursor"]) == ["9999-12-31"]


async def test_days_follow_a_change_of_time_zone(clock: Clock, in_zone: InZone) -> None:
    user = await in_zone("Asia/Tokyo")
    await clock.set("2026-03-01T16:00:00Z")
    await user.call("add_task", title="x", due="2026-03-01")
    assert await urgency(user) == (1, 0)
    await user.call("set_timezone", timezone="Europe/Berlin")
    assert await urgency(user) == (0, 1)
    assert (await user.call("get_statistics", days=1))["trend"][0]["date"] == "2026-03-01"
