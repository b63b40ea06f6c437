"""A person's time zone: its sources, their precedence, and spelling."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from mcp_server.identity.callers import Callers
from storage.people.timezones import spellings
from tests.conftest import Person


@pytest.fixture
async def zoe(person: Callable[[str], Person]) -> Person:
    """A new user whose token names no time zone."""
    return replace(person("zoe"), timezone=None)


async def arrive(person: Person, token: str | None, server: str | None = None) -> str | None:
    """The time zone after a first request with a token that names one, to a server with a TASKDECK_TIMEZONE."""
    await Callers(person.database, server).scope(replace(person.caller, timezone=token))
    return (await person.call("whoami")).get("timezone")


async def shows(person: Person, zone: str) -> None:
    """Check that the person's clock and days are those of a time zone."""
    reply = await person.call("whoami")
    now = datetime.fromisoformat(reply["now"])
    assert (reply["timezone"], now.utcoffset()) == (zone, datetime.now(ZoneInfo(zone)).utcoffset())
    days = {(await person.call("get_statistics", days=1))["trend"][0]["date"]}
    assert days & {datetime.now(ZoneInfo(zone)).date().isoformat(), now.date().isoformat()}


async def test_set_time_zone_is_returned_and_used_for_days(alice: Person) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"):  # 25 hours apart: never the same day
        reply = await alice.call("set_timezone", timezone=zone)
        assert reply["timezone"] == zone
        assert datetime.fromisoformat(reply["now"]).utcoffset() == ZoneInfo(zone).utcoffset(datetime.now())
        await shows(alice, zone)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("europe/berlin", "Europe/Berlin"),
        (" America/New York ", "America/New_York"),
        ("utc", "UTC"),
        ("Asia/Calcutta", "Asia/Calcutta"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Etc/GMT+12", "Etc/GMT+12"),
    ],
)
async def test_time_zone_name_ignores_case_and_spaces(alice: Person, value: str, meant: str) -> None:
    assert (await alice.call("set_timezone", timezone=value))["timezone"] == meant
    assert (await alice.call("whoami"))["timezone"] == meant


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("Berlin", "Did you mean Europe/Berlin?"),
        ("Europe/Berln", "Did you mean Europe/Berlin?"),
        ("new york", "Did you mean America/New_York?"),
        *((zone, "or UTC.") for zone in ("Mars/Olympus", "CEST", "+02:00", "GMT+2", "UTC+2", "PST", "Factory")),
        ("posix/Europe/Berlin", "Did you mean Europe/Berlin?"),
        *((zone, "or UTC.") for zone in ("../../etc/passwd", "Europe", "localtime", "x" * 64)),
    ],
)
async def test_unknown_time_zone_is_rejected_with_a_suggestion(alice: Person, value: str, hint: str) -> None:
    sentence = await alice.refusal("set_timezone", timezone=value)
    assert sentence.startswith("timezone must be an IANA time zone such as Europe/Berlin, America/New_York or UTC.")
    assert sentence.endswith(hint)
    advised = sentence.rpartition(" ")[2].rstrip("?.")
    assert (await alice.call("set_timezone", timezone=advised))["timezone"] == advised


async def test_chosen_time_zone_overrides_token_and_server(zoe: Person) -> None:
    assert await arrive(zoe, None) is None
    assert await arrive(zoe, None, "Asia/Tokyo") == "Asia/Tokyo"
    assert await arrive(zoe, None, "Asia/Seoul") == "Asia/Seoul"
    assert await arrive(zoe, "Europe/Berlin", "Asia/Tokyo") == "Europe/Berlin"
    assert await arrive(zoe, "Europe/Paris") == "Europe/Paris"
    assert await arrive(zoe, None) == "Europe/Paris"
    await zoe.call("set_timezone", timezone="America/New_York")
    for token, server in (("Europe/Berlin", None), ("Asia/Tokyo", "Asia/Seoul"), (None, "Asia/Seoul")):
        assert await arrive(zoe, token, server) == "America/New_York"
    await shows(zoe, "America/New_York")


async def test_days_are_in_utc_without_a_time_zone(zoe: Person) -> None:
    assert "timezone" not in (reply := await zoe.call("whoami"))
    assert reply["now"].endswith("+00:00")
    today = (await zoe.call("get_statistics", days=1))["trend"][0]["date"]
    assert today in {reply["now"][:10], datetime.now(ZoneInfo("UTC")).date().isoformat()}


async def test_setting_a_time_zone_requires_a_write_token(alice: Person) -> None:
    reader = replace(alice, scopes=frozenset({"mcp:read"}))
    assert "mcp:write" in await reader.refusal("set_timezone", timezone="Asia/Tokyo")
    assert (await alice.call("whoami"))["timezone"] == "UTC"


async def test_time_zones_of_other_users_stay(alice: Person, bob: Person) -> None:
    await alice.call("set_timezone", timezone="Asia/Tokyo")
    assert (await bob.call("whoami"))["timezone"] == "UTC"


async def test_time_zone_aliases_are_stored_canonically_if_necessary(direct_url: str) -> None:
    assert spellings("Asia/Calcutta") == ["Asia/Calcutta", "Asia/Kolkata"]
    connection = await asyncpg.connect(direct_url)
    for names, known in (
        (["Asia/Calcutta", "Asia/Kolkata"], "Asia/Calcutta"),
        (["Asia/Not_Yet_Known", "Asia/Kolkata"], "Asia/Kolkata"),
        (["Asia/Not_Yet_Known"], None),
        ([], None),
    ):
        assert await connection.fetchval("SELECT known_timezone($1)", names) == known
    await connection.close()


async def test_subscribers_are_notified_when_days_change(alice: Person, direct_url: str) -> None:
    received: asyncio.Queue[object] = asyncio.Queue()
    connection = await asyncpg.connect(direct_url)
    await connection.add_listener("taskdeck", lambda _connection, _pid, _channel, value: received.put_nowait(value))
    for zone in ("UTC", "Asia/Tokyo", "Asia/Seoul"):  # the first is as before: no news
        await alice.call("set_timezone", timezone=zone)
    await connection.fetchval("SELECT pg_notify('taskdeck', 'end')")
    announced: list[object] = []
    while (value := await asyncio.wait_for(received.get(), 20)) != "end":
        announced.append(value)
    assert announced.count(f'{{"type" : "access", "users" : ["{alice.user_id}"]}}') == 2
    await connection.close()


async def test_plan_includes_tasks_due_before_the_persons_midnight(alice: Person) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        await alice.call("set_timezone", timezone=zone)
        now = datetime.now(ZoneInfo(zone))
        today, tomorrow = now.date(), now.date() + timedelta(days=1)
        for day in (today, tomorrow):
            await alice.call("add_task", title=f"{zone} {day}", due=day.isoformat(), tags=[zone])
        async with alice.client() as client:
            message = (await client.get_prompt("plan_my_day", {"tag": zone})).messages[0]
        text = message.content.model_dump()["text"]
        assert f"{now:%A, %Y-%m-%d}" in text
        assert "1 due until today; 2 open in all" in text
