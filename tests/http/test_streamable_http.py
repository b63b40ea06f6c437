"""The MCP endpoint for any HTTP client: methods, media types and ids."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.settings import Settings
from tests.support.mcp_requests import BOTH, CALL, EVENTS, META, MODERN, MODERN_CALL, post, refusal
from tests.support.processes import serving
from tests.support.running_server import RunningServer, running_server

REVISIONS = pytest.mark.parametrize(
    ("revision", "call"), [({}, CALL), (MODERN, MODERN_CALL)], ids=["before 2026-07-28", "2026-07-28"]
)


@pytest.fixture(scope="module")
async def server(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, direct_url: str
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("wire"), "rate_limit": 0})
    async with running_server(settings, database_url, direct_url) as built:
        yield built


@pytest.mark.parametrize("revision", [{}, {"mcp-protocol-version": "2025-11-25"}, MODERN], ids=repr)
@pytest.mark.parametrize("accept", [BOTH, EVENTS, "application/json", "text/html", "*/*", None])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
async def test_methods_other_than_post_are_rejected(
    server: RunningServer, method: str, accept: str | None, revision: dict[str, str]
) -> None:
    headers = revision | {"last-event-id": "7", "mcp-session-id": "x"} | ({"accept": accept} if accept else {})
    async with server.client("alice", "mcp") as client:
        if accept is None:
            del client.headers["accept"]
        answer = await client.request(method, "/mcp", headers=headers)
    status, code, number, sentence = refusal(answer)
    assert (status, code, number, answer.headers["allow"]) == (405, -32600, None, "POST")
    assert "POST" in sentence


async def test_head_gets_405_without_a_body(server: RunningServer) -> None:
    async with server.client("alice", "mcp") as client:
        answer = await client.head("/mcp")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
async def test_missing_token_is_reported_before_a_wrong_method(server: RunningServer, method: str) -> None:
    async with server.client(x_forwarded_for="10.7.0.1") as client:
        answer = await client.request(method, "/mcp", headers={"accept": EVENTS})
    assert answer.status_code == 401
    assert 'resource_metadata="' in answer.headers["www-authenticate"]


@pytest.mark.long
async def test_get_leaves_no_error_at_shutdown(tmp_path: Path, database_url: str, direct_url: str) -> None:
    known = {"DATABASE_URL": database_url, "DATABASE_URL_UNPOOLED": direct_url}
    async with serving(tmp_path / "data", TASKDECK_LOG_LEVEL="INFO", **known) as server:
        async with server.http("alice", accept=EVENTS) as client:
            assert (await client.get("/mcp")).status_code == 405
            assert await server.stop() == 0
        assert '"level": "ERROR"' not in server.log.read_text()


@REVISIONS
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; Charset=UTF-8",
        "APPLICATION/JSON",
        "application/json;charset=utf-8",
        'application/json ; charset="utf-8"; x=y',
        "application/json; charset=iso-8859-1",
    ],
)
async def test_content_type_is_compared_case_insensitively(
    server: RunningServer, content_type: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(server, call, headers=revision | {"content-type": content_type})
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"


@REVISIONS
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "application/jsonp", "application/json-rpc", "application/json, text/plain"],
)
async def test_unsupported_content_type_is_415(
    server: RunningServer, content_type: str | None, revision: dict[str, str], call: dict[str, Any]
) -> None:
    headers = revision | ({} if content_type is None else {"content-type": content_type})
    answer = await post(server, call, "" if content_type is not None else "content-type", headers)
    assert refusal(answer) == (
        415,
        -32600,
        None,
        "The body of a request must be JSON: send the header Content-Type: application/json.",
    )


@REVISIONS
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/*",
        "Application/JSON, Text/Event-Stream",
        "application/json",
        "application/json;charset=utf-8;q=0.5, text/html",
        "text/html, image/gif, *; q=.2, */*; q=.2",
        "text/html;q=0, */*",
    ],
)
async def test_accept_header_that_allows_json_is_accepted(
    server: RunningServer, accept: str | None, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(server, call, "" if accept else "accept", revision | ({"accept": accept} if accept else {}))
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"


@REVISIONS
@pytest.mark.parametrize(
    "accept", ["text/html", EVENTS, "application/xml", "application/json;q=0", "application/json; Q=0.0, */*"]
)
async def test_accept_header_that_excludes_json_is_406(
    server: RunningServer, accept: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    status, code, number, sentence = refusal(await post(server, call, headers=revision | {"accept": accept}))
    assert (status, code, number) == (406, -32600, 1)
    assert sentence.endswith(f"send the header Accept: {BOTH}.")


async def test_subscription_stream_requires_accept_event_stream(server: RunningServer) -> None:
    listen: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "subscriptions/listen",
        "params": {"_meta": META, "notifications": {"resourceSubscriptions": ["statistics://me"]}},
    }
    revision = {"mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen"}
    answer = await post(server, listen, headers=revision | {"accept": "application/json"})
    assert refusal(answer)[:3] == (406, -32600, 7)


@REVISIONS
async def test_byte_order_mark_is_ignored(
    server: RunningServer, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(server, b"\xef\xbb\xbf" + json.dumps(call).encode(), headers=revision)
    assert answer.json()["id"] == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "iso-8859-1"])
@REVISIONS
async def test_body_is_utf_8_regardless_of_charset(
    server: RunningServer, encoding: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    named = call | {"params": call["params"] | {"arguments": {"é": 1}}}
    content = json.dumps(named, ensure_ascii=False).encode(encoding)
    answer = await post(server, content, headers=revision | {"content-type": f"application/json; charset={encoding}"})
    assert refusal(answer)[:3] == (400, -32700, None)


@REVISIONS
@pytest.mark.parametrize(
    "number", [None, 1.5, True, False, [1], {}, 2.0**53, 1e300, float("inf"), float("nan")], ids=repr
)
async def test_id_that_is_neither_string_nor_integer_is_rejected(
    server: RunningServer, number: Any, revision: dict[str, str], call: dict[str, Any]
) -> None:
    assert refusal(await post(server, call | {"id": number}, headers=revision)) == (
        400,
        -32600,
        None,
        "The id of a request must be text or a whole number. Leave it out only in a notification.",
    )


@REVISIONS
@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("0", 0),
        ("-1", -1),
        ("1.0", 1),
        ("-2.0", -2),
        ("-0.0", 0),
        ("1e3", 1000),
        ("9007199254740991.0", 2**53 - 1),
        (str(10**40), 10**40),
        ('""', ""),
        ('"é 7"', "é 7"),
        ('"1.0"', "1.0"),
        (json.dumps("x" * 10_000), "x" * 10_000),
    ],
)
async def test_id_is_echoed_with_its_type(
    server: RunningServer, sent: str, echoed: object, revision: dict[str, str], call: dict[str, Any]
) -> None:
    content = json.dumps(call).replace('"id": 1,', f'"id": {sent},')
    answer = await post(server, content.encode(), headers=revision)
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"
    assert (answer.json()["id"], type(answer.json()["id"])) == (echoed, type(echoed))


@REVISIONS
async def test_message_with_null_id_is_not_a_notification(
    server: RunningServer, revision: dict[str, str], call: dict[str, Any]
) -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    sent = await post(server, message, headers=revision)
    assert (sent.status_code, sent.content) == (202, b"")
    assert refusal(await post(server, message | {"id": None}, headers=revision))[:3] == (400, -32600, None)


async def test_error_response_with_null_id_is_accepted(server: RunningServer) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "What?"}}
    assert (await post(server, error)).status_code == 202
    assert refusal(await post(server, {"jsonrpc": "2.0", "id": None, "result": {}}))[:3] == (400, -32600, None)


@REVISIONS
@pytest.mark.parametrize("params", [[1], "{}", 7, True], ids=repr)
async def test_params_that_are_not_an_object_are_rejected(
    server: RunningServer, params: Any, revision: dict[str, str], call: dict[str, Any]
) -> None:
    assert refusal(await post(server, call | {"params": params}, headers=revision)) == (
        400,
        -32600,
        1,
        "params must be an object with the parameters by name: send it as such, not as text or a list.",
    )
