"""The `taskdeck` command: output, exit status, and cleanup."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import AsyncGenerator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from mcp_server.cli import dashboard_process
from tests.conftest import POOLED, Cluster
from tests.support.postgres import pooled
from tests.support.processes import (
    PATIENCE,
    Server,
    children,
    postgres_processes,
    run,
    run_in_process,
    serving,
    structured,
    until,
)

pytestmark = pytest.mark.long

needs_dashboard = pytest.mark.skipif(
    not dashboard_process.SERVER.exists(), reason="the dashboard is not built: make run"
)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli") / "data"


@pytest.fixture(scope="module")
async def server(data_dir: Path) -> AsyncGenerator[Server]:
    """`taskdeck up`, as by `make run`; the last test that uses it stops it."""
    async with serving(data_dir, "up") as running:
        yield running


def dashboard_url(server: Server) -> str:
    found = re.search(r"Dashboard +(http://127\.0\.0\.1:\d+)", server.output)
    assert found
    return found[1]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def answers(url: str) -> int:
    """The status of a page, 0 if nothing is listening."""
    with suppress(httpx2.HTTPError):
        async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
            return (await http.get(url)).status_code
    return 0


def shell(line: str, data_dir: Path) -> str:
    """The words of a printed line in a shell: $(...) is run, the rest only split."""
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"],
        env={"PATH": os.environ["PATH"], "HOME": str(data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@needs_dashboard
async def test_up_prints_commands_that_work(server: Server, data_dir: Path) -> None:
    line = f"claude mcp add --transport http taskdeck {server.url}"
    assert f"  {line}\n" in server.output
    block = json.loads(server.output[server.output.index("{\n") : server.output.rindex("\n}") + 2])
    assert block == {"mcpServers": {"taskdeck": {"type": "http", "url": server.url}}}
    url = dashboard_url(server)
    async with server.http() as http:
        described = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert described["authorization_servers"] == [url]
        assert (await http.get(f"{url}/.well-known/oauth-authorization-server")).json()["issuer"] == url
        assert await answers(f"{url}/sign-in") == 200
    printed = next(text for text in server.output.splitlines() if "--header" in text)
    *_, header = shell(printed, data_dir).splitlines()
    async with server.http(authorization=header.removeprefix("Authorization: ")) as http:
        question = {"name": "whoami", "arguments": dict[str, str]()}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": question}
        answer = await http.post("/mcp", json=asked)
    assert answer.json()["result"]["structuredContent"]["user_id"] == ("me" if POOLED else "local")


@needs_dashboard
async def test_doctor_reports_nothing_on_a_healthy_installation(server: Server, data_dir: Path) -> None:
    ports = [url.rpartition(":")[2] for url in (server.address, dashboard_url(server))]
    named = {"TASKDECK_PORT": ports[0], "TASKDECK_DASHBOARD_PORT": ports[1]}
    seen = await run("doctor", data_dir=data_dir, COLUMNS="200", **named)
    assert seen.status == 0, seen.stdout
    assert "!!" not in seen.stdout
    assert "PostgreSQL 18" in seen.stdout
    assert ("go through a pooler" if POOLED else "go straight to PostgreSQL") in seen.stdout
    assert seen.stdout.count("is in use, by Taskdeck") == 2


async def test_token_may_carry_a_time_zone(server: Server, data_dir: Path) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # 25 hours apart: never the same day
        made = await run("token", "--user", "zoe", "--timezone", zone, data_dir=data_dir)
        headers = {"authorization": f"Bearer {made.stdout.strip()}"}
        async with (
            server.http(**headers) as http,
            Client(streamable_http_client(server.url, http_client=http)) as client,
        ):
            reply = await structured(client, "whoami")
            trend = (await structured(client, "get_statistics", days=1))["trend"]
        assert reply["timezone"] == zone
        assert trend[0]["date"] in (reply["now"][:10], datetime.now(ZoneInfo(zone)).date().isoformat())


async def test_demo_data_is_created_once(server: Server, data_dir: Path) -> None:
    for tasks in (300, 350):
        seeded = await run("seed", "--tasks", str(tasks), "--users", "9", data_dir=data_dir)
        assert seeded.status == 0, seeded.stderr
        assert f"There are {tasks} tasks of 9 people" in seeded.stdout
        assert "taskdeck token --user demo-01" in seeded.stdout
        assert f"{tasks}/{tasks}" in seeded.stderr, "the bar reached its end"
    totals = list[Any]()
    for number in range(1, 10):
        async with server.client(f"demo-{number:02d}") as client:
            totals.append(SimpleNamespace(**await structured(client, "get_statistics", days=60)))
    assert sum(found.total_tasks for found in totals) == 350
    assert all(found.completed_tasks and found.pending_tasks for found in totals)
    assert sum(day["created"] > 0 for day in totals[0].trend) > 10, "spread over weeks"
    assert any(found.shared_tasks for found in totals)
    async with server.client("demo-01") as client:
        (team,) = (await structured(client, "list_teams"))["teams"]
        assert len(team["members"]) == 8
        assert 3 <= (await structured(client, "list_conversations"))["total_count"] <= 6
        assert (await structured(client, "search_messages", query="due first"))["matches"]


@needs_dashboard
async def test_crashed_dashboard_is_restarted(server: Server) -> None:
    (first,) = children(server.process.pid)
    os.kill(first, signal.SIGKILL)
    await until(lambda: children(server.process.pid) not in ([], [first]))
    async with asyncio.timeout(PATIENCE):
        while await answers(f"{dashboard_url(server)}/sign-in") != 200:
            pass
    assert "The dashboard ended with status -9" in server.log.read_text()


@needs_dashboard
async def test_one_interrupt_stops_everything(server: Server, data_dir: Path) -> None:
    for secret in (data_dir / "issuer.key", data_dir / "dashboard.secret"):
        assert stat.S_IMODE(os.stat(secret).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(data_dir).st_mode) == 0o700
    started = children(server.process.pid)
    assert started, "the dashboard is a process of its own"
    assert await server.stop(signal.SIGINT) == 0
    assert not postgres_processes(data_dir)
    assert not any(map(is_alive, started))
    assert await answers(f"{dashboard_url(server)}/sign-in") == 0


@needs_dashboard
async def test_killed_command_leaves_no_processes(data_dir: Path) -> None:
    async with serving(data_dir, "up") as up:
        (started,) = children(up.process.pid)
        await up.stop(signal.SIGKILL)
    try:
        await until(lambda: not is_alive(started))
        await until(lambda: not postgres_processes(data_dir))
    finally:
        with suppress(ProcessLookupError):
            os.kill(started, signal.SIGKILL)


def test_port_in_use_is_one_line(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ended = run_in_process("serve", data_dir=tmp_path, TASKDECK_PORT=port)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"taskdeck: TASKDECK_PORT: port {port} is in use. Set it to another one, or to 0 for any free one\n"
    )


async def test_server_stops_cleanly_after_its_startup_banner(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as server:
        assert await server.stop(signal.SIGTERM) == 0


def test_unreachable_database_is_one_line_without_its_password(tmp_path: Path) -> None:
    ended = run_in_process("migrate", data_dir=tmp_path, DATABASE_URL="postgresql://u:secret@127.0.0.1:1/db")
    assert ended.status == 2
    assert ended.stderr.startswith("taskdeck: The database cannot be migrated: ")
    assert ended.stderr.count("\n") == 1
    assert "secret" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--user", "a b"), "user: 1 to 128 letters"),
        (("--user", "alice", "--ttl", "25h"), "ttl: a token lives between one second and 24 hours"),
        (("--user", "alice", "--ttl", "soon"), "ttl: write for example 30m"),
        (("--user", "alice", "--timezone", "Berlin"), "timezone must be an IANA time zone such as Europe/Berlin"),
        (("--user", "alice", "--scope", "mcp:all"), "scope: choose from mcp:read mcp:write"),
    ],
)
def test_token_command_rejects_unusable_tokens(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    ended = run_in_process("token", *arguments, data_dir=tmp_path, TASKDECK_PORT="8000")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {message}")


async def test_migrations_can_be_printed_as_sql(tmp_path: Path) -> None:
    printed = await run("migrate", "--sql", data_dir=tmp_path)
    assert printed.status == 0
    assert printed.stdout.startswith("BEGIN;")
    assert "FORCE ROW LEVEL SECURITY" in printed.stdout


@pytest.mark.parametrize("wrong", ["DATABASE_URL", "DATABASE_URL_UNPOOLED"])
def test_doctor_names_the_unreachable_address(wrong: str, direct_url: str, tmp_path: Path) -> None:
    named = {"DATABASE_URL": direct_url, "DATABASE_URL_UNPOOLED": direct_url}
    named[wrong] = "postgresql://u:secret@127.0.0.1:1/db"
    seen = run_in_process("doctor", data_dir=tmp_path, COLUMNS="200", **named)
    assert seen.status == 1
    assert f"Check {wrong}, and that PostgreSQL runs" in seen.stdout
    assert "secret" not in seen.stdout


async def test_doctor_names_each_problem_and_its_fix(cluster: Cluster, tmp_path: Path) -> None:
    url = await cluster.create("patient", "blank")
    owner, admin = await asyncpg.connect(url), await asyncpg.connect(cluster.url)
    await owner.execute("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY")
    await owner.execute("UPDATE alembic_version SET version_num = '007'")
    await admin.execute("ALTER DATABASE patient SET synchronous_commit = off")
    await admin.execute("ALTER ROLE taskdeck_app BYPASSRLS")
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data/issuer.key").touch(mode=0o644)
    try:
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            async with pooled(url) as through:
                seen = await run(
                    "doctor",
                    data_dir=tmp_path / "data",
                    DATABASE_URL=through,
                    TASKDECK_PORT=str(taken.getsockname()[1]),
                    TASKDECK_ISSUER="http://127.0.0.1:1",
                    TASKDECK_JWKS_URL="http://127.0.0.1:1/jwks",
                    COLUMNS="200",
                )
    finally:
        await admin.execute("ALTER ROLE taskdeck_app NOBYPASSRLS")
        await owner.close()
        await admin.close()
        await cluster.drop("patient")
    assert seen.status == 1, seen.stderr
    for sentence in (
        "not forced on messages",
        "FORCE ROW LEVEL SECURITY",
        "Run taskdeck migrate: this release needs",
        "passes all policies",
        "ALTER ROLE taskdeck_app NOSUPERUSER NOBYPASSRLS",
        "synchronous_commit off: a crash loses data",
        "DATABASE_URL leads to a pooler",
        "Set DATABASE_URL_UNPOOLED to the direct address",
        "run chmod 600",
        "Check TASKDECK_JWKS_URL",
        "Stop the other program, or set TASKDECK_PORT",
    ):
        assert sentence in seen.stdout
