"""A live socket that gets a new token."""

import pytest

from mcp_server.api import live_socket
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import standing


async def test_a_new_token_that_ends_sooner_ends_the_socket_with_it(
    alice: Person, settings: Settings, database_url: str, direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 3600.0)  # so that nothing else makes it look again
    async with standing(settings, database_url, direct_url) as house, house.socket(alice.user_id) as listener:
        await listener.say(type="authenticate", token=house.token(alice.user_id, ttl=1))
        assert await listener.hear() == {"type": "ready"}
        assert await listener.ending() == (4401, "The token has expired")
