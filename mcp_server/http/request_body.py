"""The body of a POST to the MCP endpoint: it comes in time, has a bounded size, and is one message."""

import json
from typing import cast

import anyio
from mcp.types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.http import jsonrpc
from mcp_server.http.jsonrpc import Unfit

MAX_BODY_BYTES = 1024 * 1024
BODY_SECONDS = 30.0
LINGER_SECONDS = 2.0


class BadBody(Exception):
    """The request ends here: an HTTP status, and the protocol's error, which clients show to people."""

    def __init__(self, status: int, unfit: Unfit) -> None:
        super().__init__(str(unfit))
        self.status, self._unfit = status, unfit

    @property
    def response(self) -> Response:
        """The answer. The rest of a body that was not read to its end makes the connection of no further use."""
        headers = {"Cache-Control": "no-store"} | ({"Connection": "close"} if self.status in (408, 413) else {})
        said = self._unfit.error.model_dump_json(by_alias=True, exclude_unset=True)
        return Response(said, self.status, headers, "application/json")


async def read(headers: Headers, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        BadBody: it is too large, or too slow; ClientDisconnect: the client left.
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
        raise BadBody(408, Unfit(INVALID_REQUEST, sentence)) from error
    if too_large:
        await _discard(receive)
        sentence = "A request may have 1 MiB at most. Split it into several calls with fewer tasks or messages in each."
        raise BadBody(413, Unfit(INVALID_REQUEST, sentence))
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
    """Answer what is no message here: the SDK would answer with its classes and their source."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            body = await read(Headers(scope=scope), receive)
            receive = replay(body, receive)
            try:
                jsonrpc.read(body)
            except Unfit as unfit:
                return await BadBody(400, unfit).response(scope, receive, send)
        return await app(scope, receive, send)

    return run
