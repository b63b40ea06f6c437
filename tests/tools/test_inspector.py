"""The official MCP Inspector on the command line: over HTTP with a bearer token, and over stdio."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.processes import TASKDECK, CommandResult, Server, run_node, serving

pytestmark = pytest.mark.long

ERAS = ("legacy", "modern")


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Server]:
    async with serving(tmp_path_factory.mktemp("inspector") / "data") as running:
        yield running


async def inspect(server: Server, *question: str, bearer: bool = True) -> CommandResult:
    given = ("--header", f"Authorization: Bearer {server.token('inspector')}") if bearer else ()
    how = ("--cli", server.url, "--transport", "http", *given, "--stored-auth-only", "--format", "json")
    return await run_node("mcp-inspector", *how, *question, home=server.data_dir.parent)


async def learn(server: Server, *question: str) -> dict[str, Any]:
    ended = await inspect(server, *question)
    assert ended.status == 0, ended.stderr
    return json.loads(ended.stdout)["result"]


async def test_inspector_finds_no_schema_errors(server: Server) -> None:
    listed = await learn(server, "--method", "tools/list", "--strict")
    assert {"add_task", "list_tasks", "get_conversation", "get_statistics"} <= {
        tool["name"] for tool in listed["tools"]
    }


@pytest.mark.parametrize("era", ERAS)
async def test_inspector_adds_a_task_over_http(server: Server, era: str) -> None:
    call = ("--method", "tools/call", "--tool-name", "add_task", "--tool-arg", f"title=Seen by the {era} Inspector")
    added = (await learn(server, "--protocol-era", era, *call))["structuredContent"]
    async with server.client("inspector") as client:
        found = await client.call_tool("get_task", {"task_id": added["id"]})
    assert found.structured_content
    assert found.structured_content["title"] == f"Seen by the {era} Inspector"


async def test_inspector_reads_a_conversation_over_http(server: Server) -> None:
    async with server.client("inspector") as client:
        messages = [{"role": "user", "content": "Read me by the Inspector"}]
        talk = (await client.call_tool("start_conversation", {"messages": messages})).structured_content
    assert talk
    read = await learn(server, "--method", "resources/read", "--uri", f"conversation://{talk['id']}")
    assert "Read me by the Inspector" in read["contents"][0]["text"]


async def test_inspector_is_told_that_it_needs_a_token(server: Server) -> None:
    ended = await inspect(server, "--method", "tools/list", bearer=False)
    assert ended.status == 3
    assert "auth_required" in ended.stderr


async def test_inspector_works_over_stdio(server: Server) -> None:
    home, how = server.data_dir.parent, ("--cli", str(TASKDECK), "stdio", "--format", "json")
    who = {"TASKDECK_TOKEN": server.token("inspector"), "TASKDECK_PORT": server.address.rpartition(":")[2]}
    talk = json.dumps({"title": "By stdio", "messages": [{"role": "user", "content": "Hello"}]})
    call = ("--method", "tools/call", "--tool-name", "start_conversation", "--tool-args-json", talk)
    started = await run_node("mcp-inspector", *how, *call, home=home, **who)
    assert started.status == 0, started.stderr
    number = json.loads(started.stdout)["result"]["structuredContent"]["id"]
    asked = ("--method", "resources/read", "--uri", f"conversation://{number}")
    read = await run_node("mcp-inspector", *how, *asked, home=home, **who)
    assert "Hello" in json.loads(read.stdout)["result"]["contents"][0]["text"]
