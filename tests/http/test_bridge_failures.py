"""The dashboard's HTTP API when the database is unreachable or broken."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg

from mcp_server.protocol.server import OUR_FAULT
from mcp_server.settings import Settings
from tests.conftest import Cluster, Person
from tests.http.test_bridge import PATHS, STATISTICS, is_error
from tests.support.running_server import DatabaseProxy, running_server, wait_until_ok


async def test_unreachable_database_is_a_prompt_503_and_healthz_stays_up(
    alice: Person, direct_url: str, tmp_path: Path
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path})
    async with (
        DatabaseProxy(direct_url, tmp_path) as proxy,
        running_server(settings, proxy.url, proxy.url) as server,
        server.client(alice.user_id) as client,
    ):
        for fail in (proxy.cut, _stalling(proxy)):
            assert (await client.get(STATISTICS)).status_code == 200
            await fail()
            # The response must arrive within a client timeout of four seconds.
            answers = await asyncio.gather(*(client.get(STATISTICS, timeout=4) for _ in range(5)))
            assert all(is_error(answer, 503, "unavailable") for answer in answers)
            assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
            assert (await client.get("/healthz")).status_code == 200
            ready = await client.get("/readyz", timeout=4)
            assert (ready.status_code, len(ready.json()["reasons"]) > 0) == (503, True)
            await proxy.restore()
            await wait_until_ok(client, STATISTICS)
            await wait_until_ok(client, "/readyz")


async def test_internal_errors_reveal_no_details(alice: Person, cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("broken", "blank")
    administrator = await asyncpg.connect(cluster.address("broken"))
    await administrator.execute(BROKEN)
    await administrator.close()
    call: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_teams", "arguments": {}},
    }
    async with (
        running_server(Settings.model_validate({"data_dir": tmp_path}), url, url) as server,
        server.client(alice.user_id) as page,
        server.client(alice.user_id, "mcp", accept="application/json, text/event-stream") as agent,
    ):
        answer = await page.get(PATHS[3])
        assert is_error(answer, 500, "internal")
        assert "broken" not in answer.text
        result = (await agent.post("/mcp", json=call)).json()["result"]
        assert (result["isError"], result["content"][0]["text"]) == (True, OUR_FAULT)
    await cluster.drop("broken")


BROKEN = """
CREATE OR REPLACE FUNCTION my_team_ids() RETURNS bigint[] LANGUAGE plpgsql STABLE
AS $$ BEGIN RAISE EXCEPTION 'my_team_ids() is broken'; END $$
"""


def _stalling(proxy: DatabaseProxy) -> Any:
    async def stall() -> None:
        proxy.stall()

    return stall
