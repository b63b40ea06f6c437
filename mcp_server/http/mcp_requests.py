"""What the MCP endpoint accepts: a POST with one JSON-RPC message.

The parsed message is in `asgi_scope["message"]`, the tool that it calls in `asgi_scope["tool"]`.
"""

import logging
from collections.abc import Awaitable, Callable, Container
from typing import cast

from mcp.types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http import in_flight, jsonrpc
from mcp_server.http.authentication import challenge, check_oauth_scope
from mcp_server.http.in_flight import RETRY_SECONDS, Spaced, TooManyCalls
from mcp_server.http.jsonrpc import InvalidMessage, Message, Parsed, TooLarge
from mcp_server.http.media_types import EVENTS, JSON, accepts, is_json
from mcp_server.http.message_limits import MAX_BYTES
from mcp_server.http.rate_limit import rate_limited
from mcp_server.http.refusals import Refusal
from mcp_server.http.request_body import BadRequest, read, replay
from mcp_server.identity.callers import Caller
from mcp_server.identity.local_issuer import READ
from mcp_server.settings import Settings

logger = logging.getLogger(__name__)


class McpRequests:
    """Rejects requests to /mcp that are not a message, or that call a tool which the token does not allow.

    Without it the SDK would open an endless stream for a GET of an earlier revision, compare Content-Type
    case-sensitively, and answer in several forms. `required_oauth_scope` returns the OAuth scope that calling a tool
    requires, `bulk_tools` are those whose calls may be large; `note_refusal` records that a token does not allow one.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        required_oauth_scope: Callable[[str], str],
        bulk_tools: Container[str],
        note_refusal: Callable[[Caller, str], Awaitable[None]],
    ) -> None:
        self._app = app
        self._settings = settings
        self._note_refusal = note_refusal
        self._required_oauth_scope = required_oauth_scope
        self._bulk_tools = bulk_tools
        self._large = Spaced(in_flight.LARGE_SECONDS)

    async def __call__(self, asgi_scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the message on with headers in the spelling that the SDK compares, or reject it."""
        if asgi_scope["type"] != "http" or asgi_scope["path"] != "/mcp":
            return await self._app(asgi_scope, receive, send)
        headers = Headers(scope=asgi_scope)
        try:
            # The method comes first, so that a GET is answered without waiting for a body.
            _check_method(asgi_scope["method"])
            parsed = await self._parse(await read(headers, receive), headers, asgi_scope["caller"])
            # MCP (Authorization) wants HTTP 403 here, and only a response outside the SDK can be one.
            asgi_scope["tool"] = tool = _find_tool(parsed.message)
            check_oauth_scope(asgi_scope["caller"], READ if tool is None else self._required_oauth_scope(tool))
            _check_content_type(headers)
            accepted = _accepted(headers, parsed)
        except InvalidMessage as invalid:
            status = 413 if isinstance(invalid, TooLarge) else 400
            return await BadRequest(status, invalid).response(asgi_scope, receive, send)
        except BadRequest as bad:
            logger.info("refused %r: %s", asgi_scope["path"], bad)
            return await bad.response(asgi_scope, receive, send)
        except Refusal as refusal:
            logger.info("refused %r: %s", asgi_scope["path"], refusal)
            if refusal.oauth_scope:
                await self._note_refusal(asgi_scope["caller"], (asgi_scope["tool"] or "read")[:100])
            return await refusal.send(asgi_scope, receive, send, challenge(refusal, asgi_scope, self._settings))
        except TooManyCalls as error:
            return await rate_limited(str(error), RETRY_SECONDS).send(asgi_scope, receive, send)
        except ClientDisconnect:
            # There is nobody left to answer.
            return None
        # The SDK compares Content-Type case-sensitively and ignores weights in Accept, so it gets headers that say what
        # was found here. The length is that of the message, whose id may have been written anew.
        kept = [
            pair for pair in asgi_scope["headers"] if pair[0] not in (b"accept", b"content-type", b"content-length")
        ]
        replaced = {"accept": accepted, "content-type": JSON, "content-length": str(len(parsed.data))}
        kept += [(name.encode(), value.encode()) for name, value in replaced.items()]
        return await self._app(
            {**asgi_scope, "headers": kept, "message": parsed.message}, replay(parsed.data, receive), send
        )

    async def _parse(self, data: bytes, headers: Headers, caller: Caller) -> Parsed:
        try:
            if len(data) <= MAX_BYTES:
                return jsonrpc.read(data, self._bulk_tools)
            # Counting the values of a megabyte blocks the event loop for up to 20 ms, so one person's are spaced.
            async with self._large.hold(caller.user_id):
                return jsonrpc.read(data, self._bulk_tools)
        except InvalidMessage:
            # A wrong content type explains the unreadable body better.
            _check_content_type(headers)
            raise


def _find_tool(message: Message) -> str | None:
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return None
    name = cast(Message, params).get("name")
    return name if isinstance(name, str) else None


def _check_method(method: str) -> None:
    """Accept POST only: without streams and sessions there is nothing to GET or DELETE (MCP, Streamable HTTP).

    Raises:
        BadRequest: 405.
    """
    if method != "POST":
        sentence = "Send each message with POST: this server offers no stream to GET, and has no session to DELETE."
        raise BadRequest(405, InvalidMessage(INVALID_REQUEST, sentence))


def _check_content_type(headers: Headers) -> None:
    if not is_json(headers.getlist("content-type")):
        sentence = f"The body of a request must be JSON: send the header Content-Type: {JSON}."
        raise BadRequest(415, InvalidMessage(INVALID_REQUEST, sentence))


def _accepted(headers: Headers, parsed: Parsed) -> str:
    """The media types of responses that the client accepts.

    Raises:
        BadRequest: 406; the media type of the response is not among them.
    """
    given = headers.getlist("accept")
    accepted = [media_type for media_type in (JSON, EVENTS) if accepts(given, media_type)]
    streams = parsed.message.get("method") == "subscriptions/listen"
    if JSON not in accepted or (streams and EVENTS not in accepted):
        sentence = f"The answer would be of a type that was not asked for: send the header Accept: {JSON}, {EVENTS}."
        raise BadRequest(406, InvalidMessage(INVALID_REQUEST, sentence, parsed.request_id))
    return ", ".join(accepted)
