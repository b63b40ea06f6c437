"""Error responses of the MCP endpoint, whole."""

from mcp_server.settings import Settings
from tests.support.mcp_requests import post
from tests.support.running_server import running_server

ICONS = [{"src": "https://a.example/icon.png"}, {"src": 7}]


async def test_errors_have_a_code_a_message_and_nothing_else(
    settings: Settings, database_url: str, direct_url: str
) -> None:
    client = {"name": "test", "version": "1", "icons": ICONS}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}
    async with running_server(settings, database_url, direct_url) as server:
        unreadable = (await post(server, b"{")).json()
        wrong = (await post(server, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})).json()
    sentence = "This is not JSON that can be read: send one JSON-RPC message in UTF-8."
    assert unreadable == {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": sentence}}
    sentence = "params.clientInfo.icons.1.src must be text."
    assert wrong == {"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": sentence}}
