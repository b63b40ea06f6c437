"""The exports of ChatGPT and Claude: `conversations.json`, a list of conversations in both."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, cast

from pydantic import ValidationError

from storage.archive.incoming import ConversationRow, Problem, Row, Warned, explain, make_key, moment, split_message
from storage.schema import content_parts
from storage.schema.errors import InvalidInput
from storage.schema.plain_text import without_hidden
from storage.schema.request_models import NewMessage

_CHUNK = 1 << 20
Json = dict[str, Any]


def elements(stream: IO[str]) -> Iterator[Any]:
    """The elements of a JSON list, one at a time, so that memory holds the largest and not all of them.

    Raises:
        InvalidInput: it is not a list, or ends early.
    """
    decoder, pending, size = json.JSONDecoder(), "", _CHUNK
    pending = stream.read(_CHUNK).lstrip("\ufeff \t\r\n")
    if not pending.startswith("["):
        raise InvalidInput("The file is not a JSON list: export it again, and do not change it")
    pending = pending[1:]
    while True:
        pending = pending.lstrip(" \t\r\n,")
        if pending.startswith("]"):
            return
        try:
            value, end = decoder.raw_decode(pending)
            # A number at the end of what was read may go on in the next part.
            complete = end < len(pending)
        except ValueError:
            value, end, complete = None, 0, False
        if complete:
            yield value
            pending, size = pending[end:], _CHUNK
            continue
        more = stream.read(size)
        if not more:
            raise InvalidInput("The file ends early, or is not valid JSON: export it again, and do not change it")
        # Doubled, or a long conversation would be parsed again for each part of it.
        pending, size = pending + more, size * 2


def objects(values: object) -> list[Json]:
    """The JSON objects among the values of a list."""
    if not isinstance(values, list):
        return []
    return [cast("Json", value) for value in cast("list[Any]", values) if isinstance(value, dict)]


def read_chatgpt(stream: IO[str]) -> Iterator[Row]:
    """ChatGPT: a tree of messages, of which the branch that ends at `current_node` is what the person sees."""
    for number, found in enumerate(elements(stream), 1):
        row = f"conversation {number}"
        chat = objects([found])
        if not chat or not isinstance(chat[0].get("mapping"), dict):
            yield Problem(row, "mapping: it has no messages. Export it again, or use --skip-invalid")
            continue
        yield from _read_chatgpt(row, chat[0])


def _read_chatgpt(row: str, chat: Json) -> Iterator[Row]:
    key = chat.get("conversation_id") or chat.get("id")
    if not isinstance(key, str) or not key:
        yield Problem(row, "id: it has none, by which it could be recognized. Export it again")
        return
    branch = _branch(cast("Json", chat["mapping"]), chat.get("current_node"))
    given = [message for node in branch if (message := _from_chatgpt(node)) is not None]
    yield from _conversation(row, make_key("chatgpt", key), chat, given, ("title", "create_time", "update_time"))


def _branch(mapping: dict[str, Any], last: object) -> list[Json]:
    """The messages from the root to the current node; without one, the branch of each last child."""
    nodes = {name: cast("Json", node) for name, node in mapping.items() if isinstance(node, dict)}
    if not isinstance(last, str) or last not in nodes:
        last = next((name for name, node in nodes.items() if node.get("parent") not in nodes), None)
        passed: set[str] = set()
        while isinstance(last, str) and last not in passed:
            passed.add(last)
            children: list[Any] = nodes[last].get("children") or []
            below = [str(child) for child in children if child in nodes]
            if not below:
                break
            last = below[-1]
    branch: list[Json] = []
    seen: set[str] = set()
    while isinstance(last, str) and last in nodes and last not in seen:
        seen.add(last)
        if isinstance(message := nodes[last].get("message"), dict):
            branch.append(cast("Json", message))
        last = nodes[last].get("parent")
    return branch[::-1]


def _from_chatgpt(message: Json) -> Json | None:
    """The fields of a message; None for one that ChatGPT itself does not show."""
    metadata: Json = message.get("metadata") or {}
    content: Json = message.get("content") or {}
    author: Json = message.get("author") or {}
    parts: list[Any] = content.get("parts") or [content.get("text") or content.get("result") or ""]
    text = "\n".join(part if isinstance(part, str) else _describe(part) for part in parts).strip()
    if metadata.get("is_visually_hidden_from_conversation") or not text:
        return None
    return {
        "role": author.get("role"),
        "content": text,
        "model": metadata.get("model_slug"),
        "created_at": message.get("create_time"),
    }


def _describe(part: object) -> str:
    if not isinstance(part, dict):
        return ""
    found = cast("Json", part)
    return str(found.get("text") or f"[{found.get('content_type') or 'part'}]")


def read_claude(stream: IO[str]) -> Iterator[Row]:
    """Claude: a list of messages, with text or parts, and the text of attachments."""
    for number, found in enumerate(elements(stream), 1):
        row = f"conversation {number}"
        chat = objects([found])
        if not chat or not isinstance(chat[0].get("chat_messages"), list):
            yield Problem(row, "chat_messages: it has no messages. Export it again, or use --skip-invalid")
        elif not isinstance(chat[0].get("uuid"), str):
            yield Problem(row, "uuid: it has none, by which it could be recognized. Export it again")
        else:
            given = [_from_claude(message) for message in objects(chat[0]["chat_messages"])]
            kept = [message for message in given if message["content"] or message.get("tool_calls")]
            key = make_key("claude", chat[0]["uuid"])
            yield from _conversation(row, key, chat[0], kept, ("name", "created_at", "updated_at"))


def _from_claude(message: Json) -> Json:
    parts = cast("list[Any]", objects(message.get("content")))
    text = content_parts.as_text(parts) if parts else str(message.get("text") or "")
    for attachment in objects(message.get("attachments")):
        text += f"\n\n[attachment {attachment.get('file_name') or ''}]\n{attachment.get('extracted_content') or ''}"
    role = {"human": "user"}.get(str(message.get("sender")), message.get("sender"))
    fields = {"role": role, "content": text.strip(), "created_at": message.get("created_at")}
    if parts and (calls := content_parts.tool_uses(parts)):
        fields["tool_calls"] = calls
    return fields


def _conversation(row: str, key: str, chat: Json, given: list[Json], names: tuple[str, str, str]) -> Iterator[Row]:
    title, created, updated = (chat.get(name) for name in names)
    times = [at for message in given if (at := moment(message["created_at"]))]
    begun = moment(created) or min(times, default=datetime.now(UTC))
    last = begun
    messages: list[NewMessage] = []
    for number, message in enumerate(given, 1):
        # Some messages have no time: they get that of the one before.
        last = moment(message["created_at"]) or last
        pieces = list(split_message(message["content"]))
        if len(pieces) > 1:
            yield Warned(row, f"message {number} is longer than 64 KiB and became {len(pieces)} messages")
        fields = {name: value for name, value in message.items() if value is not None}
        try:
            for piece in pieces:
                messages.append(NewMessage.model_validate(fields | {"content": piece, "created_at": last.isoformat()}))
                fields.pop("tool_calls", None)
        except ValidationError as error:
            yield Problem(row, f"message {number}, {explain(error)}")
            return
    name = without_hidden(title).strip()[:200] if isinstance(title, str) else None
    yield ConversationRow(row, key, name or None, begun, moment(updated) or max(last, begun), messages)
