"""Probes while all connections are taken, and what MCP requests say while the database is away."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.http.test_in_flight import TEAMS, blockade
from tests.support.mcp_requests import BOTH, META
from tests.support.running_server import DatabaseProxy, running_server


async def test_probes_never_wait_behind_requests(
    alice: Person, database_url: str, direct_url: str, tmp_path: Path, cluster: Cluster
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "calls_in_flight": 0})
    async with running_server(settings, database_url, direct_url) as server, server.client(alice.user_id) as client:
        async with blockade(cluster) as blocked:
            calls = [asyncio.create_task(client.get(TEAMS)) for _ in range(30)]
            # All ten connections for requests.
            await blocked.waiting(10)
            answers = await asyncio.gather(*(client.get(path) for path in ("/readyz", "/healthz") for _ in range(5)))
            assert [answer.status_code for answer in answers] == [200] * 10
        await asyncio.gather(*calls)


REQUESTS: dict[str, dict[str, Any]] = {
    "resources/read": {"uri": "statistics://me"},
    "resources/list": {},
    "prompts/get": {"name": "plan_my_day"},
    "completion/complete": {
        "ref": {"type": "ref/prompt", "name": "plan_my_day"},
        "argument": {"name": "tag", "value": ""},
    },
    "subscriptions/listen": {"notifications": {"resourceSubscriptions": ["statistics://me"]}},
}
NAMES = {"resources/read": "statistics://me", "prompts/get": "plan_my_day"}


async def test_requests_say_to_try_again_while_the_database_is_away(
    alice: Person, direct_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(settings, proxy.url, proxy.url) as server,
        server.client(alice.user_id, "mcp", accept=BOTH) as client,
    ):
        await proxy.cut()
        with caplog.at_level(logging.ERROR):
            for rpc_method, params in REQUESTS.items():
                headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": rpc_method}
                headers |= {"mcp-name": NAMES[rpc_method]} if rpc_method in NAMES else {}
                message = {"jsonrpc": "2.0", "id": 1, "method": rpc_method, "params": params | {"_meta": META}}
                answer = await client.post("/mcp", json=message, headers=headers)
                text = answer.text.partition("data: ")[2] or answer.text
                error = json.loads(text)["error"]
                assert (rpc_method, error["code"]) == (rpc_method, -32603)
                assert error["message"] == "The database cannot be reached. Nothing was changed; try again."
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
