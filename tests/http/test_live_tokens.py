"""Renewal of the token of a live socket."""

import pytest

from mcp_server.api import live_socket
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import running_server


async def test_renewal_with_a_shorter_token_closes_the_socket_at_its_expiry(
    alice: Person, settings: Settings, database_url: str, direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 3600.0)  # so that only the expiry closes the socket
    async with running_server(settings, database_url, direct_url) as server, server.socket(alice.user_id) as listener:
        await listener.send(type="authenticate", token=server.token(alice.user_id, ttl=1))
        assert await listener.receive() == {"type": "ready"}
        assert await listener.wait_closed() == (4401, "The token has expired")
