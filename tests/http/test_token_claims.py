"""Claims of accepted tokens: the caller and client they give, and optional claims (J45)."""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_server.identity.callers import Caller, Callers
from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.identity.tokens import Verifier
from tests.conftest import Cluster, Person
from tests.support.processes import run_in_process
from tests.support.token_factory import (
    ADDRESS,
    ENDPOINTS,
    ISSUER,
    Endpoint,
    GuardedApp,
    claims,
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


def audience(endpoint: Endpoint) -> str:
    return f"{ADDRESS}/{'mcp' if endpoint == 'mcp' else 'api'}"


async def test_caller_is_built_from_the_claims(app: GuardedApp):
    about = {
        "email": "a@example.com",
        "email_verified": True,
        "name": "Ann Ö",
        "zoneinfo": "Europe/Berlin",
        "azp": "cursor",
    }
    token = sign(header(), claims(exp=(exp := int(time.time()) + 600), scope="mcp:read openid", **about))
    assert (await app.send_token(token)).status == 200
    assert app.callers[-1] == Caller(
        user_id="alice",
        email="a@example.com",
        name="Ann Ö",
        timezone="Europe/Berlin",
        oauth_scopes=frozenset({"mcp:read", "openid"}),
        client="cursor",
        expires_at=exp,
        audience="mcp",
        issuer=ISSUER,
        client_key=hashlib.sha256(b"cursor").hexdigest()[:32],
    )


RENEWED: dict[str, tuple[dict[str, object], dict[str, object], bool]] = {
    "an OAuth client renews its token": ({"client_id": "c", "jti": "1"}, {"client_id": "c", "jti": "2"}, True),
    "it signs in again": ({"client_id": "c", "sid": "1"}, {"client_id": "c", "sid": "2"}, True),
    "another OAuth client": ({"client_id": "c"}, {"client_id": "d"}, False),
    "an issuer that says azp": ({"azp": "c", "jti": "1"}, {"azp": "c", "jti": "2"}, True),
    "a page of the dashboard renews its token": ({"sid": "1", "jti": "1"}, {"sid": "1", "jti": "2"}, True),
    "another browser": ({"sid": "1"}, {"sid": "2"}, False),
    "an issuer that names no client": ({"jti": "1"}, {"jti": "2"}, True),
    "names that are no text": ({"client_id": 1, "sid": ["1"]}, {"client_id": 2}, True),
}


@pytest.mark.parametrize(("before", "after", "same"), RENEWED.values(), ids=RENEWED)
async def test_client_key_survives_token_renewal(
    app: GuardedApp, before: dict[str, object], after: dict[str, object], same: bool
):
    app.callers.clear()
    for about in (before, after):
        assert (await app.send_token(sign(header(), claims(**about)))).status == 200
    first, second = app.callers
    assert (first.client_key == second.client_key) is same


async def test_each_local_issuer_token_is_its_own_client(tmp_path: Path):
    known = settings_for(tmp_path)
    verifier, issuer = Verifier(known), LocalIssuer(known)
    first, second = [await verifier.verify(issuer.mint("alice"), "mcp") for _ in range(2)]
    assert first.client == second.client == "taskdeck"
    assert first.client_key != second.client_key


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b", "x" * 321, "", 7, None, ["a"], {"a": 1}])
async def test_invalid_optional_claims_are_ignored(app: GuardedApp, value: object):
    odd = dict.fromkeys(["email", "email_verified", "name", "zoneinfo", "client_id", "azp", "sid", "jti"], value)
    assert (await app.send_token(sign(header(), claims(**odd)))).status == 200
    caller = app.callers[-1]
    assert (caller.email, caller.name, caller.timezone, caller.client) == (None,) * 4


@pytest.mark.parametrize(
    ("email", "name", "kept"),
    [
        ("a@b", "x", ("a@b", "x")),
        ("é@", "\U0001f600" * 200, (None, "\U0001f600" * 200)),
        ("a" * 320, "x" * 201, ("a" * 320, None)),
        ("a" * 321, "", (None, None)),
    ],
)
async def test_unstorable_name_or_email_is_ignored(
    app: GuardedApp, person: Callable[[str], Person], email: str, name: str, kept: tuple[str | None, str | None]
):
    assert (await app.send_token(sign(header(), claims(email=email, email_verified=True, name=name)))).status == 200
    caller = app.callers[-1]
    assert (caller.email, caller.name) == kept
    user = person("odd")
    await Callers(user.database).scope(replace(caller, user_id=user.user_id))


@pytest.mark.parametrize("verified", [False, None, "true", 1, "missing"])
async def test_unverified_email_does_not_count(
    app: GuardedApp, person: Callable[[str], Person], cluster: Cluster, verified: object
):
    about = {"email": f"{secrets.token_hex(4)}@example.com", "email_verified": verified}
    if verified == "missing":
        del about["email_verified"]
    assert (await app.send_token(sign(header(), claims(**about)))).status == 200
    caller = app.callers[-1]
    assert caller.email is None
    user = person("unverified")
    await Callers(user.database).scope(replace(caller, user_id=user.user_id))
    connection = await asyncpg.connect(cluster.address("tests"))
    stored = await connection.fetchrow("SELECT id, email FROM users WHERE id = $1", user.user_id)
    await connection.close()
    assert stored is not None
    assert tuple(stored) == (user.user_id, None)


async def test_local_issuer_vouches_for_the_email_it_is_given(tmp_path: Path):
    known = settings_for(tmp_path)
    token = LocalIssuer(known).mint("alice", email="alice@example.com")
    assert (await Verifier(known).verify(token, "mcp")).email == "alice@example.com"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--name", "x" * 201, "name: 1 to 200 characters"),
        ("--name", "", "name: 1 to 200 characters"),
        ("--email", "a@", "email: 3 to 320 characters"),
        ("--email", "a\nb@c", "email: 3 to 320 characters"),
    ],
)
def test_token_command_rejects_claims_that_would_be_ignored(option: str, value: str, message: str, tmp_path: Path):
    ended = run_in_process("token", "--user", "alice", option, value, data_dir=tmp_path, TASKDECK_PORT="8000")
    assert (ended.status, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith(f"taskdeck: {message}")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "UTC\0", "+02:00"])
async def test_unknown_time_zone_is_ignored(app: GuardedApp, zone: str):
    assert (await app.send_token(sign(header(), claims(zoneinfo=zone)))).status == 200
    assert app.callers[-1].timezone is None


@pytest.mark.parametrize("scope", [None, "", "mcp:*", "*", "MCP:READ", "mcp:read,mcp:write", "mcp:readmcp:write"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_token_without_the_scope_gets_403_that_names_it(
    app: GuardedApp, endpoint: Endpoint, scope: str | None
):  # J45
    without = ("scope",) if scope is None else ()
    token_claims = claims(*without, aud=audience(endpoint), **({} if scope is None else {"scope": scope}))
    answer = await app.send_token(sign(header(), token_claims), endpoint)
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.challenge
    assert 'scope="mcp:read"' in answer.challenge


PERIOD = st.floats(allow_nan=False) | st.integers()


JSON = st.recursive(st.none() | st.booleans() | PERIOD | st.text(), lambda inner: st.lists(inner, max_size=3))


NAMES = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "scope",
    "email",
    "email_verified",
    "name",
    "zoneinfo",
    "client_id",
    "azp",
    "sid",
    "jti",
]


RELAXED = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RELAXED
@given(changes=st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=4))
async def test_no_claims_cause_a_server_error(app: GuardedApp, changes: dict[str, Any]):
    token_claims = json.dumps(claims(**changes)).encode()
    assert (await app.send_token(sign(header(), token_claims))).status in (200, 401, 403)
