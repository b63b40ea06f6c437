"""How long verified tokens are cached (J46, J47), personal tokens, and which issuers are trusted."""

import hashlib
import math
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.identity.callers import Caller
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.tokens import Verifier
from tests.support.token_factory import (
    ADDRESS,
    ALL_KEYS,
    ED,
    ENDPOINTS,
    ISSUER,
    OTHER,
    Clock,
    GuardedApp,
    claims,
    encode,
    header,
    running_key_server,
    settings_for,
    sign,
)


@pytest.fixture(scope="session")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GuardedApp]:
    async with running_key_server() as key_server:
        known = settings_for(tmp_path_factory.mktemp("data"), issuer=ISSUER, jwks_url=key_server.url)
        yield GuardedApp(Verifier(known))


async def test_cached_token_expires_with_the_token(tmp_path: Path):  # J46, J47
    clock, ticks = Clock(time.time()), Clock(0)
    async with running_key_server() as key_server:
        known = settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url)
        app = GuardedApp(Verifier(known, clock=clock, ticks=ticks))
        token = sign(header(), claims(exp=int(clock.now) + 60))
        assert (await app.send_token(token)).status == 200
        forged = sign(header(), claims(exp=int(clock.now) + 60), OTHER)
        assert (await app.send_token(".".join([*token.split(".")[:2], forged.split(".")[2]]))).status == 401
        assert (await app.send_token(token, "api")).status == 401
        clock.now += 60 + 29
        assert (await app.send_token(token)).status == 200
        clock.now += 2
        assert (await app.send_token(token)).status == 401
        clock.now -= 600  # a clock set back: the token was not yet issued
        assert (await app.send_token(token)).status == 401
        clock.now += 540
        key_server.body = ALL_KEYS.replace(encode(ED.public_key().public_bytes_raw()).encode(), b"A" * 43)
        ticks.now += 301
        assert (await app.send_token(token)).status == 401
        assert key_server.fetches == 2


async def test_personal_token_works_at_every_endpoint_until_revoked(tmp_path: Path):
    clock, ticks = Clock(time.time()), Clock(0)
    owner = Caller("alice", None, None, None, frozenset({"mcp:read"}), "ci", math.inf, "mcp", "personal", "ci")
    token = "tdp_" + "a" * 40
    digest = hashlib.sha256(token.encode()).hexdigest()
    stored = {digest: owner}
    lookups: list[str] = []

    async def find(digest: str) -> Caller | None:
        lookups.append(digest)
        return stored.get(digest)

    app = GuardedApp(Verifier(settings_for(tmp_path), find_personal_token=find, clock=clock, ticks=ticks))
    assert [(await app.send_token(token, endpoint)).status for endpoint in ENDPOINTS] == [200, 200, 101]
    assert len(lookups) == 1
    assert app.callers == [replace(owner, audience=kind) for kind in ("mcp", "api", "api")]
    del stored[digest]
    ticks.now += 30
    assert [(await app.send_token(token, endpoint)).status for endpoint in ENDPOINTS] == [401, 401, 401]
    stored[digest] = replace(owner, expires_at=clock.now - 1)
    assert (await app.send_token(token)).status == 401
    assert (await app.send_token("tdp_short")).status == 401
    assert len(lookups) == 5


async def test_token_cache_is_bounded(tmp_path: Path):
    owner = Caller("alice", None, None, None, frozenset({"mcp:read"}), "ci", math.inf, "mcp", "personal", "ci")
    lookups: list[str] = []

    async def find(digest: str) -> Caller:
        lookups.append(digest)
        return owner

    app = GuardedApp(Verifier(settings_for(tmp_path), find_personal_token=find))
    for number in [*range(1025), 1024, 0]:
        assert (await app.send_token(f"tdp_{number:040}")).status == 200
    assert len(lookups) == 1026


async def test_local_issuer_and_dashboard_are_trusted_together(tmp_path: Path):
    async with running_key_server() as key_server:
        dashboard = key_server.url.removesuffix("/jwks")
        app = GuardedApp(Verifier(settings_for(tmp_path), dashboard))
        theirs = sign(header(), claims(iss=dashboard))
        ours = LocalIssuer(settings_for(tmp_path)).mint("bob")
        assert [(await app.send_token(token)).status for token in (theirs, ours)] == [200, 200]
        assert [caller.user_id for caller in app.callers] == ["alice", "bob"]
        swapped = sign(header(), claims(iss=f"{ADDRESS}/local"))
        assert (await app.send_token(swapped)).status == 401


async def test_configured_issuer_is_trusted_alone(tmp_path: Path):
    local = LocalIssuer(settings_for(tmp_path)).mint("alice")
    async with running_key_server() as key_server:
        known = settings_for(tmp_path, issuer=ISSUER, jwks_url=key_server.url)
        app = GuardedApp(Verifier(known, "http://127.0.0.1:3000"))
        dashboard = sign(header(), claims(iss="http://127.0.0.1:3000"))
        assert [(await app.send_token(token)).status for token in (local, dashboard)] == [401, 401]
        assert key_server.fetches == 0
