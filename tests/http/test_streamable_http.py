"""The MCP endpoint as any HTTP client meets it: methods, media types and ids."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from mcp_server.settings import Settings
from tests.support.mcp_requests import BOTH, CALL, EVENTS, META, MODERN, MODERN_CALL, post, refusal
from tests.support.processes import serving
from tests.support.running_server import RunningServer, standing

REVISIONS = pytest.mark.parametrize(
    ("revision", "call"), [({}, CALL), (MODERN, MODERN_CALL)], ids=["before 2026-07-28", "2026-07-28"]
)


@pytest.fixture(scope="module")
async def house(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, direct_url: str
) -> AsyncGenerator[RunningServer]:
    settings = Settings.model_validate({"data_dir": tmp_path_factory.mktemp("wire"), "rate_limit": 0})
    async with standing(settings, database_url, direct_url) as built:
        yield built


@pytest.mark.parametrize("revision", [{}, {"mcp-protocol-version": "2025-11-25"}, MODERN], ids=repr)
@pytest.mark.parametrize("accept", [BOTH, EVENTS, "application/json", "text/html", "*/*", None])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])
async def test_only_post_is_taken(
    house: RunningServer, method: str, accept: str | None, revision: dict[str, str]
) -> None:
    headers = revision | {"last-event-id": "7", "mcp-session-id": "x"} | ({"accept": accept} if accept else {})
    async with house.client("alice", "mcp") as client:
        if accept is None:
            del client.headers["accept"]
        answer = await client.request(method, "/mcp", headers=headers)
    status, code, number, sentence = refusal(answer)
    assert (status, code, number, answer.headers["allow"]) == (405, -32600, None, "POST")
    assert "POST" in sentence


async def test_head_is_answered_like_get_without_a_body(house: RunningServer) -> None:
    async with house.client("alice", "mcp") as client:
        answer = await client.head("/mcp")
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "POST", b"")


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
async def test_whoever_has_no_token_learns_first_where_to_get_one(house: RunningServer, method: str) -> None:
    async with house.client(x_forwarded_for="10.7.0.1") as client:
        answer = await client.request(method, "/mcp", headers={"accept": EVENTS})
    assert answer.status_code == 401
    assert 'resource_metadata="' in answer.headers["www-authenticate"]


async def test_a_get_leaves_nothing_behind_when_the_server_stops(
    tmp_path: Path, database_url: str, direct_url: str
) -> None:
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
async def test_the_media_type_of_a_body_is_compared_without_case(
    house: RunningServer, content_type: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(house, call, headers=revision | {"content-type": content_type})
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"


@REVISIONS
@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/json", "application/jsonp", "application/json-rpc", "application/json, text/plain"],
)
async def test_another_media_type_is_refused_in_the_form_of_all_refusals(
    house: RunningServer, content_type: str | None, revision: dict[str, str], call: dict[str, Any]
) -> None:
    headers = revision | ({} if content_type is None else {"content-type": content_type})
    answer = await post(house, call, "" if content_type is not None else "content-type", headers)
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
async def test_any_wish_that_json_fulfils_is_fulfilled(
    house: RunningServer, accept: str | None, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(house, call, "" if accept else "accept", revision | ({"accept": accept} if accept else {}))
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"


@REVISIONS
@pytest.mark.parametrize(
    "accept", ["text/html", EVENTS, "application/xml", "application/json;q=0", "application/json; Q=0.0, */*"]
)
async def test_a_wish_that_json_does_not_fulfil_is_refused_in_the_form_of_all_refusals(
    house: RunningServer, accept: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    status, code, number, sentence = refusal(await post(house, call, headers=revision | {"accept": accept}))
    assert (status, code, number) == (406, -32600, 1)
    assert sentence.endswith(f"send the header Accept: {BOTH}.")


async def test_a_stream_of_changes_needs_a_client_that_reads_streams(house: RunningServer) -> None:
    listen: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "subscriptions/listen",
        "params": {"_meta": META, "notifications": {"resourceSubscriptions": ["statistics://me"]}},
    }
    revision = {"mcp-protocol-version": "2026-07-28", "mcp-method": "subscriptions/listen"}
    answer = await post(house, listen, headers=revision | {"accept": "application/json"})
    assert refusal(answer)[:3] == (406, -32600, 7)


@REVISIONS
async def test_a_byte_order_mark_is_ignored(
    house: RunningServer, revision: dict[str, str], call: dict[str, Any]
) -> None:
    answer = await post(house, b"\xef\xbb\xbf" + json.dumps(call).encode(), headers=revision)
    assert answer.json()["id"] == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "iso-8859-1"])
@REVISIONS
async def test_a_body_is_utf_8_whatever_its_charset_says(
    house: RunningServer, encoding: str, revision: dict[str, str], call: dict[str, Any]
) -> None:
    named = call | {"params": call["params"] | {"arguments": {"é": 1}}}
    content = json.dumps(named, ensure_ascii=False).encode(encoding)
    answer = await post(house, content, headers=revision | {"content-type": f"application/json; charset={encoding}"})
    assert refusal(answer)[:3] == (400, -32700, None)


@REVISIONS
@pytest.mark.parametrize(
    "number", [None, 1.5, True, False, [1], {}, 2.0**53, 1e300, float("inf"), float("nan")], ids=repr
)
async def test_an_id_that_is_neither_text_nor_a_whole_number_is_refused(
    house: RunningServer, number: Any, revision: dict[str, str], call: dict[str, Any]
) -> None:
    assert refusal(await post(house, call | {"id": number}, headers=revision)) == (
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
async def test_an_id_is_echoed_as_the_text_or_whole_number_that_it_is(
    house: RunningServer, sent: str, echoed: object, revision: dict[str, str], call: dict[str, Any]
) -> None:
    content = json.dumps(call).replace('"id": 1,', f'"id": {sent},')
    answer = await post(house, content.encode(), headers=revision)
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice"
    assert (answer.json()["id"], type(answer.json()["id"])) == (echoed, type(echoed))


@REVISIONS
async def test_a_message_with_an_id_that_is_null_is_no_notification(
    house: RunningServer, revision: dict[str, str], call: dict[str, Any]
) -> None:
    message = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    sent = await post(house, message, headers=revision)
    assert (sent.status_code, sent.content) == (202, b"")
    assert refusal(await post(house, message | {"id": None}, headers=revision))[:3] == (400, -32600, None)


async def test_an_answer_to_nothing_may_be_an_error_of_an_unknown_request(house: RunningServer) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "What?"}}
    assert (await post(house, error)).status_code == 202
    assert refusal(await post(house, {"jsonrpc": "2.0", "id": None, "result": {}}))[:3] == (400, -32600, None)


@REVISIONS
@pytest.mark.parametrize("params", [[1], "{}", 7, True], ids=repr)
async def test_params_that_are_no_object_are_refused_in_a_sentence(
    house: RunningServer, params: Any, revision: dict[str, str], call: dict[str, Any]
) -> None:
    assert refusal(await post(house, call | {"params": params}, headers=revision)) == (
        400,
        -32600,
        1,
        "params must be an object with the parameters by name: send it as such, not as text or a list.",
    )
