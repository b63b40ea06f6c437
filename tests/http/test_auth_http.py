"""Authentication, Host and Origin checks, metadata and body limits, without a network."""

import asyncio
import json
import math
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
from mcp_server.http.authentication import Authentication, caller_of_environment
from mcp_server.http.host_guard import HostGuard
from mcp_server.http.mcp_requests import McpRequests
from mcp_server.http.resource_metadata import metadata_routes
from mcp_server.identity.callers import Caller
from mcp_server.identity.local_issuer import Audience, LocalIssuer
from mcp_server.identity.tokens import Verifier
from mcp_server.settings import Settings, SettingsError
from storage.schema.errors import Unavailable
from tests.support.token_factory import (
    ADDRESS,
    ENDPOINTS,
    ISSUER,
    PING,
    Answer,
    Endpoint,
    GuardedApp,
    claims,
    header,
    running_key_server,
    send_request,
    settings_for,
    sign,
)

BOTH = 'scope="mcp:read mcp:write"'


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    return GuardedApp(Verifier(settings_for(tmp_path)))


def mint(app: GuardedApp, endpoint: Endpoint = "mcp", *scopes: str) -> str:
    kind: Audience = "mcp" if endpoint == "mcp" else "api"
    issuer = LocalIssuer(app.verifier.settings)
    return issuer.mint("alice", audience=kind, scopes=scopes or ("mcp:read", "mcp:write"))


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
        ("mcp:read", b"[" * 100_000, 400),
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
    padding = b" " * (size - 1 - len(PING))
    assert (await app.send_token(mint(app), body=PING + padding)).status == 200


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


HOSTS = {
    "127.0.0.1:8000": 200,
    "localhost:8000": 200,
    "LOCALHOST:8000": 200,
    "[::1]:8000": 200,
    "127.0.0.1": 421,
    "localhost": 421,
    "127.0.0.1:8001": 421,
    "localhost.:8000": 421,
    "127.0.0.1:8000.evil.example": 421,
    "localhost.evil.example:8000": 421,
    "evil.example": 421,
    "[::2]:8000": 421,
    "": 421,
}
ORIGINS = {
    "http://127.0.0.1:8000": 200,
    "http://localhost:8000": 200,
    "http://127.0.0.1:3000": 200,
    "http://localhost:3000": 200,
    "https://app.example": 200,
    "null": 403,
    "": 403,
    "http://localhost": 403,
    "https://localhost:8000": 403,
    "http://localhost:8000/": 403,
    "http://localhost:8000.evil.example": 403,
    "http://localhost.evil.example": 403,
    "https://app.example.evil.example": 403,
    "https://app.example:8443": 403,
    "http://evil.example": 403,
    "file://": 403,
}


def guarded(app: GuardedApp, **changes: Any) -> HostGuard:
    known = settings_for(app.verifier.settings.data_dir, allowed_origins="https://app.example", **changes)
    return HostGuard(app.application, known, "http://127.0.0.1:3000")


def ok(kind: str, status: int) -> int:
    return 101 if kind == "websocket" and status == 200 else status


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", HOSTS)
async def test_only_the_servers_own_host_names_are_accepted(app: GuardedApp, kind: str, host: str):  # S7
    answer = await send_request(guarded(app), ("host", host), kind=kind, path="/anything")
    assert answer.status == ok(kind, HOSTS[host])
    assert len(app.callers) == (HOSTS[host] == 200)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("origin", ORIGINS)
async def test_only_allowed_origins_are_accepted(app: GuardedApp, kind: str, origin: str):  # S7
    answer = await send_request(guarded(app), ("origin", origin), kind=kind, path="/anything")
    assert answer.status == ok(kind, ORIGINS[origin])
    assert len(app.callers) == (ORIGINS[origin] == 200)


async def test_repeated_host_or_origin_header_is_rejected(app: GuardedApp):
    host, origin = ("host", "localhost:8000"), ("origin", "http://localhost:8000")
    assert (await send_request(guarded(app), host, host)).status == 421
    assert (await send_request(guarded(app), host, origin, origin)).status == 403


@pytest.mark.parametrize(
    ("public", "hosts"),
    [
        ("https://tasks.example", {"tasks.example": 200, "tasks.example:443": 200, "tasks.example:80": 421}),
        ("http://tasks.example/", {"tasks.example": 200, "tasks.example:80": 200, "tasks.example:443": 421}),
        ("https://tasks.example:8443", {"tasks.example:8443": 200, "tasks.example": 421}),
        ("https://tasks.example", {"localhost:8000": 200, "0.0.0.0:8000": 421}),
    ],
)
async def test_public_server_accepts_only_its_public_host_name(app: GuardedApp, public: str, hosts: dict[str, int]):
    remote = {"host": "0.0.0.0", "issuer": ISSUER, "jwks_url": f"{ISSUER}/jwks", "public_url": public}
    for host, status in hosts.items():
        assert (await send_request(guarded(app, **remote), ("host", host))).status == status
    origin = ("origin", "http://localhost:8000")
    name = ("host", next(iter(hosts)))
    assert (await send_request(guarded(app, **remote), name, origin)).status == 403


async def fetch_metadata(verifier: Verifier, path: str, *headers: tuple[str, str]) -> Answer:
    place = f"/.well-known/oauth-protected-resource{path}"
    return await send_request(Starlette(routes=list(metadata_routes(verifier))), *headers, method="GET", path=place)


@pytest.mark.parametrize(("path", "endpoint"), [("", "mcp"), ("/mcp", "mcp"), ("/api", "api")])
async def test_metadata_names_the_resource_by_an_accepted_host_name(app: GuardedApp, path: str, endpoint: str):  # S8
    expected = {"127.0.0.1:8000": ADDRESS, "localhost:8000": "http://localhost:8000"}
    expected |= dict.fromkeys(("evil.example", "localhost", "localhost:8000.evil.example"), ADDRESS)
    for host, address in expected.items():
        forged = ("x-forwarded-host", "evil.example")
        answer = await fetch_metadata(app.verifier, path, ("host", host), forged, ("forwarded", "host=evil"))
        assert answer.json() == {
            "resource": f"{address}/{endpoint}",
            "resource_name": "Taskdeck",
            "scopes_supported": ["mcp:read", "mcp:write"],
            "bearer_methods_supported": ["header"],
        }


async def test_public_server_has_no_loopback_aliases(tmp_path: Path):
    remote = {"host": "0.0.0.0", "issuer": ISSUER, "public_url": "http://localhost:8000"}
    async with running_key_server() as key_server:
        app = GuardedApp(Verifier(settings_for(tmp_path, jwks_url=key_server.url, **remote)))
        answer = await fetch_metadata(app.verifier, "/mcp", ("host", "127.0.0.1:8000"))
        assert answer.json()["resource"] == "http://localhost:8000/mcp"
        shown = [
            await app.send_token(sign(header(), claims(aud=f"http://{name}:8000/mcp")))
            for name in ("localhost", "127.0.0.1")
        ]
        assert [answer.status for answer in shown] == [200, 401]


async def test_metadata_names_one_authorization_server(tmp_path: Path):  # S3
    dashboard = Verifier(settings_for(tmp_path), "http://127.0.0.1:3000")
    answer = await fetch_metadata(dashboard, "/mcp")
    assert answer.json()["authorization_servers"] == ["http://127.0.0.1:3000"]
    known = settings_for(
        tmp_path, issuer=ISSUER, jwks_url=f"{ISSUER}/jwks", public_url="https://tasks.example", host="0.0.0.0"
    )
    answer = await fetch_metadata(Verifier(known, "http://127.0.0.1:3000"), "/mcp", ("host", "localhost:8000"))
    assert answer.json()["authorization_servers"] == [ISSUER]
    assert answer.json()["resource"] == "https://tasks.example/mcp"


async def test_challenge_links_to_metadata_at_the_requested_host(app: GuardedApp):
    for host, base in {"localhost:8000": "http://localhost:8000", "evil.example": ADDRESS}.items():
        answer = await app.send_request("mcp", ("host", host))
        assert f'resource_metadata="{base}/.well-known/oauth-protected-resource/mcp"' in answer.challenge


async def test_stdio_caller_comes_from_the_token_in_the_environment(tmp_path: Path):
    token = LocalIssuer(settings_for(tmp_path)).mint("alice")
    known = settings_for(tmp_path, token=token, DATABASE_URL="postgresql://db.example/x")
    assert (await caller_of_environment(Verifier(known))).user_id == "alice"


async def test_stdio_without_a_token_is_the_local_user_of_the_embedded_database(tmp_path: Path):
    caller = await caller_of_environment(Verifier(settings_for(tmp_path)))
    assert (caller.user_id, caller.expires_at) == ("local", math.inf)
    assert caller.scopes == {"mcp:read", "mcp:write"}


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

    mcp = server.streamable_http_app(stateless_http=True, json_response=True)
    application = Starlette(
        routes=[Route("/api/me", bridge), Mount("/", mcp)],
        middleware=[
            Middleware(HostGuard, verifier.settings),
            Middleware(Authentication, verifier),
            Middleware(McpRequests, verifier.settings, lambda tool: "mcp:write" if tool == "add_task" else "mcp:read"),
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
            reader = {"Authorization": f"Bearer {issuer.mint('alice', scopes=['mcp:read'])}"}
            accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}

            async def post(body: bytes, headers: dict[str, str]) -> httpx2.Response:
                return await client.post("/mcp", content=body, headers=accept | headers)

            seen = (await post(call("list_tasks"), reader)).json()["result"]["structuredContent"]
            assert seen == {"caller": "alice", "subject": "alice", "token": ""}
            assert (await post(call("add_task"), reader)).status_code == 403
            assert (await post(call("list_tasks"), {})).status_code == 401
            for invalid in (b"[" + call("add_task") + b"]", b"{", b"\xff", b"[" * 100_000):
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
