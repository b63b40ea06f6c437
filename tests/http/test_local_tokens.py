"""Tokens of the built-in issuer: how long they live, and which names can be shown."""

from pathlib import Path

import jwt
import pytest

from mcp_server.identity.local_issuer import LocalIssuer, displayable
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ED,
    ISSUER,
    GuardedApp,
    claims,
    header,
    running_key_server,
    settings_for,
    sign,
)


def test_token_lives_for_an_hour_unless_said_otherwise(tmp_path: Path) -> None:
    token = LocalIssuer(settings_for(tmp_path)).mint("alice")
    found = jwt.decode(token, options={"verify_signature": False})
    assert found["exp"] - found["iat"] == 3600


@pytest.mark.parametrize(
    ("value", "shown"),
    [("ab", "ab"), ("abcd", "abcd"), ("a", None), ("abcde", None), ("a\nb", None), ("a\ud800b", None), (7, None)],
)
def test_value_of_two_to_four_characters_is_shown(value: object, shown: str | None) -> None:
    assert displayable(value, 2, 4) == shown


async def test_claims_that_are_nested_too_deeply_are_refused(tmp_path: Path) -> None:
    async with running_key_server() as key_server:
        app = GuardedApp(Verifier(settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url)))
        for deep in (b"[" * 5000, b'{"sub":' * 1000):
            assert (await app.send_token(sign(header(kid="ed"), deep, ED))).status == 401
            assert (await app.send_token(sign(deep, claims(), ED))).status == 401
