"""What one address can make the dashboard do: sizes, rates, and the number of registered clients."""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.support.browser import Taskdeck
from tests.support.oauth_account import REDIRECT_URI, OAuthAccount

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)

LIMIT = 65_536
MINIMAL = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "none"}


@pytest.fixture
async def ada(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[OAuthAccount]:
    async with OAuthAccount.signed_up(taskdeck, f"ada-{secrets.token_hex(4)}@example.com") as account:
        yield account


@pytest.fixture
async def http(taskdeck: Taskdeck, fresh_limits: None) -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http:
        yield http


async def exchange_raw(taskdeck: Taskdeck, head: str, body: bytes = b"") -> str:
    """Send a request as it is and return the response until the server closes the connection."""
    address = urlsplit(taskdeck.dashboard)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        async with asyncio.timeout(20):
            # A refused upgrade keeps its connection open.
            answer = await (reader.readline() if "Upgrade" in head else reader.read())
    finally:
        writer.close()
    return answer.decode()


def head_of(taskdeck: Taskdeck, method: str, path: str, *headers: str) -> str:
    host = taskdeck.dashboard.removeprefix("http://")
    return "\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", *headers])


PATHS = ("/api/auth/oauth2/register", "/api/auth/sign-up/email", "/api/auth/made-up", "/sign-in", "/made-up")


@pytest.mark.parametrize("path", [*PATHS, "/api/dashboard/statistics"])
async def test_long_body_is_refused_unread(taskdeck: Taskdeck, path: str):
    """The body is announced and never sent, so an answer shows that nobody waits for it."""
    answer = await exchange_raw(taskdeck, head_of(taskdeck, "POST", path, "Content-Length: 10000000"))
    assert answer.startswith("HTTP/1.1 413 ")
    assert "content_too_large" in answer


async def test_body_of_64_kib_is_read(http: httpx2.AsyncClient):
    metadata = MINIMAL | {"padding": ""}
    metadata["padding"] = "x" * (LIMIT - len(json.dumps(metadata)))
    headers = {"content-type": "application/json"}
    body = json.dumps(metadata)
    assert len(body) == LIMIT
    response = await http.post("/api/auth/oauth2/register", content=body, headers=headers)
    assert response.status_code == 201, response.text
    response = await http.post("/api/auth/oauth2/register", content=body + " ", headers=headers)
    assert response.status_code == 413


async def test_chunked_body_is_read_up_to_the_limit(taskdeck: Taskdeck, fresh_limits: None):
    head = head_of(taskdeck, "POST", PATHS[0], "Transfer-Encoding: chunked", "Connection: close")

    def chunk(part: bytes) -> bytes:
        return f"{len(part):x}\r\n".encode() + part + b"\r\n"

    short = json.dumps(MINIMAL).encode()
    answer = await exchange_raw(taskdeck, head, chunk(short[:10]) + chunk(short[10:]) + b"0\r\n\r\n")
    assert answer.startswith("HTTP/1.1 201 ")
    answer = await exchange_raw(taskdeck, head, chunk(b"x" * 40_000) + chunk(b"x" * 40_000))
    assert answer.startswith("HTTP/1.1 413 ")


async def test_made_up_paths_count_together(http: httpx2.AsyncClient):
    responses = [await http.post(f"/api/auth/{secrets.token_hex(4)}", json={}) for _ in range(101)]
    assert [response.status_code for response in responses] == [404] * 100 + [429]
    assert 1 <= int(responses[-1].headers["retry-after"]) <= 10
    assert (await http.get("/api/auth/get-session")).status_code == 429


async def test_clients_that_share_an_address_can_register_and_renew(ada: OAuthAccount):
    """Hosted clients register and renew for many users from a few addresses."""
    clients = [await ada.register() for _ in range(30)]
    tokens = await ada.connect(clients[-1])
    full = """UPDATE auth."rateLimit" SET count = 1000000, "lastRequest" = 2000000000000 WHERE key LIKE $1"""
    for key in ("all|%", "127.0.0.1|%"):
        await ada.taskdeck.sql(full, key)
    await ada.taskdeck.sql(
        """INSERT INTO auth."rateLimit" VALUES ('1', 'failed-token|127.0.0.1', 1000000, 2000000000000)"""
    )
    assert (await ada.refresh(clients[-1], tokens["refresh_token"])).status_code == 200
    refused = await ada.refresh(clients[-1], "made-up")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


async def test_lengths_of_a_registration_are_limited(http: httpx2.AsyncClient):
    long = {
        "client_name": "n" * 10_000,
        "client_uri": f"https://client.example/{'u' * 3_000}",
        "logo_uri": f"https://client.example/{'u' * 3_000}",
        "contacts": ["a" * 300, *(f"{n}@example.com" for n in range(9))],
        "software_id": "s" * 201,
        "software_version": "s" * 201,
        "redirect_uris": [REDIRECT_URI, f"https://client.example/{'u' * 3_000}"],
    }
    answer = (await http.post("/api/auth/oauth2/register", json=MINIMAL | long)).json()
    assert answer["client_name"] == "n" * 59 + "…"
    assert answer["redirect_uris"] == [REDIRECT_URI]
    assert answer["contacts"] == [f"{n}@example.com" for n in range(5)]
    assert {"client_uri", "logo_uri", "software_id", "software_version"} & set(answer) == set()
    many = [f"https://client.example/{n}" for n in range(21)]
    refused = await http.post("/api/auth/oauth2/register", json=MINIMAL | {"redirect_uris": many})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_redirect_uri")
    assert "at most 20" in refused.json()["error_description"]


@pytest.mark.parametrize("field", ["email", "password", "name"])
async def test_lengths_of_a_sign_up_are_limited(http: httpx2.AsyncClient, field: str):
    account = {"email": "ada@example.com", "password": "correct horse battery", "name": "Ada"}
    account[field] = "x" * 300 + account[field]
    refused = await http.post("/api/auth/sign-up/email", json=account)
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_SIGN_UP")


AGE = """
UPDATE auth."oauthClient"
SET "createdAt" = "createdAt" - interval '25 hours', "updatedAt" = "updatedAt" - interval '25 hours'
WHERE "clientId" = ANY ($1)
"""


async def test_registrations_that_nobody_used_end_after_a_day(ada: OAuthAccount):
    unused, used, disconnected, young = [await ada.register() for _ in range(4)]
    for client in (used, disconnected):
        await ada.connect(client)
    await ada.taskdeck.sql('DELETE FROM auth."oauthRefreshToken" WHERE "clientId" = $1', disconnected)
    await ada.taskdeck.sql('DELETE FROM auth."oauthConsent" WHERE "clientId" = $1', disconnected)
    await ada.taskdeck.sql(AGE, [unused, used, disconnected])
    await ada.register()
    kept = await ada.taskdeck.sql('SELECT "clientId" FROM auth."oauthClient"')
    assert {unused, used, disconnected, young} & {row["clientId"] for row in kept} == {used, disconnected, young}


FLOOD = """
INSERT INTO auth."oauthClient" (id, "clientId", "redirectUris", "createdAt", "updatedAt")
SELECT 'flood-' || n, 'flood-' || n, '[]', now(), now() FROM generate_series(1, 10000) n
"""


AGE_FLOOD = """
UPDATE auth."oauthClient" SET "createdAt" = t, "updatedAt" = t FROM (SELECT now() - interval '11 minutes' t)
WHERE "clientId" LIKE 'flood-%'
"""


async def test_number_of_unused_registrations_is_limited(http: httpx2.AsyncClient, taskdeck: Taskdeck):
    try:
        await taskdeck.sql(FLOOD)
        refused = await http.post("/api/auth/oauth2/register", json=MINIMAL)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "600")
        assert refused.json()["error"] == "temporarily_unavailable"
        await taskdeck.sql(AGE_FLOOD)
        assert (await http.post("/api/auth/oauth2/register", json=MINIMAL)).status_code == 201
        left = await taskdeck.sql("""SELECT count(*) FROM auth."oauthClient" WHERE "updatedAt" = "createdAt" """)
        assert left[0]["count"] == 10_000
    finally:
        await taskdeck.sql("""DELETE FROM auth."oauthClient" WHERE "clientId" LIKE 'flood-%'""")


@pytest.mark.parametrize("path", ["/", "/sign-in", "/icon.svg", "/api/auth/get-session", "/api/dashboard/statistics"])
async def test_other_host_names_are_refused(http: httpx2.AsyncClient, path: str):
    for host in ("evil.example", "127.0.0.1", "127.0.0.1.evil.example", ""):
        refused = await http.get(path, headers={"host": host})
        assert refused.status_code == 421, host
        assert refused.json()["error"] == "misdirected_request"


async def test_both_names_of_this_machine_are_answered(http: httpx2.AsyncClient, taskdeck: Taskdeck):
    port = urlsplit(taskdeck.dashboard).port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"LOCALHOST:{port}"):
        assert (await http.get("/sign-in", headers={"host": host})).status_code == 200
    assert (await http.get("/api/auth/jwks", headers={"host": "dashboard:3000"})).status_code == 200


async def test_socket_under_another_host_name_is_refused(taskdeck: Taskdeck):
    upgrade = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    head = "\n".join(["GET /api/ws HTTP/1.1", "Host: evil.example", *upgrade, key])
    assert "101 Switching" not in await exchange_raw(taskdeck, head)


async def test_tokens_are_not_cached(ada: OAuthAccount):
    for path in ("token", "get-session"):
        assert (await ada.http.get(f"/api/auth/{path}")).headers["cache-control"] == "no-store"
