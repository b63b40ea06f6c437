"""Recording of tool calls: a call that names a conversation in its `_meta` becomes a message of that conversation.

The effect of the call and the message commit together. A refused call has no effect, but its refusal is recorded too,
because a model that resumes the chat needs a result for every call. Internal errors are not recorded.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mcp.types import CallToolResult
from pydantic import TypeAdapter, ValidationError

from mcp_server.identity.local_issuer import WRITE
from mcp_server.tools.calls import Call
from storage.conversations import conversations
from storage.engine.database import Scope
from storage.schema.errors import InvalidInput, NotAllowed, StorageError, Unavailable
from storage.schema.request_models import MAX_CALL_ID, CallId, Id, NewMessage

KEY = "taskdeck/conversation_id"
CALL_KEY = "taskdeck/tool_call_id"
"""The id that the model's API gave to the call. A resumed chat matches calls and results by it."""
MOST_BYTES = 65_536
"""The maximum length of a message."""

Run = Callable[[Call], Awaitable[CallToolResult]]

_ID: TypeAdapter[int] = TypeAdapter(Id)
_CALL_ID: TypeAdapter[str] = TypeAdapter(CallId)


@dataclass(frozen=True)
class Place:
    """The conversation to record a call in, and the id of the call there, if any."""

    conversation_id: int
    tool_call_id: str | None


def place_of(meta: Mapping[str, Any] | None) -> Place | None:
    """Where to record a call; None if its `_meta` names no conversation.

    Raises:
        InvalidInput: an id in `_meta` is malformed.
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
    """Run a tool, and record the call with its result or refusal as a `tool` message.

    Raises:
        NotFound: no such conversation, or somebody else's; the call had no effect. NotAllowed: the token may not write.
        Otherwise whatever `run` raises.
    """
    # A tool that reads needs only mcp:read, which McpRequests has checked; recording its call is a write of its own.
    if WRITE not in call.caller.oauth_scopes:
        raise NotAllowed(f"To keep a call in a conversation takes a token with the scope {WRITE}.")

    async def within(scope: Scope) -> CallToolResult:
        return await run(replace(call, scope=scope))

    def to_message(result: CallToolResult) -> NewMessage:
        return _message(name, arguments, place.tool_call_id, result=result.structured_content)

    try:
        return await conversations.recorded(call.scope, place.conversation_id, within, to_message)
    except Unavailable:
        # The database is away: there is nowhere to record it, and the client will repeat the call.
        raise
    except StorageError as refusal:
        # The refusal rolled back the transaction that the message would have been in, so it takes another one.
        kept = _message(name, arguments, place.tool_call_id, error=str(refusal))
        await conversations.append(call.scope, place.conversation_id, [kept])
        raise


def _message(name: str, arguments: dict[str, Any], tool_call_id: str | None, **outcome: Any) -> NewMessage:  # noqa: ANN401
    call = {"tool": name, "arguments": arguments, **outcome}
    # "replace": a refused argument may hold an unpaired surrogate, which becomes a question mark.
    content = json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(content) > MOST_BYTES:
        note = f"… (clipped: {len(content)} bytes in all)".encode()
        # "ignore" drops the rest of a character that the cut divided.
        content = content[: MOST_BYTES - len(note)].decode("utf-8", "ignore").encode() + note
    return NewMessage(role="tool", content=content.decode(), tool_call_id=tool_call_id)
