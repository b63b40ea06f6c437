"""Authentication of requests: where tokens may be, scopes of tools, and body limits."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from mcp_server.http import request_body
from mcp_server.http.authentication import Authentication
from mcp_server.http.host_guard import HostGuard
from mcp_server.http.mcp_requests import McpRequests
from mcp_server.identity.callers import Caller
from mcp_server.identity.local_issuer import Audience, LocalIssuer
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import Settings
from storage.schema.errors import Unavailable
from tests.support.token_factory import (
    ADDRESS,
    ENDPOINTS,
    PING,
    Answer,
    Endpoint,
    GuardedApp,
    settings_for,
)

BOTH = 'scope="mcp:read mcp:write"'


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    return GuardedApp(Verifier(settings_for(tmp_path)))


def mint(app: GuardedApp, endpoint: Endpoint = "mcp", *scopes: str) -> str:
    kind: Audience = "mcp" if endpoint == "mcp" else "api"
    issuer = LocalIssuer(app.verifier.settings)
    return issuer.mint("alice", audience=kind, oauth_scopes=scopes or ("mcp:read", "mcp:write"))


def call(tool: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).encode()


@pytest.mark.parametrize("endpoint", ["mcp", "api"])
@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("authorization", "Basic YWxpY2U6c2VjcmV0"),),
        (("authorization", "Bearer"),),
        (("authorization", "Bearer "),),
        (("cookie", "better-auth.session_token={token}; token={token}"),),
        (("x-authorization", "Bearer {token}"),),
    ],
)
async def test_missing_bearer_token_gets_a_challenge_without_an_error_code(
    app: GuardedApp, endpoint: Endpoint, headers: tuple[tuple[str, str], ...]
):  # J1, S9
    token = mint(app, endpoint)
    answer = await app.send_request(endpoint, *((name, value.format(token=token)) for name, value in headers))
    assert answer.status == 401
    metadata = f"{ADDRESS}/.well-known/oauth-protected-resource/{endpoint}"
    assert answer.challenge == f'Bearer resource_metadata="{metadata}", {BOTH}'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"error", "detail"}
    assert app.callers == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_bearer_scheme_is_case_insensitive(app: GuardedApp, endpoint: Endpoint, scheme: str):  # J1
    answer = await app.send_request(endpoint, ("authorization", f"{scheme} {mint(app, endpoint)}"))
    assert answer.status in (200, 101)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_token_is_accepted_from_one_authorization_header_only(app: GuardedApp, endpoint: Endpoint):  # S11, S12
    good = ("authorization", f"Bearer {mint(app, endpoint)}")
    bad = ("authorization", "Bearer bad")
    for headers in ((good, bad), (bad, good), (good, good)):
        assert (await app.send_request(endpoint, *headers)).status == 401
    for query in (f"access_token={mint(app, endpoint)}", "access_token=", "a=1&access%5Ftoken=x"):
        assert (await app.send_request(endpoint, query=query)).status == 401
        assert (await app.send_request(endpoint, good, query=query)).status == 401
    assert (await app.send_request(endpoint, ("authorization", f"{good[1]}, {good[1]}"))).status == 401
    assert app.callers == []


async def test_websocket_may_connect_without_a_token(app: GuardedApp):
    assert (await app.send_request("socket")).status == 101
    assert app.callers == [None]


@pytest.mark.parametrize(
    ("scopes", "body", "status"),
    [
        ("mcp:read", call("list_tasks"), 200),
        ("mcp:read", call("add_task"), 403),
        ("mcp:read mcp:write", call("add_task"), 200),
        ("mcp:write", call("add_task"), 200),
        ("mcp:write", call("list_tasks"), 403),
        ("mcp:read", call("add_task").replace(b'"name"', b'"name": "list_tasks", "name"'), 403),
        ("mcp:read", call("add_task").replace(b"tools/call", b"tools/list"), 200),
        ("mcp:read", call("add_task").replace(b'"add_task"', b"1"), 200),
        ("mcp:read", call("add_task").replace(b'"add_task"', b'["add_task"]'), 200),
        ("mcp:read", call("add_task").replace(b'{"name": "add_task"}', b'["add_task"]'), 400),
        ("mcp:read", b"[" + call("add_task") + b"]", 400),
        ("mcp:read", b"{", 400),
        ("mcp:read", b"[" * 10_000, 400),
        ("mcp:read", b"", 400),
        ("mcp:write", b"{", 400),
    ],
)
async def test_tool_calls_require_the_scope_of_the_tool(app: GuardedApp, scopes: str, body: bytes, status: int):  # S10
    answer = await app.send_token(mint(app, "mcp", *scopes.split()), body=body)
    assert answer.status == status
    if status == 403:
        needed = "mcp:read" if "mcp:write" in scopes else "mcp:write"
        assert answer.challenge.startswith('Bearer error="insufficient_scope", error_description="')
        assert needed in answer.json()["detail"]
        assert (BOTH if needed == "mcp:write" else 'scope="mcp:read"') in answer.challenge
        assert app.callers == []
    else:
        assert app.bodies == ([body] if status == 200 else [])


async def test_chunked_body_reaches_the_application_complete(app: GuardedApp):
    chunks = [PING[:9], b"", PING[9:20], PING[20:]]
    assert (await app.send_token(mint(app), body=chunks)).status == 200
    assert app.bodies == [b"".join(chunks)]


@pytest.mark.parametrize("announced", ["", str(1024 * 1024 + 1), "9" * 5000])
async def test_body_over_one_mebibyte_is_rejected(app: GuardedApp, announced: str):
    size = 1024 * 1024 + 1
    headers = [("authorization", f"Bearer {mint(app)}")]
    headers += [("content-length", announced)] if announced else []
    body = [] if announced else [b"x" * 65536] * 16 + [b"x"]
    answer = await app.send_request("mcp", *headers, body=body)
    assert (answer.status, answer.json()["error"]["code"], answer.json()["id"]) == (413, -32600, None)
    assert app.callers == []
    body = call("add_task")
    padding = b" " * (size - 1 - len(body))
    assert (await app.send_token(mint(app), body=body + padding)).status == 200


async def test_body_of_an_unauthenticated_request_is_not_read(app: GuardedApp):
    assert (await app.send_token("bad", body=[b"x" * 2_000_000])).status == 401


async def test_disconnected_client_gets_no_response(app: GuardedApp):
    answer = await app.send_token(mint(app), body=[])
    assert answer.status == 0
    assert app.callers == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_unreachable_database_is_503_not_401(tmp_path: Path, endpoint: Endpoint):
    async def find(_: str) -> Caller | None:
        raise Unavailable("The database cannot be reached", retry_after=7)

    app = GuardedApp(Verifier(settings_for(tmp_path), find_personal_token=find))
    answer = await app.send_token("tdp_" + "a" * 40, endpoint)
    assert (answer.status, answer.headers["retry-after"]) == (503, "7")
    assert answer.json().keys() == {"error", "detail"}


async def test_websocket_is_closed_if_the_server_cannot_deny_it_over_http(app: GuardedApp):
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/api/ws", "query_string": b"", "headers": [(b"authorization", b"Bearer x")]}
    await app.guarded()(scope, lambda: asyncio.sleep(0, {}), send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 4401)]


def build(verifier: Verifier) -> Starlette:
    """The SDK's server and an API route, mounted as in app.py."""
    server = MCPServer("test")

    @server.tool()
    async def list_tasks(ctx: Context) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Return the caller in each way in which a tool can learn it."""
        request, token = ctx.request_context.request, get_access_token()
        assert isinstance(request, Request)
        assert token
        return {"caller": request.scope["caller"].user_id, "subject": token.subject, "token": token.token}

    @server.tool()
    async def add_task() -> str:  # pyright: ignore[reportUnusedFunction]
        """Writes."""
        return "done"

    async def bridge(request: Request) -> JSONResponse:
        return JSONResponse({"caller": request.scope["caller"].user_id})

    def required_scope(tool: str) -> str:
        return "mcp:write" if tool == "add_task" else "mcp:read"

    async def note_refusal(caller: Caller, attempted: str) -> None:
        assert (caller.user_id, attempted) == ("alice", "add_task")

    mcp = server.streamable_http_app(stateless_http=True, json_response=True)
    application = Starlette(
        routes=[Route("/api/me", bridge), Mount("/", mcp)],
        middleware=[
            Middleware(HostGuard, verifier.settings),
            Middleware(Authentication, verifier),
            Middleware(McpRequests, verifier.settings, required_scope, (), note_refusal),
        ],
        lifespan=lambda _: server.session_manager.run(),
    )
    return application


async def test_middleware_authenticates_and_rejects_requests_on_a_running_server(tmp_path: Path):
    config = uvicorn.Config(lambda: None, port=0)
    socket = config.bind_socket()
    socket.listen()  # connections made before the server runs are accepted later
    known: Settings = settings_for(tmp_path).with_port(socket.getsockname()[1])
    issuer, verifier = LocalIssuer(known), Verifier(known)
    config = uvicorn.Config(build(verifier), log_config=None, ws="websockets-sansio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([socket]))
    try:
        async with httpx2.AsyncClient(base_url=known.address) as client:
            reader = {"Authorization": f"Bearer {issuer.mint('alice', oauth_scopes=['mcp:read'])}"}
            accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

            async def post(body: bytes, headers: dict[str, str]) -> httpx2.Response:
                return await client.post("/mcp", content=body, headers=accept | headers)

            seen = (await post(call("list_tasks"), reader)).json()["result"]["structuredContent"]
            assert seen == {"caller": "alice", "subject": "alice", "token": ""}
            assert (await post(call("add_task"), reader)).status_code == 403
            assert (await post(call("list_tasks"), {})).status_code == 401
            for invalid in (b"[" + call("add_task") + b"]", b"{", b"\xff", b"[" * 10_000):
                assert (await post(invalid, reader)).status_code == 400
            assert (await post(call("list_tasks"), reader | {"Host": "evil.example"})).status_code == 421
            assert (await client.get("/api/me", headers=reader)).status_code == 401
            mine = {"Authorization": f"Bearer {issuer.mint('alice', audience='api')}"}
            assert (await client.get("/api/me", headers=mine)).json() == {"caller": "alice"}
        url = known.address.replace("http", "ws") + "/api/ws"
        with pytest.raises(InvalidStatus) as denied:
            await connect(url, additional_headers={"Authorization": "Bearer bad"}).__aenter__()
        assert denied.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as denied:
            await connect(url, origin="https://evil.example").__aenter__()  # pyright: ignore[reportArgumentType]
        assert denied.value.response.status_code == 403
    finally:
        server.should_exit = True
        await serving


async def test_body_that_never_arrives_times_out_with_408(app: GuardedApp, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(request_body, "BODY_SECONDS", 0.05)
    answer = Answer(0, {}, b"")

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answer.status = message.get("status", answer.status)

    headers = [(b"authorization", f"Bearer {mint(app)}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    await app.guarded()(scope, receive, send)
    assert answer.status == 408
    assert app.callers == []
