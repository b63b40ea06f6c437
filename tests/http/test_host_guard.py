"""Checks of the Host and Origin headers, without a network."""

from pathlib import Path
from typing import Any

import pytest

from mcp_server.http.host_guard import HostGuard
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ISSUER,
    GuardedApp,
    send_request,
    settings_for,
)


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    return GuardedApp(Verifier(settings_for(tmp_path)))


HOSTS = {
    "127.0.0.1:8000": 200,
    "localhost:8000": 200,
    "LOCALHOST:8000": 200,
    "[::1]:8000": 200,
    "127.0.0.1": 421,
    "localhost": 421,
    "127.0.0.1:8001": 421,
    "localhost.:8000": 421,
    "127.0.0.1:8000.evil.example": 421,
    "localhost.evil.example:8000": 421,
    "evil.example": 421,
    "[::2]:8000": 421,
    "": 421,
}


ORIGINS = {
    "http://127.0.0.1:8000": 200,
    "http://localhost:8000": 200,
    "http://127.0.0.1:3000": 200,
    "http://localhost:3000": 200,
    "https://app.example": 200,
    "null": 403,
    "": 403,
    "http://localhost": 403,
    "https://localhost:8000": 403,
    "http://localhost:8000/": 403,
    "http://localhost:8000.evil.example": 403,
    "http://localhost.evil.example": 403,
    "https://app.example.evil.example": 403,
    "https://app.example:8443": 403,
    "http://evil.example": 403,
    "file://": 403,
}


def guarded(app: GuardedApp, **changes: Any) -> HostGuard:
    known = settings_for(app.verifier.settings.data_dir, allowed_origins="https://app.example", **changes)
    return HostGuard(app.application, known, "http://127.0.0.1:3000")


def ok(kind: str, status: int) -> int:
    return 101 if kind == "websocket" and status == 200 else status


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", HOSTS)
async def test_only_the_servers_own_host_names_are_accepted(app: GuardedApp, kind: str, host: str):  # S7
    answer = await send_request(guarded(app), ("host", host), kind=kind, path="/anything")
    assert answer.status == ok(kind, HOSTS[host])
    assert len(app.callers) == (HOSTS[host] == 200)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("origin", ORIGINS)
async def test_only_allowed_origins_are_accepted(app: GuardedApp, kind: str, origin: str):  # S7
    answer = await send_request(guarded(app), ("origin", origin), kind=kind, path="/anything")
    assert answer.status == ok(kind, ORIGINS[origin])
    assert len(app.callers) == (ORIGINS[origin] == 200)


async def test_repeated_host_or_origin_header_is_rejected(app: GuardedApp):
    host, origin = ("host", "localhost:8000"), ("origin", "http://localhost:8000")
    assert (await send_request(guarded(app), host, host)).status == 421
    assert (await send_request(guarded(app), host, origin, origin)).status == 403


@pytest.mark.parametrize(
    ("public", "hosts"),
    [
        ("https://tasks.example", {"tasks.example": 200, "tasks.example:443": 200, "tasks.example:80": 421}),
        ("http://tasks.example/", {"tasks.example": 200, "tasks.example:80": 200, "tasks.example:443": 421}),
        ("https://tasks.example:8443", {"tasks.example:8443": 200, "tasks.example": 421}),
        ("https://tasks.example", {"localhost:8000": 200, "0.0.0.0:8000": 421}),
    ],
)
async def test_public_server_accepts_only_its_public_host_name(app: GuardedApp, public: str, hosts: dict[str, int]):
    remote = {"host": "0.0.0.0", "issuer": ISSUER, "jwks_url": f"{ISSUER}/jwks", "public_url": public}
    for host, status in hosts.items():
        assert (await send_request(guarded(app, **remote), ("host", host))).status == status
    origin = ("origin", "http://localhost:8000")
    name = ("host", next(iter(hosts)))
    assert (await send_request(guarded(app, **remote), name, origin)).status == 403
