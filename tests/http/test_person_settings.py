"""The dashboard's settings route, and its effect on the other interfaces."""

from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import RunningServer, running_server

SETTINGS = "/api/dashboard/settings"
FAR_APART = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
"""25 hours apart: never the same day."""


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("server")
    settings = Settings.model_validate({"data_dir": folder, "allowed_origins": "https://board.example"})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


async def test_time_zone_set_on_the_dashboard_applies_to_every_interface(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        for zone in FAR_APART:
            reply = await client.put(SETTINGS, params={"timezone": zone.lower()})
            assert (reply.status_code, reply.json()) == (200, {"timezone": zone})
            assert (await client.get(SETTINGS)).json() == {"timezone": zone}
            assert (await alice.call("whoami"))["timezone"] == zone
            before = datetime.now(ZoneInfo(zone)).date()
            days = [
                (await client.get("/api/dashboard/trend", params={"days": 1})).json()["days"][0]["date"],
                (await alice.call("get_statistics", days=1))["trend"][0]["date"],
            ]
            assert set(days) <= {before.isoformat(), datetime.now(ZoneInfo(zone)).date().isoformat()}


async def test_open_sockets_get_resync(server: RunningServer, alice: Person) -> None:
    async with server.socket(alice.user_id) as listener, server.client(alice.user_id) as client:
        assert (await client.put(SETTINGS, params={"timezone": "Asia/Tokyo"})).status_code == 200
        assert await listener.receive() == {"type": "resync"}


async def test_read_only_token_cannot_change_settings(server: RunningServer, alice: Person) -> None:
    token = server.token(alice.user_id, oauth_scopes=["mcp:read"])
    async with server.client(authorization=f"Bearer {token}") as client:
        refused = await client.put(SETTINGS, params={"timezone": "Asia/Tokyo"})
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        assert 'scope="mcp:read mcp:write"' in refused.headers["www-authenticate"]
        assert (await client.get(SETTINGS)).json() == {"timezone": "UTC"}
    async with server.client() as client:
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
async def test_invalid_settings_are_rejected_with_a_reason(
    server: RunningServer, alice: Person, query: str, sentence: str
) -> None:
    async with server.client(alice.user_id) as client:
        refused = await client.put(f"{SETTINGS}?{query}")
        assert (refused.status_code, refused.json()["error"]) == (422, "invalid_input")
        assert refused.json()["detail"].startswith(sentence)
        assert (await client.get(SETTINGS)).json() == {"timezone": "UTC"}


async def test_other_methods_get_405_with_allow(server: RunningServer, alice: Person) -> None:
    async with server.client(alice.user_id) as client:
        refused = await client.request("DELETE", SETTINGS)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, PUT")
    assert refused.json()["error"] == "method_not_allowed"


async def test_configured_origins_may_change_settings(server: RunningServer) -> None:
    asked = {"origin": "https://board.example", "access-control-request-method": "PUT"}
    async with server.client() as client:
        answer = await client.options(SETTINGS, headers=asked)
    assert answer.status_code == 200
    assert "PUT" in answer.headers["access-control-allow-methods"]
