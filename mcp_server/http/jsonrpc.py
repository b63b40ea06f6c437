"""JSON-RPC 2.0 messages, and the errors for invalid ones, which are the same over HTTP and stdio."""

import codecs
import json
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import cast

from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import from_json

from mcp_server.http.message_limits import TOO_DEEP, explain_excess, measure

Message = dict[str, object]
Id = int | str

NOT_JSON = "This is not JSON that can be read: send one JSON-RPC message in UTF-8."
NO_MESSAGE = (
    'This is not a JSON-RPC message: send one object with "jsonrpc": "2.0", an id (a number or text), a method (text) '
    "and params (an object). Batches are not taken: send each message by itself."
)
WRONG_ID = "The id of a request must be text or a whole number. Leave it out only in a notification."
WRONG_METHOD = "method must be text, such as tools/list."
WRONG_PARAMS = "params must be an object with the parameters by name: send it as such, not as text or a list."
SURROGATE = "A text contains half of a surrogate pair, which is no character; remove it."

MAX_WHOLE_FLOAT = 2.0**53 - 1
"""Up to here no two whole numbers share a float, so an id is echoed as the number that was sent."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidMessage(Exception):
    """The input is not a JSON-RPC message. The text says what to send; `code` is from JSON-RPC 2.0 section 5.1."""

    def __init__(self, code: int, sentence: str, request_id: Id | None = None) -> None:
        super().__init__(sentence)
        self.code, self.request_id = code, request_id

    @property
    def error(self) -> JSONRPCError:
        """The response, with `id: null` if the id of the request is unknown."""
        return JSONRPCError(jsonrpc="2.0", id=self.request_id, error=ErrorData(code=self.code, message=str(self)))


class TooLarge(InvalidMessage):
    """The message exceeds a limit (message_limits.py)."""

    def __init__(self, sentence: str, request_id: Id | None = None) -> None:
        super().__init__(INVALID_REQUEST, sentence, request_id)


@dataclass(frozen=True)
class Parsed:
    """A message, its id if it is a request, and the JSON of it that the SDK reads in the same way."""

    message: Message
    request_id: Id | None
    data: bytes


def read(data: bytes, bulk_tools: Container[str]) -> Parsed:
    """One message. A byte order mark is ignored, as RFC 8259 section 8.1 allows. Only `bulk_tools` take large ones.

    Raises:
        TooLarge: it exceeds a limit; InvalidMessage: it is not JSON in UTF-8, or not a request, notification or
        response.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    size = measure(data)
    if excess := explain_excess(size, None, bulk_tools):
        raise TooLarge(excess)
    # The stricter of the two parsers that the SDK uses, depending on the revision: json.loads accepts half of a
    # surrogate pair, which cannot be stored.
    try:
        parsed: object = from_json(data)
    except ValueError as error:
        if "recursion limit" in str(error):
            raise InvalidMessage(PARSE_ERROR, TOO_DEEP) from error
        raise _unreadable(data) from error
    if not isinstance(parsed, dict):
        raise InvalidMessage(INVALID_REQUEST, NO_MESSAGE)
    message = cast(Message, parsed)
    request_id = _id_of(message)
    if excess := explain_excess(size, message, bulk_tools):
        raise TooLarge(excess, request_id)
    # The SDK takes a request whose id is a float for a notification, and its client would wait for ever.
    if isinstance(message.get("id"), float):
        message["id"] = request_id
        data = json.dumps(message, ensure_ascii=False).encode()
    _check(message, request_id)
    return Parsed(message, request_id, data)


def _unreadable(data: bytes) -> InvalidMessage:
    """The reason why this is not readable."""
    # Unlike pydantic's parser, Python's accepts an unpaired surrogate, and so can find the id of its request.
    try:
        parsed: object = json.loads(data)
    except (ValueError, RecursionError):
        return InvalidMessage(PARSE_ERROR, NOT_JSON)
    if not _SURROGATE.search(json.dumps(parsed, ensure_ascii=False)):
        return InvalidMessage(PARSE_ERROR, NOT_JSON)
    request_id = cast(Message, parsed).get("id") if isinstance(parsed, dict) else None
    if isinstance(request_id, bool) or not isinstance(request_id, int | str) or _SURROGATE.search(str(request_id)):
        request_id = None
    return InvalidMessage(PARSE_ERROR, SURROGATE, request_id)


def _id_of(message: Message) -> Id | None:
    """The id; None for a notification, and for an error whose request nobody could tell.

    JSON has one type of number, so 1.0 is the integer 1. MCP, unlike JSON-RPC, allows no null as the id of a request.

    Raises:
        InvalidMessage: it is neither text nor a whole number.
    """
    match message.get("id"):
        # Python's bool is an int.
        case bool():
            pass
        case int() | str() as request_id:
            return request_id
        case float() as request_id if request_id.is_integer() and abs(request_id) <= MAX_WHOLE_FLOAT:
            return int(request_id)
        case None if "id" not in message or ("error" in message and "method" not in message):
            return None
        case _:
            pass
    raise InvalidMessage(INVALID_REQUEST, WRONG_ID)


def _check(message: Message, request_id: Id | None) -> None:
    # The adapter tries every kind of message and reports all their errors at once. Two frequent mistakes are found
    # first, so that the error can name the field.
    if message.get("jsonrpc") == "2.0" and "method" in message:
        if not isinstance(message["method"], str):
            raise InvalidMessage(INVALID_REQUEST, WRONG_METHOD, request_id)
        if not isinstance(message.get("params"), dict | None):
            raise InvalidMessage(INVALID_REQUEST, WRONG_PARAMS, request_id)
        if request_id is not None:
            return
    try:
        jsonrpc_message_adapter.validate_python(message)
    except ValidationError as error:
        raise InvalidMessage(INVALID_REQUEST, NO_MESSAGE) from error
