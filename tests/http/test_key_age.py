"""How old the keys of an issuer may be."""

from pathlib import Path

from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ED,
    ISSUER,
    Clock,
    GuardedApp,
    claims,
    header,
    running_key_server,
    settings_for,
    sign,
)


async def test_keys_are_fetched_again_after_more_than_five_minutes(tmp_path: Path) -> None:
    async with running_key_server() as key_server:
        clock = Clock(1000.0)
        known = settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url)
        app, token = GuardedApp(Verifier(known, ticks=clock)), sign(header(kid="ed"), claims(), ED)
        fetches: list[int] = []
        for seconds in (0, 300, 1):
            clock.now += seconds
            assert (await app.send_token(token)).status == 200
            fetches.append(key_server.fetches)
        assert fetches == [1, 1, 2]
