"""An AI client connects as its user does it: a bare 401, sign-in, consent, and a token that is bound to this server."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider, PKCEParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from playwright.async_api import expect
from pydantic import AnyUrl

from tests.support.browser import SCOPES, Callback, Taskdeck, Visit, Visitor, agent, register, request_to
from tests.support.processes import structured

pytestmark = pytest.mark.long

pytest_plugins = ("tests.support.browser",)


@pytest.fixture(scope="module")
async def callback() -> AsyncGenerator[Callback]:
    async with Callback.listening() as here:
        yield here


@pytest.fixture(scope="module")
async def known_client(taskdeck: Taskdeck, callback: Callback) -> OAuthClientInformationFull:
    """A client that has registered once, for registrations are limited to a few in a minute."""
    return OAuthClientInformationFull.model_validate(await register(taskdeck, callback, "Test client"))


@dataclass
class Memory:
    """What a client keeps between its runs (the SDK's TokenStorage)."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info

    @property
    def access(self) -> str:
        assert self.tokens
        return self.tokens.access_token

    def claims(self) -> dict[str, Any]:
        return jwt.decode(self.access, options={"verify_signature": False})


@asynccontextmanager
async def connecting(address: str, person: Visitor, callback: Callback, memory: Memory) -> AsyncGenerator[Client]:
    """The official client at `address`, whose user signs in if asked to, and allows what it asks for."""

    async def show(url: str) -> None:
        await person.page.goto(url)
        if "/sign-in" in person.page.url:
            await person.type_credentials()
        await expect(person.page.get_by_role("heading", name="Connect Test client to your tasks?")).to_be_visible()
        await person.page.get_by_role("button", name="Allow", exact=True).click()
        await expect(person.page.get_by_text("Back again.")).to_be_visible()

    async def come_back() -> AuthorizationCodeResult:
        answer = await asyncio.wait_for(callback.answers.get(), 30)
        return AuthorizationCodeResult.model_validate({"code": ""} | answer)

    metadata = OAuthClientMetadata(
        client_name="Test client",
        redirect_uris=[AnyUrl(callback.address)],
        token_endpoint_auth_method="none",
        scope=SCOPES,
    )
    provider = OAuthClientProvider(f"{address}/mcp", metadata, memory, show, come_back)
    async with (
        httpx2.AsyncClient(auth=provider, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(f"{address}/mcp", http_client=http)) as client,
    ):
        yield client


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_client_gets_from_a_bare_401_to_a_task_on_the_dashboard(visit: Visit, callback: Callback, name: str):
    ada = await visit()
    await ada.lose_session()
    address = ada.taskdeck.mcp.replace("127.0.0.1", name)
    memory = Memory()
    async with connecting(address, ada, callback, memory) as client:
        assert (await structured(client, "whoami"))["email"] == ada.email
        await structured(client, "add_task", title="Water the plants")
    claims = memory.claims()
    assert claims["aud"] == f"{address}/mcp"
    assert claims["exp"] - claims["iat"] <= 900
    await ada.open()
    await ada.sees(total=1)
    await expect(ada.page.get_by_text("Water the plants")).to_be_visible()


async def test_client_cannot_use_scopes_that_the_user_declined(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    ada = await visit()
    tokens = await connect(ada, callback, known_client, may_write=False)
    assert "mcp:write" not in tokens["scope"].split()
    async with agent(ada.taskdeck.mcp, tokens["access_token"]) as client:
        assert (await structured(client, "list_tasks"))["total_count"] == 0
    answer = await ada.taskdeck.call_raw(tokens["access_token"], "add_task", title="Water the plants")
    assert answer.status_code == 403
    assert "insufficient_scope" in answer.headers["www-authenticate"]


async def test_denied_client_gets_no_code(visit: Visit, callback: Callback, known_client: OAuthClientInformationFull):
    ada = await visit()
    answer = await ask(ada, callback, known_client, "Don\u2019t allow")
    assert answer["error"] == "access_denied"
    assert "code" not in answer
    await ada.open("/clients")
    await expect(ada.page.get_by_text("No client is connected yet.")).to_be_visible()


async def test_consent_page_is_accessible(visit: Visit, callback: Callback, known_client: OAuthClientInformationFull):
    proof = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    for scheme in ("light", "dark"):
        ada = await visit(color_scheme=scheme, reduced_motion="reduce")
        await ada.page.goto(request_to(ada.taskdeck, callback, known_client.client_id or "", **proof))
        await expect(ada.page.get_by_label("Allow changes")).to_be_visible()
        assert await ada.violations() == []


MISLEADING = "Claude\u202e\u200b, verified by Taskdeck\n" + "\n".join(f"line {n}" for n in range(400))


async def test_consent_page_shows_where_a_code_goes_above_the_name_of_one_line(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    """The name is stored as an earlier version, or the document of a client id, had it."""
    ada = await visit(color_scheme="dark")
    rename = 'UPDATE auth."oauthClient" SET name = $1 WHERE "clientId" = $2'
    await ada.taskdeck.sql(rename, MISLEADING, known_client.client_id)
    proof = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    try:
        await ada.page.goto(request_to(ada.taskdeck, callback, known_client.client_id or "", **proof))
        heading = ada.page.get_by_role("heading", level=1)
        name = "Claude, verified by Taskdeck line 0 line 1 line 2 line 3 li…"
        await expect(heading).to_have_text(f"Connect {name} to your tasks?")
        assert len(name) == 60
        origin = ada.page.get_by_test_id("returns-to")
        await expect(origin).to_have_text("a program on this computer")
        above, below = await origin.bounding_box(), await heading.bounding_box()
        assert above
        assert below
        assert above["y"] + above["height"] <= below["y"]
        warning = ada.page.get_by_text("It can delete teams and conversations for good.")
        await expect(warning).to_be_visible()
        await ada.page.get_by_label("Allow changes").uncheck()
        await expect(warning).to_be_hidden()
    finally:
        await ada.taskdeck.sql(rename, "Test client", known_client.client_id)


async def test_consent_is_disabled_until_the_page_is_hydrated(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    """Without scripts the browser would submit the form without the authorization request."""
    ada = await visit(java_script_enabled=False)
    proof = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    await ada.page.goto(request_to(ada.taskdeck, callback, known_client.client_id or "", **proof))
    for button in ("Allow", "Don\u2019t allow"):
        await expect(ada.page.get_by_role("button", name=button, exact=True)).to_be_disabled()


async def test_tokens_are_refreshed_until_the_client_is_disconnected(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    ada, bob = await visit(), await visit("Bob")
    first, bobs = await connect(ada, callback, known_client), await connect(bob, callback, known_client)
    second = await exchange(ada.taskdeck, known_client, refresh_token=first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    async with agent(ada.taskdeck.mcp, second["access_token"]) as client:
        assert (await structured(client, "whoami"))["email"] == ada.email
    claims = jwt.decode(second["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] <= 900
    await ada.open("/clients")
    await expect(ada.page.get_by_text("May read and change")).to_be_visible()
    await ada.page.get_by_role("button", name="Disconnect Test client").click()
    await ada.page.get_by_role("alertdialog").get_by_role("button", name="Disconnect").click()
    await expect(ada.page.get_by_text("No client is connected yet.")).to_be_visible()
    refused = await exchange(ada.taskdeck, known_client, refresh_token=second["refresh_token"])
    assert refused["error"] == "invalid_grant"
    assert "access_token" in await exchange(bob.taskdeck, known_client, refresh_token=bobs["refresh_token"])


async def test_reused_refresh_token_ends_the_connection(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    ada = await visit()
    first = await connect(ada, callback, known_client)
    second = await exchange(ada.taskdeck, known_client, refresh_token=first["refresh_token"])
    # A client that lost the response may repeat the request for 30 seconds.
    again = await exchange(ada.taskdeck, known_client, refresh_token=first["refresh_token"])
    assert again["refresh_token"] == second["refresh_token"]
    later = """
    UPDATE auth."oauthRefreshToken" SET "rotationReplayExpiresAt" = "rotationReplayExpiresAt" - interval '31 seconds'
    WHERE "userId" = $1
    """
    await ada.taskdeck.sql(later, ada.user_id)
    for tokens in (first, second):
        refused = await exchange(ada.taskdeck, known_client, refresh_token=tokens["refresh_token"])
        assert refused["error"] == "invalid_grant"


async def test_token_works_only_at_its_audience(
    visit: Visit, callback: Callback, known_client: OAuthClientInformationFull
):
    ada = await visit()
    tokens = await connect(ada, callback, known_client)
    for_mcp = tokens["access_token"]
    for_api = (await (await ada.context.request.get(f"{ada.taskdeck.dashboard}/api/auth/token")).json())["token"]
    assert (await ada.taskdeck.call_raw(for_mcp, "whoami")).status_code == 200
    assert (await ada.taskdeck.call_raw(for_api, "whoami")).status_code == 401
    assert (await ada.taskdeck.statistics(for_api)).status_code == 200
    assert (await ada.taskdeck.statistics(for_mcp)).status_code == 401


async def test_authorization_requires_pkce(visit: Visit, callback: Callback, known_client: OAuthClientInformationFull):
    ada = await visit()
    await ada.page.goto(request_to(ada.taskdeck, callback, known_client.client_id or ""))
    answer = await asyncio.wait_for(callback.answers.get(), 30)
    assert answer["error"] == "invalid_request"
    answer = await ask(ada, callback, known_client, "Allow")
    stolen = await exchange(ada.taskdeck, known_client, code=answer["code"], code_verifier="0" * 43)
    assert stolen["error_description"] == "code verification failed"


async def test_unknown_client_gets_an_explanatory_page(visit: Visit, callback: Callback):
    ada = await visit()
    await ada.page.goto(
        request_to(ada.taskdeck, callback, "nobody", code_challenge="c" * 43, code_challenge_method="S256")
    )
    await expect(ada.page.get_by_role("heading", name="Taskdeck does not know this client")).to_be_visible()
    await expect(ada.page.get_by_text("connect it again")).to_be_visible()
    assert callback.answers.empty()


async def test_client_metadata_document_is_not_fetched_from_private_addresses(visit: Visit, callback: Callback):
    ada = await visit()
    async with httpx2.AsyncClient(base_url=ada.taskdeck.dashboard, trust_env=False) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["client_id_metadata_document_supported"] is True
    document = callback.address.replace("http:", "https:").replace("/callback", "/client.json")
    before = callback.requests
    challenge = {"code_challenge": "c" * 43, "code_challenge_method": "S256"}
    for name in ("127.0.0.1", socket.gethostname()):
        await ada.page.goto(request_to(ada.taskdeck, callback, document.replace("127.0.0.1", name), **challenge))
        await expect(ada.page.get_by_text("connect it again")).to_be_visible()
        assert callback.requests == before


async def ask(
    person: Visitor,
    callback: Callback,
    client: OAuthClientInformationFull,
    button: str,
    *,
    challenge: str = "c" * 43,
    may_write: bool = True,
) -> dict[str, str]:
    """Open an authorization request in a signed-in browser, answer it, and return the redirect parameters."""
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    await person.page.goto(request_to(person.taskdeck, callback, client.client_id or "", **proof))
    await person.page.get_by_label("Allow changes").set_checked(may_write)
    await person.page.get_by_role("button", name=button, exact=True).click()
    await expect(person.page.get_by_text("Back again.")).to_be_visible()
    return await asyncio.wait_for(callback.answers.get(), 30)


async def connect(
    person: Visitor, callback: Callback, client: OAuthClientInformationFull, *, may_write: bool = True
) -> dict[str, Any]:
    """Authorize a client with PKCE (RFC 7636) and return its tokens."""
    proof = PKCEParameters.generate()
    answer = await ask(person, callback, client, "Allow", challenge=proof.code_challenge, may_write=may_write)
    return await exchange(person.taskdeck, client, code=answer["code"], code_verifier=proof.code_verifier)


async def exchange(taskdeck: Taskdeck, client: OAuthClientInformationFull, **grant: str) -> dict[str, Any]:
    """The response of the token endpoint to a code or refresh token."""
    kind = "refresh_token" if "refresh_token" in grant else "authorization_code"
    form = {"grant_type": kind, "client_id": client.client_id or "", "resource": f"{taskdeck.mcp}/mcp"} | grant
    if kind == "authorization_code":
        form["redirect_uri"] = str((client.redirect_uris or [""])[0])
    async with httpx2.AsyncClient(base_url=taskdeck.dashboard, trust_env=False) as http:
        return (await http.post("/api/auth/oauth2/token", data=form)).json()
