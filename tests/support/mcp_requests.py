"""Requests to the MCP endpoint with one unusual header or field."""

import json
from typing import Any

import httpx2

from tests.support.running_server import RunningServer

EVENTS = "text/event-stream"
BOTH = f"application/json, {EVENTS}"
CALL: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "whoami", "arguments": {}},
}
MODERN = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "whoami"}
META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
MODERN_CALL: dict[str, Any] = CALL | {"params": CALL["params"] | {"_meta": META}}


async def post(
    server: RunningServer, content: object, drop: str = "", headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Send a request with valid headers, except for those dropped or given."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    sent = {"content-type": "application/json", "accept": BOTH} | (headers or {})
    async with server.client("alice", "mcp") as client:
        for name in tuple(client.headers):
            if name in ("accept", "content-type"):
                del client.headers[name]
        return await client.post("/mcp", content=data, headers={k: v for k, v in sent.items() if k != drop})


def refusal(response: httpx2.Response) -> tuple[int, int, Any, str]:
    """Status, JSON-RPC code, id and message of an error response, after checking its common format."""
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body.keys() == {"jsonrpc", "id", "error"}
    assert body["jsonrpc"] == "2.0"
    return response.status_code, body["error"]["code"], body["id"], body["error"]["message"]
