"""What the MCP endpoint takes: a POST of one JSON-RPC message, in time and of a bounded size."""

import json
from typing import cast

import anyio
from mcp.types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.http import jsonrpc
from mcp_server.http.jsonrpc import InvalidMessage, Parsed
from mcp_server.http.media_types import EVENTS, JSON, accepts, is_json

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30.0
LINGER_SECONDS = 2.0


class BadRequest(Exception):
    """The request ends here: an HTTP status, and the protocol's error, which clients show to people."""

    def __init__(self, status: int, invalid: InvalidMessage) -> None:
        super().__init__(str(invalid))
        self.status, self._invalid = status, invalid

    @property
    def response(self) -> Response:
        """The answer. The rest of a body that was not read to its end makes the connection of no further use."""
        headers = {"Cache-Control": "no-store"}
        if self.status in (408, 413):
            headers["Connection"] = "close"
        if self.status == 405:
            headers["Allow"] = "POST"
        content = self._invalid.error.model_dump_json(by_alias=True, exclude_unset=True)
        return Response(content, self.status, headers, JSON)


async def read(headers: Headers, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        BadRequest: it is too large, or too slow; ClientDisconnect: the client left.
    """
    announced = headers.get("content-length", "")
    too_large = announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES
    body, more = bytearray(), True
    try:
        with anyio.fail_after(BODY_SECONDS):
            while more and not too_large:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                body += message.get("body", b"")
                more = message.get("more_body", False)
                too_large = len(body) > MAX_BODY_BYTES
    except TimeoutError as error:
        sentence = f"The request was not complete after {BODY_SECONDS:g} seconds. Send it again."
        raise BadRequest(408, InvalidMessage(INVALID_REQUEST, sentence)) from error
    if too_large:
        await _discard(receive)
        sentence = (
            "A request may have 1 MiB at most. Split it into several calls with fewer tasks or messages in each, and "
            "leave out what pictures and files hold: it is not kept."
        )
        raise BadRequest(413, InvalidMessage(INVALID_REQUEST, sentence))
    return bytes(body)


async def _discard(receive: Receive) -> None:
    """Take in a little of what is still under way: closing on unread bytes is a reset, which takes our answer along."""
    left = 4 * MAX_BODY_BYTES
    with anyio.move_on_after(LINGER_SECONDS):
        while left > 0 and (message := await receive()).get("more_body"):
            left -= len(message.get("body", b""))


def replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def find_tool(body: bytes) -> str | None:
    """The tool that a message calls, if it is one and calls one."""
    try:
        said: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or cast("dict[str, object]", said).get("method") != "tools/call":
        return None
    params = cast("dict[str, object]", said).get("params")
    name = cast("dict[str, object]", params).get("name") if isinstance(params, dict) else None
    return name if isinstance(name, str) else None


def only_messages(app: ASGIApp) -> ASGIApp:
    """Answer what is not a message here, and pass messages on in the spelling of headers that the SDK compares with.

    The SDK would open a stream that never ends for a GET, compare media types with case, and answer in other forms.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            _check_method(scope["method"])
            _check_content_type(headers)
            parsed = jsonrpc.read(await read(headers, receive))
            accepted = _accepted(headers, parsed)
        except InvalidMessage as invalid:
            return await BadRequest(400, invalid).response(scope, receive, send)
        except BadRequest as bad:
            return await bad.response(scope, receive, send)
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"accept", b"content-type", b"content-length")]
        spelled = {"accept": accepted, "content-type": JSON, "content-length": str(len(parsed.data))}
        kept += [(name.encode(), value.encode()) for name, value in spelled.items()]
        return await app({**scope, "headers": kept}, replay(parsed.data, receive), send)

    return run


def _check_method(method: str) -> None:
    """No stream is offered, and no session, so there is nothing to GET or to DELETE (MCP, Streamable HTTP).

    Raises:
        BadRequest: it is not POST.
    """
    if method != "POST":
        sentence = "Send each message with POST: this server offers no stream to GET, and has no session to DELETE."
        raise BadRequest(405, InvalidMessage(INVALID_REQUEST, sentence))


def _check_content_type(headers: Headers) -> None:
    if not is_json(headers.getlist("content-type")):
        sentence = f"The body of a request must be JSON: send the header Content-Type: {JSON}."
        raise BadRequest(415, InvalidMessage(INVALID_REQUEST, sentence))


def _accepted(headers: Headers, parsed: Parsed) -> str:
    """The types of answers that are welcome.

    Raises:
        BadRequest: what the answer is going to be is not among them.
    """
    given = headers.getlist("accept")
    welcome = [media_type for media_type in (JSON, EVENTS) if accepts(given, media_type)]
    streams = parsed.message.get("method") == "subscriptions/listen"
    if JSON not in welcome or (streams and EVENTS not in welcome):
        sentence = f"The answer would be of a type that was not asked for: send the header Accept: {JSON}, {EVENTS}."
        raise BadRequest(406, InvalidMessage(INVALID_REQUEST, sentence, parsed.request_id))
    return ", ".join(welcome)
