"""Reads the body of a request, limited in size and time."""

import asyncio

import anyio
from mcp.types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive

from mcp_server.http.jsonrpc import InvalidMessage
from mcp_server.http.media_types import JSON
from mcp_server.http.message_limits import MAX_BULK_BYTES

MAX_BODY_BYTES = MAX_BULK_BYTES
BODY_SECONDS = 30.0
"""For the whole body. A limit for each part would let a client send one byte at a time for hours."""
LINGER_SECONDS = 2.0
"""How long to read on after a body that is too large, so that the client gets the response."""


class BadRequest(Exception):
    """The request is rejected with an HTTP status and a JSON-RPC error, whose message clients show to people."""

    def __init__(self, status: int, invalid: InvalidMessage) -> None:
        super().__init__(str(invalid))
        self.status, self._invalid = status, invalid

    @property
    def response(self) -> Response:
        """The HTTP response."""
        headers = {"Cache-Control": "no-store"}
        # The rest of the body is still on its way, so the connection cannot carry another request.
        if self.status in (408, 413):
            headers["Connection"] = "close"
        if self.status == 405:
            headers["Allow"] = "POST"
        content = self._invalid.error.model_dump_json(exclude_unset=True)
        return Response(content, self.status, headers, JSON)


async def read(headers: Headers, receive: Receive) -> bytes:
    """The whole body.

    Raises:
        BadRequest: 413 too large, 408 too slow; ClientDisconnect: the client left.
    """
    announced = headers.get("content-length", "")
    # The announced length refuses a body before any of it is kept. A chunked body announces none, so bytes are counted
    # too. The header is cut, because int raises an error for more than 4300 digits.
    too_large = announced.isdecimal() and int(announced[:20]) > MAX_BODY_BYTES
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(BODY_SECONDS):
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
    """Read some of what is still being sent. Closing a socket with unread bytes resets it, and the response is lost."""
    left = 4 * MAX_BODY_BYTES
    with anyio.move_on_after(LINGER_SECONDS):
        while left > 0 and (message := await receive()).get("more_body"):
            left -= len(message.get("body", b""))


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that replays a body already read."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    # Afterwards the real `receive`, which the SDK needs to notice that the client disconnects.
    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again
