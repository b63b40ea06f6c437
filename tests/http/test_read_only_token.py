"""A token that may only read: what it may call, and what the server logs."""

import logging

import pytest

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.mcp_requests import BOTH
from tests.support.running_server import running_server


async def test_scope_of_a_call_is_that_of_its_tool(
    alice: Person, settings: Settings, database_url: str, direct_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mcp_server.http.mcp_requests")
    statuses: dict[str, int] = {}
    async with running_server(settings, database_url, direct_url) as server:
        token = server.token(alice.user_id, "mcp", oauth_scopes=["mcp:read"])
        async with server.client(authorization=f"Bearer {token}", accept=BOTH) as http:
            for tool in ("whoami", "create_team", "no_such_tool"):
                params = {"name": tool, "arguments": {"name": "Crew"} if tool == "create_team" else {}}
                call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
                statuses[tool] = (await http.post("/mcp", json=call)).status_code
    assert statuses == {"whoami": 200, "create_team": 403, "no_such_tool": 200}
    logged = [each.getMessage() for each in caplog.records if each.name == "mcp_server.http.mcp_requests"]
    assert logged == ["refused '/mcp': This takes a token with the scope mcp:write"]
