"""MCP over stdio: whose tasks it serves, and that stdout carries only messages."""

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import Implementation

from mcp_server.identity.local_issuer import LocalIssuer
from mcp_server.settings import Settings
from tests.support.processes import (
    PATIENCE,
    TASKDECK,
    environment,
    postgres_processes,
    run_in_process,
    serving,
    structured,
    until,
)

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for the module: creating a cluster takes seconds."""
    return tmp_path_factory.mktemp("stdio") / "data"


def token_for(data_dir: Path, user: str) -> dict[str, str]:
    """Variables with a token; without them stdio is the user of the embedded database."""
    settings = Settings.model_validate({"data_dir": data_dir, "port": 8000, "public_url": ""})
    return {"TASKDECK_TOKEN": LocalIssuer(settings).mint(user), "TASKDECK_PORT": "8000"}


def stdio_client(data_dir: Path, mode: str = "auto", name: str = "stdio_client", **variables: str) -> Client:
    """An MCP client that starts a `taskdeck stdio` of its own."""
    variables = environment(data_dir, **variables)
    parameters = StdioServerParameters(command=str(TASKDECK), args=["stdio"], env=variables)
    return Client(parameters, mode=mode, client_info=Implementation(name=name, version="1"))


@asynccontextmanager
async def started(data_dir: Path, **variables: str) -> AsyncGenerator[Process]:
    process = await asyncio.create_subprocess_exec(
        TASKDECK, "stdio", env=environment(data_dir, **variables), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def rpc(rpc_method: str, number: int, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": rpc_method, "params": params}).encode() + b"\n"


HELLO = rpc(
    "initialize", 1, protocolVersion="2025-11-25", capabilities={}, clientInfo={"name": "test", "version": "1"}
) + (b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')


@pytest.mark.embedded
async def test_without_a_token_stdio_is_the_local_user_and_tasks_persist(data_dir: Path) -> None:
    async with stdio_client(data_dir, "legacy") as client:
        assert (await structured(client, "whoami"))["user_id"] == "local"
        task = await structured(client, "add_task", title="Kept between sessions")
    async with stdio_client(data_dir, "2026-07-28") as client:
        assert (await structured(client, "get_task", task_id=task["id"]))["title"] == "Kept between sessions"
    assert not postgres_processes(data_dir), "the last process to leave stops PostgreSQL"


@pytest.mark.embedded
async def test_time_zone_of_the_environment_applies_until_the_person_sets_one(data_dir: Path) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):  # 25 hours apart: never the same day
        async with stdio_client(data_dir, TASKDECK_TIMEZONE=zone) as client:
            reply = await structured(client, "whoami")
            trend = (await structured(client, "get_statistics", days=1))["trend"]
        assert reply["timezone"] == zone
        assert trend[0]["date"] in (reply["now"][:10], datetime.now(ZoneInfo(zone)).date().isoformat())
    async with stdio_client(data_dir, TASKDECK_TIMEZONE="Asia/Tokyo") as client:
        await structured(client, "set_timezone", timezone="Europe/Berlin")
    async with stdio_client(data_dir, TASKDECK_TIMEZONE="Asia/Tokyo") as client:
        assert (await structured(client, "whoami"))["timezone"] == "Europe/Berlin"


@pytest.mark.embedded
async def test_two_stdio_clients_of_the_local_user_undo_only_their_own_changes(data_dir: Path) -> None:
    async with stdio_client(data_dir, name="editor") as editor, stdio_client(data_dir, "legacy", name="agent") as agent:
        await structured(agent, "add_task", title="The agent's")
        task = await structured(editor, "add_task", title="The editor's")
        (undone,) = (await structured(agent, "undo", count=2))["reverted"]
        assert undone["title"] == "The agent's"
        (created,) = (await structured(agent, "get_task", task_id=task["id"]))["history"]
        assert created["client"] == "editor"


async def test_stdout_carries_only_messages(data_dir: Path) -> None:
    async with started(data_dir, TASKDECK_LOG_LEVEL="DEBUG", **token_for(data_dir, "dora")) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(HELLO + rpc("tools/call", 2, name="get_task", arguments={"task_id": 404}) + b"no json\n")
        process.stdin.write(rpc("no/such", 3) + rpc("tools/list", 4))
        answered = set[Any]()
        async with asyncio.timeout(PATIENCE):
            while not answered >= {1, 2, 3, 4}:
                message = json.loads(await process.stdout.readline())
                assert message["jsonrpc"] == "2.0"
                answered.add(message.get("id"))
            process.stdin.close()
            assert not await process.stdout.read()
            assert await process.wait() == 0


SENTENCES = {
    b"no json": (None, -32700, "This is not JSON that can be read"),
    b"{": (None, -32700, "This is not JSON that can be read"),
    b"[" * 10_000: (None, -32700, "nested too deeply"),
    b"\xff": (None, -32700, "This is not JSON that can be read"),
    rpc("ping", 8).strip().replace(b"ping", b"p\xffng"): (None, -32700, "send one JSON-RPC message in UTF-8"),
    b"null": (None, -32600, "This is not a JSON-RPC message"),
    b"[" + rpc("ping", 8).strip() + b"]": (None, -32600, "Batches are not taken"),
    rpc("ping", 9).strip().replace(b"2.0", b"1.0"): (None, -32600, "This is not a JSON-RPC message"),
    rpc("tools/call", 7, name="add_task", arguments={"title": "HALF"}).strip().replace(b"HALF", b"a\\ud800b"): (
        7,
        -32700,
        "half of a surrogate pair",
    ),
    **{
        b'{"jsonrpc":"2.0","method":"ping","id":%s}' % number: (None, -32600, "must be text or a whole number")
        for number in (b"null", b"1.5", b"true", b"[1]", b"{}", b"1e300")
    },
    b'{"jsonrpc":"2.0","method":"notifications/initialized","id":null}': (None, -32600, "whole number"),
    b'{"jsonrpc":"2.0","method":7,"id":3}': (3, -32600, "method must be text"),
    b'{"jsonrpc":"2.0","method":"tools/call","id":4,"params":[1]}': (4, -32600, "params must be an object"),
    b'{"jsonrpc":"2.0","method":"tools/call","id":"5","params":"{}"}': ("5", -32600, "not as text or a list"),
    rpc("tools/call", 6, name="whoami", arguments="{}").strip(): (6, -32602, "params.arguments must be an object"),
    rpc("tools/call", 6, name="whoami", _meta="x").strip(): (6, -32602, "params._meta must be an object"),
    rpc("tools/call", 6, arguments={}).strip(): (6, -32602, "params.name is required."),
    rpc("tools/call", 6, name="add_task", arguments={"title": "x" * 65_536}).strip(): (6, -32600, "64 KiB at most"),
    b"[" * 250 + b"]" * 250: (None, -32700, "nested too deeply"),
    b"[" * 20_000: (None, -32600, "20,000 values at most"),
}


async def test_every_invalid_line_gets_an_error(data_dir: Path) -> None:
    async with started(data_dir, **token_for(data_dir, "dora")) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(rpc("tools/list", 1))
        process.stdin.write(b"\xef\xbb\xbf" + HELLO + b"\n")
        async with asyncio.timeout(PATIENCE):
            early = json.loads(await process.stdout.readline())["error"]
            assert early == {"code": -32602, "message": "Send initialize first, and then notifications/initialized."}
            assert json.loads(await process.stdout.readline())["result"]["protocolVersion"] == "2025-11-25"
            for line, (number, code, sentence) in SENTENCES.items():
                process.stdin.write(line + b"\n")
                answer = json.loads(await process.stdout.readline())
                assert (answer["id"], answer["error"]["code"]) == (number, code), line[:80]
                assert sentence in answer["error"]["message"]
                assert not any(word in str(answer) for word in ("pydantic", "JSONRPC", "input_value"))
            process.stdin.write(rpc("tools/list", 10).replace(b"10", b"10.0"))
            listed = json.loads(await process.stdout.readline())
            assert ("result" in listed, listed["id"], type(listed["id"])) == (True, 10, int)
            process.stdin.close()
            assert await process.wait() == 0


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TASKDECK_TOKEN": "nonsense"}, "TASKDECK_TOKEN: "),
        ({"DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/db"}, "TASKDECK_TOKEN is required with DATABASE_URL"),
    ],
)
def test_bad_token_or_remote_database_without_one_is_refused(
    data_dir: Path, variables: dict[str, str], message: str
) -> None:
    ended = run_in_process("stdio", data_dir=data_dir, **variables)
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"taskdeck: {message}")
    assert "secret" not in ended.stderr


async def test_stdio_servers_and_an_http_server_share_one_data_folder(data_dir: Path) -> None:
    users = ("bob", "alice")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(data_dir))
        stdio_clients = [
            await stack.enter_async_context(stdio_client(data_dir, **token_for(data_dir, user))) for user in users
        ]
        http_clients = [await stack.enter_async_context(server.client(user)) for user in users]
        for client, user, http_client in zip(stdio_clients, users, http_clients, strict=True):
            assert (await structured(client, "whoami"))["user_id"] == user, "a token says who speaks"
            for writer, title in ((client, "Spoken"), (http_client, "Sent")):
                await structured(writer, "add_task", title=title, tags=["shared"])
            for reader in (client, http_client):
                found = await structured(reader, "list_tasks", tag="shared")
                assert {task["title"] for task in found["tasks"]} == {"Spoken", "Sent"}
        assert await server.stop() == 0
        assert (await structured(stdio_clients[0], "list_tasks", tag="shared"))["total_count"] == 2
    assert not postgres_processes(data_dir)


async def test_stdio_server_stops_on_a_signal_with_open_input(data_dir: Path) -> None:
    async with started(data_dir, **token_for(data_dir, "dora")) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(HELLO)
        assert json.loads(await process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            await process.wait()
    await until(lambda: not postgres_processes(data_dir))


@pytest.mark.embedded
async def test_postgres_stops_after_a_client_kills_its_server(data_dir: Path) -> None:
    async with started(data_dir) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(HELLO)
        assert json.loads(await process.stdout.readline())["id"] == 1
        assert postgres_processes(data_dir)
        process.kill()
        await process.wait()
    await until(lambda: not postgres_processes(data_dir))
