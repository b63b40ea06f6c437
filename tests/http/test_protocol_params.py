"""Invalid params get an error that says what to send; the SDK's own errors do not."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from mcp_server.settings import Settings
from tests.support.mcp_requests import META, post
from tests.support.running_server import RunningServer, running_server

WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "tools/call",
        {"name": "whoami", "arguments": "{}"},
        "params.arguments must be an object: send it as such, not as JSON text.",
    ),
    ("tools/call", {"name": "whoami", "arguments": [{}]}, "params.arguments must be an object."),
    ("tools/call", {"name": "whoami", "arguments": 7}, "params.arguments must be an object."),
    ("tools/call", {"name": 7, "arguments": {}}, "params.name must be text."),
    ("tools/call", {"arguments": {}}, "params.name is required."),
    ("prompts/get", {"name": "plan_my_day", "arguments": {"focus": 7}}, "params.arguments.focus must be text."),
    ("prompts/get", {"name": "plan_my_day", "arguments": "x"}, "params.arguments must be an object: send it as such"),
    ("resources/read", {"uri": 7}, "params.uri must be text."),
    ("resources/read", {}, "params.uri is required."),
    ("resources/list", {"cursor": 7}, "params.cursor must be text."),
    ("completion/complete", {"ref": 7, "argument": "tag"}, "params.argument must be an object"),
    (
        "completion/complete",
        {"ref": {"type": "x"}, "argument": {"name": "tag", "value": ""}},
        "params.ref is not what completion/complete takes there: see its schema in the MCP specification.",
    ),
)


# Revision 2026-07-28 first compares the name or URI with the headers.
NAMED = [row for row in WRONG if isinstance(row[1].get("name", row[1].get("uri", "")), str)]


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, direct_url: str
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("params"), "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.mark.parametrize(("method", "params", "sentence"), WRONG)
async def test_invalid_params_are_rejected_in_a_sentence(
    server: RunningServer, method: str, params: dict[str, Any], sentence: str
) -> None:
    answer = await post(server, {"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    check(answer.json(), sentence)


@pytest.mark.parametrize(("method", "params", "sentence"), NAMED)
async def test_revision_2026_07_28_gets_the_same_sentence(
    server: RunningServer, method: str, params: dict[str, Any], sentence: str
) -> None:
    named = params.get("name", params.get("uri"))
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": method} | ({"mcp-name": named} if named else {})
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params | {"_meta": META}}
    check((await post(server, request, headers=headers)).json(), sentence)


def check(body: dict[str, Any], sentence: str) -> None:
    assert (body["id"], body["error"]["code"]) == (7, -32602), body
    assert body["error"]["message"].startswith(sentence)
    assert "data" not in body["error"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"name": "whoami", "_meta": "x"}, "params._meta must be an object: send it as such, not as JSON text."),
        ({"name": "whoami", "_meta": []}, "params._meta must be an object."),
        ({"name": "whoami", "_meta": {"progressToken": 1.5}}, "params._meta.progressToken is not what tools/call"),
        (None, "params is required."),
    ],
)
async def test_invalid_fields_beside_arguments_are_explained(server: RunningServer, params: Any, sentence: str) -> None:
    answer = await post(server, {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": params})
    body = answer.json()
    assert (answer.status_code, body["id"], body["error"]["code"]) == (200, "a", -32602)
    assert body["error"]["message"].startswith(sentence)


async def test_arguments_and_metadata_may_be_null_or_absent(server: RunningServer) -> None:
    for params in ({}, {"arguments": None}, {"_meta": None}, {"_meta": {"progressToken": 1.0}}):
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"} | params}
        assert (await post(server, call)).json()["result"]["structuredContent"]["user_id"] == "alice"
