"""Renewal and revocation of the token of a live socket."""

import pytest

from mcp_server.api import live_socket
from mcp_server.identity import tokens
from mcp_server.protocol import subscriptions
from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import Listener, personal_token, running_server


async def test_renewal_with_a_shorter_token_closes_the_socket_at_its_expiry(
    alice: Person, settings: Settings, database_url: str, direct_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 3600.0)  # so that only the expiry closes the socket
    async with running_server(settings, database_url, direct_url) as server, server.socket(alice.user_id) as listener:
        await listener.send(type="authenticate", token=server.token(alice.user_id, ttl=1))
        assert await listener.receive() == {"type": "ready"}
        assert await listener.wait_closed() == (4401, "The token has expired")


def test_revoked_tokens_are_noticed_within_thirty_seconds() -> None:
    """As docs/security.md promises: cache lifetime plus the time between two checks."""
    for module in (live_socket, subscriptions):
        assert module.RECHECK_SECONDS + tokens.PERSONAL_CACHE_SECONDS < 30


async def test_revoked_personal_token_closes_its_socket(
    settings: Settings, database_url: str, direct_url: str, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(tokens, "PERSONAL_CACHE_SECONDS", 0.05)
    async with (
        running_server(settings, database_url, direct_url) as server,
        personal_token(direct_url, alice.user_id) as (token, revoke),
        server.open_socket() as connection,
    ):
        listener = Listener(connection)
        await listener.send(type="authenticate", token=token)
        assert await listener.receive() == {"type": "ready"}
        await revoke()
        assert (await listener.wait_closed())[0] == 4401
