"""Keeping a chat's tool calls: a call that names a conversation in its `_meta` becomes a message of it.

What the call does and the message about it commit together. A refused call did nothing, and its refusal is kept as
well, for a model that resumes the chat looks for an answer to every call. Faults of our own are not kept.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mcp.types import CallToolResult
from pydantic import TypeAdapter, ValidationError

from mcp_server.tools.calls import Call
from mcp_server.tools.registry import WRITE
from storage.conversations import conversations
from storage.engine.database import Scope
from storage.schema.errors import InvalidInput, NotAllowed, StorageError, Unavailable
from storage.schema.request_models import MAX_CALL_ID, CallId, Id, NewMessage

KEY = "taskdeck/conversation_id"
CALL_KEY = "taskdeck/tool_call_id"
"""The id that the model's API gave to the call; kept with the message, so that a resumed chat can match them."""
MOST_BYTES = 65_536
"""What one message may hold."""

Run = Callable[[Call], Awaitable[CallToolResult]]

_ID: TypeAdapter[int] = TypeAdapter(Id)
_CALL_ID: TypeAdapter[str] = TypeAdapter(CallId)


@dataclass(frozen=True)
class Place:
    """The conversation that a call is to be kept in, and the id that the call has there, if any."""

    conversation_id: int
    tool_call_id: str | None


def place_of(meta: Mapping[str, Any] | None) -> Place | None:
    """Where a call is to be kept, if anywhere.

    Raises:
        InvalidInput: it names what cannot be a conversation, or a call.
    """
    conversation_id, tool_call_id = (meta or {}).get(KEY), (meta or {}).get(CALL_KEY)
    if conversation_id is None:
        return None
    try:
        conversation_id = _ID.validate_python(conversation_id)
    except ValidationError as error:
        raise InvalidInput(f"_meta {KEY} must be a conversation's id. Use list_conversations to find it.") from error
    try:
        return Place(conversation_id, None if tool_call_id is None else _CALL_ID.validate_python(tool_call_id))
    except ValidationError as error:
        raise InvalidInput(f"_meta {CALL_KEY} must be text of 1 to {MAX_CALL_ID} characters: the call's id.") from error


async def keep(call: Call, name: str, arguments: dict[str, Any], run: Run, place: Place) -> CallToolResult:
    """Run what a tool of this name does, and keep the call with its result, or its refusal, as a `tool` message.

    Raises:
        NotFound: no such conversation, or somebody else's: then the call had no effect. NotAllowed: the token does not
        allow to write. Else whatever `run` raises.
    """
    if WRITE not in call.caller.scopes:
        raise NotAllowed(f"To keep a call in a conversation takes a token with the scope {WRITE}.")

    async def within(scope: Scope) -> CallToolResult:
        return await run(replace(call, scope=scope))

    def told(result: CallToolResult) -> NewMessage:
        return _message(name, arguments, place.tool_call_id, result=result.structured_content)

    try:
        return await conversations.recorded(call.scope, place.conversation_id, within, told)
    except Unavailable:
        raise
    except StorageError as refusal:
        kept = _message(name, arguments, place.tool_call_id, error=str(refusal))
        await conversations.append(call.scope, place.conversation_id, [kept])
        raise


def _message(name: str, arguments: dict[str, Any], tool_call_id: str | None, **outcome: Any) -> NewMessage:  # noqa: ANN401
    call = {"tool": name, "arguments": arguments, **outcome}
    # Half a surrogate pair in a refused argument becomes a question mark.
    said = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(said) > MOST_BYTES:
        note = f"… (clipped: {len(said)} bytes in all)".encode()
        said = said[: MOST_BYTES - len(note)].decode("utf-8", "ignore").encode() + note
    return NewMessage(role="tool", content=said.decode(), tool_call_id=tool_call_id)
