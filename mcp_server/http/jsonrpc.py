"""What a JSON-RPC message looks like, and what is answered to anything else: over HTTP and stdio the same words."""

import json
from typing import cast

from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

Message = dict[str, object]

NO_MESSAGE = (
    'This is not a JSON-RPC message: send one object with "jsonrpc": "2.0", an id (a number or text), a method (text) '
    "and params (an object). Batches are not taken: send each message by itself."
)


class Unfit(Exception):
    """This is no message. The text says what to send; `code` is of JSON-RPC 2.0 section 5.1."""

    def __init__(self, code: int, sentence: str, number: int | str | None = None) -> None:
        super().__init__(sentence)
        self.code, self.number = code, number

    @property
    def error(self) -> JSONRPCError:
        """As the protocol says it; without the number of a request if none can be told."""
        return JSONRPCError(jsonrpc="2.0", id=self.number, error=ErrorData(code=self.code, message=str(self)))


def read(text: str | bytes) -> Message:
    """One message.

    Raises:
        Unfit: it is not JSON, or not a request, notification or answer.
    """
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unfit(PARSE_ERROR, "This is not JSON that can be read: send one JSON-RPC message in UTF-8.") from error
    try:
        jsonrpc_message_adapter.validate_python(said, by_name=False)
    except ValidationError as error:
        raise Unfit(INVALID_REQUEST, NO_MESSAGE) from error
    return cast(Message, said)
