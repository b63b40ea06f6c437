"""MCP over HTTP from outside: a real `taskdeck serve`, raw requests and the official client."""

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
class Before:
    """What was done before the server was stopped and started again."""

    address: str
    token: str
    secret: bytes
    task: dict[str, Any]
    talk: dict[str, Any]


@pytest.fixture(scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[Server, Before]]:
    data_dir = tmp_path_factory.mktemp("http") / "data"
    async with serving(data_dir) as server, server.client("alice") as client:
        task = await structured(client, "add_task", title="Outlive the process", idempotency_key="once")
        talk = await structured(client, "start_conversation", messages=[{"role": "user", "content": "Hi"}])
        secret = (data_dir / "issuer.key").read_bytes()
        before = Before(server.address, server.token("alice"), secret, task, talk)
    port = before.address.rpartition(":")[2]
    async with serving(data_dir, TASKDECK_RATE_LIMIT="0", TASKDECK_PORT=port) as server:
        yield server, before


@pytest.fixture(scope="module")
def server(house: tuple[Server, Before]) -> Server:
    return house[0]


def rpc(rpc_method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": rpc_method, "params": params}


def call(tool: str, arguments: str) -> bytes:
    """A tool call with arguments that no JSON library would write."""
    template = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"%s","arguments":%s}}'
    return (template % (tool, arguments)).encode()


class Raw(NamedTuple):
    """A request that differs from a good one, and what it gets: a status, and a JSON-RPC code or a word."""

    what: str
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
    Raw("a good request", 200, "result"),
    Raw("ping", 200, "result", rpc("ping")),
    Raw("a notification", 202, None, {"jsonrpc": "2.0", "method": "notifications/initialized"}),
    Raw("an answer nobody waits for", 202, None, {"jsonrpc": "2.0", "id": 1, "result": {}}),
    Raw("an older revision", 200, "result", headers={"mcp-protocol-version": "2025-06-18"}),
    Raw("a session that nobody opened", 200, "result", headers={"mcp-session-id": "abc"}),
    Raw("no body", 400, -32700, b""),
    Raw("no JSON", 400, -32700, b"{nope"),
    Raw("no UTF-8", 400, -32700, b'{"a":"\xff"}'),
    Raw("endless nesting", 400, -32700, b"[" * 20_000 + b"]" * 20_000),
    Raw("endless nesting in arguments", 400, -32700, call("whoami", '{"a":' * 5000 + "1" + "}" * 5000)),
    Raw("half a surrogate pair", 400, -32700, call("add_task", '{"title":"\\ud800"}')),
    Raw("ten thousand digits", 400, -32700, call("get_task", '{"task_id":%s}' % ("9" * 10_000))),
    Raw("JSON that is no message", 400, -32600, b"7"),
    Raw("null", 400, -32600, b"null"),
    Raw("JSON-RPC 1.0", 400, -32600, CALL | {"jsonrpc": "1.0"}),
    Raw("a batch", 400, -32600, [CALL]),
    Raw("a batch of 2026-07-28", 400, -32600, [CALL], {"mcp-protocol-version": "2026-07-28"}),
    Raw("no jsonrpc", 400, -32600, {"id": 1, "method": "ping"}),
    Raw("a method that is a number", 400, -32600, {"jsonrpc": "2.0", "id": 1, "method": 7}),
    Raw("parameters in a list", 400, -32600, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": [1]}),
    Raw("an unknown method", 200, -32601, rpc("no/such")),
    Raw("a call of nothing", 200, -32602, rpc("tools/call", arguments={})),
    Raw("arguments that are text", 200, -32602, rpc("tools/call", name="whoami", arguments="x")),
    Raw("an unknown tool", 200, "There is no tool 'nope' here", rpc("tools/call", name="nope", arguments={})),
    Raw("an unknown argument", 200, "user_id is not an argument", call("whoami", '{"user_id":"bob"}')),
    Raw("an id that is text", 200, "task_id", call("get_task", '{"task_id":"x"}')),
    Raw("an id that is infinite", 200, "task_id", call("get_task", '{"task_id":1e400}')),
    Raw("an id that is no number", 200, "task_id", call("get_task", '{"task_id":NaN}')),
    Raw("an id that is huge", 200, "task_id must be between", call("get_task", f'{{"task_id":{10**40}}}')),
    Raw("a NUL", 200, "title contains a NUL", call("add_task", '{"title":"a\\u0000b"}')),
    Raw("a task that is not there", 200, "No task 999999", call("get_task", '{"task_id":999999}')),
    Raw("a resource that is not there", 200, -32002, rpc("resources/read", uri="task://999999")),
    Raw("a resource of a huge number", 200, "No resource", rpc("resources/read", uri=f"task://{2**63}")),
    Raw("a resource of no kind", 200, -32002, rpc("resources/read", uri="file:///etc/passwd")),
    Raw("a cursor that is not ours", 200, -32602, rpc("resources/list", cursor="zzz")),
    Raw("revision 2026-07-28", 200, "result", **LISTING),
    Raw("a method the header does not name", 400, -32020, LISTING["body"], {**LISTING["headers"], "mcp-method": "x"}),
    Raw("a name the header does not name", 400, -32020, READING["body"], {**READING["headers"], "mcp-name": "x"}),
    Raw("a revision without its metadata", 400, -32602, CALL, LISTING["headers"]),
    Raw("an unknown revision", 400, -32602, headers={"mcp-protocol-version": "1900-01-01"}),
    Raw("a method that was removed", 404, -32601, **modern("ping")),
    Raw("an unknown method of 2026-07-28", 404, -32601, **modern("no/such")),
    Raw("a missing resource of 2026-07-28", 400, -32602, **READING),
    Raw("DELETE", 405, -32600, None, method="DELETE"),
    Raw("PUT", 405, -32600, method="PUT"),
    Raw("HEAD", 405, None, None, method="HEAD"),
    Raw("no content type", 415, -32600, headers={"content-type": None}),
    Raw("another content type", 415, -32600, headers={"content-type": "text/plain"}),
    Raw("a content type with a charset", 200, "result", headers={"content-type": "application/json; charset=utf-8"}),
    Raw("a wish for a page", 406, -32600, headers={"accept": "text/html"}),
    Raw("no wish", 200, "result", headers={"accept": None}),
    Raw("a compressed body", 400, -32700, b"\x1f\x8b123", {"content-encoding": "gzip"}),
    Raw("a body that is too large", 413, -32600, b" " * (1024 * 1024 + 1)),
    Raw("a body that is much too large", 413, -32600, b" " * (4 * 1024 * 1024)),
    Raw("no token", 401, "unauthorized", headers={"authorization": None}),
    Raw("another scheme", 401, "unauthorized", headers={"authorization": "Basic YTpi"}),
    Raw("a token that is none", 401, "invalid_token", headers={"authorization": "Bearer nope"}),
    Raw("a token in the address", 401, "invalid_token", path="/mcp?access_token=x"),
    Raw("no token, and much to read", 401, "unauthorized", b" " * 100_000, {"authorization": None}),
    Raw("another host", 421, "misdirected_request", headers={"host": "evil.example"}),
    Raw("a host that begins like ours", 421, "misdirected_request", headers={"host": "127.0.0.1.evil.example"}),
    Raw("a page of another origin", 403, "forbidden_origin", headers={"origin": "http://evil.example"}),
    Raw("a page of no origin", 403, "forbidden_origin", headers={"origin": "null"}),
    Raw("another address", 404, "not_found", None, method="GET", path="/nowhere"),
    Raw("the address with a slash", 404, "not_found", path="/mcp/"),
    Raw("a write to the metadata", 405, "method_not_allowed", path="/.well-known/oauth-protected-resource"),
    Raw("a token for the other door", 401, "invalid_token", None, method="GET", path="/api/dashboard/statistics"),
)


async def send(server: Server, raw: Raw) -> httpx2.Response:
    content = raw.body if isinstance(raw.body, bytes | None) else json.dumps(raw.body).encode()
    good = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {server.token('alice')}",
        # Refused tokens are counted by address: each of these comes from its own.
        "x-forwarded-for": f"10.0.{ANSWERS.index(raw)}.1",
    }
    headers = {name: value for name, value in (good | raw.headers).items() if value is not None}
    async with server.http() as http:
        return await http.request(raw.method, raw.path, content=content, headers=headers)


@pytest.mark.parametrize("raw", ANSWERS, ids=[raw.what for raw in ANSWERS])
async def test_every_request_gets_the_answer_that_the_specification_gives_it(server: Server, raw: Raw) -> None:
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
async def test_tasks_and_conversations_are_kept_over_either_revision(server: Server, mode: str) -> None:
    user = f"keeper-{mode}"
    async with server.client(user, mode) as client:
        added = await structured(client, "add_task", title="Water the plants", due="2026-03-01")
        assert [task["id"] for task in (await structured(client, "list_tasks"))["tasks"]] == [added["id"]]
        assert (await structured(client, "complete_task", task_id=added["id"]))["status"] == "completed"
        said = [{"role": "user", "content": "Which plants?"}, {"role": "assistant", "content": "The ferns."}]
        talk = await structured(client, "start_conversation", title="Plants", messages=said)
        read = await client.read_resource(f"conversation://{talk['id']}")
        assert "The ferns." in str(read.contents[0])
        assert (await structured(client, "get_statistics"))["completed_tasks"] == 1
    async with server.client("somebody-else", mode) as client:
        assert (await client.call_tool("get_task", {"task_id": added["id"]})).is_error


async def test_both_revisions_are_really_spoken(server: Server) -> None:
    spoken = list[str]()
    for mode in REVISIONS:
        async with server.client("alice", mode) as client:
            spoken.append(str(client.protocol_version))
    assert spoken == ["2025-11-25", "2026-07-28"]


@pytest.mark.parametrize("mode", REVISIONS)
async def test_a_call_that_is_too_large_is_refused_in_words_that_the_client_shows(server: Server, mode: str) -> None:
    said = [{"role": "user", "content": "x" * 65_000}] * 20
    async with server.client("alice", mode) as client:
        with pytest.raises(MCPError, match="Split it into several calls"):
            await client.call_tool("start_conversation", {"messages": said})
        assert (await structured(client, "start_conversation", messages=said[:15]))["message_count"] == 15


async def test_a_client_without_a_token_learns_where_to_get_one(server: Server) -> None:
    async with server.http() as http:
        refused = await http.post("/mcp", json=CALL)
        challenge = refused.headers["www-authenticate"]
        address = f"{server.address}/.well-known/oauth-protected-resource/mcp"
        assert challenge == f'Bearer resource_metadata="{address}", scope="mcp:read mcp:write"'
        for path in (address, f"{server.address}/.well-known/oauth-protected-resource"):
            described = (await http.get(path)).json()
            assert described["resource"] == server.url
            assert described["scopes_supported"] == ["mcp:read", "mcp:write"]


async def test_a_reader_who_writes_learns_which_scope_it_takes(server: Server) -> None:
    token = server.token("reader", scopes=["mcp:read"])
    async with server.http(authorization=f"Bearer {token}") as http:
        refused = await http.post("/mcp", content=call("add_task", '{"title":"x"}'))
    assert refused.status_code == 403
    challenge = refused.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp:read mcp:write"' in challenge
    assert f'resource_metadata="{server.address}/.well-known/oauth-protected-resource/mcp"' in challenge


async def test_everything_is_still_there_after_a_restart(house: tuple[Server, Before]) -> None:
    server, before = house
    assert server.address == before.address
    assert (server.data_dir / "issuer.key").read_bytes() == before.secret
    async with server.http(authorization=f"Bearer {before.token}") as http:
        assert (await http.post("/mcp", json=CALL)).status_code == 200, "a token outlives the process as well"
    async with server.client("alice") as client:
        again = await structured(client, "add_task", title="Outlive the process", idempotency_key="once")
        assert again == before.task
        kept = await structured(client, "get_conversation", conversation_id=before.talk["id"])
        assert [message["content"] for message in kept["messages"]] == ["Hi"]


async def test_two_programs_with_tokens_of_the_command_undo_only_their_own(server: Server) -> None:
    async with server.http("nora") as http:
        for name in ("editor", "agent"):
            transport = streamable_http_client(server.url, http_client=http)
            async with Client(transport, client_info=Implementation(name=name, version="1")) as client:
                await structured(client, "add_task", title=name)
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(transport, client_info=Implementation(name="editor", version="2")) as editor:
            (undone,) = (await structured(editor, "undo", count=2))["reverted"]
    assert undone["title"] == "editor"
