"""MCP over HTTP against a real `taskdeck serve`: raw requests and the official client."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from tests.support.processes import Server, serving, structured

pytestmark = pytest.mark.long

Body = bytes | dict[str, Any] | list[Any] | None
CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "whoami", "arguments": {}},
}
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
REVISIONS = ("legacy", "2026-07-28")


@dataclass(frozen=True)
class BeforeRestart:
    """The state before the server was restarted."""

    address: str
    token: str
    secret: bytes
    task: dict[str, Any]
    conversation: dict[str, Any]


@pytest.fixture(scope="module")
async def restarted(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Server, BeforeRestart]]:
    data_dir = tmp_path_factory.mktemp("http") / "data"
    async with serving(data_dir) as server, server.client("alice") as client:
        task = await structured(client, "add_task", title="Outlive the process", idempotency_key="once")
        conversation = await structured(client, "start_conversation", messages=[{"role": "user", "content": "Hi"}])
        secret = (data_dir / "issuer.key").read_bytes()
        before = BeforeRestart(server.address, server.token("alice"), secret, task, conversation)
    port = before.address.rpartition(":")[2]
    async with serving(data_dir, TASKDECK_RATE_LIMIT="0", TASKDECK_PORT=port) as server:
        yield server, before


@pytest.fixture(scope="module")
def server(restarted: tuple[Server, BeforeRestart]) -> Server:
    return restarted[0]


def rpc(rpc_method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": rpc_method, "params": params}


def call(tool: str, arguments: str) -> bytes:
    """A tool call with arguments given as JSON text, for JSON that no library would write."""
    template = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":%s}}'
    return (template % (tool, arguments)).encode()


class RawRequest(NamedTuple):
    """A request that differs from a valid one, and the expected status and JSON-RPC code or text."""

    name: str
    status: int
    answer: int | str | None = None
    body: Body = CALL
    headers: dict[str, str | None] = {}  # noqa: RUF012 - never changed
    method: str = "POST"
    path: str = "/mcp"


def modern(rpc_method: str, name: str | None = None, **params: Any) -> dict[str, Any]:
    """Body and headers of a request of revision 2026-07-28."""
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": rpc_method}
    return {
        "body": rpc(rpc_method, _meta=META, **params),
        "headers": headers | ({"mcp-name": name} if name else {}),
    }


LISTING = modern("tools/list")
READING = modern("resources/read", "task://999999", uri="task://999999")
ANSWERS = (
    RawRequest("a good request", 200, "result"),
    RawRequest("ping", 200, "result", rpc("ping")),
    RawRequest("a notification", 202, None, {"jsonrpc": "2.0", "method": "notifications/initialized"}),
    RawRequest("a response to an unknown request", 202, None, {"jsonrpc": "2.0", "id": 1, "result": {}}),
    RawRequest("an older revision", 200, "result", headers={"mcp-protocol-version": "2025-06-18"}),
    RawRequest("an unknown session id", 200, "result", headers={"mcp-session-id": "abc"}),
    RawRequest("no body", 400, -32700, b""),
    RawRequest("invalid JSON", 400, -32700, b"{nope"),
    RawRequest("invalid UTF-8", 400, -32700, b'{"a":"\xff"}'),
    RawRequest("deep nesting", 400, -32700, b"[" * 10_000 + b"]" * 10_000),
    RawRequest("deep nesting in arguments", 400, -32700, call("whoami", '{"a":' * 5000 + "1" + "}" * 5000)),
    RawRequest("an unpaired surrogate", 400, -32700, call("add_task", '{"title":"\\ud800"}')),
    RawRequest("a number of 10,000 digits", 400, -32700, call("get_task", '{"task_id":%s}' % ("9" * 10_000))),
    RawRequest("JSON that is not a message", 400, -32600, b"7"),
    RawRequest("null", 400, -32600, b"null"),
    RawRequest("JSON-RPC 1.0", 400, -32600, CALL | {"jsonrpc": "1.0"}),
    RawRequest("a batch", 400, -32600, [CALL]),
    RawRequest("a batch of 2026-07-28", 400, -32600, [CALL], {"mcp-protocol-version": "2026-07-28"}),
    RawRequest("no jsonrpc", 400, -32600, {"id": 1, "method": "ping"}),
    RawRequest("a method that is a number", 400, -32600, {"jsonrpc": "2.0", "id": 1, "method": 7}),
    RawRequest("parameters in a list", 400, -32600, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [1]}),
    RawRequest("an unknown method", 200, -32601, rpc("no/such")),
    RawRequest("a call without a tool name", 200, -32602, rpc("tools/call", arguments={})),
    RawRequest("arguments as text", 200, -32602, rpc("tools/call", name="whoami", arguments="x")),
    RawRequest("an unknown tool", 200, "There is no tool 'nope' here", rpc("tools/call", name="nope", arguments={})),
    RawRequest("an unknown argument", 200, "user_id is not an argument", call("whoami", '{"user_id":"bob"}')),
    RawRequest("an id as text", 200, "task_id", call("get_task", '{"task_id":"x"}')),
    RawRequest("an infinite id", 200, "task_id", call("get_task", '{"task_id":1e400}')),
    RawRequest("an id of NaN", 200, "task_id", call("get_task", '{"task_id":NaN}')),
    RawRequest("a huge id", 200, "task_id must be between", call("get_task", f'{{"task_id":{10**40}}}')),
    RawRequest("a NUL character", 200, "title contains a NUL", call("add_task", '{"title":"a\\u0000b"}')),
    RawRequest("a missing task", 200, "No task 999999", call("get_task", '{"task_id":999999}')),
    RawRequest("a missing resource", 200, -32002, rpc("resources/read", uri="task://999999")),
    RawRequest("a resource with a huge id", 200, "No resource", rpc("resources/read", uri=f"task://{2**63}")),
    RawRequest("an unknown URI scheme", 200, -32002, rpc("resources/read", uri="file:///etc/passwd")),
    RawRequest("an invalid cursor", 200, -32602, rpc("resources/list", cursor="zzz")),
    RawRequest("revision 2026-07-28", 200, "result", **LISTING),
    RawRequest(
        "a method other than in the header", 400, -32020, LISTING["body"], {**LISTING["headers"], "mcp-method": "x"}
    ),
    RawRequest(
        "a name other than in the header", 400, -32020, READING["body"], {**READING["headers"], "mcp-name": "x"}
    ),
    RawRequest("a revision without its metadata", 400, -32602, CALL, LISTING["headers"]),
    RawRequest("an unknown revision", 400, -32602, headers={"mcp-protocol-version": "1900-01-01"}),
    RawRequest("a removed method", 404, -32601, **modern("ping")),
    RawRequest("an unknown method of 2026-07-28", 404, -32601, **modern("no/such")),
    RawRequest("a missing resource of 2026-07-28", 400, -32602, **READING),
    RawRequest("DELETE", 405, -32600, None, method="DELETE"),
    RawRequest("PUT", 405, -32600, method="PUT"),
    RawRequest("HEAD", 405, None, None, method="HEAD"),
    RawRequest("no content type", 415, -32600, headers={"content-type": None}),
    RawRequest("another content type", 415, -32600, headers={"content-type": "text/plain"}),
    RawRequest(
        "a content type with a charset", 200, "result", headers={"content-type": "application/json; charset=utf-8"}
    ),
    RawRequest("Accept: text/html", 406, -32600, headers={"accept": "text/html"}),
    RawRequest("no Accept header", 200, "result", headers={"accept": None}),
    RawRequest("a compressed body", 400, -32700, b"\x1f\x8b123", {"content-encoding": "gzip"}),
    RawRequest("a body that is too large", 413, -32600, b" " * (1024 * 1024 + 1)),
    RawRequest("a body that is much too large", 413, -32600, b" " * (4 * 1024 * 1024)),
    RawRequest("no token", 401, "unauthorized", headers={"authorization": None}),
    RawRequest("another scheme", 401, "unauthorized", headers={"authorization": "Basic YTpi"}),
    RawRequest("an invalid token", 401, "invalid_token", headers={"authorization": "Bearer nope"}),
    RawRequest("a token in the query string", 401, "invalid_token", path="/mcp?access_token=x"),
    RawRequest("no token and a large body", 401, "unauthorized", b" " * 100_000, {"authorization": None}),
    RawRequest("another host", 421, "misdirected_request", headers={"host": "evil.example"}),
    RawRequest(
        "a host with the server's as a prefix", 421, "misdirected_request", headers={"host": "127.0.0.1.evil.example"}
    ),
    RawRequest("a foreign origin", 403, "forbidden_origin", headers={"origin": "http://evil.example"}),
    RawRequest("origin null", 403, "forbidden_origin", headers={"origin": "null"}),
    RawRequest("an unknown path", 404, "not_found", None, method="GET", path="/nowhere"),
    RawRequest("a trailing slash", 404, "not_found", path="/mcp/"),
    RawRequest("a POST to the metadata", 405, "method_not_allowed", path="/.well-known/oauth-protected-resource"),
    RawRequest(
        "a token with another audience", 401, "invalid_token", None, method="GET", path="/api/dashboard/statistics"
    ),
)


async def send(server: Server, raw: RawRequest) -> httpx2.Response:
    content = raw.body if isinstance(raw.body, bytes | None) else json.dumps(raw.body).encode()
    good = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {server.token('alice')}",
        # Rejected tokens are counted by client address, so each request uses its own.
        "x-forwarded-for": f"10.0.{ANSWERS.index(raw)}.1",
    }
    headers = {name: value for name, value in (good | raw.headers).items() if value is not None}
    async with server.http() as http:
        return await http.request(raw.method, raw.path, content=content, headers=headers)


@pytest.mark.parametrize("raw", ANSWERS, ids=[raw.name for raw in ANSWERS])
async def test_raw_requests_get_the_response_of_the_specification(server: Server, raw: RawRequest) -> None:
    response = await send(server, raw)
    assert response.status_code == raw.status, response.text
    match raw.answer:
        case None:
            assert not response.content
        case int(code):
            assert response.json()["error"]["code"] == code
        case "result":
            assert "result" in response.json()
        case word:
            assert word in response.text
    for secret in ("Traceback", "asyncpg", "SELECT", "/storage/", "pydantic", "input_value", "JSONRPC"):
        assert secret not in response.text


@pytest.mark.parametrize("mode", REVISIONS)
async def test_tasks_and_conversations_work_over_both_revisions(server: Server, mode: str) -> None:
    user = f"keeper-{mode}"
    async with server.client(user, mode) as client:
        added = await structured(client, "add_task", title="Water the plants", due="2026-03-01")
        assert [task["id"] for task in (await structured(client, "list_tasks"))["tasks"]] == [added["id"]]
        assert (await structured(client, "complete_task", task_id=added["id"]))["status"] == "completed"
        messages = [{"role": "user", "content": "Which plants?"}, {"role": "assistant", "content": "The ferns."}]
        conversation = await structured(client, "start_conversation", title="Plants", messages=messages)
        read = await client.read_resource(f"conversation://{conversation['id']}")
        assert "The ferns." in str(read.contents[0])
        assert (await structured(client, "get_statistics"))["completed_tasks"] == 1
    async with server.client("somebody-else", mode) as client:
        assert (await client.call_tool("get_task", {"task_id": added["id"]})).is_error


async def test_client_negotiates_both_revisions(server: Server) -> None:
    spoken = list[str]()
    for mode in REVISIONS:
        async with server.client("alice", mode) as client:
            spoken.append(str(client.protocol_version))
    assert spoken == ["2025-11-25", "2026-07-28"]


@pytest.mark.parametrize("mode", REVISIONS)
async def test_oversized_call_gets_an_error_that_the_client_shows(server: Server, mode: str) -> None:
    messages = [{"role": "user", "content": "x" * 65_000}] * 20
    async with server.client("alice", mode) as client:
        with pytest.raises(MCPError, match="Split it into several calls"):
            await client.call_tool("start_conversation", {"messages": messages})
        assert (await structured(client, "start_conversation", messages=messages[:15]))["message_count"] == 15


async def test_client_without_a_token_is_pointed_to_the_metadata(server: Server) -> None:
    async with server.http() as http:
        refused = await http.post("/mcp", json=CALL)
        challenge = refused.headers["www-authenticate"]
        address = f"{server.address}/.well-known/oauth-protected-resource/mcp"
        assert challenge == f'Bearer resource_metadata="{address}", scope="mcp:read mcp:write"'
        for path in (address, f"{server.address}/.well-known/oauth-protected-resource"):
            described = (await http.get(path)).json()
            assert described["resource"] == server.url
            assert described["scopes_supported"] == ["mcp:read", "mcp:write"]


async def test_read_only_token_that_writes_is_told_the_required_scope(server: Server) -> None:
    token = server.token("reader", oauth_scopes=["mcp:read"])
    async with server.http(authorization=f"Bearer {token}") as http:
        refused = await http.post("/mcp", content=call("add_task", '{"title":"x"}'))
    assert refused.status_code == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:read mcp:write"' in challenge
    assert f'resource_metadata="{server.address}/.well-known/oauth-protected-resource/mcp"' in challenge


async def test_state_survives_a_restart(restarted: tuple[Server, BeforeRestart]) -> None:
    server, before = restarted
    assert server.address == before.address
    assert (server.data_dir / "issuer.key").read_bytes() == before.secret
    async with server.http(authorization=f"Bearer {before.token}") as http:
        assert (await http.post("/mcp", json=CALL)).status_code == 200, "a token outlives the process as well"
    async with server.client("alice") as client:
        again = await structured(client, "add_task", title="Outlive the process", idempotency_key="once")
        assert again == before.task
        kept = await structured(client, "get_conversation", conversation_id=before.conversation["id"])
        assert [message["content"] for message in kept["messages"]] == ["Hi"]


async def test_clients_with_separate_cli_tokens_undo_only_their_own_changes(server: Server) -> None:
    async with server.http("nora") as http:
        for name in ("editor", "agent"):
            transport = streamable_http_client(server.url, http_client=http)
            async with Client(transport, client_info=Implementation(name=name, version="1")) as client:
                await structured(client, "add_task", title=name)
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, client_info=Implementation(name="editor", version="2")) as editor:
            (undone,) = (await structured(editor, "undo", count=2))["reverted"]
    assert undone["title"] == "editor"
