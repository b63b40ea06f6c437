"""What the MCP endpoint takes: a POST of one JSON-RPC message, which is parsed here, once.

Later stages find it in `scope["message"]`, and the tool that it calls in `scope["tool"]`.
"""

import logging
from collections.abc import Callable
from typing import cast

from mcp.types import INVALID_REQUEST
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from mcp_server.http import jsonrpc
from mcp_server.http.authentication import READ, challenge, check_scope
from mcp_server.http.jsonrpc import InvalidMessage, Message, Parsed
from mcp_server.http.media_types import EVENTS, JSON, accepts, is_json
from mcp_server.http.refusals import Refusal
from mcp_server.http.request_body import BadRequest, read, replay
from mcp_server.settings import Settings

logger = logging.getLogger(__name__)


class McpRequests:
    """Answers requests to /mcp that are not a message, or call a tool that the token does not allow.

    Without it the SDK would open a stream that never ends for a GET, compare media types with case, and answer in
    several forms. `scope_needed` gives the OAuth scope that calling a tool takes.
    """

    def __init__(self, app: ASGIApp, settings: Settings, scope_needed: Callable[[str], str]) -> None:
        self._app = app
        self._settings = settings
        self._scope_needed = scope_needed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the message on with the headers as the SDK compares them, or answer it."""
        if scope["type"] != "http" or scope["path"] != "/mcp":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            _check_method(scope["method"])
            parsed = _parse(await read(headers, receive), headers)
            scope["tool"] = tool = _find_tool(parsed.message)
            check_scope(scope["caller"], READ if tool is None else self._scope_needed(tool))
            _check_content_type(headers)
            accepted = _accepted(headers, parsed)
        except InvalidMessage as invalid:
            return await BadRequest(400, invalid).response(scope, receive, send)
        except BadRequest as bad:
            logger.info("refused %r: %s", scope["path"], bad)
            return await bad.response(scope, receive, send)
        except Refusal as refusal:
            logger.info("refused %r: %s", scope["path"], refusal)
            return await refusal.send(scope, receive, send, challenge(refusal, scope, self._settings))
        except ClientDisconnect:
            return None
        kept = [pair for pair in scope["headers"] if pair[0] not in (b"accept", b"content-type", b"content-length")]
        replaced = {"accept": accepted, "content-type": JSON, "content-length": str(len(parsed.data))}
        kept += [(name.encode(), value.encode()) for name, value in replaced.items()]
        return await self._app(
            {**scope, "headers": kept, "message": parsed.message}, replay(parsed.data, receive), send
        )


def _parse(data: bytes, headers: Headers) -> Parsed:
    try:
        return jsonrpc.read(data)
    except InvalidMessage:
        _check_content_type(headers)  # says more about what is wrong, where it is also wrong
        raise


def _find_tool(message: Message) -> str | None:
    params = message.get("params")
    if message.get("method") != "tools/call" or not isinstance(params, dict):
        return None
    name = cast(Message, params).get("name")
    return name if isinstance(name, str) else None


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
