"""The caller of a stdio server, from its environment."""

import math
from pathlib import Path

import pytest

from mcp_server.http.authentication import caller_of_environment
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import SettingsError
from tests.support.token_factory import (
    ISSUER,
    claims,
    header,
    running_key_server,
    settings_for,
    sign,
)


async def test_stdio_caller_comes_from_the_token_in_the_environment(tmp_path: Path):
    token = LocalIssuer(settings_for(tmp_path)).mint("alice")
    known = settings_for(tmp_path, token=token, DATABASE_URL="postgresql://db.example/x")
    assert (await caller_of_environment(Verifier(known))).user_id == "alice"


async def test_stdio_without_a_token_is_the_local_user_of_the_embedded_database(tmp_path: Path):
    caller = await caller_of_environment(Verifier(settings_for(tmp_path)))
    assert (caller.user_id, caller.expires_at) == ("local", math.inf)
    assert caller.oauth_scopes == {"mcp:read", "mcp:write"}


@pytest.mark.parametrize("token", ["bad", "tdp_" + "a" * 40, "api"])
async def test_stdio_with_a_bad_token_is_an_error(tmp_path: Path, token: str):
    made = LocalIssuer(settings_for(tmp_path)).mint("alice", audience="api")
    known = settings_for(tmp_path, token=made if token == "api" else token)
    with pytest.raises(SettingsError, match="TASKDECK_TOKEN: "):
        await caller_of_environment(Verifier(known))


async def test_stdio_with_a_remote_database_requires_a_token(tmp_path: Path):
    known = settings_for(tmp_path, DATABASE_URL="postgresql://db.example/x")
    with pytest.raises(SettingsError, match="TASKDECK_TOKEN is required"):
        await caller_of_environment(Verifier(known))


async def test_stdio_reports_keys_that_cannot_be_fetched(tmp_path: Path):
    async with running_key_server(status="500 No") as key_server:
        known = settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url, token=sign(header(), claims()))
        with pytest.raises(SettingsError, match="TASKDECK_TOKEN cannot be checked"):
            await caller_of_environment(Verifier(known))
