"""What a person sets on the dashboard: the route that reads and writes it, and what it changes at every other door."""

from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import RunningServer, standing

SETTINGS = "/api/dashboard/settings"
FAR_APART = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
"""25 hours apart: never the same day."""


@pytest.fixture(scope="module")
async def house(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("house")
    settings = Settings.model_validate({"data_dir": folder, "allowed_origins": "https://board.example"})
    async with standing(settings, database_url, direct_url) as built:
        yield built


async def test_a_time_zone_set_here_holds_at_every_door(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        for zone in FAR_APART:
            told = await client.put(SETTINGS, params={"timezone": zone.lower()})
            assert (told.status_code, told.json()) == (200, {"timezone": zone})
            assert (await client.get(SETTINGS)).json() == {"timezone": zone}
            assert (await alice.call("whoami"))["timezone"] == zone
            before = datetime.now(ZoneInfo(zone)).date()
            days = [
                (await client.get("/api/dashboard/trend", params={"days": 1})).json()["days"][0]["date"],
                (await alice.call("get_statistics", days=1))["trend"][0]["date"],
            ]
            assert set(days) <= {before.isoformat(), datetime.now(ZoneInfo(zone)).date().isoformat()}


async def test_open_pages_are_told_to_read_again(house: RunningServer, alice: Person) -> None:
    async with house.socket(alice.user_id) as listener, house.client(alice.user_id) as client:
        assert (await client.put(SETTINGS, params={"timezone": "Asia/Tokyo"})).status_code == 200
        assert await listener.hear() == {"type": "resync"}


async def test_nothing_is_set_by_a_token_that_may_only_read(house: RunningServer, alice: Person) -> None:
    token = house.token(alice.user_id, scopes=["mcp:read"])
    async with house.client(authorization=f"Bearer {token}") as client:
        refused = await client.put(SETTINGS, params={"timezone": "Asia/Tokyo"})
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert 'scope="mcp:read mcp:write"' in refused.headers["www-authenticate"]
        assert (await client.get(SETTINGS)).json() == {"timezone": "UTC"}
    async with house.client() as client:
        assert (await client.put(SETTINGS, params={"timezone": "Asia/Tokyo"})).status_code == 401


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("timezone=Berlin", "timezone must be an IANA time zone such as Europe/Berlin"),
        ("timezone=", "timezone: must not be empty"),
        ("", "timezone: "),
        (f"timezone={'x' * 65}", "timezone: "),
        ("timezone=UTC&timezone=UTC", "timezone: say it once"),
        ("timezone=UTC&theme=dark", "theme: "),
    ],
)
async def test_what_cannot_be_set_is_told(house: RunningServer, alice: Person, query: str, sentence: str) -> None:
    async with house.client(alice.user_id) as client:
        refused = await client.put(f"{SETTINGS}?{query}")
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid_input")
        assert refused.json()["detail"].startswith(sentence)
        assert (await client.get(SETTINGS)).json() == {"timezone": "UTC"}


async def test_other_methods_are_told_which_there_are(house: RunningServer, alice: Person) -> None:
    async with house.client(alice.user_id) as client:
        refused = await client.request("DELETE", SETTINGS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")
    assert refused.json()["error"] == "method_not_allowed"


async def test_pages_of_configured_origins_may_set_it(house: RunningServer) -> None:
    asked = {"origin": "https://board.example", "access-control-request-method": "PUT"}
    async with house.client() as client:
        answer = await client.options(SETTINGS, headers=asked)
    assert answer.status_code == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
