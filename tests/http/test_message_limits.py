"""Messages that are too large are refused before they are validated, with an error that says what to do."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.settings import Settings
from tests.conftest import Person
from tests.support.running_server import RunningServer, running_server

MANY_VALUES = (
    "A message that is not a call of a tool for many items may have 2,000 values at most. Split it into several."
)
LONG = (
    "A message that is not a call of a tool for many items may have 64 KiB at most. "
    "Shorten its texts, or split it into several."
)
MANY_BULK = "A message may have 20,000 values at most. Split it into several."
DEEP = "This JSON is nested too deeply: at most 200 levels of lists and objects are taken. Flatten it."


@pytest.fixture(scope="module")
async def server(
    database_url: str, direct_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[RunningServer]:
    folder: Path = tmp_path_factory.mktemp("messages")
    settings = Settings.model_validate({"data_dir": folder, "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


def message(rpc_method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": rpc_method, "params": params}).encode()


def call(tool: str, **params: Any) -> bytes:
    return message("tools/call", name=tool, **params)


async def send(server: RunningServer, user: str, body: bytes) -> tuple[int, Any]:
    headers = {"content_type": "application/json", "accept": "application/json, text/event-stream"}
    async with server.client(user, "mcp", **headers) as client:
        answer = await client.post("/mcp", content=body)
    return answer.status_code, answer.json()


def members(count: int) -> dict[str, int]:
    return {f"k{number}": number for number in range(count)}


TOO_LARGE = {
    "60,000 answers": (call("list_teams", arguments={}, inputResponses=members(60_000)), None, MANY_BULK),
    "2,500 answers": (call("list_teams", arguments={}, inputResponses=members(2_500)), 7, MANY_VALUES),
    "101 answers": (
        call("add_tasks", arguments={}, inputResponses=members(101)),
        7,
        "params.inputResponses may have 100 members at most. Leave out what its schema does not name.",
    ),
    "60,000 arguments": (call("add_tasks", arguments=members(60_000)), None, MANY_BULK),
    "101 arguments": (
        call("add_tasks", arguments=members(101)),
        7,
        "params.arguments may have 100 members at most. Leave out what its schema does not name.",
    ),
    "101 params": (
        message("ping", **members(101)),
        7,
        "params may have 100 members at most. Leave out what its schema does not name.",
    ),
    "200,000 tags": (call("add_task", arguments={"title": "A", "tags": ["a"] * 200_000}), None, MANY_BULK),
    "2,000 tags": (call("add_task", arguments={"title": "A", "tags": ["a"] * 2_000}), 7, MANY_VALUES),
    "a long text": (call("add_task", arguments={"title": "A", "description": "x" * 65_536}), 7, LONG),
    "a long name of a tool": (call("add_tasks" + "x" * 65_536, arguments={}), 7, LONG),
    "a name among the arguments": (message("ping", name="add_tasks", text="x" * 65_536), 7, LONG),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_message_that_is_too_large_is_refused(server: RunningServer, name: str) -> None:
    body, request_id, sentence = TOO_LARGE[name]
    error = {"code": -32600, "message": sentence}
    assert await send(server, "mallory", body) == (413, {"jsonrpc": "2.0", "id": request_id, "error": error})


@pytest.mark.parametrize("body", [b"[" * 250 + b"]" * 250, b'{"a":' * 1_000 + b"1" + b"}" * 1_000])
async def test_message_that_is_nested_too_deeply_is_refused(server: RunningServer, body: bytes) -> None:
    assert await send(server, "mallory", body) == (
        400,
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": DEEP}},
    )


async def test_commas_and_brackets_in_texts_are_no_values(server: RunningServer, alice: Person) -> None:
    text = '[{"a\\n": "b"},' * 1_100
    status, answer = await send(server, alice.user_id, call("add_task", arguments={"title": "A", "description": text}))
    assert (status, answer["result"]["structuredContent"]["description"]) == (200, text)


async def test_tools_for_many_items_take_one_mebibyte(server: RunningServer, alice: Person) -> None:
    texts = ["x" * 65_536] * 15 + ["x" * 60_000]
    messages = [{"role": "user", "content": text} for text in texts]
    status, answer = await send(server, alice.user_id, call("start_conversation", arguments={"messages": messages}))
    assert (status, answer["result"]["structuredContent"]["message_count"]) == (200, 16)
    tasks = [{"title": str(number), "description": "y" * 16_384} for number in range(50)]
    status, answer = await send(server, alice.user_id, call("add_tasks", arguments={"tasks": tasks}))
    assert (status, len(answer["result"]["structuredContent"]["results"])) == (200, 50)


async def test_unknown_arguments_of_many_tasks_are_named_up_to_five(server: RunningServer, alice: Person) -> None:
    wrong = {"title": "A", **members(390)}
    body = call("add_tasks", arguments={"tasks": [wrong] * 50, "atomic": False})
    _, answer = await send(server, alice.user_id, body)
    results = answer["result"]["structuredContent"]["results"]
    assert [result["ok"] for result in results] == [False] * 50
    assert [f"k{number} is not an argument" in results[49]["error"] for number in range(6)] == [True] * 5 + [False]
