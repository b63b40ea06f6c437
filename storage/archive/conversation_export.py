"""One conversation as a file, written while it is read."""

import json
from collections.abc import AsyncGenerator
from typing import Literal

from storage.archive import markdown, pages
from storage.archive.records import ConversationRecord
from storage.conversations.conversations import missing
from storage.engine.database import Scope
from storage.schema.response_models import ResponseModel

ConversationFormat = Literal["markdown", "json"]


async def export_conversation(scope: Scope, conversation_id: int, written: ConversationFormat) -> AsyncGenerator[bytes]:
    """Begin a file with a conversation and all its messages.

    JSON is an object: `conversation` and `messages` are records as in archives.

    Raises:
        NotFound.
    """
    async for page in pages.conversations(scope, [conversation_id]):
        for conversation in page:
            return (_as_markdown if written == "markdown" else _as_json)(scope, conversation)
    raise missing(conversation_id)


async def _as_markdown(scope: Scope, conversation: ConversationRecord) -> AsyncGenerator[bytes]:
    yield markdown.title_lines(conversation).encode()
    async for messages in pages.messages(scope, conversation.id):
        yield "".join(markdown.message_lines(messages)).encode()


async def _as_json(scope: Scope, conversation: ConversationRecord) -> AsyncGenerator[bytes]:
    yield f'{{"conversation":{_record(conversation)},"messages":['.encode()
    separator = ""
    async for messages in pages.messages(scope, conversation.id):
        yield (separator + ",".join(map(_record, messages))).encode()
        separator = ","
    yield b"]}\n"


def _record(record: ResponseModel) -> str:
    return json.dumps(record.payload(), ensure_ascii=False, separators=(",", ":"))
